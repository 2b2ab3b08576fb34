//! The engine's parts together.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;

use crate::block::{Block, Decoded};
use crate::catalogue::Catalogue;
use crate::exemplars::Exemplars;
use crate::head::{Gate, Ledger, Slots, TenantHead};
use crate::metadata::Families;
use crate::options::millis;
use crate::wal::{self, DeleteRecord, Wal};
use crate::{Error, Options, Result};

/// A tenant's name has at most this many bytes.
const TENANT_BYTES_MAX: usize = 150;

/// A stretch of the log in which every series is named before its first sample.
#[derive(Debug)]
pub(crate) struct Epoch {
    /// Number of its first record.
    pub(crate) first: u64,
    /// Latest time of a sample in it, by tenant.
    pub(crate) newest: BTreeMap<Arc<str>, i64>,
    /// Its samples: what a start has to read again.
    pub(crate) samples: u64,
}

impl Epoch {
    /// An empty one.
    pub(crate) fn begin(first: u64) -> Self {
        Self { first, newest: BTreeMap::new(), samples: 0 }
    }
}

/// What one append at a time changes.
#[derive(Debug)]
pub(crate) struct Ingest {
    pub(crate) slots: Slots,
    pub(crate) ledger: Ledger,
    /// The last one is being written.
    pub(crate) epochs: VecDeque<Epoch>,
    /// Number of the last epoch since the start; 1 is the first.
    pub(crate) epoch: u64,
}

/// What can be known of memory without waiting for whoever appends.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) series: Arc<AtomicUsize>,
    pub(crate) bytes: Arc<AtomicU64>,
    pub(crate) exemplars: Arc<AtomicUsize>,
}

/// Blocks that are read, and what was deleted from them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Blocks {
    /// By tenant, in order of their ranks.
    pub(crate) by_tenant: BTreeMap<String, Vec<Arc<Block>>>,
    pub(crate) deleted: Vec<Arc<DeleteRecord>>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) wal: Wal,
    pub(crate) ingest: Mutex<Ingest>,
    pub(crate) figures: Figures,
    pub(crate) tenants: RwLock<BTreeMap<Arc<str>, Arc<TenantHead>>>,
    pub(crate) blocks: RwLock<Arc<Blocks>>,
    /// Taken after `ingest`.
    pub(crate) exemplars: RwLock<Exemplars>,
    /// Not taken by whoever holds `ingest`.
    pub(crate) families: RwLock<Families>,
    /// Held by whoever writes blocks from memory or deletes. Taken before `ingest`.
    pub(crate) catalogue: Mutex<Catalogue>,
    /// Held by whoever merges or removes blocks, which takes its time. Taken before `catalogue`.
    pub(crate) merging: Mutex<()>,
    /// Columns of blocks that questions decoded lately.
    pub(crate) decoded: Decoded,
    /// Counts the wishes for indexes of blocks.
    pub(crate) wishes: AtomicU64,
    pub(crate) stop: Mutex<bool>,
    pub(crate) stopped: Condvar,
}

/// The engine. Share it by `Arc`; dropping it writes what is queued and ends its thread.
#[derive(Debug)]
pub struct Db {
    pub(crate) shared: Arc<Shared>,
    pub(crate) threads: Vec<JoinHandle<()>>,
}

/// Figures about the engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Series in memory.
    pub head_series: usize,
    /// Bytes of memory that the head counts as its own.
    pub head_bytes: u64,
    /// Exemplars in memory.
    pub exemplars: usize,
    /// Blocks.
    pub blocks: usize,
    /// Bytes of blocks.
    pub block_bytes: u64,
    /// Samples in blocks.
    pub block_samples: u64,
    /// Bytes of the log.
    pub wal_bytes: u64,
    /// What the disk said last, if it refuses.
    pub last_error: Option<String>,
}

