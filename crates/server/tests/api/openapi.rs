//! The OpenAPI document and the server say the same.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{running, yaml};

pub(crate) fn document() -> Value {
    yaml::to_json(hinomi_server::OPENAPI)
}

#[test]
fn every_path_is_described_and_every_description_has_a_path() {
    let document = document();
    let described: BTreeSet<&str> =
        document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    let served: BTreeSet<&str> = hinomi_server::paths().into_iter().collect();
    let own = served.iter().copied().filter(|path| !is_prometheus(path)).collect();
    // Of Prometheus' paths some are described here too.
    assert!(described.is_subset(&served), "{described:?}");
    assert!(described.is_superset(&own), "{own:?}");
}

/// Paths that clients of Prometheus know.
fn is_prometheus(path: &str) -> bool {
    path.starts_with("/api/v1/") || path == "/metrics"
}

#[test]
fn every_path_of_prometheus_is_described_and_every_description_has_a_path() {
    const REFERENCE: &str = include_str!("../../../../docs/reference/prometheus-api.md");
    let rows = REFERENCE.lines().filter_map(|line| line.strip_prefix("| `/")?.split_once('`'));
    let described: BTreeSet<String> = rows.map(|(path, _)| format!("/{path}")).collect();
    let served: BTreeSet<String> =
        hinomi_server::paths().into_iter().filter(|path| is_prometheus(path)).map(str::to_owned).collect();
    assert_eq!(described, served);
}

#[test]
fn every_reference_leads_somewhere_and_everything_is_referred_to() {
    let document = document();
    let mut used = BTreeSet::new();
    references(&document, &mut used);
    for reference in &used {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    // What `security` names is no reference.
    let components = document["components"].as_object().unwrap().iter();
    for (kind, list) in components.filter(|(kind, _)| *kind != "securitySchemes") {
        for name in list.as_object().unwrap().keys() {
            assert!(used.contains(&format!("#/components/{kind}/{name}")), "{kind}/{name} is never used");
        }
    }
}

fn references(value: &Value, used: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            used.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| references(value, used));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, used)),
        _ => {}
    }
}

/// Refuses fields that are not described: readers ignore them, but the document must not miss them. Not inside `allOf`,
/// where each part describes only its own.
fn close(value: &mut Value, inside_all_of: bool) {
    let Value::Object(fields) = value else {
        if let Value::Array(items) = value {
            items.iter_mut().for_each(|item| close(item, false));
        }
        return;
    };
    for (name, value) in fields.iter_mut() {
        match value {
            Value::Array(items) if name == "allOf" => items.iter_mut().for_each(|item| close(item, true)),
            value => close(value, false),
        }
    }
    let describes =
        fields.contains_key("properties") || fields.contains_key("allOf") || fields.contains_key("$ref");
    let is_schema = !fields.contains_key("additionalProperties") && !fields.contains_key("in");
    if describes && is_schema && !inside_all_of {
        fields.insert("unevaluatedProperties".into(), json!(false));
    }
}

/// Wrong places of an answer.
pub(crate) fn faults(document: &Value, path: &str, status: &str, answer: &Value) -> Vec<String> {
    let response = &document["paths"][path]["get"]["responses"][status];
    let response = match response["$ref"].as_str() {
        Some(reference) => document.pointer(reference.strip_prefix('#').unwrap()).unwrap(),
        None => response,
    };
    let schema = &response["content"]["application/json"]["schema"];
    faults_of(document, path, schema, answer)
}

