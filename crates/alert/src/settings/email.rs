//! Receivers that are told by mail.
//!
//! Invariant: a password never crosses a network in the clear, and TLS is never left out by accident.

use std::path::PathBuf;
use std::time::Duration;

use hinomi_config::emit::Emitter;
use hinomi_config::{Map, Secret, Value, decode};
use lettre::message::Mailbox;

use super::timeout;

/// How long one try may take when nothing else is written: mail servers look things up before they answer.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
const TO_MAX: usize = 32;
const CA_FILE_MAX_BYTES: u64 = 1 << 20;

/// Mail to people (`docs/formats/slack-and-email.md`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    /// Whom.
    pub to: Vec<Mailbox>,
    /// Sender.
    pub from: Mailbox,
    /// The server that takes it.
    pub smtp: Smtp,
    /// How long one try may take, from connecting to the last answer.
    pub timeout: Duration,
}

/// A mail server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Smtp {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: Security,
    /// Name and password.
    pub login: Option<(String, Secret)>,
    /// Root certificates to trust in place of the system's, PEM.
    pub ca_file: Option<PathBuf>,
}

impl Smtp {
    /// Host and port: what may be shown.
    #[must_use]
    pub fn address(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

/// How a connection to a mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// Begins plainly and must switch to TLS before anything is said.
    Starttls,
    /// TLS from the first byte.
    Implicit,
    /// Not at all.
    None,
}

impl Security {
    fn word(self) -> &'static str {
        match self {
            Self::Starttls => "starttls",
            Self::Implicit => "implicit",
            Self::None => "none",
        }
    }

    /// The usual port.
    fn port(self) -> u16 {
        match self {
            Self::Starttls => 587,
            Self::Implicit => 465,
            Self::None => 25,
        }
    }
}

impl Email {
    pub(super) fn emit(&self, emitter: &mut Emitter) {
        // A text of JSON is one of YAML, and needs no care within brackets.
        let to = self.to.iter().map(|to| serde_json::Value::from(to.to_string()).to_string());
        emitter.raw("to", &format!("[{}]", to.collect::<Vec<_>>().join(", ")));
        emitter.entry("from", &self.from);
        emitter.map("smtp", |e| {
            e.entry("host", &self.smtp.host);
            e.entry("port", self.smtp.port);
            e.entry("tls", self.smtp.tls.word());
            if let Some((username, password)) = &self.smtp.login {
                e.entry("username", username);
                e.entry("password", password);
            }
            if let Some(file) = &self.smtp.ca_file {
                e.entry("ca_file", file.display());
            }
        });
        emitter.entry("timeout", decode::duration_text(self.timeout));
    }
}

pub(super) fn email(value: &Value<'_>, env: &dyn Fn(&str) -> Option<String>) -> Option<Email> {
    let mut map = value.map()?;
    let to = map.require("to", "[oncall@example.com]", recipients);
    let from = map.require("from", "\"Hinomi <hinomi@example.com>\"", mailbox);
    let smtp = map.require("smtp", "{ host: mail.example.com }", |value| smtp(value, env));
    let timeout = map.take("timeout", timeout);
    map.finish();
    Some(Email { to: to?, from: from?, smtp: smtp?, timeout: timeout.unwrap_or(TIMEOUT_DEFAULT) })
}

fn recipients(value: &Value<'_>) -> Option<Vec<Mailbox>> {
    let items = super::bounded(value, TO_MAX)?;
    if items.is_empty() {
        value.problem("mail to nobody", "write at least one address, like [oncall@example.com]");
        return None;
    }
    let read: Vec<Mailbox> = items.iter().filter_map(mailbox).collect();
    (read.len() == items.len()).then_some(read)
}

fn mailbox(value: &Value<'_>) -> Option<Mailbox> {
    let text = decode::string(value)?;
    let parsed = text.parse().ok().filter(|_| !text.chars().any(char::is_control));
    if parsed.is_none() {
        let remedy = "write it like oncall@example.com or \"On call <oncall@example.com>\"";
        value.problem("not an address of mail", remedy);
    }
    parsed
}

fn smtp(value: &Value<'_>, env: &dyn Fn(&str) -> Option<String>) -> Option<Smtp> {
    let mut map = value.map()?;
    let host = map.require("host", "mail.example.com", host);
    let port = map.take("port", decode::integer(1..=65_535)).and_then(|port| u16::try_from(port).ok());
    let words = [Security::Starttls, Security::Implicit, Security::None].map(|tls| (tls.word(), tls));
    let written = map.take("tls", decode::one_of(&words));
    let login = login(&mut map, env);
    let ca_file = map.take("ca_file", ca_file);
    map.finish();
    let host = host?;
    let local = is_loopback(&host);
    let usual = if local {
        Security::None
    } else if port == Some(Security::Implicit.port()) {
        Security::Implicit
    } else {
        Security::Starttls
    };
    let tls = written.unwrap_or(usual);
    if tls == Security::None && !local {
        in_the_clear(value, login.is_some());
    }
    Some(Smtp { host, port: port.unwrap_or(tls.port()), tls, login, ca_file })
}

fn in_the_clear(value: &Value<'_>, login: bool) {
    let remedy = "write `tls: starttls` or `tls: implicit`";
    if login {
        value.problem("the password would cross the network in the clear", remedy);
    } else {
        value.note("mail crosses the network in the clear", remedy);
    }
}

fn host(value: &Value<'_>) -> Option<String> {
    let text = decode::string(value)?;
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(&text);
    let known = bare.parse::<std::net::IpAddr>().is_ok()
        || matches!(url::Host::parse(bare), Ok(url::Host::Domain(_)));
    if known && !bare.is_empty() {
        return Some(bare.to_owned());
    }
    value.problem(
        "not the name or address of a host",
        "write it like mail.example.com, and the port as `port`",
    );
    None
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn login(map: &mut Map<'_>, env: &dyn Fn(&str) -> Option<String>) -> Option<(String, Secret)> {
    let mut written = (false, false);
    let username = map.take("username", |value| {
        written.0 = true;
        decode::string(value)
    });
    let password = map.take("password", |value| {
        written.1 = true;
        decode::secret(env)(value)
    });
    match written {
        (true, false) => {
            map.value().problem("`username` without `password`", "add `password: { file: /path }`");
        }
        (false, true) => map.value().problem("`password` without `username`", "add `username`"),
        (true, true) | (false, false) => {}
    }
    Some((username?, password?))
}

/// Read at every try, so that a new file needs no restart; looked at here, so that a wrong one is told now.
fn ca_file(value: &Value<'_>) -> Option<PathBuf> {
    let path = decode::absolute_path(value)?;
    if let Err(why) = certificates(&path) {
        value.problem(why, "name a file of PEM certificates that this user may read");
        return None;
    }
    Some(path)
}

/// The certificates in a PEM file.
pub(crate) fn certificates(
    path: &std::path::Path,
) -> Result<lettre::transport::smtp::client::Certificate, String> {
    use std::io::Read as _;
    let mut pem = Vec::new();
    let file = std::fs::File::open(path);
    file.and_then(|file| file.take(CA_FILE_MAX_BYTES).read_to_end(&mut pem))
        .map_err(|error| format!("cannot read the certificates in {}: {error}", path.display()))?;
    let none = || format!("no certificates in {}", path.display());
    if !pem.windows(11).any(|bytes| bytes == b"CERTIFICATE") {
        return Err(none());
    }
    lettre::transport::smtp::client::Certificate::from_pem(&pem).map_err(|_| none())
}
