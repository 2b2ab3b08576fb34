//! Parts of a date in UTC, by arithmetic.

/// Part of a date that a function returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DatePart {
    DaysInMonth,
    DayOfMonth,
    DayOfWeek,
    DayOfYear,
    Hour,
    Minute,
    Month,
    Year,
}

impl DatePart {
    /// The part of the date that lies these seconds after the epoch.
    pub(super) fn of(self, seconds: i64) -> f64 {
        let days = seconds.div_euclid(86_400);
        let second = seconds.rem_euclid(86_400);
        let (year, month, day) = civil(days);
        let part = match self {
            Self::DaysInMonth => days_in_month(year, month),
            Self::DayOfMonth => day,
            // The epoch was a Thursday.
            Self::DayOfWeek => (days + 4).rem_euclid(7),
            Self::DayOfYear => (1..month).map(|before| days_in_month(year, before)).sum::<i64>() + day,
            Self::Hour => second / 3_600,
            Self::Minute => second % 3_600 / 60,
            Self::Month => month,
            Self::Year => year,
        };
        part as f64
    }
}

/// Year, month and day of a day since the epoch, in the Gregorian calendar (Hinnant's `civil_from_days`).
const fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days.saturating_add(719_468);
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

const fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// A time in milliseconds since the epoch, as RFC 3339 has it, to the second.
pub(super) fn rfc3339(millis: i64) -> String {
    let seconds = millis / 1_000;
    let (year, month, day) = civil(seconds.div_euclid(86_400));
    let second = seconds.rem_euclid(86_400);
    let (hour, minute) = (second / 3_600, second % 3_600 / 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}Z", second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_dates() {
        // 2006-01-02 22:04:05, a Monday; 2016-02-29 23:59:59; 1969-12-31 23:59:59, a Wednesday.
        let table = [
            (1_136_239_445, [31, 2, 1, 2, 22, 4, 1, 2006]),
            (1_456_790_399, [29, 29, 1, 60, 23, 59, 2, 2016]),
            (-1, [31, 31, 3, 365, 23, 59, 12, 1969]),
        ];
        let parts = [
            DatePart::DaysInMonth,
            DatePart::DayOfMonth,
            DatePart::DayOfWeek,
            DatePart::DayOfYear,
            DatePart::Hour,
            DatePart::Minute,
            DatePart::Month,
            DatePart::Year,
        ];
        for (seconds, expected) in table {
            let found = parts.map(|part| super::super::number::whole(part.of(seconds)));
            assert_eq!(found, expected);
        }
        assert_eq!(rfc3339(1_136_239_445_999), "2006-01-02T22:04:05Z");
    }
}
