//! `why`: in a paragraph and a stage strip what inspect, events, logs and the kernel's log together would tell.

use std::collections::BTreeSet;
use std::sync::Arc;

use hinomi_alert::{Judge, Subject};
use hinomi_model::{Finding, HealthStatus, Level, LogTail, Nanos, ResourceId, StageRecord};
use hinomi_timeline::{State, Timeline, Track, WorkloadKey, duration_words, exit_words};
use serde::Serialize;

use crate::Error;

/// The answer.
#[derive(Clone, Debug, Serialize)]
pub struct Why {
    /// What was asked for.
    pub name: String,
    /// The whole answer in words.
    pub paragraph: String,
    /// Something is wrong with it.
    pub deviates: bool,
    /// Open findings about it.
    pub findings: Vec<Finding>,
    /// Its containers, the worst first.
    pub containers: Vec<ContainerWhy>,
}

/// A container in the answer.
#[derive(Clone, Debug, Serialize)]
pub struct ContainerWhy {
    /// Which.
    pub resource: Arc<ResourceId>,
    /// State in one word.
    pub state: &'static str,
    /// The last launch, stage by stage.
    pub stages: Vec<StageRecord>,
    /// Number of that launch.
    pub attempt: u32,
    /// Healed before: what, how long it took, who healed it; newest first.
    pub healed_before: Vec<String>,
    /// Last state changes, oldest first.
    pub changes: Vec<(Nanos, String)>,
    /// Last log lines before the last end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<Arc<LogTail>>,
}

/// Names offered when nothing fits.
const HINT_NAMES: usize = 8;
/// A container's id is recognised from this many characters on.
const ID_PREFIX_MIN: usize = 6;

/// Ids of the containers that a name means: a workload's, a container's by name, or by id.
pub(crate) fn uids(judge: &Judge, name: &str) -> Result<BTreeSet<String>, Error> {
    let timeline = judge.timeline();
    let of_workload = timeline
        .workloads
        .values()
        .filter(|workload| workload.key.workload.to_string() == name || workload.key.workload.name == name);
    let mut found: BTreeSet<String> =
        of_workload.flat_map(|workload| workload.members.iter().cloned()).collect();
    let fits = |track: &&Track| {
        track.id.name == name || (name.len() >= ID_PREFIX_MIN && track.id.uid.starts_with(name))
    };
    found.extend(timeline.tracks.values().filter(fits).map(|track| track.id.uid.clone()));
    found.extend(timeline.runtimes.keys().filter(|cluster| cluster.as_str() == name).cloned());
    if found.is_empty() { Err(unknown(timeline, name)) } else { Ok(found) }
}

pub(crate) fn unknown(timeline: &Timeline, name: &str) -> Error {
    let mut names: Vec<String> = timeline.workloads.keys().map(|key| key.workload.to_string()).collect();
    names.sort_by_key(|known| !known.contains(name));
    names.truncate(HINT_NAMES);
    let hint = if names.is_empty() {
        "no container was ever seen here".to_owned()
    } else {
        format!("known are: {}", names.join(", "))
    };
    Error::NotFound { name: name.to_owned(), hint }
}

/// Answers for a container or workload.
pub(crate) fn answer(judge: &Judge, name: &str, now: Nanos) -> Result<Why, Error> {
    let uids = uids(judge, name)?;
    let timeline = judge.timeline();
    let mut tracks: Vec<&Track> = uids.iter().filter_map(|uid| timeline.tracks.get(uid)).collect();
    // Old instances of the same name only count while there is no other.
    if tracks.iter().any(|track| track.state != State::Gone) {
        tracks.retain(|track| track.state != State::Gone || track.deviation.is_some());
    } else {
        tracks.sort_by_key(|track| std::cmp::Reverse(track.since));
        tracks.truncate(1);
    }
    tracks.sort_by_key(|track| (track.deviation.is_none(), std::cmp::Reverse(track.since)));
    let keys: BTreeSet<WorkloadKey> = tracks.iter().filter_map(|track| WorkloadKey::of(&track.id)).collect();
    let down =
        tracks.iter().filter(|track| track.state != State::Running).map(|track| track.id.name.as_str());
    let findings = open_findings(judge, &keys, &uids, &down.collect());
    let mut sentences: Vec<String> = Vec::new();
    for key in &keys {
        sentences.extend(serving_sentence(timeline, key));
    }
    for finding in &findings {
        sentences.push(finding_sentence(finding, now));
    }
    let spoken_of: BTreeSet<&str> = findings.iter().map(|finding| finding.resource.uid.as_str()).collect();
    for track in tracks.iter().filter(|track| !spoken_of.contains(track.id.uid.as_str())) {
        sentences.push(track_sentence(track, now));
    }
    Ok(Why {
        name: name.to_owned(),
        paragraph: sentences.join(" "),
        deviates: !findings.is_empty(),
        findings,
        containers: tracks.into_iter().map(container).collect(),
    })
}

