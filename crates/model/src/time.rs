//! Points in time.

use serde::{Deserialize, Serialize};

/// Nanoseconds since the Unix epoch, UTC.
///
/// A plain number in JSON. A newtype to serde, not transparent: by its name the API's serializer knows it and writes
/// RFC 3339 instead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Nanos(pub i64);

impl Nanos {
    /// From whole seconds since the epoch.
    #[must_use]
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000_000_000))
    }

    /// This point plus a duration, saturating.
    #[must_use]
    pub fn plus(self, duration: std::time::Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)))
    }

    /// This point minus a duration, saturating.
    #[must_use]
    pub fn minus(self, duration: std::time::Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)))
    }

    /// Time from `earlier` to this point; zero when it lies before.
    #[must_use]
    pub fn since(self, earlier: Self) -> std::time::Duration {
        std::time::Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// RFC 3339 in UTC with milliseconds, as messages and the API show it.
    #[must_use]
    pub fn rfc3339(self) -> String {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(stamp) => format!("{stamp:.3}"),
            Err(_) => format!("{}ns", self.0),
        }
    }

    /// Parses RFC 3339; `None` for anything else and for Docker's zero time (year 1).
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let stamp: jiff::Timestamp = text.parse().ok()?;
        let nanos = i64::try_from(stamp.as_nanosecond()).ok()?;
        (nanos > 0).then_some(Self(nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_round_trip_and_zero_time() {
        let at = Nanos::parse_rfc3339("2026-11-24T07:57:29.123456789Z");
        assert_eq!(at.map(Nanos::rfc3339).as_deref(), Some("2026-11-24T07:57:29.123Z"));
        assert_eq!(Nanos::parse_rfc3339("0001-01-01T00:00:00Z"), None);
        assert_eq!(Nanos::parse_rfc3339("yesterday"), None);
    }
}
