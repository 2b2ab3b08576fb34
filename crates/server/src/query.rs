//! Parameters of questions.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query};
use hinomi_config::{Problems, Value, decode, parse};
use hinomi_model::{Fact, Nanos};
use hinomi_pipeline::TimelineQuery;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::time::Duration;

use crate::Error;

/// Begin of a timeline that names none.
const SINCE_DEFAULT: Duration = Duration::from_secs(3600);
/// Changes in an answer that names no limit.
const LIMIT_DEFAULT: usize = 1000;

/// `?all=true`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct All {
    #[serde(default)]
    pub(crate) all: bool,
}

/// `?name=`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Name {
    pub(crate) name: String,
}

/// Which part of the past.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Past {
    since: Option<String>,
    from: Option<String>,
    to: Option<String>,
    resource: Option<String>,
    limit: Option<usize>,
    attributes: Option<String>,
    after: Option<u64>,
}

/// What a request asks, or what is wrong with its parameters.
pub(crate) fn asked<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Error> {
    query.map(|Query(asked)| asked).map_err(|rejection| Error::Parameter(rejection.body_text()))
}

/// What the path names, or what is wrong with how it is written.
pub(crate) fn named(path: Result<Path<String>, PathRejection>) -> Result<String, Error> {
    path.map(|Path(name)| name).map_err(|_| {
        Error::Parameter(
            "the name in the path is no text; write it in UTF-8, with % and two digits for what a path can't hold"
                .to_owned(),
        )
    })
}

impl Past {
    pub(crate) fn question(self, now: Nanos) -> Result<TimelineQuery, Error> {
        let since = self.since.filter(|since| !since.is_empty());
        let from = match (&since, &self.from) {
            (Some(_), Some(_)) => {
                return Err(Error::Parameter("since and from are both given; give one of them".to_owned()));
            }
            (Some(since), None) => now.minus(duration(since)?),
            (None, Some(from)) => stamp("from", from)?,
            (None, None) => now.minus(SINCE_DEFAULT),
        };
        let to = self.to.as_deref().map_or(Ok(now), |to| stamp("to", to))?;
        if from > to {
            let (from, to) = (from.rfc3339(), to.rfc3339());
            return Err(Error::Parameter(format!("the begin {from} lies after the end {to}; swap them")));
        }
        let resource = self.resource.filter(|name| !name.is_empty());
        let attributes = self.attributes.as_deref().map(attributes).transpose()?.flatten();
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT);
        Ok(TimelineQuery { from, to, resource, limit, attributes, after: self.after })
    }
}

/// Names of attributes, separated by commas; none: all.
fn attributes(list: &str) -> Result<Option<BTreeSet<String>>, Error> {
    let names: BTreeSet<String> =
        list.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
    if let Some(unknown) = names.iter().find(|name| !Fact::ATTRIBUTES.contains(&name.as_str())) {
        let (shown, known) = (unknown.chars().take(60).collect::<String>(), Fact::ATTRIBUTES.join(", "));
        return Err(Error::Parameter(format!("attributes: \"{shown}\" is none; known are: {known}")));
    }
    Ok((!names.is_empty()).then_some(names))
}

/// The same durations as in the configuration.
fn duration(text: &str) -> Result<Duration, Error> {
    let problems = Problems::new("since");
    let tree = parse(text, &problems);
    let parsed = decode::duration(&Value::root(&tree, &problems));
    let (problems, _notes) = problems.into_sorted();
    match (parsed, problems.first()) {
        (Some(duration), None) => Ok(duration),
        (_, Some(problem)) => {
            Err(Error::Parameter(format!("since: {}; {}", problem.message, problem.remedy)))
        }
        (None, None) => Err(Error::Parameter("since: no duration; write it like 30m or 2h".to_owned())),
    }
}

fn stamp(name: &str, text: &str) -> Result<Nanos, Error> {
    // A plus sign that nobody encoded arrives as a space.
    Nanos::parse_rfc3339(&text.replace(' ', "+")).ok_or_else(|| {
        let shown: String = text.chars().take(60).collect();
        Error::Parameter(format!("{name}: \"{shown}\" is not RFC 3339; write it like 2026-11-24T08:00:00Z"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000_000;

    fn asked(since: Option<&str>, from: Option<&str>, to: Option<&str>) -> Result<(i64, i64), String> {
        let own = |text: Option<&str>| text.map(str::to_owned);
        let past = Past { since: own(since), from: own(from), to: own(to), ..Past::default() };
        let now = Nanos(10 * HOUR);
        past.question(now).map(|query| (query.from.0, query.to.0)).map_err(|error| error.to_string())
    }

    #[test]
    fn begin_and_end() {
        assert_eq!(asked(None, None, None), Ok((9 * HOUR, 10 * HOUR)));
        assert_eq!(asked(Some(""), None, None), Ok((9 * HOUR, 10 * HOUR)));
        assert_eq!(asked(Some("2h"), None, None), Ok((8 * HOUR, 10 * HOUR)));
        let (from, to) = (Some("1970-01-01T01:00:00Z"), Some("1970-01-01T12:00:00 09:00"));
        assert_eq!(asked(None, from, to), Ok((HOUR, 3 * HOUR)));
    }

    #[test]
    fn attributes_are_a_list_of_known_names() {
        let names = |list: &str| attributes(list).map_err(|error| error.to_string());
        let set = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(names(""), Ok(None));
        assert_eq!(names("spec, intent,,spec"), Ok(set(&["intent", "spec"])));
        insta::assert_snapshot!(names("spec,colour").map_or_else(|error| error, |set| format!("{set:?}")));
    }

    #[test]
    fn wrong_ones_say_how_to_write_it() {
        insta::assert_snapshot!(
            [
                asked(Some("soon"), None, None),
                asked(Some("60"), None, None),
                asked(Some("{ a: b }"), None, None),
                asked(Some("1h"), Some("1970-01-01T01:00:00Z"), None),
                asked(None, Some("yesterday"), None),
                asked(None, Some("1970-01-01T02:00:00Z"), Some("1970-01-01T01:00:00Z")),
            ]
            .map(|answer| answer.map_or_else(|error| error, |range| format!("accepted as {range:?}")))
            .join("\n")
        );
    }
}
