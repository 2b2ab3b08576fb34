//! The one task through which every state change goes, in order.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hinomi_alert::numbers::{Round, Rules};
use hinomi_alert::{Effect, notify};
use hinomi_base::task::Shutdown;
use hinomi_disk::lock::FolderLock;
use hinomi_model::{
    Fact, Gap, GapReason, Incident, IncidentStatus, Level, Message, Nanos, Source, StateChange,
};
use hinomi_records::{Alive, Delivered, DeliveryStatus, Record, Stored, Ticket};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::deliveries::Deliveries;
use crate::intake::Batch;
use crate::numbers;
use crate::open::{Checkpoint, Found, HOUSEKEEPING};
use crate::outbox::Outbox;
use crate::view::Shared;
use crate::vitals::Knock;

/// How long a change may wait for the disk before it is judged from memory.
const STORE_PATIENCE: Duration = Duration::from_millis(200);
/// Batches judged together at most: bounds how long a deadline waits in a burst.
const BATCHES_AT_ONCE: usize = 64;
/// Records after which a checkpoint is worth its cost: bounds the replay at the next start.
const CHECKPOINT_RECORDS: u64 = 20_000;
/// How often a refusing disk is asked whether it is back.
const DISK_PROBE: Duration = Duration::from_millis(500);
/// How long a checkpoint waits for the records before it.
const CHECKPOINT_PATIENCE: Duration = Duration::from_secs(1);
/// How long the end of the process waits for the disk.
const LAST_WRITE: Duration = Duration::from_millis(1500);
/// How long the end of the process goes on while the last samples are put into blocks.
const LAST_BLOCKS: Duration = Duration::from_millis(2800);
/// How long the end of the process waits for messages that are on their way.
const LAST_OUTCOMES: Duration = Duration::from_millis(700);

/// A time in which the disk did not take what was judged.
#[derive(Debug)]
struct NotStored {
    since: Nanos,
    /// Records that were lost before.
    dropped_before: u64,
    /// The last append that was not stored in time: when it is settled, all are.
    last: Ticket,
}

/// The running pipeline.
#[derive(Debug)]
pub struct Service {
    shared: Arc<Shared>,
    changes: mpsc::Receiver<Batch>,
    knocks: mpsc::Receiver<Knock>,
    outcomes: mpsc::Receiver<notify::Outcome>,
    outbox: Outbox,
    notifiers: Vec<notify::Service>,
    /// Changes are judged without being stored.
    not_stored: Option<NotStored>,
    /// Of the last append: when it is settled, all before it are.
    last_ticket: Option<Ticket>,
    checkpoint_seq: u64,
    found: Found,
    /// More is stored than allowed, and a checkpoint would let the oldest go.
    over_limit: Arc<AtomicBool>,
    /// Retention on a thread that may block; one at a time.
    chore: Option<JoinHandle<()>>,
    /// A checkpoint that is put into bytes, likewise.
    encoding: Option<JoinHandle<()>>,
    /// Checkpoints are numbered, so that an older one that is late replaces no newer one.
    turn: u64,
    last_turn: Arc<Mutex<u64>>,
    _lock: FolderLock,
}

impl Service {
    pub(crate) fn new(
        shared: Arc<Shared>,
        (changes, knocks): (mpsc::Receiver<Batch>, mpsc::Receiver<Knock>),
        outcomes: mpsc::Receiver<notify::Outcome>,
        outbox: Outbox,
        notifiers: Vec<notify::Service>,
        lock: FolderLock,
        found: Found,
    ) -> Self {
        Self {
            shared,
            changes,
            knocks,
            outcomes,
            outbox,
            notifiers,
            not_stored: None,
            last_ticket: None,
            checkpoint_seq: found.checkpoint_seq,
            found,
            over_limit: Arc::default(),
            chore: None,
            encoding: None,
            turn: 0,
            last_turn: Arc::default(),
            _lock: lock,
        }
    }

