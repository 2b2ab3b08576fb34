//! Random work on the engine against a map that is always right.
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

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hinomi_disk::faulty::Faulty;
use hinomi_model::metrics::Select;
use hinomi_series::{Histogram, MatchOp, Matcher, ResetHint, Span, Value};
use hinomi_tsdb::{Batch, Db, Options, SeriesKey};
use proptest::prelude::*;
use support::{Found, HOUR, T0, key_started, labels, options, read, tenant};

#[derive(Clone, Debug)]
enum Step {
    Append(Vec<(u8, i64, i64, Value)>),
    Delete { series: u8, from: i64, to: i64 },
    Read { matcher: u8, from: i64, to: i64 },
    Flush,
    Upkeep,
    Compact,
    Purge,
    Reopen,
    PowerLoss,
    Snapshot,
}

const SERIES: u8 = 5;

fn name(series: u8) -> [(&'static str, &'static str); 3] {
    let names = ["a", "b", "c", "d", "e"];
    let name = names[usize::from(series % SERIES)];
    [
        ("__name__", name),
        ("job", if series.is_multiple_of(2) { "even" } else { "odd" }),
        ("set", if series == 3 { "x" } else { "" }),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (0..100_i32).prop_map(|n| Value::Float(f64::from(n) / 4.0)),
        1 => any::<u64>().prop_map(|bits| Value::Float(f64::from_bits(bits))),
        1 => Just(Value::Float(f64::from_bits(0x7ff0_0000_0000_0002))),
        1 => (0..4_u32, 0..9_u32, -2..5_i32).prop_map(|(buckets, base, schema)| {
            let count = f64::from(buckets + base);
            Value::Histogram(Arc::new(Histogram {
                reset_hint: ResetHint::Unknown,
                schema,
                zero_threshold: 0.5,
                zero_count: f64::from(base),
                count,
                sum: count * 1.5,
                positive_spans: if buckets == 0 { vec![] } else { vec![Span { offset: -1, length: buckets }] },
                positive_buckets: vec![1.0; buckets as usize],
                ..Histogram::default()
            }))
        }),
    ]
}

/// Times in steps of ten minutes over three days, crowded at the end of the range so far.
fn step() -> impl Strategy<Value = Step> {
    let t = || prop_oneof![0..430_i64, 0..20_i64].prop_map(|n| T0 + n * 600_000);
    let sample = (
        0..SERIES,
        prop_oneof![t(), (0..430_i64, 0..1000_i64).prop_map(|(n, ms)| T0 + n * 600_000 + ms)],
        prop_oneof![4 => Just(0), 4 => 1..3_i64, 1 => any::<i64>()],
        value(),
    );
    prop_oneof![
        8 => proptest::collection::vec(sample, 1..40).prop_map(Step::Append),
        1 => (0..SERIES, t(), 0..40 * HOUR).prop_map(|(series, from, len)| Step::Delete { series, from, to: from + len }),
        3 => (0..8_u8, t(), 0..60 * HOUR).prop_map(|(matcher, from, len)| Step::Read { matcher, from, to: from + len }),
        1 => Just(Step::Flush),
        1 => Just(Step::Upkeep),
        1 => Just(Step::Compact),
        1 => Just(Step::Purge),
        1 => Just(Step::Reopen),
        1 => Just(Step::PowerLoss),
        1 => Just(Step::Snapshot),
    ]
}

fn matcher(kind: u8) -> Matcher {
    let (op, name, value) = match kind {
        0 => (MatchOp::Equal, "__name__", "a"),
        1 => (MatchOp::Regex, "__name__", "b|c"),
        2 => (MatchOp::NotEqual, "job", "odd"),
        3 => (MatchOp::Equal, "set", ""),
        4 => (MatchOp::NotEqual, "set", ""),
        5 => (MatchOp::NotRegex, "__name__", "a.*"),
        6 => (MatchOp::Regex, "absent", ".*"),
        _ => (MatchOp::Regex, "job", ".+d.*"),
    };
    Matcher::new(op, name, value).unwrap()
}

type Model = BTreeMap<u8, BTreeMap<i64, String>>;

