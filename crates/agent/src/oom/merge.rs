//! Makes one incident of what several witnesses say. Pure: time and readings are arguments.
//!
//! # Invariants
//!
//! - A run's `oom_kill` count is the arbiter: every emitted incident accounts for one kill (or one group kill) of it.
//! - A victim whose container is known leaves in the same call, unless the count denies it.
//! - Everything kept is bounded, in number and in time.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use hinomi_model::OomWitness;

use super::parse::{Counts, Victim};

/// Number of a watched run of a container.
pub(super) type Key = u64;

/// A count that rose waits this long for its victim, where victims are seen.
const VICTIM_WAIT_NS: i64 = 100_000_000;
/// Kills of one group, and witnesses of one kill, lie closer together than this.
const SAME_INCIDENT_NS: i64 = 300_000_000;
/// A victim without a path belongs to the container whose count rises this close to it.
const NEAR_NS: i64 = 250_000_000;
/// A victim waits this long for its container to be watched; a run stays known this long after its end.
pub(super) const HOLD_NS: i64 = 5_000_000_000;
/// Victims held.
const HELD_LIMIT: usize = 256;
/// Incidents emitted at once for one risen count; the fact carries the whole count.
const BURST: u64 = 64;

/// What a victim's container says about the kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arbiter {
    /// It counted this.
    Counts(Counts),
    /// It can't be read: gone, or no right.
    Unreadable,
    /// The kill is counted elsewhere (version 1, in a cgroup below).
    Elsewhere,
}

/// A victim with its witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub at: i64,
    pub witness: OomWitness,
    pub victim: Victim,
}

/// An incident to report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Incident {
    pub key: Key,
    /// When.
    pub at: i64,
    /// Who was killed, if known.
    pub seen: Option<Seen>,
    /// The container's count with this kill.
    pub kills: Option<u64>,
}

#[derive(Debug, Default)]
struct Run {
    accounted: Counts,
    reading: Counts,
    /// When the reading rose above what is accounted.
    rose_at: Option<i64>,
    emitted_at: Option<i64>,
    /// Until then further kills belong to the group kill that was reported.
    group_until: Option<i64>,
    /// Its own victims that the count denies so far.
    denied: VecDeque<Seen>,
    left_at: Option<i64>,
}

impl Run {
    fn excess(&self) -> u64 {
        match self.reading.groups.saturating_sub(self.accounted.groups) {
            0 => self.reading.kills.saturating_sub(self.accounted.kills),
            groups => groups,
        }
    }

    fn in_group(&self, now: i64) -> bool {
        self.group_until.is_some_and(|until| now <= until)
    }

    /// Takes a reading; kills of a group that was reported already are accounted for.
    fn read(&mut self, now: i64, reading: Counts) {
        self.reading.kills = self.reading.kills.max(reading.kills);
        self.reading.groups = self.reading.groups.max(reading.groups);
        let rose = self.reading.groups > self.accounted.groups;
        if rose && self.emitted_at.is_some_and(|at| now - at <= SAME_INCIDENT_NS) && !self.in_group(now) {
            // The first of the group was reported before the kernel counted the group.
            self.accounted = self.reading;
            self.group_until = Some(now + SAME_INCIDENT_NS);
        } else if self.in_group(now) && !rose {
            // Killing a large group takes its time: the window slides while kills are counted.
            if self.reading.kills > self.accounted.kills {
                self.group_until = Some(now + SAME_INCIDENT_NS);
            }
            self.accounted.kills = self.reading.kills;
        }
        self.rose_at = if self.excess() > 0 { self.rose_at.or(Some(now)) } else { None };
    }

    /// Accounts for one incident.
    fn account(&mut self, now: i64) -> u64 {
        if self.reading.groups > self.accounted.groups {
            self.accounted.groups += 1;
            if self.reading.groups == self.accounted.groups {
                self.accounted.kills = self.reading.kills;
            }
            self.group_until = Some(now + SAME_INCIDENT_NS);
        } else {
            self.accounted.kills = (self.accounted.kills + 1).min(self.reading.kills);
        }
        self.emitted_at = Some(now);
        if self.excess() == 0 {
            self.rose_at = None;
        }
        self.accounted.kills
    }
}

