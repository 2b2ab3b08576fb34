//! What the engine takes, finds, deletes and merges.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::mem_forget,
    reason = "a test fails by panicking, counts small numbers, and kills by forgetting"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use hinomi_model::Tenant;
use hinomi_model::metrics::{Column, ReadError, ReadLimit, Select, SeriesSource};
use hinomi_series::{Histogram, MatchOp, Matcher, ResetHint, Span, Value};
use hinomi_tsdb::{Batch, Db, Reason, SeriesKey};
use support::{HOUR, T0, count, everything, labels, options, read, tenant};

fn one(name: &str, t: i64, value: impl Into<Value>) -> Batch {
    let mut batch = Batch::new();
    batch.push(SeriesKey::Labels(labels(&[("__name__", name)])), t, value);
    batch
}

#[test]
fn samples_are_taken_as_prometheus_takes_them() {
    let dir = tempfile::tempdir().unwrap();
    let (db, _) = Db::open(options(dir.path())).unwrap();
    let t = T0 + 3 * HOUR;
    let minute = 60_000;
    let cases = [
        (t, 1.0, None),
        (t, 1.0, None),
        (t, 2.0, Some(Reason::Duplicate)),
        (t - minute, 3.0, None),
        (t - minute, 3.0, None),
        (t - minute, 4.0, Some(Reason::Duplicate)),
        (t - 30 * minute, 5.0, None),
        (t - 30 * minute - 1, 6.0, Some(Reason::TooOld)),
        (T0 + 1001 * HOUR, 7.0, Some(Reason::Future)),
        (t + minute, f64::from_bits(0x7ff0_0000_0000_0002), None),
        (t + minute, f64::from_bits(0x7ff0_0000_0000_0002), None),
        (t + minute, f64::NAN, Some(Reason::Duplicate)),
    ];
    for (t, value, reason) in cases {
        let appended = db.append(&tenant(), &one("up", t, value)).unwrap();
        assert_eq!(appended.first_rejected.map(|(_, reason)| reason), reason, "{t} {value}");
        assert_eq!(appended.accepted, u64::from(reason.is_none()));
    }
    assert_eq!(count(&db), 4);
    // A series of its own may begin an hour behind the newest sample, no more.
    for (behind, reason) in [(HOUR, None), (HOUR + 1, Some(Reason::TooOld))] {
        let name = format!("late_{behind}");
        let appended = db.append(&tenant(), &one(&name, t + minute - behind, 1.0)).unwrap();
        assert_eq!(appended.first_rejected.map(|(_, reason)| reason), reason, "{behind}");
    }
}

#[test]
fn without_a_window_nothing_out_of_order_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    options.ooo_window = Duration::ZERO;
    let (db, _) = Db::open(options).unwrap();
    let cases =
        [(0, None), (-1, Some(Reason::OutOfOrder)), (-HOUR - 1, Some(Reason::OutOfBounds)), (1, None)];
    for (offset, reason) in cases {
        let appended = db.append(&tenant(), &one("up", T0 + offset, 1.0)).unwrap();
        assert_eq!(appended.first_rejected.map(|(_, reason)| reason), reason, "{offset}");
    }
}

#[test]
fn references_save_the_lookup_and_belong_to_their_tenant() {
    let dir = tempfile::tempdir().unwrap();
    let (db, _) = Db::open(options(dir.path())).unwrap();
    let appended = db.append(&tenant(), &one("up", T0, 1.0)).unwrap();
    let reference = appended.refs[0].unwrap();
    let mut batch = Batch::new();
    batch.push(SeriesKey::Ref(reference), T0 + 1, 2.0);
    assert_eq!(db.append(&tenant(), &batch).unwrap().accepted, 1);
    let other = Tenant("other".to_owned());
    db.append(&other, &one("up", T0, 9.0)).unwrap();
    assert_eq!(db.append(&other, &batch).unwrap().rejected_for(Reason::UnknownSeries), 1);
    let found = read(&db, &Select { tenant: other, ..everything(Vec::new()) });
    assert_eq!(found.values().next().unwrap().len(), 1);
    // Once its samples are in a block the series leaves memory, and its number goes to another.
    db.flush().unwrap();
    assert_eq!(db.stats().head_series, 0);
    db.append(&tenant(), &one("down", T0 + 5, 1.0)).unwrap();
    batch.clear();
    batch.push(SeriesKey::Ref(reference), T0 + 9, 2.0);
    assert_eq!(db.append(&tenant(), &batch).unwrap().rejected_for(Reason::UnknownSeries), 1);
}

