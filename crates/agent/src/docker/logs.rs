//! The end of each container's log, kept ready for its death.
//!
//! # In one breath
//!
//! A [`Follower`] reads a running container's log stream into a small ring. When the container dies the stream ends,
//! and [`Follower::finish`] hands the ring out, redacted. [`Rings`] shows what is in the ring of one that runs. Where nothing can be followed, [`read_tail`] asks once.
//!
//! # Invariants
//!
//! - A ring holds at most the configured lines and bytes, drawn from the budget; a line is cut at [`LINE_BYTES`] while
//!   it comes in, so a log without line ends needs no more.
//! - A container that logs too fast is not followed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use hinomi_base::budget::Share;
use hinomi_model::{LogLine, LogTail, Nanos};
use http_body_util::BodyExt as _;
use tokio::time::Instant;

use super::client::Client;
use super::container::Context;
use super::inspect::cut;
use super::task::Task;
use super::{Error, Options};
use crate::redact::LineRedactor;

/// Longest line kept.
pub(crate) const LINE_BYTES: usize = 4096;
const CUT_MARK: &str = " ...[cut]";
/// Lines a second above which following costs more than it gives ...
const FAST_LINES: u32 = 500;
/// ... when it lasts so many seconds.
const FAST_SECONDS: u32 = 5;
/// Most logs followed at once.
pub(crate) const MAX_FOLLOWERS: usize = 1024;
/// Time for one direct read at a death that came before the log could be followed: an engine that is busy starting
/// others answers late, and without the lines nobody sees why it died.
const READ_TIMEOUT: Duration = Duration::from_millis(1000);

/// Note where the engine was away while the container ran.
pub(crate) const LOST_WITH_ENGINE: &str =
    "the engine was away while it ran: what it wrote then may be missing, the log could not be followed";

/// A line as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    at: Option<Nanos>,
    stderr: bool,
    text: String,
}

/// The last lines.
#[derive(Debug)]
struct Ring {
    lines: VecDeque<Line>,
    bytes: usize,
    max_lines: usize,
    max_bytes: usize,
    note: Option<String>,
    /// The engine began to answer: what the log holds is in here, or on its way.
    is_open: bool,
    /// The stream broke before its end.
    is_broken: bool,
}

impl Ring {
    fn new(options: &Options) -> Self {
        Self {
            lines: VecDeque::new(),
            bytes: 0,
            max_lines: options.log_lines,
            max_bytes: options.log_bytes,
            note: None,
            is_open: false,
            is_broken: false,
        }
    }

    fn push(&mut self, line: Line) {
        self.bytes += line.text.len();
        self.lines.push_back(line);
        while self.lines.len() > self.max_lines || self.bytes > self.max_bytes {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.bytes -= oldest.text.len();
        }
    }
}

/// The rings of all containers that run, by id: whoever wants to see a log now looks here. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rings(Arc<Mutex<BTreeMap<String, Arc<Mutex<Ring>>>>>);

impl Rings {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Mutex<Ring>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, id: &str, ring: &Arc<Mutex<Ring>>) {
        self.all().insert(id.to_owned(), Arc::clone(ring));
    }

    /// A later run of the same container may have its ring here already.
    fn hide(&self, id: &str, ring: &Arc<Mutex<Ring>>) {
        let mut all = self.all();
        if all.get(id).is_some_and(|shown| Arc::ptr_eq(shown, ring)) {
            all.remove(id);
        }
    }

    /// The last lines of a container that runs, redacted.
    pub(crate) fn tail(&self, id: &str) -> Option<LogTail> {
        let ring = self.all().get(id).cloned()?;
        let (lines, note) = {
            let ring = ring.lock().unwrap_or_else(PoisonError::into_inner);
            (ring.lines.iter().cloned().collect(), ring.note.clone())
        };
        Some(tail(lines, note))
    }
}

/// Cuts a log stream into lines: with the engine's 8-byte frames, or raw from a terminal.
#[derive(Debug)]
pub(crate) struct Decoder {
    raw: bool,
    head: Vec<u8>,
    left: usize,
    stderr: bool,
    line: Vec<u8>,
    is_cut: bool,
}

impl Decoder {
    pub(crate) fn new(tty: bool) -> Self {
        Self {
            raw: tty,
            head: Vec::with_capacity(8),
            left: 0,
            stderr: false,
            line: Vec::new(),
            is_cut: false,
        }
    }

