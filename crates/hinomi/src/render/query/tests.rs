//! What `hinomi query` prints, for answers as the API gives them.

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{chart, csv, series, table, wrong};
use crate::query::{Answered, Body, Cost, Node, Range, When};
use crate::terminal::Page;

fn page(width: usize, colour: bool) -> Page {
    let now = "2026-11-24T12:05:00Z".parse().expect("a time");
    Page { width, colour, zone: TimeZone::fixed(jiff::tz::offset(2)), now }
}

const FROM: i64 = 1_795_518_000_000;
const RANGE: Range = Range { from: FROM, to: FROM + 3_600_000, step: 60_000 };

fn answered(data: Value) -> Answered {
    let body: Body =
        serde_json::from_value(json!({ "status": "success", "data": data })).expect("as the API answers");
    body.data.answered
}

fn vector() -> Answered {
    answered(json!({ "resultType": "vector", "result": [
        { "metric": { "__name__": "up", "job": "node", "instance": "tower-1" }, "value": [1_795_521_600.25, "1"] },
        { "metric": { "__name__": "up", "job": "node", "instance": "火の見" }, "value": [1_795_521_600.25, "12.5"] },
        { "metric": { "__name__": "up", "job": "node", "instance": "a,\"b\"" }, "value": [1_795_521_600.25, "+Inf"] },
    ] }))
}

fn histogram() -> Answered {
    answered(
        json!({ "resultType": "vector", "result": [{ "metric": { "__name__": "latency" }, "histogram": [1_795_521_600,
        { "count": "12", "sum": "30.5", "buckets": [[3, "-0.001", "0.001", "4"], [0, "1", "2", "8"]] }] }] }),
    )
}

/// Waves; with a gap, and values that are no numbers.
fn waves(count: usize) -> Answered {
    let stream = |series: usize| {
        let value = |at: i64| (at as f64 / 8.0 + series as f64).sin() * 40.0 + 50.0 + 10.0 * series as f64;
        let points = (0..=60_i64).filter(|at| !(25..30).contains(at));
        let values: Vec<Value> = points
            .map(|at| {
                json!([
                    FROM / 1000 + at * 60,
                    if at == 40 { "NaN".to_owned() } else { value(at).to_string() }
                ])
            })
            .collect();
        json!({ "metric": { "__name__": "wave", "n": format!("{series}"), "job": "x" }, "values": values })
    };
    let streams: Vec<Value> = (0..count).map(stream).collect();
    answered(json!({ "resultType": "matrix", "result": streams }))
}

fn drawn(page: &Page, answered: &Answered) -> String {
    let Answered::Matrix(streams) = answered else { panic!("a matrix") };
    chart::text(page, streams, RANGE)
}

#[test]
fn a_vector_is_a_table() {
    insta::assert_snapshot!(table::text(&page(80, false), &vector()));
}

#[test]
fn a_histogram_has_a_shape() {
    insta::assert_snapshot!(table::text(&page(100, false), &histogram()));
}

#[test]
fn nothing_and_numbers() {
    let none = answered(json!({ "resultType": "vector", "result": [] }));
    assert_eq!(table::text(&page(80, false), &none), "No series match.\n");
    let scalar = answered(json!({ "resultType": "scalar", "result": [1_795_521_600, "7"] }));
    assert_eq!(table::text(&page(80, false), &scalar), "7\n");
    assert_eq!(
        drawn(&page(80, false), &answered(json!({ "resultType": "matrix", "result": [] }))),
        "No series match.\n"
    );
}

#[test]
fn a_range_without_a_terminal_is_a_table() {
    let two = answered(json!({ "resultType": "matrix", "result": [
        { "metric": { "__name__": "up", "job": "a" }, "values": [[1_795_521_600, "1"], [1_795_521_660, "10"]] },
        { "metric": { "job": "b" }, "values": [[1_795_521_600, "0.5"]] },
    ] }));
    insta::assert_snapshot!(table::text(&page(80, false), &two));
}

#[test]
fn one_line_is_a_chart() {
    insta::assert_snapshot!(drawn(&page(80, false), &waves(1)));
}

#[test]
fn several_lines_without_colours_are_letters() {
    insta::assert_snapshot!(drawn(&page(80, false), &waves(3)));
}

#[test]
fn a_colour_is_never_alone() {
    let text = drawn(&page(70, true), &waves(2));
    assert!(text.contains("\u{1b}[36mA\u{1b}[0m") && text.contains("\u{1b}[33mB\u{1b}[0m"), "{text}");
    assert!(!drawn(&page(70, false), &waves(2)).contains('\u{1b}'));
}

