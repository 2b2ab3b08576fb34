//! Rounds: when numbers are collected, on a thread of their own.
//!
//! # Invariants
//!
//! - Rounds are at the multiples of the interval since the epoch, and so are their stamps, as long as a round begins
//!   within a hundredth of the interval; what begins later is stamped with when it was.
//! - A round that takes longer than the interval skips those that would have begun meanwhile; they are counted.
//! - Nothing here delays anybody else: what is asked of the Docker collector is in memory.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hinomi_base::clock::Clock;
use hinomi_base::counters::{Counter, Counters};
use hinomi_base::task::{Shutdown, spawn_thread};
use hinomi_wire::Families;
use serde::Serialize;

use super::containers::Containers;
use super::{Host, Off, Options, Roots, rights};
use crate::docker;

/// What is collected from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// `node_*`.
    Host,
    /// `container_*` and `machine_*`.
    Containers,
}

/// A target's numbers of one round.
#[derive(Clone, Copy, Debug)]
pub struct Scrape<'a> {
    /// Of what.
    pub target: Target,
    /// The numbers; none if it cannot be read at all.
    pub families: &'a Families,
    /// It could be read, and what it consists of is known.
    pub up: bool,
    /// How long reading took.
    pub took: Duration,
}

/// Who takes the numbers. Called on the thread of the rounds, where it may block.
pub trait Taker: Send {
    /// A round begins; its stamp is `at_ms`, milliseconds since the epoch.
    fn begin(&mut self, at_ms: i64);
    /// A target's numbers.
    fn take(&mut self, scrape: &Scrape<'_>);
    /// The round is complete.
    fn finish(&mut self);
}

/// What is collected, how often and with which labels.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Time between two rounds.
    pub interval: Duration,
    /// Where the kernel is found.
    pub roots: Roots,
    /// For the host.
    pub host: Options,
    /// For containers; `None`: they are not collected.
    pub containers: Option<Options>,
}

/// How it goes, for `hinomi status`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Time between two rounds, milliseconds.
    pub interval_ms: u64,
    /// Rounds.
    pub rounds: u64,
    /// Rounds that were skipped because the one before took too long, or the process stood still.
    pub missed: u64,
    /// How long the last round took, milliseconds, storing included.
    pub took_ms: u64,
    /// Samples of the host in the last round.
    pub host_samples: usize,
    /// Samples of containers in the last round.
    pub container_samples: usize,
    /// Containers in the last round.
    pub containers: usize,
    /// What is wholly off, and why.
    pub off: Vec<Off>,
    /// Parts that this kernel or these rights do not give, by collector.
    pub parts_off: Vec<Off>,
}

/// Shows the [`Status`]. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Handle(Arc<Mutex<Status>>);

