//! From the encoded labels of a series to the engine's reference to it.
//!
//! Senders repeat the same labels in the same order again and again. Entries are kept in the order in which they first
//! came, so that the next one is most likely the one behind the last, and no table is asked.
//!
//! An entry knows labels by their [`Key`], 128 bits of a hash with a secret of this process, and not by their bytes:
//! these would take ten times the memory, and to compare them would cost as much as to hash them.
//!
//! What was not asked for during a while is forgotten: there are two generations, and every ten minutes, or when one is
//! full, the older one goes and what is still asked for moves on.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::time::{Duration, Instant};

use hinomi_base::budget::{Budget, Meter};
use hinomi_tsdb::SeriesRef;
use hinomi_wire::remote_write::Key;

/// Most entries of a generation.
const ENTRIES_MAX: usize = 4 << 20;
/// How long a generation is the younger one.
const GENERATION: Duration = Duration::from_mins(10);
/// What an entry takes, and its place in the table.
const ENTRY_BYTES: usize = size_of::<Entry>() + 2 * 17;

/// What is known of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Known {
    pub(super) reference: SeriesRef,
    /// What was said last about its family; 0: nothing.
    pub(super) metadata: u32,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    key: Key,
    known: Known,
    gone: bool,
}

/// Keys are hashes already.
#[derive(Clone, Copy, Debug, Default)]
struct Pass(u64);

impl Hasher for Pass {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Not asked: keys are written as one number.
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

#[derive(Debug, Default)]
struct Generation {
    /// In order of their first appearance.
    entries: Vec<Entry>,
    /// By half of the key; of two that share it, which hardly ever happens, the later one is found.
    places: HashMap<u64, u32, BuildHasherDefault<Pass>>,
}

fn half(key: Key) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = key.0.to_le_bytes();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

impl Generation {
    fn place(&self, key: Key) -> Option<usize> {
        let place = usize::try_from(*self.places.get(&half(key))?).ok()?;
        self.entries.get(place).filter(|entry| entry.key == key).map(|_| place)
    }
}

/// The series of one tenant.
#[derive(Debug)]
pub(super) struct Cache {
    young: Generation,
    old: Generation,
    /// Where the next one is expected.
    next: usize,
    begun: Instant,
    budget: Budget,
    /// What both generations have drawn.
    drawn: [Option<Meter>; 2],
}

impl Cache {
    pub(super) fn new(budget: &Budget) -> Self {
        Self {
            young: Generation::default(),
            old: Generation::default(),
            next: 0,
            begun: Instant::now(),
            budget: budget.clone(),
            drawn: [None, None],
        }
    }

    /// A request comes, or somebody looks whether none came.
    pub(super) fn begin(&mut self, now: Instant) {
        if now.saturating_duration_since(self.begun) >= GENERATION || self.young.entries.len() >= ENTRIES_MAX
        {
            self.age(now);
        }
    }

    /// Whether it knows nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.young.entries.is_empty() && self.old.entries.is_empty()
    }

    pub(super) fn age(&mut self, now: Instant) {
        self.old = std::mem::take(&mut self.young);
        let [young, old] = &mut self.drawn;
        *old = young.take();
        self.next = 0;
        self.begun = now;
    }

    #[inline]
    pub(super) fn find(&mut self, key: Key) -> Option<Known> {
        if let Some(entry) = self.young.entries.get(self.next)
            && entry.key == key
        {
            self.next += 1;
            return (!entry.gone).then_some(entry.known);
        }
        self.search(key)
    }

    fn search(&mut self, key: Key) -> Option<Known> {
        if let Some(place) = self.young.place(key) {
            self.next = place + 1;
            return self.young.entries.get(place).filter(|entry| !entry.gone).map(|entry| entry.known);
        }
        let place = self.old.place(key)?;
        let known = self.old.entries.get(place).filter(|entry| !entry.gone)?.known;
        self.insert(key, known);
        self.next = self.young.entries.len();
        Some(known)
    }

    /// Remembers it, or better what is said now.
    pub(super) fn insert(&mut self, key: Key, known: Known) {
        let entry = Entry { key, known, gone: false };
        if let Some(place) = self.young.place(key) {
            if let Some(held) = self.young.entries.get_mut(place) {
                *held = entry;
            }
            return;
        }
        let place = self.young.entries.len();
        if place >= ENTRIES_MAX || !self.room() {
            return;
        }
        if let Ok(place) = u32::try_from(place) {
            self.young.places.insert(half(key), place);
            self.young.entries.push(entry);
        }
    }

    /// Whether the budget has room for one more. If not, the older generation goes, and everything if that is not enough.
    fn room(&mut self) -> bool {
        if self.young.entries.len() < self.young.entries.capacity() {
            return true;
        }
        let more = self.young.entries.capacity().saturating_mul(2).clamp(1024, ENTRIES_MAX);
        let bytes = u64::try_from(more.saturating_mul(ENTRY_BYTES)).unwrap_or(u64::MAX);
        let [young, old] = &mut self.drawn;
        let meter = young.get_or_insert_with(|| super::meter_of_cache(&self.budget));
        if meter.reach(bytes) {
            return true;
        }
        self.old = Generation::default();
        *old = None;
        if meter.reach(bytes) {
            return true;
        }
        self.young = Generation::default();
        self.next = 0;
        *young = None;
        false
    }

    /// The engine does not know its reference any more.
    pub(super) fn forget(&mut self, key: Key) {
        for generation in [&mut self.young, &mut self.old] {
            let place = generation.place(key);
            if let Some(entry) = place.and_then(|place| generation.entries.get_mut(place)) {
                entry.gone = true;
            }
        }
    }
}
