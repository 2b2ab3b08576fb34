//! From incidents to facts, and to the sink; what it refuses waits here.

use std::collections::VecDeque;
use std::sync::Arc;

use hinomi_base::counters::{Counter, Counters};
use hinomi_model::{Fact, Nanos, Oom, OomWitness, Rejected, ResourceId, Sink, Source, StateChange};

use super::merge::{Incident, Seen};

/// Facts that wait for a sink without room.
const BACKLOG: usize = 1024;

/// Hands facts to the sink, in order.
pub(super) struct Outlet {
    sink: Arc<dyn Sink>,
    backlog: VecDeque<StateChange>,
    facts: Counter,
    dropped: Counter,
}

impl Outlet {
    pub(super) fn new(sink: Arc<dyn Sink>, counters: &Counters) -> Self {
        let (facts, dropped) = (counters.counter("oom_facts"), counters.counter("oom_facts_dropped"));
        Self { sink, backlog: VecDeque::new(), facts, dropped }
    }

    /// Queues a fact; beyond the limit the oldest goes, counted.
    pub(super) fn put(&mut self, resource: &Arc<ResourceId>, incident: Incident, peak_bytes: Option<u64>) {
        self.facts.add(1);
        if self.backlog.len() >= BACKLOG {
            self.backlog.pop_front();
            self.dropped.add(1);
        }
        self.backlog.push_back(StateChange {
            resource: Arc::clone(resource),
            fact: Fact::Oom(oom(incident.seen, peak_bytes, incident.kills)),
            old: None,
            reason: None,
            occurred_at: Nanos(incident.at),
            observed_at: Nanos::default(),
            source: Source::Kernel,
            evidence: None,
        });
    }

    /// Hands over what waits.
    pub(super) fn flush(&mut self) {
        if self.backlog.is_empty() {
            return;
        }
        if let Err(Rejected(batch)) = self.sink.push(self.backlog.drain(..).collect()) {
            self.backlog = batch.into();
        }
    }

    /// Whether something waits for room.
    pub(super) fn waits(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// Facts so far.
    pub(super) fn facts(&self) -> u64 {
        self.facts.get()
    }
}

fn oom(seen: Option<Seen>, peak_bytes: Option<u64>, kills: Option<u64>) -> Oom {
    let witness = seen.as_ref().map_or(OomWitness::Cgroup, |seen| seen.witness);
    let victim = seen.map(|seen| seen.victim);
    Oom {
        witness,
        victim_pid: victim.as_ref().map(|victim| victim.pid),
        victim_rss_kib: victim.as_ref().and_then(|victim| victim.rss_kib),
        victim_comm: victim.and_then(|victim| victim.comm),
        peak_bytes,
        kills,
    }
}