    /// Takes what came; calls `each` for every whole line.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], each: &mut impl FnMut(Line)) {
        while !bytes.is_empty() {
            if self.raw {
                self.text(bytes, each);
                return;
            }
            if self.left == 0 {
                let (head, rest) = bytes.split_at(bytes.len().min(8 - self.head.len()));
                self.head.extend_from_slice(head);
                bytes = rest;
                if let [kind, _, _, _, a, b, c, d] = *self.head.as_slice() {
                    self.stderr = kind == 2;
                    self.left = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
                    self.head.clear();
                }
                continue;
            }
            let (text, rest) = bytes.split_at(bytes.len().min(self.left));
            self.left -= text.len();
            bytes = rest;
            self.text(text, each);
            // A frame is one entry: what has no line end is a part of a longer line.
            if self.left == 0 && !self.line.is_empty() {
                self.is_cut = true;
                self.emit(each);
            }
        }
    }

    /// The rest without line end.
    pub(crate) fn end(&mut self, each: &mut impl FnMut(Line)) {
        if !self.line.is_empty() {
            self.emit(each);
        }
    }

    fn text(&mut self, bytes: &[u8], each: &mut impl FnMut(Line)) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (part, ends) = match part.split_last() {
                Some((b'\n', part)) => (part, true),
                _ => (part, false),
            };
            // The stamp in front has 30 bytes and one space.
            let room = (LINE_BYTES + 31).saturating_sub(self.line.len());
            self.is_cut |= part.len() > room;
            self.line.extend_from_slice(part.get(..room).unwrap_or(part));
            if ends {
                self.emit(each);
            }
        }
    }

    fn emit(&mut self, each: &mut impl FnMut(Line)) {
        let bytes = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&bytes);
        let (at, text) = match text.split_once(' ') {
            Some((stamp, rest)) if Nanos::parse_rfc3339(stamp).is_some() => {
                (Nanos::parse_rfc3339(stamp), rest)
            }
            _ => {
                (Nanos::parse_rfc3339(&text), if Nanos::parse_rfc3339(&text).is_some() { "" } else { &*text })
            }
        };
        let mut text = cut(text.trim_end_matches('\r'), LINE_BYTES).to_owned();
        if std::mem::take(&mut self.is_cut) {
            text = format!("{}{CUT_MARK}", cut(&text, LINE_BYTES - CUT_MARK.len()));
        }
        each(Line { at, stderr: self.stderr, text });
    }
}

/// Sees that a log is too fast.
#[derive(Debug)]
struct Pace {
    second_began: Instant,
    lines: u32,
    fast_seconds: u32,
}

impl Pace {
    fn new(now: Instant) -> Self {
        Self { second_began: now, lines: 0, fast_seconds: 0 }
    }

    /// One more line; `true`: too fast for too long.
    fn count(&mut self, now: Instant) -> bool {
        self.lines += 1;
        let elapsed = now.duration_since(self.second_began);
        if elapsed >= Duration::from_secs(1) {
            let fast = f64::from(self.lines) / elapsed.as_secs_f64() > f64::from(FAST_LINES);
            self.fast_seconds = if fast { self.fast_seconds + 1 } else { 0 };
            self.second_began = now;
            self.lines = 0;
        }
        self.fast_seconds >= FAST_SECONDS
    }
}

