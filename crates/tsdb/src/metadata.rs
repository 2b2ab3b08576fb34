//! What is said about families of metrics: in memory, in the log, and in a file that outlives the log.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLockReadGuard, RwLockWriteGuard};

use hinomi_base::budget::Budget;
use hinomi_disk::file::write_atomic_on;
use hinomi_disk::fs::Fs;
use hinomi_model::Tenant;
use hinomi_model::metrics::Metadata;

use crate::bytes::{as_u64, put_varint};
use crate::db::{Db, Shared};
use crate::head::Ledger;
use crate::sealed::Sealed;
use crate::wal::{self, MetadataEntry, put_metadata, take_metadata};
use crate::{Appended, Batch, Error, Result};

const NAME: &str = "metadata";
const FORM: Sealed =
    Sealed { magic: b"HNMSMTA\n", version: 1, bytes_max: 256 << 20, stranger: "it is no file of metadata" };

/// The texts of one family have at most this many bytes together.
const FAMILY_BYTES_MAX: usize = 64 << 10;
/// What a family costs in memory beside its texts, about.
const FAMILY_BYTES: u64 = 180;
/// Families that are heard while others wait for their turn.
const HEARD_AT_ONCE: usize = 256;

#[derive(Debug)]
struct Said {
    metadata: Metadata,
    /// Grows with every word on any family.
    when: u64,
}

/// Those of one tenant.
#[derive(Debug, Default)]
struct Told {
    by_name: BTreeMap<Arc<str>, Said>,
    /// The same by `when`: the first one was spoken of longest ago.
    by_age: BTreeMap<u64, Arc<str>>,
}

impl Told {
    fn forget(&mut self, family: &str) -> Option<u64> {
        let said = self.by_name.remove(family)?;
        self.by_age.remove(&said.when);
        Some(size_of(family, &said.metadata))
    }
}

/// What is known, by tenant and family.
#[derive(Debug)]
pub(crate) struct Families {
    tenants: BTreeMap<Arc<str>, Told>,
    ledger: Ledger,
    words: u64,
    /// Most of a tenant.
    count_max: usize,
    /// Most bytes of all.
    bytes_max: u64,
    /// Whether the file lacks something.
    dirty: bool,
}

fn texts(family: &str, metadata: &Metadata) -> usize {
    family.len().saturating_add(metadata.help.len()).saturating_add(metadata.unit.len())
}

fn size_of(family: &str, metadata: &Metadata) -> u64 {
    as_u64(texts(family, metadata)).saturating_add(FAMILY_BYTES)
}

/// What became of a word on a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It is kept, and is to be logged.
    New,
    /// It was known.
    Known,
    /// It is too long, or there is no room.
    Refused,
}

impl Families {
    pub(crate) fn new(budget: Budget, count_max: usize) -> Self {
        let bytes_max = budget.limit_bytes() / 32;
        let ledger = Ledger::new(budget);
        Self { tenants: BTreeMap::new(), ledger, words: 0, count_max, bytes_max, dirty: false }
    }

    /// Hears a word. At the limit of a tenant the family that was spoken of longest ago gives way.
    pub(crate) fn hear(&mut self, tenant: &Arc<str>, family: &str, metadata: &Metadata) -> Heard {
        self.words = self.words.saturating_add(1);
        if let Some(told) = self.tenants.get_mut(tenant)
            && let Some(said) = told.by_name.get_mut(family)
        {
            if let Some(name) = told.by_age.remove(&said.when) {
                told.by_age.insert(self.words, name);
            }
            said.when = self.words;
            if said.metadata == *metadata {
                return Heard::Known;
            }
        }
        if family.is_empty() || texts(family, metadata) > FAMILY_BYTES_MAX || self.count_max == 0 {
            return Heard::Refused;
        }
        self.forget(tenant, family);
        let bytes = size_of(family, metadata);
        let full = |told: &Told| told.by_name.len() >= self.count_max;
        if self.tenants.get(tenant).is_some_and(full) {
            self.forget_oldest(tenant);
        }
        while self.ledger.used().saturating_add(bytes) > self.bytes_max || !self.ledger.prepare(bytes) {
            if !self.forget_oldest(tenant) {
                return Heard::Refused;
            }
        }
        self.ledger.add(bytes);
        let said = Said { metadata: metadata.clone(), when: self.words };
        let (told, name) = (self.tenants.entry(Arc::clone(tenant)).or_default(), Arc::<str>::from(family));
        told.by_age.insert(self.words, Arc::clone(&name));
        told.by_name.insert(name, said);
        self.dirty = true;
        Heard::New
    }

