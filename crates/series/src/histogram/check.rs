//! The rules that a histogram from outside has to keep.

use super::{Histogram, HistogramError, SCHEMA_MAX, SCHEMA_MIN, Span};
use crate::number::format_g;

/// Most buckets of one sign, and most bounds, that a histogram may have.
const BUCKETS_MAX: usize = 65_536;

impl Histogram {
    /// Checks that spans and buckets fit each other, that nothing is negative, and that only those parts are used that
    /// its schema has. Everything that comes from outside has to pass it.
    ///
    /// # Errors
    ///
    /// [`HistogramError::Invalid`], with Prometheus' words.
    pub fn validate(&self) -> Result<(), HistogramError> {
        if self.positive_buckets.len().max(self.negative_buckets.len()).max(self.custom_values.len())
            > BUCKETS_MAX
        {
            return Err(invalid(format!("histogram has more than {BUCKETS_MAX} buckets")));
        }
        if self.uses_custom_buckets() {
            self.check_custom()?;
        } else if (SCHEMA_MIN..=SCHEMA_MAX).contains(&self.schema) {
            self.check_exponential()?;
        } else {
            return Err(invalid(format!(
                "histogram has an invalid schema, which must be between -4 and 8 for exponential buckets, or -53 for \
                 custom buckets, got schema {}",
                self.schema
            )));
        }
        if self.count < 0.0 {
            let count = format_g(self.count);
            let text = format!("observation count is {count}: histogram's observation count is negative");
            return Err(invalid(text));
        }
        check_counts(&self.positive_buckets).map_err(|text| side("positive", &text))
    }

    fn check_exponential(&self) -> Result<(), HistogramError> {
        check_spans(&self.positive_spans, self.positive_buckets.len())
            .map_err(|text| side("positive", &text))?;
        check_spans(&self.negative_spans, self.negative_buckets.len())
            .map_err(|text| side("negative", &text))?;
        check_counts(&self.negative_buckets).map_err(|text| side("negative", &text))?;
        if self.zero_count < 0.0 {
            return Err(invalid(format!(
                "zero bucket has observation count of {}: histogram has a bucket whose observation count is negative",
                format_g(self.zero_count)
            )));
        }
        if self.zero_threshold.is_nan() || self.zero_threshold < 0.0 {
            return Err(invalid("histogram's zero threshold is negative or not a number".to_owned()));
        }
        if !self.custom_values.is_empty() {
            return Err(invalid("histogram with exponential schema must not have custom bounds".to_owned()));
        }
        Ok(())
    }

    fn check_custom(&self) -> Result<(), HistogramError> {
        self.check_bounds().map_err(|text| invalid(format!("custom buckets: {text}")))?;
        #[allow(clippy::float_cmp, reason = "has to be exactly zero")]
        let rules = [
            (self.zero_count != 0.0, "must have zero count of 0"),
            (self.zero_threshold != 0.0, "must have zero threshold of 0"),
            (!self.negative_spans.is_empty(), "must not have negative spans"),
            (!self.negative_buckets.is_empty(), "must not have negative buckets"),
        ];
        match rules.iter().find(|rule| rule.0) {
            Some((_, text)) => Err(invalid(format!("custom buckets: {text}"))),
            None => Ok(()),
        }
    }

    fn check_bounds(&self) -> Result<(), String> {
        let bounds = &self.custom_values;
        if bounds.iter().any(|bound| bound.is_nan()) {
            return Err("histogram custom bounds must not be NaN".to_owned());
        }
        if let Some([before, now]) = bounds.array_windows().find(|[before, now]| now <= before) {
            return Err(format!(
                "previous bound is {before:.6} and current is {now:.6}: histogram custom bounds must be in strictly \
                 increasing order"
            ));
        }
        if bounds.last() == Some(&f64::INFINITY) {
            return Err(
                "last +Inf bound must not be explicitly defined: histogram custom bounds must be finite"
                    .into(),
            );
        }
        if let Some(at) = self.positive_spans.iter().position(|span| span.offset < 0) {
            return Err(negative_offset(at, &self.positive_spans));
        }
        check_spans(&self.positive_spans, self.positive_buckets.len())?;
        let covered: i64 =
            self.positive_spans.iter().map(|span| i64::from(span.offset) + i64::from(span.length)).sum();
        if usize::try_from(covered).unwrap_or(usize::MAX) > bounds.len() + 1 {
            return Err(format!(
                "only {} custom bounds defined which is insufficient to cover total span length of {covered}: histogram \
                 custom bounds are too few",
                bounds.len()
            ));
        }
        Ok(())
    }
}

fn invalid(text: String) -> HistogramError {
    HistogramError::Invalid(text)
}

fn side(which: &str, text: &str) -> HistogramError {
    invalid(format!("{which} side: {text}"))
}

fn negative_offset(at: usize, spans: &[Span]) -> String {
    let offset = spans.get(at).map_or(0, |span| span.offset);
    format!("span number {} with offset {offset}: histogram has a span whose offset is negative", at + 1)
}

fn check_spans(spans: &[Span], buckets: usize) -> Result<(), String> {
    let negative = spans.iter().skip(1).position(|span| span.offset < 0);
    if let Some(at) = negative {
        return Err(negative_offset(at + 1, spans));
    }
    let mut behind = 0_i64;
    let mut needed = 0_u64;
    for (at, span) in spans.iter().enumerate() {
        behind += i64::from(span.offset) + i64::from(span.length);
        needed += u64::from(span.length);
        if behind - 1 > i64::from(i32::MAX) || span.offset == i32::MIN {
            return Err(format!(
                "span number {} ends at bucket index {}: histogram has a span whose bucket index is out of range",
                at + 1,
                behind - 1
            ));
        }
    }
    if usize::try_from(needed).ok() == Some(buckets) {
        return Ok(());
    }
    Err(format!(
        "spans need {needed} buckets, have {buckets} buckets: histogram spans specify different number of buckets than \
         provided"
    ))
}

fn check_counts(counts: &[f64]) -> Result<(), String> {
    match counts.iter().position(|count| *count < 0.0) {
        Some(at) => Err(format!(
            "bucket number {} has observation count of {}: histogram has a bucket whose observation count is negative",
            at + 1,
            format_g(counts.get(at).copied().unwrap_or_default())
        )),
        None => Ok(()),
    }
}
