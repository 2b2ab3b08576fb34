//! When people are at work, and how loud something that is still to come has to be told.
//!
//! # Invariants
//!
//! - Pure: the time is an argument, the zone and the holidays are data.
//! - A window begins on a working day that is no holiday, and belongs to that day also where it ends on the next.
//! - Times are those of the wall clock: where a change of the clock leaves out the begin or end of a window, it is
//!   the first minute there is; where an hour comes twice, it begins the first time and ends the first time.

use std::collections::BTreeMap;

use hinomi_model::{Level, Nanos};
use hinomi_timeline::level::Verdict;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};

/// Days that are searched for a window: longer than any works holiday.
const DAYS_SEARCHED: usize = 400;
/// Windows that follow on one another without a pause are one; it is followed this many days.
const DAYS_JOINED: usize = 21;
/// Minutes of a day.
const DAY_MINUTES: u16 = 24 * 60;

/// A time of day in minutes; 24:00 is the end of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Minute(u16);

impl Minute {
    /// Hour and minute, 00:00 to 24:00.
    #[must_use]
    pub fn new(hour: u16, minute: u16) -> Option<Self> {
        let minutes = hour.checked_mul(60)?.checked_add(minute)?;
        (minute < 60 && minutes <= DAY_MINUTES).then_some(Self(minutes))
    }

    /// Reads `09:00`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (hour, minute) = text.split_once(':')?;
        let number = |part: &str, digits: std::ops::RangeInclusive<usize>| {
            let plain = digits.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| part.parse::<u16>().ok()).flatten()
        };
        Self::new(number(hour, 1..=2)?, number(minute, 2..=2)?)
    }

    /// That moment of a day in a zone.
    fn on(self, day: Date, zone: &TimeZone) -> Option<Nanos> {
        let day = if self.0 == DAY_MINUTES { day.tomorrow().ok()? } else { day };
        let of_day = self.0 % DAY_MINUTES;
        let time = Time::new(i8::try_from(of_day / 60).ok()?, i8::try_from(of_day % 60).ok()?, 0, 0).ok()?;
        let at = first(day.to_datetime(time), zone)?;
        i64::try_from(at.as_nanosecond()).ok().map(Nanos)
    }
}

/// When the clock on the wall shows a time first; if a change leaves it out, the first time behind the change.
fn first(time: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    let either = zone.to_ambiguous_timestamp(time);
    if matches!(either.offset(), AmbiguousOffset::Gap { .. }) {
        let before = either.earlier().ok()?;
        return zone.following(before).next().map(|change| change.timestamp());
    }
    either.compatible().ok()
}

impl std::fmt::Display for Minute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// When people are at work. [`next_window`] says what follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkingHours {
    /// Days on which a window begins, none twice.
    pub days: Vec<Weekday>,
    /// Begin.
    pub from: Minute,
    /// End; not after `from`: on the next day.
    pub to: Minute,
    /// Where the clock on the wall hangs.
    pub zone: TimeZone,
    /// Days on which nobody works, with their names where they have one.
    pub holidays: BTreeMap<Date, String>,
}

impl Default for WorkingHours {
    /// Monday to Friday, 09:00 to 19:00 by the clock of this machine; UTC where it has none.
    fn default() -> Self {
        use Weekday::{Friday, Monday, Thursday, Tuesday, Wednesday};
        Self {
            days: vec![Monday, Tuesday, Wednesday, Thursday, Friday],
            from: Minute(9 * 60),
            to: Minute(19 * 60),
            zone: TimeZone::try_system().unwrap_or(TimeZone::UTC),
            holidays: BTreeMap::new(),
        }
    }
}

/// A time in which people are at work: from `begin` to just before `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First moment.
    pub begin: Nanos,
    /// First moment after it.
    pub end: Nanos,
}

impl Window {
    /// Whether people are at work at this moment.
    #[must_use]
    pub fn contains(&self, at: Nanos) -> bool {
        self.begin <= at && at < self.end
    }
}

/// The window in which `now` lies, else the next one; windows without a pause between them are one, which is followed
/// for three weeks. `None` when there is none within 400 days.
#[must_use]
pub fn next_window(now: Nanos, hours: &WorkingHours) -> Option<Window> {
    let today = hours.zone.to_datetime(Timestamp::from_nanosecond(i128::from(now.0)).ok()?).date();
    // Yesterday's window may last until today, and a change of the clock by a day is possible (Samoa, 2011).
    let mut day = today.yesterday().ok()?.yesterday().ok()?;
    let mut found: Option<Window> = None;
    let mut joined = 0;
    for _ in 0..DAYS_SEARCHED {
        let window = hours.window_of(day);
        day = day.tomorrow().ok()?;
        match (&mut found, window) {
            (Some(found), Some(next)) if next.begin <= found.end && joined < DAYS_JOINED => {
                found.end = found.end.max(next.end);
                joined += 1;
            }
            (Some(found), _) if found.end > now => return Some(*found),
            (_, Some(next)) => {
                (found, joined) = (Some(next), 0);
            }
            (_, None) => {}
        }
    }
    found.filter(|window| window.end > now)
}

impl WorkingHours {
    fn window_of(&self, day: Date) -> Option<Window> {
        if !self.days.contains(&day.weekday()) || self.holidays.contains_key(&day) {
            return None;
        }
        let last = if self.to <= self.from { day.tomorrow().ok()? } else { day };
        let window = Window { begin: self.from.on(day, &self.zone)?, end: self.to.on(last, &self.zone)? };
        (window.begin < window.end).then_some(window)
    }
}

/// How loud something has to be told that harms at `harm_at` if nobody does anything. The rule is: an Alert if the harm
/// comes before the next working window begins, else a Notice. Read exactly:
///
/// | now | the harm comes | level |
/// |---|---|---|
/// | any time | now, or has come | Alert: users are being hurt |
/// | outside of a window | before the next window begins | Alert: nobody would be there |
/// | outside of a window | when it has begun, or later | Notice: it waits until people are back |
/// | in a window | before this window ends | Notice: people are at work, and are told now |
/// | in a window | after its end, before the next one begins | Alert: it would come when nobody is there |
/// | in a window | when the next one has begun, or later | Notice: it waits |
///
/// So what would come at night is an Alert already on the day before, to whoever is on call: it is either seen to before
/// everybody leaves, or known by the one whom it would wake. Without any window ahead there is nobody to wait for: Alert.
#[must_use]
pub fn forecast_level(now: Nanos, harm_at: Nanos, hours: &WorkingHours) -> Verdict {
    let alert = |reason: &str| Verdict { level: Level::Alert, reason: reason.to_owned() };
    let notice = |reason: &str| Verdict { level: Level::Notice, reason: reason.to_owned() };
    if harm_at <= now {
        return alert("it is there already");
    }
    let window = next_window(now, hours);
    let here = window.filter(|window| window.contains(now));
    if here.is_some_and(|window| harm_at < window.end) {
        return notice("it would come within the working hours of now: people are there");
    }
    let next = match here {
        Some(window) => next_window(window.end, hours),
        None => window,
    };
    match next {
        Some(window) if harm_at >= window.begin => notice("it would come after people are back at work"),
        _ => alert("it would come before anybody is back at work"),
    }
}

#[cfg(test)]
mod tests;
