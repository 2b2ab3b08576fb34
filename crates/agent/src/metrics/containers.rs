//! Numbers of containers, as cAdvisor names them.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use hinomi_series::Labels;
use hinomi_wire::{Families, Head};

use super::files::{Files, value_of};
use super::memo::{Memo, Out};
use super::{Off, Options, Roots};

mod families;
mod first;
mod labels;
mod network;
mod place;
mod process;
mod reading;
mod second;

pub use place::{Cgroups, Membership};
use reading::Reading;

/// Most containers.
const CONTAINERS_MAX: usize = 8192;
/// Most names of devices that are kept.
const DEVICES_MAX: usize = 4096;
/// How long after a search in vain a container's cgroup is searched for again.
const SEARCH_AGAIN_MS: i64 = 60_000;

const ERROR: Head<'_> =
    Head::gauge("container_scrape_error", "1 if the numbers of some container cannot be had, 0 otherwise.");
const CORES: Head<'_> = Head::gauge("machine_cpu_cores", "CPUs of the machine.");
const MEMORY: Head<'_> = Head::gauge("machine_memory_bytes", "Memory of the machine.");
const SWAP: Head<'_> = Head::gauge("machine_swap_bytes", "Swap space of the machine.");

/// A running container, as its runtime knows it. Its limits are read where the kernel enforces them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerRef {
    /// Its id, in full.
    pub id: String,
    /// Its first process, in the host's numbers.
    pub pid: u32,
    /// Its name, without a slash in front.
    pub name: String,
    /// Its image, as it was asked for.
    pub image: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// It has a network of its own: neither the host's nor another container's.
    pub own_network: bool,
}

/// Collects `container_*` and `machine_*`.
#[derive(Debug)]
pub struct Containers {
    roots: Roots,
    options: Options,
    files: Files,
    machine: Memo,
    known: HashMap<String, State>,
    devices: HashMap<(u32, u32), String>,
    reading: Reading,
}

/// What is kept of a container between rounds.
#[derive(Debug)]
struct State {
    of: ContainerRef,
    place: Option<Cgroups>,
    searched_ms: i64,
    started: Option<f64>,
    memo: Memo,
}

impl Containers {
    /// Looks at nothing yet.
    #[must_use]
    pub fn new(roots: Roots, options: Options) -> Self {
        let base = options.labels.iter().map(|(name, value)| (name, value));
        let machine = Memo::new(Labels::from_pairs(base));
        let (known, devices) = (HashMap::new(), HashMap::new());
        Self { roots, options, files: Files::default(), machine, known, devices, reading: Reading::default() }
    }

    /// Adds this moment's numbers of these containers; of the first 8,192 if there are more. What is kept of others is
    /// forgotten. Blocks: some 0.3 ms a container.
    pub fn collect<C: Borrow<ContainerRef>>(&mut self, list: &[C], now_ms: i64, families: &mut Families) {
        let list = list.get(..CONTAINERS_MAX).unwrap_or(list);
        if self.known.len() > list.len() || list.iter().any(|one| !self.known.contains_key(&one.borrow().id))
        {
            let wanted: std::collections::HashSet<&str> =
                list.iter().map(|one| one.borrow().id.as_str()).collect();
            self.known.retain(|id, _| wanted.contains(id.as_str()));
        }
        let mut failed = false;
        for one in list {
            failed |= !self.container(one.borrow(), now_ms, families);
        }
        self.machine(failed, families);
    }

    /// What cannot be collected here, and why.
    #[must_use]
    pub fn off(&self) -> Vec<Off> {
        self.files.off()
    }

    /// `false` when it runs and its cgroup cannot be found.
    fn container(&mut self, one: &ContainerRef, now_ms: i64, families: &mut Families) -> bool {
        // A container that has ended leaves no numbers, and its process number may be somebody else's by now.
        let Some(membership) = process::membership(&mut self.files, &self.roots, one) else { return true };
        let state = self.known.entry(one.id.clone()).or_insert_with(|| State::new(one));
        if state.of != *one {
            *state = State::new(one);
        }
        if state.place.is_none() {
            state.search(&membership, &self.roots, &self.options, &mut self.files, now_ms);
        }
        let Some(place) = &state.place else { return false };
        state.memo.begin();
        self.reading.clear();
        place.read(&mut self.files, &mut self.reading);
        let mut out = Out { families, memo: &mut state.memo };
        let version = if place.is_second() { "2" } else { "1" };
        families::about(&mut out, version, state.started, now_ms);
        families::put(&mut out, &self.reading);
        families::put_io(&mut out, &self.reading.io, |device| {
            name_of(&mut self.devices, &mut self.files, &self.roots.sys, device)
        });
        process::limits(&mut self.files, &self.roots, one, &mut out);
        if one.own_network {
            network::collect(&mut self.files, &self.roots, one, &mut out);
        }
        true
    }

