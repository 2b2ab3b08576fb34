//! A test of a receiver: one try through the very code that sends, beside the queue.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hinomi_base::clock::Clock;
use hinomi_config::decode::duration_text;
use hinomi_model::Message;
use serde::Serialize;
use tokio::sync::Semaphore;

use super::Clients;
use super::attempt::{Attempt, Verdict};
use crate::settings::{Receiver, Way};

/// Longest time for a test, whatever the receiver's own limit: somebody waits for it.
const TEST_TIME_MAX: Duration = Duration::from_secs(12);

/// What a test came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tested {
    /// The receiver took it.
    pub accepted: bool,
    /// How long that took, milliseconds.
    pub took_ms: u64,
    /// Its answer, or why not and what to do; without secrets.
    pub detail: String,
}

/// Tests of one receiver, one at a time.
#[derive(Debug)]
pub(super) struct Tests {
    receiver: Receiver,
    clients: Arc<Clients>,
    clock: Clock,
    place: Semaphore,
}

impl Tests {
    pub(super) fn new(receiver: Receiver, clients: Arc<Clients>, clock: Clock) -> Self {
        Self { receiver, clients, clock, place: Semaphore::new(1) }
    }

    /// `None` while another one is under way.
    pub(super) async fn run(&self, message: &Message) -> Option<Tested> {
        let _place = self.place.try_acquire().ok()?;
        let begin = Instant::now();
        let attempt = Attempt::new(&self.receiver, message);
        let verdict = tokio::time::timeout(TEST_TIME_MAX, attempt.run(&self.clients, &self.clock)).await;
        let took_ms = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (accepted, detail) = match verdict {
            Ok(Verdict::Accepted { said }) => (true, said),
            Ok(Verdict::Later { why, .. }) => (false, format!("{why}; {}", self.unreached())),
            Ok(Verdict::Refused { why }) => (false, format!("{why}; {}", self.refused())),
            Err(_) => {
                let host = self.receiver.way.host();
                let why = format!("no answer from {host} within {}", duration_text(TEST_TIME_MAX));
                (false, format!("{why}; {}", self.unreached()))
            }
        };
        Some(Tested { accepted, took_ms, detail })
    }

    /// What to do when it can't be reached or has no time.
    fn unreached(&self) -> &'static str {
        match self.receiver.way {
            Way::Webhook(_) | Way::Slack(_) => "check `url`, the way there, and the receiver's own log",
            Way::Email(_) => "check `smtp`: `host`, `port`, `tls` and `ca_file`, and the server's own log",
        }
    }

    /// What to do when it says no.
    fn refused(&self) -> &'static str {
        match self.receiver.way {
            Way::Webhook(_) => "check `url` and `headers`",
            Way::Slack(_) => "check `url` and `channel`, or make the incoming webhook anew",
            Way::Email(_) => "check `username` and `password`, `from` and `to`",
        }
    }
}
