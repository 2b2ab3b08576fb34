//! A3 and P3: what is folded again from the records, all of them or those behind a checkpoint, is what was there before
//! the crash.
#![allow(clippy::unwrap_used, clippy::cast_possible_wrap, reason = "a test")]

use std::sync::Arc;
use std::time::Duration;

use hinomi_alert::{Effect, Judge, Plane, Routes};
use hinomi_model::*;
use proptest::prelude::*;

enum Stored {
    Change(StateChange),
    Incident(Box<Incident>),
    Alive(Nanos),
}

fn id() -> Arc<ResourceId> {
    Arc::new(ResourceId {
        tenant: Tenant::default(),
        cluster: "host".to_owned(),
        kind: ResourceKind::Container,
        uid: "web-id".to_owned(),
        name: "web".to_owned(),
        node: "host".to_owned(),
        workload: Some(WorkloadRef {
            kind: WorkloadKind::LoneContainer,
            project: String::new(),
            name: "web".to_owned(),
        }),
    })
}

fn change(fact: Fact, at: Nanos) -> StateChange {
    let cluster = matches!(fact, Fact::Runtime(_));
    let resource = if cluster { Arc::new(hinomi_alert::runtime_resource("host")) } else { id() };
    StateChange {
        resource,
        fact,
        old: None,
        reason: None,
        occurred_at: at,
        observed_at: at,
        source: Source::RuntimeEvent,
        evidence: None,
    }
}

/// One container with a restart policy: it runs, ends, runs out of memory inside, is stopped.
fn facts() -> impl Strategy<Value = Vec<Fact>> {
    let run = || Fact::Phase(Phase::Running(RunState::default()));
    let exit = |code| Fact::Exit(Exit { code: Some(code), error: None, oom_hint: false });
    let oom = Fact::Oom(Oom {
        witness: OomWitness::Tracefs,
        victim_pid: Some(7),
        victim_comm: Some("x".to_owned()),
        victim_rss_kib: None,
        peak_bytes: None,
        kills: None,
    });
    let stop = Fact::Intent(Intent { action: IntentAction::Signal, signal: Some(15), by_runtime: false });
    prop_oneof![
        4 => Just(vec![exit(1), run()]),
        1 => Just(vec![oom]),
        1 => Just(vec![stop, exit(143), run()]),
        1 => Just(vec![exit(0), run()]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn replay_finds_the_same_state(
        steps in proptest::collection::vec((facts(), prop_oneof![Just(1u64), Just(20), Just(70), Just(400), Just(4000)]), 1..40),
        checkpoint_before in 1..20usize,
    ) {
        let mut live = Judge::new(Routes::default(), String::new());
        let mut stored = Vec::new();
        let mut at = Nanos::from_secs(1_800_000_000);
        let spec = Spec { restart: RestartPolicy::Always, ..Spec::default() };
        let up = RuntimeState { up: true, ..RuntimeState::default() };
        let first = vec![
            Fact::Runtime(up),
            Fact::Spec(Box::new(spec)),
            Fact::Phase(Phase::Created),
            Fact::Phase(Phase::Running(RunState::default())),
        ];
        let keep = |stored: &mut Vec<Stored>, effects: Vec<Effect>| {
            for effect in effects {
                if let Effect::Store { incident, .. } = effect {
                    stored.push(Stored::Incident(incident));
                }
            }
        };
        let mut checkpoint = None;
        for (number, (facts, secs)) in std::iter::once((first, 1)).chain(steps).enumerate() {
            if number == checkpoint_before {
                checkpoint = Some((serde_json::to_vec(&live.snapshot()).unwrap(), stored.len()));
            }
            for fact in facts {
                let change = change(fact, at);
                stored.push(Stored::Change(change.clone()));
                keep(&mut stored, live.observe(&change, true));
                at = at.plus(Duration::from_millis(200));
            }
            let until = at.plus(Duration::from_secs(secs));
            while at < until {
                let sign = at.plus(Duration::from_secs(60)).min(until);
                while let Some(due) = live.next_deadline().filter(|due| *due <= sign) {
                    keep(&mut stored, live.tick(due, true));
                }
                live.note_alive(sign);
                stored.push(Stored::Alive(sign));
                at = sign;
            }
        }
        live.note_alive(at);
        live.begin(at);
        same(&live, &replayed(None, &stored, at), at)?;
        if let Some((bytes, behind)) = checkpoint {
            same(&live, &replayed(Some(&bytes), &stored[behind..], at), at)?;
        }
    }
}

/// As Hinomi begins: from a checkpoint, if there is one, and the records behind it.
fn replayed(checkpoint: Option<&[u8]>, records: &[Stored], now: Nanos) -> Judge {
    let mut judge = Judge::new(Routes::default(), String::new());
    if let Some(bytes) = checkpoint {
        judge.restore(serde_json::from_slice(bytes).unwrap());
    }
    for record in records {
        match record {
            Stored::Change(change) => judge.replay_change(change),
            Stored::Incident(incident) => judge.replay_incident((**incident).clone()),
            Stored::Alive(at) => judge.note_alive(*at),
        }
    }
    judge.note_alive(now);
    judge.begin(now);
    judge
}

fn same(live: &Judge, again: &Judge, now: Nanos) -> Result<(), TestCaseError> {
    let face = |judge: &Judge| {
        let track = &judge.timeline().tracks["web-id"];
        let deviation = track.deviation.as_ref().map(|d| (d.started_at, d.bad_since, d.tries, d.ends));
        (deviation, track.restarts, track.ledger.len(), track.state)
    };
    prop_assert_eq!(face(live), face(again));
    let open = |judge: &Judge| judge.incidents().open().map(|i| (i.key.clone(), i.level)).collect::<Vec<_>>();
    prop_assert_eq!(open(live), open(again));
    for plane in Plane::ALL {
        prop_assert_eq!(live.heat().day(plane, now), again.heat().day(plane, now), "{:?}", plane);
    }
    let ended = |judge: &Judge| judge.endings().of_day(now).cloned().collect::<Vec<_>>();
    prop_assert_eq!(ended(live), ended(again));
    let happened = |judge: &Judge| judge.timeline().happenings.iter().cloned().collect::<Vec<_>>();
    prop_assert_eq!(happened(live), happened(again));
    Ok(())
}
