//! What stands beside samples: starts, exemplars and metadata; and copies of the folder.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::mem_forget,
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    reason = "a test fails by panicking, and kills by forgetting"
)]

mod support;

use std::path::Path;
use std::sync::Arc;

use hinomi_disk::faulty::Faulty;
use hinomi_model::metrics::{Exemplar, Metadata, MetadataKind, ReadError, ReadLimit, SeriesExemplars};
use hinomi_series::{Labels, Matcher};
use hinomi_tsdb::{Batch, Db, Durability, Error, Options, Reason, SeriesKey};
use support::{HOUR, T0, count, everything, labels, options, read, tenant};

fn trace(t_ms: i64) -> Exemplar {
    Exemplar { labels: labels(&[("trace_id", &format!("{t_ms:x}"))]), t_ms, value: 0.25 }
}

fn named(name: &str) -> Labels {
    labels(&[("__name__", name), ("job", "test")])
}

/// One sample with start and exemplar a minute, and a family.
fn minute(n: i64) -> Batch {
    let mut batch = Batch::new();
    for name in ["a_total", "b_total"] {
        let series = batch.series(SeriesKey::Labels(named(name)));
        let t = T0 + n * 60_000;
        batch.sample_started(series, t, T0 - 1000 + (n / 50), n as f64);
        batch.exemplar(series, trace(t));
    }
    let help = format!("help {}", n / 100);
    batch.metadata("a", Metadata { kind: MetadataKind::Counter, help: help.into(), unit: "things".into() });
    batch
}

fn exemplars(db: &Db, name: &str, from: i64, to: i64) -> Vec<SeriesExemplars> {
    let sets = [vec![Matcher::equal("__name__", "none")], vec![Matcher::equal("__name__", name)]];
    db.exemplars(&tenant(), &sets, from, to, &ReadLimit::unlimited()).unwrap()
}

fn help(db: &Db) -> Vec<(String, String)> {
    let all = db.metadata(&tenant(), None, 10);
    all.into_iter().map(|(family, metadata)| (family, metadata.help.to_string())).collect()
}

fn on(dir: &Path, faulty: &Faulty) -> Options {
    let mut options = options(dir);
    options.fs = Arc::new(faulty.clone());
    options
}

#[test]
fn survives_blocks_merges_and_losses_of_power() {
    let (dir, faulty) = (tempfile::tempdir().unwrap(), Faulty::default());
    let mut db = Db::open(on(dir.path(), &faulty)).unwrap().0;
    for n in 0..600 {
        let appended = db.append(&tenant(), &minute(n)).unwrap();
        assert_eq!((appended.accepted, appended.exemplars, appended.metadata), (2, 2, 1));
        if n % 60 == 59 {
            db.upkeep().unwrap();
        }
        if n % 170 == 169 {
            std::mem::forget(db);
            faulty.power_loss();
            db = Db::open(on(dir.path(), &faulty)).unwrap().0;
        }
    }
    assert!(db.stats().blocks > 0 && db.stats().wal_bytes > 0);
    let found = read(&db, &everything(Vec::new()));
    assert_eq!(found.len(), 2);
    for points in found.values() {
        assert_eq!(points.len(), 600);
        for (n, (t, text)) in (0..).zip(points) {
            assert_eq!(*t, T0 + n * 60_000);
            assert!(text.ends_with(&format!("since {}", T0 - 1000 + n / 50)), "{n} {text}");
        }
    }
    // The log keeps what the last blocks do not need.
    let kept = exemplars(&db, "a_total", i64::MIN, i64::MAX);
    let last = T0 + 599 * 60_000;
    assert_eq!((kept.len(), kept[0].series.clone()), (1, named("a_total")));
    assert_eq!(kept[0].exemplars.last(), Some(&trace(last)));
    assert!(kept[0].exemplars.len() >= 120 && kept[0].exemplars.is_sorted_by(|a, b| a.t_ms < b.t_ms));
    assert_eq!(exemplars(&db, "a_total", last - 60_000, last - 1)[0].exemplars, [trace(last - 60_000)]);
    assert_eq!(exemplars(&db, "other", i64::MIN, i64::MAX), []);
    let limit = ReadLimit { samples_max: 3, ..ReadLimit::unlimited() };
    let limited = db.exemplars(&tenant(), &[vec![]], i64::MIN, i64::MAX, &limit);
    assert_eq!(limited, Err(ReadError::TooManySamples(3)));
    assert_eq!(help(&db), [("a".to_owned(), "help 5".to_owned())]);
    // All in blocks, the log empty: metadata has its file.
    db.flush().unwrap();
    db.flush().unwrap();
    std::mem::forget(db);
    faulty.power_loss();
    let (db, recovery) = Db::open(on(dir.path(), &faulty)).unwrap();
    assert_eq!((recovery.replayed_samples, recovery.damage), (0, Vec::new()));
    assert_eq!(help(&db), [("a".to_owned(), "help 5".to_owned())]);
    assert_eq!(db.metadata(&tenant(), Some("a"), 1)[0].1.kind, MetadataKind::Counter);
    assert_eq!(db.metadata(&tenant(), Some("b"), 1), []);
    assert_eq!(read(&db, &everything(Vec::new())), found);
}

