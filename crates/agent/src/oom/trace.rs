//! `oom/mark_victim` in a tracefs instance of our own: loses nothing in a storm and disturbs nobody's tracing.
//!
//! # Invariants
//!
//! - Works below one directory descriptor: a tracefs that is mounted, or a mount that is attached nowhere and so is
//!   seen by nobody and gone with this process.
//! - The instance is removed on drop; what a killed predecessor left is removed at the next start. The kernel refuses
//!   to remove an instance that somebody reads, so a living neighbour is safe whatever its process number means here.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};

use super::parse::{self, Fields, TraceLine};

const EVENT: &str = "events/oom/mark_victim";
const PREFIX: &str = "hinomi-";
/// Room per CPU: about 400 victims between two reads.
const BUFFER_KIB: &str = "64";
/// Read before others get their turn.
const READ_BYTES: usize = 64 << 10;
/// A line is about 200 bytes; longer ones are not ours.
const LINE_BYTES: usize = 4096;

/// A tracefs instance that reports victims.
pub(super) struct Trace {
    root: OwnedFd,
    name: String,
    pipe: Option<OwnedFd>,
    fields: Fields,
    partial: Vec<u8>,
    buffer: Vec<u8>,
}

/// Whether an instance could be made, and how the tracefs was reached; makes and removes one.
pub(crate) fn probe(path: Option<&Path>, proc_root: &Path) -> Result<String, String> {
    Trace::open(path, proc_root).map(|(_, how)| how)
}

impl Trace {
    /// Opens an instance; the text says how the tracefs was reached. Takes tens of milliseconds.
    pub(super) fn open(path: Option<&Path>, proc_root: &Path) -> Result<(Self, String), String> {
        let (root, how) = find_root(path)?;
        let format = read_at(&root, &format!("{EVENT}/format"))
            .map_err(|error| format!("cannot read {EVENT}/format: {error}; the kernel may lack the event"))?;
        let fields = parse::fields(&format);
        if !fields.pid {
            return Err(format!("{EVENT}/format has no field pid; this kernel's event is not understood"));
        }
        remove_stale(&root, proc_root);
        let name = make_instance(&root)?;
        // From here on dropping removes the instance.
        let mut trace =
            Self { root, name, pipe: None, fields, partial: Vec::new(), buffer: vec![0; READ_BYTES] };
        trace
            .switch_on()
            .map_err(|(file, error)| format!("cannot use instances/{}/{file}: {error}", trace.name))?;
        Ok((trace, how))
    }

    fn switch_on(&mut self) -> Result<(), (&'static str, Errno)> {
        let base = format!("instances/{}", self.name);
        let write = |file: &'static str, value: &str| {
            write_at(&self.root, &format!("{base}/{file}"), value).map_err(|error| (file, error))
        };
        write("buffer_size_kb", BUFFER_KIB)?;
        write("trace_clock", "mono")?;
        // Older kernels have no such file and wake at once anyway.
        let _older = write("buffer_percent", "0");
        write("events/oom/mark_victim/enable", "1")?;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let pipe = rustix::fs::openat(&self.root, format!("{base}/trace_pipe"), flags, Mode::empty());
        self.pipe = Some(pipe.map_err(|error| ("trace_pipe", error))?);
        Ok(())
    }

    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    /// What is new; a bounded amount.
    pub(super) fn read(&mut self) -> Vec<TraceLine> {
        let mut lines = Vec::new();
        let Some(pipe) = &self.pipe else { return lines };
        let mut left = READ_BYTES;
        while left > 0 {
            match rustix::io::read(pipe, self.buffer.as_mut_slice()) {
                Ok(0) | Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(_) => break,
                Ok(n) => {
                    left = left.saturating_sub(n);
                    self.partial.extend_from_slice(self.buffer.get(..n).unwrap_or_default());
                    split(&mut self.partial, |line| lines.extend(parse::trace_line(line, self.fields)));
                }
            }
        }
        lines
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        let base = format!("instances/{}", self.name);
        // Best effort at the end: what fails here is removed at the next start.
        let _off = write_at(&self.root, &format!("{base}/events/oom/mark_victim/enable"), "0");
        self.pipe = None;
        if let Err(error) = rustix::fs::unlinkat(&self.root, &base, AtFlags::REMOVEDIR) {
            tracing::warn!(instance = base, %error, "tracefs instance stays behind; the next start removes it");
        }
    }
}

