//! The engine itself: makes contact, says whether it is up, restarted or rebooted, and runs one session after another.
//!
//! # Invariants
//!
//! - Why there is no contact is said once a cause, with what to do; trying goes on for ever, 0.2 s to 5 s apart.
//! - Restarts and reboots are told by comparison: with the connection before, or with what was known at the start.

use std::sync::Arc;
use std::time::Duration;

use hinomi_model::{
    Fact, Gap, GapReason, Known, Nanos, ResourceId, ResourceKind, RuntimeState, Source, Tenant,
};

use super::client::{Client, Contact};
use super::context::Context;
use super::events::Seen;
use super::outlet::Said;
use super::reader::Room;
use super::session::{Session, Watchers};
use super::status::{Handle, State};
use super::task::Task;

/// First and last wait between two tries.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// Events whose repetition is known.
const SEEN_EVENTS: usize = 4096;
/// Waiting for the first contact longer than this is a gap.
const QUICK_CONTACT: Duration = Duration::from_secs(2);

/// A time of not seeing, to be closed by the next comparison.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blind {
    pub(crate) from: Nanos,
    pub(crate) to: Option<Nanos>,
    pub(crate) reason: GapReason,
}

/// The engine over all its connections.
pub(crate) struct Runtime {
    pub(crate) context: Arc<Context>,
    pub(crate) handle: Handle,
    pub(crate) room: Room,
    pub(crate) watchers: Watchers,
    pub(crate) seen: Seen,
    pub(crate) last_event_at: Option<Nanos>,
    /// Times of not seeing that no comparison has closed yet.
    pub(crate) blind: Vec<Blind>,
    cluster: Arc<ResourceId>,
    known_boot: String,
    known_pid: u32,
    contacts: u64,
    /// The last word was "up".
    up: Option<bool>,
    complaint: Option<State>,
}

impl Runtime {
    pub(crate) fn new(context: Arc<Context>, known: Known, handle: Handle) -> Self {
        let cluster = Arc::new(ResourceId {
            tenant: Tenant::default(),
            cluster: context.options.cluster.clone(),
            kind: ResourceKind::Cluster,
            uid: context.options.cluster.clone(),
            name: context.options.cluster.clone(),
            node: context.options.node.clone(),
            workload: None,
        });
        let now = Nanos(context.clock.now());
        let blind = known
            .last_observed_at
            .map(|from| Blind { from, to: Some(now), reason: GapReason::NotRunning })
            .into_iter()
            .collect();
        let went_at = known.last_observed_at;
        context.set_era(|era| era.went_at = went_at);
        handle.edit(|status| {
            status.host = context.client().address().to_string();
            status.since = now;
        });
        let room = Room::new(&context.counters, context.clock.clone());
        Self {
            handle,
            room,
            watchers: Watchers::new(Arc::clone(&context), known.containers),
            seen: Seen::new(SEEN_EVENTS),
            last_event_at: None,
            blind,
            cluster,
            known_boot: known.boot_id,
            known_pid: known.daemon_pid,
            contacts: 0,
            up: None,
            complaint: None,
            context,
        }
    }

    /// Runs for ever.
    pub(crate) async fn run(mut self) {
        let outlet = Task::spawn(drain_outlet(Arc::clone(&self.context), Arc::clone(&self.cluster)));
        loop {
            let contact = self.connect().await;
            self.announce(&contact);
            Session::run(&mut self).await;
            self.went_away();
            if outlet.is_finished() {
                return;
            }
        }
    }

    async fn connect(&mut self) -> Contact {
        let began = tokio::time::Instant::now();
        let mut wait = BACK_OFF.0;
        let mut tries = 0_u32;
        let mut client = Client::clone(&self.context.client());
        loop {
            match client.negotiate().await {
                Ok(contact) => {
                    self.context.set_client(client);
                    let now = Nanos(self.context.clock.now());
                    if self.contacts == 0 && began.elapsed() > QUICK_CONTACT {
                        let from = now.minus(began.elapsed());
                        self.blind.push(Blind { from, to: None, reason: GapReason::RuntimeAway });
                    }
                    return contact;
                }
                // A connection that breaks right after another did is the same farewell.
                Err(error) if tries == 0 && self.contacts > 0 && error.state() == State::Waiting => {}
                Err(error) => self.complain(error.state(), &error.to_string()),
            }
            tries += 1;
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(BACK_OFF.1);
        }
    }

