//! Who is let in: the token, sessions of browsers, and a limit on wrong guesses.
//!
//! # Invariants
//!
//! - Tokens and sessions are compared by keyed hashes, in constant time; neither is stored, logged or answered.
//! - A session ends with its time, with its logout, or with another token; never by a restart.
//! - Whoever comes from this machine can't be locked out by guesses from elsewhere.

mod failures;
mod handlers;
mod sessions;

use std::net::IpAddr;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use axum::http::{HeaderMap, header};
use hinomi_base::clock::Clock;
use hinomi_config::Secret;
use ring::hmac;

use crate::Error;
use failures::Failures;
pub(crate) use handlers::session;
use sessions::Kept;

/// Name of the cookie that carries a session.
pub(crate) const COOKIE: &str = "hinomi_session";
/// Cookies of one request that are looked at.
const COOKIES_MAX: usize = 64;

/// The check of tokens and sessions. Without a token everybody is let in.
#[derive(Debug)]
pub(crate) struct Gate {
    lock: Option<Lock>,
}

#[derive(Debug)]
struct Lock {
    clock: Clock,
    /// Made of the token: another token is another key, so old sessions fit no more.
    key: hmac::Key,
    token: hmac::Tag,
    sessions: Kept,
    near: Mutex<Failures>,
    far: Mutex<Failures>,
}

impl Gate {
    /// Sessions are kept in a file of `data_dir`.
    pub(crate) fn new(token: Option<&Secret>, data_dir: &Path) -> Self {
        let lock = token.map(|token| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, token.expose().as_bytes());
            let clock = Clock::system();
            Lock {
                token: hmac::sign(&key, token.expose().as_bytes()),
                key,
                sessions: Kept::new(data_dir.join(sessions::FILE), secs(&clock)),
                clock,
                near: Mutex::default(),
                far: Mutex::default(),
            }
        });
        Self { lock }
    }

    /// Whether somebody has to know a token.
    pub(crate) fn is_locked(&self) -> bool {
        self.lock.is_some()
    }

    /// Lets a request in that carries the token or a session.
    pub(crate) fn admit(&self, headers: &HeaderMap, peer: IpAddr) -> Result<(), Error> {
        let Some(lock) = &self.lock else { return Ok(()) };
        if lock.has_session(headers) {
            return Ok(());
        }
        match bearer(headers) {
            Some(token) => lock.check_token(token, peer),
            None => Err(Error::NoToken),
        }
    }

    /// A session, for whoever knows the token: what the cookie says. `None`: no token is asked for.
    fn log_in(&self, token: &str, peer: IpAddr) -> Result<Option<String>, Error> {
        let Some(lock) = &self.lock else { return Ok(None) };
        lock.check_token(token, peer)?;
        let id = sessions::new_id()?;
        lock.sessions.change(|sessions| {
            sessions.add(lock.mac_of(&id), secs(&lock.clock));
            true
        });
        Ok(Some(id))
    }

    /// Ends the session of this request, if it has one.
    fn log_out(&self, headers: &HeaderMap) {
        let Some(lock) = &self.lock else { return };
        for id in cookies(headers) {
            lock.sessions.change(|sessions| sessions.remove(&lock.mac_of(id)));
        }
    }
}

impl Lock {
    fn mac_of(&self, id: &str) -> sessions::Mac {
        sessions::mac(&self.key, id)
    }

    fn has_session(&self, headers: &HeaderMap) -> bool {
        cookies(headers).any(|id| self.sessions.contains(&self.mac_of(id), secs(&self.clock)))
    }

    fn check_token(&self, token: &str, peer: IpAddr) -> Result<(), Error> {
        let failures = if peer.to_canonical().is_loopback() { &self.near } else { &self.far };
        let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seconds) = failures.locked_for(secs(&self.clock)) {
            return Err(Error::Guessing(seconds));
        }
        // The hash of what was presented, against the hash of the token: the time says nothing about the token.
        if hmac::verify(&self.key, token.as_bytes(), self.token.as_ref()).is_ok() {
            return Ok(());
        }
        failures.add(secs(&self.clock));
        Err(Error::WrongToken)
    }
}