#[test]
fn limits_are_kept_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    options.series_max = 2;
    options.budget = hinomi_base::budget::Budget::new(2 << 20);
    let (db, _) = Db::open(options).unwrap();
    for name in ["a", "b"] {
        assert_eq!(db.append(&tenant(), &one(name, T0, 1.0)).unwrap().accepted, 1);
    }
    assert_eq!(db.append(&tenant(), &one("c", T0, 1.0)).unwrap().rejected_for(Reason::TooManySeries), 1);
    assert_eq!(db.append(&tenant(), &one("a", T0 + 1, 1.0)).unwrap().accepted, 1);
    assert!(db.append(&Tenant(String::new()), &one("a", T0, 1.0)).is_err());
    let mut batch = Batch::new();
    let series = batch.series(SeriesKey::Labels(labels(&[("__name__", "a")])));
    (0..200_000).for_each(|n| batch.sample(series, T0 + 10 + n, 1.0));
    let error = db.append(&tenant(), &batch).unwrap_err();
    assert_eq!(error.kind(), hinomi_model::ErrorKind::Limited, "{error}");
    assert!(error.to_string().contains("2097152 bytes"), "{error}");
    let empty = hinomi_series::Labels::empty();
    batch.clear();
    batch.push(SeriesKey::Labels(empty), T0, 1.0);
    batch.push(SeriesKey::Labels(labels(&[("a", &"x".repeat(70_000))])), T0, 1.0);
    assert_eq!(db.append(&tenant(), &batch).unwrap().rejected_for(Reason::InvalidSeries), 2);
}

#[test]
fn a_stale_reference_hides_no_other_reason() {
    let dir = tempfile::tempdir().unwrap();
    let (db, _) = Db::open(options(dir.path())).unwrap();
    let stale = db.append(&Tenant("other".to_owned()), &one("x", T0, 1.0)).unwrap().refs[0].unwrap();
    db.append(&tenant(), &one("up", T0, 1.0)).unwrap();
    let mut batch = Batch::new();
    batch.push(SeriesKey::Ref(stale), T0, 1.0);
    batch.push(SeriesKey::Labels(labels(&[("__name__", "up")])), T0, 2.0);
    let appended = db.append(&tenant(), &batch).unwrap();
    assert_eq!(appended.rejected_for(Reason::UnknownSeries), 1);
    assert_eq!(appended.first_rejected.map(|(_, reason)| reason), Some(Reason::Duplicate));
}

#[test]
fn tenants_at_the_limit_are_told_to_come_later_and_empty_ones_make_room() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    options.tenants_max = 2;
    let (db, _) = Db::open(options).unwrap();
    let of = |name: &str| Tenant(name.to_owned());
    assert_eq!(db.append(&of("a"), &one("x", T0, 1.0)).unwrap().accepted, 1);
    // Nothing of these is taken, so none of them takes a place.
    let mut nameless = Batch::new();
    nameless.push(SeriesKey::Labels(hinomi_series::Labels::empty()), T0, 1.0);
    for name in ["b", "c", "d"] {
        assert_eq!(db.append(&of(name), &nameless).unwrap().accepted, 0, "{name}");
    }
    // Nor of these, whose series it is that is new; and they leave no series.
    let before = db.stats();
    for name in ["a", "b", "c", "d"] {
        let mut ahead = one("y", i64::MAX / 2, 1.0);
        ahead.push(SeriesKey::Labels(labels(&[("__name__", "y")])), i64::MAX / 4, 1.0);
        let appended = db.append(&of(name), &ahead).unwrap();
        assert_eq!((appended.accepted, appended.rejected_for(Reason::Future)), (0, 2), "{name}");
        assert_eq!(appended.refs, [None, None], "{name}");
    }
    let after = db.stats();
    assert_eq!((after.head_series, after.head_bytes), (before.head_series, before.head_bytes));
    assert_eq!(db.append(&of("e"), &one("x", T0, 1.0)).unwrap().accepted, 1);
    let error = db.append(&of("f"), &one("x", T0, 1.0)).unwrap_err();
    assert_eq!(error.kind(), hinomi_model::ErrorKind::Limited, "{error}");
    assert!(error.to_string().contains("2 tenants"), "{error}");
    // What is in blocks only takes no place either, and is still known.
    db.flush().unwrap();
    assert_eq!(db.append(&of("f"), &one("x", T0, 1.0)).unwrap().accepted, 1);
    let found = read(&db, &Select { tenant: of("a"), ..everything(Vec::new()) });
    assert_eq!(found.len(), 1);
}

