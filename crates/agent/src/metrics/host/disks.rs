//! `/proc/diskstats`.

use hinomi_wire::Head;

use super::Round;
use crate::metrics::files::number;

/// Most disks.
const DISKS_MAX: usize = 4096;
/// A sector is 512 bytes here, whatever the disk's own are.
const SECTOR_BYTES: f64 = 512.0;
const MILLI: f64 = 1e-3;

/// Columns behind the name, in order, with what they are multiplied by. Old kernels have 11, since 4.18 there are 15,
/// since 5.5 there are 17. Source: the kernel's `Documentation/admin-guide/iostats.rst`.
const COLUMNS: [(f64, Head<'_>); 17] = [
    (1.0, Head::counter("node_disk_reads_completed_total", "Reads that were completed.")),
    (1.0, Head::counter("node_disk_reads_merged_total", "Reads that were merged with others.")),
    (SECTOR_BYTES, Head::counter("node_disk_read_bytes_total", "Bytes read.")),
    (MILLI, Head::counter("node_disk_read_time_seconds_total", "Time that all reads took together.")),
    (1.0, Head::counter("node_disk_writes_completed_total", "Writes that were completed.")),
    (1.0, Head::counter("node_disk_writes_merged_total", "Writes that were merged with others.")),
    (SECTOR_BYTES, Head::counter("node_disk_written_bytes_total", "Bytes written.")),
    (MILLI, Head::counter("node_disk_write_time_seconds_total", "Time that all writes took together.")),
    (1.0, Head::gauge("node_disk_io_now", "Reads and writes under way.")),
    (MILLI, Head::counter("node_disk_io_time_seconds_total", "Time in which anything was under way.")),
    (
        MILLI,
        Head::counter(
            "node_disk_io_time_weighted_seconds_total",
            "Time under way, times how much was under way.",
        ),
    ),
    (1.0, Head::counter("node_disk_discards_completed_total", "Discards that were completed.")),
    (1.0, Head::counter("node_disk_discards_merged_total", "Discards that were merged with others.")),
    (1.0, Head::counter("node_disk_discarded_sectors_total", "Sectors discarded.")),
    (MILLI, Head::counter("node_disk_discard_time_seconds_total", "Time that all discards took together.")),
    (1.0, Head::counter("node_disk_flush_requests_total", "Flushes that were completed.")),
    (
        MILLI,
        Head::counter("node_disk_flush_requests_time_seconds_total", "Time that all flushes took together."),
    ),
];
const INFO: Head<'_> = Head::gauge("node_disk_info", "What a disk is; always 1.");

/// Labels of [`INFO`], and the properties in udev's database that they are taken from, in order of preference.
const PROPERTIES: [(&str, &[&str]); 5] = [
    ("path", &["ID_PATH"]),
    ("wwn", &["ID_WWN"]),
    ("model", &["ID_MODEL"]),
    ("serial", &["SCSI_IDENT_SERIAL", "ID_SERIAL_SHORT"]),
    ("revision", &["ID_REVISION"]),
];

/// A line of the file.
#[derive(Debug, PartialEq)]
struct Disk<'a> {
    major: &'a str,
    minor: &'a str,
    name: &'a str,
    columns: Vec<f64>,
}

pub(super) fn collect(round: &mut Round<'_>) {
    let Some(text) = round.files.text("diskstats", &round.roots.proc, "diskstats") else { return };
    let text = text.into_owned();
    for disk in text.lines().filter_map(disk).filter(|disk| !is_part(disk.name)).take(DISKS_MAX) {
        let device = [("device", disk.name)];
        for ((factor, head), value) in COLUMNS.iter().zip(&disk.columns) {
            round.out.put(head, &device, value * factor);
        }
        about(round, &disk);
    }
}

fn about(round: &mut Round<'_>, disk: &Disk<'_>) {
    let file = format!("run/udev/data/b{}:{}", disk.major, disk.minor);
    let udev = round.files.optional(&round.roots.root, &file).unwrap_or_default();
    let mut labels = vec![("device", disk.name), ("major", disk.major), ("minor", disk.minor)];
    for (label, keys) in PROPERTIES {
        labels.push((label, keys.iter().find_map(|key| property(&udev, key)).unwrap_or_default()));
    }
    round.out.put(&INFO, &labels, 1.0);
}

/// A line `E:KEY=value`.
fn property<'a>(udev: &'a str, key: &str) -> Option<&'a str> {
    udev.lines().find_map(|line| line.strip_prefix("E:")?.strip_prefix(key)?.strip_prefix('='))
}

fn disk(line: &str) -> Option<Disk<'_>> {
    let mut words = line.split_whitespace();
    let (major, minor, name) = (words.next()?, words.next()?, words.next()?);
    let columns: Vec<f64> = words.map_while(number).take(COLUMNS.len()).collect();
    // Partitions of kernels before 2.6.25 had four columns of another meaning.
    (columns.len() >= 11).then_some(Disk { major, minor, name, columns })
}

/// As node_exporter leaves out: `^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$`.
fn is_part(name: &str) -> bool {
    let front = name.trim_end_matches(|c: char| c.is_ascii_digit());
    if front.len() == name.len() {
        return false;
    }
    let disk = |prefix: &str| {
        front
            .strip_prefix(prefix)
            .is_some_and(|rest| matches!(rest.as_bytes(), [letter] if letter.is_ascii_lowercase()))
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let nvme = || {
        let (controller, namespace) = front.strip_prefix("nvme")?.strip_suffix('p')?.split_once('n')?;
        Some(digits(controller) && digits(namespace))
    };
    matches!(front, "ram" | "zram" | "loop" | "fd")
        || ["hd", "sd", "vd", "xvd"].into_iter().any(disk)
        || nvme().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel() {
        // 6.18, 4.19, 3.10, 2.6.18 (a partition), nonsense.
        let cases = [
            (" 254       0 vda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n", Some(17)),
            ("   8       0 sda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15", Some(15)),
            ("   8       0 sda 1 2 3 4 5 6 7 8 9 10 11", Some(11)),
            ("   8       1 sda1 1 2 3 4", None),
            ("   8       1", None),
            ("", None),
        ];
        for (line, expected) in cases {
            assert_eq!(disk(line).map(|disk| disk.columns.len()), expected, "{line:?}");
        }
    }

    #[test]
    fn parts_of_disks_are_left_out() {
        let parts =
            ["ram0", "zram0", "loop7", "fd0", "sda1", "hdb2", "vda15", "xvda1", "nvme0n1p1", "nvme10n2p33"];
        let disks = ["sda", "vda", "nvme0n1", "dm-0", "md127", "mmcblk0", "sr0", "sdaa1", "nbd0", "7", ""];
        for name in parts {
            assert!(is_part(name), "{name}");
        }
        for name in disks {
            assert!(!is_part(name), "{name}");
        }
    }

    #[test]
    fn properties_of_udev() {
        let udev = "S:disk/by-id/x\nE:ID_MODEL=Samsung_SSD\nE:ID_MODEL_ENC=other\nE:ID_WWN=0x5002\n";
        assert_eq!(property(udev, "ID_MODEL"), Some("Samsung_SSD"));
        assert_eq!(property(udev, "ID_WWN"), Some("0x5002"));
        assert_eq!(property(udev, "ID_PATH"), None);
    }
}