/// A place among the followers.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(count: &Arc<AtomicUsize>) -> Option<Self> {
        let more = |n: usize| (n < MAX_FOLLOWERS).then_some(n + 1);
        count.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(Self(Arc::clone(count)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Follows one run's log.
pub(crate) struct Follower {
    ring: Arc<Mutex<Ring>>,
    task: Option<Task<()>>,
    shown: (Rings, String),
    _held: Option<(Share, Place)>,
}

impl Drop for Follower {
    fn drop(&mut self) {
        let (rings, id) = &self.shown;
        rings.hide(id, &self.ring);
    }
}

impl Follower {
    /// Begins to follow, or notes why not.
    pub(crate) fn start(context: &Arc<Context>, id: &str, tty: bool, driver: &str) -> Self {
        let mut ring = Ring::new(&context.options);
        let held = if driver == "none" {
            ring.note = Some("log driver `none`: the runtime keeps no log".to_owned());
            None
        } else {
            let bytes = u64::try_from(context.options.log_bytes).unwrap_or(u64::MAX);
            match (context.budget.take(bytes), Place::take(&context.followers)) {
                (Some(share), Some(place)) => Some((share, place)),
                (None, _) => {
                    ring.note = Some("not followed: memory budget used up; read at the end".to_owned());
                    None
                }
                (_, None) => {
                    context.counters.counter("docker_logs_not_followed").add(1);
                    ring.note = Some(format!("not followed: {MAX_FOLLOWERS} logs are; read at the end"));
                    None
                }
            }
        };
        let ring = Arc::new(Mutex::new(ring));
        context.rings.show(id, &ring);
        let task = held.is_some().then(|| {
            let path = format!("/containers/{id}/logs?follow=1&{}", query(&context.options));
            let (client, ring, driver) = (context.client(), Arc::clone(&ring), driver.to_owned());
            Task::spawn(async move { follow(client, path, tty, driver, ring).await })
        });
        Self { ring, task, shown: (context.rings.clone(), id.to_owned()), _held: held }
    }

    /// Whether its stream has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.task.as_ref().is_none_or(Task::is_finished)
    }

    /// The log's end, when its container has died: waits for the stream's end, but not long.
    pub(crate) async fn finish(mut self, client: &Client, id: &str, tty: bool, options: &Options) -> LogTail {
        let mut late = false;
        if let Some(task) = self.task.take() {
            late = tokio::time::timeout(Duration::from_millis(150), task).await.is_err();
        }
        let (mut lines, mut note, is_whole, is_broken) = {
            let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
            let lines = Vec::from(std::mem::take(&mut ring.lines));
            (lines, ring.note.take(), ring.is_open && !ring.is_broken, ring.is_broken)
        };
        let readable = !note.as_ref().is_some_and(|note| note.starts_with("log driver"));
        if (lines.is_empty() || is_broken) && readable && !is_whole {
            match read_tail(client, id, tty, options).await {
                // What the follower had is better than an empty log.
                Ok(read) if read.is_empty() => {}
                Ok(read) => lines = read,
                Err(error) => note = note.or(Some(format!("could not be read: {error}"))),
            }
            if is_broken {
                note = note.or(Some(LOST_WITH_ENGINE.to_owned()));
            }
        } else if late {
            note = note.or(Some("the last lines may be missing: the stream did not end in time".to_owned()));
        }
        tail(lines, note)
    }
}

fn query(options: &Options) -> String {
    format!("stdout=1&stderr=1&timestamps=1&tail={}", options.log_lines)
}

async fn follow(client: Arc<Client>, path: String, tty: bool, driver: String, ring: Arc<Mutex<Ring>>) {
    let set_note = |text: String| ring.lock().unwrap_or_else(PoisonError::into_inner).note = Some(text);
    let answer = match client.open(&path, Duration::from_secs(10)).await {
        Ok(answer) => answer,
        Err(error) => {
            if let Some(note) = unreadable(&error, &driver) {
                set_note(note);
            }
            return;
        }
    };
    ring.lock().unwrap_or_else(PoisonError::into_inner).is_open = true;
    let mut decoder = Decoder::new(tty);
    let mut pace = Pace::new(Instant::now());
    let mut stream = answer.into_body().into_data_stream();
    while let Some(part) = stream.next().await {
        let Ok(bytes) = part else {
            ring.lock().unwrap_or_else(PoisonError::into_inner).is_broken = true;
            break;
        };
        let now = Instant::now();
        let mut too_fast = false;
        {
            let mut ring = ring.lock().unwrap_or_else(PoisonError::into_inner);
            decoder.feed(&bytes, &mut |line| {
                ring.push(line);
                too_fast |= pace.count(now);
            });
        }
        if too_fast {
            let mut ring = ring.lock().unwrap_or_else(PoisonError::into_inner);
            ring.lines.clear();
            ring.is_open = false;
            ring.note =
                Some(format!("logs more than {FAST_LINES} lines a second: not followed, read at the end"));
            return;
        }
    }
    let mut ring = ring.lock().unwrap_or_else(PoisonError::into_inner);
    decoder.end(&mut |line| ring.push(line));
}

/// Note for an engine's refusal to read a log; `None`: another error.
fn unreadable(error: &Error, driver: &str) -> Option<String> {
    match error {
        Error::Api { message, .. } if message.contains("does not support reading") => {
            Some(format!("log driver `{driver}` cannot be read by the runtime"))
        }
        _ => None,
    }
}

/// Reads the last lines once, within [`READ_TIMEOUT`].
pub(crate) async fn read_tail(
    client: &Client,
    id: &str,
    tty: bool,
    options: &Options,
) -> Result<Vec<Line>, Error> {
    let path = format!("/containers/{id}/logs?{}", query(options));
    let mut ring = Ring::new(options);
    let mut decoder = Decoder::new(tty);
    let deadline = Instant::now() + READ_TIMEOUT;
    let answer = client.open(&path, READ_TIMEOUT).await?;
    let mut stream = answer.into_body().into_data_stream();
    let what = "the log";
    let failed = loop {
        match tokio::time::timeout_at(deadline, stream.next()).await {
            Ok(Some(Ok(bytes))) => decoder.feed(&bytes, &mut |line| ring.push(line)),
            Ok(None) => break None,
            Ok(Some(Err(error))) => {
                break Some(Error::Http { what: what.to_owned(), error: error.to_string() });
            }
            Err(_) => break Some(Error::Hung { what: what.to_owned(), after: READ_TIMEOUT }),
        }
    };
    decoder.end(&mut |line| ring.push(line));
    match failed {
        // What came before the deadline is better than nothing.
        Some(error) if ring.lines.is_empty() => Err(error),
        _ => Ok(Vec::from(ring.lines)),
    }
}

/// Redacts lines into evidence.
pub(crate) fn tail(lines: Vec<Line>, note: Option<String>) -> LogTail {
    let mut redactor = LineRedactor::default();
    let lines = lines
        .into_iter()
        .map(|line| LogLine {
            at: line.at,
            stderr: line.stderr,
            text: redactor.line(&line.text).into_owned(),
        })
        .collect();
    LogTail { lines, note }
}

#[cfg(test)]
#[path = "logs_tests.rs"]
mod tests;
