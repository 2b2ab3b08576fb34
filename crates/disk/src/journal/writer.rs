//! Appending: one write and one sync for a group of frames.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::frame::{self, HEADER_END, Header};
use super::reader::Shared;
use super::{Options, PAYLOAD_BYTES_MAX, segment_path};
use crate::fs::{WriteFile, write_all_at};
use crate::{Error, Result};

/// The encoding buffer keeps at most this much between appends.
const BUFFER_KEPT_BYTES: usize = 1 << 20;

/// The segment being written.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) file: Box<dyn WriteFile>,
    pub(super) path: PathBuf,
    /// Synced length; the next frame goes here.
    pub(super) len: u64,
}

/// Appends to a journal. There is one per journal.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    options: Options,
    active: Option<Active>,
    next_seq: u64,
    note: [u8; 16],
    buffer: Vec<u8>,
    /// The next append begins a segment.
    fresh: bool,
}

/// What was appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Numbers of the payloads, in order.
    pub seqs: Range<u64>,
    /// They are the first of a new segment: the note must begin anew with them.
    pub new_segment: bool,
}

/// Why a group is not on the disk.
enum Fault {
    /// The file is as it was before.
    Write(Error),
    /// Nothing is known about the file beyond its synced length (J4).
    Sync(Error),
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, options: Options, active: Option<Active>, next_seq: u64) -> Self {
        Self { shared, options, active, next_seq, note: [0; 16], buffer: Vec::new(), fresh: false }
    }

    /// Number that the next payload gets.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Sets the 16 bytes that describe all frames of the segment being written. The header of the next segment
    /// carries them; [`super::SegmentInfo::note`] gives them back.
    pub fn set_note(&mut self, note: [u8; 16]) {
        self.note = note;
    }

    /// Lets the next append begin a segment, so that everything before it can be removed.
    pub fn begin_segment(&mut self) {
        self.fresh = true;
    }

    /// Appends all payloads or none, and syncs. After an error the same call may simply be made again: it succeeds
    /// as soon as the disk works.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] for a payload over [`PAYLOAD_BYTES_MAX`]; [`Error::Io`] when the disk refuses.
    pub fn append(&mut self, payloads: &[impl AsRef<[u8]>]) -> Result<Appended> {
        let last = self.encode(payloads)?;
        let first = self.next_seq;
        if first == last {
            return Ok(Appended { seqs: first..last, new_segment: false });
        }
        let full = self.active.as_ref().is_none_or(|active| {
            active.len > HEADER_END && (self.fresh || active.len >= self.options.segment_bytes)
        });
        let mut new_segment = full;
        if full {
            self.start_segment()?;
        }
        match self.write() {
            Ok(()) => {}
            Err(Fault::Write(error)) => return Err(error),
            Err(Fault::Sync(error)) => {
                tracing::warn!(%error, "sync failed; writing the same records to a new segment");
                new_segment = true;
                self.start_segment()?;
                self.write().map_err(|fault| match fault {
                    Fault::Write(error) | Fault::Sync(error) => error,
                })?;
            }
        }
        self.fresh = false;
        self.next_seq = last;
        self.shared.publish(self.active.as_ref().map_or(0, |active| active.len), last);
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_KEPT_BYTES);
        Ok(Appended { seqs: first..last, new_segment })
    }

    /// Fills the buffer with frames; returns the number after the last.
    fn encode(&mut self, payloads: &[impl AsRef<[u8]>]) -> Result<u64> {
        self.buffer.clear();
        let mut seq = self.next_seq;
        for payload in payloads {
            let payload = payload.as_ref();
            if payload.len() > PAYLOAD_BYTES_MAX {
                return Err(Error::TooLarge { bytes: payload.len(), limit: PAYLOAD_BYTES_MAX });
            }
            frame::encode_frame(&mut self.buffer, seq, payload);
            seq = seq.saturating_add(1);
        }
        Ok(seq)
    }

    /// Writes the buffer to the active segment and syncs it. After any fault the file is cut back to what was synced,
    /// or no longer used where that fails.
    fn write(&mut self) -> std::result::Result<(), Fault> {
        let Some(mut active) = self.active.take() else {
            return Err(Fault::Write(no_segment(&self.shared.dir)));
        };
        if let Err(source) = write_all_at(&mut *active.file, &self.buffer, active.len) {
            let error = Error::io("write to", &active.path)(source);
            if active.file.truncate(active.len).is_ok() {
                self.active = Some(active);
            }
            return Err(Fault::Write(error));
        }
        if let Err(source) = active.file.sync() {
            let error = Error::io("sync", &active.path)(source);
            // Best effort: what stays beyond the synced length lies behind the next segment's begin (J3).
            let _cut = active.file.truncate(active.len);
            return Err(Fault::Sync(error));
        }
        active.len = active.len.saturating_add(super::as_u64(self.buffer.len()));
        self.active = Some(active);
        Ok(())
    }

    /// Makes a new segment the active one.
    fn start_segment(&mut self) -> Result<()> {
        let path = segment_path(&self.shared.dir, self.next_seq);
        // A file of that name holds no acknowledged frame: those have smaller numbers. It is the leftover of a
        // failed start, or a segment whose very first sync failed.
        self.active = None;
        match self.shared.fs.remove(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("remove", &path)(error)),
        }
        let file = match self.create_segment(&path) {
            Ok(file) => file,
            Err(error) => {
                let _best_effort = self.shared.fs.remove(&path);
                self.shared.forget(self.next_seq);
                return Err(error);
            }
        };
        self.shared.started(self.next_seq, path.clone(), self.note);
        self.active = Some(Active { file, path, len: HEADER_END });
        Ok(())
    }

    fn create_segment(&self, path: &std::path::Path) -> Result<Box<dyn WriteFile>> {
        let fs = &*self.shared.fs;
        let header = frame::encode_header(Header { first_seq: self.next_seq, note: self.note });
        let mut file = fs.create(path).map_err(Error::io("create", path))?;
        write_all_at(&mut *file, &header, 0).map_err(Error::io("write to", path))?;
        file.sync().map_err(Error::io("sync", path))?;
        let dir = &self.shared.dir;
        fs.sync_dir(dir).map_err(Error::io("sync the folder", dir))?;
        Ok(file)
    }
}

fn no_segment(dir: &std::path::Path) -> Error {
    let source = std::io::Error::other("no segment is open");
    Error::io("write to", dir)(source)
}
