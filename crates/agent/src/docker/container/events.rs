//! Events of one container → facts.

use std::sync::Arc;
use std::time::Duration;

use hinomi_model::{
    Exit, Fact, Health, HealthStatus, Intent, IntentAction, Nanos, Oom, OomWitness, Outcome, Phase,
    RestartPolicy, RunState, Source, Stage, StageMark,
};
use tokio::time::Instant;

use super::{Flow, Input, QUICK, Run, Watcher, stand_in};
use crate::docker::events::{Event, What};
use crate::docker::inspect::{self, Inspect};
use crate::docker::outlet::Said;
use crate::docker::reconcile::{self, Life, View};

/// How long a death waits for what comes next before the engine is asked.
const NEXT_WAIT: Duration = Duration::from_millis(300);
/// An end that is told of twice: by an inspection and by its event, which is stamped later.
const SAME_END: Duration = Duration::from_secs(3);

impl Watcher {
    pub(super) async fn on_event(&mut self, event: Event) -> Flow {
        if !matches!(event.what, What::Create | What::Destroy) {
            self.ensure_met(&event).await;
        }
        match event.what {
            What::Create => self.on_create(&event).await,
            What::Start => self.on_start(&event).await,
            What::Die { code } => self.on_die(&event, code).await,
            What::Destroy => return self.on_destroy(&event),
            What::Kill { signal } => {
                self.run.was_signalled = true;
                self.intend(event.at, IntentAction::Signal, signal).await;
            }
            What::Stop => self.intend(event.at, IntentAction::Stop, None).await,
            What::Restart => self.intend(event.at, IntentAction::Restart, None).await,
            What::Oom => self.on_oom(event.at),
            What::Pause => self.freeze(event.at, Life::Paused, Phase::Paused),
            What::Unpause => self.freeze(event.at, Life::Running, Phase::Unpaused),
            What::Rename => self.on_rename(&event),
            What::Update => self.on_update(&event).await,
            What::Health(status) => self.on_health(&event, status).await,
            What::NetworkConnect if !self.view.life.is_alive() => {
                self.attempt.connected(event.at);
                self.attempt.schedule();
            }
            What::NetworkDisconnect if !self.view.life.is_alive() => {
                if self.attempt.disconnected(event.at, self.view.life == Life::Created) {
                    self.attempt.schedule();
                }
            }
            What::NetworkConnect | What::NetworkDisconnect | What::Pull => {}
        }
        Flow::On
    }

    fn event_fact(&self, fact: Fact, at: Nanos) {
        self.say(vec![Said::new(fact, at, Source::RuntimeEvent)]);
    }

    async fn intend(&self, at: Nanos, action: IntentAction, signal: Option<i32>) {
        let by_runtime = self.context.is_runtimes_own(at).await;
        self.event_fact(Fact::Intent(Intent { action, signal, by_runtime }), at);
    }

    fn freeze(&mut self, at: Nanos, life: Life, phase: Phase) {
        // The same word again: what lay between was missed. After a comparison that said it, the event is its cause.
        let is_told = self.view.life == life && self.compared_freeze;
        self.compared_freeze = false;
        if !is_told {
            self.view.life = life;
            self.event_fact(Fact::Phase(phase), at);
        }
    }

    fn on_oom(&mut self, at: Nanos) {
        self.run.oom = true;
        let oom = Oom {
            witness: OomWitness::Runtime,
            victim_pid: None,
            victim_comm: None,
            victim_rss_kib: None,
            peak_bytes: None,
            kills: None,
        };
        self.event_fact(Fact::Oom(oom), at);
    }

    fn on_rename(&mut self, event: &Event) {
        if event.name.is_empty() || event.name == self.resource.name {
            return;
        }
        let labels = self.spec.as_ref().map(|spec| spec.labels.clone()).unwrap_or_default();
        self.resource = Arc::new(self.context.resource(&self.id, &event.name, &labels));
        self.context.running.rename(&self.id, &self.resource.name);
        self.event_fact(Fact::Name(event.name.clone()), event.at);
    }

