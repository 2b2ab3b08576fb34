//! Stories of containers, and what of them is worth a line: each line is `seconds kind name: words`.

use hinomi_model::{
    Gap, GapReason, PortSpec, ResourceKind, RestartPolicy, RunState, Tenant, WorkloadKind, WorkloadRef,
};

use super::*;

const BEGIN: i64 = 1_800_000_000;

fn at(secs: i64) -> Nanos {
    Nanos::from_secs(BEGIN + secs)
}

/// A container of the lone workload of its name, or of a Compose service `shop/NAME`.
fn container(uid: &str, name: &str, project: &str) -> Arc<ResourceId> {
    let kind = if project.is_empty() { WorkloadKind::LoneContainer } else { WorkloadKind::ComposeService };
    Arc::new(ResourceId {
        tenant: Tenant::default(),
        cluster: "host".to_owned(),
        kind: ResourceKind::Container,
        uid: uid.to_owned(),
        name: name.to_owned(),
        node: "host".to_owned(),
        workload: Some(WorkloadRef { kind, project: project.to_owned(), name: name.to_owned() }),
    })
}

fn runtime() -> Arc<ResourceId> {
    let host = || "host".to_owned();
    Arc::new(ResourceId {
        tenant: Tenant::default(),
        cluster: host(),
        kind: ResourceKind::Cluster,
        uid: host(),
        name: host(),
        node: host(),
        workload: None,
    })
}

fn spec(image: &str) -> Spec {
    Spec {
        image: image.to_owned(),
        command: "serve".to_owned(),
        image_id: "sha256:1".to_owned(),
        ..Spec::default()
    }
}

/// Folds one change after the other.
#[derive(Default)]
struct Story(Timeline);

impl Story {
    fn seen(&mut self, secs: i64, id: &Arc<ResourceId>, fact: Fact, source: Source) {
        let change = StateChange {
            resource: Arc::clone(id),
            fact,
            old: None,
            reason: None,
            occurred_at: at(secs),
            observed_at: at(secs),
            source,
            evidence: None,
        };
        self.0.apply(&change);
    }

    fn event(&mut self, secs: i64, id: &Arc<ResourceId>, fact: Fact) {
        self.seen(secs, id, fact, Source::RuntimeEvent);
    }

    /// The end of `docker stop` where a process does not heed the first signal.
    fn kill(&mut self, secs: i64, id: &Arc<ResourceId>) {
        self.asked(secs, id, IntentAction::Signal, Some(9));
        self.exit(secs, id, 137);
        self.asked(secs, id, IntentAction::Stop, None);
    }

    fn up(&mut self, secs: i64, restarted: bool) {
        let state =
            RuntimeState { up: true, restarted, version: "Docker 1".to_owned(), ..RuntimeState::default() };
        self.event(secs, &runtime(), Fact::Runtime(state));
    }

    fn create(&mut self, secs: i64, id: &Arc<ResourceId>, spec: Spec) {
        self.event(secs, id, Fact::Spec(Box::new(spec)));
        self.event(secs, id, Fact::Phase(Phase::Created));
        self.event(secs, id, Fact::Phase(Phase::Running(RunState::default())));
    }

    fn asked(&mut self, secs: i64, id: &Arc<ResourceId>, action: IntentAction, signal: Option<i32>) {
        self.event(secs, id, Fact::Intent(Intent { action, signal, by_runtime: false }));
    }

    fn exit(&mut self, secs: i64, id: &Arc<ResourceId>, code: i32) {
        let exit = hinomi_model::Exit { code: Some(code), error: None, oom_hint: false };
        self.event(secs, id, Fact::Exit(exit));
    }

    /// As `docker stop` does it.
    fn stop(&mut self, secs: i64, id: &Arc<ResourceId>) {
        self.asked(secs, id, IntentAction::Signal, Some(15));
        self.exit(secs + 1, id, 143);
        self.asked(secs + 1, id, IntentAction::Stop, None);
    }

    fn remove(&mut self, secs: i64, id: &Arc<ResourceId>) {
        self.event(secs, id, Fact::Phase(Phase::Gone { unseen: false }));
    }

    fn lines(&self) -> Vec<String> {
        let mut all: Vec<&Happening> = self.0.happenings.iter().collect();
        all.sort_by_key(|happening| happening.at);
        let line = |h: &Happening| {
            let kind = format!("{:?}", h.kind).to_lowercase();
            format!("{} {kind} {}: {}", h.at.since(at(0)).as_secs(), h.resource.name, h.words)
        };
        all.into_iter().map(line).collect()
    }
}

