//! The store: opening and recovery, appending, replaying.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hinomi_base::budget::Budget;
use hinomi_base::clock::Clock;
use hinomi_base::counters::{Counter, Counters};
use hinomi_base::task::spawn_thread;
use hinomi_disk::fs::{Fs, Real};
use hinomi_disk::journal::{self, Damages, Journal, SegmentInfo};
use hinomi_model::Nanos;

use crate::queue::{Health, Limits, Queue};
use crate::record::{Fault, Record};
use crate::span::Span;
use crate::ticket::{Stored, Ticket};
use crate::writer::Writer;
use crate::{Error, Result, checkpoint};

/// How long dropping the store waits for the last write.
const DROP_TIMEOUT: Duration = Duration::from_secs(2);

/// How the store is kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its folder; the caller holds the lock of it or of a folder above.
    pub dir: PathBuf,
    /// Size at which a segment is followed by a new one.
    pub segment_bytes: u64,
    /// Most bytes that wait to be written.
    pub queue_bytes: u64,
    /// Most records that wait to be written.
    pub queue_records: usize,
    /// Time between two tries while the disk refuses.
    pub retry: Duration,
    /// How long records are kept.
    pub retention: Duration,
    /// Most bytes on disk; the oldest go first.
    pub disk_max_bytes: u64,
    /// Where writes go; tests put a failing disk here.
    pub fs: Arc<dyn Fs>,
}

impl Options {
    /// The defaults: 8 MiB segments, 16 MiB or 100,000 records waiting, 500 ms between tries, 13 months, 10 GiB.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            segment_bytes: 8 << 20,
            queue_bytes: 16 << 20,
            queue_records: 100_000,
            retry: Duration::from_millis(500),
            retention: Duration::from_hours(396 * 24),
            disk_max_bytes: 10 << 30,
            fs: Arc::new(Real),
        }
    }
}

/// What opening found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Number and state of the newest readable checkpoint; replay from the number after it.
    pub checkpoint: Option<(u64, Vec<u8>)>,
    /// Damaged places, in words; older segments are looked at by [`Store::replay`] only.
    pub damage: Vec<String>,
    /// Bytes of a half-written end that were cut off; they were never acknowledged.
    pub cut_bytes: u64,
    /// Number of the last record; 0 when there is none.
    pub last_seq: u64,
    /// Latest stamp of a record: [`Clock::not_before`] wants it.
    pub newest_observed_at: Option<Nanos>,
}

/// How a replay went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Records shown.
    pub records: u64,
    /// Intact records that this program cannot read: a newer one wrote them.
    pub unknown: u64,
    /// What could not be read.
    pub damages: Damages,
}

/// What the store's parts share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) dir: PathBuf,
    pub(crate) fs: Arc<dyn Fs>,
    pub(crate) queue: Queue,
    pub(crate) journal: Journal,
    /// Numbers of the checkpoint files, oldest first.
    pub(crate) checkpoints: Mutex<Vec<u64>>,
    /// Of segments whose note is damaged: found by reading them, once.
    spans: Mutex<BTreeMap<u64, Span>>,
    /// Of the segment being written.
    last_span: Mutex<Span>,
    /// Held by whoever removes segments, and by whoever needs them to stay.
    pub(crate) keeping: Mutex<()>,
}

/// The store. Share it by `Arc`; dropping it writes what is queued.
#[derive(Debug)]
pub struct Store {
    pub(crate) shared: Arc<Shared>,
    pub(crate) options: Options,
    too_large: Counter,
    unreadable: Counter,
}

impl Shared {
    /// The writer has written to a segment that now covers `span`.
    pub(crate) fn saw(&self, span: Span) {
        *self.last_span.lock().unwrap_or_else(PoisonError::into_inner) = span;
    }