    /// Another event than `create` came first: what is declared must be said before it.
    async fn ensure_met(&mut self, event: &Event) {
        if self.spec.is_some() {
            return;
        }
        let was_introduced = self.introduced;
        match self.inspect_until_end().await {
            Some(now) => {
                self.meet(&now, None).await;
                if was_introduced {
                    return;
                }
                // Only what was before this event: the event itself says the rest.
                self.view =
                    View { life: Life::Created, restart_count: Some(now.restart_count), ..View::default() };
                let before =
                    matches!(event.what, What::Die { .. } | What::Kill { .. } | What::Oom | What::Health(_))
                        || matches!(event.what, What::Pause | What::Unpause | What::Stop);
                if before && let Some(started) = now.started_at().filter(|at| *at <= event.at) {
                    self.begin(started, now.state.pid, None, Source::Inspect);
                    if now.state.running {
                        self.accompany(&now, true, false);
                    }
                }
            }
            None if !was_introduced => self.introduce_by(event),
            None => self.spec = Some(stand_in(event)),
        }
        if !was_introduced {
            self.gap(vec![format!("what happened to {} before", self.resource.name)]);
        }
    }

    /// Nobody could look in time: the event itself must do.
    fn introduce_by(&mut self, event: &Event) {
        self.introduced = true;
        self.stale = true;
        self.resource = Arc::new(self.context.resource(&self.id, &event.name, &event.labels));
        let spec = stand_in(event);
        self.say(vec![
            Said::new(Fact::Spec(Box::new(spec.clone())), event.at, Source::RuntimeEvent),
            Said::new(Fact::Phase(Phase::Created), event.at, Source::RuntimeEvent),
            Said::stage(Stage::Place, Outcome::NotApplicable, event.at, Source::RuntimeEvent),
            Said::stage(Stage::Pull, self.pulled(&event.image, event.at), event.at, Source::RuntimeEvent),
            Said::stage(Stage::Create, Outcome::Passed, event.at, Source::RuntimeEvent),
        ]);
        self.spec = Some(spec);
        self.view.life = Life::Created;
    }

    fn pulled(&self, image: &str, at: Nanos) -> Outcome {
        if self.context.was_pulled(image, at) { Outcome::Passed } else { Outcome::Unknown }
    }

    async fn on_create(&mut self, event: &Event) {
        if self.introduced {
            return;
        }
        // A busy engine answers only when the start that follows is done. Without the answer nobody knows the restart
        // policy, and the level of everything that comes next would be wrong: better late.
        let looked = self.context.inspect(&self.id, self.context.options.call_timeout).await;
        self.attempt.schedule();
        let Ok(now) = looked else {
            self.introduce_by(event);
            return;
        };
        self.introduced = true;
        self.tty = now.config.tty;
        self.resource = Arc::new(self.context.resource(&self.id, &now.name, &now.config.labels));
        self.spec = Some(now.spec());
        if self.context.client().is_local() {
            let sources = now.bind_sources().map(std::path::PathBuf::from);
            self.binds = sources.filter(|source| source.symlink_metadata().is_ok()).collect();
        }
        self.view = View { life: Life::Created, restart_count: Some(now.restart_count), ..View::default() };
        let pulled = self.context.was_pulled(&now.config.image, event.at);
        let mut said = reconcile::introduce(&now, pulled, Source::RuntimeEvent, event.at);
        said.iter_mut().for_each(|said| said.at = event.at);
        self.say(said);
        // A start right after the creation holds this inspection up: it may show already how that failed, and with
        // `--rm` nothing will show it later.
        if !now.state.error.is_empty() {
            self.report_start_failure(&now);
        }
    }

    /// Inspects, unless the run's end is there already or comes first.
    async fn inspect_until_end(&mut self) -> Option<Inspect> {
        self.inspect_until(|what| matches!(what, What::Die { .. } | What::Destroy)).await
    }

