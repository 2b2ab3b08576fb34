//! A container's own cgroup: where it is, what it counted, and how it wakes us.
//!
//! # Invariants
//!
//! - Files are held open: a later cgroup under the same path is not mistaken for this one.
//! - A path is believed only if it names the container, so a process number used again leads nowhere else.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::event::EventfdFlags;
use rustix::fs::inotify;

use super::CgroupVersion;
use super::parse::{self, Counts, Membership};

/// Folders looked at when a path has to be searched for.
const SEARCH_FOLDERS: usize = 8192;
/// How deep the search goes; Kubernetes nests five, nested runtimes more.
const SEARCH_DEPTH: usize = 8;

/// Which version accounts memory below `root`.
pub(crate) fn version(root: &Path) -> CgroupVersion {
    if root.join("cgroup.controllers").exists() {
        return CgroupVersion::V2;
    }
    match (root.join("memory/memory.oom_control").exists(), root.join("unified").exists()) {
        (true, true) => CgroupVersion::Hybrid,
        (true, false) => CgroupVersion::V1,
        (false, true) => CgroupVersion::V2,
        (false, false) => CgroupVersion::None,
    }
}

/// The folder of a container's memory cgroup, and whether it is version 2.
pub(super) fn locate(
    cgroup_root: &Path,
    membership: &Membership,
    container_id: &str,
) -> Option<(PathBuf, bool)> {
    if container_id.len() < 12 {
        return None;
    }
    let (roots, file) = match membership {
        Membership::V1 { controllers, .. } => {
            (vec![cgroup_root.join("memory"), cgroup_root.join(controllers)], "memory.oom_control")
        }
        Membership::V2 { .. } => (vec![cgroup_root.to_owned(), cgroup_root.join("unified")], "memory.events"),
    };
    let second = matches!(membership, Membership::V2 { .. });
    let path = container_path(membership.path(), container_id)?;
    // In a cgroup namespace paths begin with `/..` for what lies beside its root.
    let relative = path.trim_start_matches("/..").trim_start_matches('/');
    if relative.split('/').any(|part| part == "..") {
        return None;
    }
    let direct = roots.iter().map(|root| root.join(relative)).find(|folder| folder.join(file).exists());
    let found = direct.or_else(|| roots.iter().find_map(|root| search(root, container_id, file)))?;
    Some((found, second))
}

/// The path up to the part that names the container: its processes may stand deeper.
pub(crate) fn container_path<'a>(path: &'a str, container_id: &str) -> Option<&'a str> {
    let at = path.find(container_id)?;
    let rest = path.get(at..)?;
    let end = rest.find('/').map_or(path.len(), |slash| at + slash);
    path.get(..end)
}

/// Breadth-first, bounded: the folder whose name holds the id.
pub(crate) fn search(root: &Path, container_id: &str, file: &str) -> Option<PathBuf> {
    let mut queue = std::collections::VecDeque::from([(root.to_owned(), 0)]);
    let mut looked = 0;
    while let Some((folder, depth)) = queue.pop_front() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            looked += 1;
            if entry.file_name().to_string_lossy().contains(container_id) && entry.path().join(file).exists()
            {
                return Some(entry.path());
            }
            if depth < SEARCH_DEPTH && looked < SEARCH_FOLDERS {
                queue.push_back((entry.path(), depth + 1));
            }
        }
    }
    None
}

/// How a cgroup wakes us.
#[derive(Debug)]
pub(super) enum Wake {
    /// Version 1: the kernel raises this descriptor *before* it counts, and once more at removal.
    Eventfd(OwnedFd),
    /// Version 2: an inotify watch.
    Inotify(i32),
    /// It can be read but not listened to.
    None,
}

/// An open memory cgroup.
#[derive(Debug)]
pub(super) struct Group {
    /// Version 2: its counts include its descendants'.
    pub second: bool,
    /// How it wakes us.
    pub wake: Wake,
    counts: File,
    peak: Option<File>,
}

impl Group {
    /// Opens it; `Err` says why it cannot be read. Why it cannot be listened to comes beside it.
    pub(super) fn open(
        folder: &Path,
        second: bool,
        inotify: Option<&OwnedFd>,
    ) -> Result<(Self, Option<String>), String> {
        let (counts, peak) = if second {
            ("memory.events", "memory.peak")
        } else {
            ("memory.oom_control", "memory.max_usage_in_bytes")
        };
        let counts_path = folder.join(counts);
        let counts = File::open(&counts_path)
            .map_err(|error| format!("cannot open {}: {error}", counts_path.display()))?;
        let peak = File::open(folder.join(peak)).ok();
        let wake = if second { listen_second(&counts_path, inotify) } else { listen_first(folder, &counts) };
        let (wake, problem) = match wake {
            Ok(wake) => (wake, None),
            Err(problem) => (Wake::None, Some(problem)),
        };
        Ok((Self { second, wake, counts, peak }, problem))
    }

