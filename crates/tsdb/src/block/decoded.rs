//! Columns that were decoded lately, kept for the next question: bounded, and drawn from the budget.

use std::hash::{BuildHasher as _, Hash, Hasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use hinomi_base::budget::{Budget, Share};

use crate::bytes::as_u64;
use crate::mix::Numbers;

/// They take at most this part of the budget.
const PART_OF_BUDGET: u64 = 8;
/// And at most so many bytes.
const BYTES_MAX: u64 = 256 << 20;
/// What an entry costs beside its numbers.
const ENTRY_BYTES: u64 = 96;

/// Names a column: which opening of a block, and the place of its values or the number of its times; or what all its
/// values are, as bits, behind a hash of them and of how many they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Times(u64, u32),
    Values(u64, u64),
    Same(u64, u64),
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (block, place) = match *self {
            Self::Times(block, number) => (block.wrapping_mul(2), u64::from(number)),
            Self::Values(block, place) => (block.wrapping_mul(2).wrapping_add(1), place),
            // Strangers choose the bits: they count for nothing here.
            Self::Same(hash, _) => (hash, 0),
        };
        state.write_u64(block);
        state.write_u64(place);
    }
}

#[derive(Clone, Debug)]
enum Column {
    Times(Arc<[i64]>),
    Values(Arc<[f64]>),
}

#[derive(Debug)]
struct Entry {
    column: Column,
    bytes: u64,
    _share: Share,
}

/// Two generations: what is asked for comes into the young one; when that is full, the old one goes and the young one
/// takes its place.
#[derive(Debug, Default)]
struct Generations {
    young: Numbers<Key, Entry>,
    old: Numbers<Key, Entry>,
    young_bytes: u64,
}

/// The columns.
#[derive(Debug)]
pub(crate) struct Decoded {
    budget: Budget,
    bytes_max: u64,
    secret: RandomState,
    kept: Mutex<Generations>,
}

impl Decoded {
    pub(crate) fn new(budget: Budget) -> Self {
        let bytes_max = (budget.limit_bytes() / PART_OF_BUDGET).min(BYTES_MAX);
        Self { budget, bytes_max, secret: RandomState::new(), kept: Mutex::default() }
    }

    fn get(&self, key: Key) -> Option<Column> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = kept.young.get(&key) {
            return Some(entry.column.clone());
        }
        let entry = kept.old.remove(&key)?;
        let column = entry.column.clone();
        kept.keep(key, entry, self.bytes_max / 2);
        Some(column)
    }

    fn put(&self, key: Key, column: Column, numbers: usize) {
        let bytes = as_u64(numbers).saturating_mul(8).saturating_add(ENTRY_BYTES);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let share = self.budget.take(bytes).or_else(|| {
            // Somebody needs the memory more than what was not asked for lately.
            kept.old.clear();
            self.budget.take(bytes)
        });
        if let Some(share) = share.filter(|_| bytes <= self.bytes_max / 2) {
            kept.keep(key, Entry { column, bytes, _share: share }, self.bytes_max / 2);
        }
    }

    /// A column of times.
    pub(crate) fn times(&self, key: Key) -> Option<Arc<[i64]>> {
        match self.get(key)? {
            Column::Times(times) => Some(times),
            Column::Values(_) => None,
        }
    }

    /// Keeps a column of times.
    pub(crate) fn put_times(&self, key: Key, times: &Arc<[i64]>) {
        self.put(key, Column::Times(Arc::clone(times)), times.len());
    }

    /// A column of floats.
    pub(crate) fn values(&self, key: Key) -> Option<Arc<[f64]>> {
        match self.get(key)? {
            Column::Values(values) => Some(values),
            Column::Times(_) => None,
        }
    }

    /// A column of one value: all that are alike are one in memory.
    pub(crate) fn same(&self, value: f64, count: usize) -> Arc<[f64]> {
        let bits = value.to_bits();
        let key = Key::Same(self.secret.hash_one((bits, count)), bits);
        self.values(key).filter(|values| values.len() == count).unwrap_or_else(|| {
            let values = std::iter::repeat_n(value, count).collect();
            self.put_values(key, &values);
            values
        })
    }

    /// Keeps a column of floats.
    pub(crate) fn put_values(&self, key: Key, values: &Arc<[f64]>) {
        self.put(key, Column::Values(Arc::clone(values)), values.len());
    }
}

impl Generations {
    fn keep(&mut self, key: Key, entry: Entry, young_max: u64) {
        if self.young_bytes.saturating_add(entry.bytes) > young_max {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes = self.young_bytes.saturating_add(entry.bytes);
        if let Some(before) = self.young.insert(key, entry) {
            self.young_bytes = self.young_bytes.saturating_sub(before.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_the_budget_is_kept() {
        let budget = Budget::new(80_000);
        let decoded = Decoded::new(budget.clone());
        let column: Arc<[f64]> = vec![1.0; 100].into();
        for place in 0..200 {
            decoded.put_values(Key::Values(1, place), &column);
            assert!(decoded.values(Key::Values(1, 0)).is_some(), "{place}");
            assert!(budget.used_bytes() <= 10_000, "{}", budget.used_bytes());
        }
        assert!(decoded.values(Key::Values(1, 100)).is_none());
        assert!(decoded.values(Key::Values(2, 0)).is_none() && decoded.times(Key::Times(1, 0)).is_none());
        let (zeros, more) = (decoded.same(0.0, 3), decoded.same(0.0, 4));
        assert!(*zeros == [0.0; 3] && *more == [0.0; 4]);
        assert!(Arc::ptr_eq(&zeros, &decoded.same(0.0, 3)) && !Arc::ptr_eq(&zeros, &decoded.same(-0.0, 3)));
        let all = budget.take(80_000 - budget.used_bytes());
        decoded.put_values(Key::Values(1, 500), &column);
        assert!(budget.used_bytes() <= 80_000);
        drop(decoded);
        drop(all);
        assert_eq!(budget.used_bytes(), 0);
    }
}
