//! One workload with everything that is known of its launches and its healing.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use hinomi_alert::Judge;
use hinomi_alert::inspection::finding_id;
use hinomi_model::{
    Finding, HealingState, HealthStatus, Incident, Level, LogTail, Nanos, ResourceId, WorkloadKind,
};
use hinomi_timeline::{
    Attempt, Closed, Deviation, End, State, Timeline, Track, Workload, WorkloadKey, duration_words, end_words,
};
use serde::Serialize;

use crate::now::{HappeningView, LoopView, NowRow, millis, open, row, workload_name};
use crate::{Error, Handle, why};

/// Changes shown.
const CHANGES_MAX: usize = 50;
/// Containers that are gone, shown where none is left.
const GONE_MAX: usize = 10;

/// A workload and everything about it.
#[derive(Clone, Debug, Serialize)]
pub struct WorkloadDetail {
    /// Project and name.
    pub name: String,
    /// Realm.
    pub cluster: String,
    /// Kind.
    pub kind: WorkloadKind,
    /// Instances that should run.
    pub desired: usize,
    /// Instances that serve.
    pub ready: usize,
    /// Loudest level of its open findings.
    pub level: Level,
    /// Who heals it, or `nobody`.
    pub healer: String,
    /// Its start grace, milliseconds.
    pub start_grace_ms: u64,
    /// Its healing is overdue after this time, milliseconds.
    pub overdue_after_ms: u64,
    /// Open findings, loudest first.
    pub findings: Vec<NowRow>,
    /// Its containers.
    pub instances: Vec<InstanceDetail>,
    /// Its images and configurations, and what people asked of it, newest first.
    pub changes: Vec<HappeningView>,
}

/// A container and everything about it.
#[derive(Clone, Debug, Serialize)]
pub struct InstanceDetail {
    /// Which.
    pub resource: Arc<ResourceId>,
    /// State in one word.
    pub state: &'static str,
    /// Since when.
    pub since: Nanos,
    /// Verdict of the health check, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
    /// Image as written by the user.
    pub image: String,
    /// Digest or id of the image.
    pub image_id: String,
    /// Entrypoint and arguments, redacted.
    pub command: String,
    /// What the platform does when it ends.
    pub restart_policy: String,
    /// Memory limit, bytes; 0 = none.
    pub memory_limit_bytes: u64,
    /// Published ports: `8080:80/tcp`.
    pub ports: Vec<String>,
    /// Restarts by policy since a person started it.
    pub restarts: u32,
    /// Launches, newest first.
    pub attempts: Vec<Attempt>,
    /// Ends, newest first.
    pub ends: Vec<EndView>,
    /// What was wrong and what was done about it, newest first.
    pub ledger: Vec<LedgerView>,
    /// The loop that it is in.
    #[serde(rename = "loop", skip_serializing_if = "Option::is_none")]
    pub looped: Option<LoopView>,
    /// Its last log lines now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<Arc<LogTail>>,
}

/// The end of a run.
#[derive(Clone, Debug, Serialize)]
pub struct EndView {
    /// When.
    pub at: Nanos,
    /// Exit code, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// In a few words.
    pub words: String,
    /// The runtime's error text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Somebody asked for it.
    pub intended: bool,
    /// A process was killed for memory just before.
    pub oom: bool,
    /// How long the run lasted, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ran_ms: Option<u64>,
    /// The last lines before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<Arc<LogTail>>,
}

/// A line of the healing ledger.
#[derive(Clone, Debug, Serialize)]
pub struct LedgerView {
    /// First sign.
    pub from: Nanos,
    /// When it was closed; absent while it goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Nanos>,
    /// Cause in words.
    pub cause: String,
    /// Who heals it, or `nobody`.
    pub healer: String,
    /// What it does.
    pub action: String,
    /// How that goes.
    pub state: HealingState,
    /// Tries in a row.
    pub tries: u32,
    /// When it tries again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_try_at: Option<Nanos>,
    /// Until it was healthy and stable, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
    /// How it ended, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
}

