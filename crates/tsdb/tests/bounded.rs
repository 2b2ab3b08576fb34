//! The log stays as short as it is to be, and what is taken does not depend on when it was cut.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::mem_forget,
    reason = "a test fails by panicking, counts small numbers, and kills by forgetting"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hinomi_base::clock::Clock;
use hinomi_tsdb::{Appended, Batch, Db, Options, Reason, SeriesKey, SeriesRef};
use support::{Fake, HOUR, T0, count, labels, options, tenant};

const SERIES: [&str; 3] = ["a", "b", "c"];

fn bounded(dir: &std::path::Path) -> Options {
    let mut options = options(dir);
    options.log_samples_max = 100;
    options.ooo_window = Duration::ZERO;
    options
}

fn key(name: &str) -> SeriesKey {
    SeriesKey::Labels(labels(&[("__name__", name)]))
}

fn push(db: &Db, key: SeriesKey, t: i64, value: f64) -> Appended {
    let mut batch = Batch::new();
    batch.push(key, t, value);
    db.append(&tenant(), &batch).unwrap()
}

/// So many rounds of all series, 15 seconds apart, with a look at what is due after each.
fn rounds(db: &Db, rounds: std::ops::Range<i64>) {
    for round in rounds {
        let mut batch = Batch::new();
        SERIES.iter().for_each(|name| batch.push(key(name), T0 + round * 15_000, round as f64));
        assert_eq!(db.append(&tenant(), &batch).unwrap().rejected, []);
        db.upkeep().unwrap();
    }
}

#[test]
fn a_start_reads_no_more_than_the_log_may_hold() {
    let dir = tempfile::tempdir().unwrap();
    let options = bounded(dir.path());
    let (db, _) = Db::open(options.clone()).unwrap();
    for begin in [0, 50, 100] {
        rounds(&db, begin..begin + 50);
        let logged = db.stats().wal_bytes;
        assert!(logged < 4000, "{logged} bytes of log");
    }
    std::mem::forget(db);
    let (db, recovery) = Db::open(options).unwrap();
    assert!(recovery.replayed_samples < 103, "{recovery:?}");
    assert_eq!(count(&db), 450);
    // What was read again counts as well.
    rounds(&db, 150..480);
    assert!(db.stats().blocks > 12, "more than are merged at once");
    assert_eq!(count(&db), 1440);
    assert!(db.compact().unwrap() == 0, "the two hours are not over");
    rounds(&db, 480..481);
    db.flush().unwrap();
    db.compact().unwrap();
    assert_eq!((db.stats().blocks, count(&db)), (2, 1443));
}

#[test]
fn of_many_small_blocks_the_first_still_counts() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = bounded(dir.path());
    options.ooo_window = Duration::from_hours(10);
    let (db, _) = Db::open(options).unwrap();
    // What was at a time first is in the block of that number; the later ones have it as well.
    for n in 0..20 {
        (0..=n).for_each(|at| drop(push(&db, key("a"), T0 + at * 60_000, n as f64)));
        db.flush().unwrap();
    }
    push(&db, key("a"), T0 + 3 * HOUR, 0.0);
    db.flush().unwrap();
    let before = support::read(&db, &support::everything(Vec::new()));
    let points = before.values().next().unwrap();
    (0..20).for_each(|n| assert_eq!(points[&(T0 + n * 60_000)], support::key(&(n as f64).into())));
    assert!(db.compact().unwrap() > 1, "not all at once");
    assert_eq!(db.stats().blocks, 2);
    assert_eq!(support::read(&db, &support::everything(Vec::new())), before);
}

#[test]
fn bytes_bound_the_log_too() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = bounded(dir.path());
    (options.log_samples_max, options.log_bytes_max) = (u64::MAX, 3000);
    let (db, _) = Db::open(options).unwrap();
    rounds(&db, 0..200);
    let stats = db.stats();
    assert!(stats.wal_bytes < 3200 && stats.blocks > 1, "{stats:?}");
    assert_eq!(count(&db), 600);
}

#[test]
fn series_without_samples_stay_as_long_as_they_decide_what_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = bounded(dir.path());
    let clock = Arc::new(Fake::default());
    let now = T0 + 9 * HOUR;
    clock.0.store(now, Ordering::SeqCst);
    options.clock = Clock::new(clock.clone());
    let (db, _) = Db::open(options).unwrap();
    let reference: SeriesRef = push(&db, key("a"), T0 - 1, 0.5).refs[0].unwrap();
    rounds(&db, 0..34);
    let stats = db.stats();
    assert_eq!((stats.head_series, stats.blocks), (3, 2), "all is in blocks: {stats:?}");
    // By its reference still; by the rules that its last sample sets.
    let last = T0 + 33 * 15_000;
    let key = SeriesKey::Ref(reference);
    assert_eq!(push(&db, key.clone(), last, 33.0).accepted, 1);
    assert_eq!(push(&db, key.clone(), last, 34.0).rejected, [(Reason::Duplicate, 1)]);
    assert_eq!(push(&db, key.clone(), last - 1, 1.0).rejected, [(Reason::OutOfOrder, 1)]);
    assert_eq!(push(&db, key.clone(), T0 - 2 * HOUR, 1.0).rejected, [(Reason::OutOfBounds, 1)]);
    // Those that get nothing more go when their time is over.
    for n in 1..8 {
        assert_eq!(push(&db, key.clone(), last + n * HOUR / 2, 1.0).accepted, 1);
        db.upkeep().unwrap();
    }
    assert_eq!(db.stats().head_series, 1);
    // A tenant that fell silent keeps nothing, also where all of it is in blocks.
    db.flush().unwrap();
    rounds(&db, 1000..1034);
    assert_eq!(db.stats().head_series, 3);
    clock.0.store(now + 3 * HOUR, Ordering::SeqCst);
    db.upkeep().unwrap();
    assert_eq!((db.stats().head_series, count(&db)), (0, 1 + 102 + 7 + 102));
}