#[test]
fn one_wish_is_one_line() {
    let web = container("1", "web", "");
    let mut story = Story::default();
    story.up(0, false);
    story.create(1, &web, Spec { restart: RestartPolicy::Always, ..spec("app:1") });
    // By its policy: no happening.
    story.exit(50, &web, 1);
    story.event(51, &web, Fact::Phase(Phase::Running(RunState::default())));
    story.stop(100, &web);
    story.event(200, &web, Fact::Phase(Phase::Running(RunState::default())));
    story.stop(300, &web);
    story.event(301, &web, Fact::Phase(Phase::Running(RunState::default())));
    story.asked(301, &web, IntentAction::Restart, None);
    story.event(400, &web, Fact::Phase(Phase::Paused));
    story.event(410, &web, Fact::Phase(Phase::Unpaused));
    story.asked(500, &web, IntentAction::Signal, Some(1));
    story.asked(600, &web, IntentAction::Update, None);
    story.event(
        600,
        &web,
        Fact::Spec(Box::new(Spec {
            restart: RestartPolicy::Always,
            memory_limit_bytes: 64 << 20,
            ..spec("app:1")
        })),
    );
    // Stopped, started and removed within a moment are three wishes.
    story.stop(690, &web);
    story.event(692, &web, Fact::Phase(Phase::Running(RunState::default())));
    story.asked(700, &web, IntentAction::Signal, Some(9));
    story.exit(700, &web, 137);
    story.remove(701, &web);
    assert_eq!(
        story.lines(),
        [
            "1 created web: created with image app:1",
            "100 intent web: stopped",
            "200 intent web: started",
            "300 intent web: restarted",
            "400 intent web: paused",
            "410 intent web: unpaused",
            "500 intent web: SIGHUP sent",
            "600 configuration web: memory limit none → 64 MiB",
            "690 intent web: stopped",
            "692 intent web: started",
            "700 removed web: removed",
        ]
    );
}

