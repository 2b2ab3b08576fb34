//! Answers of the query API, as far as the terminal shows them.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Labels of a series.
pub(crate) type Labels = BTreeMap<String, String>;

/// Seconds since the epoch, and the value as text.
pub(crate) type Point = (f64, String);

/// An answer with what is said beside it.
#[derive(Debug, Deserialize)]
pub(crate) struct Body {
    pub(crate) data: Data,
    #[serde(default)]
    pub(crate) warnings: Vec<String>,
    #[serde(default)]
    pub(crate) infos: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Data {
    #[serde(flatten)]
    pub(crate) answered: Answered,
    pub(crate) stats: Option<Stats>,
}

/// What a query yields.
#[derive(Debug, Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
pub(crate) enum Answered {
    Scalar(Point),
    String(Point),
    Vector(Vec<Sample>),
    Matrix(Vec<Stream>),
}

/// A series at one time: a value or a histogram.
#[derive(Debug, Deserialize)]
pub(crate) struct Sample {
    pub(crate) metric: Labels,
    pub(crate) value: Option<Point>,
    pub(crate) histogram: Option<(f64, Histogram)>,
}

/// A series over time.
#[derive(Debug, Deserialize)]
pub(crate) struct Stream {
    pub(crate) metric: Labels,
    #[serde(default)]
    pub(crate) values: Vec<Point>,
    #[serde(default)]
    pub(crate) histograms: Vec<(f64, Histogram)>,
}

/// A native histogram: numbers as texts.
#[derive(Debug, Deserialize)]
pub(crate) struct Histogram {
    pub(crate) count: String,
    pub(crate) sum: String,
    /// How the bounds count, lower bound, upper bound, observations.
    #[serde(default)]
    pub(crate) buckets: Vec<(u8, String, String, String)>,
}

/// What a query cost.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Stats {
    pub(crate) timings: Timings,
    pub(crate) samples: Samples,
}

/// Seconds.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Timings {
    pub(crate) exec_total_time: f64,
    pub(crate) exec_queue_time: f64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Samples {
    pub(crate) total_queryable_samples: u64,
    pub(crate) peak_samples: u64,
}
