//! When there is contact and when not: an engine behind a socket that somebody else holds, and one that refuses.

#![allow(clippy::panic, reason = "helpers of a test fail it")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hinomi_agent::docker::{Activation, Handle, Options, Service, State};
use hinomi_agent::oom;
use hinomi_base::budget::Budget;
use hinomi_base::clock::Clock;
use hinomi_base::counters::Counters;
use hinomi_base::task::{ShutdownTrigger, shutdown};
use hinomi_model::{Fact, IntentAction, Known, Phase, Rejected, RuntimeState, Sink, StateChange};
use hinomi_testkit::docker::{Builder, IMAGE, PrivateDocker};

#[derive(Default)]
struct Collected(Mutex<Vec<StateChange>>);

impl Sink for Collected {
    fn push(&self, changes: Vec<StateChange>) -> Result<(), Rejected> {
        self.0.lock().expect("no panic inside").extend(changes);
        Ok(())
    }
}

struct Collector {
    sink: Arc<Collected>,
    handle: Handle,
    trigger: ShutdownTrigger,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Collector {
    fn start(socket: &Path, change: impl FnOnce(&mut Options)) -> Self {
        let sink = Arc::new(Collected::default());
        let (clock, counters) = (Clock::system(), Counters::default());
        let (_kernel, oom) =
            oom::Service::new(oom::Options::default(), sink.clone(), clock.clone(), counters.clone());
        let host = format!("unix://{}", socket.display());
        let mut options = Options { host, cluster: "test".to_owned(), ..Options::default() };
        change(&mut options);
        let (service, handle) = Service::new(
            options,
            Known::default(),
            sink.clone(),
            clock,
            Budget::new(64 << 20),
            counters,
            oom,
        );
        let (trigger, signal) = shutdown();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.spawn(service.run(signal));
        Self { sink, handle, trigger, runtime: Some(runtime) }
    }

    fn facts(&self, of: &str) -> Vec<Fact> {
        let changes = self.sink.0.lock().expect("no panic inside");
        changes.iter().filter(|change| change.resource.name == of).map(|change| change.fact.clone()).collect()
    }

    fn contacts(&self) -> Vec<RuntimeState> {
        let of_runtime = |fact| if let Fact::Runtime(state) = fact { Some(state) } else { None };
        self.facts("test").into_iter().filter_map(of_runtime).collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.trigger.raise();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(2));
        }
    }
}

#[track_caller]
fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(40), "{what} did not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The private dockerd again, but on a socket that this test holds, as systemd does.
struct Activated {
    child: Child,
}

impl Activated {
    fn start(engine: &PrivateDocker, args: &[String], listener: &UnixListener) -> Self {
        let script = "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$@\"";
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", engine.netns().display())).args(["sh", "-c", script, "sh"]);
        command.args(args);
        let log = std::fs::OpenOptions::new().append(true).open(engine.log()).expect("a log");
        let socket = OwnedFd::from(listener.try_clone().expect("a descriptor"));
        command.stdin(Stdio::from(socket)).stderr(log.try_clone().expect("a descriptor")).stdout(log);
        Self { child: command.process_group(0).spawn().expect("dockerd starts") }
    }

    fn stop(mut self) {
        hinomi_testkit::process::signal(self.child.id(), rustix::process::Signal::TERM);
        wait("dockerd's end", || self.child.try_wait().is_ok_and(|status| status.is_some()));
    }
}

impl Drop for Activated {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}

/// Whether somebody has connected and waits: systemd would start an engine for him.
fn somebody_waits(listener: &UnixListener) -> bool {
    listener.set_nonblocking(true).expect("a listener");
    listener.accept().is_ok()
}

