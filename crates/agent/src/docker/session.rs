//! One connection's life: the event stream, the lists, and who watches which container.
//!
//! # Invariants
//!
//! - The stream stands before the first list is asked for; nothing falls between.
//! - The loop never waits for a call: lists and pings are tasks whose answers come back to it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hinomi_model::{Fact, Gap, GapReason, KnownContainer, Nanos, ResourceId, Source};
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::Error;
use super::client::{Contact, encode};
use super::container::{Input, Round, Watcher};
use super::context::Context;
use super::events::{Event, FILTERS, Seen, What};
use super::inspect::Listed;
use super::outlet::Said;
use super::reader::{Read, WAITING_EVENTS};
use super::runtime::{Blind, Runtime};
use super::status::State;
use super::task::Task;

/// Longest list read: about 2 KiB a container.
const LIST_BYTES: usize = 64 << 20;
/// Ids of removed containers that are remembered: stragglers among their events say nothing.
const REMOVED: usize = 4096;
/// Texts of what is lost that are kept of one gap.
const LOST_TEXTS: usize = 100;
/// How often the loop looks whether it runs at all.
const PULSE: Duration = Duration::from_millis(250);
/// A pulse that comes so late says that this process was stopped (a signal, a debugger, a suspended machine): the
/// engine drops the events of a listener that does not read, without a word.
const STOPPED: Duration = Duration::from_secs(1);
/// Before the first contact, events are asked for from so long ago, for the time that connecting takes.
const OVERLAP: Duration = Duration::from_secs(1);

/// Lists that fail in a row before it is said.
const LIST_FAILURES: u32 = 2;
/// First and last wait before a list that failed is asked for again.
const LIST_BACK_OFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

struct Watched {
    tx: mpsc::Sender<Input>,
    born: Instant,
}

/// Who watches which container.
pub(crate) struct Watchers {
    context: Arc<Context>,
    known: BTreeMap<String, KnownContainer>,
    running: HashMap<String, Watched>,
    removed: HashSet<String>,
    removed_order: std::collections::VecDeque<String>,
}

impl Watchers {
    pub(crate) fn new(context: Arc<Context>, known: BTreeMap<String, KnownContainer>) -> Self {
        Self {
            context,
            known,
            running: HashMap::new(),
            removed: HashSet::new(),
            removed_order: std::collections::VecDeque::new(),
        }
    }

    fn knows(&self, id: &str) -> bool {
        self.running.contains_key(id) || self.known.contains_key(id)
    }

    fn tell(&mut self, id: &str, name: &str, input: Input) {
        let entry = self.running.entry(id.to_owned()).or_insert_with(|| {
            let (tx, rx) = mpsc::channel(WAITING_EVENTS + 64);
            let watcher = Watcher::new(Arc::clone(&self.context), id, name, self.known.remove(id), rx);
            tokio::spawn(Box::pin(watcher.run()));
            Watched { tx, born: Instant::now() }
        });
        // Full is impossible for events (their permits are fewer); closed means that its container is gone.
        entry.tx.try_send(input).ok();
    }

    fn dispatch(&mut self, event: Box<Event>, permit: tokio::sync::OwnedSemaphorePermit) {
        let id = event.subject.clone();
        if self.removed.contains(&id) {
            return;
        }
        let of_network = matches!(event.what, What::NetworkConnect | What::NetworkDisconnect);
        if of_network && !self.running.contains_key(&id) {
            return;
        }
        let is_end = event.what == What::Destroy;
        let name = event.name.clone();
        self.tell(&id, &name, Input::Event(event, permit));
        if is_end {
            self.running.remove(&id);
            self.removed.insert(id.clone());
            self.removed_order.push_back(id);
            if self.removed_order.len() > REMOVED
                && let Some(oldest) = self.removed_order.pop_front()
            {
                self.removed.remove(&oldest);
            }
        }
    }

    /// Forgets those whose watcher has ended by itself.
    fn sweep(&mut self) {
        self.running.retain(|_, watched| !watched.tx.is_closed());
    }

