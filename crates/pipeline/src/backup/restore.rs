//! Restoring: into a folder beside the target, checked to the last byte, then renamed into place.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, chown};
use std::path::{Path, PathBuf};

use hinomi_disk::file::names_in;
use hinomi_disk::lock::FolderLock;
use hinomi_disk::space::free_bytes;
use hinomi_model::Nanos;

use super::manifest::Head;
use super::read::{Keep, read};
use super::{RestoreError, names};

/// In a data folder: a restore that was putting things into place when it ended. Such a folder is not opened.
pub(super) const UNFINISHED: &str = "restore-unfinished";
/// Room that a file takes beside its bytes, about.
const FILE_OVERHEAD_BYTES: u64 = 4096;
/// Names that are tried for what was there before.
const KEPT_NAMES: usize = 100;

type Result<T> = std::result::Result<T, RestoreError>;

/// What was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The begin of the archive.
    pub head: Head,
    /// The data folder.
    pub folder: PathBuf,
    /// Where that which was there before is now.
    pub kept: Option<PathBuf>,
}

/// Reads an archive into the data folder `dir`. That must not be there or be empty; with `force` what is there is kept
/// under a dated name.
///
/// # Errors
///
/// [`RestoreError`]; the folder is then as it was.
pub fn restore(from: impl Read, dir: &Path, force: bool, now: Nanos) -> Result<Restored> {
    let target = Target::look(dir, force)?;
    let fresh = target.fresh()?;
    let mut files = Files { root: fresh.path.clone(), file: None };
    let head = read(from, &mut files)?;
    fresh.finish(target.owner)?;
    let kept = target.take(&fresh, &stamp(now))?;
    Ok(Restored { head, folder: target.dir.clone(), kept })
}

/// Whether a restore into a data folder ended while it put things into place.
pub(crate) fn is_unfinished(dir: &Path) -> bool {
    dir.join(UNFINISHED).exists()
}

/// Like `20261124T081500Z`.
fn stamp(now: Nanos) -> String {
    let stamp: String = now.rfc3339().chars().filter(char::is_ascii_alphanumeric).take(15).collect();
    format!("{stamp}Z")
}

/// Where the archive goes.
struct Target {
    dir: PathBuf,
    parent: PathBuf,
    /// Names in it that matter.
    old: Vec<String>,
    /// User and group whose it is; `None`: it is not there.
    owner: Option<(u32, u32)>,
    /// It can't be renamed: it is a mount, or the folder above belongs to somebody else.
    fixed: bool,
    lock: Option<FolderLock>,
    /// The lock's file was not there before.
    made_lock: bool,
}

