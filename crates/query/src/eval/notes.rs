//! What a query tells people beside its answer: warnings and infos, in Prometheus' words.

use std::collections::HashMap;

use hinomi_series::number::format_g;
use hinomi_series::quote;

use super::number::two_digits;
use crate::parse::position;

/// Different notes that are kept; more tell nobody anything.
const NOTES_MAX: usize = 1_000;

/// What a histogram was part of when something had to be said about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Sums {
    /// An addition.
    Addition,
    /// A subtraction.
    Subtraction,
    /// An aggregation.
    Aggregation,
}

impl Sums {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Addition => "addition",
            Self::Subtraction => "subtraction",
            Self::Aggregation => "aggregation",
        }
    }
}

/// Something to tell; texts are metric names, label values and operators.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Note {
    InvalidQuantile(f64),
    InvalidRatio(f64, f64),
    BadBucketLabel { name: String, label: String },
    Mixed(String),
    MixedInAggregation,
    MixedClassicNative(String),
    NotCounterHistogram(String),
    NotGaugeHistogram(String),
    MixedSchemas(String),
    IncompatibleBuckets(&'static str),
    SortInRange,
    ResetCollision(Sums),
    StartOverlap(String),
    PossibleNonCounter(String),
    IncompatibleTypes { left: &'static str, op: &'static str, right: &'static str },
    IgnoredInAggregation(&'static str),
    IgnoredInMixedRange(String),
    QuantileNan(String),
    QuantileSkewed(String),
    FractionNan(String),
    ReconciledBuckets(Sums),
    ForcedMonotonic(Forced),
}

/// Where buckets had to be made to ascend; several are told as one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Forced {
    /// The metric's name, empty if unknown.
    pub(super) name: String,
    /// Lowest bucket that was raised.
    pub(super) bucket_min: f64,
    /// Highest bucket that was raised.
    pub(super) bucket_max: f64,
    /// The most by which one was raised.
    pub(super) diff_max: f64,
    /// First and last time, milliseconds since the epoch.
    pub(super) times: (i64, i64),
    /// How often.
    pub(super) count: u64,
}

impl Forced {
    fn join(&mut self, other: &Self) {
        self.bucket_min = self.bucket_min.min(other.bucket_min);
        self.bucket_max = self.bucket_max.max(other.bucket_max);
        self.diff_max = self.diff_max.max(other.diff_max);
        self.times = (self.times.0.min(other.times.0), self.times.1.max(other.times.1));
        self.count += other.count;
    }

    fn detail(&self) -> String {
        format!(
            ", from buckets {} to {}, with a max diff of {}, over {} samples from {} to {}",
            format_g(self.bucket_min),
            format_g(self.bucket_max),
            two_digits(self.diff_max),
            self.count,
            super::date::rfc3339(self.times.0),
            super::date::rfc3339(self.times.1),
        )
    }
}

impl Note {
    const fn is_info(&self) -> bool {
        matches!(
            self,
            Self::PossibleNonCounter(_)
                | Self::IncompatibleTypes { .. }
                | Self::IgnoredInAggregation(_)
                | Self::IgnoredInMixedRange(_)
                | Self::QuantileNan(_)
                | Self::QuantileSkewed(_)
                | Self::FractionNan(_)
                | Self::ReconciledBuckets(_)
                | Self::ForcedMonotonic(_)
        )
    }

    fn text(&self) -> String {
        let kind = if self.is_info() { "info" } else { "warning" };
        format!("PromQL {kind}: {}", self.body())
    }

    fn body(&self) -> String {
        match self {
            Self::InvalidQuantile(q) => {
                format!("quantile value should be between 0 and 1, got {}", format_g(*q))
            }
            Self::InvalidRatio(ratio, to) => format!(
                "ratio value should be between -1 and 1, got {}, capping to {}",
                format_g(*ratio),
                format_g(*to)
            ),
            Self::BadBucketLabel { name, label } => with_name(
                &format!("bucket label \"le\" is missing or has a malformed value of {}", quote(label)),
                name,
            ),
            Self::Mixed(name) => {
                format!("encountered a mix of histograms and floats for metric name {}", quote(name))
            }
            Self::MixedInAggregation => "encountered a mix of histograms and floats for aggregation".into(),
            Self::MixedClassicNative(name) => {
                with_name("vector contains a mix of classic and native histograms", name)
            }
            Self::NotCounterHistogram(name) => {
                format!("this native histogram metric is not a counter: {}", quote(name))
            }
            Self::NotGaugeHistogram(name) => {
                format!("this native histogram metric is not a gauge: {}", quote(name))
            }
            Self::MixedSchemas(name) => format!(
                "vector contains a mix of histograms with exponential and custom buckets schemas \
                 for metric name {}",
                quote(name)
            ),
            Self::IncompatibleBuckets(op) => {
                format!("incompatible bucket layout encountered for binary operator {op}")
            }
            Self::SortInRange => {
                "sort is ineffective for range queries since results are always ordered by labels".into()
            }
            Self::ResetCollision(sums) => {
                format!("conflicting counter resets during histogram {}", sums.as_str())
            }
            Self::StartOverlap(name) => format!(
                "sample has start time that overlaps with previous sample timestamp for metric {}",
                quote(name)
            ),
            _ => self.info_body(),
        }
    }

    fn info_body(&self) -> String {
        const FORCED: &str = "input to histogram_quantile needed to be fixed for monotonicity \
             (see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)";
        match self {
            Self::PossibleNonCounter(name) => format!(
                "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {}",
                quote(name)
            ),
            Self::IncompatibleTypes { left, op, right } => format!(
                "incompatible sample types encountered for binary operator \"{op}\": {left} {op} {right}"
            ),
            Self::IgnoredInAggregation(op) => format!("ignored histogram in {op} aggregation"),
            Self::IgnoredInMixedRange(name) => format!(
                "ignored histograms in a range containing both floats and histograms for metric name {}",
                quote(name)
            ),
            Self::QuantileNan(name) => {
                with_name("input to histogram_quantile has NaN observations, result is NaN", name)
            }
            Self::QuantileSkewed(name) => {
                with_name("input to histogram_quantile has NaN observations, result is skewed higher", name)
            }
            Self::FractionNan(name) => with_name(
                "input to histogram_fraction has NaN observations, which are excluded from all fractions",
                name,
            ),
            Self::ReconciledBuckets(sums) => {
                format!("mismatched custom buckets were reconciled during {}", sums.as_str())
            }
            Self::ForcedMonotonic(forced) => with_name(FORCED, &forced.name),
            _ => String::new(),
        }
    }
}

fn with_name(text: &str, name: &str) -> String {
    if name.is_empty() { text.to_string() } else { format!("{text} for metric name {}", quote(name)) }
}

/// The notes of one query, each told once.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// Where each stands in `kept`, by its text.
    places: HashMap<String, usize>,
    kept: Vec<(Note, u32)>,
}

