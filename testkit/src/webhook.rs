//! A webhook receiver that stamps what arrives, and misbehaves on demand.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::time::{ClockId, clock_gettime};

const BODY_MAX: u64 = 4 << 20;
const HEADERS_MAX: usize = 100;
/// As many requests are kept; more would be a test gone wild.
const KEPT_MAX: usize = 20_000;
const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// How it answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// 200.
    #[default]
    Ok,
    /// Another status.
    Status(u16),
    /// 429 with `Retry-After` of so many seconds.
    Throttle(u32),
    /// Takes the request and never answers.
    Hang,
    /// Nothing listens: connection refused.
    Refuse,
}

/// A request that arrived in full.
#[derive(Clone, Debug)]
pub struct Request {
    /// Arrival, `CLOCK_REALTIME`, nanoseconds.
    pub realtime_ns: i64,
    /// Arrival, `CLOCK_MONOTONIC`, nanoseconds: comparable with [`crate::kernel::Victim`].
    pub monotonic_ns: i64,
    /// Path with query.
    pub path: String,
    /// Headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Body as JSON; `Null` if it is none.
    pub body: serde_json::Value,
    /// Status it was answered with; 0 = none (hang).
    pub answered: u16,
}

#[derive(Debug, Default)]
struct Seen {
    mode: Mode,
    requests: Vec<Request>,
}

