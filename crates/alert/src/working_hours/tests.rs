#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test")]

use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Nanos {
    let at: Timestamp = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    Nanos(i64::try_from(at.as_nanosecond()).unwrap())
}

const ALL: [Weekday; 7] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
    Weekday::Sunday,
];

fn hours(days: &[Weekday], from: &str, to: &str, zone: &str, holidays: &[&str]) -> WorkingHours {
    WorkingHours {
        days: days.to_vec(),
        from: Minute::parse(from).unwrap(),
        to: Minute::parse(to).unwrap(),
        zone: TimeZone::get(zone).unwrap(),
        holidays: holidays.iter().map(|day| (day.parse().unwrap(), String::new())).collect(),
    }
}

fn office(zone: &str, holidays: &[&str]) -> WorkingHours {
    hours(&ALL[..5], "09:00", "19:00", zone, holidays)
}

/// `begin to end` in the zone of the hours.
fn shown(window: Option<Window>, hours: &WorkingHours) -> String {
    let one = |at: Nanos| {
        let at = Timestamp::from_nanosecond(i128::from(at.0)).unwrap().to_zoned_datetime(hours.zone.clone());
        at.strftime("%a %Y-%m-%d %H:%M%:z").to_string()
    };
    window.map_or("none".to_owned(), |window| format!("{} to {}", one(window.begin), one(window.end)))
}

#[test]
fn windows() {
    let tokyo = office("Asia/Tokyo", &["2026-11-23"]);
    let berlin = hours(&ALL, "02:30", "08:00", "Europe/Berlin", &[]);
    let berlin_late = hours(&ALL, "22:00", "02:30", "Europe/Berlin", &[]);
    let night = hours(&ALL[..5], "22:00", "06:00", "Asia/Tokyo", &["2026-11-25"]);
    let new_york = office("America/New_York", &[]);
    let always = hours(&ALL, "00:00", "24:00", "Asia/Tokyo", &[]);
    let always_odd = hours(&ALL, "09:00", "09:00", "Europe/Berlin", &[]);
    let workdays = hours(&ALL[..5], "00:00", "24:00", "Asia/Tokyo", &[]);
    let never = hours(&[], "09:00", "19:00", "UTC", &[]);
    let table: &[(&str, &WorkingHours, &str, &str)] = &[
        (
            "in the window",
            &tokyo,
            "2026-11-24T12:00:00+09:00",
            "Tue 2026-11-24 09:00+09:00 to Tue 2026-11-24 19:00+09:00",
        ),
        (
            "its first moment",
            &tokyo,
            "2026-11-24T09:00:00+09:00",
            "Tue 2026-11-24 09:00+09:00 to Tue 2026-11-24 19:00+09:00",
        ),
        (
            "its end is outside",
            &tokyo,
            "2026-11-24T19:00:00+09:00",
            "Wed 2026-11-25 09:00+09:00 to Wed 2026-11-25 19:00+09:00",
        ),
        (
            "before it, the same day",
            &tokyo,
            "2026-11-24T03:00:00+09:00",
            "Tue 2026-11-24 09:00+09:00 to Tue 2026-11-24 19:00+09:00",
        ),
        (
            "weekend and a holiday on Monday",
            &tokyo,
            "2026-11-20T19:00:00+09:00",
            "Tue 2026-11-24 09:00+09:00 to Tue 2026-11-24 19:00+09:00",
        ),
        (
            "on the holiday",
            &tokyo,
            "2026-11-23T10:00:00+09:00",
            "Tue 2026-11-24 09:00+09:00 to Tue 2026-11-24 19:00+09:00",
        ),
        // 29 March 2026: 02:00 becomes 03:00, so 02:30 does not exist.
        (
            "begin left out by the clock",
            &berlin,
            "2026-03-29T00:00:00+01:00",
            "Sun 2026-03-29 03:00+02:00 to Sun 2026-03-29 08:00+02:00",
        ),
        // 25 October 2026: 02:30 comes twice.
        (
            "begin twice",
            &berlin,
            "2026-10-25T00:00:00+02:00",
            "Sun 2026-10-25 02:30+02:00 to Sun 2026-10-25 08:00+01:00",
        ),
        (
            "end twice",
            &berlin_late,
            "2026-10-25T00:00:00+02:00",
            "Sat 2026-10-24 22:00+02:00 to Sun 2026-10-25 02:30+02:00",
        ),
        (
            "over a change of the clock",
            &new_york,
            "2026-10-30T20:00:00-04:00",
            "Mon 2026-11-02 09:00-05:00 to Mon 2026-11-02 19:00-05:00",
        ),
        (
            "over midnight, the evening",
            &night,
            "2026-11-24T23:00:00+09:00",
            "Tue 2026-11-24 22:00+09:00 to Wed 2026-11-25 06:00+09:00",
        ),
        (
            "over midnight, the morning of a holiday",
            &night,
            "2026-11-25T05:00:00+09:00",
            "Tue 2026-11-24 22:00+09:00 to Wed 2026-11-25 06:00+09:00",
        ),
        (
            "over midnight, after it",
            &night,
            "2026-11-25T06:00:00+09:00",
            "Thu 2026-11-26 22:00+09:00 to Fri 2026-11-27 06:00+09:00",
        ),
        (
            "over midnight, Saturday morning",
            &night,
            "2026-11-28T01:00:00+09:00",
            "Fri 2026-11-27 22:00+09:00 to Sat 2026-11-28 06:00+09:00",
        ),
        (
            "always",
            &always,
            "2026-11-28T01:00:00+09:00",
            "Thu 2026-11-26 00:00+09:00 to Fri 2026-12-18 00:00+09:00",
        ),
        (
            "always, by another hour and over a change of the clock",
            &always_odd,
            "2026-10-25T02:30:00+02:00",
            "Fri 2026-10-23 09:00+02:00 to Sat 2026-11-14 09:00+01:00",
        ),
        (
            "days without a pause are one",
            &workdays,
            "2026-11-25T03:00:00+09:00",
            "Mon 2026-11-23 00:00+09:00 to Sat 2026-11-28 00:00+09:00",
        ),
        (
            "and then the next week's",
            &workdays,
            "2026-11-28T00:00:00+09:00",
            "Mon 2026-11-30 00:00+09:00 to Sat 2026-12-05 00:00+09:00",
        ),
        ("nobody works", &never, "2026-11-25T03:00:00Z", "none"),
    ];
    for (what, hours, now, want) in table {
        assert_eq!(shown(next_window(at(now), hours), hours), *want, "{what}");
    }
}

