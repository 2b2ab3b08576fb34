//! Stories: containers and what happens to them, told as state changes, and what is found then.
//!
//! Grammar of a story (`tests/scripts/timeline/*.test`): `case NAME`, then lines
//!
//! ```text
//! container NAME [image=I] [restart=P] [health=INTERVAL/RETRIES/START] [ports=N] [project=P] [attached] [auto_remove]
//! TIME NAME WHAT...            a state change of a container
//! TIME runtime up|down|restarted|rebooted
//! (a TIME before the line above: it happened then and is reported now)
//! TIME gap REASON [LOST]
//! TIME hinomi restarted        from a checkpoint
//! TIME clock STEP              the platform's clock is off by STEP from now on
//! at TIME [NAME]               what is found then, what was said since the last `at`; with NAME the stage strip
//! = ...                        expected output (written by BLESS=1)
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hinomi_alert::settings::Route;
use hinomi_alert::{Effect, Judge, Routes};
use hinomi_model::*;
use hinomi_timeline::change_words;
use serde_json::{Value, json};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/scripts")
}

/// The scripts of a folder.
pub(crate) fn files(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|ext| ext == "test"));
    files.sort();
    assert!(!files.is_empty(), "no scripts in {folder}");
    files
}

/// The script with the expected lines as they came out. `saw` gets everything that was said, as the API says it.
pub(crate) fn run(text: &str, saw: &mut dyn FnMut(Value)) -> String {
    let mut out = String::new();
    let mut story = Story::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with('=')) {
        out.push_str(line);
        out.push('\n');
        let words = split(line.split('#').next().unwrap());
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            [] => {}
            ["case", ..] => story = Story::new(),
            ["container", name, options @ ..] => story.declare(name, options),
            ["at", time, strip @ ..] => {
                for answer in story.at(parse_time(time), strip.first().copied()) {
                    writeln!(out, "  = {answer}").unwrap();
                }
            }
            [time, who, what @ ..] => story.happen(parse_time(time), who, what),
            _ => panic!("not understood: {line}"),
        }
        story.seen.drain(..).for_each(&mut *saw);
    }
    out
}

/// Words of a line; quotes keep blanks together.
pub(crate) fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut quoted = false;
    let mut word = String::new();
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            c => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

fn parse_time(text: &str) -> Duration {
    let mut total = 0.0;
    let mut number = String::new();
    for c in text.chars() {
        let unit = match c {
            'h' => 3600.0,
            'm' => 60.0,
            's' => 1.0,
            _ => {
                number.push(c);
                continue;
            }
        };
        total += number.parse::<f64>().expect(text) * unit;
        number.clear();
    }
    assert!(number.is_empty(), "a time needs units: {text}");
    Duration::from_secs_f64(total)
}

const BEGIN: Nanos = Nanos::from_secs(1_800_000_000);

struct Story {
    judge: Judge,
    containers: BTreeMap<String, (Arc<ResourceId>, Spec)>,
    said: Vec<String>,
    /// What readers see, since it was last taken.
    seen: Vec<Value>,
    clock_off: i64,
    /// Platform's stamp of what happens: a reconciliation reports what was earlier.
    occurred: Nanos,
    now: Nanos,
}

impl Story {
    fn new() -> Self {
        let routes = Routes::new(vec![Route { receiver: "oncall".to_owned(), levels: None }]);
        let judge = Judge::new(routes, "http://127.0.0.1:8119".to_owned());
        Self {
            judge,
            containers: BTreeMap::new(),
            said: Vec::new(),
            seen: Vec::new(),
            clock_off: 0,
            occurred: BEGIN,
            now: BEGIN,
        }
    }