#[test]
fn a_replaced_container_tells_what_is_different() {
    let port = |host_port| vec![PortSpec { container_port: 80, host_port, protocol: "tcp".to_owned() }];
    let health =
        |spec: Spec| Spec { has_health_check: true, health_interval_ms: 500, health_retries: 3, ..spec };
    let table = [
        (spec("app:1"), spec("app:2"), "deploy", "image app:1 → app:2"),
        (
            spec("app:1"),
            Spec { image_id: "sha256:2".to_owned(), ..spec("app:1") },
            "deploy",
            "image app:1: other content, 1 → 2",
        ),
        (
            Spec { memory_limit_bytes: 32 << 20, ..spec("app:1") },
            Spec { memory_limit_bytes: 64 << 20, ..spec("app:2") },
            "deploy",
            "image app:1 → app:2; memory limit 32 MiB → 64 MiB",
        ),
        (
            spec("app:1"),
            Spec { command: "serve --fast".to_owned(), ..spec("app:1") },
            "configuration",
            "command serve → serve --fast",
        ),
        (
            spec("app:1"),
            Spec { restart: RestartPolicy::OnFailure { max_retries: 3 }, ..spec("app:1") },
            "configuration",
            "restart policy no → on-failure:3",
        ),
        (
            Spec { ports: port(8080), ..spec("app:1") },
            Spec { ports: port(8081), ..spec("app:1") },
            "configuration",
            "ports 8080:80/tcp → 8081:80/tcp",
        ),
        (
            spec("app:1"),
            health(spec("app:1")),
            "configuration",
            "health check none → every 500 ms, 3 retries, start period 0 ms",
        ),
        (
            Spec { ports: port(40_000), ..spec("a") },
            Spec { ports: port(0), ..spec("a") },
            "created",
            "created with image a",
        ),
        // Gone before anybody could look: only the image is known.
        (
            spec("app:1"),
            Spec { image: "app:2".to_owned(), ..Spec::default() },
            "deploy",
            "image app:1 → app:2",
        ),
        (spec("app:1"), spec("app:1"), "created", "created with image app:1"),
    ];
    let mut failures = Vec::new();
    for (old, new, kind, words) in table {
        let (one, two) = (container("1", "web", "shop"), container("2", "web", "shop"));
        let mut story = Story::default();
        story.up(0, false);
        story.create(1, &one, old);
        story.stop(8000, &one);
        story.remove(8002, &one);
        story.create(8003, &two, new);
        let got = story.lines();
        let want = format!("8003 {kind} web: {words}");
        if got.last() != Some(&want) || got.len() != 2 {
            failures.push(format!("{got:#?}, not {want}"));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn the_predecessor_may_be_long_gone() -> Result<(), serde_json::Error> {
    let (one, two) = (container("1", "web", ""), container("2", "web", ""));
    let key = WorkloadKey::of(&one).unwrap_or_else(|| unreachable!("it has a workload"));
    let mut story = Story::default();
    story.up(0, false);
    story.create(1, &one, spec("app:1"));
    story.stop(10, &one);
    story.remove(12, &one);
    story.0.settle(&key, at(100_000));
    assert!(story.0.workloads.is_empty(), "forgotten");
    story.0 = serde_json::from_slice(&serde_json::to_vec(&story.0)?)?;
    story.create(200_000, &two, spec("app:2"));
    assert_eq!(story.lines().last().map(String::as_str), Some("200000 deploy web: image app:1 → app:2"));
    let revisions: Vec<&str> = story.0.revisions(&key).map(|revision| revision.words.as_str()).collect();
    assert_eq!(revisions, ["created with image app:1", "image app:1 → app:2"]);
    Ok(())
}

#[test]
fn replicas_names_and_what_was_there_before() {
    let (one, two, three) =
        (container("1", "web", "shop"), container("2", "web", "shop"), container("3", "web", "shop"));
    let (old, new) = (container("4", "db", ""), container("5", "db-new", ""));
    let mut story = Story::default();
    story.up(0, false);
    // There before Hinomi's first look: known, but no news.
    story.seen(-100, &one, Fact::Spec(Box::new(spec("app:1"))), Source::Reconcile);
    story.seen(-100, &old, Fact::Spec(Box::new(spec("db:1"))), Source::Reconcile);
    assert!(story.lines().is_empty(), "{:?}", story.lines());
    // Two of three are of the new image: the third is no other deploy.
    story.create(10, &two, spec("app:2"));
    story.create(11, &three, spec("app:2"));
    // A rename into another's place.
    story.create(20, &new, spec("db:2"));
    story.event(30, &old, Fact::Name("db-old".to_owned()));
    story.event(31, &new, Fact::Name("db".to_owned()));
    // Compose's own names.
    story.event(40, &three, Fact::Name("0123456789ab_web".to_owned()));
    story.event(41, &three, Fact::Name("web".to_owned()));
    assert_eq!(
        story.lines(),
        [
            "10 deploy web: image app:1 → app:2",
            "11 created web: created with image app:2",
            "20 created db-new: created with image db:2",
            "30 renamed db-old: name db → db-old",
            "31 renamed db: name db-new → db",
            "31 deploy db: image db:1 → db:2",
        ]
    );
}

#[test]
fn what_was_made_shortly_before_the_first_look_is_told_by_its_stamp() {
    let made = |secs| Spec { created_at: Some(at(secs)), ..spec("app:1") };
    let mut story = Story::default();
    story.up(5000, false);
    story.seen(4990, &container("1", "young", ""), Fact::Spec(Box::new(made(3800))), Source::Reconcile);
    story.seen(4990, &container("2", "old", ""), Fact::Spec(Box::new(made(1000))), Source::Reconcile);
    assert_eq!(story.lines(), ["3800 created young: created with image app:1"]);
}

#[test]
fn what_the_runtime_does_itself_is_one_line() {
    let web = container("1", "web", "");
    let mut story = Story::default();
    story.up(0, false);
    story.create(1, &web, Spec { restart: RestartPolicy::Always, ..spec("app:1") });
    // It stops its containers as a person would, and goes.
    story.stop(100, &web);
    story.event(102, &runtime(), Fact::Runtime(RuntimeState::default()));
    story.up(110, true);
    let gap = Gap { from: at(102), to: at(110), reason: GapReason::RuntimeAway, lost: Vec::new() };
    story.event(110, &runtime(), Fact::Gap(gap));
    story.event(111, &web, Fact::Phase(Phase::Running(RunState::default())));
    // `--rm` removes itself.
    let job = container("2", "job", "");
    story.create(200, &job, Spec { auto_remove: true, ..spec("job:1") });
    story.exit(201, &job, 0);
    story.remove(201, &job);
    assert_eq!(
        story.lines(),
        [
            "1 created web: created with image app:1",
            "102 runtime host: runtime down",
            "110 runtime host: runtime restarted (Docker 1)",
            "110 gap host: gap of 8.0 s: the runtime did not answer; everything that still exists was reconstructed",
            "200 created job: created with image job:1",
        ]
    );
}

#[test]
fn what_the_runtime_had_to_kill_was_not_stopped_by_a_person() -> Result<(), serde_json::Error> {
    let names = ["slow", "quick", "early", "deaf", "rough"];
    let [slow, quick, early, deaf, rough] = names.map(|name| container(name, name, ""));
    let mut story = Story::default();
    story.up(0, false);
    for id in [&slow, &quick, &early, &deaf] {
        story.create(1, id, spec("app:1"));
    }
    story.create(1, &rough, Spec { stop_signal: 9, ..spec("app:1") });
    // It heeds nobody, neither this person nor the runtime later.
    story.asked(86, &deaf, IntentAction::Signal, Some(15));
    // A person's own, though it ended when the runtime began to stop the others.
    story.asked(91, &early, IntentAction::Signal, Some(15));
    // A person's reload just before is another wish than the stop that follows.
    for id in [&slow, &rough] {
        story.asked(95, id, IntentAction::Signal, Some(1));
    }
    for id in [&slow, &deaf] {
        story.asked(100, id, IntentAction::Signal, Some(15));
    }
    story.kill(100, &rough);
    story.stop(100, &quick);
    story.kill(101, &early);
    story.kill(110, &slow);
    story.kill(110, &deaf);
    story.event(111, &runtime(), Fact::Runtime(RuntimeState::default()));
    story.0 = serde_json::from_slice(&serde_json::to_vec(&story.0)?)?;
    story.up(120, true);
    assert_eq!(
        story.lines(),
        [
            "1 created slow: created with image app:1",
            "1 created quick: created with image app:1",
            "1 created early: created with image app:1",
            "1 created deaf: created with image app:1",
            "1 created rough: created with image app:1",
            "86 intent deaf: SIGTERM sent",
            "91 intent early: stopped",
            "95 intent slow: SIGHUP sent",
            "95 intent rough: SIGHUP sent",
            "111 runtime host: runtime down",
            "120 runtime host: runtime restarted (Docker 1)",
        ]
    );
    let not_back = |id: &ResourceId| {
        let track = story.0.tracks.get(&id.uid);
        track.and_then(|track| track.deviation.as_ref()).is_some_and(|d| d.kind == DeviationKind::NotBack)
    };
    let all = [&slow, &quick, &early, &deaf, &rough];
    assert_eq!(all.map(|id| not_back(id)), [true, true, false, true, true]);
    Ok(())
}

#[test]
fn an_asked_stop_of_an_older_checkpoint_began_with_its_last_signal() -> Result<(), serde_json::Error> {
    let web = container("1", "web", "");
    let mut story = Story::default();
    story.up(0, false);
    story.create(1, &web, spec("app:1"));
    story.asked(100, &web, IntentAction::Signal, Some(15));
    story.asked(110, &web, IntentAction::Signal, Some(9));
    let mut stored = serde_json::to_value(&story.0)?;
    let first = |stored: &mut serde_json::Value| {
        let asked = stored.pointer_mut("/tracks/1/asked").and_then(serde_json::Value::as_object_mut);
        asked.and_then(|asked| asked.remove("first_at"))
    };
    assert_eq!(first(&mut stored), Some(serde_json::to_value(at(100))?));
    let old: Timeline = serde_json::from_value(stored)?;
    let asked = old.tracks.get("1").and_then(|track| track.asked);
    assert_eq!(asked.map(|asked| asked.begun_at()), Some(at(110)));
    Ok(())
}

#[test]
fn another_clusters_happenings_are_forgotten_with_it() {
    let web = container("1", "web", "");
    let mut other = (*container("2", "app", "")).clone();
    other.cluster = "old-name".to_owned();
    let mut story = Story::default();
    story.create(1, &Arc::new(other), spec("app:1"));
    story.create(2, &web, spec("web:1"));
    story.0.forget_other_clusters("host");
    assert_eq!(story.lines(), ["2 created web: created with image web:1"]);
}

#[test]
fn bounds_hold_and_deploys_outlive_jobs() {
    let mut story = Story::default();
    story.up(0, false);
    let (one, two) = (container("1", "web", ""), container("2", "web", ""));
    story.create(1, &one, spec("app:1"));
    story.remove(2, &one);
    story.create(3, &two, spec("app:2"));
    for number in 0..2_000 {
        let job = container(&format!("job-{number}"), &format!("job-{number}"), "");
        story.create(10 + number, &job, spec("job:1"));
        story.remove(10 + number, &job);
    }
    assert_eq!(story.0.happenings.iter().count(), HAPPENINGS_MAX);
    assert!(story.lines().contains(&"3 deploy web: image app:1 → app:2".to_owned()));
    let revised = story.0.revisions.workloads();
    assert!((crate::REVISED_MAX - 50..=crate::REVISED_MAX).contains(&revised), "{revised}");
    for number in 0..20 {
        story.event(5000 + number, &two, Fact::Spec(Box::new(spec(&format!("app:{}", number + 3)))));
    }
    let key = WorkloadKey::of(&two).unwrap_or_else(|| unreachable!("it has a workload"));
    assert_eq!(story.0.revisions(&key).count(), crate::REVISIONS_MAX);
}
