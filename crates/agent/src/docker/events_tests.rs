//! Events as Docker sends them.

use super::*;

fn line(kind: &str, action: &str, id: &str, attributes: &str) -> Vec<u8> {
    format!(
        r#"{{"Type":"{kind}","Action":"{action}","Actor":{{"ID":"{id}","Attributes":{attributes}}},"timeNano":5}}"#
    )
    .into_bytes()
}

#[test]
fn actions() {
    let table = [
        ("container", "create", r#"{"name":"a"}"#, Some(What::Create)),
        ("container", "die", r#"{"exitCode":"137","execDuration":"3"}"#, Some(What::Die { code: Some(137) })),
        ("container", "die", r"{}", Some(What::Die { code: None })),
        ("container", "kill", r#"{"signal":"9"}"#, Some(What::Kill { signal: Some(9) })),
        ("container", "kill", r#"{"signal":"SIGTERM"}"#, Some(What::Kill { signal: Some(15) })),
        ("container", "health_status: unhealthy", r"{}", Some(What::Health(HealthStatus::Unhealthy))),
        ("container", "health_status: running", r"{}", None),
        ("container", "exec_create: sh -c true", r"{}", None),
        ("network", "connect", r#"{"container":"c1"}"#, Some(What::NetworkConnect)),
        ("network", "connect", r"{}", None),
        ("network", "create", r#"{"container":"c1"}"#, None),
        ("image", "pull", r#"{"name":"bb"}"#, Some(What::Pull)),
        ("volume", "create", r"{}", None),
    ];
    for (kind, action, attributes, want) in table {
        let got = decode(&line(kind, action, "c1", attributes));
        assert_eq!(got.as_ref().map(|event| event.what.clone()), want, "{kind} {action}");
        assert!(got.is_none_or(|event| event.subject == "c1" && event.at == Nanos(5)));
    }
}

#[test]
fn labels_stand_in_only_where_an_inspect_may_come_too_late() {
    let attributes = r#"{"name":"w","image":"bb","com.docker.compose.service":"web","TOKEN":"x"}"#;
    let event = decode(&line("container", "create", "c1", attributes)).expect("an event");
    assert_eq!((event.name.as_str(), event.image.as_str()), ("w", "bb"));
    assert_eq!(event.labels.get("com.docker.compose.service").map(String::as_str), Some("web"));
    assert_eq!(event.labels.get("TOKEN").map(String::as_str), Some("[redacted]"));
    let event = decode(&line("container", "die", "c1", attributes)).expect("an event");
    assert!(event.labels.is_empty());
}

#[test]
fn garbage_is_no_event_and_no_panic() {
    for text in
        ["", "{", "null", "[]", r#"{"Type":1}"#, r#"{"Type":"container","Action":"start"}"#, "\u{0}\u{fffd}"]
    {
        assert_eq!(decode(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn lines_come_whole_however_they_are_cut_and_long_ones_are_skipped() {
    let long = vec![b'x'; MAX_LINE + 10];
    let mut bytes = b"one\ntwo\n".to_vec();
    bytes.extend_from_slice(&long);
    bytes.extend_from_slice(b"\nthree\n");
    for step in [1000, 1001, 65_536, bytes.len()] {
        let mut lines = Lines::default();
        let mut got = Vec::new();
        for chunk in bytes.chunks(step) {
            lines.feed(chunk, |line| got.push(line.len()));
        }
        assert_eq!((got, lines.too_long), (vec![3, 3, 5], 1), "step {step}");
    }
}

#[test]
fn repeats_are_told_and_the_memory_is_bounded() {
    let mut seen = Seen::new(3);
    let news: Vec<bool> = [1, 2, 1, 3, 4, 1].into_iter().map(|print| seen.is_new(print)).collect();
    assert_eq!(news, [true, true, false, true, true, true], "1 was forgotten when 4 came");
    assert!(seen.set.len() <= 3 && seen.order.len() <= 3);
    let (one, two) = (line("container", "start", "c1", "{}"), line("container", "start", "c2", "{}"));
    let print = |line: &[u8]| decode(line).map(|event| event.fingerprint);
    assert_eq!(print(&one), print(&one));
    assert_ne!(print(&one), print(&two));
}

#[test]
fn recorded_streams() {
    let Some(cases) = hinomi_testkit::cases("docker event recordings") else { return };
    let counts = [("docker_events.jsonl", 64), ("docker_events2.jsonl", 23)];
    for (file, want) in counts {
        let path = cases.join("recordings").join(file);
        let bytes = std::fs::read(&path).expect("a recording beside the others");
        let (mut lines, mut events, mut noise) = (Lines::default(), Vec::new(), 0);
        lines.feed(&bytes, |line| match decode(line) {
            Some(event) => events.push(event),
            None => noise += 1,
        });
        assert_eq!(events.len(), want, "{file}");
        assert_eq!(noise + want, bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count());
        assert!(events.iter().all(|event| event.at.0 > 0 && event.subject.len() == 64));
        let mut seen = Seen::new(4096);
        assert!(events.iter().all(|event| seen.is_new(event.fingerprint)), "no two events are the same");
        assert!(
            !events.iter().any(|event| seen.is_new(event.fingerprint)),
            "a second reading is all repeats"
        );
    }
}
