//! What readers see: the answers of the API, as plain data.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use hinomi_alert::inspection::{ALL, Inspection};
use hinomi_alert::{Judge, notify};
use hinomi_base::budget::Budget;
use hinomi_base::clock::Clock;
use hinomi_base::counters::Counters;
use hinomi_model::{
    Fact, Finding, Gap, Incident, IncidentStatus, Known, Level, LogTail, Nanos, ResourceId, Source,
    StageRecord, StateChange,
};
use hinomi_records::{ChangeQuery, Store};
use hinomi_timeline::{Interval, State, WorkloadKey, change_words, intervals};
use serde::Serialize;
use tokio::sync::{mpsc, watch};

use crate::deliveries::Deliveries;
use crate::feed::{Behind, Feed, Mark};
use crate::metrics::{Metrics, MetricsView};
use crate::numbers::docker_disk::DockerDisk;
use crate::open::known;
use crate::settings::Settings;
use crate::{Error, why};

/// What the core and the readers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) judge: RwLock<Judge>,
    pub(crate) feed: Feed,
    pub(crate) logs: Logs,
    pub(crate) outbox_waiting: RwLock<BTreeMap<String, usize>>,
    pub(crate) deliveries: RwLock<Deliveries>,
    pub(crate) store: Arc<Store>,
    pub(crate) knocks: mpsc::Sender<crate::vitals::Knock>,
    pub(crate) metrics: Metrics,
    pub(crate) backup: crate::backup::Turn,
    pub(crate) receivers: BTreeMap<String, notify::Handle>,
    pub(crate) collectors: Collectors,
    pub(crate) docker_disk: Mutex<DockerDisk>,
    pub(crate) clock: Clock,
    pub(crate) budget: Budget,
    pub(crate) counters: Counters,
    pub(crate) started_at: Nanos,
    pub(crate) settings: Settings,
}

/// What a collector says about itself.
#[derive(Clone, Debug, Serialize)]
pub struct CollectorStatus {
    /// Which: `docker`, `oom`.
    pub name: String,
    /// It sees what it should see.
    pub ok: bool,
    /// In words: what it watches, or what is missing and what to do.
    pub detail: String,
    /// Its own figures.
    pub facts: serde_json::Value,
}

type StatusFn = Box<dyn Fn() -> CollectorStatus + Send + Sync>;

/// The collectors of this process.
#[derive(Default)]
pub struct Collectors(Mutex<Vec<StatusFn>>);

impl std::fmt::Debug for Collectors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Collectors").finish_non_exhaustive()
    }
}

impl Collectors {
    pub(crate) fn all(&self) -> Vec<CollectorStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|status| status()).collect()
    }
}

type LogFn = Arc<dyn Fn(&str) -> Option<LogTail> + Send + Sync>;

/// Who knows the last log lines of running containers.
#[derive(Default)]
pub(crate) struct Logs(Mutex<Vec<LogFn>>);

impl std::fmt::Debug for Logs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Logs").finish_non_exhaustive()
    }
}

impl Logs {
    fn add(&self, logs: LogFn) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(logs);
    }

    /// The last lines of a container that runs, if somebody follows them.
    pub(crate) fn of(&self, uid: &str) -> Option<LogTail> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        all.iter().find_map(|logs| logs(uid))
    }
}

/// How Hinomi itself is.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Version of the program.
    pub version: &'static str,
    /// Name of this host in everything stored and sent.
    pub cluster: String,
    /// When the process started, RFC 3339.
    pub started_at: String,
    /// Where everything is stored.
    pub data_dir: String,
    /// Address of the API.
    pub listen: String,
    /// Collectors of this process; none with `hinomi server`.
    pub collectors: Vec<CollectorStatus>,
    /// Receivers and how they are.
    pub receivers: Vec<ReceiverView>,
    /// Levels that no route takes to a receiver.
    pub unheard_levels: Vec<Level>,
    /// The disk.
    pub store: StoreView,
    /// The metrics engine.
    pub metrics: MetricsView,
    /// Memory budget: used and limit, bytes.
    pub memory_used_bytes: u64,
    /// Memory budget, bytes.
    pub memory_limit_bytes: u64,
    /// What is watched and what is wrong.
    pub totals: Totals,
    /// Last gaps, newest first.
    pub gaps: Vec<Gap>,
    /// All counters by name.
    pub counters: BTreeMap<&'static str, u64>,
}

