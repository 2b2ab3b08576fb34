//! Seeded chance, percentiles, clocks.

use rustix::time::{ClockId, clock_gettime};

/// Chance that follows from a seed: `SplitMix64` (Steele, Lea, Flood 2014).
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The seed of everything.
    pub const SEED: u64 = 8119;

    /// A stream of numbers; different streams for different parts of one measurement.
    #[must_use]
    pub fn stream(stream: u64) -> Self {
        Self(Self::SEED ^ stream.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `low` up to and including `high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.draw() % (high.saturating_sub(low) + 1)
    }

    /// One of them.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
        let last = u64::try_from(values.len()).unwrap_or(u64::MAX) - 1;
        values[usize::try_from(self.between(0, last)).unwrap_or(0)]
    }

    /// True once in `n`.
    pub fn once_in(&mut self, n: u64) -> bool {
        self.draw().is_multiple_of(n)
    }

    /// Another order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, values: &mut [T]) {
        for last in (1..values.len()).rev() {
            let other = self.between(0, u64::try_from(last).unwrap_or(0));
            values.swap(last, usize::try_from(other).unwrap_or(0));
        }
    }
}

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

    #[test]
    fn the_same_seed_gives_the_same_numbers_within_bounds() {
        let numbers = |stream| {
            let mut chance = Chance::stream(stream);
            (0..1000).map(|_| chance.between(3, 9)).collect::<Vec<_>>()
        };
        assert_eq!(numbers(1), numbers(1));
        assert_ne!(numbers(1), numbers(2));
        assert_eq!((numbers(1).iter().min(), numbers(1).iter().max()), (Some(&3), Some(&9)));
    }
}
