//! `/metrics` in the format that is asked for.

use crate::running::{ask, start_with_past};

#[tokio::test(flavor = "multi_thread")]
async fn own_metrics_in_both_formats() {
    let running = start_with_past().await;
    let host = running.address.to_string();
    let text = "text/plain; version=0.0.4; charset=utf-8";
    let open = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let prometheus =
        "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    // Accept, type, a line of it, and the end.
    let table = [
        ("*/*", text, "# TYPE hinomi_metrics_samples_appended_total counter", false),
        ("text/html", text, "# TYPE hinomi_containers gauge", false),
        (prometheus, open, "# TYPE hinomi_metrics_samples_appended counter", true),
        ("application/openmetrics-text", open, "# UNIT process_cpu_seconds seconds", true),
    ];
    for (accept, kind, line, ends) in table {
        let answer = ask(running.address, "GET", "/metrics", &[("Host", &host), ("Accept", accept)]).await;
        assert_eq!(answer.status, 200, "{accept}");
        assert!(answer.head.contains(&format!("content-type: {kind}")), "{accept}: {}", answer.head);
        assert!(answer.body.lines().any(|one| one == line), "{accept}: {}", answer.body);
        assert_eq!(answer.body.ends_with("# EOF\n"), ends, "{accept}");
        assert!(answer.body.contains("\nhinomi_build_info{version="), "{accept}: {}", answer.body);
        assert!(!answer.body.contains("job=") && !answer.body.contains("instance="), "{}", answer.body);
        // Each family says what it is and means, once.
        for family in answer.body.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
            let name = family.split(' ').next().unwrap();
            let heads = |what: &str| answer.body.matches(&format!("# {what} {name} ")).count();
            assert_eq!((heads("HELP"), heads("TYPE")), (1, 1), "{name}");
        }
    }
    let answer = ask(running.address, "POST", "/metrics", &[("Host", &host)]).await;
    assert_eq!(answer.status, 405, "{}", answer.body);
}
