//! Tells receivers: one message at a time, in order, again and again until it is accepted or hopeless.
//!
//! # In one breath
//!
//! [`Options::build`] makes a [`Service`] and a [`Handle`] for one receiver. The owner of the durable queue offers
//! messages through the handle; the service sends them (`attempt.rs`: webhook, Slack or mail) and reports every end as an
//! [`Outcome`]. The queue holds the webhook's body; what people read is made from it at the last moment. Nothing here is
//! durable: a message stays in the owner's queue until its outcome came, so that a crash leads to a repeat with the
//! same `Idempotency-Key`, never to a loss.
//!
//! # Invariants
//!
//! - The order of a receiver's messages is kept; a message that fails holds back those behind it for at most
//!   [`Options::give_up_after`].
//! - [`Handle::offer`] never waits; what does not fit comes back to the caller and is counted.
//! - A dead receiver holds back no other receiver.
//! - Secrets (headers, URLs, passwords) are in no error text, no log line and no status.

mod attempt;
mod backoff;
mod beat;
mod body;
mod client;
mod http;
mod mail;
mod page;
mod phrases;
#[cfg(test)]
mod samples;
mod slack;
mod smtp;
mod test;
mod webhook;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hinomi_base::clock::Clock;
use hinomi_base::counters::{Counter, Counters};
use hinomi_base::task::Shutdown;
use hinomi_model::{Message, Nanos};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::settings::Receiver;
use attempt::{Attempt, Verdict};
use backoff::Backoff;
use test::Tests;

pub use beat::beat;
pub use body::{BODY_MAX_BYTES, body, test_message};
pub use client::Clients;
pub use test::Tested;

/// Messages that wait in memory for one receiver.
pub const QUEUE_MESSAGES: usize = 256;
/// A shutdown lets the try in flight end for this long, so that an ordinary restart repeats nothing.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// How one receiver is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whom.
    pub receiver: Receiver,
    /// Messages that may wait in memory.
    pub queue: usize,
    /// Pause after the first failed try; doubles with every further one.
    pub backoff_first: Duration,
    /// Longest such pause.
    pub backoff_most: Duration,
    /// Longest pause that a receiver may ask for with `Retry-After`.
    pub retry_after_most: Duration,
    /// Age of a message at which a failed try is its last.
    pub give_up_after: Duration,
    /// Tries when the receiver says that the request is wrong (4xx, or a redirect).
    pub tries_when_refused: u32,
}

impl Options {
    /// The usual values for a receiver.
    #[must_use]
    pub fn new(receiver: Receiver) -> Self {
        Self {
            receiver,
            queue: QUEUE_MESSAGES,
            backoff_first: Duration::from_millis(500),
            backoff_most: Duration::from_secs(5 * 60),
            retry_after_most: Duration::from_secs(60 * 60),
            give_up_after: Duration::from_secs(24 * 60 * 60),
            tries_when_refused: 10,
        }
    }

    /// The part that runs and the part that is held. `outcomes` is shared by all receivers.
    #[must_use]
    pub fn build(
        self,
        clients: Arc<Clients>,
        clock: Clock,
        counters: &Counters,
        outcomes: mpsc::Sender<Outcome>,
    ) -> (Service, Handle) {
        let (sender, queue) = mpsc::channel(self.queue.max(1));
        let status = ReceiverStatus {
            name: self.receiver.name.clone(),
            kind: self.receiver.way.kind(),
            url_host: self.receiver.way.host(),
            ..ReceiverStatus::default()
        };
        let state = Arc::new(Mutex::new(State { status, trying: None }));
        let counted = Counted {
            sent: counters.counter("notify_sent_total"),
            retried: counters.counter("notify_retried_total"),
            gave_up: counters.counter("notify_gave_up_total"),
        };
        let handle = Handle {
            sender,
            state: Arc::clone(&state),
            full: counters.counter("notify_queue_full_total"),
            tests: Arc::new(Tests::new(self.receiver.clone(), Arc::clone(&clients), clock.clone())),
        };
        (Service { options: self, clients, clock, queue, outcomes, state, counted }, handle)
    }
}

/// How the delivery of one message ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Name of the receiver.
    pub receiver: String,
    /// Incident's key.
    pub incident: String,
    /// Number within the incident.
    pub sequence: u32,
    /// How.
    pub end: End,
    /// Tries since the start of this process.
    pub tries: u32,
    /// The last error on the way, without secrets.
    pub last_error: Option<String>,
}

