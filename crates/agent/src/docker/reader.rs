//! Drains the engine's event stream; does nothing else, so the engine never waits.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use hinomi_base::clock::Clock;
use hinomi_base::counters::{Counter, Counters};
use hinomi_model::Nanos;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::events::{self, Event, Lines};

/// Events that may wait between their arrival and the end of their handling.
pub(crate) const WAITING_EVENTS: usize = 8192;

/// While shed events are not told of, it is tried so often.
const CONFESS_EVERY: Duration = Duration::from_millis(200);

/// What the reader hands on.
pub(crate) enum Read {
    /// An event and its place.
    Event(Box<Event>, OwnedSemaphorePermit),
    /// Events were shed in this time.
    Shed { from: Nanos, to: Nanos, count: u64 },
}

/// The bounded place in which events wait; outlives connections.
#[derive(Clone)]
pub(crate) struct Room {
    places: Arc<Semaphore>,
    taken: Counter,
    dropped: Counter,
    unreadable: Counter,
    clock: Clock,
}

impl Room {
    pub(crate) fn new(counters: &Counters, clock: Clock) -> Self {
        Self {
            places: Arc::new(Semaphore::new(WAITING_EVENTS)),
            taken: counters.counter("docker_events"),
            dropped: counters.counter("docker_events_dropped"),
            unreadable: counters.counter("docker_event_lines_unreadable"),
            clock,
        }
    }

    pub(crate) fn taken(&self) -> u64 {
        self.taken.get()
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.get()
    }

    /// Reads until the stream ends.
    pub(crate) async fn drain(self, body: Incoming, tx: mpsc::Sender<Read>) {
        let mut lines = Lines::default();
        let mut shed: Option<(Nanos, u64)> = None;
        let mut stream = body.into_data_stream();
        loop {
            let next = match shed {
                None => stream.next().await,
                Some(_) => match tokio::time::timeout(CONFESS_EVERY, stream.next()).await {
                    Ok(next) => next,
                    Err(_) => {
                        self.confess(&tx, &mut shed);
                        continue;
                    }
                },
            };
            let Some(Ok(bytes)) = next else { break };
            lines.feed(&bytes, |line| match events::decode(line) {
                Some(event) => self.admit(event, &tx, &mut shed),
                None if line.trim_ascii().is_empty() => {}
                None => self.unreadable.add(1),
            });
            self.unreadable.add(std::mem::take(&mut lines.too_long));
            self.confess(&tx, &mut shed);
        }
        // The gap of the broken stream begins no later than what was shed here.
        if let Some((from, count)) = shed {
            tx.send(Read::Shed { from, to: Nanos(self.clock.now()), count }).await.ok();
        }
    }

    fn admit(&self, event: Event, tx: &mpsc::Sender<Read>, shed: &mut Option<(Nanos, u64)>) {
        self.taken.add(1);
        let place = Arc::clone(&self.places).try_acquire_owned().ok();
        let sent = place.is_some_and(|place| tx.try_send(Read::Event(Box::new(event), place)).is_ok());
        if !sent {
            self.dropped.add(1);
            let (_, count) = shed.get_or_insert_with(|| (Nanos(self.clock.now()), 0));
            *count += 1;
        }
    }

    /// Tells of shed events as soon as there is room again.
    fn confess(&self, tx: &mpsc::Sender<Read>, shed: &mut Option<(Nanos, u64)>) {
        if let Some((from, count)) = *shed
            && self.places.available_permits() > WAITING_EVENTS / 2
            && tx.try_send(Read::Shed { from, to: Nanos(self.clock.now()), count }).is_ok()
        {
            *shed = None;
        }
    }
}
