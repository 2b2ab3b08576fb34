//! Receivers as a person writes them, and what is said about mistakes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may die as tests do")]

use hinomi_alert::settings::{Security, Settings, Way};
use hinomi_config::emit::Emitter;
use hinomi_config::{Problems, Value, parse};

fn env(name: &str) -> Option<String> {
    match name {
        "SLACK" => Some("https://hooks.example.com/services/hunter2".to_owned()),
        "PASSWORD" => Some("hunter2".to_owned()),
        _ => None,
    }
}

/// What is set, and what is said about it.
fn read(text: &str) -> (Settings, String) {
    let problems = Problems::new("hinomi.yaml");
    let tree = parse(text, &problems);
    let mut root = Value::root(&tree, &problems).map().unwrap();
    let settings = Settings::take(&mut root, &env);
    root.finish();
    let (problems, notes) = problems.into_sorted();
    let said = problems.iter().map(|problem| format!("{problem}\n"));
    (settings, said.chain(notes.iter().map(|note| format!("note: {note}\n"))).collect())
}

fn one(receiver: &str) -> String {
    format!("receivers:\n  - {receiver}\nroutes: [{{ receiver: a }}]\n")
}

#[test]
fn what_is_refused() {
    let mail =
        |more: &str| format!("{{ name: a, email: {{ to: [a@example.com], from: b@example.com, {more} }} }}");
    let table = [
        ("no way", "{ name: a }".to_owned()),
        (
            "two ways",
            "{ name: a, webhook: { url: \"http://a/\" }, slack: { url: { env: SLACK } } }".to_owned(),
        ),
        ("a language", "{ name: a, language: jp, slack: { url: { env: SLACK } } }".to_owned()),
        ("no URL", "{ name: a, slack: { channel: \"\" } }".to_owned()),
        ("a wrong URL", "{ name: a, slack: { url: { env: PASSWORD }, urll: 1 } }".to_owned()),
        ("nothing of mail", "{ name: a, email: { } }".to_owned()),
        (
            "addresses",
            "{ name: a, email: { to: [a, b@example.com], from: \"c d\", smtp: { host: m } } }".to_owned(),
        ),
        ("to nobody", "{ name: a, email: { to: [], from: a@example.com, smtp: { host: m } } }".to_owned()),
        ("host", mail("smtp: { host: \"mail.example.com:587\", port: 0, tls: tls }")),
        ("half a login", mail("smtp: { host: m.example.com, username: x }")),
        ("other half", mail("smtp: { host: m.example.com, password: { env: PASSWORD } }")),
        (
            "a password in the clear",
            mail("smtp: { host: m.example.com, tls: none, username: x, password: { env: PASSWORD } }"),
        ),
        ("mail in the clear", mail("smtp: { host: m.example.com, tls: none }")),
        ("no certificates", mail("smtp: { host: m.example.com, ca_file: /proc/version }")),
        ("no such file", mail("smtp: { host: m.example.com, ca_file: /nonexistent }")),
        ("timeout", mail("smtp: { host: m.example.com }, timeout: 5m")),
    ];
    let all: String = table.iter().map(|(what, text)| format!("# {what}\n{}", read(&one(text)).1)).collect();
    assert!(!all.contains("hunter2"));
    insta::assert_snapshot!(all);
}

#[test]
fn what_is_in_force_and_is_read_back() {
    let text = r##"
receivers:
  - { name: chat, language: ja, slack: { url: { env: SLACK }, channel: "#alerts" } }
  - name: people
    email:
      to: ["On call <oncall@example.com>", b@example.com]
      from: Hinomi <hinomi@example.com>
      smtp: { host: mail.example.com, username: hinomi, password: { env: PASSWORD } }
routes: [{ receiver: chat }, { receiver: people, levels: [alert] }]
"##;
    let (settings, said) = read(text);
    assert_eq!(said, "");
    assert!(!format!("{settings:?}").contains("hunter2"));
    let mut emitter = Emitter::new();
    settings.emit(&mut emitter);
    let shown = emitter.finish();
    assert!(!shown.contains("hunter2"));
    insta::assert_snapshot!(shown);
    // A URL that is hidden is no URL; all else is the same when read again.
    let again = read(&shown.replace("\"<secret>\"", "{ env: SLACK }")).0;
    let [_, people] = settings.receivers.as_slice() else { panic!("{settings:?}") };
    let (Way::Email(was), Way::Email(is)) = (&people.way, &again.receivers[1].way) else {
        panic!("{again:?}")
    };
    assert_eq!((&was.to, &was.from, was.smtp.port), (&is.to, &is.from, is.smtp.port));
}

#[test]
fn how_a_connection_is_protected_when_nothing_is_said() {
    for (smtp, tls, port) in [
        ("host: mail.example.com", Security::Starttls, 587),
        ("host: mail.example.com, port: 465", Security::Implicit, 465),
        ("host: mail.example.com, port: 2525", Security::Starttls, 2525),
        ("host: mail.example.com, tls: implicit", Security::Implicit, 465),
        ("host: localhost", Security::None, 25),
        ("host: \"::1\"", Security::None, 25),
        ("host: \"[::1]\", tls: starttls", Security::Starttls, 587),
        ("host: localhost.example.com", Security::Starttls, 587),
    ] {
        let text = one(&format!("{{ name: a, email: {{ to: [a@b.c], from: a@b.c, smtp: {{ {smtp} }} }} }}"));
        let (settings, said) = read(&text);
        assert_eq!(said, "", "{smtp}");
        let Way::Email(email) = &settings.receivers[0].way else { panic!("{smtp}") };
        assert_eq!((email.smtp.tls, email.smtp.port), (tls, port), "{smtp}");
    }
}
