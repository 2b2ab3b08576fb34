//! Who was told when, and whether it arrived: what became of every message, by incident.
//!
//! # Invariants
//!
//! - Built from the records of messages (queued, delivered) and from the checkpoint, so it survives a crash as they do.
//! - Bounded: [`OF_INCIDENT_MAX`] an incident, [`INCIDENTS_MAX`] incidents, [`ALL_MAX`] in all; the oldest go first.

use std::collections::{BTreeMap, VecDeque};
use std::sync::PoisonError;

use hinomi_alert::notify::Trying;
use hinomi_model::{IncidentStatus, Level, Message, Nanos};
use hinomi_records::{Delivered, DeliveryStatus};
use serde::{Deserialize, Serialize};

use crate::Handle;

/// Messages of one incident that are kept.
pub(crate) const OF_INCIDENT_MAX: usize = 50;
/// Incidents whose messages are kept: those that are over and still shown, and as many open ones.
const INCIDENTS_MAX: usize = 1_000;
/// Messages that are kept in all.
const ALL_MAX: usize = 10_000;
/// Longest error that is kept, characters.
const ERROR_MAX_CHARS: usize = 300;

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It is owed.
    Waiting,
    /// The receiver took it.
    Accepted,
    /// It will not be tried again.
    GaveUp,
}

/// A message to a receiver, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryView {
    /// Name of the receiver.
    pub receiver: String,
    /// Loudest level of the incident then.
    pub level: Level,
    /// What the message says.
    pub status: IncidentStatus,
    /// Number of the message within the incident.
    pub sequence: u32,
    /// When it was queued.
    pub queued_at: Nanos,
    /// Where it is.
    pub state: DeliveryState,
    /// When it was accepted or given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_at: Option<Nanos>,
    /// Tries so far; of one that waits, since the start of Hinomi.
    pub tries: u32,
    /// Error of the last try that failed, without secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

impl DeliveryView {
    fn waiting(message: &Message) -> Self {
        let word = |key: &str| message.body.get(key).cloned().unwrap_or_default();
        Self {
            receiver: message.receiver.clone(),
            level: serde_json::from_value(word("level")).unwrap_or_default(),
            status: serde_json::from_value(word("status")).unwrap_or(IncidentStatus::Firing),
            sequence: message.sequence,
            queued_at: message.queued_at,
            state: DeliveryState::Waiting,
            done_at: None,
            tries: 0,
            last_error: None,
        }
    }

    fn with(mut self, trying: Option<Trying>) -> Self {
        if let Some(trying) = trying {
            self.tries = trying.tries;
            self.last_error = trying.last_error.as_deref().map(clipped);
        }
        self
    }
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deliveries {
    of: BTreeMap<String, VecDeque<DeliveryView>>,
    count: usize,
}

/// As a checkpoint holds them: incident and messages, oldest first.
pub(crate) type Stored = Vec<(String, Vec<DeliveryView>)>;

impl Deliveries {
    /// A message is owed.
    pub(crate) fn queued(&mut self, message: &Message) {
        let list = self.of.entry(message.incident.clone()).or_default();
        if list.iter().any(|known| known.receiver == message.receiver && known.sequence == message.sequence) {
            return;
        }
        list.push_back(DeliveryView::waiting(message));
        self.count += 1;
        if list.len() > OF_INCIDENT_MAX {
            list.pop_front();
            self.count -= 1;
        }
        self.bound(&message.incident);
    }

    /// It ended.
    pub(crate) fn done(&mut self, done: &Delivered) {
        let list = self.of.get_mut(&done.incident);
        let mut list = list.into_iter().flatten();
        let Some(it) = list.find(|it| it.receiver == done.receiver && it.sequence == done.sequence) else {
            return;
        };
        it.state = match done.status {
            DeliveryStatus::Accepted => DeliveryState::Accepted,
            DeliveryStatus::GaveUp => DeliveryState::GaveUp,
        };
        it.done_at = Some(done.at);
        it.tries = done.tries;
        it.last_error = (!done.detail.is_empty()).then(|| clipped(&done.detail));
    }

    /// For a checkpoint.
    pub(crate) fn stored(&self) -> Stored {
        let list = self.of.iter();
        list.map(|(incident, list)| (incident.clone(), list.iter().cloned().collect())).collect()
    }

    /// From a checkpoint.
    pub(crate) fn restore(&mut self, stored: Stored) {
        for (incident, list) in stored {
            let skipped = list.len().saturating_sub(OF_INCIDENT_MAX);
            let list: VecDeque<DeliveryView> = list.into_iter().skip(skipped).collect();
            self.count += list.len();
            if let Some(old) = self.of.insert(incident.clone(), list) {
                self.count = self.count.saturating_sub(old.len());
            }
            self.bound(&incident);
        }
    }

    /// Oldest first.
    fn of(&self, incident: &str) -> impl Iterator<Item = &DeliveryView> {
        self.of.get(incident).into_iter().flatten()
    }

