//! What every request passes before a handler sees it.
//!
//! Invariant: the decision looks at the request's head only; no body is ever read.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;

use crate::Error;

/// Longest URI, bytes.
pub(crate) const URI_MAX_BYTES: usize = 8 * 1024;
/// Requests that are answered at once.
pub(crate) const REQUESTS_MAX: usize = 64;
/// Longest time for an answer.
pub(crate) const REQUEST_TIME_MAX: Duration = Duration::from_secs(15);
/// Longest part of a foreign header that an error repeats, characters.
const SHOWN_MAX_CHARS: usize = 100;

/// What the guard knows.
#[derive(Debug)]
pub(crate) struct Guard {
    listen: SocketAddr,
    places: Semaphore,
}

impl Guard {
    pub(crate) fn new(listen: SocketAddr) -> Arc<Self> {
        Arc::new(Self { listen, places: Semaphore::new(REQUESTS_MAX) })
    }
}

/// The middleware.
pub(crate) async fn guard(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let mut response = match check(&parts, guard.listen) {
        Err(error) => error.into_response(),
        Ok(()) => match guard.places.try_acquire() {
            Err(_) => Error::Busy.into_response(),
            Ok(_place) => {
                let answer = next.run(Request::from_parts(parts, body));
                let answer = tokio::time::timeout(REQUEST_TIME_MAX, answer).await;
                answer.unwrap_or_else(|_| Error::TooSlow.into_response())
            }
        },
    };
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn check(parts: &Parts, listen: SocketAddr) -> Result<(), Error> {
    let uri_bytes = parts.uri.path_and_query().map_or(0, |path| path.as_str().len());
    if uri_bytes > URI_MAX_BYTES {
        return Err(Error::UriTooLong(uri_bytes));
    }
    let host = host(parts, listen)?;
    origin(&parts.headers, &host)?;
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        return Err(Error::Method(shown(parts.method.as_str())));
    }
    let length = parts.headers.get(header::CONTENT_LENGTH);
    if parts.headers.contains_key(header::TRANSFER_ENCODING) || length.is_some_and(|length| length != "0") {
        return Err(Error::Body);
    }
    Ok(())
}

/// A name that somebody else's DNS answers for (rebinding) is refused: the browser believes that such a name and this
/// API are one site.
fn host(parts: &Parts, listen: SocketAddr) -> Result<Authority, Error> {
    let text = single(&parts.headers, &header::HOST).ok_or_else(|| Error::Host("(none)".to_owned()))?;
    let authority: Authority = text.parse().map_err(|_| Error::Host(shown(text)))?;
    let in_uri = parts.uri.authority();
    if !names_this_machine(&authority, listen) || in_uri.is_some_and(|name| !names_this_machine(name, listen))
    {
        return Err(Error::Host(shown(text)));
    }
    Ok(authority)
}

