//! Whole files: replaced atomically, read up to a limit.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::fs::{Fs, Real, write_all_at};
use crate::{Error, Result};

/// Replaces the file at `path`: whoever reads it, now or after a crash, sees all of the old or all of the new bytes.
///
/// # Errors
///
/// [`Error::Io`]; the old file is then still there.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomic_on(&Real, path, bytes)
}

/// [`write_atomic`] on a given file system.
///
/// # Errors
///
/// As [`write_atomic`].
pub fn write_atomic_on(fs: &dyn Fs, path: &Path, bytes: &[u8]) -> Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let temporary = temporary_name(path);
    // A leftover of a crash; nobody else writes here, the folder is locked.
    let _absent = fs.remove(&temporary);
    let written = write_temporary(fs, &temporary, bytes)
        .and_then(|()| fs.rename(&temporary, path).map_err(Error::io("rename into place", path)));
    if let Err(error) = written {
        let _best_effort = fs.remove(&temporary);
        return Err(error);
    }
    fs.sync_dir(dir).map_err(Error::io("sync the folder", dir))
}

fn write_temporary(fs: &dyn Fs, path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = fs.create(path).map_err(Error::io("create", path))?;
    write_all_at(&mut *file, bytes, 0).map_err(Error::io("write to", path))?;
    file.sync().map_err(Error::io("sync", path))
}

fn temporary_name(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    path.with_file_name(name)
}

/// Reads a whole file of at most `limit` bytes.
///
/// # Errors
///
/// [`Error::Io`], or [`Error::Corrupt`] when it is longer than `limit`.
pub fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(Error::io("open", path))?;
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
        return Err(Error::Corrupt {
            path: path.to_owned(),
            offset: limit,
            reason: "longer than such a file can be",
        });
    }
    Ok(bytes)
}

/// CRC-32C (Castagnoli) over the parts, as if they were one.
#[must_use]
pub fn checksum(parts: &[&[u8]]) -> u32 {
    parts.iter().fold(0, |crc, part| crc32c::crc32c_append(crc, part))
}

/// Names of the files in a folder; empty when there is no such folder.
///
/// # Errors
///
/// [`Error::Io`].
pub fn names_in(dir: &Path) -> Result<Vec<String>> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("list", dir)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::io("list", dir))?;
        // A name that is no UTF-8 is none of ours.
        names.extend(entry.file_name().into_string());
    }
    names.sort_unstable();
    Ok(names)
}

/// Makes a folder and its parents, durably.
///
/// # Errors
///
/// [`Error::Io`].
pub fn create_dir(fs: &dyn Fs, dir: &Path) -> Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    std::fs::create_dir_all(dir).map_err(Error::io("create the folder", dir))?;
    let parent = dir.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs.sync_dir(parent).map_err(Error::io("sync the folder", parent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faulty::Faulty;

    #[test]
    fn a_failed_replacement_leaves_the_old_file_and_no_temporary() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let fs = Faulty::default();
        write_atomic_on(&fs, &path, b"old").unwrap();
        for fault in 0..3 {
            match fault {
                0 => fs.set_space(Some(2)),
                1 => fs.fail_next_syncs(1),
                _ => fs.fail_next_renames(1),
            }
            assert!(write_atomic_on(&fs, &path, b"newer").is_err(), "fault {fault}");
            fs.set_space(None);
            assert_eq!(read_bounded(&path, 10).unwrap(), b"old");
            assert_eq!(names_in(dir.path()).unwrap(), ["state"]);
        }
        write_atomic_on(&fs, &path, b"newer").unwrap();
        fs.power_loss();
        assert_eq!(read_bounded(&path, 10).unwrap(), b"newer");
    }

    #[test]
    fn reading_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("big");
        write_atomic(&path, &[7; 11]).unwrap();
        assert!(matches!(read_bounded(&path, 10), Err(Error::Corrupt { offset: 10, .. })));
        assert_eq!(read_bounded(&path, 11).unwrap().len(), 11);
    }
}
