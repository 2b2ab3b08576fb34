//! A receiver that misbehaves: what it is owed arrives later, in order, under the same key, and holds nobody up.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hinomi_e2e::site::words;
use hinomi_e2e::{LATE, SOON, Site};
use hinomi_testkit::docker::{Builder, IMAGE};
use hinomi_testkit::process::wait_for;
use hinomi_testkit::webhook::{Mode, Request};
use serde_json::Value;

#[test]
fn receivers_that_misbehave() -> Result<()> {
    let Some(mut site) = Site::start("webhook", Builder::new("webhook"))? else { return Ok(()) };
    refuses_with_500(&site)?;
    throttles(&site)?;
    hangs(&site)?;
    is_closed(&site)?;
    killed_in_between(&mut site)?;
    every_message_once_and_in_order(&site)
}

/// A job that fails: one Notice, one message.
fn fail(site: &Site, name: &str) -> Result<()> {
    site.docker.docker(&["run", "--name", name, IMAGE, "sh", "-c", "exit 3"])?;
    let finding = site.finding(name, SOON, |f| f["inspection"] == "abnormal_exit")?;
    // Whatever the receiver does, what is found is there at once, and answers come.
    ensure!(finding["level"] == "notice", "{finding}");
    let output = site.hinomi.cli(&["findings"])?;
    ensure!(output.status.code() == Some(1), "{output:?}");
    ensure!(String::from_utf8_lossy(&output.stdout).contains(name), "{output:?}");
    Ok(())
}

fn tries(site: &Site, name: &str, at_least: usize) -> Result<Vec<Request>> {
    wait_for("tries", LATE, || {
        let tries = site.messages(name);
        (tries.len() >= at_least).then_some(tries)
    })
    .with_context(|| format!("{at_least} tries for {name}; there are {:?}", site.messages(name)))
}

fn accepted(site: &Site, name: &str) -> Result<Request> {
    wait_for("message", LATE, || site.messages(name).into_iter().find(|request| request.answered == 200))
        .with_context(|| format!("for {name}; receivers: {:?}", site.hinomi.get("/api/hinomi/v1/receivers")))
}

/// All tries of one message are the same bytes under the same key.
fn same_message(tries: &[Request]) -> Result<()> {
    let mut all = tries.iter().map(|request| (request.headers.get("idempotency-key"), &request.body));
    let first = all.next().context("a try")?;
    ensure!(first.0.is_some(), "no Idempotency-Key");
    ensure!(all.all(|one| one == first), "tries differ: {tries:#?}");
    Ok(())
}

fn receiver(site: &Site, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
    site.hinomi.wait_for("/api/hinomi/v1/receivers", SOON, |answer| {
        answer["receivers"].as_array()?.first().filter(|receiver| wanted(receiver)).cloned()
    })
}

fn status_says(site: &Site, phrases: &[&str]) -> Result<()> {
    let output = site.hinomi.cli(&["status"])?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for phrase in phrases {
        ensure!(flat.contains(phrase), "`hinomi status` does not say {phrase:?}:\n{text}");
    }
    Ok(())
}

fn refuses_with_500(site: &Site) -> Result<()> {
    site.receiver.set_mode(Mode::Status(500));
    fail(site, "first")?;
    tries(site, "first", 3)?;
    fail(site, "second")?;
    let failing = receiver(site, |receiver| receiver["waiting"] == 2)?;
    ensure!(failing["failing_since"].is_string(), "{failing}");
    ensure!(failing["last_error"].as_str().is_some_and(|error| error.contains("500")), "{failing}");
    status_says(site, &["oncall", "500"])?;
    site.receiver.set_mode(Mode::Ok);
    accepted(site, "first")?;
    accepted(site, "second")?;
    same_message(&site.messages("first"))?;
    let well = receiver(site, |receiver| receiver["waiting"] == 0)?;
    ensure!(well["failing_since"].is_null() && well["gave_up"] == 0, "{well}");
    Ok(())
}

fn throttles(site: &Site) -> Result<()> {
    site.receiver.set_mode(Mode::Throttle(3));
    fail(site, "throttled")?;
    tries(site, "throttled", 1)?;
    site.receiver.set_mode(Mode::Ok);
    accepted(site, "throttled")?;
    let tries = site.messages("throttled");
    same_message(&tries)?;
    let stamps: Vec<i64> = tries.iter().map(|request| request.monotonic_ns).collect();
    let [first, second] = stamps.as_slice() else { anyhow::bail!("two tries, not {stamps:?}") };
    // Retry-After is a promise: not before.
    ensure!(second - first >= 3_000_000_000, "tried again after {} ms", (second - first) / 1_000_000);
    Ok(())
}

fn hangs(site: &Site) -> Result<()> {
    site.receiver.set_mode(Mode::Hang);
    fail(site, "hung")?;
    tries(site, "hung", 2)?;
    let failing = receiver(site, |receiver| receiver["failing_since"].is_string())?;
    ensure!(failing["last_error"].as_str().is_some_and(|error| error.contains("no answer")), "{failing}");
    site.receiver.set_mode(Mode::Ok);
    accepted(site, "hung")?;
    same_message(&site.messages("hung"))
}

fn is_closed(site: &Site) -> Result<()> {
    site.receiver.set_mode(Mode::Refuse);
    fail(site, "closed")?;
    let failing = receiver(site, |receiver| receiver["failing_since"].is_string())?;
    ensure!(
        failing["last_error"].as_str().is_some_and(|error| error.contains("cannot connect")),
        "{failing}"
    );
    status_says(site, &["cannot connect"])?;
    ensure!(site.messages("closed").is_empty());
    site.receiver.set_mode(Mode::Ok);
    accepted(site, "closed").map(drop)
}

fn killed_in_between(site: &mut Site) -> Result<()> {
    site.receiver.set_mode(Mode::Status(503));
    fail(site, "queued")?;
    let before = tries(site, "queued", 1)?;
    site.hinomi.kill9()?;
    site.receiver.set_mode(Mode::Ok);
    site.hinomi.start_again()?;
    accepted(site, "queued")?;
    ensure!(before.iter().all(|request| request.answered == 503), "{before:?}");
    same_message(&site.messages("queued"))
}

/// Over the whole test: every key was accepted once, in the order in which things were found.
fn every_message_once_and_in_order(site: &Site) -> Result<()> {
    // A repeat would come within the first pauses.
    std::thread::sleep(Duration::from_secs(2));
    let received = site.receiver.received();
    let accepted: Vec<&Request> = received.iter().filter(|request| request.answered == 200).collect();
    let mut by_key: BTreeMap<&str, usize> = BTreeMap::new();
    for request in &accepted {
        *by_key.entry(request.headers.get("idempotency-key").context("a key")?).or_default() += 1;
        ensure!(words(&request.body) == "firing notice abnormal_exit/exit_code", "{}", request.body);
    }
    ensure!(by_key.values().all(|times| *times == 1), "{by_key:?}");
    let names: Vec<&str> =
        accepted.iter().filter_map(|request| request.body["resource"]["name"].as_str()).collect();
    ensure!(names == ["first", "second", "throttled", "hung", "closed", "queued"], "{names:?}");
    Ok(())
}
