//! A range query yields at each step what an instant query yields at that time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

#[path = "promql/source.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod source;

use std::collections::BTreeMap;
use std::sync::Arc;

use hinomi_model::Tenant;
use hinomi_model::metrics::ReadLimit;
use hinomi_query::eval::{self, Answered, Counting, Options, Query};
use hinomi_series::{Histogram, Labels, Span, Value, stale_nan};
use source::Memory;

/// Expressions whose result at a step depends on nothing but the step.
const EXPRESSIONS: [&str; 58] = [
    "gauge",
    "gauge offset 70s",
    "gauge @ 200",
    "rate(counter_total[2m])",
    "increase(counter_total[47s])",
    "irate(counter_total[1m])",
    "delta(gauge[2m])",
    "idelta(gauge[2m])",
    "rate(hist[2m])",
    "histogram_quantile(0.9, rate(hist[3m]))",
    "histogram_count(hist) + histogram_sum(hist)",
    "histogram_avg(sum(hist))",
    "increase(counter_total[1m] anchored)",
    "increase(counter_total[1m] smoothed)",
    "gauge smoothed",
    "resets(counter_total[3m])",
    "changes(gauge[3m])",
    "sum_over_time(gauge[2m])",
    "avg_over_time(gauge[2m])",
    "min_over_time(gauge[90s]) + max_over_time(gauge[90s])",
    "last_over_time({__name__=~\"gauge|hist\"}[2m])",
    "quantile_over_time(0.3, gauge[4m])",
    "stddev_over_time(gauge[2m])",
    "mad_over_time(gauge[3m])",
    "last_over_time(gauge[2m]) - first_over_time(gauge[2m])",
    "ts_of_max_over_time(gauge[2m])",
    "deriv(gauge[2m])",
    "predict_linear(gauge[2m], 60)",
    "double_exponential_smoothing(gauge[2m], 0.3, 0.4)",
    "absent_over_time(gauge{host=\"a\"}[10s])",
    "absent(gauge{host=\"b\"})",
    "max_over_time(rate(counter_total[1m])[2m:20s])",
    "sum_over_time(gauge[1m:15s] offset 20s)",
    "sum(gauge)",
    "avg by (host) (gauge)",
    "count without (host) (gauge)",
    "max(gauge) - min(gauge)",
    "stddev(gauge) + stdvar(gauge)",
    "quantile(0.5, gauge)",
    "group by (zone) (gauge)",
    "sum(hist)",
    "avg(hist)",
    "topk(2, gauge)",
    "bottomk by (zone) (1, gauge)",
    "limitk(2, gauge)",
    "limit_ratio(0.5, gauge)",
    "count_values(\"value\", floor(gauge / 10))",
    "gauge + on (host, zone) counter_total",
    "gauge / on (zone) group_left () sum by (zone) (gauge)",
    "gauge > 40",
    "50 <= bool gauge",
    "gauge and on (host) counter_total > 30",
    "gauge or counter_total",
    "gauge unless on (host) counter_total > 30",
    "gauge - fill (3) counter_total{host=\"a\"}",
    "clamp(round(gauge, 5), 10, scalar(max(gauge)))",
    "hour(gauge * 3600) + on () group_left () minute() + time()",
    "timestamp(gauge) + timestamp(gauge + 1)",
];

/// Series with gaps, resets, staleness markers and NaNs.
fn memory() -> Memory {
    let mut memory = Memory::default();
    let mut state: u64 = 42;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % 100
    };
    for (host, zone) in [("a", "1"), ("b", "1"), ("c", "2")] {
        let labels = |name: &str| Labels::from_pairs([("__name__", name), ("host", host), ("zone", zone)]);
        let (mut gauge, mut counter, mut hist) = (Vec::new(), Vec::new(), Vec::new());
        let (mut total, mut seen) = (0.0, 0.0);
        for at in 0..80 {
            let (time, draw) = (at * 15_000, random());
            match draw {
                0..8 => continue,
                8..12 => gauge.push((time, Value::Float(stale_nan()), 0)),
                12..14 => gauge.push((time, Value::Float(f64::NAN), 0)),
                _ => gauge.push((time, Value::Float(draw as f64), 0)),
            }
            (total, seen) = if draw < 18 { (1.0, 1.0) } else { (total + draw as f64, seen + 2.0) };
            counter.push((time, Value::Float(total), 0));
            hist.push((time, histogram(seen), 0));
        }
        memory.write(labels("gauge"), gauge);
        memory.write(labels("counter_total"), counter);
        memory.write(labels("hist"), hist);
    }
    memory
}