    /// Runs until shutdown; then what is queued is stored and a checkpoint written.
    pub async fn run(mut self, mut shutdown: Shutdown) {
        for notifier in self.notifiers.drain(..) {
            hinomi_base::task::spawn("notifier", notifier.run(shutdown.clone()));
        }
        self.begin();
        self.tell_of_damage().await;
        let mut housekeeping = tokio::time::interval(HOUSEKEEPING);
        housekeeping.reset();
        let mut batches = Vec::with_capacity(BATCHES_AT_ONCE);
        let (measured, mut rounds) = mpsc::channel(1);
        let measuring = numbers::run(Arc::clone(&self.shared), measured, shutdown.clone());
        hinomi_base::task::spawn("inspections", measuring);
        let rules = numbers::rules(&self.shared);
        loop {
            let until_due = self.until_due();
            tokio::select! {
                biased;
                () = shutdown.wait() => break,
                taken = self.changes.recv_many(&mut batches, BATCHES_AT_ONCE) => {
                    if taken == 0 {
                        break;
                    }
                    let changes = batches.drain(..).flat_map(|batch| batch.changes).collect();
                    self.take(changes).await;
                    self.catch_up().await;
                }
                Some(outcome) = self.outcomes.recv() => self.done(outcome),
                Some(knock) = self.knocks.recv() => answer(knock),
                () = tokio::time::sleep(until_due) => self.tick().await,
                Some(round) = rounds.recv() => self.take_round(&round, &rules),
                _ = housekeeping.tick() => self.keep_house().await,
            }
            self.outbox.hand_over();
            self.show_waiting();
        }
        self.end().await;
    }

    /// After the replay: messages of receivers that the configuration no longer has are given up, visibly.
    fn begin(&mut self) {
        let now = self.now();
        for orphan in self.outbox.take_orphans() {
            tracing::warn!(receiver = %orphan.receiver, incident = %orphan.incident,
                "a waiting message was given up: the configuration no longer has its receiver");
            self.store_done(
                &orphan,
                DeliveryStatus::GaveUp,
                "receiver removed from the configuration".to_owned(),
                now,
            );
        }
        let mine = self.shared.settings.host.name.clone();
        let effects = self.judge(|judge| judge.forget_other_clusters(&mine, now));
        self.follow(effects);
        let effects = self.judge(|judge| judge.begin(now));
        self.follow(effects);
        self.outbox.hand_over();
        self.show_waiting();
    }

    /// What can't be read of what was stored is a gap like any other.
    async fn tell_of_damage(&mut self) {
        let lost = std::mem::take(&mut self.found.damage);
        if lost.is_empty() {
            return;
        }
        let now = self.now();
        let from = self.found.newest_at.unwrap_or(now).min(now);
        let gap = Gap { from, to: now, reason: GapReason::Inconsistent, lost };
        self.take(vec![self.own_change(Fact::Gap(gap), now)]).await;
    }

    /// In a burst the queue of changes is never empty: deadlines and outcomes have their turn all the same.
    async fn catch_up(&mut self) {
        while let Ok(outcome) = self.outcomes.try_recv() {
            self.done(outcome);
        }
        while let Ok(knock) = self.knocks.try_recv() {
            answer(knock);
        }
        if self.until_due().is_zero() {
            self.tick().await;
        }
    }

    fn now(&self) -> Nanos {
        Nanos(self.shared.clock.now())
    }

    fn judge<T>(&self, act: impl FnOnce(&mut hinomi_alert::Judge) -> T) -> T {
        act(&mut self.shared.judge.write().unwrap_or_else(PoisonError::into_inner))
    }

    fn until_due(&self) -> Duration {
        let judge = self.shared.judge.read().unwrap_or_else(PoisonError::into_inner);
        let due = judge.next_deadline().map_or(HOUSEKEEPING, |at| at.since(self.now()));
        if self.not_stored.is_some() { due.min(DISK_PROBE) } else { due.min(HOUSEKEEPING) }
    }

