//! A request over HTTP, and what its answer means.

use std::time::Duration;

use hinomi_base::clock::Clock;
use hinomi_model::Nanos;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode};

use super::Clients;
use super::attempt::{Verdict, cleaned, worth_hiding};
use super::backoff::retry_after;
use crate::settings::Endpoint;

/// Most bytes of an answer that are read; the rest is of no interest.
const ANSWER_MAX_BYTES: usize = 4 * 1024;
/// An accepted message does not wait longer for the end of its answer.
const DRAIN: Duration = Duration::from_secs(1);

/// A request made ready: the same bytes for every try.
pub(super) struct Post<'a> {
    method: Method,
    url: &'a Endpoint,
    timeout: Duration,
    headers: HeaderMap,
    body: bytes::Bytes,
    /// Never in an error text.
    secrets: Vec<String>,
}

impl<'a> Post<'a> {
    /// `secrets` are those beside the URL's own.
    pub(super) fn new(
        url: &'a Endpoint,
        timeout: Duration,
        mut headers: HeaderMap,
        body: &serde_json::Value,
        mut secrets: Vec<String>,
    ) -> Self {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        secrets.extend(of_url(url));
        let method = Method::POST;
        Self { method, url, timeout, headers, body: body.to_string().into(), secrets: worth_hiding(secrets) }
    }

    /// A GET without a body.
    pub(super) fn get(url: &'a Endpoint, timeout: Duration) -> Self {
        let (headers, body) = (HeaderMap::new(), bytes::Bytes::new());
        Self { method: Method::GET, url, timeout, headers, body, secrets: worth_hiding(of_url(url)) }
    }

    pub(super) async fn run(&self, clients: &Clients, clock: &Clock) -> Verdict {
        let url = self.url.expose();
        let client = match clients.client(url) {
            Ok(client) => client,
            Err(why) => return Verdict::Later { why, retry_after: None },
        };
        let sent = client
            .request(self.method.clone(), url.clone())
            .headers(self.headers.clone())
            .timeout(self.timeout)
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
            return Verdict::Accepted { said: format!("answered {status}") };
        }
        let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let asked = asked.and_then(|text| retry_after(text, now));
        let said = cleaned(&answer(&mut response).await, &self.secrets);
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
        let host = self.url.host();
        let cause = root_cause(&error);
        if error.is_timeout() {
            format!("no answer from {host} within {}", hinomi_config::decode::duration_text(self.timeout))
        } else if error.is_connect() {
            format!("cannot connect to {host}: {}", cleaned(&cause, &self.secrets))
        } else {
            format!("cannot send to {host}: {}", cleaned(&cause, &self.secrets))
        }
    }
}

/// Secrets in a URL.
fn of_url(endpoint: &Endpoint) -> Vec<String> {
    let url = endpoint.expose();
    let mut secrets: Vec<String> = vec![url.as_str().to_owned()];
    secrets.extend(url.password().map(str::to_owned));
    if endpoint.is_secret() {
        secrets.extend(url.path_segments().into_iter().flatten().map(str::to_owned));
        secrets.extend(url.query().map(str::to_owned));
    }
    secrets
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
