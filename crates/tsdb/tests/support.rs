//! What the tests of the engine share.
#![allow(
    missing_docs,
    dead_code,
    clippy::unwrap_used,
    reason = "each test file uses its part; a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use hinomi_base::budget::Budget;
use hinomi_base::clock::{Clock, Source};
use hinomi_model::Tenant;
use hinomi_model::metrics::{ReadLimit, Select, SeriesSource};
use hinomi_series::{Labels, Matcher, Value};
use hinomi_tsdb::{Db, Options};

/// A clock that stands where the test puts it, in milliseconds.
#[derive(Debug, Default)]
pub(crate) struct Fake(pub(crate) AtomicI64);

impl Source for Fake {
    fn wall(&self) -> i64 {
        self.0.load(Ordering::SeqCst) * 1_000_000
    }
    fn boot(&self) -> i64 {
        self.wall()
    }
}

/// A time at the beginning of a block: 2023-11-14 22:00 UTC.
pub(crate) const T0: i64 = 1_700_006_400_000 - 7_200_000;
pub(crate) const HOUR: i64 = 3_600_000;

/// Options whose clock stands far ahead of all test data, and without a thread.
pub(crate) fn options(dir: &Path) -> Options {
    let fake = Arc::new(Fake(AtomicI64::new(T0 + 1000 * HOUR)));
    let clock = Clock::new(fake);
    let mut options = Options::new(dir, clock, Budget::new(1 << 30));
    options.upkeep = None;
    options.retention = std::time::Duration::from_hours(100_000);
    options
}

pub(crate) fn tenant() -> Tenant {
    Tenant::default()
}

pub(crate) fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::from_pairs(pairs.iter().copied())
}

pub(crate) fn everything(matchers: Vec<Matcher>) -> Select {
    Select { tenant: tenant(), matchers, from_ms: i64::MIN, to_ms: i64::MAX }
}

/// A value that can be compared: bits of a float, or the printed histogram.
pub(crate) fn key(value: &Value) -> String {
    match value {
        Value::Float(value) => format!("{:016x}", value.to_bits()),
        Value::Histogram(h) => format!(
            "h{} {:?} {:?} {:?}",
            h.schema,
            [h.zero_threshold, h.zero_count, h.count, h.sum].map(f64::to_bits),
            (&h.positive_spans, &h.negative_spans),
            (&h.positive_buckets, &h.negative_buckets, &h.custom_values),
        ),
    }
}

/// The same with the start, where that is known.
pub(crate) fn key_started(value: &Value, start: i64) -> String {
    if start == 0 { key(value) } else { format!("{} since {start}", key(value)) }
}

pub(crate) type Found = BTreeMap<String, BTreeMap<i64, String>>;

/// What a question finds.
pub(crate) fn read(db: &Db, what: &Select) -> Found {
    let mut all = Found::new();
    let mut last: Option<Labels> = None;
    for series in db.select(what, &ReadLimit::unlimited()).unwrap() {
        assert!(last.as_ref().is_none_or(|last| *last < series.labels), "sorted");
        assert!(series.timestamps.is_sorted_by(|a, b| a < b), "in order");
        assert_eq!(series.timestamps.len(), series.values.len());
        let starts = series.starts.unwrap_or_else(|| vec![0; series.timestamps.len()].into());
        assert_eq!(series.timestamps.len(), starts.len());
        let points = series.timestamps.iter().zip(starts.iter()).enumerate();
        let points =
            points.map(|(at, (t, s))| (*t, key_started(&series.values.get(at).unwrap(), *s))).collect();
        all.insert(series.labels.to_string(), points);
        last = Some(series.labels);
    }
    all
}

/// How many samples there are.
pub(crate) fn count(db: &Db) -> usize {
    read(db, &everything(Vec::new())).values().map(BTreeMap::len).sum()
}
