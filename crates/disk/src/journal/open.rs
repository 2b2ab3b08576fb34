//! Opening a journal: find the segments, read the last one, cut what a crash left half written.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::damage::{Damage, Damages};
use super::frame::{FORMAT_VERSION, HEADER_BYTES, HEADER_END, HeaderFault};
use super::reader::{Journal, Meta, Shared};
use super::segment::{Cursor, Step, read_header};
use super::writer::{Active, Writer};
use super::{Options, as_u64, parse_segment_name, segment_path};
use crate::file::{create_dir, names_in};
use crate::fs::Fs;
use crate::{Error, Result};

/// What opening found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Bytes of a half-written end that were cut off. They were never acknowledged.
    pub cut_bytes: u64,
    /// Damage in headers and in the last segment; that of older segments is found by [`Journal::scan`].
    pub damages: Damages,
}

/// An open journal.
#[derive(Debug)]
pub struct Opened {
    /// Appends.
    pub writer: Writer,
    /// Scans and removes.
    pub journal: Journal,
    /// What opening found.
    pub recovered: Recovered,
}

/// Opens the journal in `dir`, making the folder if need be. Shows the frames of the last segment to `visit`, so that
/// the caller can make its note about it (see [`Writer::set_note`]).
///
/// The caller holds the folder's lock.
///
/// # Errors
///
/// [`Error::Io`]; [`Error::Version`] when a newer program wrote a segment. Never because of damage.
pub fn open(
    dir: &Path,
    options: Options,
    fs: Arc<dyn Fs>,
    visit: &mut dyn FnMut(u64, &[u8]),
) -> Result<Opened> {
    create_dir(&*fs, dir)?;
    let mut recovered = Recovered::default();
    let mut segments = list(dir, &mut recovered.damages)?;
    let mut next_seq = options.not_below.max(1);
    let mut active = None;
    if let Some(last) = segments.pop() {
        let end = finish_last(&last, &*fs, &mut recovered, visit)?;
        next_seq = next_seq.max(end.next_seq);
        if end.keep {
            let file = fs.open(&last.path).map_err(Error::io("open", &last.path))?;
            let writable = end.next_seq == next_seq;
            active = writable.then(|| Active { file, path: last.path.clone(), len: end.len });
            segments.push(Meta { bytes: end.len, note: None, ..last });
        } else if let Some(previous) = segments.last_mut() {
            // Its successor is gone, and with it the note: make it anew, and let the next append start a segment.
            previous.note = None;
            let mut cursor = Cursor::open(&previous.path, previous.first_seq..next_seq, previous.bytes)
                .map_err(Error::io("open", &previous.path))?;
            while let Ok(step) = cursor.next() {
                match step {
                    Step::Frame { seq } => visit(seq, cursor.payload()),
                    Step::Hole { .. } => {}
                    Step::BadTail { .. } | Step::End => break,
                }
            }
        }
    }
    fs.sync_dir(dir).map_err(Error::io("sync the folder", dir))?;
    let shared = Arc::new(Shared::new(dir.to_owned(), fs, segments, next_seq));
    let writer = Writer::new(Arc::clone(&shared), options, active, next_seq);
    Ok(Opened { writer, journal: Journal::new(shared), recovered })
}

/// Segments by first number, each with the note that its successor's header carries.
fn list(dir: &Path, damages: &mut Damages) -> Result<Vec<Meta>> {
    let mut segments: Vec<Meta> = Vec::new();
    for first_seq in names_in(dir)?.iter().filter_map(|name| parse_segment_name(name)) {
        let path = segment_path(dir, first_seq);
        let bytes = std::fs::metadata(&path).map_err(Error::io("look at", &path))?.len();
        let note = match read_header(&path).map_err(Error::io("read", &path))? {
            Ok(header) if header.first_seq == first_seq => Some(header.note),
            Err(HeaderFault::Version(found)) => {
                return Err(Error::Version { path, found, known: FORMAT_VERSION });
            }
            Ok(_) | Err(HeaderFault::Damaged) => None,
        };
        if note.is_none() && bytes > HEADER_END {
            damages.push(bad_header(path.clone()));
        }
        if let Some(previous) = segments.last_mut() {
            previous.note = note;
        }
        segments.push(Meta { first_seq, path, bytes, note: None });
    }
    Ok(segments)
}

fn bad_header(path: PathBuf) -> Damage {
    let reason = "the segment's header is damaged".to_owned();
    Damage { path, offset: 0, bytes: as_u64(HEADER_BYTES), lost: 0..0, reason }
}

/// How the last segment ends.
struct End {
    next_seq: u64,
    len: u64,
    /// False: it held nothing and was removed.
    keep: bool,
}

/// Reads the last segment to its last intact frame, cuts what follows, and syncs what it keeps: a frame that a crash
/// left in the page cache only must be on the disk before anyone builds on it.
fn finish_last(
    last: &Meta,
    fs: &dyn Fs,
    recovered: &mut Recovered,
    visit: &mut dyn FnMut(u64, &[u8]),
) -> Result<End> {
    let path = &last.path;
    let mut cursor =
        Cursor::open(path, last.first_seq..u64::MAX, u64::MAX).map_err(Error::io("open", path))?;
    let mut len = HEADER_END;
    loop {
        match cursor.next().map_err(Error::io("read", path))? {
            Step::Frame { seq } => {
                visit(seq, cursor.payload());
                len = cursor.offset();
            }
            Step::Hole { offset, bytes, lost } => {
                let reason = "checksum does not match".to_owned();
                recovered.damages.push(Damage { path: path.clone(), offset, bytes, lost, reason });
            }
            Step::BadTail { .. } | Step::End => break,
        }
    }
    let next_seq = cursor.expected();
    let header_is_good = matches!(read_header(path).map_err(Error::io("read", path))?, Ok(header) if header.first_seq == last.first_seq);
    if len == HEADER_END && !header_is_good {
        fs.remove(path).map_err(Error::io("remove", path))?;
        recovered.cut_bytes = last.bytes;
        return Ok(End { next_seq, len: 0, keep: false });
    }
    let mut file = fs.open(path).map_err(Error::io("open", path))?;
    recovered.cut_bytes = last.bytes.saturating_sub(len);
    if recovered.cut_bytes > 0 {
        file.truncate(len).map_err(Error::io("cut the half-written end of", path))?;
    }
    file.sync().map_err(Error::io("sync", path))?;
    Ok(End { next_seq, len, keep: true })
}
