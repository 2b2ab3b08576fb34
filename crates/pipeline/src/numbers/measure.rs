//! Asks the engine, and knows which series are whose.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hinomi_alert::numbers::{Check, Reading, Round, Settings, host_resource};
use hinomi_model::{Nanos, NumberUnit, ResourceId};
use hinomi_query::eval::Answered;
use hinomi_series::{Labels, Value};

use crate::metrics::{Asked, Metrics, Question};
use crate::own::{CONTAINERS_JOB, HOST_JOB};
use crate::view::Shared;

/// Things of one inspection whose past is asked for, at most: those that are nearest their limit.
const LOOK_BACK_MAX: usize = 64;
/// Steps of a question about the past.
const STEPS: u32 = 720;
/// A sample counts for this many intervals of the collectors, …
const LOOKBACK_INTERVALS: u32 = 3;
/// … and at least so long.
const LOOKBACK_LEAST: Duration = Duration::from_secs(60);
/// Failures that are told of one round.
const FAILURES_MAX: usize = 8;
/// Digits of a container's id.
const ID_LENGTH: usize = 64;

/// A container that runs.
pub(super) struct Container {
    pub(super) resource: Arc<ResourceId>,
    pub(super) began: Option<Nanos>,
}

/// One round of questions.
pub(super) struct Measure<'a> {
    pub(super) shared: &'a Shared,
    pub(super) at: Nanos,
    pub(super) host: Arc<ResourceId>,
    containers: BTreeMap<String, Container>,
    metrics: &'a Metrics,
    question: Question,
    step: Duration,
    round: Round,
    failures: Vec<String>,
}

/// A reading whose past is not known yet.
pub(super) struct Draft {
    pub(super) reading: Reading,
}

impl<'a> Measure<'a> {
    pub(super) fn new(shared: &'a Shared, at: Nanos, containers: Vec<Container>, timeout: Duration) -> Self {
        let interval = shared.settings.metrics.interval;
        let lookback = interval.saturating_mul(LOOKBACK_INTERVALS).max(LOOKBACK_LEAST);
        let asked = Asked { timeout: Some(timeout), lookback: Some(lookback), ..Asked::default() };
        Self {
            shared,
            at,
            host: Arc::new(host_resource(&shared.settings.host.name)),
            containers: containers.into_iter().map(|one| (one.resource.uid.clone(), one)).collect(),
            metrics: &shared.metrics,
            question: shared.metrics.question(&asked),
            step: interval,
            round: Round::default(),
            failures: Vec::new(),
        }
    }

    pub(super) fn finish(self) -> (Round, Vec<String>) {
        (self.round, self.failures)
    }

