//! Quantiles and fractions of classic histograms: cumulative buckets.

use super::number::same;

/// Relative difference of counts that is taken for rounding.
const TOLERANCE: f64 = 1e-12;

/// A bucket: observations up to a bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct UpTo {
    pub(super) bound: f64,
    pub(super) count: f64,
}

/// What was done to buckets that did not ascend.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Raised {
    pub(super) bucket_min: f64,
    pub(super) bucket_max: f64,
    pub(super) diff_max: f64,
}

/// The value below which a share of the observations lies, and what had to be mended. Buckets are sorted by
/// bound.
pub(super) fn quantile(q: f64, buckets: &mut Vec<UpTo>) -> (f64, Option<Raised>) {
    if q.is_nan() {
        return (f64::NAN, None);
    }
    if q < 0.0 {
        return (f64::NEG_INFINITY, None);
    }
    if q > 1.0 {
        return (f64::INFINITY, None);
    }
    if !ends_in_infinity(buckets) {
        return (f64::NAN, None);
    }
    coalesce(buckets);
    let raised = make_ascend(buckets);
    (ascending_quantile(q, buckets), raised)
}

fn ends_in_infinity(buckets: &[UpTo]) -> bool {
    buckets.last().is_some_and(|last| last.bound == f64::INFINITY)
}

fn ascending_quantile(q: f64, buckets: &[UpTo]) -> f64 {
    let Some((all, finite)) = buckets.split_last() else { return f64::NAN };
    let Some(highest) = finite.last() else { return f64::NAN };
    if all.count == 0.0 {
        return f64::NAN;
    }
    let rank = q * all.count;
    let place = finite.partition_point(|bucket| bucket.count < rank);
    let Some(bucket) = finite.get(place) else { return highest.bound };
    let before = place.checked_sub(1).and_then(|before| finite.get(before));
    match before {
        None if bucket.bound <= 0.0 => bucket.bound,
        None => bucket.bound * (rank / bucket.count),
        Some(before) => {
            let share = (rank - before.count) / (bucket.count - before.count);
            before.bound + (bucket.bound - before.bound) * share
        }
    }
}

/// The share of observations between two values. Buckets are sorted by bound.
pub(super) fn fraction(lower: f64, upper: f64, buckets: &mut Vec<UpTo>) -> f64 {
    if !ends_in_infinity(buckets) {
        return f64::NAN;
    }
    coalesce(buckets);
    let all = buckets.last().map_or(0.0, |last| last.count);
    if all == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let below = |value: f64| {
        let count = count_below(value, buckets).unwrap_or(all);
        if count > all { all } else { count }
    };
    (below(upper) - below(lower)) / all
}

/// Observations below a value; `None` if it lies above all buckets.
fn count_below(value: f64, buckets: &[UpTo]) -> Option<f64> {
    // Buckets above zero only hold nothing below it.
    let positive = buckets.first().is_some_and(|first| first.bound > 0.0);
    let (mut lower, mut rank) = (if positive { 0.0 } else { f64::NEG_INFINITY }, 0.0);
    for bucket in buckets {
        if lower >= value {
            return Some(rank);
        }
        if bucket.bound > value {
            if lower == f64::NEG_INFINITY {
                return Some(bucket.count);
            }
            return Some(rank + (bucket.count - rank) * (value - lower) / (bucket.bound - lower));
        }
        (lower, rank) = (bucket.bound, bucket.count);
    }
    None
}

/// Adds up buckets of the same bound.
fn coalesce(buckets: &mut Vec<UpTo>) {
    buckets.dedup_by(|later, earlier| {
        let twins = same(later.bound, earlier.bound);
        if twins {
            earlier.count += later.count;
        }
        twins
    });
}

/// Raises counts that fall, silently where it is rounding only.
fn make_ascend(buckets: &mut [UpTo]) -> Option<Raised> {
    let mut reached = buckets.first()?.count;
    let mut raised: Option<Raised> = None;
    for bucket in buckets.iter_mut().skip(1) {
        if same(bucket.count, reached) {
            continue;
        }
        if nearly(reached, bucket.count) {
            bucket.count = reached;
        } else if bucket.count < reached {
            let found = raised.get_or_insert(Raised {
                bucket_min: f64::INFINITY,
                bucket_max: f64::NEG_INFINITY,
                diff_max: 0.0,
            });
            found.bucket_min = found.bucket_min.min(bucket.bound);
            found.bucket_max = found.bucket_max.max(bucket.bound);
            found.diff_max = found.diff_max.max(reached - bucket.count);
            bucket.count = reached;
        } else {
            reached = bucket.count;
        }
    }
    raised
}

fn nearly(a: f64, b: f64) -> bool {
    if a.is_nan() && b.is_nan() {
        return true;
    }
    let (sum, diff) = (a.abs() + b.abs(), (a - b).abs());
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return diff < TOLERANCE * f64::MIN_POSITIVE;
    }
    diff / sum.min(f64::MAX) < TOLERANCE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(pairs: &[(f64, f64)]) -> Vec<UpTo> {
        pairs.iter().map(|(bound, count)| UpTo { bound: *bound, count: *count }).collect()
    }

    #[test]
    fn quantiles_are_interpolated_and_mended() {
        let mut ascending = buckets(&[(0.1, 2.0), (1.0, 8.0), (f64::INFINITY, 10.0)]);
        assert_eq!(quantile(0.1, &mut ascending.clone()), (0.05, None));
        assert_eq!(quantile(0.5, &mut ascending.clone()), (0.1 + 0.9 * 0.5, None));
        assert_eq!(quantile(0.99, &mut ascending), (1.0, None));
        assert!(quantile(0.5, &mut buckets(&[(1.0, 1.0)])).0.is_nan());
        let (value, raised) = quantile(1.0, &mut buckets(&[(1.0, 5.0), (2.0, 3.0), (f64::INFINITY, 5.0)]));
        assert!(same(value, 1.0));
        assert_eq!(raised, Some(Raised { bucket_min: 2.0, bucket_max: 2.0, diff_max: 2.0 }));
    }

    #[test]
    fn fractions_count_what_lies_between() {
        let mut ascending = buckets(&[(0.1, 2.0), (1.0, 8.0), (f64::INFINITY, 10.0)]);
        assert!(same(fraction(0.0, 0.1, &mut ascending.clone()), 0.2));
        assert!(same(fraction(0.1, 2.0, &mut ascending.clone()), 0.6));
        assert!(same(fraction(2.0, 1.0, &mut ascending), 0.0));
    }
}