    /// Lets the incidents go whose last message is the oldest; `newest` stays.
    fn bound(&mut self, newest: &str) {
        while self.of.len() > INCIDENTS_MAX || self.count > ALL_MAX {
            let last = |list: &VecDeque<DeliveryView>| list.back().map(|it| it.queued_at);
            let others = self.of.iter().filter(|(incident, _)| *incident != newest);
            let Some(oldest) =
                others.min_by_key(|(_, list)| last(list)).map(|(incident, _)| incident.clone())
            else {
                return;
            };
            let gone = self.of.remove(&oldest).map_or(0, |list| list.len());
            self.count = self.count.saturating_sub(gone);
        }
    }
}

impl Handle {
    /// Messages about an incident, oldest first; the last 50.
    #[must_use]
    pub fn deliveries(&self, incident_key: &str) -> Vec<DeliveryView> {
        let shared = self.shared();
        let trying = |it: &DeliveryView| {
            let handle = shared.receivers.get(&it.receiver).filter(|_| it.state == DeliveryState::Waiting)?;
            let trying = handle.trying()?;
            (trying.incident == incident_key && trying.sequence == it.sequence).then_some(trying)
        };
        let deliveries = shared.deliveries.read().unwrap_or_else(PoisonError::into_inner);
        deliveries.of(incident_key).map(|it| it.clone().with(trying(it))).collect()
    }
}

fn clipped(text: &str) -> String {
    text.chars().take(ERROR_MAX_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(incident: &str, sequence: u32) -> Message {
        Message {
            receiver: "oncall".to_owned(),
            incident: incident.to_owned(),
            sequence,
            queued_at: Nanos(i64::from(sequence)),
            body: json!({ "level": "alert", "status": "resolved" }),
        }
    }

    fn done(incident: &str, sequence: u32, status: DeliveryStatus) -> Delivered {
        let (receiver, incident) = ("oncall".to_owned(), incident.to_owned());
        Delivered { receiver, incident, sequence, at: Nanos(99), status, detail: "why".to_owned(), tries: 3 }
    }

    #[test]
    fn queued_accepted_given_up_and_back_from_a_checkpoint() {
        let mut all = Deliveries::default();
        for sequence in 1..=3 {
            all.queued(&message("i-1", sequence));
        }
        all.queued(&message("i-1", 3));
        all.done(&done("i-1", 1, DeliveryStatus::Accepted));
        all.done(&done("i-1", 2, DeliveryStatus::GaveUp));
        all.done(&done("i-2", 2, DeliveryStatus::GaveUp));
        let states: Vec<_> = all.of("i-1").map(|it| (it.sequence, it.state, it.tries, it.done_at)).collect();
        use DeliveryState::{Accepted, GaveUp, Waiting};
        let want =
            [(1, Accepted, 3, Some(Nanos(99))), (2, GaveUp, 3, Some(Nanos(99))), (3, Waiting, 0, None)];
        assert_eq!(states, want);
        let first = all.of("i-1").next().cloned();
        assert_eq!(first.map(|it| (it.level, it.status)), Some((Level::Alert, IncidentStatus::Resolved)));
        let stored = serde_json::to_string(&all.stored()).expect("plain data");
        let mut again = Deliveries::default();
        again.restore(serde_json::from_str(&stored).expect("as written"));
        assert_eq!((again.stored(), again.count), (all.stored(), 3));
    }

    #[test]
    fn a_checkpoint_without_deliveries_is_read() {
        let mut old = serde_json::to_value(crate::open::Checkpoint::default()).expect("plain data");
        let fields = old.as_object_mut().expect("an object");
        assert!(fields.remove("deliveries").is_some(), "it is written");
        let read: crate::open::Checkpoint = serde_json::from_value(old).expect("an older one");
        assert!(read.deliveries.is_empty());
    }

    #[test]
    fn the_oldest_go_first() {
        let mut all = Deliveries::default();
        for sequence in 0..60 {
            all.queued(&message("i-long", sequence));
        }
        let kept: Vec<u32> = all.of("i-long").map(|it| it.sequence).collect();
        assert_eq!(kept, (10..60).collect::<Vec<_>>());
        for number in 0..2_000_u32 {
            all.queued(&message(&format!("i-{number}"), 100 + number));
        }
        assert_eq!((all.of.len(), all.of("i-long").count()), (INCIDENTS_MAX, 0));
        assert!(all.of("i-999").next().is_none() && all.of("i-1999").next().is_some());
        for number in 0..400_u32 {
            for sequence in 0..50 {
                all.queued(&message(&format!("j-{number}"), 10_000 + number * 50 + sequence));
            }
        }
        assert!(all.count <= ALL_MAX && all.count > ALL_MAX - OF_INCIDENT_MAX, "{}", all.count);
        assert_eq!(all.count, all.of.values().map(VecDeque::len).sum::<usize>());
    }
}