impl Handle {
    /// A workload by its name as [`Handle::workloads`] gives it.
    ///
    /// # Errors
    ///
    /// When there is none of that name.
    pub fn workload(&self, name: &str) -> Result<WorkloadDetail, Error> {
        let mut detail = detail(&self.judge(), name, self.now())?;
        // What runs is asked for its lines now; no lock of the judge is held meanwhile.
        let running = |instance: &&mut InstanceDetail| instance.state == State::Running.word();
        for instance in detail.instances.iter_mut().filter(running) {
            instance.log = self.shared().logs.of(&instance.resource.uid).map(Arc::new);
        }
        Ok(detail)
    }
}

fn detail(judge: &Judge, name: &str, now: Nanos) -> Result<WorkloadDetail, Error> {
    let timeline = judge.timeline();
    let workload = timeline.workloads.values().find(|workload| workload.key.workload.to_string() == name);
    let workload = workload.ok_or_else(|| why::unknown(timeline, name))?;
    let key = &workload.key;
    // What is wrong with it, and what was measured of it.
    let about = |incident: &&Incident| {
        incident.findings.first().and_then(|finding| WorkloadKey::of(&finding.resource)).as_ref() == Some(key)
    };
    let incidents = judge.incidents();
    let mine = incidents.open().chain(incidents.over()).filter(about);
    let known: BTreeMap<&str, &Finding> =
        mine.flat_map(|incident| &incident.findings).map(|finding| (finding.id.as_str(), finding)).collect();
    let open = open(incidents.open().filter(about));
    let tracks = instances(workload, timeline);
    let (desired, ready) = workload.replicas(&timeline.tracks);
    let newest = tracks.iter().max_by_key(|track| track.first_seen_at);
    let assessed = timeline.assess(key, now).assessments;
    let healing = |track: &Track| {
        let mine = assessed.iter().find(|assessment| assessment.track.id.uid == track.id.uid);
        mine.map(|assessment| &assessment.healing)
    };
    Ok(WorkloadDetail {
        name: name.to_owned(),
        cluster: key.cluster.clone(),
        kind: key.workload.kind,
        desired,
        ready,
        level: open.iter().map(|(_, finding)| finding.level).max().unwrap_or_default(),
        healer: newest.map_or_else(|| "nobody".to_owned(), |track| track.healer()),
        start_grace_ms: millis(workload.start_grace(&timeline.tracks)),
        overdue_after_ms: millis(workload.overdue_after()),
        findings: open.iter().map(|(incident, finding)| row(judge, incident, finding)).collect(),
        instances: tracks.iter().map(|track| instance(track, &known, healing(track))).collect(),
        changes: changes(timeline, key),
    })
}

/// Its living containers by name; where none is left, those that are gone and still known, newest first.
fn instances<'a>(workload: &'a Workload, timeline: &'a Timeline) -> Vec<&'a Track> {
    let (mut gone, mut alive): (Vec<&Track>, Vec<&Track>) =
        workload.tracks(&timeline.tracks).partition(|track| track.state == State::Gone);
    alive.sort_by(|a, b| a.id.name.cmp(&b.id.name));
    if alive.is_empty() {
        gone.sort_by_key(|track| Reverse(track.gone_at));
        gone.truncate(GONE_MAX);
        return gone;
    }
    alive
}

fn instance(
    track: &Track,
    known: &BTreeMap<&str, &Finding>,
    healing: Option<&hinomi_model::Healing>,
) -> InstanceDetail {
    let spec = &track.spec;
    let port = |port: &hinomi_model::PortSpec| match port.host_port {
        0 => format!("{}/{}", port.container_port, port.protocol),
        host => format!("{host}:{}/{}", port.container_port, port.protocol),
    };
    InstanceDetail {
        resource: Arc::clone(&track.id),
        state: track.state.word(),
        since: track.since,
        health: health_words(track),
        image: spec.image.clone(),
        image_id: spec.image_id.clone(),
        command: spec.command.clone(),
        restart_policy: spec.restart.to_string(),
        memory_limit_bytes: spec.memory_limit_bytes,
        ports: spec.ports.iter().map(port).collect(),
        restarts: track.restarts,
        attempts: track.attempts.iter().rev().cloned().collect(),
        ends: track.ends.iter().rev().map(end).collect(),
        ledger: ledger(track, known, healing),
        looped: track.looped().map(LoopView::from),
        log: track.last_end().and_then(|end| end.log.clone()),
    }
}