    /// Inspects, unless an event that makes it needless is there already or comes first. The engine answers for a
    /// container that it is just starting or removing only when that is done.
    async fn inspect_until(&mut self, needless: fn(&What) -> bool) -> Option<Inspect> {
        let ends = |input: &Input| matches!(input, Input::Event(event, _) if needless(&event.what));
        if self.pending.iter().any(ends) {
            return None;
        }
        let context = Arc::clone(&self.context);
        let id = self.id.clone();
        let mut inspect = std::pin::pin!(context.inspect(&id, QUICK));
        let mut open = true;
        loop {
            tokio::select! {
                biased;
                answer = &mut inspect => {
                    self.stale |= answer.is_err();
                    return answer.ok();
                }
                input = self.rx.recv(), if open => match input {
                    Some(input) => {
                        let end = ends(&input);
                        self.pending.push_back(input);
                        if end {
                            return None;
                        }
                    }
                    None => open = false,
                },
            }
        }
    }

    async fn on_start(&mut self, event: &Event) {
        let was_alive = self.view.life.is_alive();
        if was_alive && self.view.started_at.is_some_and(|at| is_near(at, event.at, Duration::from_secs(1))) {
            return;
        }
        let now = self.inspect_until_end().await;
        // A later run than this event's may be shown already.
        let now = now.filter(|now| now.started_at().is_some_and(|at| at <= event.at));
        let started = now.as_ref().and_then(Inspect::started_at);
        let is_this = started.is_some_and(|at| is_near(at, event.at, Duration::from_secs(30)));
        if was_alive {
            if is_this && self.view.is_same_run(started) {
                return;
            }
            self.gap(vec![format!("exit code of {} (restarted {})", self.resource.name, event.at.rfc3339())]);
            self.event_fact(Fact::UnobservedRestarts(1), event.at);
            self.part();
        }
        let created_at = self.spec.as_ref().and_then(|spec| spec.created_at);
        let never_ran = self.view.life == Life::Created;
        let fresh = created_at.filter(|at| never_ran && event.at.since(*at) < Duration::from_secs(60));
        let began = fresh.or(self.attempt.succeeded());
        let took_ms = began.and_then(|began| u64::try_from(event.at.since(began).as_millis()).ok());
        let restarting = self.view.life == Life::Restarting;
        self.view.restart_count = match &now {
            Some(now) => Some(now.restart_count),
            None => self.view.restart_count.map(|count| count + u32::from(restarting)),
        };
        if let Some(now) = &now {
            self.respec(now, event.at);
        }
        let lives = now.as_ref().filter(|now| is_this && now.state.running);
        let pid = lives.map_or(0, |now| now.state.pid);
        self.begin(started.filter(|_| is_this).unwrap_or(event.at), pid, took_ms, Source::RuntimeEvent);
        if let Some(now) = lives {
            self.accompany(now, true, true);
        }
    }

    /// Says what is declared anew where it changed (a port's number on the host, for one).
    pub(super) fn respec(&mut self, now: &Inspect, at: Nanos) {
        let spec = now.spec();
        self.tty = now.config.tty;
        if self.spec.as_ref() != Some(&spec) {
            self.say(vec![Said::new(Fact::Spec(Box::new(spec.clone())), at, Source::Inspect)]);
            self.spec = Some(spec);
        }
    }

    fn begin(&mut self, started_at: Nanos, pid: u32, took_ms: Option<u64>, source: Source) {
        self.attempt.succeeded();
        self.run = Run::default();
        self.view.life = Life::Running;
        self.view.started_at = Some(started_at);
        self.view.finished_at = None;
        self.view.pid = pid;
        let has_check = self.spec.as_ref().is_some_and(|spec| spec.has_health_check);
        self.view.health = has_check.then_some(HealthStatus::Starting);
        let run = RunState { pid, started_at: Some(started_at) };
        let mark = StageMark { stage: Stage::Start, outcome: Outcome::Passed, cause: None, took_ms };
        let mut said = vec![
            Said::new(Fact::Phase(Phase::Running(run)), started_at, source),
            Said::new(Fact::Stage(mark), started_at, source),
        ];
        if has_check {
            let health = Health { status: HealthStatus::Starting, failing_streak: 0, last_probe: None };
            said.push(Said::new(Fact::Health(health), started_at, source));
        }
        self.say(said);
    }

