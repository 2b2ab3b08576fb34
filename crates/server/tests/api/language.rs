//! `?lang=ja`: the same answers, with the texts for people in Japanese.

use hinomi_words::{foreign, visit_json};
use serde_json::Value;

use crate::openapi::{document, faults};
use crate::running::{ask, get, start};

/// A path of the document, the question, and where a text for people stands in the answer.
const QUESTIONS: [(&str, &str, &str); 9] = [
    ("/api/hinomi/v1/status", "/api/hinomi/v1/status?lang=ja", ""),
    ("/api/hinomi/v1/findings", "/api/hinomi/v1/findings?lang=ja&all=true", "/findings/0/cause"),
    ("/api/hinomi/v1/findings", "/api/hinomi/v1/findings?all=true&lang=ja", "/findings/0/evidence/facts/0/0"),
    ("/api/hinomi/v1/incidents", "/api/hinomi/v1/incidents?lang=ja", "/incidents/0/findings/0/level_reason"),
    ("/api/hinomi/v1/timeline", "/api/hinomi/v1/timeline?since=1h&lang=ja", "/changes/0/words"),
    ("/api/hinomi/v1/why", "/api/hinomi/v1/why?name=worker&lang=ja", "/paragraph"),
    ("/api/hinomi/v1/inspections", "/api/hinomi/v1/inspections?lang=ja", "/inspections/0/finds"),
    ("/api/hinomi/v1/workloads", "/api/hinomi/v1/workloads?lang=ja", ""),
    ("/api/hinomi/v1/receivers", "/api/hinomi/v1/receivers?lang=ja", ""),
];

#[tokio::test(flavor = "multi_thread")]
async fn answers_in_japanese_have_the_same_shape_and_names() {
    let running = start().await;
    let document = document();
    let mut failures = Vec::new();
    for (path, question, text) in QUESTIONS {
        let answer = get(running.address, question).await;
        assert_eq!(answer.status, 200, "{question}: {}", answer.body);
        let value = answer.json();
        failures.extend(faults(&document, path, "200", &value));
        let text = value.pointer(text).and_then(Value::as_str).filter(|_| !text.is_empty());
        if text.is_some_and(|text| text.is_ascii()) {
            failures.push(format!("{question}: {text:?}"));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");

    let english = get(running.address, "/api/hinomi/v1/findings").await.json();
    let same = get(running.address, "/api/hinomi/v1/findings?lang=en").await.json();
    assert_eq!(english["findings"][0]["cause"], same["findings"][0]["cause"]);
    let japanese = get(running.address, "/api/hinomi/v1/findings?lang=ja").await.json();
    for name in ["id", "inspection", "cause_class", "level", "resource", "stages"] {
        assert_eq!(english["findings"][0][name], japanese["findings"][0][name], "{name}");
    }
    assert_ne!(english["findings"][0]["cause"], japanese["findings"][0]["cause"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_in_japanese_and_unknown_languages() {
    let running = start().await;
    let missing = get(running.address, "/api/hinomi/v1/why?name=nothing&lang=ja").await;
    assert_eq!((missing.status, missing.json()["error"]["kind"].as_str()), (404, Some("not_found")));
    let message = missing.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("\"nothing\" という名前のものは見つからない"), "{message}");
    let unknown = get(running.address, "/api/hinomi/v1/status?lang=de").await;
    assert_eq!(unknown.status, 400, "{}", unknown.body);
    let own = running.address.to_string();
    let head = ask(running.address, "HEAD", "/api/hinomi/v1/status?lang=ja", &[("Host", &own)]).await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

/// Names, and what others say, in the pipeline that the tests start.
const THEIRS: [&str; 14] = [
    "web",
    "worker",
    "shop/worker",
    "shop:1",
    "no",
    "20.10",
    "Docker 20.10",
    "SIGKILL",
    "oom_kill",
    "runtime_away",
    "log lines",
    "watched",
    "127.0.0.1:9",
    "Connection refused (os error 111)",
];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_ours_in_an_answer_is_left_in_english() {
    let running = start().await;
    let first = running.handle.findings(true).first().map(|view| view.finding.id.clone()).unwrap();
    let questions = [
        "status".to_owned(),
        "overview".to_owned(),
        "findings?all=true".to_owned(),
        format!("findings/{first}"),
        "timeline?since=1h".to_owned(),
        "workloads".to_owned(),
        "workload?name=shop/web".to_owned(),
        "workload?name=shop/worker".to_owned(),
        "why?name=shop/web".to_owned(),
        "why?name=worker".to_owned(),
        "inspections".to_owned(),
        "receivers".to_owned(),
    ];
    let mut left = std::collections::BTreeSet::new();
    let mut texts = 0;
    for question in questions {
        let answer = get(running.address, &format!("/api/hinomi/v1/{question}")).await;
        assert_eq!(answer.status, 200, "{question}: {}", answer.body);
        visit_json(&mut answer.json(), &mut |text, _| {
            texts += 1;
            let passages = foreign(text).unwrap_or_else(|| vec![text.as_str()]);
            let ours = passages.into_iter().filter(|passage| !is_theirs(passage));
            left.extend(ours.map(|passage| format!("{question}: {passage:?} of {text:?}")));
        });
    }
    assert!(texts > 50, "only {texts} texts");
    assert!(left.is_empty(), "{left:#?}");
}

fn is_theirs(passage: &str) -> bool {
    let is_number = passage.bytes().all(|byte| byte.is_ascii_digit());
    is_number || hinomi_model::Nanos::parse_rfc3339(passage).is_some() || THEIRS.contains(&passage)
}
