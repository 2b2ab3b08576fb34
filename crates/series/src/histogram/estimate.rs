//! Quantiles and fractions: where observations lie within their buckets is assumed.

use super::{Bucket, Histogram};

/// A number that was estimated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// Whether observations that are not a number lie in no bucket and so may have shifted it.
    pub nan_observations: bool,
}

impl Estimate {
    const fn sure(value: f64) -> Self {
        Self { value, nan_observations: false }
    }
}

/// A bucket of a histogram that has none.
const NOTHING: Bucket =
    Bucket { lower: 0.0, upper: 0.0, lower_inclusive: false, upper_inclusive: false, count: 0.0, index: 0 };

impl Bucket {
    /// How much of it lies at or below a value that is strictly within it, 0 to 1: linearly, or on a logarithmic scale
    /// as exponential buckets are laid out.
    #[must_use]
    pub fn fraction_below(&self, value: f64, linear: bool) -> f64 {
        if linear {
            return (value - self.lower) / (self.upper - self.lower);
        }
        let [lower, upper, log] = [self.lower, self.upper, value].map(|bound| bound.abs().log2());
        if value > 0.0 { (log - lower) / (upper - lower) } else { 1.0 - (log - upper) / (lower - upper) }
    }

    const fn holds_zero(&self) -> bool {
        self.lower <= 0.0 && self.upper >= 0.0
    }
}

impl Histogram {
    /// The value that a share of the observations lies below. Below 0 it is minus infinity, above 1 infinity, without
    /// observations not a number.
    ///
    /// Custom buckets and the zero bucket are interpolated linearly, exponential ones on a logarithmic scale. Where all
    /// observations have the same sign, zero is the end of the zero bucket.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Estimate {
        if share < 0.0 {
            return Estimate::sure(f64::NEG_INFINITY);
        }
        if share > 1.0 {
            return Estimate::sure(f64::INFINITY);
        }
        if self.count == 0.0 || share.is_nan() {
            return Estimate::sure(f64::NAN);
        }
        // Observations that are not a number count, but lie in no bucket: then only counting up is right. Otherwise the
        // shorter way is the more exact one.
        let upwards = self.sum.is_nan() || share < 0.5;
        let mut buckets = self.buckets();
        if !upwards {
            buckets.reverse();
        }
        self.quantile_in(&buckets, share, upwards)
    }

    fn quantile_in(&self, buckets: &[Bucket], share: f64, upwards: bool) -> Estimate {
        let rank = if upwards { share * self.count } else { (1.0 - share) * self.count };
        let held: Vec<&Bucket> = buckets.iter().filter(|bucket| bucket.count != 0.0).collect();
        let mut count = 0.0;
        let reached = held.iter().position(|bucket| {
            count += bucket.count;
            count >= rank
        });
        // If even all of them do not reach the rank, the last one looked at stands for what lies beyond.
        let reached = reached.and_then(|at| held.get(at).copied()).or(buckets.last());
        let bucket = reached.copied().unwrap_or(NOTHING);
        let bucket = match self.bounded(bucket) {
            Ok(bucket) => bucket,
            Err(value) => return Estimate::sure(value),
        };
        count = count.min(self.count);
        if count < rank {
            return match self.sum.is_nan() {
                true => Estimate { value: f64::NAN, nan_observations: true },
                false => Estimate::sure(bucket.upper),
            };
        }
        let within = if upwards { rank - (count - bucket.count) } else { count - rank };
        let all: f64 = held.iter().map(|bucket| bucket.count).sum();
        Estimate {
            value: self.interpolate(&bucket, within / bucket.count),
            nan_observations: self.sum.is_nan() && all < self.count,
        }
    }

    /// A bucket with the ends that interpolation begins from, or the value that stands for all of it.
    fn bounded(&self, mut bucket: Bucket) -> Result<Bucket, f64> {
        if !self.uses_custom_buckets() {
            self.clip_zero(&mut bucket);
        } else if bucket.lower == f64::NEG_INFINITY {
            if bucket.upper <= 0.0 {
                return Err(bucket.upper);
            }
            bucket.lower = 0.0;
        } else if bucket.upper == f64::INFINITY {
            return Err(bucket.lower);
        }
        Ok(bucket)
    }

    /// Of a bucket around zero, keeps the side that has observations if only one has.
    const fn clip_zero(&self, bucket: &mut Bucket) {
        if !(bucket.lower <= 0.0 && bucket.upper >= 0.0) {
            return;
        }
        match (self.negative_buckets.is_empty(), self.positive_buckets.is_empty()) {
            (true, false) if bucket.upper > 0.0 => bucket.lower = 0.0,
            (false, true) if bucket.lower < 0.0 => bucket.upper = 0.0,
            _ => {}
        }
    }

    fn interpolate(&self, bucket: &Bucket, share: f64) -> f64 {
        if self.uses_custom_buckets() || bucket.holds_zero() {
            return bucket.lower + (bucket.upper - bucket.lower) * share;
        }
        let (lower, upper) = (bucket.lower.abs().log2(), bucket.upper.abs().log2());
        if bucket.lower > 0.0 {
            (lower + (upper - lower) * share).exp2()
        } else {
            -(upper + (lower - upper) * (1.0 - share)).exp2()
        }
    }

    /// The share of observations between two values. Without observations it is not a number.
    #[must_use]
    pub fn fraction(&self, lower: f64, upper: f64) -> Estimate {
        if self.count == 0.0 || lower.is_nan() || upper.is_nan() {
            return Estimate::sure(f64::NAN);
        }
        if lower >= upper {
            return Estimate::sure(0.0);
        }
        let buckets = self.buckets();
        let all =
            if self.sum.is_nan() { buckets.iter().map(|bucket| bucket.count).sum() } else { self.count };
        let below = |value: f64| self.count_below(&buckets, value).map_or(all, |count| count.min(all));
        Estimate {
            value: (below(upper) - below(lower)) / self.count,
            nan_observations: self.sum.is_nan() && all < self.count,
        }
    }

    /// Observations below a value; `None` if it lies above all buckets.
    fn count_below(&self, buckets: &[Bucket], value: f64) -> Option<f64> {
        let mut rank = 0.0;
        for bucket in buckets {
            let mut bucket = *bucket;
            let mut linear = self.uses_custom_buckets();
            if linear {
                if bucket.lower == f64::NEG_INFINITY && bucket.upper > 0.0 {
                    bucket.lower = 0.0;
                }
            } else if bucket.holds_zero() {
                linear = true;
                self.clip_zero(&mut bucket);
            }
            if bucket.lower >= value {
                return Some(rank);
            }
            if bucket.upper > value {
                if linear && bucket.lower == f64::NEG_INFINITY {
                    return Some(bucket.count);
                }
                return Some(rank + bucket.count * bucket.fraction_below(value, linear));
            }
            rank += bucket.count;
        }
        None
    }
}
