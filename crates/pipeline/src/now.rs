//! Rows of what is wrong now, and lines of what changed.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use hinomi_alert::{Judge, Plane};
use hinomi_model::{Finding, Healing, HealingState, Incident, Level, Nanos, ResourceId, Stage, StageRecord};
use hinomi_timeline::{Happening, HappeningKind, Loop, WorkloadKey};
use serde::Serialize;

/// An open finding without its evidence.
#[derive(Clone, Debug, Serialize)]
pub struct NowRow {
    /// Id of the finding.
    pub id: String,
    /// Key of its incident.
    pub incident: String,
    /// What to call it: workload, host or runtime.
    pub name: String,
    /// Where it is.
    pub plane: Plane,
    /// Name of its workload; absent for a host or runtime.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload_name: Option<String>,
    /// On what.
    pub resource: Arc<ResourceId>,
    /// Instances of the workload that should run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desired: Option<usize>,
    /// Instances of the workload that serve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<usize>,
    /// How loud.
    pub level: Level,
    /// Why this level.
    pub level_reason: String,
    /// Cause in words.
    pub cause: String,
    /// Class of the cause.
    pub cause_class: String,
    /// The stage that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// The launch, stage by stage.
    pub stages: Vec<StageRecord>,
    /// Who heals it, and how that goes.
    pub healing: Healing,
    /// The loop that it forms.
    #[serde(rename = "loop", skip_serializing_if = "Option::is_none")]
    pub looped: Option<LoopView>,
    /// Begin.
    pub started_at: Nanos,
    /// Durable; false while the disk refuses.
    pub stored: bool,
}

/// A loop.
#[derive(Clone, Debug, Serialize)]
pub struct LoopView {
    /// Ends in it.
    pub count: u32,
    /// Mean time from end to end, milliseconds.
    pub period_ms: u64,
    /// There were stable runs in between.
    pub slow: bool,
}

impl From<Loop> for LoopView {
    fn from(looped: Loop) -> Self {
        Self { count: looped.count, period_ms: millis(looped.period), slow: looped.slow }
    }
}

/// A change that somebody wanted, or that concerns everything.
#[derive(Clone, Debug, Serialize)]
pub struct HappeningView {
    /// When.
    pub at: Nanos,
    /// What kind.
    pub kind: HappeningKind,
    /// In one line.
    pub words: String,
    /// Whose.
    pub resource: Arc<ResourceId>,
    /// Name of its workload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload_name: Option<String>,
}

impl From<&Happening> for HappeningView {
    fn from(happening: &Happening) -> Self {
        Self {
            at: happening.at,
            kind: happening.kind,
            words: happening.words.clone(),
            resource: Arc::clone(&happening.resource),
            workload_name: workload_name(&happening.resource),
        }
    }
}

/// Name of the workload of a resource, as `workloads` gives it.
pub(crate) fn workload_name(resource: &ResourceId) -> Option<String> {
    resource.workload.as_ref().map(ToString::to_string)
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Open findings with their incidents, in the order to show them: loudest first, of the same level those whose healing
/// stands still first, then the newest.
pub(crate) fn open<'a>(incidents: impl Iterator<Item = &'a Incident>) -> Vec<(&'a Incident, &'a Finding)> {
    let findings = incidents.flat_map(|incident| incident.findings.iter().map(move |f| (incident, f)));
    let mut all: Vec<_> = findings.filter(|(_, finding)| finding.resolved_at.is_none()).collect();
    all.sort_by_key(|(_, finding)| {
        let moves = matches!(finding.healing.state, HealingState::Working | HealingState::Done);
        (Reverse(finding.level), moves, Reverse(finding.started_at))
    });
    all
}

/// One row.
pub(crate) fn row(judge: &Judge, incident: &Incident, finding: &Finding) -> NowRow {
    let plane = Plane::of(finding);
    let resource = &finding.resource;
    let workload_name = workload_name(resource);
    let (desired, ready) = replicas(judge, resource).unzip();
    let other_name = || match plane {
        Plane::Data => resource.cluster.clone(),
        Plane::Control | Plane::Container => resource.name.clone(),
    };
    NowRow {
        id: finding.id.clone(),
        incident: incident.key.clone(),
        name: workload_name.clone().unwrap_or_else(other_name),
        plane,
        workload_name,
        resource: Arc::clone(resource),
        desired,
        ready,
        level: finding.level,
        level_reason: finding.level_reason.clone(),
        cause: finding.cause.clone(),
        cause_class: finding.cause_class.clone(),
        stage: finding.stage,
        stages: finding.stages.clone(),
        healing: finding.healing.clone(),
        looped: looped(judge, finding),
        started_at: finding.started_at,
        stored: incident.stored,
    }
}

/// Desired and ready instances of the workload of a resource.
pub(crate) fn replicas(judge: &Judge, resource: &ResourceId) -> Option<(usize, usize)> {
    let timeline = judge.timeline();
    Some(timeline.workloads.get(&WorkloadKey::of(resource)?)?.replicas(&timeline.tracks))
}

/// The loop that an open finding is about.
pub(crate) fn looped(judge: &Judge, finding: &Finding) -> Option<LoopView> {
    let track = judge.timeline().tracks.get(&finding.resource.uid)?;
    let about = track.deviation.as_ref().filter(|deviation| deviation.started_at == finding.started_at);
    about.and_then(|_| track.looped()).map(LoopView::from)
}

/// Happenings from a point in time up to another one, newest first.
pub(crate) fn happenings(judge: &Judge, from: Nanos, to: Nanos) -> Vec<&Happening> {
    let all = judge.timeline().happenings.iter().rev();
    let mut within: Vec<&Happening> = all.filter(|h| h.at >= from && h.at <= to).collect();
    within.sort_by_key(|happening| Reverse(happening.at));
    within
}
