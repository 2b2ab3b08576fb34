//! The way out: facts go to the [`Sink`] in order; what it has no room for waits in a bounded backlog.
//!
//! # Invariants
//!
//! - Nothing overtakes the backlog, so each container's facts stay in order.
//! - When the backlog is full the newest is shed and counted; [`Outlet::drain`] then says so, and the collector marks
//!   the gap and states anew what is.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use hinomi_base::counters::{Counter, Counters};
use hinomi_model::{
    Evidence, Fact, LogTail, Nanos, Outcome, ResourceId, Sink, Source, Stage, StageMark, StateChange,
};

/// Changes that may wait.
const BACKLOG: usize = 4096;

/// A fact before it has an owner.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Said {
    pub(crate) fact: Fact,
    pub(crate) at: Nanos,
    pub(crate) source: Source,
    pub(crate) reason: Option<String>,
    pub(crate) log: Option<Arc<LogTail>>,
}

impl Said {
    pub(crate) fn new(fact: Fact, at: Nanos, source: Source) -> Self {
        Self { fact, at, source, reason: None, log: None }
    }

    pub(crate) fn because(mut self, reason: Option<String>) -> Self {
        self.reason = reason;
        self
    }

    pub(crate) fn stage(stage: Stage, outcome: Outcome, at: Nanos, source: Source) -> Self {
        Self::new(Fact::Stage(StageMark { stage, outcome, cause: None, took_ms: None }), at, source)
    }

    pub(crate) fn by(self, resource: &Arc<ResourceId>) -> StateChange {
        let evidence = self.log.map(|log| Evidence { log: Some(log), facts: BTreeMap::new() });
        StateChange {
            resource: Arc::clone(resource),
            fact: self.fact,
            old: None,
            reason: self.reason,
            occurred_at: self.at,
            observed_at: Nanos::default(),
            source: self.source,
            evidence,
        }
    }
}

#[derive(Default)]
struct Backlog {
    waiting: VecDeque<StateChange>,
    shed: u64,
}

/// Puts facts into the sink.
pub(crate) struct Outlet {
    sink: Arc<dyn Sink>,
    backlog: Mutex<Backlog>,
    shed: Counter,
    waiting: Counter,
    pub(crate) wake: tokio::sync::Notify,
}

impl Outlet {
    pub(crate) fn new(sink: Arc<dyn Sink>, counters: &Counters) -> Self {
        Self {
            sink,
            backlog: Mutex::default(),
            shed: counters.counter("docker_changes_shed"),
            waiting: counters.counter("docker_changes_waiting"),
            wake: tokio::sync::Notify::new(),
        }
    }

    /// Puts facts of one resource, in order.
    pub(crate) fn put(&self, resource: &Arc<ResourceId>, said: Vec<Said>) {
        if said.is_empty() {
            return;
        }
        let changes: Vec<_> = said.into_iter().map(|said| said.by(resource)).collect();
        let mut backlog = self.backlog.lock().unwrap_or_else(PoisonError::into_inner);
        let rejected = if backlog.waiting.is_empty() {
            match self.sink.push(changes) {
                Ok(()) => return,
                Err(rejected) => rejected.0,
            }
        } else {
            changes
        };
        for change in rejected {
            if backlog.waiting.len() < BACKLOG {
                backlog.waiting.push_back(change);
            } else {
                backlog.shed += 1;
                self.shed.add(1);
            }
        }
        self.waiting.set(backlog.waiting.len() as u64);
        self.wake.notify_one();
    }

    /// Tries to put what waits. `Some(n)`: all is out, and `n` changes were shed meanwhile.
    pub(crate) fn drain(&self) -> Option<u64> {
        let mut backlog = self.backlog.lock().unwrap_or_else(PoisonError::into_inner);
        while !backlog.waiting.is_empty() {
            let count = backlog.waiting.len().min(256);
            let batch: Vec<_> = backlog.waiting.drain(..count).collect();
            if let Err(rejected) = self.sink.push(batch) {
                for change in rejected.0.into_iter().rev() {
                    backlog.waiting.push_front(change);
                }
                self.waiting.set(backlog.waiting.len() as u64);
                return None;
            }
        }
        self.waiting.set(0);
        Some(std::mem::take(&mut backlog.shed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hinomi_model::{Phase, Rejected};
    use std::sync::atomic::{AtomicBool, Ordering};

    #[derive(Default)]
    struct Narrow {
        open: AtomicBool,
        got: Mutex<Vec<StateChange>>,
    }

    impl Sink for Narrow {
        fn push(&self, changes: Vec<StateChange>) -> Result<(), Rejected> {
            if !self.open.load(Ordering::SeqCst) {
                return Err(Rejected(changes));
            }
            self.got.lock().expect("no panic inside").extend(changes);
            Ok(())
        }
    }

    #[test]
    fn keeps_order_through_a_full_sink_and_counts_what_it_sheds() {
        let sink = Arc::new(Narrow::default());
        let outlet = Outlet::new(sink.clone(), &Counters::default());
        let resource = Arc::new(super::super::inspect::resource("c", "n", "id", "web", &BTreeMap::new()));
        let said = |at: i64| vec![Said::new(Fact::Phase(Phase::Created), Nanos(at), Source::Reconcile)];
        let total = i64::try_from(BACKLOG).expect("small") + 5;
        for at in 0..total {
            outlet.put(&resource, said(at));
        }
        assert_eq!(outlet.drain(), None);
        sink.open.store(true, Ordering::SeqCst);
        outlet.put(&resource, said(-1));
        assert_eq!(outlet.drain(), Some(6), "five over the limit, and one that came while it was full");
        let got: Vec<_> = sink.got.lock().expect("no panic inside").iter().map(|c| c.occurred_at.0).collect();
        assert_eq!(got, (0..total - 5).collect::<Vec<_>>());
        outlet.put(&resource, said(7));
        assert_eq!(outlet.drain(), Some(0));
    }
}
