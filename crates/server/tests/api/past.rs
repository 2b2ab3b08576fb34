//! A data folder with three hours behind it, as a process that was killed leaves it: records, and no checkpoint.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hinomi_alert::{Effect, Judge, Routes};
use hinomi_base::budget::Budget;
use hinomi_base::clock::Clock;
use hinomi_base::counters::Counters;
use hinomi_model::{
    Exit, Fact, Gap, GapReason, Health, HealthStatus, Intent, IntentAction, Nanos, Phase, PortSpec,
    ResourceId, RestartPolicy, RunState, RuntimeState, Source, Spec, StateChange,
};
use hinomi_records::{Alive, Record, Store};

use crate::running::resource;

const MINUTE: Duration = Duration::from_secs(60);

/// Judges changes at their own times, and keeps what would have been stored.
struct Past {
    judge: Judge,
    records: Vec<Record>,
    at: Nanos,
}

impl Past {
    fn keep(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            if let Effect::Store { incident, .. } = effect {
                self.records.push(Record::Incident(incident));
            }
        }
    }

    /// Lets time pass with a sign of life each minute.
    fn until(&mut self, to: Nanos) {
        while self.at < to {
            let sign = self.at.plus(MINUTE).min(to);
            while let Some(due) = self.judge.next_deadline().filter(|due| *due <= sign) {
                let effects = self.judge.tick(due, true);
                self.keep(effects);
            }
            self.judge.note_alive(sign);
            self.records.push(Record::Alive(Alive { at: sign }));
            self.at = sign;
        }
    }

    fn see(&mut self, resource: &Arc<ResourceId>, fact: Fact) {
        let change = StateChange {
            resource: Arc::clone(resource),
            fact,
            old: None,
            reason: None,
            occurred_at: self.at,
            observed_at: self.at,
            source: Source::RuntimeEvent,
            evidence: None,
        };
        self.records.push(Record::Change(change.clone()));
        let effects = self.judge.observe(&change, true);
        self.keep(effects);
    }
}

fn spec(image: &str, memory_limit_bytes: u64) -> Fact {
    Fact::Spec(Box::new(Spec {
        image: image.into(),
        image_id: "sha256:0123456789abcdef".into(),
        command: "api --serve".into(),
        restart: RestartPolicy::Always,
        memory_limit_bytes,
        has_health_check: true,
        health_interval_ms: 5000,
        health_retries: 3,
        ports: vec![PortSpec { container_port: 80, host_port: 8080, protocol: "tcp".into() }],
        ..Spec::default()
    }))
}

/// `shop/api` crashes thrice and is healed by its policy, is replaced half an hour ago, and crashes once more just
/// before the end; in between Hinomi was not there for ten minutes.
pub(crate) fn leave(folder: &Path, now: Nanos) {
    let ago = |minutes: u64| now.minus(MINUTE * u32::try_from(minutes).unwrap());
    let begin = ago(180);
    let mut past =
        Past { judge: Judge::new(Routes::default(), String::new()), records: Vec::new(), at: begin };
    past.judge.begin(begin);
    let runtime = Arc::new(hinomi_alert::runtime_resource("box"));
    let (old, new) = (resource("api", "cccc"), resource("api", "dddd"));
    let run = || Fact::Phase(Phase::Running(RunState::default()));
    let exit = |code| Fact::Exit(Exit { code: Some(code), error: None, oom_hint: false });
    let healthy =
        || Fact::Health(Health { status: HealthStatus::Healthy, failing_streak: 0, last_probe: None });
    let up = RuntimeState { up: true, version: "Docker 20.10".into(), ..RuntimeState::default() };
    past.see(&runtime, Fact::Runtime(up.clone()));
    for fact in [spec("api:1", 32 << 20), Fact::Phase(Phase::Created), run(), healthy()] {
        past.see(&old, fact);
    }
    past.until(ago(150));
    for _ in 0..3 {
        past.see(&old, exit(1));
        past.until(past.at.plus(Duration::from_secs(1)));
        past.see(&old, run());
        past.see(&old, healthy());
        past.until(past.at.plus(Duration::from_secs(10)));
    }
    past.until(ago(60));
    // Away: no sign of life.
    past.at = ago(50);
    past.judge.begin(past.at);
    past.see(&runtime, Fact::Runtime(up));
    let gap = Gap { from: ago(60), to: ago(50), reason: GapReason::NotRunning, lost: Vec::new() };
    past.see(&runtime, Fact::Gap(gap));
    past.until(ago(30));
    let signal = Intent { action: IntentAction::Signal, signal: Some(15), by_runtime: false };
    past.see(&old, Fact::Intent(signal));
    past.see(&old, exit(143));
    past.see(&old, Fact::Phase(Phase::Gone { unseen: false }));
    for fact in [spec("api:2", 64 << 20), Fact::Phase(Phase::Created), run(), healthy()] {
        past.see(&new, fact);
    }
    past.until(ago(2));
    past.see(&new, exit(3));
    past.see(&new, run());
    past.see(&new, healthy());
    past.until(ago(1));

    let options = hinomi_records::Options::new(folder.join("records"));
    let (store, _) =
        Store::open(options, Budget::new(64 << 20), &Counters::default(), Clock::system()).unwrap();
    let ticket = store.append(past.records);
    assert!(matches!(ticket.wait(Duration::from_secs(10)), hinomi_records::Stored::Ok(_)));
    store.close(Duration::from_secs(5));
}
