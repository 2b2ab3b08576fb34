//! Tables of histogram arithmetic.
#![allow(clippy::float_cmp, reason = "numbers that are exact")]

use super::*;

/// A histogram from its buckets, of schema 0 with zero threshold 0.001.
fn exponential(schema: i32, zero: f64, positive: &[(i32, f64)], negative: &[(i32, f64)]) -> Histogram {
    let (positive_spans, positive_buckets) = buckets::pack(positive.iter().copied());
    let (negative_spans, negative_buckets) = buckets::pack(negative.iter().copied());
    let all = positive_buckets.iter().chain(&negative_buckets).sum::<f64>();
    Histogram {
        schema,
        zero_threshold: 0.001,
        zero_count: zero,
        count: all + zero,
        sum: all * 2.0,
        positive_spans,
        negative_spans,
        positive_buckets,
        negative_buckets,
        ..Histogram::default()
    }
}

fn custom(bounds: &[f64], counts: &[f64]) -> Histogram {
    let length = u32::try_from(counts.len()).unwrap();
    Histogram {
        schema: CUSTOM_BUCKETS_SCHEMA,
        count: counts.iter().sum(),
        sum: 10.0,
        positive_spans: vec![Span { offset: 0, length }],
        positive_buckets: counts.to_vec(),
        custom_values: bounds.into(),
        ..Histogram::default()
    }
}

#[test]
fn histograms_are_printed_as_prometheus_does() {
    let table = [
        (Histogram::default(), "{count:0, sum:0}"),
        (
            exponential(0, 2.0, &[(0, 3.0), (2, 4.0)], &[(1, 1.0), (2, 5.0)]),
            "{count:15, sum:26, [-4,-2):5, [-2,-1):1, [-0.001,0.001]:2, (0.5,1]:3, (2,4]:4}",
        ),
        (custom(&[1.0, 2.5], &[1.0, 0.0, 2.0]), "{count:3, sum:10, [-Inf,1]:1, (2.5,+Inf]:2}"),
    ];
    for (histogram, text) in table {
        assert_eq!(histogram.to_string(), text);
    }
}

#[test]
fn bounds_of_exponential_buckets() {
    let table = [
        (0, 0, 1.0),
        (0, 3, 8.0),
        (0, -2, 0.25),
        (1, 1, std::f64::consts::SQRT_2),
        (-1, 2, 16.0),
        (-4, 64, f64::MAX),
        (-4, 65, f64::INFINITY),
        (0, 1024, f64::MAX),
        (0, 1025, f64::INFINITY),
        (8, 256 * 1024, f64::MAX),
        (0, i32::MIN, 0.0),
        (8, i32::MAX, f64::INFINITY),
    ];
    for (schema, index, bound) in table {
        assert_eq!(buckets::exponential_bound(index, schema), bound, "{schema} {index}");
    }
}