#[test]
fn answers_count_what_was_taken() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    options.exemplars_max = 3;
    let db = Db::open(options).unwrap().0;
    let mut batch = Batch::new();
    let series = batch.series(SeriesKey::Labels(named("a")));
    let late = i64::MAX - 5;
    for exemplar in [trace(T0 + 5), trace(T0 + 5), trace(T0), trace(late)] {
        batch.exemplar(series, exemplar);
    }
    let long = Exemplar { labels: labels(&[("x", &"y".repeat(128))]), ..trace(T0 + 6) };
    batch.exemplar(series, long);
    batch.exemplar(77, trace(T0));
    batch.sample(series, T0, hinomi_series::Value::Histogram(Arc::default()));
    batch.sample(series, T0 + 1, 1.0);
    batch.metadata("", Metadata::default());
    let appended = db.append(&tenant(), &batch).unwrap();
    assert_eq!((appended.accepted, appended.histograms, appended.exemplars, appended.metadata), (2, 1, 2, 0));
    let reasons =
        [Reason::ExemplarOutOfOrder, Reason::Future, Reason::ExemplarTooLong, Reason::UnknownSeries];
    assert_eq!(appended.exemplars_rejected, reasons.map(|reason| (reason, 1)));
    assert!(appended.rejected.is_empty());
    (1..9).for_each(|n| assert_eq!(db.append(&tenant(), &minute(n)).unwrap().exemplars, 2));
    assert_eq!(db.stats().exemplars, 3, "the newest ones");
    assert!(exemplars(&db, "a", i64::MIN, i64::MAX).is_empty());
}

#[test]
fn a_copy_has_what_was_acknowledged() {
    for durability in [Durability::Fsync, Durability::Interval, Durability::None] {
        let (dir, faulty) = (tempfile::tempdir().unwrap(), Faulty::default());
        let mut options = on(&dir.path().join("data"), &faulty);
        options.durability = durability;
        let db = Db::open(options).unwrap().0;
        for n in 0..400 {
            db.append(&tenant(), &minute(n)).unwrap();
        }
        db.upkeep().unwrap();
        assert!(db.stats().blocks > 0);
        db.delete(&tenant(), &[Matcher::equal("__name__", "b_total")], T0, T0 + HOUR).unwrap();
        let want = (read(&db, &everything(Vec::new())), help(&db));
        let to = dir.path().join("copy");
        let info = db.snapshot(&to).unwrap();
        assert_eq!((info.blocks, &info.folder), (db.stats().blocks as u64, &to));
        assert!(matches!(db.snapshot(&to), Err(Error::Invalid(_))), "nothing is overwritten");
        // The original goes on, and its changes are not those of the copy.
        (400..500).for_each(|n| assert_eq!(db.append(&tenant(), &minute(n)).unwrap().accepted, 2));
        db.flush().unwrap();
        db.compact().unwrap();
        db.purge_deleted().unwrap();
        let after = read(&db, &everything(Vec::new()));
        drop(db);
        faulty.power_loss();
        let (copy, recovery) = Db::open(on(&to, &faulty)).unwrap();
        assert_eq!((recovery.damage, recovery.cut_bytes), (Vec::new(), 0));
        assert_eq!((read(&copy, &everything(Vec::new())), help(&copy)), want, "{durability:?}");
        assert!(!exemplars(&copy, "a_total", i64::MIN, i64::MAX).is_empty());
        assert_eq!(copy.append(&tenant(), &minute(600)).unwrap().accepted, 2);
        copy.flush().unwrap();
        copy.compact().unwrap();
        drop(copy);
        let (db, recovery) = Db::open(on(&dir.path().join("data"), &faulty)).unwrap();
        assert_eq!((recovery.damage, read(&db, &everything(Vec::new()))), (Vec::new(), after));
    }
}

#[test]
fn a_copy_that_fails_leaves_nothing() {
    let (dir, faulty) = (tempfile::tempdir().unwrap(), Faulty::default());
    let db = Db::open(on(&dir.path().join("data"), &faulty)).unwrap().0;
    (0..400).for_each(|n| assert_eq!(db.append(&tenant(), &minute(n)).unwrap().accepted, 2));
    db.upkeep().unwrap();
    let to = dir.path().join("copy");
    for fault in 0..3 {
        match fault {
            0 => faulty.set_space(Some(100)),
            1 => faulty.fail_next_renames(1),
            _ => faulty.fail_next_syncs(1),
        }
        assert!(db.snapshot(&to).is_err(), "fault {fault}");
        faulty.set_space(None);
        let names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["data"], "fault {fault}");
    }
    // What a killed process left is in nobody's way.
    std::fs::create_dir_all(dir.path().join("copy.tmp/wal")).unwrap();
    std::fs::write(dir.path().join("copy.tmp/wal/x.log"), "half").unwrap();
    db.snapshot(&to).unwrap();
    assert_eq!(count(&Db::open(on(&to, &faulty)).unwrap().0), 800);
}

#[test]
fn a_copy_may_be_made_while_others_write() {
    let (dir, faulty) = (tempfile::tempdir().unwrap(), Faulty::default());
    let db = Db::open(on(&dir.path().join("data"), &faulty)).unwrap().0;
    let done = std::sync::atomic::AtomicI64::new(-1);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..2000 {
                db.append(&tenant(), &minute(n)).unwrap();
                done.store(n, std::sync::atomic::Ordering::SeqCst);
                if n % 100 == 99 {
                    db.upkeep().unwrap();
                }
            }
        });
        for round in 0..8 {
            std::thread::sleep(std::time::Duration::from_millis(20));
            let before = done.load(std::sync::atomic::Ordering::SeqCst);
            let to = dir.path().join(format!("copy{round}"));
            db.snapshot(&to).unwrap();
            let (copy, recovery) = Db::open(on(&to, &faulty)).unwrap();
            assert_eq!(recovery.damage, Vec::<String>::new());
            for points in read(&copy, &everything(Vec::new())).values() {
                assert!(points.len() as i64 > before, "{} of {before}", points.len());
                assert_eq!(
                    points.len() as i64 - 1,
                    (points.last_key_value().unwrap().0 - T0) / 60_000,
                    "no holes"
                );
            }
        }
    });
}
