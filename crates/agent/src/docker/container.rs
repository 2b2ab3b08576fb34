//! One container's watcher: turns its events, in order, into facts.
//!
//! # In one breath
//!
//! Each container has a task and a queue, so a hanging inspect of one holds up no other. `container.rs` holds the task
//! and what comes from outside of the event stream (comparisons); `container/events.rs` handles
//! events, `container/suspicion.rs` what no event told.
//!
//! # Invariants
//!
//! - Facts of a container leave in the order of its events.
//! - A run is reported once, whether an event or a comparison told of it first.
//! - At rest a watcher waits on its queue only: no timer, no poll.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use hinomi_model::{
    Fact, Gap, GapReason, KnownContainer, LogTail, Nanos, Outcome, Phase, ResourceId, Source, Spec, Stage,
    StageMark,
};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::Instant;

pub(crate) use super::context::Context;
use super::events::Event;
use super::inspect::{self, Inspect, Listed};
use super::logs::{self, Follower};
use super::outlet::Said;
use super::reconcile::{self, Around, Life, View};
use super::serve;
use super::task::Task;
use crate::metrics::ContainerRef;

mod attempt;
mod events;
mod suspicion;

use attempt::Attempt;

/// A difference must last so long, without an event, until it is believed.
const SUSPICION: Duration = Duration::from_secs(5);
/// Time for an inspect that holds up facts.
const QUICK: Duration = Duration::from_secs(2);

/// What a watcher is told.
pub(crate) enum Input {
    /// An event; the permit keeps its place in the bounded queue.
    Event(Box<Event>, OwnedSemaphorePermit),
    /// Compare with the engine after a time of not seeing.
    Look(Round),
    /// The regular list says this.
    Listed(Box<Listed>),
    /// A list does not name it.
    Missing(Option<Round>),
    /// Say anew what is.
    Restate,
}

/// One comparison of everything; over when its last clone is gone.
#[derive(Clone)]
pub(crate) struct Round {
    pub(crate) lost: mpsc::Sender<String>,
    /// Begin of the time of not seeing.
    pub(crate) from: Option<Nanos>,
}

impl Round {
    fn lose(&self, text: String) {
        // The collector bounds the list; beyond it only the number counts.
        self.lost.try_send(text).ok();
    }
}

/// Whether the watcher goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    On,
    End,
}

/// What belongs to one run.
#[derive(Default)]
struct Run {
    oom: bool,
    was_signalled: bool,
    was_healthy: bool,
    health_failed: bool,
    logs: Option<Follower>,
    serve: Option<Task<Option<StageMark>>>,
    serve_is_timed: bool,
}

/// The watcher.
pub(crate) struct Watcher {
    context: Arc<Context>,
    id: String,
    resource: Arc<ResourceId>,
    rx: mpsc::Receiver<Input>,
    pending: VecDeque<Input>,
    introduced: bool,
    spec: Option<Spec>,
    tty: bool,
    /// Sources of its bind mounts that were there when it was created.
    binds: Vec<std::path::PathBuf>,
    view: View,
    run: Run,
    attempt: Attempt,
    /// An inspect did not answer: look again with the next list.
    stale: bool,
    suspect_at: Option<Instant>,
    phantom: bool,
    last_event: Instant,
    /// A comparison, not an event, said last that it is frozen or goes on.
    compared_freeze: bool,
}

impl Watcher {
    pub(crate) fn new(
        context: Arc<Context>,
        id: &str,
        name: &str,
        known: Option<KnownContainer>,
        rx: mpsc::Receiver<Input>,
    ) -> Self {
        let view = known.as_ref().map(View::known).unwrap_or_default();
        let introduced = known.is_some();
        let resource =
            known.map_or_else(|| Arc::new(context.resource(id, name, &BTreeMap::new())), |k| k.resource);
        Self {
            context,
            id: id.to_owned(),
            resource,
            rx,
            pending: VecDeque::new(),
            introduced,
            spec: None,
            tty: false,
            binds: Vec::new(),
            view,
            run: Run::default(),
            attempt: Attempt::default(),
            stale: false,
            suspect_at: None,
            phantom: false,
            last_event: Instant::now(),
            compared_freeze: false,
        }
    }

    /// Runs until the container is gone or nobody sends any more.
    pub(crate) async fn run(mut self) {
        loop {
            let flow = match self.pending.pop_front() {
                Some(input) => self.take(input).await,
                None => match self.wait().await {
                    Some(flow) => flow,
                    None => break,
                },
            };
            if flow == Flow::End {
                break;
            }
        }
        self.context.oom.unwatch(&self.id);
        self.context.running.hide(&self.id);
    }

