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
fn no_link_and_no_markup_in_any_of_the_chats() {
    for (text, want) in [
        ("[text](http://evil.example)", "[text]\u{200b}(http:\u{200b}//evil.example)"),
        ("![x](/y) [a][b] [b]: /z", "![x]\u{200b}(/y) [a]\u{200b}[b] [b]\u{200b}: /z"),
        (
            "see https://a.example and WWW.b.example",
            "see https:\u{200b}//a.example and WWW.\u{200b}b.example",
        ),
        ("*bold* **bold** ~~gone~~", "∗bold∗ ∗∗bold∗∗ ∼∼gone∼∼"),
        ("`code` ```あ", "'code' '''あ"),
        ("_it_ __main__ my_app_1 _", "＿it＿ ＿＿main＿＿ my_app_1 ＿"),
        ("<http://a|b>", "&lt;http:\u{200b}//a|b&gt;"),
        ("[Alert] (x) 12:00:01 a:b/c あwww.", "[Alert] (x) 12:00:01 a:b/c あwww.\u{200b}"),
    ] {
        assert_eq!(plain(text), want);
    }
}

#[test]
fn every_part_outside_of_code_is_plain() {
    let evil = "@alice [t](http://evil.example) *b* `c` _d_ ~e~";
    let mut message = samples::launch();
    for path in
        ["/level_reason", "/cause", "/healer/name", "/healer/action", "/resource/name", "/resource/cluster"]
    {
        *message.body.pointer_mut(path).unwrap() = json!(evil);
    }
    message.body["resource"]["workload"]["name"] = json!(evil);
    message.body["stages"][4]["cause"] = json!(evil);
    message.receiver = evil.to_owned();
    let mut body = of(&message, Language::En);
    body["attachments"][0]["title_link"].take();
    body["attachments"][0]["mrkdwn_in"].take();
    let text = body.to_string();
    // The one thing that is bold is ours.
    assert_eq!(text.matches('*').count(), 2, "{text}");
    for mark in ["@a", "](", "://", "`", "~", " _", "_ "] {
        assert!(!text.contains(mark), "{mark}: {text}");
    }
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
        ("@火@all", "@\u{200b}火@\u{200b}all"),
        ("(@alice) @b.c", "(@\u{200b}alice) @\u{200b}b.c"),
        ("to #ops, not PR#7 # x", "to #\u{200b}ops, not PR#7 # x"),
    ] {
        assert_eq!(plain(text), want);
    }
}
