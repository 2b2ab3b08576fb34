//! The kernel's own word on out-of-memory kills, attributed to containers.
//!
//! # In one breath
//!
//! [`Handle::watch`] names a container and its first process. [`Service::run`] listens to up to three witnesses in one
//! loop that sleeps while nothing happens: `oom/mark_victim` in a private tracefs instance, `/dev/kmsg`, and each
//! container's own cgroup (v1 `memory.oom_control` with an eventfd, v2 `memory.events` with inotify). What they say is
//! merged to one [`hinomi_model::Fact::Oom`] an incident.
//!
//! # Invariants
//!
//! - The cgroup's `oom_kill` count is the arbiter where it can be read: no more facts than it counted, and a wake-up,
//!   a risen `failcnt` or `max`, or a removed cgroup is no kill.
//! - A fact leaves as soon as a victim is known to belong to a container; it never waits for a second witness.
//! - A witness that this process has no right to is switched off with one line and a reason in [`Status`].
//! - Every queue is bounded, and what is shed is counted.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use hinomi_base::clock::Clock;
use hinomi_base::counters::{Counter, Counters};
use hinomi_base::task::Shutdown;
use hinomi_model::{ResourceId, Sink};
use serde::Serialize;
use tokio::sync::mpsc;

mod cgroup;
mod kmsg;
mod merge;
mod outlet;
pub(crate) mod parse;
mod poll;
mod procfs;
mod runs;
mod service;
mod trace;
mod victims;

pub(crate) use cgroup::{
    container_path as cgroup_container_path, search as cgroup_search, version as cgroup_version,
};
pub(crate) use kmsg::probe as probe_kmsg;
pub(crate) use trace::probe as probe_tracefs;

/// Commands that may wait for the loop; more are shed and counted as `oom_watch_overflow`.
const COMMAND_QUEUE: usize = 4096;

/// Where the kernel is found. The defaults are right on the host and in a container with the host's namespaces.
#[derive(Clone, Debug)]
pub struct Options {
    /// The host's procfs.
    pub proc_root: PathBuf,
    /// Where the cgroup hierarchies are mounted.
    pub cgroup_root: PathBuf,
    /// A mounted tracefs; `None` looks in the usual places and else makes a mount that only this process sees.
    pub tracefs: Option<PathBuf>,
    /// The kernel's log.
    pub kmsg: PathBuf,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            proc_root: PathBuf::from("/proc"),
            cgroup_root: PathBuf::from("/sys/fs/cgroup"),
            tracefs: None,
            kmsg: PathBuf::from("/dev/kmsg"),
        }
    }
}

/// Which cgroup version accounts memory here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum CgroupVersion {
    /// Version 1 only.
    #[serde(rename = "1")]
    V1,
    /// Version 2 only.
    #[serde(rename = "2")]
    V2,
    /// Memory by version 1, beside a version 2 hierarchy without controllers.
    #[serde(rename = "hybrid")]
    Hybrid,
    /// No cgroup hierarchy with memory was found.
    #[default]
    #[serde(rename = "none")]
    None,
}

impl CgroupVersion {
    /// As `hinomi status` prints it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "1",
            Self::V2 => "2",
            Self::Hybrid => "hybrid",
            Self::None => "none",
        }
    }
}

/// One source of witness.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Witness {
    /// It is listened to.
    pub on: bool,
    /// How, or why not.
    pub reason: String,
}

/// What the service sees at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Who accounts memory.
    pub cgroup_version: CgroupVersion,
    /// `oom/mark_victim` in a private tracefs instance.
    pub tracefs: Witness,
    /// The kernel's log.
    pub kmsg: Witness,
    /// The containers' own cgroups; off when the last container could not be listened to.
    pub cgroup: Witness,
    /// Containers watched.
    pub watched: u64,
    /// Facts emitted since the start.
    pub ooms: u64,
}

/// What the loop is told.
#[derive(Debug)]
enum Command {
    Watch { resource: Arc<ResourceId>, container_id: String, pid: u32 },
    Unwatch { container_id: String },
}

/// Listens to the kernel until it is told to stop.
pub struct Service {
    options: Options,
    sink: Arc<dyn Sink>,
    clock: Clock,
    counters: Counters,
    commands: mpsc::Receiver<Command>,
    status: Arc<Mutex<Status>>,
}

/// Names containers to a [`Service`]. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    overflow: Counter,
    status: Arc<Mutex<Status>>,
}

impl Service {
    /// A service and the handle to it. Nothing is opened before [`Service::run`].
    #[must_use]
    pub fn new(options: Options, sink: Arc<dyn Sink>, clock: Clock, counters: Counters) -> (Self, Handle) {
        let (sender, commands) = mpsc::channel(COMMAND_QUEUE);
        let status = Arc::new(Mutex::new(Status::default()));
        let overflow = counters.counter("oom_watch_overflow");
        let handle = Handle { commands: sender, overflow, status: Arc::clone(&status) };
        (Self { options, sink, clock, counters, commands, status }, handle)
    }

    /// Runs until `shutdown` is raised; then removes its tracefs instance.
    pub async fn run(self, shutdown: Shutdown) {
        service::run(self, shutdown).await;
    }
}

impl Handle {
    /// Watches a container's run from now on; `pid` is the host's number of its first process. A second call for the
    /// same container and process changes nothing; with another process it begins the next run. Never blocks.
    pub fn watch(&self, resource: Arc<ResourceId>, container_id: &str, pid: u32) {
        self.send(Command::Watch { resource, container_id: container_id.to_owned(), pid });
    }

    /// The container's run is over. What the kernel said up to now is still reported. Never blocks.
    pub fn unwatch(&self, container_id: &str) {
        self.send(Command::Unwatch { container_id: container_id.to_owned() });
    }

    /// What the service sees.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn send(&self, command: Command) {
        if self.commands.try_send(command).is_err() {
            self.overflow.add(1);
        }
    }
}
