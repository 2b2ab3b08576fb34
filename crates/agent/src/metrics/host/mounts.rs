//! `/proc/<pid>/mounts`, and which mounts count as filesystems.

use std::borrow::Cow;

/// Mounts in or below these are left out, as node_exporter does.
const FOLDERS_OUT: [&str; 3] = ["/dev", "/proc", "/sys"];
/// Mounts below these are left out, as node_exporter does.
const BELOW_OUT: [&str; 3] = ["/run/credentials/", "/var/lib/docker/", "/var/lib/containers/storage/"];
/// Kinds that hold no files of anybody's, or that show what another mount holds.
const KINDS_OUT: [&str; 25] = [
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "fusectl",
    "hugetlbfs",
    "iso9660",
    "mqueue",
    "nsfs",
    "overlay",
    "proc",
    "procfs",
    "pstore",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "squashfs",
    "sysfs",
    "tracefs",
    "erofs",
];
/// Kinds that never leave the kernel: asking them can't hang.
const LOCAL: [&str; 11] =
    ["ext2", "ext3", "ext4", "xfs", "btrfs", "tmpfs", "ramfs", "vfat", "exfat", "f2fs", "zfs"];

/// A mounted filesystem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount<'a> {
    pub(super) device: Cow<'a, str>,
    pub(super) point: Cow<'a, str>,
    pub(super) kind: &'a str,
    pub(super) read_only: bool,
}

impl Mount<'_> {
    /// Asking it can't hang.
    pub(super) fn is_local(&self) -> bool {
        LOCAL.contains(&self.kind)
    }

    fn is_wanted(&self) -> bool {
        let point = &*self.point;
        let inside = |folder: &str| {
            point.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let below = |folder: &str| point.strip_prefix(folder).is_some_and(|rest| !rest.is_empty());
        !KINDS_OUT.contains(&self.kind)
            && !FOLDERS_OUT.into_iter().any(inside)
            && !BELOW_OUT.into_iter().any(below)
    }
}

/// The mounts that count, each device, point and kind once.
pub(super) fn mounts(text: &str) -> Vec<Mount<'_>> {
    let mut found: Vec<Mount<'_>> = text.lines().filter_map(mount).filter(Mount::is_wanted).collect();
    found.sort_by(|a, b| (&a.point, &a.device, a.kind).cmp(&(&b.point, &b.device, b.kind)));
    found.dedup_by(|a, b| (&a.point, &a.device, a.kind) == (&b.point, &b.device, b.kind));
    found
}

fn mount(line: &str) -> Option<Mount<'_>> {
    let mut words = line.split(' ');
    let (device, point, kind, options) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let read_only = options.split(',').any(|option| option == "ro");
    Some(Mount { device: unescape(device), point: unescape(point), kind, read_only })
}

/// The kernel writes blanks, tabs, line ends and backslashes as `\` and three octal digits.
fn unescape(word: &str) -> Cow<'_, str> {
    if !word.contains('\\') {
        return Cow::Borrowed(word);
    }
    let mut parts = word.split('\\');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(3).unwrap_or(("", part));
        match u8::from_str_radix(digits, 8) {
            Ok(byte) if byte.is_ascii() => text.push(char::from(byte)),
            _ => {
                text.push('\\');
                text.push_str(digits);
            }
        }
        text.push_str(rest);
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_counts() {
        let text = "proc /proc proc rw 0 0\n\
                    /dev/vda / ext4 rw,relatime,discard 0 0\n\
                    /dev/vda / ext4 rw 0 0\n\
                    tmpfs /dev/shm tmpfs rw 0 0\n\
                    /dev/sdb1 /devices ext4 ro,noatime 0 0\n\
                    /dev/vda /var/lib/docker/x ext4 rw 0 0\n\
                    /dev/vdc /var/lib/docker ext4 rw 0 0\n\
                    overlay /merged overlay rw 0 0\n\
                    srv:/a\\040b /mnt/a\\134b\\040c nfs4 rw 0 0\n\
                    short line\n";
        let found: Vec<_> = mounts(text)
            .into_iter()
            .map(|m| (m.point.into_owned(), m.device.into_owned(), m.read_only))
            .collect();
        let expected = [
            ("/", "/dev/vda", false),
            ("/devices", "/dev/sdb1", true),
            ("/mnt/a\\b c", "srv:/a b", false),
            ("/var/lib/docker", "/dev/vdc", false),
        ];
        let expected: Vec<_> = expected.map(|(p, d, ro)| (p.to_owned(), d.to_owned(), ro)).to_vec();
        assert_eq!(found, expected);
    }

    proptest! {
        #[test]
        fn nonsense_is_no_panic(text in "[\\\\0-9a é/\n]{0,60}") {
            let _found = mounts(&text);
            let _word = unescape(&text);
        }
    }
}