#[test]
fn an_engine_behind_a_held_socket_is_never_started() {
    let Some(engine) = Builder::new("activated").start_or_skip("docker contact: activated") else { return };
    let args = hinomi_testkit::process::cmdline(engine.pid());
    let args: Vec<String> =
        args.into_iter().map(|arg| if arg == engine.host() { "fd://".to_owned() } else { arg }).collect();
    engine.stop().expect("it stops");
    std::fs::remove_file(engine.socket()).ok();
    let listener = UnixListener::bind(engine.socket()).expect("a socket");

    let collector = Collector::start(&engine.socket(), |options| {
        options.activation = Activation {
            systemd: engine.base(),
            pid_file: engine.base().join("pid"),
            sockets: vec![engine.socket()],
        };
    });
    wait("the refusal", || collector.handle.status().state == State::Refused);
    let detail = collector.handle.status().detail;
    assert_eq!(
        detail,
        "docker is installed but not running; Hinomi does not start it: systemctl start docker"
    );
    std::thread::sleep(Duration::from_secs(1));
    assert!(!somebody_waits(&listener), "a connect would have started docker");
    assert_eq!(collector.contacts().len(), 1, "said once");

    let first = Activated::start(&engine, &args, &listener);
    let first_pid = first.child.id();
    wait("the contact", || collector.contacts().iter().any(|state| state.up));
    assert!(collector.contacts().iter().any(|state| state.up && state.daemon_pid == first_pid));
    let run =
        ["run", "-d", "--name", "web", "--restart", "always", IMAGE, "sh", "-c", "trap '' TERM; sleep 1000"];
    engine.run_ok(&run).expect("it runs");
    wait("the run", || {
        collector.facts("web").iter().any(|fact| matches!(fact, Fact::Phase(Phase::Running(_))))
    });

    // Its end takes the ten seconds that the container ignores; meanwhile nobody may knock.
    first.stop();
    assert!(!somebody_waits(&listener), "a stopped docker would have been started again");
    let facts = collector.facts("web");
    assert!(
        facts.iter().any(|fact| matches!(fact, Fact::Intent(intent)
            if intent.action == IntentAction::Signal && intent.by_runtime)),
        "{facts:?}"
    );
    let second = Activated::start(&engine, &args, &listener);
    wait("the other daemon", || collector.contacts().iter().any(|state| state.up && state.restarted));
    let last = collector.contacts().pop().expect("there is one");
    assert_eq!((last.up, last.daemon_pid), (true, second.child.id()));
    second.stop();
}

/// What stands between: answers a greeting, and the rest as told.
#[derive(Default)]
struct Proxy {
    events_pass: AtomicBool,
    lists_pass: AtomicBool,
    events: AtomicUsize,
    lists: AtomicUsize,
}

impl Proxy {
    fn start(socket: &Path) -> Arc<Self> {
        let proxy = Arc::new(Self::default());
        let listener = UnixListener::bind(socket).expect("a socket");
        let shared = Arc::clone(&proxy);
        std::thread::Builder::new()
            .spawn(move || {
                let mut open = Vec::new();
                for stream in listener.incoming().flatten() {
                    open.extend(shared.answer(stream));
                }
            })
            .expect("a thread");
        proxy
    }

