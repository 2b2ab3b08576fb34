//! Remote write over a real socket.

use std::net::SocketAddr;

use hinomi_model::Tenant;
use hinomi_model::metrics::{ReadLimit, Select, SeriesSource as _};
use hinomi_series::{Labels, Matcher, is_stale, stale_nan};
use hinomi_wire::remote_write::{Sample, TimeSeries, pack, write_v1, write_v2};

use crate::running::{self, Answer, Running};

const V1: &str = "application/x-protobuf";
const V2: &str = "application/x-protobuf;proto=io.prometheus.write.v2.Request";

async fn post(address: SocketAddr, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
    let (host, length) = (address.to_string(), body.len().to_string());
    let mut all = vec![("Host", host.as_str())];
    all.extend(headers);
    if !headers.iter().any(|(name, _)| matches!(*name, "Content-Length" | "Transfer-Encoding")) {
        all.push(("Content-Length", &length));
    }
    running::send_bytes(address, "POST", "/api/v1/write", &all, body).await
}

/// Sends samples as a sender of that version does.
async fn write(running: &Running, kind: &str, series: &[(Labels, Vec<Sample>)]) -> Answer {
    let all: Vec<_> = series.iter().map(|(labels, samples)| TimeSeries { labels, samples }).collect();
    let raw = if kind == V1 { write_v1(&all) } else { write_v2(&all) };
    let headers = [("Content-Type", kind), ("Content-Encoding", "snappy")];
    post(running.address, &headers, pack(&raw).unwrap()).await
}

fn named(name: &str) -> Labels {
    Labels::from_pairs([("__name__", name), ("job", "test")])
}

fn sample(t_ms: i64, value: f64) -> Sample {
    Sample { t_ms, start_ms: 0, value }
}

/// Times and values of a series of a tenant.
async fn stored(running: &Running, tenant: &str, name: &str) -> Vec<(i64, f64)> {
    let metrics = running.handle.metrics().clone();
    let select = Select {
        tenant: Tenant(tenant.to_owned()),
        matchers: vec![Matcher::equal("__name__", name)],
        from_ms: 0,
        to_ms: i64::MAX,
    };
    let read = tokio::task::spawn_blocking(move || metrics.db().select(&select, &ReadLimit::unlimited()));
    let read = read.await.unwrap().unwrap();
    let points = read.iter().flat_map(|series| {
        series
            .timestamps
            .iter()
            .enumerate()
            .map(|(at, t)| (*t, series.values.get(at).unwrap().as_float().unwrap()))
    });
    points.collect()
}

#[tokio::test]
async fn both_versions_are_stored() {
    let running = running::start().await;
    let now = running.handle.now().0 / 1_000_000;
    for kind in [V1, V2] {
        let name = if kind == V1 { "one" } else { "two" };
        let samples = vec![sample(now - 2000, 1.5), sample(now - 1000, stale_nan())];
        let answer = write(&running, kind, &[(named(name), samples)]).await;
        assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{}", answer.head);
        let counts = answer.head.contains("x-prometheus-remote-write-samples-written: 2");
        assert_eq!(counts, kind == V2, "{}", answer.head);
        let [first, second] = stored(&running, "default", name).await[..] else { panic!("two samples") };
        assert_eq!(first, (now - 2000, 1.5));
        assert!(second.0 == now - 1000 && is_stale(second.1));
    }
}

#[tokio::test]
async fn what_cannot_be_stored_is_said_and_the_rest_is() {
    let running = running::start().await;
    let now = running.handle.now().0 / 1_000_000;
    let _first = write(&running, V1, &[(named("a"), vec![sample(now, 1.0)])]).await;
    let series = [(named("a"), vec![sample(now, 2.0)]), (named("b"), vec![sample(now, 3.0)])];
    let answer = write(&running, V1, &series).await;
    assert_eq!((answer.status, answer.body.as_str()), (400, "duplicate sample for timestamp\n"));
    let answer = write(&running, V2, &series).await;
    let text = "duplicate sample for timestamp for series {__name__=\"a\", job=\"test\"}\n";
    assert_eq!((answer.status, answer.body.as_str()), (400, text));
    assert!(answer.head.contains("x-prometheus-remote-write-samples-written: 1"), "{}", answer.head);
    assert!(answer.head.contains("x-prometheus-remote-write-histograms-written: 0"));
    assert!(answer.head.contains("x-prometheus-remote-write-exemplars-written: 0"));
    assert_eq!(stored(&running, "default", "a").await, [(now, 1.0)]);
    assert_eq!(stored(&running, "default", "b").await, [(now, 3.0)]);
}

#[tokio::test]
async fn bad_requests_say_what_is_wrong() {
    let running = running::start().await;
    let labels = named("a");
    let samples = [sample(1, 1.0)];
    let raw = write_v1(&[TimeSeries { labels: &labels, samples: &samples }]);
    let good = || pack(&raw).unwrap();
    let zeros = pack(&vec![0; 100 << 20]).unwrap();
    let mut seen = Vec::new();
    for (title, headers, body) in [
        ("another type", vec![("Content-Type", "application/json")], good()),
        ("another message", vec![("Content-Type", "application/x-protobuf;proto=a.B")], good()),
        ("another compression", vec![("Content-Encoding", "gzip")], good()),
        ("not compressed", vec![], raw.clone()),
        ("no message", vec![], pack(&[0x0a, 5, 1]).unwrap()),
        ("nothing", vec![], Vec::new()),
        ("too many tenants", vec![("X-Scope-OrgID", "a|b")], good()),
        ("no memory for what it unpacks to", vec![], zeros),
        ("too long", vec![("Content-Length", "99999999")], good()),
        ("from another site", vec![("Origin", "http://example.com")], good()),
    ] {
        let answer = post(running.address, &headers, body).await;
        let again = if answer.head.contains("retry-after") { ", retry after a while" } else { "" };
        seen.push(format!("{title}: {}{again}\n  {}", answer.status, answer.body.trim_end()));
    }
    let read = running::get(running.address, "/api/v1/write").await;
    seen.push(format!("read: {}", read.status));
    insta::assert_snapshot!(seen.join("\n"));
}

