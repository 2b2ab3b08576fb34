//! One try to deliver one message, and what its answer means.

use std::time::Duration;

use hinomi_base::clock::Clock;
use hinomi_model::{Message, Nanos};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Response, StatusCode};

use super::Clients;
use super::backoff::retry_after;
use crate::settings::Webhook;

/// Most bytes of an answer that are read; the rest is of no interest.
const ANSWER_MAX_BYTES: usize = 4 * 1024;
/// Longest part of an answer in an error text, characters.
const SAID_MAX_CHARS: usize = 200;
/// An accepted message does not wait longer for the end of its answer.
const DRAIN: Duration = Duration::from_secs(1);

/// What a try came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Accepted,
    /// Worth trying again for long.
    Later {
        why: String,
        retry_after: Option<Duration>,
    },
    /// The receiver says that the request is wrong.
    Refused {
        why: String,
    },
}

/// A message made ready: the same bytes for every try.
pub(super) struct Attempt<'a> {
    webhook: &'a Webhook,
    headers: HeaderMap,
    body: bytes::Bytes,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(webhook: &'a Webhook, message: &Message) -> Self {
        Self { webhook, headers: headers(webhook, message), body: message.body.to_string().into() }
    }

    pub(super) async fn run(&self, clients: &Clients, clock: &Clock) -> Verdict {
        let url = self.webhook.url.expose();
        let client = match clients.client(url) {
            Ok(client) => client,
            Err(why) => return Verdict::Later { why, retry_after: None },
        };
        let sent = client
            .post(url.clone())
            .headers(self.headers.clone())
            .timeout(self.webhook.timeout)
            .body(self.body.clone())
            .send()
            .await;
        match sent {
            Ok(response) => self.judge(response, Nanos(clock.wall())).await,
            Err(error) => Verdict::Later { why: self.failure(error), retry_after: None },
        }
    }

    async fn judge(&self, mut response: Response, now: Nanos) -> Verdict {
        let status = response.status();
        if status.is_success() {
            // Read to its end so that the connection can be used again; how that goes changes nothing.
            let _drained = tokio::time::timeout(DRAIN, answer(&mut response)).await;
            return Verdict::Accepted;
        }
        let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let asked = asked.and_then(|text| retry_after(text, now));
        let said = self.cleaned(&answer(&mut response).await);
        let why =
            if said.is_empty() { format!("answered {status}") } else { format!("answered {status}: {said}") };
        if is_worth_trying_again(status) {
            Verdict::Later { why, retry_after: asked }
        } else if status.is_redirection() {
            Verdict::Refused { why: format!("{why}; redirects are not followed, configure the final URL") }
        } else {
            Verdict::Refused { why }
        }
    }

    fn failure(&self, error: reqwest::Error) -> String {
        let error = error.without_url();
        let host = self.webhook.url.host();
        let cause = root_cause(&error);
        if error.is_timeout() {
            format!(
                "no answer from {host} within {}",
                hinomi_config::decode::duration_text(self.webhook.timeout)
            )
        } else if error.is_connect() {
            format!("cannot connect to {host}: {}", self.cleaned(&cause))
        } else {
            format!("cannot send to {host}: {}", self.cleaned(&cause))
        }
    }

    /// A stranger's text made fit to be shown: one line, bounded, without our secrets should it repeat them.
    fn cleaned(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in self.secrets() {
            text = text.replace(&secret, "<secret>");
        }
        let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        one_line.chars().filter(|c| !c.is_control()).take(SAID_MAX_CHARS).collect()
    }

    fn secrets(&self) -> Vec<String> {
        let url = self.webhook.url.expose();
        let mut secrets: Vec<String> = vec![url.as_str().to_owned()];
        secrets.extend(url.password().map(str::to_owned));
        if self.webhook.url.is_secret() {
            secrets.extend(url.path_segments().into_iter().flatten().map(str::to_owned));
            secrets.extend(url.query().map(str::to_owned));
        }
        for header in self.webhook.headers.values() {
            secrets.push(header.expose().to_owned());
            // "Bearer abc" may come back as "abc".
            secrets.extend(header.expose().split_whitespace().map(str::to_owned));
        }
        // Short words are no secrets, and would tear the text apart.
        secrets.retain(|secret| secret.len() >= 6 && secret != "Bearer");
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets
    }
}

/// The innermost error: what the system said.
pub(super) fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

fn is_worth_trying_again(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
        )
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
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
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

async fn answer(response: &mut Response) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = ANSWER_MAX_BYTES.saturating_sub(bytes.len());
        bytes.extend(chunk.iter().take(room));
        if bytes.len() >= ANSWER_MAX_BYTES {
            break;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_fit_into_a_header() {
        for (key, header) in [("a/b:1", "a/b:1"), ("火 x:1", "%E7%81%AB%20x:1"), ("50%\r\n", "50%25%0D%0A")]
        {
            assert_eq!(header_text(key), header);
        }
    }

    #[test]
    fn which_answers_are_worth_another_try() {
        for (code, again) in [
            (400, false),
            (404, false),
            (408, true),
            (410, false),
            (425, true),
            (429, true),
            (500, true),
            (599, true),
        ] {
            assert_eq!(is_worth_trying_again(StatusCode::from_u16(code).unwrap()), again, "{code}");
        }
    }
}
