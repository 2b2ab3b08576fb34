//! Answers as Prometheus writes them, straight into one buffer: no tree of values in between.

use hinomi_query::eval::{Answered, Sample, SampleStream};
use hinomi_series::number::format_f;
use hinomi_series::{Bucket, Histogram, Labels, Point, Value};

/// From here up, and below its small brother, numbers have an exponent.
const EXPONENT_FROM: f64 = 1e21;
/// See [`EXPONENT_FROM`].
const EXPONENT_BELOW: f64 = 1e-6;
/// Whole numbers up to here are exact, and written without asking how many digits are needed.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
/// What the quick printer writes without an exponent.
const QUICK: std::ops::Range<f64> = 1e-5..1e15;

/// JSON being written.
#[derive(Debug, Default)]
pub(crate) struct Json(Vec<u8>);

impl Json {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Text that is JSON already.
    pub(crate) fn raw(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    /// A list with `[`, `,` and `]`.
    pub(crate) fn list<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) {
        self.0.push(b'[');
        for (at, item) in items.into_iter().enumerate() {
            if at > 0 {
                self.0.push(b',');
            }
            write(self, item);
        }
        self.0.push(b']');
    }

    /// A text in quotes.
    pub(crate) fn text(&mut self, text: &str) {
        self.0.push(b'"');
        let mut rest = text.as_bytes();
        while let Some(at) = rest.iter().position(|byte| *byte < 0x20 || *byte == b'"' || *byte == b'\\') {
            let (plain, escaped) = rest.split_at(at);
            self.0.extend_from_slice(plain);
            let Some((byte, behind)) = escaped.split_first() else { break };
            match byte {
                b'"' => self.raw("\\\""),
                b'\\' => self.raw("\\\\"),
                b'\n' => self.raw("\\n"),
                b'\r' => self.raw("\\r"),
                b'\t' => self.raw("\\t"),
                byte => self.raw(&format!("\\u{byte:04x}")),
            }
            rest = behind;
        }
        self.0.extend_from_slice(rest);
        self.0.push(b'"');
    }

    /// A key with its colon.
    pub(crate) fn key(&mut self, name: &str) {
        self.text(name);
        self.0.push(b':');
    }

    /// A whole number.
    pub(crate) fn whole(&mut self, number: u64) {
        let mut digits = [0; 20];
        let (mut at, mut left) = (digits.len(), number);
        while let Some(place) = at.checked_sub(1).and_then(|place| Some((place, digits.get_mut(place)?))) {
            *place.1 = b'0' + u8::try_from(left % 10).unwrap_or_default();
            at = place.0;
            left /= 10;
            if left == 0 {
                break;
            }
        }
        self.0.extend_from_slice(digits.get(at..).unwrap_or_default());
    }

    /// Milliseconds since the epoch as seconds, with three decimals or none.
    pub(crate) fn time(&mut self, ms: i64) {
        if ms < 0 {
            self.0.push(b'-');
        }
        let ms = ms.unsigned_abs();
        self.whole(ms / 1000);
        let rest = ms % 1000;
        if rest > 0 {
            self.raw(if rest < 10 {
                ".00"
            } else if rest < 100 {
                ".0"
            } else {
                "."
            });
            self.whole(rest);
        }
    }

    /// A sample's value: the shortest text that reads back as the same number, in quotes.
    pub(crate) fn number(&mut self, value: f64) {
        self.0.push(b'"');
        self.bare_number(value);
        self.0.push(b'"');
    }

