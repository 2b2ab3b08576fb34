//! Which times are asked for.

use hinomi_series::duration;
use jiff::Timestamp;

use crate::cli::Query;
use crate::exit::Usage;

/// Steps that a reader counts in, seconds.
const STEPS: [i64; 17] =
    [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400];
const MS: i64 = 1_000;

/// When a query is evaluated, milliseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// Once; `None`: at the server's present.
    At(Option<i64>),
    /// At each step.
    Range(Range),
}

/// Milliseconds since the epoch; both ends are steps' at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) step: i64,
}

impl When {
    /// What the options say; a step that is not given makes at most so many points.
    ///
    /// # Errors
    ///
    /// A time, duration or range that is none.
    pub(crate) fn of(asked: &Query, now: Timestamp, points: usize) -> Result<Self, Usage> {
        let now = now.as_millisecond();
        if asked.since.is_none() && asked.from.is_none() {
            return Ok(Self::At(asked.time.as_deref().map(|text| moment("--time", text, now)).transpose()?));
        }
        let to = asked.to.as_deref().map_or(Ok(now), |text| moment("--to", text, now))?;
        let from = match (&asked.since, &asked.from) {
            (Some(since), _) => to.saturating_sub(length("--since", since)?),
            (None, Some(from)) => moment("--from", from, now)?,
            (None, None) => to,
        };
        if from >= to {
            return Err(Usage("--from must be before --to".to_owned()));
        }
        let step = match &asked.step {
            Some(step) => length("--step", step)?,
            None => nice((to - from) / i64::try_from(points.max(1)).unwrap_or(i64::MAX)),
        };
        Ok(Self::Range(Range { from, to, step }))
    }

    /// Path behind `/api/v1/` and parameters.
    pub(crate) fn question(self, expr: &str) -> (&'static str, Vec<(&'static str, String)>) {
        let query = ("query", expr.to_owned());
        match self {
            Self::At(None) => ("query", vec![query]),
            Self::At(Some(at)) => ("query", vec![query, ("time", seconds(at))]),
            Self::Range(Range { from, to, step }) => {
                let range = [("start", seconds(from)), ("end", seconds(to)), ("step", seconds(step))];
                ("query_range", std::iter::once(query).chain(range).collect())
            }
        }
    }

    /// How often the query is evaluated.
    pub(crate) fn steps(self) -> i64 {
        match self {
            Self::At(_) => 1,
            Self::Range(Range { from, to, step }) => (to - from) / step.max(1) + 1,
        }
    }
}

/// The next round step, milliseconds.
fn nice(least: i64) -> i64 {
    let found = STEPS.into_iter().map(|step| step * MS).find(|step| *step >= least);
    found.unwrap_or_else(|| least.div_euclid(86_400 * MS).saturating_add(1).saturating_mul(86_400 * MS))
}

fn seconds(ms: i64) -> String {
    format!("{}.{:03}", ms.div_euclid(MS), ms.rem_euclid(MS))
}

/// RFC 3339, seconds since the epoch, `now` or `now-5m`.
fn moment(option: &str, text: &str, now: i64) -> Result<i64, Usage> {
    let wrong = || {
        Usage(format!(
            "{option}: \"{text}\" is no time; write it like 2026-11-24T03:00:00Z, 1790000000 or now-5m"
        ))
    };
    if let Some(back) = text.strip_prefix("now") {
        let Some(back) = back.strip_prefix('-') else {
            return if back.is_empty() { Ok(now) } else { Err(wrong()) };
        };
        return duration::parse_ms(back).map(|ms| now.saturating_sub(ms)).map_err(|_| wrong());
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at.as_millisecond());
    }
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    if !digits(whole) || !digits(part) {
        return Err(wrong());
    }
    let part: String = part.chars().chain("000".chars()).take(3).collect();
    let (whole, part) =
        (whole.parse::<i64>().map_err(|_| wrong())?, part.parse::<i64>().map_err(|_| wrong())?);
    whole.checked_mul(MS).and_then(|ms| ms.checked_add(part)).ok_or_else(wrong)
}

/// A duration as PromQL has it; more than none.
fn length(option: &str, text: &str) -> Result<i64, Usage> {
    let ms = duration::parse_ms(text).ok().filter(|ms| *ms > 0);
    ms.ok_or_else(|| {
        Usage(format!("{option}: \"{text}\" is no duration; write it with a unit, like 30s, 1h30m or 2d"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-24T12:00:00Z";

    fn asked(options: &[(&str, &str)]) -> Query {
        let get =
            |name: &str| options.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Query {
            expr: "up".to_owned(),
            time: get("time"),
            since: get("since"),
            from: get("from"),
            to: get("to"),
            step: get("step"),
            explain: false,
        }
    }

    #[test]
    fn times_that_are_asked_for() {
        let now: Timestamp = NOW.parse().unwrap();
        let table: [(&[(&str, &str)], &str); 8] = [
            (&[], "query query=up"),
            (&[("time", "1790000000.25")], "query query=up time=1790000000.250"),
            (&[("time", "now-90s")], "query query=up time=1795521510.000"),
            (&[("since", "1h")], "query_range query=up start=1795518000.000 end=1795521600.000 step=30.000"),
            (
                &[("from", "2026-11-24T10:00:00Z"), ("to", "2026-11-24T10:10:00Z"), ("step", "1m")],
                "query_range query=up start=1795514400.000 end=1795515000.000 step=60.000",
            ),
            (
                &[("since", "10m"), ("to", "now-1h")],
                "query_range query=up start=1795517400.000 end=1795518000.000 step=5.000",
            ),
            (
                &[("since", "100d")],
                "query_range query=up start=1786881600.000 end=1795521600.000 step=43200.000",
            ),
            (
                &[("since", "1h"), ("step", "500ms")],
                "query_range query=up start=1795518000.000 end=1795521600.000 step=0.500",
            ),
        ];
        for (options, want) in table {
            let (path, pairs) = When::of(&asked(options), now, 200).unwrap().question("up");
            let pairs: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
            assert_eq!(format!("{path} {}", pairs.join(" ")), want, "{options:?}");
        }
    }

    #[test]
    fn what_is_no_time_is_said() {
        let now: Timestamp = NOW.parse().unwrap();
        let table: [(&[(&str, &str)], &str); 5] = [
            (&[("time", "soon")], "--time: \"soon\""),
            (&[("time", "now+1h")], "--time: \"now+1h\""),
            (&[("since", "-5m")], "--since: \"-5m\""),
            (&[("since", "1h"), ("step", "0s")], "--step: \"0s\""),
            (&[("from", "now"), ("to", "now-1h")], "--from must be before --to"),
        ];
        for (options, want) in table {
            let error = When::of(&asked(options), now, 200).unwrap_err().to_string();
            assert!(error.starts_with(want), "{options:?}: {error}");
        }
    }
}
