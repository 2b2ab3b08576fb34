//! Short, bounded reads below the host's procfs. Everything may be gone at any time: `None`, never an error.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use super::parse::{self, Membership};

/// Reads at most this much of any file of the kernel's.
const READ_LIMIT_BYTES: u64 = 64 << 10;

/// A small text file, lossy.
pub(super) fn text(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(READ_LIMIT_BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn of_pid(proc_root: &Path, pid: u32, file: &str) -> Option<String> {
    if pid == 0 {
        return None;
    }
    text(&proc_root.join(pid.to_string()).join(file))
}

/// Where the process (or thread) stands.
pub(super) fn membership(proc_root: &Path, pid: u32) -> Option<Membership> {
    parse::membership(&of_pid(proc_root, pid, "cgroup")?)
}

/// The process that a thread belongs to.
pub(super) fn process_of(proc_root: &Path, thread: u32) -> Option<u32> {
    let status = of_pid(proc_root, thread, "status")?;
    status.lines().find_map(|line| line.strip_prefix("Tgid:")?.trim().parse().ok())
}

/// Its name.
pub(super) fn comm(proc_root: &Path, pid: u32) -> Option<String> {
    let comm = of_pid(proc_root, pid, "comm")?;
    Some(comm.trim_end_matches('\n').chars().take(16).collect())
}

/// Time since the host's boot.
pub(super) fn uptime(proc_root: &Path) -> Option<Duration> {
    let text = text(&proc_root.join("uptime"))?;
    let seconds: f64 = text.split(' ').next()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// When a process started, since the host's boot.
pub(super) fn started(proc_root: &Path, pid: u32) -> Option<Duration> {
    // The unit of this file is fixed at 1/100 s on every architecture that containers run on (USER_HZ).
    let ticks = parse::start_ticks(&of_pid(proc_root, pid, "stat")?)?;
    Some(Duration::from_millis(ticks.saturating_mul(10)))
}
