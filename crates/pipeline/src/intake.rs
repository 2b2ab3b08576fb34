//! The way in: a bounded queue that draws on the memory budget.

use hinomi_base::budget::{Budget, Share};
use hinomi_base::counters::{Counter, Counters};
use hinomi_model::{Fact, Rejected, Sink, StateChange};
use tokio::sync::mpsc;

/// Batches that wait at most.
const BATCHES_MAX: usize = 4096;

/// A batch and the memory it holds.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) changes: Vec<StateChange>,
    _share: Share,
}

/// The sink of this process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Intake {
    sender: mpsc::Sender<Batch>,
    budget: Budget,
    taken: Counter,
    rejected: Counter,
}

/// The intake and the queue behind it.
pub(crate) fn intake(budget: &Budget, counters: &Counters) -> (Intake, mpsc::Receiver<Batch>) {
    let (sender, receiver) = mpsc::channel(BATCHES_MAX);
    let intake = Intake {
        sender,
        budget: budget.clone(),
        taken: counters.counter("changes_taken_total"),
        rejected: counters.counter("changes_rejected_total"),
    };
    (intake, receiver)
}

impl Sink for Intake {
    fn push(&self, changes: Vec<StateChange>) -> Result<(), Rejected> {
        let count = changes.len() as u64;
        if count == 0 {
            return Ok(());
        }
        let bytes: u64 = changes.iter().map(weight_bytes).sum();
        let (Ok(permit), Some(share)) = (self.sender.try_reserve(), self.budget.take(bytes)) else {
            self.rejected.add(count);
            return Err(Rejected(changes));
        };
        permit.send(Batch { changes, _share: share });
        self.taken.add(count);
        Ok(())
    }
}

/// About how many bytes a change holds in memory.
fn weight_bytes(change: &StateChange) -> u64 {
    let log = change.evidence.as_ref().and_then(|evidence| evidence.log.as_ref());
    let lines = log.map_or(0, |log| log.lines.iter().map(|line| line.text.len() + 64).sum::<usize>());
    let spec = if matches!(change.fact, Fact::Spec(_)) { 2048 } else { 0 };
    (512 + lines + spec) as u64
}