fn expected(model: &Model, matcher: &Matcher, from: i64, to: i64) -> Found {
    let mut found = Found::new();
    for (series, points) in model {
        let labels = labels(&name(*series));
        let within: BTreeMap<i64, String> = points.range(from..=to).map(|(t, v)| (*t, v.clone())).collect();
        if matcher.matches(labels.value(&matcher.name)) && !within.is_empty() {
            found.insert(labels.to_string(), within);
        }
    }
    found
}

fn apply(db: &mut Option<Db>, options: &Options, faulty: &Faulty, model: &mut Model, step: Step) {
    let open = db.as_ref().unwrap();
    match step {
        Step::Append(samples) => {
            let mut batch = Batch::new();
            for (series, t, start, value) in &samples {
                let series = batch.series(SeriesKey::Labels(labels(&name(*series))));
                batch.sample_started(series, *t, *start, value.clone());
            }
            let appended = open.append(&tenant(), &batch).unwrap();
            // The window is wide open, so that only another value at a time that is in memory is refused. One that is
            // in a block already is taken, and then not seen.
            let rejected = samples.len() as u64 - appended.accepted;
            assert_eq!(rejected, appended.rejected_for(hinomi_tsdb::Reason::Duplicate));
            for (series, t, start, value) in samples {
                model.entry(series).or_default().entry(t).or_insert_with(|| key_started(&value, start));
            }
        }
        Step::Delete { series, from, to } => {
            let chosen = Matcher::equal("__name__", name(series)[0].1);
            open.delete(&tenant(), &[chosen], from, to).unwrap();
            if let Some(points) = model.get_mut(&series) {
                points.retain(|t, _| !(from..=to).contains(t));
            }
        }
        Step::Read { matcher: kind, from, to } => {
            let matcher = matcher(kind);
            let want = expected(model, &matcher, from, to);
            let what = Select { tenant: tenant(), matchers: vec![matcher], from_ms: from, to_ms: to };
            assert_eq!(read(open, &what), want);
        }
        Step::Snapshot => {
            let dir = tempfile::tempdir().unwrap();
            let mut options = options.clone();
            options.folder = dir.path().join("copy");
            open.snapshot(&options.folder).unwrap();
            let (copy, recovery) = Db::open(options).unwrap();
            assert_eq!((recovery.damage.len(), recovery.cut_bytes), (0, 0));
            let want = expected(model, &matcher(6), i64::MIN, i64::MAX);
            assert_eq!(read(&copy, &support::everything(vec![])), want);
        }
        Step::Flush => open.flush().unwrap(),
        Step::Upkeep => open.upkeep().unwrap(),
        Step::Compact => {
            open.compact().unwrap();
        }
        Step::Purge => open.purge_deleted().unwrap(),
        Step::Reopen | Step::PowerLoss => {
            let closed = db.take();
            if matches!(step, Step::PowerLoss) {
                std::mem::forget(closed);
                faulty.power_loss();
            } else {
                drop(closed);
            }
            let (opened, recovery) = Db::open(options.clone()).unwrap();
            assert_eq!(recovery.damage, Vec::<String>::new());
            *db = Some(opened);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_engine_is_a_map(steps in proptest::collection::vec(step(), 1..40)) {
        let dir = tempfile::tempdir().unwrap();
        let mut options = options(dir.path());
        let faulty = Faulty::default();
        options.fs = Arc::new(faulty.clone());
        options.ooo_window = Duration::from_hours(100_000);
        // So that what takes place when the log is full does at some of the steps.
        options.log_samples_max = 60;
        let mut db = Some(Db::open(options.clone()).unwrap().0);
        let mut model = Model::new();
        for step in steps {
            apply(&mut db, &options, &faulty, &mut model, step);
        }
        for step in [Step::PowerLoss, Step::Flush, Step::Compact, Step::Snapshot, Step::Purge] {
            apply(&mut db, &options, &faulty, &mut model, step);
            let want = expected(&model, &matcher(6), i64::MIN, i64::MAX);
            prop_assert_eq!(read(db.as_ref().unwrap(), &support::everything(vec![])), want);
        }
    }
}
