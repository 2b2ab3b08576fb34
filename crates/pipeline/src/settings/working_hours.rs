//! `working_hours`: when people are at work.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use hinomi_alert::working_hours::{Minute, WorkingHours as Hours};
use hinomi_config::emit::{self, Emitter};
use hinomi_config::{Value, closest, decode};
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;

/// Longest file of holidays, bytes.
const FILE_MAX_BYTES: u64 = 256 * 1024;
/// Most holidays.
const HOLIDAYS_MAX: usize = 4096;
/// Longest name of one, characters.
const NAME_MAX_CHARS: usize = 64;
/// Problems of one file that are told.
const FILE_PROBLEMS_MAX: usize = 8;

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// When people are at work, and how it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkingHours {
    /// What it means.
    pub hours: Hours,
    /// Zone by its IANA name; `None`: that of this machine.
    pub time_zone: Option<String>,
    /// File of the holidays.
    pub holidays: Option<PathBuf>,
}

/// The keys under `working_hours`.
pub(super) fn take(value: &Value<'_>) -> Option<WorkingHours> {
    let mut map = value.map()?;
    let default = Hours::default();
    let days = map.take("days", days);
    let from = map.take("from", minute).unwrap_or(default.from);
    let to = map.take("to", minute).unwrap_or(default.to);
    let zone = map.take("time_zone", zone);
    let holidays = map.take("holidays", |value| {
        let path = decode::absolute_path(value)?;
        Some((read_holidays(value, &path)?, path))
    });
    map.finish();
    if from == to {
        value.problem(
            format!("a window from {from} to {to} has no length"),
            "for whole days write `from: \"00:00\", to: \"24:00\"`",
        );
    }
    let (time_zone, zone) = zone.unzip();
    let (holidays, file) = holidays.unzip();
    Some(WorkingHours {
        hours: Hours {
            days: days.unwrap_or(default.days),
            from,
            to,
            zone: zone.unwrap_or(default.zone),
            holidays: holidays.unwrap_or_default(),
        },
        time_zone,
        holidays: file,
    })
}

impl WorkingHours {
    pub(super) fn emit(&self, emitter: &mut Emitter) {
        let word = |day: &Weekday| DAYS.iter().find(|(_, known)| known == day).map_or("", |(word, _)| *word);
        let days: Vec<&str> = self.hours.days.iter().map(word).collect();
        emitter.map("working_hours", |e| {
            e.raw("days", &format!("[{}]", days.join(", ")));
            e.raw("from", &format!("\"{}\"", self.hours.from));
            e.raw("to", &format!("\"{}\"", self.hours.to));
            match &self.time_zone {
                Some(zone) => e.raw("time_zone", &emit::scalar(zone)),
                None => e.raw("time_zone", "null # that of this machine"),
            }
            match &self.holidays {
                Some(file) => e.entry("holidays", file.display()),
                None => e.raw("holidays", "null # none"),
            }
        });
    }
}

/// `[mon, tue]`, and ranges: `[mon..fri]`.
fn days(value: &Value<'_>) -> Option<Vec<Weekday>> {
    let mut days: Vec<Weekday> = Vec::new();
    for item in value.list()? {
        let text = decode::string(&item)?;
        let (first, last) = text.split_once("..").unwrap_or((&text, &text));
        let (first, last) = (day(&item, first)?, day(&item, last)?);
        for step in 0..DAYS.len() {
            let (_, day) = DAYS.get((first + step) % DAYS.len())?;
            if days.contains(day) {
                item.problem(format!("\"{text}\" is there twice"), "write each day once");
                return None;
            }
            days.push(*day);
            if (first + step) % DAYS.len() == last {
                break;
            }
        }
    }
    if days.is_empty() {
        value.problem("no day", "write the days on which somebody works, like [mon..fri]");
        return None;
    }
    days.sort_by_key(|day| day.to_monday_zero_offset());
    Some(days)
}