impl Target {
    fn look(dir: &Path, force: bool) -> Result<Self> {
        let wrong = |why: &str| RestoreError::Target(format!("{} {why}", dir.display()));
        let absolute = std::path::absolute(dir).map_err(RestoreError::io("find", dir))?;
        let meta = match std::fs::metadata(&absolute) {
            Ok(meta) if meta.is_dir() => Some(meta),
            Ok(_) => return Err(wrong("is no folder; name another with --data-dir")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(RestoreError::io("look at", dir)(error)),
        };
        // A link to the folder stays one.
        let real = meta.as_ref().map(|_| absolute.canonicalize()).transpose();
        let dir = real.map_err(RestoreError::io("find", dir))?.unwrap_or(absolute);
        let parent =
            dir.parent().map(Path::to_owned).ok_or_else(|| wrong("is the root; name a folder below it"))?;
        if meta.is_none() {
            std::fs::create_dir_all(&parent).map_err(RestoreError::io("make the folder", &parent))?;
        }
        let names = names_in(&dir)?;
        let old: Vec<String> = names.iter().filter(|name| matters(name)).cloned().collect();
        if !old.is_empty() && !force {
            return Err(wrong(
                "is not empty: choose another folder, or give --force, which keeps what is there beside it",
            ));
        }
        let device = std::fs::metadata(&parent).map_err(RestoreError::io("look at", &parent))?.dev();
        let is_mount = meta.as_ref().is_some_and(|meta| meta.dev() != device);
        let fixed = meta.is_some() && (is_mount || !can_make_in(&parent));
        let made_lock = !names.iter().any(|name| name == "LOCK");
        // Nobody runs in a folder that is empty, and one who begins to do so keeps it from being replaced.
        let lock = if names.is_empty() && !fixed { None } else { Some(FolderLock::acquire(&dir)?) };
        let owner = meta.map(|meta| (meta.uid(), meta.gid()));
        Ok(Self { dir, parent, old, owner, fixed, lock, made_lock })
    }

    fn fresh(&self) -> Result<Fresh> {
        let name = self.dir.file_name().unwrap_or_default().to_string_lossy();
        let number = std::process::id();
        let path = if self.fixed {
            self.dir.join(format!("restore-{number}.tmp"))
        } else {
            self.parent.join(format!(".{name}.restore-{number}.tmp"))
        };
        self.sweep(&name);
        make(&path)?;
        // The lock tells others that somebody is at it.
        let made = FolderLock::acquire(&path);
        let mut fresh = Fresh { path, _lock: None };
        fresh._lock = Some(made?);
        Ok(fresh)
    }

    /// Removes what restores left that were killed.
    fn sweep(&self, name: &str) {
        let (dir, begin) = match self.fixed {
            true => (&self.dir, "restore-".to_owned()),
            false => (&self.parent, format!(".{name}.restore-")),
        };
        for name in names_in(dir).unwrap_or_default() {
            let path = dir.join(&name);
            let is_one = name.starts_with(&begin) && name.ends_with(".tmp");
            if is_one
                && path.symlink_metadata().is_ok_and(|meta| meta.is_dir())
                && let Ok(_nobody_else) = FolderLock::acquire(&path)
            {
                tracing::info!(folder = %path.display(), "removed what a restore left that was killed");
                let _best_effort = std::fs::remove_dir_all(&path);
            }
        }
    }

    /// Puts the new folder into place; says where the old one is.
    fn take(&self, fresh: &Fresh, stamp: &str) -> Result<Option<PathBuf>> {
        let kept =
            if self.fixed { self.exchange_inside(fresh, stamp)? } else { self.exchange(fresh, stamp)? };
        sync(if self.fixed { &self.dir } else { &self.parent })?;
        Ok(kept)
    }

    fn exchange(&self, fresh: &Fresh, stamp: &str) -> Result<Option<PathBuf>> {
        let into_place = || std::fs::rename(&fresh.path, &self.dir);
        if self.lock.is_none() {
            into_place().map_err(RestoreError::io("rename into place", &self.dir))?;
            return Ok(None);
        }
        let name = self.dir.file_name().unwrap_or_default().to_string_lossy();
        let kept = unused(|end| self.parent.join(format!("{name}.before-restore-{stamp}{end}")), &self.dir)?;
        std::fs::rename(&self.dir, &kept).map_err(RestoreError::io("rename", &self.dir))?;
        if let Err(error) = into_place() {
            let back = std::fs::rename(&kept, &self.dir);
            back.map_err(RestoreError::io("rename back", &kept))?;
            return Err(RestoreError::io("rename into place", &self.dir)(error));
        }
        if self.old.is_empty() {
            // A lock alone is nothing to keep.
            let _best_effort = std::fs::remove_dir_all(&kept);
            return Ok(None);
        }
        Ok(Some(kept))
    }

    /// File by file; a crash in between leaves a folder that is not opened.
    fn exchange_inside(&self, fresh: &Fresh, stamp: &str) -> Result<Option<PathBuf>> {
        let moving =
            |from: &Path, to: &Path| std::fs::rename(from, to).map_err(RestoreError::io("rename", from));
        let going: Vec<&String> =
            self.old.iter().filter(|name| !name.starts_with("before-restore-")).collect();
        let kept = if going.is_empty() {
            None
        } else {
            let kept = unused(|end| self.dir.join(format!("before-restore-{stamp}{end}")), &self.dir)?;
            make(&kept)?;
            Some(kept)
        };
        // An unfinished one goes first, so that the name is free.
        if let Some(kept) = kept.as_ref().filter(|_| is_unfinished(&self.dir)) {
            moving(&self.dir.join(UNFINISHED), &kept.join(UNFINISHED))?;
        }
        let unfinished = self.dir.join(UNFINISHED);
        moving(&fresh.path, &unfinished)?;
        sync(&self.dir)?;
        for name in going.into_iter().filter(|name| *name != UNFINISHED) {
            if let Some(kept) = &kept {
                moving(&self.dir.join(name), &kept.join(name))?;
            }
        }
        for part in names::PARTS {
            if unfinished.join(part).exists() {
                moving(&unfinished.join(part), &self.dir.join(part))?;
            }
        }
        sync(&self.dir)?;
        std::fs::remove_dir(&unfinished).map_err(RestoreError::io("remove", &unfinished))?;
        Ok(kept)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if self.made_lock && self.lock.is_some() {
            // In the folder under its name, or in none: what was put into place has no lock yet.
            let _none = std::fs::remove_file(self.dir.join("LOCK"));
        }
    }
}

/// Whether a name in a data folder is somebody's: not the lock, what a killed restore left, or the file system's own.
fn matters(name: &str) -> bool {
    !matches!(name, "LOCK" | "lost+found") && !is_leftover(name)
}

/// Whether a folder of that name in a data folder is what a restore left that was killed.
pub(super) fn is_leftover(name: &str) -> bool {
    name.starts_with("restore-") && name.ends_with(".tmp")
}

/// The first of some names that nothing has.
fn unused(name: impl Fn(String) -> PathBuf, of: &Path) -> Result<PathBuf> {
    let ends = (1..=KEPT_NAMES).map(|n| if n == 1 { String::new() } else { format!("-{n}") });
    let found = ends.map(name).find(|path| path.symlink_metadata().is_err());
    found.ok_or_else(|| {
        RestoreError::Target(format!("{} was restored too often within a second", of.display()))
    })
}

fn can_make_in(dir: &Path) -> bool {
    let probe = dir.join(format!(".hinomi-{}.tmp", std::process::id()));
    DirBuilder::new().mode(0o700).create(&probe).and_then(|()| std::fs::remove_dir(&probe)).is_ok()
}

fn make(dir: &Path) -> Result<()> {
    let made = DirBuilder::new().mode(0o750).create(dir);
    made.map_err(RestoreError::io("make the folder", dir))
}

fn sync(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(RestoreError::io("sync the folder", dir))
}

/// The new folder; removed when it was not put into place.
struct Fresh {
    path: PathBuf,
    _lock: Option<FolderLock>,
}

impl Fresh {
    /// Makes names durable, and gives all of it to whoever has the target.
    fn finish(&self, owner: Option<(u32, u32)>) -> Result<()> {
        let meta = std::fs::metadata(&self.path).map_err(RestoreError::io("look at", &self.path))?;
        let lock = self.path.join("LOCK");
        std::fs::remove_file(&lock).map_err(RestoreError::io("remove", &lock))?;
        let owner = owner.filter(|owner| *owner != (meta.uid(), meta.gid()));
        let mut folders = vec![self.path.clone()];
        while let Some(dir) = folders.pop() {
            for name in names_in(&dir)? {
                let path = dir.join(name);
                if path.is_dir() {
                    folders.push(path);
                } else if let Some((user, group)) = owner {
                    chown(&path, Some(user), Some(group))
                        .map_err(RestoreError::io("give to its owner", &path))?;
                }
            }
            if let Some((user, group)) = owner {
                chown(&dir, Some(user), Some(group)).map_err(RestoreError::io("give to its owner", &dir))?;
            }
            sync(&dir)?;
        }
        Ok(())
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        match std::fs::remove_dir_all(&self.path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(%error, folder = %self.path.display(), "can't be removed"),
        }
    }
}

/// Makes the files.
struct Files {
    root: PathBuf,
    file: Option<(File, PathBuf)>,
}

impl Keep for Files {
    fn begin(&mut self, head: &Head) -> Result<()> {
        let needed_bytes = head.bytes.saturating_add(head.files.saturating_mul(FILE_OVERHEAD_BYTES));
        let free_bytes = free_bytes(&self.root)?;
        if free_bytes < needed_bytes {
            let folder = self.root.parent().unwrap_or(&self.root).to_owned();
            return Err(RestoreError::Room { folder, needed_bytes, free_bytes });
        }
        Ok(())
    }

