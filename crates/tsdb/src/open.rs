//! Opening: blocks, then the log behind them.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Condvar, Mutex, RwLock};

use hinomi_disk::file::{create_dir, names_in};

use crate::block::{self, Block};
use crate::catalogue::Catalogue;
use crate::db::{Blocks, Db, Epoch, Ingest, Shared};
use crate::head::{Ledger, Series, Slots, TenantHead, size_of_series};
use crate::wal::{self, DeleteRecord, Record, SampleEntry, SeriesEntry, Wal};
use crate::{Options, Result, upkeep};

/// What opening found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Damaged places, in words. What is not damaged is read.
    pub damage: Vec<String>,
    /// Bytes of a half-written end of the log that were cut off; they were never acknowledged.
    pub cut_bytes: u64,
    /// Samples that came from the log.
    pub replayed_samples: u64,
    /// Records of the log that this program cannot read.
    pub unknown_records: u64,
}

impl Db {
    /// Opens or makes the engine in a folder.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Disk`] when the folder cannot be read or written, or a newer program wrote it;
    /// [`crate::Error::Corrupt`] when the catalogue is damaged: what was deleted would come back. Other damage is
    /// reported, see [`Recovery::damage`]. [`crate::Error::Thread`].
    pub fn open(options: Options) -> Result<(Self, Recovery)> {
        let mut recovery = Recovery::default();
        create_dir(&*options.fs, &options.folder)?;
        let blocks_dir = options.folder.join("blocks");
        create_dir(&*options.fs, &blocks_dir)?;
        let mut catalogue = Catalogue::load(&options.folder)?;
        let blocks = open_blocks(&options, &mut catalogue, &mut recovery)?;
        let opened = Wal::open(
            &options.folder.join("wal"),
            Arc::clone(&options.fs),
            options.durability,
            catalogue.flushes.iter().map(|flush| flush.below).max().unwrap_or(0),
        )?;
        recovery.cut_bytes = opened.cut_bytes;
        recovery.damage.extend(opened.damage);
        let upkeep_every = options.upkeep;
        let ledger = Ledger::new(options.budget.clone());
        let ingest = Ingest { slots: Slots::default(), ledger, epochs: VecDeque::new(), epoch: 0 };
        let shared = Arc::new(Shared {
            wal: opened.wal,
            ingest: Mutex::new(ingest),
            tenants: RwLock::default(),
            blocks: RwLock::new(Arc::new(blocks)),
            catalogue: Mutex::new(catalogue),
            merging: Mutex::new(()),
            wishes: AtomicU64::new(0),
            stop: Mutex::new(false),
            stopped: Condvar::new(),
            options,
        });
        replay(&shared, &mut recovery)?;
        for place in &recovery.damage {
            tracing::warn!(%place, "damaged data");
        }
        // From here on an error drops the engine, and with it what was started.
        let mut db = Self { shared, threads: Vec::new() };
        if let Some(every) = upkeep_every {
            upkeep::start(&mut db, every)?;
        }
        Ok((db, recovery))
    }
}

fn open_blocks(options: &Options, catalogue: &mut Catalogue, recovery: &mut Recovery) -> Result<Blocks> {
    let dir = options.folder.join("blocks");
    let mut open = Vec::new();
    for name in names_in(&dir)? {
        let path = dir.join(&name);
        if name.ends_with(".tmp") {
            // Half written when the process ended.
            let _best_effort = options.fs.remove(&path);
            continue;
        }
        let Some(number) = block::parse_file_name(&name) else { continue };
        catalogue.next_block = catalogue.next_block.max(number.saturating_add(1));
        match Block::open(&path) {
            Ok(block) => open.push(Arc::new(block)),
            Err(error @ crate::Error::Disk(hinomi_disk::Error::Version { .. })) => return Err(error),
            Err(error) => recovery.damage.push(error.to_string()),
        }
    }
    let replaced: Vec<u64> = open.iter().flat_map(|block| block.meta.replaces.iter().copied()).collect();
    let mut blocks = Blocks::default();
    for block in open {
        if replaced.contains(&block.meta.number) {
            // A merge was cut short between its last two steps.
            let _best_effort = options.fs.remove(block.path());
            continue;
        }
        blocks.by_tenant.entry(block.meta.tenant.clone()).or_default().push(block);
    }
    blocks.by_tenant.values_mut().for_each(|list| list.sort_by_key(|block| block.meta.rank));
    blocks.deleted = catalogue.deleted.iter().cloned().map(Arc::new).collect();
    Ok(blocks)
}

