//! What answers look like, and who gets none.

use hinomi_pipeline::settings::Settings;
use serde_json::Value;

use crate::running::{ask, get, start};

/// Times and ids differ from run to run; that times are readable is the point.
pub(crate) fn steady(value: &mut Value) {
    match value {
        Value::String(text) if text.ends_with('Z') && text.len() == 24 && text.as_bytes()[10] == b'T' => {
            *text = "<time>".into();
        }
        Value::String(text) if text.len() == 18 && (text.starts_with("f-") || text.starts_with("i-")) => {
            text.replace_range(1.., "-<id>");
        }
        Value::Array(items) => items.iter_mut().for_each(steady),
        Value::Object(fields) => fields.values_mut().for_each(steady),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finding_as_programs_read_it() {
    let running = start().await;
    let mut value = get(running.address, "/api/hinomi/v1/findings").await.json();
    steady(&mut value);
    // Facts and reasons are the inspections' own and tested there.
    let finding = &mut value["findings"][0];
    assert!(!finding["evidence"]["facts"].as_array().unwrap().is_empty());
    for own in ["level_reason", "cause", "stages", "told"] {
        finding.as_object_mut().unwrap().remove(own);
    }
    finding["evidence"]["facts"] = Value::Null;
    insta::assert_json_snapshot!(value);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_timeline_of_one_container() {
    let running = start().await;
    let mut value = get(running.address, "/api/hinomi/v1/timeline?since=5m&resource=shop/web").await.json();
    steady(&mut value);
    insta::assert_json_snapshot!(value);
    let limited = get(running.address, "/api/hinomi/v1/timeline?limit=2").await.json();
    assert_eq!(limited["changes"].as_array().unwrap().len(), 2);
    assert_eq!(limited["truncated"], true);
}

/// Method, path, headers, status, and the kind of the error.
type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], u16, &'a str);

#[tokio::test(flavor = "multi_thread")]
async fn who_gets_no_answer() {
    let running = start().await;
    let at = running.address;
    let own = at.to_string();
    let own = own.as_str();
    let long = format!("/{}", "a".repeat(9000));
    let origin = format!("http://{own}");
    let table: &[Case<'_>] = &[
        ("GET", "/api/hinomi/v1/status", &[("Host", own)], 200, ""),
        ("GET", "/api/hinomi/v1/status", &[("Host", "localhost")], 200, ""),
        ("GET", "/api/hinomi/v1/status", &[("Host", own), ("Origin", &origin)], 200, ""),
        ("GET", "/api/hinomi/v1/status", &[("Host", "evil.example")], 403, "forbidden"),
        ("GET", "/-/healthy", &[("Host", "evil.example")], 403, "forbidden"),
        (
            "GET",
            "/api/hinomi/v1/status",
            &[("Host", own), ("Origin", "http://evil.example")],
            403,
            "forbidden",
        ),
        ("POST", "/api/hinomi/v1/status", &[("Host", own), ("Content-Length", "0")], 405, "invalid"),
        ("OPTIONS", "/api/hinomi/v1/status", &[("Host", own)], 405, "invalid"),
        ("GET", "/api/hinomi/v1/status", &[("Host", own), ("Content-Length", "5")], 413, "invalid"),
        ("GET", &long, &[("Host", own)], 414, "invalid"),
        ("GET", "/api/hinomi/v1/nothing", &[("Host", own)], 404, "not_found"),
        ("GET", "/api/hinomi/v1/findings/f-0", &[("Host", own)], 404, "not_found"),
        ("GET", "/api/hinomi/v1/incidents/i-0", &[("Host", own)], 404, "not_found"),
        ("GET", "/api/hinomi/v1/findings/%ff", &[("Host", own)], 400, "invalid"),
        ("GET", "/api/hinomi/v1/incidents/%ff", &[("Host", own)], 400, "invalid"),
        ("POST", "/api/hinomi/v1/receivers/%ff/test", &[("Host", own)], 400, "invalid"),
        ("GET", "/api/hinomi/v1/why?name=nothing", &[("Host", own)], 404, "not_found"),
        ("GET", "/api/hinomi/v1/why", &[("Host", own)], 400, "invalid"),
        ("GET", "/api/hinomi/v1/findings?al=true", &[("Host", own)], 400, "invalid"),
        ("GET", "/api/hinomi/v1/timeline?since=soon", &[("Host", own)], 400, "invalid"),
        ("GET", "/api/hinomi/v1/timeline?limit=-1", &[("Host", own)], 400, "invalid"),
        ("GET", "/-/ready", &[("Host", own)], 200, ""),
        ("GET", "/-/healthy", &[("Host", own)], 200, ""),
        ("HEAD", "/api/hinomi/v1/status", &[("Host", own)], 200, ""),
    ];
    let mut failures = Vec::new();
    for (method, path, headers, status, kind) in table {
        let answer = ask(at, method, path, headers).await;
        let shown = format!("{method} {} {headers:?}", path.chars().take(50).collect::<String>());
        if answer.status != *status {
            failures.push(format!("{shown}: {}, not {status}: {}", answer.status, answer.body));
            continue;
        }
        for header in ["x-content-type-options: nosniff", "cache-control: no-store"] {
            if !answer.head.contains(header) {
                failures.push(format!("{shown}: no {header}"));
            }
        }
        if answer.head.contains("access-control-allow") {
            failures.push(format!("{shown}: a CORS header"));
        }
        if *status == 405 && !answer.head.contains("allow: get, head") {
            failures.push(format!("{shown}: no Allow"));
        }
        if !kind.is_empty() && answer.json()["error"]["kind"] != *kind {
            failures.push(format!("{shown}: {}", answer.body));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_named_with_the_remedy() {
    let running = start().await;
    let (_set, ready) = hinomi_server::ready();
    let settings = Settings { listen: running.address, ..Settings::default() };
    let options = hinomi_server::Options::new(&settings, running.handle.clone(), ready);
    let error = hinomi_server::Service::bind(options).await.expect_err("the port is taken").to_string();
    assert!(error.starts_with(&format!("cannot listen on {}", running.address)), "{error}");
    assert!(error.contains("stop it, or set `listen`"), "{error}");
}
