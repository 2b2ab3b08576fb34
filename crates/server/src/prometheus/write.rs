//! `POST /api/v1/write`: remote write 1.0 and 2.0, with the statuses and texts of Prometheus' receiver.

use axum::Extension;
use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hinomi_base::budget::Meter;
use hinomi_model::ErrorKind;
use hinomi_pipeline::{Unwritten, Written};
use hinomi_wire::remote_write::{self, PACKED_MAX_BYTES, Version};
use http_body_util::BodyExt as _;

use super::params::tenant;
use crate::guard::Place;
use crate::routes::Context;

/// The media type of every remote-write request.
const PROTOBUF: &str = "application/x-protobuf";
/// Names of the messages, in the order in which an error lists them.
const MESSAGES: [(&str, Version); 2] =
    [("prometheus.WriteRequest", Version::V1), ("io.prometheus.write.v2.Request", Version::V2)];
/// Seconds after which a sender should try again.
const RETRY_SECONDS: HeaderValue = HeaderValue::from_static("5");
/// Longest part of a foreign header that an answer repeats, characters.
const SHOWN_MAX_CHARS: usize = 200;

/// An answer that is no success: one line of text, and when to send again where that is of use.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal(pub(crate) StatusCode, pub(crate) String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.0, format!("{}\n", self.1)).into_response();
        if matches!(self.0, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_SECONDS);
        }
        response
    }
}

/// The handler.
pub(crate) async fn write(
    State(context): State<Context>,
    Extension(place): Extension<Place>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    match receive(&context, place, &parts.headers, body).await {
        Ok((version, written)) => answer(version, &written),
        Err(refusal) => refusal.into_response(),
    }
}

async fn receive(
    context: &Context,
    place: Place,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Version, Written), Refusal> {
    let version = version(headers)?;
    encoding(headers)?;
    let tenant = tenant(headers).map_err(|why| Refusal(StatusCode::BAD_REQUEST, why))?;
    let metrics = context.handle.metrics();
    let meter = metrics.meter();
    let packed = read(body, &meter).await?;
    // Work that has begun goes on when nobody waits any more, and holds the place and the memory until its end.
    let written = metrics.write(tenant, version, packed, (place, meter)).await;
    written.map(|written| (version, written)).map_err(|error| unwritten(&error))
}

/// Which message the content type names.
fn version(headers: &HeaderMap) -> Result<Version, Refusal> {
    let given = text(headers, &header::CONTENT_TYPE);
    let given = given.trim();
    if given.is_empty() {
        // Prometheus does not insist either.
        return Ok(Version::V1);
    }
    let wrong = |reason| Refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason);
    let mut parts = given.split(';');
    if parts.next() != Some(PROTOBUF) {
        return Err(wrong(format!(
            "expected {PROTOBUF} as the first (media) part, got {} content-type",
            shown(given)
        )));
    }
    for part in parts {
        let Some((name, value)) = part.split_once('=').filter(|(_, value)| !value.contains('=')) else {
            return Err(wrong(format!(
                "as per https://www.rfc-editor.org/rfc/rfc9110#parameter expected parameters to be key-values, got {} \
                 in {} content-type",
                shown(part),
                shown(given)
            )));
        };
        if name.trim() == "proto" {
            let known = MESSAGES.iter().find(|(message, _)| *message == value);
            return known.map(|(_, version)| *version).ok_or_else(|| {
                wrong(format!(
                    "got {} content type; unknown remote write protobuf message {}, supported: {}",
                    shown(given),
                    shown(value),
                    MESSAGES.map(|(message, _)| message).join(", ")
                ))
            });
        }
    }
    Ok(Version::V1)
}

/// Everything is compressed with Snappy, whether it is said or not, as Prometheus takes it.
fn encoding(headers: &HeaderMap) -> Result<(), Refusal> {
    let given = text(headers, &header::CONTENT_ENCODING);
    if given.is_empty() || given.eq_ignore_ascii_case("snappy") {
        return Ok(());
    }
    Err(Refusal(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        format!(
            "{} encoding (compression) is not accepted by this server; only snappy is acceptable",
            shown(&given)
        ),
    ))
}

fn text(headers: &HeaderMap, name: &HeaderName) -> String {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).unwrap_or_default()
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_MAX_CHARS).collect()
}

