//! Small blocks become large ones; what was deleted goes for good.

use std::sync::{Arc, MutexGuard};

use crate::Result;
use crate::block::{Block, BlockIndex, ColumnCache, Meta, Writer, file_name};
use crate::bytes::as_u64;
use crate::codec::Effort;
use crate::db::{Blocks, Db, Shared};
use crate::delete::Deletions;
use crate::options::millis;
use crate::run::{Run, merge};

/// Blocks are merged within stretches of so many block spans: two hours become six, then a day.
const STRETCHES: [i64; 3] = [1, 3, 12];
/// Blocks that are merged at once: each has its index in memory meanwhile.
const SOURCES_MAX: usize = 8;

impl Db {
    /// Merges blocks as far as that is due. Returns how many merges there were.
    ///
    /// # Errors
    ///
    /// A block cannot be read or written; the old ones are then still there.
    pub fn compact(&self) -> Result<usize> {
        self.shared.compact_due(usize::MAX)
    }

    /// Rewrites the blocks from which something was deleted, so that it is gone from the disk.
    ///
    /// # Errors
    ///
    /// As [`Self::compact`].
    pub fn purge_deleted(&self) -> Result<()> {
        let shared = &*self.shared;
        let merging = shared.merging();
        let blocks = shared.blocks();
        for block in blocks.by_tenant.values().flatten() {
            if !blocks.deletions(block).is_empty() {
                rewrite(shared, &merging, std::slice::from_ref(block), Effort::Thorough)?;
            }
        }
        forget_deletions(shared, &merging)
    }
}

impl Shared {
    /// Does at most `most` merges that are due.
    pub(crate) fn compact_due(&self, most: usize) -> Result<usize> {
        let mut done = 0_usize;
        while done < most {
            let merging = self.merging();
            let blocks = self.blocks();
            let retention = millis(self.options.retention);
            let span = self.options.span_ms();
            let Some((group, effort)) = blocks.by_tenant.values().find_map(|list| due(list, span, retention))
            else {
                break;
            };
            rewrite(self, &merging, &group, effort)?;
            forget_deletions(self, &merging)?;
            done = done.saturating_add(1);
        }
        Ok(done)
    }
}

/// The first stretch, shortest first, that is over and holds several blocks.
fn due(list: &[Arc<Block>], span: i64, retention: i64) -> Option<(Vec<Arc<Block>>, Effort)> {
    let newest = list.iter().map(|block| block.meta.max_ms).max()?;
    let stretches = STRETCHES.map(|factor| span.saturating_mul(factor));
    let allowed = |stretch: &&i64| **stretch == span || **stretch <= retention / 4;
    let last = stretches.iter().rfind(allowed).copied();
    for stretch in stretches.iter().filter(allowed).copied() {
        let begin = |t: i64| t.div_euclid(stretch).saturating_mul(stretch);
        let mut within: Vec<&Arc<Block>> =
            list.iter().filter(|block| begin(block.meta.min_ms) == begin(block.meta.max_ms)).collect();
        // In each stretch in order of their ranks, as those that are merged first have to be the first ones.
        within.sort_by_key(|block| (begin(block.meta.min_ms), block.meta.rank));
        for group in within.chunk_by(|a, b| begin(a.meta.min_ms) == begin(b.meta.min_ms)) {
            let over =
                group.first().is_some_and(|block| begin(block.meta.min_ms).saturating_add(stretch) <= newest);
            if over && group.len() > 1 {
                let effort = if Some(stretch) == last { Effort::Thorough } else { Effort::Careful };
                let group = group.iter().take(SOURCES_MAX).map(|block| Arc::clone(block)).collect();
                return Some((group, effort));
            }
        }
    }
    None
}

/// One block on its way into another.
struct Source {
    block: Arc<Block>,
    index: Arc<BlockIndex>,
    deletions: Deletions,
    cache: ColumnCache,
    next: u32,
    /// Labels of the next series, and its samples.
    held: Option<(hinomi_series::Labels, Run)>,
}