    /// Returns what stays open.
    fn answer(&self, mut stream: UnixStream) -> Option<UnixStream> {
        let mut lines = BufReader::new(stream.try_clone().expect("a descriptor")).lines();
        let head = lines.next()?.ok()?;
        lines.find(|line| line.as_ref().is_ok_and(String::is_empty));
        let (mut status, mut body, mut stays) = ("200 OK", "{}", false);
        if head.contains("/events") {
            self.events.fetch_add(1, Ordering::Relaxed);
            stays = self.events_pass.load(Ordering::Relaxed);
            if !stays {
                (status, body) = ("403 Forbidden", "not allowed here");
            }
        } else if head.contains("/containers/json") {
            self.lists.fetch_add(1, Ordering::Relaxed);
            let passes = self.lists_pass.load(Ordering::Relaxed);
            (status, body) =
                if passes { ("200 OK", "[]") } else { ("500 Error", r#"{"message":"disk died"}"#) };
        }
        let length = if stays {
            "Transfer-Encoding: chunked".to_owned()
        } else {
            format!("Content-Length: {}", body.len())
        };
        let body = if stays { "" } else { body };
        write!(stream, "HTTP/1.1 {status}\r\nApi-Version: 1.41\r\n{length}\r\n\r\n{body}").ok()?;
        stays.then_some(stream)
    }
}

#[test]
fn refused_events_are_one_outage_and_asked_for_less_and_less_often() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("sock");
    let proxy = Proxy::start(&socket);
    let collector = Collector::start(&socket, |_| {});
    std::thread::sleep(Duration::from_millis(3500));
    let ups: Vec<bool> = collector.contacts().iter().map(|state| state.up).collect();
    assert_eq!(ups, [false], "one outage");
    // 0.2, 0.4, 0.8, 1.6 s.
    let asked = proxy.events.load(Ordering::Relaxed);
    assert!((3..=5).contains(&asked), "{asked}");
    let status = collector.handle.status();
    assert_eq!(status.state, State::Forbidden);
    assert!(status.detail.contains("/events with 403: not allowed here"), "{}", status.detail);
    proxy.lists_pass.store(true, Ordering::Relaxed);
    proxy.events_pass.store(true, Ordering::Relaxed);
    wait("the contact", || collector.handle.status().state == State::Connected);
    let ups: Vec<bool> = collector.contacts().iter().map(|state| state.up).collect();
    assert_eq!(ups, [false, true]);
}

#[test]
fn a_failing_list_is_said_and_asked_for_less_and_less_often() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("sock");
    let proxy = Proxy::start(&socket);
    proxy.events_pass.store(true, Ordering::Relaxed);
    let collector = Collector::start(&socket, |_| {});
    wait("the complaint", || !collector.handle.status().detail.is_empty());
    let status = collector.handle.status();
    assert_eq!(status.state, State::Waiting);
    assert!(status.detail.contains("disk died") && status.detail.contains("GET /containers/json"));
    std::thread::sleep(Duration::from_millis(2500));
    let asked = proxy.lists.load(Ordering::Relaxed);
    assert!((2..=4).contains(&asked), "{asked}");
    proxy.lists_pass.store(true, Ordering::Relaxed);
    wait("the end of it", || collector.handle.status().state == State::Connected);
    assert!(collector.handle.status().detail.is_empty());
    let ups: Vec<bool> = collector.contacts().iter().map(|state| state.up).collect();
    assert_eq!(ups, [true], "the engine was up all the time");
}

#[test]
fn a_bind_source_is_missed_by_a_try_only() {
    let Some(engine) = Builder::new("binds").start_or_skip("docker contact: binds") else { return };
    let collector = Collector::start(&engine.socket(), |options| {
        options.reconcile_every = Duration::from_secs(1);
    });
    wait("the contact", || collector.contacts().iter().any(|state| state.up));
    let create = |name: &str| {
        let source = engine.base().join(name);
        std::fs::create_dir(&source).expect("made");
        let mount = format!("type=bind,src={},dst=/x", source.display());
        engine.run_ok(&["create", "--name", name, "--mount", &mount, IMAGE, "true"]).expect("created");
        wait("the creation", || !collector.facts(name).is_empty());
        source
    };
    let causes = |name: &str| -> Vec<String> {
        let cause = |fact| if let Fact::Stage(mark) = fact { mark.cause } else { None };
        collector.facts(name).into_iter().filter_map(cause).collect()
    };
    let idle = create("idle");
    // The looks after the creation take five seconds.
    std::thread::sleep(Duration::from_secs(6));
    std::fs::remove_dir(&idle).expect("removed");
    // As a deployment does it: created and started at once.
    let tried = create("tried");
    std::fs::remove_dir(&tried).expect("removed");
    assert!(engine.run_ok(&["start", "tried"]).is_err());
    wait("the failed start", || !causes("tried").is_empty());
    let want =
        format!("bind source path does not exist: {}; the engine refuses to start it", tried.display());
    assert_eq!(causes("tried"), [want]);
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(causes("idle"), [""; 0], "nobody tried to start it");
}