    pub(super) fn settings(&self) -> &'a Settings {
        &self.shared.settings.inspections
    }

    pub(super) fn looks_at(&self, check: Check) -> bool {
        self.settings().mark(check).enabled
    }

    /// The matchers of this host's own series: what a collector of it wrote. What others send under these
    /// labels is refused.
    pub(super) fn of_host(&self) -> String {
        format!("job=\"{HOST_JOB}\",instance={}", quoted(&self.host.name))
    }

    /// The same for its containers.
    pub(super) fn of_containers(&self) -> String {
        format!("job=\"{CONTAINERS_JOB}\",host={}", quoted(&self.host.name))
    }

    /// What an instant query yields now; nothing, and a failure noted, when it can't be asked.
    pub(super) fn vector(&mut self, text: &str) -> Option<Vec<(Labels, f64)>> {
        let answer = self.metrics.parse(text).map_err(|error| error.to_string()).and_then(|expr| {
            let asked = self.question.instant(text, &expr, millis(self.at));
            asked.map_err(|error| error.to_string())
        });
        match answer {
            Ok(answer) => {
                let Answered::Vector(samples) = answer.value else { return Some(Vec::new()) };
                let number = |value: Value| if let Value::Float(value) = value { Some(value) } else { None };
                let samples = samples.into_iter();
                Some(samples.filter_map(|one| Some((one.labels, number(one.point.v)?))).collect())
            }
            Err(error) => {
                self.fail(text, &error);
                None
            }
        }
    }

    /// The one number that an instant query yields.
    pub(super) fn number(&mut self, text: &str) -> Option<f64> {
        self.vector(text)?.first().map(|(_, value)| *value)
    }

    /// Numbers of an instant query by container; of series with the same container the last.
    pub(super) fn by_container(&mut self, text: &str) -> Option<BTreeMap<String, f64>> {
        let found = self.vector(text)?;
        let one = |(labels, value): (Labels, f64)| Some((container_id(labels.get("id")?)?.to_owned(), value));
        Some(found.into_iter().filter_map(one).collect())
    }

    pub(super) fn container(&self, id: &str) -> Option<&Container> {
        self.containers.get(id)
    }

    /// The past of a query's one series.
    fn past(&mut self, text: &str, back: Duration) -> Option<Vec<(Nanos, f64)>> {
        let end = millis(self.at);
        let back_ms = i64::try_from(back.as_millis()).unwrap_or(i64::MAX);
        let step = self.step.max(back / STEPS).max(Duration::from_secs(1));
        let step_ms = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
        let answer = self.metrics.parse(text).map_err(|error| error.to_string()).and_then(|expr| {
            let asked = self.question.range(text, &expr, (end.saturating_sub(back_ms), end, step_ms));
            asked.map_err(|error| error.to_string())
        });
        match answer {
            Ok(answer) => {
                let Answered::Matrix(streams) = answer.value else { return Some(Vec::new()) };
                let mut samples: Vec<(Nanos, f64)> = streams
                    .into_iter()
                    .flat_map(|stream| stream.points)
                    .filter_map(|point| match point.v {
                        Value::Float(value) => Some((Nanos(point.t.saturating_mul(1_000_000)), value)),
                        Value::Histogram(_) => None,
                    })
                    .collect();
                samples.sort_by_key(|(at, _)| *at);
                samples.dedup_by_key(|(at, _)| *at);
                Some(samples)
            }
            Err(error) => {
                self.fail(text, &error);
                None
            }
        }
    }

    fn fail(&mut self, text: &str, error: &str) {
        if self.failures.len() < FAILURES_MAX {
            self.failures.push(format!("{text}: {error}"));
        }
    }

    pub(super) fn add(&mut self, reading: Reading) {
        self.round.readings.push(reading);
    }

    /// Adds readings, with their past where they are near their limit. What is beyond [`LOOK_BACK_MAX`], and what has a
    /// past that can't be asked, is not told of.
    pub(super) fn add_with_past(&mut self, check: Check, mut drafts: Vec<Draft>) {
        let from = check.looks_back_from(self.settings()).unwrap_or(f64::INFINITY);
        drafts.sort_by(|a, b| b.reading.share().total_cmp(&a.reading.share()));
        let mut asked = 0;
        for Draft { mut reading } in drafts {
            if reading.share() >= from {
                asked += 1;
                if asked > LOOK_BACK_MAX {
                    continue;
                }
                let Some(samples) = self.past(&reading.query, check.looks_back()) else { continue };
                reading.samples = samples;
            }
            self.add(reading);
        }
    }

    /// A reading without a past.
    pub(super) fn reading(
        check: Check,
        resource: &Arc<ResourceId>,
        part: &str,
        (unit, value, limit): (NumberUnit, f64, f64),
        query: String,
    ) -> Reading {
        Reading {
            check,
            resource: Arc::clone(resource),
            part: part.to_owned(),
            unit,
            value,
            limit,
            samples: Vec::new(),
            query,
            facts: Vec::new(),
        }
    }
}

/// A text as PromQL writes it.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// The container's id in the path of its cgroup: `/docker/<id>`, `/system.slice/docker-<id>.scope`.
fn container_id(path: &str) -> Option<&str> {
    let is_id = |part: &&str| part.len() == ID_LENGTH && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    path.rsplit(|c: char| !c.is_ascii_alphanumeric()).find(is_id)
}

fn millis(at: Nanos) -> i64 {
    at.0.div_euclid(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_in_paths() {
        let id = "0a".repeat(32);
        for (path, found) in [
            (format!("/docker/{id}"), true),
            (format!("/system.slice/docker-{id}.scope"), true),
            (format!("/docker/{id}/nested"), true),
            ("/docker/0a0a".to_owned(), false),
            (format!("/docker/{id}0"), false),
            ("/".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(container_id(&path), found.then_some(id.as_str()), "{path}");
        }
    }

    #[test]
    fn texts_in_queries() {
        assert_eq!(quoted("a\"b\\c\nd"), "\"a\\\"b\\\\c\\nd\"");
    }
}
