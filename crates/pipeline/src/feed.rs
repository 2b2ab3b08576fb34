//! The last changes, for readers that follow along.
//!
//! One bounded ring for all: every change taken in gets the next number of this process. A reader keeps its own
//! position and asks for what lies behind it, so a slow one costs nothing and holds up nobody; one that is too slow
//! learns that it missed something. The number goes out with the change: while the disk does not take changes their
//! numbers in the journal are all 0, and only this one tells them apart.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hinomi_base::budget::{Budget, Share};
use hinomi_model::{Fact, Nanos, StateChange};
use serde::Serialize;
use tokio::sync::watch;

use crate::view::{ChangeView, change_view};

/// Changes kept at most.
const CHANGES_MAX: usize = 4096;
/// Bytes that they hold at most, about.
const BYTES_MAX: u64 = 4 << 20;
/// Changes handed out at once at most.
const BATCH_MAX: usize = 200;
/// Bytes handed out at once at most, about; one change always is.
const BATCH_BYTES_MAX: u64 = 256 << 10;

/// How far things are. What is new is seen by comparing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Number of the last change taken in; the first one of a process is 1.
    pub changes: u64,
    /// Rises whenever what readers can ask is new.
    pub state: u64,
}

/// A change as readers that follow along get it.
#[derive(Clone, Debug, Serialize)]
pub struct StreamedChange {
    /// Number in this run of Hinomi, the first one is 1. Each change has its own, stored or not.
    pub n: u64,
    /// The change.
    #[serde(flatten)]
    pub change: ChangeView,
}

#[derive(Debug)]
struct Entry {
    change: Arc<StreamedChange>,
    bytes: u64,
    _share: Share,
}

#[derive(Debug, Default)]
struct Ring {
    entries: VecDeque<Entry>,
    /// Number of the last change.
    last: u64,
    bytes: u64,
}

/// What lies behind a position.
#[derive(Clone, Debug)]
pub enum Behind {
    /// These changes, in order, and the position after them; none when nothing is new.
    Changes(Vec<Arc<StreamedChange>>, u64),
    /// Something in between is gone, or the position is none of this process.
    Missed,
}

/// The ring and the word that something is new.
#[derive(Debug)]
pub(crate) struct Feed {
    run: String,
    ring: Mutex<Ring>,
    budget: Budget,
    mark: watch::Sender<Mark>,
}

impl Feed {
    /// Empty, for a process that started then.
    pub(crate) fn new(budget: Budget, started_at: Nanos) -> Self {
        let run = format!("{:x}", started_at.0);
        Self { run, ring: Mutex::default(), budget, mark: watch::Sender::new(Mark::default()) }
    }

    /// Differs for every start of Hinomi.
    pub(crate) fn run(&self) -> &str {
        &self.run
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes changes in. `last_seq` is the journal's number of the last one; `None`: the disk did not take them.
    pub(crate) fn take(&self, changes: Vec<StateChange>, last_seq: Option<u64>) {
        let count = changes.len() as u64;
        let first_seq = last_seq.map(|last| last.saturating_sub(count.saturating_sub(1)));
        let mut ring = self.ring();
        for (index, change) in (0u64..).zip(changes) {
            let bytes = weight_bytes(&change);
            let seq = first_seq.map_or(0, |first| first.saturating_add(index));
            ring.push(change_view(seq, change), bytes, &self.budget);
        }
        let last = ring.last;
        drop(ring);
        self.mark.send_modify(|mark| {
            mark.changes = last;
            mark.state = mark.state.wrapping_add(1);
        });
    }

    /// What readers can ask is new.
    pub(crate) fn touch(&self) {
        self.mark.send_modify(|mark| mark.state = mark.state.wrapping_add(1));
    }

    /// Shows how far things are, and wakes whoever waits for more.
    pub(crate) fn watch(&self) -> watch::Receiver<Mark> {
        self.mark.subscribe()
    }

    /// What lies behind a position.
    pub(crate) fn behind(&self, position: u64) -> Behind {
        let ring = self.ring();
        let kept = ring.entries.len() as u64;
        let Some(new) = ring.last.checked_sub(position).filter(|new| *new <= kept) else {
            return Behind::Missed;
        };
        let skip = usize::try_from(kept - new).unwrap_or(usize::MAX);
        let mut bytes = 0u64;
        let mut fits = |entry: &&Entry| {
            let first = bytes == 0;
            bytes = bytes.saturating_add(entry.bytes);
            first || bytes <= BATCH_BYTES_MAX
        };
        let waiting = ring.entries.iter().skip(skip).take(BATCH_MAX).take_while(&mut fits);
        let changes: Vec<_> = waiting.map(|entry| Arc::clone(&entry.change)).collect();
        let after = position.saturating_add(changes.len() as u64);
        Behind::Changes(changes, after)
    }
}

impl Ring {
    /// Where there is no room for it, a change is only counted: readers learn that they missed it.
    fn push(&mut self, change: ChangeView, bytes: u64, budget: &Budget) {
        while self.entries.len() >= CHANGES_MAX || self.bytes.saturating_add(bytes) > BYTES_MAX {
            if !self.drop_oldest() {
                break;
            }
        }
        self.last = self.last.saturating_add(1);
        match budget.take(bytes) {
            Some(share) => {
                self.bytes = self.bytes.saturating_add(bytes);
                let change = Arc::new(StreamedChange { n: self.last, change });
                self.entries.push_back(Entry { change, bytes, _share: share });
            }
            // What is kept must lie without a hole before the last number.
            None => while self.drop_oldest() {},
        }
    }

