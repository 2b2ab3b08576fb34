//! The answer to an append, for threads and for tasks.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// What became of an append.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Stored {
    /// All of it is on the disk; the number of its last record.
    Ok(u64),
    /// Not yet: the disk is slow or refuses. It stays queued and will be written when that is over.
    Late,
    /// At least one of its records is not stored and will not be.
    Refused {
        /// Why, in words.
        why: String,
    },
}

#[derive(Debug)]
enum State {
    Waiting,
    /// The disk refuses: waiting longer is no use now.
    Failing,
    Settled(Stored),
}

#[derive(Debug)]
struct Slot {
    state: Mutex<State>,
    changed: Condvar,
    notify: Notify,
}

/// Stands for one append. Dropping it changes nothing.
#[derive(Clone, Debug)]
#[must_use]
pub struct Ticket(Arc<Slot>);

impl Ticket {
    pub(crate) fn waiting() -> Self {
        Self(Arc::new(Slot {
            state: Mutex::new(State::Waiting),
            changed: Condvar::new(),
            notify: Notify::new(),
        }))
    }

    pub(crate) fn settled(stored: Stored) -> Self {
        let ticket = Self::waiting();
        ticket.settle(stored);
        ticket
    }

    fn set(&self, state: State) {
        *self.0.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
        self.0.changed.notify_all();
        self.0.notify.notify_waiters();
    }

    pub(crate) fn settle(&self, stored: Stored) {
        self.set(State::Settled(stored));
    }

    pub(crate) fn fail(&self) {
        self.set(State::Failing);
    }

    /// The final answer, if there is one: never [`Stored::Late`].
    #[must_use]
    pub fn outcome(&self) -> Option<Stored> {
        match &*self.0.state.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Settled(stored) => Some(stored.clone()),
            State::Waiting | State::Failing => None,
        }
    }

    /// Waits for the answer, at most `timeout`; [`Stored::Late`] at once while the disk is known to refuse. A late
    /// ticket may be asked again.
    pub fn wait(&self, timeout: Duration) -> Stored {
        let deadline = Instant::now().checked_add(timeout);
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match &*state {
                State::Settled(stored) => return stored.clone(),
                State::Failing => return Stored::Late,
                State::Waiting => {}
            }
            let left =
                deadline.map_or(timeout, |deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Stored::Late;
            }
            state = self.0.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// [`Self::wait`] for tasks.
    pub async fn wait_async(&self, timeout: Duration) -> Stored {
        let answer = async {
            loop {
                // Made before the look, so that no answer falls in between.
                let changed = self.0.notify.notified();
                match &*self.0.state.lock().unwrap_or_else(PoisonError::into_inner) {
                    State::Settled(stored) => return stored.clone(),
                    State::Failing => return Stored::Late,
                    State::Waiting => {}
                }
                changed.await;
            }
        };
        tokio::time::timeout(timeout, answer).await.unwrap_or(Stored::Late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waits_are_late_then_answered() {
        let ticket = Ticket::waiting();
        let short = Duration::from_millis(5);
        assert_eq!(ticket.wait(short), Stored::Late);
        assert_eq!(ticket.wait_async(short).await, Stored::Late);
        ticket.fail();
        let long = Duration::from_secs(600);
        assert_eq!(ticket.wait(long), Stored::Late);
        assert_eq!(ticket.wait_async(long).await, Stored::Late);
        assert_eq!(ticket.outcome(), None);
        let other = ticket.clone();
        ticket.settle(Stored::Ok(7));
        assert_eq!(other.wait_async(long).await, Stored::Ok(7));
        assert_eq!(other.wait(long), Stored::Ok(7));
    }

    #[tokio::test]
    async fn a_waiting_task_is_woken() {
        let ticket = Ticket::waiting();
        let other = ticket.clone();
        let task = tokio::spawn(async move { other.wait_async(Duration::from_secs(600)).await });
        tokio::task::yield_now().await;
        ticket.settle(Stored::Ok(1));
        assert_eq!(task.await.unwrap(), Stored::Ok(1));
    }
}
