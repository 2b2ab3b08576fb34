//! What a chat gets, in both languages.

use super::super::samples;
use super::*;

fn of(message: &Message, language: Language) -> Value {
    payload(&Page::of(message, language), None)
}

#[test]
fn an_incident_fires() {
    insta::assert_json_snapshot!(of(&samples::firing(), Language::En));
}

#[test]
fn an_incident_fires_ja() {
    insta::assert_json_snapshot!(of(&samples::firing(), Language::Ja));
}

#[test]
fn an_incident_is_over() {
    insta::assert_json_snapshot!(of(&samples::resolved(), Language::En));
}

#[test]
fn an_incident_is_over_ja() {
    insta::assert_json_snapshot!(of(&samples::resolved(), Language::Ja));
}

#[test]
fn a_launch_failed_that_nobody_heals() {
    insta::assert_json_snapshot!(of(&samples::launch(), Language::En));
}

#[test]
fn a_test() {
    insta::assert_json_snapshot!(payload(&Page::of(&samples::test(), Language::Ja), Some("#alerts")));
}

#[test]
fn nothing_is_markup_and_all_is_bounded() {
    for language in Language::ALL {
        let body = of(&samples::hostile(), language);
        let text = body.to_string();
        assert!(text.len() < 40_000, "{}", text.len());
        assert!(!text.contains("<!") && !text.contains("\u{1b}") && !text.contains("\\u001b"), "{language}");
        // Within code nobody is called.
        let outside: Vec<&str> = text.split("```").step_by(2).collect();
        assert!(outside.iter().all(|text| !text.contains("@here")), "{language}");
        let shown = body["attachments"][0]["text"].as_str().unwrap();
        assert!(shown.chars().count() <= TEXT_MAX_CHARS);
        assert_eq!(shown.matches("```").count(), 2, "one whole code block");
    }
}

#[test]
fn of_the_log_the_last_ten_lines_are_shown() {
    let body = of(&samples::firing(), Language::En);
    let text = body["attachments"][0]["text"].as_str().unwrap();
    assert!(text.contains("```\nallocated 3 MiB\n") && text.ends_with("allocated 12 MiB\n```"), "{text}");
}

#[test]
fn what_is_not_understood_goes_out_all_the_same() {
    let body = of(&samples::unknown(), Language::En);
    let text = body["text"].as_str().unwrap();
    assert!(text.starts_with("*[Alert] ") && text.ends_with("something new"), "{body}");
}

#[test]
fn calls_are_broken_and_addresses_stay() {
    for (text, want) in [
        (
            "@channel @Here x@example.com shop@sha256:ab",
            "@\u{200b}channel @\u{200b}Here x@example.com shop@sha256:ab",
        ),
        ("a & <b>", "a &amp; &lt;b&gt;"),
        ("@", "@"),
        ("@火@all", "@火@\u{200b}all"),
    ] {
        assert_eq!(plain(text), want);
    }
}