impl Source {
    fn new(blocks: &Blocks, block: &Arc<Block>) -> Result<Self> {
        let mut source = Self {
            block: Arc::clone(block),
            index: block.index()?,
            deletions: blocks.deletions(block),
            cache: ColumnCache::default(),
            next: 0,
            held: None,
        };
        source.advance()?;
        Ok(source)
    }

    fn advance(&mut self) -> Result<()> {
        self.held = None;
        if u64::from(self.next) >= as_u64(self.index.len()) {
            return Ok(());
        }
        let (labels, chunks) = self.block.series(&self.index, self.next)?;
        let run = self.block.read(&self.index, &mut self.cache, &chunks, (i64::MIN, i64::MAX))?;
        let run = if self.deletions.is_empty() { run } else { run.without(&self.deletions.ranges(&labels)) };
        self.next = self.next.saturating_add(1);
        self.held = Some((labels, run));
        Ok(())
    }
}

/// Puts one block in the place of others. Meanwhile blocks may be written and samples deleted: a deletion that comes
/// after the new number was taken concerns the new block too.
fn rewrite(
    shared: &Shared,
    _merging: &MutexGuard<'_, ()>,
    group: &[Arc<Block>],
    effort: Effort,
) -> Result<()> {
    let mut group = group.to_vec();
    group.sort_by_key(|block| block.meta.rank);
    let Some((tenant, rank)) = group.first().map(|first| (first.meta.tenant.clone(), first.meta.rank)) else {
        return Ok(());
    };
    let mut catalogue = shared.catalogue();
    let number = catalogue.next_block;
    catalogue.next_block = number.saturating_add(1);
    let blocks = shared.blocks();
    drop(catalogue);
    let replaces: Vec<u64> = group.iter().map(|block| block.meta.number).collect();
    let meta = Meta { tenant: tenant.clone(), number, rank, replaces: replaces.clone(), ..Meta::default() };
    let dir = shared.blocks_dir();
    let mut writer = Writer::create(Arc::clone(&shared.options.fs), &dir, meta, effort)?;
    let mut sources = group.iter().map(|block| Source::new(&blocks, block)).collect::<Result<Vec<_>>>()?;
    while let Some(labels) =
        sources.iter().filter_map(|s| s.held.as_ref()).map(|(labels, _)| labels).min().cloned()
    {
        let mut runs = Vec::new();
        for source in &mut sources {
            if let Some((_, run)) = source.held.take_if(|(held, _)| *held == labels) {
                runs.push(run);
                source.advance()?;
            }
        }
        writer.add(&labels, &merge(runs))?;
    }
    let written = writer.commit()?;
    let new = match written {
        Some(_) => Some(Arc::new(Block::open(&dir.join(file_name(number)))?)),
        None => None,
    };
    shared.change_blocks(|blocks| {
        let list = blocks.by_tenant.entry(tenant).or_default();
        list.retain(|block| !replaces.contains(&block.meta.number));
        list.extend(new);
        list.sort_by_key(|block| block.meta.rank);
    });
    group.iter().for_each(|block| shared.remove_file(block));
    Ok(())
}

/// Lets go of deletions that no block needs any more.
pub(crate) fn forget_deletions(shared: &Shared, _merging: &MutexGuard<'_, ()>) -> Result<()> {
    let mut catalogue = shared.catalogue();
    let blocks = shared.blocks();
    let before = catalogue.deleted.len();
    catalogue.deleted.retain(|record| {
        let list = blocks.by_tenant.get(&record.tenant).into_iter().flatten();
        list.into_iter().any(|block| {
            block.meta.number < record.below_block && block.overlaps(record.from_ms, record.to_ms)
        })
    });
    if catalogue.deleted.len() == before {
        return Ok(());
    }
    catalogue.save(&*shared.options.fs, &shared.options.folder)?;
    let deleted = catalogue.deleted.iter().cloned().map(Arc::new).collect();
    shared.change_blocks(|blocks| blocks.deleted = deleted);
    Ok(())
}
