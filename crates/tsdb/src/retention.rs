//! Old blocks go: by age, and by what all of them take on the disk.

use std::sync::Arc;

use crate::Result;
use crate::block::Block;
use crate::compact::forget_deletions;
use crate::db::{Db, Shared};
use crate::options::millis;

impl Db {
    /// Removes blocks that are older than they may be, and the oldest ones while all take more room than they may.
    /// Returns how many went.
    ///
    /// # Errors
    ///
    /// The catalogue cannot be written.
    pub fn retain(&self) -> Result<usize> {
        self.shared.retain_due()
    }
}

impl Shared {
    pub(crate) fn retain_due(&self) -> Result<usize> {
        let oldest = self.now_ms().saturating_sub(millis(self.options.retention));
        self.exemplars_mut().forget_before(oldest);
        let merging = self.merging();
        let blocks = self.blocks();
        let mut all: Vec<&Arc<Block>> = blocks.by_tenant.values().flatten().collect();
        all.sort_by_key(|block| block.meta.max_ms);
        let mut bytes = all.iter().fold(self.wal.bytes(), |sum, block| sum.saturating_add(block.bytes()));
        let mut gone: Vec<&Arc<Block>> = Vec::new();
        for block in all {
            if block.meta.max_ms >= oldest && bytes <= self.options.disk_max_bytes {
                break;
            }
            bytes = bytes.saturating_sub(block.bytes());
            gone.push(block);
        }
        if gone.is_empty() {
            return Ok(0);
        }
        let numbers: Vec<u64> = gone.iter().map(|block| block.meta.number).collect();
        self.change_blocks(|blocks| {
            let lists = blocks.by_tenant.values_mut();
            lists.for_each(|list| list.retain(|block| !numbers.contains(&block.meta.number)));
            blocks.by_tenant.retain(|_, list| !list.is_empty());
        });
        gone.iter().for_each(|block| self.remove_file(block));
        forget_deletions(self, &merging)?;
        Ok(gone.len())
    }

    /// Removes a block's file; whoever still reads it goes on.
    pub(crate) fn remove_file(&self, block: &Block) {
        if let Err(error) = self.options.fs.remove(block.path()) {
            tracing::warn!(%error, path = %block.path().display(), "could not remove a block; the next start tries again");
        }
    }
}
