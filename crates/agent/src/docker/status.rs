//! What the collector shows about itself.

use std::sync::{Arc, Mutex, PoisonError};

use hinomi_model::{LogTail, Nanos};
use serde::Serialize;

use super::logs::Rings;
use super::running::Running;
use crate::metrics::ContainerRef;

/// How the collector stands with the engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Not tried yet, or a passing error; tried again.
    #[default]
    Waiting,
    /// Sees everything.
    Connected,
    /// No right to the socket.
    Forbidden,
    /// No socket.
    Missing,
    /// A socket, but nobody listens.
    Refused,
    /// Connects, but does not answer.
    Hung,
    /// The address is none.
    Misconfigured,
}

/// The collector's state, for `hinomi status`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// How it stands.
    pub state: State,
    /// What is wrong and what to do; empty while connected.
    pub detail: String,
    /// Address of the engine.
    pub host: String,
    /// The engine's version.
    pub version: String,
    /// The API version that is spoken.
    pub api_version: String,
    /// Since when it stands so, steady clock.
    pub since: Nanos,
    /// Containers known.
    pub containers: usize,
    /// Logs followed.
    pub log_followers: usize,
    /// Runtime's stamp of the last event.
    pub last_event_at: Option<Nanos>,
    /// Events taken.
    pub events: u64,
    /// Events shed because too many waited.
    pub events_dropped: u64,
    /// How often the connection was made again.
    pub reconnects: u64,
    /// Process of the daemon, 0 if not known.
    pub daemon_pid: u32,
}

/// Shows the collector's [`Status`], the logs that it follows and what runs. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Handle {
    status: Arc<Mutex<Status>>,
    pub(crate) rings: Rings,
    pub(crate) running: Running,
}

impl Handle {
    /// How it stands now.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The last log lines of a container that runs, redacted; none when its log is not watched.
    #[must_use]
    pub fn log_tail(&self, id: &str) -> Option<LogTail> {
        self.rings.tail(id)
    }

    /// What runs on this machine, in order of the ids; nothing while the engine is another machine's.
    #[must_use]
    pub fn running(&self) -> Vec<Arc<ContainerRef>> {
        self.running.all()
    }

    pub(crate) fn edit(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
