//! The engine's parts together, and appending.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;

use hinomi_model::Tenant;
use hinomi_series::{Labels, Value};

use crate::append::{Appended, Batch, Entry, Reason, SeriesKey};
use crate::block::{Block, Decoded};
use crate::bytes::as_u64;
use crate::catalogue::Catalogue;
use crate::exemplars::Exemplars;
use crate::head::{Gate, LABELS_BYTES_MAX, Ledger, Offer, Series, Slots, Taken, TenantHead, size_of_series};
use crate::metadata::{Families, Heard};
use crate::options::millis;
use crate::wal::{self, DeleteRecord, Wal};
use crate::{Error, Options, Result};

/// A tenant's name has at most this many bytes.
const TENANT_BYTES_MAX: usize = 150;
/// What a sample may add to memory, about: drawn before a batch is taken.
const SAMPLE_BYTES: u64 = 20;

/// A stretch of the log in which every series is named before its first sample.
#[derive(Debug)]
pub(crate) struct Epoch {
    /// Number of its first record.
    pub(crate) first: u64,
    /// Latest time of a sample in it, by tenant.
    pub(crate) newest: BTreeMap<Arc<str>, i64>,
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
    pub(crate) tenants: RwLock<BTreeMap<Arc<str>, Arc<TenantHead>>>,
    pub(crate) blocks: RwLock<Arc<Blocks>>,
    /// Taken after `ingest`, as are the families.
    pub(crate) exemplars: RwLock<Exemplars>,
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
            let limit = self.options.tenants_max;
            return Err(Error::Invalid(format!("there are {limit} tenants already, which is the limit")));
        }
        let head = tenants.entry(tenant.into()).or_insert_with(|| {
            let head = TenantHead::new(tenant);
            let blocks = self.blocks();
            blocks.by_tenant.get(tenant).into_iter().flatten().for_each(|block| head.saw(block.meta.max_ms));
            Arc::new(head)
        });
        Ok(Arc::clone(head))
    }

    /// Begins an epoch of the log. Returns the number of its first record.
    pub(crate) fn begin_epoch(&self, ingest: &mut Ingest) -> u64 {
        let first = self.wal.push(vec![wal::epoch()]);
        ingest.epoch = ingest.epoch.saturating_add(1);
        ingest.epochs.push_back(Epoch { first, newest: BTreeMap::new() });
        first
    }

    /// The clock's time, milliseconds since the epoch.
    pub(crate) fn now_ms(&self) -> i64 {
        self.options.clock.wall() / 1_000_000
    }

    fn gate(&self, head: &TenantHead) -> Gate {
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

/// A batch's series, resolved.
type Resolved = std::result::Result<Arc<Series>, Reason>;

impl Ingest {
    fn resolve(&mut self, options: &Options, head: &Arc<TenantHead>, key: &SeriesKey) -> Resolved {
        match key {
            SeriesKey::Ref(reference) => {
                self.slots.resolve(head, *reference).cloned().ok_or(Reason::UnknownSeries)
            }
            SeriesKey::Labels(labels) => match head.find(labels) {
                Some(series) => Ok(series),
                None => self.create(options, head, labels),
            },
        }
    }

    fn create(&mut self, options: &Options, head: &Arc<TenantHead>, labels: &Labels) -> Resolved {
        if labels.is_empty() || labels.text_bytes() > LABELS_BYTES_MAX {
            return Err(Reason::InvalidSeries);
        }
        let bytes = size_of_series(labels);
        if self.slots.count() >= options.series_max || !self.ledger.prepare(bytes) {
            return Err(Reason::TooManySeries);
        }
        self.ledger.add(bytes);
        self.slots.create(head, labels.clone()).ok_or(Reason::TooManySeries)
    }

    /// Takes the samples and adds them to the records for the log.
    fn take(
        &mut self,
        head: &Arc<TenantHead>,
        gate: Gate,
        batch: &Batch,
        series: &[Resolved],
        (appended, encoder): (&mut Appended, &mut wal::Encoder),
    ) {
        let (mut grown, mut newest, mut oldest) = (0_u64, i64::MIN, i64::MAX);
        for (at, entry) in batch.samples.iter().enumerate() {
            let Entry { t, start, value, .. } = entry;
            let taken = resolved(series, entry.series).and_then(|series| {
                storable(value)?;
                Ok((series, series.offer(Offer { t: *t, start: *start, value }, gate)?))
            });
            match taken {
                Ok((series, taken)) => {
                    appended.accepted = appended.accepted.saturating_add(1);
                    appended.histograms =
                        appended.histograms.saturating_add(u64::from(value.as_histogram().is_some()));
                    let Taken::New(bytes) = taken else { continue };
                    grown = grown.saturating_add(bytes);
                    newest = newest.max(*t);
                    oldest = oldest.min(*t);
                    self.name(head, series, encoder);
                    let started = self.slots.start_once(series.id, *start).then_some(*start);
                    encoder.sample(series.id, *t, started, value);
                }
                Err(reason) => appended.reject(at, reason),
            }
        }
        self.ledger.add(grown);
        if newest > i64::MIN {
            head.saw(newest);
            head.holds(oldest);
            self.saw(&head.name, newest);
        }
    }

    /// Names a series to the log, unless it was in this epoch.
    fn name(&mut self, head: &TenantHead, series: &Series, encoder: &mut wal::Encoder) {
        if self.slots.name_once(series.id, self.epoch) {
            encoder.series(series.id, &head.name, &series.labels);
        }
    }

    /// Takes the exemplars.
    fn take_exemplars(
        &mut self,
        (shared, head): (&Shared, &Arc<TenantHead>),
        (batch, series): (&Batch, &[Resolved]),
        (appended, encoder): (&mut Appended, &mut wal::Encoder),
    ) {
        if batch.exemplars.is_empty() {
            return;
        }
        let future_ms = shared.now_ms().saturating_add(millis(shared.options.future_window));
        let mut exemplars = shared.exemplars_mut();
        for (number, exemplar) in &batch.exemplars {
            let taken = resolved(series, *number).and_then(|series| {
                if exemplar.t_ms > future_ms {
                    return Err(Reason::Future);
                }
                Ok((series, exemplars.offer(&head.name, &series.labels, exemplar)?))
            });
            match taken {
                Ok((series, new)) => {
                    appended.exemplars = appended.exemplars.saturating_add(1);
                    if new {
                        self.name(head, series, encoder);
                        encoder.exemplar(series.id, exemplar);
                    }
                }
                Err(reason) => appended.reject_exemplar(reason),
            }
        }
    }

    /// The last epoch has a sample of that time.
    pub(crate) fn saw(&mut self, tenant: &Arc<str>, t: i64) {
        if let Some(epoch) = self.epochs.back_mut() {
            epoch
                .newest
                .entry(Arc::clone(tenant))
                .and_modify(|newest| *newest = (*newest).max(t))
                .or_insert(t);
        }
    }
}

/// The series that a batch's sample or exemplar names.
fn resolved(series: &[Resolved], number: u32) -> std::result::Result<&Arc<Series>, Reason> {
    match usize::try_from(number).ok().and_then(|number| series.get(number)) {
        Some(Ok(series)) => Ok(series),
        Some(Err(reason)) => Err(*reason),
        None => Err(Reason::UnknownSeries),
    }
}

/// Hears what the batch says about families.
fn take_metadata(
    shared: &Shared,
    head: &TenantHead,
    batch: &Batch,
    appended: &mut Appended,
    encoder: &mut wal::Encoder,
) {
    if batch.metadata.is_empty() {
        return;
    }
    let mut families = shared.families_mut();
    for (family, metadata) in &batch.metadata {
        let heard = families.hear(&head.name, family, metadata);
        appended.metadata = appended.metadata.saturating_add(u64::from(heard != Heard::Refused));
        if heard == Heard::New {
            encoder.metadata(&head.name, family, metadata);
        }
    }
}

fn storable(value: &Value) -> std::result::Result<(), Reason> {
    match value {
        Value::Histogram(histogram) if !crate::codec::is_storable(histogram) => Err(Reason::InvalidHistogram),
        _ => Ok(()),
    }
}

/// What the batch may add to memory.
fn size_of(batch: &Batch) -> u64 {
    let histograms = batch.samples.iter().filter_map(|entry| entry.value.as_histogram());
    let histograms = histograms.map(|histogram| as_u64(crate::codec::size_of_histogram(histogram)));
    let floats = as_u64(batch.len()).saturating_mul(SAMPLE_BYTES);
    histograms.fold(floats, u64::saturating_add)
}

impl Db {
    /// Appends samples. `Ok` means that those counted as accepted are as durable as was configured.
    ///
    /// Blocks while it waits for its turn and for the disk.
    ///
    /// # Errors
    ///
    /// [`Error::Memory`], [`Error::Backlog`], [`Error::Poisoned`] and [`Error::Invalid`] (a tenant's name): nothing
    /// was taken. [`Error::Disk`]: samples were taken and can be read, but are not durable; sending the same again is
    /// right, and succeeds once the disk has taken them.
    pub fn append(&self, tenant: &Tenant, batch: &Batch) -> Result<Appended> {
        let shared = &*self.shared;
        shared.wal.admit()?;
        let head = shared.make_head(&tenant.0)?;
        let mut appended = Appended::default();
        let mut ingest = shared.ingest();
        if !ingest.ledger.prepare(size_of(batch)) {
            return Err(Error::Memory { limit_bytes: ingest.ledger.limit() });
        }
        let gate = shared.gate(&head);
        let mut series = Vec::with_capacity(batch.series.len());
        for key in &batch.series {
            let resolved = ingest.resolve(&shared.options, &head, key);
            let reference = resolved.as_ref().ok().and_then(|series| ingest.slots.reference(series.id));
            appended.refs.push(reference);
            series.push(resolved);
        }
        let mut encoder = wal::Encoder::default();
        ingest.take(&head, gate, batch, &series, (&mut appended, &mut encoder));
        ingest.take_exemplars((shared, &head), (batch, &series), (&mut appended, &mut encoder));
        take_metadata(shared, &head, batch, &mut appended, &mut encoder);
        let number = shared.wal.push(encoder.finish());
        drop(ingest);
        // Also when nothing is new: a sample that was known may still wait for the disk.
        shared.wal.commit(number)?;
        Ok(appended)
    }

    /// Figures.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let blocks = self.shared.blocks();
        let all = || blocks.by_tenant.values().flatten();
        let ingest = self.shared.ingest();
        let (head_series, head_bytes) = (ingest.slots.count(), ingest.ledger.used());
        drop(ingest);
        Stats {
            head_series,
            head_bytes,
            exemplars: self.shared.exemplars().count(),
            blocks: all().count(),
            block_bytes: all().fold(0, |sum, block| sum.saturating_add(block.bytes())),
            block_samples: all().fold(0, |sum, block| sum.saturating_add(block.meta.samples)),
            wal_bytes: self.shared.wal.bytes(),
            last_error: self.shared.wal.last_error(),
        }
    }
}
