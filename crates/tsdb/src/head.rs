//! What is in memory: series with their newest samples, and the index over them.
//!
//! One batch at a time changes it (`Ingest`). Readers hold the index for reading while they look for series, and a
//! series for the copying of references to its pieces; they never wait for the disk, nor do they make writers wait
//! for decoding.

mod ledger;
mod series;
mod slots;
mod starts;
mod stream;

use std::collections::BTreeSet;
use std::collections::hash_map::{Entry, HashMap};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hinomi_series::{Labels, Matcher};
use roaring::RoaringBitmap;

use crate::bytes::as_u64;
use crate::mix::Numbers;
use crate::postings::{Index, select};

pub(crate) use ledger::Ledger;
pub(crate) use series::{Gate, Offer, Series, Taken};
pub(crate) use slots::{Book, Slots};

/// Labels of a series have at most this many bytes.
pub(crate) const LABELS_BYTES_MAX: usize = 64 << 10;
/// What a series costs in memory beside its samples, about: the entry and its places in tables that double as they grow,
/// and for each label its text, and the text again where no other series has the value.
const SERIES_BYTES: u64 = 560;
const LABEL_BYTES: u64 = 24;

/// What a series costs in memory without samples.
pub(crate) fn size_of_series(labels: &Labels) -> u64 {
    let labels_bytes = as_u64(labels.len()).saturating_mul(LABEL_BYTES);
    let texts_bytes = as_u64(labels.text_bytes()).saturating_mul(2);
    texts_bytes.saturating_add(labels_bytes).saturating_add(SERIES_BYTES)
}

/// Series of a tenant and the index over them.
#[derive(Debug, Default)]
struct Table {
    series: Numbers<u32, Arc<Series>>,
    by_hash: Numbers<u64, SameHash>,
    /// Name, value, numbers of series.
    postings: HashMap<Box<str>, HashMap<Box<str>, Posting>>,
}

/// Numbers of the series that have a value: many values have one series only, for which a bitmap would be large.
#[derive(Debug)]
enum Posting {
    One(u32),
    Several(RoaringBitmap),
}

impl Posting {
    fn insert(&mut self, id: u32) {
        match self {
            Self::One(first) => *self = Self::Several(RoaringBitmap::from_iter([*first, id])),
            Self::Several(ids) => {
                ids.insert(id);
            }
        }
    }

    /// Whether none is left.
    fn remove(&mut self, id: u32) -> bool {
        match self {
            Self::One(first) => *first == id,
            Self::Several(ids) => {
                ids.remove(id);
                ids.is_empty()
            }
        }
    }

    fn add_to(&self, into: &mut RoaringBitmap) {
        match self {
            Self::One(id) => {
                into.insert(*id);
            }
            Self::Several(ids) => *into |= ids,
        }
    }
}

/// Series whose labels have the same hash: nearly always one.
#[derive(Debug)]
enum SameHash {
    One(u32),
    Several(Vec<u32>),
}

impl SameHash {
    fn ids(&self) -> &[u32] {
        match self {
            Self::One(id) => std::slice::from_ref(id),
            Self::Several(ids) => ids,
        }
    }
}

impl Table {
    fn enter(&mut self, series: &Arc<Series>) {
        self.series.insert(series.id, Arc::clone(series));
        match self.by_hash.entry(series.labels.hash()) {
            Entry::Vacant(place) => {
                place.insert(SameHash::One(series.id));
            }
            Entry::Occupied(mut place) => {
                let ids = place.get().ids().iter().copied().chain([series.id]).collect();
                place.insert(SameHash::Several(ids));
            }
        }
        for (name, value) in &series.labels {
            let values = match self.postings.get_mut(name) {
                Some(values) => values,
                None => self.postings.entry(name.into()).or_default(),
            };
            match values.get_mut(value) {
                Some(found) => found.insert(series.id),
                None => {
                    values.insert(value.into(), Posting::One(series.id));
                }
            }
        }
    }
}

impl Index for Table {
    fn all(&self) -> RoaringBitmap {
        self.series.keys().copied().collect()
    }

    fn add(&self, name: &str, value: &str, into: &mut RoaringBitmap) {
        if let Some(found) = self.postings.get(name).and_then(|values| values.get(value)) {
            found.add_to(into);
        }
    }

    fn add_where(&self, name: &str, accept: &dyn Fn(&str) -> bool, into: &mut RoaringBitmap) {
        for (value, found) in self.postings.get(name).into_iter().flatten() {
            if accept(value) {
                found.add_to(into);
            }
        }
    }

    fn add_names(&self, into: &mut BTreeSet<String>) {
        self.postings.keys().for_each(|name| add_text(into, name));
    }

