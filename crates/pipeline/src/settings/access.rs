//! Who may reach the API: token, names, TLS, and when Hinomi refuses to listen.
//!
//! Invariant: whoever listens beyond loopback has a token, or said in words that there is none.

use std::net::SocketAddr;
use std::path::PathBuf;

use hinomi_config::{Map, Problems, Secret, Value, decode};
use url::{Host, Url};

use super::metrics::GivenMetrics;

/// Shortest token, characters.
pub const TOKEN_MIN_CHARS: usize = 16;
/// The environment variable that may hold the token.
pub const TOKEN_VARIABLE: &str = "HINOMI_TOKEN";
/// Names under `access.hosts` at most.
const HOSTS_MAX: usize = 32;
/// How a token is made.
const MAKE_TOKEN: &str = "make one with: head -c 24 /dev/urandom | base64";

/// Who may reach the API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// What every caller must know. `None`: whoever reaches the port may ask.
    pub token: Option<Secret>,
    /// Without a token also beyond loopback.
    pub insecure: bool,
    /// Names and addresses by which callers name this machine, in lower case, without port.
    pub hosts: Vec<String>,
}

/// Files of the certificate that the API shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Certificate and those between it and a root, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// What the command line says; it goes before the environment and the file.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// `--listen`.
    pub listen: Option<SocketAddr>,
    /// What the file of `--token-file` holds.
    pub token: Option<Secret>,
    /// `--insecure`.
    pub insecure: bool,
    /// `--tls-cert` and `--tls-key`.
    pub tls: Option<Tls>,
    /// What it says about metrics.
    pub metrics: GivenMetrics,
}

/// The keys of this file, decoded; and whether listening beyond loopback is allowed.
pub(super) struct Reach {
    pub(super) listen: Option<SocketAddr>,
    pub(super) access: Access,
    pub(super) tls: Option<Tls>,
    pub(super) public_url: Option<Url>,
}

impl Reach {
    pub(super) fn take(
        root: &mut Map<'_>,
        problems: &Problems,
        env: &dyn Fn(&str) -> Option<String>,
        given: &Given,
    ) -> Self {
        let mut written = false;
        let mut access = root.take("access", |value| access(value, env, &mut written)).unwrap_or_default();
        if let Some((token, origin)) = token_outside(env, given) {
            written = true;
            if let Err((message, remedy)) = check_token(&token) {
                problems.add_outside(origin, message, remedy);
            }
            access.token = Some(token);
        }
        access.insecure |= given.insecure;
        // A token that is wrong is told already.
        let guarded = written || access.insecure;
        let listen = root.take("listen", |value| {
            let address = decode::socket_addr(value)?;
            if given.listen.is_none() && !guarded && !is_local(address) {
                let (message, remedy) = unguarded(address);
                value.problem(message, remedy);
            }
            Some(address)
        });
        if let Some(address) = given.listen.filter(|address| !guarded && !is_local(*address)) {
            let (message, remedy) = unguarded(address);
            problems.add_outside("--listen", message, remedy);
        }
        let tls = root.take("tls", tls);
        Self {
            listen: given.listen.or(listen),
            access,
            tls: given.tls.clone().or(tls),
            public_url: root.take("public_url", public_url),
        }
    }
}

fn is_local(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

fn unguarded(address: SocketAddr) -> (String, String) {
    let message = format!("{address} can be reached from other machines, and there is no token");
    let remedy = format!(
        "write a token to a file and name it with --token-file or `access: {{ token: {{ file: /path }} }}` \
         ({MAKE_TOKEN}); or let everybody in with --insecure or `access: {{ insecure: true }}`"
    );
    (message, remedy)
}

/// A token from the command line, else from the environment, and where it came from.
fn token_outside(env: &dyn Fn(&str) -> Option<String>, given: &Given) -> Option<(Secret, &'static str)> {
    if let Some(token) = &given.token {
        return Some((token.clone(), "--token-file"));
    }
    let text = env(TOKEN_VARIABLE).filter(|text| !text.is_empty())?;
    Some((Secret::new(text), "environment variable HINOMI_TOKEN"))
}

/// Whether a text can be a token; else what is wrong and what to do.
///
/// # Errors
///
/// Message and remedy, without the text.
pub fn check_token(token: &Secret) -> Result<(), (String, String)> {
    let text = token.expose();
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err((
            "the token has characters that a header can't carry".to_owned(),
            format!("write it on one line, of ASCII letters, digits and signs, without spaces; {MAKE_TOKEN}"),
        ));
    }
    if text.len() < TOKEN_MIN_CHARS {
        return Err((
            format!("the token is shorter than {TOKEN_MIN_CHARS} characters, and could be guessed"),
            MAKE_TOKEN.to_owned(),
        ));
    }
    Ok(())
}

fn access(
    value: &Value<'_>,
    env: &dyn Fn(&str) -> Option<String>,
    token_written: &mut bool,
) -> Option<Access> {
    let mut map = value.map()?;
    let token = map.take("token", |value| {
        *token_written = true;
        let token = decode::secret(env)(value)?;
        if let Err((message, remedy)) = check_token(&token) {
            value.problem(message, remedy);
        }
        Some(token)
    });
    let insecure = map.take("insecure", decode::boolean).unwrap_or(false);
    let hosts = map.take("hosts", hosts).unwrap_or_default();
    map.finish();
    Some(Access { token, insecure, hosts })
}

fn hosts(value: &Value<'_>) -> Option<Vec<String>> {
    let items = value.list()?;
    if items.len() > HOSTS_MAX {
        value.problem(format!("{} names", items.len()), format!("write {HOSTS_MAX} at most"));
        return None;
    }
    Some(items.iter().filter_map(host).collect())
}

fn host(value: &Value<'_>) -> Option<String> {
    let text = decode::string(value)?;
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&text);
    if let Ok(address) = bare.parse::<std::net::IpAddr>() {
        return Some(address.to_canonical().to_string());
    }
    // The parser of URLs knows what a name is; a port or a scheme is none.
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    match Host::parse(&text) {
        Ok(Host::Domain(name)) if plain => Some(name.to_ascii_lowercase()),
        Ok(_) | Err(_) => {
            value.problem(
                "not the name of a machine",
                "write it without scheme and port, like hinomi.example.org or 192.0.2.7; `*` is of no use",
            );
            None
        }
    }
}

fn tls(value: &Value<'_>) -> Option<Tls> {
    let mut map = value.map()?;
    let certificate = map.require("certificate", "/path.pem", decode::absolute_path);
    let key = map.require("key", "/path.pem", decode::absolute_path);
    map.finish();
    Some(Tls { certificate: certificate?, key: key? })
}

/// The page and the API lie at the root, so a path can't be served.
fn public_url(value: &Value<'_>) -> Option<Url> {
    let url = decode::url(value)?;
    let bare = url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if !bare {
        value.problem(
            "more than scheme, host and port",
            "Hinomi is served at the root: write it like https://hinomi.example.org",
        );
        return None;
    }
    Some(url)
}