/// A victim whose container is not known (yet).
#[derive(Debug)]
struct Held {
    seen: Seen,
    /// Container ids on its path; empty when the path could not be read.
    ids: Vec<String>,
}

/// The merger.
#[derive(Debug, Default)]
pub(super) struct Merger {
    /// Whether victims are seen at all; else a risen count is reported at once.
    victims_seen: bool,
    runs: BTreeMap<Key, Run>,
    held: VecDeque<Held>,
    /// Victims of nobody watched.
    pub elsewhere: u64,
    /// Victims that the count denied, e.g. further threads of one victim.
    pub denied: u64,
}

impl Merger {
    pub(super) fn new(victims_seen: bool) -> Self {
        Self { victims_seen, ..Self::default() }
    }

    /// A run is watched from now on; kills up to `accounted` are old. Victims that waited for it come out.
    pub(super) fn watch(
        &mut self,
        now: i64,
        key: Key,
        (container_id, pid): (&str, u32),
        accounted: Counts,
        arbiter: Arbiter,
    ) -> Vec<Incident> {
        self.runs.insert(key, Run { accounted, reading: accounted, ..Run::default() });
        let waits = |held: &Held| {
            now - held.seen.at <= HOLD_NS
                && (held.ids.iter().any(|id| id == container_id)
                    || (held.ids.is_empty() && held.seen.victim.pid == pid))
        };
        let (mine, others): (VecDeque<_>, VecDeque<_>) = self.held.drain(..).partition(waits);
        self.held = others;
        mine.into_iter().filter_map(|held| self.victim(now, key, held.seen, arbiter)).collect()
    }

    /// A victim of a known run.
    pub(super) fn victim(&mut self, now: i64, key: Key, seen: Seen, arbiter: Arbiter) -> Option<Incident> {
        let run = self.runs.get_mut(&key)?;
        let incident = |seen: Seen, kills| Some(Incident { key, at: seen.at, seen: Some(seen), kills });
        match arbiter {
            Arbiter::Elsewhere => {
                run.emitted_at = Some(now);
                incident(seen, None)
            }
            Arbiter::Unreadable if run.emitted_at.is_some_and(|at| now - at <= SAME_INCIDENT_NS) => {
                self.denied += 1;
                None
            }
            Arbiter::Unreadable => {
                run.emitted_at = Some(now);
                // A count that was read before it vanished is this very kill.
                let kills = (run.excess() > 0).then(|| run.account(now));
                incident(seen, kills)
            }
            Arbiter::Counts(counts) => {
                run.read(now, counts);
                if run.excess() > 0 {
                    let kills = run.account(now);
                    return incident(seen, Some(kills));
                }
                if run.in_group(now) || run.denied.len() >= HELD_LIMIT {
                    self.denied += 1;
                } else {
                    run.denied.push_back(seen);
                }
                None
            }
        }
    }

    /// A victim of nobody known. `ids` are the container ids on its path; `None` when the path could not be read.
    pub(super) fn stranger(&mut self, seen: Seen, ids: Option<Vec<String>>) {
        if ids.as_ref().is_some_and(Vec::is_empty) {
            self.elsewhere += 1;
            return;
        }
        if self.held.len() >= HELD_LIMIT {
            self.held.pop_front();
            self.elsewhere += 1;
        }
        self.held.push_back(Held { seen, ids: ids.unwrap_or_default() });
    }

    /// The kernel's log named the cgroup of a victim that is held without one.
    pub(super) fn take_held(&mut self, pid: u32) -> Option<Seen> {
        let at = self.held.iter().position(|held| held.ids.is_empty() && held.seen.victim.pid == pid)?;
        self.held.remove(at).map(|held| held.seen)
    }