    fn drop_oldest(&mut self) -> bool {
        let Some(oldest) = self.entries.pop_front() else { return false };
        self.bytes = self.bytes.saturating_sub(oldest.bytes);
        true
    }
}

/// About how many bytes a change holds here; its log lines are not kept.
fn weight_bytes(change: &StateChange) -> u64 {
    let spec = match &change.fact {
        Fact::Spec(spec) => {
            let labels: usize = spec.labels.iter().map(|(name, value)| name.len() + value.len() + 96).sum();
            labels + spec.command.len() + 1024
        }
        Fact::Gap(gap) => gap.lost.iter().map(|lost| lost.len() + 24).sum(),
        Fact::Health(health) => health.last_probe.as_ref().map_or(0, String::len),
        _ => 0,
    };
    let words = change.reason.as_ref().map_or(0, String::len);
    (768 + spec + words) as u64
}

#[cfg(test)]
mod tests {
    use hinomi_model::{Phase, Source};

    use super::*;

    fn change(reason: &str) -> StateChange {
        StateChange {
            resource: Arc::new(hinomi_alert::runtime_resource("box")),
            fact: Fact::Phase(Phase::Created),
            old: None,
            reason: Some(reason.to_owned()),
            occurred_at: Nanos(0),
            observed_at: Nanos(0),
            source: Source::RuntimeEvent,
            evidence: None,
        }
    }

    /// Numbers in the journal of what lies behind a position, and the next position.
    fn seqs(feed: &Feed, position: u64) -> Option<(Vec<u64>, u64)> {
        match feed.behind(position) {
            Behind::Changes(changes, after) => {
                Some((changes.iter().map(|streamed| streamed.change.seq).collect(), after))
            }
            Behind::Missed => None,
        }
    }

    #[test]
    fn a_reader_goes_on_behind_its_position() {
        let feed = Feed::new(Budget::new(1 << 20), Nanos(255));
        assert_eq!(feed.run(), "ff");
        assert_eq!(seqs(&feed, 0), Some((vec![], 0)));
        assert_eq!(seqs(&feed, 1), None, "a number of another run");
        feed.take(vec![change(""), change("")], Some(11));
        feed.take(vec![change("")], None);
        feed.take(vec![change("")], Some(13));
        assert_eq!(seqs(&feed, 0), Some((vec![10, 11, 0, 13], 4)));
        assert_eq!(seqs(&feed, 3), Some((vec![13], 4)));
        assert_eq!(seqs(&feed, 4), Some((vec![], 4)));
        let mark = *feed.watch().borrow();
        assert_eq!(mark, Mark { changes: 4, state: 3 });
        feed.touch();
        assert_eq!(feed.watch().borrow().state, 4);
    }

    #[test]
    fn what_the_disk_did_not_take_has_a_number_all_the_same() -> Result<(), serde_json::Error> {
        let feed = Feed::new(Budget::new(1 << 20), Nanos(0));
        feed.take(vec![change("")], Some(10));
        feed.take(vec![change(""), change("")], None);
        let Behind::Changes(changes, 3) = feed.behind(0) else { unreachable!("nothing is missed") };
        let numbers = serde_json::to_value(&changes)?;
        let of = |name: &str| {
            let list = numbers.as_array().into_iter().flatten();
            list.map(|change| change[name].as_u64()).collect::<Option<Vec<_>>>()
        };
        assert_eq!((of("n"), of("seq")), (Some(vec![1, 2, 3]), Some(vec![10, 0, 0])));
        assert_eq!(numbers[1]["attribute"], "phase", "{numbers}");
        Ok(())
    }

    #[test]
    fn bounds_hold_and_what_fell_out_is_missed() {
        let budget = Budget::new(64 << 20);
        let feed = Feed::new(budget.clone(), Nanos(0));
        for number in 0..5_000 {
            feed.take(vec![change("")], Some(number));
        }
        assert_eq!(feed.ring().entries.len(), CHANGES_MAX);
        assert_eq!(seqs(&feed, 5_000 - CHANGES_MAX as u64 - 1), None);
        let (first, after) = seqs(&feed, 5_000 - CHANGES_MAX as u64).unwrap_or_default();
        assert_eq!((first.len(), after), (BATCH_MAX, 5_000 - CHANGES_MAX as u64 + BATCH_MAX as u64));
        // Big ones: fewer are kept, and fewer are handed out at once.
        let big = "x".repeat(100 << 10);
        for number in 0..100 {
            feed.take(vec![change(&big)], Some(number));
        }
        assert!(feed.ring().bytes <= BYTES_MAX && budget.used_bytes() == feed.ring().bytes);
        assert_eq!(seqs(&feed, 5_090).map(|(seqs, _)| seqs), Some(vec![90, 91]));
    }

    #[test]
    fn without_memory_nothing_is_kept_and_readers_know_it() {
        let budget = Budget::new(2_000);
        let feed = Feed::new(budget, Nanos(0));
        for number in 1..=3 {
            feed.take(vec![change("")], Some(number));
        }
        assert_eq!(seqs(&feed, 2), None, "the third one had no room");
        assert_eq!(seqs(&feed, 3), Some((vec![], 3)));
        feed.take(vec![change("")], Some(4));
        assert_eq!(seqs(&feed, 3), Some((vec![4], 4)));
    }
}
