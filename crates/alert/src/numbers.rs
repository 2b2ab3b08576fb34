//! Inspections over numbers: from what was measured to findings that neither flap nor fire on a single sample.
//!
//! # In one breath
//!
//! Somebody asks the metrics engine every [`Settings::interval`] and hands over a [`Round`] of [`Reading`]s.
//! [`Watches::take`] has an opinion on each ([`check`]), counts how many rounds in a row it held, and says what is to
//! become of which finding ([`Step`]).
//!
//! # Invariants
//!
//! - **N1** A finding opens after [`ROUNDS_BAD`] rounds in a row that are bad, and is over after [`ROUNDS_GOOD`] in a row
//!   that are good; between the two marks nothing changes. Its level rises at once and falls after [`ROUNDS_GOOD`].
//! - **N2** A thing that a round does not tell of stays as it is: a gap neither fires nor resolves. It is given up only
//!   when others of its kind are still told of ([`ROUNDS_GOOD`] rounds), or its container no longer runs.
//! - **N3** What is open is known from the incidents alone: a restart opens nothing anew and tells nobody twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use hinomi_model::{Finding, Nanos, NumberUnit, ResourceId, ResourceKind, Tenant};
use hinomi_timeline::{State, Timeline};

use crate::incidents::Incidents;
use crate::working_hours::WorkingHours;

pub mod check;
mod finding;
pub mod trend;

pub use check::Check;
use check::{Opinion, opinion};

/// Rounds in a row after which what is bad is a finding.
pub const ROUNDS_BAD: u32 = 4;
/// Rounds in a row after which it is over.
pub const ROUNDS_GOOD: u32 = 20;
/// Rounds that may be missing before it is counted anew.
const ROUNDS_MISSED: u32 = 4;
/// Things that are counted at most.
const WATCHED_MAX: usize = 20_000;

/// The keys under `inspections`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Time between two rounds.
    pub interval: Duration,
    /// Of [`Check::ALL`], in that order.
    pub marks: [Mark; 7],
}

/// What findings depend on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Marks.
    pub settings: Settings,
    /// When people are at work.
    pub hours: WorkingHours,
}

/// What is set of one inspection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Whether it looks at all.
    pub enabled: bool,
    /// From which percentage on; not of [`Check::HostPressure`], whose parts have their own.
    pub from_percent: u8,
}

impl Mark {
    pub(crate) fn share(self) -> f64 {
        f64::from(self.from_percent) / 100.0
    }
}

impl Default for Settings {
    fn default() -> Self {
        let mark = |check| {
            let from_percent = match check {
                Check::MemoryLimit | Check::Filesystem | Check::Inodes => 80,
                Check::CpuThrottled => 25,
                Check::HostPressure => 100,
                Check::OpenFiles | Check::Pids => 90,
            };
            Mark { enabled: true, from_percent }
        };
        Self { interval: Duration::from_secs(30), marks: Check::ALL.map(mark) }
    }
}

impl Settings {
    /// What is set of an inspection.
    #[must_use]
    pub fn mark(&self, check: Check) -> Mark {
        let index = Check::ALL.iter().position(|one| *one == check);
        index
            .and_then(|index| self.marks.get(index))
            .copied()
            .unwrap_or(Mark { enabled: false, from_percent: 100 })
    }

    /// The same, to change it.
    pub fn mark_mut(&mut self, check: Check) -> Option<&mut Mark> {
        Check::ALL.iter().zip(&mut self.marks).find(|(one, _)| **one == check).map(|(_, mark)| mark)
    }
}

/// What was measured of one thing.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// For which inspection.
    pub check: Check,
    /// Of what: a container or a host.
    pub resource: Arc<ResourceId>,
    /// Which part of it: the mount point of a filesystem, what is waited for. Empty where it has none.
    pub part: String,
    /// Of value, limit and samples.
    pub unit: NumberUnit,
    /// How much now.
    pub value: f64,
    /// How much there may be; where there is no such limit, from where on it is bad. Infinite: there is no limit, which
    /// is good.
    pub limit: f64,
    /// Values of the past, ascending in time; empty where none are needed.
    pub samples: Vec<(Nanos, f64)>,
    /// PromQL that yields `value`.
    pub query: String,
    /// What else is to be shown: label and value.
    pub facts: Vec<(String, String)>,
}

/// What was measured at one time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Round {
    /// All of it, no thing twice for one inspection.
    pub readings: Vec<Reading>,
}

