//! HTTP clients, made when the first message needs them: a process that tells nobody holds no TLS roots in memory.
//!
//! Invariant: one connection pool per way of sending and process, at most [`WAYS`] of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Client, Url};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;

/// TLS or not, by proxy or not.
const WAYS: usize = 4;
pub(super) const ROOTS_REMEDY: &str =
    "install the system's root certificates, or name a file of them in SSL_CERT_FILE";
const IDLE_CONNECTION: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Way {
    tls: bool,
    /// Loopback is never reached through a proxy.
    direct: bool,
}

impl Way {
    fn to(url: &Url) -> Self {
        let direct = match url.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        };
        Self { tls: url.scheme() == "https", direct }
    }
}

/// The HTTP clients of the process; share one by `Arc`.
#[derive(Debug, Default)]
pub struct Clients(Mutex<BTreeMap<Way, Client>>);

impl Clients {
    /// None made yet.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The client for a URL. Fails when the system has no usable root certificates; that may be mended while
    /// Hinomi runs, so the next call tries anew.
    pub(super) fn client(&self, url: &Url) -> Result<Client, String> {
        let way = Way::to(url);
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = made.get(&way) {
            return Ok(client.clone());
        }
        let client = make(way)?;
        debug_assert!(made.len() < WAYS, "a way is two booleans");
        made.insert(way, client.clone());
        Ok(client)
    }
}

fn make(way: Way) -> Result<Client, String> {
    let mut builder = Client::builder()
        .tls_backend_preconfigured(
            tls(way.tls).map_err(|error| format!("cannot set up TLS: {error}; {ROOTS_REMEDY}"))?,
        )
        .user_agent(concat!("hinomi/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .http1_only()
        .pool_max_idle_per_host(1)
        .pool_idle_timeout(IDLE_CONNECTION);
    if way.direct {
        builder = builder.no_proxy();
    }
    builder
        .build()
        .map_err(|error| format!("cannot set up the HTTP client: {}", super::http::root_cause(&error)))
}

/// `ring` named here and not as the process's default: a library sets no process-wide state.
fn tls(used: bool) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = if used {
        builder.with_platform_verifier()?
    } else {
        builder.with_root_certificates(RootCertStore::empty())
    };
    Ok(builder.with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_goes_past_the_proxy() {
        for (url, tls, direct) in [
            ("http://127.0.0.1:1/", false, true),
            ("http://[::1]/", false, true),
            ("https://localhost/", true, true),
            ("https://example.com/", true, false),
            ("http://localhost.example.com/", false, false),
        ] {
            assert_eq!(Way::to(&url.parse().unwrap()), Way { tls, direct }, "{url}");
        }
    }
}
