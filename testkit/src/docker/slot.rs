//! A slot: the number from which every name and address of one private dockerd follows.
//!
//! A slot is held by a file lock, which the kernel gives back when the holder dies, however it dies. So a slot that
//! has a folder and no lock is the leftover of a dead run, without any guessing about process numbers.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use rustix::fs::FlockOperation;

/// As many private dockerds as may be at once.
const SLOTS: u8 = 64;

/// Folder of all slots. Short, because a unix socket's path has at most 107 bytes; on a real disk, because data-roots
/// live here.
const ROOT: &str = "/var/tmp/hinomi-test";

/// A held slot.
#[derive(Debug)]
pub(super) struct Slot {
    number: u8,
    _lock: File,
}

impl Slot {
    /// Takes a free slot.
    pub(super) fn take() -> Result<Self> {
        make_root()?;
        for number in 0..SLOTS {
            if let Some(slot) = Self::try_take(number)? {
                return Ok(slot);
            }
        }
        bail!("all {SLOTS} slots below {ROOT} are held by running tests")
    }

    /// The slots that dead runs left behind, held from now on.
    pub(super) fn take_stale() -> Result<Vec<Self>> {
        make_root()?;
        let left = (0..SLOTS).filter(|number| base_of(*number).exists());
        let held = left.map(Self::try_take).collect::<Result<Vec<_>>>()?;
        Ok(held.into_iter().flatten().collect())
    }

    fn try_take(number: u8) -> Result<Option<Self>> {
        let path = Path::new(ROOT).join(format!("{number}.lock"));
        let file = open_lock(&path)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self { number, _lock: file })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error).with_context(|| format!("lock {}", path.display())),
        }
    }

    /// Base folder.
    pub(super) fn base(&self) -> PathBuf {
        base_of(self.number)
    }

    /// Name of the network namespace and of the cgroup parent.
    pub(super) fn name(&self) -> String {
        format!("hinomi-test-{}", self.number)
    }

    /// The two ends of the link into the namespace: outside, inside.
    pub(super) fn links(&self) -> (String, String) {
        (format!("hin{}o", self.number), format!("hin{}i", self.number))
    }

    /// An address of the slot's /24. The range is the one set aside for benchmarks (RFC 2544), so that it meets
    /// neither a user's networks nor the pools from which Docker takes its own.
    pub(super) fn address(&self, last: u8) -> String {
        format!("198.18.{}.{last}", self.number)
    }
}

/// What names and addresses of the slots begin with that are held at this moment.
pub(super) fn marks_in_use() -> Result<Vec<String>> {
    let mut marks = Vec::new();
    for number in (0..SLOTS).filter(|number| base_of(*number).exists()) {
        // Taking it and giving it back at once is how to ask.
        if Slot::try_take(number)?.is_none() {
            marks.push(format!("hinomi-test-{number}"));
            marks.push(format!("{}/", base_of(number).display()));
            marks.push(format!("hin{number}o"));
            marks.push(format!("198.18.{number}."));
        }
    }
    Ok(marks)
}

/// Held while things are made or removed that all slots share.
pub(super) fn shared_lock() -> Result<File> {
    make_root()?;
    let file = open_lock(&Path::new(ROOT).join("lock"))?;
    rustix::fs::flock(&file, FlockOperation::LockExclusive).context("lock what the slots share")?;
    Ok(file)
}

/// Whether any slot has a folder.
pub(super) fn any_in_use() -> bool {
    (0..SLOTS).any(|number| base_of(number).exists())
}

fn base_of(number: u8) -> PathBuf {
    Path::new(ROOT).join(number.to_string())
}

fn make_root() -> Result<()> {
    std::fs::create_dir_all(ROOT).with_context(|| format!("make {ROOT}"))
}

fn open_lock(path: &Path) -> Result<File> {
    let options = OpenOptions::new().create(true).write(true).truncate(false).open(path);
    options.with_context(|| format!("open {}", path.display()))
}
