//! A pipeline with something in it, and the server in front.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hinomi_base::budget::Budget;
use hinomi_base::clock::Clock;
use hinomi_base::counters::Counters;
use hinomi_base::task::{self, ShutdownTrigger};
use hinomi_model::{
    Evidence, Exit, Fact, Gap, GapReason, LogLine, LogTail, Nanos, Oom, OomWitness, Outcome, Phase,
    ResourceId, ResourceKind, RunState, RuntimeState, Sink as _, Source, Spec, Stage, StageMark, StateChange,
    Tenant, WorkloadKind, WorkloadRef,
};
use hinomi_pipeline::settings::Settings;
use hinomi_pipeline::{CollectorStatus, Handle};
use hinomi_server::{Options, Service};
use serde_json::{Value, json};

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) handle: Handle,
    pub(crate) intake: hinomi_pipeline::Intake,
    stop: ShutdownTrigger,
    _folder: tempfile::TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.raise();
    }
}

const CONFIG: &str = "
host: { name: box }
receivers:
  - { name: oncall, webhook: { url: \"http://127.0.0.1:9/\" } }
routes:
  - { receiver: oncall }
";

/// A pipeline that runs and has found something, and a server on a free port.
pub(crate) async fn start() -> Running {
    start_with("listen: 127.0.0.1:0\n").await
}

/// As [`start`], in the folder that a process with three hours behind it left.
pub(crate) async fn start_with_past() -> Running {
    let folder = tempfile::tempdir().unwrap();
    crate::past::leave(folder.path(), Nanos(Clock::system().now()));
    start_in(folder, "listen: 127.0.0.1:0\n").await
}

/// As [`start`], with further keys.
pub(crate) async fn start_with(keys: &str) -> Running {
    start_in(tempfile::tempdir().unwrap(), keys).await
}

/// As [`start_with`], in a folder that may have a past.
pub(crate) async fn start_in(folder: tempfile::TempDir, keys: &str) -> Running {
    let (mut settings, _notes) = Settings::parse(&format!("{CONFIG}{keys}"), "test", &|_| None).unwrap();
    settings.data_dir = folder.path().to_path_buf();
    let (server_settings, with_tls) = (settings.clone(), settings.tls.is_some());
    let (pipeline, handle, intake) = hinomi_pipeline::open(hinomi_pipeline::Options {
        settings,
        clock: Clock::system(),
        budget: Budget::new(64 << 20),
        counters: Counters::default(),
    })
    .unwrap();
    let (set_ready, ready) = hinomi_server::ready();
    let (stop, stops) = task::shutdown();
    let options = Options::new(&server_settings, handle.clone(), ready);
    let server = Service::bind(options).await.unwrap();
    let address = server.address();
    task::spawn("pipeline", pipeline.run(stops.clone()));
    tokio::spawn(server.run(stops));
    if !with_tls {
        assert_eq!(get(address, "/-/ready").await.status, 503, "not ready before it is said");
    }
    set_ready.send_replace(true);
    // The sender must live as long as the server.
    let keep = intake.clone();
    handle.add_collector(move || {
        let (_set_ready, _intake) = (&set_ready, &keep);
        CollectorStatus {
            name: "docker".into(),
            ok: true,
            detail: "watched".into(),
            facts: json!({ "events": 3 }),
        }
    });
    let own = intake.clone();
    Running { address, handle: handle.clone(), intake: own, stop, _folder: folder }.filled_by(&intake).await
}

impl Running {
    async fn filled_by(self, intake: &hinomi_pipeline::Intake) -> Self {
        let now = self.handle.now();
        let story = story(now);
        let count = story.len() as u64;
        for change in story {
            intake.push(vec![change]).unwrap();
        }
        let begin = Instant::now();
        let is_found = |view: &hinomi_pipeline::FindingView| view.finding.inspection == "oom_kill";
        let is_taken = || self.handle.watch().borrow().changes >= count;
        while !(is_taken() && self.handle.findings(false).iter().any(is_found)) {
            assert!(begin.elapsed() < Duration::from_secs(10), "nothing was found");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self
    }
}

/// A change of the container `web`.
pub(crate) fn phase(at: Nanos, phase: Phase) -> StateChange {
    StateChange {
        resource: resource("web", "aaaa"),
        fact: Fact::Phase(phase),
        old: None,
        reason: None,
        occurred_at: at,
        observed_at: Nanos(0),
        source: Source::RuntimeEvent,
        evidence: None,
    }
}

pub(crate) fn resource(name: &str, uid: &str) -> Arc<ResourceId> {
    Arc::new(ResourceId {
        tenant: Tenant::default(),
        cluster: "box".into(),
        kind: ResourceKind::Container,
        uid: uid.repeat(16),
        name: name.into(),
        node: "box".into(),
        workload: Some(WorkloadRef {
            kind: WorkloadKind::ComposeService,
            project: "shop".into(),
            name: name.into(),
        }),
    })
}

/// A runtime with a gap, a container that runs, and one that was killed for memory and that nobody restarts.
fn story(now: Nanos) -> Vec<StateChange> {
    let runtime = Arc::new(ResourceId {
        tenant: Tenant::default(),
        cluster: "box".into(),
        kind: ResourceKind::Cluster,
        uid: "box".into(),
        name: "box".into(),
        node: "box".into(),
        workload: None,
    });
    let change = |resource: &Arc<ResourceId>, fact: Fact| StateChange {
        resource: Arc::clone(resource),
        fact,
        old: None,
        reason: None,
        occurred_at: now,
        observed_at: Nanos(0),
        source: Source::RuntimeEvent,
        evidence: None,
    };
    let (web, worker) = (resource("web", "aaaa"), resource("worker", "bbbb"));
    let spec = |limit: u64| {
        Fact::Spec(Box::new(Spec {
            image: "shop:1".into(),
            created_at: Some(now),
            memory_limit_bytes: limit,
            ..Spec::default()
        }))
    };
    let run = || Fact::Phase(Phase::Running(RunState { pid: 4711, started_at: Some(now) }));
    let gap = Gap {
        from: now.minus(Duration::from_secs(60)),
        to: now.minus(Duration::from_secs(30)),
        reason: GapReason::RuntimeAway,
        lost: vec!["log lines".into()],
    };
    let line = LogLine { at: Some(now), stderr: true, text: "about to use it all".into() };
    let mut end = change(&worker, Fact::Exit(Exit { code: Some(137), error: None, oom_hint: true }));
    end.evidence = Some(Evidence {
        log: Some(Arc::new(LogTail { lines: vec![line], note: None })),
        ..Evidence::default()
    });
    let oom = Oom {
        witness: OomWitness::Tracefs,
        victim_pid: Some(4711),
        victim_comm: Some("worker".into()),
        victim_rss_kib: Some(65_536),
        peak_bytes: Some(64 << 20),
        kills: Some(1),
    };
    let up = RuntimeState { up: true, version: "Docker 20.10".into(), ..RuntimeState::default() };
    let started =
        StageMark { stage: Stage::Start, outcome: Outcome::Passed, cause: None, took_ms: Some(120) };
    vec![
        change(&runtime, Fact::Runtime(up)),
        change(&runtime, Fact::Gap(gap)),
        change(&web, spec(0)),
        change(&web, Fact::Phase(Phase::Created)),
        change(&web, run()),
        change(&web, Fact::Stage(started)),
        change(&worker, spec(64 << 20)),
        change(&worker, Fact::Phase(Phase::Created)),
        change(&worker, run()),
        change(&worker, Fact::Oom(oom)),
        end,
        change(&worker, Fact::Phase(Phase::Exited)),
    ]
}

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// GET as a browser on this machine sends it.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, "GET", path, &[("Host", &address.to_string())]).await
}

/// Any request without a body, by hand.
pub(crate) async fn ask(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    send(address, method, path, headers, "").await
}

/// Any request, by hand.
pub(crate) async fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    send_bytes(address, method, path, headers, body.as_bytes().to_vec()).await
}

/// As [`send`], with a body that is no text.
pub(crate) async fn send_bytes(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Answer {
    let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    let text = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        // Whoever is refused early may find the connection closed behind the answer.
        let _sent = stream.write_all(&body);
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    });
    let text = text.await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}
