//! What all watchers of one engine share.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hinomi_base::budget::Budget;
use hinomi_base::clock::Clock;
use hinomi_base::counters::Counters;
use hinomi_model::{Nanos, ResourceId};
use tokio::sync::Semaphore;

use super::client::Client;
use super::container::is_not_of;
use super::inspect::{self, Inspect};
use super::logs::Rings;
use super::outlet::Outlet;
use super::running::Running;
use super::{Error, Options};
use crate::oom;

/// Inspect calls at once.
const INSPECTS: usize = 16;
/// Longest inspect answer read.
const INSPECT_BYTES: usize = 4 << 20;
/// A pull belongs to a container that is created within this time.
const PULL_TIME: Duration = Duration::from_secs(600);
/// Pulls remembered.
const PULLS: usize = 256;
/// Texts of what is lost that wait for their gap.
const LOST: usize = 100;
/// After its return an engine's own kills may still arrive so long.
const SETTLING: Duration = Duration::from_secs(2);

/// Where the connection stands in time, by the engine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Era {
    /// When the engine went away last.
    pub(crate) went_at: Option<Nanos>,
    /// When it was back.
    pub(crate) back_at: Option<Nanos>,
    /// It came back as another process.
    pub(crate) restarted: bool,
    /// It came back with another boot.
    pub(crate) rebooted: bool,
    /// What runs was compared once since it is back: an unknown container is news now.
    pub(crate) synced: bool,
}

impl Era {
    /// Whether a kill at that time was the starting engine's own: nobody else could reach it yet.
    pub(crate) fn is_runtimes_own(&self, at: Nanos) -> bool {
        match (self.went_at, self.back_at) {
            (Some(went), Some(back)) => self.restarted && at > went && at < back.plus(SETTLING),
            _ => false,
        }
    }
}

/// Shared by all watchers.
pub(crate) struct Context {
    pub(crate) options: Options,
    pub(crate) outlet: Outlet,
    pub(crate) clock: Clock,
    pub(crate) budget: Budget,
    pub(crate) counters: Counters,
    pub(crate) oom: oom::Handle,
    pub(crate) followers: Arc<AtomicUsize>,
    /// Shows the logs that are followed.
    pub(crate) rings: Rings,
    /// Shows what runs.
    pub(crate) running: Running,
    /// Changes were shed: watchers shall say anew what is.
    pub(crate) restate: tokio::sync::Notify,
    client: Mutex<Arc<Client>>,
    inspects: Semaphore,
    pulls: Mutex<BTreeMap<String, Nanos>>,
    era: Mutex<Era>,
    pids_visible: AtomicBool,
    /// What events told to be lost while the gap before them was still open.
    lost: Mutex<Vec<String>>,
}

impl Context {
    pub(crate) fn new(
        options: Options,
        outlet: Outlet,
        (clock, budget, counters): (Clock, Budget, Counters),
        oom: oom::Handle,
        client: Client,
        (rings, running): (Rings, Running),
    ) -> Self {
        Self {
            options,
            outlet,
            clock,
            budget,
            counters,
            oom,
            followers: Arc::default(),
            rings,
            running,
            restate: tokio::sync::Notify::new(),
            client: Mutex::new(Arc::new(client)),
            inspects: Semaphore::new(INSPECTS),
            pulls: Mutex::default(),
            era: Mutex::default(),
            pids_visible: AtomicBool::new(false),
            lost: Mutex::default(),
        }
    }

    pub(crate) fn client(&self) -> Arc<Client> {
        Arc::clone(&self.client.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_client(&self, client: Client) {
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(client);
    }

    pub(crate) fn era(&self) -> Era {
        *self.era.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_era(&self, change: impl FnOnce(&mut Era)) {
        change(&mut self.era.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Inspects a container; at most [`INSPECTS`] at once, each with its own deadline.
    pub(crate) async fn inspect(&self, id: &str, deadline: Duration) -> Result<Inspect, Error> {
        let _permit = self.inspects.acquire().await;
        self.client().get(&format!("/containers/{id}/json"), INSPECT_BYTES, deadline).await
    }

    pub(crate) fn resource(&self, id: &str, name: &str, labels: &BTreeMap<String, String>) -> ResourceId {
        inspect::resource(&self.options.cluster, &self.options.node, id, name, labels)
    }

    /// Remembers that an image was pulled.
    pub(crate) fn note_pull(&self, image: &str, at: Nanos) {
        let mut pulls = self.pulls.lock().unwrap_or_else(PoisonError::into_inner);
        pulls.retain(|_, pulled| at.since(*pulled) <= PULL_TIME);
        if pulls.len() < PULLS {
            pulls.insert(tagged(image), at);
        }
    }

    /// Whether the image was pulled shortly before.
    pub(crate) fn was_pulled(&self, image: &str, at: Nanos) -> bool {
        let pulls = self.pulls.lock().unwrap_or_else(PoisonError::into_inner);
        pulls.get(&tagged(image)).is_some_and(|pulled| at.since(*pulled) <= PULL_TIME)
    }

    /// Whether the engine's process numbers are ours: one container's process was found as its own.
    pub(crate) fn pids_visible(&self) -> bool {
        self.pids_visible.load(Ordering::Relaxed)
    }

    pub(crate) fn learn_visibility(&self, process: &Path, id: &str) {
        if !self.pids_visible() && process.exists() && !is_not_of(process, id) {
            self.pids_visible.store(true, Ordering::Relaxed);
        }
    }

    /// Notes what is lost, for the gap that is still open; at most [`LOST`] texts.
    pub(crate) fn lose(&self, texts: Vec<String>) {
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        let room = LOST.saturating_sub(lost.len());
        lost.extend(texts.into_iter().take(room));
    }

    pub(crate) fn take_lost(&self) -> Vec<String> {
        std::mem::take(&mut self.lost.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the engine did this itself: while it starts, or because it stops, when it has closed its socket.
    pub(crate) async fn is_runtimes_own(&self, at: Nanos) -> bool {
        self.era().is_runtimes_own(at) || self.client().has_closed_shop().await
    }

    /// The host's boot identity; empty if not readable.
    pub(crate) fn boot_id(&self) -> String {
        let path = self.options.proc_root.join("sys/kernel/random/boot_id");
        std::fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default()
    }
}

/// An image name with its tag, as pull events write it.
fn tagged(image: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or(image);
    if name.contains(':') || name.contains('@') { image.to_owned() } else { format!("{image}:latest") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags() {
        let table = [
            ("bb", "bb:latest"),
            ("bb:1", "bb:1"),
            ("r:5000/bb", "r:5000/bb:latest"),
            ("bb@sha256:0", "bb@sha256:0"),
        ];
        for (image, want) in table {
            assert_eq!(tagged(image), want);
        }
    }

    #[test]
    fn a_starting_engine_kills_by_itself_and_a_person_later() {
        let era = Era {
            went_at: Some(Nanos::from_secs(10)),
            back_at: Some(Nanos::from_secs(12)),
            restarted: true,
            ..Era::default()
        };
        for (at, own) in [(9, false), (11, true), (13, true), (14, false)] {
            assert_eq!(era.is_runtimes_own(Nanos::from_secs(at)), own, "{at}");
        }
        assert!(!Era { restarted: false, ..era }.is_runtimes_own(Nanos::from_secs(11)));
    }
}
