//! Asks a running Hinomi over its API.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use hinomi_model::ErrorKind;
use reqwest::{Client, Url};
use serde::Deserialize;
use serde_json::Value;

use crate::exit::Usage;

/// Longer than the server takes at most.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Longest answer that is read.
const ANSWER_MAX_BYTES: usize = 64 << 20;
/// Longest part of an answer without a message of Hinomi that is shown, characters.
const SHOWN_MAX_CHARS: usize = 200;

/// The server answered that it can't.
#[derive(Debug)]
pub(crate) struct Error {
    status: u16,
    message: String,
}

impl Error {
    /// What the caller can do about it.
    pub(crate) fn kind(&self) -> ErrorKind {
        match self.status {
            400 => ErrorKind::Invalid,
            404 => ErrorKind::NotFound,
            403 => ErrorKind::Forbidden,
            429 => ErrorKind::Limited,
            503 => ErrorKind::Unavailable,
            _ => ErrorKind::Internal,
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

#[derive(Deserialize)]
struct Refusal {
    error: Reason,
}

#[derive(Deserialize)]
struct Reason {
    message: String,
}

/// GETs `/api/hinomi/v1/PATH` with the parameters that are given.
///
/// # Errors
///
/// When nobody answers there, or the answer is a refusal ([`Error`]).
pub(crate) fn get(server: &str, path: &str, parameters: &[(&str, Option<&str>)]) -> anyhow::Result<Value> {
    let mut url = base(server)?;
    url.set_path(&format!("/api/hinomi/v1/{path}"));
    if parameters.iter().any(|(_, value)| value.is_some()) {
        let given = parameters.iter().filter_map(|(name, value)| Some((*name, (*value)?)));
        url.query_pairs_mut().extend_pairs(given);
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("start a runtime")?;
    runtime.block_on(ask(url, server))
}

fn base(server: &str) -> anyhow::Result<Url> {
    let url =
        Url::parse(server).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.ok_or_else(|| {
        Usage(format!("--server: \"{server}\" is no address; write it like http://127.0.0.1:8119")).into()
    })
}

async fn ask(url: Url, server: &str) -> anyhow::Result<Value> {
    let client = client(&url)?;
    let answer = client.get(url).send().await;
    let mut answer = answer.map_err(|error| unreachable(server, &error))?;
    let status = answer.status();
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| unreachable(server, &error))? {
        anyhow::ensure!(
            bytes.len() + chunk.len() <= ANSWER_MAX_BYTES,
            "the answer is too long; ask for less"
        );
        bytes.extend_from_slice(&chunk);
    }
    if !status.is_success() {
        let message = match serde_json::from_slice::<Refusal>(&bytes) {
            Ok(refusal) => refusal.error.message,
            Err(_) => {
                let text: String = String::from_utf8_lossy(&bytes).chars().take(SHOWN_MAX_CHARS).collect();
                format!("{server} answered {status}: {}", text.trim())
            }
        };
        return Err(Error { status: status.as_u16(), message: printable(&message) }.into());
    }
    serde_json::from_slice(&bytes)
        .with_context(|| format!("{server} did not answer with JSON; is it Hinomi?"))
}

fn unreachable(server: &str, error: &reqwest::Error) -> anyhow::Error {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    anyhow::anyhow!(
        "cannot reach Hinomi at {server}: {cause}; start it with `hinomi up`, or name its address with --server"
    )
}

fn client(url: &Url) -> anyhow::Result<Client> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let tls = if url.scheme() == "https" {
        use rustls_platform_verifier::BuilderVerifierExt as _;
        tls.with_platform_verifier().context("read the system's root certificates")?
    } else {
        tls.with_root_certificates(rustls::RootCertStore::empty())
    };
    let builder = Client::builder()
        .tls_backend_preconfigured(tls.with_no_client_auth())
        .user_agent(concat!("hinomi/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(TIMEOUT);
    builder.build().context("set up the HTTP client")
}

/// A text without control characters: what a container wrote must not steer a terminal.
pub(crate) fn printable(text: &str) -> String {
    let plain = |c: char| match c {
        '\t' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(plain).collect()
}

/// All texts of an answer made [`printable`].
pub(crate) fn make_printable(value: &mut Value) {
    match value {
        Value::String(text) if text.chars().any(char::is_control) => *text = printable(text),
        Value::Array(items) => items.iter_mut().for_each(make_printable),
        Value::Object(fields) => fields.values_mut().for_each(make_printable),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_of_a_container_do_not_reach_the_terminal() {
        let mut value =
            serde_json::json!({ "log": [{ "text": "\u{1b}]0;gone\u{7}a\tb\r\u{9b}31m" }], "n": 1 });
        make_printable(&mut value);
        let want = "\u{fffd}]0;gone\u{fffd}a b\u{fffd}\u{fffd}31m";
        assert_eq!(value, serde_json::json!({ "log": [{ "text": want }], "n": 1 }));
    }

    #[test]
    fn a_wrong_address_is_wrong_usage() {
        for server in ["", "localhost:8119", "ftp://x/", "http//x"] {
            let error = get(server, "status", &[]).expect_err(server);
            assert!(error.downcast_ref::<Usage>().is_some(), "{server}: {error}");
        }
    }
}