impl Shared {
    pub(crate) fn ingest(&self) -> MutexGuard<'_, Ingest> {
        self.ingest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn catalogue(&self) -> MutexGuard<'_, Catalogue> {
        self.catalogue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn merging(&self) -> MutexGuard<'_, ()> {
        self.merging.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The blocks as they are now.
    pub(crate) fn blocks(&self) -> Arc<Blocks> {
        Arc::clone(&self.blocks.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the list of blocks at once for all readers that come later.
    pub(crate) fn change_blocks(&self, change: impl FnOnce(&mut Blocks)) {
        let mut held = self.blocks.write().unwrap_or_else(PoisonError::into_inner);
        let mut blocks = (**held).clone();
        change(&mut blocks);
        *held = Arc::new(blocks);
    }

    pub(crate) fn blocks_dir(&self) -> PathBuf {
        self.options.folder.join("blocks")
    }

    pub(crate) fn head(&self, tenant: &str) -> Option<Arc<TenantHead>> {
        self.tenants.read().unwrap_or_else(PoisonError::into_inner).get(tenant).cloned()
    }

    pub(crate) fn heads(&self) -> Vec<Arc<TenantHead>> {
        self.tenants.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The tenant's head, made on first use.
    pub(crate) fn make_head(&self, tenant: &str) -> Result<Arc<TenantHead>> {
        if let Some(head) = self.head(tenant) {
            return Ok(head);
        }
        if tenant.is_empty() || tenant.len() > TENANT_BYTES_MAX {
            return Err(Error::Invalid(format!(
                "a tenant's name must have 1 to {TENANT_BYTES_MAX} bytes, not {}",
                tenant.len()
            )));
        }
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        if tenants.len() >= self.options.tenants_max && !tenants.contains_key(tenant) {
            // Of those that have nothing in memory and that nobody works with: whoever holds one counts, and to find one he
            // needs the lock that is held here.
            tenants.retain(|_, head| Arc::strong_count(head) > 1 || !head.is_empty());
            if tenants.len() >= self.options.tenants_max {
                return Err(Error::Tenants { limit: self.options.tenants_max });
            }
        }
        let head = tenants.entry(tenant.into()).or_insert_with(|| {
            let head = TenantHead::new(tenant);
            let blocks = self.blocks();
            blocks.by_tenant.get(tenant).into_iter().flatten().for_each(|block| head.saw(block.meta.max_ms));
            Arc::new(head)
        });
        Ok(Arc::clone(head))
    }

    /// Lets go of a tenant that has nothing in memory, if nobody but the caller works with it.
    pub(crate) fn forget_tenant(&self, head: &Arc<TenantHead>) {
        if !head.is_empty() {
            return;
        }
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        // The list's and the caller's: to find it one needs the lock that is held here.
        let unused = Arc::strong_count(head) <= 2 && head.is_empty();
        if unused && tenants.get(&head.name).is_some_and(|known| Arc::ptr_eq(known, head)) {
            tenants.remove(&head.name);
        }
    }

    /// Begins an epoch of the log. Returns the number of its first record.
    pub(crate) fn begin_epoch(&self, ingest: &mut Ingest) -> u64 {
        let first = self.wal.push(vec![wal::epoch()]);
        ingest.epoch = ingest.epoch.saturating_add(1);
        ingest.epochs.push_back(Epoch::begin(first));
        first
    }

    /// The clock's time, milliseconds since the epoch.
    pub(crate) fn now_ms(&self) -> i64 {
        self.options.clock.wall() / 1_000_000
    }

    pub(crate) fn gate(&self, head: &TenantHead) -> Gate {
        let newest = head.newest();
        let now_ms = self.now_ms();
        head.touch(now_ms);
        Gate {
            newest,
            in_order_from: newest.saturating_sub(self.options.span_ms() / 2),
            window_ms: millis(self.options.ooo_window),
            future_ms: now_ms.saturating_add(millis(self.options.future_window)),
        }
    }
}

impl Db {
    /// Figures. Waits for nobody who appends.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let blocks = self.shared.blocks();
        let all = || blocks.by_tenant.values().flatten();
        let figures = &self.shared.figures;
        Stats {
            head_series: figures.series.load(Ordering::Relaxed),
            head_bytes: figures.bytes.load(Ordering::Relaxed),
            exemplars: figures.exemplars.load(Ordering::Relaxed),
            blocks: all().count(),
            block_bytes: all().fold(0, |sum, block| sum.saturating_add(block.bytes())),
            block_samples: all().fold(0, |sum, block| sum.saturating_add(block.meta.samples)),
            wal_bytes: self.shared.wal.bytes(),
            last_error: self.shared.wal.last_error(),
        }
    }
}

#[cfg(test)]
mod tests {
    use hinomi_base::budget::Budget;
    use hinomi_base::clock::Clock;
    use hinomi_model::Tenant;
    use hinomi_series::Labels;

    use super::*;
    use crate::{Batch, SeriesKey};

    #[test]
    fn figures_wait_for_nobody_who_appends() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::system();
        let now_ms = clock.wall() / 1_000_000;
        let (db, _) =
            Db::open(Options::new(folder.path().to_path_buf(), clock, Budget::new(64 << 20))).unwrap();
        let mut batch = Batch::new();
        batch.push(SeriesKey::Labels(Labels::from_pairs([("__name__", "a")])), now_ms, 1.0);
        db.append(&Tenant::default(), &batch).unwrap();
        let (_ingest, _exemplars, _families) =
            (db.shared.ingest(), db.shared.exemplars_mut(), db.shared.families_mut());
        // With a lock of these it would never return.
        let stats = db.stats();
        assert_eq!(stats.head_series, 1);
        assert!(stats.head_bytes > 0);
    }
}