    fn knows(&self, tenant: &Arc<str>, family: &str) -> bool {
        self.tenants.get(tenant).is_some_and(|told| told.by_name.contains_key(family))
    }

    fn forget(&mut self, tenant: &Arc<str>, family: &str) {
        let freed = self.tenants.get_mut(tenant).and_then(|told| told.forget(family));
        self.ledger.free(freed.unwrap_or_default());
    }

    fn forget_oldest(&mut self, tenant: &Arc<str>) -> bool {
        let oldest = self.tenants.get(tenant).and_then(|told| told.by_age.values().next().cloned());
        oldest.is_some_and(|family| {
            self.forget(tenant, &family);
            true
        })
    }

    /// Reads the file. What was damaged is told in words.
    pub(crate) fn load(&mut self, dir: &Path) -> std::result::Result<(), Error> {
        let read = FORM.read(&dir.join(NAME), |reader| {
            for _ in 0..reader.varint()? {
                let MetadataEntry { tenant, family, metadata } = take_metadata(reader)?;
                self.hear(&tenant.as_str().into(), &family, &metadata);
            }
            Ok(())
        });
        if read?.is_none() {
            return Ok(());
        }
        self.dirty = false;
        Ok(())
    }

    fn encode(&self) -> Vec<u8> {
        let count = self.tenants.values().fold(0, |sum: usize, told| sum.saturating_add(told.by_name.len()));
        let mut body = Vec::new();
        put_varint(&mut body, as_u64(count));
        for (tenant, told) in &self.tenants {
            for (family, said) in &told.by_name {
                put_metadata(&mut body, tenant, family, &said.metadata);
            }
        }
        FORM.seal(&body)
    }
}

impl Shared {
    pub(crate) fn families(&self) -> RwLockReadGuard<'_, Families> {
        self.families.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn families_mut(&self) -> RwLockWriteGuard<'_, Families> {
        self.families.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hears what a batch says about families of a tenant, and queues it for the log. Others have their turn meanwhile:
    /// neither the samples nor the families wait until all of a large batch is heard. Returns the number of the last
    /// record, as [`Wal::push`](crate::wal::Wal::push).
    pub(crate) fn hear(&self, tenant: &Arc<str>, batch: &Batch, appended: &mut Appended) -> Option<u64> {
        let (mut last, mut new) = (None, 0_usize);
        for words in batch.metadata.chunks(HEARD_AT_ONCE) {
            let mut encoder = wal::Encoder::with_room(0);
            let mut families = self.families_mut();
            for (family, metadata) in words {
                // More new ones than a tenant may have would only push out one another.
                let heard = match new < families.count_max || families.knows(tenant, family) {
                    true => families.hear(tenant, family, metadata),
                    false => Heard::Refused,
                };
                let count = match heard {
                    Heard::Refused => &mut appended.metadata_rejected,
                    Heard::New | Heard::Known => &mut appended.metadata,
                };
                *count = count.saturating_add(1);
                if heard == Heard::New {
                    new = new.saturating_add(1);
                    encoder.metadata(tenant, family, metadata);
                }
            }
            // In the order in which they were heard, so that a start ends with the same last word.
            last = Some(self.wal.push(encoder.finish()));
        }
        last
    }

    /// Writes the file if it lacks something, so that the log may be cut.
    pub(crate) fn save_families(&self, fs: &dyn Fs, dir: &Path) -> Result<()> {
        let families = self.families();
        if !families.dirty {
            return Ok(());
        }
        let (bytes, words) = (families.encode(), families.words);
        drop(families);
        write_atomic_on(fs, &dir.join(NAME), &bytes)?;
        let mut families = self.families_mut();
        // What was said meanwhile is in a part of the log that stays, but the next file is to have it.
        families.dirty = families.words != words;
        Ok(())
    }
}