    async fn on_die(&mut self, event: &Event, code: Option<i32>) {
        let told = self.view.finished_at.is_some_and(|at| is_near(at, event.at, SAME_END));
        if self.view.life.is_alive() && self.view.started_at.is_some_and(|at| at > event.at) {
            // The end of an earlier run: a comparison was faster and has told of the run after it.
            return;
        }
        if !self.view.life.is_alive() {
            if told || self.view.life == Life::Dead {
                return;
            }
            self.gap(vec![format!("when {} started", self.resource.name)]);
        }
        let (oom_hint, was_signalled) = (self.run.oom, self.run.was_signalled);
        let log = Some(Arc::new(self.log_tail().await));
        self.part();
        self.view.finished_at = Some(event.at);
        self.view.life = Life::Exited;
        self.view.health = None;
        let exit = Exit { code, error: None, oom_hint };
        self.say(vec![Said { log, ..Said::new(Fact::Exit(exit), event.at, Source::RuntimeEvent) }]);
        let (life, reason) = self.what_follows(code, was_signalled).await;
        self.view.life = life;
        let phase = if life == Life::Restarting { Phase::Restarting } else { Phase::Exited };
        self.say(vec![Said::new(Fact::Phase(phase), event.at, Source::RuntimeEvent).because(reason)]);
    }

    /// Whether the engine starts it again: what comes next says so, else the engine.
    async fn what_follows(&mut self, code: Option<i32>, was_signalled: bool) -> (Life, Option<String>) {
        let policy = self.spec.as_ref().map(|spec| spec.restart).unwrap_or_default();
        let hopeless = matches!(policy, RestartPolicy::No)
            || matches!((policy, code), (RestartPolicy::OnFailure { .. }, Some(0)));
        if hopeless {
            return (Life::Exited, None);
        }
        let deadline = Instant::now() + NEXT_WAIT;
        while self.told_to_follow().is_none() {
            match tokio::time::timeout_at(deadline, self.rx.recv()).await {
                Ok(Some(input)) => self.pending.push_back(input),
                Ok(None) | Err(_) => break,
            }
        }
        let decides = |what: &What| matches!(what, What::Start | What::Destroy | What::Stop);
        let now = self.inspect_until(decides).await;
        match (self.told_to_follow(), now) {
            (Some(life), _) => (life, None),
            (None, Some(now)) if matches!(now.state.status.as_str(), "restarting" | "running") => {
                (Life::Restarting, None)
            }
            (None, Some(now)) => (Life::Exited, now.error()),
            // The engine does not answer: what the policy says, until the next list.
            (None, None) if was_signalled => (Life::Exited, None),
            (None, None) => (Life::Restarting, None),
        }
    }

    /// What the events that wait say about what follows an end.
    fn told_to_follow(&self) -> Option<Life> {
        self.pending.iter().find_map(|input| match input {
            Input::Event(event, _) => match event.what {
                What::Start => Some(Life::Restarting),
                What::Destroy | What::Stop => Some(Life::Exited),
                _ => None,
            },
            _ => None,
        })
    }

    fn on_destroy(&mut self, event: &Event) -> Flow {
        if !self.introduced {
            if !self.context.era().synced {
                // Told again from before the first look: nobody knew it, nobody misses it.
                return Flow::End;
            }
            // A disk without space: the engine takes back a container that it never said it created.
            self.introduce_destroyed(event);
        } else if self.view.life.is_alive() {
            // Its end came while nobody looked.
            self.gap(vec![format!("how {} ended (it is gone)", self.resource.name)]);
        } else if self.view.life == Life::Created {
            let auto_remove = self.spec.as_ref().is_some_and(|spec| spec.auto_remove);
            if (auto_remove || self.attempt.was_tried) && !self.attempt.has_failed() {
                self.fail_start("removed before it started; the runtime gave no reason", event.at);
            }
        }
        self.event_fact(Fact::Phase(Phase::Gone { unseen: false }), event.at);
        Flow::End
    }