#[derive(Debug, Default)]
struct Shared {
    seen: Mutex<Seen>,
    more: Condvar,
    stop: AtomicBool,
    listening: AtomicBool,
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The receiver; dropping it ends it.
#[derive(Debug)]
pub struct Receiver {
    shared: Arc<Shared>,
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl Receiver {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn start() -> Result<Self> {
        Self::start_in(None)
    }

    /// Listens on a free port of 127.0.0.1 of a network namespace.
    ///
    /// # Errors
    ///
    /// When there is none, or the namespace cannot be entered.
    pub fn start_in(netns: Option<&Path>) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let (sender, receiver) = mpsc::sync_channel(1);
        let (inner, netns) = (shared.clone(), netns.map(Path::to_path_buf));
        let thread =
            std::thread::Builder::new().name("webhook".into()).spawn(move || match open(netns.as_ref()) {
                Ok((listener, address)) => {
                    let _waiting = sender.send(Ok(address));
                    serve(&inner, listener, address);
                }
                Err(error) => drop(sender.send(Err(error))),
            })?;
        let address = receiver.recv().context("the receiver's thread died")??;
        Ok(Self { shared, address, thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// URL to give to whoever sends.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// From now on it answers like this. Returns once it holds (a closed port is closed, an open one open).
    pub fn set_mode(&self, mode: Mode) {
        self.shared.seen().mode = mode;
        let listening = mode != Mode::Refuse;
        let _late = crate::process::wait_for("change of the port", Duration::from_secs(5), || {
            (self.shared.listening.load(Ordering::SeqCst) == listening).then_some(())
        });
    }

    /// All that arrived so far.
    #[must_use]
    pub fn received(&self) -> Vec<Request> {
        self.shared.seen().requests.clone()
    }

    /// Forgets what arrived.
    pub fn clear(&self) {
        self.shared.seen().requests.clear();
    }

    /// The first request, past or to come, that `wanted` accepts.
    ///
    /// # Errors
    ///
    /// When none came within `limit`; the message shows what came instead.
    pub fn wait_for(&self, limit: Duration, mut wanted: impl FnMut(&Request) -> bool) -> Result<Request> {
        let end = Instant::now() + limit;
        let mut looked_at = 0;
        let mut seen = self.shared.seen();
        loop {
            if let Some(found) = seen.requests.iter().skip(looked_at).find(|request| wanted(request)) {
                return Ok(found.clone());
            }
            looked_at = seen.requests.len();
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let came: Vec<String> = seen.requests.iter().map(|r| r.body.to_string()).collect();
                bail!("no such request within {limit:?}; {} came:\n{}", came.len(), came.join("\n"));
            }
            seen = self.shared.more.wait_timeout(seen, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

fn open(netns: Option<&PathBuf>) -> Result<(TcpListener, SocketAddr)> {
    if let Some(netns) = netns {
        crate::net::enter(netns)?;
    }
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("listen on 127.0.0.1")?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

fn serve(shared: &Arc<Shared>, first: TcpListener, address: SocketAddr) {
    let mut listener = Some(first);
    while !shared.stop.load(Ordering::SeqCst) {
        if shared.seen().mode == Mode::Refuse {
            listener = None;
        } else if listener.is_none() {
            listener = TcpListener::bind(address).ok();
        }
        shared.listening.store(listener.is_some(), Ordering::SeqCst);
        let Some(open) = &listener else {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        };
        let mut ready = [PollFd::new(open, PollFlags::IN)];
        if !matches!(rustix::event::poll(&mut ready, Some(&TICK)), Ok(1)) {
            continue;
        }
        if let Ok((stream, _)) = open.accept() {
            let shared = shared.clone();
            let handle = move || drop(answer(&shared, stream));
            let _refused = std::thread::Builder::new().name("webhook-request".into()).spawn(handle);
        }
    }
}

fn answer(shared: &Shared, stream: TcpStream) -> Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let (path, headers) = read_head(&mut reader)?;
    let length: u64 = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = Vec::new();
    reader.take(length.min(BODY_MAX)).read_to_end(&mut body)?;
    let (realtime_ns, monotonic_ns) = (now_ns(ClockId::Realtime), now_ns(ClockId::Monotonic));
    let body = serde_json::from_slice(&body).unwrap_or(serde_json::Value::Null);
    let mode = {
        let mut seen = shared.seen();
        let answered = match seen.mode {
            Mode::Ok => 200,
            Mode::Status(status) => status,
            Mode::Throttle(_) => 429,
            Mode::Hang | Mode::Refuse => 0,
        };
        if seen.requests.len() < KEPT_MAX {
            seen.requests.push(Request { realtime_ns, monotonic_ns, path, headers, body, answered });
        }
        seen.mode
    };
    shared.more.notify_all();
    reply(shared, stream, mode)
}

fn read_head(reader: &mut BufReader<TcpStream>) -> Result<(String, BTreeMap<String, String>)> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).context("no path in the request")?.to_owned();
    let mut headers = BTreeMap::new();
    for _ in 0..HEADERS_MAX {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    Ok((path, headers))
}

fn reply(shared: &Shared, mut stream: TcpStream, mode: Mode) -> Result<()> {
    let (status, extra) = match mode {
        Mode::Ok => (200, String::new()),
        Mode::Status(status) => (status, String::new()),
        Mode::Throttle(seconds) => (429, format!("Retry-After: {seconds}\r\n")),
        Mode::Refuse => return Ok(()),
        Mode::Hang => {
            while shared.seen().mode == Mode::Hang && !shared.stop.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(20));
            }
            return Ok(());
        }
    };
    let head = format!("HTTP/1.1 {status} -\r\n{extra}Content-Length: 0\r\nConnection: close\r\n\r\n");
    Ok(stream.write_all(head.as_bytes())?)
}

/// A clock of the system in nanoseconds.
pub(crate) fn now_ns(clock: ClockId) -> i64 {
    let now = clock_gettime(clock);
    now.tv_sec.saturating_mul(1_000_000_000).saturating_add(now.tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Answer, request};

    fn post(to: SocketAddr, text: &str) -> Result<Answer> {
        request(None, to, "POST", "/hook", &[("X-Key", "k")], text.as_bytes(), Duration::from_millis(500))
    }

    #[test]
    fn records_and_obeys_its_mode() {
        let receiver = Receiver::start().unwrap();
        let before = now_ns(ClockId::Monotonic);
        assert_eq!(post(receiver.address(), r#"{"n":1}"#).unwrap().status, 200);
        receiver.set_mode(Mode::Throttle(7));
        let throttled = post(receiver.address(), r#"{"n":2}"#).unwrap();
        assert!(throttled.status == 429 && throttled.head.contains("Retry-After: 7"), "{throttled:?}");
        receiver.set_mode(Mode::Status(503));
        assert_eq!(post(receiver.address(), r#"{"n":3}"#).unwrap().status, 503);
        receiver.set_mode(Mode::Hang);
        assert!(post(receiver.address(), r#"{"n":4}"#).is_err());
        receiver.set_mode(Mode::Refuse);
        let refused = post(receiver.address(), r#"{"n":5}"#).unwrap_err();
        assert!(format!("{refused:#}").contains("refused"), "{refused:#}");
        receiver.set_mode(Mode::Ok);
        assert_eq!(post(receiver.address(), r#"{"n":6}"#).unwrap().status, 200);

        let sixth = receiver.wait_for(Duration::from_secs(2), |r| r.body["n"] == 6).unwrap();
        assert!(sixth.monotonic_ns > before && sixth.headers["x-key"] == "k");
        let all: Vec<(i64, u16)> =
            receiver.received().iter().map(|r| (r.body["n"].as_i64().unwrap_or(0), r.answered)).collect();
        assert_eq!(all, [(1, 200), (2, 429), (3, 503), (4, 0), (6, 200)]);
        let missing = receiver.wait_for(Duration::from_millis(30), |r| r.body["n"] == 5).unwrap_err();
        assert!(missing.to_string().contains("5 came"), "{missing}");
    }
}
