//! `resets` and `changes`: samples compared with the one before, whatever kind they are.

use std::sync::Arc;

use hinomi_series::{Histogram, Value};

use super::points::Samples;
use super::range::Window;
use super::rate::began_anew;
use crate::ast::Edges;

/// A sample of either kind.
#[derive(Clone, Copy)]
struct Either<'a> {
    time: i64,
    start: i64,
    value: Kind<'a>,
}

#[derive(Clone, Copy)]
enum Kind<'a> {
    Float(f64),
    Histogram(&'a Arc<Histogram>),
}

/// How often a counter began anew; a change between number and histogram counts too.
pub(super) fn resets(window: &Window<'_>) -> Option<Value> {
    count(window, |earlier, later| {
        let anew = || {
            let (times, starts) = ([earlier.time, later.time], [earlier.start, later.start]);
            began_anew::<()>(&Samples { times: &times, values: &[], starts: &starts })
        };
        match (earlier.value, later.value) {
            (Kind::Float(a), Kind::Float(b)) => b < a || anew(),
            (Kind::Histogram(a), Kind::Histogram(b)) => anew() || b.detect_reset(a),
            _ => true,
        }
    })
}

/// How often the value changed; NaN to NaN is no change.
pub(super) fn changes(window: &Window<'_>) -> Option<Value> {
    count(window, |earlier, later| match (earlier.value, later.value) {
        (Kind::Float(a), Kind::Float(b)) => !(super::number::same(a, b) || a.is_nan() && b.is_nan()),
        (Kind::Histogram(a), Kind::Histogram(b)) => a != b,
        _ => true,
    })
}

fn count(window: &Window<'_>, counts: impl Fn(Either<'_>, Either<'_>) -> bool) -> Option<Value> {
    let samples = in_order(window)?;
    let pairs = samples.windows(2);
    let found = pairs.filter(|pair| matches!(pair, [a, b] if counts(*a, *b))).count();
    Some(Value::Float(found as f64))
}

/// The samples that are compared; an anchored range begins with the sample before it.
fn in_order<'a>(window: &Window<'a>) -> Option<Vec<Either<'a>>> {
    let (floats, histograms) = (&window.floats, &window.histograms);
    let mut samples: Vec<Either<'a>> = Vec::with_capacity(floats.len() + histograms.len());
    samples.extend(floats.iter().enumerate().map(|(at, (time, value))| Either {
        time,
        start: floats.start(at),
        value: Kind::Float(*value),
    }));
    let numbers = samples.len();
    samples.extend(histograms.iter().enumerate().map(|(at, (time, value))| Either {
        time,
        start: histograms.start(at),
        value: Kind::Histogram(value),
    }));
    if numbers > 0 && numbers < samples.len() {
        samples.sort_by_key(|sample| sample.time);
    }
    if window.edges == Edges::Plain {
        return Some(samples);
    }
    let behind = samples.partition_point(|sample| sample.time <= window.start);
    if behind == samples.len() {
        return None;
    }
    Some(samples.split_off(behind.saturating_sub(1)))
}