#[test]
fn three_eighths_of_the_memory_are_left_by_series() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    let budget = hinomi_base::budget::Budget::new(16 << 20);
    options.budget = budget.clone();
    let (db, _) = Db::open(options).unwrap();
    let mut taken = 0;
    for n in 0..400 {
        let name = format!("{n}-{}", "x".repeat(60_000));
        taken += db.append(&tenant(), &one(&name, T0, 1.0)).map_or(0, |appended| appended.accepted);
    }
    assert!(taken > 60, "{taken}");
    assert!(budget.take(6 << 20).is_some(), "{} of {}", budget.used_bytes(), budget.limit_bytes());
}

#[test]
fn matchers_find_the_same_in_memory_and_in_blocks() {
    let dir = tempfile::tempdir().unwrap();
    let (db, _) = Db::open(options(dir.path())).unwrap();
    let mut batch = Batch::new();
    for n in 0..40 {
        let (pod, zone) = (format!("pod-{n}"), format!("z{}", n % 3));
        let all = [
            ("__name__", "up"),
            ("pod", &pod),
            ("zone", &zone),
            ("odd", if n % 2 == 1 { "yes" } else { "" }),
        ];
        batch.push(SeriesKey::Labels(labels(&all)), T0, f64::from(n));
    }
    db.append(&tenant(), &batch).unwrap();
    let matcher = |op, name: &str, value: &str| Matcher::new(op, name, value).unwrap();
    let (eq, ne, re, nr) = (MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex);
    let cases: Vec<(Vec<Matcher>, usize)> = vec![
        (vec![], 40),
        (vec![matcher(eq, "pod", "pod-7")], 1),
        (vec![matcher(eq, "__name__", "up"), matcher(ne, "pod", "pod-7")], 39),
        (vec![matcher(eq, "odd", "")], 20),
        (vec![matcher(ne, "odd", "")], 20),
        (vec![matcher(eq, "absent", "")], 40),
        (vec![matcher(ne, "absent", "")], 0),
        (vec![matcher(re, "pod", "pod-1|pod-2|pod-99")], 2),
        (vec![matcher(re, "pod", "pod-1.*")], 11),
        (vec![matcher(nr, "pod", "pod-1.*"), matcher(eq, "zone", "z0")], 11),
        (vec![matcher(re, "odd", "yes|")], 40),
        (vec![matcher(nr, "odd", "yes")], 20),
        (vec![matcher(re, "odd", ".+")], 20),
        (vec![matcher(nr, "odd", ".+")], 20),
        (vec![matcher(nr, "zone", "")], 40),
        (vec![matcher(re, "zone", "z[01]"), matcher(nr, "odd", "y.*"), matcher(ne, "pod", "pod-0")], 12),
    ];
    for place in ["memory", "block"] {
        for (matchers, want) in &cases {
            assert_eq!(read(&db, &everything(matchers.clone())).len(), *want, "{place}: {matchers:?}");
        }
        let limit = ReadLimit::unlimited();
        let what = everything(vec![matcher(eq, "zone", "z1")]);
        assert_eq!(db.label_names(&what, &limit).unwrap(), ["__name__", "odd", "pod", "zone"]);
        assert_eq!(db.label_values("odd", &what, &limit).unwrap(), ["yes"]);
        assert_eq!(db.series(&what, &limit).unwrap().len(), 13);
        let all = everything(Vec::new());
        assert_eq!(db.label_names(&all, &limit).unwrap(), ["__name__", "odd", "pod", "zone"]);
        assert_eq!(db.label_values("zone", &all, &limit).unwrap(), ["z0", "z1", "z2"]);
        assert_eq!(db.label_values("absent", &all, &limit).unwrap(), Vec::<String>::new());
        for what in [what, all] {
            let before = Select { to_ms: T0 - 1, ..what };
            assert!(db.series(&before, &limit).unwrap().is_empty());
            assert!(db.label_names(&before, &limit).unwrap().is_empty());
        }
        db.flush().unwrap();
    }
}

