//! Runs `tests/scripts/numbers`: what is measured round by round, and what is found and said then.
//!
//! ```text
//! case NAME
//! now TIME                      RFC 3339; working hours are Monday to Friday, 09:00 to 19:00 in Tokyo, 3 November a holiday
//! container NAME [restart=P]    it runs from now on
//! FOR WHAT[, WHAT]              rounds for so long, every 30 s, each with these:
//!     memory NAME A..B          percent of a limit of 100 MiB, from A to B; samples every 10 s
//!     filesystem PATH A..B      percent of 100 GiB; inodes PATH A..B: of a million
//!     throttled NAME A          percent of periods; pids NAME A: of 1000
//!     pressure PART A           percent of the time
//! FOR silence                   no rounds
//! NAME ended                    the container ends with code 1
//! runtime up|down
//! killed                        Hinomi dies and starts again: from what it stored, without a checkpoint
//! restarted                     … from a checkpoint
//! = ...                         what was found (written by BLESS=1): `!` is a message
//! ```

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test")]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hinomi_alert::numbers::{Check, Reading, Round, Rules, host_resource};
use hinomi_alert::settings::Route;
use hinomi_alert::working_hours::WorkingHours;
use hinomi_alert::{Effect, Judge, Routes, runtime_resource};
use hinomi_model::*;
use hinomi_words::{Language, foreign, translate};
use jiff::tz::TimeZone;

const EVERY: Duration = Duration::from_secs(30);

#[test]
fn scripts() {
    let bless = std::env::var_os("BLESS").is_some();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/scripts/numbers");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    let (mut failures, mut untranslated) = (String::new(), Vec::new());
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let told = run(&text, &mut untranslated);
        if told != text && bless {
            std::fs::write(&path, told).unwrap();
        } else if told != text {
            writeln!(failures, "{} differs (BLESS=1 rewrites it):", path.display()).unwrap();
            for (want, got) in text.lines().zip(told.lines()).filter(|(want, got)| want != got).take(12) {
                writeln!(failures, "  want {want}\n  got  {got}").unwrap();
            }
        }
    }
    untranslated.sort();
    untranslated.dedup();
    assert!(untranslated.is_empty(), "without a row in ja.txt:\n{}", untranslated.join("\n"));
    assert!(failures.is_empty(), "\n{failures}");
}

struct Stage {
    judge: Judge,
    now: Nanos,
    rules: Rules,
    containers: BTreeMap<String, Arc<ResourceId>>,
    past: BTreeMap<String, Vec<(Nanos, f64)>>,
    stored: Vec<Stored>,
    said: Vec<String>,
}

enum Stored {
    Change(Box<StateChange>),
    Incident(Box<Incident>),
}

fn run(text: &str, untranslated: &mut Vec<String>) -> String {
    let mut out = String::new();
    let mut stage = Stage::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with("= ")) {
        writeln!(out, "{line}").unwrap();
        let words: Vec<&str> = line.split('#').next().unwrap().split_whitespace().collect();
        match words.as_slice() {
            [] => {}
            ["case", ..] => stage = Stage::new(),
            ["now", time] => stage.now = Nanos::parse_rfc3339(time).unwrap(),
            ["container", name, options @ ..] => stage.starts(name, options),
            [name, "ended"] => stage.ends(name),
            [name, "again"] => stage.runs_again(name),
            ["runtime", word] => stage.runtime(*word == "up"),
            ["killed"] => stage.killed(),
            ["restarted"] => stage.restarted(),
            [time, "silence"] => stage.advance(stage.now.plus(duration(time))),
            [time, what @ ..] => stage.rounds(duration(time), &what.join(" ")),
        }
        for said in stage.said.drain(..) {
            writeln!(out, "  = {said}").unwrap();
        }
        stage.check_words(untranslated);
    }
    out
}

fn duration(text: &str) -> Duration {
    let (number, unit) = text.split_at(text.len() - 1);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => panic!("a time needs a unit: {text}"),
    };
    Duration::from_secs(number.parse::<u64>().expect(text) * seconds)
}

fn new_judge() -> Judge {
    let routes = Routes::new(vec![Route { receiver: "oncall".to_owned(), levels: None }]);
    Judge::new(routes, "http://127.0.0.1:8119".to_owned())
}

impl Stage {
    fn new() -> Self {
        let hours = WorkingHours {
            zone: TimeZone::get("Asia/Tokyo").unwrap(),
            holidays: [("2026-11-03".parse().unwrap(), String::new())].into(),
            ..WorkingHours::default()
        };
        Self {
            judge: new_judge(),
            now: Nanos::parse_rfc3339("2026-11-25T02:00:00+09:00").unwrap(),
            rules: Rules { hours, ..Rules::default() },
            containers: BTreeMap::new(),
            past: BTreeMap::new(),
            stored: Vec::new(),
            said: Vec::new(),
        }
    }

