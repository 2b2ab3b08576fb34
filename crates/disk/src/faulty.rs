//! A file system that fails on demand and can lose what was not synced. For tests only.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::fs::{Fs, Real, WriteFile};

#[derive(Debug, Default)]
struct Plan {
    space: Option<u64>,
    failing_syncs: u32,
    failing_renames: u32,
    failing_truncates: u32,
    short_writes: bool,
    delay: Duration,
    /// Length that a power loss would leave of a file.
    synced: BTreeMap<PathBuf, u64>,
    /// Files whose name a power loss would lose.
    unnamed: BTreeSet<PathBuf>,
}

/// The system's files, with faults. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Faulty(Arc<Mutex<Plan>>);

impl Faulty {
    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that can still be written before `ENOSPC`; `None`: no end.
    pub fn set_space(&self, bytes: Option<u64>) {
        self.plan().space = bytes;
    }

    /// The next `n` syncs of files fail.
    pub fn fail_next_syncs(&self, n: u32) {
        self.plan().failing_syncs = n;
    }

    /// The next `n` renames fail.
    pub fn fail_next_renames(&self, n: u32) {
        self.plan().failing_renames = n;
    }

    /// The next `n` truncations fail.
    pub fn fail_next_truncates(&self, n: u32) {
        self.plan().failing_truncates = n;
    }

    /// Every write takes at most seven bytes.
    pub fn set_short_writes(&self, on: bool) {
        self.plan().short_writes = on;
    }

    /// Every write and sync takes this long.
    pub fn set_delay(&self, delay: Duration) {
        self.plan().delay = delay;
    }

    /// What a power loss does: files lose what was not synced, and vanish if their folder was not.
    pub fn power_loss(&self) {
        let mut plan = self.plan();
        for path in std::mem::take(&mut plan.unnamed) {
            let _gone = std::fs::remove_file(&path);
            plan.synced.remove(&path);
        }
        for (path, len) in &plan.synced {
            if let Ok(file) = std::fs::OpenOptions::new().write(true).open(path) {
                let _cut = file.set_len(*len);
            }
        }
    }
}

fn take(left: &mut u32) -> bool {
    let fails = *left > 0;
    *left = left.saturating_sub(1);
    fails
}

fn io_error() -> io::Error {
    io::Error::from_raw_os_error(5)
}

impl Fs for Faulty {
    fn create(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        let inner = Real.create(path)?;
        let mut plan = self.plan();
        plan.synced.insert(path.to_owned(), 0);
        plan.unnamed.insert(path.to_owned());
        drop(plan);
        Ok(Box::new(FaultyFile { fs: self.clone(), path: path.to_owned(), inner }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        let inner = Real.open(path)?;
        let len = std::fs::metadata(path)?.len();
        self.plan().synced.entry(path.to_owned()).or_insert(len);
        Ok(Box::new(FaultyFile { fs: self.clone(), path: path.to_owned(), inner }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut plan = self.plan();
        if take(&mut plan.failing_renames) {
            return Err(io_error());
        }
        Real.rename(from, to)?;
        let len = plan.synced.remove(from).unwrap_or(0);
        plan.unnamed.remove(from);
        plan.synced.insert(to.to_owned(), len);
        plan.unnamed.insert(to.to_owned());
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        Real.remove(path)?;
        let mut plan = self.plan();
        plan.synced.remove(path);
        plan.unnamed.remove(path);
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        Real.sync_dir(dir)?;
        self.plan().unnamed.retain(|path| path.parent() != Some(dir));
        Ok(())
    }
}

#[derive(Debug)]
struct FaultyFile {
    fs: Faulty,
    path: PathBuf,
    inner: Box<dyn WriteFile>,
}

impl WriteFile for FaultyFile {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut plan = self.fs.plan();
        let delay = plan.delay;
        let mut len = if plan.short_writes { bytes.len().min(7) } else { bytes.len() };
        if let Some(space) = &mut plan.space {
            len = len.min(usize::try_from(*space).unwrap_or(usize::MAX));
            if len == 0 {
                return Err(io::Error::from_raw_os_error(28));
            }
            *space = space.saturating_sub(u64::try_from(len).unwrap_or(u64::MAX));
        }
        drop(plan);
        std::thread::sleep(delay);
        self.inner.write_at(bytes.get(..len).unwrap_or_default(), offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut plan = self.fs.plan();
        if take(&mut plan.failing_syncs) {
            return Err(io_error());
        }
        let delay = plan.delay;
        drop(plan);
        std::thread::sleep(delay);
        let len = std::fs::metadata(&self.path)?.len();
        self.fs.plan().synced.insert(self.path.clone(), len);
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let mut plan = self.fs.plan();
        if take(&mut plan.failing_truncates) {
            return Err(io_error());
        }
        drop(plan);
        self.inner.truncate(len)
    }
}
