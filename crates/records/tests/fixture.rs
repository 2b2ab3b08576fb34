//! Folders that older programs wrote stay readable.
//!
//! `tests/fixtures/v1` is never written again once released. A new format version adds `v2` beside it.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hinomi_base::budget::Budget;
use hinomi_base::clock::Clock;
use hinomi_base::counters::Counters;
use hinomi_model::{
    Evidence, Exit, Fact, Finding, FindingEvidence, Healing, HealingState, Incident, IncidentStatus, Level,
    LogLine, LogTail, Message, Nanos, Oom, OomWitness, Phase, ResourceId, ResourceKind, RestartPolicy,
    RunState, Source, Spec, StateChange, Tenant, WorkloadKind, WorkloadRef,
};
use hinomi_records::{Delivered, DeliveryStatus, Options, Record, Recovery, Store, Stored};

const CHECKPOINT: &[u8] = b"the state after record 4, opaque";

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1")
}

fn resource() -> Arc<ResourceId> {
    Arc::new(ResourceId {
        tenant: Tenant::default(),
        cluster: "edo".into(),
        kind: ResourceKind::Container,
        uid: "0123456789abcdef".into(),
        name: "shop-web-1".into(),
        node: "edo".into(),
        workload: Some(WorkloadRef {
            kind: WorkloadKind::ComposeService,
            project: "shop".into(),
            name: "web".into(),
        }),
    })
}

fn change(at: i64, fact: Fact) -> StateChange {
    StateChange {
        resource: resource(),
        fact,
        old: None,
        reason: None,
        occurred_at: Nanos::from_secs(at),
        observed_at: Nanos::from_secs(at).plus(Duration::from_millis(3)),
        source: Source::RuntimeEvent,
        evidence: None,
    }
}

fn oom() -> StateChange {
    let line =
        LogLine { at: Some(Nanos::from_secs(1002)), stderr: true, text: "火事: \"heap\"\tfull".into() };
    let log = LogTail { lines: vec![line], note: Some("one line only".into()) };
    StateChange {
        old: Some("running".into()),
        reason: Some("OOMKilled".into()),
        source: Source::Kernel,
        evidence: Some(Evidence {
            log: Some(Arc::new(log)),
            facts: BTreeMap::from([("memory.events".into(), "oom_kill 1".into())]),
        }),
        ..change(
            1002,
            Fact::Oom(Oom {
                witness: OomWitness::Kmsg,
                victim_pid: Some(4711),
                victim_comm: Some("java".into()),
                victim_rss_kib: Some(131_072),
                peak_bytes: Some(134_217_728),
                kills: Some(1),
            }),
        )
    }
}

fn incident() -> Incident {
    let finding = Finding {
        id: "oom:1".into(),
        inspection: "oom".into(),
        resource: resource(),
        level: Level::Notice,
        level_reason: "trying again cannot cure it".into(),
        cause: "killed for memory".into(),
        cause_class: "oom".into(),
        stage: None,
        stages: Vec::new(),
        healing: Healing {
            healer: "Docker restart policy always".into(),
            action: "restart".into(),
            state: HealingState::Working,
            tries: 1,
            next_try_at: None,
        },
        started_at: Nanos::from_secs(1002),
        resolved_at: None,
        evidence: FindingEvidence {
            facts: vec![("limit".into(), "128 MiB".into())],
            changes: vec![(Nanos::from_secs(1002), "killed".into())],
            log: None,
            numbers: None,
        },
    };
    Incident {
        key: "i1".into(),
        subject: "edo/compose_service/shop/web".into(),
        status: IncidentStatus::Firing,
        level: Level::Notice,
        root: "oom:1".into(),
        findings: vec![finding],
        opened_at: Nanos::from_secs(1002),
        updated_at: Nanos::from_secs(1003),
        resolved_at: None,
        resolved_because: None,
        sequence: 1,
        reopened: 0,
        reopened_at: None,
        stored: true,
        told: vec![("oncall".into(), Level::Notice)],
        // Newer than the fixture: absent there.
        told_causes: Vec::new(),
        acknowledged: None,
        waiting: Vec::new(),
        adopted: Vec::new(),
        adopted_by: None,
    }
}

fn content() -> Vec<Record> {
    let spec = Spec {
        image: "shop/web:1.2".into(),
        created_at: Some(Nanos::from_secs(1000)),
        restart: RestartPolicy::OnFailure { max_retries: 3 },
        labels: BTreeMap::from([("team".into(), "shop".into())]),
        ..Spec::default()
    };
    let run = RunState { pid: 4711, started_at: Some(Nanos::from_secs(1001)) };
    let message = Message {
        receiver: "oncall".into(),
        incident: "i1".into(),
        sequence: 1,
        queued_at: Nanos::from_secs(1003),
        body: serde_json::json!({"incident": {"key": "i1"}, "numbers": [1, -2, 0.5, null, true]}),
    };
    vec![
        Record::Change(change(1000, Fact::Spec(Box::new(spec)))),
        Record::Change(change(1001, Fact::Phase(Phase::Running(run)))),
        Record::Change(oom()),
        Record::Change(change(1002, Fact::Exit(Exit { code: Some(137), error: None, oom_hint: true }))),
        Record::Incident(Box::new(incident())),
        Record::Queued(message),
        Record::Delivered(Delivered {
            receiver: "oncall".into(),
            incident: "i1".into(),
            sequence: 1,
            at: Nanos::from_secs(1004),
            status: DeliveryStatus::Accepted,
            detail: "200 OK".into(),
            tries: 0,
        }),
    ]
}

fn open(dir: &Path) -> (Store, Recovery) {
    let mut options = Options::new(dir);
    options.segment_bytes = 1000;
    Store::open(options, Budget::new(1 << 20), &Counters::default(), Clock::system()).unwrap()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn version_1_reads_as_it_was_written() {
    let dir = tempfile::tempdir().unwrap();
    copy(&fixture(), dir.path());
    let (store, recovery) = open(dir.path());
    assert_eq!(recovery.checkpoint, Some((4, CHECKPOINT.to_vec())));
    assert_eq!((recovery.damage.len(), recovery.cut_bytes, recovery.last_seq), (0, 0, 7));
    assert_eq!(recovery.newest_observed_at, Some(Nanos::from_secs(1004)));
    let mut got = Vec::new();
    let replayed = store.replay(0, &mut |_, record| got.push(record));
    assert_eq!((replayed.records, replayed.unknown, replayed.damages.places), (7, 0, 0));
    assert_eq!(got, content());
    assert!(store.stats().segments > 1);
}

fn write(dir: &Path) {
    let (store, _) = open(dir);
    for record in content() {
        assert!(matches!(store.append(vec![record]).wait(Duration::from_secs(20)), Stored::Ok(_)));
    }
    store.checkpoint(4, CHECKPOINT.to_vec());
    drop(store);
}

/// Makes the fixture; only for a version that is not released yet.
#[test]
#[ignore = "writes into the source tree"]
fn write_the_fixture() {
    write(&fixture());
}
