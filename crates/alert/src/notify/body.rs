//! The JSON of a webhook, which the queue holds for receivers of every kind (`docs/formats/webhook.md`). Pure.
//!
//! # Invariants
//!
//! - At most [`BODY_MAX_BYTES`]: log lines go first, from the oldest; then state changes, then facts.
//! - Fields are only ever added; a change of meaning raises `version`.

use std::sync::Arc;

use hinomi_model::{
    Finding, FindingEvidence, Healing, Incident, IncidentStatus, Level, LogTail, Message, Nanos,
    NumberEvidence, ResourceId, ResourceKind, Stage, StageRecord, Tenant,
};
use serde_json::{Map, Value, json};

use super::phrases::TEST_CAUSE;

/// Longest body, bytes.
pub const BODY_MAX_BYTES: usize = 64 * 1024;
/// Version of the format.
const VERSION: u32 = 1;

const NAME_MAX_BYTES: usize = 256;
const TEXT_MAX_BYTES: usize = 1024;
const LINE_MAX_BYTES: usize = 4096;
const FACTS_MAX: usize = 32;
const CHANGES_MAX: usize = 20;

/// The body that tells `incident` by its `finding`. `url_base` is where people reach this Hinomi, empty if unknown.
#[must_use]
pub fn body(
    incident: &Incident,
    finding: &Finding,
    sequence: u32,
    status: IncidentStatus,
    url_base: &str,
) -> Value {
    let healing = &finding.healing;
    // A reopened incident still knows how it was over the last time; a message that it fires must not.
    let over = status == IncidentStatus::Resolved;
    let resolved_at = incident.resolved_at.or(finding.resolved_at).filter(|_| over);
    let resolved_because = incident.resolved_because.as_deref().filter(|_| over);
    let mut body = json!({
        "version": VERSION,
        "incident": clip(&incident.key, TEXT_MAX_BYTES),
        "finding": clip(&finding.id, TEXT_MAX_BYTES),
        "sequence": sequence,
        "status": status.as_str(),
        "level": incident.level,
        "level_reason": clip(&finding.level_reason, TEXT_MAX_BYTES),
        "inspection": clip(&finding.inspection, NAME_MAX_BYTES),
        "cause": clip(&finding.cause, TEXT_MAX_BYTES),
        "cause_class": clip(&finding.cause_class, NAME_MAX_BYTES),
        "resource": resource(&finding.resource),
        "stage": finding.stage,
        "stages": finding.stages.iter().take(Stage::ALL.len()).map(stage).collect::<Vec<_>>(),
        "healer": {
            "name": clip(&healing.healer, NAME_MAX_BYTES),
            "action": clip(&healing.action, NAME_MAX_BYTES),
            "state": healing.state,
            "tries": healing.tries,
            "next_try": healing.next_try_at.map(Nanos::rfc3339),
        },
        "started": finding.started_at.rfc3339(),
        "resolved": resolved_at.map(Nanos::rfc3339),
        "resolved_because": resolved_because.map(|text| clip(text, TEXT_MAX_BYTES)),
        "stored": incident.stored,
        "evidence": evidence(finding, url_base),
        "findings": incident.findings.len(),
        "url": url(url_base, &finding.id),
        "test": false,
    });
    fit(&mut body);
    body
}

fn resource(resource: &ResourceId) -> Value {
    json!({
        "tenant": clip(&resource.tenant.0, NAME_MAX_BYTES),
        "cluster": clip(&resource.cluster, NAME_MAX_BYTES),
        "kind": resource.kind,
        "uid": clip(&resource.uid, NAME_MAX_BYTES),
        "name": clip(&resource.name, NAME_MAX_BYTES),
        "node": clip(&resource.node, NAME_MAX_BYTES),
        "workload": resource.workload.as_ref().map(|workload| json!({
            "kind": workload.kind,
            "project": clip(&workload.project, NAME_MAX_BYTES),
            "name": clip(&workload.name, NAME_MAX_BYTES),
        })),
    })
}

fn stage(record: &StageRecord) -> Value {
    json!({
        "stage": record.stage,
        "outcome": record.outcome,
        "at": record.at.map(Nanos::rfc3339),
        "took_ms": record.took_ms,
        "cause": record.cause.as_deref().map(|text| clip(text, TEXT_MAX_BYTES)),
    })
}

fn evidence(finding: &Finding, url_base: &str) -> Value {
    let evidence = &finding.evidence;
    let facts = evidence.facts.iter().take(FACTS_MAX).map(|(label, value)| {
        json!({ "label": clip(label, NAME_MAX_BYTES), "value": clip(value, TEXT_MAX_BYTES) })
    });
    let first_change = evidence.changes.len().saturating_sub(CHANGES_MAX);
    let changes = evidence
        .changes
        .iter()
        .skip(first_change)
        .map(|(at, text)| json!({ "at": at.rfc3339(), "text": clip(text, TEXT_MAX_BYTES) }));
    json!({
        "facts": facts.collect::<Vec<_>>(),
        "changes": changes.collect::<Vec<_>>(),
        "log": evidence.log.as_deref().map(log),
        "numbers": evidence.numbers.as_deref().map(|measured| numbers(measured, url_base)),
    })
}