#[test]
fn adding_brings_resolution_zero_bucket_and_bounds_in_line() {
    let table = [
        (
            "the same shape",
            exponential(0, 1.0, &[(1, 2.0)], &[]),
            exponential(0, 2.0, &[(1, 3.0)], &[]),
            "{count:8, sum:10, [-0.001,0.001]:3, (1,2]:5}",
        ),
        (
            "buckets before, between and behind",
            exponential(0, 0.0, &[(1, 2.0), (3, 1.0)], &[]),
            exponential(0, 0.0, &[(0, 1.0), (2, 1.0), (5, 1.0)], &[(0, 4.0)]),
            "{count:10, sum:20, [-1,-0.5):4, (0.5,1]:1, (1,2]:2, (2,4]:1, (4,8]:1, (16,32]:1}",
        ),
        (
            "a finer one",
            exponential(0, 0.0, &[(1, 2.0)], &[]),
            exponential(1, 0.0, &[(1, 1.0), (2, 1.0), (3, 1.0)], &[]),
            "{count:5, sum:10, (1,2]:4, (2,4]:1}",
        ),
        (
            "a coarser one",
            exponential(1, 0.0, &[(1, 1.0), (2, 1.0), (3, 1.0)], &[]),
            exponential(0, 0.0, &[(1, 2.0)], &[]),
            "{count:5, sum:10, (1,2]:4, (2,4]:1}",
        ),
        (
            "a wider zero bucket that cuts a bucket",
            exponential(0, 1.0, &[(0, 2.0), (1, 3.0), (2, 1.0)], &[(0, 1.0)]),
            Histogram { zero_threshold: 1.5, ..exponential(0, 1.0, &[(3, 1.0)], &[]) },
            "{count:10, sum:16, [-2,2]:8, (2,4]:1, (4,8]:1}",
        ),
        (
            "into a wider zero bucket",
            Histogram { zero_threshold: 1.0, ..exponential(0, 1.0, &[(3, 1.0)], &[]) },
            exponential(0, 1.0, &[(0, 2.0), (1, 3.0)], &[(0, 1.0)]),
            "{count:9, sum:14, [-1,1]:5, (1,2]:3, (4,8]:1}",
        ),
        (
            "listed bounds in common",
            custom(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0, 4.0]),
            custom(&[1.0, 3.0, 5.0], &[1.0, 1.0, 1.0, 1.0]),
            "{count:14, sum:20, [-Inf,1]:2, (1,3]:6, (3,+Inf]:6}",
        ),
    ];
    for (name, mut left, right, sum) in table {
        let (before, mut exact) = (left.clone(), left.clone());
        let mut lost = exact.nothing_lost();
        left.add(&right).unwrap();
        assert_eq!(left.to_string(), sum, "{name}");
        exact.add_exactly(&right, &mut lost).unwrap();
        assert_eq!(exact.to_string(), sum, "{name}, exactly");
        left.sub(&right).unwrap();
        left.compact(0);
        assert_eq!(left.count, before.count, "{name}, back");
    }
}

#[test]
fn adding_exactly_loses_nothing() {
    let mut sum = exponential(0, 0.0, &[(0, 1.0)], &[]);
    let mut lost = sum.nothing_lost();
    for count in [1e100, 1.0, -1e100] {
        sum.add_exactly(&exponential(0, 0.0, &[(0, count)], &[]), &mut lost).unwrap();
    }
    sum.add(&lost).unwrap();
    assert_eq!(sum.to_string(), "{count:2, sum:4, (0.5,1]:2}");
}

#[test]
fn hints_and_warnings_of_an_addition() {
    use ResetHint::{Gauge, NotReset, Reset, Unknown};
    let table = [
        (Reset, Reset, Reset, false),
        (Gauge, Reset, Gauge, false),
        (Reset, Gauge, Gauge, false),
        (Unknown, Reset, Unknown, false),
        (NotReset, Unknown, Unknown, false),
        (Reset, NotReset, Unknown, true),
    ];
    for (left, right, hint, collision) in table {
        let mut sum = Histogram { reset_hint: left, ..Histogram::default() };
        let outcome = sum.add(&Histogram { reset_hint: right, ..Histogram::default() }).unwrap();
        assert_eq!((sum.reset_hint, outcome.reset_collision), (hint, collision));
    }
    let mut mixed = Histogram::default();
    assert_eq!(mixed.add(&custom(&[1.0], &[1.0, 1.0])), Err(HistogramError::MixedSchemas));
    let mut other = custom(&[1.0], &[1.0, 1.0]);
    assert!(other.add(&custom(&[2.0], &[1.0, 1.0])).unwrap().bounds_reconciled);
    assert!(!other.clone().add(&other).unwrap().bounds_reconciled);
}

#[test]
fn scaling_turns_gauges_and_empties() {
    let mut histogram = exponential(0, 1.0, &[(0, 2.0)], &[]);
    histogram.mul(2.0);
    assert_eq!(histogram.to_string(), "{count:6, sum:8, [-0.001,0.001]:2, (0.5,1]:4}");
    assert_eq!(histogram.reset_hint, ResetHint::Unknown);
    histogram.div(-4.0);
    assert_eq!(histogram.to_string(), "{count:-1.5, sum:-2, [-0.001,0.001]:-0.5, (0.5,1]:-1}");
    assert_eq!(histogram.reset_hint, ResetHint::Gauge);
    histogram.div(0.0);
    assert_eq!(histogram.to_string(), "{count:-Inf, sum:-Inf, [-0.001,0.001]:-Inf}");
}

