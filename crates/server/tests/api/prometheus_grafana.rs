//! What Grafana's Prometheus data source asks, request by request, and the shape of what it gets.

use serde_json::Value;

use crate::prometheus::{post, start};
use crate::running;

/// Who asks (the module of Grafana's data source), the method, the path, its parameters, and where in the answer there
/// must be what.
type Asked<'a> = (&'a str, &'a str, &'a str, &'a str, &'a str, Shape);

#[derive(Clone, Copy, Debug)]
enum Shape {
    /// A list that is not empty.
    Filled,
    /// A list.
    List,
    /// An object.
    Object,
    /// A text that is not empty.
    Text,
}

impl Shape {
    fn fits(self, value: &Value) -> bool {
        match self {
            Self::Filled => value.as_array().is_some_and(|list| !list.is_empty()),
            Self::List => value.is_array(),
            Self::Object => value.is_object(),
            Self::Text => value.as_str().is_some_and(|text| !text.is_empty()),
        }
    }
}

/// START and END stand for times.
const REQUESTS: &[Asked<'_>] = &[
    ("backend healthcheck", "POST", "query", "query=1%2B1&time=4", "/data/result", Shape::Filled),
    ("backend healthcheck: heuristics", "GET", "status/buildinfo", "", "/data/version", Shape::Text),
    ("frontend heuristics: rules", "GET", "rules", "", "/data/groups", Shape::List),
    ("frontend heuristics: rules of a group", "GET", "rules", "type=alert", "/data/groups", Shape::List),
    ("backend querying: instant", "POST", "query", "query=up&time=END", "/data/result", Shape::Filled),
    ("backend querying: instant, GET", "GET", "query", "query=up&time=END", "/data/result", Shape::Filled),
    (
        "backend querying: range",
        "POST",
        "query_range",
        "query=sum+by+%28job%29+%28rate%28up%5B1m%5D%29%29&start=START&end=END&step=15",
        "/data/result",
        Shape::Filled,
    ),
    (
        "backend querying: range, parts of a second",
        "POST",
        "query_range",
        "query=up&start=START.25&end=END.75&step=0.5",
        "/data/result/0/values",
        Shape::Filled,
    ),
    (
        "backend querying: exemplars",
        "POST",
        "query_exemplars",
        "query=up&start=START&end=END",
        "/data/0/exemplars",
        Shape::Filled,
    ),
    ("language provider: labels", "POST", "labels", "start=START&end=END", "/data", Shape::Filled),
    (
        "language provider: labels of a metric",
        "POST",
        "labels",
        "start=START&end=END&match%5B%5D=%7B__name__%3D%22up%22%7D&limit=40000",
        "/data",
        Shape::Filled,
    ),
    ("language provider: labels, GET", "GET", "labels", "start=START&end=END", "/data", Shape::Filled),
    (
        "language provider: metrics",
        "GET",
        "label/__name__/values",
        "start=START&end=END&limit=40000",
        "/data",
        Shape::Filled,
    ),
    (
        "language provider: values for a selector",
        "GET",
        "label/job/values",
        "start=START&end=END&match%5B%5D=up&match%5B%5D=load",
        "/data",
        Shape::Filled,
    ),
    (
        "language provider: a UTF-8 label",
        "GET",
        "label/U__a_2e_b/values",
        "start=START&end=END",
        "/data",
        Shape::Filled,
    ),
    (
        "variables: label_values(query, label)",
        "POST",
        "series",
        "match%5B%5D=up%7Bjob%3D~%22.%2B%22%7D&start=START&end=END&limit=40000",
        "/data",
        Shape::Filled,
    ),
    ("variables: series, GET", "GET", "series", "match%5B%5D=up&start=START&end=END", "/data", Shape::Filled),
    ("language provider: metadata", "GET", "metadata", "limit=40000", "/data/up", Shape::Filled),
    (
        "language provider: metadata, one each",
        "GET",
        "metadata",
        "limit=40000&limit_per_metric=1",
        "/data/up",
        Shape::Filled,
    ),
    ("metrics browser: one metric", "GET", "metadata", "metric=up", "/data", Shape::Object),
    ("query builder: parse", "POST", "parse_query", "query=up%2B1", "/data/type", Shape::Text),
    ("query editor: format", "GET", "format_query", "query=up%2B1", "/data", Shape::Text),
    ("alerting: rules", "GET", "rules", "", "/data/groups", Shape::List),
    ("alerting: alerts", "GET", "alerts", "", "/data/alerts", Shape::List),
    ("alerting: targets", "GET", "targets", "state=active", "/data/activeTargets", Shape::List),
    ("alerting: alertmanagers", "GET", "alertmanagers", "", "/data/activeAlertmanagers", Shape::List),
    ("settings: flags", "GET", "status/flags", "", "/data", Shape::Object),
    ("settings: configuration", "GET", "status/config", "", "/data/yaml", Shape::Text),
    ("settings: runtime", "GET", "status/runtimeinfo", "", "/data/storageRetention", Shape::Text),
    ("settings: replay", "GET", "status/walreplay", "", "/data", Shape::Object),
    (
        "settings: cardinality",
        "GET",
        "status/tsdb",
        "limit=20",
        "/data/seriesCountByMetricName",
        Shape::Filled,
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn grafana_gets_what_it_asks_for() {
    let (running, end) = start().await;
    let mut failures = Vec::new();
    for (who, method, path, parameters, place, shape) in REQUESTS {
        let parameters =
            parameters.replace("START", &(end - 300).to_string()).replace("END", &end.to_string());
        let path = format!("/api/v1/{path}");
        let answer = match *method {
            "POST" => post(running.address, &path, &parameters).await,
            _ => running::get(running.address, &format!("{path}?{parameters}")).await,
        };
        let value: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        let fits = value.pointer(place).is_some_and(|value| shape.fits(value));
        if answer.status != 200 || value["status"] != "success" || !fits {
            failures.push(format!("{who}: {method} {path} {parameters}: {} {}", answer.status, answer.body));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}
