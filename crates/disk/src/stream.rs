//! Files too large to hold in memory: written piece by piece and renamed into place, read at any offset.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::fs::{Fs, WriteFile, write_all_at};
use crate::{Error, Result};

/// Pieces are gathered up to this size before they are written.
const BUFFER_BYTES: usize = 256 << 10;

/// A file that appears under its name when it is complete, synced and committed; dropped before that, it vanishes.
#[derive(Debug)]
pub struct NewFile {
    fs: Arc<dyn Fs>,
    file: Option<Box<dyn WriteFile>>,
    temporary: PathBuf,
    path: PathBuf,
    buffer: Vec<u8>,
    written: u64,
}

impl NewFile {
    /// Begins the file that will be called `path`; until then it is `path` with `.tmp` behind it.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn create(fs: Arc<dyn Fs>, path: &Path) -> Result<Self> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".tmp");
        let temporary = path.with_file_name(name);
        // A leftover of a crash; nobody else writes here, the folder is locked.
        let _absent = fs.remove(&temporary);
        let file = fs.create(&temporary).map_err(Error::io("create", &temporary))?;
        let buffer = Vec::with_capacity(BUFFER_BYTES);
        Ok(Self { fs, file: Some(file), temporary, path: path.to_owned(), buffer, written: 0 })
    }

    /// Bytes so far; the offset of what is written next.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.written.saturating_add(u64::try_from(self.buffer.len()).unwrap_or(u64::MAX))
    }

    /// Appends.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        if let Some(file) = &mut self.file {
            write_all_at(&mut **file, &self.buffer, self.written)
                .map_err(Error::io("write to", &self.temporary))?;
        }
        self.written = self.offset();
        self.buffer.clear();
        Ok(())
    }

    /// Syncs it and gives it its name. Returns its length.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; then there is no file of that name, or the old one.
    pub fn commit(mut self) -> Result<u64> {
        self.flush()?;
        if let Some(file) = &mut self.file {
            file.sync().map_err(Error::io("sync", &self.temporary))?;
        }
        self.fs.rename(&self.temporary, &self.path).map_err(Error::io("rename into place", &self.path))?;
        // From here on there is nothing left to remove.
        self.file = None;
        let dir = self.path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        self.fs.sync_dir(dir).map_err(Error::io("sync the folder", dir))?;
        Ok(self.written)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if self.file.is_some() {
            let _best_effort = self.fs.remove(&self.temporary);
        }
    }
}

/// An open file that is read at any offset; it stays readable when its name is removed.
#[derive(Debug)]
pub struct RandomFile {
    file: File,
    path: PathBuf,
    len: u64,
}

impl RandomFile {
    /// Opens it.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let len = file.metadata().map_err(Error::io("look at", path))?.len();
        Ok(Self { file, path: path.to_owned(), len })
    }

    /// Its length in bytes when it was opened.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it was empty when it was opened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Fills `buffer` with the `len` bytes at `offset`.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when the file is shorter, before anything is allocated; [`Error::Io`].
    pub fn read_at(&self, buffer: &mut Vec<u8>, offset: u64, len: usize) -> Result<()> {
        let end = offset.checked_add(u64::try_from(len).unwrap_or(u64::MAX));
        if end.is_none_or(|end| end > self.len) {
            return Err(Error::Corrupt {
                path: self.path.clone(),
                offset,
                reason: "the file ends too early",
            });
        }
        buffer.resize(len, 0);
        self.file.read_exact_at(buffer, offset).map_err(Error::io("read", &self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faulty::Faulty;
    use crate::file::names_in;

    #[test]
    fn appears_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("block");
        let fs = Faulty::default();
        for fault in 0..4 {
            let mut file = NewFile::create(Arc::new(fs.clone()), &path).unwrap();
            file.write(b"abc").unwrap();
            match fault {
                0 => fs.set_space(Some(1)),
                1 => fs.fail_next_syncs(1),
                2 => fs.fail_next_renames(1),
                _ => {
                    drop(file);
                    assert!(names_in(dir.path()).unwrap().is_empty());
                    continue;
                }
            }
            assert!(file.commit().is_err(), "fault {fault}");
            fs.set_space(None);
            assert!(names_in(dir.path()).unwrap().is_empty(), "fault {fault}");
        }
        let mut file = NewFile::create(Arc::new(fs.clone()), &path).unwrap();
        file.write(b"abc").unwrap();
        assert_eq!(file.offset(), 3);
        file.write(&vec![7; BUFFER_BYTES]).unwrap();
        file.commit().unwrap();
        fs.power_loss();
        let file = RandomFile::open(&path).unwrap();
        let mut bytes = Vec::new();
        file.read_at(&mut bytes, 1, 3).unwrap();
        assert_eq!(bytes, [b'b', b'c', 7]);
        assert!(matches!(file.read_at(&mut bytes, file.len(), 1), Err(Error::Corrupt { .. })));
        assert!(matches!(file.read_at(&mut bytes, u64::MAX, 1), Err(Error::Corrupt { .. })));
    }
}