    fn hear(&mut self, effects: Vec<Effect>) {
        let local = jiff::Timestamp::from_nanosecond(i128::from(self.now.0)).unwrap();
        let time = local.to_zoned_datetime(self.rules.hours.zone.clone()).strftime("%H:%M:%S").to_string();
        for effect in effects {
            match effect {
                Effect::Store { incident, news } => {
                    if news {
                        let root = incident.root_finding().unwrap();
                        let because = incident
                            .resolved_because
                            .as_deref()
                            .filter(|_| incident.status == IncidentStatus::Resolved);
                        let because = because.map_or(String::new(), |because| format!(" [{because}]"));
                        self.said.push(format!(
                            "{time} {} {} {}/{}: {} ({}){because}",
                            incident.status.as_str(),
                            root.level,
                            root.inspection,
                            root.cause_class,
                            root.cause,
                            root.level_reason
                        ));
                    }
                    self.stored.push(Stored::Incident(incident));
                }
                Effect::Tell(message) => {
                    let field = |name: &str| message.body[name].as_str().unwrap_or("-").to_owned();
                    self.said.push(format!(
                        "{time} ! #{} {} {}",
                        message.sequence,
                        field("status"),
                        field("level")
                    ));
                }
            }
        }
    }

    fn change(&mut self, resource: Arc<ResourceId>, fact: Fact) {
        let change = StateChange {
            resource,
            fact,
            old: None,
            reason: None,
            occurred_at: self.now,
            observed_at: self.now,
            source: Source::RuntimeEvent,
            evidence: None,
        };
        self.stored.push(Stored::Change(Box::new(change.clone())));
        // What the state says of it is told by other scripts.
        let _others = self.judge.observe(&change, true);
    }

    fn starts(&mut self, name: &str, options: &[&str]) {
        let restart = match options {
            ["restart=always"] => RestartPolicy::Always,
            ["restart=on-failure:1"] => RestartPolicy::OnFailure { max_retries: 1 },
            _ => RestartPolicy::No,
        };
        let workload =
            WorkloadRef { kind: WorkloadKind::LoneContainer, project: String::new(), name: name.to_owned() };
        let id = Arc::new(ResourceId {
            tenant: Tenant::default(),
            cluster: "edo".to_owned(),
            kind: ResourceKind::Container,
            uid: format!("{name}-id"),
            name: name.to_owned(),
            node: "edo".to_owned(),
            workload: Some(workload),
        });
        self.containers.insert(name.to_owned(), Arc::clone(&id));
        self.past.retain(|key, _| !key.ends_with(name));
        let spec = Spec { image: "app:1".to_owned(), restart, ..Spec::default() };
        self.change(Arc::clone(&id), Fact::Spec(Box::new(spec)));
        self.change(id, Fact::Phase(Phase::Running(RunState { pid: 100, started_at: Some(self.now) })));
    }

    fn ends(&mut self, name: &str) {
        let id = Arc::clone(&self.containers[name]);
        self.change(Arc::clone(&id), Fact::Exit(Exit { code: Some(1), error: None, oom_hint: false }));
        self.change(id, Fact::Phase(Phase::Exited));
    }

    /// Its policy starts it once more.
    fn runs_again(&mut self, name: &str) {
        let id = Arc::clone(&self.containers[name]);
        self.past.retain(|key, _| !key.ends_with(name));
        self.change(Arc::clone(&id), Fact::Exit(Exit { code: Some(1), error: None, oom_hint: false }));
        self.change(Arc::clone(&id), Fact::Phase(Phase::Restarting));
        self.change(id, Fact::Phase(Phase::Running(RunState { pid: 101, started_at: Some(self.now) })));
    }

    fn runtime(&mut self, up: bool) {
        let state = RuntimeState { up, version: "Docker 29".to_owned(), ..RuntimeState::default() };
        self.change(Arc::new(runtime_resource("edo")), Fact::Runtime(state));
    }

    fn killed(&mut self) {
        self.judge = new_judge();
        for stored in &self.stored {
            match stored {
                Stored::Change(change) => self.judge.replay_change(change),
                Stored::Incident(incident) => self.judge.replay_incident((**incident).clone()),
            }
        }
        let _others = self.judge.begin(self.now);
    }

    fn restarted(&mut self) {
        let snapshot = serde_json::to_value(self.judge.snapshot()).unwrap();
        self.judge = new_judge();
        self.judge.restore(serde_json::from_value(snapshot).unwrap());
        let _others = self.judge.begin(self.now);
    }

