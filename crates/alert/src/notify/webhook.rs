//! The webhook for programs: headers, and the body in the receiver's language.

use hinomi_model::Message;
use hinomi_words::{Language, translate};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use super::http::Post;
use crate::settings::Webhook;

/// Texts for people in the body, as JSON pointers; `*` is every item of a list. All other fields are for programs.
const TEXTS: [&str; 10] = [
    "/level_reason",
    "/cause",
    "/healer/name",
    "/healer/action",
    "/resolved_because",
    "/stages/*/cause",
    "/evidence/facts/*/label",
    "/evidence/facts/*/value",
    "/evidence/changes/*/text",
    "/evidence/log/note",
];

pub(super) fn post<'a>(webhook: &'a Webhook, message: &Message, language: Language) -> Post<'a> {
    let mut secrets = Vec::new();
    for header in webhook.headers.values() {
        secrets.push(header.expose().to_owned());
        // "Bearer abc" may come back as "abc".
        secrets.extend(header.expose().split_whitespace().map(str::to_owned));
    }
    let headers = headers(webhook, message);
    match language {
        Language::En => Post::new(&webhook.url, webhook.timeout, headers, &message.body, secrets),
        Language::Ja => {
            let mut body = message.body.clone();
            for path in TEXTS {
                translate_at(&mut body, path, language);
            }
            Post::new(&webhook.url, webhook.timeout, headers, &body, secrets)
        }
    }
}

fn translate_at(value: &mut Value, path: &str, language: Language) {
    let Some((list, rest)) = path.split_once("/*") else {
        if let Some(Value::String(text)) = value.pointer_mut(path) {
            *text = translate(text, language).into_owned();
        }
        return;
    };
    for item in value.pointer_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
        translate_at(item, rest, language);
    }
}

fn headers(webhook: &Webhook, message: &Message) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, secret) in &webhook.headers {
        // The settings let only valid ones through.
        if let (Ok(name), Ok(mut value)) =
            (HeaderName::try_from(name), HeaderValue::from_str(secret.expose()))
        {
            value.set_sensitive(true);
            headers.insert(name, value);
        }
    }
    if let Ok(key) = HeaderValue::from_str(&header_text(&message.idempotency_key())) {
        headers.insert("idempotency-key", key);
    }
    headers
}

/// Bytes that a header cannot carry, percent-encoded: names of workloads are the user's words.
fn header_text(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_fit_into_a_header() {
        for (key, header) in [("a/b:1", "a/b:1"), ("火 x:1", "%E7%81%AB%20x:1"), ("50%\r\n", "50%25%0D%0A")]
        {
            assert_eq!(header_text(key), header);
        }
    }

    #[test]
    fn only_texts_for_people_are_translated() {
        let mut body = json!({ "cause": "x", "status": "nobody", "stages": [{ "stage": "nobody", "cause": null }],
                               "healer": { "name": "nobody", "state": "stopped" } });
        for path in TEXTS {
            translate_at(&mut body, path, Language::Ja);
        }
        assert_eq!((&body["status"], &body["stages"][0]["stage"]), (&json!("nobody"), &json!("nobody")));
        assert_eq!(body["healer"]["name"], *translate("nobody", Language::Ja));
        assert_eq!(body["healer"]["state"], "stopped");
    }
}
