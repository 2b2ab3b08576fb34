//! Cutting a histogram off at a value: the operators `</` and `>/`.

use super::{Bucket, Histogram};

/// What is kept of a bucket, and the value that stands for it in the sum.
type Kept = (f64, f64);

/// Where to cut, and which side stays.
#[derive(Clone, Copy)]
struct Cut {
    at: f64,
    keep_below: bool,
    custom: bool,
    positive: bool,
}

impl Histogram {
    /// Keeps the observations below a value. Buckets that the value cuts are divided as quantiles are estimated; count
    /// and sum are estimated anew if anything was cut.
    pub fn trim_above(&mut self, at: f64) {
        self.trim(at, true);
    }

    /// Keeps the observations above a value, otherwise as [`Self::trim_above`].
    pub fn trim_below(&mut self, at: f64) {
        self.trim(at, false);
    }

    fn trim(&mut self, at: f64, keep_below: bool) {
        let custom = self.uses_custom_buckets();
        let cut = Cut { at, keep_below, custom, positive: true };
        let positive: Vec<(Bucket, Kept)> =
            self.positive().map(|bucket| (bucket, cut.bucket(&bucket))).collect();
        let cut = Cut { positive: false, ..cut };
        let negative: Vec<(Bucket, Kept)> =
            self.negative().map(|bucket| (bucket, cut.bucket(&bucket))).collect();
        let holds = |side: &[(Bucket, Kept)]| side.iter().any(|(bucket, _)| bucket.count != 0.0);
        let zero = (self.zero_count > 0.0)
            .then(|| (self.zero_bucket(), cut.zero(self.zero_bucket(), holds(&negative), holds(&positive))));
        let all = || positive.iter().chain(&negative).chain(&zero).filter(|(bucket, _)| bucket.count != 0.0);
        #[allow(clippy::float_cmp, reason = "whether anything was cut at all")]
        let changed = all().any(|(bucket, (kept, _))| bucket.count != *kept);
        if !changed {
            return;
        }
        self.count = all().map(|(_, (kept, _))| kept).sum();
        self.sum = all().map(|(_, (kept, middle))| middle * kept).sum();
        if let Some((_, (kept, _))) = zero {
            self.zero_count = kept;
        }
        let kept = |side: Vec<(Bucket, Kept)>| side.into_iter().map(|(_, (kept, _))| kept).collect();
        self.positive_buckets = kept(positive);
        self.negative_buckets = kept(negative);
        self.compact(0);
    }
}

impl Cut {
    fn bucket(self, bucket: &Bucket) -> Kept {
        if bucket.count == 0.0 {
            return (0.0, 0.0);
        }
        let (all, some) = match self.keep_below {
            true => (bucket.upper <= self.at, bucket.lower < self.at),
            false => (bucket.lower >= self.at, bucket.upper > self.at),
        };
        match (all, some) {
            (true, _) => (bucket.count, self.middle(bucket.lower, bucket.upper)),
            (false, true) => self.part(bucket),
            (false, false) => (0.0, 0.0),
        }
    }

    fn part(self, bucket: &Bucket) -> Kept {
        if bucket.lower == f64::NEG_INFINITY {
            return self.part_of_first(bucket);
        }
        if bucket.upper == f64::INFINITY {
            return self.part_of_last(bucket);
        }
        let below = match self.at {
            at if at <= bucket.lower => 0.0,
            at if at >= bucket.upper => bucket.count,
            at => bucket.count * bucket.fraction_below(at, self.custom),
        };
        match self.keep_below {
            true => (below, self.middle(bucket.lower, self.at)),
            false => (bucket.count - below, self.middle(self.at, bucket.upper)),
        }
    }

    /// Of a bucket that begins at minus infinity: begins at 0 if it ends above it, else nothing is known about it.
    fn part_of_first(self, bucket: &Bucket) -> Kept {
        let (at, upper) = (self.at, bucket.upper);
        let finite = if upper.is_infinite() { 0.0 } else { upper };
        if self.keep_below {
            return match at {
                at if at >= upper => (bucket.count, 0.0),
                at if at > 0.0 && upper > 0.0 && upper.is_finite() => (bucket.count * at / upper, at / 2.0),
                at if upper <= 0.0 => (bucket.count, at),
                _ => (0.0, finite),
            };
        }
        match at {
            at if at <= bucket.lower => (bucket.count, 0.0),
            at if at >= 0.0 && upper > at && upper.is_finite() => {
                (bucket.count * (1.0 - at / upper), (at + upper) / 2.0)
            }
            _ => (0.0, finite),
        }
    }

    /// Of a bucket that ends at infinity nothing is known about where its observations lie.
    fn part_of_last(self, bucket: &Bucket) -> Kept {
        if !self.keep_below && self.at >= bucket.lower {
            (bucket.count, self.at)
        } else {
            (0.0, bucket.lower)
        }
    }

    /// The value that stands for what lies between two others.
    fn middle(self, lower: f64, upper: f64) -> f64 {
        match (lower.is_infinite(), upper.is_infinite()) {
            (true, true) => 0.0,
            (true, false) if upper > 0.0 => upper / 2.0,
            (true, false) => upper,
            (false, true) => lower,
            (false, false) if self.custom => (lower + upper) / 2.0,
            (false, false) => {
                let mean = (lower * upper).abs().sqrt();
                if self.positive { mean } else { -mean }
            }
        }
    }

    fn zero(self, bucket: Bucket, has_negative: bool, has_positive: bool) -> Kept {
        let lower = if has_positive && !has_negative { 0.0 } else { bucket.lower };
        let upper = if has_negative && !has_positive { 0.0 } else { bucket.upper };
        let all = (bucket.count, (lower + upper) / 2.0);
        let share = |part: f64| bucket.count * (part / (upper - lower));
        match (self.at <= lower, self.at >= upper, self.keep_below) {
            (true, _, true) | (false, true, false) => (0.0, 0.0),
            (true, _, false) | (false, true, true) => all,
            (false, false, true) => (share(self.at - lower), (lower + self.at) / 2.0),
            (false, false, false) => (share(upper - self.at), (self.at + upper) / 2.0),
        }
    }
}