fn health_words(track: &Track) -> Option<String> {
    let health = track.health.as_ref()?;
    let words = match health.status {
        HealthStatus::Starting => "not passed yet".to_owned(),
        HealthStatus::Healthy => "healthy".to_owned(),
        HealthStatus::Unhealthy => format!("unhealthy after {} failures", health.failing_streak),
    };
    let probe = health.last_probe.as_ref().filter(|_| health.status == HealthStatus::Unhealthy);
    Some(probe.map_or_else(|| words.clone(), |probe| format!("{words}: {probe}")))
}

fn end(end: &End) -> EndView {
    EndView {
        at: end.at,
        code: end.code,
        words: end_words(end),
        error: end.error.clone(),
        intended: end.intended,
        oom: end.oom,
        ran_ms: end.ran_for.map(millis),
        log: end.log.clone(),
    }
}

fn ledger(
    track: &Track,
    known: &BTreeMap<&str, &Finding>,
    healing: Option<&hinomi_model::Healing>,
) -> Vec<LedgerView> {
    let cause = |deviation: &Deviation| {
        let id = finding_id(&track.id.cluster, &track.id.uid, deviation.started_at);
        known.get(id.as_str()).map_or_else(|| deviation.kind.words(), |finding| finding.cause.clone())
    };
    let open = track.deviation.as_ref().map(|deviation| {
        // Too young to be judged: it is on its way.
        let healing = healing.cloned().unwrap_or_else(|| hinomi_model::Healing {
            healer: track.healer(),
            state: HealingState::Working,
            tries: deviation.tries,
            next_try_at: deviation.next_try_at,
            ..hinomi_model::Healing::default()
        });
        LedgerView {
            from: deviation.started_at,
            to: None,
            cause: cause(deviation),
            healer: healing.healer,
            action: healing.action,
            state: healing.state,
            tries: healing.tries,
            next_try_at: healing.next_try_at,
            took_ms: None,
            result: None,
        }
    });
    let closed = track.ledger.iter().rev().map(|closed| over(track, closed, cause(&closed.deviation)));
    open.into_iter().chain(closed).collect()
}

fn over(track: &Track, closed: &Closed, cause: String) -> LedgerView {
    let took = closed.healed_at.since(closed.deviation.bad_since);
    let healer = if closed.healed { track.healer() } else { "nobody".to_owned() };
    LedgerView {
        from: closed.deviation.started_at,
        to: Some(closed.closed_at),
        cause,
        action: if healer == "nobody" { String::new() } else { "restart".to_owned() },
        healer,
        state: HealingState::Done,
        tries: closed.deviation.tries,
        next_try_at: None,
        took_ms: Some(millis(took)),
        result: Some(match closed.healed {
            true => format!("{} in {}", closed.because, duration_words(took)),
            false => closed.because.clone(),
        }),
    }
}

/// Images and configurations outlive the happenings; each is told once.
fn changes(timeline: &Timeline, key: &WorkloadKey) -> Vec<HappeningView> {
    let happened = timeline.happenings.iter().filter(|happening| happening.workload().as_ref() == Some(key));
    let mut views: Vec<HappeningView> = happened.map(HappeningView::from).collect();
    for revision in timeline.revisions(key) {
        let told = |view: &HappeningView| {
            view.at == revision.at && view.kind == revision.kind && view.resource.uid == revision.resource.uid
        };
        if !views.iter().any(told) {
            views.push(HappeningView {
                at: revision.at,
                kind: revision.kind,
                words: revision.words.clone(),
                resource: Arc::clone(&revision.resource),
                workload_name: workload_name(&revision.resource),
            });
        }
    }
    views.sort_by_key(|view| Reverse(view.at));
    views.truncate(CHANGES_MAX);
    views
}
