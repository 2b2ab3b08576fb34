//! Pure parsers of what the kernel writes about memory kills and cgroups.
//!
//! # Invariants
//!
//! - Bytes come from strangers: a process names itself, a cgroup is named by whoever makes it. Nothing here panics,
//!   and what a process may write into its name cannot forge another field: fields are cut at the name's far end.
//! - Fields are found by their names; kernels differ in which there are.

/// A process that the kernel chose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Victim {
    /// Number of the thread that was marked, in the first pid namespace.
    pub pid: u32,
    /// Its name.
    pub comm: Option<String>,
    /// Anonymous, file and shared memory, KiB.
    pub rss_kib: Option<u64>,
    /// The kernel's stamp, microseconds of its monotonic clock.
    pub stamp_us: Option<u64>,
}

/// Which fields `oom/mark_victim` has on this kernel (from its `format` file).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields {
    /// Process number; without it the event is useless.
    pub pid: bool,
    /// Process name.
    pub comm: bool,
    /// Resident memory.
    pub rss: bool,
}

/// Reads `events/oom/mark_victim/format`.
pub(super) fn fields(format: &str) -> Fields {
    let has = |name: &str| {
        format
            .lines()
            .filter_map(|line| line.trim().strip_prefix("field:")?.split(';').next())
            .any(|declaration| declaration.split([' ', '\t']).next_back().is_some_and(|word| word == name))
    };
    Fields { pid: has("pid"), comm: has("comm") || format.contains("char[] comm"), rss: has("anon_rss") }
}

/// What a line of `trace_pipe` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TraceLine {
    /// A victim.
    Victim(Victim),
    /// That many events were overwritten before they were read.
    Lost(u64),
}

/// Longer than any process name (15 bytes), so a name can't contain it.
const MARK: &str = "mark_victim: pid=";

/// Reads a line of `trace_pipe`.
pub(super) fn trace_line(line: &str, fields: Fields) -> Option<TraceLine> {
    let Some((before, after)) = line.split_once(MARK) else {
        let lost = line.split_once("[LOST ")?.1.split_once(" EVENTS]")?.0;
        return Some(TraceLine::Lost(lost.trim().parse().ok()?));
    };
    let pid: u32 = after.split([' ', '\n']).next()?.parse().ok().filter(|pid| *pid > 0)?;
    let mut victim = Victim { pid, stamp_us: stamp(before), ..Victim::default() };
    let (named, sizes) = after.rsplit_once(" total-vm").unwrap_or((after, ""));
    if fields.comm {
        victim.comm = named.split_once(" comm=").map(|(_, comm)| name(comm));
    }
    if fields.rss {
        victim.rss_kib = resident(sizes);
    }
    Some(TraceLine::Victim(victim))
}

/// `… 6965.691703: ` before the event's name, as microseconds.
fn stamp(before: &str) -> Option<u64> {
    let text = before.trim_end().strip_suffix(':')?.rsplit(' ').next()?;
    let (seconds, fraction) = text.split_once('.')?;
    let micros: u64 = fraction.parse().ok().filter(|_| fraction.len() == 6)?;
    seconds.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(micros)
}

/// Sum of the three kinds of resident memory, `name=1kB` or `name:1kB`.
fn resident(text: &str) -> Option<u64> {
    let size = |key: &str| -> Option<u64> {
        let after = text.split_once(key)?.1.strip_prefix(['=', ':'])?;
        after.split_once("kB")?.0.parse().ok()
    };
    let rest = size("file-rss").unwrap_or(0).saturating_add(size("shmem-rss").unwrap_or(0));
    size("anon-rss").map(|anon| anon.saturating_add(rest))
}

/// A process name: at most 16 bytes on every kernel; control characters made visible.
fn name(text: &str) -> String {
    text.chars().take(16).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// What a record of the kernel's log says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LogRecord {
    /// The summary before the kill: which process, in which cgroup. Rate-limited by the kernel.
    Chosen {
        /// Victim.
        pid: u32,
        /// Its memory cgroup's path from the hierarchy's root.
        cgroup: String,
    },
    /// The kill.
    Killed(Victim),
}