    fn file(&mut self, name: &str) -> Result<()> {
        let path = self.root.join(name);
        let dir = path.parent().unwrap_or(&self.root);
        let made = DirBuilder::new().recursive(true).mode(0o750).create(dir);
        made.map_err(RestoreError::io("make the folder", dir))?;
        let file = OpenOptions::new().write(true).create_new(true).mode(0o640).open(&path);
        self.file = Some((file.map_err(RestoreError::io("create", &path))?, path));
        Ok(())
    }

    fn piece(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.file {
            Some((file, path)) => file.write_all(bytes).map_err(RestoreError::io("write to", path)),
            None => Ok(()),
        }
    }

    fn done(&mut self) -> Result<()> {
        match self.file.take() {
            Some((file, path)) => file.sync_all().map_err(RestoreError::io("sync", &path)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(path: &Path, names: &[&str]) {
        for name in names {
            std::fs::create_dir_all(path.join(name)).unwrap();
            std::fs::write(path.join(name).join("old"), name).unwrap();
        }
    }

    fn names(dir: &Path) -> Vec<String> {
        names_in(dir).unwrap()
    }

    /// As with a mount, which can't be renamed.
    #[test]
    fn a_folder_that_stays_where_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("mount");
        filled(&to, &["lost+found", "restore-7.tmp"]);
        let into = |force: bool| {
            let mut target = Target::look(&to, force)?;
            target.fixed = true;
            if target.lock.is_none() {
                target.lock = Some(FolderLock::acquire(&to)?);
            }
            let fresh = target.fresh()?;
            filled(&fresh.path, &["metrics", "records"]);
            fresh.finish(target.owner)?;
            target.take(&fresh, "T")
        };
        assert_eq!(into(false).unwrap(), None);
        assert_eq!(names(&to), ["lost+found", "metrics", "records"]);
        assert!(into(false).is_err());
        filled(&to, &["mine"]);
        assert_eq!(into(true).unwrap(), Some(to.join("before-restore-T")));
        assert_eq!(names(&to), ["before-restore-T", "lost+found", "metrics", "records"]);
        assert_eq!(names(&to.join("before-restore-T")), ["metrics", "mine", "records"]);
        // One that broke off is not opened, and the next one puts it aside.
        filled(&to, &[UNFINISHED]);
        assert!(is_unfinished(&to));
        assert_eq!(into(true).unwrap(), Some(to.join("before-restore-T-2")));
        assert_eq!(names(&to.join("before-restore-T-2")), ["metrics", "records", UNFINISHED]);
        assert!(!is_unfinished(&to));
    }
}
