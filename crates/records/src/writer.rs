//! The thread `records-writer`: writes what is queued, tries again while the disk refuses.

use std::sync::{Arc, PoisonError};

use hinomi_base::clock::Clock;
use hinomi_base::counters::{Counter, Counters};
use hinomi_disk::journal;
use hinomi_model::Nanos;

use crate::checkpoint;
use crate::queue::{Batch, PendingCheckpoint, Work};
use crate::span::Span;
use crate::store::Shared;

/// A group has at most this much, and no more than a segment, so that one write stays short and segments do not
/// overshoot far.
const GROUP_BYTES_MAX: u64 = 4 << 20;

pub(crate) struct Writer {
    shared: Arc<Shared>,
    journal: journal::Writer,
    /// Of the segment being written.
    span: Span,
    clock: Clock,
    /// Most bytes of a group.
    group_bytes: u64,
    stored: Counter,
    groups: Counter,
    failures: Counter,
    /// Whether the last try failed: failing is logged once, not at every try.
    failing: bool,
}

impl Writer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        mut journal: journal::Writer,
        span: Span,
        clock: Clock,
        segment_bytes: u64,
        counters: &Counters,
    ) -> Self {
        journal.set_note(span.encode());
        Self {
            shared,
            journal,
            span,
            clock,
            group_bytes: GROUP_BYTES_MAX.min(segment_bytes),
            stored: counters.counter("records_stored_total"),
            groups: counters.counter("records_groups_total"),
            failures: counters.counter("records_write_failures_total"),
            failing: false,
        }
    }

    pub(crate) fn run(mut self) {
        loop {
            let done = match self.shared.queue.next(self.group_bytes) {
                Work::Group(group) => self.write_group(group),
                Work::Checkpoint(checkpoint) => self.write_checkpoint(checkpoint),
                Work::Stop => break,
            };
            // One more try at the end, not a wait for a disk that may never come back.
            if !done && self.shared.queue.is_stopping() {
                break;
            }
        }
        self.shared.queue.finish();
    }

    fn write_group(&mut self, group: Vec<Batch>) -> bool {
        let payloads: Vec<&[u8]> =
            group.iter().flat_map(|batch| &batch.payloads).map(Vec::as_slice).collect();
        let appended = match self.journal.append(&payloads) {
            Ok(appended) => appended,
            Err(error) => {
                self.failed(&error);
                self.shared.queue.not_written(group, &error, Nanos(self.clock.now()));
                return false;
            }
        };
        if appended.new_segment {
            self.span = Span::EMPTY;
        }
        payloads.iter().for_each(|payload| self.span.include(payload));
        self.journal.set_note(self.span.encode());
        self.shared.saw(self.span);
        self.stored.add(appended.seqs.end.saturating_sub(appended.seqs.start));
        self.groups.add(1);
        self.recovered();
        self.shared.queue.written(group, appended.seqs.start);
        true
    }

    fn write_checkpoint(&mut self, pending: PendingCheckpoint) -> bool {
        // R4. A user can only know numbers that were given, so this is a bug there; say it and keep the old ones.
        if pending.seq >= self.journal.next_seq() {
            tracing::error!(
                seq = pending.seq,
                next = self.journal.next_seq(),
                "checkpoint ahead of the journal refused"
            );
            return true;
        }
        match checkpoint::write(&*self.shared.fs, &self.shared.dir, pending.seq, &pending.state) {
            Ok(kept) => {
                *self.shared.checkpoints.lock().unwrap_or_else(PoisonError::into_inner) = kept;
                true
            }
            Err(error) => {
                tracing::warn!(%error, "a checkpoint could not be written; the last one stays");
                self.shared.queue.checkpoint_not_written();
                false
            }
        }
    }

    fn failed(&mut self, error: &hinomi_disk::Error) {
        self.failures.add(1);
        if !self.failing {
            tracing::error!(%error, "records cannot be stored; they wait in memory and are tried again");
        }
        self.failing = true;
    }

    fn recovered(&mut self) {
        if self.failing {
            tracing::info!("records are stored again");
        }
        self.failing = false;
    }
}
