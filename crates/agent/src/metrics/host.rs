//! The host's numbers, as node_exporter names them.

use std::path::PathBuf;
use std::time::Instant;

use hinomi_series::Labels;
use hinomi_wire::Families;

use super::files::Files;
use super::memo::{Memo, Out};
use super::{Off, Options, Roots};

mod cpu;
mod disks;
mod filesystems;
mod kernel;
mod memory;
mod mounts;
mod netdev;
mod netstat;
mod probe;
mod system;

pub(super) use memory::stalled as host_pressure;
pub(super) use netdev::devices as net_devices;

/// What one round of a collector works with.
struct Round<'a> {
    roots: &'a Roots,
    options: &'a Options,
    /// The `net` folder of the host's network namespace.
    net: &'a std::path::Path,
    now_ms: i64,
    files: &'a mut Files,
    out: Out<'a>,
}

/// Collects `node_*`.
#[derive(Debug)]
pub struct Host {
    roots: Roots,
    options: Options,
    net: PathBuf,
    files: Files,
    memo: Memo,
    cpus: cpu::Cpus,
    probe: probe::Prober,
}

/// Adds what one collector reads.
type Collect = fn(&mut Round<'_>);

/// Collectors without a memory, under node_exporter's names.
const COLLECTORS: [(&str, Collect); 20] = [
    ("loadavg", kernel::load),
    ("meminfo", memory::meminfo),
    ("vmstat", memory::vmstat),
    ("pressure", memory::pressure),
    ("diskstats", disks::collect),
    ("netdev", netdev::traffic),
    ("netclass", netdev::properties),
    ("arp", netdev::arp),
    ("netstat", netstat::netstat),
    ("sockstat", netstat::sockstat),
    ("softnet", netstat::softnet),
    ("conntrack", netstat::conntrack),
    ("filefd", kernel::open_files),
    ("entropy", kernel::entropy),
    ("processes", kernel::processes),
    ("uname", system::uname),
    ("os", system::release),
    ("time", system::time),
    ("thermal_zone", system::thermal),
    ("host", system::host),
];

impl Host {
    /// Looks at nothing yet.
    #[must_use]
    pub fn new(roots: Roots, options: Options) -> Self {
        // `net` belongs to whoever reads it; process 1 stands in the host's network namespace.
        let first = roots.proc.join("1/net");
        let net = if first.join("dev").exists() { first } else { roots.proc.join("net") };
        let memo = Memo::new(Labels::from_pairs(options.labels.iter().map(|(name, value)| (name, value))));
        let probe = probe::Prober::new(options.mount_timeout);
        Self { roots, options, net, files: Files::default(), memo, cpus: cpu::Cpus::default(), probe }
    }

    /// Adds this moment's numbers. Blocks: a few milliseconds, and up to [`Options::mount_timeout`] more when a
    /// filesystem on the network does not answer.
    pub fn collect(&mut self, now_ms: i64, families: &mut Families) {
        self.memo.begin();
        let Self { roots, options, net, files, memo, cpus, probe } = self;
        let out = Out { families, memo };
        let mut round = Round { roots, options, net, now_ms, files, out };
        round.timed("stat", |round| cpus.collect(round));
        round.timed("filesystem", |round| filesystems::collect(round, probe));
        for (name, collect) in COLLECTORS {
            round.timed(name, collect);
        }
    }

    /// What cannot be collected here, and why.
    #[must_use]
    pub fn off(&self) -> Vec<Off> {
        self.files.off()
    }
}

impl Round<'_> {
    /// Runs a collector and says how long it took and whether what it needs is there.
    fn timed(&mut self, name: &'static str, collect: impl FnOnce(&mut Self)) {
        let began = Instant::now();
        collect(self);
        let success = if self.files.is_off(name) { 0.0 } else { 1.0 };
        let labels = [("collector", name)];
        self.out.put(&kernel::TOOK, &labels, began.elapsed().as_secs_f64());
        self.out.put(&kernel::SUCCESS, &labels, success);
    }
}
