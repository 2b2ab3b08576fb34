//! What a machine holds that tests could leave behind.

use std::collections::BTreeSet;
use std::path::Path;

use crate::process;

/// A machine's mounts, links, routes, namespaces, cgroups, shim sockets, tracing instances, loop devices and rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot(BTreeSet<String>);

impl Snapshot {
    /// As it is now.
    #[must_use]
    pub fn take() -> Self {
        let mut all = BTreeSet::new();
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        all.extend(mounts.lines().map(|line| format!("mount {line}")));
        for (what, folder) in [
            ("link", "/sys/class/net"),
            ("netns", "/run/netns"),
            ("shim socket", "/run/containerd/s"),
            ("tracing instance", "/sys/kernel/tracing/instances"),
            ("docker configuration", "/etc/docker"),
            ("run", "/run"),
        ] {
            all.extend(names(Path::new(folder)).map(|name| format!("{what} {name}")));
        }
        cgroups(Path::new("/sys/fs/cgroup"), 0, &mut all);
        for (program, args) in [
            ("ip", vec!["-o", "addr"]),
            ("ip", vec!["route"]),
            ("losetup", vec!["-a"]),
            ("iptables-save", vec![]),
        ] {
            let output = process::run(program, &args).map(|output| output.stdout).unwrap_or_default();
            let text = String::from_utf8_lossy(&output).into_owned();
            // Comments of iptables-save carry the time, its chains carry packet counters.
            let lines = text.lines().filter(|line| !line.starts_with(['#', ':']));
            all.extend(lines.map(|line| format!("{program} {line}")));
        }
        Self(all)
    }

    /// What is different in `later`: `+` came, `-` went.
    #[must_use]
    pub fn difference(&self, later: &Self) -> Vec<String> {
        let came = later.0.difference(&self.0).map(|line| format!("+ {line}"));
        came.chain(self.0.difference(&later.0).map(|line| format!("- {line}"))).collect()
    }
}

fn names(folder: &Path) -> impl Iterator<Item = String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned())
}

fn cgroups(folder: &Path, depth: usize, all: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if depth < 4 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            all.insert(format!("cgroup {}", entry.path().display()));
            cgroups(&entry.path(), depth + 1, all);
        }
    }
}
