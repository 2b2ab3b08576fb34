//! Token, sessions, and what pages of other sites get, over a real socket.

use std::net::SocketAddr;

use crate::openapi::{document, faults};
use crate::running::{Answer, ask, get, send, start, start_with};

pub(crate) const TOKEN: &str = "correct-horse-battery";
pub(crate) const KEYS: &str =
    "listen: 127.0.0.1:0\naccess: { token: correct-horse-battery, hosts: [hinomi.test] }\n";
pub(crate) const SESSION: &str = "/api/hinomi/v1/session";
const STATUS: &str = "/api/hinomi/v1/status";

/// Headers, body, status, kind.
type Login<'a> = (&'a [(&'a str, &'a str)], &'a str, u16, &'a str);
/// Method, path, headers, status.
type Foreign<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], u16);

pub(crate) async fn log_in(address: SocketAddr, token: &str, more: &[(&str, &str)]) -> Answer {
    let body = format!("{{\"token\":\"{token}\"}}");
    let (host, length) = (address.to_string(), body.len().to_string());
    let mut headers =
        vec![("Host", host.as_str()), ("Content-Type", "application/json"), ("Content-Length", &length)];
    headers.extend_from_slice(more);
    send(address, "POST", SESSION, &headers, &body).await
}

/// What a browser would send back.
pub(crate) fn cookie(answer: &Answer) -> String {
    let line = answer.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    line.split(';').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_token_nothing_is_told() {
    let running = start_with(KEYS).await;
    let host = running.address.to_string();
    let right = format!("Bearer {TOKEN}");
    // Path, Authorization, status.
    let table = [
        (STATUS, "", 401),
        (STATUS, right.as_str(), 200),
        (STATUS, "Bearer wrong", 401),
        ("/api/hinomi/v1/openapi.yaml", "", 401),
        ("/api/hinomi/v1/nothing", "", 401),
        ("/api/hinomi/v1/nothing", right.as_str(), 404),
        ("/api/hinomi/v1/receivers/x/test", "", 405),
        ("/-/nothing", "", 401),
        ("/metrics", "", 401),
        ("/metrics", right.as_str(), 200),
        ("/-/healthy", "", 200),
        ("/-/ready", "", 200),
        ("/", "", 200),
        ("/workloads/shop/web", "", 200),
        ("/assets/nothing.js", "", 404),
        (SESSION, "", 200),
    ];
    for (path, authorization, status) in table {
        let mut headers = vec![("Host", host.as_str())];
        if !authorization.is_empty() {
            headers.push(("Authorization", authorization));
        }
        let answer = ask(running.address, "GET", path, &headers).await;
        assert_eq!(answer.status, status, "{path} {authorization}: {}", answer.body);
        if status == 401 {
            assert_eq!(answer.json()["error"]["kind"], "unauthorized", "{path}");
            assert!(answer.head.contains("www-authenticate: bearer"), "{}", answer.head);
            assert!(!answer.body.contains("shop"), "{}", answer.body);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_logs_in_and_out() {
    let running = start_with(KEYS).await;
    let at = running.address;
    let host = at.to_string();
    let asked = get(at, SESSION).await.json();
    assert_eq!(asked, serde_json::json!({ "login_required": true, "authenticated": false }));
    assert_eq!(faults(&document(), SESSION, "200", &asked), Vec::<String>::new());

    let entry = log_in(at, TOKEN, &[("Origin", &format!("http://{host}"))]).await;
    assert_eq!(entry.status, 204, "{}", entry.body);
    for part in ["httponly", "samesite=strict", "path=/;", "max-age=2592000"] {
        assert!(entry.head.contains(part), "{part}: {}", entry.head);
    }
    assert!(!entry.head.contains("secure"), "there is no TLS: {}", entry.head);
    let cookie = cookie(&entry);
    let with =
        |cookie: &str| vec![("Host".to_owned(), host.clone()), ("Cookie".to_owned(), cookie.to_owned())];
    let request = async |method: &str, path: &str, cookie: &str| {
        let headers = with(cookie);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        ask(at, method, path, &headers).await
    };
    assert_eq!(request("GET", STATUS, &cookie).await.status, 200);
    assert_eq!(request("GET", SESSION, &cookie).await.json()["authenticated"], true);
    let name = cookie.split('=').next().unwrap();
    assert!(name.starts_with("hinomi_session_") && name.len() == "hinomi_session_".len() + 8, "{name}");
    assert_eq!(request("GET", STATUS, &format!("{name}=0")).await.status, 401);

    let exit = request("DELETE", SESSION, &cookie).await;
    assert_eq!(exit.status, 204, "{}", exit.body);
    assert!(exit.head.contains("max-age=0"), "{}", exit.head);
    assert_eq!(request("GET", STATUS, &cookie).await.status, 401, "the cookie is worth nothing any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_none() {
    let running = start_with(KEYS).await;
    let at = running.address;
    let host = at.to_string();
    let json = ("Content-Type", "application/json");
    let long = format!("{{\"token\":\"{}\"}}", "a".repeat(1200));
    let table: &[Login<'_>] = &[
        (&[json], "{\"token\":1}", 400, "invalid"),
        (&[json], "", 400, "invalid"),
        (&[json], "{\"token\":\"correct-horse-battery\",\"more\":1}", 400, "invalid"),
        (&[json], &long, 413, "invalid"),
        (&[("Content-Type", "text/plain")], "{\"token\":\"correct-horse-battery\"}", 415, "invalid"),
        (&[], "{\"token\":\"correct-horse-battery\"}", 415, "invalid"),
        (&[json], "{\"token\":\"wrong\"}", 401, "unauthorized"),
    ];
    for (more, body, status, kind) in table {
        let length = body.len().to_string();
        let mut headers = vec![("Host", host.as_str()), ("Content-Length", length.as_str())];
        headers.extend_from_slice(more);
        let answer = send(at, "POST", SESSION, &headers, body).await;
        let shown: String = body.chars().take(40).collect();
        assert_eq!(answer.status, *status, "{shown}: {}", answer.body);
        assert_eq!(answer.json()["error"]["kind"], *kind, "{shown}");
        assert!(!answer.body.contains(TOKEN), "{}", answer.body);
    }
    let mut last = 0;
    for _ in 0..10 {
        last = log_in(at, "wrong", &[]).await.status;
    }
    assert_eq!(last, 429);
    let refused = log_in(at, "wrong", &[]).await;
    assert!(
        refused.status == 429 && refused.head.contains("retry-after: "),
        "{} {}",
        refused.status,
        refused.head
    );
    assert_eq!(log_in(at, TOKEN, &[]).await.status, 204, "nobody's guesses lock out who knows it");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_token_is_asked_for_a_login_is_nothing() {
    let running = start().await;
    let asked = get(running.address, SESSION).await.json();
    assert_eq!(asked, serde_json::json!({ "login_required": false, "authenticated": true }));
    let entry = log_in(running.address, "whatever", &[]).await;
    assert!(entry.status == 204 && !entry.head.contains("set-cookie"), "{} {}", entry.status, entry.head);
}

/// A page at evil.example whose name was bound to this machine's address, and one that sends a form across.
#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_sites_get_nothing() {
    let running = start_with(KEYS).await;
    let at = running.address;
    let own = at.to_string();
    let bearer = format!("Bearer {TOKEN}");
    let auth = ("Authorization", bearer.as_str());
    let evil = ("Origin", "http://evil.example");
    let cross = ("Sec-Fetch-Site", "cross-site");
    let (navigate, document) = (("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document"));
    let own_origin = format!("http://{own}");
    let table: &[Foreign<'_>] = &[
        ("GET", STATUS, &[("Host", "evil.example"), auth, ("Sec-Fetch-Site", "same-origin")], 403),
        ("GET", "/", &[("Host", "evil.example:8119")], 403),
        ("GET", STATUS, &[("Host", &own), auth, evil], 403),
        ("GET", STATUS, &[("Host", &own), auth, cross], 403),
        ("GET", STATUS, &[("Host", &own), auth, cross, navigate, document], 403),
        ("GET", "/", &[("Host", &own), cross, navigate, document], 200),
        ("POST", SESSION, &[("Host", &own), evil, cross], 403),
        ("POST", SESSION, &[("Host", &own), cross, navigate, document], 403),
        ("DELETE", SESSION, &[("Host", &own), auth, evil], 403),
        ("POST", "/api/hinomi/v1/receivers/oncall/test", &[("Host", &own), auth, evil, cross], 403),
        ("OPTIONS", SESSION, &[("Host", &own), evil, ("Access-Control-Request-Method", "POST")], 403),
        ("GET", STATUS, &[("Host", "hinomi.test"), auth], 200),
        ("GET", STATUS, &[("Host", &own), auth, ("Origin", &own_origin)], 200),
    ];
    for (method, path, headers, status) in table {
        let answer = ask(at, method, path, headers).await;
        assert_eq!(answer.status, *status, "{method} {path} {headers:?}: {}", answer.body);
        assert!(!answer.head.contains("access-control-"), "{}", answer.head);
        for header in [
            "content-security-policy: default-src 'self'; frame-ancestors 'none'; base-uri 'none'; ",
            "x-content-type-options: nosniff",
            "x-frame-options: deny",
            "referrer-policy: no-referrer",
            "cross-origin-opener-policy: same-origin",
            "cross-origin-resource-policy: same-origin",
        ] {
            assert!(answer.head.contains(header), "{method} {path}: no {header} in {}", answer.head);
        }
    }
}