    fn declare(&mut self, name: &str, options: &[&str]) {
        let mut spec = Spec { image: "app:1".to_owned(), stop_timeout_ms: 10_000, ..Spec::default() };
        spec.created_at = None;
        let mut project = String::new();
        let mut service = name.to_owned();
        for option in options {
            match option.split_once('=').unwrap_or((option, "")) {
                ("image", image) => spec.image = image.to_owned(),
                ("restart", policy) => spec.restart = policy_of(policy),
                ("health", check) => {
                    let parts: Vec<&str> = check.split('/').collect();
                    spec.has_health_check = true;
                    spec.health_interval_ms = parse_time(parts[0]).as_millis() as u64;
                    spec.health_retries = parts[1].parse().unwrap();
                    spec.health_start_period_ms = parse_time(parts[2]).as_millis() as u64;
                }
                ("ports", port) => {
                    let (container_port, host_port) = (port.parse().unwrap(), port.parse().unwrap());
                    spec.ports.push(PortSpec { container_port, host_port, protocol: "tcp".to_owned() });
                }
                ("memory", mib) => spec.memory_limit_bytes = mib.parse::<u64>().unwrap() << 20,
                ("project", of) => project = of.to_owned(),
                ("service", of) => service = of.to_owned(),
                ("attached", _) => spec.attached = true,
                ("auto_remove", _) => spec.auto_remove = true,
                _ => panic!("option {option}"),
            }
        }
        let kind =
            if project.is_empty() { WorkloadKind::LoneContainer } else { WorkloadKind::ComposeService };
        let id = ResourceId {
            tenant: Tenant::default(),
            cluster: "host".to_owned(),
            kind: ResourceKind::Container,
            uid: format!("{name}-id"),
            name: name.to_owned(),
            node: "host".to_owned(),
            workload: Some(WorkloadRef { kind, project, name: service }),
        };
        self.containers.insert(name.to_owned(), (Arc::new(id), spec));
    }

    fn advance(&mut self, to: Nanos) {
        while let Some(due) = self.judge.next_deadline().filter(|due| *due <= to) {
            let effects = self.judge.tick(due, true);
            self.hear(effects);
        }
        self.now = to;
    }

