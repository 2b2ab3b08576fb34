//! Queries stop at their limits, each with its own kind of error.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

#[path = "promql/source.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod source;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use hinomi_model::Tenant;
use hinomi_model::metrics::ReadLimit;
use hinomi_query::eval::{self, Answer, Answered, Options, Query, QueryError, QueryErrorKind};
use hinomi_series::Labels;
use source::Memory;

/// Two hundred series with a sample every 15 s for ten minutes.
fn memory() -> Memory {
    let mut memory = Memory::default();
    for series in 0..200 {
        let labels = Labels::from_pairs([("__name__", "up"), ("host", &series.to_string())]);
        memory.write(labels, (0..40).map(|at| (at * 15_000, f64::from(series).into(), 0)));
    }
    memory
}

fn ask(text: &str, limit: ReadLimit, options: &Options) -> Result<Answer, QueryError> {
    let expr = hinomi_query::parse(text, hinomi_query::Options::default()).unwrap();
    let query = Query { text, expr: &expr, tenant: Tenant::default(), limit };
    eval::range(&memory(), &query, options, 0, 600_000, 15_000)
}

fn kind(result: Result<Answer, QueryError>) -> QueryErrorKind {
    result.unwrap_err().kind()
}

#[test]
fn samples_that_are_held_are_limited() {
    let options = Options { samples_max: 4_000, ..Options::default() };
    let text = "query processing would load too many samples into memory in query execution";
    let error = ask("up", ReadLimit::unlimited(), &options).unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (QueryErrorKind::Execution, text));
    // An aggregation holds one series at a time, and its groups.
    let options = Options { samples_max: 8_000, ..Options::default() };
    assert!(ask("sum(up)", ReadLimit::unlimited(), &options).is_ok());
    let groups = ask("sum by (host) (up)", ReadLimit::unlimited(), &options);
    assert_eq!(kind(groups), QueryErrorKind::Execution);
    // What is read of one series counts too, before anything is made of it.
    let options = Options { samples_max: 30, ..Options::default() };
    assert_eq!(kind(ask("sum(up)", ReadLimit::unlimited(), &options)), QueryErrorKind::Execution);
    // Steps of a subquery are counted before they are made.
    let options = Options { steps_max: 1_000, ..Options::default() };
    let result = ask("sum_over_time(vector(1)[1d:1s])", ReadLimit::unlimited(), &options);
    assert_eq!(kind(result), QueryErrorKind::Execution);
}

#[test]
fn what_a_selector_reads_is_limited() {
    let limit = ReadLimit { series_max: 10, ..ReadLimit::unlimited() };
    let error = ask("up", limit, &Options::default()).unwrap_err();
    assert_eq!(error.kind(), QueryErrorKind::Execution);
    assert!(error.to_string().contains("10 series"), "{error}");
}

#[test]
fn time_runs_out_and_people_go_away() {
    let limit =
        ReadLimit { deadline: Instant::now().checked_sub(Duration::from_secs(1)), ..ReadLimit::unlimited() };
    let error = ask("1", limit, &Options::default()).unwrap_err();
    assert_eq!((error.kind(), error.kind().as_str()), (QueryErrorKind::Timeout, "timeout"));
    let limit = ReadLimit { cancelled: Arc::new(AtomicBool::new(true)), ..ReadLimit::unlimited() };
    let error = ask("up", limit, &Options::default()).unwrap_err();
    assert_eq!((error.kind(), error.kind().as_str()), (QueryErrorKind::Canceled, "canceled"));
}

#[test]
fn wrong_parameters_are_bad_data() {
    let source = memory();
    let expr = hinomi_query::parse("up", hinomi_query::Options::default()).unwrap();
    let query = Query { text: "up", expr: &expr, tenant: Tenant::default(), limit: ReadLimit::unlimited() };
    for (start, end, step) in [(0, 10, 0), (10, 0, 1)] {
        let result = eval::range(&source, &query, &Options::default(), start, end, step);
        assert_eq!(kind(result), QueryErrorKind::BadData);
    }
    let expr = hinomi_query::parse("up[5m]", hinomi_query::Options::default()).unwrap();
    let query = Query { expr: &expr, ..query };
    assert_eq!(kind(eval::range(&source, &query, &Options::default(), 0, 10, 1)), QueryErrorKind::BadData);
    let answer = eval::instant(&source, &query, &Options::default(), 600_000).unwrap();
    assert!(matches!(answer.value, Answered::Matrix(streams) if streams.len() == 200));
}

#[test]
fn costs_are_counted() {
    let stats = ask("sum(rate(up[1m]))", ReadLimit::unlimited(), &Options::default()).unwrap().stats;
    assert_eq!((stats.series, stats.samples_read), (200, 8_000));
    assert!(stats.samples > 8_000, "windows overlap: {stats:?}");
    assert!((80..1_000).contains(&stats.samples_peak), "one series at a time: {stats:?}");
}

#[test]
fn deep_queries_fit_the_stack() {
    let nested = |open: &str, close: &str, times: usize| {
        format!("{}vector(1){}", open.repeat(times), close.repeat(times))
    };
    for text in
        [nested("abs(", ")", 190), nested("sum_over_time(", "[1m:30s])", 60), nested("(1 + ", ")", 90)]
    {
        let result = ask(&text, ReadLimit::unlimited(), &Options::default());
        assert!(result.is_ok(), "{:?}", result.unwrap_err());
    }
}

#[test]
fn the_end_of_a_query_may_lie_behind_its_last_step() {
    let source = memory();
    // Steps at 10 s and 410 s; samples every 15 s.
    for (text, expected) in
        [("timestamp(up{host=\"7\"} @ end())", 585.0), ("vector(end())", 590.0), ("vector(range())", 580.0)]
    {
        let expr = hinomi_query::parse(text, hinomi_query::Options { experimental: true }).unwrap();
        let query = Query { text, expr: &expr, tenant: Tenant::default(), limit: ReadLimit::unlimited() };
        let answer = eval::range(&source, &query, &Options::default(), 10_000, 590_000, 400_000).unwrap();
        let Answered::Matrix(streams) = answer.value else { panic!("{text}") };
        let points = streams.iter().flat_map(|stream| &stream.points);
        let seen: Vec<Option<f64>> = points.map(|point| point.v.as_float()).collect();
        assert_eq!(seen, [Some(expected); 2], "{text}");
    }
}