    /// Everything is compared. `began`: when the list was asked for.
    fn compare_all(&mut self, list: Vec<Listed>, began: Instant, round: &Round) {
        self.sweep();
        let listed: HashSet<&str> = list.iter().map(|listed| listed.id.as_str()).collect();
        let running = self.running.iter().filter(|(_, watched)| watched.born < began).map(|(id, _)| id);
        let missing: Vec<String> =
            running.chain(self.known.keys()).filter(|id| !listed.contains(id.as_str())).cloned().collect();
        for id in missing {
            self.tell(&id, "", Input::Missing(Some(round.clone())));
        }
        for listed in &list {
            if !self.removed.contains(&listed.id) {
                self.tell(&listed.id, listed.name(), Input::Look(round.clone()));
            }
        }
    }

    /// The regular, cheap comparison.
    fn compare_words(&mut self, list: Vec<Listed>, began: Instant) {
        self.sweep();
        let listed: HashSet<String> = list.iter().map(|listed| listed.id.clone()).collect();
        let missing: Vec<String> = self
            .running
            .iter()
            .filter(|(id, watched)| watched.born < began && !listed.contains(id.as_str()))
            .map(|(id, _)| id.clone())
            .collect();
        for id in missing {
            self.tell(&id, "", Input::Missing(None));
        }
        for listed in list {
            if !self.removed.contains(&listed.id) {
                let (id, name) = (listed.id.clone(), listed.name().to_owned());
                self.tell(&id, &name, Input::Listed(Box::new(listed)));
            }
        }
    }

    fn restate(&mut self) {
        let ids: Vec<String> = self.running.keys().cloned().collect();
        for id in ids {
            self.tell(&id, "", Input::Restate);
        }
    }
}

struct ListAnswer {
    began: Instant,
    is_round: bool,
    list: Result<Vec<Listed>, Error>,
}

/// One connection.
pub(crate) struct Session<'a> {
    runtime: &'a mut Runtime,
    list: Option<Task<ListAnswer>>,
    ping: Option<Task<Result<(), Error>>>,
    /// A comparison of everything is due.
    round_due: bool,
    last_answer: Nanos,
    is_hung: bool,
    /// Lists that failed in a row.
    list_failures: u32,
    /// At the first look ever: what ended before then is nobody's loss.
    before_us: Option<Nanos>,
}

impl<'a> Session<'a> {
    /// Runs until the stream ends; `false`: it could not be opened.
    pub(crate) async fn run(runtime: &'a mut Runtime, contact: &Contact) -> bool {
        let (tx, mut rx) = mpsc::channel(WAITING_EVENTS + 64);
        let context = Arc::clone(&runtime.context);
        let engine_now = engine_now(&context).await;
        let path = event_path(runtime.last_event_at.unwrap_or(engine_now.minus(OVERLAP)));
        let before_us = runtime.is_first_look().then_some(engine_now);
        let answer = match context.client().open(&path, context.options.call_timeout).await {
            Ok(answer) => answer,
            Err(error) => {
                runtime.complain(
                    error.state(),
                    &format!("no events, without which nothing is watched: {error}"),
                );
                return false;
            }
        };
        runtime.announce(contact);
        let reader = Task::spawn(runtime.room.clone().drain(answer.into_body(), tx));
        let last_answer = runtime.now();
        let mut session = Self {
            runtime,
            list: None,
            ping: None,
            round_due: true,
            last_answer,
            is_hung: false,
            list_failures: 0,
            before_us,
        };
        session.start_list();
        let mut lists = every(context.options.reconcile_every);
        let mut pings = every(context.options.ping_every);
        let mut pulse = every(PULSE);
        let mut last_pulse = session.runtime.now();
        loop {
            tokio::select! {
                biased;
                // First: a burst must not look like a stop.
                _ = pulse.tick() => last_pulse = session.on_pulse(last_pulse),
                read = rx.recv() => match read {
                    Some(read) => session.on_read(read),
                    None => break,
                },
                answer = finished(&mut session.list) => session.on_list(answer),
                answer = finished(&mut session.ping) => session.on_ping(answer),
                () = context.restate.notified() => session.runtime.watchers.restate(),
                _ = lists.tick() => session.start_list(),
                _ = pings.tick() => session.start_ping(),
            }
            session.show();
        }
        drop(reader);
        true
    }