#[test]
fn of_many_lines_some_are_counted() {
    let text = drawn(&page(100, false), &waves(20));
    assert!(text.contains("8 more series are not drawn"), "{text}");
    assert!(text.contains("n=\"19\""), "{text}");
}

#[test]
fn a_chart_fits_its_page() {
    for width in [48, 57, 80, 140] {
        for count in [1, 4] {
            let text = drawn(&page(width, false), &waves(count));
            let widest = text.lines().map(super::super::style::columns).max();
            assert!(widest <= Some(width), "{width}: {widest:?}\n{text}");
        }
    }
}

#[test]
fn constants_and_extremes_are_drawn() {
    for value in ["0", "1", "-5", "1e300", "-1e-300", "1795521600"] {
        let flat = answered(json!({ "resultType": "matrix", "result": [
            { "metric": {}, "values": [[FROM / 1000, value], [FROM / 1000 + 60, value]] },
        ] }));
        let text = drawn(&page(60, false), &flat);
        assert!(text.lines().count() > 15, "{value}: {text}");
    }
}

#[test]
fn rows_for_programs() {
    insta::assert_snapshot!(csv::text(&vector()).replace('\r', "␍"));
    let matrix = answered(json!({ "resultType": "matrix", "result": [
        { "metric": { "job": "=1+1" }, "values": [[1, "-1.5"]], "histograms": [[2, { "count": "1", "sum": "2", "buckets": [[0, "1", "2", "1"]] }]] },
    ] }));
    let want = "time,job,value\r\n1970-01-01T00:00:01.000Z,'=1+1,-1.5\r\n1970-01-01T00:00:02.000Z,'=1+1,\"{count:1, sum:2, (1,2]:1}\"\r\n";
    assert_eq!(csv::text(&matrix), want);
}

#[test]
fn a_mistake_has_a_caret() {
    let table = [
        (
            "invalid parameter \"query\": 1:5: parse error: unexpected identifier \"bar\"",
            "foo bar",
            "the query is wrong: unexpected identifier \"bar\"\n  foo bar\n      ^^^",
        ),
        (
            "1:3: parse error: unexpected end of input",
            "1+",
            "the query is wrong: unexpected end of input\n  1+\n    ^",
        ),
        ("2:3: parse error: x", "sum(\n  )b", "the query is wrong: x\n    )b\n    ^"),
        ("1:5: parse error: x", "火 )", "the query is wrong: x\n  火 )\n     ^"),
        (
            "unknown position: parse error: no expression found in input",
            "",
            "the query is wrong: no expression found in input",
        ),
        ("9:1: parse error: x", "up", "the query is wrong: x"),
        ("1:3: parse error: x", "火", "the query is wrong: x"),
        ("invalid parameter \"step\": zero", "up", "invalid parameter \"step\": zero"),
    ];
    for (message, query, want) in table {
        assert_eq!(wrong::text(message, query), want, "{message}");
    }
}

#[test]
fn a_plan_with_its_cost() {
    let node = |depth, expr: &str, kind: &str, cost| {
        let (expr, kind) = (expr.to_owned(), kind.to_owned());
        Node { depth, expr, kind, cost }
    };
    let cost = |series, samples, seconds| {
        Some(Cost { series, series_read: 80, samples, seconds, ..Cost::default() })
    };
    let nodes = [
        node(0, "sum by (job) (rate(requests_total[5m])) / 1024", "vector", cost(2, 1_234_567, 1.25)),
        node(1, "sum by (job) (rate(requests_total[5m]))", "vector", cost(2, 1_234_567, 0.02)),
        node(2, "rate(requests_total[5m])", "vector", cost(80, 1_234_567, 0.015)),
        node(3, "requests_total[5m]", "matrix", cost(80, 1_234_567, 0.0151)),
        node(1, "1024", "scalar", None),
    ];
    let body: Body = serde_json::from_value(json!({ "data": { "resultType": "vector", "result": [],
        "stats": { "timings": { "execTotalTime": 0.021, "execQueueTime": 0.002 },
                   "samples": { "totalQueryableSamples": 1_234_567, "peakSamples": 4_321 } } } }))
    .expect("as the API answers");
    insta::assert_snapshot!(table::explained(
        &page(100, false),
        &nodes,
        body.data.stats.as_ref(),
        When::Range(RANGE)
    ));
}

#[test]
fn short_numbers() {
    let table = [
        (0.0, "0"),
        (1.0, "1"),
        (0.12345, "0.1235"),
        (12.5, "12.5"),
        (1234.6, "1235"),
        (98_765.4, "98.77k"),
        (1.79e9, "1790M"),
        (2e-7, "2.00e-7"),
        (-3.25, "-3.25"),
        (f64::INFINITY, "+Inf"),
    ];
    for (value, want) in table {
        assert_eq!(series::short(value), want, "{value}");
    }
}