/// Sums.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Totals {
    /// Containers that are not gone.
    pub containers: usize,
    /// Of these, running.
    pub running: usize,
    /// Workloads.
    pub workloads: usize,
    /// Open incidents whose findings are of level None now.
    pub none: usize,
    /// Open incidents of level Notice now.
    pub notice: usize,
    /// Open incidents of level Alert now.
    pub alert: usize,
}

/// The disk.
#[derive(Clone, Debug, Serialize)]
pub struct StoreView {
    /// It takes what is written.
    pub ok: bool,
    /// Since when it does not, RFC 3339.
    pub failing_since: Option<String>,
    /// Last error.
    pub last_error: Option<String>,
    /// Records that wait for it.
    pub queued: u64,
    /// Records that no longer fitted in memory and are lost.
    pub dropped: u64,
    /// Bytes used.
    pub disk_bytes: u64,
    /// Journal segments.
    pub segments: usize,
    /// Stamp of the oldest record, RFC 3339.
    pub oldest_at: Option<String>,
}

/// A receiver.
#[derive(Clone, Debug, Serialize)]
pub struct ReceiverView {
    /// Messages that wait for it.
    pub waiting: usize,
    /// How its notifier is.
    #[serde(flatten)]
    pub status: notify::ReceiverStatus,
}

/// A finding with its incident.
#[derive(Clone, Debug, Serialize)]
pub struct FindingView {
    /// Key of the incident that it belongs to.
    pub incident: String,
    /// `firing` or `resolved`.
    pub status: IncidentStatus,
    /// Loudest level of the incident.
    pub incident_level: Level,
    /// It is the incident's root cause.
    pub root: bool,
    /// Durable; false while the disk refuses.
    pub stored: bool,
    /// Why it was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved_because: Option<String>,
    /// Receivers that were told, and the loudest level each heard.
    pub told: Vec<(String, Level)>,
    /// The finding.
    #[serde(flatten)]
    pub finding: Finding,
}

/// A workload.
#[derive(Clone, Debug, Serialize)]
pub struct WorkloadView {
    /// Project and name.
    pub name: String,
    /// Realm.
    pub cluster: String,
    /// Kind, snake case.
    pub kind: hinomi_model::WorkloadKind,
    /// Instances that should run.
    pub desired: usize,
    /// Instances that serve.
    pub ready: usize,
    /// Loudest level of its open findings.
    pub level: Level,
    /// Its containers.
    pub instances: Vec<InstanceView>,
}

/// A container of a workload.
#[derive(Clone, Debug, Serialize)]
pub struct InstanceView {
    /// Which.
    pub resource: Arc<ResourceId>,
    /// State in one word.
    pub state: &'static str,
    /// Since when.
    pub since: Nanos,
    /// Image.
    pub image: String,
    /// The last launch.
    pub stages: Vec<StageRecord>,
    /// Restarts by policy since a person started it.
    pub restarts: u32,
}

/// A question about the past.
#[derive(Clone, Debug)]
pub struct TimelineQuery {
    /// Begin.
    pub from: Nanos,
    /// End.
    pub to: Nanos,
    /// Name or id (prefix) of a container or workload.
    pub resource: Option<String>,
    /// Changes at most; the newest are kept.
    pub limit: usize,
    /// Only changes of these attributes, by their stored names.
    pub attributes: Option<BTreeSet<String>>,
    /// Only changes with a higher number in the journal.
    pub after: Option<u64>,
}

/// Its answer.
#[derive(Clone, Debug, Serialize)]
pub struct TimelineView {
    /// Changes, oldest first.
    pub changes: Vec<ChangeView>,
    /// Intervals of phase and health that these changes form.
    pub intervals: Vec<Interval>,
    /// Findings that were open within that time, in the order of their begin.
    pub findings: Vec<PastFinding>,
    /// There may be more: the limit, or the time for an answer, was reached.
    pub truncated: bool,
    /// Stored places on the way that can't be read.
    pub damages: Vec<String>,
}

/// A finding on the time line.
#[derive(Clone, Debug, Serialize)]
pub struct PastFinding {
    /// Its id.
    pub id: String,
    /// On what.
    pub resource: Arc<ResourceId>,
    /// How loud.
    pub level: Level,
    /// Cause in words.
    pub cause: String,
    /// Begin.
    pub started_at: Nanos,
    /// End, once it is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<Nanos>,
}

