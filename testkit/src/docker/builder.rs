//! What kinds of private dockerd there are.

use std::sync::{Mutex, Once};

use anyhow::{Context as _, Result, bail};

use super::slot::Slot;
use super::{PrivateDocker, cleanup, sweep_stale, unavailable};

/// How a private dockerd shall be.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    name: String,
    pub(super) live_restore: bool,
    pub(super) own_containerd: bool,
    pub(super) disk_mib: Option<u32>,
    pub(super) args: Vec<String>,
}

impl Builder {
    /// A plain private dockerd; `name` (letters, digits, `-`) is for its label and for people.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Containers live on while dockerd is down.
    #[must_use]
    pub fn live_restore(mut self) -> Self {
        self.live_restore = true;
        self
    }

    /// containerd is not dockerd's child, as under systemd on Debian.
    #[must_use]
    pub fn own_containerd(mut self) -> Self {
        self.own_containerd = true;
        self
    }

    /// The data-root is an own ext4 of that size, so that it can be filled.
    #[must_use]
    pub fn disk_mib(mut self, mib: u32) -> Self {
        self.disk_mib = Some(mib);
        self
    }

    /// One more argument for dockerd.
    #[must_use]
    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    /// Starts it and imports the image [`IMAGE`].
    ///
    /// # Errors
    ///
    /// When this machine has no dockerd, or it does not become ready; nothing is left behind then.
    pub fn start(self) -> Result<PrivateDocker> {
        static SWEPT: Once = Once::new();
        if let Some(reason) = unavailable() {
            bail!("no private dockerd here: {reason}");
        }
        SWEPT.call_once(|| drop(sweep_stale()));
        let slot = Slot::take()?;
        cleanup::remove(&slot);
        let run = format!("{}-{}-{}", self.name, std::process::id(), slot.name().replace("hinomi-test-", ""));
        let docker = PrivateDocker { run, options: self, daemons: Mutex::default(), slot };
        docker.set_up().with_context(|| format!("private dockerd below {}", docker.base().display()))?;
        Ok(docker)
    }

    /// Starts it, or says that the suite is skipped where there can be none.
    ///
    /// # Panics
    ///
    /// When there could be one and it does not start: that is a failure, not a skip.
    #[must_use]
    #[allow(clippy::panic, reason = "for tests: fails the one that calls it")]
    pub fn start_or_skip(self, suite: &str) -> Option<PrivateDocker> {
        if let Some(reason) = unavailable() {
            crate::skip_suite(suite, &reason);
            return None;
        }
        match self.start() {
            Ok(docker) => Some(docker),
            Err(error) => panic!("{error:#}"),
        }
    }
}
