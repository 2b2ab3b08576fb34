//! Incidents: one a cause, under one key, from the first sign to the proof that it is over.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use hinomi_model::{Finding, Incident, IncidentStatus, Level, Nanos};
use hinomi_timeline::WorkloadKey;
use serde::{Deserialize, Serialize};

use crate::inspection::digest;

/// What an incident is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Subject {
    /// A workload and its containers.
    Workload(WorkloadKey),
    /// A runtime and what hangs on it.
    Runtime(String),
    /// What Hinomi did not see of a cluster.
    Gaps(String),
    /// Something that is measured, by the subject of its incident.
    Numbers(String),
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Workload(key) => write!(f, "{}/workload/{}", key.cluster, key.workload),
            Self::Runtime(cluster) => write!(f, "{cluster}/runtime"),
            Self::Gaps(cluster) => write!(f, "{cluster}/gaps"),
            Self::Numbers(subject) => f.write_str(subject),
        }
    }
}

/// The same cause within this time reopens the same incident.
const REOPEN: Duration = Duration::from_secs(30 * 60);
/// An incident that came back is told again when it is still open after this time.
const REOPEN_TELL: Duration = Duration::from_secs(5 * 60);
/// Findings of one incident that keep their log lines.
const FINDINGS_WITH_LOG: usize = 8;
/// Incidents that are over and still shown.
const OVER_MAX: usize = 500;
/// Of these, the newest ones keep their log lines; the store has all.
const OVER_WITH_LOG: usize = 50;
/// Findings kept in one incident.
const FINDINGS_MAX: usize = 50;

/// All incidents: open ones by subject, and the last that are over.
#[derive(Clone, Debug, Default)]
pub struct Incidents {
    open: BTreeMap<String, Incident>,
    over: VecDeque<Incident>,
}

/// What an update did to an incident.
#[derive(Clone, Debug)]
pub(crate) struct Update {
    /// The incident as it is now.
    pub(crate) incident: Incident,
    /// It differs in what must survive a crash, not only in its evidence.
    pub(crate) material: bool,
    /// It opened, ended, got louder or has another cause.
    pub(crate) news: bool,
    /// People may have to be told.
    pub(crate) tell: bool,
}

impl Incidents {
    /// Open incidents.
    pub fn open(&self) -> impl Iterator<Item = &Incident> {
        self.open.values()
    }

    /// Incidents that are over, newest first.
    pub fn over(&self) -> impl Iterator<Item = &Incident> {
        self.over.iter().rev()
    }

    /// Findings that are open now about a subject.
    pub(crate) fn open_findings(&self, subject: &str) -> impl Iterator<Item = &Finding> {
        let incident = self.open.get(subject);
        let findings = incident.into_iter().flat_map(|incident| &incident.findings);
        findings.filter(|finding| finding.resolved_at.is_none())
    }

    /// When an incident that came back has to be told of, if it is still there then.
    pub(crate) fn tell_again_at(&self, subject: &str) -> Option<Nanos> {
        Some(self.open.get(subject)?.reopened_at?.plus(REOPEN_TELL))
    }

