//! Appending: the series of a batch are found, its samples offered one by one and written down for the log.

use std::sync::Arc;

use hinomi_model::Tenant;
use hinomi_series::{Labels, Value};

use crate::append::{Appended, Batch, Entry, Reason, SeriesKey};
use crate::bytes::as_u64;
use crate::db::{Db, Ingest, Shared};
use crate::head::{Book, Gate, LABELS_BYTES_MAX, Offer, Taken, TenantHead, size_of_series};
use crate::options::millis;
use crate::{Error, Options, Result, wal};

/// What a sample may add to memory, about: drawn before a batch is taken.
const SAMPLE_BYTES: u64 = 20;
/// What a sample takes in the log, about.
const LOGGED_BYTES: usize = 10;

/// Number of a series of the batch in memory.
type Resolved = std::result::Result<u32, Reason>;

/// What an append puts together.
struct Outcome<'a> {
    appended: Appended,
    series: Vec<Resolved>,
    /// Numbers of those that were made for the batch.
    made: Vec<u32>,
    book: Book<'a>,
}

impl Outcome<'_> {
    /// The series that a sample or exemplar of the batch names.
    #[inline]
    fn series(&self, number: u32) -> Resolved {
        let found = usize::try_from(number).ok().and_then(|number| self.series.get(number));
        found.copied().unwrap_or(Err(Reason::UnknownSeries))
    }
}

impl Ingest {
    /// Finds the batch's series, or makes them.
    fn resolve(&mut self, options: &Options, head: &Arc<TenantHead>, batch: &Batch, out: &mut Outcome<'_>) {
        out.series.reserve(batch.series.len());
        out.appended.refs.reserve(batch.series.len());
        for key in &batch.series {
            let (resolved, reference) = match key {
                SeriesKey::Ref(reference) if self.slots.knows(head, *reference) => {
                    (Ok(reference.id), Some(*reference))
                }
                SeriesKey::Ref(_) => (Err(Reason::UnknownSeries), None),
                SeriesKey::Labels(labels) => {
                    let resolved = match head.find(labels) {
                        Some(series) => Ok(series.id),
                        None => self.create(options, head, labels).inspect(|id| out.made.push(*id)),
                    };
                    (resolved, resolved.ok().and_then(|id| self.slots.reference(id)))
                }
            };
            out.series.push(resolved);
            out.appended.refs.push(reference);
        }
    }

    fn create(&mut self, options: &Options, head: &Arc<TenantHead>, labels: &Labels) -> Resolved {
        if labels.is_empty() || labels.text_bytes() > LABELS_BYTES_MAX {
            return Err(Reason::InvalidSeries);
        }
        let bytes = size_of_series(labels);
        if self.slots.count() >= options.series_max {
            return Err(Reason::TooManySeries);
        }
        if !self.ledger.prepare_series(bytes) {
            return Err(Reason::NoMemory);
        }
        self.ledger.add(bytes);
        let series = self.slots.create(head, labels.clone()).ok_or(Reason::TooManySeries)?;
        Ok(series.id)
    }

    /// Lets go of series that were made for samples of which none was taken: whoever sends what is refused takes no memory,
    /// and no tenant's place.
    fn forget(&mut self, head: &TenantHead, out: &mut Outcome<'_>) {
        for id in std::mem::take(&mut out.made) {
            let Some(bytes) = self.slots.forget(head, id) else { continue };
            self.ledger.free(bytes);
            for (series, reference) in out.series.iter().zip(&mut out.appended.refs) {
                if *series == Ok(id) {
                    *reference = None;
                }
            }
        }
    }

    /// Takes the samples.
    fn take(&mut self, head: &Arc<TenantHead>, gate: Gate, batch: &Batch, out: &mut Outcome<'_>) {
        let (mut grown, mut new) = (0_u64, 0_u64);
        let (mut newest, mut oldest) = (i64::MIN, i64::MAX);
        for (at, entry) in batch.samples.iter().enumerate() {
            let Entry { t, start, value, .. } = entry;
            let taken = out.series(entry.series).and_then(|id| {
                storable(value)?;
                self.slots.offer(id, Offer { t: *t, start: *start, value }, gate, &mut out.book)
            });
            match taken {
                Ok(taken) => {
                    out.appended.accepted = out.appended.accepted.saturating_add(1);
                    let histogram = u64::from(value.as_histogram().is_some());
                    out.appended.histograms = out.appended.histograms.saturating_add(histogram);
                    let Taken::New(bytes) = taken else { continue };
                    grown = grown.saturating_add(bytes);
                    new = new.saturating_add(1);
                    newest = newest.max(*t);
                    oldest = oldest.min(*t);
                }
                Err(reason) => out.appended.reject(at, reason),
            }
        }
        self.ledger.add(grown);
        if new > 0 {
            head.saw(newest);
            head.holds(oldest);
            self.saw(&head.name, newest, new);
        }
    }

