//! The web page: the files of `ui/dist`, put into the program when it is built ([`FILES`], written by `build.rs`).
//!
//! # Invariants
//!
//! - Nothing is read or packed at run time; what is not asked for stays on the disk, in the program's own file.
//! - Files under `/assets/` carry the hash of what is in them in their name and never change; all others are asked for
//!   again each time, and answered with 304 if they are the same.
//! - Every path that is no data, no asset and no file is the page: it shows what belongs to the path.

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::Error;
use crate::guard::{PROMETHEUS, is_data};

include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// Longest part of a path that an error repeats, characters.
const SHOWN_MAX_CHARS: usize = 200;
/// For names that carry a hash.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// For all others: keep it, and ask whether it is still so.
const ASK_AGAIN: &str = "no-cache";

/// The page where `ui/dist` was not there when the program was built.
static PLACEHOLDER: File = File {
    path: "/index.html",
    kind: "text/html; charset=utf-8",
    etag: concat!("placeholder-", env!("CARGO_PKG_VERSION")),
    plain: include_bytes!("placeholder.html"),
    gzip: None,
    brotli: None,
};

/// A file, in all forms in which it is sent.
#[derive(Debug)]
struct File {
    /// As it is asked for, like `/assets/index-4f3a.js`.
    path: &'static str,
    /// Media type.
    kind: &'static str,
    /// Hash of what is in it.
    etag: &'static str,
    plain: &'static [u8],
    /// Absent where it is not shorter.
    gzip: Option<&'static [u8]>,
    /// Absent where it is not shorter.
    brotli: Option<&'static [u8]>,
}

/// Whatever no route of the API answers.
pub(crate) async fn page(request: Request) -> Response {
    let files = if FILES.is_empty() { std::slice::from_ref(&PLACEHOLDER) } else { FILES };
    answer(files, request.uri().path(), request.headers())
}

/// HEAD is answered alike: the layer below leaves the body out.
fn answer(files: &'static [File], path: &str, headers: &HeaderMap) -> Response {
    match find(files, path, headers) {
        Some(file) => file.answer(headers),
        None => {
            let error = Error::NoSuchPath(path.chars().take(SHOWN_MAX_CHARS).collect());
            if path.starts_with(PROMETHEUS) { error.prometheus() } else { error.into_response() }
        }
    }
}

fn find(files: &'static [File], path: &str, headers: &HeaderMap) -> Option<&'static File> {
    let named = |path: &str| files.iter().find(|file| file.path == path);
    if let Some(file) = named(path) {
        return Some(file);
    }
    let page = !is_data(path) && !path.starts_with("/assets/") && wants_page(headers);
    page.then(|| named("/index.html")).flatten()
}

/// Not for a picture or a script that is not there.
fn wants_page(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let accepts = text("accept").is_none_or(|accept| accept.contains("text/html") || accept.contains("*/*"));
    accepts && text("sec-fetch-dest").is_none_or(|dest| matches!(dest, "document" | "empty"))
}

impl File {
    fn answer(&'static self, headers: &HeaderMap) -> Response {
        let (encoding, bytes) = self.form(headers);
        let etag =
            format!("\"{}{}\"", self.etag, encoding.map_or_else(String::new, |name| format!("-{name}")));
        let cache = if self.path.starts_with("/assets/") { FOR_EVER } else { ASK_AGAIN };
        let same = is_known(headers, &etag);
        let mut response = if same {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            Body::from(Bytes::from_static(bytes)).into_response()
        };
        let out = response.headers_mut();
        out.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
        out.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        if let Ok(etag) = HeaderValue::from_str(&etag) {
            out.insert(header::ETAG, etag);
        }
        if !same {
            out.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.kind));
            out.extend(encoding.map(|name| (header::CONTENT_ENCODING, HeaderValue::from_static(name))));
        }
        response
    }

    /// The shortest form that the caller understands, and its name.
    fn form(&self, headers: &HeaderMap) -> (Option<&'static str>, &'static [u8]) {
        match (self.brotli, self.gzip) {
            (Some(bytes), _) if accepts(headers, "br") => (Some("br"), bytes),
            (_, Some(bytes)) if accepts(headers, "gzip") => (Some("gzip"), bytes),
            _ => (None, self.plain),
        }
    }
}

/// By name; `q=0` is a no. Whoever says only `*` gets it plain.
fn accepts(headers: &HeaderMap, name: &str) -> bool {
    let all = headers.get_all(header::ACCEPT_ENCODING).into_iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|value| value.split(',')).any(|item| {
        let mut parts = item.split(';').map(str::trim);
        parts.next().is_some_and(|coding| coding.eq_ignore_ascii_case(name)) && !parts.any(is_a_no)
    })
}

fn is_a_no(parameter: &str) -> bool {
    let weight = parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q="));
    weight.and_then(|weight| weight.trim().parse::<f32>().ok()).is_some_and(|weight| weight <= 0.0)
}

fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let all = headers.get_all(header::IF_NONE_MATCH).into_iter().filter_map(|value| value.to_str().ok());
    let mut tags = all.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

#[cfg(test)]
mod tests;
