//! What a metric is made of, without anything that stores or asks it: labels, matchers, points, durations, native
//! histograms.
//!
//! # In one breath
//!
//! A series is named by its [`Labels`] and found by [`Matcher`]s; its [`Point`]s hold a [`Value`]: a float or a native
//! [`Histogram`]. Durations are written and read as Prometheus does ([`duration`]).
//!
//! # Invariants
//!
//! - Pure: no IO, no clock, no domain words.
//! - Everything that clones in a query is cheap to clone.
//! - Bytes from strangers (label texts, regular expressions, durations, histograms) are bounded and never panic.
//!
//! # Not here yet
//!
//! Relabelling and sizes.

pub mod duration;
mod histogram;
mod labels;
mod matcher;
pub mod number;
mod pattern;
mod point;

pub use histogram::{
    Bucket, CUSTOM_BUCKETS_SCHEMA, Estimate, Histogram, HistogramError, Outcome, ResetHint, SCHEMA_MAX,
    SCHEMA_MIN, Span,
};
pub use labels::{
    BUCKET_LABEL, Labels, LabelsBuilder, METRIC_NAME, QUANTILE_LABEL, is_legacy_label_name,
    is_legacy_metric_name, quote,
};
pub use matcher::{MatchOp, Matcher, MatcherError};
pub use point::{Point, STALE_NAN_BITS, Value, is_stale, stale_nan};
