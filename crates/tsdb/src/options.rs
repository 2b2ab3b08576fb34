//! How the engine is kept.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hinomi_base::budget::Budget;
use hinomi_base::clock::Clock;
use hinomi_disk::fs::{Fs, Real};

/// What `Ok` from an append means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// On the disk: nothing is lost when the power goes.
    Fsync,
    /// With the operating system, and on the disk at the next tick of [`Options::upkeep`]: a loss of power takes the
    /// samples since then, the end of the process takes none.
    Interval,
    /// With the operating system, which writes when it likes.
    None,
}

/// How the engine is kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its folder; the caller holds the lock of it or of a folder above.
    pub folder: PathBuf,
    /// What `Ok` from an append means.
    pub durability: Durability,
    /// How far behind a tenant's newest sample one may be that is out of order. Zero: none is taken.
    pub ooo_window: Duration,
    /// How far ahead of the clock a sample may be.
    pub future_window: Duration,
    /// Time that one block of the head covers.
    pub block_span: Duration,
    /// Most samples that the log holds, and most of its bytes: beyond, all that is in memory is written into blocks,
    /// however little time it spans. They bound what a start after a kill has to read.
    pub log_samples_max: u64,
    /// See [`Self::log_samples_max`].
    pub log_bytes_max: u64,
    /// How long samples are kept.
    pub retention: Duration,
    /// Most bytes on disk; the oldest blocks go first.
    pub disk_max_bytes: u64,
    /// Most series in memory, of all tenants.
    pub series_max: usize,
    /// Most tenants.
    pub tenants_max: usize,
    /// Most exemplars of a tenant; the oldest ones go first. Those of all tenants take at most a 32nd of the budget. Zero:
    /// none is kept.
    pub exemplars_max: usize,
    /// Most families of metrics of a tenant whose metadata is kept. Those of all tenants take at most a 32nd of the budget.
    pub families_max: usize,
    /// Most bytes that indexes of blocks keep in memory between questions.
    pub index_cache_bytes: u64,
    /// Time between two looks at what is to do (writing blocks, merging, removing, putting-off syncs); `None`: the
    /// caller calls [`crate::Db::upkeep`].
    pub upkeep: Option<Duration>,
    /// Tells the time; only to refuse samples from the future and to remove old ones.
    pub clock: Clock,
    /// What memory is drawn from.
    pub budget: Budget,
    /// Where writes go; tests put a failing disk here.
    pub fs: Arc<dyn Fs>,
}

impl Options {
    /// The defaults: fsync, 30 minutes out of order, 10 minutes ahead, 2-hour blocks, 20 million samples or 256 MiB of log, 15 days, 10 GiB, 5 million
    /// series, 1,000 tenants, 100,000 exemplars and 20,000 families of metrics of each, 64 MiB of indexes, a look every
    /// second.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, clock: Clock, budget: Budget) -> Self {
        Self {
            folder: folder.into(),
            durability: Durability::Fsync,
            ooo_window: Duration::from_mins(30),
            future_window: Duration::from_mins(10),
            block_span: Duration::from_hours(2),
            log_samples_max: 20_000_000,
            log_bytes_max: 256 << 20,
            retention: Duration::from_hours(15 * 24),
            disk_max_bytes: 10 << 30,
            series_max: 5_000_000,
            tenants_max: 1000,
            exemplars_max: 100_000,
            families_max: 20_000,
            index_cache_bytes: 64 << 20,
            upkeep: Some(Duration::from_secs(1)),
            clock,
            budget,
            fs: Arc::new(Real),
        }
    }

    /// [`Self::block_span`] in milliseconds, at least one second.
    pub(crate) fn span_ms(&self) -> i64 {
        millis(self.block_span).max(1000)
    }
}

/// A duration in milliseconds; too long a one is for ever.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
