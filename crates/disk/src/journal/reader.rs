//! Scanning and removing, while the writer goes on.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::damage::{Damage, Damages};
use super::frame::HEADER_END;
use super::segment::{Part, scan_part};
use crate::copy::{copy_first, link_or_copy};
use crate::file::create_dir;
use crate::fs::Fs;
use crate::{Error, Result};

/// What is known about a segment.
#[derive(Clone, Debug)]
pub(super) struct Meta {
    pub(super) first_seq: u64,
    pub(super) path: PathBuf,
    /// Acknowledged bytes.
    pub(super) bytes: u64,
    /// The application's note about it; `None` for the last one and where the successor's header is damaged.
    pub(super) note: Option<[u8; 16]>,
}

#[derive(Debug)]
struct State {
    segments: Vec<Meta>,
    next_seq: u64,
}

/// What the writer and the readers share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) dir: PathBuf,
    pub(super) fs: Arc<dyn Fs>,
    state: Mutex<State>,
}

impl Shared {
    pub(super) fn new(dir: PathBuf, fs: Arc<dyn Fs>, segments: Vec<Meta>, next_seq: u64) -> Self {
        Self { dir, fs, state: Mutex::new(State { segments, next_seq }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The writer acknowledged everything before `next_seq`; the last segment has `bytes`.
    pub(super) fn publish(&self, bytes: u64, next_seq: u64) {
        let mut state = self.state();
        state.next_seq = next_seq;
        if let Some(last) = state.segments.last_mut() {
            last.bytes = bytes;
        }
    }

    /// The writer began a segment; `note` is about the one before.
    pub(super) fn started(&self, first_seq: u64, path: PathBuf, note: [u8; 16]) {
        let mut state = self.state();
        state.segments.retain(|meta| meta.first_seq < first_seq);
        if let Some(last) = state.segments.last_mut() {
            last.note = Some(note);
        }
        state.segments.push(Meta { first_seq, path, bytes: HEADER_END, note: None });
    }

    /// The segment that began at `first_seq` is gone; it held nothing.
    pub(super) fn forget(&self, first_seq: u64) {
        self.state().segments.retain(|meta| meta.first_seq < first_seq);
    }
}

/// Scans and removes; cheap to clone.
#[derive(Clone, Debug)]
pub struct Journal(Arc<Shared>);

/// One segment, as a user sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Numbers of its frames.
    pub seqs: Range<u64>,
    /// Its acknowledged bytes.
    pub bytes: u64,
    /// The note about it, see [`super::Writer::set_note`]; `None` for the last segment, or when it was damaged.
    pub note: Option<[u8; 16]>,
}

/// How a scan ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// The visitor wanted no more.
    pub stopped: bool,
    /// What could not be read.
    pub damages: Damages,
}

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Number of segments.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Journal {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// Number that the next frame gets.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.0.state().next_seq
    }

    /// All segments, oldest first.
    #[must_use]
    pub fn segments(&self) -> Vec<SegmentInfo> {
        let state = self.0.state();
        let ends = state.segments.iter().skip(1).map(|meta| meta.first_seq).chain([state.next_seq]);
        let info = |(meta, end): (&Meta, u64)| SegmentInfo {
            seqs: meta.first_seq..end.max(meta.first_seq),
            bytes: meta.bytes,
            note: meta.note,
        };
        state.segments.iter().zip(ends).map(info).collect()
    }