/// By host alone: a forwarded port (`ssh -L`) is another number and still this machine.
fn names_this_machine(authority: &Authority, listen: SocketAddr) -> bool {
    let host = authority.host();
    if authority.as_str().contains('@') {
        return false;
    }
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match bare.parse::<IpAddr>() {
        Ok(ip) => ip.is_loopback() || ip == listen.ip(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

fn origin(headers: &HeaderMap, host: &Authority) -> Result<(), Error> {
    if !headers.contains_key(header::ORIGIN) {
        return Ok(());
    }
    let text = single(headers, &header::ORIGIN).unwrap_or("(unreadable)");
    let same = text.strip_prefix("http://").is_some_and(|origin| origin.eq_ignore_ascii_case(host.as_str()));
    if same { Ok(()) } else { Err(Error::Origin(shown(text))) }
}

/// The header's value, if it is there exactly once and readable.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    value.to_str().ok()
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_MAX_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    /// URI, method, headers, and what is said of them.
    type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str);

    fn judged(uri: &str, method: &str, headers: &[(&str, &str)]) -> Result<&'static str, axum::http::Error> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(())?.into_parts();
        Ok(match check(&parts, SocketAddr::from(([192, 0, 2, 7], 8119))) {
            Ok(()) => "ok",
            Err(Error::Host(_)) => "host",
            Err(Error::Origin(_)) => "origin",
            Err(Error::Method(_)) => "method",
            Err(Error::Body) => "body",
            Err(Error::UriTooLong(_)) => "long",
            Err(_) => "other",
        })
    }

    #[test]
    fn who_may_ask_what() -> Result<(), axum::http::Error> {
        const LOCAL: (&str, &str) = ("host", "127.0.0.1:8119");
        let long = format!("/{}", "a".repeat(URI_MAX_BYTES));
        let table: &[Case<'_>] = &[
            ("/", "GET", &[LOCAL], "ok"),
            ("/", "HEAD", &[LOCAL], "ok"),
            ("/", "GET", &[("host", "localhost")], "ok"),
            ("/", "GET", &[("host", "LocalHost:9000")], "ok"),
            ("/", "GET", &[("host", "127.1.2.3:1")], "ok"),
            ("/", "GET", &[("host", "[::1]:8119")], "ok"),
            ("/", "GET", &[("host", "192.0.2.7:8119")], "ok"),
            ("/", "GET", &[("host", "192.0.2.8:8119")], "host"),
            ("/", "GET", &[("host", "evil.example")], "host"),
            ("/", "GET", &[("host", "localhost.evil.example:8119")], "host"),
            ("/", "GET", &[("host", "127.0.0.1.nip.io")], "host"),
            ("/", "GET", &[("host", "evil@127.0.0.1")], "host"),
            ("/", "GET", &[("host", "")], "host"),
            ("/", "GET", &[], "host"),
            ("/", "GET", &[LOCAL, ("host", "evil.example")], "host"),
            ("http://evil.example/", "GET", &[LOCAL], "host"),
            ("/", "GET", &[LOCAL, ("origin", "http://127.0.0.1:8119")], "ok"),
            ("/", "GET", &[LOCAL, ("origin", "http://localhost:8119")], "origin"),
            ("/", "GET", &[LOCAL, ("origin", "http://127.0.0.1:3000")], "origin"),
            ("/", "GET", &[LOCAL, ("origin", "https://127.0.0.1:8119")], "origin"),
            ("/", "GET", &[LOCAL, ("origin", "null")], "origin"),
            ("/", "GET", &[LOCAL, ("origin", "http://evil.example")], "origin"),
            ("/", "POST", &[LOCAL], "method"),
            ("/", "OPTIONS", &[LOCAL, ("origin", "http://evil.example")], "origin"),
            ("/", "DELETE", &[LOCAL], "method"),
            ("/", "GET", &[LOCAL, ("content-length", "0")], "ok"),
            ("/", "GET", &[LOCAL, ("content-length", "1")], "body"),
            ("/", "GET", &[LOCAL, ("transfer-encoding", "chunked")], "body"),
            (&long, "GET", &[LOCAL], "long"),
        ];
        let mut failures = Vec::new();
        for (uri, method, headers, want) in table {
            let got = judged(uri, method, headers)?;
            if got != *want {
                failures.push(format!(
                    "{method} {} {headers:?}: {got}, not {want}",
                    &uri.chars().take(30).collect::<String>()
                ));
            }
        }
        assert!(failures.is_empty(), "{failures:#?}");
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn one_request_too_many_is_told_so() -> Result<(), Box<dyn std::error::Error>> {
        use axum::Router;
        use axum::routing::get;
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        use tokio::net::{TcpListener, TcpStream};

        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let guarding = Guard::new(address);
        let router = Router::new()
            .route("/hangs", get(std::future::pending::<()>))
            .route("/answers", get(|| async { "answered" }))
            .layer(axum::middleware::from_fn_with_state(Arc::clone(&guarding), guard));
        let server = tokio::spawn(axum::serve(listener, router).into_future());
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
        let mut hanging = Vec::new();
        for _ in 0..REQUESTS_MAX {
            hanging.push(send("/hangs").await?);
        }
        while guarding.places.available_permits() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let refused = answer("/answers").await?;
        assert!(refused.starts_with("HTTP/1.1 429"), "{refused}");
        assert!(refused.contains("retry-after: 1") && refused.contains("\"limited\""), "{refused}");
        // Whoever goes away makes room.
        hanging.clear();
        while guarding.places.available_permits() < REQUESTS_MAX {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(answer("/answers").await?.ends_with("answered"));
        server.abort();
        Ok(())
    }
}
