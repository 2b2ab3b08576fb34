//! A town of workloads, told as the Docker collector would tell it: what happens is queued by time, and comes out as
//! state changes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use hinomi_model::*;
use hinomi_testkit::chance::Chance;

pub(crate) const HOST: &str = "month-host";

/// One container.
#[derive(Clone)]
pub(crate) struct Container {
    pub(crate) id: Arc<ResourceId>,
    pub(crate) spec: Spec,
}

/// A workload with one container per replica.
pub(crate) struct Workload {
    pub(crate) name: String,
    pub(crate) project: String,
    pub(crate) spec: Spec,
    /// How long it takes to become healthy, if it has a health check; else it serves at once.
    pub(crate) start: Duration,
    pub(crate) replicas: Vec<Container>,
    /// Something is under way with it until then: nothing else begins.
    pub(crate) busy_until: Nanos,
}

/// What is queued: when, in which order, of whom, what.
struct Queued {
    at: Nanos,
    number: u64,
    change: StateChange,
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}
impl Eq for Queued {}
impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Queued {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

pub(crate) struct World {
    pub(crate) workloads: Vec<Workload>,
    pub(crate) chance: Chance,
    queue: BinaryHeap<Reverse<Queued>>,
    number: u64,
    made: u64,
    /// Time by which the changes that are queued now are late.
    pub(crate) late: Duration,
}

fn seconds(of: u64) -> Duration {
    Duration::from_secs(of)
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let chance = Chance::stream(seed);
        let (queue, workloads) = (BinaryHeap::new(), Vec::new());
        Self { workloads, chance, queue, number: 0, made: 0, late: Duration::ZERO }
    }

    /// Builds the town: services of one and of three replicas, some with health checks; all have a restart policy.
    pub(crate) fn build(&mut self, count: usize, at: Nanos) {
        for index in 0..count {
            let has_health_check = index % 3 == 0;
            let spec = Spec {
                image: "app:1".to_owned(),
                restart: if index % 2 == 0 { RestartPolicy::Always } else { RestartPolicy::UnlessStopped },
                stop_timeout_ms: 10_000,
                ports: vec![PortSpec { container_port: 80, host_port: 0, protocol: "tcp".to_owned() }],
                has_health_check,
                health_start_period_ms: if has_health_check { 120_000 } else { 0 },
                health_interval_ms: if has_health_check { 5_000 } else { 0 },
                health_retries: if has_health_check { 3 } else { 0 },
                ..Spec::default()
            };
            let start = if has_health_check { seconds(self.chance.between(5, 24)) } else { Duration::ZERO };
            let (name, project) = (format!("service-{index}"), format!("project-{}", index / 5));
            let replicas = Vec::new();
            self.workloads.push(Workload { name, project, spec, start, replicas, busy_until: at });
            for replica in 0..if index % 5 == 4 { 3 } else { 1 } {
                let container = self.container(index);
                self.begin(&container, index, at.plus(Duration::from_millis(replica * 200)));
                self.workloads[index].replicas.push(container);
            }
        }
    }

    fn container(&mut self, index: usize) -> Container {
        self.made += 1;
        let workload = &self.workloads[index];
        let id = ResourceId {
            tenant: Tenant::default(),
            cluster: HOST.to_owned(),
            kind: ResourceKind::Container,
            uid: format!("{:064x}", self.made),
            name: format!("{}-{}-{}", workload.project, workload.name, self.made),
            node: HOST.to_owned(),
            workload: Some(WorkloadRef {
                kind: WorkloadKind::ComposeService,
                project: workload.project.clone(),
                name: workload.name.clone(),
            }),
        };
        Container { id: Arc::new(id), spec: workload.spec.clone() }
    }

    /// Queues a change that occurs at `at`, and is seen `late` later.
    pub(crate) fn say(&mut self, id: &Arc<ResourceId>, fact: Fact, at: Nanos) {
        let change = StateChange {
            resource: Arc::clone(id),
            fact,
            old: None,
            reason: None,
            occurred_at: at,
            observed_at: at,
            source: Source::RuntimeEvent,
            evidence: None,
        };
        let seen = at.plus(self.late);
        // One in fifty is told twice.
        let times = if self.chance.once_in(50) { 2 } else { 1 };
        for _ in 0..times {
            self.number += 1;
            self.queue.push(Reverse(Queued { at: seen, number: self.number, change: change.clone() }));
        }
    }

    /// What is due until then, in order, with the time at which it is seen.
    pub(crate) fn next_until(&mut self, until: Nanos) -> Option<(Nanos, StateChange)> {
        if self.queue.peek().is_none_or(|Reverse(queued)| queued.at > until) {
            return None;
        }
        self.queue.pop().map(|Reverse(queued)| (queued.at, queued.change))
    }

    /// Until `until` nothing is seen live: what happens until `until` is told then, by comparing.
    pub(crate) fn unseen(&mut self, until: Nanos) {
        let mut kept: Vec<Queued> =
            std::mem::take(&mut self.queue).into_iter().map(|Reverse(one)| one).collect();
        for one in &mut kept {
            if one.at <= until {
                one.at = until;
                one.change.source = Source::Reconcile;
            }
        }
        self.queue = kept.into_iter().map(Reverse).collect();
    }

    /// Created and started; healthy after its time.
    pub(crate) fn begin(&mut self, container: &Container, index: usize, at: Nanos) {
        self.say(&container.id, Fact::Spec(Box::new(container.spec.clone())), at);
        self.say(&container.id, Fact::Phase(Phase::Created), at);
        self.run(container, index, at.plus(Duration::from_millis(300)));
    }

    pub(crate) fn run(&mut self, container: &Container, index: usize, at: Nanos) {
        let run = RunState { pid: 100, started_at: Some(at) };
        self.say(&container.id, Fact::Phase(Phase::Running(run)), at);
        if container.spec.has_health_check {
            let healthy = at.plus(self.workloads[index].start);
            self.health(container, HealthStatus::Healthy, healthy);
        }
    }

    pub(crate) fn health(&mut self, container: &Container, status: HealthStatus, at: Nanos) {
        let failing_streak = if status == HealthStatus::Unhealthy { 3 } else { 0 };
        self.say(&container.id, Fact::Health(Health { status, failing_streak, last_probe: None }), at);
    }

    pub(crate) fn exit(&mut self, container: &Container, code: i32, at: Nanos) {
        self.say(&container.id, Fact::Exit(Exit { code: Some(code), error: None, oom_hint: false }), at);
    }

    /// Stopped and removed by a person or a deployment.
    pub(crate) fn take_down(&mut self, container: &Container, at: Nanos) {
        let signal = Intent { action: IntentAction::Signal, signal: Some(15), by_runtime: false };
        self.say(&container.id, Fact::Intent(signal), at);
        let ended = at.plus(seconds(2));
        self.exit(container, 143, ended);
        let stop = Intent { action: IntentAction::Stop, signal: None, by_runtime: false };
        self.say(&container.id, Fact::Intent(stop), ended);
        self.say(&container.id, Fact::Phase(Phase::Exited), ended);
        self.say(&container.id, Fact::Phase(Phase::Gone { unseen: false }), ended.plus(seconds(1)));
    }

    /// A new image, one replica after the other.
    pub(crate) fn roll_out(&mut self, index: usize, at: Nanos) {
        let number = self.chance.draw();
        self.workloads[index].spec.image = format!("app:{number}");
        let mut at = at;
        for replica in 0..self.workloads[index].replicas.len() {
            let old = self.workloads[index].replicas[replica].clone();
            self.take_down(&old, at);
            let new = self.container(index);
            self.begin(&new, index, at.plus(seconds(3)));
            self.workloads[index].replicas[replica] = new;
            at = at.plus(seconds(5) + self.workloads[index].start);
        }
        self.workloads[index].busy_until = at.plus(seconds(120));
    }

    /// Ends once, and its policy brings it back.
    pub(crate) fn crash_once(&mut self, index: usize, at: Nanos) {
        let one = self.chance.between(0, self.workloads[index].replicas.len() as u64 - 1) as usize;
        let container = self.workloads[index].replicas[one].clone();
        let code = self.chance.one_of(&[1, 2, 137, 139]);
        self.exit(&container, code, at);
        let pause = Duration::from_millis(self.chance.between(100, 1000));
        self.run(&container, index, at.plus(pause));
        self.workloads[index].busy_until = at.plus(seconds(180));
    }

    /// Starts once much slower than usual, within its start period.
    pub(crate) fn start_slowly(&mut self, index: usize, at: Nanos) {
        let usual = self.workloads[index].start;
        self.workloads[index].start = seconds(self.chance.between(60, 110));
        self.roll_out(index, at);
        self.workloads[index].start = usual;
    }

    /// A job that runs for a while; it fails, and a second try does not.
    pub(crate) fn job_that_fails_once(&mut self, at: Nanos) {
        let mut at = at;
        for code in [1, 0] {
            self.made += 1;
            let name = format!("backup-{}", self.made);
            let id = Arc::new(ResourceId {
                tenant: Tenant::default(),
                cluster: HOST.to_owned(),
                kind: ResourceKind::Container,
                uid: format!("{:064x}", self.made),
                name: name.clone(),
                node: HOST.to_owned(),
                workload: Some(WorkloadRef {
                    kind: WorkloadKind::LoneContainer,
                    project: String::new(),
                    name,
                }),
            });
            let spec =
                Spec { image: "backup:1".to_owned(), attached: true, auto_remove: true, ..Spec::default() };
            let container = Container { id: Arc::clone(&id), spec };
            self.say(&id, Fact::Spec(Box::new(container.spec.clone())), at);
            self.say(&id, Fact::Phase(Phase::Created), at);
            let run = RunState { pid: 100, started_at: Some(at) };
            self.say(&id, Fact::Phase(Phase::Running(run)), at);
            at = at.plus(seconds(20));
            self.exit(&container, code, at);
            self.say(&id, Fact::Phase(Phase::Exited), at);
            self.say(&id, Fact::Phase(Phase::Gone { unseen: false }), at.plus(seconds(1)));
            at = at.plus(seconds(300));
        }
    }

    /// An outage of a workload, until `until`; returns what was done.
    pub(crate) fn break_down(&mut self, index: usize, at: Nanos, until: Nanos) -> &'static str {
        let containers = self.workloads[index].replicas.clone();
        let kinds: u64 = if self.workloads[index].spec.has_health_check { 2 } else { 1 };
        let kind = self.chance.between(0, kinds - 1);
        for container in &containers {
            if kind == 1 {
                self.health(container, HealthStatus::Unhealthy, at);
                self.health(container, HealthStatus::Healthy, until);
            } else {
                self.loop_until(container, index, at, until);
            }
        }
        self.workloads[index].busy_until = until.plus(seconds(1200));
        if kind == 1 { "unhealthy" } else { "crash loop" }
    }

    /// Ends again and again with Docker's pauses, and stays up from `until` on.
    fn loop_until(&mut self, container: &Container, index: usize, at: Nanos, until: Nanos) {
        let mut pause = Duration::from_millis(100);
        let mut at = at;
        while at < until {
            self.exit(container, 1, at);
            let back = at.plus(pause);
            pause = (pause * 2).min(seconds(60));
            if back >= until {
                break;
            }
            let run = RunState { pid: 100, started_at: Some(back) };
            self.say(&container.id, Fact::Phase(Phase::Running(run)), back);
            at = back.plus(Duration::from_millis(700));
        }
        self.run(container, index, until.max(at).plus(seconds(1)));
    }
}