#[tokio::test]
async fn tenants_are_apart_and_a_body_may_come_in_chunks() {
    let running = running::start().await;
    let now = running.handle.now().0 / 1_000_000;
    let (labels, samples) = (named("a"), [sample(now, 1.0)]);
    let packed = pack(&write_v1(&[TimeSeries { labels: &labels, samples: &samples }])).unwrap();
    let mut chunks = Vec::new();
    for part in packed.chunks(7) {
        chunks.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
        chunks.extend_from_slice(part);
        chunks.extend_from_slice(b"\r\n");
    }
    chunks.extend_from_slice(b"0\r\n\r\n");
    let headers = [("X-Scope-OrgID", "other"), ("Transfer-Encoding", "chunked")];
    assert_eq!(post(running.address, &headers, chunks).await.status, 204);
    assert_eq!(stored(&running, "other", "a").await, [(now, 1.0)]);
    assert_eq!(stored(&running, "default", "a").await, []);
}

/// What was sent, answered as what is to be sent again later.
fn later(answer: &Answer, status: u16) -> bool {
    answer.status == status && answer.head.to_ascii_lowercase().contains("retry-after: 5")
}

#[tokio::test]
async fn a_disk_that_refuses_is_said_and_sending_again_is_right() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("metrics/wal");
    let away = folder.path().join("metrics/away");
    let running = running::start_in(folder, "listen: 127.0.0.1:0\n").await;
    let now = running.handle.now().0 / 1_000_000;
    std::fs::rename(&log, &away).unwrap();
    let series = [(named("a"), vec![sample(now, 1.0)])];
    let answer = write(&running, V1, &series).await;
    assert!(later(&answer, 503), "{} {}", answer.head, answer.body);
    assert!(answer.body.contains("metrics/wal"), "{}", answer.body);
    std::fs::rename(&away, &log).unwrap();
    let answer = write(&running, V1, &series).await;
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    assert_eq!(stored(&running, "default", "a").await, [(now, 1.0)]);
}

#[tokio::test]
async fn without_memory_for_more_series_the_known_ones_are_still_taken() {
    let running = running::start().await;
    let now = running.handle.now().0 / 1_000_000;
    assert_eq!(write(&running, V2, &[(named("first"), vec![sample(now, 1.0)])]).await.status, 204);
    let long = "x".repeat(60_000);
    let mut refused = None;
    for request in 0..200 {
        let one = |n: i32| {
            let labels = Labels::from_pairs([("__name__", "long"), ("n", &format!("{request}-{n}-{long}"))]);
            (labels, vec![sample(now, 1.0)])
        };
        let answer = write(&running, V1, &(0..10).map(one).collect::<Vec<_>>()).await;
        if answer.status != 204 {
            refused = Some(answer);
            break;
        }
    }
    let answer = refused.unwrap();
    assert!(later(&answer, 429), "{} {}", answer.head, answer.body);
    let text = "the memory budget has no room for another series: all of it is 67108864 bytes (memory_max)\n";
    assert_eq!(answer.body, text);
    assert_eq!(write(&running, V2, &[(named("first"), vec![sample(now + 1, 2.0)])]).await.status, 204);
    assert_eq!(stored(&running, "default", "first").await, [(now, 1.0), (now + 1, 2.0)]);
}

#[tokio::test]
async fn an_announced_body_takes_no_memory_before_it_comes() {
    let running = running::start().await;
    let now = running.handle.now().0 / 1_000_000;
    let mut silent = Vec::new();
    // Nearly all of the 64 MiB, were they drawn.
    for bytes in [30_000_000, 30_000_000, 4_000_000, 2_000_000, 800_000, 200_000, 80_000] {
        let mut stream = tokio::net::TcpStream::connect(running.address).await.unwrap();
        let head = format!(
            "POST /api/v1/write HTTP/1.1\r\nHost: {}\r\nContent-Length: {bytes}\r\n\r\n",
            running.address
        );
        tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes()).await.unwrap();
        silent.push(stream);
    }
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let answer = write(&running, V1, &[(named("a"), vec![sample(now, 1.0)])]).await;
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
}

#[tokio::test]
async fn a_body_that_does_not_come_is_answered_in_plain_text_to_be_sent_again() {
    let running = running::start().await;
    let mut stream = tokio::net::TcpStream::connect(running.address).await.unwrap();
    let head =
        format!("POST /api/v1/write HTTP/1.1\r\nHost: {}\r\nContent-Length: 1000\r\n\r\n", running.address);
    tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes()).await.unwrap();
    let mut seen = String::new();
    while !seen.ends_with("at once\n") && !seen.ends_with('}') {
        let mut bytes = [0; 4096];
        let read = tokio::io::AsyncReadExt::read(&mut stream, &mut bytes).await.unwrap();
        assert_ne!(read, 0, "{seen}");
        seen.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
    }
    let head = seen.to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 503"), "{seen}");
    assert!(head.contains("retry-after: 5") && head.contains("content-type: text/plain"), "{seen}");
    assert!(seen.ends_with("the answer was not ready within 15s; ask for less at once\n"), "{seen}");
}