    fn context(&self) -> Arc<Context> {
        Arc::clone(&self.runtime.context)
    }

    fn show(&self) {
        let runtime = &self.runtime;
        let followers = runtime.context.followers.load(Ordering::Relaxed);
        runtime.handle.edit(|status| {
            status.containers = runtime.watchers.running.len();
            status.log_followers = followers;
            status.last_event_at = runtime.last_event_at;
            status.events = runtime.room.taken();
            status.events_dropped = runtime.room.dropped();
        });
    }

    fn on_read(&mut self, read: Read) {
        match read {
            Read::Event(event, permit) => {
                let seen: &mut Seen = &mut self.runtime.seen;
                if !seen.is_new(event.fingerprint) {
                    return;
                }
                self.runtime.last_event_at = Some(event.at);
                if self.before_us.is_some_and(|us| event.at < us)
                    && !self.runtime.watchers.knows(&event.subject)
                {
                    // If its container still exists, the list tells of it.
                    return;
                }
                if event.what == What::Pull {
                    self.context().note_pull(&event.subject, event.at);
                } else {
                    self.runtime.watchers.dispatch(event, permit);
                }
            }
            Read::Shed { from, to, count } => {
                tracing::warn!(count, "docker events were shed: too many waited; comparing everything");
                self.runtime.blind.push(Blind { from, to: Some(to), reason: GapReason::Overflow });
                self.round_due = true;
                self.start_list();
            }
        }
    }

    /// Whether this process itself was stopped since the last pulse: then everything is compared.
    fn on_pulse(&mut self, last: Nanos) -> Nanos {
        let now = self.runtime.now();
        if now.since(last) > STOPPED {
            tracing::warn!(
                seconds = now.since(last).as_secs_f64(),
                "hinomi itself was stopped; comparing everything"
            );
            self.runtime.blind.push(Blind { from: last, to: Some(now), reason: GapReason::NotRunning });
            self.round_due = true;
            self.start_list();
        }
        now
    }

    fn start_list(&mut self) {
        if self.list.is_some() {
            return;
        }
        let context = self.context();
        let is_round = std::mem::take(&mut self.round_due);
        self.list = Some(Task::spawn(async move {
            let began = Instant::now();
            let deadline = context.options.call_timeout;
            let list = context.client().get("/containers/json?all=1", LIST_BYTES, deadline).await;
            ListAnswer { began, is_round, list }
        }));
    }

    fn on_list(&mut self, answer: ListAnswer) {
        if answer.list.is_ok() && std::mem::take(&mut self.list_failures) >= LIST_FAILURES {
            self.runtime.lists_again();
        }
        match answer.list {
            Ok(list) if answer.is_round => {
                let round = self.begin_round();
                self.runtime.watchers.compare_all(list, answer.began, &round);
            }
            Ok(list) => self.runtime.watchers.compare_words(list, answer.began),
            Err(error) => {
                tracing::debug!(%error, "docker's list of containers failed; asked again with the next round");
                self.round_due |= answer.is_round;
                self.list_failures += 1;
                if self.list_failures >= LIST_FAILURES {
                    self.runtime.complain_of_lists(&error, self.list_failures == LIST_FAILURES);
                }
            }
        }
        if self.round_due {
            let context = self.context();
            let is_round = std::mem::take(&mut self.round_due);
            let wait = list_wait(self.list_failures);
            self.list = Some(Task::spawn(async move {
                tokio::time::sleep(wait).await;
                let began = Instant::now();
                let deadline = context.options.call_timeout;
                let list = context.client().get("/containers/json?all=1", LIST_BYTES, deadline).await;
                ListAnswer { began, is_round, list }
            }));
        }
    }

