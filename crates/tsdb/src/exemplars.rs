//! Exemplars: the newest ones of each tenant, in memory.
//!
//! The log has them as well, so that a restart finds those whose records are still there: what came since about the
//! last one or two blocks. They are not in blocks.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use hinomi_base::budget::Budget;
use hinomi_model::Tenant;
use hinomi_model::metrics::{Exemplar, ReadError, ReadLimit, SeriesExemplars};
use hinomi_series::{Labels, Matcher};

use crate::append::Reason;
use crate::bytes::as_u64;
use crate::db::{Db, Shared};
use crate::head::Ledger;

/// Labels of an exemplar have at most this many characters, as OpenMetrics says.
const LABEL_CHARS_MAX: usize = 128;
/// What an exemplar costs in memory beside the text of its labels, about.
const EXEMPLAR_BYTES: u64 = 160;

#[derive(Debug)]
struct Entry {
    series: Labels,
    exemplar: Exemplar,
}

/// Those of one tenant, in the order in which they came.
#[derive(Debug, Default)]
struct Ring {
    entries: VecDeque<Entry>,
    /// Number of the first entry.
    first: u64,
    /// Numbers of the entries of each series, in order.
    series: HashMap<Labels, VecDeque<u64>>,
    bytes: u64,
}

/// Those of all tenants.
#[derive(Debug)]
pub(crate) struct Exemplars {
    tenants: BTreeMap<Arc<str>, Ring>,
    ledger: Ledger,
    /// How many there are, for those who only look.
    shown: Arc<AtomicUsize>,
    /// Most of a tenant.
    count_max: usize,
    /// Most bytes of all.
    bytes_max: u64,
}

fn size_of(exemplar: &Exemplar) -> u64 {
    as_u64(exemplar.labels.text_bytes()).saturating_add(EXEMPLAR_BYTES)
}

/// Whether an exemplar may be kept at all.
pub(crate) fn storable(exemplar: &Exemplar) -> Result<(), Reason> {
    let chars = |text: &str| text.chars().count();
    let all = exemplar.labels.iter().map(|(name, value)| chars(name).saturating_add(chars(value)));
    // Bytes first, which costs nothing.
    if exemplar.labels.text_bytes() > LABEL_CHARS_MAX && all.sum::<usize>() > LABEL_CHARS_MAX {
        return Err(Reason::ExemplarTooLong);
    }
    Ok(())
}

fn same(a: &Exemplar, b: &Exemplar) -> bool {
    a.t_ms == b.t_ms && a.value.to_bits() == b.value.to_bits() && a.labels == b.labels
}

/// The order of exemplars of one series: by time, of the same time by value, then by labels.
fn is_behind(new: &Exemplar, last: &Exemplar) -> bool {
    let order = new.t_ms.cmp(&last.t_ms).then_with(|| new.value.total_cmp(&last.value));
    order.then_with(|| new.labels.hash().cmp(&last.labels.hash())).is_lt()
}

impl Ring {
    fn get(&self, number: u64) -> Option<&Entry> {
        self.entries.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    fn last_of(&self, series: &Labels) -> Option<&Exemplar> {
        let number = self.series.get(series)?.back()?;
        self.get(*number).map(|entry| &entry.exemplar)
    }

    fn push(&mut self, series: &Labels, exemplar: &Exemplar) {
        let number = self.first.saturating_add(as_u64(self.entries.len()));
        self.series.entry(series.clone()).or_default().push_back(number);
        self.entries.push_back(Entry { series: series.clone(), exemplar: exemplar.clone() });
        self.bytes = self.bytes.saturating_add(size_of(exemplar));
    }

    /// Lets go of the first one. Returns its bytes.
    fn pop(&mut self) -> Option<u64> {
        let entry = self.entries.pop_front()?;
        self.first = self.first.saturating_add(1);
        if let Some(numbers) = self.series.get_mut(&entry.series) {
            numbers.pop_front();
            if numbers.is_empty() {
                self.series.remove(&entry.series);
            }
        }
        let bytes = size_of(&entry.exemplar);
        self.bytes = self.bytes.saturating_sub(bytes);
        Some(bytes)
    }
}

impl Exemplars {
    pub(crate) fn new(budget: Budget, count_max: usize) -> Self {
        let bytes_max = budget.limit_bytes() / 32;
        Self {
            tenants: BTreeMap::new(),
            ledger: Ledger::new(budget),
            shown: Arc::default(),
            count_max,
            bytes_max,
        }
    }