#[test]
fn levels() {
    let tokyo = office("Asia/Tokyo", &["2026-11-23"]);
    let always = hours(&ALL, "00:00", "24:00", "Asia/Tokyo", &[]);
    let never = hours(&[], "09:00", "19:00", "UTC", &[]);
    let table = [
        ("there already, at night", &tokyo, "2026-11-25T03:00", "2026-11-25T03:00", Level::Alert),
        ("there already, at work", &tokyo, "2026-11-25T12:00", "2026-11-25T11:00", Level::Alert),
        ("at night, before the office opens", &tokyo, "2026-11-25T03:00", "2026-11-25T08:59", Level::Alert),
        ("at night, when it has opened", &tokyo, "2026-11-25T03:00", "2026-11-25T09:00", Level::Notice),
        ("at night, much later", &tokyo, "2026-11-25T03:00", "2026-11-26T02:00", Level::Notice),
        ("at work, an hour later", &tokyo, "2026-11-25T14:00", "2026-11-25T15:00", Level::Notice),
        ("at work, just before closing", &tokyo, "2026-11-25T14:00", "2026-11-25T18:59", Level::Notice),
        ("at work, at closing", &tokyo, "2026-11-25T14:00", "2026-11-25T19:00", Level::Alert),
        ("at work, the night after", &tokyo, "2026-11-25T14:00", "2026-11-26T02:00", Level::Alert),
        ("at work, the next day", &tokyo, "2026-11-25T14:00", "2026-11-26T09:00", Level::Notice),
        ("Friday at work, on the weekend", &tokyo, "2026-11-27T14:00", "2026-11-29T12:00", Level::Alert),
        (
            "Friday evening, on the holiday after it",
            &tokyo,
            "2026-11-20T20:00",
            "2026-11-23T12:00",
            Level::Alert,
        ),
        ("Friday evening, on Tuesday", &tokyo, "2026-11-20T20:00", "2026-11-24T12:00", Level::Notice),
        ("always open", &always, "2026-11-25T03:00", "2026-11-25T04:00", Level::Notice),
        ("always open, there already", &always, "2026-11-25T03:00", "2026-11-25T03:00", Level::Alert),
        ("nobody ever works", &never, "2026-11-25T03:00", "2026-11-29T04:00", Level::Alert),
    ];
    for (what, hours, now, harm, want) in table {
        let [now, harm] = [now, harm].map(|text| at(&format!("{text}:00+09:00")));
        let got = forecast_level(now, harm, hours);
        assert_eq!(got.level, want, "{what}: {}", got.reason);
    }
}

#[test]
fn times_of_day() {
    for (text, want) in [
        ("09:00", Some("09:00")),
        ("9:05", Some("09:05")),
        ("24:00", Some("24:00")),
        ("00:00", Some("00:00")),
        ("24:01", None),
        ("09:60", None),
        ("9", None),
        ("9:5", None),
        ("+9:00", None),
        ("-1:00", None),
        ("", None),
    ] {
        assert_eq!(Minute::parse(text).map(|minute| minute.to_string()).as_deref(), want, "{text:?}");
    }
}

proptest! {
    /// Whatever the hours: a window ends after now, begins before it ends, and what it says of itself holds within it.
    #[test]
    fn a_window_is_ahead(
        now in 1_500_000_000_i64..2_000_000_000,
        days in proptest::collection::btree_set(0_usize..7, 0..7),
        from in 0_u16..1440,
        to in 1_u16..=1440,
        zone in proptest::sample::select(vec!["Asia/Tokyo", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "UTC"]),
    ) {
        let hours = WorkingHours {
            days: days.iter().map(|day| ALL[*day]).collect(),
            from: Minute(from),
            to: Minute(to),
            zone: TimeZone::get(zone).unwrap(),
            holidays: BTreeMap::new(),
        };
        let now = Nanos::from_secs(now);
        match next_window(now, &hours) {
            None => prop_assert!(days.is_empty()),
            Some(window) => {
                prop_assert!(window.begin < window.end && now < window.end);
                if !window.contains(now) {
                    prop_assert_eq!(next_window(window.begin, &hours), Some(window));
                }
            }
        }
    }
}
