//! Prometheus' API over a real socket: shapes, errors, limits.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use hinomi_model::Tenant;
use hinomi_model::metrics::{Exemplar, Metadata, MetadataKind};
use hinomi_series::Labels;
use hinomi_tsdb::{Batch, SeriesKey};
use serde_json::{Value, json};

use crate::running::{self, Answer, Running, ask, send};

/// Fills a tenant: `up` of two jobs and `load`, a sample every 15 s of the last ten minutes. Returns when that ends,
/// seconds.
pub(crate) fn fill(running: &Running, tenant: &str) -> i64 {
    let end = running.handle.now().0 / 1_000_000_000 / 60 * 60;
    let mut batch = Batch::new();
    for (name, job, base) in [("up", "a", 1.0), ("up", "b", 0.0), ("load", "a", 0.25)] {
        let labels = Labels::from_pairs([("__name__", name), ("job", job), ("a.b", "c")]);
        let series = batch.series(SeriesKey::Labels(labels));
        for step in 0..=40 {
            batch.sample(series, (end - 600 + step * 15) * 1000, base);
        }
        let labels = Labels::from_pairs([("trace_id", job)]);
        batch.exemplar(series, Exemplar { labels, t_ms: end * 1000, value: 0.5 });
    }
    let said = Metadata { kind: MetadataKind::Gauge, help: "whether it is up".into(), unit: "".into() };
    batch.metadata("up", said);
    let appended = running.handle.metrics().append(&Tenant(tenant.to_owned()), &batch).unwrap();
    assert_eq!(appended.accepted, 123);
    end
}

pub(crate) async fn start() -> (Running, i64) {
    let running = running::start_with("listen: 127.0.0.1:0\nmetrics: { admin_api: true }\n").await;
    let end = fill(&running, "default");
    (running, end)
}

async fn get(address: SocketAddr, path: &str) -> Answer {
    running::get(address, &encoded(&format!("/api/v1/{path}"))).await
}

/// An address may not hold these.
fn encoded(path: &str) -> String {
    path.replace('"', "%22").replace('{', "%7B").replace('}', "%7D")
}

