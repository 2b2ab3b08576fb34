//! A data folder as a big host leaves it after some hours, written by the real pipeline: what no dockerd of a test
//! can bring about in a minute. A real Hinomi then serves it.
//!
//! Only the clock is a stand-in; it runs through the hours as fast as the changes are stored.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use hinomi_base::budget::Budget;
use hinomi_base::clock::{Clock, Source as Time};
use hinomi_base::counters::{Counter, Counters};
use hinomi_base::task;
use hinomi_model::{
    Exit, Fact, Health, HealthStatus, Intent, IntentAction, Nanos, Oom, OomWitness, Outcome, Phase, PortSpec,
    ResourceId, ResourceKind, RestartPolicy, RunState, RuntimeState, Sink, Source, Spec, Stage, StageMark,
    StateChange, WorkloadKind, WorkloadRef,
};
use hinomi_pipeline::settings::{Host, Settings};
use hinomi_pipeline::{Intake, Options};

use crate::numbers::{Chance, wall_ns};

/// Name of the host in it.
pub const HOST: &str = "bench-town";
/// How far back it begins.
const SPAN: Duration = Duration::from_hours(6);
/// The time before its end in which things break.
const TROUBLE: Duration = Duration::from_mins(50);
/// Longest wait for the pipeline to take a batch.
const PATIENCE: Duration = Duration::from_secs(20);
const BUDGET: u64 = 256 << 20;

/// How big.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Workloads, one container each.
    pub workloads: usize,
    /// Of these, with an open finding at the end.
    pub broken: usize,
    /// State changes at least.
    pub changes: usize,
}

/// Writes it; returns how many state changes it holds.
///
/// # Errors
///
/// When the folder cannot be written, or the pipeline does not take what it is given.
pub fn write(data_dir: &Path, size: Size) -> Result<usize> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(Town::build(data_dir, size))
}

struct Hands(AtomicI64);

impl Time for Hands {
    fn wall(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    fn boot(&self) -> i64 {
        self.wall()
    }
}

struct Town {
    hands: Arc<Hands>,
    intake: Intake,
    stored: Counter,
    pushed: usize,
    chance: Chance,
    end: i64,
}

impl Town {
    async fn build(data_dir: &Path, size: Size) -> Result<usize> {
        let end = wall_ns();
        let hands = Arc::new(Hands(AtomicI64::new(end - nanos(SPAN))));
        let counters = Counters::default();
        let settings = Settings {
            data_dir: data_dir.to_path_buf(),
            host: Host { name: HOST.to_owned() },
            ..Settings::default()
        };
        let clock = Clock::new(Arc::clone(&hands) as Arc<dyn Time>);
        let options = Options { settings, clock, budget: Budget::new(BUDGET), counters: counters.clone() };
        let (service, _handle, intake) = hinomi_pipeline::open(options)?;
        let (stop, stops) = task::shutdown();
        let running = tokio::spawn(service.run(stops));
        let stored = counters.counter("records_stored_total");
        let mut town = Self { hands, intake, stored, pushed: 0, chance: Chance::stream(500), end };
        town.live(size).await?;
        stop.raise();
        running.await.context("the pipeline")?;
        Ok(town.pushed)
    }

    async fn live(&mut self, size: Size) -> Result<()> {
        let runtime =
            RuntimeState { up: true, version: "Docker Engine".to_owned(), ..RuntimeState::default() };
        let host = ResourceId {
            kind: ResourceKind::Cluster,
            uid: HOST.to_owned(),
            name: HOST.to_owned(),
            workload: None,
            ..container(0)
        };
        self.push(vec![change(&Arc::new(host), Fact::Runtime(runtime))]).await?;
        for index in 0..size.workloads {
            let id = Arc::new(container(index));
            self.push(created(&id, spec(index, 1))).await?;
            self.pass(Duration::from_secs(2));
            self.push(vec![change(&id, running())]).await?;
            self.pass(Duration::from_secs(1));
        }
        self.restarts_by_hand(size).await?;
        self.set(self.end - nanos(TROUBLE));
        let pause = TROUBLE.saturating_sub(Duration::from_mins(10)) / u32::try_from(size.broken.max(1))?;
        for index in 0..size.broken {
            self.breaks(index).await?;
            self.pass(pause);
        }
        self.set(self.end);
        Ok(())
    }

    /// Fills the hours up to the wanted number of changes: people who restart and deploy.
    async fn restarts_by_hand(&mut self, size: Size) -> Result<()> {
        let times = size.changes.saturating_sub(self.pushed).div_ceil(5).max(1);
        let left = self.end - nanos(TROUBLE) - self.hands.wall();
        let pause = Duration::from_nanos(u64::try_from(left).unwrap_or(0) / times as u64);
        let last = u64::try_from(size.workloads.saturating_sub(1))?;
        for turn in 0..times {
            let index = usize::try_from(self.chance.between(0, last))?;
            let id = Arc::new(container(index));
            let mut changes = vec![
                change(&id, intent(IntentAction::Signal, Some(15))),
                change(&id, Fact::Exit(Exit { code: Some(143), ..Exit::default() })),
                change(&id, Fact::Phase(Phase::Exited)),
                change(&id, running()),
                change(&id, intent(IntentAction::Restart, None)),
            ];
            if turn % 40 == 0 {
                changes.push(change(&id, Fact::Spec(Box::new(spec(index, 2 + turn / 40)))));
            }
            self.push(changes).await?;
            self.pass(pause);
        }
        Ok(())
    }

