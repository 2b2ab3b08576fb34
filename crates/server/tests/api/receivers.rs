//! POST `/receivers/{name}/test`: what it answers, and who may ask.

use std::collections::BTreeSet;

use crate::running::{ask, start, start_with};

#[tokio::test(flavor = "multi_thread")]
async fn a_test_of_a_receiver_that_is_not_there_any_more() {
    let running = start().await;
    let at = running.address;
    let own = at.to_string();
    let answer = ask(at, "POST", "/api/hinomi/v1/receivers/oncall/test", &[("Host", &own)]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let told = answer.json();
    assert_eq!((&told["receiver"], &told["accepted"]), (&"oncall".into(), &false.into()));
    assert!(told["took_ms"].is_u64(), "{told}");
    let detail = told["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("cannot connect to 127.0.0.1:9: ") && detail.contains("; check `url`"),
        "{detail}"
    );

    let described = crate::yaml::to_json(hinomi_server::OPENAPI);
    let schema = &described["components"]["schemas"]["ReceiverTest"]["properties"];
    let names =
        |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(&told), names(schema));

    let unknown = ask(at, "POST", "/api/hinomi/v1/receivers/on%2Fcal/test", &[("Host", &own)]).await;
    assert_eq!(unknown.status, 404);
    assert!(
        unknown.body.contains("\\\"on/cal\\\"") && unknown.body.contains("receivers are: oncall"),
        "{}",
        unknown.body
    );
    for (method, headers, status) in [
        ("GET", vec![("Host", own.as_str())], 405),
        ("POST", vec![("Host", "evil.example")], 403),
        ("POST", vec![("Host", own.as_str()), ("Origin", "http://evil.example")], 403),
    ] {
        let answer = ask(at, method, "/api/hinomi/v1/receivers/oncall/test", &headers).await;
        assert_eq!(answer.status, status, "{method} {headers:?}: {}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_needs_the_token() {
    let running =
        start_with("listen: 127.0.0.1:0\naccess: { token: tokentokentokentokentokentoken }\n").await;
    let own = running.address.to_string();
    let path = "/api/hinomi/v1/receivers/oncall/test";
    let refused = ask(running.address, "POST", path, &[("Host", &own)]).await;
    assert_eq!(refused.status, 401, "{}", refused.body);
    let token = ("Authorization", "Bearer tokentokentokentokentokentoken");
    let answer = ask(running.address, "POST", path, &[("Host", &own), token]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}
