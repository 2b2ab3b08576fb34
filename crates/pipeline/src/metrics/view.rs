//! How the engine is, for people and programs.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use serde::Serialize;

use super::Metrics;

/// The metrics engine.
#[derive(Clone, Debug, Serialize)]
pub struct MetricsView {
    /// It takes what is appended.
    pub ok: bool,
    /// What the disk said last, if it refuses.
    pub last_error: Option<String>,
    /// Places that could not be read at the start.
    pub damage: Vec<String>,
    /// Samples that were stored since the start.
    pub appended: u64,
    /// Batches that were not taken as a whole since the start.
    pub refused: u64,
    /// Samples that were not stored since the start, by reason.
    pub rejected: BTreeMap<&'static str, u64>,
    /// Series in memory: those that got samples lately.
    pub series: usize,
    /// Bytes of memory that they take.
    pub memory_bytes: u64,
    /// Samples in blocks; those in memory are not counted.
    pub block_samples: u64,
    /// Blocks on the disk.
    pub blocks: usize,
    /// Bytes of blocks and log.
    pub disk_bytes: u64,
    /// Most bytes for both.
    pub disk_max_bytes: u64,
    /// Of these, the log's.
    pub log_bytes: u64,
    /// Questions that are answered now.
    pub queries_running: u64,
    /// Questions that wait for a place.
    pub queries_waiting: u64,
    /// How much a question may take.
    pub query_limits: QueryLimits,
}

/// How much a question may take: the keys under `metrics.query`.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct QueryLimits {
    /// Milliseconds.
    pub timeout_ms: u64,
    /// Samples held at once.
    pub samples_max: usize,
    /// Series of one selector.
    pub series_max: usize,
    /// Questions at once.
    pub concurrent: usize,
}

impl Metrics {
    /// How the engine is.
    #[must_use]
    pub fn view(&self) -> MetricsView {
        let stats = self.0.db.stats();
        let query = &self.0.settings.query;
        let free = self.0.places.available_permits();
        MetricsView {
            ok: stats.last_error.is_none(),
            last_error: stats.last_error,
            damage: self.damage().collect(),
            appended: self.0.tally.appended(),
            refused: self.0.tally.refused(),
            rejected: self.0.tally.rejected(),
            series: stats.head_series,
            memory_bytes: stats.head_bytes,
            block_samples: stats.block_samples,
            blocks: stats.blocks,
            disk_bytes: stats.block_bytes.saturating_add(stats.wal_bytes),
            disk_max_bytes: self.0.disk_max_bytes,
            log_bytes: stats.wal_bytes,
            queries_running: query.concurrent.saturating_sub(free) as u64,
            queries_waiting: self.0.waiting.load(Ordering::Relaxed),
            query_limits: QueryLimits {
                timeout_ms: u64::try_from(query.timeout.as_millis()).unwrap_or(u64::MAX),
                samples_max: query.samples_max,
                series_max: query.series_max,
                concurrent: query.concurrent,
            },
        }
    }
}