#[test]
fn reading_stops_at_its_limits() {
    let dir = tempfile::tempdir().unwrap();
    let (db, _) = Db::open(options(dir.path())).unwrap();
    for name in ["a", "b", "c"] {
        for n in 0..10 {
            db.append(&tenant(), &one(name, T0 + n, 1.0)).unwrap();
        }
    }
    let what = everything(Vec::new());
    let ask = |limit: ReadLimit| db.select(&what, &limit).unwrap_err();
    for _ in ["memory", "block"] {
        let free = ReadLimit::unlimited();
        assert_eq!(ask(ReadLimit { series_max: 2, ..free.clone() }), ReadError::TooManySeries(2));
        assert_eq!(ask(ReadLimit { samples_max: 29, ..free.clone() }), ReadError::TooManySamples(29));
        assert_eq!(ask(ReadLimit { deadline: Some(Instant::now()), ..free.clone() }), ReadError::Deadline);
        free.cancelled.store(true, Ordering::Relaxed);
        assert_eq!(ask(free), ReadError::Cancelled);
        let enough = ReadLimit { series_max: 3, samples_max: 30, ..ReadLimit::unlimited() };
        assert_eq!(db.select(&what, &enough).unwrap().len(), 3);
        db.flush().unwrap();
    }
}

fn histogram(count: f64, hint: ResetHint) -> Value {
    Value::Histogram(Arc::new(Histogram {
        reset_hint: hint,
        schema: 3,
        zero_threshold: 0.001,
        count,
        sum: count * 2.0,
        positive_spans: vec![Span { offset: 0, length: 2 }],
        positive_buckets: vec![count / 2.0, count / 2.0],
        ..Histogram::default()
    }))
}

#[test]
fn hints_about_resets_are_found_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (db, _) = Db::open(options(dir.path())).unwrap();
    let counts = [(0, 4.0), (1, 8.0), (3, 2.0), (4, 6.0), (2, 10.0)];
    for (n, count) in counts {
        let batch = one("h", T0 + n * 60_000, histogram(count, ResetHint::NotReset));
        assert_eq!(db.append(&tenant(), &batch).unwrap().accepted, 1);
    }
    db.append(&tenant(), &one("h", T0 + 300_000, 1.0)).unwrap();
    db.append(&tenant(), &one("h", T0 + 360_000, histogram(9.0, ResetHint::Gauge))).unwrap();
    let broken = Histogram { positive_buckets: vec![1.0], ..Histogram::default() };
    let broken = one("h", T0 + 400_000, Value::Histogram(Arc::new(broken)));
    assert_eq!(db.append(&tenant(), &broken).unwrap().rejected_for(Reason::InvalidHistogram), 1);
    for _ in ["memory", "block"] {
        let found = db.select(&everything(Vec::new()), &ReadLimit::unlimited()).unwrap();
        let Column::Mixed(values) = &found[0].values else { panic!("histograms") };
        let hints: Vec<_> = values.iter().map(|value| value.as_histogram().map(|h| h.reset_hint)).collect();
        use ResetHint::{Gauge, NotReset, Unknown};
        let want =
            [Some(Unknown), Some(NotReset), Some(NotReset), Some(Unknown), Some(NotReset), None, Some(Gauge)];
        assert_eq!(hints, want);
        db.flush().unwrap();
    }
}