/// The resource that a host is.
#[must_use]
pub fn host_resource(cluster: &str) -> ResourceId {
    ResourceId {
        tenant: Tenant::default(),
        cluster: cluster.to_owned(),
        kind: ResourceKind::Node,
        uid: cluster.to_owned(),
        name: cluster.to_owned(),
        node: cluster.to_owned(),
        workload: None,
    }
}

/// A thing that is looked at: of which inspection, whose, which part.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) check: Check,
    pub(crate) cluster: String,
    pub(crate) uid: String,
    pub(crate) part: String,
}

impl Key {
    fn of(reading: &Reading) -> Self {
        let (cluster, uid) = (reading.resource.cluster.clone(), reading.resource.uid.clone());
        Self { check: reading.check, cluster, uid, part: reading.part.clone() }
    }

    /// The subject of its incident.
    pub(crate) fn subject(&self) -> String {
        format!("{}/numbers/{}/{}/{}", self.cluster, self.check.id(), self.uid, self.part)
    }

    /// Of an open finding and its incident's subject.
    fn of_finding(finding: &Finding, subject: &str) -> Option<Self> {
        let check = Check::of(&finding.inspection)?;
        let (cluster, uid) = (&finding.resource.cluster, &finding.resource.uid);
        let part = subject.strip_prefix(&format!("{cluster}/numbers/{}/{uid}/", check.id()))?.to_owned();
        Some(Self { check, cluster: cluster.clone(), uid: uid.clone(), part })
    }
}

/// What is counted of a thing.
#[derive(Clone, Debug, Default)]
struct Watch {
    bad: u32,
    bad_since: Nanos,
    good: u32,
    /// Rounds in which it was less loud than its finding.
    calmer: u32,
    /// Rounds that told of others of its kind and not of it.
    missing: u32,
    seen_at: Nanos,
    open: Option<Finding>,
}

/// What is to become of a finding.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// It is there, and is now like this.
    Show(Key, Box<Finding>),
    /// It is over, and why.
    Over(Key, String),
}

/// Everything that is counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watches {
    watched: BTreeMap<Key, Watch>,
    /// What is open was taken over from the incidents.
    taken_over: bool,
}

impl Watches {
    /// What a round changes.
    pub(crate) fn take(
        &mut self,
        round: &Round,
        rules: &Rules,
        timeline: &Timeline,
        incidents: &Incidents,
        now: Nanos,
    ) -> Vec<Step> {
        self.take_over(incidents, now);
        let mut steps = Vec::new();
        let mut told: BTreeSet<Key> = BTreeSet::new();
        for reading in round.readings.iter().filter(|reading| reading.is_sound()) {
            if !rules.settings.mark(reading.check).enabled || !may_be_judged(reading, timeline) {
                continue;
            }
            let key = Key::of(reading);
            told.insert(key.clone());
            steps.extend(self.look(&key, reading, rules, timeline, now));
        }
        steps.extend(self.look_at_untold(&told, rules, timeline));
        // What is neither bad nor open, and what was not told of for long, is not counted.
        let patience = rules.settings.interval.saturating_mul(ROUNDS_MISSED);
        self.watched.retain(|_, watch| {
            watch.open.is_some() || (watch.bad > 0 && now.since(watch.seen_at) <= patience)
        });
        steps
    }

    fn take_over(&mut self, incidents: &Incidents, now: Nanos) {
        if std::mem::replace(&mut self.taken_over, true) {
            return;
        }
        for incident in incidents.open() {
            let open = incident.findings.iter().filter(|finding| finding.resolved_at.is_none());
            for finding in open {
                let Some(key) = Key::of_finding(finding, &incident.subject) else { continue };
                let watch = Watch { open: Some(finding.clone()), seen_at: now, ..Watch::default() };
                self.watched.insert(key, watch);
            }
        }
    }