    async fn wait(&mut self) -> Option<Flow> {
        let due = [self.suspect_at, self.attempt.check_at()].into_iter().flatten().min();
        let timer = async {
            match due {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let serve = self.run.serve.as_mut();
        let served = async {
            match serve {
                Some(task) => task.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            input = self.rx.recv() => match input {
                Some(input) => Some(self.take(input).await),
                None => None,
            },
            mark = served => {
                self.run.serve = None;
                if let Ok(Some(mark)) = mark {
                    self.served(mark);
                }
                Some(Flow::On)
            }
            () = timer => Some(self.on_timer().await),
        }
    }

    async fn take(&mut self, input: Input) -> Flow {
        match input {
            Input::Event(event, permit) => {
                self.last_event = Instant::now();
                let flow = self.on_event(*event).await;
                drop(permit);
                flow
            }
            Input::Look(round) => self.look(Some(&round)).await,
            Input::Listed(listed) => self.on_listed(&listed).await,
            Input::Missing(round) => self.on_missing(round.as_ref()).await,
            Input::Restate => {
                self.restate();
                Flow::On
            }
        }
    }

    async fn on_timer(&mut self) -> Flow {
        let now = Instant::now();
        if self.attempt.check_at().is_some_and(|at| at <= now) {
            self.attempt.checked();
            self.check_start(true).await;
        }
        if self.suspect_at.is_some_and(|at| at <= now) {
            self.suspect_at = None;
            return self.suspicion().await;
        }
        Flow::On
    }

    fn now(&self) -> Nanos {
        Nanos(self.context.clock.now())
    }

    fn say(&self, said: Vec<Said>) {
        self.context.outlet.put(&self.resource, said);
    }

    /// Compares with the engine and reports what differs.
    async fn look(&mut self, round: Option<&Round>) -> Flow {
        let now = match self.context.inspect(&self.id, self.context.options.call_timeout).await {
            Ok(now) => now,
            // The engine lists a container a moment before it knows its id: its first event is about to come. Should
            // it be gone instead, the next list does not name it.
            Err(error) if error.is_gone() && !self.introduced => return Flow::On,
            Err(error) if error.is_gone() => return self.gone_unseen(round),
            Err(error) => {
                self.stale = true;
                if let Some(round) = round {
                    round.lose(format!("state of {}: {error}", self.resource.name));
                }
                return Flow::On;
            }
        };
        self.stale = false;
        self.meet(&now, round).await;
        let lost = self.differ(&now, false).await;
        if let Some(round) = round {
            lost.into_iter().for_each(|text| round.lose(text));
        }
        Flow::On
    }

    /// Makes its acquaintance, if that has not happened.
    async fn meet(&mut self, now: &Inspect, round: Option<&Round>) {
        let name = now.name.trim_start_matches('/');
        let renamed = self.introduced && !name.is_empty() && name != self.resource.name;
        if self.spec.is_none() || renamed {
            self.resource = Arc::new(self.context.resource(&self.id, name, &now.config.labels));
        }
        if renamed {
            self.say(vec![Said::new(Fact::Name(name.to_owned()), self.now(), Source::Reconcile)]);
        }
        if self.introduced && self.spec.is_some() {
            // What an event alone told of it (nobody could look in time) was a part only.
            return self.respec(now, self.now());
        }
        self.tty = now.config.tty;
        self.spec = Some(now.spec());
        if self.introduced {
            return;
        }
        self.introduced = true;
        self.view.life = Life::Created;
        self.say(reconcile::introduce(now, false, Source::Reconcile, self.now()));
        let is_young =
            round.and_then(|round| round.from).zip(now.created_at()).is_some_and(|(from, at)| at > from);
        // Of a loop that is met in the middle its count is known; an old count says nothing of today.
        if now.restart_count > 0 && (is_young || now.state.status == "restarting") {
            let at = now.started_at().unwrap_or_else(|| self.now());
            self.say(vec![Said::new(Fact::UnobservedRestarts(now.restart_count), at, Source::Reconcile)]);
        }
        if now.health() == Some(hinomi_model::HealthStatus::Healthy) {
            self.run.was_healthy = true;
            self.say(vec![Said::stage(Stage::Health, Outcome::Passed, self.now(), Source::Reconcile)]);
        }
    }

    /// Reports what differs from what is known and takes it over. Returns what is lost.
    async fn differ(&mut self, now: &Inspect, inconsistent: bool) -> Vec<String> {
        let era = self.context.era();
        let resource = Arc::clone(&self.resource);
        let around = Around { name: &resource.name, now: self.now(), rebooted: era.rebooted };
        let mut found = reconcile::compare(&self.view, now, around);
        let is_freeze = |said: &Said| matches!(said.fact, Fact::Phase(Phase::Paused | Phase::Unpaused));
        self.compared_freeze |= found.said.iter().any(is_freeze);
        let was_alive = self.view.life.is_alive();
        let ended = was_alive && found.said.iter().any(|said| matches!(said.fact, Fact::Exit(_)));
        if ended {
            let mut log = self.log_tail().await;
            if log.lines.is_empty() && log.note.is_none() && era.restarted {
                log.note = Some(logs::LOST_WITH_ENGINE.to_owned());
            }
            let log = Arc::new(log);
            let exit = found.said.iter_mut().find(|said| matches!(said.fact, Fact::Exit(_)));
            exit.into_iter().for_each(|said| said.log = Some(Arc::clone(&log)));
        }
        // No event tells of a removal that fails or hangs: to find it is no sign that events were missed.
        let untold = |said: &Said| matches!(said.fact, Fact::Phase(Phase::Removing | Phase::Dead));
        if inconsistent && !found.said.iter().all(untold) {
            let lost = if found.lost.is_empty() {
                vec![format!("events of {}", around.name)]
            } else {
                found.lost.clone()
            };
            self.gap(lost);
        }
        self.say(found.said);
        let fresh = !was_alive || !self.view.is_same_run(now.started_at());
        self.view = View::of(now);
        if self.view.life.is_alive() {
            self.accompany(now, fresh, false);
        } else {
            self.part();
            if self.view.life == Life::Created && !now.state.error.is_empty() {
                self.report_start_failure(now);
            }
        }
        found.lost
    }

    /// A run was not, or not wholly, told of by events.
    fn gap(&self, lost: Vec<String>) {
        if !self.context.era().synced {
            // Part of the gap before this session.
            self.context.lose(lost);
            return;
        }
        let now = self.now();
        let gap = Gap { from: now.minus(SUSPICION), to: now, reason: GapReason::Inconsistent, lost };
        self.say(vec![Said::new(Fact::Gap(gap), now, Source::Hinomi)]);
    }

    /// Follows a run that is going on. `fresh`: it was not accompanied before; `timed`: its begin was seen.
    fn accompany(&mut self, now: &Inspect, fresh: bool, timed: bool) {
        self.view.pid = now.state.pid;
        let process = self.process();
        if let Some(process) = &process
            && now.state.pid > 0
        {
            self.context.learn_visibility(process, &self.id);
            self.context.oom.watch(Arc::clone(&self.resource), &self.id, now.state.pid);
            self.show(now);
        }
        let spec = self.spec.get_or_insert_with(|| now.spec());
        if fresh || self.run.logs.as_ref().is_none_or(Follower::is_over) {
            self.run.logs = Some(Follower::start(&self.context, &self.id, self.tty, &spec.log_driver));
        }
        let ports: Vec<u16> =
            spec.ports.iter().filter(|port| port.protocol == "tcp").map(|port| port.container_port).collect();
        let grace = self.context.options.serve_grace;
        let is_young = now.started_at().is_none_or(|at| self.now().since(at) < grace);
        if ports.is_empty() || !(fresh && (timed || is_young)) {
            return;
        }
        let published = ports.iter().filter_map(|port| now.published(*port)).collect();
        self.run.serve_is_timed = timed;
        self.run.serve = Some(Task::spawn(serve::probe(serve::Target { process, ports, published, grace })));
    }

    /// Shows it to those who measure what runs.
    fn show(&self, now: &Inspect) {
        let spec = now.spec();
        self.context.running.show(ContainerRef {
            id: self.id.clone(),
            pid: now.state.pid,
            name: self.resource.name.clone(),
            image: spec.image,
            labels: spec.labels,
            own_network: now.has_own_network(),
        });
    }

    /// The run is over: nothing of it is watched any more.
    fn part(&mut self) {
        self.run = Run::default();
        self.view.pid = 0;
        self.context.oom.unwatch(&self.id);
        self.context.running.hide(&self.id);
    }

    fn process(&self) -> Option<std::path::PathBuf> {
        (self.view.pid > 0 && self.context.client().is_local())
            .then(|| self.context.options.proc_root.join(self.view.pid.to_string()))
    }

    fn served(&self, mut mark: StageMark) {
        if !self.run.serve_is_timed {
            mark.took_ms = None;
        }
        self.say(vec![Said::new(Fact::Stage(mark), self.now(), Source::Probe)]);
    }

    async fn log_tail(&mut self) -> LogTail {
        let options = &self.context.options;
        let follower = match self.run.logs.take() {
            Some(follower) => follower,
            None => {
                let driver = self.spec.as_ref().map_or("", |spec| spec.log_driver.as_str());
                Follower::start(&self.context, &self.id, self.tty, driver)
            }
        };
        follower.finish(&self.context.client(), &self.id, self.tty, options).await
    }
}

/// Whether a process folder is gone, or is not a container's: its cgroup must name the container.
pub(crate) fn is_not_of(process: &std::path::Path, id: &str) -> bool {
    match std::fs::read_to_string(process.join("cgroup")) {
        Ok(text) => !text.contains(id),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

/// Labels for a container that was gone before anybody could look.
pub(crate) fn stand_in(event: &Event) -> Spec {
    Spec {
        image: inspect::cut(&event.image, 256).to_owned(),
        created_at: Some(event.at),
        labels: event.labels.clone(),
        ..Spec::default()
    }
}
