//! The metrics engine of this process: samples in, series and answers out.
//!
//! # Invariants
//!
//! - Appending and reading block; callers run them where blocking is allowed, or ask by [`Metrics::ask`], which does.
//! - What a question may take is bounded by `metrics.query`, and how many run at once as well; what it holds of samples
//!   is drawn from the memory budget, and leaves a quarter of that to everything else.

mod ask;
mod collected;
mod intake;
mod tally;
mod view;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use hinomi_base::budget::Budget;
use hinomi_base::clock::Clock;
use hinomi_model::Tenant;
use hinomi_tsdb::{Appended, Batch, Db};
use tokio::sync::Semaphore;

use crate::Error;
use crate::settings::{Durability, MetricsSettings, Settings};
pub use ask::{Asked, Question, Unanswered};
pub use collected::{Collected, Scrape};
pub use intake::{Refused, Unwritten, WORKING_MAX as WRITES_AT_ONCE, Written};
pub use view::MetricsView;

/// The engine and its limits. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    db: Db,
    settings: MetricsSettings,
    retention: Duration,
    disk_max_bytes: u64,
    budget: Budget,
    /// Places for questions.
    places: Arc<Semaphore>,
    /// Questions that wait for a place.
    waiting: AtomicU64,
    recovery: hinomi_tsdb::Recovery,
    /// What became of samples.
    tally: tally::Tally,
    /// What remote write shares.
    writes: intake::Writes,
}

impl Metrics {
    pub(crate) fn open(settings: &Settings, clock: Clock, budget: Budget) -> Result<Self, Error> {
        let mut options = hinomi_tsdb::Options::new(settings.data_dir.join("metrics"), clock, budget.clone());
        options.durability = match settings.metrics.durability {
            Durability::Fsync => hinomi_tsdb::Durability::Fsync,
            Durability::Interval => hinomi_tsdb::Durability::Interval,
            Durability::None => hinomi_tsdb::Durability::None,
        };
        options.ooo_window = settings.metrics.out_of_order_window;
        options.retention = settings.retention.metrics;
        options.disk_max_bytes = settings.retention.metrics_disk_max_bytes();
        let disk_max_bytes = options.disk_max_bytes;
        let (db, recovery) = Db::open(options)?;
        Ok(Self(Arc::new(Inner {
            db,
            settings: settings.metrics.clone(),
            retention: settings.retention.metrics,
            disk_max_bytes,
            writes: intake::Writes::new(budget.clone()),
            budget,
            places: Arc::new(Semaphore::new(settings.metrics.query.concurrent)),
            waiting: AtomicU64::new(0),
            recovery,
            tally: tally::Tally::default(),
        })))
    }

    /// Appends samples; what is accepted is as durable as `metrics.durability` says. Blocks.
    ///
    /// # Errors
    ///
    /// The engine took nothing, or the disk refuses.
    pub fn append(&self, tenant: &Tenant, batch: &Batch) -> Result<Appended, Error> {
        self.0.writes.age(Instant::now());
        match self.0.db.append(tenant, batch) {
            Ok(appended) => {
                self.0.tally.count(&appended);
                Ok(appended)
            }
            Err(error) => {
                self.0.tally.refuse();
                Err(error.into())
            }
        }
    }

    /// The engine.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.0.db
    }

    /// Writes the samples of the log into blocks, which take a tenth of its room. Blocks. If it does not come to its end,
    /// nothing is lost: the log is cut behind blocks that are there.
    pub(crate) fn put_away(&self) {
        if let Err(error) = self.0.db.flush() {
            tracing::warn!(%error, "the last samples stay in the log");
        }
    }

    /// The keys under `metrics`.
    #[must_use]
    pub fn settings(&self) -> &MetricsSettings {
        &self.0.settings
    }

    /// How long samples are kept.
    #[must_use]
    pub fn retention(&self) -> Duration {
        self.0.retention
    }

    /// What opening found that can't be read.
    pub(crate) fn damage(&self) -> impl Iterator<Item = String> {
        let found = &self.0.recovery;
        let unknown = found.unknown_records;
        let unknown = (unknown > 0)
            .then(|| format!("{unknown} records of the log of samples, which a newer version wrote"));
        let damaged = found.damage.iter().map(|place| format!("samples of metrics: {place}"));
        damaged.chain(unknown)
    }
}
