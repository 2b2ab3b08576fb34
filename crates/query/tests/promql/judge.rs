//! Compares answers with what scripts expect, as loosely as the conformance kit does.

use std::collections::HashSet;

use hinomi_query::eval::{Answer, Answered, QueryError, QueryErrorKind};
use hinomi_series::{Histogram, Labels, Point, Value};
use regex::Regex;

use crate::script::{Eval, Wanted};
use crate::values::Written;

const EPSILON: f64 = 1e-6;

/// Whether two numbers are the same but for rounding.
fn almost(a: f64, b: f64) -> bool {
    if a == b || (a.is_nan() && b.is_nan()) {
        return true;
    }
    if !a.is_finite() || !b.is_finite() {
        return false;
    }
    let (sum, diff) = (a.abs() + b.abs(), (a - b).abs());
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return diff < EPSILON * f64::MIN_POSITIVE;
    }
    diff / sum.min(f64::MAX) < EPSILON
}

fn buckets(histogram: &Histogram) -> Vec<[f64; 3]> {
    let mut all: Vec<[f64; 3]> = histogram
        .buckets()
        .iter()
        .filter(|bucket| bucket.count != 0.0)
        .map(|bucket| [bucket.lower, bucket.upper, bucket.count])
        .collect();
    all.sort_by(|a, b| a.partial_cmp(b).unwrap());
    all
}

fn same_value(want: &Value, got: &Value) -> Result<(), String> {
    let same = match (want, got) {
        (Value::Float(want), Value::Float(got)) => almost(*want, *got),
        (Value::Histogram(want), Value::Histogram(got)) => {
            let (a, b) = (buckets(want), buckets(got));
            almost(want.count, got.count)
                && almost(want.sum, got.sum)
                && a.len() == b.len()
                && a.iter().flatten().zip(b.iter().flatten()).all(|(a, b)| almost(*a, *b))
        }
        _ => false,
    };
    if same { Ok(()) } else { Err(format!("got {got:?}, want {want:?}")) }
}

/// Whether an answer is what a script expects; says what is not.
pub(crate) fn judge(eval: &Eval, result: &Result<Answer, QueryError>) -> Result<(), String> {
    match (result, &eval.fail) {
        (Err(error), Some(wanted)) => failure(error, wanted),
        (Err(error), None) => Err(format!("error: {error}")),
        (Ok(answer), Some(_)) => Err(format!("expected an error, got {:?}", answer.value)),
        (Ok(answer), None) => {
            value(eval, &answer.value)?;
            notes("warning", &eval.warn, eval.no_warn, &answer.warnings)?;
            notes("info", &eval.info, eval.no_info, &answer.infos)
        }
    }
}

fn failure(error: &QueryError, wanted: &[Wanted]) -> Result<(), String> {
    if !matches!(error.kind(), QueryErrorKind::BadData | QueryErrorKind::Execution) {
        return Err(format!("error of kind {:?}: {error}", error.kind()));
    }
    let text = error.to_string();
    for wanted in wanted {
        let fits = match wanted {
            Wanted::Any => true,
            Wanted::Message(message) => text.contains(message.trim_matches('"')),
            Wanted::Pattern(pattern) => Regex::new(pattern).unwrap().is_match(&text),
        };
        if !fits {
            return Err(format!("error {text:?} is not {wanted:?}"));
        }
    }
    Ok(())
}

fn notes(kind: &str, wanted: &[Wanted], none: bool, got: &[String]) -> Result<(), String> {
    if none && !got.is_empty() {
        return Err(format!("unexpected {kind} {got:?}"));
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let fits = |wanted: &Wanted, got: &String| match wanted {
        Wanted::Any => true,
        Wanted::Message(message) => got == message,
        Wanted::Pattern(pattern) => Regex::new(pattern).unwrap().is_match(got),
    };
    if got.is_empty() {
        return Err(format!("expected {kind}, got none"));
    }
    for wanted in wanted {
        if !got.iter().any(|got| fits(wanted, got)) {
            return Err(format!("no {kind} is {wanted:?}: {got:?}"));
        }
    }
    match got.iter().find(|got| !wanted.iter().any(|wanted| fits(wanted, got))) {
        Some(other) => Err(format!("unexpected {kind} {other:?}")),
        None => Ok(()),
    }
}

fn value(eval: &Eval, got: &Answered) -> Result<(), String> {
    match (got, eval.scalar, &eval.string) {
        (Answered::String(_, got), None, want) => {
            let want = want.as_deref().unwrap_or_default();
            if want == got { Ok(()) } else { Err(format!("got {got:?}, want {want:?}")) }
        }
        (Answered::Scalar(_, got), Some(want), None) => same_value(&want.into(), &(*got).into()),
        (Answered::Vector(samples), None, None) => {
            let order = eval.ordered.then(|| samples.iter().map(|sample| &sample.labels).collect::<Vec<_>>());
            let want: Vec<&Labels> = eval.series.iter().map(|series| &series.0).collect();
            if order.is_some_and(|order| order != want) {
                return Err("wrong order".into());
            }
            let streams: Vec<(Labels, Vec<Point>)> =
                samples.iter().map(|sample| (sample.labels.clone(), vec![sample.point.clone()])).collect();
            streams_are(eval, &streams)
        }
        (Answered::Matrix(streams), None, None) => {
            let streams: Vec<(Labels, Vec<Point>)> =
                streams.iter().map(|stream| (stream.labels.clone(), stream.points.clone())).collect();
            streams_are(eval, &streams)
        }
        (got, scalar, string) => Err(format!("got {got:?}, want {scalar:?} {string:?}")),
    }
}

fn streams_are(eval: &Eval, got: &[(Labels, Vec<Point>)]) -> Result<(), String> {
    let (start, _, step) = eval.range_vector.unwrap_or(eval.times);
    let mut seen = HashSet::new();
    for (labels, points) in got {
        let Some((_, written)) = eval.series.iter().rev().find(|series| series.0 == *labels) else {
            return Err(format!("unexpected series {labels} {points:?}"));
        };
        seen.insert(labels.clone());
        let written = written.iter().enumerate().filter_map(|(at, written)| match written {
            Written::Value(value) => Some((start + at as i64 * step, value)),
            Written::Omitted | Written::Stale => None,
        });
        let want: Vec<(i64, &Value)> = written.collect();
        if want.len() != points.len() {
            return Err(format!("{labels}: {} points, want {}: {points:?}", points.len(), want.len()));
        }
        for ((time, value), point) in want.iter().zip(points) {
            if *time != point.t {
                return Err(format!("{labels}: point at {}, want {time}", point.t));
            }
            same_value(value, &point.v).map_err(|text| format!("{labels} at {time}: {text}"))?;
        }
    }
    match eval.series.iter().find(|series| !seen.contains(&series.0)) {
        Some((labels, written)) if written.iter().any(|written| matches!(written, Written::Value(_))) => {
            Err(format!("missing series {labels}"))
        }
        _ => Ok(()),
    }
}
