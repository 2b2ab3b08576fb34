//! Answers: the frame that all share, packed where the caller takes that.

use std::io::Write as _;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use super::failure::Failure;
use super::json::Json;
use super::params::Params;

/// What Prometheus warns of where a limit left something out.
pub(crate) const TRUNCATED: &str = "results truncated due to limit";
/// Shorter answers are sent as they are.
const PACK_MIN_BYTES: usize = 1024;

/// The bytes of an answer.
#[derive(Debug)]
pub(crate) struct Written {
    bytes: Vec<u8>,
    packed: bool,
}

/// A successful answer: `data`, and what is to be told about it.
pub(crate) fn success(
    params: &Params,
    bytes: usize,
    data: impl FnOnce(&mut Json),
    notes: &[(&str, &[String])],
) -> Written {
    let mut json = Json::with_capacity(bytes.saturating_add(64));
    json.raw("{\"status\":\"success\",\"data\":");
    data(&mut json);
    for (name, texts) in notes {
        if !texts.is_empty() {
            json.raw(",");
            json.key(name);
            json.list(texts.iter(), |json, text| json.text(text));
        }
    }
    json.raw("}");
    pack(json.into_bytes(), params.gzip)
}

/// A successful answer of few bytes.
pub(crate) fn small(params: &Params, data: &Value) -> Response {
    success(params, 0, |json| json.raw(&data.to_string()), &[]).into_response()
}

/// A list of texts, at most `limit` of them.
pub(crate) fn texts(params: &Params, limit: usize, texts: &[String]) -> Written {
    let cut = [TRUNCATED.to_owned()];
    let warnings: &[String] = if texts.len() > limit { &cut } else { &[] };
    let data = |json: &mut Json| json.list(texts.iter().take(limit), |json, text| json.text(text));
    success(params, 0, data, &[("warnings", warnings)])
}

fn pack(bytes: Vec<u8>, wanted: bool) -> Written {
    if !wanted || bytes.len() < PACK_MIN_BYTES {
        return Written { bytes, packed: false };
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 6), Compression::fast());
    match encoder.write_all(&bytes).and_then(|()| encoder.finish()) {
        Ok(packed) => Written { bytes: packed, packed: true },
        Err(_) => Written { bytes, packed: false },
    }
}

impl IntoResponse for Written {
    fn into_response(self) -> Response {
        let head = [
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (header::VARY, HeaderValue::from_static("Accept-Encoding")),
        ];
        let mut response = (head, Body::from(self.bytes)).into_response();
        if self.packed {
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

/// What handlers return.
pub(crate) type Answer = Result<Response, Failure>;