/// Number of a day, from Monday on.
fn day(value: &Value<'_>, text: &str) -> Option<usize> {
    let found = DAYS.iter().position(|(word, _)| *word == text);
    if found.is_none() {
        let remedy = match closest(text, DAYS.iter().map(|(word, _)| *word)) {
            Some(meant) => format!("did you mean \"{meant}\"?"),
            None => "write mon, tue, wed, thu, fri, sat, sun, or a range like mon..fri".to_owned(),
        };
        value.problem(format!("not a day: \"{}\"", short(text)), remedy);
    }
    found
}

fn minute(value: &Value<'_>) -> Option<Minute> {
    let text = decode::string(value)?;
    let minute = Minute::parse(&text);
    if minute.is_none() {
        value.problem(
            format!("not a time of day: \"{}\"", short(&text)),
            "write it like \"09:00\", up to \"24:00\"",
        );
    }
    minute
}

fn zone(value: &Value<'_>) -> Option<(String, TimeZone)> {
    let text = decode::name(value)?;
    match TimeZone::get(&text) {
        Ok(zone) => Some((text, zone)),
        Err(_) => {
            value.problem(
                format!("no time zone \"{}\"", short(&text)),
                "write its IANA name, like Asia/Tokyo or Europe/Berlin",
            );
            None
        }
    }
}

/// One date a line, and its name behind it where it has one; `#` begins a comment.
fn read_holidays(value: &Value<'_>, path: &Path) -> Option<BTreeMap<Date, String>> {
    let mut text = String::new();
    let read =
        std::fs::File::open(path).and_then(|file| file.take(FILE_MAX_BYTES + 1).read_to_string(&mut text));
    let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
    if let Err(error) = read {
        value.problem(
            format!("cannot read the file of holidays {}: {error}", path.display()),
            "check that it exists and that this user may read it",
        );
        return None;
    }
    if length > FILE_MAX_BYTES {
        value.problem(
            format!("{} is longer than {FILE_MAX_BYTES} bytes", path.display()),
            "leave old years out",
        );
        return None;
    }
    let (holidays, problems) = holidays(&text);
    for (line, said) in problems.iter().take(FILE_PROBLEMS_MAX) {
        let message = format!("{}:{line}: not a date: \"{said}\"", path.display());
        value.problem(
            message,
            "begin each line with a date like 2026-11-23; a name may follow, `#` begins a comment",
        );
    }
    if holidays.len() > HOLIDAYS_MAX {
        value.problem(
            format!("{} holidays, at most {HOLIDAYS_MAX} are possible", holidays.len()),
            "leave old years out",
        );
        return None;
    }
    problems.is_empty().then_some(holidays)
}

/// Holidays, and the lines that are none.
fn holidays(text: &str) -> (BTreeMap<Date, String>, Vec<(usize, String)>) {
    let (mut found, mut problems) = (BTreeMap::new(), Vec::new());
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let (date, name) = line.split_once([' ', '\t', ',']).unwrap_or((line, ""));
        // Ten characters: a date and nothing that stands for another.
        match date.parse::<Date>().ok().filter(|_| date.len() == 10) {
            Some(date) => {
                let name = name.trim_matches([' ', '\t', ',', '"']);
                found.insert(date, name.chars().filter(|c| !c.is_control()).take(NAME_MAX_CHARS).collect());
            }
            None => problems.push((number.saturating_add(1), short(line))),
        }
    }
    (found, problems)
}

fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_holidays() {
        let text = "\u{feff}# 2026\n2026-01-01 元日\r\n\n2026-11-23,\"Labour Thanksgiving Day\"  # comment\n2026-11-03\n2026/11/03\n2026-02-30 no\nChristmas";
        let (found, problems) = holidays(text);
        let found: Vec<String> = found.iter().map(|(date, name)| format!("{date} {name}")).collect();
        assert_eq!(found, ["2026-01-01 元日", "2026-11-03 ", "2026-11-23 Labour Thanksgiving Day"]);
        let lines: Vec<usize> = problems.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [6, 7, 8]);
    }
}
