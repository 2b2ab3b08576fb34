//! What is measured of the host: filesystems, pressure, open files, processes.

use std::collections::BTreeMap;

use hinomi_alert::numbers::Check;
use hinomi_model::NumberUnit;
use hinomi_series::Labels;

use super::docker_disk;
use super::measure::{Draft, Measure, quoted};

/// Filesystems that hold nothing of their own, or nothing that can fill.
const NOT_MEASURED: &str = "tmpfs|ramfs|devtmpfs|overlay|aufs|squashfs|erofs|cramfs|iso9660|udf|romfs|nsfs|autofs|\
    efivarfs|rootfs|fuse[.](lxcfs|snapfuse|portal|gvfsd-fuse)";

/// What is waited for: name, metric, and the share of time from which it is too much.
const PRESSURE: [(&str, &str, f64); 4] = [
    ("memory", "node_pressure_memory_waiting_seconds_total", 0.10),
    ("memory_stalled", "node_pressure_memory_stalled_seconds_total", 0.40),
    ("io", "node_pressure_io_waiting_seconds_total", 0.50),
    ("cpu", "node_pressure_cpu_waiting_seconds_total", 0.75),
];
/// Where the kernel has no pressure: load of a CPU, …
const LOAD_MOST: f64 = 4.0;
/// … pages swapped in and out a second, …
const SWAPPED_MOST: f64 = 1000.0;
/// … and pages read back from disk a second.
const FAULTS_MOST: f64 = 1000.0;

pub(super) fn measure(measure: &mut Measure<'_>) {
    let spaces = [(Check::Filesystem, SPACE), (Check::Inodes, INODES)];
    for (check, metrics) in spaces {
        if measure.looks_at(check) {
            filesystems(measure, check, &metrics);
        }
    }
    if measure.looks_at(Check::HostPressure) {
        pressure(measure);
    }
    if measure.looks_at(Check::OpenFiles) {
        open_files(measure);
    }
    if measure.looks_at(Check::Pids) {
        pids(measure);
    }
}

/// The metrics of what a filesystem has, what nobody uses, and what is left to everybody. What is reserved is neither used
/// nor left: as `df` has it, the filesystem has what is used and what is left.
struct Space {
    all: &'static str,
    free: &'static str,
    left: &'static str,
    unit: NumberUnit,
}

const SPACE: Space = Space {
    all: "node_filesystem_size_bytes",
    free: "node_filesystem_free_bytes",
    left: "node_filesystem_avail_bytes",
    unit: NumberUnit::Bytes,
};
const INODES: Space = Space {
    all: "node_filesystem_files",
    free: "node_filesystem_files_free",
    left: "node_filesystem_files_free",
    unit: NumberUnit::Count,
};

/// One filesystem, however often it is mounted.
struct Mounted {
    labels: Labels,
    all: f64,
    left: f64,
}

fn filesystems(measure: &mut Measure<'_>, check: Check, space: &Space) {
    let of = measure.of_host();
    let kinds = format!("{of},fstype!~{}", quoted(NOT_MEASURED));
    let had = format!("{}{{{kinds}}} - {}{{{kinds}}} + {}{{{kinds}}}", space.all, space.free, space.left);
    let Some(all) = measure.vector(&had) else { return };
    // Only of what may be written: what is read-only does not fill.
    let writable = format!("{}{{{kinds}}} unless node_filesystem_readonly{{{kinds}}} == 1", space.left);
    let Some(left) = measure.vector(&writable) else { return };
    let left: BTreeMap<String, f64> =
        left.into_iter().map(|(labels, value)| (place(&labels), value)).collect();
    let mut mounted: BTreeMap<String, Mounted> = BTreeMap::new();
    for (labels, all) in all.into_iter().filter(|(_, all)| *all > 0.0) {
        let Some(left) = left.get(&place(&labels)).copied() else { continue };
        let device = labels.get("device").unwrap_or_default().to_owned();
        // Of several mounts of one filesystem the one with the shortest path names it.
        let length = |labels: &Labels| labels.get("mountpoint").map_or(usize::MAX, str::len);
        let known = mounted.get(&device).map(|known| length(&known.labels));
        if known.is_none_or(|known| length(&labels) < known) {
            mounted.insert(device, Mounted { labels, all, left });
        }
    }
    let drafts = mounted.into_values().map(|one| draft(measure, check, space, &of, &one)).collect();
    measure.add_with_past(check, drafts);
}