/// The message that is being delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trying {
    /// Incident's key.
    pub incident: String,
    /// Number within the incident.
    pub sequence: u32,
    /// Tries that ended, since the start of this process.
    pub tries: u32,
    /// The last error, without secrets.
    pub last_error: Option<String>,
}

#[derive(Debug, Default)]
struct State {
    status: ReceiverStatus,
    trying: Option<Trying>,
}

/// End of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The receiver took it.
    Accepted,
    /// It will not be tried again.
    GaveUp {
        /// The last error, without secrets.
        why: String,
    },
}

/// What is known about a receiver.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReceiverStatus {
    /// Its name.
    pub name: String,
    /// How it is reached: `webhook`, `slack`, `email`.
    pub kind: &'static str,
    /// Host and port of its URL or mail server; never more of it.
    pub url_host: String,
    /// Messages in memory that are not delivered yet, the one in flight included.
    pub queued: u64,
    /// When it last accepted a message; written as RFC 3339.
    #[serde(serialize_with = "rfc3339")]
    pub last_accepted_at: Option<Nanos>,
    /// Since when no try succeeded; `None` while it works; written as RFC 3339.
    #[serde(serialize_with = "rfc3339")]
    pub failing_since: Option<Nanos>,
    /// Error of the last failed try, without secrets; `None` while it works.
    pub last_error: Option<String>,
    /// Messages accepted since the start.
    pub sent: u64,
    /// Tries beyond the first of a message since the start.
    pub retried: u64,
    /// Messages given up since the start.
    pub gave_up: u64,
}

#[expect(clippy::ref_option, reason = "the shape that serde asks for")]
fn rfc3339<S: serde::Serializer>(at: &Option<Nanos>, serializer: S) -> Result<S::Ok, S::Error> {
    at.map(Nanos::rfc3339).serialize(serializer)
}

#[derive(Debug)]
struct Counted {
    sent: Counter,
    retried: Counter,
    gave_up: Counter,
}

/// Hands messages to one receiver's [`Service`]. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    sender: mpsc::Sender<Message>,
    state: Arc<Mutex<State>>,
    full: Counter,
    tests: Arc<Tests>,
}

impl Handle {
    /// Hands over a message; returns at once.
    ///
    /// # Errors
    ///
    /// The message, when the queue is full or the service has ended: offer it again after the next [`Outcome`].
    pub fn offer(&self, message: Message) -> Result<(), Message> {
        // The lock orders this count before the service's decrement.
        let mut state = locked(&self.state);
        match self.sender.try_send(message) {
            Ok(()) => {
                state.status.queued += 1;
                Ok(())
            }
            Err(mpsc::error::TrySendError::Full(message)) => {
                self.full.add(1);
                Err(message)
            }
            Err(mpsc::error::TrySendError::Closed(message)) => Err(message),
        }
    }

    /// How many messages can be offered now.
    #[must_use]
    pub fn room(&self) -> usize {
        self.sender.capacity()
    }

    /// How the receiver does.
    #[must_use]
    pub fn status(&self) -> ReceiverStatus {
        locked(&self.state).status.clone()
    }

    /// The message that is being delivered, if one is.
    #[must_use]
    pub fn trying(&self) -> Option<Trying> {
        locked(&self.state).trying.clone()
    }

    /// Sends a message once, beside the queue; `None` while another test of this receiver is under way.
    pub async fn test(&self, message: &Message) -> Option<Tested> {
        self.tests.run(message).await
    }
}

/// Sends one receiver's messages.
#[derive(Debug)]
pub struct Service {
    options: Options,
    clients: Arc<Clients>,
    clock: Clock,
    queue: mpsc::Receiver<Message>,
    outcomes: mpsc::Sender<Outcome>,
    state: Arc<Mutex<State>>,
    counted: Counted,
}