    pub(crate) fn last_span(&self) -> Span {
        *self.last_span.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time that a sealed segment covers.
    pub(crate) fn span_of(&self, info: &SegmentInfo) -> Span {
        if let Some(note) = info.note {
            return Span::decode(note);
        }
        let known = || self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(span) = known().get(&info.seqs.start) {
            return *span;
        }
        let mut span = Span::EMPTY;
        self.journal.scan(info.seqs.clone(), &mut |_, payload| {
            span.include(payload);
            true
        });
        let mut known = known();
        known.insert(info.seqs.start, span);
        span
    }

    pub(crate) fn forget_spans_before(&self, seq: u64) {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        *spans = spans.split_off(&seq);
    }
}

impl Store {
    /// Opens or makes the store in a folder and starts its writer.
    ///
    /// # Errors
    ///
    /// [`Error::Disk`] when the folder cannot be read or written, or a newer program wrote it; never because of
    /// damage, see [`Recovery::damage`]. [`Error::Thread`].
    pub fn open(
        options: Options,
        budget: Budget,
        counters: &Counters,
        clock: Clock,
    ) -> Result<(Self, Recovery)> {
        hinomi_disk::file::create_dir(&*options.fs, &options.dir)?;
        let checkpoints = checkpoint::load(&options.dir)?;
        let floor = checkpoints.newest.as_ref().map_or(0, |newest| newest.seq);
        let mut span = Span::EMPTY;
        let opened = journal::open(
            &options.dir.join("journal"),
            journal::Options { segment_bytes: options.segment_bytes, not_below: floor.saturating_add(1) },
            Arc::clone(&options.fs),
            &mut |_, payload| span.include(payload),
        )?;
        let limits =
            Limits { bytes: options.queue_bytes, records: options.queue_records, retry: options.retry };
        let shared = Arc::new(Shared {
            dir: options.dir.clone(),
            fs: Arc::clone(&options.fs),
            queue: Queue::new(limits, budget, counters),
            journal: opened.journal,
            checkpoints: Mutex::new(checkpoints.seqs),
            spans: Mutex::default(),
            last_span: Mutex::new(span),
            keeping: Mutex::default(),
        });
        let mut damage = checkpoints.damage;
        damage.extend(opened.recovered.damages.listed.iter().map(ToString::to_string));
        damage.extend(missing_records(&shared.journal, floor));
        for place in &damage {
            tracing::warn!(%place, "damaged data");
        }
        counters.counter("records_damaged_places").set(u64::try_from(damage.len()).unwrap_or(u64::MAX));
        let recovery = Recovery {
            checkpoint: checkpoints.newest.map(|newest| (newest.seq, newest.state)),
            damage,
            cut_bytes: opened.recovered.cut_bytes,
            last_seq: shared.journal.next_seq().saturating_sub(1),
            newest_observed_at: newest_stamp(&shared),
        };
        let writer =
            Writer::new(Arc::clone(&shared), opened.writer, span, clock, options.segment_bytes, counters);
        spawn_thread("records-writer", move || writer.run()).map_err(Error::Thread)?;
        let too_large = counters.counter("records_too_large_total");
        let unreadable = counters.counter("records_unreadable_total");
        Ok((Self { shared, options, too_large, unreadable }, recovery))
    }

    /// Queues records in order. Returns at once.
    pub fn append(&self, records: Vec<Record>) -> Ticket {
        let mut refused = None;
        let mut payloads = Vec::with_capacity(records.len());
        for record in records {
            match record.encode() {
                Ok(payload) if payload.len() <= journal::PAYLOAD_BYTES_MAX => payloads.push(payload),
                Ok(payload) => refused = Some(format!("a record of {} bytes is over 1 MiB", payload.len())),
                Err(error) => refused = Some(format!("a record could not be written as JSON: {error}")),
            }
        }
        if let Some(why) = &refused {
            self.too_large.add(1);
            tracing::error!(%why, "record not stored");
        }
        match (payloads.is_empty(), refused) {
            (true, Some(why)) => Ticket::settled(Stored::Refused { why }),
            (true, None) => Ticket::settled(Stored::Ok(self.last_seq())),
            (false, refused) => self.shared.queue.push(payloads, refused),
        }
    }

    /// Number of the last record on the disk; 0 when there is none.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.shared.journal.next_seq().saturating_sub(1)
    }

    /// Keeps `state` as the state after record `seq`. Returns at once; a newer one replaces one that still waits.
    pub fn checkpoint(&self, seq: u64, state: Vec<u8>) {
        self.shared.queue.push_checkpoint(seq, state);
    }

    /// Shows all stored records from number `from_seq` on, in order. Damage is skipped and reported.
    pub fn replay(&self, from_seq: u64, show: &mut dyn FnMut(u64, Record)) -> Replayed {
        let mut replayed = Replayed::default();
        let scan = self.shared.journal.scan(from_seq..u64::MAX, &mut |seq, payload| {
            match Record::decode(payload) {
                Ok(record) => {
                    replayed.records = replayed.records.saturating_add(1);
                    show(seq, record);
                }
                Err(fault) => {
                    replayed.unknown = replayed.unknown.saturating_add(1);
                    self.note_unreadable(seq, &fault);
                }
            }
            true
        });
        replayed.damages = scan.damages;
        replayed
    }

    pub(crate) fn note_unreadable(&self, seq: u64, fault: &Fault) {
        self.unreadable.add(1);
        match fault {
            Fault::Unknown => tracing::debug!(seq, "record of a newer version skipped"),
            Fault::Bad(error) => tracing::debug!(seq, %error, "record that cannot be read skipped"),
        }
    }

    /// How the disk is.
    #[must_use]
    pub fn health(&self) -> Health {
        self.shared.queue.health()
    }

    /// Writes what is queued, with one last try if the disk refuses, and ends the writer; later appends are refused.
    /// Returns false when that took longer than `timeout`.
    pub fn close(&self, timeout: Duration) -> bool {
        self.shared.queue.stop(timeout)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if !self.close(DROP_TIMEOUT) {
            tracing::warn!("the disk does not answer; records that wait to be written are lost");
        }
    }
}

/// Records after the checkpoint that no segment holds any more.
fn missing_records(journal: &Journal, floor: u64) -> Option<String> {
    let first = journal.segments().first().map_or_else(|| journal.next_seq(), |info| info.seqs.start);
    let wanted = floor.saturating_add(1);
    (first > wanted)
        .then(|| format!("records {wanted} to {} are missing from the journal", first.saturating_sub(1)))
}

fn newest_stamp(shared: &Shared) -> Option<Nanos> {
    let infos = shared.journal.segments();
    let sealed = infos.split_last().map_or(&[][..], |(_, sealed)| sealed);
    let spans = sealed.iter().map(|info| shared.span_of(info)).chain([shared.last_span()]);
    spans.filter(|span| *span != Span::EMPTY).map(|span| span.max).max()
}
