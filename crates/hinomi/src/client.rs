//! Asks a running Hinomi over its API.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use hinomi_config::Secret;
use hinomi_model::ErrorKind;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Client, Method, StatusCode, Url};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::Usage;

/// Longer than the server takes at most.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The same for queries: longer than their limit can be set to.
const QUERY_TIMEOUT: Duration = Duration::from_secs(610);
/// An archive may take days over a thin line; that nothing comes is noticed before.
const DOWNLOAD_TIMEOUT: Duration = Duration::from_secs(7 * 86_400);
/// Longest time between two pieces of it.
const SILENCE_MAX: Duration = Duration::from_secs(120);
/// Certificates of one file at most.
const ROOTS_MAX: usize = 1024;
/// Longest answer that is read.
const ANSWER_MAX_BYTES: usize = 64 << 20;
/// Longest part of an answer without a message of Hinomi that is shown, characters.
const SHOWN_MAX_CHARS: usize = 200;

/// Whom to ask.
#[derive(Debug)]
pub(crate) struct Server {
    /// Scheme, host and port.
    pub(crate) url: String,
    /// What lets us in, if it asks for it.
    pub(crate) token: Option<Secret>,
    /// The only roots to trust; `None`: the system's.
    pub(crate) ca_file: Option<PathBuf>,
    /// The address of the name in `url`, where no DNS is to be asked.
    pub(crate) at: Option<(String, SocketAddr)>,
}

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
            401 => ErrorKind::Unauthorized,
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

/// As Hinomi's own API says it, or as the one for numbers does.
#[derive(Deserialize)]
#[serde(untagged)]
enum Reason {
    Own { message: String },
    Numbers(String),
}

impl Reason {
    fn message(self) -> String {
        match self {
            Self::Own { message } | Self::Numbers(message) => message,
        }
    }
}

/// GETs `/api/hinomi/v1/PATH` with the parameters that are given.
///
/// # Errors
///
/// When nobody answers there, or the answer is a refusal ([`Error`]).
pub(crate) fn get(server: &Server, path: &str, parameters: &[(&str, Option<&str>)]) -> anyhow::Result<Value> {
    let mut url = base(&server.url)?;
    url.set_path(&format!("/api/hinomi/v1/{path}"));
    if parameters.iter().any(|(_, value)| value.is_some()) {
        let given = parameters.iter().filter_map(|(name, value)| Some((*name, (*value)?)));
        url.query_pairs_mut().extend_pairs(given);
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("start a runtime")?;
    runtime.block_on(ask(Method::GET, url, server))
}

/// POSTs nothing to `/api/hinomi/v1/PATH…`, each part of the path as it is called.
///
/// # Errors
///
/// As [`get`].
pub(crate) fn post(server: &Server, path: &[&str]) -> anyhow::Result<Value> {
    let mut url = base(&server.url)?;
    url.set_path("/api/hinomi/v1");
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.extend(path);
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("start a runtime")?;
    runtime.block_on(ask(Method::POST, url, server))
}

/// GETs `/api/v1/PATH`, the API for numbers. Queries may take long.
///
/// # Errors
///
/// As [`get`].
pub(crate) fn numbers(server: &Server, path: &str, parameters: &[(&str, String)]) -> anyhow::Result<Value> {
    let mut url = base(&server.url)?;
    url.set_path(&format!("/api/v1/{path}"));
    url.query_pairs_mut().extend_pairs(parameters);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("start a runtime")?;
    runtime.block_on(ask_within(Method::GET, url, server, QUERY_TIMEOUT))
}

/// Some headers of an answer.
#[derive(Debug, Default)]
pub(crate) struct Headers(Vec<(String, String)>);

impl Headers {
    /// The text of one; its name in small letters.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, text)| text.as_str())
    }
}

