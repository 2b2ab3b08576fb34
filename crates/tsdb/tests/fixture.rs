//! Folders that older programs wrote stay readable.
//!
//! `tests/fixtures/v1` is never written again once released. A new format version adds `v2` beside it.
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

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hinomi_model::metrics::{Exemplar, Metadata, MetadataKind, ReadLimit, SeriesExemplars};
use hinomi_series::{Histogram, Matcher, ResetHint, Span, Value};
use hinomi_tsdb::{Batch, Db, SeriesKey};
use support::{Found, HOUR, T0, labels, options, read, tenant};

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1")
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Every form of a column, histograms, staleness, lateness, a merge and deletions, in blocks and in the log.
fn fill(db: &Db) {
    let mut wild = 0.5_f64;
    for n in 0..900_i32 {
        let t = T0 + i64::from(n) * 15_000 + i64::from(n % 7 == 3) * 4;
        let at = f64::from(n);
        wild = (wild * 3.9) * (1.0 - wild);
        let noise = (wild * 1e6).floor();
        let stale = f64::from_bits(0x7ff0_0000_0000_0002);
        let values = [
            ("constant", 1.0),
            ("even", at * 15.0),
            ("integers", noise),
            ("floats", wild),
            ("steps", f64::from(n % 3) / 100.0),
            ("ends", if n == 100 { stale } else { at * 2.0 }),
            ("odd", [f64::INFINITY, -0.0, f64::NAN, f64::from_bits(0x7ff8_0000_dead_beef)][(n % 4) as usize]),
        ];
        let mut batch = Batch::new();
        for (name, value) in values {
            let series = batch.series(SeriesKey::Labels(labels(&[("__name__", name), ("job", "fixture")])));
            let start = match name {
                "even" => T0 - 5000,
                "steps" => t - 60_000,
                "ends" if n > 100 => t - i64::from(n % 3),
                _ => 0,
            };
            batch.sample_started(series, t, start, value);
            if name == "even" {
                let exemplar = Exemplar { labels: labels(&[("trace_id", "火見")]), t_ms: t + 7, value: at };
                batch.exemplar(series, exemplar);
            }
        }
        if n % 100 == 0 {
            let kind = MetadataKind::ALL[(n / 100) as usize % 8];
            let metadata = Metadata { kind, help: format!("what it is, {n}").into(), unit: "ratio".into() };
            batch.metadata(&format!("family_{}", n / 200), metadata);
        }
        let histogram = Histogram {
            reset_hint: ResetHint::Unknown,
            schema: if n < 400 { 2 } else { 1 },
            zero_threshold: 0.25,
            zero_count: at,
            count: at * 4.0,
            sum: at * 5.5,
            positive_spans: vec![Span { offset: -2, length: 2 }],
            positive_buckets: vec![at, at],
            negative_spans: vec![Span { offset: 3, length: 1 }],
            negative_buckets: vec![at],
            ..Histogram::default()
        };
        let key = SeriesKey::Labels(labels(&[("__name__", "histogram"), ("火", "見")]));
        batch.push(key, t, Value::Histogram(Arc::new(histogram)));
        assert_eq!(db.append(&tenant(), &batch).unwrap().accepted, 8);
        if n % 300 == 299 {
            let mut late = Batch::new();
            let key = SeriesKey::Labels(labels(&[("__name__", "even"), ("job", "fixture")]));
            late.push(key, t - 60_001, 7.0);
            assert_eq!(db.append(&tenant(), &late).unwrap().accepted, 1);
        }
        if n == 500 {
            db.flush().unwrap();
        }
    }
    db.delete(&tenant(), &[Matcher::equal("__name__", "steps")], T0 + HOUR / 2, T0 + HOUR).unwrap();
    db.upkeep().unwrap();
}

fn everything(db: &Db) -> Found {
    read(db, &support::everything(Vec::new()))
}

/// Exemplars of the log, and metadata.
fn beside(db: &Db) -> (Vec<SeriesExemplars>, Vec<(String, Metadata)>) {
    let limit = ReadLimit::unlimited();
    let exemplars = db.exemplars(&tenant(), &[Vec::new()], i64::MIN, i64::MAX, &limit).unwrap();
    (exemplars, db.metadata(&tenant(), None, 100))
}

#[test]
#[ignore = "writes the fixture; only for a version that is not released yet"]
fn write_the_fixture() {
    let fresh = tempfile::tempdir().unwrap();
    let (db, _) = Db::open(options(fresh.path())).unwrap();
    fill(&db);
    drop(db);
    copy(fresh.path(), &fixture());
}

#[test]
fn version_1_is_read() {
    let fresh = tempfile::tempdir().unwrap();
    let (db, _) = Db::open(options(fresh.path())).unwrap();
    fill(&db);
    let want = everything(&db);
    drop(db);
    // Opened anew, as exemplars in memory go back further than the log.
    let (db, _) = Db::open(options(fresh.path())).unwrap();
    let want_beside = beside(&db);
    assert!(want_beside.0[0].exemplars.len() > 50 && want_beside.1.len() > 2);
    drop(db);
    let dir = tempfile::tempdir().unwrap();
    copy(&fixture(), dir.path());
    let (db, recovery) = Db::open(options(dir.path())).unwrap();
    assert_eq!(recovery.damage, Vec::<String>::new());
    assert_eq!(recovery.unknown_records, 0);
    assert!(
        recovery.replayed_samples > 1000 && db.stats().block_samples > 1000,
        "{recovery:?} {:?}",
        db.stats()
    );
    assert_eq!((everything(&db), beside(&db)), (want.clone(), want_beside));
    db.flush().unwrap();
    db.compact().unwrap();
    db.purge_deleted().unwrap();
    assert_eq!(everything(&db), want);
}
