//! What changes, as it changes: server-sent events.
//!
//! A reader is a position in the pipeline's ring of changes and what it was told last. Nothing is queued for it: the next
//! event is made when its connection takes one. The guard counts the readers and holds a place for each.
//!
//! # Invariants
//!
//! - Every event's id is where to resume: run and number of the last change before it.
//! - A beat comes every five seconds, so neither side takes the other for dead.
//! - The end of the server ends every stream at once, and so does the logout of the session that opened it; nothing is
//!   told once its time is over.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use hinomi_base::task::Shutdown;
use hinomi_model::Nanos;
use hinomi_pipeline::{Behind, Handle, Mark, StreamedChange, Totals};
use hinomi_words::Language;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::access::Pass;
use crate::json;
use crate::routes::Context;

/// Time between beats.
const BEAT: Duration = Duration::from_secs(5);
/// Time between two words that the state is new.
const STATE_EVERY: Duration = Duration::from_millis(100);
/// When a browser comes again after the connection broke.
const RETRY: Duration = Duration::from_secs(1);
/// Where a browser says what it received last.
const LAST_EVENT_ID: &str = "last-event-id";
/// Longest id that is looked at, bytes.
const ID_MAX_BYTES: usize = 64;

/// Goes on until either side closes it.
pub(crate) async fn stream(
    State(context): State<Context>,
    language: Option<Extension<Language>>,
    Extension(pass): Extension<Pass>,
    headers: HeaderMap,
) -> Response {
    let language = language.map_or(Language::En, |Extension(language)| language);
    let last = headers.get(LAST_EVENT_ID).map(|id| id.to_str().unwrap_or("unreadable").to_owned());
    let reader = Reader::new(context, pass, language, last.filter(|id| !id.is_empty()));
    let events = unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok::<_, Infallible>(event), reader))
    });
    let mut response = Sse::new(events).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A proxy that collects answers would hold the events back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// The data of `hello`.
#[derive(Debug, Serialize)]
struct Hello<'a> {
    now: Nanos,
    version: &'static str,
    run: &'a str,
}

/// The data of `changes`.
#[derive(Debug, Serialize)]
struct Changes {
    changes: Vec<Arc<StreamedChange>>,
}

/// The data of `state`.
#[derive(Debug, Serialize)]
struct StateIsNew {
    now: Nanos,
    totals: Totals,
}

/// The data of `reset` and `beat`.
#[derive(Debug, Serialize)]
struct Now {
    now: Nanos,
}

/// What a connection begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    Hello,
    Reset,
}

/// Where a reader is.
struct Reader {
    handle: Handle,
    shutdown: Option<Shutdown>,
    pass: Pass,
    language: Language,
    marks: watch::Receiver<Mark>,
    first: VecDeque<First>,
    /// Number of the last change that it got.
    position: u64,
    /// The state it was told of; at first none.
    state: Option<u64>,
    /// It is not told again before this.
    state_at: Instant,
    beat_at: Instant,
}

impl Reader {
    fn new(context: Context, pass: Pass, language: Language, last: Option<String>) -> Self {
        let Context { handle, shutdown, .. } = context;
        let marks = handle.watch();
        let newest = marks.borrow().changes;
        let resumed = last.as_deref().map(|id| position(id, handle.run()));
        let first = match resumed {
            Some(None) => VecDeque::from([First::Hello, First::Reset]),
            Some(Some(_)) | None => VecDeque::from([First::Hello]),
        };
        let now = Instant::now();
        Self {
            handle,
            shutdown,
            pass,
            language,
            marks,
            first,
            position: resumed.flatten().unwrap_or(newest),
            state: None,
            state_at: now,
            beat_at: now + BEAT,
        }
    }

    /// The next event, when there is one; none at the end.
    async fn next(&mut self) -> Option<Event> {
        match self.first.pop_front() {
            Some(First::Hello) => {
                let run = self.handle.run().to_owned();
                let version = env!("CARGO_PKG_VERSION");
                let hello = Hello { now: self.handle.now(), version, run: &run };
                return self.event("hello", &hello).map(|event| event.retry(RETRY));
            }
            Some(First::Reset) => return self.stamped("reset"),
            None => {}
        }
        loop {
            if self.shutdown.as_ref().is_some_and(Shutdown::is_raised) || !self.pass.holds() {
                return None;
            }
            let mark = *self.marks.borrow_and_update();
            let now = Instant::now();
            if now >= self.beat_at {
                self.beat_at = now + BEAT;
                return self.stamped("beat");
            }
            let is_new = self.state != Some(mark.state);
            if is_new && now >= self.state_at {
                self.state = Some(mark.state);
                self.state_at = now + STATE_EVERY;
                let state = StateIsNew { now: self.handle.now(), totals: self.handle.totals() };
                return self.event("state", &state);
            }
            match self.handle.behind(self.position) {
                Behind::Changes(changes, after) if !changes.is_empty() => {
                    self.position = after;
                    return self.event("changes", &Changes { changes });
                }
                Behind::Changes(..) => {}
                Behind::Missed => {
                    self.position = mark.changes;
                    return self.stamped("reset");
                }
            }
            let until = if is_new { self.state_at.min(self.beat_at) } else { self.beat_at };
            if !self.wait(until).await {
                return None;
            }
        }
    }

    /// Until something is new, or that time; `false`: nothing will be new any more.
    async fn wait(&mut self, until: Instant) -> bool {
        let stop = self.shutdown.as_mut();
        let stopped = async {
            match stop {
                Some(shutdown) => shutdown.wait().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stopped => false,
            changed = self.marks.changed() => changed.is_ok(),
            () = self.pass.doubted() => true,
            () = sleep_until(until) => true,
        }
    }

    fn stamped(&self, name: &str) -> Option<Event> {
        self.event(name, &Now { now: self.handle.now() })
    }

    fn event<T: Serialize>(&self, name: &str, data: &T) -> Option<Event> {
        match json::text(data, self.language) {
            Ok(text) => {
                let id = format!("{}-{}", self.handle.run(), self.position);
                Some(Event::default().event(name).id(id).data(text))
            }
            Err(error) => {
                tracing::error!(%error, event = name, "an event can't be written; this is a bug in Hinomi");
                None
            }
        }
    }
}

/// The position that an id of this run names.
fn position(id: &str, run: &str) -> Option<u64> {
    if id.len() > ID_MAX_BYTES {
        return None;
    }
    let (of, number) = id.split_once('-')?;
    (of == run).then(|| number.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_this_run_are_positions() {
        let long = format!("1a-{}", "0".repeat(100));
        let table = [
            ("1a-0", Some(0)),
            ("1a-17", Some(17)),
            ("1b-17", None),
            ("17", None),
            ("1a-", None),
            ("1a--1", None),
            ("1a-99999999999999999999", None),
            (long.as_str(), None),
            ("", None),
        ];
        for (id, want) in table {
            assert_eq!(position(id, "1a"), want, "{id}");
        }
    }
}