    fn add_values(&self, name: &str, into: &mut BTreeSet<String>) {
        let values = self.postings.get(name).into_iter().flatten();
        values.for_each(|(value, _)| add_text(into, value));
    }
}

/// Adds a text unless it is there, without making it anew for the asking.
pub(crate) fn add_text(into: &mut BTreeSet<String>, text: &str) {
    if !into.contains(text) {
        into.insert(text.to_owned());
    }
}

/// What is in memory of one tenant.
#[derive(Debug)]
pub(crate) struct TenantHead {
    pub(crate) name: Arc<str>,
    table: RwLock<Table>,
    /// Latest time of a sample; `i64::MIN` before the first.
    newest: AtomicI64,
    /// Not later than the earliest time of a sample in memory; `i64::MAX` without samples.
    oldest: AtomicI64,
    /// When the last batch came, milliseconds of the clock.
    touched: AtomicI64,
}

impl TenantHead {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            table: RwLock::default(),
            newest: AtomicI64::new(i64::MIN),
            oldest: AtomicI64::new(i64::MAX),
            touched: AtomicI64::new(i64::MIN),
        }
    }

    fn table(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn table_mut(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn newest(&self) -> i64 {
        self.newest.load(Ordering::Acquire)
    }

    pub(crate) fn saw(&self, t: i64) {
        self.newest.fetch_max(t, Ordering::AcqRel);
    }

    pub(crate) fn oldest(&self) -> i64 {
        self.oldest.load(Ordering::Acquire)
    }

    /// A sample of that time came into memory.
    pub(crate) fn holds(&self, t: i64) {
        self.oldest.fetch_min(t, Ordering::AcqRel);
    }

    /// Looks for the earliest sample anew. The caller sees to it that none comes meanwhile.
    pub(crate) fn find_oldest(&self) {
        let oldest = self.table().series.values().filter_map(|series| series.first()).min();
        self.oldest.store(oldest.unwrap_or(i64::MAX), Ordering::Release);
    }

    /// When the last batch came.
    pub(crate) fn touched(&self) -> i64 {
        self.touched.load(Ordering::Acquire)
    }

    /// A batch came now.
    pub(crate) fn touch(&self, now_ms: i64) {
        self.touched.store(now_ms, Ordering::Release);
    }

    /// The series with these labels.
    pub(crate) fn find(&self, labels: &Labels) -> Option<Arc<Series>> {
        let table = self.table();
        let ids = table.by_hash.get(&labels.hash())?.ids();
        ids.iter().filter_map(|id| table.series.get(id)).find(|series| series.labels == *labels).cloned()
    }

    /// Enters a series that is not there yet.
    fn insert(&self, series: &Arc<Series>) {
        self.table_mut().enter(series);
    }

    fn remove(&self, series: &Series) {
        let mut table = self.table_mut();
        table.series.remove(&series.id);
        let hash = series.labels.hash();
        let ids = table.by_hash.remove(&hash).map(|same| same.ids().to_vec()).unwrap_or_default();
        let rest: Vec<u32> = ids.into_iter().filter(|id| *id != series.id).collect();
        if !rest.is_empty() {
            table.by_hash.insert(hash, SameHash::Several(rest));
        }
        for (name, value) in &series.labels {
            let Some(values) = table.postings.get_mut(name) else { continue };
            if values.get_mut(value).is_some_and(|found| found.remove(series.id)) {
                values.remove(value);
            }
            if values.is_empty() {
                table.postings.remove(name);
            }
        }
    }

    /// Series that every matcher accepts.
    pub(crate) fn matching(&self, matchers: &[Matcher]) -> Vec<Arc<Series>> {
        let table = self.table();
        let found = select(&*table, matchers);
        found.iter().filter_map(|id| table.series.get(&id).cloned()).collect()
    }

    /// Adds names of labels, or values of the one that is named.
    pub(crate) fn add_texts(&self, name: Option<&str>, into: &mut BTreeSet<String>) {
        match name {
            Some(name) => self.table().add_values(name, into),
            None => self.table().add_names(into),
        }
    }

    /// All series, in order of their labels.
    pub(crate) fn sorted(&self) -> Vec<Arc<Series>> {
        let mut all: Vec<_> = self.table().series.values().cloned().collect();
        all.sort_by(|a, b| a.labels.cmp(&b.labels));
        all
    }

    /// All series without samples whose last one lay before that time.
    fn idle(&self, before: i64) -> Vec<Arc<Series>> {
        self.table().series.values().filter(|series| series.is_idle(before)).cloned().collect()
    }

    /// Whether it has no series.
    pub(crate) fn is_empty(&self) -> bool {
        self.table().series.is_empty()
    }
}
