//! Walking over buckets, and where their bounds lie.

use super::{Bucket, CUSTOM_BUCKETS_SCHEMA, Histogram, Span};

/// Index and count of every bucket that spans name. Walks no further than there are counts, whatever the spans say.
pub(super) fn rows<T: Copy>(spans: &[Span], counts: &[T]) -> impl Iterator<Item = (i32, T)> {
    let mut behind = 0_i32;
    let indices = spans.iter().flat_map(move |span| {
        let first = behind.saturating_add(span.offset);
        behind = first.saturating_add_unsigned(span.length);
        first..behind
    });
    indices.zip(counts.iter().copied())
}

/// Spans and counts of buckets in ascending order, no index twice.
pub(super) fn pack<T>(rows: impl IntoIterator<Item = (i32, T)>) -> (Vec<Span>, Vec<T>) {
    let mut spans: Vec<Span> = Vec::new();
    let mut counts = Vec::new();
    let mut behind = 0_i32;
    for (index, count) in rows {
        let gap = index.saturating_sub(behind);
        match spans.last_mut() {
            Some(last) if gap == 0 => last.length += 1,
            _ => spans.push(Span { offset: gap, length: 1 }),
        }
        counts.push(count);
        behind = index.saturating_add(1);
    }
    (spans, counts)
}

/// Whether spans name the same buckets, however they are cut.
pub(super) fn same_layout(left: &[Span], right: &[Span]) -> bool {
    left == right || joined(left).eq(joined(right))
}

/// Spans as ranges of indices, without empty ones, neighbours joined.
fn joined(spans: &[Span]) -> impl Iterator<Item = (i64, i64)> {
    let mut ranges: Vec<(i64, i64)> = Vec::with_capacity(spans.len());
    let mut behind = 0_i64;
    for span in spans {
        let first = behind + i64::from(span.offset);
        behind = first + i64::from(span.length);
        match ranges.last_mut() {
            _ if span.length == 0 => {}
            Some(last) if last.1 == first => last.1 = behind,
            _ => ranges.push((first, behind)),
        }
    }
    ranges.into_iter()
}

/// Index of the bucket of a coarser schema that a bucket of a finer one falls into.
pub(super) fn coarser_index(index: i32, from: i32, to: i32) -> i32 {
    let shift = u32::try_from(from.saturating_sub(to)).unwrap_or_default().min(31);
    (index.saturating_sub(1) >> shift) + 1
}

/// Upper bound of the bucket of an exponential schema: 2^(index × 2^-schema). The last bucket of finite numbers ends at
/// the greatest of them, so that the one behind it holds the infinities.
pub(super) fn exponential_bound(index: i32, schema: i32) -> f64 {
    let exponent = f64::from(index) * f64::from(-schema).exp2();
    #[allow(clippy::float_cmp, reason = "whole numbers and powers of two are exact")]
    if exponent == 1024.0 { f64::MAX } else { exponent.exp2() }
}

/// Upper bound of a custom bucket: minus infinity before the first, infinity from the last on.
pub(super) fn custom_bound(index: i32, bounds: &[f64]) -> f64 {
    match usize::try_from(index) {
        Ok(at) => bounds.get(at).copied().unwrap_or(f64::INFINITY),
        Err(_) => f64::NEG_INFINITY,
    }
}

impl Histogram {
    /// Buckets of positive observations, or the custom ones, from the lowest up; empty ones included, the zero bucket
    /// not.
    pub fn positive(&self) -> impl Iterator<Item = Bucket> {
        rows(&self.positive_spans, &self.positive_buckets)
            .map(|(index, count)| self.positive_bucket(index, count))
    }

    /// Buckets of negative observations from next to zero down; empty ones included.
    pub fn negative(&self) -> impl Iterator<Item = Bucket> {
        rows(&self.negative_spans, &self.negative_buckets).map(|(index, count)| {
            let lower = -exponential_bound(index, self.schema);
            let upper = -exponential_bound(index.saturating_sub(1), self.schema);
            Bucket { lower, upper, lower_inclusive: true, upper_inclusive: false, count, index }
        })
    }

    fn positive_bucket(&self, index: i32, count: f64) -> Bucket {
        let bound = |index| match self.schema {
            CUSTOM_BUCKETS_SCHEMA => custom_bound(index, &self.custom_values),
            schema => exponential_bound(index, schema),
        };
        Bucket {
            lower: bound(index.saturating_sub(1)),
            upper: bound(index),
            lower_inclusive: self.uses_custom_buckets() && index == 0,
            upper_inclusive: true,
            count,
            index,
        }
    }

    /// The zero bucket; histograms with custom buckets have an empty one without width.
    #[must_use]
    pub const fn zero_bucket(&self) -> Bucket {
        Bucket {
            lower: -self.zero_threshold,
            upper: self.zero_threshold,
            lower_inclusive: true,
            upper_inclusive: true,
            count: self.zero_count,
            index: 0,
        }
    }

    /// All buckets from the lowest up, the zero bucket among them if it is not empty. Where the zero bucket reaches into
    /// others, they begin and end at its threshold.
    #[must_use]
    pub fn buckets(&self) -> Vec<Bucket> {
        let threshold = self.zero_threshold;
        let mut all: Vec<Bucket> =
            self.negative().map(|bucket| Bucket { upper: bucket.upper.min(-threshold), ..bucket }).collect();
        all.reverse();
        if self.zero_count > 0.0 {
            all.push(self.zero_bucket());
        }
        let custom = self.uses_custom_buckets();
        all.extend(self.positive().map(|bucket| match bucket.lower < threshold && !custom {
            true => Bucket { lower: threshold, ..bucket },
            false => bucket,
        }));
        all
    }
}
