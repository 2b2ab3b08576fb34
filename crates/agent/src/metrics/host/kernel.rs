//! Load, open files, entropy, processes: files of a single line.

use hinomi_wire::Head;

use super::Round;
use crate::metrics::files::number;

pub(super) const TOOK: Head<'_> =
    Head::gauge("node_scrape_collector_duration_seconds", "How long a collector took this time.");
pub(super) const SUCCESS: Head<'_> =
    Head::gauge("node_scrape_collector_success", "1 if what a collector reads is there, 0 otherwise.");

const LOADS: [Head<'_>; 3] = [
    Head::gauge("node_load1", "Tasks that run, could run or wait for a disk; average of a minute."),
    Head::gauge("node_load5", "Tasks that run, could run or wait for a disk; average of 5 minutes."),
    Head::gauge("node_load15", "Tasks that run, could run or wait for a disk; average of 15 minutes."),
];
const FILES_OPEN: Head<'_> = Head::gauge("node_filefd_allocated", "Open files of all processes.");
const FILES_MAX: Head<'_> = Head::gauge("node_filefd_maximum", "Most files that may be open.");
const ENTROPY: Head<'_> = Head::gauge("node_entropy_available_bits", "Entropy in the kernel's pool.");
const POOL: Head<'_> = Head::gauge("node_entropy_pool_size_bits", "Size of the kernel's entropy pool.");
const PIDS: Head<'_> = Head::gauge("node_processes_pids", "Processes.");
const THREADS: Head<'_> = Head::gauge("node_processes_threads", "Threads of all processes.");
const THREADS_MAX: Head<'_> = Head::gauge("node_processes_max_threads", "Most threads that may be.");
const PIDS_MAX: Head<'_> =
    Head::gauge("node_processes_max_processes", "Highest process number, and so most of them.");

pub(super) fn load(round: &mut Round<'_>) {
    let Some(text) = round.files.text("loadavg", &round.roots.proc, "loadavg") else { return };
    for (head, word) in LOADS.iter().zip(text.split(' ')) {
        round.out.put_some(head, &[], number(word));
    }
}

pub(super) fn open_files(round: &mut Round<'_>) {
    let Some(text) = round.files.text("filefd", &round.roots.proc, "sys/fs/file-nr") else { return };
    // Allocated, free (always 0 since 2.6), maximum.
    let mut numbers = text.split_whitespace().map(number);
    round.out.put_some(&FILES_OPEN, &[], numbers.next().flatten());
    round.out.put_some(&FILES_MAX, &[], numbers.nth(1).flatten());
}

pub(super) fn entropy(round: &mut Round<'_>) {
    let Some(text) = round.files.text("entropy", &round.roots.proc, "sys/kernel/random/entropy_avail") else {
        return;
    };
    round.out.put_some(&ENTROPY, &[], number(&text));
    let size = round.files.number(&round.roots.proc, "sys/kernel/random/poolsize");
    round.out.put_some(&POOL, &[], size);
}

pub(super) fn processes(round: &mut Round<'_>) {
    let Some(text) = round.files.text("processes", &round.roots.proc, "loadavg") else { return };
    round.out.put_some(&THREADS, &[], threads(&text));
    let list = std::fs::read_dir(&round.roots.proc).into_iter().flatten().flatten();
    let is_process = |name: std::ffi::OsString| name.as_encoded_bytes().iter().all(u8::is_ascii_digit);
    let processes = list.filter(|entry| is_process(entry.file_name())).count();
    round.out.put(&PIDS, &[], processes as f64);
    for (head, file) in [(&THREADS_MAX, "sys/kernel/threads-max"), (&PIDS_MAX, "sys/kernel/pid_max")] {
        let most = round.files.number(&round.roots.proc, file);
        round.out.put_some(head, &[], most);
    }
}

/// All threads, from `0.20 0.18 0.12 1/80 11206`: what runs and what is there.
fn threads(text: &str) -> Option<f64> {
    number(text.split(' ').nth(3)?.split_once('/')?.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_stand_behind_the_slash() {
        let cases = [
            ("5.25 3.67 4.49 9/1217 7043\n", Some(1217.0)),
            ("0.1 0.2 0.3", None),
            ("a b c d e", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(threads(text), expected, "{text:?}");
        }
    }
}
