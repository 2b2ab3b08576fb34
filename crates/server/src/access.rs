//! Who is let in: the token, sessions of browsers, and a limit on wrong guesses.
//!
//! # Invariants
//!
//! - Tokens and sessions are compared by keyed hashes, in constant time; neither is stored, logged or answered.
//! - A session ends with its time, with its logout, with another token, or for one too many; never by a restart or a
//!   clock that is set. What it opened ends with it ([`Pass`]).
//! - The right token is taken at any time: nobody's guesses lock anybody out. Guesses from this machine and from
//!   elsewhere are counted apart.

mod failures;
mod handlers;
mod sessions;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderMap, header};
use hinomi_base::clock::Clock;
use hinomi_config::Secret;
use ring::hmac;
use tokio::sync::watch;

use crate::Error;
use failures::Failures;
pub(crate) use handlers::session;
use sessions::Kept;

/// Begin of the name of the cookie that carries a session; the installation's id follows. Browsers do not tell ports
/// apart: two of Hinomi on one host, as by two `ssh -L`, would take each other's cookie.
const COOKIE: &str = "hinomi_session_";
/// Cookies of one request that are looked at.
const COOKIES_MAX: usize = 64;

/// The check of tokens and sessions. Without a token everybody is let in.
#[derive(Debug)]
pub(crate) struct Gate {
    lock: Option<Arc<Lock>>,
}

/// What let a request in, for answers that go on: a session may end before they do.
#[derive(Clone, Debug)]
pub(crate) struct Pass(Option<Session>);

#[derive(Clone, Debug)]
struct Session {
    lock: Arc<Lock>,
    mac: sessions::Mac,
    changes: watch::Receiver<()>,
}

#[derive(Debug)]
struct Lock {
    clock: Clock,
    /// Made of the token: another token is another key, so old sessions fit no more.
    key: hmac::Key,
    token: hmac::Tag,
    sessions: Kept,
    cookie: String,
    near: Mutex<Failures>,
    far: Mutex<Failures>,
}

impl Gate {
    /// Sessions are kept in a file of `data_dir`.
    pub(crate) fn new(token: Option<&Secret>, data_dir: &Path) -> Result<Self, Error> {
        let lock = token.map(|token| Lock::new(token, data_dir)).transpose()?;
        Ok(Self { lock: lock.map(Arc::new) })
    }

    /// Whether somebody has to know a token.
    pub(crate) fn is_locked(&self) -> bool {
        self.lock.is_some()
    }

    /// Name of the cookie that carries a session, where there are any.
    fn cookie(&self) -> Option<&str> {
        self.lock.as_ref().map(|lock| lock.cookie.as_str())
    }

    /// Lets a request in that carries the token or a session. `near`: it comes from this machine.
    pub(crate) fn admit(&self, headers: &HeaderMap, near: bool) -> Result<Pass, Error> {
        let Some(lock) = &self.lock else { return Ok(Pass(None)) };
        if let Some(mac) = lock.session(headers) {
            let changes = lock.sessions.changes();
            return Ok(Pass(Some(Session { lock: Arc::clone(lock), mac, changes })));
        }
        let token = bearer(headers).ok_or(Error::NoToken)?;
        lock.check_token(token, near)?;
        Ok(Pass(None))
    }

    /// A session, for whoever knows the token: what the cookie says. `None`: no token is asked for.
    fn log_in(&self, token: &str, near: bool) -> Result<Option<String>, Error> {
        let Some(lock) = &self.lock else { return Ok(None) };
        lock.check_token(token, near)?;
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
        for id in cookies(headers, &lock.cookie) {
            lock.sessions.remove(&lock.mac_of(id));
        }
    }
}

impl Pass {
    /// Whether it would still let in. A token does so as long as this process lives.
    pub(crate) fn holds(&self) -> bool {
        let open =
            |session: &Session| session.lock.sessions.contains(&session.mac, secs(&session.lock.clock));
        self.0.as_ref().is_none_or(open)
    }

    /// Until it may hold no more, by somebody's doing; a session's time ends without a word.
    pub(crate) async fn doubted(&mut self) {
        let alive = match &mut self.0 {
            Some(session) => session.changes.changed().await.is_ok(),
            None => false,
        };
        if !alive {
            std::future::pending::<()>().await;
        }
    }
}