    fn hear(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            let Effect::Tell(message) = effect else { continue };
            self.seen.push(message.body.clone());
            let field = |name: &str| message.body[name].as_str().unwrap_or("-").to_owned();
            self.said.push(format!(
                "! {} {} {} #{}: {}{}",
                field("status"),
                field("level"),
                field("inspection"),
                message.sequence,
                field("cause"),
                match message.body["resolved_because"].as_str() {
                    Some(because) => format!(" [{because}]"),
                    None => String::new(),
                }
            ));
        }
    }

    fn push(&mut self, id: Arc<ResourceId>, fact: Fact, source: Source, reason: Option<&str>) {
        let occurred_at = Nanos(self.occurred.0 + self.clock_off);
        let log = match &fact {
            Fact::Exit(_) => Some(Arc::new(LogTail {
                lines: vec![LogLine { at: None, stderr: true, text: "last words".to_owned() }],
                note: None,
            })),
            _ => None,
        };
        let change = StateChange {
            resource: id,
            fact,
            old: None,
            reason: reason.map(str::to_owned),
            occurred_at,
            observed_at: self.now,
            source,
            evidence: log.map(|log| Evidence { log: Some(log), ..Evidence::default() }),
        };
        self.seen.push(json!({ "words": change_words(&change) }));
        let effects = self.judge.observe(&change, true);
        self.hear(effects);
    }

    fn happen(&mut self, time: Duration, who: &str, what: &[&str]) {
        self.occurred = BEGIN.plus(time);
        self.advance(self.occurred.max(self.now));
        let cluster = Arc::new(hinomi_alert::runtime_resource("host"));
        match who {
            "runtime" => {
                let state = RuntimeState {
                    up: what[0] != "down",
                    version: "Docker 20.10".to_owned(),
                    restarted: what[0] != "up",
                    rebooted: what[0] == "rebooted",
                    ..RuntimeState::default()
                };
                let state = RuntimeState { restarted: state.up && state.restarted, ..state };
                self.push(cluster, Fact::Runtime(state), Source::Probe, None);
            }
            "hinomi" => {
                let snapshot = self.judge.snapshot();
                self.judge = Self::new().judge;
                self.judge.restore(serde_json::from_value(serde_json::to_value(snapshot).unwrap()).unwrap());
                let effects = self.judge.begin(self.now);
                self.hear(effects);
            }
            "gap" => {
                let reason: GapReason = serde_json::from_value(what[0].into()).unwrap();
                let lost = what[1..].iter().map(|text| (*text).to_owned()).collect();
                let from = self.now.minus(Duration::from_secs(10));
                self.push(cluster, Fact::Gap(Gap { from, to: self.now, reason, lost }), Source::Hinomi, None);
            }
            "clock" => {
                let back = what[0].starts_with('-');
                let by = parse_time(what[0].trim_start_matches(['-', '+'])).as_nanos() as i64;
                self.clock_off += if back { -by } else { by };
            }
            name => self.happen_to(name, what),
        }
    }

    fn happen_to(&mut self, name: &str, what: &[&str]) {
        let (id, spec) = self.containers.get(name).unwrap_or_else(|| panic!("container {name}")).clone();
        let (source, what) = match what {
            ["reconcile", rest @ ..] => (Source::Reconcile, rest),
            ["inspect", rest @ ..] => (Source::Inspect, rest),
            _ => (Source::RuntimeEvent, what),
        };
        let option = |key: &str| {
            what.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('=')).map(str::to_owned)
        };
        let health =
            |status, streak| Fact::Health(Health { status, failing_streak: streak, last_probe: None });
        let mut reason = None;
        let fact = match what {
            ["created", ..] => {
                self.push(id.clone(), Fact::Spec(Box::new(spec)), Source::Inspect, None);
                Fact::Phase(Phase::Created)
            }
            ["running", ..] => {
                if !self.judge.timeline().tracks.contains_key(&id.uid) {
                    self.push(id.clone(), Fact::Spec(Box::new(spec)), Source::Inspect, None);
                }
                let started_at = Some(Nanos(self.occurred.0 + self.clock_off));
                let pid = option("pid").map_or(100, |pid| pid.parse().unwrap());
                Fact::Phase(Phase::Running(RunState { pid, started_at }))
            }
            ["exit", code, rest @ ..] => Fact::Exit(Exit {
                code: code.parse().ok(),
                error: rest.first().map(|text| (*text).to_owned()),
                oom_hint: *code == "137",
            }),
            ["oom", ..] => Fact::Oom(Oom {
                witness: if option("comm").is_some() { OomWitness::Tracefs } else { OomWitness::Runtime },
                victim_pid: option("pid").map(|pid| pid.parse().unwrap()),
                victim_comm: option("comm"),
                victim_rss_kib: None,
                peak_bytes: None,
                kills: None,
            }),
            ["signal", number, ..] => Fact::Intent(Intent {
                action: IntentAction::Signal,
                signal: number.parse().ok(),
                by_runtime: what.contains(&"by_runtime"),
            }),
            ["stop", ..] => {
                Fact::Intent(Intent { action: IntentAction::Stop, signal: None, by_runtime: false })
            }
            ["healthy"] => health(HealthStatus::Healthy, 0),
            ["unhealthy", streak] => health(HealthStatus::Unhealthy, streak.parse().unwrap()),
            ["paused"] => Fact::Phase(Phase::Paused),
            ["unpaused"] => Fact::Phase(Phase::Unpaused),
            ["restarting"] => Fact::Phase(Phase::Restarting),
            ["removing"] => Fact::Phase(Phase::Removing),
            ["dead"] => Fact::Phase(Phase::Dead),
            ["exited", rest @ ..] => {
                reason = rest.first().copied();
                Fact::Phase(Phase::Exited)
            }
            ["gone", ..] => Fact::Phase(Phase::Gone { unseen: source == Source::Reconcile }),
            ["name", new] => {
                let (id, spec) = self.containers.remove(name).unwrap();
                let mut id = (*id).clone();
                id.name = (*new).to_owned();
                id.workload.as_mut().unwrap().name = (*new).to_owned();
                let renamed = (Arc::new(id), spec);
                self.containers.insert((*new).to_owned(), renamed);
                Fact::Name((*new).to_owned())
            }
            ["stage", stage, outcome, rest @ ..] => Fact::Stage(StageMark {
                stage: serde_json::from_value((*stage).into()).unwrap(),
                outcome: serde_json::from_value((*outcome).into()).unwrap(),
                cause: rest.first().map(|text| (*text).to_owned()),
                took_ms: None,
            }),
            ["unobserved", n] => Fact::UnobservedRestarts(n.parse().unwrap()),
            ["process_gone"] => {
                let exit =
                    Exit { code: None, error: Some("its process is gone".to_owned()), oom_hint: false };
                return self.push(id, Fact::Exit(exit), Source::Probe, Some("phantom"));
            }
            _ => panic!("what happened to {name}? {what:?}"),
        };
        let source = if matches!(fact, Fact::Oom(_)) { Source::Kernel } else { source };
        self.push(id, fact, source, reason);
    }

    /// Everything in words that is known now.
    fn see(&mut self) {
        let incidents = self.judge.incidents();
        self.seen
            .extend(incidents.open().chain(incidents.over()).map(|one| serde_json::to_value(one).unwrap()));
        let timeline = self.judge.timeline();
        for track in timeline.tracks.values() {
            let closed = track.ledger.iter().map(|closed| &closed.because);
            let kinds = track.ledger.iter().map(|closed| closed.deviation.kind.words());
            self.seen.push(json!({
                "healer": track.healer(), "healed_before": closed.collect::<Vec<_>>(),
                "words": kinds.collect::<Vec<_>>(), "changes": track.recent,
            }));
        }
        let happened = timeline.happenings.iter().map(|happening| &happening.words);
        self.seen.push(json!({ "words": happened.collect::<Vec<_>>() }));
        let ends = timeline.tracks.values().flat_map(|track| &track.ends).map(hinomi_timeline::end_words);
        self.seen.push(json!({ "words": ends.collect::<Vec<_>>() }));
    }

    fn at(&mut self, time: Duration, strip: Option<&str>) -> Vec<String> {
        self.advance(BEGIN.plus(time));
        let mut answers = std::mem::take(&mut self.said);
        self.see();
        for incident in self.judge.incidents().open() {
            for finding in incident.findings.iter().filter(|finding| finding.resolved_at.is_none()) {
                answers.push(format!(
                    "{} {} ({}) {}: {}",
                    finding.level,
                    finding.inspection,
                    finding.cause_class,
                    finding.level_reason,
                    finding.cause
                ));
            }
        }
        if let Some(name) = strip {
            let uid = &self.containers[name].0.uid;
            let attempt = self.judge.timeline().tracks[uid].attempt().expect("an attempt");
            let stages: Vec<String> = attempt.stages.iter().map(stage_words).collect();
            answers.push(format!("launch {}: {}", attempt.number, stages.join(", ")));
        }
        if answers.is_empty() {
            answers.push("nothing".to_owned());
        }
        answers
    }
}

fn stage_words(record: &StageRecord) -> String {
    let outcome = serde_json::to_value(record.outcome).unwrap();
    format!("{} {}", record.stage.title(), outcome.as_str().unwrap())
}

fn policy_of(text: &str) -> RestartPolicy {
    match text.split_once(':').unwrap_or((text, "0")) {
        ("no", _) => RestartPolicy::No,
        ("always", _) => RestartPolicy::Always,
        ("unless-stopped", _) => RestartPolicy::UnlessStopped,
        ("on-failure", max) => RestartPolicy::OnFailure { max_retries: max.parse().unwrap() },
        _ => panic!("restart policy {text}"),
    }
}
