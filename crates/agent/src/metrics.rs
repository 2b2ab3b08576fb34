//! Numbers of the host and of its containers, as node_exporter and cAdvisor name them.
//!
//! # In one breath
//!
//! [`Host::collect`] reads procfs and sysfs, [`Containers::collect`] reads the cgroups and network devices of the
//! containers that it is given; both add samples to [`Families`].
//! `metrics/host/` and `metrics/containers/` hold a file for each thing that is read: a pure parser over what the
//! kernel writes, and which families it becomes. [`Service`] does both in rounds and hands them to a [`Taker`].
//!
//! # Invariants
//!
//! - Names, kinds, units and labels are those of node_exporter and cAdvisor. What neither has begins with `hinomi_`,
//!   but for `container_info` and the labels `host`, `container`, `compose_project` and `compose_service`.
//! - Every file read is bounded. A file that is not there switches its families off, with one reason in `off()`;
//!   nothing here fails.
//! - Label sets are made once and used again each round; a round without news allocates next to nothing.
//!
//! # Not here yet
//!
//! Of node_exporter: `timex`, `hwmon`, `mdadm`, `cpufreq`, `udp_queues`, process and thread states, and collectors for
//! single devices. Of cAdvisor: cgroups that are no containers, filesystem usage, open files and sockets, `hugetlb`.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

mod containers;
mod files;
mod host;
mod memo;
#[cfg(test)]
mod roots_tests;
mod service;

pub use containers::{Cgroups, ContainerRef, Containers, Membership};
pub use hinomi_wire::{Families, Family, Head, Kind, Sample};
pub use host::Host;
use host::{host_pressure, net_devices};
pub use service::{Handle, Plan, Scrape, Service, Status, Taker, Target, root_beside};

use crate::rights::{Right, row};

/// The features' names among the rights.
const HOST: &str = "host metrics";
const CONTAINERS: &str = "container metrics";

/// Where the kernel is found. The defaults are right on the host and in a container with the host's namespaces.
#[derive(Clone, Debug)]
pub struct Roots {
    /// The host's procfs.
    pub proc: PathBuf,
    /// The host's sysfs.
    pub sys: PathBuf,
    /// Where the cgroup hierarchies are mounted.
    pub cgroup: PathBuf,
    /// The host's root folder: mounted filesystems are measured below it.
    pub root: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self {
            proc: PathBuf::from("/proc"),
            sys: PathBuf::from("/sys"),
            cgroup: PathBuf::from("/sys/fs/cgroup"),
            root: PathBuf::from("/"),
        }
    }
}

/// What to collect, and with which labels.
#[derive(Clone, Debug)]
pub struct Options {
    /// Labels on every sample, for example `job` and `instance`. Empty values are left out.
    pub labels: Vec<(String, String)>,
    /// Value of the label `host` of containers; empty leaves it out.
    pub host: String,
    /// Network devices whose name begins with one of these are left out of `node_network_*` and `node_arp_*`.
    pub ignored_devices: Vec<String>,
    /// How long a filesystem on the network may take to answer before it counts as failing.
    pub mount_timeout: Duration,
    /// Which labels of containers become `container_label_*`; `None` means all.
    pub container_labels: Option<Vec<String>>,
}

impl Default for Options {
    /// Devices of containers (`veth`) are left out: they come and go with them, and say what `container_network_*` says.
    fn default() -> Self {
        Self {
            labels: Vec::new(),
            host: String::new(),
            ignored_devices: vec!["veth".to_owned()],
            mount_timeout: Duration::from_secs(1),
            container_labels: None,
        }
    }
}

/// A thing that is not collected, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Off {
    /// Collector, by node_exporter's name for it, or `container: ` and the controller.
    pub feature: &'static str,
    /// The file that is missing and what was said about it.
    pub reason: String,
}

/// Rows for [`crate::rights`]: whether numbers of the host and of containers can be had here.
#[must_use]
pub fn rights(roots: &Roots) -> Vec<Right> {
    let stat = roots.proc.join("stat");
    let host = std::fs::File::open(&stat)
        .map(|_open| format!("{} may be read", stat.display()))
        .map_err(|error| format!("{}: {error}", stat.display()));
    let others = roots.proc.join("1/cgroup");
    let containers = std::fs::File::open(&others)
        .map_err(|error| format!("{}: {error}", others.display()))
        .and_then(|_open| containers::probe(&roots.cgroup));
    vec![
        row(
            HOST,
            format!("read {} and {} (anybody)", roots.proc.display(), roots.sys.display()),
            "CPU, memory, disks, filesystems and network of the host",
            host,
            "without it there are no node_* metrics: mount the host's /proc and /sys",
        ),
        row(
            CONTAINERS,
            format!("read {} and {}/<pid>/cgroup (anybody)", roots.cgroup.display(), roots.proc.display()),
            "CPU, memory, processes, block IO, pressure and network of each container",
            containers,
            "without it there are no container_* metrics: mount the host's /proc and cgroups, or run with --pid=host",
        ),
    ]
}