    fn look(
        &mut self,
        key: &Key,
        reading: &Reading,
        rules: &Rules,
        timeline: &Timeline,
        now: Nanos,
    ) -> Option<Step> {
        let reading = since_its_start(reading, timeline);
        let opinion = opinion(&reading, rules.settings.mark(key.check));
        if !self.watched.contains_key(key) {
            if !matches!(opinion, Opinion::Bad { .. }) || self.watched.len() >= WATCHED_MAX {
                return None;
            }
            self.watched.insert(key.clone(), Watch { seen_at: now, ..Watch::default() });
        }
        let watch = self.watched.get_mut(key)?;
        let was_away = now.since(watch.seen_at) > rules.settings.interval.saturating_mul(ROUNDS_MISSED);
        if was_away {
            (watch.bad, watch.good, watch.calmer) = (0, 0, 0);
        }
        (watch.seen_at, watch.missing) = (now, 0);
        match opinion {
            Opinion::Bad { class, trend, harm } => {
                if watch.bad == 0 {
                    watch.bad_since = now;
                }
                watch.bad = watch.bad.saturating_add(1);
                watch.good = 0;
                if watch.open.is_none() && watch.bad < ROUNDS_BAD {
                    return None;
                }
                let started_at = watch.open.as_ref().map_or(watch.bad_since, |finding| finding.started_at);
                let found =
                    finding::of(key, &reading, (class, trend, harm), started_at, rules, timeline, now);
                Some(Step::Show(key.clone(), Box::new(watch.shown(found))))
            }
            Opinion::Unsure => {
                (watch.bad, watch.good) = (0, 0);
                None
            }
            Opinion::Good => {
                watch.bad = 0;
                watch.good = watch.good.saturating_add(1);
                if watch.open.is_none() || watch.good < ROUNDS_GOOD {
                    return None;
                }
                watch.open = None;
                Some(Step::Over(key.clone(), finding::over(&reading)))
            }
        }
    }

    /// What is open and was not told of.
    fn look_at_untold(&mut self, told: &BTreeSet<Key>, rules: &Rules, timeline: &Timeline) -> Vec<Step> {
        let kinds: BTreeSet<(Check, &str)> =
            told.iter().map(|key| (key.check, key.cluster.as_str())).collect();
        let mut steps = Vec::new();
        for (key, watch) in &mut self.watched {
            let Some(finding) = watch.open.as_ref().filter(|_| !told.contains(key)) else { continue };
            if kinds.contains(&(key.check, key.cluster.as_str())) {
                watch.missing = watch.missing.saturating_add(1);
            }
            let because = if !rules.settings.mark(key.check).enabled {
                Some("its inspection is switched off")
            } else if has_ended(&finding.resource, timeline) {
                Some("its container does not run any more")
            } else {
                (watch.missing >= ROUNDS_GOOD).then_some("it is not measured any more, while others are")
            };
            if let Some(because) = because {
                watch.open = None;
                steps.push(Step::Over(key.clone(), because.to_owned()));
            }
        }
        steps
    }
}

impl Watch {
    /// Takes a finding as it is now; its level falls only when it was lower for a while.
    fn shown(&mut self, mut found: Finding) -> Finding {
        if let Some(before) = &self.open {
            let is_calmer = found.level < before.level;
            self.calmer = if is_calmer { self.calmer.saturating_add(1) } else { 0 };
            if is_calmer && self.calmer < ROUNDS_GOOD {
                found.level = before.level;
                found.level_reason.clone_from(&before.level_reason);
            }
        }
        self.open = Some(found.clone());
        found
    }
}

/// A container is judged while it runs and its runtime is seen; a host always.
fn may_be_judged(reading: &Reading, timeline: &Timeline) -> bool {
    if reading.resource.kind != ResourceKind::Container {
        return true;
    }
    let track = timeline.tracks.get(&reading.resource.uid);
    track.is_some_and(|track| track.state == State::Running) && sees(timeline, &reading.resource.cluster)
}

/// Its container is known not to run.
fn has_ended(resource: &ResourceId, timeline: &Timeline) -> bool {
    let runs = |state: State| matches!(state, State::Running | State::Restarting | State::Paused);
    resource.kind == ResourceKind::Container
        && sees(timeline, &resource.cluster)
        && timeline.tracks.get(&resource.uid).is_none_or(|track| !runs(track.state))
}

fn sees(timeline: &Timeline, cluster: &str) -> bool {
    timeline.runtimes.get(cluster).is_none_or(hinomi_timeline::Runtime::sees)
}

/// What a container used before its last start says nothing about this run.
fn since_its_start<'a>(reading: &'a Reading, timeline: &Timeline) -> std::borrow::Cow<'a, Reading> {
    let began = timeline.tracks.get(&reading.resource.uid).and_then(|track| track.run_began_at);
    let from = began.map_or(0, |began| reading.samples.partition_point(|(at, _)| *at < began));
    if from == 0 {
        return std::borrow::Cow::Borrowed(reading);
    }
    let samples = reading.samples.get(from..).unwrap_or_default().to_vec();
    std::borrow::Cow::Owned(Reading { samples, ..reading.clone() })
}
