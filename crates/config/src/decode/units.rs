//! Durations and sizes with their units.
//!
//! Units are fixed lengths: a day is 24 h, a week 7 d, a month 30 d, a year 365 d. Arithmetic is on whole numbers.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::value::{Value, quoted};

const DURATION_REMEDY: &str = "write it with a unit, like 500ms, 10s, 1h30m, 15d or 13mo";
const SIZE_REMEDY: &str = "write it with a unit, like 512MiB, 10GiB or 1GB";

const DAY_MS: u64 = 86_400_000;
/// Largest first, which is also the order in which a duration is written.
const DURATION_UNITS: [(&str, u64); 8] = [
    ("y", 365 * DAY_MS),
    ("mo", 30 * DAY_MS),
    ("w", 7 * DAY_MS),
    ("d", DAY_MS),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];
const SIZE_UNITS: [(&str, u64); 11] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("KB", 1_000),
    ("B", 1),
    // A bare number has no unit; kept last so that the remedy is reached by the empty unit.
    ("", 0),
];

/// A number of bytes; shown with the largest unit that divides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(pub u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |unit: u64| unit > 0 && self.0 >= unit && self.0.is_multiple_of(unit);
        let (name, unit) = SIZE_UNITS.into_iter().find(|(_, unit)| fits(*unit)).unwrap_or(("B", 1));
        write!(f, "{}{name}", self.0 / unit)
    }
}

/// A duration with units, such as `15d`, `13mo`, `1h30m`, `500ms`. Longer than zero.
#[must_use]
pub fn duration(value: &Value<'_>) -> Option<Duration> {
    let Some((text, _)) = value.scalar() else {
        value.expected("a duration", DURATION_REMEDY);
        return None;
    };
    match parse_duration(text) {
        Some(found) if !found.is_zero() => Some(found),
        Some(_) => {
            value.problem("a duration of zero", DURATION_REMEDY);
            None
        }
        None => {
            value.problem(format!("not a duration: {}", quoted(text)), DURATION_REMEDY);
            None
        }
    }
}

/// As [`duration`], within bounds.
pub fn duration_within(bounds: RangeInclusive<Duration>) -> impl Fn(&Value<'_>) -> Option<Duration> {
    move |value| {
        let found = duration(value)?;
        if bounds.contains(&found) {
            return Some(found);
        }
        let (least, most) = (duration_text(*bounds.start()), duration_text(*bounds.end()));
        value.problem(
            format!("{} is out of range", duration_text(found)),
            format!("write one from {least} to {most}"),
        );
        None
    }
}

/// A size with a unit, such as `10GiB`, `1.5GiB`, `512MiB`, `1GB`. Larger than zero.
#[must_use]
pub fn size(value: &Value<'_>) -> Option<Size> {
    let Some((text, _)) = value.scalar() else {
        value.expected("a size", SIZE_REMEDY);
        return None;
    };
    match parse_size(text) {
        Some(0) => {
            value.problem("a size of zero", SIZE_REMEDY);
            None
        }
        Some(bytes) => Some(Size(bytes)),
        None => {
            value.problem(format!("not a size: {}", quoted(text)), SIZE_REMEDY);
            None
        }
    }
}

/// A duration as it can be written; exact to the millisecond. Months only from twelve on, so that `45d` stays in days.
#[must_use]
pub fn duration_text(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let month = 30 * DAY_MS;
    if rest >= 12 * month && rest.is_multiple_of(month) {
        return format!("{}mo", rest / month);
    }
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (name, unit) in DURATION_UNITS.into_iter().filter(|(name, _)| !matches!(*name, "y" | "mo" | "w")) {
        if rest >= unit {
            text.push_str(&format!("{}{name}", rest / unit));
            rest %= unit;
        }
    }
    text
}

