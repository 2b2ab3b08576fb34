//! A copy of the folder while the engine runs.

use std::path::{Path, PathBuf};

use hinomi_disk::copy::{copy, link_or_copy};
use hinomi_disk::file::{create_dir, names_in};

use crate::bytes::as_u64;
use crate::db::{Db, Shared};
use crate::{Error, Result, block};

/// Room that a copy leaves on the disk: what is appended needs it.
const ROOM_BYTES: u64 = 16 << 20;

/// What a copy holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotInfo {
    /// Its folder.
    pub folder: PathBuf,
    /// Blocks.
    pub blocks: u64,
    /// Bytes of blocks.
    pub block_bytes: u64,
    /// Bytes of the log.
    pub wal_bytes: u64,
    /// Bytes that were written for it: blocks on the same file system are linked, not copied.
    pub copied_bytes: u64,
}

impl Db {
    /// Makes the folder `to`, which must not exist, and in it a copy of everything that was acknowledged before the
    /// call. Open it as any other folder of the engine. It appears whole under its name or not at all. Appends and
    /// questions go on meanwhile; blocks, merges and deletions wait.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`]: there is something of that name; [`Error::Disk`]: no folder was made.
    pub fn snapshot(&self, to: &Path) -> Result<SnapshotInfo> {
        let shared = &*self.shared;
        if to.exists() {
            return Err(Error::Invalid(format!("{} exists already: choose a new name", to.display())));
        }
        check_room(shared, to)?;
        let name = to.file_name().ok_or_else(|| Error::Invalid(format!("{} is no name", to.display())))?;
        let mut temporary = name.to_owned();
        temporary.push(".tmp");
        let temporary = to.with_file_name(temporary);
        let _merging = shared.merging();
        let catalogue = shared.catalogue();
        remove_tree(shared, &temporary);
        let filled = fill(shared, &temporary).and_then(|info| {
            let fs = &*shared.options.fs;
            fs.rename(&temporary, to).map_err(failed("rename into place", to))?;
            let parent = to.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
            fs.sync_dir(parent).map_err(failed("sync the folder", parent))?;
            Ok(SnapshotInfo { folder: to.to_owned(), ..info })
        });
        if filled.is_err() {
            remove_tree(shared, &temporary);
        }
        drop(catalogue);
        filled
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> hinomi_disk::Error {
    let path = path.to_owned();
    move |source| hinomi_disk::Error::Io { action, path, source }
}

/// Room for a copy of the log and some more. Blocks are linked, and nothing is known of whether they can be.
fn check_room(shared: &Shared, to: &Path) -> Result<()> {
    let parent = to.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (free, needed) =
        (hinomi_disk::space::free_bytes(parent)?, shared.wal.bytes().saturating_add(ROOM_BYTES));
    if free >= needed {
        return Ok(());
    }
    let why =
        format!("a copy takes {needed} bytes, and {} has {free} left: free some space", parent.display());
    let source = std::io::Error::new(std::io::ErrorKind::StorageFull, why);
    Err(failed("copy the log to", to)(source).into())
}

/// The caller holds what keeps files from being removed.
fn fill(shared: &Shared, to: &Path) -> Result<SnapshotInfo> {
    let (fs, from) = (&*shared.options.fs, &shared.options.folder);
    let mut info = SnapshotInfo::default();
    create_dir(fs, &to.join("blocks"))?;
    create_dir(fs, &to.join("wal"))?;
    for block in shared.blocks().by_tenant.values().flatten() {
        let name = block::file_name(block.meta.number);
        let copied = link_or_copy(fs, block.path(), &to.join("blocks").join(name))?;
        info.blocks = info.blocks.saturating_add(1);
        info.block_bytes = info.block_bytes.saturating_add(block.bytes());
        info.copied_bytes = info.copied_bytes.saturating_add(if copied { block.bytes() } else { 0 });
    }
    // What was acknowledged is in the files already, and so is what is taken by now.
    shared.wal.commit(shared.wal.next().saturating_sub(1))?;
    for name in names_in(&from.join("wal"))?.iter().filter(|name| name.ends_with(".log")) {
        let bytes = copy(fs, &from.join("wal").join(name), &to.join("wal").join(name))?;
        info.wal_bytes = info.wal_bytes.saturating_add(bytes);
    }
    for name in names_in(from)?.iter().filter(|name| ["catalogue", "metadata"].contains(&name.as_str())) {
        let bytes = copy(fs, &from.join(name), &to.join(name))?;
        info.copied_bytes = info.copied_bytes.saturating_add(bytes);
    }
    for dir in [to.join("blocks"), to.join("wal"), to.to_owned()] {
        fs.sync_dir(&dir).map_err(failed("sync the folder", &dir))?;
    }
    info.copied_bytes = info.copied_bytes.saturating_add(info.wal_bytes);
    Ok(info)
}

/// Removes what an attempt left.
fn remove_tree(shared: &Shared, dir: &Path) {
    if !dir.exists() {
        return;
    }
    let mut removed = 0_u64;
    for folder in [dir.join("blocks"), dir.join("wal"), dir.to_owned()] {
        let names = names_in(&folder).unwrap_or_default();
        let files = names.iter().filter(|name| shared.options.fs.remove(&folder.join(name)).is_ok());
        removed = removed.saturating_add(as_u64(files.count()));
        let _best_effort = std::fs::remove_dir(&folder);
    }
    tracing::info!(removed, folder = %dir.display(), "removed an unfinished copy");
}
