//! Which families a reading becomes.

use hinomi_wire::Head;

use super::reading::{Cpu, Io, Memory, Number, Pressure, Reading};
use crate::metrics::memo::Out;

const INFO: Head<'_> =
    Head::gauge("container_info", "That a container runs, and which cgroups count for it; always 1.");
const LAST_SEEN: Head<'_> =
    Head::gauge("container_last_seen", "When it was seen last, in seconds since 1970.");
const STARTED: Head<'_> =
    Head::gauge("container_start_time_seconds", "When its first process started, in seconds since 1970.");

const USAGE: Head<'_> = Head::counter("container_cpu_usage_seconds_total", "CPU time used.");
const USER: Head<'_> = Head::counter("container_cpu_user_seconds_total", "CPU time used by programs.");
const SYSTEM: Head<'_> = Head::counter("container_cpu_system_seconds_total", "CPU time used by the kernel.");
const PERIODS: Head<'_> =
    Head::counter("container_cpu_cfs_periods_total", "Periods in which a limit on CPU time counted.");
const THROTTLED_PERIODS: Head<'_> = Head::counter(
    "container_cpu_cfs_throttled_periods_total",
    "Periods in which tasks had to wait for the next.",
);
const THROTTLED: Head<'_> =
    Head::counter("container_cpu_cfs_throttled_seconds_total", "Time that tasks waited for the next period.");
const BURST_PERIODS: Head<'_> =
    Head::counter("container_cpu_cfs_burst_periods_total", "Periods in which saved time was used.");
const BURST: Head<'_> = Head::counter("container_cpu_cfs_burst_seconds_total", "Saved time that was used.");
const PERIOD: Head<'_> =
    Head::gauge("container_spec_cpu_period", "Period of the limit on CPU time, microseconds.");
const QUOTA: Head<'_> =
    Head::gauge("container_spec_cpu_quota", "CPU time that may be used a period, microseconds.");
const SHARES: Head<'_> = Head::gauge("container_spec_cpu_shares", "Share of CPU time when it is short.");

const FAILURES: Head<'_> = Head::counter("container_memory_failures_total", "Page faults.");

const PROCESSES: Head<'_> = Head::gauge("container_processes", "Processes.");
const THREADS: Head<'_> = Head::gauge("container_threads", "Threads.");
const THREADS_MAX: Head<'_> =
    Head::gauge("container_threads_max", "Most threads that may be; 0 without a limit.");

const READ_BYTES: Head<'_> = Head::counter("container_fs_reads_bytes_total", "Bytes read from a device.");
const WRITTEN_BYTES: Head<'_> =
    Head::counter("container_fs_writes_bytes_total", "Bytes written to a device.");
const READS: Head<'_> = Head::counter("container_fs_reads_total", "Reads from a device.");
const WRITES: Head<'_> = Head::counter("container_fs_writes_total", "Writes to a device.");
const DEVICE: Head<'_> =
    Head::counter("container_blkio_device_usage_total", "Bytes that went to or from a device, by operation.");

