//! dockerd's raw API over its unix socket: cheaper and more exact than the CLI, and independent of Hinomi's client.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use hinomi_testkit::docker::{IMAGE, PrivateDocker};
use serde_json::{Value, json};

use crate::numbers::monotonic_ns;

/// Longest wait for an answer: a start on a busy machine, or the end of a container.
const PATIENCE: Duration = Duration::from_secs(120);
const EVENTS_MAX: usize = 1_000_000;

/// A client. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Engine {
    socket: PathBuf,
    label: String,
}

/// What a container is made from: `Cmd`, and no network, which would cost more than all the rest.
#[must_use]
pub fn container(command: &[&str]) -> Value {
    json!({ "Image": IMAGE, "Cmd": command, "HostConfig": { "NetworkMode": "none" } })
}

impl Engine {
    /// Of a private dockerd.
    #[must_use]
    pub fn new(docker: &PrivateDocker) -> Self {
        Self { socket: docker.socket(), label: docker.label() }
    }

    /// One request over HTTP/1.0; its answer's body as JSON, `Null` if empty.
    ///
    /// # Errors
    ///
    /// When there is no answer, or its status is 400 or above: the message carries what it said.
    pub fn call(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        self.ask(method, path, body)?.finish()
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Answer> {
        let what = format!("{method} {path}");
        let mut stream = UnixStream::connect(&self.socket).context("connect to dockerd")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let length = body.len();
        let request =
            format!("{what} HTTP/1.0\r\nHost: docker\r\n{kind}Content-Length: {length}\r\n\r\n{body}");
        stream.write_all(request.as_bytes())?;
        Ok(Answer { reader: BufReader::new(stream), what })
    }

    /// Makes a container; returns its id.
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    pub fn create(&self, name: &str, mut spec: Value) -> Result<String> {
        let (key, value) = self.label.split_once('=').unwrap_or((&self.label, ""));
        spec["Labels"] = json!({ key: value });
        let made = self.call("POST", &format!("/containers/create?name={name}"), &spec)?;
        Ok(made["Id"].as_str().context("no Id in dockerd's answer")?.to_owned())
    }

    /// Starts a container.
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    pub fn start(&self, id: &str) -> Result<()> {
        self.act(id, "start")
    }

    /// `POST /containers/ID/ACTION` without a body.
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    pub fn act(&self, id: &str, action: &str) -> Result<()> {
        self.call("POST", &format!("/containers/{id}/{action}"), &Value::Null).map(drop)
    }

    /// Makes and starts a container; returns its id.
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    pub fn run(&self, name: &str, spec: Value) -> Result<String> {
        let id = self.create(name, spec)?;
        self.start(&id)?;
        Ok(id)
    }

    /// Starts a container and waits for its end; returns the exit code. The wait stands before the start, so the
    /// end of the shortest container is not missed.
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    pub fn run_to_end(&self, id: &str) -> Result<i64> {
        let mut wait =
            self.ask("POST", &format!("/containers/{id}/wait?condition=next-exit"), &Value::Null)?;
        let status = wait.head()?;
        self.start(id)?;
        let end = wait.rest(status)?;
        end["StatusCode"].as_i64().context("no StatusCode in dockerd's answer")
    }

    /// Removes a container that has ended.
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    pub fn remove(&self, id: &str) -> Result<()> {
        self.call("DELETE", &format!("/containers/{id}"), &Value::Null).map(drop)
    }

    /// Follows the events of containers from now on.
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    pub fn events(&self) -> Result<Events> {
        // {"type":["container"]}
        let path = "/events?filters=%7B%22type%22%3A%5B%22container%22%5D%7D";
        let mut answer = self.ask("GET", path, &Value::Null)?;
        let status = answer.head()?;
        if status != 200 {
            bail!("GET /events: status {status}");
        }
        let stream = answer.reader.get_ref().try_clone()?;
        stream.set_read_timeout(None)?;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let inner = Arc::clone(&seen);
        let body = move || {
            for line in answer.reader.lines() {
                let Ok(line) = line else { break };
                let arrived = monotonic_ns();
                let mut seen = lock(&inner);
                if seen.len() < EVENTS_MAX {
                    seen.extend(Event::parse(&line, arrived));
                }
            }
        };
        let thread = std::thread::Builder::new().name("docker-events".into()).spawn(body)?;
        Ok(Events { seen, stream, thread: Some(thread) })
    }
}

struct Answer {
    reader: BufReader<UnixStream>,
    what: String,
}

impl Answer {
    /// Reads up to the body; returns the status.
    fn head(&mut self) -> Result<u16> {
        let mut first = String::new();
        self.reader.read_line(&mut first).with_context(|| self.what.clone())?;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let mut line = String::new();
        while self.reader.read_line(&mut line)? > 2 {
            line.clear();
        }
        status.with_context(|| format!("{}: no HTTP in the answer", self.what))
    }

    fn rest(mut self, status: u16) -> Result<Value> {
        let mut body = Vec::new();
        self.reader.read_to_end(&mut body).with_context(|| self.what.clone())?;
        if status >= 400 {
            bail!("{}: status {status}: {}", self.what, String::from_utf8_lossy(&body).trim());
        }
        Ok(serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    fn finish(mut self) -> Result<Value> {
        let status = self.head()?;
        self.rest(status)
    }
}

/// An event of a container.
#[derive(Clone, Debug)]
pub struct Event {
    /// When it arrived here, `CLOCK_MONOTONIC`, nanoseconds.
    pub arrived_ns: i64,
    /// dockerd's stamp, nanoseconds since the epoch.
    pub at_ns: i64,
    /// `create`, `start`, `die`, …
    pub action: String,
    /// Container.
    pub id: String,
}

impl Event {
    fn parse(line: &str, arrived_ns: i64) -> Option<Self> {
        let event: Value = serde_json::from_str(line).ok()?;
        Some(Self {
            arrived_ns,
            at_ns: event["timeNano"].as_i64()?,
            action: event["Action"].as_str()?.to_owned(),
            id: event["Actor"]["ID"].as_str()?.to_owned(),
        })
    }
}

/// Followed events; dropping it ends that.
#[derive(Debug)]
pub struct Events {
    seen: Arc<Mutex<Vec<Event>>>,
    stream: UnixStream,
    thread: Option<JoinHandle<()>>,
}

impl Events {
    /// All so far.
    #[must_use]
    pub fn all(&self) -> Vec<Event> {
        lock(&self.seen).clone()
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let _gone = self.stream.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

fn lock(seen: &Mutex<Vec<Event>>) -> MutexGuard<'_, Vec<Event>> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
