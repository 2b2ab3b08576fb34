//! Series by number: what a batch changes, one batch at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hinomi_series::Labels;

use super::{Gate, Offer, Series, Taken, TenantHead, size_of_series};
use crate::append::{Reason, SeriesRef};
use crate::wal::Encoder;

/// Place of a series by its number.
#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    /// Epoch in which the log named it last, and the start that the log gave it last there.
    named_in: u64,
    start: i64,
    held: Option<(Arc<TenantHead>, Arc<Series>)>,
}

/// Where what is new is written down.
pub(crate) struct Book<'a> {
    pub(crate) epoch: u64,
    pub(crate) encoder: &'a mut Encoder,
}

impl Slot {
    /// Offers a sample to the series, and writes it down if it is new.
    fn offer(&mut self, sample: Offer<'_>, gate: Gate, book: &mut Book<'_>) -> Result<Taken, Reason> {
        let Some((tenant, series)) = &self.held else { return Err(Reason::UnknownSeries) };
        let taken = series.offer(sample, gate)?;
        if matches!(taken, Taken::New(_)) {
            if self.named_in != book.epoch {
                (self.named_in, self.start) = (book.epoch, 0);
                book.encoder.series(series.id, &tenant.name, &series.labels);
            }
            let started = self.start != sample.start;
            self.start = sample.start;
            book.encoder.sample(series.id, sample.t, started.then_some(sample.start), sample.value);
        }
        Ok(taken)
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    slots: Vec<Slot>,
    free: Vec<u32>,
    count: Arc<AtomicUsize>,
}

impl Slots {
    /// Makes a series; `None` when numbers are used up.
    pub(crate) fn create(&mut self, tenant: &Arc<TenantHead>, labels: Labels) -> Option<Arc<Series>> {
        let id = match self.free.pop() {
            Some(id) => id,
            None => {
                let id = u32::try_from(self.slots.len()).ok()?;
                self.slots.push(Slot::default());
                id
            }
        };
        let series = Arc::new(Series::new(id, labels));
        tenant.insert(&series);
        let slot = self.slots.get_mut(usize::try_from(id).ok()?)?;
        slot.generation = slot.generation.wrapping_add(1);
        slot.named_in = 0;
        slot.held = Some((Arc::clone(tenant), Arc::clone(&series)));
        self.count.fetch_add(1, Ordering::Relaxed);
        Some(series)
    }

    fn slot(&self, id: u32) -> Option<&Slot> {
        self.slots.get(usize::try_from(id).ok()?)
    }

    fn slot_mut(&mut self, id: u32) -> Option<&mut Slot> {
        self.slots.get_mut(usize::try_from(id).ok()?)
    }

    /// Whether a reference names a series of the tenant.
    pub(crate) fn knows(&self, tenant: &Arc<TenantHead>, reference: SeriesRef) -> bool {
        let slot = self.slot(reference.id).filter(|slot| slot.generation == reference.generation);
        let held = slot.and_then(|slot| slot.held.as_ref());
        held.is_some_and(|(owner, _)| Arc::ptr_eq(owner, tenant))
    }

    pub(crate) fn reference(&self, id: u32) -> Option<SeriesRef> {
        self.slot(id).map(|slot| SeriesRef { id, generation: slot.generation })
    }

    pub(crate) fn series(&self, id: u32) -> Option<&Arc<Series>> {
        self.slot(id)?.held.as_ref().map(|(_, series)| series)
    }

    /// Offers a sample to a series, and writes it down if it is new.
    ///
    /// # Errors
    ///
    /// Why it was not taken.
    #[inline]
    pub(crate) fn offer(
        &mut self,
        id: u32,
        sample: Offer<'_>,
        gate: Gate,
        book: &mut Book<'_>,
    ) -> Result<Taken, Reason> {
        self.slot_mut(id).ok_or(Reason::UnknownSeries)?.offer(sample, gate, book)
    }

    /// Names a series to the log, unless that was done in this epoch.
    pub(crate) fn name(&mut self, id: u32, book: &mut Book<'_>) {
        let Some(slot) = self.slot_mut(id).filter(|slot| slot.named_in != book.epoch) else { return };
        (slot.named_in, slot.start) = (book.epoch, 0);
        if let Some((tenant, series)) = &slot.held {
            book.encoder.series(series.id, &tenant.name, &series.labels);
        }
    }

    /// Lets go of series without samples whose last one lay before `idle_before`. Returns the memory that this frees.
    pub(crate) fn collect(&mut self, tenant: &TenantHead, idle_before: i64) -> u64 {
        let idle = tenant.idle(idle_before);
        idle.iter().fold(0, |freed: u64, series| freed.saturating_add(self.remove(tenant, series)))
    }

    /// Lets go of a series that has no sample. Returns the memory that this frees; `None` if it has one.
    pub(crate) fn forget(&mut self, tenant: &TenantHead, id: u32) -> Option<u64> {
        let series = Arc::clone(self.series(id).filter(|series| series.is_idle(i64::MAX))?);
        Some(self.remove(tenant, &series))
    }

    fn remove(&mut self, tenant: &TenantHead, series: &Series) -> u64 {
        tenant.remove(series);
        if let Some(slot) = self.slot_mut(series.id) {
            slot.held = None;
            self.free.push(series.id);
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
        size_of_series(&series.labels)
    }

    /// Series in memory, also while somebody else has the slots.
    pub(crate) fn shown(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.count)
    }

    /// Series in memory.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}
