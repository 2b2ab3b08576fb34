//! Where a container's cgroups are.
//!
//! # Invariants
//!
//! - A path is believed only if it names the container, so a process number used again leads nowhere else.
//! - Nothing leaves the mount: a path with `..` in it is refused.

use std::path::{Path, PathBuf};

use super::reading::Reading;
use super::{first, second};
use crate::metrics::files::Files;
use crate::oom::{cgroup_container_path, cgroup_search};

/// Most hierarchies of a process; the kernel has some fifteen controllers.
const HIERARCHIES_MAX: usize = 64;
/// Controllers of version 1 that are read, with a file that the folder of a container has.
const CONTROLLERS: [(&str, &str); 5] = [
    ("cpu", "cpu.shares"),
    ("cpuacct", "cpuacct.usage"),
    ("memory", "memory.usage_in_bytes"),
    ("blkio", "blkio.reset_stats"),
    ("pids", "pids.current"),
];
const SECOND_FILE: &str = "cgroup.events";

/// Where a process stands in each hierarchy, from `/proc/<pid>/cgroup`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    /// Controllers as written (`cpu,cpuacct`; empty for version 2) and the path from the hierarchy's root.
    pub hierarchies: Vec<(String, String)>,
}

impl Membership {
    /// Reads the file; lines that are none are left out.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let hierarchy = |line: &str| {
            let mut parts = line.splitn(3, ':');
            let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
            path.starts_with('/').then(|| (controllers.to_owned(), path.to_owned()))
        };
        Self { hierarchies: text.lines().filter_map(hierarchy).take(HIERARCHIES_MAX).collect() }
    }

    /// The path of a container's own cgroup in the hierarchy of a controller (`""`: version 2), which its processes may
    /// stand below; and the hierarchy's controllers as written. `None` if the path does not name the container.
    #[must_use]
    pub fn path_of(&self, controller: &str, container_id: &str) -> Option<(&str, &str)> {
        let is_it = |all: &str| all.split(',').any(|one| one == controller);
        let (controllers, path) = self.hierarchies.iter().find(|(all, _)| is_it(all))?;
        let path = cgroup_container_path(path, container_id)?;
        // In a cgroup namespace paths begin with `/..` for what lies beside its root.
        let path = path.trim_start_matches("/..");
        (!path.split('/').any(|part| part == "..")).then_some((controllers, path))
    }
}

/// The folders of a container's cgroups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cgroups {
    path: String,
    /// Of [`CONTROLLERS`], in their order.
    first: [Option<PathBuf>; 5],
    second: Option<PathBuf>,
}

impl Cgroups {
    /// Finds them below the mount; `None` if there is none. Looks at most at 8,192 folders a hierarchy, and only when
    /// the path that the kernel names does not lead there.
    #[must_use]
    pub fn locate(root: &Path, membership: &Membership, container_id: &str) -> Option<Self> {
        if container_id.len() < 12 {
            return None;
        }
        let mut found = Self::default();
        for ((controller, file), place) in CONTROLLERS.into_iter().zip(&mut found.first) {
            let Some((controllers, path)) = membership.path_of(controller, container_id) else { continue };
            *place = folder(&[root.join(controller), root.join(controllers)], path, container_id, file);
            if place.is_some() && found.path.is_empty() {
                path.clone_into(&mut found.path);
            }
        }
        if let Some((_, path)) = membership.path_of("", container_id) {
            found.second = folder(&[root.to_owned(), root.join("unified")], path, container_id, SECOND_FILE);
            if found.second.is_some() && found.path.is_empty() {
                path.clone_into(&mut found.path);
            }
        }
        (!found.path.is_empty()).then_some(found)
    }

    /// Path of its cgroup, from the hierarchy's root: cAdvisor's label `id`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Version 2 has the controllers.
    #[must_use]
    pub fn is_second(&self) -> bool {
        self.second.is_some() && self.first.iter().all(Option::is_none)
    }

