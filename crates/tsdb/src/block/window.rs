//! The part of a block's file that was read last.

use hinomi_disk::stream::RandomFile;

use crate::Result;
use crate::bytes::{as_u64, as_usize};

/// So much is read at once by whoever reads on where he stopped: columns of series with like labels lie side by side.
const AHEAD_BYTES: usize = 32 << 10;
/// What he may leave out in between.
const NEAR_BYTES: u64 = 4 << 10;
/// More than this is not kept for the next.
const KEPT_BYTES: usize = 256 << 10;

/// Some bytes of a file, and where they begin.
#[derive(Debug, Default)]
pub(crate) struct Window {
    begin: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// The `len` bytes at `offset`. One file for each window.
    pub(crate) fn read(&mut self, file: &RandomFile, offset: u64, len: usize) -> Result<&[u8]> {
        let inside = |window: &Self| {
            let skipped = as_usize(offset.checked_sub(window.begin)?);
            let end = skipped.checked_add(len).filter(|end| *end <= window.bytes.len())?;
            Some(skipped..end)
        };
        let range = match inside(self) {
            Some(range) => range,
            None => {
                self.fill(file, offset, len)?;
                0..len
            }
        };
        Ok(self.bytes.get(range).unwrap_or_default())
    }

    fn fill(&mut self, file: &RandomFile, offset: u64, len: usize) -> Result<()> {
        let end = self.begin.saturating_add(as_u64(self.bytes.len()));
        let goes_on =
            !self.bytes.is_empty() && offset >= self.begin && offset <= end.saturating_add(NEAR_BYTES);
        let left = as_usize(file.len().saturating_sub(offset));
        let wanted = if goes_on { len.max(AHEAD_BYTES.min(left)) } else { len };
        if self.bytes.capacity() > KEPT_BYTES {
            self.bytes = Vec::new();
        }
        self.begin = offset;
        let read = file.read_at(&mut self.bytes, offset, wanted);
        if read.is_err() {
            self.bytes.clear();
        }
        Ok(read?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_reads_on_gets_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let bytes: Vec<u8> = (0..100_000_u32).map(|at| (at * 31 % 251) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let file = RandomFile::open(&path).unwrap();
        let mut window = Window::default();
        // On, on with a gap, back, far ahead, more than is read ahead, the end.
        let reads = [
            (0, 10),
            (10, 500),
            (700, 90),
            (800, 40_000),
            (40_000, 20_000),
            (5, 3),
            (99_990, 10),
            (99_991, 9),
        ];
        for (offset, len) in reads {
            assert_eq!(
                window.read(&file, offset as u64, len).unwrap(),
                &bytes[offset..offset + len],
                "{offset}"
            );
            assert!(window.bytes.len() <= len.max(AHEAD_BYTES));
        }
        assert!(window.read(&file, 99_991, 10).is_err());
        assert_eq!(window.read(&file, 3, 4).unwrap(), &bytes[3..7]);
        for offset in (20_000..99_000).step_by(100) {
            assert_eq!(window.read(&file, offset as u64, 100).unwrap(), &bytes[offset..offset + 100]);
        }
        assert_eq!(window.bytes.len(), AHEAD_BYTES.min(bytes.len() - as_usize(window.begin)));
    }
}
