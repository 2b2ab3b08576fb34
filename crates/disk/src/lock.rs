//! One process per data folder.
//!
//! The lock is `flock` on `LOCK` in the folder, so the kernel releases it however the process ends. The file's
//! content, the holder's process number, is for people and messages only.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::{Error, Result};

/// The right to work in a folder; given back when dropped.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Takes the lock of `dir`, which must exist.
    ///
    /// # Errors
    ///
    /// [`Error::FolderInUse`] when another process (or another holder in this one) has it; [`Error::Io`] otherwise.
    pub fn acquire(dir: &Path) -> Result<Self> {
        let path = dir.join("LOCK");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(Error::io("open", &path))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                return Err(Error::FolderInUse { dir: dir.to_owned(), holder: holder(&mut file) });
            }
            Err(errno) => return Err(Error::io("lock", &path)(errno.into())),
        }
        // A full disk must not keep us from starting: the number is only for messages.
        if let Err(error) = write_pid(&mut file) {
            tracing::warn!(%error, path = %path.display(), "could not note the process number in the lock file");
        }
        Ok(Self { _file: file })
    }
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(20).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_pid(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_told_who_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let first = FolderLock::acquire(dir.path()).unwrap();
        let error = FolderLock::acquire(dir.path()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&dir.path().display().to_string()), "{text}");
        assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
        assert!(text.contains("stop that process"), "{text}");
        drop(first);
        FolderLock::acquire(dir.path()).unwrap();
    }
}
