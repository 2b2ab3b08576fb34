//! Deletion by matchers.

use std::sync::Arc;

use hinomi_model::Tenant;
use hinomi_series::{Labels, Matcher};

use crate::db::{Blocks, Db};
use crate::wal::DeleteRecord;
use crate::{Error, Result};

/// Matchers of one deletion have at most this many bytes.
const MATCHERS_BYTES_MAX: usize = 64 << 10;
/// Deletions that wait to be applied for good; more are refused.
const DELETIONS_MAX: usize = 10_000;

impl Db {
    /// Deletes the samples from `from_ms` to `to_ms`, both inclusive, of the series that all `matchers` accept. Samples
    /// that come later are not concerned. Files shrink when blocks are merged, or by [`Self::purge_deleted`].
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`]: no matchers, or too many; a disk that refuses: the deletion may be done in part, and is to
    /// be asked for again.
    pub fn delete(&self, tenant: &Tenant, matchers: &[Matcher], from_ms: i64, to_ms: i64) -> Result<()> {
        let bytes = matchers.iter().map(|matcher| matcher.name.len().saturating_add(matcher.value.len()));
        let bytes = bytes.fold(matchers.len(), usize::saturating_add);
        if matchers.is_empty() || bytes > MATCHERS_BYTES_MAX {
            return Err(Error::Invalid(format!(
                "a deletion needs matchers, of at most {MATCHERS_BYTES_MAX} bytes; these have {bytes}"
            )));
        }
        let shared = &*self.shared;
        let mut catalogue = shared.catalogue();
        if catalogue.deleted.len() >= DELETIONS_MAX {
            return Err(Error::Invalid(format!(
                "{DELETIONS_MAX} deletions wait to be applied: let the blocks be purged first"
            )));
        }
        shared.wal.admit()?;
        let record = DeleteRecord {
            tenant: tenant.0.clone(),
            below_block: catalogue.next_block,
            from_ms,
            to_ms,
            matchers: matchers.to_vec(),
        };
        let mut ingest = shared.ingest();
        let number = shared.wal.push(vec![record.encode()]);
        if let Some(head) = shared.head(&tenant.0) {
            for series in head.matching(matchers) {
                let freed = series.remove(from_ms, to_ms);
                ingest.ledger.free(freed);
            }
            let collected = ingest.slots.collect(&head, i64::MAX);
            ingest.ledger.free(collected);
            head.find_oldest();
        }
        drop(ingest);
        shared.wal.commit(number)?;
        let blocks = shared.blocks();
        if blocks.by_tenant.get(&tenant.0).is_some_and(|list| !list.is_empty()) {
            catalogue.delete(record);
            catalogue.save(&*shared.options.fs, &shared.options.folder)?;
            let deleted = catalogue.deleted.iter().cloned().map(Arc::new).collect();
            shared.change_blocks(|blocks| blocks.deleted = deleted);
        }
        Ok(())
    }
}

/// Deletions that concern a block.
#[derive(Debug, Default)]
pub(crate) struct Deletions(Vec<Arc<DeleteRecord>>);

impl Blocks {
    /// Those that concern a block.
    pub(crate) fn deletions(&self, block: &crate::block::Block) -> Deletions {
        let concerns = |record: &&Arc<DeleteRecord>| {
            record.tenant == block.meta.tenant
                && block.meta.number < record.below_block
                && block.overlaps(record.from_ms, record.to_ms)
        };
        Deletions(self.deleted.iter().filter(concerns).cloned().collect())
    }
}

impl Deletions {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Ranges of time in which the samples of a series are deleted, both ends inclusive.
    pub(crate) fn ranges(&self, labels: &Labels) -> Vec<(i64, i64)> {
        let concerns = |record: &&Arc<DeleteRecord>| {
            record.matchers.iter().all(|matcher| matcher.matches(labels.value(&matcher.name)))
        };
        self.0.iter().filter(concerns).map(|record| (record.from_ms, record.to_ms)).collect()
    }
}