/// The body, whole; its memory is drawn before it is taken, and as the bytes come: to announce many costs nothing.
async fn read(mut body: Body, meter: &Meter) -> Result<Vec<u8>, Refusal> {
    let too_large = || {
        let reason = format!("the body has more than {PACKED_MAX_BYTES} bytes: send fewer samples at once");
        Refusal(StatusCode::PAYLOAD_TOO_LARGE, reason)
    };
    let draw = |bytes: usize| {
        let drawn = meter.reach(u64::try_from(bytes).unwrap_or(u64::MAX));
        if drawn { Ok(()) } else { Err(unwritten(&Unwritten::Request(remote_write::Error::Full))) }
    };
    let announced = body.size_hint().exact().unwrap_or_default();
    let announced = usize::try_from(announced).ok().filter(|bytes| *bytes <= PACKED_MAX_BYTES);
    let announced = announced.ok_or_else(too_large)?;
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Refusal(StatusCode::BAD_REQUEST, error.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        let len = whole.len() + data.len();
        if len > PACKED_MAX_BYTES {
            return Err(too_large());
        }
        if len > whole.capacity() {
            // Twice as much as is there, yet no more than is said to come; what is there lies beside it for a moment.
            let room = (2 * whole.capacity()).min(announced).max(len);
            if let Err(refusal) = draw(whole.capacity() + room) {
                drop(whole);
                pass_over(body, PACKED_MAX_BYTES.saturating_sub(len)).await;
                return Err(refusal);
            }
            whole.reserve_exact(room - whole.len());
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole)
}

/// Takes the rest of a body and keeps nothing of it: who is still sending when the connection closes does not read why.
async fn pass_over(mut body: Body, most: usize) {
    let mut left = most;
    while let Some(Ok(frame)) = body.frame().await {
        let bytes = frame.data_ref().map_or(0, |data| data.len());
        match left.checked_sub(bytes) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

fn unwritten(error: &Unwritten) -> Refusal {
    let status = match error {
        Unwritten::Request(remote_write::Error::TooLarge(_) | remote_write::Error::TooManySymbols) => {
            StatusCode::PAYLOAD_TOO_LARGE
        }
        other => match other.kind() {
            ErrorKind::Invalid | ErrorKind::NotFound => StatusCode::BAD_REQUEST,
            ErrorKind::Limited => StatusCode::TOO_MANY_REQUESTS,
            ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        },
    };
    if status.is_server_error() {
        tracing::warn!(%error, status = status.as_u16(), "a remote-write request was not stored");
    }
    Refusal(status, error.to_string())
}

fn answer(version: Version, written: &Written) -> Response {
    let mut response = match &written.refused {
        None => StatusCode::NO_CONTENT.into_response(),
        Some(refused) if refused.later => {
            Refusal(StatusCode::TOO_MANY_REQUESTS, refused.reason.clone()).into_response()
        }
        Some(refused) => Refusal(StatusCode::BAD_REQUEST, refused.reason.clone()).into_response(),
    };
    if version == Version::V2 {
        for (name, count) in [
            ("x-prometheus-remote-write-samples-written", written.floats),
            ("x-prometheus-remote-write-histograms-written", written.histograms),
            ("x-prometheus-remote-write-exemplars-written", written.exemplars),
        ] {
            response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from(count));
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static("?")))])
    }

    #[test]
    fn content_types() {
        for (given, version_of) in [
            ("", Version::V1),
            ("application/x-protobuf", Version::V1),
            ("application/x-protobuf;proto=prometheus.WriteRequest", Version::V1),
            ("application/x-protobuf; proto=prometheus.WriteRequest", Version::V1),
            ("application/x-protobuf;proto=io.prometheus.write.v2.Request", Version::V2),
            ("application/x-protobuf;a=b", Version::V1),
        ] {
            assert_eq!(version(&headers(header::CONTENT_TYPE, given)), Ok(version_of), "{given}");
        }
        let wrong = [
            "application/json",
            "application/x-protobuf;proto",
            "application/x-protobuf;proto=a=b",
            "application/x-protobuf;proto=io.prometheus.write.v3.Request",
        ]
        .map(|given| version(&headers(header::CONTENT_TYPE, given)).err().map(|refusal| refusal.1));
        insta::assert_debug_snapshot!(wrong);
    }

    #[test]
    fn encodings() {
        let refused = |given| encoding(&headers(header::CONTENT_ENCODING, given)).err();
        assert_eq!((refused(""), refused("snappy"), refused("Snappy")), (None, None, None));
        let text = "gzip encoding (compression) is not accepted by this server; only snappy is acceptable";
        assert_eq!(refused("gzip"), Some(Refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, text.to_owned())));
    }
}