    /// Stamps, stores, judges.
    async fn take(&mut self, mut changes: Vec<StateChange>) {
        let now = self.now();
        if let Some(step) = self.shared.clock.take_step() {
            changes.insert(0, self.own_change(Fact::ClockStep(step.by_ns), now));
        }
        self.judge(|judge| {
            for change in &mut changes {
                change.observed_at = now;
                change.old = old_value(judge.timeline(), change);
            }
        });
        let stored = self.store(changes.iter().cloned().map(Record::Change).collect(), now).await;
        for change in &changes {
            let effects = self.judge(|judge| judge.observe(change, stored.is_some()));
            self.follow(effects);
        }
        // Whoever follows along and then asks gets what these changes made of it.
        self.shared.feed.take(changes, stored);
    }

    fn append(&mut self, records: Vec<Record>) -> Ticket {
        let ticket = self.shared.store.append(records);
        self.last_ticket = Some(ticket.clone());
        ticket
    }

    /// The number of the last record when they are durable now; if not they are written later, or counted as lost.
    async fn store(&mut self, records: Vec<Record>, now: Nanos) -> Option<u64> {
        let ticket = self.append(records);
        let answer = match ticket.wait_async(STORE_PATIENCE).await {
            // Should this process have been stopped meanwhile, time ran out and the answer is there all the same.
            Stored::Late => ticket.outcome().unwrap_or(Stored::Late),
            answer => answer,
        };
        if let Stored::Ok(last) = answer {
            return Some(last);
        }
        match &mut self.not_stored {
            Some(not_stored) => not_stored.last = ticket,
            None => {
                let health = self.shared.store.health();
                tracing::error!(?answer, error = health.last_error, dir = %self.shared.settings.data_dir.display(),
                    "the disk does not take what is written; changes are judged from memory and marked as not stored");
                self.not_stored =
                    Some(NotStored { since: now, dropped_before: health.dropped, last: ticket });
            }
        }
        None
    }

    async fn tick(&mut self) {
        let now = self.now();
        self.look_at_disk(now).await;
        let stored = self.not_stored.is_none();
        let effects = self.judge(|judge| judge.tick(now, stored));
        self.follow(effects);
        self.shared.feed.touch();
    }

    /// Judges what was measured.
    fn take_round(&mut self, round: &Round, rules: &Rules) {
        numbers::docker_disk::note_round(&self.shared, round);
        let (now, stored) = (self.now(), self.not_stored.is_none());
        let effects = self.judge(|judge| judge.observe_numbers(round, rules, now, stored));
        if !effects.is_empty() {
            self.follow(effects);
            self.shared.feed.touch();
        }
    }

    /// When the disk works again: the time in which it did not is a gap.
    async fn look_at_disk(&mut self, now: Nanos) {
        let Some(NotStored { since, dropped_before, .. }) =
            self.not_stored.take_if(|not_stored| not_stored.last.outcome().is_some())
        else {
            return;
        };
        let dropped = self.shared.store.health().dropped.saturating_sub(dropped_before);
        let lost = if dropped > 0 {
            vec![format!("{dropped} records that no longer fitted in memory")]
        } else {
            Vec::new()
        };
        tracing::info!(dropped, "the disk works again");
        let gap = Gap { from: since, to: now, reason: GapReason::NotStored, lost };
        self.take(vec![self.own_change(Fact::Gap(gap), now)]).await;
    }

    fn own_change(&self, fact: Fact, now: Nanos) -> StateChange {
        StateChange {
            resource: Arc::new(hinomi_alert::runtime_resource(&self.shared.settings.host.name)),
            fact,
            old: None,
            reason: None,
            occurred_at: now,
            observed_at: now,
            source: Source::Hinomi,
            evidence: None,
        }
    }

    fn follow(&mut self, effects: Vec<Effect>) {
        let mut records = Vec::with_capacity(effects.len());
        for effect in effects {
            match effect {
                Effect::Store { incident, news } => {
                    if news {
                        log_incident(&incident);
                    }
                    records.push(Record::Incident(incident));
                }
                Effect::Tell(message) => {
                    records.push(Record::Queued((*message).clone()));
                    self.queue(*message);
                }
            }
        }
        if !records.is_empty() {
            // Not waited for: should a crash lose them, the same messages follow again under the same keys.
            let _later = self.append(records);
        }
        self.outbox.hand_over();
    }