    /// Shows the acknowledged frames with the numbers `seqs` to `visit`, in order, until that says stop (`false`).
    /// Sees what was acknowledged before the call, and needs memory for one frame only.
    pub fn scan(&self, seqs: Range<u64>, visit: &mut dyn FnMut(u64, &[u8]) -> bool) -> Scan {
        let mut scan = Scan::default();
        for part in self.parts(&seqs) {
            let mut unwanted = false;
            let mut wanted = |seq, payload: &[u8]| {
                if seq >= seqs.end {
                    return false;
                }
                unwanted = seq >= seqs.start && !visit(seq, payload);
                !unwanted
            };
            match scan_part(&part, &mut scan.damages, &mut wanted) {
                Ok(()) => {}
                // Removed since the scan began: nothing is lost that was to be kept.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound && !self.has(part.seqs.start) => {}
                Err(error) => {
                    let reason = format!("could not open it: {error}");
                    scan.damages.push(Damage {
                        path: part.path,
                        offset: 0,
                        bytes: 0,
                        lost: part.seqs,
                        reason,
                    });
                }
            }
            if unwanted {
                scan.stopped = true;
                break;
            }
        }
        scan
    }

    /// Makes the folder `to` and in it a copy of what was acknowledged before the call, while the writer goes on.
    /// Returns the bytes that were written for it: segments that are complete are linked where the system allows that.
    /// Whoever removes segments meanwhile may leave a copy that begins later.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; part of a copy may then be there.
    pub fn copy_to(&self, to: &Path) -> Result<u64> {
        let fs = &*self.0.fs;
        create_dir(fs, to)?;
        let parts = self.parts(&(0..u64::MAX));
        let mut written = 0_u64;
        for (at, part) in parts.iter().enumerate() {
            let target = to.join(part.path.file_name().unwrap_or_default());
            let copied = if at.saturating_add(1) < parts.len() {
                let copied = link_or_copy(fs, &part.path, &target);
                copied.map(|copied| if copied { part.bytes } else { 0 })
            } else {
                // Of the one that is written to, what is acknowledged: the rest may be half of a frame.
                copy_first(fs, &part.path, &target, part.bytes)
            };
            match copied {
                Ok(bytes) => written = written.saturating_add(bytes),
                Err(Error::Io { source, .. })
                    if source.kind() == std::io::ErrorKind::NotFound && !self.has(part.seqs.start) => {}
                Err(error) => return Err(error),
            }
        }
        fs.sync_dir(to).map_err(Error::io("sync the folder", to))?;
        Ok(written)
    }

    fn has(&self, first_seq: u64) -> bool {
        self.0.state().segments.iter().any(|meta| meta.first_seq == first_seq)
    }

    fn parts(&self, seqs: &Range<u64>) -> Vec<Part> {
        let state = self.0.state();
        let ends = state.segments.iter().skip(1).map(|meta| meta.first_seq).chain([state.next_seq]);
        let part = |(meta, end): (&Meta, u64)| Part {
            path: meta.path.clone(),
            seqs: meta.first_seq..end,
            bytes: meta.bytes,
        };
        let overlaps = |part: &Part| part.seqs.start < seqs.end && part.seqs.end > seqs.start;
        state.segments.iter().zip(ends).map(part).filter(overlaps).collect()
    }

    /// Removes the segments all of whose frames come before `seq`; never the last one (J6).
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; the segments that could not be removed are still there, and a later call tries again.
    pub fn remove_before(&self, seq: u64) -> Result<Removed> {
        let mut removed = Removed::default();
        loop {
            // Off the list first, so that no scan that begins now looks for the file.
            let oldest = {
                let mut state = self.0.state();
                match state.segments.as_slice() {
                    [_, next, ..] if next.first_seq <= seq => state.segments.remove(0),
                    _ => break,
                }
            };
            match self.0.fs.remove(&oldest.path) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    let path = oldest.path.clone();
                    self.0.state().segments.insert(0, oldest);
                    return Err(Error::io("remove", &path)(error));
                }
            }
            removed.segments = removed.segments.saturating_add(1);
            removed.bytes = removed.bytes.saturating_add(oldest.bytes);
        }
        if removed.segments > 0 {
            self.0.fs.sync_dir(&self.0.dir).map_err(Error::io("sync the folder", &self.0.dir))?;
        }
        Ok(removed)
    }
}