/// POSTs nothing to `/api/hinomi/v1/PATH…` and shows the answer, which may be of any length, piece by piece. Ends with an
/// error on SIGINT and SIGTERM, so that what was begun can be removed.
///
/// # Errors
///
/// As [`get`]; when nothing comes for two minutes; what `take` says.
pub(crate) fn download(
    server: &Server,
    path: &[&str],
    take: &mut dyn FnMut(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<Headers> {
    let mut url = base(&server.url)?;
    url.set_path("/api/hinomi/v1");
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.extend(path);
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("start a runtime")?;
    runtime.block_on(async {
        let mut term = signal(SignalKind::terminate()).context("listen to signals")?;
        tokio::select! {
            done = taken(url, server, take) => done,
            _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
            _ = term.recv() => Err(anyhow::anyhow!("ended by SIGTERM")),
        }
    })
}

async fn taken(
    url: Url,
    server: &Server,
    take: &mut dyn FnMut(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<Headers> {
    let mut request = client(&url, server)?.request(Method::POST, url).timeout(DOWNLOAD_TIMEOUT);
    if let Some(token) = &server.token {
        request = request.bearer_auth(token.expose());
    }
    let url = server.url.as_str();
    let mut answer = request.send().await.map_err(|error| unreachable(url, &error))?;
    let status = answer.status();
    if !status.is_success() {
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| unreachable(url, &error))? {
            anyhow::ensure!(bytes.len() + chunk.len() <= ANSWER_MAX_BYTES, "the answer is too long");
            bytes.extend_from_slice(&chunk);
        }
        return Err(refusal(url, status, &bytes).into());
    }
    let own = |(name, value): (&HeaderName, &HeaderValue)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    };
    let headers = Headers(answer.headers().iter().filter_map(own).collect());
    loop {
        let next = tokio::time::timeout(SILENCE_MAX, answer.chunk()).await;
        let next = next.map_err(|_| anyhow::anyhow!("nothing came from {url} for {SILENCE_MAX:?}"))?;
        match next.map_err(|error| broken(url, &error))? {
            Some(chunk) => take(&chunk)?,
            None => return Ok(headers),
        }
    }
}

fn broken(server: &str, error: &reqwest::Error) -> anyhow::Error {
    anyhow::anyhow!("{server} broke the answer off: {}; its log says why", root(error))
}

fn base(server: &str) -> anyhow::Result<Url> {
    let url =
        Url::parse(server).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.ok_or_else(|| {
        Usage(format!("--server: \"{server}\" is no address; write it like http://127.0.0.1:8119")).into()
    })
}

async fn ask(method: Method, url: Url, server: &Server) -> anyhow::Result<Value> {
    ask_within(method, url, server, TIMEOUT).await
}

async fn ask_within(method: Method, url: Url, server: &Server, limit: Duration) -> anyhow::Result<Value> {
    let client = client(&url, server)?;
    let mut request = client.request(method, url).timeout(limit);
    if let Some(token) = &server.token {
        request = request.bearer_auth(token.expose());
    }
    let answer = request.send().await;
    let server = server.url.as_str();
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
        return Err(refusal(server, status, &bytes).into());
    }
    serde_json::from_slice(&bytes)
        .with_context(|| format!("{server} did not answer with JSON; is it Hinomi?"))
}

/// What an answer says that is none.
fn refusal(server: &str, status: StatusCode, bytes: &[u8]) -> Error {
    let message = match serde_json::from_slice::<Refusal>(bytes) {
        Ok(refusal) => refusal.error.message(),
        Err(_) => {
            let text: String = String::from_utf8_lossy(bytes).chars().take(SHOWN_MAX_CHARS).collect();
            format!("{server} answered {status}: {}", text.trim())
        }
    };
    Error { status: status.as_u16(), message: printable(&message) }
}

/// The deepest cause.
fn root(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

fn unreachable(server: &str, error: &reqwest::Error) -> anyhow::Error {
    let cause = root(error);
    let remedy = if cause.contains("certificate") {
        "name the root of its certificate with --ca-file, and the name that the certificate has with --server"
    } else {
        "start it with `hinomi up`, or name its address with --server"
    };
    anyhow::anyhow!("cannot reach Hinomi at {server}: {cause}; {remedy}")
}

fn client(url: &Url, server: &Server) -> anyhow::Result<Client> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let tls = match &server.ca_file {
        _ if url.scheme() != "https" => tls.with_root_certificates(RootCertStore::empty()),
        Some(file) => tls.with_root_certificates(roots(file)?),
        None => {
            use rustls_platform_verifier::BuilderVerifierExt as _;
            tls.with_platform_verifier().context("read the system's root certificates")?
        }
    };
    let mut builder = Client::builder()
        .tls_backend_preconfigured(tls.with_no_client_auth())
        .user_agent(concat!("hinomi/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(TIMEOUT);
    if let Some((name, address)) = &server.at {
        builder = builder.resolve(name, *address);
    }
    builder.build().context("set up the HTTP client")
}

/// The certificates of a PEM file.
fn roots(file: &Path) -> anyhow::Result<RootCertStore> {
    let wrong = |why: String| Usage(format!("--ca-file {}: {why}", file.display()));
    let certificates = CertificateDer::pem_file_iter(file).map_err(|error| wrong(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates.take(ROOTS_MAX) {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    anyhow::ensure!(!roots.is_empty(), wrong("there is no certificate in it; it must be PEM".to_owned()));
    Ok(roots)
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
            let asked = Server { url: server.to_owned(), token: None, ca_file: None, at: None };
            let error = get(&asked, "status", &[]).expect_err(server);
            assert!(error.downcast_ref::<Usage>().is_some(), "{server}: {error}");
        }
    }
}
