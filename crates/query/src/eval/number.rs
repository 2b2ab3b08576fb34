//! Sums without loss, quantiles of numbers, and numbers as Go prints them.

use hinomi_series::number::format_g;

/// Adds to a running sum and keeps what rounding lost (Kahan, Neumaier's variant): the new sum and
/// compensation.
#[inline]
#[must_use]
pub(super) fn kahan(add: f64, sum: f64, lost: f64) -> (f64, f64) {
    let total = sum + add;
    if total.is_infinite() {
        return (total, 0.0);
    }
    // Whichever of the two is larger kept its low digits.
    let dropped = if sum.abs() >= add.abs() { (sum - total) + add } else { (add - total) + sum };
    (total, lost + dropped)
}

/// A running sum.
#[derive(Clone, Copy, Default)]
pub(super) struct Sum {
    sum: f64,
    lost: f64,
}

impl Sum {
    /// Adds a number.
    #[inline]
    pub(super) fn add(&mut self, value: f64) {
        (self.sum, self.lost) = kahan(value, self.sum, self.lost);
    }

    /// The sum by now.
    pub(super) fn total(self) -> f64 {
        if self.sum.is_infinite() { self.sum } else { self.sum + self.lost }
    }
}

/// A running mean: of the sum, and step by step once the sum would overflow.
#[derive(Clone, Copy)]
pub(super) struct Mean {
    sum: f64,
    lost: f64,
    mean: f64,
    count: f64,
    stepwise: bool,
}

impl Mean {
    /// The mean of one number.
    pub(super) const fn of(first: f64) -> Self {
        Self { sum: first, lost: 0.0, mean: 0.0, count: 1.0, stepwise: false }
    }

    /// Adds a number.
    pub(super) fn add(&mut self, value: f64) {
        self.count += 1.0;
        if !self.stepwise {
            let (sum, lost) = kahan(value, self.sum, self.lost);
            if !sum.is_infinite() {
                (self.sum, self.lost) = (sum, lost);
                return;
            }
            self.stepwise = true;
            self.mean = self.sum / (self.count - 1.0);
            self.lost /= self.count - 1.0;
        }
        let kept = (self.count - 1.0) / self.count;
        (self.mean, self.lost) = kahan(value / self.count, kept * self.mean, kept * self.lost);
    }

    /// The mean by now.
    pub(super) fn value(self) -> f64 {
        if self.stepwise { self.mean + self.lost } else { self.sum / self.count + self.lost / self.count }
    }
}

/// The quantile of numbers, which are reordered by this; NaNs count as the smallest. Interpolates between
/// neighbours.
pub(super) fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    let last = values.len() - 1;
    let rank = q * last as f64;
    let below = index(rank.floor()).min(last);
    let weight = rank - rank.floor();
    // Only the two around the rank have to be where they belong.
    let (_, lower, greater) = values.select_nth_unstable_by(below, nan_first);
    if weight == 0.0 {
        return *lower;
    }
    let upper = greater.iter().copied().min_by(nan_first).unwrap_or(*lower);
    *lower * (1.0 - weight) + upper * weight
}

/// Ascending, NaNs before everything.
pub(super) fn nan_first(a: &f64, b: &f64) -> std::cmp::Ordering {
    a.partial_cmp(b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

/// A number as an index: below zero and NaN give 0, what is too large the largest.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "such casts saturate")]
pub(super) const fn index(value: f64) -> usize {
    value as usize
}

/// A number as whole milliseconds or seconds: NaN gives 0, what is too large the largest.
#[expect(clippy::cast_possible_truncation, reason = "such casts saturate")]
pub(super) const fn whole(value: f64) -> i64 {
    value as i64
}

/// The least-squares line through points: slope a second, and value at `at` (milliseconds).
pub(super) fn regression(times: &[i64], values: &[f64], at: i64) -> (f64, f64) {
    let first = values.first().copied().unwrap_or(f64::NAN);
    if values.iter().all(|value| same(*value, first)) {
        return if first.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first) };
    }
    let (mut x, mut y, mut xy, mut xx) = (Sum::default(), Sum::default(), Sum::default(), Sum::default());
    for (time, value) in times.iter().zip(values) {
        let seconds = (*time as f64 - at as f64) / 1e3;
        x.add(seconds);
        y.add(*value);
        xy.add(seconds * value);
        xx.add(seconds * seconds);
    }
    let count = values.len() as f64;
    let (x, y) = (x.sum + x.lost, y.sum + y.lost);
    let covariance = (xy.sum + xy.lost) - x * y / count;
    let variance = (xx.sum + xx.lost) - x * x / count;
    let slope = covariance / variance;
    (slope, y / count - slope * x / count)
}

/// Equality of numbers as the language has it: NaN equals nothing.
#[expect(clippy::float_cmp, reason = "PromQL compares exactly")]
pub(super) fn same(a: f64, b: f64) -> bool {
    a == b
}

/// A number in Go's `%.2g`.
pub(super) fn two_digits(value: f64) -> String {
    if !value.is_finite() {
        return format_g(value);
    }
    let scientific = format!("{value:.1e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let Ok(power) = exponent.parse::<i32>() else { return scientific };
    if (-4..2).contains(&power) {
        return scientific.parse().map_or(scientific, format_g);
    }
    let digits = digits.strip_suffix(".0").unwrap_or(digits);
    let sign = if power < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", power.unsigned_abs())
}

/// A number as a label value in the OpenMetrics text format: whole numbers keep a `.0`.
pub(super) fn openmetrics(value: f64) -> String {
    let text = format_g(value);
    let finite = value.is_finite();
    if finite && !text.contains(['e', '.']) { format!("{text}.0") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_go_does() {
        assert_eq!(two_digits(0.123), "0.12");
        assert_eq!(two_digits(123.0), "1.2e+02");
        assert_eq!(two_digits(3.0), "3");
        assert_eq!(openmetrics(1.0), "1.0");
        assert_eq!(openmetrics(0.99), "0.99");
    }

    #[test]
    fn sums_keep_what_rounding_drops() {
        let mut sum = Sum::default();
        for value in [1.0, 1e100, 1.0, -1e100] {
            sum.add(value);
        }
        assert!(same(sum.total(), 2.0));
        let mut mean = Mean::of(9.9e307);
        mean.add(9.9e307);
        assert!((mean.value() - 9.9e307).abs() < 1e292);
    }

    #[test]
    fn quantiles_lie_between_neighbours() {
        assert!(same(quantile(0.5, &mut [4.0, 0.0, 1.0]), 1.0));
        assert!(same(quantile(0.8, &mut [0.0, 1.0]), 0.8));
        assert!(same(quantile(0.3, &mut [9.0, 3.0, f64::NAN, 7.0, 5.0, 1.0, 8.0, 2.0, 6.0, 4.0, 0.0]), 2.0));
        // Where the rank is that of one number, its neighbours do not matter.
        assert!(quantile(1.0, &mut [f64::INFINITY, 0.0]).is_infinite());
        assert!(same(quantile(0.5, &mut [f64::INFINITY, 0.0, f64::NEG_INFINITY]), 0.0));
        assert!(quantile(2.0, &mut [0.0]).is_infinite());
        assert!(quantile(0.5, &mut []).is_nan());
    }
}