pub(crate) async fn post(address: SocketAddr, path: &str, form: &str) -> Answer {
    let (host, length) = (address.to_string(), form.len().to_string());
    let headers = [
        ("Host", host.as_str()),
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("Content-Length", length.as_str()),
    ];
    send(address, "POST", path, &headers, form).await
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_have_prometheus_shapes() {
    let (running, end) = start().await;
    let at = running.address;
    let answer = get(at, &format!("query?query=up&time={end}")).await;
    assert!(answer.head.contains("content-type: application/json\r\n"), "{}", answer.head);
    let first = json!({ "metric": { "__name__": "up", "a.b": "c", "job": "a" }, "value": [end, "1"] });
    let second = json!({ "metric": { "__name__": "up", "a.b": "c", "job": "b" }, "value": [end, "0"] });
    let data = json!({ "resultType": "vector", "result": [first, second] });
    assert_eq!(answer.json(), json!({ "status": "success", "data": data }));
    let start = end - 30;
    let answer = get(at, &format!("query_range?query=load&start={start}&end={end}&step=15s")).await.json();
    assert_eq!(answer["data"]["resultType"], "matrix");
    assert_eq!(
        answer["data"]["result"][0]["values"],
        json!([[end - 30, "0.25"], [end - 15, "0.25"], [end, "0.25"]])
    );
    let answer = get(at, &format!("query?query=rate(load[5m])&time={end}&stats=all")).await.json();
    assert!(answer["infos"][0].as_str().unwrap().starts_with("PromQL info: metric might not be a counter"));
    let stats = &answer["data"]["stats"];
    assert_eq!(stats["samples"]["totalQueryableSamples"], 20);
    assert_eq!(stats["samples"]["totalQueryableSamplesPerStep"], json!([[end, 20]]));
    assert_eq!(stats["explain"], json!(null));
    assert!(stats["timings"]["evalTotalTime"].as_f64().unwrap() > 0.0);
    let sum = format!("query_range?query=sum(rate(load[5m]))&start={start}&end={end}&step=15s&stats=explain");
    let stats = &get(at, &sum).await.json()["data"]["stats"];
    let steps = &stats["samples"]["totalQueryableSamplesPerStep"];
    assert_eq!((steps.as_array().unwrap().len(), &steps[2]), (3, &json!([end, 20])));
    let plan: Vec<_> = stats["explain"].as_array().unwrap().iter().map(|node| node["expr"].clone()).collect();
    assert_eq!(plan, ["sum(rate(load[5m]))", "rate(load[5m])", "load[5m]"]);
    let cost = &stats["explain"][1]["cost"];
    assert_eq!((&cost["series"], &cost["samples"]), (&json!(1), &stats["samples"]["totalQueryableSamples"]));
    let answer = get(at, &format!("query?query=up&time={end}&limit=1")).await.json();
    assert_eq!(answer["data"]["result"].as_array().unwrap().len(), 1);
    assert_eq!(answer["warnings"], json!(["results truncated due to limit"]));
    let late = end + 60;
    let answer = get(at, &format!("query?query=up&time={late}&lookback_delta=30s")).await.json();
    assert_eq!(answer["data"]["result"], json!([]));
    let answer = get(at, "query_exemplars?query=rate(up[5m])").await.json();
    assert_eq!(answer["data"].as_array().unwrap().len(), 2);
    let exemplar = json!({ "labels": { "trace_id": "a" }, "value": "0.5", "timestamp": end });
    assert_eq!(answer["data"][0]["exemplars"], json!([exemplar]));
    let metadata = json!({ "up": [{ "type": "gauge", "help": "whether it is up", "unit": "" }] });
    assert_eq!(get(at, "metadata").await.json()["data"], metadata);
    assert_eq!(get(at, "metadata?limit=0").await.json()["data"], json!({}));
    assert_eq!(get(at, "label/U__a_2e_b/values").await.json()["data"], json!(["c"]));
    assert_eq!(get(at, "format_query?query=up%2B1").await.json()["data"], "up + 1");
    let tsdb = get(at, "status/tsdb").await.json();
    assert_eq!(tsdb["data"]["headStats"]["numSeries"], 3);
    assert_eq!(tsdb["data"]["seriesCountByMetricName"][0], json!({ "name": "up", "value": 2 }));
}

/// Path, status, error type and text.
type Refused<'a> = (&'a str, u16, &'a str, &'a str);

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_those_of_prometheus() {
    let (running, _) = start().await;
    let steps = "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution \
                 (?step=XX)";
    let zero = "invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a \
                positive integer";
    let limit = "invalid parameter \"limit\": strconv.Atoi: parsing \"x\": invalid syntax";
    let ranged = "invalid parameter \"query\": invalid expression type \"range vector\" for range query, must be Scalar \
                  or instant Vector";
    let same = "vector cannot contain metrics with the same labelset";
    let empty = "invalid parameter \"match[]\": match[] must contain at least one non-empty matcher";
    let table: &[Refused<'_>] = &[
        (
            "query",
            400,
            "bad_data",
            "invalid parameter \"query\": unknown position: parse error: no expression found in input",
        ),
        (
            "query?query=up(",
            400,
            "bad_data",
            "invalid parameter \"query\": 1:4: parse error: unclosed left parenthesis",
        ),
        (
            "query?query=up&time=soon",
            400,
            "bad_data",
            "invalid parameter \"time\": cannot parse \"soon\" to a valid timestamp",
        ),
        (
            "query?query=up&timeout=x",
            400,
            "bad_data",
            "invalid parameter \"timeout\": cannot parse \"x\" to a valid duration",
        ),
        ("query?query=up&limit=x", 400, "bad_data", limit),
        (
            "query?query=up&limit=-1",
            400,
            "bad_data",
            "invalid parameter \"limit\": limit must be non-negative",
        ),
        ("query?query=label_replace(up,\"job\",\"x\",\"\",\"\")", 422, "execution", same),
        (
            "query_range?query=up&end=1&step=1",
            400,
            "bad_data",
            "invalid parameter \"start\": cannot parse \"\" to a valid timestamp",
        ),
        (
            "query_range?query=up&start=2&end=1&step=1",
            400,
            "bad_data",
            "invalid parameter \"end\": end timestamp must not be before start time",
        ),
        ("query_range?query=up&start=0&end=1&step=0", 400, "bad_data", zero),
        (
            "query_range?query=up&start=0&end=1&step=x",
            400,
            "bad_data",
            "invalid parameter \"step\": cannot parse \"x\" to a valid duration",
        ),
        ("query_range?query=up&start=0&end=11001&step=1", 400, "bad_data", steps),
        ("query_range?query=up[1m]&start=0&end=1&step=1", 400, "bad_data", ranged),
        ("series", 400, "bad_data", "no match[] parameter provided"),
        ("series?match[]={}", 400, "bad_data", empty),
        (
            "labels?match[]=up{",
            400,
            "bad_data",
            "invalid parameter \"match[]\": 1:4: parse error: unexpected end of input inside braces",
        ),
        (
            "label/job/values?start=x",
            400,
            "bad_data",
            "invalid parameter \"start\": cannot parse \"x\" to a valid timestamp",
        ),
        ("metadata?limit=x", 400, "bad_data", "limit must be a number"),
        (
            "query_exemplars?query=up&start=2&end=1",
            400,
            "bad_data",
            "invalid parameter \"end\": end timestamp must not be before start timestamp",
        ),
    ];
    let mut failures = Vec::new();
    for (path, status, kind, text) in table {
        let answer = get(running.address, path).await;
        let want = json!({ "status": "error", "errorType": kind, "error": text });
        let found: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        if (answer.status, &found) != (*status, &want) {
            failures.push(format!("{path}: {} {}", answer.status, answer.body));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_see_their_own() {
    let (running, end) = start().await;
    fill(&running, "team");
    let count = async |tenant: &str| {
        let host = running.address.to_string();
        let path = format!("/api/v1/query?query=count({{__name__=~\".%2B\"}})&time={end}");
        let headers = [("Host", host.as_str()), ("X-Scope-OrgID", tenant)];
        ask(running.address, "GET", &encoded(&path), &headers).await
    };
    for (tenant, status, found) in
        [("team", 200, "\"3\""), ("nobody", 200, "[]"), ("a|b", 400, "X-Scope-OrgID")]
    {
        let answer = count(tenant).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        assert!(answer.body.contains(found), "{tenant}: {}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_named() {
    let keys = "listen: 127.0.0.1:0\nmetrics: { query: { samples_max: 200, series_max: 2 } }\n";
    let running = running::start_with(keys).await;
    let end = fill(&running, "default");
    let all = "{__name__=~\".%2B\"}";
    let many = "query processing would load too many samples into memory in query execution";
    let series = "the query matches more than 2 series: narrow its selectors";
    for (path, text) in [
        (format!("query?query=up[2m]&time={end}"), ""),
        (format!("query_range?query=up&start={}&end={end}&step=1", end - 300), many),
        (format!("query?query={all}&time={end}"), series),
        (format!("series?match[]={all}"), series),
    ] {
        let answer = get(running.address, &path).await;
        let value = answer.json();
        let want = if text.is_empty() { (200, Value::Null) } else { (422, json!("execution")) };
        assert_eq!((answer.status, &value["errorType"]), (want.0, &want.1), "{path}: {}", answer.body);
        assert_eq!(value["error"].as_str().unwrap_or_default(), text);
    }
}

/// The one place is taken by a question that never ends by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_question_waits_for_its_turn_and_ends_with_its_caller() {
    let running = running::start_with("listen: 127.0.0.1:0\nmetrics: { query: { concurrent: 1 } }\n").await;
    let metrics = running.handle.metrics().clone();
    let (ended, end) = std::sync::mpsc::sync_channel(1);
    let slow = tokio::spawn(async move {
        let work = move |question: &hinomi_pipeline::Question| {
            while question.limit().check(None).is_ok() {
                std::thread::sleep(Duration::from_millis(5));
            }
            ended.send(()).map_err(|error| hinomi_pipeline::Unanswered::Refused(error.to_string()))
        };
        metrics.ask(&hinomi_pipeline::Asked::default(), work).await
    });
    let begin = Instant::now();
    while running.handle.status().metrics.queries_running == 0 {
        assert!(begin.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let answer = get(running.address, "query?query=1&timeout=200ms").await;
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert_eq!(answer.json()["error"], "query timed out in query queue");
    assert_eq!(answer.json()["errorType"], "timeout");
    slow.abort();
    end.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!(get(running.address, "query?query=1").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn long_answers_are_packed_for_who_takes_that() {
    let (running, end) = start().await;
    let (address, start) = (running.address, end - 600);
    let path = format!("/api/v1/query_range?query=up&start={start}&end={end}&step=15");
    let plain = running::get(address, &path).await;
    assert!(!plain.head.contains("content-encoding"), "{}", plain.head);
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
    );
    let bytes = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        bytes
    });
    let bytes = bytes.await.unwrap();
    let begin = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8_lossy(&bytes[..begin]).to_ascii_lowercase();
    assert!(head.contains("content-encoding: gzip") && head.contains("vary: accept-encoding"), "{head}");
    let mut text = String::new();
    flate2::read::GzDecoder::new(&bytes[begin..]).read_to_string(&mut text).unwrap();
    assert_eq!(text, plain.body);
    assert!(bytes.len() - begin < plain.body.len() / 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn administration_is_off_unless_it_is_allowed() {
    let running = running::start().await;
    fill(&running, "default");
    for path in ["delete_series?match[]=up", "clean_tombstones", "snapshot"] {
        let answer = post(running.address, &format!("/api/v1/admin/tsdb/{path}"), "").await;
        assert_eq!(answer.status, 503, "{}", answer.body);
        let want = json!({ "status": "error", "errorType": "unavailable", "error": "admin APIs disabled" });
        assert_eq!(answer.json(), want);
    }
    assert_eq!(get(running.address, "series?match[]=up").await.json()["data"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn series_are_deleted_and_copied() {
    let (running, end) = start().await;
    let at = running.address;
    let answer = post(at, "/api/v1/admin/tsdb/snapshot", "").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let name = answer.json()["data"]["name"].as_str().unwrap().to_owned();
    let folder = running.handle.settings().data_dir.join("snapshots").join(name);
    assert!(folder.is_dir(), "{}", folder.display());
    let refused = post(at, "/api/v1/admin/tsdb/delete_series", "").await;
    assert_eq!((refused.status, &refused.json()["error"]), (400, &json!("no match[] parameter provided")));
    let deleted = post(at, "/api/v1/admin/tsdb/delete_series", "match[]=up{job=\"a\"}").await;
    assert_eq!((deleted.status, deleted.body.as_str()), (204, ""));
    let left = get(at, &format!("query?query=count(up)&time={end}")).await.json();
    assert_eq!(left["data"]["result"][0]["value"][1], "1");
    assert_eq!(post(at, "/api/v1/admin/tsdb/clean_tombstones", "").await.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_of_questions_is_the_budgets() {
    let (running, end) = start().await;
    let used = || running.handle.status().memory_used_bytes;
    let before = used();
    assert_eq!(get(running.address, &format!("query?query=up[10m]&time={end}")).await.status, 200);
    assert_eq!(used(), before, "what was drawn is given back");
    // 64 MiB is the budget of these tests: an answer of that size is refused, and says why.
    let path = format!("query?query=sum_over_time((vector(1))[50y:10s])&time={end}");
    let answer = get(running.address, &path).await;
    assert_eq!((answer.status, &answer.json()["errorType"]), (422, &json!("execution")), "{}", answer.body);
    assert!(answer.body.contains("memory"), "{}", answer.body);
    assert_eq!(used(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_nobody_takes_hold_their_memory() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let (running, end) = start().await;
    let mut batch = Batch::new();
    for series in 0..40 {
        let labels = Labels::from_pairs([("__name__", "wide"), ("series", &series.to_string())]);
        batch.push(SeriesKey::Labels(labels), end * 1000, 0.123_456_789_012_345_67);
    }
    running.handle.metrics().append(&Tenant::default(), &batch).unwrap();
    let used = || running.handle.status().memory_used_bytes;
    let before = used();
    let path =
        format!("/api/v1/query_range?query=wide&start={end}&end={}&step=1s&lookback_delta=1d", end + 10_000);
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    // What the kernel holds is not ours.
    socket.set_recv_buffer_size(4096).unwrap();
    let mut client = socket.connect(running.address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", running.address);
    client.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 16];
    client.read_exact(&mut head).await.unwrap();
    assert!(head.starts_with(b"HTTP/1.1 200"));
    tokio::time::sleep(Duration::from_millis(200)).await;
    let held = used().saturating_sub(before);
    assert!(held > 6 << 20, "{held} bytes");
    drop(client);
    let begun = Instant::now();
    while used() > before + (1 << 20) {
        assert!(begun.elapsed() < Duration::from_secs(10), "{} bytes", used().saturating_sub(before));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_that_there_are_not_have_the_shape_of_the_others() {
    let (running, _) = start().await;
    let answer = get(running.address, "nope").await;
    assert_eq!((answer.status, answer.json()["status"].as_str()), (404, Some("error")));
    assert_eq!(answer.json()["errorType"], "not_found");
}
