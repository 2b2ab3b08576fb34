//! Points in time as callers write them.

use hinomi_model::Nanos;
use hinomi_series::quote;

use super::params::shown;

/// What clients write for the first and the last time there is.
const ENDS: [(&str, i64); 2] =
    [("-292273086-05-16T16:47:06Z", i64::MIN), ("292277025-08-18T07:12:54.999999999Z", i64::MAX)];

/// Seconds since the epoch, with decimals, or RFC 3339; in milliseconds.
pub(crate) fn parse(text: &str) -> Result<i64, String> {
    let wrong = || format!("cannot parse {} to a valid timestamp", quote(&shown(text)));
    if let Some(seconds) = number(text) {
        return if seconds.is_finite() { Ok(whole((seconds * 1000.0).round())) } else { Err(wrong()) };
    }
    if let Some((_, ms)) = ENDS.iter().find(|(end, _)| *end == text) {
        return Ok(*ms);
    }
    // Go asks for all parts of it.
    let complete = text.len() >= 20 && text.as_bytes().get(10) == Some(&b'T');
    let stamp = complete.then(|| Nanos::parse_rfc3339(text)).flatten().ok_or_else(wrong)?;
    Ok(stamp.0.div_euclid(1_000_000))
}

/// A number as Go reads one.
pub(crate) fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// The whole number next to zero; what is out of range is the end of the range.
pub(crate) fn whole(number: f64) -> i64 {
    #[allow(clippy::cast_possible_truncation, reason = "it saturates, which is what is wanted")]
    {
        number as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_or_stamps() {
        let table = [
            ("0", Ok(0)),
            ("1435781451.781", Ok(1_435_781_451_781)),
            ("1.5e3", Ok(1_500_000)),
            ("-1.25", Ok(-1_250)),
            ("1e300", Ok(i64::MAX)),
            ("2015-07-01T20:10:51.781Z", Ok(1_435_781_451_781)),
            ("2015-07-01T20:10:51.781+02:00", Ok(1_435_774_251_781)),
            ("-292273086-05-16T16:47:06Z", Ok(i64::MIN)),
        ];
        for (text, ms) in table {
            assert_eq!(parse(text), ms, "{text}");
        }
        for text in
            ["", "soon", "NaN", "Inf", "2015-07-01", "2015-07-01 20:10:51Z", "2015-13-01T00:00:00Z", "1 "]
        {
            assert_eq!(parse(text), Err(format!("cannot parse \"{text}\" to a valid timestamp")));
        }
    }
}
