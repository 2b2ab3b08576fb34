//! Copies of files, for a copy of a data folder.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::fs::{Fs, write_all_at};
use crate::{Error, Result};

/// Bytes that are copied at once.
const PIECE_BYTES: usize = 1 << 20;

/// Copies the file `from`, as long as it is now, to the new file `to` and syncs that. Its name is durable once the folder
/// is synced. Returns its length.
///
/// # Errors
///
/// [`Error::Io`]; also when there is a file `to`.
pub fn copy(fs: &dyn Fs, from: &Path, to: &Path) -> Result<u64> {
    let source = File::open(from).map_err(Error::io("open", from))?;
    let len = source.metadata().map_err(Error::io("look at", from))?.len();
    copy_from(fs, &source, from, to, len)
}

/// As [`copy`], but only the first `len` bytes: what a writer that goes on adds is left out.
///
/// # Errors
///
/// As [`copy`]; also when the file is shorter.
pub fn copy_first(fs: &dyn Fs, from: &Path, to: &Path, len: u64) -> Result<u64> {
    let source = File::open(from).map_err(Error::io("open", from))?;
    copy_from(fs, &source, from, to, len)
}

fn copy_from(fs: &dyn Fs, source: &File, from: &Path, to: &Path, len: u64) -> Result<u64> {
    let mut target = fs.create(to).map_err(Error::io("create", to))?;
    let mut piece = vec![0; PIECE_BYTES];
    let mut at = 0_u64;
    while at < len {
        let left = usize::try_from(len.saturating_sub(at)).unwrap_or(usize::MAX).min(PIECE_BYTES);
        let bytes = piece.get_mut(..left).unwrap_or_default();
        source.read_exact_at(bytes, at).map_err(Error::io("read", from))?;
        write_all_at(&mut *target, bytes, at).map_err(Error::io("write to", to))?;
        at = at.saturating_add(u64::try_from(left).unwrap_or(u64::MAX));
    }
    target.sync().map_err(Error::io("sync", to))?;
    Ok(len)
}

/// Gives a file that never changes the name `to` as well; where the system refuses that, as between file systems, it
/// is copied. Says whether it was copied.
///
/// # Errors
///
/// As [`copy`].
pub fn link_or_copy(fs: &dyn Fs, from: &Path, to: &Path) -> Result<bool> {
    match std::fs::hard_link(from, to) {
        Ok(()) => Ok(false),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(Error::io("create", to)(error))
        }
        Err(_) => copy(fs, from, to).map(|_| true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faulty::Faulty;

    #[test]
    fn a_copy_is_whole_and_survives_a_loss_of_power() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let content: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[2]).collect();
        std::fs::write(path("a"), &content).unwrap();
        let fs = Faulty::default();
        assert_eq!(copy(&fs, &path("a"), &path("b")).unwrap(), 3_000_000);
        assert!(!link_or_copy(&fs, &path("a"), &path("c")).unwrap());
        fs.sync_dir(dir.path()).unwrap();
        fs.power_loss();
        assert!(std::fs::read(path("b")).unwrap() == content && std::fs::read(path("c")).unwrap() == content);
        for taken in ["b", "c"] {
            assert!(copy(&fs, &path("a"), &path(taken)).is_err(), "nothing is replaced");
            assert!(link_or_copy(&fs, &path("a"), &path(taken)).is_err(), "nothing is replaced");
        }
        assert_eq!(copy_first(&fs, &path("a"), &path("e"), 1_500_000).unwrap(), 1_500_000);
        assert!(std::fs::read(path("e")).unwrap() == content[..1_500_000]);
        assert!(copy_first(&fs, &path("a"), &path("f"), 3_000_001).is_err(), "there is no such byte");
        fs.set_space(Some(10));
        assert!(copy(&fs, &path("a"), &path("d")).is_err());
    }
}
