//! Native histograms with float counts, and their arithmetic.

mod arithmetic;
mod buckets;
mod check;
mod estimate;
mod trim;

use std::fmt;
use std::sync::Arc;

pub use estimate::Estimate;

use crate::number::format_g;

/// The schema of histograms whose bounds are listed.
pub const CUSTOM_BUCKETS_SCHEMA: i32 = -53;
/// The coarsest exponential schema.
pub const SCHEMA_MIN: i32 = -4;
/// The finest exponential schema.
pub const SCHEMA_MAX: i32 = 8;

/// Buckets next to each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// Buckets left out since the end of the span before; of the first span the index of its first bucket.
    pub offset: i32,
    /// How many buckets.
    pub length: u32,
}

/// What is known about a counter reset right before a histogram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ResetHint {
    /// Nothing: compare to find out.
    #[default]
    Unknown,
    /// There was one.
    Reset,
    /// There was none.
    NotReset,
    /// It is a gauge: nothing to reset.
    Gauge,
}

/// A native histogram: counts of observations in buckets, either of exponentially growing width or with listed bounds.
///
/// Counts are floats and absolute; a calculated histogram may have negative ones.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    /// Whether the counter was reset right before.
    pub reset_hint: ResetHint,
    /// -4 to 8: bounds grow by 2^(2^-schema); [`CUSTOM_BUCKETS_SCHEMA`]: `custom_values` are the bounds.
    pub schema: i32,
    /// Observations whose absolute value is at most this lie in the zero bucket.
    pub zero_threshold: f64,
    /// Observations in the zero bucket.
    pub zero_count: f64,
    /// All observations.
    pub count: f64,
    /// Sum of all observations; the stale NaN marks the end of a series.
    pub sum: f64,
    /// Which buckets of positive observations there are, or which of the custom ones.
    pub positive_spans: Vec<Span>,
    /// Which buckets of negative observations there are.
    pub negative_spans: Vec<Span>,
    /// Observations in each bucket of `positive_spans`.
    pub positive_buckets: Vec<f64>,
    /// Observations in each bucket of `negative_spans`.
    pub negative_buckets: Vec<f64>,
    /// Upper bounds of custom buckets, ascending, without the last, which is infinite.
    pub custom_values: Arc<[f64]>,
}

/// A bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Lower bound.
    pub lower: f64,
    /// Upper bound.
    pub upper: f64,
    /// Whether the lower bound belongs to it.
    pub lower_inclusive: bool,
    /// Whether the upper bound belongs to it.
    pub upper_inclusive: bool,
    /// Observations in it.
    pub count: f64,
    /// Its index in the schema; 0 for the zero bucket.
    pub index: i32,
}

/// Why two histograms cannot be calculated with, or one is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistogramError {
    /// One has exponential buckets, the other listed ones.
    #[error("cannot apply this operation on histograms with a mix of exponential and custom bucket schemas")]
    MixedSchemas,
    /// It breaks the rules of its format; says which.
    #[error("{0}")]
    Invalid(String),
}

/// What to tell people about an addition or subtraction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// One was known to come after a reset, the other was known not to.
    pub reset_collision: bool,
    /// Their listed bounds differed; those that both have stay.
    pub bounds_reconciled: bool,
}

impl Histogram {
    /// Whether its bounds are listed.
    #[must_use]
    pub const fn uses_custom_buckets(&self) -> bool {
        self.schema == CUSTOM_BUCKETS_SCHEMA
    }

    /// Roughly how many bytes of memory it takes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let spans = self.positive_spans.len() + self.negative_spans.len();
        let numbers = self.positive_buckets.len() + self.negative_buckets.len() + self.custom_values.len();
        size_of::<Self>() + spans * size_of::<Span>() + numbers * size_of::<f64>()
    }
}

impl PartialEq for Histogram {
    /// Equality of data: the same buckets, empty ones included, with the same counts bit by bit, so that a NaN equals
    /// itself. The hint does not count.
    fn eq(&self, other: &Self) -> bool {
        self.schema == other.schema
            && same_bits(
                &[self.count, self.sum, self.zero_count],
                &[other.count, other.sum, other.zero_count],
            )
            && same_numbers(&[self.zero_threshold], &[other.zero_threshold])
            && (!self.uses_custom_buckets() || same_numbers(&self.custom_values, &other.custom_values))
            && buckets::same_layout(&self.positive_spans, &other.positive_spans)
            && buckets::same_layout(&self.negative_spans, &other.negative_spans)
            && same_bits(&self.positive_buckets, &other.positive_buckets)
            && same_bits(&self.negative_buckets, &other.negative_buckets)
    }
}

fn same_bits(left: &[f64], right: &[f64]) -> bool {
    left.len() == right.len() && left.iter().zip(right).all(|(a, b)| a.to_bits() == b.to_bits())
}

#[allow(clippy::float_cmp, reason = "equality of bounds is meant")]
fn same_numbers(left: &[f64], right: &[f64]) -> bool {
    left.len() == right.len() && left.iter().zip(right).all(|(a, b)| a == b)
}

impl fmt::Display for Bucket {
    /// In mathematical notation: `(0.5,1]:3`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = if self.lower_inclusive { '[' } else { '(' };
        let close = if self.upper_inclusive { ']' } else { ')' };
        let [lower, upper, count] = [self.lower, self.upper, self.count].map(format_g);
        write!(f, "{open}{lower},{upper}{close}:{count}")
    }
}

impl fmt::Display for Histogram {
    /// As Prometheus prints it: `{count:4, sum:5, [-0.001,0.001]:1, (0.5,1]:3}`; empty buckets are left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{count:{}, sum:{}", format_g(self.count), format_g(self.sum))?;
        let negative: Vec<Bucket> = self.negative().collect();
        let zero = (!self.uses_custom_buckets()).then(|| self.zero_bucket());
        #[allow(clippy::float_cmp, reason = "exactly empty")]
        for bucket in negative.into_iter().rev().chain(zero).chain(self.positive()) {
            if bucket.count != 0.0 {
                write!(f, ", {bucket}")?;
            }
        }
        f.write_str("}")
    }
}

#[cfg(test)]
mod tests;
