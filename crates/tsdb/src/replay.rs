//! From the log back into memory: one thread reads and decodes, another applies.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::bytes::Fault;
use crate::catalogue::Catalogue;
use crate::db::{Epoch, Ingest, Shared};
use crate::head::{Offer, Series, TenantHead, size_of_series};
use crate::mix::Numbers;
use crate::open::Recovery;
use crate::wal::{self, DeleteRecord, Entries, ExemplarEntry, Record, SampleEntry, SeriesEntry};
use crate::{Error, Result};

/// Decoded records that wait to be applied; each has some hundred KiB.
const WAITING: usize = 8;
/// Numbers of series that a table holds; the entries take 24 bytes each.
const TABLE_MAX: usize = 8 << 20;

type Numbered = (u64, std::result::Result<Record, Fault>);

/// Applies the log, and begins an epoch behind it.
pub(crate) fn replay(shared: &Shared, recovery: &mut Recovery) -> Result<()> {
    let mut catalogue = shared.catalogue();
    let deletions = catalogue.deleted.len();
    let mut ingest = shared.ingest();
    let (sender, receiver) = sync_channel(WAITING);
    let damage = std::thread::scope(|scope| {
        let decoder = std::thread::Builder::new().name("tsdb-replay".to_owned());
        let decoder = decoder
            .spawn_scoped(scope, || decode(shared, sender))
            .map_err(|source| Error::Thread { name: "tsdb-replay", source })?;
        Replay::new(shared, &mut catalogue, &mut ingest, recovery).apply(&receiver);
        Ok::<_, Error>(decoder.join().unwrap_or_else(|_| vec!["reading the log stopped half-way".to_owned()]))
    })?;
    recovery.damage.extend(damage);
    for head in shared.heads() {
        // Series whose samples are all in blocks, or deleted.
        let collected = ingest.slots.collect(&head, i64::MAX);
        ingest.ledger.free(collected);
    }
    shared.begin_epoch(&mut ingest);
    drop(ingest);
    if catalogue.deleted.len() != deletions {
        catalogue.save(&*shared.options.fs, &shared.options.folder)?;
        let deleted = catalogue.deleted.iter().cloned().map(Arc::new).collect();
        shared.change_blocks(|blocks| blocks.deleted = deleted);
    }
    Ok(())
}

/// Reads the log. Returns damaged places, in words.
#[expect(clippy::needless_pass_by_value, reason = "the channel ends when this does")]
fn decode(shared: &Shared, to: SyncSender<Numbered>) -> Vec<String> {
    shared.wal.replay(&mut |number, payload| {
        let record = wal::decode(payload);
        if let Ok(Record::Append(entries)) = &record {
            // Kept with the labels: the other thread has more to do.
            entries.series.iter().for_each(|entry| {
                let _kept = entry.labels.hash();
            });
        }
        // Nobody receives only when the other side is gone, which ends everything.
        let _gone = to.send((number, record));
    })
}

/// A series of the log.
struct Named {
    head: Arc<TenantHead>,
    series: Arc<Series>,
    /// What the log said last about when that which it counts began.
    start: i64,
}

/// Series by their numbers in the log. These are small, as they are used again: a table is the fastest. Only a log that
/// was written to do harm has others; they are found all the same.
#[derive(Default)]
struct Names {
    table: Vec<Option<Named>>,
    others: Numbers<u32, Named>,
}

impl Names {
    fn insert(&mut self, id: u32, named: Named) {
        match usize::try_from(id).ok().filter(|at| *at < TABLE_MAX) {
            Some(at) => {
                if at >= self.table.len() {
                    self.table.resize_with(at.saturating_add(1), || None);
                }
                if let Some(place) = self.table.get_mut(at) {
                    *place = Some(named);
                }
            }
            None => {
                self.others.insert(id, named);
            }
        }
    }

    #[inline]
    fn get_mut(&mut self, id: u32) -> Option<&mut Named> {
        match usize::try_from(id).ok().and_then(|at| self.table.get_mut(at)) {
            Some(place) => place.as_mut(),
            None => self.others.get_mut(&id),
        }
    }
}

/// Samples of one tenant in one record that were applied and not accounted for.
struct Applied {
    tenant: Option<Arc<TenantHead>>,
    /// Those before are in blocks.
    flushed_before: i64,
    newest: i64,
    oldest: i64,
    bytes: u64,
    samples: u64,
    /// With those that are in blocks.
    seen: u64,
}

impl Default for Applied {
    fn default() -> Self {
        let (newest, oldest) = (i64::MIN, i64::MAX);
        Self { tenant: None, flushed_before: i64::MIN, newest, oldest, bytes: 0, samples: 0, seen: 0 }
    }
}

impl Applied {
    fn account(&self, ingest: &mut Ingest, recovery: &mut Recovery) {
        let Some(head) = &self.tenant else { return };
        ingest.saw(&head.name, self.newest, self.seen);
        head.saw(self.newest);
        head.holds(self.oldest);
        // What was acknowledged is taken back whatever the budget says; appends are refused until there is room.
        ingest.ledger.prepare(self.bytes);
        ingest.ledger.add(self.bytes);
        recovery.replayed_samples = recovery.replayed_samples.saturating_add(self.samples);
    }
}

