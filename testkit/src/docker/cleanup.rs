//! Removal of exactly what one slot made, whether its dockerd is alive, dead or frozen. The order matters: first those
//! who would start things again, then what they started, then what these held.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::mount::UnmountFlags;
use rustix::process::Signal;

use super::slot::{self, Slot};
use crate::process;

/// Shims put their sockets here, whoever their containerd is.
const SHIM_SOCKETS: &str = "/run/containerd/s";
const CGROUPS: &str = "/sys/fs/cgroup";

/// Everything, the base folder last.
pub(super) fn remove(slot: &Slot) {
    let base = slot.base();
    power_off(slot);
    super::network::down(slot);
    remove_cgroups(&slot.name());
    let _gone = std::fs::remove_dir_all(&base);
    remove_shared_folders();
}

/// What a power cut does: every process ends, every mount is gone. The disk stays.
pub(super) fn power_off(slot: &Slot) {
    let base = slot.base();
    let mut ids = container_ids(&base);
    ids.extend(kill_daemons(&base));
    kill_cgroup(&slot.name());
    ids.extend(kill_daemons(&base));
    unmount_below(&base);
    remove_shim_sockets(&base, &ids);
}

/// Kills the daemons and shims that belong to `base`; returns the ids of the containers that the shims served.
fn kill_daemons(base: &Path) -> BTreeSet<String> {
    let mark = format!("{}/", base.display());
    let mut ids = BTreeSet::new();
    let mut killed = Vec::new();
    for pid in process::pids() {
        let args = process::cmdline(pid);
        let Some(program) = args.first().and_then(|first| first.rsplit('/').next()) else { continue };
        let ours = matches!(program, "dockerd" | "containerd" | "docker-proxy")
            || program.starts_with("containerd-shim");
        if !ours || !args.iter().any(|arg| arg.contains(&mark)) {
            continue;
        }
        ids.extend(args.iter().skip_while(|arg| *arg != "-id").nth(1).cloned());
        process::signal(pid, Signal::KILL);
        killed.push(pid);
    }
    let _still = process::wait_for("end of daemons", Duration::from_secs(5), || {
        killed.iter().all(|pid| !process::lives(*pid)).then_some(())
    });
    ids
}

/// Kills all processes in the cgroups below `parent`; thaws them first, because the frozen do not die on v1.
fn kill_cgroup(parent: &str) {
    let _still = process::wait_for("end of containers", Duration::from_secs(10), || {
        let mut left = 0;
        for folder in cgroup_folders(parent) {
            let _v2_only = std::fs::write(folder.join("cgroup.kill"), "1");
            if folder.join("freezer.state").exists() {
                let _gone = std::fs::write(folder.join("freezer.state"), "THAWED");
            }
            let procs = std::fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
            for pid in procs.lines().filter_map(|line| line.parse().ok()) {
                process::signal(pid, Signal::KILL);
                left += usize::from(process::lives(pid));
            }
        }
        (left == 0).then_some(())
    });
}

/// The folders of `parent` in every hierarchy, children before parents.
fn cgroup_folders(parent: &str) -> Vec<PathBuf> {
    let hierarchies = std::fs::read_dir(CGROUPS).into_iter().flatten().flatten().map(|entry| entry.path());
    let roots = hierarchies.chain([PathBuf::from(CGROUPS)]).map(|dir| dir.join(parent));
    let mut folders: BTreeSet<PathBuf> = BTreeSet::new();
    let mut open: Vec<PathBuf> = roots.filter(|dir| dir.is_dir()).collect();
    while let Some(folder) = open.pop() {
        let children = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        open.extend(children.filter(|e| e.file_type().is_ok_and(|t| t.is_dir())).map(|e| e.path()));
        // Several names of one hierarchy (`cpu`, `cpu,cpuacct`) are links; rmdir of the second finds nothing.
        folders.insert(folder);
    }
    folders.into_iter().rev().collect()
}

fn remove_cgroups(parent: &str) {
    let _still = process::wait_for("removal of cgroups", Duration::from_secs(5), || {
        for folder in cgroup_folders(parent) {
            let _busy = std::fs::remove_dir(folder);
        }
        cgroup_folders(parent).is_empty().then_some(())
    });
}

/// Unmounts everything below `base`, deepest first.
fn unmount_below(base: &Path) {
    let mark = format!("{}/", base.display());
    let table = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let targets = table.lines().filter_map(|line| line.split(' ').nth(1));
    let ours: Vec<&str> = targets.filter(|target| target.starts_with(&mark)).collect();
    for target in ours.into_iter().rev() {
        let _gone = rustix::mount::unmount(target, UnmountFlags::DETACH);
    }
}

/// Ids of all containers that the data-root or containerd's state knows.
fn container_ids(base: &Path) -> BTreeSet<String> {
    let tasks = "io.containerd.runtime.v2.task";
    let folders = [
        base.join("data/containers"),
        base.join("exec/containerd/daemon").join(tasks).join("moby"),
        base.join("ctr/state").join(tasks).join(super::OWN_NAMESPACE),
    ];
    let entries = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// A shim's socket is named after the SHA-256 of `address/namespace/id`.
fn remove_shim_sockets(base: &Path, ids: &BTreeSet<String>) {
    let spaces =
        [base.join("exec/containerd/containerd.sock/moby"), base.join("ctr/sock").join(super::OWN_NAMESPACE)];
    for space in spaces {
        for id in ids {
            if let Some(name) = sha256_hex(&space.join(id)) {
                let _gone = std::fs::remove_file(Path::new(SHIM_SOCKETS).join(name));
            }
        }
    }
}

fn sha256_hex(path: &Path) -> Option<String> {
    let mut sum = Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
    sum.stdin.take()?.write_all(path.to_str()?.as_bytes()).ok()?;
    let output = sum.wait_with_output().ok()?;
    String::from_utf8_lossy(&output.stdout).split_whitespace().next().map(str::to_owned)
}

/// Folders that shims make and nobody removes: away when empty, when no other test needs them and when this host has
/// no containerd of its own.
fn remove_shared_folders() {
    let Ok(_lock) = slot::shared_lock() else { return };
    if slot::any_in_use() || Path::new("/run/containerd/containerd.sock").exists() {
        return;
    }
    for folder in [SHIM_SOCKETS, "/run/containerd"] {
        let _not_empty = std::fs::remove_dir(folder);
    }
}
