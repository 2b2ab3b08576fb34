//! The engine itself: makes contact, says whether it is up, restarted or rebooted, and runs one session after another.
//!
//! # Invariants
//!
//! - Why there is no contact is said once a cause, with what to do; trying goes on for ever, 0.2 s to 5 s apart.
//! - There is contact when the event stream stands, not before: an engine that answers but gives no events is down.
//! - Restarts and reboots are told by comparison: with the connection before, or with what was known at the start.

use std::sync::Arc;
use std::time::Duration;

use hinomi_model::{
    Fact, Gap, GapReason, Known, Nanos, ResourceId, ResourceKind, RuntimeState, Source, Tenant,
};

use super::Error;
use super::client::{Client, Contact};
use super::context::Context;
use super::events::Seen;
use super::outlet::Said;
use super::reader::Room;
use super::session::{Session, Watchers};
use super::status::{Handle, State, Status};
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
    /// No earlier process left word of this engine.
    first_ever: bool,
    contacts: u64,
    began: tokio::time::Instant,
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
            first_ever: known.last_observed_at.is_none(),
            known_boot: known.boot_id,
            known_pid: known.daemon_pid,
            contacts: 0,
            began: tokio::time::Instant::now(),
            up: None,
            complaint: None,
            context,
        }
    }

    /// Runs for ever.
    pub(crate) async fn run(mut self) {
        let outlet = Task::spawn(drain_outlet(Arc::clone(&self.context), Arc::clone(&self.cluster)));
        let mut wait = BACK_OFF.0;
        loop {
            let contact = self.connect().await;
            if Session::run(&mut self, &contact).await {
                self.went_away();
                wait = BACK_OFF.0;
            } else {
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(BACK_OFF.1);
            }
            if outlet.is_finished() {
                return;
            }
        }
    }

    /// Whether this engine was never looked at before, neither by this process nor by an earlier one.
    pub(crate) fn is_first_look(&self) -> bool {
        self.contacts == 0 && self.first_ever
    }

    async fn connect(&mut self) -> Contact {
        let mut wait = BACK_OFF.0;
        let mut tries = 0_u32;
        let mut client = Client::clone(&self.context.client());
        loop {
            match client.negotiate().await {
                Ok(contact) => {
                    self.context.set_client(client);
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

    /// The events flow, but the list of containers fails: said once an outage. The engine is not down for it.
    pub(crate) fn complain_of_lists(&mut self, error: &Error, is_first: bool) {
        let detail = format!(
            "the list of containers fails, so what was missed stays unknown: {error}; look into the daemon's log, and \
             let a proxy before it pass GET /containers/json"
        );
        if is_first {
            tracing::warn!(state = ?error.state(), detail, "docker is not wholly watched");
        }
        let now = self.now();
        self.edit_while_up(|status| {
            if status.detail != detail {
                status.state = error.state();
                status.detail = detail;
                status.since = now;
            }
        });
    }

    /// The list of containers works again.
    pub(crate) fn lists_again(&mut self) {
        tracing::info!("docker is watched: its containers are listed again");
        let now = self.now();
        self.edit_while_up(|status| {
            status.state = State::Connected;
            status.detail.clear();
            status.since = now;
        });
    }

    /// What makes the whole engine count as down says more than a list.
    fn edit_while_up(&self, change: impl FnOnce(&mut Status)) {
        if self.complaint.is_none() {
            self.handle.edit(change);
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
    pub(crate) fn announce(&mut self, contact: &Contact) {
        if self.contacts == 0 && self.began.elapsed() > QUICK_CONTACT {
            let from = self.now().minus(self.began.elapsed());
            self.blind.push(Blind { from, to: None, reason: GapReason::RuntimeAway });
        }
        let boot_id = self.context.boot_id();
        let rebooted = !self.known_boot.is_empty() && !boot_id.is_empty() && self.known_boot != boot_id;
        let was_away = self.contacts > 0 && self.complaint.is_some_and(|state| state != State::Hung);
        let restarted = rebooted || is_other_daemon(self.known_pid, contact.daemon_pid, was_away);
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

/// Whether it is another daemon than before, by its process; 0 is unknown, then an outage must do.
fn is_other_daemon(known_pid: u32, pid: u32, was_away: bool) -> bool {
    if known_pid > 0 && pid > 0 { known_pid != pid } else { was_away }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_process_is_another_daemon_even_if_nobody_missed_the_first() {
        let table = [
            (10, 11, false, true),
            (10, 11, true, true),
            (10, 10, true, false),
            (0, 11, false, false),
            (0, 11, true, true),
            (10, 0, true, true),
        ];
        for (known_pid, pid, was_away, want) in table {
            assert_eq!(is_other_daemon(known_pid, pid, was_away), want, "{known_pid} {pid} {was_away}");
        }
    }
}
