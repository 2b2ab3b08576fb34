//! What waits for the disk: bounded in bytes and records, oldest dropped first.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hinomi_base::budget::{Budget, Share};
use hinomi_base::counters::{Counter, Counters};
use hinomi_model::Nanos;

use crate::checkpoint::STATE_BYTES_MAX;
use crate::ticket::{Stored, Ticket};

/// A write that takes longer than this is a sick disk, even if it has not refused yet.
const SLOW: Duration = Duration::from_secs(1);
/// What a record costs in memory beside its bytes.
const RECORD_OVERHEAD_BYTES: u64 = 32;

/// Records that were appended together.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) payloads: Vec<Vec<u8>>,
    pub(crate) bytes: u64,
    pub(crate) ticket: Ticket,
    /// Why some of its records were refused before it was queued.
    pub(crate) refused: Option<String>,
    _share: Share,
}

/// A checkpoint to write.
#[derive(Debug)]
pub(crate) struct PendingCheckpoint {
    pub(crate) seq: u64,
    pub(crate) state: Vec<u8>,
    _share: Share,
}

#[derive(Debug)]
struct Failing {
    since: Nanos,
    error: String,
    retry_at: Instant,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    batches: VecDeque<Batch>,
    /// Bytes and records in `batches` and in the group being written.
    bytes: u64,
    records: usize,
    writing_since: Option<Instant>,
    checkpoint: Option<PendingCheckpoint>,
    failing: Option<Failing>,
    stop: bool,
    finished: bool,
}

/// Limits of the queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) bytes: u64,
    pub(crate) records: usize,
    pub(crate) retry: Duration,
}

/// The queue between appenders and the writer.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    limits: Limits,
    budget: Budget,
    dropped: Counter,
    checkpoints_refused: Counter,
}

/// How the store's disk is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Everything appended reaches the disk in time.
    pub ok: bool,
    /// Since when the disk refuses.
    pub failing_since: Option<Nanos>,
    /// What it said last, or that it does not answer.
    pub last_error: Option<String>,
    /// Records that wait to be written.
    pub queued: usize,
    /// Their bytes.
    pub queued_bytes: u64,
    /// Records dropped since the start because the queue was full.
    pub dropped: u64,
}

/// What the writer does next.
pub(crate) enum Work {
    Group(Vec<Batch>),
    Checkpoint(PendingCheckpoint),
    Stop,
}

