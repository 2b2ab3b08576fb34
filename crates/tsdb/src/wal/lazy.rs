//! A file system whose syncs are put off: for those who asked for less than a sync before every answer.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hinomi_disk::fs::{Fs, WriteFile};

type Shared = Arc<Mutex<Box<dyn WriteFile>>>;

#[derive(Debug, Default)]
struct Dirty {
    files: Vec<(PathBuf, Shared)>,
}

/// Files whose `sync` only notes that there is something to sync. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Lazy {
    inner: Arc<dyn Fs>,
    dirty: Arc<Mutex<Dirty>>,
}

impl Lazy {
    pub(crate) fn new(inner: Arc<dyn Fs>) -> Self {
        Self { inner, dirty: Arc::default() }
    }

    fn dirty(&self) -> MutexGuard<'_, Dirty> {
        self.dirty.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Syncs what was written since the last call.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let files = std::mem::take(&mut self.dirty().files);
        for (_, file) in files {
            file.lock().unwrap_or_else(PoisonError::into_inner).sync()?;
        }
        Ok(())
    }

    fn wrap(&self, path: &Path, file: Box<dyn WriteFile>) -> Box<dyn WriteFile> {
        let file = Arc::new(Mutex::new(file));
        Box::new(LazyFile { lazy: self.clone(), path: path.to_owned(), file })
    }
}

impl Fs for Lazy {
    fn create(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        Ok(self.wrap(path, self.inner.create(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        Ok(self.wrap(path, self.inner.open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.dirty().files.retain(|(dirty, _)| dirty != path);
        self.inner.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner.sync_dir(dir)
    }
}

#[derive(Debug)]
struct LazyFile {
    lazy: Lazy,
    path: PathBuf,
    file: Shared,
}

impl LazyFile {
    fn file(&self) -> MutexGuard<'_, Box<dyn WriteFile>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WriteFile for LazyFile {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.file().write_at(bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut dirty = self.lazy.dirty();
        if !dirty.files.iter().any(|(path, _)| *path == self.path) {
            dirty.files.push((self.path.clone(), Arc::clone(&self.file)));
        }
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.file().truncate(len)
    }
}