impl Handle {
    /// How it goes now.
    #[must_use]
    pub fn status(&self) -> Status {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn edit(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Collects until it is told to stop.
pub struct Service {
    timetable: Timetable,
    clock: Clock,
    host: Part<Host>,
    containers: Option<(Part<Containers>, docker::Handle)>,
    taker: Box<dyn Taker>,
    handle: Handle,
    roots: Roots,
    rounds: Counter,
    missed: Counter,
}

/// A collector with its buffers.
struct Part<C> {
    collector: C,
    families: Families,
    /// Its feature is off; said once.
    off: Option<Off>,
}

impl<C> Part<C> {
    fn new(collector: C) -> Self {
        Self { collector, families: Families::new(), off: None }
    }

    /// Takes over what its row of [`rights`] says, and says what changed. Returns whether it is on.
    fn is_on(&mut self, feature: &'static str, problem: Option<String>) -> bool {
        match (&problem, &self.off) {
            (Some(reason), None) => tracing::warn!(reason, "{feature} are off"),
            (None, Some(_)) => tracing::info!("{feature} are collected again"),
            _ => {}
        }
        self.off = problem.map(|reason| Off { feature, reason });
        self.off.is_none()
    }
}

impl Service {
    /// A service and the handle to it. Containers are those that `docker` knows to run.
    #[must_use]
    pub fn new(
        plan: Plan,
        docker: docker::Handle,
        clock: Clock,
        counters: &Counters,
        taker: Box<dyn Taker>,
    ) -> (Self, Handle) {
        let Plan { interval, roots, host, containers } = plan;
        let handle = Handle::default();
        let timetable = Timetable::new(interval);
        handle.edit(|status| status.interval_ms = timetable.interval_ms.unsigned_abs());
        let service = Self {
            timetable,
            clock,
            host: Part::new(Host::new(roots.clone(), host)),
            containers: containers
                .map(|options| (Part::new(Containers::new(roots.clone(), options)), docker)),
            taker,
            handle: handle.clone(),
            roots,
            rounds: counters.counter("metrics_rounds_total"),
            missed: counters.counter("metrics_rounds_missed_total"),
        };
        (service, handle)
    }

    /// Runs until `shutdown` is raised; a round under way is completed.
    pub async fn run(self, mut shutdown: Shutdown) {
        let (stop, stopped) = sync_channel::<()>(1);
        let (alive, ended) = tokio::sync::oneshot::channel::<()>();
        let thread = spawn_thread("metrics", move || {
            self.work(&stopped);
            drop(alive);
        });
        if let Err(error) = thread {
            tracing::error!(%error, "no numbers are collected: there can be no thread for it; raise the limit of processes");
            return shutdown.wait().await;
        }
        tokio::pin!(ended);
        tokio::select! {
            () = shutdown.wait() => {
                drop(stop);
                let _over = ended.await;
            }
            _ = &mut ended => {
                tracing::error!("the thread that collects numbers died; this is a bug in Hinomi");
                shutdown.wait().await;
            }
        }
    }

    fn now_ms(&self) -> i64 {
        self.clock.wall().div_euclid(1_000_000)
    }

    fn work(mut self, stopped: &Receiver<()>) {
        let mut began_last: Option<Instant> = None;
        loop {
            let now = self.clock.wall();
            let due_ms = self.timetable.after(now.div_euclid(1_000_000));
            let wait = u64::try_from(due_ms.saturating_mul(1_000_000).saturating_sub(now)).unwrap_or(0);
            match stopped.recv_timeout(Duration::from_nanos(wait)) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
            }
            let began = Instant::now();
            let missed =
                began_last.map_or(0, |last| self.timetable.missed(began.saturating_duration_since(last)));
            began_last = Some(began);
            let at_ms = self.timetable.stamp(due_ms, self.now_ms());
            self.round(at_ms);
            self.rounds.add(1);
            self.missed.add(missed);
            let parts_off = self.parts_off();
            self.handle.edit(|status| {
                status.rounds += 1;
                status.missed += missed;
                status.took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                status.parts_off = parts_off;
            });
        }
    }

    fn round(&mut self, at_ms: i64) {
        let [host, containers] = problems(&self.roots);
        self.taker.begin(at_ms);
        let host_samples = self.host(host);
        let (containers, container_samples) = self.containers(containers, at_ms);
        self.taker.finish();
        let parts = [self.host.off.clone(), self.containers.as_ref().and_then(|(part, _)| part.off.clone())];
        self.handle.edit(|status| {
            (status.host_samples, status.container_samples) = (host_samples, container_samples);
            status.containers = containers;
            status.off = parts.into_iter().flatten().collect();
        });
    }

    fn host(&mut self, problem: Option<String>) -> usize {
        let now_ms = self.now_ms();
        let (part, began) = (&mut self.host, Instant::now());
        part.families.clear();
        let up = part.is_on(super::HOST, problem);
        if up {
            part.collector.collect(now_ms, &mut part.families);
        }
        let took = began.elapsed();
        self.taker.take(&Scrape { target: Target::Host, families: &part.families, up, took });
        part.families.samples()
    }

    fn containers(&mut self, problem: Option<String>, now_ms: i64) -> (usize, usize) {
        let Some((part, docker)) = &mut self.containers else { return (0, 0) };
        let began = Instant::now();
        part.families.clear();
        let (mut up, mut containers) = (part.is_on(super::CONTAINERS, problem), 0);
        if up {
            let running = docker.running();
            containers = running.len();
            part.collector.collect(&running, now_ms, &mut part.families);
            // What is known still runs and is measured; what began since is not known.
            up = docker.status().state == docker::State::Connected;
        }
        let took = began.elapsed();
        self.taker.take(&Scrape { target: Target::Containers, families: &part.families, up, took });
        (containers, part.families.samples())
    }

    fn parts_off(&self) -> Vec<Off> {
        let mut all = if self.host.off.is_none() { self.host.collector.off() } else { Vec::new() };
        let containers = self.containers.iter().filter(|(part, _)| part.off.is_none());
        all.extend(containers.flat_map(|(part, _)| part.collector.off()));
        all
    }
}

/// What stands in the way of the host's and the containers' numbers as a whole.
fn problems(roots: &Roots) -> [Option<String>; 2] {
    let rows = rights(roots);
    [super::HOST, super::CONTAINERS].map(|feature| {
        let row = rows.iter().find(|row| row.feature == feature && !row.on);
        row.map(|row| row.detail.clone())
    })
}

/// When rounds are.
#[derive(Clone, Copy, Debug)]
struct Timetable {
    interval_ms: i64,
}

impl Timetable {
    fn new(interval: Duration) -> Self {
        Self { interval_ms: i64::try_from(interval.as_millis()).unwrap_or(i64::MAX).max(1) }
    }

    /// The first round after this moment.
    fn after(self, now_ms: i64) -> i64 {
        now_ms.div_euclid(self.interval_ms).saturating_add(1).saturating_mul(self.interval_ms)
    }

    /// What a round that was due then and begins now is stamped with.
    fn stamp(self, due_ms: i64, now_ms: i64) -> i64 {
        let late = now_ms.saturating_sub(due_ms);
        let tolerated = (self.interval_ms / 100).max(2);
        if (-2..=tolerated).contains(&late) { due_ms } else { now_ms }
    }

    /// Rounds left out between two that began so far apart.
    fn missed(self, apart: Duration) -> u64 {
        let apart = i64::try_from(apart.as_millis()).unwrap_or(i64::MAX);
        let intervals = apart.saturating_add(self.interval_ms / 2).div_euclid(self.interval_ms);
        u64::try_from(intervals.saturating_sub(1)).unwrap_or(0)
    }
}

/// Where the host's root folder is, from where its procfs is: the folder around a whole host's root that is mounted
/// somewhere, else what the first process sees, else our own.
#[must_use]
pub fn root_beside(procfs: &Path) -> std::path::PathBuf {
    let own = Path::new("/");
    if procfs == Path::new("/proc") {
        return own.to_path_buf();
    }
    let around = procfs.parent().filter(|parent| *parent != own && parent.join("etc").is_dir());
    let first = procfs.join("1/root");
    match around {
        Some(folder) => folder.to_path_buf(),
        None if std::fs::read_dir(first.join("etc")).is_ok() => first,
        None => own.to_path_buf(),
    }
}

#[cfg(test)]
#[path = "service_tests.rs"]
mod tests;
