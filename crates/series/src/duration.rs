//! Durations as Prometheus writes them: `5m`, `1h30m`, `250ms`.

/// Units from large to small with their milliseconds.
const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Nothing there.
    #[error("empty duration string")]
    Empty,
    /// Not numbers with units from large to small, each at most once.
    #[error("not a valid duration string: {}", crate::quote(.0))]
    Invalid(String),
    /// A unit that there is not; holds the unit and the text.
    #[error("unknown unit {} in duration {}", crate::quote(.0), crate::quote(.1))]
    UnknownUnit(String, String),
    /// More than 292 years.
    #[error("duration out of range")]
    OutOfRange,
}

/// Milliseconds of a duration such as `1h30m`: whole numbers with the units y, w, d, h, m, s and ms, from large to
/// small, each at most once. A bare `0` is one too.
///
/// # Errors
///
/// [`DurationError`].
pub fn parse_ms(text: &str) -> Result<i64, DurationError> {
    match text {
        "" => return Err(DurationError::Empty),
        "0" => return Ok(0),
        _ => {}
    }
    let shown = || text.chars().take(64).collect::<String>();
    let invalid = || DurationError::Invalid(shown());
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut total = 0_i64;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at_checked(digits).ok_or_else(invalid)?;
        let (unit, tail) = tail.split_at(tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len()));
        let number: u64 = number.parse().map_err(|_| invalid())?;
        if unit.is_empty() {
            return Err(invalid());
        }
        if !UNITS.iter().any(|known| known.0 == unit) {
            return Err(DurationError::UnknownUnit(unit.chars().take(16).collect(), shown()));
        }
        let (_, factor) = units.find(|known| known.0 == unit).ok_or_else(invalid)?;
        let number = i64::try_from(number).map_err(|_| DurationError::OutOfRange)?;
        let part = number.checked_mul(*factor).ok_or(DurationError::OutOfRange)?;
        total = total.checked_add(part).ok_or(DurationError::OutOfRange)?;
        rest = tail;
    }
    // Prometheus counts in nanoseconds of 63 bits.
    if total > i64::MAX / 1_000_000 { Err(DurationError::OutOfRange) } else { Ok(total) }
}

/// Writes milliseconds as Prometheus does: `90000` is `1m30s`, `0` is `0s`. Years and weeks only where nothing is left
/// over.
#[must_use]
pub fn format_ms(ms: i64) -> String {
    if ms == 0 {
        return "0s".to_owned();
    }
    let mut out = String::new();
    if ms < 0 {
        out.push('-');
    }
    let mut left = ms.unsigned_abs();
    for (unit, factor) in UNITS {
        let factor = factor.unsigned_abs();
        let exact_only = matches!(unit, "y" | "w");
        if exact_only && !left.is_multiple_of(factor) {
            continue;
        }
        if left / factor > 0 {
            out.push_str(&format!("{}{unit}", left / factor));
            left %= factor;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written_as_prometheus_does() {
        let table = [
            ("0", 0, "0s"),
            ("0w", 0, "0s"),
            ("0s", 0, "0s"),
            ("324ms", 324, "324ms"),
            ("3s", 3_000, "3s"),
            ("5m", 300_000, "5m"),
            ("1h", 3_600_000, "1h"),
            ("1h30m", 5_400_000, "1h30m"),
            ("4d", 345_600_000, "4d"),
            ("4d1h", 349_200_000, "4d1h"),
            ("14d", 1_209_600_000, "2w"),
            ("3w", 1_814_400_000, "3w"),
            ("3w2d1h", 1_990_800_000, "23d1h"),
            ("10y", 315_360_000_000, "10y"),
            ("90s", 90_000, "1m30s"),
        ];
        for (text, ms, written) in table {
            assert_eq!(parse_ms(text), Ok(ms), "{text}");
            assert_eq!(format_ms(ms), written, "{text}");
        }
        assert_eq!(format_ms(-90_000), "-1m30s");
        assert_eq!(format_ms(i64::MIN).chars().next(), Some('-'));
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["1", "1y1m1d", "-1w", "d", "1d1d", "1m1h", "s1", "99999999999999999999s"] {
            assert!(matches!(parse_ms(text), Err(DurationError::Invalid(_))), "{text}: {:?}", parse_ms(text));
        }
        for text in ["1.5d", "5 m", "0.5s", "1\u{17f}", "1\u{b5}s", "99x"] {
            let found = parse_ms(text);
            assert!(matches!(found, Err(DurationError::UnknownUnit(..))), "{text}: {found:?}");
        }
        assert_eq!(parse_ms(""), Err(DurationError::Empty));
        for text in ["294y", "200y10400w", "107675d", "9223372036854775807y"] {
            assert_eq!(parse_ms(text), Err(DurationError::OutOfRange), "{text}");
        }
        assert_eq!(parse_ms("292y"), Ok(292 * 365 * 24 * 3_600_000));
        assert_eq!(parse_ms("5").unwrap_err().to_string(), "not a valid duration string: \"5\"");
        assert_eq!(parse_ms("5hs").unwrap_err().to_string(), "unknown unit \"hs\" in duration \"5hs\"");
    }
}
