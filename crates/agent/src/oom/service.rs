//! The loop: descriptors and commands in, facts out. Decisions are [`super::merge`]'s, words are [`super::parse`]'s.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use hinomi_base::counters::Counter;
use hinomi_base::task::Shutdown;
use hinomi_model::OomWitness;
use rustix::fs::inotify;
use rustix::io::Errno;

use super::cgroup;
use super::kmsg::Kmsg;
use super::merge::{self, Incident, Key, Merger};
use super::outlet::Outlet;
use super::parse::{LogRecord, TraceLine};
use super::poll::Poll;
use super::runs::Run;
use super::trace::Trace;
use super::{Service, Status, Witness, procfs};

const TRACE: u64 = 0;
const KMSG: u64 = 1;
const INOTIFY: u64 = 2;
const FIRST_KEY: Key = 16;

const RETRY: Duration = Duration::from_millis(100);

pub(super) struct Tallies {
    elsewhere: Counter,
    denied: Counter,
    trace_lost: Counter,
    kmsg_lost: Counter,
    inotify_lost: Counter,
    pub(super) latency_us: Counter,
    pub(super) latency_max_us: Counter,
}

pub(super) struct Loop {
    pub(super) service: Service,
    pub(super) poll: Poll,
    trace: Option<Trace>,
    kmsg: Option<Kmsg>,
    pub(super) inotify: Option<OwnedFd>,
    pub(super) runs: BTreeMap<Key, Run>,
    pub(super) by_id: HashMap<String, Key>,
    pub(super) by_wd: HashMap<i32, Key>,
    pub(super) next_key: Key,
    pub(super) merger: Merger,
    pub(super) hints: VecDeque<(u32, String)>,
    outlet: Outlet,
    pub(super) tallies: Tallies,
    pub(super) started: Duration,
}

/// Runs a service to its end.
pub(super) async fn run(service: Service, mut shutdown: Shutdown) {
    let poll = match Poll::new() {
        Ok(poll) => poll,
        Err(error) => {
            tracing::error!(%error, "no kernel witness of memory kills: cannot make an epoll set");
            return;
        }
    };
    // Making an instance waits for the kernel.
    let (path, proc_root) = (service.options.tracefs.clone(), service.options.proc_root.clone());
    let opened = tokio::task::spawn_blocking(move || Trace::open(path.as_deref(), &proc_root)).await;
    let trace = opened.unwrap_or_else(|error| Err(format!("opening tracefs failed: {error}")));
    let mut body = Loop::new(service, poll, trace);
    loop {
        let wait = body.wait();
        tokio::select! {
            biased;
            () = shutdown.wait() => break,
            ready = body.poll.ready() => match ready {
                Ok(tokens) => body.woken(&tokens),
                Err(error) => {
                    tracing::error!(%error, "kernel witnesses of memory kills stop: epoll failed");
                    break;
                }
            },
            command = body.service.commands.recv(), if !body.service.commands.is_closed() || !body.service.commands.is_empty() =>
                body.commands(command),
            () = sleep(wait) => {}
        }
        body.settle();
    }
    let trace = body.trace.take();
    drop(body);
    // Removing the instance waits for the kernel as well.
    let _joined = tokio::task::spawn_blocking(move || drop(trace)).await;
}

async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}

