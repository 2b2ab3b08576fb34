//! The whole tower at a glance: planes with a day of levels, what is wrong now, what healed, what changed.

use std::collections::BTreeSet;
use std::time::Duration;

use hinomi_alert::{Cell, Judge, Plane, STEP};
use hinomi_model::{Finding, Incident, Level, Nanos};
use hinomi_timeline::{State, duration_words};
use serde::Serialize;

use crate::Handle;
use crate::now::{HappeningView, NowRow, happenings, millis, open, row, workload_name};
use crate::view::{CollectorStatus, StoreView};

/// Rows of what is wrong now.
const NOW_MAX: usize = 200;
/// Lines of what healed.
const HEALED_MAX: usize = 20;
/// Lines of what changed.
const CHANGES_MAX: usize = 100;
/// Changes of this time are shown.
const CHANGES_OF: Duration = Duration::from_secs(3600);
/// Gaps of this time are summed up.
const GAPS_OF: Duration = Duration::from_secs(24 * 3600);

/// Everything at a glance.
#[derive(Clone, Debug, Serialize)]
pub struct Overview {
    /// It was so at this time.
    pub at: Nanos,
    /// Control, data, container.
    pub planes: Vec<PlaneView>,
    /// Open findings, at most 200.
    pub now: Vec<NowRow>,
    /// All open findings.
    pub now_total: usize,
    /// What ended within 24 hours.
    pub healed: HealedView,
    /// Changes of the last hour, newest first, at most 100.
    pub changes: Vec<HappeningView>,
    /// All changes of the last hour that are known.
    pub changes_total: usize,
}

/// A plane.
#[derive(Clone, Debug, Serialize)]
pub struct PlaneView {
    /// Which.
    pub plane: Plane,
    /// Loudest level of its open findings.
    pub level: Level,
    /// How it is, in one line.
    pub words: String,
    /// Label and value, in the order to show them.
    pub facts: Vec<(String, String)>,
    /// Its day.
    pub heat: HeatView,
}

/// A day of levels.
#[derive(Clone, Debug, Serialize)]
pub struct HeatView {
    /// Begin of the first cell.
    pub from: Nanos,
    /// Length of a cell, milliseconds.
    pub step_ms: u64,
    /// Cells, the current one last.
    pub cells: Vec<Cell>,
}

/// What ended within 24 hours.
#[derive(Clone, Debug, Serialize)]
pub struct HealedView {
    /// Of these, healed by their healer alone.
    pub healed: usize,
    /// Findings that ended.
    pub ended: usize,
    /// Mean time of those healed by their healer, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_ms: Option<u64>,
    /// Those healed by their healer, newest first, at most 20.
    pub recent: Vec<Recent>,
}

/// A finding that its healer healed.
#[derive(Clone, Debug, Serialize)]
pub struct Recent {
    /// Id of the finding.
    pub id: String,
    /// What to call it.
    pub name: String,
    /// Name of its workload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload_name: Option<String>,
    /// Cause in words.
    pub cause: String,
    /// Who healed it.
    pub healer: String,
    /// When it was whole again.
    pub healed_at: Nanos,
    /// From the first sign to whole, milliseconds.
    pub took_ms: u64,
}

/// A finding with its incident.
type Open<'a> = (&'a Incident, &'a Finding);

impl Handle {
    /// Everything at a glance.
    #[must_use]
    pub fn overview(&self) -> Overview {
        // Asked first: no lock is held while collectors and the disk answer.
        let (collectors, store) = (self.shared().collectors.all(), self.store());
        let judge = self.judge();
        let now = self.now();
        let all = open(judge.incidents().open());
        let changes = happenings(&judge, now.minus(CHANGES_OF), now);
        let look = Look { judge: &judge, open: &all, now, host: &self.settings().host.name };
        Overview {
            at: now,
            planes: vec![look.control(), look.data(&collectors, &store), look.container()],
            now: all.iter().take(NOW_MAX).map(|(incident, finding)| row(&judge, incident, finding)).collect(),
            now_total: all.len(),
            healed: healed(&judge, now),
            changes: changes.iter().take(CHANGES_MAX).map(|happening| (*happening).into()).collect(),
            changes_total: changes.len(),
        }
    }
}

fn fact(label: &str, value: impl Into<String>) -> (String, String) {
    (label.to_owned(), value.into())
}

/// One look at the planes.
struct Look<'a> {
    judge: &'a Judge,
    /// In the order to show them.
    open: &'a [Open<'a>],
    now: Nanos,
    host: &'a str,
}