    /// Says once what is wrong.
    pub(crate) fn complain(&mut self, state: State, detail: &str) {
        if self.complaint != Some(state) {
            tracing::warn!(state = ?state, detail, "docker is not watched");
            self.complaint = Some(state);
            let now = Nanos(self.context.clock.now());
            self.handle.edit(|status| {
                status.state = state;
                detail.clone_into(&mut status.detail);
                status.since = now;
            });
        }
        if self.up != Some(false) {
            self.up = Some(false);
            let boot_id = self.context.boot_id();
            let away = RuntimeState {
                up: false,
                version: String::new(),
                boot_id,
                daemon_pid: self.known_pid,
                rebooted: false,
                restarted: false,
            };
            self.say(
                Said::new(Fact::Runtime(away), self.now(), Source::Probe).because(Some(detail.to_owned())),
            );
        }
    }

    /// The engine hung and answers again.
    pub(crate) fn answers_again(&mut self, hung_since: Nanos) {
        let status = self.handle.status();
        let gap = Gap { from: hung_since, to: self.now(), reason: GapReason::RuntimeAway, lost: Vec::new() };
        self.announce(&Contact {
            api_version: status.api_version,
            daemon_pid: status.daemon_pid,
            version: status.version,
        });
        // The gap says that everything is compared; here the stream itself brings what happened.
        self.say(Said::new(Fact::Gap(gap), self.now(), Source::Hinomi));
    }

    /// Says that the engine is there and what became of it.
    fn announce(&mut self, contact: &Contact) {
        let boot_id = self.context.boot_id();
        let rebooted = !self.known_boot.is_empty() && !boot_id.is_empty() && self.known_boot != boot_id;
        let pids_known = self.known_pid > 0 && contact.daemon_pid > 0;
        let was_away = self.contacts > 0 && self.complaint.is_some_and(|state| state != State::Hung);
        let restarted = rebooted || if pids_known { self.known_pid != contact.daemon_pid } else { was_away };
        let wall = Nanos(self.context.clock.wall());
        self.context.set_era(|era| {
            era.back_at = Some(wall);
            era.restarted = restarted;
            era.rebooted = rebooted;
        });
        let state = RuntimeState {
            up: true,
            version: format!("Docker {}", contact.version),
            boot_id: boot_id.clone(),
            daemon_pid: contact.daemon_pid,
            rebooted,
            restarted,
        };
        self.say(Said::new(Fact::Runtime(state), self.now(), Source::Probe));
        self.known_boot = boot_id;
        self.known_pid = contact.daemon_pid;
        self.contacts += 1;
        self.up = Some(true);
        if self.complaint.take().is_some() {
            tracing::info!(version = contact.version, "docker is watched");
        }
        let (now, reconnects) = (self.now(), self.contacts - 1);
        self.handle.edit(|status| {
            status.state = State::Connected;
            status.detail.clear();
            status.version.clone_from(&contact.version);
            status.api_version.clone_from(&contact.api_version);
            status.daemon_pid = contact.daemon_pid;
            status.since = now;
            status.reconnects = reconnects;
        });
    }

    /// The stream broke: a time of not seeing begins.
    fn went_away(&mut self) {
        let wall = Nanos(self.context.clock.wall());
        self.context.set_era(|era| {
            era.went_at = Some(wall);
            era.synced = false;
        });
        if self.blind.last().is_none_or(|blind| blind.to.is_some()) {
            self.blind.push(Blind { from: self.now(), to: None, reason: GapReason::RuntimeAway });
        }
    }

    pub(crate) fn now(&self) -> Nanos {
        Nanos(self.context.clock.now())
    }

    fn say(&self, said: Said) {
        self.context.outlet.put(&self.cluster, vec![said]);
    }

    pub(crate) fn cluster(&self) -> Arc<ResourceId> {
        Arc::clone(&self.cluster)
    }
}

/// Puts out what the sink had no room for, when it has room again.
async fn drain_outlet(context: Arc<Context>, cluster: Arc<ResourceId>) {
    loop {
        context.outlet.wake.notified().await;
        let from = Nanos(context.clock.now());
        let shed = loop {
            match context.outlet.drain() {
                Some(shed) => break shed,
                None => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        };
        if shed > 0 {
            let to = Nanos(context.clock.now());
            let lost = vec![format!("{shed} changes: there was no room for them")];
            let gap = Gap { from, to, reason: GapReason::Overflow, lost };
            context.outlet.put(&cluster, vec![Said::new(Fact::Gap(gap), to, Source::Hinomi)]);
            context.restate.notify_one();
        }
    }
}