type Field<T> = (Head<'static>, fn(&T) -> Number);

const MEMORY: [Field<Memory>; 15] = [
    (Head::gauge("container_memory_usage_bytes", "Memory used, with the file cache."), |m| m.usage),
    (
        Head::gauge(
            "container_memory_working_set_bytes",
            "Memory used, without the file cache not used lately.",
        ),
        Memory::working_set,
    ),
    (Head::gauge("container_memory_rss", "Memory of programs, bytes."), |m| m.rss),
    (Head::gauge("container_memory_cache", "File cache, bytes."), |m| m.cache),
    (Head::gauge("container_memory_swap", "Swap space used, bytes."), |m| m.swap),
    (Head::gauge("container_memory_mapped_file", "Files mapped into memory, bytes."), |m| m.mapped),
    (Head::gauge("container_memory_kernel_usage", "Memory that the kernel uses for it, bytes."), |m| {
        m.kernel
    }),
    (Head::gauge("container_memory_total_active_file_bytes", "File cache that was used lately."), |m| {
        m.active_file
    }),
    (
        Head::gauge("container_memory_total_inactive_file_bytes", "File cache that was not used lately."),
        |m| m.inactive_file,
    ),
    (Head::gauge("container_memory_max_usage_bytes", "Most memory ever used."), |m| m.peak),
    (Head::counter("container_memory_failcnt", "Times that use met its limit."), |m| m.hits),
    (
        Head::counter(
            "container_oom_events_total",
            "Processes that the kernel killed because the limit was met.",
        ),
        |m| m.kills,
    ),
    (Head::gauge("container_spec_memory_limit_bytes", "Limit on memory; 0 without one."), |m| m.limit),
    (
        Head::gauge(
            "container_spec_memory_reservation_limit_bytes",
            "Memory that it should be left; 0 without one.",
        ),
        |m| m.reservation,
    ),
    (
        Head::gauge(
            "container_spec_memory_swap_limit_bytes",
            "Limit on swap space; with memory in version 1.",
        ),
        |m| m.swap_limit,
    ),
];

const PRESSURE: [Field<Pressure>; 6] = [
    (
        Head::counter(
            "container_pressure_cpu_waiting_seconds_total",
            "Time in which some task waited for a CPU.",
        ),
        |p| p.cpu[0],
    ),
    (
        Head::counter(
            "container_pressure_cpu_stalled_seconds_total",
            "Time in which all tasks waited for a CPU.",
        ),
        |p| p.cpu[1],
    ),
    (
        Head::counter(
            "container_pressure_memory_waiting_seconds_total",
            "Time in which some task waited for memory.",
        ),
        |p| p.memory[0],
    ),
    (
        Head::counter(
            "container_pressure_memory_stalled_seconds_total",
            "Time in which all tasks waited for memory.",
        ),
        |p| p.memory[1],
    ),
    (
        Head::counter(
            "container_pressure_io_waiting_seconds_total",
            "Time in which some task waited for a disk.",
        ),
        |p| p.io[0],
    ),
    (
        Head::counter(
            "container_pressure_io_stalled_seconds_total",
            "Time in which all tasks waited for a disk.",
        ),
        |p| p.io[1],
    ),
];

pub(super) fn about(out: &mut Out<'_>, version: &str, started: Number, now_ms: i64) {
    out.put(&INFO, &[("cgroup_version", version)], 1.0);
    out.put(&LAST_SEEN, &[], now_ms.div_euclid(1000) as f64);
    out.put_some(&STARTED, &[], started);
}

pub(super) fn put(out: &mut Out<'_>, reading: &Reading) {
    cpu(out, &reading.cpu);
    for (head, value) in &MEMORY {
        out.put_some(head, &[], value(&reading.memory));
    }
    let memory = &reading.memory;
    for (kind, counts) in [("pgfault", &memory.faults), ("pgmajfault", &memory.major_faults)] {
        for (scope, count) in ["container", "hierarchy"].iter().zip(counts) {
            out.put_some(&FAILURES, &[("failure_type", kind), ("scope", scope)], *count);
        }
    }
    for (head, value) in &PRESSURE {
        out.put_some(head, &[], value(&reading.pressure));
    }
    out.put_some(&PROCESSES, &[], reading.processes);
    out.put_some(&THREADS, &[], reading.threads);
    out.put_some(&THREADS_MAX, &[], reading.threads_max);
}

fn cpu(out: &mut Out<'_>, cpu: &Cpu) {
    out.put_some(&USAGE, &[("cpu", "total")], cpu.usage);
    out.put_some(&USER, &[], cpu.user);
    out.put_some(&SYSTEM, &[], cpu.system);
    out.put_some(&PERIOD, &[], cpu.period_us);
    out.put_some(&SHARES, &[], cpu.shares);
    if cpu.quota_us.is_none() {
        return;
    }
    out.put_some(&QUOTA, &[], cpu.quota_us);
    out.put_some(&PERIODS, &[], cpu.periods);
    out.put_some(&THROTTLED_PERIODS, &[], cpu.throttled_periods);
    out.put_some(&THROTTLED, &[], cpu.throttled);
    out.put_some(&BURST_PERIODS, &[], cpu.burst_periods);
    out.put_some(&BURST, &[], cpu.burst);
}

/// `name` gives a device's file.
pub(super) fn put_io(out: &mut Out<'_>, io: &[Io], mut name: impl FnMut((u32, u32)) -> String) {
    for one in io {
        let device = name(one.device);
        let (major, minor) = (one.device.0.to_string(), one.device.1.to_string());
        let label = [("device", &*device)];
        out.put(&READ_BYTES, &label, one.read_bytes);
        out.put(&WRITTEN_BYTES, &label, one.written_bytes);
        out.put(&READS, &label, one.reads);
        out.put(&WRITES, &label, one.writes);
        let operations =
            [("Read", one.read_bytes), ("Write", one.written_bytes), ("Discard", one.discarded_bytes)];
        for (operation, bytes) in operations {
            let labels =
                [("device", &*device), ("major", &major), ("minor", &minor), ("operation", operation)];
            out.put(&DEVICE, &labels, bytes);
        }
    }
}
