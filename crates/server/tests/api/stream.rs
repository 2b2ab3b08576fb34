//! The stream: what comes, from where it goes on, who gets none, and that it ends.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hinomi_model::{Phase, Sink as _};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::access::{KEYS, SESSION, TOKEN, cookie, log_in};
use crate::running::{Running, ask, get, phase, start, start_with};

/// An open stream.
struct Stream {
    socket: TcpStream,
    bytes: Vec<u8>,
}

/// An event of it.
#[derive(Debug)]
struct Event {
    name: String,
    id: String,
    data: Value,
}

impl Stream {
    async fn open(address: SocketAddr, query: &str, last: Option<&str>) -> Self {
        let last = last.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        Self::open_with(address, query, &last).await
    }

    async fn open_with(address: SocketAddr, query: &str, headers: &str) -> Self {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let request =
            format!("GET /api/hinomi/v1/stream{query} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        Self { socket, bytes: Vec::new() }
    }

    /// More text; `None`: the end.
    async fn more(&mut self) -> Option<()> {
        let mut part = [0; 4096];
        let read = tokio::time::timeout(Duration::from_secs(10), self.socket.read(&mut part));
        let count = read.await.expect("something comes within ten seconds").unwrap_or(0);
        self.bytes.extend_from_slice(&part[..count]);
        (count > 0).then_some(())
    }

    async fn head(&mut self) -> String {
        loop {
            let text = String::from_utf8_lossy(&self.bytes).into_owned();
            if let Some((head, _)) = text.split_once("\r\n\r\n") {
                self.bytes.drain(..head.len() + 4);
                return head.to_ascii_lowercase();
            }
            self.more().await.expect("a head");
        }
    }

    /// The next event; the framing of chunks lies between events only, for each is written at once.
    async fn next(&mut self) -> Option<Event> {
        loop {
            let text = String::from_utf8_lossy(&self.bytes).into_owned();
            if let Some((event, _)) = text.split_once("\n\n") {
                self.bytes.drain(..event.len() + 2);
                let field = |name: &str| {
                    let line = event.lines().find_map(|line| line.strip_prefix(name));
                    line.map(|value| value.trim().to_owned()).unwrap_or_default()
                };
                let data = serde_json::from_str(&field("data:")).unwrap();
                return Some(Event { name: field("event:"), id: field("id:"), data });
            }
            self.more().await?;
        }
    }

    async fn next_named(&mut self, name: &str) -> Event {
        loop {
            let event = self.next().await.expect("the stream goes on");
            if event.name == name {
                return event;
            }
        }
    }

    /// Numbers in the journal of so many changes.
    async fn seqs(&mut self, count: usize) -> Vec<u64> {
        let mut seqs = Vec::new();
        while seqs.len() < count {
            let event = self.next_named("changes").await;
            let changes = event.data["changes"].as_array().unwrap().clone();
            seqs.extend(changes.iter().map(|change| change["seq"].as_u64().unwrap()));
        }
        seqs
    }
}

/// The data of the first event of each of these names.
pub(crate) async fn data(address: SocketAddr, last: &str, names: &[&str]) -> BTreeMap<String, Value> {
    let mut stream = Stream::open(address, "", Some(last)).await;
    let mut found = BTreeMap::new();
    while found.len() < names.len() {
        let event = stream.next().await.expect("the stream goes on");
        if names.contains(&event.name.as_str()) {
            found.entry(event.name).or_insert(event.data);
        }
    }
    found
}

/// Somebody freezes and unfreezes a container.
fn push(running: &Running, count: usize) {
    for number in 0..count {
        let what = if number % 2 == 0 { Phase::Paused } else { Phase::Unpaused };
        running.intake.push(vec![phase(running.handle.now(), what)]).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_comes_and_goes_on_where_it_broke() {
    let running = start().await;
    let mut stream = Stream::open(running.address, "", None).await;
    let head = stream.head().await;
    assert!(head.starts_with("http/1.1 200") && head.contains("content-type: text/event-stream"), "{head}");
    assert!(head.contains("cache-control: no-store"), "{head}");
    let hello = stream.next().await.unwrap();
    assert_eq!((hello.name.as_str(), hello.data["run"].as_str()), ("hello", Some(running.handle.run())));
    assert_eq!(stream.next().await.unwrap().name, "state", "at first everything is new");
    let begin = Instant::now();
    push(&running, 1);
    let one = stream.next_named("changes").await;
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    assert_eq!(one.data["changes"][0]["attribute"], "phase");
    assert_eq!(one.data["changes"][0]["resource"]["name"], "web");
    let state = stream.next_named("state").await;
    assert_eq!(state.data["totals"]["notice"], 1, "{state:?}");
    drop(stream);
    // Missed while nobody was there.
    push(&running, 3);
    let position: u64 = one.id.rsplit('-').next().unwrap().parse().unwrap();
    while running.handle.watch().borrow().changes < position + 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut again = Stream::open(running.address, "", Some(&one.id)).await;
    assert_eq!(again.next_named("hello").await.id, one.id);
    let first = one.data["changes"][0]["seq"].as_u64().unwrap();
    let missed = again.seqs(3).await;
    assert!(missed.iter().all(|seq| *seq > first) && missed.is_sorted(), "{missed:?} after {first}");
    // In the reader's language.
    let mut japanese = Stream::open(running.address, "?lang=ja", Some(&one.id)).await;
    let words = japanese.next_named("changes").await.data["changes"][0]["words"].clone();
    assert_ne!(words, "paused");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_it_cannot_go_on_it_says_so() {
    let running = start().await;
    let run = running.handle.run().to_owned();
    for id in ["1-1", "nonsense", &format!("{run}-x"), &format!("{run}-99999")] {
        let mut stream = Stream::open(running.address, "", Some(id)).await;
        assert_eq!(stream.next().await.unwrap().name, "hello", "{id}");
        let reset = stream.next_named("reset").await;
        assert!(reset.data["now"].is_string(), "{id}");
        push(&running, 1);
        assert_eq!(stream.seqs(1).await.len(), 1, "{id}: it goes on from there");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_is_told_in_few_words() {
    let running = start().await;
    let mut stream = Stream::open(running.address, "", None).await;
    stream.next_named("hello").await;
    push(&running, 1000);
    let (mut changes, mut states) = (0, 0);
    let begin = Instant::now();
    while changes < 1000 {
        let event = stream.next().await.unwrap();
        states += u32::from(event.name == "state");
        let list = event.data["changes"].as_array().map_or(0, Vec::len);
        assert!(list <= 200, "{list} at once");
        changes += list;
    }
    let most = begin.elapsed().as_millis() / 100 + 2;
    assert!(u128::from(states) <= most, "{states} states, at most {most}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_beat_comes_by_itself_and_the_places_are_counted() {
    let running = start().await;
    let mut streams = Vec::new();
    for _ in 0..32 {
        let mut stream = Stream::open(running.address, "", None).await;
        stream.next_named("hello").await;
        streams.push(stream);
    }
    let refused = get(running.address, "/api/hinomi/v1/stream").await;
    assert_eq!((refused.status, refused.json()["error"]["kind"].as_str()), (429, Some("limited")));
    let status = get(running.address, "/api/hinomi/v1/status").await.status;
    assert_eq!(status, 200, "streams take no place of answers");
    let beat = streams[0].next_named("beat").await;
    assert!(beat.data["now"].is_string());
    // Whoever goes away makes room.
    streams.clear();
    let begin = Instant::now();
    loop {
        let mut stream = Stream::open(running.address, "", None).await;
        if stream.head().await.starts_with("http/1.1 200") {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(10), "no place became free");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_with_the_server() {
    let running = start().await;
    let mut stream = Stream::open(running.address, "", None).await;
    stream.next_named("hello").await;
    stream.next_named("state").await;
    let begin = Instant::now();
    drop(running);
    while stream.next().await.is_some() {}
    assert!(begin.elapsed() < Duration::from_millis(900), "{:?}", begin.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_with_its_session() {
    let running = start_with(KEYS).await;
    let at = running.address;
    let [one, other] =
        [log_in(at, TOKEN, &[]).await, log_in(at, TOKEN, &[]).await].map(|entry| cookie(&entry));
    let open = async |header: String| {
        let mut stream = Stream::open_with(at, "", &header).await;
        stream.next_named("state").await;
        stream
    };
    let mut stream = open(format!("Connection: close\r\nCookie: {one}\r\n")).await;
    let mut others = open(format!("Cookie: {other}\r\n")).await;
    let mut by_token = open(format!("Authorization: Bearer {TOKEN}\r\n")).await;
    let host = at.to_string();
    let exit = ask(at, "DELETE", SESSION, &[("Host", &host), ("Cookie", &one)]).await;
    assert_eq!(exit.status, 204);
    let begin = Instant::now();
    while stream.next().await.is_some() {
        assert!(begin.elapsed() < Duration::from_secs(2), "it goes on");
    }
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    push(&running, 1);
    assert_eq!(others.seqs(1).await.len(), 1, "another session goes on");
    assert_eq!(by_token.seqs(1).await.len(), 1, "and so does the token");
}