    /// One of five kinds of trouble, by the number.
    async fn breaks(&mut self, index: usize) -> Result<()> {
        let id = Arc::new(container(index));
        let end = |code| change(&id, Fact::Exit(Exit { code: Some(code), ..Exit::default() }));
        match index % 5 {
            0 => self.push(vec![end(3), change(&id, Fact::Phase(Phase::Exited))]).await,
            1 => {
                for _ in 0..4 {
                    self.push(vec![
                        change(&id, oom()),
                        end(137),
                        change(&id, Fact::Phase(Phase::Restarting)),
                    ])
                    .await?;
                    self.pass(Duration::from_secs(1));
                    self.push(vec![change(&id, running())]).await?;
                    self.pass(Duration::from_secs(1));
                }
                self.push(vec![change(&id, oom()), end(137), change(&id, Fact::Phase(Phase::Restarting))])
                    .await
            }
            2 => {
                let health = Health {
                    status: HealthStatus::Unhealthy,
                    failing_streak: 3,
                    last_probe: Some("exit code 1: connection refused".to_owned()),
                };
                self.push(vec![change(&id, Fact::Health(health))]).await
            }
            3 => {
                let cause = "exec: \"/srv/app\": stat /srv/app: no such file or directory: unknown";
                let again =
                    Arc::new(ResourceId { uid: format!("{:064x}", 0xbad_0000 + index), ..container(index) });
                let gone = vec![end(143), change(&id, Fact::Phase(Phase::Gone { unseen: false }))];
                self.push([vec![change(&id, intent(IntentAction::Remove, None))], gone].concat()).await?;
                self.push(created(&again, spec(index, 99))).await?;
                self.push(vec![change(&again, mark(Stage::Start, Outcome::Failed, Some(cause)))]).await
            }
            _ => {
                for _ in 0..5 {
                    self.push(vec![end(1), change(&id, Fact::Phase(Phase::Restarting))]).await?;
                    self.pass(Duration::from_millis(500));
                    self.push(vec![change(&id, running())]).await?;
                    self.pass(Duration::from_millis(500));
                }
                self.push(vec![end(1), change(&id, Fact::Phase(Phase::Restarting))]).await
            }
        }
    }

    fn pass(&self, time: Duration) {
        self.hands.0.fetch_add(nanos(time), Ordering::SeqCst);
    }

    fn set(&self, to: i64) {
        self.hands.0.fetch_max(to, Ordering::SeqCst);
    }

    /// Gives a batch in, and waits until it is on the disk, so that the next one has a later stamp.
    async fn push(&mut self, mut changes: Vec<StateChange>) -> Result<()> {
        for change in &mut changes {
            change.occurred_at = Nanos(self.hands.wall());
        }
        let count = changes.len();
        let before = self.stored.get();
        if self.intake.push(changes).is_err() {
            bail!("the pipeline did not take a batch");
        }
        self.pushed += count;
        let wanted = before + count as u64;
        let stored = async {
            while self.stored.get() < wanted {
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
        };
        tokio::time::timeout(PATIENCE, stored).await.context("the pipeline did not store a batch")
    }
}

/// The container of a workload, `quarter-07/service-3`.
fn container(index: usize) -> ResourceId {
    let (project, name) = (format!("quarter-{:02}", index / 10), format!("service-{}", index % 10));
    ResourceId {
        tenant: hinomi_model::Tenant::default(),
        cluster: HOST.to_owned(),
        kind: ResourceKind::Container,
        uid: format!("{:064x}", 0x1000 + index),
        name: format!("{project}-{name}-1"),
        node: HOST.to_owned(),
        workload: Some(WorkloadRef { kind: WorkloadKind::ComposeService, project, name }),
    }
}

fn spec(index: usize, version: usize) -> Spec {
    let heals = matches!(index % 5, 1 | 4);
    Spec {
        image: format!("registry.example/service-{}:1.{version}", index % 10),
        image_id: format!("sha256:{:064x}", 0x00c0_ffee + version),
        command: "/srv/app --listen 8080".to_owned(),
        restart: if heals { RestartPolicy::Always } else { RestartPolicy::No },
        has_health_check: index % 5 == 2,
        health_interval_ms: 5_000,
        health_retries: 3,
        ports: vec![PortSpec { container_port: 8080, host_port: 0, protocol: "tcp".to_owned() }],
        memory_limit_bytes: 512 << 20,
        log_driver: "json-file".to_owned(),
        ..Spec::default()
    }
}

fn created(id: &Arc<ResourceId>, spec: Spec) -> Vec<StateChange> {
    vec![
        change(id, Fact::Spec(Box::new(spec))),
        change(id, Fact::Phase(Phase::Created)),
        change(id, mark(Stage::Place, Outcome::NotApplicable, None)),
        change(id, mark(Stage::Pull, Outcome::Passed, None)),
        change(id, mark(Stage::Create, Outcome::Passed, None)),
    ]
}

fn running() -> Fact {
    Fact::Phase(Phase::Running(RunState::default()))
}

fn intent(action: IntentAction, signal: Option<i32>) -> Fact {
    Fact::Intent(Intent { action, signal, by_runtime: false })
}

fn oom() -> Fact {
    Fact::Oom(Oom {
        witness: OomWitness::Tracefs,
        victim_pid: None,
        victim_comm: Some("app".to_owned()),
        victim_rss_kib: Some(510 << 10),
        peak_bytes: Some(512 << 20),
        kills: None,
    })
}

fn mark(stage: Stage, outcome: Outcome, cause: Option<&str>) -> Fact {
    Fact::Stage(StageMark { stage, outcome, cause: cause.map(str::to_owned), took_ms: None })
}

fn change(id: &Arc<ResourceId>, fact: Fact) -> StateChange {
    StateChange {
        resource: Arc::clone(id),
        fact,
        old: None,
        reason: None,
        occurred_at: Nanos(0),
        observed_at: Nanos(0),
        source: Source::RuntimeEvent,
        evidence: None,
    }
}

fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}
