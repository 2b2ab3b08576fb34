//! What a mailbox gets, in both languages.

use super::super::samples;
use super::*;
use crate::settings::{Security, Smtp};

fn email() -> Email {
    let smtp = Smtp {
        host: "mail.example.com".to_owned(),
        port: 587,
        tls: Security::Starttls,
        login: None,
        ca_file: None,
    };
    Email {
        to: vec![
            "On call <oncall@example.com>".parse().unwrap(),
            "火の見 <hinomi@example.org>".parse().unwrap(),
        ],
        from: "Hinomi <hinomi@example.com>".parse().unwrap(),
        smtp,
        timeout: Duration::from_secs(30),
    }
}

fn wire(message: &Message, language: Language) -> String {
    String::from_utf8(mail(&email(), message, language).unwrap()).unwrap()
}

/// Subject, plain text and HTML before they are encoded.
fn shown(message: &Message, language: Language) -> String {
    let page = Page::of(message, language);
    format!("{}\n\n{}\n=====\n{}", subject(&page), text(&page), html(&page, language))
}

#[test]
fn on_the_wire() {
    insta::assert_snapshot!(wire(&samples::resolved(), Language::En).replace("\r\n", "\n"));
}

#[test]
fn an_incident_fires() {
    insta::assert_snapshot!(shown(&samples::firing(), Language::En));
}

#[test]
fn an_incident_fires_ja() {
    insta::assert_snapshot!(shown(&samples::firing(), Language::Ja));
}

#[test]
fn an_incident_is_over_ja() {
    insta::assert_snapshot!(shown(&samples::resolved(), Language::Ja));
}

#[test]
fn a_launch_failed_that_nobody_heals() {
    insta::assert_snapshot!(shown(&samples::launch(), Language::En));
}

#[test]
fn a_test() {
    insta::assert_snapshot!(shown(&samples::test(), Language::En));
}

fn header<'a>(mail: &'a str, name: &str) -> Option<&'a str> {
    let head = mail.split("\r\n\r\n").next()?;
    head.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[test]
fn the_same_message_is_the_same_mail_and_an_incident_is_a_thread() {
    let first = samples::firing();
    let second = Message { sequence: 3, ..samples::resolved() };
    let (one, two) = (wire(&first, Language::En), wire(&second, Language::En));
    assert_eq!(one, wire(&first, Language::En));
    assert_eq!(header(&one, "Message-ID"), Some("<i-a93be07c15d4826f.2.e08e3922b6868f90@example.com>"));
    assert_eq!(header(&two, "Message-ID"), Some("<i-a93be07c15d4826f.3.e08e3922b6868f90@example.com>"));
    for name in ["References", "In-Reply-To"] {
        assert_eq!(header(&one, name), Some("<i-a93be07c15d4826f@example.com>"));
        assert_eq!(header(&one, name), header(&two, name));
    }
    assert_eq!(header(&one, "Auto-Submitted"), Some("auto-generated"));
    assert_eq!(header(&one, "Date"), Some("Tue, 24 Nov 2026 03:00:01 +0000"));
}

#[test]
fn two_receivers_get_two_mails_of_one_thread() {
    let one = samples::firing();
    let other = Message { receiver: "boss".to_owned(), ..samples::firing() };
    let [one, other] = [one, other].map(|message| wire(&message, Language::En));
    assert_ne!(header(&one, "Message-ID"), header(&other, "Message-ID"));
    let boundary = |mail: &str| mail.lines().find(|line| line.contains("boundary=")).unwrap().to_owned();
    assert_ne!(boundary(&one), boundary(&other));
    assert_eq!(header(&one, "References"), header(&other, "References"));
}

#[test]
fn whatever_comes_the_mail_keeps_its_form() {
    for language in Language::ALL {
        let mail = wire(&samples::hostile(), language);
        assert!(mail.len() < 200_000, "{}", mail.len());
        assert!(mail.is_ascii(), "everything is encoded");
        let longest = mail.split("\r\n").map(str::len).max();
        assert!(longest <= Some(998), "a line has {longest:?} bytes");
        let (head, _) = mail.split_once("\r\n\r\n").unwrap();
        let known =
            ["From", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "Auto-Submitted", "To"];
        for line in head.split("\r\n") {
            let name = line.split(':').next().unwrap();
            let ours = known.contains(&name) || ["MIME-Version", "Content-Type"].contains(&name);
            assert!(line.starts_with(' ') || ours, "no line of a text is a header: {line}");
        }
        let page = Page::of(&samples::hostile(), language);
        assert!(!html(&page, language).contains("<script"));
    }
    assert!(wire(&samples::unknown(), Language::En).contains("something new"));
}
