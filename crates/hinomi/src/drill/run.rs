//! One case: break, wait for what is said, undo, wait until it is over.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hinomi_model::Level;
use serde_json::Value;

use super::case::Case;
use super::docker::Docker;
use crate::client::{self, Server};

/// How long something may take to be said.
const SAID_WITHIN: Duration = Duration::from_secs(60);
/// How long nothing must be said after something harmless.
const QUIET_FOR: Duration = Duration::from_secs(8);
/// How long messages may take to arrive.
const TOLD_WITHIN: Duration = Duration::from_secs(20);
/// How long it may take until it is over once the container is removed.
const OVER_WITHIN: Duration = Duration::from_secs(90);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);

/// What became of a case.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) case: &'static Case,
    /// What was said, and how long after the container was broken.
    pub(crate) said: Option<Said>,
    /// Receivers and whether each took the message.
    pub(crate) told: Vec<(String, bool)>,
    /// How long after the container was removed it was over.
    pub(crate) over_after: Option<Duration>,
    /// Why it could not be done.
    pub(crate) failed: Option<String>,
}

/// What Hinomi said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) id: String,
    pub(crate) inspection: String,
    pub(crate) level: Level,
    pub(crate) cause: String,
    pub(crate) after: Duration,
}

impl Outcome {
    fn new(case: &'static Case) -> Self {
        Self { case, said: None, told: Vec::new(), over_after: None, failed: None }
    }

    /// What had to be said was said, as loud as it had to be, and it was over when it was undone.
    pub(crate) fn is_as_expected(&self) -> bool {
        let right = match (&self.case.expected, &self.said) {
            (None, None) => true,
            (Some(expected), Some(said)) => {
                said.inspection == expected.inspection
                    && said.level >= expected.level
                    && self.over_after.is_some()
            }
            _ => false,
        };
        right && self.failed.is_none() && self.told.iter().all(|(_, accepted)| *accepted)
    }
}

pub(crate) fn run(case: &'static Case, docker: &Docker, server: &Server, stop: &AtomicBool) -> Outcome {
    let mut outcome = Outcome::new(case);
    let name = format!("hinomi-drill-{}-{}", case.name, std::process::id());
    match broken(case, docker, &name) {
        Ok(began) => observe(&mut outcome, docker, server, &name, began, stop),
        Err(error) => outcome.failed = Some(format!("{error:#}")),
    }
    docker.remove(&name);
    outcome
}

/// Breaks it; returns when.
fn broken(case: &Case, docker: &Docker, name: &str) -> anyhow::Result<Instant> {
    let ran = docker.run(name, case.options, case.command);
    let began = Instant::now();
    match (ran, case.start_fails) {
        (Ok(()), false) => {}
        (Err(_), true) => return Ok(began),
        (Ok(()), true) => anyhow::bail!("its start was to fail and did not"),
        (Err(error), false) => return Err(error),
    }
    if case.then.is_empty() {
        return Ok(began);
    }
    std::thread::sleep(Duration::from_secs(1));
    docker.act(case.then, name)?;
    Ok(Instant::now())
}

fn observe(
    outcome: &mut Outcome,
    docker: &Docker,
    server: &Server,
    name: &str,
    began: Instant,
    stop: &AtomicBool,
) {
    let wanted = |said: &Said| match &outcome.case.expected {
        Some(expected) => said.inspection == expected.inspection && said.level >= expected.level,
        None => said.level > Level::None,
    };
    let patience = if outcome.case.expected.is_some() { SAID_WITHIN } else { QUIET_FOR };
    let mut last = None;
    let found = until(patience, stop, || {
        let said = finding(server, name, began)?;
        let fits = wanted(&said);
        last = Some(said.clone());
        fits.then_some(said)
    });
    // What was said instead tells more than nothing; that something harmless was recorded is no saying.
    let loud = last.filter(|said| said.level > Level::None);
    outcome.said = found.or(loud);
    if let Some(said) = &outcome.said {
        let id = said.id.clone();
        outcome.told =
            until(TOLD_WITHIN, stop, || settled(server, &id)).unwrap_or_else(|| deliveries(server, &id));
    }
    docker.remove(name);
    let undone = Instant::now();
    if let Some(said) = &outcome.said {
        let id = said.id.clone();
        outcome.over_after = until(OVER_WITHIN, stop, || is_over(server, &id).then(|| undone.elapsed()));
    }
}

/// Looks again and again. Of a signal the case under way is undone, so that ends it.
fn until<T>(limit: Duration, stop: &AtomicBool, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now().checked_add(limit)?;
    while Instant::now() < end && !stop.load(Ordering::Relaxed) {
        if let Some(found) = look() {
            return Some(found);
        }
        std::thread::sleep(LOOK);
    }
    None
}

/// The loudest finding of a container.
fn finding(server: &Server, name: &str, began: Instant) -> Option<Said> {
    let answer = client::get(server, "findings", &[("all", Some("true"))]).ok()?;
    let all = answer.get("findings")?.as_array()?.iter();
    let its = all.filter(|one| text(one, "/resource/name") == name);
    let said = its.filter_map(|one| {
        Some(Said {
            id: text(one, "/id").to_owned(),
            inspection: text(one, "/inspection").to_owned(),
            level: serde_json::from_value(one.get("level")?.clone()).ok()?,
            cause: text(one, "/cause").to_owned(),
            after: began.elapsed(),
        })
    });
    said.max_by_key(|said| said.level)
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Who was told, once no message waits any more.
fn settled(server: &Server, id: &str) -> Option<Vec<(String, bool)>> {
    let answer = client::get(server, &format!("findings/{id}"), &[]).ok()?;
    let all = answer.get("deliveries")?.as_array()?;
    let done = all.iter().all(|one| text(one, "/state") != "waiting");
    done.then(|| accepted(all))
}

fn deliveries(server: &Server, id: &str) -> Vec<(String, bool)> {
    let answer = client::get(server, &format!("findings/{id}"), &[]).unwrap_or_default();
    answer.get("deliveries").and_then(Value::as_array).map(|all| accepted(all)).unwrap_or_default()
}

fn accepted(all: &[Value]) -> Vec<(String, bool)> {
    let mut told: Vec<(String, bool)> = Vec::new();
    for one in all {
        let (name, took) = (text(one, "/receiver").to_owned(), text(one, "/state") == "accepted");
        match told.iter_mut().find(|(known, _)| *known == name) {
            Some((_, all)) => *all &= took,
            None => told.push((name, took)),
        }
    }
    told
}

fn is_over(server: &Server, id: &str) -> bool {
    let Ok(answer) = client::get(server, &format!("findings/{id}"), &[]) else { return false };
    answer.get("resolved_at").is_some_and(|at| !at.is_null())
}