#[test]
fn compacting_drops_what_is_empty() {
    type Row<'a> = (&'a [(i32, f64)], u32, &'a [Span]);
    let table: [Row<'_>; 6] = [
        (&[(0, 0.0), (1, 0.0)], 0, &[]),
        (&[(0, 0.0), (1, 2.0), (2, 0.0)], 0, &[Span { offset: 1, length: 1 }]),
        (&[(1, 2.0), (2, 0.0), (3, 1.0)], 0, &[Span { offset: 1, length: 1 }, Span { offset: 1, length: 1 }]),
        (&[(1, 2.0), (2, 0.0), (3, 1.0)], 1, &[Span { offset: 1, length: 3 }]),
        (&[(1, 2.0), (3, 1.0), (6, 1.0)], 1, &[Span { offset: 1, length: 3 }, Span { offset: 2, length: 1 }]),
        (&[(-5, 2.0), (3, 1.0)], 2, &[Span { offset: -5, length: 1 }, Span { offset: 7, length: 1 }]),
    ];
    for (rows, empty_max, spans) in table {
        let mut histogram = exponential(0, 0.0, rows, rows);
        histogram.compact(empty_max);
        assert_eq!(histogram.positive_spans, spans, "{rows:?}");
        assert_eq!(histogram.negative_spans, spans, "{rows:?}");
    }
    let mut cut = exponential(0, 0.0, &[], &[]);
    cut.positive_spans =
        vec![Span { offset: 0, length: 1 }, Span { offset: 0, length: 0 }, Span { offset: 0, length: 1 }];
    cut.positive_buckets = vec![1.0, 2.0];
    let whole = exponential(0, 0.0, &[(0, 1.0), (1, 2.0)], &[]);
    assert!(buckets::same_layout(&cut.positive_spans, &whole.positive_spans));
    cut.compact(0);
    assert_eq!(cut.positive_spans, whole.positive_spans);
}

#[test]
fn resets_are_detected() {
    let base = exponential(1, 1.0, &[(0, 2.0), (3, 1.0)], &[(1, 1.0)]);
    let wider = |zero, positive: &[(i32, f64)]| Histogram {
        zero_threshold: 1.0,
        ..exponential(1, zero, positive, &[(1, 1.0)])
    };
    let table = [
        ("nothing new", base.clone(), false),
        ("more", exponential(1, 1.0, &[(0, 2.0), (1, 1.0), (3, 1.0)], &[(1, 1.0)]), false),
        ("less in a bucket", exponential(1, 3.0, &[(0, 1.0), (3, 1.0)], &[(1, 1.0)]), true),
        ("a bucket gone", exponential(1, 3.0, &[(0, 5.0)], &[(1, 1.0)]), true),
        ("less in the zero bucket", exponential(1, 0.0, &[(0, 5.0), (3, 1.0)], &[(1, 1.0)]), true),
        ("coarser", exponential(0, 1.0, &[(0, 2.0), (2, 1.0)], &[(1, 1.0)]), false),
        ("finer", exponential(2, 1.0, &[(0, 2.0), (2, 9.0)], &[(1, 1.0)]), true),
        ("a wider zero bucket", wider(3.0, &[(3, 1.0)]), false),
        ("a wider zero bucket with less", wider(2.0, &[(3, 5.0)]), true),
        ("a narrower zero bucket", Histogram { zero_threshold: 0.0, ..base.clone() }, true),
        ("said so", Histogram { reset_hint: ResetHint::Reset, ..base.clone() }, true),
        ("said not so", Histogram { reset_hint: ResetHint::NotReset, ..Histogram::default() }, false),
        ("fewer", exponential(1, 0.0, &[], &[]), true),
        ("listed bounds", custom(&[1.0], &[9.0, 9.0]), true),
    ];
    for (name, now, reset) in table {
        assert_eq!(now.detect_reset(&base), reset, "{name}");
    }
    let before = custom(&[1.0, 2.0], &[1.0, 1.0, 1.0]);
    assert!(!custom(&[1.0, 3.0], &[1.0, 1.0, 1.0]).detect_reset(&before));
    assert!(custom(&[1.0, 3.0], &[0.0, 5.0, 1.0]).detect_reset(&before));
}

