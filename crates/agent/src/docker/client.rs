//! Speaks HTTP with a Docker Engine.
//!
//! One connection a call: at rest a handful of calls a minute are made. Hyper is used directly, because three things
//! matter here that ready-made clients hide: the moment at which an event stream stands, who listens on the other
//! side of the socket, and how many bytes a log stream may buffer.
//!
//! # Invariants
//!
//! - Every call has a deadline up to its answer's head, and to its end where the answer is not a stream.
//! - No answer is collected beyond its limit.
//! - No connect starts an engine: where systemd may hold the socket, it is looked first whether a daemon serves it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Error;
use super::activation::{Behind, Guard};

/// Newest API version that this code was read against.
const NEWEST_API: (u32, u32) = (1, 51);
/// Longest error text that is kept of an answer.
const ERROR_BYTES: usize = 64 * 1024;
/// Read buffer of a connection; hyper's smallest.
const BUFFER_BYTES: usize = 8192;

/// Where the engine listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// A unix socket.
    Unix(PathBuf),
    /// Host and port, not encrypted.
    Tcp(String),
}

impl Address {
    /// Reads `unix:///path`, `tcp://host:port` or `/path`.
    pub(crate) fn parse(host: &str) -> Result<Self, Error> {
        if let Some(path) = host.strip_prefix("unix://").or_else(|| host.starts_with('/').then_some(host)) {
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        match host.strip_prefix("tcp://").or_else(|| host.strip_prefix("http://")) {
            Some(address) if address.contains(':') => Ok(Self::Tcp(address.trim_end_matches('/').to_owned())),
            _ => Err(Error::Address(host.to_owned())),
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

/// An engine, without an open connection.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    address: Address,
    /// `/v1.41`, empty until [`Client::negotiate`].
    prefix: String,
    timeout: Duration,
    guard: Guard,
}

/// What the first contact told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Contact {
    /// API version that will be spoken.
    pub(crate) api_version: String,
    /// The engine's process; 0 if not known. Behind a socket that systemd holds it is found in procfs.
    pub(crate) daemon_pid: u32,
    /// Name and version of the engine.
    pub(crate) version: String,
}

#[derive(serde::Deserialize)]
struct Version {
    #[serde(rename = "Version", default)]
    version: String,
}

#[derive(serde::Deserialize)]
struct Info {
    #[serde(rename = "SystemTime", default)]
    system_time: String,
}

#[derive(serde::Deserialize)]
struct Complaint {
    message: String,
}

impl Client {
    /// A client; nothing is opened.
    pub(crate) fn new(address: Address, timeout: Duration, guard: Guard) -> Self {
        Self { address, prefix: String::new(), timeout, guard }
    }

    pub(crate) fn is_local(&self) -> bool {
        matches!(self.address, Address::Unix(_))
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Asks who is there and fixes the API version.
    pub(crate) async fn negotiate(&mut self) -> Result<Contact, Error> {
        self.prefix = String::new();
        let listener = self.listener_pid().await?;
        let answer = self.open("/_ping", self.timeout).await?;
        let offered = answer.headers().get("api-version").and_then(|v| v.to_str().ok()).unwrap_or("1.41");
        let api_version = spoken(offered);
        self.prefix = format!("/v{api_version}");
        let version: Version = self.get("/version", 256 * 1024, self.timeout).await?;
        // Only now: the one that lives after the answers is the one that gave them.
        let daemon_pid = match self.behind() {
            Behind::Free => listener,
            Behind::Daemon(pid) | Behind::Stopping(pid) => pid,
            Behind::Nobody => 0,
        };
        let daemon_pid = if daemon_pid == 1 { 0 } else { daemon_pid };
        Ok(Contact { api_version, daemon_pid, version: version.version })
    }

    /// Whether the engine still answers.
    pub(crate) async fn ping(&self, deadline: Duration) -> Result<(), Error> {
        self.open("/_ping", deadline).await.map(drop)
    }

    /// Whether nobody can ask the engine for anything any more: a stopping engine removes its socket first.
    pub(crate) async fn has_closed_shop(&self) -> bool {
        let Address::Unix(path) = &self.address else { return false };
        match self.behind() {
            Behind::Free => {}
            // Systemd keeps the socket, and a connect would start the next engine: procfs must do.
            behind => return matches!(behind, Behind::Stopping(_)),
        }
        let call = tokio::net::UnixStream::connect(path);
        matches!(tokio::time::timeout(Duration::from_millis(100), call).await, Ok(Err(_)))
    }

    /// The engine's own wall clock, where it may differ from ours.
    pub(crate) async fn remote_time(&self) -> Option<hinomi_model::Nanos> {
        if self.is_local() {
            return None;
        }
        let info: Info = self.get("/info", 1 << 20, self.timeout).await.ok()?;
        hinomi_model::Nanos::parse_rfc3339(&info.system_time)
    }

    async fn listener_pid(&self) -> Result<u32, Error> {
        let Address::Unix(path) = &self.address else { return Ok(0) };
        let socket = within(self.timeout, "connect", self.connect(path)).await??;
        let pid = socket.peer_cred().ok().and_then(|cred| cred.pid()).and_then(|pid| u32::try_from(pid).ok());
        self.guard.saw_listener(pid.unwrap_or(0));
        Ok(pid.unwrap_or(0))
    }

    fn behind(&self) -> Behind {
        match &self.address {
            Address::Unix(path) => self.guard.look(path),
            Address::Tcp(_) => Behind::Free,
        }
    }

    /// Connects, unless that would start an engine.
    async fn connect(&self, path: &Path) -> Result<tokio::net::UnixStream, Error> {
        match self.behind() {
            Behind::Nobody => return Err(Error::NotRunning),
            Behind::Stopping(_) => return Err(Error::Stopping),
            Behind::Free | Behind::Daemon(_) => {}
        }
        let socket = tokio::net::UnixStream::connect(path).await;
        socket.map_err(|error| Error::connect(&self.address, error))
    }

    /// Sends a GET and returns when the answer's head is there.
    pub(crate) async fn open(
        &self,
        path: &str,
        deadline: Duration,
    ) -> Result<hyper::Response<Incoming>, Error> {
        let call = async {
            let answer = match &self.address {
                Address::Unix(socket) => {
                    let io = self.connect(socket).await?;
                    self.send(path, io).await?
                }
                Address::Tcp(address) => {
                    let io = tokio::net::TcpStream::connect(address).await;
                    self.send(path, io.map_err(|error| Error::connect(&self.address, error))?).await?
                }
            };
            let status = answer.status();
            if status.is_success() { Ok(answer) } else { Err(complaint(path, status.as_u16(), answer).await) }
        };
        within(deadline, path, call).await?
    }

    async fn send<I>(&self, path: &str, io: I) -> Result<hyper::Response<Incoming>, Error>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let http = |error: hyper::Error| Error::Http { what: short(path), error: error.to_string() };
        let mut builder = http1::Builder::new();
        builder.max_buf_size(BUFFER_BYTES);
        let (mut sender, connection) = builder.handshake(TokioIo::new(io)).await.map_err(http)?;
        // Ends by itself when the answer is read or dropped.
        tokio::spawn(async move { connection.await.ok() });
        let request = hyper::Request::get(format!("{}{path}", self.prefix))
            .header("host", "docker")
            .header("user-agent", "hinomi")
            .body(Empty::<Bytes>::new())
            .map_err(|error| Error::Http { what: short(path), error: error.to_string() })?;
        sender.send_request(request).await.map_err(http)
    }

    /// GETs a JSON document of at most `limit` bytes.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        limit: usize,
        deadline: Duration,
    ) -> Result<T, Error> {
        let call = async {
            let answer = self.open(path, deadline).await?;
            let bytes = collect(path, answer, limit).await?;
            serde_json::from_slice(&bytes)
                .map_err(|error| Error::Decode { what: short(path), error: error.to_string() })
        };
        within(deadline, path, call).await?
    }
}

async fn within<F: Future>(deadline: Duration, what: &str, call: F) -> Result<F::Output, Error> {
    match tokio::time::timeout(deadline, call).await {
        Ok(done) => Ok(done),
        Err(_) => Err(Error::Hung { what: short(what), after: deadline }),
    }
}

async fn collect(path: &str, answer: hyper::Response<Incoming>, limit: usize) -> Result<Bytes, Error> {
    match Limited::new(answer.into_body(), limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Error::TooBig { what: short(path), limit }),
        Err(error) => Err(Error::Http { what: short(path), error: error.to_string() }),
    }
}