    /// Takes an exemplar; older ones make room. True: it is new.
    pub(crate) fn offer(
        &mut self,
        tenant: &Arc<str>,
        series: &Labels,
        new: &Exemplar,
    ) -> Result<bool, Reason> {
        storable(new)?;
        if let Some(last) = self.tenants.get(tenant).and_then(|ring| ring.last_of(series)) {
            if same(last, new) {
                return Ok(false);
            }
            if is_behind(new, last) {
                return Err(Reason::ExemplarOutOfOrder);
            }
        }
        let bytes = size_of(new);
        while self.tenants.get(tenant).is_some_and(|ring| ring.entries.len() >= self.count_max.max(1)) {
            self.pop(tenant);
        }
        while self.count_max == 0
            || self.ledger.used().saturating_add(bytes) > self.bytes_max
            || !self.ledger.prepare(bytes)
        {
            // Whoever has the most gives way.
            let largest = self.tenants.iter().max_by_key(|(_, ring)| ring.bytes);
            let Some(largest) = largest.map(|(name, _)| Arc::clone(name)) else {
                return Err(Reason::ExemplarsFull);
            };
            self.pop(&largest);
        }
        self.ledger.add(bytes);
        self.tenants.entry(Arc::clone(tenant)).or_default().push(series, new);
        self.shown.fetch_add(1, Ordering::Relaxed);
        Ok(true)
    }

    fn pop(&mut self, tenant: &Arc<str>) {
        let Some(ring) = self.tenants.get_mut(tenant) else { return };
        let Some(bytes) = ring.pop() else { return };
        self.shown.fetch_sub(1, Ordering::Relaxed);
        if ring.entries.is_empty() {
            self.tenants.remove(tenant);
        }
        self.ledger.free(bytes);
    }

    /// Lets go of those before a time, as far as they came first.
    pub(crate) fn forget_before(&mut self, t: i64) {
        let names: Vec<_> = self.tenants.keys().cloned().collect();
        for name in names {
            let old = |ring: &Ring| ring.entries.front().is_some_and(|entry| entry.exemplar.t_ms < t);
            while self.tenants.get(&name).is_some_and(old) {
                self.pop(&name);
            }
        }
    }

    /// How many there are, of all tenants; also while somebody else has them.
    pub(crate) fn shown(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.shown)
    }
}

