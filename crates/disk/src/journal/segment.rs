//! Reading one segment, frame by frame, around damage.
//!
//! Memory: one window of at most the longest frame. A frame is accepted only when its checksum matches, its number is
//! the expected one and, after damage, when the skipped bytes could have held the skipped numbers. So text inside a
//! payload that looks like a frame is not taken for one.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::frame::{self, HEAD_BYTES, HEADER_BYTES, HEADER_END, Head, Header, HeaderFault};
use super::{Damage, Damages, as_u64};

const WINDOW_BYTES: usize = 256 << 10;

/// What comes next in a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// An intact frame; [`Cursor::payload`] has its bytes.
    Frame { seq: u64 },
    /// Bytes that are no frame; an intact one follows.
    Hole { offset: u64, bytes: u64, lost: Range<u64> },
    /// Bytes that are no frame, to the end of the file.
    BadTail { offset: u64, bytes: u64 },
    /// Everything was read.
    End,
}

#[derive(Debug)]
pub(super) struct Cursor {
    file: File,
    /// Bytes of the file that may be read.
    end: u64,
    offset: u64,
    expected: u64,
    /// Frames from this number on belong to the next segment (J3).
    limit: u64,
    window: Vec<u8>,
    window_at: u64,
    payload: Range<usize>,
}

/// Reads a segment's header.
pub(super) fn read_header(path: &Path) -> io::Result<Result<Header, HeaderFault>> {
    let mut bytes = [0; HEADER_BYTES];
    match File::open(path)?.read_exact_at(&mut bytes, 0) {
        Ok(()) => Ok(frame::decode_header(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Err(HeaderFault::Damaged)),
        Err(error) => Err(error),
    }
}

impl Cursor {
    /// At the first frame of the segment `path`, whose frames have the numbers in `seqs`. Reads at most `bytes`.
    pub(super) fn open(path: &Path, seqs: Range<u64>, bytes: u64) -> io::Result<Self> {
        let file = File::open(path)?;
        let end = file.metadata()?.len().min(bytes);
        Ok(Self {
            file,
            end,
            offset: HEADER_END,
            expected: seqs.start,
            limit: seqs.end,
            window: Vec::new(),
            window_at: 0,
            payload: 0..0,
        })
    }

    /// Number that the next frame should have.
    pub(super) fn expected(&self) -> u64 {
        self.expected
    }

    /// Where the next frame begins.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Payload of the frame that [`Self::next`] just told of.
    pub(super) fn payload(&self) -> &[u8] {
        self.window.get(self.payload.clone()).unwrap_or_default()
    }

    pub(super) fn next(&mut self) -> io::Result<Step> {
        if self.expected >= self.limit || self.offset >= self.end {
            return Ok(Step::End);
        }
        if let Some(head) = self.frame_at(self.offset)? {
            return Ok(self.accept(head));
        }
        self.skip_hole()
    }

    fn accept(&mut self, head: Head) -> Step {
        let begin = usize::try_from(self.offset.saturating_sub(self.window_at)).unwrap_or(usize::MAX);
        let payload = begin.saturating_add(HEAD_BYTES);
        self.payload = payload..payload.saturating_add(head.payload_bytes);
        self.offset = self.offset.saturating_add(as_u64(HEAD_BYTES.saturating_add(head.payload_bytes)));
        self.expected = head.seq.saturating_add(1);
        Step::Frame { seq: head.seq }
    }

    fn skip_hole(&mut self) -> io::Result<Step> {
        let begin = self.offset;
        for at in begin.saturating_add(1)..self.end {
            if let Some(head) = self.frame_at(at)? {
                let lost = self.expected..head.seq;
                (self.offset, self.expected) = (at, head.seq);
                return Ok(Step::Hole { offset: begin, bytes: at.saturating_sub(begin), lost });
            }
        }
        self.offset = self.end;
        Ok(Step::BadTail { offset: begin, bytes: self.end.saturating_sub(begin) })
    }

    /// The intact frame at `at`, if there is one that can stand there.
    fn frame_at(&mut self, at: u64) -> io::Result<Option<Head>> {
        let Some(head) = self.bytes(at, HEAD_BYTES)?.and_then(|bytes| bytes.first_chunk()) else {
            return Ok(None);
        };
        let Some(head) = frame::decode_head(head) else { return Ok(None) };
        let skipped_max = at.saturating_sub(self.offset) / as_u64(HEAD_BYTES);
        let skipped = head.seq.checked_sub(self.expected);
        if head.seq >= self.limit || skipped.is_none_or(|skipped| skipped > skipped_max) {
            return Ok(None);
        }
        let whole = self.bytes(at, HEAD_BYTES.saturating_add(head.payload_bytes))?;
        Ok(whole.filter(|bytes| frame::is_intact(head, bytes)).map(|_| head))
    }

    /// `len` bytes at `at`; `None` when the file ends before.
    fn bytes(&mut self, at: u64, len: usize) -> io::Result<Option<&[u8]>> {
        if self.end.saturating_sub(at) < as_u64(len) {
            return Ok(None);
        }
        let window_end = self.window_at.saturating_add(as_u64(self.window.len()));
        if at < self.window_at || at.saturating_add(as_u64(len)) > window_end {
            let rest = usize::try_from(self.end.saturating_sub(at)).unwrap_or(usize::MAX);
            self.window.resize(len.max(WINDOW_BYTES).min(rest), 0);
            self.window_at = at;
            if let Err(error) = self.file.read_exact_at(&mut self.window, at) {
                self.window.clear();
                return Err(error);
            }
        }
        let begin = usize::try_from(at.saturating_sub(self.window_at)).unwrap_or(usize::MAX);
        Ok(self.window.get(begin..begin.saturating_add(len)))
    }
}

/// One segment to pass over.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) path: PathBuf,
    /// Numbers of its frames.
    pub(super) seqs: Range<u64>,
    /// Bytes that may be read.
    pub(super) bytes: u64,
}

/// Shows every intact frame of a segment to `visit` until that says stop (`false`), and notes what is damaged.
pub(super) fn scan_part(
    part: &Part,
    damages: &mut Damages,
    visit: &mut dyn FnMut(u64, &[u8]) -> bool,
) -> io::Result<()> {
    let mut cursor = Cursor::open(&part.path, part.seqs.clone(), part.bytes)?;
    let damage = |offset, bytes, lost, reason: &str| Damage {
        path: part.path.clone(),
        offset,
        bytes,
        lost,
        reason: reason.to_owned(),
    };
    loop {
        match cursor.next() {
            Ok(Step::Frame { seq }) => {
                if !visit(seq, cursor.payload()) {
                    return Ok(());
                }
            }
            Ok(Step::Hole { offset, bytes, lost }) => {
                damages.push(damage(offset, bytes, lost, "checksum does not match"));
            }
            Ok(Step::BadTail { offset, bytes }) => {
                let lost = cursor.expected()..part.seqs.end;
                damages.push(damage(offset, bytes, lost, "checksum does not match, to the end of the file"));
                return Ok(());
            }
            Ok(Step::End) => {
                if cursor.expected() < part.seqs.end {
                    let lost = cursor.expected()..part.seqs.end;
                    damages.push(damage(cursor.offset(), 0, lost, "the file ends too early"));
                }
                return Ok(());
            }
            Err(error) => {
                let lost = cursor.expected()..part.seqs.end;
                damages.push(damage(cursor.offset(), 0, lost, &format!("could not read on: {error}")));
                return Ok(());
            }
        }
    }
}