/// Number and unit pairs, larger units first, none twice.
fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total: u64 = 0;
    let mut last_unit = u64::MAX;
    while !rest.is_empty() {
        let (digits, tail) = split_while(rest, |c| c.is_ascii_digit());
        let (name, tail) = split_while(tail, |c| c.is_ascii_alphabetic());
        let (_, unit) = DURATION_UNITS.into_iter().find(|(known, _)| *known == name)?;
        if unit >= last_unit {
            return None;
        }
        last_unit = unit;
        total = total.checked_add(digits.parse::<u64>().ok()?.checked_mul(unit)?)?;
        rest = tail;
    }
    // `Nanos` hold 292 years; what is longer is a mistake.
    (last_unit != u64::MAX && total <= 200 * 365 * DAY_MS).then(|| Duration::from_millis(total))
}

/// One number, at most three decimals, one unit.
fn parse_size(text: &str) -> Option<u64> {
    let (number, name) = split_while(text.trim(), |c| c.is_ascii_digit() || c == '.');
    let name = name.trim_start();
    let (_, unit) = SIZE_UNITS.into_iter().find(|(known, unit)| *known == name && *unit > 0)?;
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    if decimals.len() > 3 || (decimals.is_empty() && number.contains('.')) {
        return None;
    }
    let thousandths: u64 = format!("{decimals:0<3}").parse().ok()?;
    let part = u128::from(thousandths) * u128::from(unit) / 1000;
    let whole = u128::from(whole.parse::<u64>().ok()?).checked_mul(u128::from(unit))?;
    u64::try_from(whole.checked_add(part)?).ok()
}

fn split_while(text: &str, keep: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !keep(c)).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, ms) in [
            ("500ms", Some(500)),
            ("10s", Some(10_000)),
            ("1h30m", Some(5_400_000)),
            ("15d", Some(15 * DAY_MS)),
            ("13mo", Some(390 * DAY_MS)),
            ("2w", Some(14 * DAY_MS)),
            ("1y", Some(365 * DAY_MS)),
            ("0s", Some(0)),
            ("10", None),
            ("", None),
            ("s", None),
            ("30m1h", None),
            ("1h1h", None),
            ("1.5h", None),
            ("-1s", None),
            ("10 s", None),
            ("10parsecs", None),
            ("99999999999999999999y", None),
            ("10000y", None),
        ] {
            let found = parse_duration(text).map(|d| d.as_millis());
            assert_eq!(found, ms.map(u128::from), "{text}");
        }
    }

    #[test]
    fn durations_are_written_as_they_are_read() {
        for text in ["500ms", "10s", "1h30m", "15d", "13mo", "7d", "45d", "365d", "1d1ms", "24mo"] {
            let found = parse_duration(text).map(duration_text);
            assert_eq!(found.as_deref(), Some(text));
        }
        assert_eq!(duration_text(Duration::ZERO), "0s");
        assert_eq!(duration_text(Duration::MAX), parse_or_max(u64::MAX));
    }

    fn parse_or_max(ms: u64) -> String {
        duration_text(Duration::from_millis(ms))
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("10GiB", Some(10 << 30)),
            ("512MiB", Some(512 << 20)),
            ("1.5GiB", Some(3 << 29)),
            ("1GB", Some(1_000_000_000)),
            ("1 kB", Some(1_000)),
            ("7B", Some(7)),
            ("0.001kB", Some(1)),
            ("10", None),
            ("", None),
            ("GiB", None),
            ("1.GiB", None),
            (".5GiB", None),
            ("1.2345GiB", None),
            ("1.2.3GiB", None),
            ("10gb", None),
            ("-1GiB", None),
            ("99999999999TiB", None),
        ] {
            assert_eq!(parse_size(text), bytes, "{text}");
        }
        for (bytes, text) in
            [(10 << 30, "10GiB"), (1_000, "1kB"), (1536, "1536B"), (0, "0B"), (3 << 29, "1536MiB")]
        {
            assert_eq!(Size(bytes).to_string(), text);
        }
    }
}