    fn queue(&mut self, message: Message) {
        self.deliveries(|deliveries| deliveries.queued(&message));
        if let Some(shed) = self.outbox.queue(message) {
            let now = self.now();
            tracing::error!(receiver = %shed.receiver, incident = %shed.incident, "the queue of a receiver is full; its oldest message was given up");
            self.store_done(&shed, DeliveryStatus::GaveUp, "too many messages waited".to_owned(), now);
        }
    }

    fn store_done(&mut self, message: &Message, status: DeliveryStatus, detail: String, at: Nanos) {
        let done = Delivered {
            receiver: message.receiver.clone(),
            incident: message.incident.clone(),
            sequence: message.sequence,
            at,
            status,
            detail,
            tries: 0,
        };
        self.append_done(done);
    }

    fn append_done(&mut self, done: Delivered) {
        self.deliveries(|deliveries| deliveries.done(&done));
        let _later = self.append(vec![Record::Delivered(done)]);
    }

    fn deliveries(&self, act: impl FnOnce(&mut Deliveries)) {
        act(&mut self.shared.deliveries.write().unwrap_or_else(PoisonError::into_inner));
    }

    fn done(&mut self, outcome: notify::Outcome) {
        let (status, detail) = match outcome.end {
            notify::End::Accepted => (DeliveryStatus::Accepted, outcome.last_error.unwrap_or_default()),
            notify::End::GaveUp { why } => (DeliveryStatus::GaveUp, why),
        };
        self.outbox.done(&outcome.receiver, &outcome.incident, outcome.sequence);
        let done = Delivered {
            receiver: outcome.receiver,
            incident: outcome.incident,
            sequence: outcome.sequence,
            at: self.now(),
            status,
            detail,
            tries: outcome.tries,
        };
        self.append_done(done);
        self.shared.feed.touch();
    }

    fn show_waiting(&self) {
        let waiting = self.shared.receivers.keys().map(|name| (name.clone(), self.outbox.waiting(name)));
        *self.shared.outbox_waiting.write().unwrap_or_else(PoisonError::into_inner) = waiting.collect();
    }

    async fn keep_house(&mut self) {
        let now = self.now();
        self.judge(|judge| judge.note_alive(now));
        let _later = self.append(vec![Record::Alive(Alive { at: now })]);
        if [&self.chore, &self.encoding].into_iter().flatten().any(|chore| !chore.is_finished()) {
            return;
        }
        self.retain(now);
        if self.over_limit.load(Ordering::Relaxed)
            || self.shared.store.last_seq().saturating_sub(self.checkpoint_seq) >= CHECKPOINT_RECORDS
        {
            self.begin_checkpoint().await;
        }
    }

    /// Lets the old go, on a thread that may block: a disk that hangs must not hang the judging.
    fn retain(&mut self, now: Nanos) {
        let (store, over_limit) = (Arc::clone(&self.shared.store), Arc::clone(&self.over_limit));
        self.chore = Some(tokio::task::spawn_blocking(move || match store.retain(now) {
            Ok(retained) => over_limit.store(retained.over_limit, Ordering::Relaxed),
            Err(error) => tracing::warn!(%error, "old records could not be removed; tried again in a minute"),
        }));
    }

    /// Begins to write down the state. It becomes bytes on a thread that may block, as soon as there is one: the
    /// judging does not wait for that.
    async fn begin_checkpoint(&mut self) {
        let Some(write) = self.checkpoint().await else { return };
        self.encoding = Some(tokio::task::spawn_blocking(write));
    }