#[test]
fn two_hours_become_six_and_old_blocks_go() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    let (db, _) = Db::open(options.clone()).unwrap();
    let begin = T0.div_euclid(24 * HOUR) * 24 * HOUR;
    let mut want = 0;
    for step in 0..(30 * 60) {
        let mut batch = Batch::new();
        for name in ["a", "b"] {
            batch.push(SeriesKey::Labels(labels(&[("__name__", name)])), begin + step * 60_000, step as f64);
            want += 1;
        }
        db.append(&tenant(), &batch).unwrap();
        if step % 30 == 0 {
            db.upkeep().unwrap();
        }
    }
    db.upkeep().unwrap();
    assert_eq!(count(&db), want);
    let stats = db.stats();
    // One block of a day; what is newer is in a block of two hours or in memory.
    assert!(stats.blocks <= 3, "{stats:?}");
    assert!(stats.wal_bytes < 200_000, "{stats:?}");
    drop(db);
    options.disk_max_bytes = 1;
    let (db, _) = Db::open(options).unwrap();
    assert_eq!(count(&db), want);
    let blocks = db.stats().blocks;
    assert_eq!(db.retain().unwrap(), blocks);
    assert!(count(&db) < 400 && count(&db) > 0, "{}", count(&db));
}

#[test]
fn deleted_samples_stay_away_and_new_ones_come() {
    let dir = tempfile::tempdir().unwrap();
    let (db, _) = Db::open(options(dir.path())).unwrap();
    for n in 0..10 {
        for name in ["a", "b"] {
            db.append(&tenant(), &one(name, T0 + n, n as f64)).unwrap();
        }
        if n == 4 {
            db.flush().unwrap();
        }
    }
    db.delete(&tenant(), &[Matcher::equal("__name__", "a")], T0 + 3, T0 + 6).unwrap();
    assert!(db.delete(&tenant(), &[], 0, 1).is_err(), "deleting everything needs a matcher that says so");
    assert_eq!(count(&db), 16);
    assert_eq!(db.append(&tenant(), &one("a", T0 + 3, 99.0)).unwrap().accepted, 1);
    assert_eq!(count(&db), 17);
    drop(db);
    let (db, _) = Db::open(options(dir.path())).unwrap();
    assert_eq!(count(&db), 17);
    let before = db.stats().block_samples;
    db.purge_deleted().unwrap();
    assert_eq!(db.stats().block_samples, before - 2);
    assert_eq!(count(&db), 17);
    db.delete(&tenant(), &[Matcher::equal("__name__", "b")], i64::MIN, i64::MAX).unwrap();
    let names = db.label_values("__name__", &everything(Vec::new()), &ReadLimit::unlimited()).unwrap();
    assert_eq!(names, ["a"]);
    db.purge_deleted().unwrap();
    let names = db.label_values("__name__", &everything(Vec::new()), &ReadLimit::unlimited()).unwrap();
    assert_eq!(names, ["a"]);
    assert_eq!(count(&db), 7);
    assert_eq!(read(&db, &everything(Vec::new())).len(), 1);
}

fn write_a_while(db: &Db, name: &str) {
    for n in 0..600_i64 {
        db.append(&tenant(), &one(name, T0 + n * 30_000, n as f64)).unwrap();
        if n % 100 == 50 {
            db.upkeep().unwrap();
        }
    }
}

#[test]
fn readers_and_writers_do_not_disturb_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    options.durability = hinomi_tsdb::Durability::None;
    options.ooo_window = Duration::from_hours(10);
    let (db, _) = Db::open(options).unwrap();
    let db = &db;
    std::thread::scope(|scope| {
        for name in ["s0", "s1"] {
            scope.spawn(move || write_a_while(db, name));
        }
        scope.spawn(move || {
            let mut last = 0;
            for _ in 0..100 {
                let now = count(db);
                assert!(now >= last, "{now} after {last}: a sample was out of sight");
                last = now;
            }
        });
    });
    assert_eq!(count(db), 1200);
}