    /// By key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Incident> {
        self.open().chain(self.over()).find(|incident| incident.key == key)
    }

    /// Takes over a stored incident (replay).
    pub fn restore(&mut self, incident: Incident) {
        self.over.retain(|old| old.key != incident.key);
        if incident.status == IncidentStatus::Firing {
            self.open.insert(incident.subject.clone(), incident);
        } else {
            if self.open.get(&incident.subject).is_some_and(|open| open.key == incident.key) {
                self.open.remove(&incident.subject);
            }
            self.keep_over(incident);
        }
    }

    fn keep_over(&mut self, incident: Incident) {
        if self.over.len() >= OVER_MAX {
            self.over.pop_front();
        }
        self.over.push_back(incident);
        let old = self.over.len().checked_sub(OVER_WITH_LOG + 1).and_then(|index| self.over.get_mut(index));
        for finding in old.into_iter().flat_map(|incident| &mut incident.findings) {
            finding.evidence.log = None;
        }
    }

    /// Brings the incident of a subject in line with what was found now. `because` says why nothing is wrong any more.
    pub(crate) fn update(
        &mut self,
        subject: &str,
        found: Vec<Finding>,
        stored: bool,
        because: impl FnOnce() -> String,
        now: Nanos,
    ) -> Option<Update> {
        let before = self.open.get(subject).cloned();
        match (before, found.is_empty()) {
            (None, true) => None,
            (Some(incident), true) => Some(self.resolve(incident, stored, because(), now)),
            (before, false) => {
                let next = match &before {
                    Some(incident) => merge(incident.clone(), found, stored, now),
                    None => self.begin(subject, found, stored, now),
                };
                let material = before.as_ref().is_none_or(|before| materially_differs(before, &next));
                let told = next.told.iter().map(|(_, level)| *level).max();
                let tell =
                    next.level > told.unwrap_or(Level::None) || has_new_cause(&next) || is_back(&next, now);
                self.open.insert(subject.to_owned(), next.clone());
                let face = |incident: &Incident| {
                    let cause = incident.root_finding().map(|root| root.inspection.clone());
                    (incident.level, cause)
                };
                let news = before.as_ref().is_none_or(|before| face(before) != face(&next));
                Some(Update { incident: next, material, news, tell })
            }
        }
    }

    /// Notes that receivers were told; returns the incident as it is now.
    pub(crate) fn told(
        &mut self,
        key: &str,
        sequence: u32,
        receivers: &[&str],
        level: Level,
    ) -> Option<Incident> {
        let all = self.open.values_mut().chain(self.over.iter_mut());
        let incident = all.into_iter().find(|incident| incident.key == key)?;
        incident.sequence = sequence;
        incident.reopened_at = None;
        let cause = incident.root_finding().map(|root| root.inspection.clone()).unwrap_or_default();
        if !incident.told_causes.contains(&cause) {
            incident.told_causes.push(cause);
        }
        for receiver in receivers {
            match incident.told.iter_mut().find(|(name, _)| name == receiver) {
                Some((_, loudest)) => *loudest = level.max(*loudest),
                None => incident.told.push(((*receiver).to_owned(), level)),
            }
        }
        Some(incident.clone())
    }

    fn begin(&mut self, subject: &str, found: Vec<Finding>, stored: bool, now: Nanos) -> Incident {
        let root = root_of(&found);
        let cause = root.map(|finding| finding.inspection.clone()).unwrap_or_default();
        let again = self.over.iter().rposition(|over| {
            over.subject == subject
                && over.resolved_at.is_some_and(|at| now.since(at) <= REOPEN)
                && over.root_finding().is_some_and(|finding| finding.inspection == cause)
        });
        if let Some(mut incident) = again.and_then(|index| self.over.remove(index)) {
            incident.status = IncidentStatus::Firing;
            incident.resolved_at = None;
            incident.resolved_because = None;
            incident.reopened = incident.reopened.saturating_add(1);
            incident.reopened_at = (!incident.told.is_empty()).then_some(now);
            return merge(incident, found, stored, now);
        }
        let started_at = root.map_or(now, |finding| finding.started_at);
        let key = format!("i-{}", digest(&[subject, &started_at.0.to_string()]));
        // Should the same begin come up again after a crash, its numbers go on: a repeated number would be dropped.
        let sequence = self.over.iter().find(|over| over.key == key).map_or(0, |over| over.sequence);
        self.over.retain(|over| over.key != key);
        let incident = Incident {
            key,
            subject: subject.to_owned(),
            status: IncidentStatus::Firing,
            level: Level::None,
            root: String::new(),
            findings: Vec::new(),
            opened_at: started_at,
            updated_at: now,
            resolved_at: None,
            resolved_because: None,
            sequence,
            reopened: 0,
            reopened_at: None,
            stored,
            told: Vec::new(),
            told_causes: Vec::new(),
            acknowledged: None,
            waiting: Vec::new(),
            adopted: Vec::new(),
            adopted_by: None,
        };
        merge(incident, found, stored, now)
    }

    fn resolve(&mut self, mut incident: Incident, stored: bool, because: String, now: Nanos) -> Update {
        self.open.remove(&incident.subject);
        incident.status = IncidentStatus::Resolved;
        incident.resolved_at = Some(now);
        incident.resolved_because = Some(because);
        incident.updated_at = now;
        incident.stored = stored;
        for finding in incident.findings.iter_mut().filter(|finding| finding.resolved_at.is_none()) {
            finding.resolved_at = Some(now);
            finding.healing.state = hinomi_model::HealingState::Done;
        }
        self.keep_over(incident.clone());
        // Who was not told that it came back need not be told that it is over again.
        let tell = !incident.told.is_empty() && incident.reopened_at.take().is_none();
        Update { incident, material: true, news: true, tell }
    }
}