/// Wrong places of a value that a schema describes.
fn faults_of(document: &Value, path: &str, schema: &Value, answer: &Value) -> Vec<String> {
    let mut schema = schema.clone();
    close(&mut schema, false);
    let mut components = document["components"].clone();
    // A named schema is closed where it is used, so that `allOf` can add to it.
    for schema in components["schemas"].as_object_mut().unwrap().values_mut() {
        close(schema, true);
    }
    schema["components"] = components;
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    validator.iter_errors(answer).map(|error| format!("{path}{}: {error}", error.instance_path())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn real_answers_fit_the_document() {
    let running = running::start_with_past().await;
    let document = document();
    let mut failures = Vec::new();
    let (finding, incident) = {
        let findings = running.handle.findings(true);
        let first = findings.iter().find(|view| view.finding.inspection == "oom_kill").expect("it was found");
        (first.finding.id.clone(), first.incident.clone())
    };
    let questions = [
        ("/api/hinomi/v1/status", "/api/hinomi/v1/status".to_owned(), "collectors"),
        ("/api/hinomi/v1/findings", "/api/hinomi/v1/findings?all=true".to_owned(), "findings"),
        ("/api/hinomi/v1/findings/{id}", format!("/api/hinomi/v1/findings/{finding}"), "told"),
        ("/api/hinomi/v1/incidents", "/api/hinomi/v1/incidents?all=true".to_owned(), "incidents"),
        ("/api/hinomi/v1/incidents/{key}", format!("/api/hinomi/v1/incidents/{incident}"), "findings"),
        ("/api/hinomi/v1/timeline", "/api/hinomi/v1/timeline?since=1h".to_owned(), "changes"),
        ("/api/hinomi/v1/timeline", "/api/hinomi/v1/timeline?resource=web".to_owned(), "intervals"),
        ("/api/hinomi/v1/workloads", "/api/hinomi/v1/workloads".to_owned(), "workloads"),
        ("/api/hinomi/v1/overview", "/api/hinomi/v1/overview".to_owned(), "now"),
        ("/api/hinomi/v1/overview", "/api/hinomi/v1/overview".to_owned(), "changes"),
        ("/api/hinomi/v1/findings/{id}", format!("/api/hinomi/v1/findings/{finding}"), "changes_before"),
        ("/api/hinomi/v1/findings/{id}", format!("/api/hinomi/v1/findings/{finding}"), "deliveries"),
        ("/api/hinomi/v1/workload", "/api/hinomi/v1/workload?name=shop/api".to_owned(), "instances"),
        ("/api/hinomi/v1/workload", "/api/hinomi/v1/workload?name=shop/api".to_owned(), "changes"),
        ("/api/hinomi/v1/workload", "/api/hinomi/v1/workload?name=shop/worker".to_owned(), "findings"),
        ("/api/hinomi/v1/workload", "/api/hinomi/v1/workload?name=shop/web".to_owned(), "instances"),
        (
            "/api/hinomi/v1/timeline",
            "/api/hinomi/v1/timeline?since=4h&attributes=spec".to_owned(),
            "findings",
        ),
        ("/api/hinomi/v1/why", "/api/hinomi/v1/why?name=worker".to_owned(), "findings"),
        ("/api/hinomi/v1/why", "/api/hinomi/v1/why?name=shop/web".to_owned(), "containers"),
        ("/api/hinomi/v1/inspections", "/api/hinomi/v1/inspections".to_owned(), "inspections"),
        ("/api/hinomi/v1/receivers", "/api/hinomi/v1/receivers".to_owned(), "receivers"),
    ];
    for (path, uri, not_empty) in questions {
        let answer = running::get(running.address, &uri).await;
        assert_eq!(answer.status, 200, "{uri}: {}", answer.body);
        let value = answer.json();
        assert!(
            value[not_empty].as_array().is_some_and(|list| !list.is_empty()),
            "{uri} has no {not_empty}: {value}"
        );
        failures.extend(faults(&document, path, "200", &value));
    }
    let refused = running::get(running.address, "/api/hinomi/v1/why?name=nothing").await;
    assert_eq!(refused.status, 404);
    failures.extend(faults(&document, "/api/hinomi/v1/why", "default", &refused.json()));
    assert!(failures.is_empty(), "{failures:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn real_events_fit_the_document() {
    let running = running::start().await;
    let document = document();
    let response = &document["paths"]["/api/hinomi/v1/stream"]["get"]["responses"]["200"];
    let described = response["content"]["text/event-stream"]["x-event-data"].as_object().unwrap();
    let missed = format!("{}-99999", running.handle.run());
    let mut all = crate::stream::data(running.address, &missed, &["hello", "reset", "state", "beat"]).await;
    let begin = format!("{}-0", running.handle.run());
    all.extend(crate::stream::data(running.address, &begin, &["changes"]).await);
    assert_eq!(described.keys().collect::<BTreeSet<_>>(), all.keys().collect());
    let mut failures = Vec::new();
    for (name, data) in &all {
        failures.extend(faults_of(&document, name, &described[name], data));
    }
    assert!(failures.is_empty(), "{failures:#?}");
    let spec = &all["changes"]["changes"][2];
    assert!(spec["attribute"] == "spec" && spec["value"]["created_at"].is_string(), "{spec}");
}

#[test]
fn a_wrong_answer_does_not_fit() {
    let document = document();
    let path = "/api/hinomi/v1/inspections";
    let entry = json!({ "id": "a", "finds": "b", "listens_to": [], "causes": ["c"] });
    assert_eq!(faults(&document, path, "200", &json!({ "inspections": [entry] })), Vec::<String>::new());
    for wrong in [
        json!({ "inspections": [{ "id": "a", "finds": "b", "listens_to": [] }] }),
        json!({ "inspections": [{ "id": "a", "finds": "b", "listens_to": [], "causes": [], "more": 1 }] }),
        json!({ "inspections": [], "more": 1 }),
        json!({}),
    ] {
        assert!(!faults(&document, path, "200", &wrong).is_empty(), "{wrong} fits");
    }
}