    /// A run's count was read.
    pub(super) fn counted(&mut self, now: i64, key: Key, counts: Counts) {
        if let Some(run) = self.runs.get_mut(&key) {
            run.read(now, counts);
        }
    }

    /// The run ended; `counts` is its last reading, if there was one.
    pub(super) fn leave(&mut self, now: i64, key: Key, counts: Option<Counts>) {
        if let Some(counts) = counts {
            self.counted(now, key, counts);
        }
        if let Some(run) = self.runs.get_mut(&key) {
            run.left_at.get_or_insert(now);
        }
    }

    /// Brings counts and victims together; call it after every batch of news and at [`Merger::deadline`].
    pub(super) fn resolve(&mut self, now: i64) -> Vec<Incident> {
        let mut incidents = Vec::new();
        let risen: Vec<Key> =
            self.runs.iter().filter(|(_, run)| run.excess() > 0).map(|(key, _)| *key).collect();
        for key in &risen {
            let Some(run) = self.runs.get_mut(key) else { continue };
            while run.excess() > 0 {
                // A victim of its own first; then one near in time, if no other run may claim it.
                let near = |held: &Held| held.ids.is_empty() && (now - held.seen.at).abs() <= NEAR_NS;
                let seen = run.denied.pop_front().or_else(|| {
                    let at = (risen.len() == 1).then(|| self.held.iter().position(near)).flatten()?;
                    self.held.remove(at).map(|held| held.seen)
                });
                let Some(seen) = seen else { break };
                let kills = Some(run.account(now));
                incidents.push(Incident { key: *key, at: seen.at, seen: Some(seen), kills });
            }
            let Some(rose_at) = run.rose_at else { continue };
            if self.victims_seen && now - rose_at < VICTIM_WAIT_NS && run.left_at.is_none() {
                continue;
            }
            for _ in 0..run.excess().min(BURST) {
                let kills = Some(run.account(now));
                incidents.push(Incident { key: *key, at: rose_at, seen: None, kills });
            }
            run.accounted = run.reading;
            run.rose_at = None;
        }
        self.expire(now);
        incidents
    }

    fn expire(&mut self, now: i64) {
        while self.held.front().is_some_and(|held| now - held.seen.at > HOLD_NS) {
            self.held.pop_front();
            self.elsewhere += 1;
        }
        for run in self.runs.values_mut() {
            while run.denied.front().is_some_and(|seen| now - seen.at > VICTIM_WAIT_NS) {
                run.denied.pop_front();
                self.denied += 1;
            }
        }
    }

    /// Runs that may be forgotten: ended long enough ago.
    pub(super) fn forget(&mut self, now: i64) -> Vec<Key> {
        let over: Vec<Key> = (self.runs.iter())
            .filter(|(_, run)| run.left_at.is_some_and(|at| now - at > HOLD_NS))
            .map(|(key, _)| *key)
            .collect();
        for key in &over {
            self.runs.remove(key);
        }
        over
    }

    /// When [`Merger::resolve`] and [`Merger::forget`] have something to do again.
    pub(super) fn deadline(&self) -> Option<i64> {
        let runs = self.runs.values().flat_map(|run| {
            let denied = run.denied.front().map(|seen| seen.at + VICTIM_WAIT_NS + 1);
            [run.rose_at.map(|at| at + VICTIM_WAIT_NS), denied, run.left_at.map(|at| at + HOLD_NS + 1)]
        });
        let held = self.held.front().map(|held| held.seen.at + HOLD_NS + 1);
        runs.chain([held]).flatten().min()
    }

    /// Victims that wait for a container.
    #[cfg(test)]
    fn held(&self) -> usize {
        self.held.len()
    }
}

/// Nanoseconds from `now` to `deadline`, never negative.
pub(super) fn until(now: i64, deadline: i64) -> Duration {
    Duration::from_nanos(u64::try_from(deadline.saturating_sub(now)).unwrap_or(0))
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