    /// Takes the exemplars.
    fn take_exemplars(&mut self, shared: &Shared, head: &TenantHead, batch: &Batch, out: &mut Outcome<'_>) {
        if batch.exemplars.is_empty() {
            return;
        }
        let future_ms = shared.now_ms().saturating_add(millis(shared.options.future_window));
        let mut exemplars = shared.exemplars_mut();
        for (number, exemplar) in &batch.exemplars {
            let taken = out.series(*number).and_then(|id| {
                if exemplar.t_ms > future_ms {
                    return Err(Reason::Future);
                }
                let series = self.slots.series(id).ok_or(Reason::UnknownSeries)?;
                Ok((id, exemplars.offer(&head.name, &series.labels, exemplar)?))
            });
            match taken {
                Ok((id, new)) => {
                    out.appended.exemplars = out.appended.exemplars.saturating_add(1);
                    if new {
                        self.slots.name(id, &mut out.book);
                        out.book.encoder.exemplar(id, exemplar);
                    }
                }
                Err(reason) => out.appended.reject_exemplar(reason),
            }
        }
    }

    /// The last epoch has so many samples more, the latest of that time.
    pub(crate) fn saw(&mut self, tenant: &Arc<str>, t: i64, samples: u64) {
        let Some(epoch) = self.epochs.back_mut() else { return };
        epoch.samples = epoch.samples.saturating_add(samples);
        match epoch.newest.get_mut(tenant) {
            Some(newest) => *newest = t.max(*newest),
            None => {
                epoch.newest.insert(Arc::clone(tenant), t);
            }
        }
    }

    /// Samples that a start has to read again.
    pub(crate) fn logged_samples(&self) -> u64 {
        self.epochs.iter().fold(0, |sum, epoch| sum.saturating_add(epoch.samples))
    }
}

#[inline]
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
    /// Most series in memory, of all tenants.
    #[must_use]
    pub fn series_max(&self) -> usize {
        self.shared.options.series_max
    }

    /// Appends samples. `Ok` means that those counted as accepted are as durable as was configured.
    ///
    /// Blocks while it waits for its turn and for the disk.
    ///
    /// # Errors
    ///
    /// [`Error::Memory`], [`Error::Tenants`], [`Error::Backlog`], [`Error::Poisoned`] and [`Error::Invalid`] (a tenant's name): nothing
    /// was taken. [`Error::Disk`]: samples were taken and can be read, but are not durable; sending the same again is
    /// right, and succeeds once the disk has taken them.
    pub fn append(&self, tenant: &Tenant, batch: &Batch) -> Result<Appended> {
        let shared = &*self.shared;
        shared.wal.admit()?;
        let head = shared.make_head(&tenant.0)?;
        let mut encoder = wal::Encoder::with_room(batch.len().saturating_mul(LOGGED_BYTES));
        let bytes = size_of(batch);
        let mut ingest = shared.ingest();
        if !ingest.ledger.prepare(bytes) {
            return Err(Error::Memory { limit_bytes: ingest.ledger.limit() });
        }
        let gate = shared.gate(&head);
        let book = Book { epoch: ingest.epoch, encoder: &mut encoder };
        let mut out = Outcome { appended: Appended::default(), series: Vec::new(), made: Vec::new(), book };
        ingest.resolve(&shared.options, &head, batch, &mut out);
        ingest.take(&head, gate, batch, &mut out);
        ingest.take_exemplars(shared, &head, batch, &mut out);
        ingest.forget(&head, &mut out);
        let Outcome { mut appended, .. } = out;
        let number = shared.wal.push(encoder.finish());
        drop(ingest);
        if appended.accepted == 0 {
            shared.forget_tenant(&head);
        }
        let number = shared.hear(&head.name, batch, &mut appended).unwrap_or(number);
        // Also when nothing is new: a sample that was known may still wait for the disk.
        shared.wal.commit(number)?;
        Ok(appended)
    }
}
