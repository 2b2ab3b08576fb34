//! The small file that says which samples of the log are in blocks, and what was deleted from blocks.

use std::path::Path;
use std::sync::Arc;

use hinomi_disk::file::write_atomic_on;
use hinomi_disk::fs::Fs;

use crate::Result;
use crate::bytes::{Fault, Reader, as_u64, put_bytes, put_signed, put_varint};
use crate::sealed::Sealed;
use crate::wal::DeleteRecord;

const NAME: &str = "catalogue";
const FORM: Sealed =
    Sealed { magic: b"HNMSCAT\n", version: 1, bytes_max: 64 << 20, stranger: "it is no catalogue" };

/// Samples of records below `below` with times before a tenant's limit are in blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flush {
    pub(crate) below: u64,
    pub(crate) before_ms: Vec<(Arc<str>, i64)>,
}

impl Flush {
    /// Time before which samples of the tenant are in blocks.
    pub(crate) fn before(&self, tenant: &str) -> Option<i64> {
        self.before_ms.iter().find(|(name, _)| &**name == tenant).map(|(_, before)| *before)
    }
}

/// The file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Catalogue {
    pub(crate) next_block: u64,
    pub(crate) flushes: Vec<Flush>,
    pub(crate) deleted: Vec<DeleteRecord>,
}

impl Catalogue {
    /// Reads it; an empty one where there is none.
    pub(crate) fn load(dir: &Path) -> Result<Self> {
        Ok(FORM.read(&dir.join(NAME), Self::decode)?.unwrap_or_default())
    }

    /// Writes it.
    pub(crate) fn save(&self, fs: &dyn Fs, dir: &Path) -> Result<()> {
        write_atomic_on(fs, &dir.join(NAME), &FORM.seal(&self.encode()))?;
        Ok(())
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_varint(&mut out, self.next_block);
        put_varint(&mut out, as_u64(self.flushes.len()));
        for flush in &self.flushes {
            put_varint(&mut out, flush.below);
            put_varint(&mut out, as_u64(flush.before_ms.len()));
            for (tenant, before) in &flush.before_ms {
                put_bytes(&mut out, tenant.as_bytes());
                put_signed(&mut out, *before);
            }
        }
        put_varint(&mut out, as_u64(self.deleted.len()));
        for deleted in &self.deleted {
            deleted.put(&mut out);
        }
        out
    }

    fn decode(reader: &mut Reader<'_>) -> std::result::Result<Self, Fault> {
        let mut catalogue = Self { next_block: reader.varint()?, ..Self::default() };
        for _ in 0..reader.len(reader.0.len())? {
            let mut flush = Flush { below: reader.varint()?, before_ms: Vec::new() };
            for _ in 0..reader.len(reader.0.len())? {
                flush.before_ms.push((reader.text()?.into(), reader.signed()?));
            }
            catalogue.flushes.push(flush);
        }
        for _ in 0..reader.len(reader.0.len())? {
            catalogue.deleted.push(DeleteRecord::take(reader)?);
        }
        Ok(catalogue)
    }

    /// Samples of the tenant in that record are in blocks if they lie before this time.
    pub(crate) fn flushed_before(&self, record: u64, tenant: &str) -> i64 {
        let flushes = self.flushes.iter().filter(|flush| record < flush.below);
        flushes.filter_map(|flush| flush.before(tenant)).max().unwrap_or(i64::MIN)
    }

    /// Lets go of what the newest flush says too, and of what concerns only records below `first`, which are gone. The
    /// newest one stays: numbers of records go on from it.
    pub(crate) fn forget_flushes(&mut self, first: u64) {
        let Some(mut newest) = self.flushes.pop() else { return };
        self.flushes.retain_mut(|flush| {
            flush
                .before_ms
                .retain(|(tenant, before)| newest.before(tenant).is_none_or(|newer| newer < *before));
            flush.below > first && !flush.before_ms.is_empty()
        });
        if newest.below <= first {
            newest.before_ms.clear();
        }
        self.flushes.push(newest);
    }

    /// Adds a deletion unless it is there.
    pub(crate) fn delete(&mut self, record: DeleteRecord) {
        let bytes = record.encode();
        if !self.deleted.iter().any(|known| known.encode() == bytes) {
            self.deleted.push(record);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;
    use hinomi_disk::fs::Real;
    use hinomi_series::Matcher;

    #[test]
    fn comes_back_and_notices_damage() {
        let dir = tempfile::tempdir().unwrap();
        let deleted = DeleteRecord {
            tenant: "a".to_owned(),
            below_block: 4,
            from_ms: -1,
            to_ms: 9,
            matchers: vec![Matcher::equal("x", "y")],
        };
        let mut catalogue = Catalogue {
            next_block: 7,
            flushes: vec![Flush { below: 12, before_ms: vec![("a".into(), 100), ("b".into(), -3)] }],
            deleted: Vec::new(),
        };
        catalogue.delete(deleted.clone());
        catalogue.delete(deleted);
        catalogue.save(&Real, dir.path()).unwrap();
        let back = Catalogue::load(dir.path()).unwrap();
        assert_eq!((back.next_block, back.flushes.clone(), back.deleted.len()), (7, catalogue.flushes, 1));
        let before = |record, tenant| back.flushed_before(record, tenant);
        assert_eq!((before(11, "a"), before(12, "a"), before(11, "c")), (100, i64::MIN, i64::MIN));
        let path = dir.path().join(NAME);
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert!(matches!(Catalogue::load(dir.path()), Err(Error::Corrupt { .. })));
    }
}
