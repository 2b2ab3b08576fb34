//! Watches a Docker Engine and says what changes.
//!
//! # In one breath
//!
//! [`Service::run`] connects and, for as long as the engine is there, runs a session: the event stream is opened first,
//! then everything that exists is listed, so nothing falls between. A reader task only drains the stream; the session
//! hands each event to its container's watcher, a task of its own. When the stream breaks, the time until the next
//! session is a gap, and each watcher compares what it knew with what is.
//!
//! # Invariants
//!
//! - Events wait in one bounded place; what is shed is counted, leaves a gap, and makes everything be compared anew.
//! - A container's facts leave in the order of its events; containers do not wait for each other.
//! - A watcher ends with its container. Environment values are never decoded.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hinomi_base::budget::Budget;
use hinomi_base::clock::Clock;
use hinomi_base::counters::Counters;
use hinomi_base::task::Shutdown;
use hinomi_model::{Known, Sink};

use crate::oom;

mod activation;
mod client;
mod container;
mod context;
mod disk;
mod error;
pub(crate) mod events;
pub(crate) mod inspect;
pub(crate) mod logs;
mod outlet;
mod reader;
mod reconcile;
mod running;
mod runtime;
mod serve;
mod session;
mod startfail;
mod status;
mod task;

pub use activation::Activation;
pub use disk::{DiskUse, Part, disk_use};
pub use error::Error;
pub use status::{Handle, State, Status};

/// How to watch.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the engine listens: `unix:///path` or `tcp://host:port`.
    pub host: String,
    /// Name of the realm; for a Docker host its name.
    pub cluster: String,
    /// Name of the machine.
    pub node: String,
    /// The host's procfs.
    pub proc_root: PathBuf,
    /// How to tell, before a connect, that systemd would start an engine for it.
    pub activation: Activation,
    /// Time between two lists that catch what no event told.
    pub reconcile_every: Duration,
    /// Time between two looks whether the engine answers.
    pub ping_every: Duration,
    /// Deadline of a call.
    pub call_timeout: Duration,
    /// Lines kept of each log.
    pub log_lines: usize,
    /// Bytes kept of each log.
    pub log_bytes: usize,
    /// Time in which a published port must be served.
    pub serve_grace: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            host: "unix:///var/run/docker.sock".to_owned(),
            cluster: "docker".to_owned(),
            node: String::new(),
            proc_root: PathBuf::from("/proc"),
            activation: Activation::default(),
            reconcile_every: Duration::from_secs(30),
            ping_every: Duration::from_secs(10),
            call_timeout: Duration::from_secs(10),
            log_lines: 50,
            log_bytes: 32 * 1024,
            serve_grace: Duration::from_secs(300),
        }
    }
}

/// Watches until it is told to stop.
pub struct Service {
    options: Options,
    known: Known,
    sink: Arc<dyn Sink>,
    clock: Clock,
    budget: Budget,
    counters: Counters,
    oom: oom::Handle,
    handle: Handle,
}

impl Service {
    /// A service and the handle to it. Nothing is opened before [`Service::run`].
    #[must_use]
    pub fn new(
        options: Options,
        known: Known,
        sink: Arc<dyn Sink>,
        clock: Clock,
        budget: Budget,
        counters: Counters,
        oom: oom::Handle,
    ) -> (Self, Handle) {
        let handle = Handle::default();
        let service = Self { options, known, sink, clock, budget, counters, oom, handle: handle.clone() };
        (service, handle)
    }

    /// Runs until `shutdown` is raised.
    pub async fn run(self, mut shutdown: Shutdown) {
        let address = match client::Address::parse(&self.options.host) {
            Ok(address) => address,
            Err(error) => {
                tracing::error!(%error, "docker is not watched");
                self.handle.edit(|status| {
                    status.state = error.state();
                    status.detail = error.to_string();
                });
                shutdown.wait().await;
                return;
            }
        };
        let guard = activation::Guard::new(self.options.activation.clone(), self.options.proc_root.clone());
        let client = client::Client::new(address, self.options.call_timeout, guard);
        let outlet = outlet::Outlet::new(self.sink, &self.counters);
        let parts = (self.clock, self.budget, self.counters);
        let shown = (self.handle.rings.clone(), self.handle.running.clone());
        let context = Arc::new(context::Context::new(self.options, outlet, parts, self.oom, client, shown));
        let work = Box::pin(runtime::Runtime::new(context, self.known, self.handle).run());
        tokio::select! {
            () = work => {}
            () = shutdown.wait() => {}
        }
    }
}