impl Db {
    /// What is said about the families of a tenant, or about the one that is named; in order of their names, at most
    /// `limit`.
    #[must_use]
    pub fn metadata(&self, tenant: &Tenant, family: Option<&str>, limit: usize) -> Vec<(String, Metadata)> {
        let all = self.shared.families();
        let Some(Told { by_name: families, .. }) = all.tenants.get(tenant.0.as_str()) else {
            return Vec::new();
        };
        let entry = |(name, said): (&Arc<str>, &Said)| (name.to_string(), said.metadata.clone());
        match family {
            Some(family) => families.get_key_value(family).into_iter().take(limit).map(entry).collect(),
            None => families.iter().take(limit).map(entry).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(help: &str) -> Metadata {
        Metadata { help: help.into(), ..Metadata::default() }
    }

    #[test]
    fn the_last_word_counts_and_the_longest_unspoken_of_gives_way() {
        let mut families = Families::new(Budget::new(64 << 20), 2);
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        assert_eq!(families.hear(&a, "x", &says("1")), Heard::New);
        assert_eq!(families.hear(&a, "y", &says("1")), Heard::New);
        assert_eq!(families.hear(&a, "x", &says("1")), Heard::Known);
        assert_eq!(families.hear(&b, "x", &says("2")), Heard::New);
        assert_eq!(families.hear(&a, "z", &says("1")), Heard::New);
        let names: Vec<_> = families.tenants[&a].by_name.keys().map(|name| name.to_string()).collect();
        assert_eq!(names, ["x", "z"], "y was spoken of longest ago");
        assert_eq!(families.hear(&a, "x", &says("2")), Heard::New);
        assert_eq!(families.hear(&a, "w", &says(&"-".repeat(FAMILY_BYTES_MAX))), Heard::Refused);
        assert_eq!(families.hear(&a, "", &says("1")), Heard::Refused);
        let bytes = families.ledger.used();
        assert_eq!(bytes, 3 * (FAMILY_BYTES + 2));
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(NAME), families.encode()).unwrap();
        let mut back = Families::new(Budget::new(64 << 20), 2);
        back.load(dir.path()).unwrap();
        assert_eq!(back.encode(), families.encode());
        let mut damaged = families.encode();
        *damaged.last_mut().unwrap() ^= 1;
        std::fs::write(dir.path().join(NAME), damaged).unwrap();
        assert!(matches!(back.load(dir.path()), Err(Error::Corrupt { .. })));
    }

    #[test]
    fn a_tenant_s_many_families_take_no_long_time() {
        let folder = tempfile::tempdir().unwrap();
        let options = crate::Options::new(
            folder.path().to_path_buf(),
            hinomi_base::clock::Clock::system(),
            Budget::new(512 << 20),
        );
        let most = options.families_max;
        let (db, _) = Db::open(options).unwrap();
        let mut batch = Batch::new();
        (0..3 * most).for_each(|at| batch.metadata(&format!("first_{at}"), says("1")));
        let began = std::time::Instant::now();
        let appended = db.append(&Tenant::default(), &batch).unwrap();
        let (kept, more) = (u64::try_from(most).unwrap(), u64::try_from(2 * most).unwrap());
        assert_eq!(
            (appended.metadata, appended.metadata_rejected),
            (kept, more),
            "no more than there may be"
        );
        batch.clear();
        (0..most).for_each(|at| batch.metadata(&format!("second_{at}"), says("1")));
        let appended = db.append(&Tenant::default(), &batch).unwrap();
        assert_eq!(
            (appended.metadata, appended.metadata_rejected),
            (kept, 0),
            "each pushes out an older one"
        );
        assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
        let known = db.metadata(&Tenant::default(), None, usize::MAX);
        assert_eq!(known.len(), most);
        assert!(known.iter().all(|(name, _)| name.starts_with("second_")));
    }
}
