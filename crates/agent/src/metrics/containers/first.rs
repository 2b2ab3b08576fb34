//! cgroup version 1: a folder for each controller.

use std::path::Path;

use super::reading::{Cpu, Io, Memory, Number, Reading, device, of_device};
use crate::metrics::files::{Files, pairs, value_of};

/// `cpuacct.stat` counts in hundredths of a second on every architecture that containers run on (USER_HZ).
const TICKS_PER_SECOND: f64 = 100.0;
const NANOS_PER_SECOND: f64 = 1e9;
/// Above this a limit is none: the kernel writes its highest number, rounded to pages. As cAdvisor does.
const NO_LIMIT_ABOVE: f64 = 4_611_686_018_427_387_904.0;
/// Where bytes and counts of reads and writes stand, in order of preference: which of them counts depends on the
/// kernel and on the device's scheduler. Newer kernels (seen with 6.18) count in none of them before somebody sets a
/// limit for the device.
const IO_FILES: [(&str, &str); 4] = [
    ("blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_serviced_recursive"),
    ("blkio.throttle.io_service_bytes", "blkio.throttle.io_serviced"),
    ("blkio.bfq.io_service_bytes_recursive", "blkio.bfq.io_serviced_recursive"),
    ("blkio.io_service_bytes_recursive", "blkio.io_serviced_recursive"),
];

pub(super) fn usage(files: &mut Files, folder: &Path, cpu: &mut Cpu) {
    cpu.usage = files.number(folder, "cpuacct.usage").map(|nanos| nanos / NANOS_PER_SECOND);
    if let Some(text) = files.text("container: cpuacct", folder, "cpuacct.stat") {
        let seconds = |key| value_of(&text, key).map(|ticks| ticks / TICKS_PER_SECOND);
        cpu.user = seconds("user");
        cpu.system = seconds("system");
    }
}

pub(super) fn cpu(files: &mut Files, folder: &Path, cpu: &mut Cpu) {
    if let Some(text) = files.text("container: cpu", folder, "cpu.stat") {
        let seconds = |key| value_of(&text, key).map(|nanos| nanos / NANOS_PER_SECOND);
        cpu.periods = value_of(&text, "nr_periods");
        cpu.throttled_periods = value_of(&text, "nr_throttled");
        cpu.throttled = seconds("throttled_time");
        cpu.burst_periods = value_of(&text, "nr_bursts");
        cpu.burst = seconds("burst_time");
    }
    cpu.period_us = files.number(folder, "cpu.cfs_period_us");
    cpu.quota_us = files.number(folder, "cpu.cfs_quota_us").filter(|quota| *quota > 0.0);
    cpu.shares = files.number(folder, "cpu.shares");
}

pub(super) fn memory(files: &mut Files, folder: &Path, memory: &mut Memory) {
    if let Some(text) = files.text("container: memory", folder, "memory.stat") {
        stat(&text, memory);
    }
    memory.usage = files.number(folder, "memory.usage_in_bytes");
    memory.peak = files.number(folder, "memory.max_usage_in_bytes");
    memory.kernel = files.number(folder, "memory.kmem.usage_in_bytes");
    memory.hits = files.number(folder, "memory.failcnt");
    memory.limit = limit(files.number(folder, "memory.limit_in_bytes"));
    memory.reservation = limit(files.number(folder, "memory.soft_limit_in_bytes"));
    memory.swap_limit = limit(files.number(folder, "memory.memsw.limit_in_bytes"));
    let text = files.optional(folder, "memory.oom_control");
    memory.kills = text.and_then(|text| value_of(&text, "oom_kill"));
}

fn limit(number: Number) -> Number {
    number.map(|limit| if limit > NO_LIMIT_ABOVE { 0.0 } else { limit })
}

/// `memory.stat`: what begins with `total_` includes the cgroups below.
fn stat(text: &str, memory: &mut Memory) {
    for (key, value) in pairs(text) {
        let field = match key {
            "total_rss" => &mut memory.rss,
            "total_cache" => &mut memory.cache,
            "total_swap" => &mut memory.swap,
            "total_mapped_file" => &mut memory.mapped,
            "total_active_file" => &mut memory.active_file,
            "total_inactive_file" => &mut memory.inactive_file,
            "pgfault" => &mut memory.faults[0],
            "total_pgfault" => &mut memory.faults[1],
            "pgmajfault" => &mut memory.major_faults[0],
            "total_pgmajfault" => &mut memory.major_faults[1],
            _ => continue,
        };
        *field = Some(value);
    }
}

