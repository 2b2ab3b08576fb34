//! POST `/backup`: what it answers, who may ask, and that nothing stays behind.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};

use hinomi_model::{Nanos, Tenant};
use hinomi_pipeline::Handle;
use hinomi_series::Labels;
use hinomi_tsdb::{Batch, SeriesKey};

use crate::running::{ask, get, start, start_in, start_with};

const PATH: &str = "/api/hinomi/v1/backup";

/// The answer's head and body; the end of the connection is the end of the body.
async fn whole(address: SocketAddr) -> (String, Vec<u8>) {
    let asking = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        write!(stream, "POST {PATH} HTTP/1.0\r\nHost: {address}\r\n\r\n").unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        bytes
    });
    let bytes = asking.await.unwrap();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    (String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase(), bytes[end + 4..].to_vec())
}

fn copies(handle: &Handle) -> Vec<String> {
    let entries = std::fs::read_dir(&handle.settings().data_dir).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("backup-")).collect()
}

async fn no_copies(handle: &Handle) {
    let begin = Instant::now();
    while !copies(handle).is_empty() {
        assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", copies(handle));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_whole_and_leaves_nothing_behind() {
    let running = start().await;
    let (head, body) = whole(running.address).await;
    assert!(
        head.starts_with("http/1.0 200") && head.contains("\r\ncontent-type: application/zstd"),
        "{head}"
    );
    assert!(head.contains("filename=\"hinomi-20") && head.contains("\r\ncache-control: no-store"), "{head}");
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("data");
    let restored = hinomi_pipeline::backup::restore(&*body, &to, false, Nanos(0)).unwrap();
    assert!(head.contains(&format!("\r\nx-hinomi-bytes: {}\r", restored.head.bytes)), "{head}");
    assert!(to.join("metrics/wal").exists());
    assert!(
        to.join("records/journal").exists() && !to.join("LOCK").exists() && !to.join("sessions").exists()
    );
    no_copies(&running.handle).await;
}

/// What is in the data folder: whoever adds something decides whether backups have it.
#[tokio::test(flavor = "multi_thread")]
async fn everything_in_the_data_folder_is_known() {
    let running = start().await;
    let entries = std::fs::read_dir(&running.handle.settings().data_dir).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names.retain(|name| name != "sessions");
    assert_eq!(names, ["LOCK", "metrics", "records"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_at_a_time_and_by_nobody_else() {
    let running = start().await;
    let own = running.address.to_string();
    let handle = running.handle.clone();
    let first = tokio::task::spawn_blocking(move || handle.back_up()).await.unwrap().unwrap();
    let second = ask(running.address, "POST", PATH, &[("Host", &own)]).await;
    assert_eq!(second.status, 429, "{}", second.body);
    assert!(second.body.contains("a backup is being made already"), "{}", second.body);
    assert_eq!(copies(&running.handle).len(), 1);
    drop(first);
    assert!(copies(&running.handle).is_empty());
    for (method, headers, status) in [
        ("GET", vec![("Host", own.as_str())], 405),
        ("POST", vec![("Host", "evil.example")], 403),
        ("POST", vec![("Host", own.as_str()), ("Origin", "http://evil.example")], 403),
        ("POST", vec![("Host", own.as_str()), ("Sec-Fetch-Site", "cross-site")], 403),
    ] {
        let answer = ask(running.address, method, PATH, &headers).await;
        assert_eq!(answer.status, status, "{method} {headers:?}: {}", answer.body);
    }
    assert!(whole(running.address).await.0.starts_with("http/1.0 200"));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_needs_the_token() {
    let running =
        start_with("listen: 127.0.0.1:0\naccess: { token: tokentokentokentokentokentoken }\n").await;
    let own = running.address.to_string();
    let refused = ask(running.address, "POST", PATH, &[("Host", &own)]).await;
    assert_eq!(refused.status, 401, "{}", refused.body);
    assert!(copies(&running.handle).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_goes_away_leaves_no_copy() {
    let running = start().await;
    // More than sockets and channel take, so that the archive can't be complete.
    let noise = running.handle.settings().data_dir.join("metrics/wal");
    assert!(noise.is_dir());
    let mut state = 1_u64;
    let bytes: Vec<u8> = (0..32 << 20)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_le_bytes()[7]
        })
        .collect();
    std::fs::write(noise.join("ffffffffffffffff.log"), bytes).unwrap();
    let address = running.address;
    let stream = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        write!(stream, "POST {PATH} HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
        stream.read_exact(&mut [0; 1000]).unwrap();
        stream
    });
    let stream = stream.await.unwrap();
    assert_eq!(copies(&running.handle).len(), 1);
    assert_eq!(get(address, "/api/hinomi/v1/status").await.status, 200, "others are answered meanwhile");
    drop(stream);
    no_copies(&running.handle).await;
}

/// Blocks are linked while they are sent, and come back with their samples.
#[tokio::test(flavor = "multi_thread")]
async fn blocks_are_linked_and_come_back() {
    let running = start().await;
    let handle = running.handle.clone();
    let files = tokio::task::spawn_blocking(move || {
        let now_ms = handle.now().0 / 1_000_000;
        let mut batch = Batch::new();
        let series = batch.series(SeriesKey::Labels(Labels::from_pairs([("__name__", "kept")])));
        (0..100).for_each(|n: i32| batch.sample(series, now_ms - 100 + i64::from(n), f64::from(n)));
        handle.metrics().append(&Tenant::default(), &batch).unwrap();
        handle.metrics().db().flush().unwrap();
        let backup = handle.back_up().unwrap();
        let copy = handle.settings().data_dir.join(&copies(&handle)[0]).join("metrics/blocks");
        let linked = std::fs::read_dir(copy).unwrap().map(|entry| entry.unwrap().metadata().unwrap().nlink());
        assert_eq!(linked.collect::<Vec<_>>(), [2]);
        backup.head().files
    });
    let files = files.await.unwrap();
    let (head, body) = whole(running.address).await;
    assert!(head.contains(&format!("\r\nx-hinomi-files: {files}\r")), "{head}");
    let folder = tempfile::tempdir().unwrap();
    hinomi_pipeline::backup::restore(&*body, folder.path(), false, Nanos(0)).unwrap();
    let copy = start_in(folder, "listen: 127.0.0.1:0\n").await;
    let answer = get(copy.address, "/api/v1/query?query=count_over_time(kept%5B1h%5D)").await;
    assert_eq!(answer.json()["data"]["result"][0]["value"][1], "100", "{}", answer.body);
}