impl Notes {
    /// Adds a note about what stands at a byte of the query.
    pub(super) fn add(&mut self, note: Note, at: u32) {
        // Loops over samples repeat the same note: the last one is the likeliest.
        if self.kept.last().is_some_and(|last| last.0 == note) {
            return;
        }
        let text = note.text();
        if let Some((twin, _)) = self.places.get(&text).and_then(|place| self.kept.get_mut(*place)) {
            if let (Note::ForcedMonotonic(twin), Note::ForcedMonotonic(note)) = (twin, &note) {
                twin.join(note);
            }
            return;
        }
        if self.kept.len() < NOTES_MAX {
            self.places.insert(text, self.kept.len());
            self.kept.push((note, at));
        }
    }

    /// Warnings and infos as texts, each with line and column in the query.
    pub(super) fn texts(&self, query: &str) -> (Vec<String>, Vec<String>) {
        let (mut warnings, mut infos) = (Vec::new(), Vec::new());
        for (note, at) in &self.kept {
            let mut text = note.text();
            if let Note::ForcedMonotonic(forced) = note {
                text.push_str(&forced.detail());
            }
            text.push_str(&format!(" ({})", position(query, *at)));
            if note.is_info() { infos.push(text) } else { warnings.push(text) }
        }
        (warnings, infos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_told_once_and_with_its_place() {
        let mut notes = Notes::default();
        for _ in 0..3 {
            notes.add(Note::Mixed("a".into()), 6);
            notes.add(Note::PossibleNonCounter("b".into()), 1);
        }
        let (warnings, infos) = notes.texts("rate(\na[5m])");
        let mix = "PromQL warning: encountered a mix of histograms and floats for metric name \"a\" (2:1)";
        assert_eq!(warnings, [mix]);
        assert_eq!(infos.len(), 1);
    }

    #[test]
    fn forced_buckets_are_told_as_one() {
        let mut notes = Notes::default();
        for (bucket, time) in [(1.0, 0), (2.0, 60_000)] {
            let (bucket_min, bucket_max) = (bucket, bucket);
            let name = "m".to_string();
            let forced =
                Forced { name, bucket_min, bucket_max, diff_max: bucket, times: (time, time), count: 1 };
            notes.add(Note::ForcedMonotonic(forced), 0);
        }
        let (_, infos) = notes.texts("x");
        let tail = "from buckets 1 to 2, with a max diff of 2, over 2 samples \
                    from 1970-01-01T00:00:00Z to 1970-01-01T00:01:00Z (1:1)";
        assert!(infos[0].ends_with(tail), "{infos:?}");
    }
}