/// A change with its number and in words.
#[derive(Clone, Debug, Serialize)]
pub struct ChangeView {
    /// Number in the journal; 0 while the disk does not take it.
    pub seq: u64,
    /// In one line.
    pub words: String,
    /// Attribute and new value.
    #[serde(flatten)]
    pub fact: Fact,
    /// Value before, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// Whose.
    pub resource: Arc<ResourceId>,
    /// When it happened, by the clock of who saw it.
    pub occurred_at: Nanos,
    /// When Hinomi saw it.
    pub observed_at: Nanos,
    /// Who says so.
    pub source: Source,
}

/// The readers' way in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle(Arc<Shared>);

/// Most findings beside the changes of one answer.
const PAST_FINDINGS_MAX: usize = 1000;
/// Most changes in one answer.
const TIMELINE_LIMIT_MAX: usize = 10_000;
/// How long a question about the past may take.
const QUERY_TIME_MAX: Duration = Duration::from_secs(10);

impl Handle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0
    }

    pub(crate) fn judge(&self) -> RwLockReadGuard<'_, Judge> {
        self.0.judge.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The metrics engine.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Registers a collector's word about itself.
    pub fn add_collector(&self, status: impl Fn() -> CollectorStatus + Send + Sync + 'static) {
        self.0.collectors.0.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(status));
    }

    /// Registers who knows the last log lines of a running container, by the container's id.
    pub fn add_logs(&self, logs: impl Fn(&str) -> Option<LogTail> + Send + Sync + 'static) {
        self.0.logs.add(Arc::new(logs));
    }

    /// Differs for every start of Hinomi.
    #[must_use]
    pub fn run(&self) -> &str {
        self.0.feed.run()
    }

    /// How far the changes and what can be asked are, and word of everything new.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Mark> {
        self.0.feed.watch()
    }

    /// Changes behind a position in this run, at most 200; see [`Mark::changes`].
    #[must_use]
    pub fn behind(&self, position: u64) -> Behind {
        self.0.feed.behind(position)
    }

    /// Sums.
    #[must_use]
    pub fn totals(&self) -> Totals {
        totals(&self.judge())
    }

    /// What a collector has to know at its start.
    #[must_use]
    pub fn known(&self, cluster: &str) -> Known {
        let judge = self.judge();
        let timeline = judge.timeline();
        let last = timeline.alive_at;
        known(timeline, cluster, (last.0 > 0).then_some(last))
    }

    /// Steady time now.
    #[must_use]
    pub fn now(&self) -> Nanos {
        Nanos(self.0.clock.now())
    }

    /// The configuration in force.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// How Hinomi is.
    #[must_use]
    pub fn status(&self) -> Status {
        let settings = &self.0.settings;
        let routes = hinomi_alert::Routes::new(settings.routes.clone());
        let unheard =
            [Level::Notice, Level::Alert].into_iter().filter(|level| routes.receivers(*level).is_empty());
        let judge = self.judge();
        let runtimes = judge.timeline().runtimes.values();
        let mut gaps: Vec<Gap> = runtimes.flat_map(|runtime| runtime.gaps.iter().cloned()).collect();
        gaps.sort_by_key(|gap| std::cmp::Reverse(gap.from));
        let totals = totals(&judge);
        drop(judge);
        Status {
            version: env!("CARGO_PKG_VERSION"),
            cluster: settings.host.name.clone(),
            started_at: self.0.started_at.rfc3339(),
            data_dir: settings.data_dir.display().to_string(),
            listen: settings.listen.to_string(),
            collectors: self.0.collectors.all(),
            receivers: self.receivers(),
            unheard_levels: unheard.collect(),
            store: self.store(),
            metrics: self.0.metrics.view(),
            memory_used_bytes: self.0.budget.used_bytes(),
            memory_limit_bytes: self.0.budget.limit_bytes(),
            totals,
            gaps,
            counters: self.0.counters.all(),
        }
    }

    pub(crate) fn store(&self) -> StoreView {
        let (health, stats) = (self.0.store.health(), self.0.store.stats());
        StoreView {
            ok: health.ok,
            failing_since: health.failing_since.map(Nanos::rfc3339),
            last_error: health.last_error,
            queued: health.queued as u64,
            dropped: health.dropped,
            disk_bytes: stats.bytes,
            segments: stats.segments,
            oldest_at: stats.oldest.map(Nanos::rfc3339),
        }
    }

    /// Receivers and how they are.
    #[must_use]
    pub fn receivers(&self) -> Vec<ReceiverView> {
        let waiting = self.0.outbox_waiting.read().unwrap_or_else(PoisonError::into_inner);
        let view = |(name, handle): (&String, &notify::Handle)| ReceiverView {
            waiting: waiting.get(name).copied().unwrap_or(0),
            status: handle.status(),
        };
        self.0.receivers.iter().map(view).collect()
    }

    /// All inspections.
    #[must_use]
    pub fn inspections(&self) -> &'static [Inspection] {
        &ALL
    }

    /// Incidents: open ones, with `all` also the last that are over; loudest and newest first.
    #[must_use]
    pub fn incidents(&self, all: bool) -> Vec<Incident> {
        let judge = self.judge();
        let incidents = judge.incidents();
        let mut list: Vec<Incident> = incidents.open().cloned().collect();
        list.sort_by_key(|incident| {
            (std::cmp::Reverse(incident.level), std::cmp::Reverse(incident.opened_at))
        });
        if all {
            list.extend(incidents.over().cloned());
        }
        list
    }

    /// An incident by its key.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn incident(&self, key: &str) -> Result<Incident, Error> {
        let found = self.judge().incidents().get(key).cloned();
        found.ok_or_else(|| not_found(key, "see `hinomi findings --all`"))
    }

    /// Findings: open ones of level Notice and Alert, with `all` also level None and those that are over.
    #[must_use]
    pub fn findings(&self, all: bool) -> Vec<FindingView> {
        let incidents = self.incidents(all);
        let views = incidents.iter().flat_map(views);
        views
            .filter(|view| all || (view.finding.level > Level::None && view.finding.resolved_at.is_none()))
            .collect()
    }

    /// All workloads.
    #[must_use]
    pub fn workloads(&self) -> Vec<WorkloadView> {
        let judge = self.judge();
        let timeline = judge.timeline();
        let levels = levels_of_workloads(&judge);
        let view = |workload: &hinomi_timeline::Workload| {
            let (desired, ready) = workload.replicas(&timeline.tracks);
            let alive = workload.tracks(&timeline.tracks).filter(|track| track.state != State::Gone);
            WorkloadView {
                name: workload.key.workload.to_string(),
                cluster: workload.key.cluster.clone(),
                kind: workload.key.workload.kind,
                desired,
                ready,
                level: levels.get(&workload.key).copied().unwrap_or_default(),
                instances: alive.map(instance).collect(),
            }
        };
        timeline.workloads.values().map(view).filter(|workload| !workload.instances.is_empty()).collect()
    }

    /// Why something is as it is.
    ///
    /// # Errors
    ///
    /// When nothing of that name or id is known.
    pub fn why(&self, name: &str) -> Result<why::Why, Error> {
        why::answer(&self.judge(), name, self.now())
    }

    /// State changes of the past. Blocks: call it on a thread that may.
    ///
    /// # Errors
    ///
    /// When the resource is not known.
    pub fn timeline(&self, query: &TimelineQuery) -> Result<TimelineView, Error> {
        let (uids, findings) = {
            let judge = self.judge();
            let uids = query.resource.as_ref().map(|name| why::uids(&judge, name)).transpose()?;
            let findings = past_findings(&judge, query, uids.as_ref());
            (uids, findings)
        };
        let limit = query.limit.clamp(1, TIMELINE_LIMIT_MAX);
        let records = ChangeQuery {
            from: query.from,
            to: query.to,
            resource_uids: uids,
            attributes: query.attributes.clone(),
            after: query.after,
            text: None,
            limit,
            newest_first: true,
            deadline: QUERY_TIME_MAX,
        };
        let answer = self.0.store.changes(&records);
        let truncated = !answer.complete;
        let damages = answer.damages.listed.iter().map(ToString::to_string).collect();
        let mut changes = answer.changes;
        changes.reverse();
        let plain: Vec<StateChange> = changes.iter().map(|(_, change)| change.clone()).collect();
        let changes = changes.into_iter().map(|(seq, change)| change_view(seq, change)).collect();
        Ok(TimelineView { changes, intervals: intervals(&plain), findings, truncated, damages })
    }
}

