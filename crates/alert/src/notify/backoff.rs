//! How long to wait before the next try. Pure.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use hinomi_model::Nanos;

/// Exponential pauses with jitter: between half and all of `first`, twice that, four times, … up to `most`.
#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    most: Duration,
    failures: u32,
}

impl Backoff {
    pub(super) fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, failures: 0 }
    }

    /// The next pause; `unit` from 0 to 1 places it within the jitter.
    pub(super) fn next(&mut self, unit: f64) -> Duration {
        let factor = 2_u32.saturating_pow(self.failures.min(31));
        self.failures = self.failures.saturating_add(1);
        let full = self.first.saturating_mul(factor).min(self.most);
        full.mul_f64(0.5 + unit.clamp(0.0, 1.0) / 2.0)
    }

    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// A number from 0 to 1 to spread tries of many receivers; not for cryptography.
pub(super) fn random_unit() -> f64 {
    let bits = RandomState::new().build_hasher().finish();
    f64::from(u32::try_from(bits >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}

/// `Retry-After` of RFC 9110, section 10.2.3: seconds or a date. `now` is the wall clock, because a date was made with one.
pub(super) fn retry_after(text: &str, now: Nanos) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than fit are a very long time all the same.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    let at = Nanos(i64::try_from(at.as_nanosecond()).ok()?);
    Some(at.since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(300));
        let longest: Vec<u128> = (0..12).map(|_| backoff.next(1.0).as_millis()).collect();
        assert_eq!(longest[..4], [500, 1000, 2000, 4000]);
        assert_eq!(longest[9..], [256_000, 300_000, 300_000]);
        backoff.reset();
        assert_eq!(backoff.next(0.0).as_millis(), 250);
        backoff.failures = u32::MAX;
        assert_eq!(backoff.next(1.0).as_secs(), 300);
        assert!((0.0..=1.0).contains(&random_unit()));
    }

    #[test]
    fn retry_after_in_both_forms() {
        let now = Nanos::parse_rfc3339("2026-11-24T08:00:00Z").unwrap();
        for (text, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("Tue, 24 Nov 2026 08:00:30 GMT", Some(30)),
            ("Tue, 24 Nov 2026 07:00:00 GMT", Some(0)),
            ("", None),
            ("-5", None),
            ("soon", None),
            ("1.5", None),
        ] {
            assert_eq!(retry_after(text, now), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
