//! What ended, and who ended it: the last day's line of every finding that is over.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use hinomi_model::{Finding, Incident, Nanos, ResourceId, ResourceKind};
use hinomi_timeline::{Closed, DeviationKind, Timeline};
use serde::{Deserialize, Serialize};

/// Ends kept; the oldest go first.
pub const ENDED_MAX: usize = 1_000;
/// … and no longer than this.
pub const ENDED_KEEP: Duration = Duration::from_secs(24 * 3600);

/// A finding that is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// Id of the finding.
    pub id: String,
    /// On what.
    pub resource: Arc<ResourceId>,
    /// Cause in words.
    pub cause: String,
    /// Who heals it, or `nobody`.
    pub healer: String,
    /// Its healer alone healed it.
    pub healed: bool,
    /// When it was whole again (steady time).
    pub healed_at: Nanos,
    /// When that was proven.
    pub ended_at: Nanos,
    /// From the first sign to whole.
    pub took: Duration,
}

/// The last ends, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Endings(VecDeque<Ended>);

impl Endings {
    /// Those of the day before `now`, newest first.
    pub fn of_day(&self, now: Nanos) -> impl Iterator<Item = &Ended> {
        self.0.iter().rev().filter(move |ended| now.since(ended.ended_at) <= ENDED_KEEP)
    }

    /// Takes in what ended with the last update of an incident; asking twice does no harm.
    pub(crate) fn take(&mut self, incident: &Incident, timeline: &Timeline) {
        for finding in &incident.findings {
            // A gap is nothing that heals: it only is shown for a while.
            let just_now = finding.resolved_at.filter(|at| *at == incident.updated_at);
            let Some(ended_at) = just_now.filter(|_| finding.inspection != "gap") else { continue };
            let is_known = |ended: &Ended| ended.id == finding.id && ended.ended_at == ended_at;
            if self.0.iter().rev().any(is_known) {
                continue;
            }
            self.drop_old(ended_at);
            self.0.push_back(ended(finding, ended_at, timeline));
        }
    }

    fn drop_old(&mut self, now: Nanos) {
        let is_old = |ended: &Ended| now.since(ended.ended_at) > ENDED_KEEP;
        while self.0.len() >= ENDED_MAX || self.0.front().is_some_and(is_old) {
            self.0.pop_front();
        }
    }
}

fn ended(finding: &Finding, ended_at: Nanos, timeline: &Timeline) -> Ended {
    let closed = if finding.resource.kind == ResourceKind::Cluster {
        after_runtime(finding, timeline)
    } else {
        of_container(finding, timeline)
    };
    let line = closed.unwrap_or(Line {
        healed: false,
        healed_at: ended_at,
        began: finding.started_at,
        healer: None,
    });
    Ended {
        id: finding.id.clone(),
        resource: Arc::clone(&finding.resource),
        cause: finding.cause.clone(),
        healer: line.healer.unwrap_or_else(|| finding.healing.healer.clone()),
        healed: line.healed,
        healed_at: line.healed_at,
        ended_at,
        took: line.healed_at.since(line.began),
    }
}

/// What the healing ledger says.
struct Line {
    healed: bool,
    healed_at: Nanos,
    began: Nanos,
    healer: Option<String>,
}

fn of_container(finding: &Finding, timeline: &Timeline) -> Option<Line> {
    let track = timeline.tracks.get(&finding.resource.uid)?;
    let closed =
        track.ledger.iter().rev().find(|closed| closed.deviation.started_at == finding.started_at)?;
    Some(Line {
        healed: closed.healed,
        healed_at: closed.healed_at,
        began: closed.deviation.bad_since,
        healer: closed.healed.then(|| track.healer()),
    })
}

/// Containers that came back with their runtime: healed if all were.
fn after_runtime(finding: &Finding, timeline: &Timeline) -> Option<Line> {
    if finding.inspection != "not_back" {
        return None;
    }
    let here = timeline.tracks.values().filter(|track| track.id.cluster == finding.resource.cluster);
    let mine = |closed: &&Closed| {
        closed.deviation.kind == DeviationKind::NotBack && closed.closed_at >= finding.started_at
    };
    let all: Vec<&Closed> = here.flat_map(|track| track.ledger.iter().filter(mine)).collect();
    Some(Line {
        healed: all.iter().all(|closed| closed.healed),
        healed_at: all.iter().map(|closed| closed.healed_at).max()?,
        began: finding.started_at,
        healer: None,
    })
}