/// Hands out the full lines and keeps the rest; a line without end is dropped.
fn split(partial: &mut Vec<u8>, mut line: impl FnMut(&str)) {
    let end = partial.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    for bytes in
        partial.drain(..end).as_slice().split(|byte| *byte == b'\n').filter(|bytes| !bytes.is_empty())
    {
        line(&String::from_utf8_lossy(bytes));
    }
    if partial.len() > LINE_BYTES {
        partial.clear();
    }
}

/// A tracefs: the given one, a mounted one, or a mount of our own.
fn find_root(path: Option<&Path>) -> Result<(OwnedFd, String), String> {
    let usual = || ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"].map(PathBuf::from).to_vec();
    let candidates = path.map_or_else(usual, |path| vec![path.to_owned()]);
    let mut denied = None;
    for candidate in &candidates {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let Ok(root) = rustix::fs::open(candidate, flags, Mode::empty()) else { continue };
        match read_at(&root, &format!("{EVENT}/format")) {
            Ok(_) => return Ok((root, format!("private instance below {}", candidate.display()))),
            Err(Errno::ACCESS | Errno::PERM) => {
                denied = Some(format!("{} belongs to root (mode 0700)", candidate.display()));
            }
            Err(_) => {}
        }
    }
    if let Some(path) = path {
        return Err(denied.unwrap_or_else(|| format!("{} holds no tracefs with {EVENT}", path.display())));
    }
    match mount_own() {
        Ok(root) => Ok((root, "private instance in a private mount of tracefs".to_owned())),
        Err(error) => Err(denied.unwrap_or_else(|| {
            format!("no tracefs is mounted and mounting one was refused: {error}; it takes CAP_SYS_ADMIN")
        })),
    }
}

/// A mount that is attached nowhere; the kernel drops it with the last descriptor.
fn mount_own() -> Result<OwnedFd, Errno> {
    let context = rustix::mount::fsopen("tracefs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    rustix::mount::fsconfig_create(&context)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// `hinomi-<pid>`, with a number behind it where this process has one already.
fn make_instance(root: &OwnedFd) -> Result<String, String> {
    let pid = std::process::id();
    for n in 0..16 {
        let name = if n == 0 { format!("{PREFIX}{pid}") } else { format!("{PREFIX}{pid}-{n}") };
        match rustix::fs::mkdirat(root, format!("instances/{name}"), Mode::from_raw_mode(0o700)) {
            Ok(()) => return Ok(name),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(format!("cannot make a tracefs instance: {error}; it takes root")),
        }
    }
    Err("16 tracefs instances of this process exist already".to_owned())
}

/// Removes instances whose process is dead.
fn remove_stale(root: &OwnedFd, proc_root: &Path) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(folder) = rustix::fs::openat(root, "instances", flags, Mode::empty()) else { return };
    let Ok(entries) = rustix::fs::Dir::read_from(&folder) else { return };
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().to_str() else { continue };
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        let Some(pid) = rest.split('-').next().and_then(|pid| pid.parse::<u32>().ok()) else { continue };
        if pid == std::process::id() || proc_root.join(pid.to_string()).exists() {
            continue;
        }
        match rustix::fs::unlinkat(&folder, name, AtFlags::REMOVEDIR) {
            Ok(()) => tracing::info!(instance = name, "removed a tracefs instance that a dead process left"),
            Err(error) => tracing::debug!(instance = name, %error, "tracefs instance of another stays"),
        }
    }
}

fn read_at(root: &OwnedFd, path: &str) -> Result<String, Errno> {
    let file = rustix::fs::openat(root, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut bytes = vec![0; 8192];
    let n = rustix::io::read(&file, bytes.as_mut_slice())?;
    Ok(String::from_utf8_lossy(bytes.get(..n).unwrap_or_default()).into_owned())
}

fn write_at(root: &OwnedFd, path: &str, value: &str) -> Result<(), Errno> {
    let file = rustix::fs::openat(root, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(&file, value.as_bytes()).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_and_endless_ones_dropped() {
        let mut seen = Vec::new();
        let mut partial = b"one\n\ntwo\nthr".to_vec();
        split(&mut partial, |line| seen.push(line.to_owned()));
        partial.extend_from_slice(b"ee\n");
        split(&mut partial, |line| seen.push(line.to_owned()));
        assert_eq!(seen, ["one", "two", "three"]);
        partial.extend_from_slice(&[b'x'; LINE_BYTES + 1]);
        split(&mut partial, |_| {});
        assert!(partial.is_empty());
    }

    #[test]
    fn a_folder_without_tracefs_is_a_reason_not_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let reason = probe(Some(folder.path()), Path::new("/proc")).unwrap_err();
        assert!(reason.contains("holds no tracefs"), "{reason}");
    }
}