pub(crate) fn not_found(name: &str, hint: &str) -> Error {
    Error::NotFound { name: name.to_owned(), hint: hint.to_owned() }
}

/// The newest findings that were open within a time, in the order of their begin.
fn past_findings(judge: &Judge, query: &TimelineQuery, uids: Option<&BTreeSet<String>>) -> Vec<PastFinding> {
    let all = judge.incidents().open().chain(judge.incidents().over());
    let within = |finding: &&Finding| {
        finding.started_at < query.to
            && finding.resolved_at.is_none_or(|at| at >= query.from)
            && uids.is_none_or(|uids| uids.contains(&finding.resource.uid))
    };
    let mut found: Vec<&Finding> = all.flat_map(|incident| &incident.findings).filter(within).collect();
    found.sort_by_key(|finding| finding.started_at);
    let surplus = found.len().saturating_sub(PAST_FINDINGS_MAX);
    let view = |finding: &Finding| PastFinding {
        id: finding.id.clone(),
        resource: Arc::clone(&finding.resource),
        level: finding.level,
        cause: finding.cause.clone(),
        started_at: finding.started_at,
        resolved_at: finding.resolved_at,
    };
    found.into_iter().skip(surplus).map(view).collect()
}

pub(crate) fn views(incident: &Incident) -> impl Iterator<Item = FindingView> {
    incident.findings.iter().map(|finding| FindingView {
        incident: incident.key.clone(),
        status: incident.status,
        incident_level: incident.level,
        root: finding.id == incident.root,
        stored: incident.stored,
        resolved_because: incident.resolved_because.clone(),
        told: incident.told.clone(),
        finding: finding.clone(),
    })
}

