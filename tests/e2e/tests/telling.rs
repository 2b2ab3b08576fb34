//! Telling people: a chat, a mailbox and a program hear of one container, each in its language, and a crash forgets
//! nothing of it.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hinomi_e2e::SOON;
use hinomi_testkit::docker::{Builder, IMAGE, PrivateDocker};
use hinomi_testkit::hinomi::{Options, Server};
use hinomi_testkit::smtp::{self, Mail, Tls};
use hinomi_testkit::webhook::{Receiver, Request};
use serde_json::Value;

const PASSWORD: &str = "hunter2-hunter2";
const LINK: &str = "https://hinomi.example.com/findings/f-";

/// Fields drop in order: Hinomi ends before its dockerd goes.
struct Town {
    hinomi: Server,
    chat: Receiver,
    program: Receiver,
    mail: smtp::Server,
    docker: PrivateDocker,
}

#[test]
fn people_are_told() -> Result<()> {
    let Some(mut town) = Town::start()? else { return Ok(()) };
    tests_arrive(&town)?;
    an_alert_arrives(&town)?;
    what_became_of_it_survives(&mut town)?;
    a_refusal_is_told(&mut town)
}

impl Town {
    fn start() -> Result<Option<Self>> {
        if smtp::python().is_none() {
            hinomi_testkit::skip_suite("telling", smtp::MISSING);
            return Ok(None);
        }
        let Some(docker) = Builder::new("telling").start_or_skip("telling") else { return Ok(None) };
        let netns = docker.netns();
        let (chat, program) = (Receiver::start_in(Some(&netns))?, Receiver::start_in(Some(&netns))?);
        let mail = smtp::Server::start(Some(&netns), Tls::Starttls, Some(("hinomi", PASSWORD)))?;
        let config = format!(
            "host: {{ name: web-1 }}\n\
             public_url: \"https://hinomi.example.com\"\n\
             receivers:\n  \
               - {{ name: chat, language: ja, slack: {{ url: \"{}\", channel: \"#alerts\" }} }}\n  \
               - {{ name: program, language: ja, webhook: {{ url: \"{}\" }} }}\n  \
               - name: people\n    \
                 email:\n      \
                   to: [oncall@example.com]\n      \
                   from: Hinomi <hinomi@example.com>\n      \
                   smtp: {{ host: localhost, port: {}, tls: starttls, username: hinomi, password: {PASSWORD}, \
                           ca_file: {} }}\n\
             routes: [{{ receiver: chat }}, {{ receiver: program }}, {{ receiver: people, levels: [alert] }}]\n",
            chat.url(),
            program.url(),
            mail.port(),
            mail.ca_file().display(),
        );
        let hinomi = Options::new().docker(&docker).config(&config).start()?;
        hinomi.wait_for("/api/hinomi/v1/status", SOON, |status| {
            let collectors = status["collectors"].as_array()?;
            collectors.iter().find(|it| it["name"] == "docker" && it["ok"] == true).map(drop)
        })?;
        Ok(Some(Self { hinomi, chat, program, mail, docker }))
    }

    /// Exit code and standard output, then standard error.
    fn cli(&self, args: &[&str]) -> Result<(Option<i32>, String, String)> {
        let output = self.hinomi.cli(args)?;
        let words =
            |bytes: &[u8]| String::from_utf8_lossy(bytes).split_whitespace().collect::<Vec<_>>().join(" ");
        Ok((output.status.code(), words(&output.stdout), words(&output.stderr)))
    }
}

fn text(request: &Request) -> &str {
    request.body["text"].as_str().unwrap_or_default()
}

fn subject(mail: &Mail, begin: &str) -> Option<Mail> {
    mail.header("Subject")?.starts_with(begin).then(|| mail.clone())
}

fn tests_arrive(town: &Town) -> Result<()> {
    let (code, said, errors) = town.cli(&["receivers", "test", "--all"])?;
    ensure!(code == Some(0), "{said} {errors}");
    for name in ["chat", "program", "people"] {
        ensure!(said.contains(&format!("✓ {name} accepted in ")), "{said}");
    }
    ensure!(said.contains("250 2.0.0 queued"), "{said}");
    let chat = town.chat.wait_for(SOON, |request| text(request).contains("テスト (Test)"))?;
    ensure!(chat.body["channel"] == "#alerts", "{}", chat.body);
    let program = town.program.wait_for(SOON, |request| request.body["test"] == true)?;
    ensure!(
        program.body["cause"].as_str().is_some_and(|cause| cause.contains("テスト通知")),
        "{}",
        program.body
    );
    let mail = town.mail.wait_for(SOON, |mail| subject(mail, "[Test] web-1: "))?;
    ensure!(mail.tls && mail.login.as_deref() == Some("hinomi"), "{mail:?}");

    let (code, _, errors) = town.cli(&["receivers", "test", "chatt"])?;
    ensure!(code == Some(2) && errors.contains("receivers are: chat, people, program"), "{code:?} {errors}");
    let (code, _, errors) = town.cli(&["receivers", "test"])?;
    ensure!(code == Some(2), "{code:?} {errors}");
    Ok(())
}

