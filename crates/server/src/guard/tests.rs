//! Tables of who may ask what; and the places, over a real socket.

use std::path::Path;

use axum::Router;
use axum::http::Request;
use axum::routing::get;
use futures_util::stream::pending;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::*;

/// URI, method, headers, and what is said of them.
type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str);

const HERE: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7)), 8119);
const LOCAL: (&str, &str) = ("host", "127.0.0.1:8119");
const ORIGIN: (&str, &str) = ("origin", "http://127.0.0.1:8119");
const DATA: &str = "/api/hinomi/v1/status";
const CROSS: (&str, &str) = ("sec-fetch-site", "cross-site");
const NAVIGATE: (&str, &str) = ("sec-fetch-mode", "navigate");
const DOCUMENT: (&str, &str) = ("sec-fetch-dest", "document");
const JSON: (&str, &str) = ("content-type", "application/json");

fn peer(tls: bool) -> Peer {
    Peer {
        address: SocketAddr::from(([192, 0, 2, 99], 40_000)),
        local: HERE,
        tls,
        near: false,
        work: Work::default(),
    }
}

fn own(hosts: &[&str], public_url: Option<&str>) -> Own {
    let access = Access { hosts: hosts.iter().map(|host| (*host).to_owned()).collect(), ..Access::default() };
    Own::new(&access, public_url.map(|url| url.parse().expect("a URL")).as_ref())
}

fn word(error: &Error) -> &'static str {
    match error {
        Error::Host(_) => "host",
        Error::Origin(_) => "origin",
        Error::Site => "site",
        Error::Method { .. } => "method",
        Error::Body(_) => "body",
        Error::MediaType => "type",
        Error::NoForm => "form",
        Error::UriTooLong(_) => "long",
        _ => "other",
    }
}

fn judged(
    (uri, method, headers): (&str, &str, &[(&str, &str)]),
    peer: &Peer,
    own: &Own,
) -> Result<&'static str, axum::http::Error> {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(())?.into_parts();
    Ok(check(&parts, peer, own).map_or_else(|error| word(&error), |()| "ok"))
}

