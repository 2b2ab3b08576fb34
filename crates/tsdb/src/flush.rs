//! From memory into blocks, and the log cut behind them.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::Result;
use crate::block::{Block, Meta, Writer};
use crate::catalogue::{Catalogue, Flush};
use crate::codec::Effort;
use crate::db::{Db, Epoch, Shared};
use crate::head::TenantHead;

/// What is to go of a tenant.
struct Part {
    head: Arc<TenantHead>,
    /// Samples before this time.
    before: i64,
    /// Of the series that are then without samples, those whose last one lay before this time. The others stay: senders
    /// name them by reference, and the last sample decides what is taken next.
    idle_before: i64,
}

impl Part {
    fn everything(head: Arc<TenantHead>) -> Self {
        Self { head, before: i64::MAX, idle_before: i64::MAX }
    }
}

impl Db {
    /// Writes everything that is in memory into blocks, however little it is.
    ///
    /// # Errors
    ///
    /// The disk refuses; the samples are still in memory and in the log.
    pub fn flush(&self) -> Result<()> {
        let shared = &*self.shared;
        let heads = shared.heads().into_iter().filter(|head| head.oldest() < i64::MAX);
        let plan: Vec<_> = heads.map(Part::everything).collect();
        let mut catalogue = shared.catalogue();
        if plan.is_empty() { Ok(()) } else { flush(shared, &mut catalogue, &plan) }
    }
}

impl Shared {
    /// Writes what is due: of tenants whose samples span one and a half blocks the older ones, and all of tenants that
    /// fell silent; everything of all tenants if the log holds more than a start is to read.
    pub(crate) fn flush_due(&self) -> Result<()> {
        let full = self.log_is_full();
        let heads = self.heads().into_iter();
        let plan: Vec<_> = heads.filter_map(|head| self.part_due(head, full)).collect();
        let mut catalogue = self.catalogue();
        if plan.is_empty() && !full { Ok(()) } else { flush(self, &mut catalogue, &plan) }
    }

    /// Whether the log, which a start reads as a whole, has grown to what it may be.
    fn log_is_full(&self) -> bool {
        self.ingest().logged_samples() >= self.options.log_samples_max
            || self.wal.bytes() >= self.options.log_bytes_max
    }

    fn part_due(&self, head: Arc<TenantHead>, full: bool) -> Option<Part> {
        let (span, now) = (self.options.span_ms(), self.now_ms());
        let silent = head.touched() > i64::MIN && now.saturating_sub(head.touched()) > span;
        if silent {
            return (!head.is_empty()).then(|| Part::everything(head));
        }
        let (oldest, newest) = (head.oldest(), head.newest());
        if oldest == i64::MAX {
            return None;
        }
        let idle_before = newest.saturating_sub(span / 2);
        if full {
            return Some(Part { before: i64::MAX, idle_before, head });
        }
        let before = idle_before.div_euclid(span).saturating_mul(span);
        let long = newest.saturating_sub(oldest) >= span.saturating_add(span / 2);
        (long && oldest < before).then_some(Part { head, before, idle_before })
    }
}

fn flush(shared: &Shared, catalogue: &mut Catalogue, plan: &[Part]) -> Result<()> {
    // What comes from here on is named anew and may lie before the limits: it stays in the log.
    let mut ingest = shared.ingest();
    shared.wal.begin_file();
    let below = shared.begin_epoch(&mut ingest);
    drop(ingest);
    let mut flushed = Flush { below, before_ms: Vec::new() };
    for part in plan {
        flush_tenant(shared, catalogue, part)?;
        flushed.before_ms.push((Arc::clone(&part.head.name), part.before));
    }
    catalogue.flushes.push(flushed);
    let mut ingest = shared.ingest();
    let last = ingest.epochs.len().saturating_sub(1);
    let done = |epoch: &Epoch, end: u64| {
        epoch.newest.iter().all(|(tenant, newest)| {
            let mut flushes = catalogue.flushes.iter().filter(|flush| flush.below >= end);
            flushes.any(|flush| flush.before(tenant).is_some_and(|before| *newest < before))
        })
    };
    let ends: Vec<u64> = ingest.epochs.iter().skip(1).map(|epoch| epoch.first).collect();
    let gone =
        ingest.epochs.iter().take(last).zip(&ends).take_while(|(epoch, end)| done(epoch, **end)).count();
    ingest.epochs.drain(..gone);
    let first = ingest.epochs.front().map_or(below, |epoch| epoch.first);
    drop(ingest);
    // Numbers of records go on from the catalogue's: those before it have to be there.
    shared.wal.commit(below)?;
    shared.wal.sync()?;
    shared.save_families(&*shared.options.fs, &shared.options.folder)?;
    catalogue.forget_flushes(shared.wal.first());
    catalogue.save(&*shared.options.fs, &shared.options.folder)?;
    shared.wal.remove_before(first)
}

fn flush_tenant(shared: &Shared, catalogue: &mut Catalogue, part: &Part) -> Result<()> {
    let head = &*part.head;
    let all = head.sorted();
    let grown = all.iter().map(|series| series.freeze(part.before)).fold(0, i64::saturating_add);
    shared.ingest().ledger.change(grown);
    let span = shared.options.span_ms();
    let mut windows = BTreeSet::new();
    all.iter().for_each(|series| series.windows(span, &mut windows));
    for window in windows {
        let end = window.saturating_add(span.saturating_sub(1));
        let written = write_window(shared, catalogue, head, &all, (window, end));
        if let Err(error) = written {
            let grown = all.iter().map(|series| series.thaw()).fold(0, i64::saturating_add);
            shared.ingest().ledger.change(grown);
            return Err(error);
        }
    }
    let mut ingest = shared.ingest();
    let freed = all.iter().map(|series| series.forget_frozen()).fold(0, u64::saturating_add);
    let collected = ingest.slots.collect(head, part.idle_before);
    ingest.ledger.free(freed.saturating_add(collected));
    head.find_oldest();
    Ok(())
}

fn write_window(
    shared: &Shared,
    catalogue: &mut Catalogue,
    head: &TenantHead,
    all: &[Arc<crate::head::Series>],
    (from, to): (i64, i64),
) -> Result<()> {
    let number = catalogue.next_block;
    catalogue.next_block = number.saturating_add(1);
    let meta = Meta { tenant: head.name.to_string(), number, rank: number, ..Meta::default() };
    let dir = shared.blocks_dir();
    let mut writer = Writer::create(Arc::clone(&shared.options.fs), &dir, meta, Effort::Quick)?;
    for series in all {
        writer.add(&series.labels, &series.read_frozen(from, to))?;
    }
    if writer.commit()?.is_some() {
        let block = Arc::new(Block::open(&dir.join(crate::block::file_name(number)))?);
        shared.change_blocks(|blocks| {
            blocks.by_tenant.entry(head.name.to_string()).or_default().push(block);
        });
    }
    Ok(())
}