pub(super) fn io(files: &mut Files, folder: &Path, io: &mut Vec<Io>) {
    for (bytes, counts) in IO_FILES {
        if let Some(text) = files.optional(folder, bytes) {
            service_bytes(&text, io);
        }
        if io.is_empty() {
            continue;
        }
        if let Some(text) = files.optional(folder, counts) {
            serviced(&text, io);
        }
        return;
    }
}

fn service_bytes(text: &str, io: &mut Vec<Io>) {
    for (device, operation, value) in operations(text) {
        let Some(one) = of_device(io, device) else { continue };
        match operation {
            "Read" => one.read_bytes = value,
            "Write" => one.written_bytes = value,
            "Discard" => one.discarded_bytes = value,
            _ => {}
        }
    }
}

fn serviced(text: &str, io: &mut Vec<Io>) {
    for (device, operation, value) in operations(text) {
        let Some(one) = of_device(io, device) else { continue };
        match operation {
            "Read" => one.reads = value,
            "Write" => one.writes = value,
            _ => {}
        }
    }
}

/// Lines `254:0 Read 4096`.
fn operations(text: &str) -> impl Iterator<Item = ((u32, u32), &str, f64)> {
    text.lines().filter_map(|line| {
        let mut words = line.split(' ');
        Some((device(words.next()?)?, words.next()?, words.next()?.parse().ok()?))
    })
}

/// The same in both versions.
pub(super) fn pids(files: &mut Files, folder: &Path, reading: &mut Reading) {
    reading.threads = files.number(folder, "pids.current");
    reading.threads_max = most(files, folder);
}

/// `pids.max`, which holds `max` where there is no limit.
fn most(files: &mut Files, folder: &Path) -> Number {
    let text = files.optional(folder, "pids.max")?;
    if text.trim() == "max" { Some(0.0) } else { crate::metrics::files::number(&text) }
}

/// Processes that stand in the cgroup itself; the same in both versions.
pub(super) fn processes(files: &mut Files, folder: &Path) -> Number {
    let text = files.optional(folder, "cgroup.procs")?;
    Some(text.lines().count() as f64).filter(|count| *count > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Linux 6.18; 4.19 has no `oom_kill` in `memory.oom_control`, and the same fields here.
    const STAT: &str = "cache 4096\nrss 102400\nmapped_file 4096\npgfault 61244\npgmajfault 1\n\
        inactive_file 0\nhierarchical_memory_limit 9223372036854771712\ntotal_cache 8192\ntotal_rss 204800\n\
        total_mapped_file 4097\ntotal_swap 5\ntotal_pgfault 61245\ntotal_pgmajfault 2\ntotal_inactive_file 6\n\
        total_active_file 4098\ntotal_unevictable 0\n";

    #[test]
    fn memory_stat() {
        let mut memory = Memory { usage: Some(10_000.0), ..Memory::default() };
        stat(STAT, &mut memory);
        let expected = Memory {
            usage: Some(10_000.0),
            rss: Some(204_800.0),
            cache: Some(8192.0),
            swap: Some(5.0),
            mapped: Some(4097.0),
            active_file: Some(4098.0),
            inactive_file: Some(6.0),
            faults: [Some(61_244.0), Some(61_245.0)],
            major_faults: [Some(1.0), Some(2.0)],
            ..Memory::default()
        };
        assert_eq!(memory, expected);
        assert_eq!(memory.working_set(), Some(9994.0));
    }

    #[test]
    fn no_limit_is_0() {
        let cases = [(9_223_372_036_854_771_712.0, 0.0), (67_108_864.0, 67_108_864.0), (0.0, 0.0)];
        for (number, expected) in cases {
            assert_eq!(limit(Some(number)), Some(expected));
        }
    }

    #[test]
    fn operations_of_devices() {
        let bytes = "254:0 Read 4096\n254:0 Write 1048576\n254:0 Sync 1\n254:0 Discard 7\n254:0 Total 9\n\
                     8:16 Read 1\nTotal 10\nbad line\n";
        let mut io = Vec::new();
        service_bytes(bytes, &mut io);
        serviced("254:0 Read 1\n254:0 Write 16\n8:16 Read x\n", &mut io);
        let vda = Io {
            device: (254, 0),
            read_bytes: 4096.0,
            written_bytes: 1_048_576.0,
            discarded_bytes: 7.0,
            reads: 1.0,
            writes: 16.0,
        };
        assert_eq!(io, [vda, Io { device: (8, 16), read_bytes: 1.0, ..Io::default() }]);
    }
}