#[test]
fn quantiles_and_fractions() {
    let positive = exponential(0, 0.0, &[(1, 2.0), (2, 2.0)], &[]);
    let zero = exponential(0, 4.0, &[(2, 4.0)], &[]);
    let negative = exponential(0, 0.0, &[], &[(1, 2.0), (2, 2.0)]);
    let listed = custom(&[1.0, 2.0], &[2.0, 2.0, 4.0]);
    let table = [
        (&positive, 0.5, 2.0),
        (&positive, 0.25, std::f64::consts::SQRT_2),
        (&positive, 1.0, 4.0),
        (&positive, 0.0, 1.0),
        (&positive, -0.1, f64::NEG_INFINITY),
        (&positive, 1.1, f64::INFINITY),
        (&zero, 0.25, 0.000_5),
        (&negative, 0.5, -2.0),
        (&negative, 0.75, -std::f64::consts::SQRT_2),
        (&listed, 0.125, 0.5),
        (&listed, 0.375, 1.5),
        (&listed, 0.9, 2.0),
    ];
    for (histogram, share, value) in table {
        let found = histogram.quantile(share).value;
        assert!((found - value).abs() < 1e-12 || found == value, "{histogram} {share}: {found}");
    }
    assert!(Histogram::default().quantile(0.5).value.is_nan());
    assert!(positive.quantile(f64::NAN).value.is_nan());

    let table = [
        (&positive, f64::NEG_INFINITY, f64::INFINITY, 1.0),
        (&positive, 1.0, 2.0, 0.5),
        (&positive, std::f64::consts::SQRT_2, 4.0, 0.75),
        (&positive, 3.0, 2.0, 0.0),
        (&zero, 0.0, 0.000_5, 0.25),
        (&negative, -2.0, 0.0, 0.5),
        (&listed, 0.5, 1.5, 0.25),
        (&listed, 2.0, f64::INFINITY, 0.5),
    ];
    for (histogram, lower, upper, share) in table {
        let found = histogram.fraction(lower, upper).value;
        assert!((found - share).abs() < 1e-12, "{histogram} {lower} {upper}: {found}");
    }
    assert!(positive.fraction(f64::NAN, 1.0).value.is_nan());
}

#[test]
fn observations_that_are_no_number_are_said() {
    let mut histogram = exponential(0, 0.0, &[(1, 2.0)], &[]);
    histogram.count = 4.0;
    histogram.sum = f64::NAN;
    assert_eq!(
        histogram.quantile(0.25),
        Estimate { value: std::f64::consts::SQRT_2, nan_observations: true }
    );
    let above = histogram.quantile(0.9);
    assert!(above.value.is_nan() && above.nan_observations);
    assert_eq!(
        histogram.fraction(f64::NEG_INFINITY, f64::INFINITY),
        Estimate { value: 0.5, nan_observations: true }
    );
}

#[test]
fn trimming_cuts_buckets() {
    let positive = exponential(0, 0.0, &[(1, 2.0), (2, 2.0)], &[]);
    let mut below = positive.clone();
    below.trim_above(2.0);
    assert_eq!((below.count, below.positive_buckets.as_slice()), (2.0, [2.0].as_slice()));
    let mut above = positive.clone();
    above.trim_below(2.0 * std::f64::consts::SQRT_2);
    assert!((above.count - 1.0).abs() < 1e-12, "{above}");
    let mut untouched = positive.clone();
    untouched.trim_above(1e9);
    assert_eq!(untouched, positive);
    let mut listed = custom(&[1.0, 2.0], &[2.0, 2.0, 4.0]);
    listed.trim_above(1.5);
    assert_eq!(listed.to_string(), "{count:3, sum:2.25, [-Inf,1]:2, (1,2]:1}");
    let mut zero = exponential(0, 4.0, &[(2, 4.0)], &[]);
    zero.trim_above(0.000_5);
    assert_eq!(zero.count, 2.0);
}