impl Queue {
    pub(crate) fn new(limits: Limits, budget: Budget, counters: &Counters) -> Self {
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            limits,
            budget,
            dropped: counters.counter("records_dropped_total"),
            checkpoints_refused: counters.counter("records_checkpoints_refused_total"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues payloads, dropping the oldest ones if there is no room else.
    pub(crate) fn push(&self, payloads: Vec<Vec<u8>>, refused: Option<String>) -> Ticket {
        let sizes = payloads.iter().map(|payload| u64::try_from(payload.len()).unwrap_or(u64::MAX));
        let bytes =
            sizes.fold(0, |sum: u64, size| sum.saturating_add(size).saturating_add(RECORD_OVERHEAD_BYTES));
        let mut state = self.lock();
        if state.stop {
            return Ticket::settled(Stored::Refused { why: "the store is closing".to_owned() });
        }
        let share = loop {
            let fits = state.bytes.saturating_add(bytes) <= self.limits.bytes
                && state.records.saturating_add(payloads.len()) <= self.limits.records;
            if fits && let Some(share) = self.budget.take(bytes) {
                break share;
            }
            if !self.drop_oldest(&mut state) {
                self.dropped.add(u64::try_from(payloads.len()).unwrap_or(u64::MAX));
                let why = format!("no room in memory for {} records of {bytes} bytes", payloads.len());
                return Ticket::settled(Stored::Refused { why });
            }
        };
        let ticket = Ticket::waiting();
        if state.failing.is_some() {
            ticket.fail();
        }
        state.bytes = state.bytes.saturating_add(bytes);
        state.records = state.records.saturating_add(payloads.len());
        state.batches.push_back(Batch { payloads, bytes, ticket: ticket.clone(), refused, _share: share });
        self.changed.notify_all();
        ticket
    }

    fn drop_oldest(&self, state: &mut State) -> bool {
        let Some(batch) = state.batches.pop_front() else { return false };
        self.dropped.add(u64::try_from(batch.payloads.len()).unwrap_or(u64::MAX));
        state.forget(&batch);
        let why =
            "dropped as the oldest: the disk refuses or is too slow, and memory for waiting records is full";
        batch.ticket.settle(Stored::Refused { why: why.to_owned() });
        true
    }

    /// Puts a checkpoint in the place of one that waits.
    pub(crate) fn push_checkpoint(&self, seq: u64, state_bytes: Vec<u8>) {
        let share = self.budget.take(u64::try_from(state_bytes.len()).unwrap_or(u64::MAX));
        let Some(share) = share.filter(|_| state_bytes.len() <= STATE_BYTES_MAX) else {
            self.checkpoints_refused.add(1);
            tracing::warn!(seq, bytes = state_bytes.len(), "no room for a checkpoint; the last one stays");
            return;
        };
        self.lock().checkpoint = Some(PendingCheckpoint { seq, state: state_bytes, _share: share });
        self.changed.notify_all();
    }

    /// Waits for work; a group has at most `group_bytes`, or one batch.
    pub(crate) fn next(&self, group_bytes: u64) -> Work {
        let mut state = self.lock();
        loop {
            let pause = state.failing.as_ref().map(|f| f.retry_at.saturating_duration_since(Instant::now()));
            let may_try = state.stop || pause.is_none_or(|pause| pause.is_zero());
            if may_try && !state.batches.is_empty() {
                state.writing_since = Some(Instant::now());
                return Work::Group(state.take_group(group_bytes));
            }
            if may_try && let Some(checkpoint) = state.checkpoint.take() {
                return Work::Checkpoint(checkpoint);
            }
            if state.stop {
                return Work::Stop;
            }
            state = match pause.filter(|pause| !pause.is_zero()) {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(pause) => {
                    self.changed.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// The group's records have the numbers that end before `end`.
    pub(crate) fn written(&self, group: Vec<Batch>, first: u64) {
        let mut state = self.lock();
        state.writing_since = None;
        state.failing = None;
        let mut next = first;
        for batch in group {
            state.forget(&batch);
            next = next.saturating_add(u64::try_from(batch.payloads.len()).unwrap_or(u64::MAX));
            batch.ticket.settle(match batch.refused {
                None => Stored::Ok(next.saturating_sub(1)),
                Some(why) => Stored::Refused { why },
            });
        }
    }

    /// The group is not on the disk: it goes back to the front.
    pub(crate) fn not_written(&self, group: Vec<Batch>, error: &dyn std::fmt::Display, now: Nanos) {
        let mut state = self.lock();
        state.writing_since = None;
        state.fail(error, now, self.limits.retry);
        for batch in group.into_iter().rev() {
            state.batches.push_front(batch);
        }
        for batch in &state.batches {
            batch.ticket.fail();
        }
    }

    /// The checkpoint is not on the disk: it is let go, the last one stays and the next one comes. A checkpoint is
    /// large; that there is no room for it says nothing about records.
    pub(crate) fn checkpoint_not_written(&self) {
        self.checkpoints_refused.add(1);
    }

    /// The writer ended; what is left was not stored.
    pub(crate) fn finish(&self) {
        let mut state = self.lock();
        while self.drop_oldest(&mut state) {}
        state.finished = true;
        self.changed.notify_all();
    }

    /// Asks the writer to end and waits for that, at most `timeout`. Returns whether it did.
    pub(crate) fn stop(&self, timeout: Duration) -> bool {
        let mut state = self.lock();
        state.stop = true;
        self.changed.notify_all();
        let going_on = |state: &mut State| !state.finished;
        let (state, _) =
            self.changed.wait_timeout_while(state, timeout, going_on).unwrap_or_else(PoisonError::into_inner);
        state.finished
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.lock().stop
    }

    pub(crate) fn health(&self) -> Health {
        let state = self.lock();
        let writing = state.writing_since.map(|since| since.elapsed()).filter(|elapsed| *elapsed > SLOW);
        let slow = writing.map(|elapsed| format!("a write has been going on for {} ms", elapsed.as_millis()));
        Health {
            ok: state.failing.is_none() && slow.is_none(),
            failing_since: state.failing.as_ref().map(|failing| failing.since),
            last_error: state.failing.as_ref().map(|failing| failing.error.clone()).or(slow),
            queued: state.records,
            queued_bytes: state.bytes,
            dropped: self.dropped.get(),
        }
    }
}

impl State {
    fn take_group(&mut self, group_bytes: u64) -> Vec<Batch> {
        let mut group = Vec::new();
        let mut bytes = 0_u64;
        while let Some(next) = self.batches.front() {
            bytes = bytes.saturating_add(next.bytes);
            if bytes > group_bytes && !group.is_empty() {
                break;
            }
            group.extend(self.batches.pop_front());
        }
        group
    }

    fn forget(&mut self, batch: &Batch) {
        self.bytes = self.bytes.saturating_sub(batch.bytes);
        self.records = self.records.saturating_sub(batch.payloads.len());
    }

    fn fail(&mut self, error: &dyn std::fmt::Display, now: Nanos, retry: Duration) {
        let since = self.failing.as_ref().map_or(now, |failing| failing.since);
        let at = Instant::now();
        let retry_at = at.checked_add(retry).unwrap_or(at);
        self.failing = Some(Failing { since, error: error.to_string(), retry_at });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(queue: &Queue) -> Vec<Batch> {
        match queue.next(1000) {
            Work::Group(group) => group,
            Work::Checkpoint(_) | Work::Stop => panic!("there are batches"),
        }
    }

    #[test]
    fn what_was_not_written_goes_back_in_order_and_nobody_waits_for_a_disk_that_refuses() {
        let limits = Limits { bytes: 1000, records: 10, retry: Duration::ZERO };
        let queue = Queue::new(limits, Budget::new(1000), &Counters::default());
        let tickets: Vec<_> = (0..3_u8).map(|n| queue.push(vec![vec![n]], None)).collect();
        let first = group(&queue);
        queue.not_written(first, &"no", Nanos(5));
        let hour = Duration::from_secs(3600);
        assert!(tickets.iter().all(|ticket| ticket.wait(hour) == Stored::Late));
        assert_eq!(queue.push(vec![vec![3]], None).wait(hour), Stored::Late);
        assert_eq!(queue.health().failing_since, Some(Nanos(5)));
        let again = group(&queue);
        assert!(again.iter().map(|batch| batch.payloads[0][0]).eq(0..4));
        queue.written(again, 7);
        assert_eq!(tickets[2].outcome(), Some(Stored::Ok(9)));
        assert_eq!((queue.health().queued, queue.health().queued_bytes, queue.health().ok), (0, 0, true));
    }
}
