//! Seeded chance, percentiles, clocks.

pub use hinomi_testkit::chance::Chance;
use rustix::time::{ClockId, clock_gettime};

/// Percentile by nearest rank; NaN of nothing.
#[must_use]
pub fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
}

/// Nanoseconds of a clock.
#[must_use]
pub fn now_ns(clock: ClockId) -> i64 {
    let now = clock_gettime(clock);
    now.tv_sec.saturating_mul(1_000_000_000).saturating_add(now.tv_nsec)
}

/// `CLOCK_MONOTONIC`, nanoseconds.
#[must_use]
pub fn monotonic_ns() -> i64 {
    now_ns(ClockId::Monotonic)
}

/// `CLOCK_REALTIME`, nanoseconds.
#[must_use]
pub fn wall_ns() -> i64 {
    now_ns(ClockId::Realtime)
}

/// Nanoseconds as seconds.
#[must_use]
#[allow(clippy::cast_precision_loss, reason = "differences of stamps are far below 2^53")]
pub fn seconds(ns: i64) -> f64 {
    ns as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_by_nearest_rank() {
        let values: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        let of = |percent| percentile(&values, percent);
        assert_eq!(
            [of(50), of(99), of(100), of(0)].map(|value| value.to_bits()),
            [100.0_f64.to_bits(), 198.0_f64.to_bits(), 200.0_f64.to_bits(), 1.0_f64.to_bits()]
        );
        assert!(percentile(&[], 50).is_nan());
    }
}
