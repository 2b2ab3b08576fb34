//! Messages that wait for their receivers: kept until accepted, in order, bounded.
//!
//! Every message is stored when it is queued and when it is done; this is the part of the queue that is in memory.

use std::collections::{BTreeMap, VecDeque};

use hinomi_alert::notify;
use hinomi_base::counters::Counter;
use hinomi_model::Message;

/// Messages that wait for one receiver at most; beyond it the oldest is given up, counted and shown.
const WAITING_MAX: usize = 1_000;

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Message>,
    /// How many of the first ones the notifier has already.
    handed: usize,
}

/// All queues by receiver.
#[derive(Debug)]
pub(crate) struct Outbox {
    queues: BTreeMap<String, Queue>,
    notifiers: BTreeMap<String, notify::Handle>,
    shed: Counter,
    no_receiver: Counter,
}

impl Outbox {
    pub(crate) fn new(
        notifiers: BTreeMap<String, notify::Handle>,
        shed: Counter,
        no_receiver: Counter,
    ) -> Self {
        Self { queues: BTreeMap::new(), notifiers, shed, no_receiver }
    }

    /// Queues a message; returns one that had to be given up for it.
    pub(crate) fn queue(&mut self, message: Message) -> Option<Message> {
        let queue = self.queues.entry(message.receiver.clone()).or_default();
        queue.waiting.push_back(message);
        if queue.waiting.len() <= WAITING_MAX {
            return None;
        }
        // The first may be on its way; the oldest that is not is shed.
        let index = queue.handed.min(queue.waiting.len().saturating_sub(2));
        self.shed.add(1);
        queue.waiting.remove(index)
    }

    /// Hands waiting messages to their notifiers as far as they have room.
    pub(crate) fn hand_over(&mut self) {
        for (name, queue) in &mut self.queues {
            let Some(notifier) = self.notifiers.get(name) else { continue };
            while let Some(message) = queue.waiting.get(queue.handed) {
                if notifier.offer(message.clone()).is_err() {
                    break;
                }
                queue.handed += 1;
            }
        }
    }

    /// A message is done.
    pub(crate) fn done(&mut self, receiver: &str, incident: &str, sequence: u32) -> bool {
        let Some(queue) = self.queues.get_mut(receiver) else { return false };
        let found = queue.waiting.iter().position(|m| m.incident == incident && m.sequence == sequence);
        let Some(index) = found else { return false };
        queue.waiting.remove(index);
        queue.handed = queue.handed.saturating_sub(usize::from(index < queue.handed));
        true
    }

    /// Messages whose receiver the configuration no longer has: given up.
    pub(crate) fn take_orphans(&mut self) -> Vec<Message> {
        let known = &self.notifiers;
        let gone: Vec<String> =
            self.queues.keys().filter(|name| !known.contains_key(*name)).cloned().collect();
        let queues = gone.iter().filter_map(|name| self.queues.remove(name));
        let orphans: Vec<Message> = queues.flat_map(|queue| queue.waiting).collect();
        self.no_receiver.add(orphans.len() as u64);
        orphans
    }

    /// All messages that wait, for a checkpoint.
    pub(crate) fn all(&self) -> Vec<Message> {
        self.queues.values().flat_map(|queue| queue.waiting.iter().cloned()).collect()
    }

    /// How many wait for a receiver.
    pub(crate) fn waiting(&self, receiver: &str) -> usize {
        self.queues.get(receiver).map_or(0, |queue| queue.waiting.len())
    }
}
