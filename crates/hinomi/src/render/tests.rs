//! What each command prints, for views as the API answers them.

use hinomi_agent::rights::Right;
use hinomi_pipeline::settings::Settings;
use jiff::tz::TimeZone;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::banner::{self, Banner};
use super::{findings, rights, status, timeline, why};
use crate::terminal::Page;

/// A page without colours, two hours east of UTC, at 14:05:00 there.
fn page(width: usize) -> Page {
    let now = "2026-11-24T12:05:00Z".parse().expect("a time");
    Page { width, colour: false, zone: TimeZone::fixed(jiff::tz::offset(2)), now }
}

fn view<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("as the API answers")
}

fn resource(name: &str) -> Value {
    json!({ "tenant": "default", "cluster": "box", "kind": "container", "uid": "aa", "name": name, "node": "box",
            "workload": { "kind": "compose_service", "project": "shop", "name": "web" } })
}

fn stages() -> Value {
    json!([
        { "stage": "place", "outcome": "not_applicable" },
        { "stage": "pull", "outcome": "unknown" },
        { "stage": "create", "outcome": "passed", "at": "2026-11-24T12:00:00.000Z", "took_ms": 100 },
        { "stage": "start", "outcome": "passed", "at": "2026-11-24T12:00:00.300Z", "took_ms": 300 },
        { "stage": "health", "outcome": "failed", "cause": "curl: (7) connection refused" },
        { "stage": "serve", "outcome": "pending" },
    ])
}

fn finding(level: &str) -> Value {
    json!({
        "id": "f-1", "inspection": "crash_loop", "resource": resource("shop-web-1"), "level": level,
        "level_reason": "serving none, beyond the start grace", "cause_class": "in_a_row",
        "cause": "shop-web-1 ended with exit code 3 after 2.0 s, 6 times, every 12 s on average",
        "healing": { "healer": "Docker restart policy always", "action": "restart", "state": "working", "tries": 6,
                     "next_try_at": "2026-11-24T12:05:12.000Z" },
        "started_at": "2026-11-24T12:01:00.000Z",
        "evidence": {
            "facts": [["last end", "exit code 3 at 2026-11-24T12:04:50.000Z"], ["image", "shop:1"]],
            "changes": [["2026-11-24T12:04:50.000Z", "ended: exit code 3"]],
        },
        "incident": "i-1", "status": "firing", "incident_level": level, "root": true, "stored": true,
        "told": [["oncall", "alert"], ["chat", "notice"]],
    })
}

fn answer() -> Value {
    let lines: Vec<Value> = (0..23)
        .map(|n| json!({ "at": "2026-11-24T12:04:49.000Z", "stderr": n % 2 == 0, "text": format!("line {n}") }))
        .collect();
    json!({
        "name": "shop/web", "deviates": true, "findings": [finding("alert")],
        "paragraph": "shop/web does not serve. alert, crash_loop for 4 min: shop-web-1 ended with exit code 3 after \
                      2.0 s, 6 times, every 12 s on average. Docker restart policy always tries again in 12 s.",
        "containers": [{
            "resource": resource("shop-web-1"), "state": "restarting", "stages": stages(), "attempt": 7,
            "healed_before": ["2026-11-23T09:00:00.000Z: healthy and stable after 12 s"],
            "changes": [["2026-11-24T12:04:48.000Z", "running"], ["2026-11-24T12:04:50.000Z", "ended: exit code 3"]],
            "log": { "lines": lines, "note": "the log driver kept 23 lines" },
        }],
    })
}

#[test]
fn why_something_deviates() {
    insta::assert_snapshot!(why::text(&page(80), &view(answer()), false));
}

#[test]
fn why_verbose_has_all_log_lines() {
    let text = why::text(&page(80), &view(answer()), true);
    assert!(text.contains("line 0\n") && text.contains("line 22\n"), "{text}");
}