/// What a replay keeps from record to record.
struct Replay<'a> {
    shared: &'a Shared,
    catalogue: &'a mut Catalogue,
    ingest: &'a mut Ingest,
    series: HashMap<u32, (Arc<TenantHead>, Arc<Series>)>,
    recovery: &'a mut Recovery,
}

fn replay(shared: &Shared, recovery: &mut Recovery) -> Result<()> {
    let mut catalogue = shared.catalogue();
    let deletions = catalogue.deleted.len();
    let mut ingest = shared.ingest();
    let mut replay =
        Replay { shared, catalogue: &mut catalogue, ingest: &mut ingest, series: HashMap::new(), recovery };
    let damage = shared.wal.replay(&mut |number, payload| match wal::decode(payload) {
        Ok(record) => replay.record(number, record),
        Err(fault) => replay.unknown(number, fault),
    });
    recovery.damage.extend(damage);
    for head in shared.heads() {
        // Series whose samples are all in blocks, or deleted.
        let collected = ingest.slots.collect(&head);
        ingest.ledger.free(collected);
        head.find_oldest();
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

impl Replay<'_> {
    fn unknown(&mut self, number: u64, fault: &str) {
        self.recovery.unknown_records = self.recovery.unknown_records.saturating_add(1);
        tracing::warn!(number, fault, "record of the log skipped");
    }

    fn record(&mut self, number: u64, record: Record) {
        if self.ingest.epochs.is_empty() || matches!(record, Record::Epoch) {
            self.ingest.epochs.push_back(Epoch { first: number, newest: std::collections::BTreeMap::new() });
        }
        match record {
            Record::Epoch => {}
            Record::Append(series, samples) => {
                series.into_iter().for_each(|entry| self.name(entry));
                samples.into_iter().for_each(|sample| self.sample(number, &sample));
            }
            Record::Delete(deleted) => self.delete(deleted),
        }
    }

    fn name(&mut self, entry: SeriesEntry) {
        let Ok(head) = self.shared.make_head(&entry.tenant) else { return };
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
        self.series.insert(entry.id, (head, series));
    }

    fn sample(&mut self, number: u64, sample: &SampleEntry) {
        let Some((head, series)) = self.series.get(&sample.id) else { return };
        self.ingest.saw(&head.name, sample.t);
        head.saw(sample.t);
        if self.catalogue.is_flushed(number, &head.name, sample.t) {
            return;
        }
        let bytes = series.restore(sample.t, &sample.value);
        head.holds(sample.t);
        // What was acknowledged is taken back whatever the budget says; appends are refused until there is room.
        self.ingest.ledger.prepare(bytes);
        self.ingest.ledger.add(bytes);
        self.recovery.replayed_samples = self.recovery.replayed_samples.saturating_add(1);
    }

    fn delete(&mut self, deleted: DeleteRecord) {
        // Blocks that come now hold nothing that this concerns, whatever numbers were in use before the crash.
        self.catalogue.next_block = self.catalogue.next_block.max(deleted.below_block);
        if let Some(head) = self.shared.head(&deleted.tenant) {
            for series in head.matching(&deleted.matchers) {
                let freed = series.remove(deleted.from_ms, deleted.to_ms);
                self.ingest.ledger.free(freed);
            }
        }
        let tenant = self.shared.blocks();
        let concerned = tenant.by_tenant.get(&deleted.tenant).into_iter().flatten();
        if concerned.into_iter().any(|block| block.meta.number < deleted.below_block) {
            self.catalogue.delete(deleted);
        }
    }
}