/// Findings of these workloads and containers, and of the runtime's those that name one of them that is `down`.
fn open_findings(
    judge: &Judge,
    keys: &BTreeSet<WorkloadKey>,
    uids: &BTreeSet<String>,
    down: &BTreeSet<&str>,
) -> Vec<Finding> {
    let subjects: BTreeSet<String> =
        keys.iter().map(|key| Subject::Workload(key.clone()).to_string()).collect();
    let incidents = judge.incidents();
    let here = incidents.open().flat_map(|incident| incident.findings.iter().map(move |f| (incident, f)));
    let about = here.filter(|(incident, finding)| {
        let labels = || finding.evidence.facts.iter().map(|(label, _)| label.as_str());
        let named = || finding.inspection == "not_back" && labels().any(|label| down.contains(label));
        subjects.contains(&incident.subject) || uids.contains(&finding.resource.uid) || named()
    });
    let mut findings: Vec<Finding> =
        about.map(|(_, finding)| finding).filter(|finding| finding.resolved_at.is_none()).cloned().collect();
    findings.sort_by_key(|finding| (std::cmp::Reverse(finding.level), finding.started_at));
    findings
}

fn serving_sentence(timeline: &Timeline, key: &WorkloadKey) -> Option<String> {
    let workload = timeline.workloads.get(key)?;
    let (desired, ready) = workload.replicas(&timeline.tracks);
    match (desired, ready) {
        (0, _) => None,
        (1, 1) => None,
        (1, _) => Some(format!("{} does not serve.", key.workload)),
        _ => Some(format!("{}: {ready} of {desired} instances serve.", key.workload)),
    }
}

fn finding_sentence(finding: &Finding, now: Nanos) -> String {
    let since = duration_words(now.since(finding.started_at));
    let level = match finding.level {
        Level::None => "Recorded",
        Level::Notice => "Notice",
        Level::Alert => "Alert",
    };
    let mut sentence = format!("{level} ({}) for {since}: {}.", finding.inspection, finding.cause);
    let healing = &finding.healing;
    let next = healing.next_try_at.filter(|at| *at > now).map(|at| duration_words(at.since(now)));
    if healing.healer == "nobody" {
        sentence.push_str(" Nobody heals it: a person has to.");
    } else if let Some(next) = next {
        sentence.push_str(&format!(" {} tries again in {next}.", healing.healer));
    }
    sentence.push_str(&format!(" Level: {}.", finding.level_reason));
    sentence
}

fn track_sentence(track: &Track, now: Nanos) -> String {
    let name = &track.id.name;
    let began = track.run_began_at.filter(|_| track.state == State::Running);
    let since = duration_words(now.since(began.unwrap_or(track.since)));
    match track.state {
        State::Running => {
            let health = match track.health.as_ref().map(|health| health.status) {
                Some(HealthStatus::Healthy) => ", its health check passes",
                Some(HealthStatus::Starting) => ", its health check has not passed yet",
                Some(HealthStatus::Unhealthy) => ", its health check fails",
                None => "",
            };
            format!("{name} runs for {since}{health}. Nothing is wrong with it.")
        }
        State::Exited | State::Gone => match track.last_end() {
            Some(end) if end.intended => {
                format!("{name} was stopped on request {since} ago ({}).", exit_words(end.code))
            }
            Some(end) => format!("{name} ended {since} ago with {}.", exit_words(end.code)),
            None => format!("{name} is {} since {since}.", track.state.word()),
        },
        _ => format!("{name} is {} for {since}.", track.state.word()),
    }
}

fn container(track: &Track) -> ContainerWhy {
    let healed = track.ledger.iter().rev().take(5).map(|closed| {
        let took = duration_words(closed.healed_at.since(closed.deviation.bad_since));
        format!("{}: {} after {took}", closed.deviation.started_at.rfc3339(), closed.because)
    });
    ContainerWhy {
        resource: Arc::clone(&track.id),
        state: track.state.word(),
        stages: track.attempt().map(|attempt| attempt.stages.clone()).unwrap_or_default(),
        attempt: track.attempt().map_or(0, |attempt| attempt.number),
        healed_before: healed.collect(),
        changes: track.recent.iter().cloned().collect(),
        log: track.last_end().and_then(|end| end.log.clone()),
    }
}
