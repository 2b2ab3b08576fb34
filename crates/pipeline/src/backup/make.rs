//! Making a backup: a copy of the folders, then its stream.

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hinomi_base::budget::Share;
use hinomi_disk::space::free_bytes;
use hinomi_model::Nanos;
use hinomi_records::{Alive, Record, Stored};
use ring::digest::{Context, SHA256};

use super::frames::Frames;
use super::manifest::{Entry, FILES_MAX, FORMAT_VERSION, Head, Manifest, hex};
use super::names::{self, HEAD, MANIFEST, PARTS};
use super::restore::is_leftover;
use super::tar::{self, BLOCK, END_BYTES};
use crate::{Error, Handle};

/// What a backup takes of the memory budget: a piece, its compressed form, and a few that wait for the network.
const MEMORY_BYTES: u64 = 8 << 20;
/// How long what is queued for the disk may take to get there.
const STORED_WITHIN: Duration = Duration::from_secs(10);
/// What stays free on the disk beside the copy.
const LEFT_FREE_BYTES: u64 = 32 << 20;
/// Bytes that are read at once.
const BUFFER_BYTES: usize = 256 << 10;
/// Begin and end of the name of the folder with the copy.
const FOLDER: (&str, &str) = ("backup-", ".tmp");

/// Whose turn it is: one at a time.
#[derive(Debug, Default)]
pub(crate) struct Turn(Arc<AtomicBool>);

#[derive(Debug)]
struct Taken(Arc<AtomicBool>);

impl Turn {
    fn take(&self) -> Option<Taken> {
        let was = self.0.swap(true, Ordering::AcqRel);
        (!was).then(|| Taken(Arc::clone(&self.0)))
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// A folder that vanishes with this.
#[derive(Debug)]
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, folder = %self.0.display(), "a backup's copy could not be removed; the next start tries again");
        }
    }
}

/// Removes copies, and halves of restores, that a crash left. The caller has the folder's lock.
pub(crate) fn remove_leftovers(data_dir: &Path) {
    for name in hinomi_disk::file::names_in(data_dir).unwrap_or_default() {
        let path = data_dir.join(&name);
        let is_ours = (name.starts_with(FOLDER.0) && name.ends_with(FOLDER.1)) || is_leftover(&name);
        if !is_ours || !path.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
            continue;
        }
        match std::fs::remove_dir_all(&path) {
            Ok(()) => {
                tracing::info!(folder = %path.display(), "removed what an unfinished backup or restore left");
            }
            Err(error) => {
                tracing::warn!(%error, folder = %path.display(), "what an unfinished backup or restore left can't be removed");
            }
        }
    }
}

/// A copy of everything that is stored, ready to be written out. Dropping it removes the copy.
#[derive(Debug)]
pub struct Backup {
    // Fields drop in order: the copy is gone when the next turn may begin.
    folder: Folder,
    head: Head,
    made_at: Nanos,
    /// Names and bytes.
    files: Vec<(String, u64)>,
    _memory: Share,
    _turn: Taken,
}

impl Handle {
    /// Makes a copy of everything that was acknowledged before the call. Blocks, for as long as the disk takes to copy
    /// the logs; writing goes on meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when another one is under way, or memory is short; [`Error::Unavailable`] when the disk has no
    /// room or does not take what is to be stored; what the engines say.
    pub fn back_up(&self) -> Result<Backup, Error> {
        let shared = self.shared();
        let turn = shared.backup.take().ok_or_else(|| {
            Error::Busy("a backup is being made already; try again when it is done".to_owned())
        })?;
        let memory = shared.budget.take(MEMORY_BYTES).ok_or_else(|| {
            Error::Busy("there is no memory for a backup now; try again, or raise `memory_max`".to_owned())
        })?;
        let data_dir = &shared.settings.data_dir;
        let made_at = self.now();
        let folder = data_dir.join(format!("{}{:016x}{}", FOLDER.0, made_at.0, FOLDER.1));
        std::fs::create_dir(&folder).map_err(failed("make the folder", &folder))?;
        let folder = Folder(folder);
        room(data_dir, &folder.0)?;
        // Numbers are given in order: when this record is on the disk, so is everything before it.
        let ticket = shared.store.append(vec![Record::Alive(Alive { at: made_at })]);
        if ticket.wait(STORED_WITHIN) == Stored::Late {
            return Err(Error::Unavailable(
                "the disk does not take what is to be stored, so a backup would not be whole; `hinomi status` says more"
                    .to_owned(),
            ));
        }
        let [metrics, records] = PARTS.map(|part| folder.0.join(part));
        shared.store.copy_to(&records)?;
        shared.metrics.db().snapshot(&metrics)?;
        let files = files_in(&folder.0)?;
        let count = u64::try_from(files.len()).unwrap_or(u64::MAX);
        if count > FILES_MAX {
            return Err(Error::Unavailable(format!(
                "{count} files are too many for a backup; at most {FILES_MAX}"
            )));
        }
        let head = Head {
            format: FORMAT_VERSION,
            hinomi: env!("CARGO_PKG_VERSION").to_owned(),
            made_at: made_at.rfc3339(),
            cluster: shared.settings.host.name.clone(),
            files: count,
            bytes: files.iter().fold(0, |sum, (_, bytes)| sum.saturating_add(*bytes)),
        };
        Ok(Backup { folder, head, made_at, files, _memory: memory, _turn: turn })
    }
}