async fn complaint(path: &str, status: u16, answer: hyper::Response<Incoming>) -> Error {
    let text = match collect(path, answer, ERROR_BYTES).await {
        Ok(bytes) => match serde_json::from_slice::<Complaint>(&bytes) {
            Ok(complaint) => complaint.message,
            Err(_) => String::from_utf8_lossy(&bytes).trim().to_owned(),
        },
        Err(_) => String::new(),
    };
    Error::Api { what: short(path), status, message: crate::redact::redact(&text).into_owned() }
}

/// A call's name for people: its path without query.
fn short(path: &str) -> String {
    path.split('?').next().unwrap_or(path).to_owned()
}

/// The version to speak with an engine that offers `offered`.
fn spoken(offered: &str) -> String {
    let version =
        offered.split_once('.').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    let (major, minor) = version.map_or((1, 41), |version: (u32, u32)| version.min(NEWEST_API));
    format!("{major}.{minor}")
}

/// Percent-encodes a query value.
pub(crate) fn encode(value: &str) -> String {
    let mut out = String::with_capacity(value.len() * 2);
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let table = [
            ("unix:///var/run/docker.sock", Some(Address::Unix("/var/run/docker.sock".into()))),
            ("/run/d.sock", Some(Address::Unix("/run/d.sock".into()))),
            ("tcp://10.0.0.1:2375", Some(Address::Tcp("10.0.0.1:2375".into()))),
            ("tcp://10.0.0.1:2375/", Some(Address::Tcp("10.0.0.1:2375".into()))),
            ("tcp://host", None),
            ("ssh://host", None),
            ("", None),
        ];
        for (text, want) in table {
            assert_eq!(Address::parse(text).ok(), want, "{text}");
        }
    }

    #[test]
    fn speaks_the_older_of_both_versions() {
        for (offered, want) in
            [("1.41", "1.41"), ("1.52", "1.51"), ("1.24", "1.24"), ("x", "1.41"), ("2.0", "1.51")]
        {
            assert_eq!(spoken(offered), want, "{offered}");
        }
    }

    #[test]
    fn encodes_a_filter() {
        assert_eq!(encode(r#"{"a":["b c"]}"#), "%7B%22a%22%3A%5B%22b%20c%22%5D%7D");
    }
}
