//! What is to do from time to time: put-off syncs, blocks, merges, retention.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use hinomi_base::task::spawn_thread;

use crate::db::{Db, Shared};
use crate::{Durability, Error, Result};

/// Merges at one look; the next look goes on.
const MERGES: usize = 4;

impl Db {
    /// Does what is due. Called by the engine's own threads unless [`crate::Options::upkeep`] is `None`.
    ///
    /// # Errors
    ///
    /// The first failure; everything else was tried too.
    pub fn upkeep(&self) -> Result<()> {
        self.shared.upkeep()
    }
}

impl Shared {
    fn upkeep(&self) -> Result<()> {
        let synced = if self.options.durability == Durability::Interval { self.wal.sync() } else { Ok(()) };
        let others = self.blocks_upkeep();
        synced.and(others)
    }

    /// Blocks, merges and removals that are due.
    fn blocks_upkeep(&self) -> Result<()> {
        let flushed = self.flush_due();
        let merged = self.compact_due(MERGES);
        let removed = self.retain_due();
        flushed.and(merged).and(removed)?;
        Ok(())
    }
}

/// Starts the threads; they end when the engine is dropped. Syncs have their own, so that no merge puts them off.
pub(crate) fn start(db: &mut Db, every: Duration) -> Result<()> {
    spawn(db, "tsdb-upkeep", every, Shared::blocks_upkeep)?;
    if db.shared.options.durability == Durability::Interval {
        spawn(db, "tsdb-sync", every, |shared| shared.wal.sync())?;
    }
    Ok(())
}

fn spawn(db: &mut Db, name: &'static str, every: Duration, work: fn(&Shared) -> Result<()>) -> Result<()> {
    let shared = Arc::clone(&db.shared);
    let run = move || while tick(&shared, name, every, work) {};
    db.threads.push(spawn_thread(name, run).map_err(|source| Error::Thread { name, source })?);
    Ok(())
}

/// Waits and works. False: the engine ends.
fn tick(shared: &Shared, name: &str, every: Duration, work: fn(&Shared) -> Result<()>) -> bool {
    let stop = shared.stop.lock().unwrap_or_else(PoisonError::into_inner);
    let going_on = |stop: &mut bool| !*stop;
    let waited = shared.stopped.wait_timeout_while(stop, every, going_on);
    let (stop, _) = waited.unwrap_or_else(PoisonError::into_inner);
    let ends = *stop;
    drop(stop);
    if ends {
        return false;
    }
    if let Err(error) = work(shared) {
        tracing::error!(%error, thread = name, "upkeep of the metrics engine failed; it is tried again");
    }
    true
}

impl Drop for Db {
    fn drop(&mut self) {
        *self.shared.stop.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.shared.stopped.notify_all();
        for thread in self.threads.drain(..) {
            // It may be in the middle of a block; nobody else may work in the folder before it ends.
            let _panicked = thread.join();
        }
        let last = self.shared.wal.next().saturating_sub(1);
        if let Err(error) = self.shared.wal.commit(last).and_then(|()| self.shared.wal.sync()) {
            tracing::warn!(%error, "the last samples may not be on the disk");
        }
    }
}