#[test]
fn what_breaks_the_rules_is_refused() {
    let good = exponential(0, 1.0, &[(0, 1.0), (2, 1.0)], &[(1, 1.0)]);
    assert_eq!(good.validate(), Ok(()));
    assert_eq!(custom(&[1.0, 2.0], &[1.0, 1.0, 1.0]).validate(), Ok(()));
    let change = |change: fn(&mut Histogram)| {
        let mut bad = exponential(0, 1.0, &[(0, 1.0), (2, 1.0)], &[(1, 1.0)]);
        change(&mut bad);
        bad
    };
    let table = [
        (change(|bad| bad.schema = 9), "got schema 9"),
        (change(|bad| bad.positive_buckets.truncate(1)), "positive side: spans need 2 buckets, have 1"),
        (change(|bad| bad.positive_buckets[1] = -1.0), "bucket number 2 has observation count of -1"),
        (change(|bad| bad.negative_buckets[0] = -1.0), "negative side: bucket number 1"),
        (change(|bad| bad.positive_spans[1].offset = -1), "span number 2 with offset -1"),
        (change(|bad| bad.positive_spans[0].offset = i32::MAX), "out of range"),
        (change(|bad| bad.zero_count = -1.0), "zero bucket has observation count of -1"),
        (change(|bad| bad.zero_threshold = f64::NAN), "zero threshold"),
        (change(|bad| bad.count = -1.0), "observation count is negative"),
        (change(|bad| bad.custom_values = [1.0].into()), "must not have custom bounds"),
        (custom(&[2.0, 1.0], &[1.0]), "strictly increasing"),
        (custom(&[1.0, f64::NAN], &[1.0]), "must not be NaN"),
        (custom(&[1.0, f64::INFINITY], &[1.0]), "must be finite"),
        (custom(&[1.0], &[1.0, 1.0, 1.0]), "custom bounds are too few"),
        (Histogram { zero_count: 1.0, ..custom(&[1.0], &[1.0]) }, "zero count of 0"),
    ];
    for (bad, text) in table {
        let error = bad.validate().unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    }
}

#[test]
fn equality_is_of_data() {
    let nan = exponential(0, f64::NAN, &[(0, 1.0)], &[]);
    assert_eq!(nan, nan.clone());
    assert_eq!(nan, Histogram { reset_hint: ResetHint::Gauge, ..nan.clone() });
    assert_ne!(nan, exponential(0, f64::NAN, &[(0, 1.0), (1, 0.0)], &[]));
    assert_ne!(custom(&[1.0], &[1.0]), custom(&[2.0], &[1.0]));
}

proptest::proptest! {
    #[test]
    fn wild_histograms_never_panic(
        schema in -60..60_i32,
        threshold in proptest::num::f64::ANY,
        spans in proptest::collection::vec((proptest::num::i32::ANY, proptest::num::u32::ANY), 0..4),
        counts in proptest::collection::vec(proptest::num::f64::ANY, 0..6),
        at in proptest::num::f64::ANY,
    ) {
        let spans: Vec<Span> = spans.into_iter().map(|(offset, length)| Span { offset, length }).collect();
        let wild = Histogram {
            schema,
            zero_threshold: threshold,
            zero_count: at,
            count: at,
            positive_spans: spans.clone(),
            negative_spans: spans,
            positive_buckets: counts.clone(),
            negative_buckets: counts.clone(),
            custom_values: counts.into(),
            ..Histogram::default()
        };
        let tame = exponential(0, 1.0, &[(0, 1.0), (2, 1.0)], &[(1, 1.0)]);
        for (mut left, right) in [(wild.clone(), tame.clone()), (tame, wild.clone())] {
            let _unseen = left.clone().add_exactly(&right, &mut left.nothing_lost());
            let _unseen = left.sub(&right);
            let _unseen = left.detect_reset(&right);
        }
        let mut cut = wild.clone();
        cut.trim_above(at);
        cut.compact(2);
        let _unseen = (wild.quantile(0.3), wild.fraction(at, 2.0), wild.to_string(), wild.validate());
        let mut coarse = wild;
        let _unseen = coarse.reduce_resolution(-4);
    }
}