fn compare(table: &[Case<'_>], peer: &Peer, own: &Own) -> Result<(), axum::http::Error> {
    let mut failures = Vec::new();
    for (uri, method, headers, want) in table {
        let got = judged((uri, method, headers), peer, own)?;
        if got != *want {
            let uri: String = uri.chars().take(40).collect();
            failures.push(format!("{method} {uri} {headers:?}: {got}, not {want}"));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
    Ok(())
}

#[test]
fn who_may_ask_what() -> Result<(), axum::http::Error> {
    let long = format!("/{}", "a".repeat(URI_MAX_BYTES));
    let table: &[Case<'_>] = &[
        ("/", "GET", &[LOCAL], "ok"),
        ("/", "HEAD", &[LOCAL], "ok"),
        ("/", "GET", &[("host", "localhost")], "ok"),
        ("/", "GET", &[("host", "LocalHost:9000")], "ok"),
        ("/", "GET", &[("host", "127.1.2.3:1")], "ok"),
        ("/", "GET", &[("host", "[::1]:8119")], "ok"),
        ("/", "GET", &[("host", "192.0.2.7:8119")], "ok"),
        ("/", "GET", &[("host", "[::ffff:192.0.2.7]:8119")], "ok"),
        ("/", "GET", &[("host", "192.0.2.8:8119")], "host"),
        ("/", "GET", &[("host", "0.0.0.0:8119")], "host"),
        ("/", "GET", &[("host", "evil.example")], "host"),
        ("/", "GET", &[("host", "localhost.evil.example:8119")], "host"),
        ("/", "GET", &[("host", "127.0.0.1.nip.io")], "host"),
        ("/", "GET", &[("host", "evil@127.0.0.1")], "host"),
        ("/", "GET", &[("host", "")], "host"),
        ("/", "GET", &[], "host"),
        ("/", "GET", &[LOCAL, ("host", "evil.example")], "host"),
        ("http://evil.example/", "GET", &[LOCAL], "host"),
        ("/", "GET", &[LOCAL, ORIGIN], "ok"),
        ("/", "GET", &[LOCAL, ("origin", "http://localhost:8119")], "origin"),
        ("/", "GET", &[LOCAL, ("origin", "http://127.0.0.1:3000")], "origin"),
        ("/", "GET", &[LOCAL, ("origin", "https://127.0.0.1:8119")], "origin"),
        ("/", "GET", &[LOCAL, ("origin", "null")], "origin"),
        ("/", "GET", &[LOCAL, ("origin", "http://evil.example")], "origin"),
        ("/", "POST", &[LOCAL], "method"),
        ("/", "OPTIONS", &[LOCAL, ("origin", "http://evil.example")], "origin"),
        ("/", "OPTIONS", &[LOCAL], "method"),
        ("/", "DELETE", &[LOCAL], "method"),
        ("/", "GET", &[LOCAL, ("content-length", "0")], "ok"),
        ("/", "GET", &[LOCAL, ("content-length", "1")], "body"),
        ("/", "GET", &[LOCAL, ("content-length", "x")], "body"),
        ("/", "GET", &[LOCAL, ("transfer-encoding", "chunked")], "body"),
        (&long, "GET", &[LOCAL], "long"),
    ];
    compare(table, &peer(false), &Own::default())
}

#[test]
fn names_of_this_machine() -> Result<(), axum::http::Error> {
    let table: &[Case<'_>] = &[
        ("/", "GET", &[("host", "hinomi.example.org:8119")], "ok"),
        ("/", "GET", &[("host", "HINOMI.example.org")], "ok"),
        ("/", "GET", &[("host", "public.example.org")], "ok"),
        ("/", "GET", &[("host", "203.0.113.5:80")], "ok"),
        ("/", "GET", &[("host", "[2001:db8::5]")], "ok"),
        ("/", "GET", &[("host", "a.hinomi.example.org")], "host"),
        ("/", "GET", &[("host", "example.org")], "host"),
        ("/", "GET", &[("host", "hinomi.example.org."), LOCAL], "host"),
        ("/", "GET", &[("host", "203.0.113.6")], "host"),
        // A proxy with TLS in front: the page's origin is the public one.
        ("/", "GET", &[("host", "public.example.org"), ("origin", "https://public.example.org")], "ok"),
        ("/", "GET", &[LOCAL, ("origin", "https://public.example.org")], "ok"),
        ("/", "GET", &[LOCAL, ("origin", "http://public.example.org")], "origin"),
        ("/", "GET", &[LOCAL, ("origin", "https://public.example.org.evil.example")], "origin"),
    ];
    let own = own(&["hinomi.example.org", "203.0.113.5", "2001:db8::5"], Some("https://public.example.org"));
    compare(table, &peer(false), &own)?;
    let with_tls: &[Case<'_>] = &[
        ("/", "GET", &[LOCAL, ("origin", "https://127.0.0.1:8119")], "ok"),
        ("/", "GET", &[LOCAL, ORIGIN], "origin"),
    ];
    compare(with_tls, &peer(true), &Own::default())
}

#[test]
fn what_a_browser_says_of_the_page_that_asks() -> Result<(), axum::http::Error> {
    const SAME: (&str, &str) = ("sec-fetch-site", "same-origin");
    const TYPED: (&str, &str) = ("sec-fetch-site", "none");
    let table: &[Case<'_>] = &[
        (DATA, "GET", &[LOCAL, SAME], "ok"),
        (DATA, "GET", &[LOCAL, TYPED, NAVIGATE, DOCUMENT], "ok"),
        (DATA, "GET", &[LOCAL, CROSS], "site"),
        (DATA, "GET", &[LOCAL, CROSS, NAVIGATE, DOCUMENT], "site"),
        (DATA, "GET", &[LOCAL, ("sec-fetch-site", "same-site")], "site"),
        (DATA, "GET", &[LOCAL, SAME, CROSS], "site"),
        ("/-/healthy", "GET", &[LOCAL, CROSS], "site"),
        ("/workloads/shop/web", "GET", &[LOCAL, CROSS, NAVIGATE, DOCUMENT], "ok"),
        ("/", "GET", &[LOCAL, CROSS, NAVIGATE, ("sec-fetch-dest", "iframe")], "site"),
        (
            "/icon.svg",
            "GET",
            &[LOCAL, CROSS, ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")],
            "site",
        ),
        (SESSION, "POST", &[LOCAL, SAME, ORIGIN], "ok"),
        (SESSION, "POST", &[LOCAL, SAME], "origin"),
        (SESSION, "POST", &[LOCAL, CROSS, ("origin", "http://evil.example")], "origin"),
        (SESSION, "POST", &[LOCAL, CROSS, ORIGIN], "site"),
        (SESSION, "POST", &[LOCAL, TYPED, ORIGIN], "site"),
        (SESSION, "DELETE", &[LOCAL, NAVIGATE], "origin"),
    ];
    compare(table, &peer(false), &Own::default())
}

#[test]
fn what_changes_something() -> Result<(), axum::http::Error> {
    let test = "/api/hinomi/v1/receivers/oncall/test";
    let table: &[Case<'_>] = &[
        (SESSION, "GET", &[LOCAL], "ok"),
        (SESSION, "POST", &[LOCAL], "ok"),
        (SESSION, "DELETE", &[LOCAL], "ok"),
        (SESSION, "PUT", &[LOCAL], "method"),
        ("/api/hinomi/v1/session/", "POST", &[LOCAL], "method"),
        (DATA, "POST", &[LOCAL], "method"),
        (test, "POST", &[LOCAL], "ok"),
        (test, "POST", &[LOCAL, ORIGIN], "ok"),
        (test, "GET", &[LOCAL], "method"),
        (test, "POST", &[LOCAL, ("origin", "http://evil.example")], "origin"),
        ("/api/hinomi/v1/receivers/test", "POST", &[LOCAL], "method"),
        ("/api/hinomi/v1/receivers/a/b/test", "POST", &[LOCAL], "method"),
        (SESSION, "POST", &[LOCAL, JSON, ("content-length", "16384")], "ok"),
        (
            SESSION,
            "POST",
            &[LOCAL, ("content-type", "Application/JSON; charset=utf-8"), ("content-length", "9")],
            "ok",
        ),
        (SESSION, "POST", &[LOCAL, JSON, ("content-length", "16385")], "body"),
        (SESSION, "POST", &[LOCAL, JSON, ("transfer-encoding", "chunked")], "body"),
        (SESSION, "POST", &[LOCAL, ("content-length", "9")], "type"),
        (SESSION, "POST", &[LOCAL, ("content-type", "text/plain"), ("content-length", "9")], "type"),
        (SESSION, "POST", &[LOCAL, JSON, JSON, ("content-length", "9")], "type"),
    ];
    compare(table, &peer(false), &Own::default())
}

#[test]
fn questions_about_metrics_may_be_forms() -> Result<(), axum::http::Error> {
    const QUERY: &str = "/api/v1/query";
    const DELETE: &str = "/api/v1/admin/tsdb/delete_series";
    const SAME: (&str, &str) = ("sec-fetch-site", "same-origin");
    let form = ("content-type", "application/x-www-form-urlencoded");
    let table: &[Case<'_>] = &[
        (QUERY, "GET", &[LOCAL], "ok"),
        (QUERY, "POST", &[LOCAL], "ok"),
        (QUERY, "POST", &[LOCAL, form, ("content-length", "1048576")], "ok"),
        (QUERY, "POST", &[LOCAL, form, ("content-length", "1048577")], "body"),
        (QUERY, "POST", &[LOCAL, form, ("transfer-encoding", "chunked")], "body"),
        (QUERY, "POST", &[LOCAL, JSON, ("content-length", "9")], "form"),
        (QUERY, "POST", &[LOCAL, ("content-length", "9")], "form"),
        (QUERY, "GET", &[LOCAL, form, ("content-length", "9")], "body"),
        (QUERY, "PUT", &[LOCAL], "method"),
        (QUERY, "DELETE", &[LOCAL], "method"),
        // What a proxy passes on of a browser's own words.
        (QUERY, "POST", &[LOCAL, SAME], "ok"),
        (QUERY, "POST", &[LOCAL, CROSS], "site"),
        (QUERY, "POST", &[LOCAL, ("origin", "http://evil.example")], "origin"),
        (QUERY, "POST", &[("host", "evil.example")], "host"),
        ("/api/v1/label/job/values", "POST", &[LOCAL], "method"),
        ("/api/v1/metadata", "POST", &[LOCAL], "method"),
        (DELETE, "GET", &[LOCAL], "method"),
        (BACKUP, "POST", &[LOCAL], "ok"),
        (BACKUP, "GET", &[LOCAL], "method"),
        (BACKUP, "POST", &[LOCAL, SAME], "origin"),
        (BACKUP, "POST", &[LOCAL, CROSS, ORIGIN], "site"),
        (BACKUP, "POST", &[LOCAL, ("origin", "http://evil.example")], "origin"),
        (BACKUP, "POST", &[("host", "evil.example")], "host"),
        (BACKUP, "POST", &[LOCAL, ("content-type", "text/plain"), ("content-length", "9")], "type"),
        (DELETE, "POST", &[LOCAL], "ok"),
        (DELETE, "PUT", &[LOCAL, form, ("content-length", "9")], "ok"),
        (DELETE, "POST", &[LOCAL, SAME], "origin"),
        (DELETE, "POST", &[LOCAL, CROSS, ORIGIN], "site"),
        (DELETE, "POST", &[LOCAL, ("origin", "http://evil.example")], "origin"),
        ("/api/v1/admin/tsdb/a/b", "POST", &[LOCAL], "method"),
    ];
    compare(table, &peer(false), &Own::default())
}

#[test]
fn every_path_of_the_api_is_data_and_asks_for_the_token() {
    for path in crate::paths() {
        assert!(is_data(path), "{path}");
        assert_eq!(needs_token(path), !path.starts_with("/-/") && path != SESSION, "{path}");
    }
    for (path, data) in [("/", false), ("/apis", false), ("/-", true), ("/api", true), ("/%61pi/x", false)] {
        assert_eq!(is_data(path), data, "{path}");
    }
}

type Tried<T = ()> = Result<T, Box<dyn std::error::Error>>;

const LOGIN: &str = "POST /api/hinomi/v1/session HTTP/1.1\r\nContent-Type: application/json\r\n";

/// Handlers that hang or answer, behind the real layers and over real sockets. To it 127.0.0.2 is another machine.
struct Served {
    guarding: Arc<Guard>,
    address: SocketAddr,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Served {
    async fn start() -> Tried<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let guarding = Guard::new(&Access::default(), None, Gate::new(None, Path::new("/nonexistent"))?);
        let endless = || async { Body::from_stream(pending::<std::io::Result<Vec<u8>>>()) };
        let half = || async {
            let body = Body::from_stream(pending::<std::io::Result<Vec<u8>>>());
            ([(header::CONTENT_TYPE, "application/json")], body)
        };
        let router = Router::new()
            .route("/hangs", get(std::future::pending::<()>))
            .route("/answers", get(|| async { "answered" }))
            .route("/api/hinomi/v1/half", get(half))
            .route(SESSION, get(std::future::pending::<()>).post(std::future::pending::<()>))
            .route(STREAM, get(endless));
        let router = crate::routes::guarded(router, Arc::clone(&guarding));
        let service = router.into_make_service_with_connect_info::<Peer>();
        let is_near = |ip| ip != IpAddr::from([127, 0, 0, 2]);
        let listener = crate::connection::Bounded::with_near(listener, None, is_near);
        let server = tokio::spawn(axum::serve(listener, service).into_future());
        Ok(Self { guarding, address, server })
    }

    /// Sends a request's begin, as `GET` or as it stands, from this machine or from another.
    async fn send(&self, near: bool, head: &str) -> std::io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from(([127, 0, 0, if near { 1 } else { 2 }], 0)))?;
        let mut stream = socket.connect(self.address).await?;
        let get = format!("GET {head} HTTP/1.1\r\n");
        let head = if head.contains("HTTP") { head } else { &get };
        let request = format!("{head}Host: {}\r\nConnection: close\r\n\r\n", self.address);
        stream.write_all(request.as_bytes()).await?;
        Ok(stream)
    }

    async fn answer(&self, near: bool, head: &str) -> std::io::Result<String> {
        let mut text = String::new();
        self.send(near, head).await?.read_to_string(&mut text).await?;
        Ok(text)
    }
}

/// Until so many places are free.
async fn free(places: &Semaphore, count: usize) {
    let begin = std::time::Instant::now();
    while places.available_permits() != count {
        assert!(begin.elapsed() < Duration::from_secs(10), "{} free", places.available_permits());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_too_many_is_told_so() -> Tried {
    let served = Served::start().await?;
    let guarding = &served.guarding;
    let login = format!("{LOGIN}Content-Length: 0\r\n");
    let all = [
        (&guarding.streams, STREAM, STREAM),
        (&guarding.asks, SESSION, SESSION),
        (&guarding.logins, login.as_str(), login.as_str()),
        (&guarding.requests, "/hangs", "/answers"),
    ];
    let mut hanging = Vec::new();
    for (places, hangs, more) in all {
        for _ in 0..places.max.far {
            hanging.push(served.send(false, hangs).await?);
        }
        free(&places.far, 0).await;
        let refused = served.answer(false, more).await?;
        assert!(refused.starts_with("HTTP/1.1 429"), "{more}: {refused}");
        assert!(refused.contains("retry-after: 1") && refused.contains("\"limited\""), "{refused}");
        // What is left is this machine's.
        for _ in places.max.far..places.max.all {
            hanging.push(served.send(true, hangs).await?);
        }
        free(&places.all, 0).await;
        let refused = served.answer(true, more).await?;
        assert!(refused.starts_with("HTTP/1.1 429"), "{more}: {refused}");
    }
    // Whoever goes away makes room.
    hanging.clear();
    for (places, ..) in all {
        free(&places.all, places.max.all).await;
        free(&places.far, places.max.far).await;
    }
    assert!(served.answer(false, "/answers").await?.ends_with("answered"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_logins_take_no_place() -> Tried {
    let served = Served::start().await?;
    let begin = std::time::Instant::now();
    let mut slow = Vec::new();
    for _ in 0..3 * LOGINS_MAX.all {
        slow.push(served.send(false, &format!("{LOGIN}Content-Length: 10\r\n")).await?);
    }
    // Each is answered in time, and none of them held a place.
    let mut least = usize::MAX;
    let mut text = String::new();
    let ended = async {
        for stream in &mut slow {
            text.clear();
            stream.read_to_string(&mut text).await?;
            assert!(text.starts_with("HTTP/1.1 408") && text.contains("\"invalid\""), "{text}");
        }
        std::io::Result::Ok(())
    };
    let watched = async {
        loop {
            least = least.min(served.guarding.logins.all.available_permits());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::select! {
        ended = ended => ended?,
        () = watched => {}
    }
    assert_eq!(least, LOGINS_MAX.all);
    let took = begin.elapsed();
    assert!(took >= LOGIN_TIME_MAX && took < 3 * LOGIN_TIME_MAX, "{took:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_translation_holds_the_requests_place() -> Tried {
    let served = Served::start().await?;
    let places = &served.guarding.requests;
    let hanging = served.send(true, "/api/hinomi/v1/half?lang=ja").await?;
    let held = tokio::time::timeout(Duration::from_secs(5), free(&places.all, REQUESTS_MAX.all - 1)).await;
    assert!(held.is_ok(), "it never took one");
    // The handler has answered long ago.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(places.all.available_permits(), REQUESTS_MAX.all - 1);
    drop(hanging);
    free(&places.all, REQUESTS_MAX.all).await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_translation_has_the_requests_time() -> Tried {
    let served = Served::start().await?;
    let begin = tokio::time::Instant::now();
    let answer = served.answer(true, "/api/hinomi/v1/half?lang=ja").await?;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("15s"), "{answer}");
    assert!(!answer.contains("ask for less"), "in the reader's language: {answer}");
    assert_eq!(begin.elapsed().as_secs(), REQUEST_TIME_MAX.as_secs());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_language_that_is_none_is_refused_behind_the_checks() -> Tried {
    let served = Served::start().await?;
    let refused = served.answer(true, "/api/hinomi/v1/half?lang=xx").await?;
    assert!(refused.starts_with("HTTP/1.1 400") && refused.contains("lang: "), "{refused}");
    for (name, value) in HEADERS {
        assert!(refused.contains(&format!("{name}: {value}")), "{name}: {refused}");
    }
    let mut stream = TcpStream::connect(served.address).await?;
    let foreign =
        "GET /api/hinomi/v1/half?lang=xx HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    stream.write_all(foreign.as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    assert!(text.starts_with("HTTP/1.1 403"), "{text}");
    Ok(())
}
