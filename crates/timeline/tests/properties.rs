//! Whatever order facts come in: nothing panics, bounds hold, a checkpoint changes nothing.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;
use std::time::Duration;

use hinomi_model::*;
use hinomi_timeline::{ATTEMPTS_MAX, ENDS_MAX, LEDGER_MAX, Timeline, WorkloadKey};
use proptest::prelude::*;

fn fact() -> impl Strategy<Value = Fact> {
    let policy = prop_oneof![
        Just(RestartPolicy::No),
        Just(RestartPolicy::Always),
        Just(RestartPolicy::OnFailure { max_retries: 2 }),
    ];
    let health = prop_oneof![Just(HealthStatus::Healthy), Just(HealthStatus::Unhealthy)];
    prop_oneof![
        (policy, any::<bool>(), any::<bool>()).prop_map(|(restart, auto_remove, has_health_check)| {
            Fact::Spec(Box::new(Spec { restart, auto_remove, has_health_check, ..Spec::default() }))
        }),
        Just(Fact::Phase(Phase::Created)),
        Just(Fact::Phase(Phase::Running(RunState::default()))),
        Just(Fact::Phase(Phase::Paused)),
        Just(Fact::Phase(Phase::Unpaused)),
        Just(Fact::Phase(Phase::Restarting)),
        Just(Fact::Phase(Phase::Removing)),
        Just(Fact::Phase(Phase::Dead)),
        Just(Fact::Phase(Phase::Exited)),
        any::<bool>().prop_map(|unseen| Fact::Phase(Phase::Gone { unseen })),
        proptest::option::of(prop_oneof![Just(0), Just(1), Just(137), Just(143)])
            .prop_map(|code| Fact::Exit(Exit { code, error: None, oom_hint: false })),
        health.prop_map(|status| Fact::Health(Health { status, failing_streak: 1, last_probe: None })),
        proptest::option::of(1u32..5).prop_map(|victim_pid| Fact::Oom(Oom {
            witness: OomWitness::Kmsg,
            victim_pid,
            victim_comm: victim_pid.map(|_| "x".to_owned()),
            victim_rss_kib: None,
            peak_bytes: None,
            kills: None,
        })),
        (proptest::option::of(1i32..16), any::<bool>()).prop_map(|(signal, by_runtime)| Fact::Intent(
            Intent { action: IntentAction::Signal, signal, by_runtime }
        )),
        Just(Fact::Stage(StageMark {
            stage: Stage::Start,
            outcome: Outcome::Failed,
            cause: Some("no".to_owned()),
            took_ms: None,
        })),
        (1u32..4).prop_map(Fact::UnobservedRestarts),
        "[a-c]".prop_map(Fact::Name),
        (any::<bool>(), any::<bool>()).prop_map(|(up, restarted)| Fact::Runtime(RuntimeState {
            up,
            restarted,
            ..RuntimeState::default()
        })),
        Just(Fact::Gap(Gap {
            from: Nanos(1),
            to: Nanos(2),
            reason: GapReason::RuntimeAway,
            lost: Vec::new()
        })),
    ]
}

fn source() -> impl Strategy<Value = Source> {
    prop_oneof![
        Just(Source::RuntimeEvent),
        Just(Source::Reconcile),
        Just(Source::Inspect),
        Just(Source::Probe)
    ]
}

fn change(index: usize, fact: Fact, source: Source, at: Nanos, occurred_at: Nanos) -> StateChange {
    let cluster = matches!(fact, Fact::Runtime(_) | Fact::Gap(_));
    let name = format!("c{index}");
    let workload =
        WorkloadRef { kind: WorkloadKind::LoneContainer, project: String::new(), name: name.clone() };
    let id = ResourceId {
        tenant: Tenant::default(),
        cluster: "host".to_owned(),
        kind: if cluster { ResourceKind::Cluster } else { ResourceKind::Container },
        uid: name.clone(),
        name,
        node: "host".to_owned(),
        workload: (!cluster).then_some(workload),
    };
    StateChange {
        resource: Arc::new(id),
        fact,
        old: None,
        reason: None,
        occurred_at,
        observed_at: at,
        source,
        evidence: None,
    }
}

/// Folds, lets time pass, and looks, as the judge does.
fn step(timeline: &mut Timeline, change: &StateChange) -> Vec<String> {
    timeline.apply(change);
    let keys: Vec<WorkloadKey> = timeline.workloads.keys().cloned().collect();
    let mut seen = Vec::new();
    for key in keys {
        timeline.settle(&key, change.observed_at);
        for a in timeline.assess(&key, change.observed_at).assessments {
            seen.push(format!("{key} {:?} {:?} {:?}", a.deviation, a.healing, a.verdict));
        }
    }
    seen
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn bounds_hold_and_a_checkpoint_changes_nothing(
        steps in proptest::collection::vec((0usize..3, fact(), source(), 0u64..100_000, any::<i64>()), 1..200),
    ) {
        let mut timeline = Timeline::default();
        let mut at = Nanos::from_secs(1_800_000_000);
        for (index, fact, source, ms, occurred_at) in steps {
            at = at.plus(Duration::from_millis(ms));
            let change = change(index, fact, source, at, Nanos(occurred_at));
            let mut restored: Timeline = serde_json::from_slice(&serde_json::to_vec(&timeline).unwrap()).unwrap();
            let seen = step(&mut timeline, &change);
            prop_assert_eq!(seen, step(&mut restored, &change));
            for track in timeline.tracks.values() {
                prop_assert!(track.attempts.len() <= ATTEMPTS_MAX);
                prop_assert!(track.ends.len() <= ENDS_MAX);
                prop_assert!(track.ledger.len() <= LEDGER_MAX);
                prop_assert!(track.recent.len() <= 20);
            }
        }
    }

    /// T2: the platform's stamps decide nothing.
    #[test]
    fn a_stepped_clock_changes_nothing(
        steps in proptest::collection::vec((0usize..2, fact(), 0u64..100_000, any::<i64>()), 1..100),
    ) {
        let (mut honest, mut stepped) = (Timeline::default(), Timeline::default());
        let mut at = Nanos::from_secs(1_800_000_000);
        for (index, fact, ms, off) in steps {
            at = at.plus(Duration::from_millis(ms));
            let one = change(index, fact.clone(), Source::RuntimeEvent, at, at);
            let other = change(index, fact, Source::RuntimeEvent, at, Nanos(off));
            prop_assert_eq!(step(&mut honest, &one), step(&mut stepped, &other));
        }
    }
}