fn histogram(seen: f64) -> Value {
    Value::Histogram(Arc::new(Histogram {
        count: seen * 2.0,
        sum: seen * 3.0,
        positive_spans: vec![Span { offset: 0, length: 2 }],
        positive_buckets: vec![seen, seen],
        ..Histogram::default()
    }))
}

type Points = BTreeMap<(i64, String), String>;

fn text_of(value: &Value) -> String {
    match value {
        Value::Float(value) => format!("{value}"),
        Value::Histogram(histogram) => histogram.to_string(),
    }
}

fn points(answer: Answered) -> Points {
    let mut points = Points::new();
    match answer {
        Answered::Vector(samples) => {
            for sample in samples {
                points.insert((sample.point.t, sample.labels.to_string()), text_of(&sample.point.v));
            }
        }
        Answered::Matrix(streams) => {
            for stream in streams {
                for point in stream.points {
                    points.insert((point.t, stream.labels.to_string()), text_of(&point.v));
                }
            }
        }
        other => panic!("{other:?}"),
    }
    points
}

#[test]
fn a_range_is_its_instants() {
    let memory = memory();
    let (start, end, step) = (60_000, 1_200_000, 37_000);
    for delayed_name_removal in [false, true] {
        let options = Options { delayed_name_removal, counting: Counting::Steps, ..Options::default() };
        for text in EXPRESSIONS {
            let expr = hinomi_query::parse(text, hinomi_query::Options { experimental: true }).unwrap();
            let (tenant, limit) = (Tenant::default(), ReadLimit::unlimited());
            let query = Query { text, expr: &expr, tenant, limit };
            let ranged = eval::range(&memory, &query, &options, start, end, step);
            let ranged = ranged.unwrap_or_else(|error| panic!("{text}: {error}"));
            let counts = ranged.counted.unwrap().steps;
            assert_eq!(counts.iter().map(|step| step.1).sum::<u64>(), ranged.stats.samples, "{text}");
            let ranged = points(ranged.value);
            let (mut instants, mut looked) = (Points::new(), Vec::new());
            let mut time = start;
            while time <= end {
                let answer = eval::instant(&memory, &query, &options, time).unwrap();
                assert_eq!(answer.counted.unwrap().steps, [(time, answer.stats.samples)], "{text}");
                looked.push((time, answer.stats.samples));
                instants.extend(points(answer.value));
                time += step;
            }
            assert!(!instants.is_empty(), "{text} yields nothing");
            assert_eq!(ranged, instants, "{text}");
            assert_eq!(counts, looked, "{text}");
        }
    }
}

#[test]
fn nodes_are_counted() {
    let memory = memory();
    let options = Options { counting: Counting::Nodes, ..Options::default() };
    let told = |text: &str| {
        let expr = hinomi_query::parse(text, hinomi_query::Options { experimental: true }).unwrap();
        let (tenant, limit) = (Tenant::default(), ReadLimit::unlimited());
        let query = Query { text, expr: &expr, tenant, limit };
        let nodes =
            eval::range(&memory, &query, &options, 60_000, 120_000, 30_000).unwrap().counted.unwrap().nodes;
        let line = |node: &eval::NodeCounts| {
            let cost = node.cost.map_or_else(String::new, |cost| {
                format!(" yields {} of {} looks {}", cost.series, cost.series_read, cost.samples)
            });
            format!("{}{} {}{cost}", "  ".repeat(node.depth), node.kind, node.expr)
        };
        nodes.iter().map(line).collect::<Vec<_>>().join("\n")
    };
    let once = told("(sum by (zone) (rate(counter_total[1m]))) / (2 * scalar(max(gauge @ 60)))");
    insta::assert_snapshot!("once", once);
    insta::assert_snapshot!("inner", told("max_over_time(avg(gauge)[1m:15s]) + on () -gauge{host=\"a\"}"));
}