impl Shared {
    pub(crate) fn exemplars(&self) -> RwLockReadGuard<'_, Exemplars> {
        self.exemplars.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn exemplars_mut(&self) -> RwLockWriteGuard<'_, Exemplars> {
        self.exemplars.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Db {
    /// Exemplars from `from_ms` to `to_ms`, both inclusive, of the series that all matchers of one of the sets accept,
    /// sorted by the labels of the series. What is kept are the newest ones, see
    /// [`Options::exemplars_max`](crate::Options::exemplars_max).
    ///
    /// # Errors
    ///
    /// A limit was hit: of series, of exemplars (counted as samples), or of time.
    pub fn exemplars(
        &self,
        tenant: &Tenant,
        sets: &[Vec<Matcher>],
        from_ms: i64,
        to_ms: i64,
        limit: &ReadLimit,
    ) -> Result<Vec<SeriesExemplars>, ReadError> {
        let all = self.shared.exemplars();
        let Some(ring) = all.tenants.get(tenant.0.as_str()) else { return Ok(Vec::new()) };
        let (mut found, mut count) = (Vec::new(), 0_usize);
        for (series, numbers) in &ring.series {
            limit.check(limit.deadline.map(|_| Instant::now()))?;
            let accepts = |set: &Vec<Matcher>| set.iter().all(|m| m.matches(series.value(&m.name)));
            if !sets.iter().any(accepts) {
                continue;
            }
            let exemplars =
                numbers.iter().filter_map(|number| ring.get(*number)).map(|entry| &entry.exemplar);
            let exemplars = exemplars.filter(|exemplar| (from_ms..=to_ms).contains(&exemplar.t_ms));
            let exemplars: Vec<Exemplar> = exemplars.cloned().collect();
            if exemplars.is_empty() {
                continue;
            }
            count = count.saturating_add(exemplars.len());
            if count > limit.samples_max {
                return Err(ReadError::TooManySamples(limit.samples_max));
            }
            found.push(SeriesExemplars { series: series.clone(), exemplars });
            if found.len() > limit.series_max {
                return Err(ReadError::TooManySeries(limit.series_max));
            }
        }
        drop(all);
        found.sort_by(|a, b| a.series.cmp(&b.series));
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exemplar(t_ms: i64, value: f64, trace: &str) -> Exemplar {
        Exemplar { labels: Labels::from_pairs([("trace_id", trace)]), t_ms, value }
    }

    #[test]
    fn rules_of_prometheus() {
        let mut all = Exemplars::new(Budget::new(64 << 20), 100);
        let (tenant, series): (Arc<str>, _) = ("a".into(), Labels::from_pairs([("__name__", "x")]));
        let table = [
            (exemplar(5, 1.0, "a"), Ok(true)),
            (exemplar(5, 1.0, "a"), Ok(false)),
            (exemplar(4, 9.0, "a"), Err(Reason::ExemplarOutOfOrder)),
            (exemplar(5, 0.5, "a"), Err(Reason::ExemplarOutOfOrder)),
            (exemplar(5, 2.0, "a"), Ok(true)),
            (exemplar(6, 2.0, &"\u{4e00}".repeat(120)), Ok(true)),
            (exemplar(7, 2.0, &"\u{4e00}".repeat(121)), Err(Reason::ExemplarTooLong)),
        ];
        for (exemplar, want) in table {
            assert_eq!(all.offer(&tenant, &series, &exemplar), want, "{exemplar:?}");
        }
        let other = Labels::from_pairs([("__name__", "y")]);
        assert_eq!(all.offer(&tenant, &other, &exemplar(1, 1.0, "a")), Ok(true), "each series has its order");
        assert_eq!(all.shown().load(Ordering::Relaxed), 4);
    }

    #[test]
    fn the_oldest_give_way() {
        let series = Labels::from_pairs([("__name__", "x")]);
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let mut all = Exemplars::new(Budget::new(64 << 20), 10);
        (0..25).for_each(|t| assert_eq!(all.offer(&a, &series, &exemplar(t, 1.0, "t")), Ok(true)));
        let ring = &all.tenants[&a];
        assert_eq!((ring.entries.len(), ring.series[&series].len()), (10, 10));
        assert_eq!(ring.entries[0].exemplar.t_ms, 15);
        all.forget_before(20);
        assert_eq!(all.tenants[&a].entries[0].exemplar.t_ms, 20);
        all.forget_before(100);
        assert_eq!((all.shown().load(Ordering::Relaxed), all.ledger.used()), (0, 0));
        // A budget for about 190 of them: the tenant that has more gives way.
        let mut all = Exemplars::new(Budget::new(32 * 32_000), 1000);
        assert_eq!(
            all.offer(&a, &series, &exemplar(1, 1.0, "t")),
            Err(Reason::ExemplarsFull),
            "less than a step"
        );
        all.ledger = Ledger::new(Budget::new(64 << 20));
        (0..500).for_each(|t| assert_eq!(all.offer(&a, &series, &exemplar(t, 1.0, "t")), Ok(true)));
        (0..500).for_each(|t| assert_eq!(all.offer(&b, &series, &exemplar(t, 1.0, "t")), Ok(true)));
        let (left, right) = (all.tenants[&a].entries.len(), all.tenants[&b].entries.len());
        assert!(left.abs_diff(right) <= 1 && left > 50, "{left} {right}");
        assert!(all.ledger.used() <= 32_000);
        let mut none = Exemplars::new(Budget::new(64 << 20), 0);
        assert_eq!(none.offer(&a, &series, &exemplar(1, 1.0, "t")), Err(Reason::ExemplarsFull));
    }
}
