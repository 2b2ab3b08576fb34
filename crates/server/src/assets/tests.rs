//! What is answered to whom, from a table like the one that `build.rs` writes.

use super::*;

static TABLE: [File; 3] = [
    File {
        path: "/index.html",
        kind: "text/html; charset=utf-8",
        etag: "01",
        plain: b"page",
        gzip: Some(b"page.gz"),
        brotli: Some(b"page.br"),
    },
    File {
        path: "/assets/a-1.js",
        kind: "text/javascript; charset=utf-8",
        etag: "02",
        plain: b"script",
        gzip: Some(b"script.gz"),
        brotli: None,
    },
    File { path: "/icon.svg", kind: "image/svg+xml", etag: "03", plain: b"icon", gzip: None, brotli: None },
];

fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &'static str)| {
        (header::HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    list.iter().map(pair).collect()
}

/// Status, encoding, ETag, Cache-Control and body, in one line.
async fn said(path: &str, list: &[(&'static str, &'static str)]) -> String {
    let response = answer(&TABLE, path, &headers(list));
    let header = |name: &str| {
        let value = response.headers().get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or("-").to_owned()
    };
    let head = format!(
        "{} {} {} {}",
        response.status().as_u16(),
        header("content-encoding"),
        header("etag"),
        header("cache-control").replace("public, max-age=31536000, immutable", "for ever"),
    );
    let body = axum::body::to_bytes(response.into_body(), 1 << 16).await.unwrap_or_default();
    let body = String::from_utf8_lossy(&body);
    if head.starts_with("404") { head } else { format!("{head} {body}") }
}

#[tokio::test]
async fn what_is_answered() {
    const BROWSER: (&str, &str) = ("accept-encoding", "gzip, deflate, br, zstd");
    type Case<'a> = (&'a str, &'a [(&'static str, &'static str)], &'a str);
    let table: &[Case<'_>] = &[
        ("/", &[], "200 - \"01\" no-cache page"),
        ("/", &[BROWSER], "200 br \"01-br\" no-cache page.br"),
        ("/", &[("accept-encoding", "gzip")], "200 gzip \"01-gzip\" no-cache page.gz"),
        ("/", &[("accept-encoding", "br;q=0, gzip;q=0.5")], "200 gzip \"01-gzip\" no-cache page.gz"),
        ("/", &[("accept-encoding", "br; q=0.0,gzip; q=0")], "200 - \"01\" no-cache page"),
        ("/", &[("accept-encoding", "*")], "200 - \"01\" no-cache page"),
        ("/", &[BROWSER, ("if-none-match", "\"01-br\"")], "304 - \"01-br\" no-cache "),
        ("/", &[BROWSER, ("if-none-match", "\"00\", W/\"01-br\"")], "304 - \"01-br\" no-cache "),
        ("/", &[BROWSER, ("if-none-match", "\"01\"")], "200 br \"01-br\" no-cache page.br"),
        ("/", &[("if-none-match", "*")], "304 - \"01\" no-cache "),
        ("/assets/a-1.js", &[BROWSER], "200 gzip \"02-gzip\" for ever script.gz"),
        ("/assets/a-1.js", &[("if-none-match", "\"02\"")], "304 - \"02\" for ever "),
        ("/assets/a-2.js", &[BROWSER], "404 - - -"),
        ("/icon.svg", &[BROWSER], "200 - \"03\" no-cache icon"),
        ("/workloads/shop/web.v2", &[("accept", "text/html,*/*;q=0.8")], "200 - \"01\" no-cache page"),
        ("/workloads/shop", &[("accept", "*/*")], "200 - \"01\" no-cache page"),
        ("/workloads/shop", &[("accept", "application/json")], "404 - - -"),
        ("/favicon.ico", &[("accept", "image/avif,*/*"), ("sec-fetch-dest", "image")], "404 - - -"),
        ("/api/hinomi/v1/nothing", &[("accept", "text/html")], "404 - - -"),
        ("/api", &[], "404 - - -"),
        ("/-/nothing", &[], "404 - - -"),
        ("/../index.html", &[("accept", "image/png")], "404 - - -"),
    ];
    for (path, list, want) in table {
        assert_eq!(said(path, list).await, *want, "{path} {list:?}");
    }
}

#[test]
fn the_placeholder_needs_nothing_that_its_headers_forbid() {
    let text = std::str::from_utf8(PLACEHOLDER.plain).expect("it is text");
    for forbidden in ["<script", "<style", "style=", "onclick", "src=", "http://", "https://"] {
        assert!(!text.contains(forbidden), "{forbidden}");
    }
    for needed in ["npm run build", "cargo build", "火の見"] {
        assert!(text.contains(needed), "{needed}");
    }
    for link in text.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(crate::paths().contains(&link), "{link}");
    }
}

#[test]
fn what_was_built_in_fits_together() {
    let files = if FILES.is_empty() { std::slice::from_ref(&PLACEHOLDER) } else { FILES };
    let index = files.iter().find(|file| file.path == "/index.html").expect("there is a page");
    let text = std::str::from_utf8(index.plain).expect("it is text");
    for attribute in ["src=\"", "href=\""] {
        for link in text.split(attribute).skip(1).filter_map(|rest| rest.split('"').next()) {
            let there = is_data(link) || files.iter().any(|file| file.path == link);
            assert!(there, "the page asks for {link}");
        }
    }
    let shorter = |form: Option<&[u8]>, file: &File| form.is_none_or(|form| form.len() < file.plain.len());
    assert!(files.iter().all(|file| shorter(file.gzip, file) && shorter(file.brotli, file)));
}