fn draft(measure: &Measure<'_>, check: Check, space: &Space, of: &str, one: &Mounted) -> Draft {
    let point = one.labels.get("mountpoint").unwrap_or_default();
    let which = format!("{of},mountpoint={}", quoted(point));
    let query = format!("{}{{{which}}} - {}{{{which}}}", space.all, space.free);
    let about = (space.unit, one.all - one.left, one.all);
    let mut reading = Measure::reading(check, &measure.host, point, about, query);
    for (label, name) in [("device", "device"), ("fstype", "kind of filesystem")] {
        reading.facts.extend(one.labels.get(label).map(|value| (name.to_owned(), value.to_owned())));
    }
    if check == Check::Filesystem {
        reading.facts.extend(docker_disk::facts(measure.shared, point));
    }
    Draft { reading }
}

/// What tells a mount from another.
fn place(labels: &Labels) -> String {
    let part = |name| labels.get(name).unwrap_or_default();
    format!("{}\n{}", part("device"), part("mountpoint"))
}

fn pressure(measure: &mut Measure<'_>) {
    let of = measure.of_host();
    let mut known = false;
    for (part, metric, most) in PRESSURE {
        let query = |span: &str| format!("rate({metric}{{{of}}}[{span}])");
        known |= sustained(measure, part, (NumberUnit::Share, most), &query);
    }
    if known {
        return;
    }
    let cpus = format!("scalar(count(node_cpu_seconds_total{{{of},mode=\"idle\"}}))");
    let load = |span: &str| {
        let minutes = span.trim_end_matches('m');
        format!("node_load{minutes}{{{of}}} / {cpus}")
    };
    sustained(measure, "load", (NumberUnit::Count, LOAD_MOST), &load);
    let swap = |span: &str| {
        format!("rate(node_vmstat_pswpin{{{of}}}[{span}]) + rate(node_vmstat_pswpout{{{of}}}[{span}])")
    };
    sustained(measure, "swap", (NumberUnit::Count, SWAPPED_MOST), &swap);
    let faults = |span: &str| format!("rate(node_vmstat_pgmajfault{{{of}}}[{span}])");
    sustained(measure, "faults", (NumberUnit::Count, FAULTS_MOST), &faults);
}

/// Adds what is measured over 5 and over 15 minutes: the lesser of both counts. `false` where there is no such number.
fn sustained(
    measure: &mut Measure<'_>,
    part: &str,
    (unit, most): (NumberUnit, f64),
    query: &dyn Fn(&str) -> String,
) -> bool {
    let Some(short) = measure.number(&query("5m")) else { return false };
    let Some(long) = measure.number(&query("15m")) else { return false };
    let (host, about) = (std::sync::Arc::clone(&measure.host), (unit, short.min(long), most));
    let mut reading = Measure::reading(Check::HostPressure, &host, part, about, query("5m"));
    let said = |value: f64| match unit {
        NumberUnit::Share => format!("{:.0} %", value * 100.0),
        NumberUnit::Bytes | NumberUnit::Count => format!("{value:.1}"),
    };
    reading.facts = vec![("over 5 min".to_owned(), said(short)), ("over 15 min".to_owned(), said(long))];
    measure.add(reading);
    true
}

fn open_files(measure: &mut Measure<'_>) {
    let of = measure.of_host();
    let query = format!("node_filefd_allocated{{{of}}}");
    let Some(value) = measure.number(&query) else { return };
    let Some(limit) = measure.number(&format!("node_filefd_maximum{{{of}}}")) else { return };
    let host = std::sync::Arc::clone(&measure.host);
    measure.add(Measure::reading(Check::OpenFiles, &host, "", (NumberUnit::Count, value, limit), query));
}

/// Threads take process numbers too: the lower of both limits counts.
fn pids(measure: &mut Measure<'_>) {
    let of = measure.of_host();
    let query = format!("node_processes_threads{{{of}}}");
    let Some(value) = measure.number(&query) else { return };
    let limits = ["node_processes_max_threads", "node_processes_max_processes"];
    let limits = limits.map(|metric| measure.number(&format!("{metric}{{{of}}}")));
    let Some(limit) = limits.into_iter().flatten().min_by(f64::total_cmp) else { return };
    let host = std::sync::Arc::clone(&measure.host);
    measure.add(Measure::reading(Check::Pids, &host, "", (NumberUnit::Count, value, limit), query));
}
