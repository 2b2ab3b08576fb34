//! Messages for the tests of what people read.

use hinomi_model::{Message, Nanos};
use serde_json::{Value, json};

fn message(body: Value) -> Message {
    let queued_at = Nanos::parse_rfc3339("2026-11-24T03:00:01Z").unwrap_or_default();
    let (receiver, incident) = ("oncall".to_owned(), "i-a93be07c15d4826f".to_owned());
    Message { receiver, incident, sequence: 2, queued_at, body }
}

fn body() -> Value {
    let stage = |stage: &str, outcome: &str, took_ms: Value| json!({ "stage": stage, "outcome": outcome, "at": null, "took_ms": took_ms, "cause": null });
    let lines: Vec<Value> = (1..=12)
        .map(|n| json!({ "at": null, "stderr": true, "text": format!("allocated {n} MiB") }))
        .collect();
    json!({
        "version": 1, "incident": "i-a93be07c15d4826f", "finding": "f-5d0c2e9a41b7f638", "sequence": 2,
        "status": "firing", "level": "alert",
        "level_reason": "healing working, serving none, within the start grace; trying again can't cure it",
        "inspection": "oom_kill",
        "cause": "shop-checkout-1 reached its memory limit of 64 MiB; the kernel killed node (pid 4711); restarted once",
        "cause_class": "main_process",
        "resource": { "tenant": "default", "cluster": "web-1", "kind": "container", "uid": "3f2a",
                      "name": "shop-checkout-1", "node": "web-1",
                      "workload": { "kind": "compose_service", "project": "shop", "name": "checkout" } },
        "stage": null,
        "stages": [
            stage("place", "not_applicable", Value::Null), stage("pull", "unknown", Value::Null),
            stage("create", "passed", json!(100)), stage("start", "passed", json!(412)),
            stage("health", "running", Value::Null), stage("serve", "pending", Value::Null),
        ],
        "healer": { "name": "Docker restart policy always", "action": "restart", "state": "working", "tries": 3,
                    "next_try": "2026-11-24T03:00:12.000Z" },
        "started": "2026-11-24T03:00:00.000Z", "resolved": null, "resolved_because": null, "stored": true,
        "evidence": { "facts": [{ "label": "memory limit", "value": "64 MiB" }], "changes": [],
                      "log": { "lines": lines, "note": null } },
        "findings": 1, "url": "https://hinomi.example.com/findings/f-5d0c2e9a41b7f638", "test": false,
    })
}

/// A container that hit its memory limit.
pub(super) fn firing() -> Message {
    message(body())
}

/// The same, over.
pub(super) fn resolved() -> Message {
    let mut body = body();
    body["status"] = json!("resolved");
    body["resolved"] = json!("2026-11-24T03:05:03.000Z");
    body["resolved_because"] = json!("healed by Docker restart policy always in 4 min");
    body["healer"]["state"] = json!("done");
    message(body)
}

/// A launch that failed in its health check, while the disk refuses.
pub(super) fn launch() -> Message {
    let mut body = body();
    body["level"] = json!("notice");
    body["stages"][4]["outcome"] = json!("failed");
    body["stages"][4]["cause"] = json!("curl: (7) connection refused");
    body["healer"] =
        json!({ "name": "nobody", "action": "", "state": "stopped", "tries": 0, "next_try": null });
    body["stored"] = json!(false);
    body["evidence"]["log"] = Value::Null;
    message(body)
}

/// A test.
pub(super) fn test() -> Message {
    let at = Nanos::parse_rfc3339("2026-11-24T03:00:00Z").unwrap_or_default();
    super::test_message("oncall", "web-1", "https://hinomi.example.com", at)
}

/// Every text is as long as the body lets it be, and wants to be markup.
pub(super) fn hostile() -> Message {
    let mut body = body();
    let evil = "<!channel> @here &amp; ```\r\n.\r\n<script>\"</pre>\u{1b}[31m 火".repeat(40);
    for path in
        ["/level_reason", "/cause", "/healer/name", "/healer/action", "/resource/name", "/resource/cluster"]
    {
        if let Some(text) = body.pointer_mut(path) {
            *text = json!(evil);
        }
    }
    body["resource"]["workload"]["name"] = json!(evil);
    for stage in body["stages"].as_array_mut().into_iter().flatten() {
        stage["cause"] = json!(evil);
    }
    body["evidence"]["facts"] = json!(vec![json!({ "label": evil, "value": evil }); 32]);
    body["evidence"]["log"]["lines"] = json!(vec![json!({ "text": evil }); 50]);
    message(body)
}

/// What a newer version may write.
pub(super) fn unknown() -> Message {
    message(
        json!({ "cause": "something new", "stages": [{ "stage": "fly", "outcome": "passed" }], "level": "alert" }),
    )
}
