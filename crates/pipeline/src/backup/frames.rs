//! The outer form of an archive: zstd frames, each with its checksum, and a checksum of them all.
//!
//! The last frame is one that decompressors skip: it holds the length of all before it and their SHA-256. So `zstd -d`
//! reads an archive, and no byte of it can change unseen.

use std::io::{self, Read, Write};

use ring::digest::{Context, SHA256};

/// Bytes of the last frame.
const TRAILER_BYTES: usize = 56;
/// Begin of a frame to skip, and the number of the bytes that follow.
const SKIP: [u8; 8] = [0x5e, 0x2a, 0x4d, 0x18, 48, 0, 0, 0];
const MAGIC: [u8; 8] = *b"HNMBKUP1";
/// Bytes that are compressed as one.
const PIECE_BYTES: usize = 1 << 20;
/// Fast: a backup takes little from those who ask and write.
const LEVEL: i32 = 1;

fn as_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

fn trailer(bytes: u64, sum: Context) -> Vec<u8> {
    let mut trailer = Vec::with_capacity(TRAILER_BYTES);
    trailer.extend_from_slice(&SKIP);
    trailer.extend_from_slice(&MAGIC);
    trailer.extend_from_slice(&bytes.to_le_bytes());
    trailer.extend_from_slice(sum.finish().as_ref());
    trailer
}

/// Compresses what is written to it, piece by piece.
pub(super) struct Frames<W> {
    out: W,
    compressor: zstd::bulk::Compressor<'static>,
    piece: Vec<u8>,
    sum: Context,
    written: u64,
}

impl<W: Write> Frames<W> {
    pub(super) fn new(out: W) -> io::Result<Self> {
        let mut compressor = zstd::bulk::Compressor::new(LEVEL)?;
        compressor.include_checksum(true)?;
        let piece = Vec::with_capacity(PIECE_BYTES);
        Ok(Self { out, compressor, piece, sum: Context::new(&SHA256), written: 0 })
    }

    fn compress(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let frame = self.compressor.compress(&self.piece)?;
        self.piece.clear();
        self.sum.update(&frame);
        self.written = self.written.saturating_add(as_u64(frame.len()));
        self.out.write_all(&frame)
    }

    /// Ends the archive and returns its length, bytes.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        self.compress()?;
        let trailer = trailer(self.written, self.sum);
        self.out.write_all(&trailer)?;
        self.out.flush()?;
        Ok(self.written.saturating_add(as_u64(trailer.len())))
    }
}

impl<W: Write> Write for Frames<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = PIECE_BYTES.saturating_sub(self.piece.len());
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.piece.extend_from_slice(taken);
        if self.piece.len() >= PIECE_BYTES {
            self.compress()?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Checks the outer form of an archive as its bytes come: whether it is whole, not what is in it.
pub struct Sum {
    /// The last bytes so far: perhaps the trailer.
    held: Vec<u8>,
    sum: Context,
    bytes: u64,
}

impl std::fmt::Debug for Sum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sum").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Default for Sum {
    fn default() -> Self {
        Self { held: Vec::new(), sum: Context::new(&SHA256), bytes: 0 }
    }
}

impl Sum {
    /// The next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes = self.bytes.saturating_add(as_u64(bytes.len()));
        self.held.extend_from_slice(bytes);
        let before = self.held.len().saturating_sub(TRAILER_BYTES);
        self.sum.update(self.held.get(..before).unwrap_or_default());
        self.held.drain(..before);
    }

    /// Bytes so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// There are no more bytes: whether it ends as an archive does.
    #[must_use]
    pub fn ends_as_an_archive(&self) -> bool {
        let begin = [SKIP, MAGIC].concat();
        self.held.len() == TRAILER_BYTES && self.held.starts_with(&begin)
    }

    /// Whether the bytes so far are a whole archive.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let before = self.bytes.saturating_sub(as_u64(TRAILER_BYTES));
        self.ends_as_an_archive() && self.held == trailer(before, self.sum.clone())
    }
}

/// Sums up what is read through it.
pub(super) struct Summed<R> {
    from: R,
    pub(super) sum: Sum,
}

impl<R> Summed<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from, sum: Sum::default() }
    }
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.sum.push(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}

/// A frame to skip of so many bytes.
#[cfg(test)]
pub(super) fn tests_skippable(bytes: u32) -> Vec<u8> {
    let zeros = vec![0; usize::try_from(bytes).unwrap()];
    [&[0x50, 0x2a, 0x4d, 0x18][..], &bytes.to_le_bytes(), &zeros].concat()
}
