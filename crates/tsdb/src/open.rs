//! Opening: blocks, then the log behind them.

use std::collections::VecDeque;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Condvar, Mutex, RwLock};

use hinomi_disk::file::{create_dir, names_in};

use crate::block::{self, Block};
use crate::catalogue::Catalogue;
use crate::db::{Blocks, Db, Figures, Ingest, Shared};
use crate::exemplars::Exemplars;
use crate::head::{Ledger, Slots};
use crate::metadata::Families;
use crate::replay::replay;
use crate::wal::Wal;
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
        let mut families = Families::new(options.budget.clone(), options.families_max);
        match families.load(&options.folder) {
            Err(error @ crate::Error::Corrupt { .. }) => recovery.damage.push(error.to_string()),
            loaded => loaded?,
        }
        let ledger = Ledger::new(options.budget.clone());
        let ingest = Ingest { slots: Slots::default(), ledger, epochs: VecDeque::new(), epoch: 0 };
        let exemplars = Exemplars::new(options.budget.clone(), options.exemplars_max);
        let figures = Figures {
            series: ingest.slots.shown(),
            bytes: ingest.ledger.shown(),
            exemplars: exemplars.shown(),
        };
        let shared = Arc::new(Shared {
            decoded: block::Decoded::new(options.budget.clone()),
            wal: opened.wal,
            ingest: Mutex::new(ingest),
            tenants: RwLock::default(),
            blocks: RwLock::new(Arc::new(blocks)),
            exemplars: RwLock::new(exemplars),
            figures,
            families: RwLock::new(families),
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