pub(crate) fn change_view(seq: u64, change: StateChange) -> ChangeView {
    ChangeView {
        seq,
        words: change_words(&change),
        fact: change.fact,
        old: change.old,
        resource: change.resource,
        occurred_at: change.occurred_at,
        observed_at: change.observed_at,
        source: change.source,
    }
}

fn instance(track: &hinomi_timeline::Track) -> InstanceView {
    InstanceView {
        resource: Arc::clone(&track.id),
        state: track.state.word(),
        since: track.since,
        image: track.spec.image.clone(),
        stages: track.attempt().map(|attempt| attempt.stages.clone()).unwrap_or_default(),
        restarts: track.restarts,
    }
}

fn levels(judge: &Judge) -> BTreeMap<String, Level> {
    let current = |incident: &Incident| {
        let open = incident.findings.iter().filter(|finding| finding.resolved_at.is_none());
        open.map(|finding| finding.level).max().unwrap_or_default()
    };
    judge.incidents().open().map(|incident| (incident.subject.clone(), current(incident))).collect()
}

/// Loudest level of the open findings about each workload, of state and of numbers.
fn levels_of_workloads(judge: &Judge) -> BTreeMap<WorkloadKey, Level> {
    let mut levels: BTreeMap<WorkloadKey, Level> = BTreeMap::new();
    let findings = judge.incidents().open().flat_map(|incident| &incident.findings);
    for finding in findings.filter(|finding| finding.resolved_at.is_none()) {
        if let Some(key) = WorkloadKey::of(&finding.resource) {
            let level = levels.entry(key).or_default();
            *level = finding.level.max(*level);
        }
    }
    levels
}

/// Whether a workload has a container that is not gone.
fn has_living(workload: &hinomi_timeline::Workload, timeline: &hinomi_timeline::Timeline) -> bool {
    workload.tracks(&timeline.tracks).any(|track| track.state != State::Gone)
}

fn totals(judge: &Judge) -> Totals {
    let timeline = judge.timeline();
    let alive = || timeline.tracks.values().filter(|track| track.state != State::Gone);
    let mut totals = Totals {
        containers: alive().count(),
        running: alive().filter(|track| track.state == State::Running).count(),
        workloads: timeline.workloads.values().filter(|workload| has_living(workload, timeline)).count(),
        ..Totals::default()
    };
    for level in levels(judge).values() {
        match level {
            Level::None => totals.none += 1,
            Level::Notice => totals.notice += 1,
            Level::Alert => totals.alert += 1,
        }
    }
    totals
}