impl Backup {
    /// What it begins with.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Writes the archive and returns its length, bytes.
    ///
    /// # Errors
    ///
    /// What `out` says, or that the copy can't be read.
    pub fn write(&self, out: impl Write) -> io::Result<u64> {
        let seconds = u64::try_from(self.made_at.0 / 1_000_000_000).unwrap_or(0);
        let folder = &self.folder.0;
        archive(out, &self.head, seconds, &self.files, |name| File::open(folder.join(name)))
    }
}

/// Writes an archive of files, each of which has at least so many bytes.
pub(super) fn archive<R: io::Read>(
    out: impl Write,
    head: &Head,
    seconds: u64,
    files: &[(String, u64)],
    open: impl Fn(&str) -> io::Result<R>,
) -> io::Result<u64> {
    let mut out = Frames::new(out)?;
    let mut buffer = vec![0; BUFFER_BYTES];
    whole(&mut out, HEAD, seconds, &serde_json::to_vec(head)?)?;
    let mut contents = Vec::with_capacity(files.len());
    for (name, bytes) in files {
        out.write_all(&tar::header(name, *bytes, seconds))?;
        let mut file = open(name)?.take(*bytes);
        let mut sum = Context::new(&SHA256);
        let mut left = *bytes;
        while left > 0 {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("{name} became shorter")));
            }
            let piece = buffer.get(..read).unwrap_or_default();
            sum.update(piece);
            out.write_all(piece)?;
            left = left.saturating_sub(u64::try_from(read).unwrap_or(left));
        }
        pad(&mut out, *bytes)?;
        contents.push(Entry { name: name.clone(), bytes: *bytes, sha256: hex(sum.finish().as_ref()) });
    }
    let manifest = Manifest { head: head.clone(), contents };
    whole(&mut out, MANIFEST, seconds, &serde_json::to_vec_pretty(&manifest)?)?;
    out.write_all(&[0; END_BYTES])?;
    out.finish()
}

fn whole(out: &mut impl Write, name: &str, seconds: u64, content: &[u8]) -> io::Result<()> {
    let bytes = u64::try_from(content.len()).unwrap_or(u64::MAX);
    out.write_all(&tar::header(name, bytes, seconds))?;
    out.write_all(content)?;
    pad(out, bytes)
}

fn pad(out: &mut impl Write, bytes: u64) -> io::Result<()> {
    out.write_all([0; BLOCK].get(..tar::padding(bytes)).unwrap_or_default())
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Disk(hinomi_disk::Error::Io { action, path, source }.into())
}

/// All files below a folder, by their names from there, sorted, and their bytes.
fn files_in(folder: &Path) -> Result<Vec<(String, u64)>, Error> {
    let mut files = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(at) = folders.pop() {
        let dir = folder.join(&at);
        for name in hinomi_disk::file::names_in(&dir).map_err(hinomi_records::Error::from)? {
            let path = dir.join(&name);
            let meta = path.symlink_metadata().map_err(failed("look at", &path))?;
            let name = if at.is_empty() { name } else { format!("{at}/{name}") };
            if meta.is_dir() {
                folders.push(name);
            } else if meta.is_file() {
                names::check(&name).map_err(Error::Unavailable)?;
                files.push((name, meta.len()));
            }
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// Whether there is room for the copy: logs and lists are copied, all else is linked where the system can do that.
fn room(data_dir: &Path, folder: &Path) -> Result<(), Error> {
    let links = can_link(data_dir, folder);
    let mut needed_bytes = LEFT_FREE_BYTES;
    for part in PARTS {
        let mut folders = vec![data_dir.join(part)];
        while let Some(dir) = folders.pop() {
            // What never changes is below `blocks` and `journal`; of the journal the segment that is written to is
            // copied, which the reserve is for.
            let linked = links && (dir.ends_with("blocks") || part == "records");
            for name in hinomi_disk::file::names_in(&dir).map_err(hinomi_records::Error::from)? {
                let path = dir.join(name);
                match path.symlink_metadata() {
                    Ok(meta) if meta.is_dir() => folders.push(path),
                    Ok(meta) if !linked => needed_bytes = needed_bytes.saturating_add(meta.len()),
                    // A file may go while this looks.
                    Ok(_) | Err(_) => {}
                }
            }
        }
    }
    let free = free_bytes(data_dir).map_err(hinomi_records::Error::from)?;
    if free >= needed_bytes {
        return Ok(());
    }
    Err(Error::Unavailable(format!(
        "a backup needs {needed_bytes} bytes in {} while it is made, and {free} are free; free some space",
        data_dir.display()
    )))
}

fn can_link(data_dir: &Path, folder: &Path) -> bool {
    let device = |path: &Path| std::fs::metadata(path).map(|meta| meta.dev()).ok();
    let here = device(folder);
    let (probe, link) = (folder.join("probe"), folder.join("link"));
    let linked = File::create_new(&probe).and_then(|_| std::fs::hard_link(&probe, &link)).is_ok();
    let _made = std::fs::remove_file(&probe);
    let _made = std::fs::remove_file(&link);
    linked && PARTS.iter().all(|part| device(&data_dir.join(part)) == here)
}
