//! Which feature needs which right, why, and whether this process has it here.
//!
//! # Invariants
//!
//! - Probing changes nothing that outlives it and never fails: what cannot be had is off, with what replaces it.
//! - One row a feature; a row that is off costs that feature only.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD};
use serde::Serialize;

use crate::metrics;
use crate::oom::{self, CgroupVersion};

/// Where to look.
#[derive(Clone, Debug)]
pub struct Options {
    /// The Docker Engine's socket.
    pub docker_socket: PathBuf,
    /// Where Hinomi stores its data.
    pub data_dir: PathBuf,
    /// The kernel's places.
    pub oom: oom::Options,
    /// Those that numbers are read from.
    pub metrics: metrics::Roots,
}

/// A feature and the right it takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Right {
    /// What it is for.
    pub feature: &'static str,
    /// Capability, group, mode or mount.
    pub right: String,
    /// Why the feature takes it.
    pub reason: &'static str,
    /// This process has it, here and now.
    pub on: bool,
    /// How it works here; or what is missing and what replaces it.
    pub detail: String,
}

/// Probes every right. Takes tens of milliseconds; blocks.
#[must_use]
pub fn explain(options: &Options) -> Vec<Right> {
    let proc_root = &options.oom.proc_root;
    let mut rows = vec![
        row(
            "docker",
            format!("read and write {} (group docker, or root)", options.docker_socket.display()),
            "events, inspect and logs of containers; Hinomi only reads, but the socket knows no read-only",
            docker(&options.docker_socket),
            "without it no container is seen: add the user to the socket's group, or mount the socket",
        ),
        row(
            "oom: victim",
            "root or CAP_SYS_ADMIN + CAP_DAC_OVERRIDE on tracefs".to_owned(),
            "the killed process, its name and size, within milliseconds, also in a storm",
            oom::probe_tracefs(options.oom.tracefs.as_deref(), proc_root),
            "the kernel's log replaces it, then the cgroup's count, then Docker's oom event",
        ),
        row(
            "oom: kernel log",
            format!("read {} (CAP_SYSLOG where kernel.dmesg_restrict=1)", options.oom.kmsg.display()),
            "the victim's cgroup, when the process is gone too soon; the victim itself without tracefs",
            oom::probe_kmsg(&options.oom.kmsg),
            "tracefs alone still names victims; containers then follow from process numbers and counts",
        ),
        cgroup_row(&options.oom.cgroup_root),
        row(
            "container of a process",
            format!(
                "read {}/<pid>/cgroup of other users (host's pid namespace, no hidepid)",
                proc_root.display()
            ),
            "which container a killed process belonged to, and where its cgroup is",
            others(proc_root, "cgroup"),
            "then only Docker's oom event tells; mount the host's /proc, or run with --pid=host",
        ),
        row(
            "listening ports",
            format!("read {}/<pid>/net/tcp of other users (host's pid namespace)", proc_root.display()),
            "whether a container's published port is listened to inside its network namespace",
            others(proc_root, "net/tcp"),
            "the Serve stage is then not observed",
        ),
        row(
            "data",
            format!("write {}", options.data_dir.display()),
            "what was seen survives a restart",
            data_dir(&options.data_dir),
            "Hinomi does not start without it: set data_dir, or give the folder to this user",
        ),
    ];
    rows.extend(metrics::rights(&options.metrics));
    rows
}

/// A row from what a probe found; `instead` says what is without it, and the remedy.
pub(crate) fn row(
    feature: &'static str,
    right: String,
    reason: &'static str,
    probe: Result<String, String>,
    instead: &str,
) -> Right {
    match probe {
        Ok(detail) => Right { feature, right, reason, on: true, detail },
        Err(why) => Right { feature, right, reason, on: false, detail: format!("{why}; {instead}") },
    }
}

/// By effective ids and capabilities, as the open itself would be judged.
fn may(path: &Path, access: Access) -> Result<(), String> {
    rustix::fs::accessat(CWD, path, access, AtFlags::EACCESS)
        .map_err(|error| format!("{}: {}", path.display(), std::io::Error::from(error)))
}

fn docker(socket: &Path) -> Result<String, String> {
    use std::os::unix::fs::FileTypeExt;
    let kind =
        std::fs::metadata(socket).map_err(|error| format!("{}: {error}", socket.display()))?.file_type();
    if !kind.is_socket() {
        return Err(format!("{} is no socket", socket.display()));
    }
    may(socket, Access::READ_OK | Access::WRITE_OK)?;
    Ok(format!("{} may be read and written", socket.display()))
}

fn cgroup_row(root: &Path) -> Right {
    let version = oom::cgroup_version(root);
    let (right, probe) = match version {
        CgroupVersion::V1 | CgroupVersion::Hybrid => {
            let control = root.join("memory/cgroup.event_control");
            let probe = may(&control, Access::WRITE_OK)
                .map(|()| "version 1: eventfd on memory.oom_control".to_owned());
            ("write memory/*/cgroup.event_control (root; the cgroup mount writable)".to_owned(), probe)
        }
        CgroupVersion::V2 => ("read memory.events below the cgroup mount (anybody)".to_owned(), second(root)),
        CgroupVersion::None => {
            let why = format!("no cgroup with memory below {}: mount the host's", root.display());
            ("read the cgroup mount".to_owned(), Err(why))
        }
    };
    let reason = "proof of a kill by the container's own count, and its peak memory";
    row("oom: cgroup", right, reason, probe, "victims are then reported without that proof")
}

/// Any cgroup's `memory.events` stands for all: the root itself has none.
fn second(root: &Path) -> Result<String, String> {
    let folders = std::fs::read_dir(root).map_err(|error| format!("{}: {error}", root.display()))?;
    let events =
        folders.flatten().take(1024).map(|entry| entry.path().join("memory.events")).find(|p| p.exists());
    let events =
        events.ok_or_else(|| format!("no memory controller in the cgroups below {}", root.display()))?;
    may(&events, Access::READ_OK)?;
    Ok("version 2: inotify on memory.events".to_owned())
}

/// Reads the file of a process of another user; of process 1 where there is none.
fn others(proc_root: &Path, file: &str) -> Result<String, String> {
    use std::os::unix::fs::MetadataExt;
    let me = rustix::process::geteuid().as_raw();
    let pids = std::fs::read_dir(proc_root).map_err(|error| format!("{}: {error}", proc_root.display()))?;
    let is_other = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.bytes().all(|byte| byte.is_ascii_digit()) && path.metadata().is_ok_and(|data| data.uid() != me)
    };
    let other =
        pids.flatten().map(|entry| entry.path()).find(is_other).unwrap_or_else(|| proc_root.join("1"));
    let path = other.join(file);
    std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(format!("{} was read", path.display()))
}

fn data_dir(folder: &Path) -> Result<String, String> {
    let existing = folder.ancestors().find(|path| path.exists()).unwrap_or(folder);
    may(existing, Access::WRITE_OK | Access::EXEC_OK)?;
    if existing == folder {
        return Ok(format!("{} may be written", folder.display()));
    }
    Ok(format!("{} can be made below {}", folder.display(), existing.display()))
}
