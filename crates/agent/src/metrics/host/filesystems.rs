//! How full filesystems are.

use std::borrow::Cow;

use hinomi_wire::Head;

use super::Round;
use super::mounts::{Mount, mounts};
use super::probe::Prober;

/// Most mounts that are asked.
const MOUNTS_MAX: usize = 1024;

const SIZE: Head<'_> = Head::gauge("node_filesystem_size_bytes", "Size of a filesystem.");
const FREE: Head<'_> = Head::gauge("node_filesystem_free_bytes", "Space that is free.");
const AVAIL: Head<'_> =
    Head::gauge("node_filesystem_avail_bytes", "Space that is free for users other than root.");
const FILES: Head<'_> =
    Head::gauge("node_filesystem_files", "Inodes of a filesystem: files that it can hold.");
const FILES_FREE: Head<'_> = Head::gauge("node_filesystem_files_free", "Inodes that are free.");
const READ_ONLY: Head<'_> =
    Head::gauge("node_filesystem_readonly", "1 if it is mounted read-only, 0 otherwise.");
const ERROR: Head<'_> = Head::gauge(
    "node_filesystem_device_error",
    "1 if a filesystem fails to say how full it is, 0 otherwise.",
);

pub(super) fn collect(round: &mut Round<'_>, prober: &mut Prober) {
    // Those of process 1 are the host's; in a pid namespace of one's own they are one's own.
    let text = match round.files.optional(&round.roots.proc, "1/mounts").map(Cow::into_owned) {
        Some(text) => {
            round.files.note("filesystem", None);
            text
        }
        None => match round.files.text("filesystem", &round.roots.proc, "self/mounts") {
            Some(text) => text.into_owned(),
            None => return,
        },
    };
    for mount in mounts(&text).iter().take(MOUNTS_MAX) {
        measure(round, mount, prober);
    }
}

fn measure(round: &mut Round<'_>, mount: &Mount<'_>, prober: &mut Prober) {
    let path = round.roots.root.join(mount.point.trim_start_matches('/'));
    let stat = if mount.is_local() { Prober::local(&path) } else { prober.remote(&path) };
    let labels = [("device", &*mount.device), ("fstype", mount.kind), ("mountpoint", &*mount.point)];
    round.out.put(&ERROR, &labels, if stat.is_some() { 0.0 } else { 1.0 });
    let Some(stat) = stat else { return };
    let block = stat.f_frsize as f64;
    round.out.put(&SIZE, &labels, stat.f_blocks as f64 * block);
    round.out.put(&FREE, &labels, stat.f_bfree as f64 * block);
    round.out.put(&AVAIL, &labels, stat.f_bavail as f64 * block);
    round.out.put(&FILES, &labels, stat.f_files as f64);
    round.out.put(&FILES_FREE, &labels, stat.f_ffree as f64);
    round.out.put(&READ_ONLY, &labels, if mount.read_only { 1.0 } else { 0.0 });
}
