//! The seam below all writing, so that tests can make a disk fail where a real one would.
//!
//! Reading goes straight to the files: what can go wrong there (flipped bits, missing ends) tests do to the files.

use std::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Writing operations on a file system.
pub trait Fs: Debug + Send + Sync {
    /// Creates a file that must not exist yet.
    ///
    /// # Errors
    ///
    /// As the system says; [`io::ErrorKind::AlreadyExists`] when it is there.
    fn create(&self, path: &Path) -> io::Result<Box<dyn WriteFile>>;

    /// Opens a file that exists, for writing.
    ///
    /// # Errors
    ///
    /// As the system says.
    fn open(&self, path: &Path) -> io::Result<Box<dyn WriteFile>>;

    /// Renames a file, replacing what has the new name.
    ///
    /// # Errors
    ///
    /// As the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    ///
    /// As the system says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes creations, renames and removals in a folder durable.
    ///
    /// # Errors
    ///
    /// As the system says.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// A file open for writing.
pub trait WriteFile: Debug + Send {
    /// Writes some of `bytes` at `offset` and says how many.
    ///
    /// # Errors
    ///
    /// As the system says.
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Makes its content and length durable.
    ///
    /// # Errors
    ///
    /// As the system says; after an error nothing is known about what was written since the last success.
    fn sync(&mut self) -> io::Result<()>;

    /// Cuts it to `len` bytes.
    ///
    /// # Errors
    ///
    /// As the system says.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
}

/// Writes all of `bytes` at `offset`.
pub(crate) fn write_all_at(file: &mut dyn WriteFile, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = match file.write_at(bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        bytes = bytes.get(written..).unwrap_or_default();
        offset = offset.saturating_add(u64::try_from(written).unwrap_or(u64::MAX));
    }
    Ok(())
}

/// The system's files.
#[derive(Clone, Copy, Debug, Default)]
pub struct Real;

impl Fs for Real {
    fn create(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        Ok(Box::new(OpenOptions::new().write(true).create_new(true).open(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        Ok(Box::new(OpenOptions::new().write(true).open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }
}

impl WriteFile for File {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(self, bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }
}