impl Look<'_> {
    /// The loudest open finding of a plane.
    fn loudest(&self, plane: Plane) -> Option<&Finding> {
        self.open.iter().map(|(_, finding)| *finding).find(|finding| Plane::of(finding) == plane)
    }

    fn plane(&self, plane: Plane, words: String, facts: Vec<(String, String)>) -> PlaneView {
        let (from, cells) = self.judge.heat().day(plane, self.now);
        let level = self.loudest(plane).map_or(Level::None, |finding| finding.level);
        PlaneView { plane, level, words, facts, heat: HeatView { from, step_ms: millis(STEP), cells } }
    }

    /// On a Docker host the runtime places and heals.
    fn control(&self) -> PlaneView {
        let Some(runtime) = self.judge.timeline().runtimes.get(self.host).filter(|runtime| runtime.seen_up)
        else {
            return self.plane(Plane::Control, "no runtime has answered yet".to_owned(), Vec::new());
        };
        let version = runtime.state.as_ref().map_or("", |state| state.version.as_str());
        let name = if version.is_empty() { "Docker" } else { version };
        let answers = if runtime.is_up() { "answers" } else { "does not answer" };
        let finding = self.loudest(Plane::Control);
        let words = finding.map_or_else(|| format!("{name} {answers}"), |finding| finding.cause.clone());
        let mut facts = vec![fact("runtime", name)];
        let since = runtime.down_at.filter(|_| !runtime.is_up()).unwrap_or(runtime.since);
        facts.push(fact(&format!("{answers} since"), since.rfc3339()));
        if let Some(at) = runtime.restarted_at {
            let what = if runtime.rebooted { "host rebooted" } else { "runtime restarted" };
            facts.push(fact(what, at.rfc3339()));
        }
        self.plane(Plane::Control, words, facts)
    }

    /// The machine, and what Hinomi sees of it.
    fn data(&self, collectors: &[CollectorStatus], store: &StoreView) -> PlaneView {
        let runtimes = &self.judge.timeline().runtimes;
        let recent = runtimes.get(self.host).into_iter().flat_map(|runtime| &runtime.gaps);
        let gaps: Vec<_> = recent.filter(|gap| self.now.since(gap.to) <= GAPS_OF).collect();
        let mut facts = vec![fact("host", self.host)];
        if let Some(kernel) = collectors.iter().find(|collector| collector.name == "oom") {
            facts.push(fact("kernel", kernel.detail.as_str()));
        }
        let lasted: Duration = gaps.iter().map(|gap| gap.to.since(gap.from)).sum();
        facts.push(fact(
            "gaps within 24 h",
            match gaps.len() {
                0 => "none".to_owned(),
                count => format!("{count}, {} in all", duration_words(lasted)),
            },
        ));
        if let Some(last) = gaps.iter().max_by_key(|gap| gap.to) {
            facts.push(fact("last gap until", last.to.rfc3339()));
        }
        let disk = store.failing_since.as_ref().filter(|_| !store.ok);
        if let Some(since) = disk {
            facts.push(fact("disk refuses since", since.as_str()));
        }
        let sees = runtimes.get(self.host).is_none_or(hinomi_timeline::Runtime::sees);
        let words = match self.loudest(Plane::Data) {
            Some(finding) => finding.cause.clone(),
            None if disk.is_some() => "the disk refuses what is written".to_owned(),
            None if !sees => "containers are not seen now".to_owned(),
            None => "everything is seen".to_owned(),
        };
        self.plane(Plane::Data, words, facts)
    }

    fn container(&self) -> PlaneView {
        let timeline = self.judge.timeline();
        let alive = || timeline.tracks.values().filter(|track| track.state != State::Gone);
        let workloads: BTreeSet<_> = alive().filter_map(|track| track.id.workload.as_ref()).collect();
        let running = alive().filter(|track| track.state == State::Running).count();
        let (containers, workloads) = (alive().count(), workloads.len());
        let words = format!("{running} of {containers} containers run, of {workloads} workloads");
        let count = |level: Level| {
            let mine =
                |(_, finding): &&Open<'_>| finding.level == level && Plane::of(finding) == Plane::Container;
            self.open.iter().filter(mine).count().to_string()
        };
        let facts = vec![
            fact("workloads", workloads.to_string()),
            fact("containers", containers.to_string()),
            fact("running", running.to_string()),
            fact("alert", count(Level::Alert)),
            fact("notice", count(Level::Notice)),
            fact("none", count(Level::None)),
        ];
        self.plane(Plane::Container, words, facts)
    }
}

fn healed(judge: &Judge, now: Nanos) -> HealedView {
    let all = || judge.endings().of_day(now);
    let by_healer = || all().filter(|ended| ended.healed);
    let count = by_healer().count();
    let sum_ms: u64 = by_healer().map(|ended| millis(ended.took)).fold(0, u64::saturating_add);
    let recent = by_healer().take(HEALED_MAX).map(|ended| Recent {
        id: ended.id.clone(),
        name: workload_name(&ended.resource).unwrap_or_else(|| ended.resource.name.clone()),
        workload_name: workload_name(&ended.resource),
        cause: ended.cause.clone(),
        healer: ended.healer.clone(),
        healed_at: ended.healed_at,
        took_ms: millis(ended.took),
    });
    HealedView {
        healed: count,
        ended: all().count(),
        mean_ms: sum_ms.checked_div(count as u64),
        recent: recent.collect(),
    }
}