#[test]
fn why_nothing_is_wrong() {
    let all_is_well = json!({
        "name": "web", "deviates": false, "findings": [],
        "paragraph": "web runs for 5 min, its health check passes. Nothing is wrong with it.",
        "containers": [{ "resource": resource("web"), "state": "running", "stages": [], "attempt": 1,
                         "healed_before": [], "changes": [] }],
    });
    insta::assert_snapshot!(why::text(&page(80), &view(all_is_well), false));
}

fn list() -> Value {
    let mut over = finding("notice");
    over["resolved_at"] = json!("2026-11-24T12:03:30.000Z");
    over["told"] = json!([]);
    over["stored"] = json!(false);
    json!({ "findings": [finding("alert"), over] })
}

#[test]
fn findings_as_a_table() {
    insta::assert_snapshot!(findings::text(&page(180), &view(list()), true));
}

#[test]
fn findings_on_a_narrow_terminal() {
    insta::assert_snapshot!(findings::text(&page(70), &view(list()), true));
}

#[test]
fn no_findings() {
    let none = json!({ "findings": [] });
    insta::assert_snapshot!(findings::text(&page(80), &view(none), false));
}

#[test]
fn a_colour_is_never_alone() {
    let coloured = Page { colour: true, ..page(120) };
    let text = findings::text(&coloured, &view(list()), true);
    assert!(text.contains("\u{1b}[1;31m✖ alert\u{1b}[0m"), "{text}");
    let mut plain = String::new();
    let mut in_style = false;
    for c in text.chars() {
        match c {
            '\u{1b}' => in_style = true,
            'm' if in_style => in_style = false,
            _ if in_style => {}
            c => plain.push(c),
        }
    }
    assert_eq!(plain, findings::text(&page(120), &view(list()), true));
}

#[test]
fn a_timeline_with_a_gap() {
    let change = |at: &str, attribute: &str, words: &str| {
        json!({ "seq": 1, "words": words, "attribute": attribute, "resource": resource("shop-web-1"),
                "occurred_at": at, "observed_at": at, "source": "runtime_event" })
    };
    let past = json!({ "truncated": true, "intervals": [], "damages": ["records/0001 at 42: bad checksum"], "changes": [
        change("2026-11-23T21:59:59.000Z", "phase", "running"),
        change("2026-11-23T22:00:00.100Z", "exit", "ended: exit code 137 (killed by SIGKILL)"),
        change("2026-11-24T12:00:00.000Z", "gap",
            "gap of 2 min: the runtime did not answer; everything that still exists was reconstructed"),
        change("2026-11-24T12:00:00.001Z", "phase", "running"),
    ] });
    insta::assert_snapshot!(timeline::text(&page(80), &view(past)));
}

#[test]
fn status_of_a_hinomi_in_trouble() {
    let receiver = |name: &str, failing: Value| {
        json!({ "name": name, "kind": "webhook", "url_host": "example.com", "waiting": 2, "queued": 2, "sent": 3,
                "retried": 1, "gave_up": 1, "last_accepted_at": "2026-11-24T12:00:00.000Z", "failing_since": failing,
                "last_error": "connection refused" })
    };
    let trouble = json!({
        "version": "0.1.0", "cluster": "box", "started_at": "2026-11-24T09:00:00.000Z",
        "data_dir": "/var/lib/hinomi", "listen": "127.0.0.1:8119",
        "collectors": [
            { "name": "rights", "ok": false, "detail": "", "facts": { "rights": [
                { "feature": "oom: victim", "on": false, "detail": "no tracefs; the kernel's log replaces it" },
                { "feature": "data", "on": true, "detail": "may be written" },
            ] } },
            { "name": "docker", "ok": false, "detail": "no docker socket; Hinomi keeps trying", "facts": null },
            { "name": "oom", "ok": true, "detail": "kills for memory, told by the kernel (kernel log)", "facts": {} },
        ],
        "receivers": [receiver("oncall", Value::Null), receiver("chat", json!("2026-11-24T11:00:00.000Z"))],
        "unheard_levels": ["notice"],
        "store": { "ok": false, "failing_since": "2026-11-24T12:04:00.000Z", "last_error": "no space left on device",
                   "queued": 12, "dropped": 3, "disk_bytes": 1_572_864, "segments": 2,
                   "oldest_at": "2026-10-01T00:00:00.000Z" },
        "metrics": { "ok": false, "last_error": "wal/00000002: no space left on device", "damage": ["wal/00000001 at 512: bad checksum"],
                     "appended": 56_789, "refused": 1, "rejected": { "out of bounds": 0, "out of order sample": 3, "too old sample": 4 },
                     "series": 1234, "memory_bytes": 4096, "block_samples": 1_000_000, "blocks": 3,
                     "disk_bytes": 1_572_864, "disk_max_bytes": 10_737_418_240_u64, "log_bytes": 4096,
                     "queries_running": 2, "queries_waiting": 1, "query_limits": {} },
        "memory_used_bytes": 2048, "memory_limit_bytes": 268_435_456,
        "totals": { "containers": 5, "running": 4, "workloads": 3, "none": 1, "notice": 0, "alert": 2 },
        "gaps": [{ "from": "2026-11-24T10:00:00.000Z", "to": "2026-11-24T10:02:00.000Z", "reason": "not_running",
                   "lost": ["3 exit codes"] }],
        "counters": { "changes_taken_total": 40, "changes_rejected_total": 2, "messages_shed_total": 0 },
    });
    insta::assert_snapshot!(status::text(&page(80), &view(trouble), false));
}