    fn bare_number(&mut self, value: f64) {
        let size = value.abs();
        if !size.is_finite() {
            return self.raw(&format_f(value));
        }
        if value.is_sign_negative() {
            self.0.push(b'-');
        }
        #[allow(clippy::float_cmp, reason = "whole numbers have no fraction, to the bit")]
        if size < WHOLE_MAX && size.trunc() == size {
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "whole, not negative, and in range"
            )]
            return self.whole(size as u64);
        }
        if (EXPONENT_BELOW..EXPONENT_FROM).contains(&size) {
            let mut quick = zmij::Buffer::new();
            let text = if QUICK.contains(&size) { quick.format_finite(size) } else { "e" };
            return match text.contains('e') {
                true => self.raw(&size.to_string()),
                false => self.raw(text.strip_suffix(".0").unwrap_or(text)),
            };
        }
        let text = format!("{size:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
        self.raw(&format!("{digits}e{sign}{exponent:0>2}"));
    }

    /// An object of labels.
    pub(crate) fn labels(&mut self, labels: &Labels) {
        self.0.push(b'{');
        for (at, (name, value)) in labels.iter().enumerate() {
            if at > 0 {
                self.0.push(b',');
            }
            self.key(name);
            self.text(value);
        }
        self.0.push(b'}');
    }

    fn histogram(&mut self, histogram: &Histogram) {
        self.raw("{\"count\":");
        self.number(histogram.count);
        self.raw(",\"sum\":");
        self.number(histogram.sum);
        let buckets = histogram.buckets();
        let mut filled = buckets.iter().filter(|bucket| bucket.count.to_bits() << 1 != 0).peekable();
        if filled.peek().is_some() {
            self.raw(",\"buckets\":");
            self.list(filled, Self::bucket);
        }
        self.0.push(b'}');
    }

    fn bucket(&mut self, bucket: &Bucket) {
        self.0.push(b'[');
        self.raw(match (bucket.lower_inclusive, bucket.upper_inclusive) {
            (false, true) => "0",
            (true, false) => "1",
            (false, false) => "2",
            (true, true) => "3",
        });
        for value in [bucket.lower, bucket.upper, bucket.count] {
            self.0.push(b',');
            self.number(value);
        }
        self.0.push(b']');
    }

    fn point(&mut self, point: &Point) {
        self.0.push(b'[');
        self.time(point.t);
        self.0.push(b',');
        match &point.v {
            Value::Float(value) => self.number(*value),
            Value::Histogram(histogram) => self.histogram(histogram),
        }
        self.0.push(b']');
    }

    fn sample(&mut self, sample: &Sample) {
        self.raw("{\"metric\":");
        self.labels(&sample.labels);
        self.raw(match sample.point.v {
            Value::Float(_) => ",\"value\":",
            Value::Histogram(_) => ",\"histogram\":",
        });
        self.point(&sample.point);
        self.0.push(b'}');
    }

    fn stream(&mut self, stream: &SampleStream) {
        self.raw("{\"metric\":");
        self.labels(&stream.labels);
        let is_float = |point: &&Point| matches!(point.v, Value::Float(_));
        let mut floats = stream.points.iter().filter(is_float).peekable();
        if floats.peek().is_some() {
            self.raw(",\"values\":");
            self.list(floats, Self::point);
        }
        let mut histograms = stream.points.iter().filter(|point| !is_float(point)).peekable();
        if histograms.peek().is_some() {
            self.raw(",\"histograms\":");
            self.list(histograms, Self::point);
        }
        self.0.push(b'}');
    }

    /// `"resultType":…,"result":…`, of at most `limit` series; whether some were left out.
    pub(crate) fn answered(&mut self, answered: &Answered, limit: usize) -> bool {
        match answered {
            Answered::Scalar(time, value) => {
                self.raw("\"resultType\":\"scalar\",\"result\":[");
                self.seconds(*time);
                self.0.push(b',');
                self.text(&format_f(*value));
                self.0.push(b']');
                false
            }
            Answered::String(time, text) => {
                self.raw("\"resultType\":\"string\",\"result\":[");
                self.seconds(*time);
                self.0.push(b',');
                self.text(text);
                self.0.push(b']');
                false
            }
            Answered::Vector(samples) => {
                self.raw("\"resultType\":\"vector\",\"result\":");
                self.list(samples.iter().take(limit), Self::sample);
                samples.len() > limit
            }
            Answered::Matrix(streams) => {
                self.raw("\"resultType\":\"matrix\",\"result\":");
                self.list(streams.iter().take(limit), Self::stream);
                streams.len() > limit
            }
        }
    }

    /// Milliseconds as seconds, with as many decimals as are needed: how times of scalars are written.
    pub(crate) fn seconds(&mut self, ms: i64) {
        #[allow(clippy::cast_precision_loss, reason = "as Prometheus does")]
        self.bare_number(ms as f64 / 1000.0);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hinomi_series::Span;

    use super::*;

    fn written(write: impl FnOnce(&mut Json)) -> String {
        let mut json = Json::default();
        write(&mut json);
        String::from_utf8(json.into_bytes()).unwrap_or_default()
    }

    #[test]
    fn numbers_are_written_as_prometheus_does() {
        let table = [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-42.0, "-42"),
            (0.1, "0.1"),
            (-1.5, "-1.5"),
            (123_456_789.0, "123456789"),
            (1e15, "1000000000000000"),
            (9_007_199_254_740_993.0, "9007199254740992"),
            (1.234_567_890_123_456_7e18, "1234567890123456800"),
            (999_999_999_999_999_900_000.0, "999999999999999900000"),
            (1e21, "1e+21"),
            (-1.5e300, "-1.5e+300"),
            (0.000_001, "0.000001"),
            (0.000_012_5, "0.0000125"),
            (0.000_000_9, "9e-07"),
            (1.5e-100, "1.5e-100"),
            (5e-324, "5e-324"),
            (0.300_000_000_000_000_04, "0.30000000000000004"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ];
        for (value, text) in table {
            assert_eq!(written(|json| json.number(value)), format!("\"{text}\""));
        }
    }

    #[test]
    fn every_number_reads_back() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            for value in [f64::from_bits(state), f64::from(u32::try_from(state >> 32).unwrap_or(1)) / 1000.0]
            {
                let text = written(|json| json.bare_number(value));
                let read: f64 = text.parse().unwrap_or(0.5);
                assert!(read.to_bits() == value.to_bits() || value.is_nan(), "{value:?}: {text}");
            }
        }
    }

    #[test]
    fn times_are_seconds() {
        let table = [
            (0, "0"),
            (1_500, "1.500"),
            (-1, "-0.001"),
            (1_435_781_451_781, "1435781451.781"),
            (60_000, "60"),
        ];
        for (ms, text) in table {
            assert_eq!(written(|json| json.time(ms)), text);
        }
        assert_eq!(written(|json| json.seconds(1_500)), "1.5");
        assert_eq!(written(|json| json.time(i64::MIN)), "-9223372036854775.808");
    }

    #[test]
    fn texts_are_escaped() {
        let text = "a\"b\\c\nd\u{1}\u{e4}<";
        assert_eq!(written(|json| json.text(text)), "\"a\\\"b\\\\c\\nd\\u0001\u{e4}<\"");
    }

    #[test]
    fn results_have_prometheus_shapes() {
        let labels = Labels::from_pairs([("__name__", "up"), ("job", "a")]);
        let float = Point { t: 1_000, v: Value::Float(1.5) };
        let histogram = Histogram {
            count: 3.0,
            sum: 4.5,
            zero_count: 1.0,
            zero_threshold: 0.001,
            positive_spans: vec![Span { offset: 0, length: 2 }],
            positive_buckets: vec![2.0, 0.0],
            ..Histogram::default()
        };
        let histogram = Point { t: 2_500, v: Value::Histogram(Arc::new(histogram)) };
        let sample = |point: &Point| Sample { labels: labels.clone(), point: point.clone() };
        let stream = SampleStream { labels: labels.clone(), points: vec![float.clone(), histogram.clone()] };
        let answers = [
            Answered::Scalar(1_500, 1e21),
            Answered::String(0, "x".to_owned()),
            Answered::Vector(vec![sample(&float), sample(&histogram)]),
            Answered::Matrix(vec![stream]),
            Answered::Vector(Vec::new()),
        ];
        let all: Vec<String> =
            answers.iter().map(|answer| written(|json| assert!(!json.answered(answer, 10)))).collect();
        insta::assert_snapshot!(all.join("\n"), @r#"
        "resultType":"scalar","result":[1.5,"1000000000000000000000"]
        "resultType":"string","result":[0,"x"]
        "resultType":"vector","result":[{"metric":{"__name__":"up","job":"a"},"value":[1,"1.5"]},{"metric":{"__name__":"up","job":"a"},"histogram":[2.500,{"count":"3","sum":"4.5","buckets":[[3,"-0.001","0.001","1"],[0,"0.5","1","2"]]}]}]
        "resultType":"matrix","result":[{"metric":{"__name__":"up","job":"a"},"values":[[1,"1.5"]],"histograms":[[2.500,{"count":"3","sum":"4.5","buckets":[[3,"-0.001","0.001","1"],[0,"0.5","1","2"]]}]]}]
        "resultType":"vector","result":[]
        "#);
        let cut = written(|json| assert!(json.answered(&answers[2], 1)));
        assert!(cut.contains("value") && !cut.contains("histogram"), "{cut}");
    }
}