fn numbers(measured: &NumberEvidence, url_base: &str) -> Value {
    let base = url::Url::parse(url_base).ok().filter(|_| url_base.len() <= TEXT_MAX_BYTES);
    let explore = base.and_then(|base| base.join(&measured.explore).ok()).map(String::from);
    json!({
        "query": clip(&measured.query, TEXT_MAX_BYTES),
        "unit": measured.unit,
        "at": measured.at.rfc3339(),
        "value": measured.value,
        "limit": measured.limit,
        "per_second": measured.per_second,
        "full_at": measured.full_at.map(Nanos::rfc3339),
        "url": explore.filter(|url| url.len() <= 4 * TEXT_MAX_BYTES),
    })
}

fn log(tail: &LogTail) -> Value {
    let lines = tail.lines.iter().map(|line| {
        json!({
            "at": line.at.map(Nanos::rfc3339),
            "stderr": line.stderr,
            "text": clip(&line.text, LINE_MAX_BYTES),
        })
    });
    json!({
        "lines": lines.collect::<Vec<_>>(),
        "note": tail.note.as_deref().map(|text| clip(text, TEXT_MAX_BYTES)),
    })
}

/// The page of a finding.
fn url(base: &str, finding: &str) -> Option<String> {
    if base.len() > TEXT_MAX_BYTES || finding.len() > TEXT_MAX_BYTES {
        return None;
    }
    let mut url = url::Url::parse(base).ok()?;
    url.path_segments_mut().ok()?.pop_if_empty().extend(["findings", finding]);
    Some(url.into())
}

/// A message that tells nothing but that it arrived. Its key is its own: no receiver takes it for something known.
#[must_use]
pub fn test_message(receiver: &str, cluster: &str, url_base: &str, now: Nanos) -> Message {
    let key = format!("test-{}", now.0);
    let resource = ResourceId {
        tenant: Tenant::default(),
        cluster: cluster.to_owned(),
        kind: ResourceKind::Cluster,
        uid: cluster.to_owned(),
        name: cluster.to_owned(),
        node: cluster.to_owned(),
        workload: None,
    };
    let finding = Finding {
        id: key.clone(),
        inspection: "test".to_owned(),
        resource: Arc::new(resource),
        level: Level::Notice,
        level_reason: "somebody asked for a test message".to_owned(),
        cause: TEST_CAUSE.to_owned(),
        cause_class: "test".to_owned(),
        stage: None,
        stages: Vec::new(),
        healing: Healing { healer: "nobody".to_owned(), ..Healing::default() },
        started_at: now,
        resolved_at: None,
        evidence: FindingEvidence::default(),
    };
    let incident = Incident {
        key: key.clone(),
        subject: key.clone(),
        status: IncidentStatus::Firing,
        level: Level::Notice,
        root: key.clone(),
        findings: Vec::new(),
        opened_at: now,
        updated_at: now,
        resolved_at: None,
        resolved_because: None,
        sequence: 1,
        reopened: 0,
        reopened_at: None,
        stored: true,
        told: Vec::new(),
        told_causes: Vec::new(),
        acknowledged: None,
        waiting: Vec::new(),
        adopted: Vec::new(),
        adopted_by: None,
    };
    let mut body = body(&incident, &finding, 1, IncidentStatus::Firing, url_base);
    body["test"] = true.into();
    body["url"] = url::Url::parse(url_base).map(String::from).ok().into();
    Message { receiver: receiver.to_owned(), incident: key, sequence: 1, queued_at: now, body }
}

/// Leaves out the oldest evidence until the body fits. What remains without evidence is bounded by its clips.
fn fit(body: &mut Value) {
    let mut over = size(body).saturating_sub(BODY_MAX_BYTES);
    if over == 0 {
        return;
    }
    // Room for the note that says so, escaped and with its key.
    over = over.saturating_add(256);
    let lines = cut_oldest(body.pointer_mut("/evidence/log/lines"), &mut over);
    let changes = cut_oldest(body.pointer_mut("/evidence/changes"), &mut over);
    let facts = cut_oldest(body.pointer_mut("/evidence/facts"), &mut over);
    if let Some(Value::Object(log)) = body.pointer_mut("/evidence/log")
        && lines > 0
    {
        add_note(log, &format!("{lines} older lines are left out of this message"));
    }
    if changes + facts > 0 {
        tracing::debug!(changes, facts, "evidence left out of a message");
    }
}

/// Takes items off the front until `over` bytes are saved; gives back how many.
fn cut_oldest(items: Option<&mut Value>, over: &mut usize) -> usize {
    let Some(Value::Array(items)) = items else { return 0 };
    let mut cut = 0;
    while *over > 0
        && let Some(item) = items.get(cut)
    {
        *over = over.saturating_sub(size(item).saturating_add(1));
        cut += 1;
    }
    items.drain(..cut);
    cut
}

fn add_note(log: &mut Map<String, Value>, text: &str) {
    let note = match log.get("note").and_then(Value::as_str) {
        Some(note) => format!("{note}; {text}"),
        None => text.to_owned(),
    };
    log.insert("note".to_owned(), Value::String(note));
}

fn size(value: &Value) -> usize {
    value.to_string().len()
}

/// At most about `most` bytes, control characters replaced: a byte of text takes at most three of JSON.
fn clip(text: &str, most: usize) -> String {
    let plain =
        |c: char| if c.is_control() && !matches!(c, '\n' | '\t') { char::REPLACEMENT_CHARACTER } else { c };
    let kept = text.get(..text.floor_char_boundary(most)).unwrap_or_default();
    let mut clipped: String = kept.chars().map(plain).collect();
    if kept.len() < text.len() {
        clipped.push('…');
    }
    clipped
}

#[cfg(test)]
mod tests;