#[test]
fn status_of_metrics_that_work() {
    let engine = json!({ "ok": true, "last_error": null, "damage": [], "appended": 10, "rejected": { "too old sample": 0 },
        "series": 5, "block_samples": 0, "blocks": 0, "disk_bytes": 512, "disk_max_bytes": 1_073_741_824,
        "queries_running": 0, "queries_waiting": 0 });
    let text = "  ✓  5 series in memory, 10 samples stored since the start, 0 samples in 0\n     blocks; 512 B of 1.0 GiB on disk\n     queries: 0 at work, 0 waiting\n";
    assert_eq!(status::metrics(&page(80), &view(engine)), text);
}

fn some_rights() -> Vec<Right> {
    let right = |feature, on, detail: &str| Right {
        feature,
        right: "root".to_owned(),
        reason: "why it is wanted",
        on,
        detail: detail.to_owned(),
    };
    vec![
        right("docker", true, "/var/run/docker.sock may be read and written"),
        right(
            "oom: victim",
            false,
            "permission denied; the kernel's log replaces it, then the cgroup's count",
        ),
        right("data", true, "/data may be written"),
    ]
}

#[test]
fn privileges_in_full() {
    insta::assert_snapshot!(rights::full(&page(80), &some_rights()));
}

fn screen(yaml: &str, rights: &[Right], collectors: &[(String, bool, String)]) -> String {
    let yaml = format!("host: {{ name: box }}\n{yaml}");
    let (settings, _notes) = Settings::parse(&yaml, "test", &|_| None).expect("a right configuration");
    let screen = Banner {
        settings: &settings,
        file: (!rights.is_empty()).then_some("/etc/hinomi/hinomi.yaml"),
        api: "http://127.0.0.1:8119",
        data_dir_note: rights.is_empty().then_some("this user may not write /x, so the data is here"),
        collectors,
        rights,
    };
    banner::text(&page(80), &screen)
}

#[test]
fn the_start_screen() {
    let collectors = [
        (
            "docker".to_owned(),
            true,
            "Docker 20.10 at unix:///var/run/docker.sock (API 1.41), 3 containers".to_owned(),
        ),
        ("oom".to_owned(), true, "kills for memory, told by the kernel (cgroup)".to_owned()),
    ];
    let yaml = "receivers: [{ name: oncall, webhook: { url: \"https://example.com/hook\" } }]\n\
                routes: [{ receiver: oncall, levels: [alert] }]\n";
    insta::assert_snapshot!(screen(yaml, &some_rights(), &collectors));
}

#[test]
fn the_start_screen_of_a_server_without_receivers() {
    insta::assert_snapshot!(screen("", &[], &[]));
}
