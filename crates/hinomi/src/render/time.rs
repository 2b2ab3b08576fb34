//! Points in time in the user's zone, durations in words.

use std::time::Duration;

use hinomi_timeline::duration_words;

use crate::terminal::Page;
use crate::view::Stamp;

/// Clock time; with the date when it is not today.
pub(crate) fn local(page: &Page, at: Stamp) -> String {
    let zoned = at.0.to_zoned_datetime(page.zone.clone());
    let today = page.now.to_zoned_datetime(page.zone.clone()).date();
    let format = if zoned.date() == today { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" };
    zoned.strftime(format).to_string()
}

/// Clock time with milliseconds.
pub(crate) fn clock_ms(page: &Page, at: Stamp) -> String {
    at.0.to_zoned_datetime(page.zone.clone()).strftime("%H:%M:%S%.3f").to_string()
}

/// The date and the zone.
pub(crate) fn day(page: &Page, at: Stamp) -> String {
    at.0.to_zoned_datetime(page.zone.clone()).strftime("%Y-%m-%d (%Z)").to_string()
}

/// From one point to a later one; zero when it is not later.
pub(crate) fn between(from: jiff::Timestamp, to: jiff::Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

/// `5 min 3 s ago`.
pub(crate) fn ago(page: &Page, at: Stamp) -> String {
    format!("{} ago", duration_words(between(at.0, page.now)))
}

/// `14:03:12 (5 min 3 s ago)`.
pub(crate) fn since(page: &Page, at: Stamp) -> String {
    format!("{} ({})", local(page, at), ago(page, at))
}

/// `in 12 s`, or `now`.
pub(crate) fn ahead(page: &Page, at: Stamp) -> String {
    let left = between(page.now, at.0);
    if left.is_zero() { "now".to_owned() } else { format!("in {}", duration_words(left)) }
}

/// The text with the RFC 3339 stamps in it as [`local`] times.
pub(crate) fn localised(page: &Page, text: &str) -> String {
    let word = |word: &str| {
        let stamp = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let parsed = stamp.ends_with('Z').then(|| stamp.parse().ok()).flatten();
        parsed.map_or_else(|| word.to_owned(), |at| word.replacen(stamp, &local(page, Stamp(at)), 1))
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}