impl Loop {
    fn new(service: Service, poll: Poll, trace: Result<(Trace, String), String>) -> Self {
        let tally = |name| service.counters.counter(name);
        let tallies = Tallies {
            elsewhere: tally("oom_victims_elsewhere"),
            denied: tally("oom_victims_denied"),
            trace_lost: tally("oom_trace_lost"),
            kmsg_lost: tally("oom_kmsg_lost"),
            inotify_lost: tally("oom_inotify_lost"),
            latency_us: tally("oom_latency_us"),
            latency_max_us: tally("oom_latency_max_us"),
        };
        let (trace, trace_witness) = listen(&poll, TRACE, trace, |t| t.fd());
        let kmsg = Kmsg::open(&service.options.kmsg).map(|kmsg| {
            let role =
                if trace.is_some() { "names the cgroup of tracefs' victims" } else { "victims from the log" };
            (kmsg, role.to_owned())
        });
        let (kmsg, kmsg_witness) = listen(&poll, KMSG, kmsg, |k| Some(k.fd()));
        let inotify = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC).ok();
        let inotify = inotify.filter(|fd| poll.add(fd, INOTIFY).is_ok());
        let version = cgroup::version(&service.options.cgroup_root);
        let status = Status {
            cgroup_version: version,
            tracefs: trace_witness,
            kmsg: kmsg_witness,
            cgroup: Witness { on: false, reason: "no container watched yet".to_owned() },
            ..Status::default()
        };
        tracing::info!(
            cgroup = version.as_str(),
            tracefs = status.tracefs.reason,
            kmsg = status.kmsg.reason,
            "listening for memory kills"
        );
        *service.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
        let outlet = Outlet::new(Arc::clone(&service.sink), &service.counters);
        let merger = Merger::new(trace.is_some() || kmsg.is_some());
        let started = procfs::uptime(&service.options.proc_root).unwrap_or(Duration::MAX);
        Self {
            service,
            poll,
            trace,
            kmsg,
            inotify,
            runs: BTreeMap::new(),
            by_id: HashMap::new(),
            by_wd: HashMap::new(),
            next_key: FIRST_KEY,
            merger,
            hints: VecDeque::new(),
            outlet,
            tallies,
            started,
        }
    }

    pub(super) fn now(&self) -> i64 {
        self.service.clock.now()
    }

    /// How long the loop may sleep; `None` while nothing is pending.
    fn wait(&self) -> Option<Duration> {
        let now = self.now();
        let again = self.runs.values().filter_map(Run::read_again_at).min();
        let deadline = [self.merger.deadline(), again].into_iter().flatten().min();
        let wait = deadline.map(|at| merge::until(now, at));
        let retry = self.outlet.waits().then_some(RETRY);
        [wait, retry].into_iter().flatten().min()
    }

    fn woken(&mut self, tokens: &[u64]) {
        // Hints first: the kernel writes the log's line before it marks the victim.
        for token in [KMSG, TRACE, INOTIFY] {
            if tokens.contains(&token) {
                match token {
                    KMSG => self.read_kmsg(),
                    TRACE => self.read_trace(),
                    _ => self.read_inotify(),
                }
            }
        }
        for key in tokens.iter().filter(|token| **token >= FIRST_KEY) {
            if let Some(group) = self.runs.get(key).and_then(|run| run.group.as_ref()) {
                group.drain();
            }
            self.count(*key, true);
        }
    }

    fn read_kmsg(&mut self) {
        let Some(kmsg) = &mut self.kmsg else { return };
        let (records, lost) = kmsg.read();
        self.tallies.kmsg_lost.add(lost);
        for record in records {
            match record {
                LogRecord::Chosen { pid, cgroup } => self.hint(pid, cgroup),
                LogRecord::Killed(victim) if self.trace.is_none() => self.victim(victim, OomWitness::Kmsg),
                LogRecord::Killed(_) => {}
            }
        }
    }

    fn read_trace(&mut self) {
        let lines = self.trace.as_mut().map(Trace::read).unwrap_or_default();
        for line in lines {
            match line {
                TraceLine::Victim(victim) => self.victim(victim, OomWitness::Tracefs),
                TraceLine::Lost(events) => self.tallies.trace_lost.add(events),
            }
        }
    }

    fn read_inotify(&mut self) {
        let (mut woken, mut overflow) = (Vec::new(), false);
        let Some(fd) = &self.inotify else { return };
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(fd, &mut buffer);
        // One buffer at a time: what is left wakes again.
        while let Ok(event) = reader.next() {
            overflow |= event.events().contains(inotify::ReadFlags::QUEUE_OVERFLOW);
            woken.push(event.wd());
            if reader.is_buffer_empty() {
                break;
            }
        }
        let mut keys: Vec<Key> = woken.iter().filter_map(|wd| self.by_wd.get(wd).copied()).collect();
        if overflow {
            self.tallies.inotify_lost.add(1);
            keys = self.runs.keys().copied().collect();
        }
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            self.count(key, true);
        }
    }

    /// Reads a run's count.
    pub(super) fn count(&mut self, key: Key, woken: bool) {
        let now = self.now();
        let Some(run) = self.runs.get_mut(&key) else { return };
        if woken {
            run.woke(now);
        }
        if let Some(counts) = run.reading() {
            self.merger.counted(now, key, counts);
        }
    }

    /// Turns incidents into facts and hands them over.
    pub(super) fn emit(&mut self, incidents: impl IntoIterator<Item = Incident>) {
        for incident in incidents {
            let Some(run) = self.runs.get_mut(&incident.key) else { continue };
            let peak = run.peak_bytes();
            self.outlet.put(&run.resource, incident, peak);
        }
        self.outlet.flush();
    }

    /// After every turn: due readings, incidents, forgetting, the backlog, the status.
    fn settle(&mut self) {
        let now = self.now();
        let due = self.runs.iter_mut().filter(|(_, run)| run.read_again_at().is_some_and(|at| at <= now));
        let due: Vec<Key> = due.map(|(key, run)| (run.read_again += 1, *key).1).collect();
        for key in due {
            self.count(key, false);
        }
        let now = self.now();
        let incidents = self.merger.resolve(now);
        self.emit(incidents);
        for key in self.merger.forget(now) {
            if let Some(run) = self.runs.remove(&key)
                && self.by_id.get(&run.container_id) == Some(&key)
            {
                self.by_id.remove(&run.container_id);
            }
        }
        self.tallies.elsewhere.set(self.merger.elsewhere);
        self.tallies.denied.set(self.merger.denied);
        self.outlet.flush();
        let watched = self.runs.values().filter(|run| run.watched()).count();
        let mut status = self.service.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.watched = u64::try_from(watched).unwrap_or(u64::MAX);
        status.ooms = self.outlet.facts();
    }
}

/// Registers a source; what fails becomes its reason to be off.
fn listen<T>(
    poll: &Poll,
    token: u64,
    opened: Result<(T, String), String>,
    fd: impl Fn(&T) -> Option<std::os::fd::BorrowedFd<'_>>,
) -> (Option<T>, Witness) {
    let listened = opened.and_then(|(source, how)| match fd(&source).map(|fd| poll.add(fd, token)) {
        Some(Ok(())) => Ok((source, how)),
        Some(Err(error)) => Err(format!("cannot poll it: {error}")),
        None => Err(Errno::BADF.to_string()),
    });
    match listened {
        Ok((source, reason)) => (Some(source), Witness { on: true, reason }),
        Err(reason) => (None, Witness { on: false, reason }),
    }
}
