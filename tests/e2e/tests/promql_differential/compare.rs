//! Answers of the query API, and how two of them differ.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde_json::Value;

/// Relative difference of numbers that counts as none.
const TOLERANCE: f64 = 1e-9;

/// A sample: a number, or a native histogram as its numbers in order.
type Numbers = Vec<f64>;

/// What a server said.
#[derive(Debug)]
pub(crate) enum Answer {
    /// It refused the query, in these words.
    Error(String),
    /// Kind of the result, and by labels and by time what is there.
    Data(String, BTreeMap<String, BTreeMap<i64, Numbers>>),
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "+Inf" => Some(f64::INFINITY),
            "-Inf" => Some(f64::NEG_INFINITY),
            text => text.parse().ok(),
        },
        _ => None,
    }
}

#[allow(clippy::cast_possible_truncation, reason = "times of this century in milliseconds")]
fn sample(pair: &Value) -> Option<(i64, Numbers)> {
    let time = (pair[0].as_f64()? * 1_000.0).round() as i64;
    if let Some(histogram) = pair[1].as_object() {
        let mut numbers = vec![number(histogram.get("count")?)?, number(histogram.get("sum")?)?];
        for bucket in histogram.get("buckets").and_then(Value::as_array).into_iter().flatten() {
            numbers.extend(bucket.as_array()?.iter().filter_map(number));
        }
        return Some((time, numbers));
    }
    Some((time, vec![number(&pair[1])?]))
}

impl Answer {
    /// From the body of an answer.
    ///
    /// # Errors
    ///
    /// It has not the form of one.
    pub(crate) fn of(body: &Value) -> Result<Self> {
        if body["status"] != "success" {
            return Ok(Self::Error(body["error"].as_str().context("no error and no success")?.to_owned()));
        }
        let kind = body["data"]["resultType"].as_str().context("no type")?.to_owned();
        let result = body["data"]["result"].as_array().context("no result")?;
        let mut series = BTreeMap::new();
        if kind == "scalar" {
            let (time, numbers) = sample(&body["data"]["result"]).context("no scalar")?;
            series.insert(String::new(), BTreeMap::from([(time, numbers)]));
            return Ok(Self::Data(kind, series));
        }
        for row in result {
            let labels = row["metric"].to_string();
            let mut points = BTreeMap::new();
            let single = [&row["value"], &row["histogram"]].into_iter().filter(|one| !one.is_null());
            let many = [&row["values"], &row["histograms"]].into_iter().filter_map(Value::as_array).flatten();
            for pair in single.chain(many) {
                let (time, numbers) = sample(pair).with_context(|| format!("no sample: {pair}"))?;
                points.insert(time, numbers);
            }
            series.insert(labels, points);
        }
        Ok(Self::Data(kind, series))
    }

    /// Whether there is no series.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Data(_, series) if series.is_empty())
    }

    /// Whether the query was refused.
    pub(crate) const fn is_error(&self) -> bool {
        matches!(self, Self::Error(_))
    }
}

fn same(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits()
        || (a.is_nan() && b.is_nan())
        || (a - b).abs() <= TOLERANCE * a.abs().max(b.abs())
        // What is left of a difference of equal numbers.
        || (a.abs() < 1e-12 && b.abs() < 1e-12)
}

/// What differs between two answers; `None` if nothing does.
pub(crate) fn difference(ours: &Answer, theirs: &Answer) -> Option<String> {
    match (ours, theirs) {
        (Answer::Error(_), Answer::Error(_)) => None,
        (Answer::Error(words), Answer::Data(..)) => Some(format!("Hinomi refuses it: {words}")),
        (Answer::Data(..), Answer::Error(words)) => Some(format!("Prometheus refuses it: {words}")),
        (Answer::Data(kind, ours), Answer::Data(their_kind, theirs)) => {
            if kind != their_kind {
                return Some(format!("a {kind} and not a {their_kind}"));
            }
            let only = |a: &BTreeMap<String, _>, b: &BTreeMap<String, _>| {
                a.keys().find(|labels| !b.contains_key(*labels)).cloned()
            };
            if let Some(labels) = only(ours, theirs) {
                return Some(format!("only Hinomi has {labels}"));
            }
            if let Some(labels) = only(theirs, ours) {
                return Some(format!("only Prometheus has {labels}"));
            }
            ours.iter().find_map(|(labels, points)| of_points(labels, points, theirs.get(labels)?))
        }
    }
}

fn of_points(labels: &str, ours: &BTreeMap<i64, Numbers>, theirs: &BTreeMap<i64, Numbers>) -> Option<String> {
    for time in ours.keys().chain(theirs.keys()) {
        let (a, b) = (ours.get(time), theirs.get(time));
        let alike = match (a, b) {
            (Some(a), Some(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(*a, *b)),
            _ => false,
        };
        if !alike {
            return Some(format!("{labels} at {time}: Hinomi {a:?}, Prometheus {b:?}"));
        }
    }
    None
}

#[test]
fn differences_are_seen() -> Result<()> {
    let vector = |value: &str| {
        let text = format!(
            r#"{{"status":"success","data":{{"resultType":"vector","result":[{{"metric":{{"a":"1"}},"value":[1,"{value}"]}}]}}}}"#
        );
        Answer::of(&serde_json::from_str(&text)?)
    };
    let error = Answer::of(&serde_json::json!({"status": "error", "error": "bad"}))?;
    assert!(difference(&vector("1")?, &vector("1.0000000001")?).is_none());
    assert!(difference(&vector("NaN")?, &vector("NaN")?).is_none());
    assert!(difference(&vector("1")?, &vector("1.00000001")?).is_some());
    assert!(difference(&vector("1")?, &vector("NaN")?).is_some());
    assert!(difference(&vector("1")?, &error).is_some() && difference(&error, &error).is_none());
    Ok(())
}
