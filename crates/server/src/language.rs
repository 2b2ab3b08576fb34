//! `?lang=`: answers in the reader's language.
//!
//! Handlers know one language, English. The guard takes the parameter off the question ([`take`]) and refuses in the
//! language itself; [`speak`] lies within it, and puts the texts for people in what handlers answer into the language
//! (`hinomi_words`), in the place and the time that the request has. A question without the parameter, or with
//! `lang=en`, passes untouched.

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::uri::PathAndQuery;
use axum::http::{Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use hinomi_words::{Language, translate_json};
use http_body_util::BodyExt as _;
use serde_json::Value;

use crate::Error;
use crate::guard::Place;

/// The parameter.
const PARAMETER: &str = "lang";
/// Where it means something.
const PATHS: &str = "/api/hinomi/v1/";
/// A longer answer is translated on a thread that may block.
const INLINE_MAX_BYTES: usize = 64 * 1024;

/// The layer around handlers: their answers in the language that the guard has found.
pub(crate) async fn speak(request: Request, next: Next) -> Response {
    let language = request.extensions().get().copied().unwrap_or(Language::En);
    let place = request.extensions().get::<Place>().cloned();
    let response = next.run(request).await;
    if language == Language::En || !is_json(&response) {
        return response;
    }
    translated(response, language, place).await.unwrap_or_else(|error| error.answer(language))
}

/// Takes the parameter off: the handlers refuse what they do not know.
pub(crate) fn take(uri: &mut Uri) -> Result<Option<Language>, Error> {
    let Some(query) = uri.query().filter(|_| uri.path().starts_with(PATHS)) else { return Ok(None) };
    let value = |pair: &str| pair.strip_prefix(PARAMETER)?.strip_prefix('=').map(str::to_owned);
    let Some(asked) = query.split('&').find_map(value) else { return Ok(None) };
    let language = asked.parse::<Language>().map_err(|unknown| {
        let shown: String = asked.chars().take(20).collect();
        Error::Parameter(format!("lang: \"{shown}\" is {unknown}"))
    })?;
    let others: Vec<&str> = query.split('&').filter(|pair| value(pair).is_none()).collect();
    let path = uri.path();
    let rest = if others.is_empty() { path.to_owned() } else { format!("{path}?{}", others.join("&")) };
    let rest = PathAndQuery::try_from(rest).map_err(|error| Error::Parameter(error.to_string()))?;
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(rest);
    *uri = Uri::from_parts(parts).map_err(|error| Error::Parameter(error.to_string()))?;
    Ok(Some(language))
}

fn is_json(response: &Response) -> bool {
    response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json")
}

async fn translated(response: Response, language: Language, place: Option<Place>) -> Result<Response, Error> {
    let (mut head, body) = response.into_parts();
    // Our own answer, whole in memory already.
    let bytes = body.collect().await.map_err(|error| Error::Died(error.to_string()))?.to_bytes();
    let bytes = if bytes.len() <= INLINE_MAX_BYTES {
        in_language(&bytes, language)?
    } else {
        let work = tokio::task::spawn_blocking(move || {
            // Nothing ends a thread: even if nobody waits for it any more, it is one of those at work.
            let _held = place;
            in_language(&bytes, language)
        });
        work.await.map_err(|error| Error::Died(error.to_string()))??
    };
    head.headers.remove(header::CONTENT_LENGTH);
    Ok(Response::from_parts(head, Body::from(bytes)))
}

/// An answer in the language; an empty one, as to `HEAD`, stays empty.
fn in_language(bytes: &Bytes, language: Language) -> Result<Vec<u8>, Error> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let died = |error: serde_json::Error| Error::Died(error.to_string());
    let mut value: Value = serde_json::from_slice(bytes).map_err(died)?;
    translate_json(&mut value, language);
    serde_json::to_vec(&value).map_err(died)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameter_is_taken_off_and_the_others_stay() {
        let table = [
            ("/api/hinomi/v1/why?name=a&lang=ja", Ok(Some(Language::Ja)), "/api/hinomi/v1/why?name=a"),
            (
                "/api/hinomi/v1/why?lang=en&name=a%26b",
                Ok(Some(Language::En)),
                "/api/hinomi/v1/why?name=a%26b",
            ),
            ("/api/hinomi/v1/status?lang=ja", Ok(Some(Language::Ja)), "/api/hinomi/v1/status"),
            ("/api/hinomi/v1/why?name=lang=ja", Ok(None), "/api/hinomi/v1/why?name=lang=ja"),
            ("/api/hinomi/v1/status", Ok(None), "/api/hinomi/v1/status"),
            ("/index.html?lang=ja", Ok(None), "/index.html?lang=ja"),
            (
                "/api/hinomi/v1/status?lang=de",
                Err("lang: \"de\" is not a language that Hinomi speaks: use en or ja".to_owned()),
                "/api/hinomi/v1/status?lang=de",
            ),
        ];
        for (text, want, left) in table {
            let mut uri: Uri = text.parse().unwrap();
            let got = take(&mut uri).map_err(|error| error.to_string());
            assert_eq!((got, uri.to_string()), (want, left.to_owned()), "{text}");
        }
    }

    #[test]
    fn answers_are_translated() {
        let answer = Bytes::from_static(br#"{"cause":"web hangs in its removal","name":"web"}"#);
        let japanese = in_language(&answer, Language::Ja).unwrap();
        assert_eq!(
            String::from_utf8(japanese).unwrap(),
            r#"{"cause":"web の削除が完了しない","name":"web"}"#
        );
    }
}