    /// What it counted; `None` when it is gone.
    pub(super) fn counts(&self) -> Option<Counts> {
        parse::counts(&read_again(&self.counts)?)
    }

    /// Highest use, bytes.
    pub(super) fn peak_bytes(&self) -> Option<u64> {
        read_again(self.peak.as_ref()?)?.trim().parse().ok()
    }

    /// The descriptor to poll, on version 1.
    pub(super) fn eventfd(&self) -> Option<BorrowedFd<'_>> {
        match &self.wake {
            Wake::Eventfd(fd) => Some(fd.as_fd()),
            Wake::Inotify(_) | Wake::None => None,
        }
    }

    /// Takes the wake-up, so that the descriptor sleeps again.
    pub(super) fn drain(&self) {
        if let Wake::Eventfd(fd) = &self.wake {
            // Never blocks; empty is fine.
            let _empty = rustix::io::read(fd, &mut [0_u8; 8]);
        }
    }
}

fn listen_first(folder: &Path, counts: &File) -> Result<Wake, String> {
    let event = rustix::event::eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)
        .map_err(|error| format!("cannot make an eventfd: {error}"))?;
    let control = folder.join("cgroup.event_control");
    std::fs::write(&control, format!("{} {}", event.as_raw_fd(), counts.as_raw_fd()))
        .map_err(|error| format!("cannot write {}: {error}; it belongs to root", control.display()))?;
    Ok(Wake::Eventfd(event))
}

fn listen_second(events: &Path, inotify: Option<&OwnedFd>) -> Result<Wake, String> {
    let inotify = inotify.ok_or("no inotify descriptor")?;
    inotify::add_watch(inotify, events, inotify::WatchFlags::MODIFY).map(Wake::Inotify).map_err(|error| {
        format!("cannot watch {}: {error}; see fs.inotify.max_user_watches", events.display())
    })
}

/// Reads a small kernel file from its start.
fn read_again(file: &File) -> Option<String> {
    let mut bytes = [0_u8; 1024];
    let n = rustix::io::pread(file, bytes.as_mut_slice(), 0).ok()?;
    Some(String::from_utf8_lossy(bytes.get(..n)?).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        let make = |files: &[&str]| {
            let root = tempfile::tempdir().unwrap();
            for file in files {
                let path = root.path().join(file);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, "").unwrap();
            }
            version(root.path())
        };
        assert_eq!(make(&["cgroup.controllers"]), CgroupVersion::V2);
        assert_eq!(make(&["memory/memory.oom_control"]), CgroupVersion::V1);
        assert_eq!(make(&["memory/memory.oom_control", "unified/cgroup.procs"]), CgroupVersion::Hybrid);
        assert_eq!(make(&[]), CgroupVersion::None);
    }

    #[test]
    fn every_driver_is_found_and_nothing_else() {
        let id = "0a".repeat(32);
        let root = tempfile::tempdir().unwrap();
        let add = |folder: String| {
            std::fs::create_dir_all(root.path().join(&folder)).unwrap();
            std::fs::write(root.path().join(&folder).join("memory.events"), "").unwrap();
            folder
        };
        let find = |path: &str| {
            let found = locate(root.path(), &Membership::V2 { path: path.to_owned() }, &id)?.0;
            Some(found.strip_prefix(root.path()).unwrap().to_str().unwrap().to_owned())
        };
        assert_eq!(find(&format!("/docker/{id}")), None);
        let scope = add(format!("system.slice/docker-{id}.scope"));
        assert_eq!(find(&format!("/system.slice/docker-{id}.scope")), Some(scope.clone()));
        // Its processes stand deeper; a namespace hides the front of the path.
        assert_eq!(find(&format!("/system.slice/docker-{id}.scope/init")), Some(scope.clone()));
        assert_eq!(find(&format!("/../../docker-{id}.scope")), Some(scope));
        assert_eq!(find("/system.slice/ssh.service"), None);
        assert_eq!(find(&format!("/../a/../../{id}")), None);
        assert_eq!(find("/"), None);
    }
}
