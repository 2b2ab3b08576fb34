//! The log of what was appended: records wait together, one of the waiting callers writes and syncs them all.

mod lazy;
mod record;

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use hinomi_disk::fs::Fs;
use hinomi_disk::journal::{self, Journal};

use crate::bytes::as_u64;
use crate::{Durability, Error, Result};

pub(crate) use lazy::Lazy;
pub(crate) use record::{
    DeleteRecord, Encoder, Entries, ExemplarEntry, MetadataEntry, Record, SampleEntry, SeriesEntry, decode,
    epoch, put_metadata, take_metadata,
};

/// Size at which a file of the log is followed by a new one.
const SEGMENT_BYTES: u64 = 8 << 20;
/// Most bytes that wait for a disk that refuses; beyond, appends are refused before they change anything.
pub(crate) const BACKLOG_BYTES_MAX: u64 = 32 << 20;

#[derive(Debug)]
struct State {
    /// Records in the order of their numbers, the last one being `next - 1`.
    pending: Vec<Vec<u8>>,
    pending_bytes: u64,
    /// Number that the next record gets.
    next: u64,
    /// Every record below this number is as durable as was asked for.
    durable: u64,
    /// What is written next begins a file.
    fresh: bool,
    /// `None` while somebody writes.
    writer: Option<journal::Writer>,
    last_error: Option<String>,
    poisoned: Option<String>,
}

/// The log.
#[derive(Debug)]
pub(crate) struct Wal {
    state: Mutex<State>,
    changed: Condvar,
    journal: Journal,
    lazy: Option<Lazy>,
}

/// What opening found.
#[derive(Debug)]
pub(crate) struct OpenedWal {
    pub(crate) wal: Wal,
    pub(crate) cut_bytes: u64,
    pub(crate) damage: Vec<String>,
}

impl Wal {
    pub(crate) fn open(
        dir: &Path,
        fs: Arc<dyn Fs>,
        durability: Durability,
        not_below: u64,
    ) -> Result<OpenedWal> {
        let lazy = (durability != Durability::Fsync).then(|| Lazy::new(Arc::clone(&fs)));
        let files: Arc<dyn Fs> = match &lazy {
            Some(lazy) => Arc::new(lazy.clone()),
            None => fs,
        };
        let options = journal::Options { segment_bytes: SEGMENT_BYTES, not_below };
        let opened = journal::open(dir, options, files, &mut |_, _| {})?;
        let next = opened.writer.next_seq();
        let state = State {
            pending: Vec::new(),
            pending_bytes: 0,
            next,
            durable: next,
            fresh: false,
            writer: Some(opened.writer),
            last_error: None,
            poisoned: None,
        };
        let wal = Self { state: Mutex::new(state), changed: Condvar::new(), journal: opened.journal, lazy };
        let damage = opened.recovered.damages.listed.iter().map(ToString::to_string).collect();
        Ok(OpenedWal { wal, cut_bytes: opened.recovered.cut_bytes, damage })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows every stored record in order. Returns damaged places, in words.
    pub(crate) fn replay(&self, visit: &mut dyn FnMut(u64, &[u8])) -> Vec<String> {
        let scan = self.journal.scan(0..u64::MAX, &mut |number, payload| {
            visit(number, payload);
            true
        });
        scan.damages.listed.iter().map(ToString::to_string).collect()
    }

    /// Whether there is room for more.
    ///
    /// # Errors
    ///
    /// [`Error::Poisoned`], [`Error::Backlog`].
    pub(crate) fn admit(&self) -> Result<()> {
        let state = self.lock();
        if let Some(why) = &state.poisoned {
            return Err(Error::Poisoned { why: why.clone() });
        }
        if state.pending_bytes <= BACKLOG_BYTES_MAX {
            return Ok(());
        }
        let last = state.next.saturating_sub(1);
        drop(state);
        // Perhaps the disk takes it by now.
        self.commit(last).map_err(|error| match error {
            Error::Poisoned { .. } => error,
            other => Error::Backlog { waiting_bytes: self.lock().pending_bytes, why: other.to_string() },
        })
    }

    /// Queues records in order; returns the number of the last one, or of the one before if there is none.
    pub(crate) fn push(&self, records: Vec<Vec<u8>>) -> u64 {
        let mut state = self.lock();
        state.next = state.next.saturating_add(as_u64(records.len()));
        for record in records {
            state.pending_bytes = state.pending_bytes.saturating_add(as_u64(record.len()));
            state.pending.push(record);
        }
        state.next.saturating_sub(1)
    }

    /// Lets what is written next begin a file, so that all before it can be removed.
    pub(crate) fn begin_file(&self) {
        self.lock().fresh = true;
    }

    /// Number that the next record gets.
    pub(crate) fn next(&self) -> u64 {
        self.lock().next
    }

    /// Returns when record `number` and all before it are durable: written by this caller together with everything
    /// that waits, or by another one.
    ///
    /// # Errors
    ///
    /// The disk refuses. The records stay queued, and the next call tries them again.
    pub(crate) fn commit(&self, number: u64) -> Result<()> {
        let mut state = self.lock();
        loop {
            if state.durable > number {
                return Ok(());
            }
            if let Some(why) = &state.poisoned {
                return Err(Error::Poisoned { why: why.clone() });
            }
            let Some(mut writer) = state.writer.take() else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let records = std::mem::take(&mut state.pending);
            if std::mem::take(&mut state.fresh) {
                writer.begin_segment();
            }
            drop(state);
            let written = writer.append(&records);
            state = self.lock();
            state.writer = Some(writer);
            self.changed.notify_all();
            match written {
                Ok(appended) => {
                    state.durable = appended.seqs.end;
                    state.last_error = None;
                    let bytes =
                        records.iter().fold(0, |sum: u64, record| sum.saturating_add(as_u64(record.len())));
                    state.pending_bytes = state.pending_bytes.saturating_sub(bytes);
                }
                Err(error) => {
                    let newer = std::mem::replace(&mut state.pending, records);
                    state.pending.extend(newer);
                    state.last_error = Some(error.to_string());
                    return Err(error.into());
                }
            }
        }
    }

    /// Syncs what was written without a sync. After a failure nothing more is taken: what others were told is stored
    /// may be gone.
    ///
    /// # Errors
    ///
    /// [`Error::Poisoned`].
    pub(crate) fn sync(&self) -> Result<()> {
        let Some(lazy) = &self.lazy else { return Ok(()) };
        lazy.sync().map_err(|error| {
            let why = error.to_string();
            self.lock().poisoned = Some(why.clone());
            self.changed.notify_all();
            Error::Poisoned { why }
        })
    }

    /// What the disk said last, if it refuses.
    pub(crate) fn last_error(&self) -> Option<String> {
        let state = self.lock();
        state.poisoned.clone().or_else(|| state.last_error.clone())
    }

    /// Removes files that hold only records below `number`.
    pub(crate) fn remove_before(&self, number: u64) -> Result<()> {
        self.journal.remove_before(number)?;
        Ok(())
    }

    /// Number of the first record that is still in a file.
    pub(crate) fn first(&self) -> u64 {
        self.journal.segments().first().map_or_else(|| self.next(), |segment| segment.seqs.start)
    }

    /// Bytes on disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.journal.segments().iter().fold(0, |sum, segment| sum.saturating_add(segment.bytes))
    }
}
