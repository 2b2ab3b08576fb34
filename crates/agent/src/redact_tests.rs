//! What is redacted, and what is not.

use proptest::prelude::*;

use super::*;

#[test]
fn takes_secrets_and_keeps_the_rest() {
    let table = [
        ("connected to db in 3 ms", "connected to db in 3 ms"),
        ("password=hunter2 next", "password=[redacted] next"),
        ("DB_PASSWORD: hunter2, x", "DB_PASSWORD: [redacted], x"),
        (r#"{"password":"hun\"ter2","a":1}"#, r#"{"password":"[redacted]","a":1}"#),
        (r#"{\"token\":\"abc\",\"b\":2}"#, r#"{\"token\":\"[redacted]\",\"b\":2}"#),
        ("api_key => 'abc' ok", "api_key => '[redacted]' ok"),
        ("app --password hunter2 --port 80", "app --password [redacted] --port 80"),
        ("app --db-password=hunter2 run", "app --db-password=[redacted] run"),
        ("curl -u bob:pw https://x", "curl -u bob:[redacted] https://x"),
        ("docker run -u 1000:1000 x", "docker run -u 1000:1000 x"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer [redacted]"),
        ("authorization: Basic dXNlcjpwdw== x", "authorization: Basic [redacted] x"),
        (r#""Authorization":"Token abc","x":1"#, r#""Authorization":"Token [redacted]","x":1"#),
        ("got bearer abcdefgh12 there", "got bearer [redacted] there"),
        ("key AKIAIOSFODNN7EXAMPLE end", "key [redacted] end"),
        ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPx", "aws_secret_access_key = [redacted]"),
        ("ghp_0123456789abcdefghijABCDEFGHIJ012345 x", "[redacted] x"),
        ("xoxb-123456789012-abcdef", "[redacted]"),
        ("AIzaSyA0123456789012345678901234567890123", "[redacted]"),
        ("jwt eyJhbGciOiJI.eyJzdWIiOiIx.sig_x end", "jwt [redacted] end"),
        ("postgres://u:p@ss@db:5432/x?y", "postgres://[redacted]@db:5432/x?y"),
        ("https://example.com:8080/a@b", "https://example.com:8080/a@b"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nok", "[redacted]\nok"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE", "[redacted]"),
        ("-----BEGIN CERTIFICATE-----", "-----BEGIN CERTIFICATE-----"),
        ("PWD=/app", "PWD=/app"),
        ("db_pwd=x", "db_pwd=[redacted]"),
        ("password=", "password="),
        ("Set-Cookie: sid=abc; Path=/", "Set-Cookie: [redacted]"),
        ("no such token found", "no such token found"),
        (
            "\u{706b}\u{306e}\u{898b} password=\u{79d8}\u{5bc6} x",
            "\u{706b}\u{306e}\u{898b} password=[redacted] x",
        ),
    ];
    for (text, want) in table {
        assert_eq!(redact(text), want, "{text}");
    }
}

#[test]
fn borrows_when_there_is_nothing_to_take() {
    assert!(matches!(redact("GET /healthz 200 1ms"), Cow::Borrowed(_)));
}

#[test]
fn a_key_over_several_lines_is_taken_line_by_line() {
    let mut redactor = LineRedactor::default();
    let body = "MIIEpAIBAAKCAQEA0Z3VS5JJcds3xfn/ygWyF8PbnGy0AHB7MhgwMbRvI0MBZhpI";
    let lines = [
        "before",
        "-----BEGIN PRIVATE KEY-----",
        "MIIEvQIBADANB",
        "-----END PRIVATE KEY-----",
        "after",
        body,
    ];
    let out: Vec<String> = lines.iter().map(|line| redactor.line(line).into_owned()).collect();
    assert_eq!(out, ["before", MARK, MARK, MARK, "after", MARK]);
    let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(redactor.line(digest), digest, "a digest is no key");
}

fn pieces() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "password",
        "token",
        "=",
        ":",
        " ",
        "\"",
        "'",
        "\\",
        "--secret",
        "-u",
        "a:b",
        "@",
        "://",
        "http",
        MARK,
        "[",
        "]",
        "Bearer",
        "Authorization",
        "cookie",
        "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----",
        "AKIAIOSFODNN7EXAMPLE",
        "\n",
        ",",
        "abcdefgh",
        "/",
        "null",
        "\u{79d8}",
    ]);
    prop::collection::vec(words, 0..14).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_panics_and_is_idempotent(text in prop_oneof![any::<String>(), pieces()]) {
        let once = redact(&text).into_owned();
        prop_assert_eq!(redact(&once).into_owned(), once);
    }

    #[test]
    fn a_value_after_a_secret_key_never_survives(
        key in prop::sample::select(vec!["password=", "--token ", "\"api_key\": \"", "Authorization: Bearer ", "amqp://u:"]),
        value in "[A-Za-z0-9]{9,20}",
    ) {
        let tail = if key.contains("://") { "@host/" } else { "" };
        let out = redact(&format!("x {key}{value}{tail}")).into_owned();
        prop_assert!(!out.contains(&value), "{}", out);
    }
}
