//! One epoll set for all descriptors, so that thousands of containers cost one registration with the runtime.
//!
//! The set is level-triggered inside: what was not read to its end comes again.

use std::os::fd::{AsFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::io::Errno;
use rustix::time::Timespec;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Events taken at once.
const BATCH: usize = 64;

/// Descriptors by token.
pub(super) struct Poll {
    set: AsyncFd<OwnedFd>,
}

impl Poll {
    pub(super) fn new() -> std::io::Result<Self> {
        let set = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        #[expect(
            deprecated,
            reason = "its successor is an unsafe fn; sound here: an OwnedFd that is never replaced"
        )]
        let set = AsyncFd::with_interest(set, Interest::READABLE)?;
        Ok(Self { set })
    }

    /// Wakes with `token` when `source` is readable. Ends when the descriptor is closed.
    pub(super) fn add(&self, source: impl AsFd, token: u64) -> Result<(), Errno> {
        epoll::add(self.set.get_ref(), source, epoll::EventData::new_u64(token), epoll::EventFlags::IN)
    }

    /// No longer wakes for `source`.
    pub(super) fn remove(&self, source: impl AsFd) {
        // Fails only when it is not in the set; then there is nothing to do.
        let _absent = epoll::delete(self.set.get_ref(), source);
    }

    /// Tokens of what is readable; sleeps while nothing is. Cancel-safe.
    pub(super) async fn ready(&self) -> std::io::Result<Vec<u64>> {
        loop {
            let mut guard = self.set.readable().await?;
            let mut events = Vec::with_capacity(BATCH);
            let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
            match epoll::wait(guard.get_inner(), spare_capacity(&mut events), Some(&zero)) {
                Ok(0) => guard.clear_ready(),
                Ok(_) => return Ok(events.iter().map(|event| { event.data }.u64()).collect()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