    /// What writes down the state as of the last record. Only when everything judged is stored: what is in the state
    /// must not be folded again behind it.
    async fn checkpoint(&mut self) -> Option<impl FnOnce() + Send + 'static> {
        let last = self.last_ticket.clone()?;
        let seq = match last.wait_async(CHECKPOINT_PATIENCE).await {
            Stored::Ok(seq) => seq,
            // Lost for good, so it will not be folded again either.
            Stored::Refused { .. } => self.shared.store.last_seq(),
            Stored::Late => return None,
        };
        let judge = self.shared.judge.read().unwrap_or_else(PoisonError::into_inner).snapshot();
        let deliveries = self.shared.deliveries.read().unwrap_or_else(PoisonError::into_inner).stored();
        let checkpoint = Checkpoint { judge, waiting: self.outbox.all(), deliveries };
        self.checkpoint_seq = seq;
        self.turn = self.turn.saturating_add(1);
        let (store, turn, last_turn) =
            (Arc::clone(&self.shared.store), self.turn, Arc::clone(&self.last_turn));
        Some(move || match serde_json::to_vec(&checkpoint) {
            Ok(bytes) => {
                let mut last = last_turn.lock().unwrap_or_else(PoisonError::into_inner);
                if turn > *last {
                    *last = turn;
                    store.checkpoint(seq, bytes);
                }
            }
            Err(error) => {
                tracing::error!(%error, "the state can't be written as a checkpoint; this is a bug in Hinomi");
            }
        })
    }

    /// Takes what is queued, stores it, and writes a checkpoint.
    async fn end(mut self) {
        let began = Instant::now();
        let metrics = self.shared.metrics.clone();
        let put_away = tokio::task::spawn_blocking(move || metrics.put_away());
        self.changes.close();
        let mut rest = Vec::new();
        while let Ok(batch) = self.changes.try_recv() {
            rest.extend(batch.changes);
        }
        if !rest.is_empty() {
            self.take(rest).await;
        }
        let outcomes = async {
            while let Some(outcome) = self.outcomes.recv().await {
                self.done(outcome);
            }
        };
        let _all_or_late = tokio::time::timeout(LAST_OUTCOMES, outcomes).await;
        let now = self.now();
        self.judge(|judge| judge.note_alive(now));
        let _later = self.append(vec![Record::Alive(Alive { at: now })]);
        // Right here: nobody is judged any more, and a thread for it may be long in coming.
        if let Some(write) = self.checkpoint().await {
            write();
        }
        self.shared.store.close(LAST_WRITE);
        let left = LAST_BLOCKS.saturating_sub(began.elapsed());
        if tokio::time::timeout(left, put_away).await.is_err() {
            tracing::info!("the last samples stay in the log; the next start reads them from there");
        }
    }
}

/// Whoever knocks learns that the loop goes round; whether he still waits does not matter.
fn answer(knock: Knock) {
    let _gone = knock.send(());
}

/// The value before, in words, where it is known.
fn old_value(timeline: &hinomi_timeline::Timeline, change: &StateChange) -> Option<String> {
    let track = timeline.tracks.get(&change.resource.uid)?;
    match &change.fact {
        Fact::Phase(_) => Some(track.state.word().to_owned()),
        Fact::Health(_) => track.health.as_ref().map(|health| format!("{:?}", health.status).to_lowercase()),
        Fact::Name(_) => Some(track.id.name.clone()),
        Fact::Spec(_) => Some(track.spec.image.clone()).filter(|image| !image.is_empty()),
        _ => None,
    }
}

/// The terminal's line: a person may never be told nothing.
fn log_incident(incident: &Incident) {
    let Some(root) = incident.root_finding() else { return };
    let (cause, level) = (root.cause.as_str(), incident.level.as_str());
    let key = incident.key.as_str();
    // As loud as it is now: the incident remembers the loudest it was.
    match (incident.status, root.level) {
        (IncidentStatus::Resolved, _) => {
            let because = incident.resolved_because.as_deref().unwrap_or("");
            tracing::info!(incident = key, level, inspection = %root.inspection, because, "resolved: {cause}");
        }
        (IncidentStatus::Firing, Level::Alert) => {
            tracing::error!(incident = key, inspection = %root.inspection, reason = %root.level_reason, "ALERT: {cause}");
        }
        (IncidentStatus::Firing, Level::Notice) => {
            tracing::warn!(incident = key, inspection = %root.inspection, reason = %root.level_reason, "notice: {cause}");
        }
        (IncidentStatus::Firing, Level::None) => {
            tracing::info!(incident = key, inspection = %root.inspection, reason = %root.level_reason, "recorded: {cause}");
        }
    }
}

#[cfg(test)]
#[path = "core_tests.rs"]
mod tests;