/// Seconds since 1970.
fn secs(clock: &Clock) -> u64 {
    u64::try_from(clock.now() / 1_000_000_000).unwrap_or(0)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (first, second) = (all.next()?, all.next());
    let (scheme, token) = first.to_str().ok().filter(|_| second.is_none())?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// What the session cookies of a request say; usually one.
fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let pairs = all.flat_map(|value| value.split(';')).take(COOKIES_MAX);
    pairs.filter_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const TOKEN: &str = "0123456789abcdef";
    const FAR: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 9));
    const NEAR: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn gate(token: &str, folder: &Path) -> Gate {
        Gate::new(Some(&Secret::new(token)), folder)
    }

    fn with(name: header::HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(&name, HeaderValue::from_str(value).expect("it is ASCII"));
        }
        headers
    }

    fn said(result: &Result<(), Error>) -> &'static str {
        match result {
            Ok(()) => "in",
            Err(Error::NoToken) => "none",
            Err(Error::WrongToken) => "wrong",
            Err(Error::Guessing(_)) => "limited",
            Err(_) => "other",
        }
    }

    #[test]
    fn what_an_authorization_header_opens() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let table: &[(&[&str], &str)] = &[
            (&["Bearer 0123456789abcdef"], "in"),
            (&["bearer 0123456789abcdef"], "in"),
            (&["Bearer  0123456789abcdef "], "in"),
            (&["Bearer 0123456789abcdeF"], "wrong"),
            (&["Bearer 0123456789abcde"], "wrong"),
            (&["Bearer 0123456789abcdef0"], "wrong"),
            (&["Bearer "], "wrong"),
            (&["Bearer"], "none"),
            (&["Basic 0123456789abcdef"], "none"),
            (&["0123456789abcdef"], "none"),
            (&["Bearer 0123456789abcdef", "Bearer x"], "none"),
            (&[], "none"),
        ];
        for (values, want) in table {
            let gate = gate(TOKEN, folder.path());
            let got = gate.admit(&with(header::AUTHORIZATION, values), FAR);
            assert_eq!(said(&got), *want, "{values:?}");
            let open = Gate::new(None, folder.path()).admit(&with(header::AUTHORIZATION, values), FAR);
            assert_eq!(said(&open), "in", "{values:?} without a token");
        }
        Ok(())
    }

    #[test]
    fn guesses_from_elsewhere_lock_out_only_elsewhere() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let gate = gate(TOKEN, folder.path());
        let (right, wrong) = (
            with(header::AUTHORIZATION, &["Bearer 0123456789abcdef"]),
            with(header::AUTHORIZATION, &["Bearer no"]),
        );
        let id = gate.log_in(TOKEN, FAR).ok().flatten().expect("the token is right");
        let all: Vec<_> = (0..=failures::MAX).map(|_| said(&gate.admit(&wrong, FAR))).collect();
        assert_eq!(all.iter().filter(|said| **said == "wrong").count(), failures::MAX);
        assert_eq!(all.last(), Some(&"limited"));
        assert_eq!(said(&gate.admit(&right, FAR)), "limited", "else guessing could go on");
        assert_eq!(said(&gate.admit(&right, NEAR)), "in");
        let cookie = format!("{COOKIE}={id}");
        assert_eq!(said(&gate.admit(&with(header::COOKIE, &[&cookie]), FAR)), "in", "who is in stays in");
        Ok(())
    }

    #[test]
    fn a_session_outlives_a_restart_but_no_logout_and_no_other_token() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let id = gate(TOKEN, folder.path()).log_in(TOKEN, FAR).ok().flatten().expect("the token is right");
        let cookie = with(header::COOKIE, &[&format!("a=b; {COOKIE}={id}; c=d")]);
        assert_eq!(said(&gate(TOKEN, folder.path()).admit(&cookie, FAR)), "in", "after a restart");
        assert_eq!(said(&gate("fedcba9876543210", folder.path()).admit(&cookie, FAR)), "none", "other token");
        for wrong in ["", "hinomi_session=", &format!("{COOKIE}={id}0"), &format!("x{COOKIE}={id}")] {
            let cookie = with(header::COOKIE, &[wrong]);
            assert_eq!(said(&gate(TOKEN, folder.path()).admit(&cookie, FAR)), "none", "{wrong}");
        }
        let stored = std::fs::read_to_string(folder.path().join(sessions::FILE))?;
        assert!(!stored.contains(&id) && !stored.contains(TOKEN), "{stored}");
        gate(TOKEN, folder.path()).log_out(&cookie);
        assert_eq!(said(&gate(TOKEN, folder.path()).admit(&cookie, FAR)), "none", "after the logout");
        Ok(())
    }
}