/// What a replay keeps from record to record.
struct Replay<'a> {
    shared: &'a Shared,
    catalogue: &'a mut Catalogue,
    ingest: &'a mut Ingest,
    recovery: &'a mut Recovery,
    series: Names,
    /// The tenant of the last entry: nearly always that of the next one.
    tenant: Option<Arc<TenantHead>>,
    /// Whether a deletion may have taken the earliest samples.
    deleted: bool,
}

impl<'a> Replay<'a> {
    fn new(
        shared: &'a Shared,
        catalogue: &'a mut Catalogue,
        ingest: &'a mut Ingest,
        recovery: &'a mut Recovery,
    ) -> Self {
        let series = Names::default();
        Self { shared, catalogue, ingest, recovery, series, tenant: None, deleted: false }
    }

    fn apply(mut self, from: &Receiver<Numbered>) {
        for (number, record) in from {
            match record {
                Ok(record) => self.record(number, record),
                Err(fault) => self.unknown(number, fault),
            }
        }
        if self.deleted {
            self.shared.heads().iter().for_each(|head| head.find_oldest());
        }
    }

    fn unknown(&mut self, number: u64, fault: &str) {
        self.recovery.unknown_records = self.recovery.unknown_records.saturating_add(1);
        tracing::warn!(number, fault, "record of the log skipped");
    }

    fn record(&mut self, number: u64, record: Record) {
        if self.ingest.epochs.is_empty() || matches!(record, Record::Epoch) {
            self.ingest.epochs.push_back(Epoch::begin(number));
        }
        match record {
            Record::Epoch => {}
            Record::Append(entries) => self.append(number, entries),
            Record::Delete(deleted) => self.delete(deleted),
        }
    }

    fn head(&mut self, tenant: &str) -> Option<Arc<TenantHead>> {
        if let Some(head) = self.tenant.as_ref().filter(|head| *head.name == *tenant) {
            return Some(Arc::clone(head));
        }
        self.tenant = self.shared.make_head(tenant).ok();
        self.tenant.clone()
    }

    fn append(&mut self, number: u64, entries: Entries) {
        entries.series.into_iter().for_each(|entry| self.name(entry));
        self.samples(number, &entries.samples);
        entries.exemplars.into_iter().for_each(|entry| self.exemplar(&entry));
        for entry in entries.metadata {
            let Some(head) = self.head(&entry.tenant) else { continue };
            self.shared.families_mut().hear(&head.name, &entry.family, &entry.metadata);
        }
    }

    fn exemplar(&mut self, entry: &ExemplarEntry) {
        let Some(Named { head, series, .. }) = self.series.get_mut(entry.id) else { return };
        // One that was taken and finds no room now is one of the oldest.
        let _forgotten = self.shared.exemplars_mut().offer(&head.name, &series.labels, &entry.exemplar);
    }

    fn name(&mut self, entry: SeriesEntry) {
        let Some(head) = self.head(&entry.tenant) else { return };
        let series = match head.find(&entry.labels) {
            Some(series) => series,
            None => {
                let bytes = size_of_series(&entry.labels);
                self.ingest.ledger.prepare(bytes);
                self.ingest.ledger.add(bytes);
                let Some(series) = self.ingest.slots.create(&head, entry.labels) else { return };
                series
            }
        };
        self.series.insert(entry.id, Named { head, series, start: 0 });
    }

    fn samples(&mut self, number: u64, samples: &[SampleEntry]) {
        let Self { series: named, ingest, recovery, catalogue, .. } = self;
        let mut applied = Applied::default();
        for sample in samples {
            let Some(Named { head, series, start }) = named.get_mut(sample.id) else { continue };
            if applied.tenant.as_ref().is_none_or(|tenant| !Arc::ptr_eq(tenant, head)) {
                applied.account(ingest, recovery);
                let flushed_before = catalogue.flushed_before(number, &head.name);
                applied = Applied { tenant: Some(Arc::clone(head)), flushed_before, ..Applied::default() };
            }
            *start = sample.start.unwrap_or(*start);
            applied.newest = applied.newest.max(sample.t);
            applied.seen = applied.seen.saturating_add(1);
            if sample.t >= applied.flushed_before {
                let offer = Offer { t: sample.t, start: *start, value: &sample.value };
                applied.bytes = applied.bytes.saturating_add(series.restore(offer));
                applied.oldest = applied.oldest.min(sample.t);
                applied.samples = applied.samples.saturating_add(1);
            }
        }
        applied.account(ingest, recovery);
    }

    fn delete(&mut self, deleted: DeleteRecord) {
        // Blocks that come now hold nothing that this concerns, whatever numbers were in use before the crash.
        self.catalogue.next_block = self.catalogue.next_block.max(deleted.below_block);
        if let Some(head) = self.shared.head(&deleted.tenant) {
            for series in head.matching(&deleted.matchers) {
                let freed = series.remove(deleted.from_ms, deleted.to_ms);
                self.ingest.ledger.free(freed);
            }
            self.deleted = true;
        }
        let tenant = self.shared.blocks();
        let concerned = tenant.by_tenant.get(&deleted.tenant).into_iter().flatten();
        if concerned.into_iter().any(|block| block.meta.number < deleted.below_block) {
            self.catalogue.delete(deleted);
        }
    }
}