    fn introduce_destroyed(&mut self, event: &Event) {
        self.resource = Arc::new(self.context.resource(&self.id, &event.name, &event.labels));
        let cause = "taken back before it was created; the runtime gave no reason (often: no space left)";
        let mark = StageMark {
            stage: Stage::Create,
            outcome: Outcome::Failed,
            cause: Some(cause.to_owned()),
            took_ms: None,
        };
        self.say(vec![
            Said::new(Fact::Spec(Box::new(stand_in(event))), event.at, Source::RuntimeEvent),
            Said::new(Fact::Stage(mark), event.at, Source::RuntimeEvent),
        ]);
    }

    fn fail_start(&self, cause: &str, at: Nanos) {
        let mark = StageMark {
            stage: Stage::Start,
            outcome: Outcome::Failed,
            cause: Some(cause.to_owned()),
            took_ms: None,
        };
        let said = Said::new(Fact::Stage(mark), at, Source::RuntimeEvent);
        self.say(vec![said.because(Some("start failed".to_owned()))]);
    }

    /// Looks whether a start failed without an event. `was_hinted`: something hints at a try just now.
    pub(super) async fn check_start(&mut self, was_hinted: bool) {
        if self.view.life.is_alive() {
            return;
        }
        let Ok(now) = self.context.inspect(&self.id, QUICK).await else { return };
        let life = Life::from_word(&now.state.status);
        let never_ran = life == Life::Created;
        let ran_before =
            life == Life::Exited && self.attempt.was_tried && self.view.is_same_run(now.started_at());
        if (never_ran || ran_before) && !now.state.error.is_empty() {
            self.report_start_failure(&now);
        } else if never_ran && was_hinted {
            self.check_binds();
        }
    }

    /// The engine refuses to start a container whose bind source is gone, and keeps no word of it anywhere.
    fn check_binds(&mut self) {
        let gone = |source: &&std::path::PathBuf| {
            source.symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
        };
        let Some(source) = self.binds.iter().find(gone) else { return };
        let cause = inspect::bounded(&format!(
            "bind source path does not exist: {}; the engine refuses to start it",
            source.display()
        ));
        let at = self.now();
        if self.attempt.is_news(&cause, at) {
            self.fail_start(&cause, at);
        }
    }

    pub(super) fn report_start_failure(&mut self, now: &Inspect) {
        let wall = Nanos(self.context.clock.wall());
        if self.attempt.is_news(&now.state.error, wall)
            && let Some(said) = reconcile::start_failed(now, self.now())
        {
            self.say(said);
        }
    }

    async fn on_update(&mut self, event: &Event) {
        self.intend(event.at, IntentAction::Update, None).await;
        if let Ok(now) = self.context.inspect(&self.id, QUICK).await {
            self.respec(&now, event.at);
        }
    }

    async fn on_health(&mut self, event: &Event, status: HealthStatus) {
        if self.view.health == Some(status) {
            return;
        }
        self.view.health = Some(status);
        let now = self.context.inspect(&self.id, QUICK).await.ok();
        let (failing_streak, last_probe) = now.as_ref().map(Inspect::probe).unwrap_or_default();
        let last_probe = last_probe.map(|text| inspect::bounded(&text));
        let cause = last_probe.clone();
        let health = Health { status, failing_streak, last_probe };
        let mut said = vec![Said::new(Fact::Health(health), event.at, Source::RuntimeEvent)];
        let since_start = self.view.started_at.map(|at| event.at.since(at).as_millis());
        let mark = |outcome, cause| {
            let took_ms = since_start.and_then(|took| u64::try_from(took).ok());
            let mark = StageMark { stage: Stage::Health, outcome, cause, took_ms };
            Said::new(Fact::Stage(mark), event.at, Source::RuntimeEvent)
        };
        match status {
            HealthStatus::Healthy if !self.run.was_healthy => {
                self.run.was_healthy = true;
                said.push(mark(Outcome::Passed, None));
            }
            HealthStatus::Unhealthy if !self.run.was_healthy && !self.run.health_failed => {
                self.run.health_failed = true;
                said.push(mark(Outcome::Failed, cause));
            }
            _ => {}
        }
        self.say(said);
    }
}

fn is_near(one: Nanos, other: Nanos, within: Duration) -> bool {
    one.since(other) <= within && other.since(one) <= within
}