impl Service {
    /// Runs until the shutdown is raised or every handle is gone.
    pub async fn run(mut self, mut shutdown: Shutdown) {
        let mut backoff = Backoff::new(self.options.backoff_first, self.options.backoff_most);
        loop {
            let message = tokio::select! {
                biased;
                () = shutdown.wait() => return,
                message = self.queue.recv() => message,
            };
            let Some(message) = message else { return };
            let Some(end) = self.deliver(&message, &mut backoff, &mut shutdown).await else { return };
            let trying = self.note_end(&end);
            let outcome = Outcome {
                receiver: message.receiver,
                incident: message.incident,
                sequence: message.sequence,
                end,
                tries: trying.as_ref().map_or(0, |trying| trying.tries),
                last_error: trying.and_then(|trying| trying.last_error),
            };
            tokio::select! {
                biased;
                sent = self.outcomes.send(outcome) => if sent.is_err() { return },
                () = after_grace(&mut shutdown) => return,
            }
        }
    }

    /// Tries until an end; `None` when the shutdown came first.
    async fn deliver(
        &self,
        message: &Message,
        backoff: &mut Backoff,
        shutdown: &mut Shutdown,
    ) -> Option<End> {
        let attempt = Attempt::new(&self.options.receiver, message);
        self.note_begin(message);
        let mut refused = 0;
        loop {
            let verdict = tokio::select! {
                biased;
                verdict = attempt.run(&self.clients, &self.clock) => verdict,
                () = after_grace(shutdown) => return None,
            };
            self.note_try();
            let (why, asked) = match verdict {
                Verdict::Accepted { .. } => {
                    backoff.reset();
                    return Some(End::Accepted);
                }
                Verdict::Later { why, retry_after } => (why, retry_after),
                Verdict::Refused { why } => {
                    refused += 1;
                    (why, None)
                }
            };
            self.note_failure(&why);
            if refused >= self.options.tries_when_refused {
                // It answers, so the next message deserves its try at once.
                backoff.reset();
                return Some(End::GaveUp { why });
            }
            let age = Nanos(self.clock.now()).since(message.queued_at);
            if age >= self.options.give_up_after {
                return Some(End::GaveUp { why });
            }
            let pause = self.pause(backoff, asked);
            tokio::select! {
                biased;
                () = shutdown.wait() => return None,
                () = tokio::time::sleep(pause) => {}
            }
            self.counted.retried.add(1);
            locked(&self.state).status.retried += 1;
        }
    }

    /// What the receiver asked for, within bounds; else the next pause of the back-off.
    fn pause(&self, backoff: &mut Backoff, asked: Option<Duration>) -> Duration {
        let own = backoff.next(backoff::random_unit());
        asked.map_or(own, |asked| asked.min(self.options.retry_after_most).max(self.options.backoff_first))
    }

    fn note_begin(&self, message: &Message) {
        let (incident, sequence) = (message.incident.clone(), message.sequence);
        locked(&self.state).trying = Some(Trying { incident, sequence, tries: 0, last_error: None });
    }

    fn note_try(&self) {
        if let Some(trying) = &mut locked(&self.state).trying {
            trying.tries = trying.tries.saturating_add(1);
        }
    }

    fn note_failure(&self, why: &str) {
        let now = Nanos(self.clock.now());
        let mut state = locked(&self.state);
        if let Some(trying) = &mut state.trying {
            trying.last_error = Some(why.to_owned());
        }
        let status = &mut state.status;
        if status.failing_since.is_none() {
            tracing::warn!(
                receiver = status.name,
                host = status.url_host,
                error = why,
                "receiver does not accept"
            );
        }
        status.failing_since.get_or_insert(now);
        status.last_error = Some(why.to_owned());
    }

    fn note_end(&self, end: &End) -> Option<Trying> {
        let now = Nanos(self.clock.now());
        let mut state = locked(&self.state);
        let trying = state.trying.take();
        let status = &mut state.status;
        status.queued = status.queued.saturating_sub(1);
        match end {
            End::Accepted => {
                if status.failing_since.take().is_some() {
                    tracing::info!(receiver = status.name, host = status.url_host, "receiver accepts again");
                }
                status.last_error = None;
                status.last_accepted_at = Some(now);
                status.sent += 1;
                self.counted.sent.add(1);
            }
            End::GaveUp { why } => {
                tracing::error!(
                    receiver = status.name,
                    host = status.url_host,
                    error = why,
                    "gave up a message"
                );
                status.gave_up += 1;
                self.counted.gave_up.add(1);
            }
        }
        trying
    }
}

/// Returns [`SHUTDOWN_GRACE`] after the shutdown was raised.
async fn after_grace(shutdown: &mut Shutdown) {
    shutdown.wait().await;
    tokio::time::sleep(SHUTDOWN_GRACE).await;
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
