//! Tables of who may ask what; and the places, over a real socket.

use std::path::Path;

use axum::http::Request;

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
    Peer { address: SocketAddr::from(([192, 0, 2, 99], 40_000)), local: HERE, tls }
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
fn every_path_of_the_api_is_data_and_asks_for_the_token() {
    for path in crate::paths() {
        assert!(is_data(path), "{path}");
        assert_eq!(needs_token(path), !path.starts_with("/-/") && path != SESSION, "{path}");
    }
    for (path, data) in [("/", false), ("/apis", false), ("/-", true), ("/api", true), ("/%61pi/x", false)] {
        assert_eq!(is_data(path), data, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_too_many_is_told_so() -> Result<(), Box<dyn std::error::Error>> {
    use axum::Router;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let guarding = Guard::new(&Access::default(), None, Gate::new(None, Path::new("/nonexistent")));
    let nothing = futures_util::stream::pending::<std::io::Result<Vec<u8>>>;
    let endless = move || async move { Body::from_stream(nothing()) };
    let router = Router::new()
        .route("/hangs", get(std::future::pending::<()>))
        .route("/answers", get(|| async { "answered" }))
        .route(SESSION, get(std::future::pending::<()>))
        .route(STREAM, get(endless))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&guarding), guard));
    let service = router.into_make_service_with_connect_info::<Peer>();
    let listener = crate::connection::Bounded::new(listener, None);
    let server = tokio::spawn(axum::serve(listener, service).into_future());
    let send = async |path: &str| -> std::io::Result<TcpStream> {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        Ok(stream)
    };
    let answer = async |path: &str| -> std::io::Result<String> {
        let mut text = String::new();
        send(path).await?.read_to_string(&mut text).await?;
        Ok(text)
    };
    let all = [
        (&guarding.streams, STREAMS_MAX, STREAM),
        (&guarding.logins, LOGINS_MAX, SESSION),
        (&guarding.requests, REQUESTS_MAX, "/hangs"),
    ];
    let mut hanging = Vec::new();
    for (places, max, path) in all {
        for _ in 0..max {
            hanging.push(send(path).await?);
        }
        while places.available_permits() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    for path in ["/answers", STREAM, SESSION] {
        let refused = answer(path).await?;
        assert!(refused.starts_with("HTTP/1.1 429"), "{refused}");
        assert!(refused.contains("retry-after: 1") && refused.contains("\"limited\""), "{refused}");
    }
    // Whoever goes away makes room.
    hanging.clear();
    for (places, max, _) in all {
        while places.available_permits() < max {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    assert!(answer("/answers").await?.ends_with("answered"));
    server.abort();
    Ok(())
}