    fn advance(&mut self, to: Nanos) {
        while let Some(due) = self.judge.next_deadline().filter(|due| *due <= to) {
            self.now = due.max(self.now);
            let effects = self.judge.tick(due, true);
            let of_numbers = |effect: &Effect| match effect {
                Effect::Store { incident, .. } => incident.subject.contains("/numbers/"),
                Effect::Tell(message) => Check::of(message.body["inspection"].as_str().unwrap()).is_some(),
            };
            self.hear(effects.into_iter().filter(of_numbers).collect());
        }
        self.now = to;
    }

    fn rounds(&mut self, time: Duration, what: &str) {
        let (begin, end) = (self.now, self.now.plus(time));
        while self.now < end {
            let next = self.now.plus(EVERY);
            self.advance(next);
            let done = next.since(begin).as_secs_f64() / time.as_secs_f64();
            let readings = what.split(',').map(|what| self.reading(what.trim(), done, time)).collect();
            let round = Round { readings };
            let effects = self.judge.observe_numbers(&round, &self.rules, self.now, true);
            self.hear(effects);
        }
    }

    fn reading(&mut self, what: &str, done: f64, time: Duration) -> Reading {
        let words: Vec<&str> = what.split_whitespace().collect();
        let [kind, name, range] = words.as_slice() else {
            panic!("a reading is: KIND NAME A..B, not {what}")
        };
        let (range, limited) = range.strip_suffix("/none").map_or((*range, true), |range| (range, false));
        let (from, to) = range.split_once("..").unwrap_or((range, range));
        let (from, to): (f64, f64) = (from.parse().unwrap(), to.parse().unwrap());
        let (check, unit, limit) = match *kind {
            "memory" => (Check::MemoryLimit, NumberUnit::Bytes, 104_857_600.0),
            "filesystem" => (Check::Filesystem, NumberUnit::Bytes, 107_374_182_400.0),
            "inodes" => (Check::Inodes, NumberUnit::Count, 1_000_000.0),
            "throttled" => (Check::CpuThrottled, NumberUnit::Share, 0.25),
            "pids" => (Check::Pids, NumberUnit::Count, 1000.0),
            "pressure" => {
                (Check::HostPressure, NumberUnit::Share, if *name == "memory_stalled" { 0.4 } else { 0.1 })
            }
            _ => panic!("no such reading: {kind}"),
        };
        let whole = if unit == NumberUnit::Share { 1.0 } else { limit };
        let at = |done: f64| (from + (to - from) * done) / 100.0 * whole;
        let mut samples = Vec::new();
        if matches!(check, Check::MemoryLimit | Check::Filesystem | Check::Inodes) {
            let past = self.past.entry(format!("{kind} {name}")).or_default();
            for back in [20_u64, 10, 0] {
                let step = back as f64 / time.as_secs_f64();
                past.push((self.now.minus(Duration::from_secs(back)), at((done - step).max(0.0))));
            }
            let begin = self.now.minus(check.looks_back());
            past.retain(|(at, _)| *at >= begin);
            samples.clone_from(past);
        }
        let container = self.containers.get(*name).cloned();
        let part = if container.is_some() { "" } else { name };
        Reading {
            check,
            resource: container.unwrap_or_else(|| Arc::new(host_resource("edo"))),
            part: part.to_owned(),
            unit,
            value: at(done),
            limit: if limited { limit } else { f64::INFINITY },
            samples,
            query: "up".to_owned(),
            facts: Vec::new(),
        }
    }

    /// Everything that is said has a translation without English of ours in it.
    fn check_words(&self, untranslated: &mut Vec<String>) {
        let incidents = self.judge.incidents();
        for incident in incidents.open().chain(incidents.over()) {
            let texts =
                incident.findings.iter().filter(|one| Check::of(&one.inspection).is_some()).flat_map(texts);
            for text in
                texts.chain(incident.resolved_because.clone()).filter(|text| !self.is_translated(text))
            {
                untranslated.push(format!("{text} => {}", translate(&text, Language::Ja)));
            }
        }
    }

    fn is_translated(&self, text: &str) -> bool {
        let is_theirs = |text: &str| {
            let known = text.starts_with('/')
                || ["edo", "on-failure:1"].contains(&text)
                || self.containers.contains_key(text);
            !text.contains(' ') && (known || Nanos::parse_rfc3339(text).is_some())
        };
        is_theirs(text) || foreign(text).is_some_and(|foreign| foreign.into_iter().all(is_theirs))
    }
}

/// What a finding says to people.
fn texts(finding: &Finding) -> Vec<String> {
    let facts = finding.evidence.facts.iter().filter(|(label, _)| label != "query");
    let facts = facts.flat_map(|(label, value)| [label.clone(), value.clone()]);
    facts.chain([finding.cause.clone(), finding.level_reason.clone()]).collect()
}
