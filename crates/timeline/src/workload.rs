//! Workloads: how many of the wanted instances serve, and what is usual for them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use hinomi_model::{Nanos, ResourceId, WorkloadRef};
use serde::{Deserialize, Serialize};

use crate::level::Serving;
use crate::track::{STABLE, Track, push_bounded};

/// Which workload.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WorkloadKey {
    /// Owner of the data.
    pub tenant: hinomi_model::Tenant,
    /// The realm it lives in.
    pub cluster: String,
    /// Kind, project and name.
    pub workload: WorkloadRef,
}

impl WorkloadKey {
    /// The workload of a resource.
    #[must_use]
    pub fn of(id: &ResourceId) -> Option<Self> {
        let workload = id.workload.clone()?;
        Some(Self { tenant: id.tenant.clone(), cluster: id.cluster.clone(), workload })
    }
}

impl std::fmt::Display for WorkloadKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.cluster, self.workload)
    }
}

/// A workload: its instances, and what Hinomi learned about it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Workload {
    /// Which.
    pub key: WorkloadKey,
    /// Ids of its containers, gone ones included as long as they are kept.
    pub members: BTreeSet<String>,
    /// First time Hinomi heard of it.
    pub first_seen_at: Nanos,
    /// Since when none of the wanted instances serves; the start grace runs while this is set.
    pub unserved_since: Option<Nanos>,
    /// How much of the start grace earlier times without service have used up, without a stable run since.
    #[serde(default)]
    pub grace_spent: Duration,
    /// Times from deviation to health, healed by the healer, newest last, milliseconds.
    pub heal_ms: VecDeque<u64>,
    /// Times from start to ready, newest last, milliseconds.
    pub start_ms: VecDeque<u64>,
}

/// Episodes remembered for learning.
const LEARN_MAX: usize = 50;
/// Healed episodes from which on the usual healing time is learned.
const LEARN_MIN: usize = 5;
/// Healing is overdue after this time until learned.
const OVERDUE_DEFAULT: Duration = Duration::from_secs(300);
const OVERDUE_MIN: Duration = Duration::from_secs(60);
const OVERDUE_MAX: Duration = Duration::from_secs(900);
const GRACE_MIN: Duration = Duration::from_secs(30);
const GRACE_MAX: Duration = Duration::from_secs(300);

/// Instances that are wanted and that serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) desired: usize,
    pub(crate) ready: usize,
    pub(crate) stable: bool,
}

impl Workload {
    pub(crate) fn new(key: WorkloadKey, at: Nanos) -> Self {
        Self {
            key,
            members: BTreeSet::new(),
            first_seen_at: at,
            unserved_since: None,
            grace_spent: Duration::ZERO,
            heal_ms: VecDeque::new(),
            start_ms: VecDeque::new(),
        }
    }

    /// Its containers.
    pub fn tracks<'a>(&'a self, tracks: &'a BTreeMap<String, Track>) -> impl Iterator<Item = &'a Track> {
        self.members.iter().filter_map(|uid| tracks.get(uid))
    }

    pub(crate) fn counts(&self, tracks: &BTreeMap<String, Track>, now: Nanos) -> Counts {
        let mut counts = Counts { desired: 0, ready: 0, stable: false };
        for track in self.tracks(tracks).filter(|track| track.wanted) {
            counts.desired += 1;
            counts.ready += usize::from(track.is_ready());
            counts.stable |= track.ready_since.is_some_and(|since| now.since(since) >= STABLE);
        }
        counts
    }

    /// Desired and ready instances.
    #[must_use]
    pub fn replicas(&self, tracks: &BTreeMap<String, Track>) -> (usize, usize) {
        let counts = self.counts(tracks, Nanos::default());
        (counts.desired, counts.ready)
    }

    /// Begins or ends the time without service. Only a stable run gives the start grace back (T4).
    pub(crate) fn update_unserved(&mut self, tracks: &BTreeMap<String, Track>, now: Nanos) {
        let counts = self.counts(tracks, now);
        if counts.desired == 0 || counts.stable {
            self.unserved_since = None;
            self.grace_spent = Duration::ZERO;
        }
        let unserved = counts.desired > 0 && counts.ready == 0;
        match self.unserved_since {
            None if unserved => self.unserved_since = Some(now),
            Some(since) if !unserved => {
                self.grace_spent = self.grace_spent.saturating_add(now.since(since));
                self.unserved_since = None;
            }
            _ => {}
        }
    }

    /// How many serve now.
    pub(crate) fn serving(&self, tracks: &BTreeMap<String, Track>, now: Nanos) -> Serving {
        let counts = self.counts(tracks, now);
        if counts.ready >= counts.desired {
            return Serving::Full;
        }
        if counts.ready > 0 {
            return Serving::Reduced;
        }
        let over = self.grace_ends_at(tracks).is_some_and(|end| now >= end);
        if over { Serving::NoneBeyondGrace } else { Serving::NoneWithinGrace }
    }

    /// End of the start grace that runs now.
    pub(crate) fn grace_ends_at(&self, tracks: &BTreeMap<String, Track>) -> Option<Nanos> {
        Some(self.unserved_since?.plus(self.start_grace(tracks).saturating_sub(self.grace_spent)))
    }

    /// The declared start period and probes, else twice the usual start time; between 30 s and 5 min.
    #[must_use]
    pub fn start_grace(&self, tracks: &BTreeMap<String, Track>) -> Duration {
        let declared = |track: &Track| {
            let probes = track.spec.health_interval_ms.saturating_mul(u64::from(track.spec.health_retries));
            Duration::from_millis(track.spec.health_start_period_ms.saturating_add(probes))
        };
        let with_check = self.tracks(tracks).filter(|track| track.wanted && track.spec.has_health_check);
        let grace = with_check.map(declared).max().or_else(|| p95(&self.start_ms).map(|start| start * 2));
        grace.unwrap_or(GRACE_MIN).clamp(GRACE_MIN, GRACE_MAX)
    }

    /// Healing is overdue after this time: learned from at least five healed episodes, else 5 min.
    #[must_use]
    pub fn overdue_after(&self) -> Duration {
        if self.heal_ms.len() < LEARN_MIN {
            return OVERDUE_DEFAULT;
        }
        p95(&self.heal_ms).map_or(OVERDUE_DEFAULT, |p95| (p95 * 2).clamp(OVERDUE_MIN, OVERDUE_MAX))
    }

    pub(crate) fn learn_heal(&mut self, took: Duration) {
        push_bounded(&mut self.heal_ms, millis(took), LEARN_MAX);
    }

    pub(crate) fn learn_start(&mut self, took: Duration) {
        push_bounded(&mut self.start_ms, millis(took), LEARN_MAX);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn p95(values: &VecDeque<u64>) -> Option<Duration> {
    let mut sorted: Vec<u64> = values.iter().copied().collect();
    sorted.sort_unstable();
    let rank = (sorted.len() * 95).div_ceil(100).checked_sub(1)?;
    sorted.get(rank).map(|ms| Duration::from_millis(*ms))
}