    fn machine(&mut self, failed: bool, families: &mut Families) {
        self.machine.begin();
        let mut out = Out { families, memo: &mut self.machine };
        out.put(&ERROR, &[], if failed { 1.0 } else { 0.0 });
        let boot = self.files.line(&self.roots.proc, "sys/kernel/random/boot_id");
        let machine = self.files.line(&self.roots.root, "etc/machine-id");
        let labels = [("boot_id", &*boot), ("machine_id", &*machine)];
        let online = self.files.line(&self.roots.sys, "devices/system/cpu/online");
        out.put_some(&CORES, &labels, cores(&online));
        let Some(text) = self.files.text("machine", &self.roots.proc, "meminfo") else { return };
        let bytes = |key| value_of(&text, key).map(|kib| kib * 1024.0);
        out.put_some(&MEMORY, &labels, bytes("MemTotal"));
        out.put_some(&SWAP, &labels, bytes("SwapTotal"));
    }
}

impl State {
    fn new(of: &ContainerRef) -> Self {
        let memo = Memo::new(Labels::empty());
        Self { of: of.clone(), place: None, searched_ms: i64::MIN, started: None, memo }
    }

    /// Finds the cgroup, and makes what follows from it.
    fn search(
        &mut self,
        membership: &Membership,
        roots: &Roots,
        options: &Options,
        files: &mut Files,
        now_ms: i64,
    ) {
        if now_ms.saturating_sub(self.searched_ms) < SEARCH_AGAIN_MS && now_ms >= self.searched_ms {
            return;
        }
        self.searched_ms = now_ms;
        self.place = Cgroups::locate(&roots.cgroup, membership, &self.of.id);
        let missing = || {
            format!(
                "no cgroup of container {} below {}; mount the host's",
                self.of.id,
                roots.cgroup.display()
            )
        };
        files.note("container: cgroup", self.place.is_none().then(missing));
        let Some(place) = &self.place else { return };
        self.memo = Memo::new(labels::of(&self.of, place.path(), options));
        self.started = process::started(files, roots, self.of.pid);
    }
}

/// A block device's file, from its numbers, or these where the kernel does not tell; kept, for it does not change while the device is there.
fn name_of(
    devices: &mut HashMap<(u32, u32), String>,
    files: &mut Files,
    sys: &Path,
    device: (u32, u32),
) -> String {
    if let Some(name) = devices.get(&device) {
        return name.clone();
    }
    let file = format!("dev/block/{}:{}/uevent", device.0, device.1);
    let text = files.optional(sys, &file).unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("DEVNAME="));
    let Some(name) = name.map(|name| format!("/dev/{name}")) else {
        return format!("{}:{}", device.0, device.1);
    };
    if devices.len() < DEVICES_MAX {
        devices.insert(device, name.clone());
    }
    name
}

/// How many CPUs a list like `0-3,8` names.
fn cores(online: &str) -> Option<f64> {
    let count = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        Some(f64::from(last.checked_sub(first)?) + 1.0)
    };
    online.split(',').map(count).sum()
}

/// Whether cgroups can be read: how, or why not.
pub(super) fn probe(root: &Path) -> Result<String, String> {
    use crate::oom::CgroupVersion;
    match crate::oom::cgroup_version(root) {
        CgroupVersion::None => Err(format!("no cgroups below {}", root.display())),
        version => Ok(format!("cgroup version {} below {}", version.as_str(), root.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_of_lists() {
        let cases =
            [("0-1", Some(2.0)), ("0-3,8,10-11", Some(7.0)), ("0", Some(1.0)), ("3-1", None), ("", None)];
        for (online, expected) in cases {
            assert_eq!(cores(online), expected, "{online:?}");
        }
    }
}