fn an_alert_arrives(town: &Town) -> Result<()> {
    let run = ["run", "-d", "--restart", "on-failure:1", "--name", "web", IMAGE];
    town.docker
        .run_ok(&[run.as_slice(), &["sh", "-c", "echo \"no <database> & no luck\"; exit 3"]].concat())?;
    let mail = town.mail.wait_for(SOON, |mail| subject(mail, "[Alert] web: "))?;
    let decoded = mail.decoded()?;
    for words in [
        "text/plain",
        "text/html",
        LINK,
        "exit code 3",
        "no <database> & no luck",
        "no &lt;database&gt; &amp; no",
    ] {
        ensure!(decoded.contains(words), "no {words}: {decoded}");
    }
    let chat = town.chat.wait_for(SOON, |request| text(request).contains("緊急 (Alert)] web"))?;
    let attachment = &chat.body["attachments"][0];
    ensure!(attachment["title_link"].as_str().is_some_and(|link| link.starts_with(LINK)), "{}", chat.body);
    let shown = attachment["text"].as_str().unwrap_or_default();
    ensure!(shown.contains("no &lt;database&gt; &amp; no luck") && shown.contains("取得"), "{shown}");
    let alert = |request: &Request| request.body["level"] == "alert" && request.body["test"] == false;
    let program = town.program.wait_for(SOON, alert)?;
    let cause = program.body["cause"].as_str().unwrap_or_default();
    ensure!(!cause.is_ascii() && cause.contains("web"), "the cause is not Japanese: {cause}");
    ensure!(program.body["url"].as_str().is_some_and(|link| link.starts_with(LINK)), "{}", program.body);
    Ok(())
}

/// Receivers that took a message about the alert.
fn accepted_by(finding: &Value) -> Option<Vec<&str>> {
    let deliveries = finding["deliveries"].as_array()?.iter();
    let alert =
        deliveries.filter(|it| it["level"] == "alert" && it["state"] == "accepted" && it["tries"] == 1);
    let mut names: Vec<&str> = alert.filter_map(|it| it["receiver"].as_str()).collect();
    names.sort_unstable();
    names.dedup();
    Some(names)
}

fn what_became_of_it_survives(town: &mut Town) -> Result<()> {
    let program = town.program.received();
    let last = program.iter().rev().find(|request| request.body["level"] == "alert").context("an alert")?;
    let path = format!("/api/hinomi/v1/findings/{}", last.body["finding"].as_str().unwrap_or_default());
    let all = |finding: &Value| (accepted_by(finding)? == ["chat", "people", "program"]).then_some(());
    town.hinomi.wait_for(&path, SOON, all)?;
    // What became of messages is stored a moment later.
    std::thread::sleep(Duration::from_millis(500));
    town.hinomi.kill9()?;
    town.hinomi.start_again()?;
    town.hinomi.wait_for(&path, SOON, all)?;
    let (code, said, _) = town.cli(&["receivers"])?;
    ensure!(code == Some(0) && said.contains("email to localhost:"), "{said}");
    Ok(())
}

fn a_refusal_is_told(town: &mut Town) -> Result<()> {
    town.mail.set_modes(&["550 5.7.1 not from you"])?;
    let (code, said, errors) = town.cli(&["receivers", "test", "people"])?;
    ensure!(code == Some(1), "{said} {errors}");
    for words in ["✗ people not accepted", "550 5.7.1 not from you", "check `username`"] {
        ensure!(said.contains(words), "no {words}: {said}");
    }
    let (_, json, _) = town.cli(&["receivers", "test", "people", "--output", "json"])?;
    let json: Value = serde_json::from_str(&json)?;
    ensure!(json["accepted"] == false && json["receiver"] == "people", "{json}");
    let log = std::fs::read_to_string(town.hinomi.log())?;
    ensure!(!log.contains(PASSWORD), "the password is in the log");
    Ok(())
}