/// It came back a while ago and is still there: whoever was told that it is over is told that it is not.
pub(crate) fn is_back(incident: &Incident, now: Nanos) -> bool {
    let loud = incident.root_finding().is_some_and(|root| root.level > Level::None);
    loud && incident.reopened_at.is_some_and(|at| now.since(at) >= REOPEN_TELL)
}

/// People were told of another root cause: the new one is worth an update under the same key.
pub(crate) fn has_new_cause(incident: &Incident) -> bool {
    let root = incident.root_finding();
    !incident.told.is_empty()
        && root
            .is_some_and(|root| root.level > Level::None && !incident.told_causes.contains(&root.inspection))
}

/// The finding that comes first: the loudest, then the oldest.
fn root_of(findings: &[Finding]) -> Option<&Finding> {
    let open = findings.iter().filter(|finding| finding.resolved_at.is_none());
    open.min_by_key(|finding| (std::cmp::Reverse(finding.level), finding.started_at))
}

fn merge(mut incident: Incident, found: Vec<Finding>, stored: bool, now: Nanos) -> Incident {
    for old in &mut incident.findings {
        if old.resolved_at.is_none() && !found.iter().any(|finding| finding.id == old.id) {
            old.resolved_at = Some(now);
            old.healing.state = hinomi_model::HealingState::Done;
        }
    }
    for finding in found {
        match incident.findings.iter_mut().find(|old| old.id == finding.id) {
            Some(old) => *old = finding,
            None => incident.findings.push(finding),
        }
    }
    while incident.findings.len() > FINDINGS_MAX {
        let oldest = incident.findings.iter().position(|finding| finding.resolved_at.is_some()).unwrap_or(0);
        incident.findings.remove(oldest);
    }
    let root = root_of(&incident.findings).map(|finding| (finding.id.clone(), finding.level));
    if let Some((id, level)) = root {
        incident.root = id;
        incident.level = incident.level.max(level);
    }
    incident.findings.sort_by_key(|finding| (finding.id != incident.root, finding.resolved_at.is_some()));
    for finding in incident.findings.iter_mut().skip(FINDINGS_WITH_LOG) {
        finding.evidence.log = None;
    }
    incident.updated_at = now;
    incident.stored = stored;
    incident
}

/// Differs in what must survive a crash. Evidence and counts are folded anew from the stored changes.
fn materially_differs(before: &Incident, after: &Incident) -> bool {
    let face = |incident: &Incident| {
        let findings = incident.findings.iter().map(|finding| {
            (
                finding.id.clone(),
                finding.inspection.clone(),
                finding.level,
                finding.healing.state,
                finding.resolved_at,
            )
        });
        (
            incident.status,
            incident.level,
            incident.root.clone(),
            incident.stored,
            findings.collect::<Vec<_>>(),
        )
    };
    face(before) != face(after)
}
