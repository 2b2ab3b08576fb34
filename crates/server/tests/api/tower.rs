//! What the page shows, with three hours behind it that another process lived through and did not end in peace.

use serde_json::Value;

use crate::answers::steady;
use crate::running::{get, start, start_with_past};

async fn asked(running: &crate::running::Running, path: &str) -> Value {
    let answer = get(running.address, &format!("/api/hinomi/v1/{path}")).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.json()
}

fn cells(overview: &Value, plane: usize) -> Vec<&str> {
    let cells = overview["planes"][plane]["heat"]["cells"].as_array().unwrap();
    cells.iter().map(|cell| cell.as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_after_a_crash() {
    let running = start_with_past().await;
    let mut overview = asked(&running, "overview").await;
    let (control, containers) = (cells(&overview, 0), cells(&overview, 2));
    // Three hours are thirteen cells at most; before that Hinomi was not there.
    assert!(
        containers.len() == 97 && containers[..84].iter().all(|cell| *cell == "unseen"),
        "{containers:?}"
    );
    assert!(containers.contains(&"quiet") && containers.contains(&"notice"), "{containers:?}");
    let gap = &control[91..95];
    assert!(gap.contains(&"unseen") && control[84..90].contains(&"quiet"), "{control:?}");
    // As it says everywhere else.
    let findings = asked(&running, "findings?all=true").await;
    for row in overview["now"].as_array().unwrap() {
        let same = findings["findings"].as_array().unwrap().iter().find(|finding| finding["id"] == row["id"]);
        for field in ["level", "cause", "healing", "incident"] {
            assert_eq!(same.unwrap()[field], row[field], "{field}");
        }
    }
    for plane in overview["planes"].as_array_mut().unwrap() {
        plane["heat"] = Value::Null;
        for fact in plane["facts"].as_array_mut().unwrap() {
            if fact[1].as_str().unwrap().ends_with('Z') {
                fact[1] = "<time>".into();
            }
        }
    }
    for row in overview["now"].as_array_mut().unwrap() {
        for own in ["stages", "resource"] {
            row.as_object_mut().unwrap().remove(own);
        }
    }
    for change in overview["changes"].as_array_mut().unwrap() {
        change.as_object_mut().unwrap().remove("resource");
    }
    steady(&mut overview);
    insta::assert_json_snapshot!(overview);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_and_its_healing() {
    let running = start_with_past().await;
    running.handle.add_logs(|uid| {
        let line = hinomi_model::LogLine { at: None, stderr: false, text: "serving".into() };
        let note = Some("as it runs".to_owned());
        uid.starts_with("dddd").then(|| hinomi_model::LogTail { lines: vec![line], note })
    });
    let mut workload = asked(&running, "workload?name=shop/api").await;
    for instance in workload["instances"].as_array_mut().unwrap() {
        instance["resource"] = Value::Null;
        for attempt in instance["attempts"].as_array_mut().unwrap() {
            attempt.as_object_mut().unwrap().remove("stages");
        }
    }
    for list in ["changes", "findings"] {
        for row in workload[list].as_array_mut().unwrap() {
            for own in ["stages", "resource"] {
                row.as_object_mut().unwrap().remove(own);
            }
        }
    }
    steady(&mut workload);
    insta::assert_json_snapshot!(workload);
    let worker = asked(&running, "workload?name=shop/worker").await;
    assert_eq!(worker["instances"][0]["ends"][0]["words"], "exit 137, killed for memory");
    assert_eq!(worker["instances"][0]["log"]["lines"][0]["text"], "about to use it all");
    let unknown = get(running.address, "/api/hinomi/v1/workload?name=shop/ap").await;
    let message = unknown.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(unknown.status == 404 && message.contains("shop/api"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finding_knows_what_was_changed_before() {
    let running = start_with_past().await;
    let findings = asked(&running, "findings?all=true").await;
    let list = findings["findings"].as_array().unwrap();
    let oom = list.iter().find(|finding| finding["inspection"] == "oom_kill").unwrap();
    let detail = asked(&running, &format!("findings/{}", oom["id"].as_str().unwrap())).await;
    let lines: Vec<String> = detail["changes_before"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| format!("{} {}: {}", change["kind"], change["workload_name"], change["words"]))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
    assert_eq!(
        (&detail["workload_name"], &detail["desired"], &detail["ready"]),
        (&"shop/worker".into(), &1.into(), &0.into())
    );
    assert_eq!(detail["deliveries"][0]["receiver"], "oncall");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_counts_changes_of_the_asked_attributes() {
    let running = start().await;
    let asked = async |query: &str| asked(&running, &format!("timeline?{query}")).await;
    let of = |answer: &Value| -> Vec<String> {
        let changes = answer["changes"].as_array().unwrap();
        changes.iter().map(|change| change["attribute"].as_str().unwrap().to_owned()).collect()
    };
    let specs = asked("attributes=spec&limit=3").await;
    assert_eq!(of(&specs), ["spec", "spec"]);
    assert_eq!(specs["truncated"], false);
    let newest = asked("attributes=spec&limit=1").await;
    assert_eq!(newest["changes"][0]["resource"]["name"], "worker");
    assert_eq!(newest["truncated"], true);
    let seq = specs["changes"][0]["seq"].as_u64().unwrap();
    assert_eq!(of(&asked(&format!("attributes=spec,oom&after={seq}")).await), ["spec", "oom"]);
    let all = asked("since=1h").await;
    assert_eq!(all["findings"].as_array().unwrap().len(), 2, "{}", all["findings"]);
    let of_web = asked("resource=shop/web").await;
    assert_eq!(of_web["findings"].as_array().unwrap().len(), 0);
    let of_worker = asked("resource=shop/worker").await;
    assert_eq!(of_worker["findings"][0]["resource"]["name"], "worker");
    let refused = get(running.address, "/api/hinomi/v1/timeline?attributes=colour").await;
    assert!(refused.status == 400 && refused.body.contains("unobserved_restarts"), "{}", refused.body);
}