/// Reads a record of `/dev/kmsg`: `prio,seq,usec,flags;text`. What user space wrote there is no witness.
pub(super) fn log_record(record: &str) -> Option<LogRecord> {
    let (head, text) = record.split_once(';')?;
    let mut head = head.split(',');
    let priority: u32 = head.next()?.parse().ok()?;
    let stamp_us: u64 = head.nth(1)?.parse().ok()?;
    if priority >= 8 {
        return None;
    }
    let text = text.split('\n').next()?;
    if let Some(rest) = text.strip_prefix("oom-kill:") {
        let (rest, pid) = rest.rsplit_once(",pid=")?;
        let pid = pid.split(',').next()?.parse().ok()?;
        let (_, cgroup) = rest.split_once(",task_memcg=")?;
        let cgroup = cgroup.split_once(",task=").map_or(cgroup, |(cgroup, _)| cgroup);
        return Some(LogRecord::Chosen { pid, cgroup: cgroup.to_owned() });
    }
    if !text.starts_with("Memory cgroup out of memory: ") && !text.starts_with("Out of memory") {
        return None;
    }
    let (_, rest) = text.split_once("Killed process ")?;
    let (pid, rest) = rest.split_once(" (")?;
    let (comm, sizes) = rest.rsplit_once(") total-vm:").or_else(|| rest.rsplit_once("), "))?;
    let pid = pid.parse().ok()?;
    let victim = Victim { pid, comm: Some(name(comm)), rss_kib: resident(sizes), stamp_us: Some(stamp_us) };
    Some(LogRecord::Killed(victim))
}

/// Where a process stands, from `/proc/PID/cgroup`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Membership {
    /// Memory is accounted by version 1; controllers as written (`memory` or `memory,hugetlb`) and path.
    V1 {
        /// The hierarchy's controllers.
        controllers: String,
        /// Path from the hierarchy's root as this process may see it.
        path: String,
    },
    /// Version 2 path.
    V2 {
        /// Path from the root as this process may see it.
        path: String,
    },
}

impl Membership {
    pub(super) fn path(&self) -> &str {
        match self {
            Self::V1 { path, .. } | Self::V2 { path } => path,
        }
    }
}

/// Reads `/proc/PID/cgroup`: `id:controllers:path` a line.
pub(super) fn membership(text: &str) -> Option<Membership> {
    let mut second = None;
    for line in text.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let path = path.strip_suffix(" (deleted)").unwrap_or(path).to_owned();
        if controllers.split(',').any(|name| name == "memory") {
            return Some(Membership::V1 { controllers: controllers.to_owned(), path });
        }
        if controllers.is_empty() {
            second = Some(Membership::V2 { path });
        }
    }
    second
}

/// Container ids (64 lower-case hexadecimal digits) in a cgroup's path, innermost first.
pub(super) fn container_ids(path: &str) -> Vec<&str> {
    let is_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    path.rsplit('/')
        .flat_map(|part| part.rsplit(move |c| !is_hex(c)))
        .filter(|run| run.len() == 64)
        .take(8)
        .collect()
}

/// What a cgroup has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Processes killed.
    pub kills: u64,
    /// Times that the whole group was killed at once (version 2).
    pub groups: u64,
}

/// Reads v1 `memory.oom_control` or v2 `memory.events`: `key value` a line. `None` when there is no `oom_kill`
/// (kernels before 4.13), which then can't be an arbiter.
pub(super) fn counts(text: &str) -> Option<Counts> {
    let value = |key: &str| -> Option<u64> {
        text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
    };
    Some(Counts { kills: value("oom_kill")?, groups: value("oom_group_kill").unwrap_or(0) })
}

/// Start of a process in clock ticks since boot: field 22 of `/proc/PID/stat`, counted from behind its name.
pub(crate) fn start_ticks(stat: &str) -> Option<u64> {
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// Every parser on one text.
#[cfg(feature = "fuzzing")]
pub(crate) fn every(text: &str) {
    let known = fields(text);
    for line in text.lines() {
        let _victim = trace_line(line, known);
        let _record = log_record(line);
    }
    let _ticks = start_ticks(text);
    let _counts = counts(text);
    let _ids = container_ids(text);
    let _membership = membership(text);
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
