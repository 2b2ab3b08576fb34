//! The body of a webhook: every field, every bound.

use hinomi_model::{HealingState, LogLine, Outcome, WorkloadKind, WorkloadRef};

use super::*;

fn at(text: &str) -> Nanos {
    Nanos::parse_rfc3339(text).unwrap()
}

fn line(text: &str) -> LogLine {
    LogLine { at: Some(at("2026-11-24T02:59:59.900Z")), stderr: true, text: text.to_owned() }
}

fn oom() -> Finding {
    let workload = WorkloadRef {
        kind: WorkloadKind::ComposeService,
        project: "shop".to_owned(),
        name: "checkout".to_owned(),
    };
    Finding {
        id: "f-5d0c2e9a41b7f638".to_owned(),
        inspection: "oom_kill".to_owned(),
        resource: Arc::new(ResourceId {
            tenant: Tenant::default(),
            cluster: "web-1".to_owned(),
            kind: ResourceKind::Container,
            uid: "3f2a".to_owned(),
            name: "shop-checkout-1".to_owned(),
            node: "web-1".to_owned(),
            workload: Some(workload),
        }),
        level: Level::Notice,
        level_reason: "healing working, serving none, within the start grace; trying again can't cure it"
            .to_owned(),
        cause: "shop-checkout-1 reached its memory limit of 64 MiB; the kernel killed node (pid 4711); \
                restarted once"
            .to_owned(),
        cause_class: "main_process".to_owned(),
        stage: None,
        stages: vec![
            StageRecord {
                stage: Stage::Place,
                outcome: Outcome::NotApplicable,
                at: None,
                took_ms: None,
                cause: None,
            },
            StageRecord {
                stage: Stage::Start,
                outcome: Outcome::Passed,
                at: Some(at("2026-11-24T02:59:58Z")),
                took_ms: Some(412),
                cause: None,
            },
        ],
        healing: Healing {
            healer: "Docker restart policy always".to_owned(),
            action: "restart".to_owned(),
            state: HealingState::Working,
            tries: 1,
            next_try_at: Some(at("2026-11-24T03:00:00.100Z")),
        },
        started_at: at("2026-11-24T03:00:00Z"),
        resolved_at: None,
        evidence: FindingEvidence {
            facts: vec![("memory limit".to_owned(), "64 MiB".to_owned())],
            changes: vec![(
                at("2026-11-24T03:00:00.002Z"),
                "ended: exit code 137 (killed by SIGKILL)".to_owned(),
            )],
            log: Some(Arc::new(LogTail { lines: vec![line("out of memory, \"soon\"")], note: None })),
            numbers: None,
        },
    }
}

fn incident(finding: &Finding) -> Incident {
    Incident {
        key: "i-a93be07c15d4826f".to_owned(),
        subject: "web-1/workload/shop/checkout".to_owned(),
        status: IncidentStatus::Firing,
        level: finding.level,
        root: finding.id.clone(),
        findings: vec![finding.clone()],
        opened_at: finding.started_at,
        updated_at: finding.started_at,
        resolved_at: Some(at("2026-11-24T03:05:00Z")),
        resolved_because: Some("healthy and stable for 60 s".to_owned()),
        sequence: 1,
        reopened: 0,
        reopened_at: None,
        stored: true,
        told: Vec::new(),
        told_causes: Vec::default(),
        acknowledged: None,
        waiting: Vec::new(),
        adopted: Vec::new(),
        adopted_by: None,
    }
}

#[test]
fn every_field() {
    let finding = oom();
    let firing = body(&incident(&finding), &finding, 1, IncidentStatus::Firing, "http://127.0.0.1:8119");
    insta::assert_json_snapshot!(firing);
    let format = include_str!("../../../../../docs/formats/webhook.md");
    let example = format.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(example).unwrap(),
        firing,
        "the example of the format's document"
    );
    let launch = Finding { stage: Some(Stage::Health), ..finding };
    let over = body(&incident(&launch), &launch, 2, IncidentStatus::Resolved, "");
    for (field, value) in [
        ("status", json!("resolved")),
        ("sequence", json!(2)),
        ("stage", json!("health")),
        ("resolved", json!("2026-11-24T03:05:00.000Z")),
        ("resolved_because", json!("healthy and stable for 60 s")),
        ("url", Value::Null),
    ] {
        assert_eq!(over[field], value, "{field}");
    }
}

#[test]
fn an_id_is_one_segment_of_the_link() {
    assert_eq!(
        url("https://hinomi.example.com/", "a/b#1").unwrap(),
        "https://hinomi.example.com/findings/a%2Fb%231"
    );
}

#[test]
fn a_test_says_that_it_is_one() {
    let message = test_message("oncall", "web-1", "http://127.0.0.1:8119", at("2026-11-24T03:00:00Z"));
    let body = &message.body;
    assert_eq!((&body["test"], &body["url"]), (&json!(true), &json!("http://127.0.0.1:8119/")));
    assert_eq!((&body["cause"], &body["inspection"]), (&json!(TEST_CAUSE), &json!("test")));
    let later = test_message("oncall", "web-1", "", at("2026-11-24T03:00:01Z"));
    assert_ne!(message.idempotency_key(), later.idempotency_key());
}

#[test]
fn the_newest_log_lines_stay() {
    let mut finding = oom();
    let lines = (0..50).map(|i| line(&format!("{i} {}", "\"".repeat(2000)))).collect();
    finding.evidence.log = Some(Arc::new(LogTail { lines, note: Some("limit".to_owned()) }));
    let body = body(&incident(&finding), &finding, 1, IncidentStatus::Firing, "");
    let size = body.to_string().len();
    assert!(size <= BODY_MAX_BYTES && size > BODY_MAX_BYTES - 8192, "{size}");
    let kept = body["evidence"]["log"]["lines"].as_array().unwrap();
    assert!(kept.last().unwrap()["text"].as_str().unwrap().starts_with("49 "));
    let note = format!("limit; {} older lines are left out of this message", 50 - kept.len());
    assert_eq!(body["evidence"]["log"]["note"], json!(note));
    assert_eq!(body["evidence"]["changes"].as_array().unwrap().len(), 1);
}

#[test]
fn whatever_comes_it_fits() {
    let mut finding = oom();
    for filler in ["\u{1}", "\"", "火", "\\", "a", "\u{10ffff}"] {
        let long = filler.repeat(100_000 / filler.len());
        let id = Arc::make_mut(&mut finding.resource);
        for field in [&mut id.cluster, &mut id.uid, &mut id.name, &mut id.node, &mut id.tenant.0] {
            field.clone_from(&long);
        }
        id.workload.as_mut().unwrap().name.clone_from(&long);
        for field in [
            &mut finding.id,
            &mut finding.level_reason,
            &mut finding.cause,
            &mut finding.healing.healer,
            &mut finding.healing.action,
        ] {
            field.clone_from(&long);
        }
        finding.stages = vec![StageRecord { cause: Some(long.clone()), ..finding.stages[0].clone() }; 20];
        finding.evidence = FindingEvidence {
            facts: vec![(long.clone(), long.clone()); 100],
            changes: vec![(Nanos(0), long.clone()); 100],
            log: Some(Arc::new(LogTail { lines: vec![line(&long); 100], note: Some(long.clone()) })),
            numbers: None,
        };
        let mut incident = incident(&finding);
        incident.key.clone_from(&long);
        incident.resolved_because = Some(long);
        let size = body(&incident, &finding, 1, IncidentStatus::Resolved, "https://e.com").to_string().len();
        assert!(size <= BODY_MAX_BYTES, "{size} bytes of {filler:?}");
    }
}