impl Lock {
    fn new(token: &Secret, data_dir: &Path) -> Result<Self, Error> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, token.expose().as_bytes());
        let clock = Clock::system();
        let sessions = Kept::new(data_dir.join(sessions::FILE), secs(&clock))?;
        Ok(Self {
            token: hmac::sign(&key, token.expose().as_bytes()),
            key,
            cookie: format!("{COOKIE}{}", sessions.installation()),
            sessions,
            clock,
            near: Mutex::default(),
            far: Mutex::default(),
        })
    }

    fn mac_of(&self, id: &str) -> sessions::Mac {
        sessions::mac(&self.key, id)
    }

    /// The open session that a request carries.
    fn session(&self, headers: &HeaderMap) -> Option<sessions::Mac> {
        let now = secs(&self.clock);
        cookies(headers, &self.cookie).map(|id| self.mac_of(id)).find(|mac| self.sessions.contains(mac, now))
    }

    /// The right token passes whatever came before it: its length is what stands against guessing, and a limit that it
    /// falls under is one by which anybody shuts everybody out. A wrong one is told so, or refused when there are many.
    fn check_token(&self, token: &str, near: bool) -> Result<(), Error> {
        // The hash of what was presented, against the hash of the token: the time says nothing about the token.
        if hmac::verify(&self.key, token.as_bytes(), self.token.as_ref()).is_ok() {
            return Ok(());
        }
        let failures = if near { &self.near } else { &self.far };
        let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
        let now = secs(&self.clock);
        if let Some(seconds) = failures.locked_for(now) {
            return Err(Error::Guessing(seconds));
        }
        failures.add(now);
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
fn cookies<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let pairs = all.flat_map(|value| value.split(';')).take(COOKIES_MAX);
    pairs.filter_map(move |pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const TOKEN: &str = "0123456789abcdef";
    const FAR: bool = false;
    const NEAR: bool = true;

    fn gate(token: &str, folder: &Path) -> Gate {
        Gate::new(Some(&Secret::new(token)), folder).expect("the system gives random bytes")
    }

    fn cookie(gate: &Gate, id: &str) -> String {
        format!("{}={id}", gate.cookie().unwrap_or_default())
    }

    fn with(name: header::HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(&name, HeaderValue::from_str(value).expect("it is ASCII"));
        }
        headers
    }

    fn said<T>(result: &Result<T, Error>) -> &'static str {
        match result {
            Ok(_) => "in",
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
            let open = Gate::new(None, folder.path())
                .expect("no token")
                .admit(&with(header::AUTHORIZATION, values), FAR);
            assert_eq!(said(&open), "in", "{values:?} without a token");
        }
        Ok(())
    }

    #[test]
    fn guesses_lock_nobody_out() -> std::io::Result<()> {
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
        assert_eq!(said(&gate.admit(&wrong, NEAR)), "wrong", "counted apart");
        for _ in 0..failures::MAX {
            let _wrong = gate.admit(&wrong, NEAR);
        }
        assert_eq!(said(&gate.admit(&wrong, NEAR)), "limited");
        for whence in [NEAR, FAR] {
            assert_eq!(said(&gate.admit(&right, whence)), "in");
            assert_eq!(said(&gate.log_in(TOKEN, whence)), "in");
            let cookie = with(header::COOKIE, &[&cookie(&gate, &id)]);
            assert_eq!(said(&gate.admit(&cookie, whence)), "in");
        }
        Ok(())
    }

    #[test]
    fn a_session_outlives_a_restart_but_no_logout_and_no_other_token() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let first = gate(TOKEN, folder.path());
        let id = first.log_in(TOKEN, FAR).ok().flatten().expect("the token is right");
        let name = first.cookie().unwrap_or_default();
        let cookie = with(header::COOKIE, &[&format!("a=b; {name}={id}; c=d")]);
        assert_eq!(said(&gate(TOKEN, folder.path()).admit(&cookie, FAR)), "in", "after a restart");
        assert_eq!(said(&gate("fedcba9876543210", folder.path()).admit(&cookie, FAR)), "none", "other token");
        for wrong in [
            "",
            &format!("{name}="),
            &format!("{name}={id}0"),
            &format!("x{name}={id}"),
            &format!("{COOKIE}={id}"),
        ] {
            let cookie = with(header::COOKIE, &[wrong]);
            assert_eq!(said(&gate(TOKEN, folder.path()).admit(&cookie, FAR)), "none", "{wrong}");
        }
        let stored = std::fs::read_to_string(folder.path().join(sessions::FILE))?;
        assert!(!stored.contains(&id) && !stored.contains(TOKEN), "{stored}");
        gate(TOKEN, folder.path()).log_out(&cookie);
        assert_eq!(said(&gate(TOKEN, folder.path()).admit(&cookie, FAR)), "none", "after the logout");
        Ok(())
    }

    #[test]
    fn two_of_hinomi_on_one_host_keep_their_cookies_apart() -> std::io::Result<()> {
        let folders = [tempfile::tempdir()?, tempfile::tempdir()?];
        let gates = folders.each_ref().map(|folder| gate(TOKEN, folder.path()));
        let ids = gates.each_ref().map(|gate| gate.log_in(TOKEN, NEAR).ok().flatten().expect("it is right"));
        // One jar, in which a name stands for one cookie.
        let jar: std::collections::BTreeMap<_, _> = gates.iter().map(Gate::cookie).zip(&ids).collect();
        let line: Vec<_> =
            jar.iter().map(|(name, id)| format!("{}={id}", name.unwrap_or_default())).collect();
        let cookies = with(header::COOKIE, &[&line.join("; ")]);
        for gate in &gates {
            assert_eq!(said(&gate.admit(&cookies, NEAR)), "in");
        }
        gates[0].log_out(&cookies);
        assert_eq!(gates.each_ref().map(|gate| said(&gate.admit(&cookies, NEAR))), ["none", "in"]);
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn a_pass_ends_with_its_session() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let gate = gate(TOKEN, folder.path());
        let log_in = || gate.log_in(TOKEN, FAR).ok().flatten().expect("the token is right");
        let (one, other) = (log_in(), log_in());
        let [one, other] = [one, other].map(|id| with(header::COOKIE, &[&cookie(&gate, &id)]));
        let token = with(header::AUTHORIZATION, &["Bearer 0123456789abcdef"]);
        let pass = |headers| gate.admit(headers, FAR).expect("it is let in");
        let (mut first, mut by_token) = (pass(&one), pass(&token));
        gate.log_out(&other);
        first.doubted().await;
        assert!(first.holds(), "another one's logout");
        gate.log_out(&one);
        first.doubted().await;
        assert!(!first.holds());
        assert!(by_token.holds());
        let long = std::time::Duration::from_secs(60);
        assert!(tokio::time::timeout(long, by_token.doubted()).await.is_err(), "nothing ends a token");
        Ok(())
    }
}
