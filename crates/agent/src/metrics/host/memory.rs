//! Memory, paging and pressure.

use std::fmt::Write as _;

use hinomi_wire::{Head, Kind};

use super::Round;
use crate::metrics::files::{number, pairs};

/// Most fields of a file that become families; kernels have 60.
const FIELDS_MAX: usize = 256;

const PRESSURE: [(&str, &str, Head<'_>); 6] = [
    (
        "cpu",
        "some",
        Head::counter("node_pressure_cpu_waiting_seconds_total", "Time in which some task waited for a CPU."),
    ),
    (
        "io",
        "some",
        Head::counter("node_pressure_io_waiting_seconds_total", "Time in which some task waited for a disk."),
    ),
    (
        "io",
        "full",
        Head::counter("node_pressure_io_stalled_seconds_total", "Time in which all tasks waited for a disk."),
    ),
    (
        "memory",
        "some",
        Head::counter(
            "node_pressure_memory_waiting_seconds_total",
            "Time in which some task waited for memory.",
        ),
    ),
    (
        "memory",
        "full",
        Head::counter(
            "node_pressure_memory_stalled_seconds_total",
            "Time in which all tasks waited for memory.",
        ),
    ),
    (
        "irq",
        "full",
        Head::counter(
            "node_pressure_irq_stalled_seconds_total",
            "Time in which interrupts held up all tasks.",
        ),
    ),
];

pub(super) fn meminfo(round: &mut Round<'_>) {
    let Some(text) = round.files.text("meminfo", &round.roots.proc, "meminfo") else { return };
    let mut name = String::new();
    for (field, unit, value) in fields(&text).take(FIELDS_MAX) {
        name.clear();
        let _infallible = write!(name, "node_memory_{}{}", field, if unit { "_bytes" } else { "" });
        round.out.put(&Head::gauge(&name, "A field of /proc/meminfo."), &[], value);
    }
}

/// Name as in a metric, whether it is in bytes, value.
fn fields(text: &str) -> impl Iterator<Item = (String, bool, f64)> {
    text.lines().filter_map(|line| {
        let (key, rest) = line.split_once(':')?;
        let mut words = rest.split_whitespace();
        let value = number(words.next()?)?;
        let bytes = words.next() == Some("kB");
        let named = key.len() < 64 && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"_()".contains(&b));
        let name = key.replace('(', "_").replace(')', "");
        named.then_some((name, bytes, if bytes { value * 1024.0 } else { value }))
    })
}

pub(super) fn vmstat(round: &mut Round<'_>) {
    let Some(text) = round.files.text("vmstat", &round.roots.proc, "vmstat") else { return };
    let mut name = String::new();
    for (key, value) in pairs(&text).filter(|(key, _)| is_wanted(key)).take(FIELDS_MAX) {
        name.clear();
        let _infallible = write!(name, "node_vmstat_{key}");
        let head = Head { name: &name, kind: Kind::Unknown, help: "A field of /proc/vmstat." };
        round.out.put(&head, &[], value);
    }
}

/// As node_exporter: `^(oom_kill|pgpg|pswp|pg.*fault).*`.
fn is_wanted(key: &str) -> bool {
    ["oom_kill", "pgpg", "pswp"].iter().any(|begin| key.starts_with(begin))
        || key.strip_prefix("pg").is_some_and(|rest| rest.contains("fault"))
}

pub(super) fn pressure(round: &mut Round<'_>) {
    let mut last = ("", String::new());
    for (resource, line, head) in &PRESSURE {
        if last.0 != *resource {
            let file = format!("pressure/{resource}");
            // The CPU's stands for all; `irq` came later than the others.
            let text = if *resource == "cpu" {
                round.files.text("pressure", &round.roots.proc, &file)
            } else {
                round.files.optional(&round.roots.proc, &file)
            };
            last = (resource, text.unwrap_or_default().into_owned());
        }
        round.out.put_some(head, &[], stalled(&last.1, line));
    }
}

/// Seconds of the line `some` or `full` of a pressure file.
pub(in crate::metrics) fn stalled(text: &str, line: &str) -> Option<f64> {
    let line = text.lines().find_map(|text| text.strip_prefix(line))?;
    number(line.split_once(" total=")?.1).map(|micros| micros / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_fields() {
        let text = "MemTotal:       24684100 kB\nActive(anon):       2236 kB\nHugePages_Total:       3\n\
                    VmallocTotal:   34359738367 kB\nodd name: 1 kB\nNothing:\nBad: x kB\n";
        let found: Vec<_> = fields(text).collect();
        let expected = [
            ("MemTotal".to_owned(), true, 25_276_518_400.0),
            ("Active_anon".to_owned(), true, 2_289_664.0),
            ("HugePages_Total".to_owned(), false, 3.0),
            ("VmallocTotal".to_owned(), true, 35_184_372_087_808.0),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn paging_fields() {
        let wanted = ["oom_kill", "pgpgin", "pswpout", "pgfault", "pgmajfault"];
        let others = ["nr_free_pages", "pgalloc_normal", "numa_hit", "pg"];
        assert!(wanted.into_iter().all(is_wanted));
        assert!(!others.into_iter().any(is_wanted));
    }

    #[test]
    fn pressure_lines() {
        let text = "some avg10=52.63 avg60=36.73 avg300=32.15 total=3501360308\n\
                    full avg10=0.00 avg60=0.00 avg300=0.00 total=5\n";
        let cases = [("some", Some(3_501.360_308)), ("full", Some(5e-6)), ("other", None)];
        for (line, expected) in cases {
            assert_eq!(stalled(text, line), expected, "{line}");
        }
        assert_eq!(stalled("some avg10=1", "some"), None);
    }
}
