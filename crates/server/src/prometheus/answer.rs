//! Answers: the frame that all share, packed where the caller takes that.

use std::io::Write as _;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use hinomi_base::budget::Share;
use hinomi_model::metrics::ReadError;
use hinomi_pipeline::Question;
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
    /// Drawn for the bytes, and held until they are sent.
    share: Option<Share>,
}

impl Written {
    /// The same, with its memory drawn from the budget: what the question had drawn is given back with it, and the
    /// answer may be long on its way.
    ///
    /// # Errors
    ///
    /// There is no room: other answers wait for those who asked for them.
    pub(crate) fn drawn(mut self, question: &Question) -> Result<Self, ReadError> {
        let Some(memory) = question.limit().memory.as_ref() else { return Ok(self) };
        self.bytes.shrink_to_fit();
        let bytes = u64::try_from(self.bytes.capacity()).unwrap_or(u64::MAX);
        self.share = memory.budget().take(bytes);
        if self.share.is_none() {
            let limit = memory.budget().limit_bytes();
            let why =
                format!("its answer has {bytes} bytes, and the budget of {limit} bytes has no room for it");
            return Err(ReadError::Memory(why));
        }
        Ok(self)
    }
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
        return Written { bytes, packed: false, share: None };
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 6), Compression::fast());
    match encoder.write_all(&bytes).and_then(|()| encoder.finish()) {
        Ok(packed) => Written { bytes: packed, packed: true, share: None },
        Err(_) => Written { bytes, packed: false, share: None },
    }
}

impl IntoResponse for Written {
    fn into_response(self) -> Response {
        let head = [
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (header::VARY, HeaderValue::from_static("Accept-Encoding")),
        ];
        let mut response = (head, crate::body::drawn(self.bytes, self.share)).into_response();
        if self.packed {
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

/// What handlers return.
pub(crate) type Answer = Result<Response, Failure>;