    pub(super) fn read(&self, files: &mut Files, reading: &mut Reading) {
        let [cpu, cpuacct, memory, blkio, pids] = &self.first;
        let second = self.second.as_deref();
        if let Some(folder) = cpuacct {
            first::usage(files, folder, &mut reading.cpu);
        }
        match (cpu, second) {
            (Some(folder), _) => first::cpu(files, folder, &mut reading.cpu),
            (None, Some(folder)) => second::cpu(files, folder, &mut reading.cpu),
            (None, None) => {}
        }
        match (memory, second) {
            (Some(folder), _) => first::memory(files, folder, &mut reading.memory),
            (None, Some(folder)) => second::memory(files, folder, &mut reading.memory),
            (None, None) => {}
        }
        match (blkio, second) {
            (Some(folder), _) => first::io(files, folder, &mut reading.io),
            (None, Some(folder)) => second::io(files, folder, &mut reading.io),
            (None, None) => {}
        }
        if let Some(folder) = pids.as_deref().or(second) {
            first::pids(files, folder, reading);
        }
        if let Some(folder) = self.first.iter().flatten().next().map(PathBuf::as_path).or(second) {
            reading.processes = first::processes(files, folder);
        }
        if let Some(folder) = second {
            second::pressure(files, folder, &mut reading.pressure);
        }
    }
}

fn folder(roots: &[PathBuf], path: &str, container_id: &str, file: &str) -> Option<PathBuf> {
    let relative = path.trim_start_matches('/');
    let direct = roots.iter().map(|root| root.join(relative)).find(|folder| folder.join(file).exists());
    direct.or_else(|| roots.iter().find_map(|root| cgroup_search(root, container_id, file)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id() -> String {
        "0a".repeat(32)
    }

    /// What `/proc/<pid>/cgroup` says on several hosts.
    fn contents() -> [(&'static str, String); 4] {
        let id = id();
        [
            (
                "1",
                format!(
                    "12:pids:/docker/{id}\n4:memory:/docker/{id}\n2:cpu,cpuacct:/docker/{id}\n1:name=systemd:/docker/{id}\n"
                ),
            ),
            ("2", format!("0::/system.slice/docker-{id}.scope/init\n")),
            ("hybrid", format!("4:memory:/p/{id}\n0::/p/{id}\n")),
            ("namespace", format!("0::/../docker-{id}.scope\n")),
        ]
    }

    #[test]
    fn paths_of_controllers() {
        let id = id();
        let paths: Vec<_> = contents()
            .iter()
            .map(|(name, text)| {
                let membership = Membership::parse(text);
                let path =
                    |controller: &str| membership.path_of(controller, &id).map(|(_, path)| path.to_owned());
                (*name, path("cpu"), path(""))
            })
            .collect();
        let scope = format!("/docker-{id}.scope");
        let expected = [
            ("1", Some(format!("/docker/{id}")), None),
            ("2", None, Some(format!("/system.slice/docker-{id}.scope"))),
            ("hybrid", None, Some(format!("/p/{id}"))),
            ("namespace", None, Some(scope)),
        ];
        assert_eq!(paths, expected);
    }

    #[test]
    fn a_path_that_names_another_leads_nowhere() {
        let other = "0b".repeat(32);
        for (name, text) in contents() {
            let membership = Membership::parse(&text);
            assert_eq!(membership.path_of("memory", &other), None, "{name}");
            assert_eq!(membership.path_of("", &other), None, "{name}");
        }
        let out = format!("0::/a/../../{}\n", id());
        assert_eq!(Membership::parse(&out).path_of("", &id()), None);
    }

    #[test]
    fn folders_are_found() {
        let (id, root) = (id(), tempfile::tempdir().expect("a folder"));
        let make = |path: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a folder above")).expect("made");
            std::fs::write(path, "").expect("written");
        };
        make(&format!("cpu,cpuacct/docker/{id}/cpuacct.usage"));
        make(&format!("memory/x/y/{id}/memory.usage_in_bytes"));
        make(&format!("unified/docker/{id}/cgroup.events"));
        let text = format!("4:memory:/{id}\n2:cpu,cpuacct:/docker/{id}\n0::/docker/{id}\n");
        let found = Cgroups::locate(root.path(), &Membership::parse(&text), &id).expect("cgroups");
        let below = |path: &str| Some(root.path().join(path));
        let [cpu, cpuacct, memory, blkio, pids] = &found.first;
        assert_eq!(*cpuacct, below(&format!("cpu,cpuacct/docker/{id}")));
        assert_eq!(*memory, below(&format!("memory/x/y/{id}")), "found by its name");
        assert_eq!((cpu, blkio, pids), (&None, &None, &None));
        assert_eq!(found.second, below(&format!("unified/docker/{id}")));
        assert!(!found.is_second());
        assert_eq!(found.path(), format!("/docker/{id}"));
    }

    proptest! {
        #[test]
        fn nonsense_is_no_panic(text in "[0-9a-f:,/.\n\\PC]{0,200}", id in "[0-9a-f]{0,20}") {
            let membership = Membership::parse(&text);
            let _path = membership.path_of("memory", &id);
        }
    }
}
