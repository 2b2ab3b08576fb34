//! Letting go of the old, by time and by size, and knowing how much there is.

use std::sync::PoisonError;

use hinomi_model::Nanos;

use crate::span::Span;
use crate::store::Store;
use crate::{Result, checkpoint};

/// What [`Store::retain`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    /// Segments removed.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Still more bytes than allowed: the older kept checkpoint needs the rest, or it is being written.
    pub over_limit: bool,
}

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Journal and checkpoints.
    pub bytes: u64,
    /// Segments of the journal.
    pub segments: usize,
    /// Number of the last record; 0 when there is none.
    pub last_seq: u64,
    /// Earliest stamp.
    pub oldest: Option<Nanos>,
    /// Latest stamp.
    pub newest: Option<Nanos>,
}

impl Store {
    /// Removes segments that are older than the retention, and the oldest ones while there is too much on the disk.
    /// Keeps what a start from the older of the two checkpoints needs; without a checkpoint that is everything.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Disk`]; a later call tries again.
    pub fn retain(&self, now: Nanos) -> Result<Retained> {
        let _no_copy = self.shared.keeping.lock().unwrap_or_else(PoisonError::into_inner);
        let needed = self.checkpoints().first().map_or(0, |seq| seq.saturating_add(1));
        let cutoff = now.minus(self.options.retention);
        let segments = self.shared.journal.segments();
        let mut bytes = self.bytes_on_disk();
        let mut keep_from = 0;
        for info in segments.iter().take(segments.len().saturating_sub(1)) {
            let unwanted = bytes > self.options.disk_max_bytes || self.shared.span_of(info).max < cutoff;
            if !unwanted || info.seqs.end > needed {
                break;
            }
            keep_from = info.seqs.end;
            bytes = bytes.saturating_sub(info.bytes);
        }
        let removed = self.shared.journal.remove_before(keep_from)?;
        self.shared.forget_spans_before(keep_from);
        let over_limit = bytes > self.options.disk_max_bytes;
        Ok(Retained { segments: removed.segments, bytes: removed.bytes, over_limit })
    }

    /// How much there is, and from when to when.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let segments = self.shared.journal.segments();
        let sealed = segments.split_last().map_or(&[][..], |(_, sealed)| sealed);
        let spans = sealed.iter().map(|info| self.shared.span_of(info)).chain([self.shared.last_span()]);
        let all = spans
            .fold(Span::EMPTY, |all, span| Span { min: all.min.min(span.min), max: all.max.max(span.max) });
        let some = all != Span::EMPTY;
        Stats {
            bytes: self.bytes_on_disk(),
            segments: segments.len(),
            last_seq: self.last_seq(),
            oldest: some.then_some(all.min),
            newest: some.then_some(all.max),
        }
    }

    pub(crate) fn checkpoints(&self) -> Vec<u64> {
        self.shared.checkpoints.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn bytes_on_disk(&self) -> u64 {
        let journal =
            self.shared.journal.segments().iter().fold(0_u64, |sum, info| sum.saturating_add(info.bytes));
        journal.saturating_add(checkpoint::bytes_on_disk(&self.options.dir, &self.checkpoints()))
    }
}