    /// A comparison of everything; when its last part is done the times of not seeing are closed.
    fn begin_round(&mut self) -> Round {
        let blind = std::mem::take(&mut self.runtime.blind);
        let (tx, rx) = mpsc::channel(1024);
        let from = blind.iter().map(|blind| blind.from).min();
        let seen_at = self.runtime.now();
        tokio::spawn(close_round(self.context(), self.runtime.cluster(), blind, seen_at, rx));
        Round { lost: tx, from }
    }

    fn start_ping(&mut self) {
        if self.ping.is_none() {
            let context = self.context();
            let deadline = context.options.call_timeout;
            self.ping = Some(Task::spawn(async move { context.client().ping(deadline).await }));
        }
    }

    fn on_ping(&mut self, answer: Result<(), Error>) {
        match answer {
            Ok(()) => {
                if std::mem::take(&mut self.is_hung) {
                    self.runtime.answers_again(self.last_answer);
                }
                self.last_answer = self.runtime.now();
            }
            Err(error) => {
                if error.state() == State::Hung {
                    self.is_hung = true;
                    self.runtime.complain(State::Hung, &format!("hung: {error}"));
                    // Ask again at once: the answer is awaited, not polled for.
                    self.start_ping();
                }
            }
        }
    }
}

async fn close_round(
    context: Arc<Context>,
    cluster: Arc<ResourceId>,
    blind: Vec<Blind>,
    seen_at: Nanos,
    mut rx: mpsc::Receiver<String>,
) {
    let mut lost = Vec::new();
    let mut more = 0_u64;
    while let Some(text) = rx.recv().await {
        if lost.len() < LOST_TEXTS { lost.push(text) } else { more += 1 }
    }
    for text in context.take_lost() {
        if lost.len() < LOST_TEXTS { lost.push(text) } else { more += 1 }
    }
    lost.sort();
    lost.dedup();
    if more > 0 {
        lost.push(format!("and {more} more"));
    }
    context.set_era(|era| era.synced = true);
    let now = Nanos(context.clock.now());
    let gaps = blind.into_iter().map(|blind| {
        let to = blind.to.unwrap_or(seen_at);
        let gap = Gap { from: blind.from, to, reason: blind.reason, lost: std::mem::take(&mut lost) };
        Said::new(Fact::Gap(gap), now, Source::Hinomi)
    });
    context.outlet.put(&cluster, gaps.collect());
}

/// The engine's clock; to the second where it is another machine's.
async fn engine_now(context: &Context) -> Nanos {
    let wall = Nanos(context.clock.wall());
    let client = context.client();
    if client.is_local() { wall } else { client.remote_time().await.unwrap_or(wall) }
}

fn event_path(since: Nanos) -> String {
    let (secs, nanos) = (since.0.div_euclid(1_000_000_000), since.0.rem_euclid(1_000_000_000));
    format!("/events?since={secs}.{nanos:09}&filters={}", encode(FILTERS))
}

/// Before a list is asked for again after so many failures in a row.
fn list_wait(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    (LIST_BACK_OFF.0 * 2_u32.pow(doublings)).min(LIST_BACK_OFF.1)
}

fn every(period: Duration) -> Interval {
    let mut interval = tokio::time::interval_at(Instant::now() + period, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// The task's answer when it has finished; never while there is none or after a panic.
async fn finished<T>(slot: &mut Option<Task<T>>) -> T {
    let Some(task) = slot else { return std::future::pending().await };
    let answer = task.await;
    *slot = None;
    match answer {
        Ok(answer) => answer,
        Err(_) => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_list_is_asked_for_less_and_less_often() {
        for (failures, want_ms) in
            [(0, 500), (1, 500), (2, 1000), (3, 2000), (6, 16_000), (7, 30_000), (u32::MAX, 30_000)]
        {
            assert_eq!(list_wait(failures), Duration::from_millis(want_ms), "{failures}");
        }
    }
}
