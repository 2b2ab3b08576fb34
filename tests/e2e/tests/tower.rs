//! What the page shows of a real engine: what people changed, log lines of what runs, and all of it again after a kill.

use anyhow::{Result, ensure};
use hinomi_e2e::{SOON, Site};
use hinomi_testkit::docker::{Builder, IMAGE};
use serde_json::Value;

const OVERVIEW: &str = "/api/hinomi/v1/overview";

fn talker<'a>(memory: &'a str, words: &'a str) -> [&'a str; 13] {
    [
        "run",
        "-d",
        "--name",
        "talker",
        "--init",
        "--memory",
        memory,
        "--restart",
        "always",
        IMAGE,
        "sh",
        "-c",
        words,
    ]
}

/// Kind and words of what happened to one workload, oldest first.
fn lines(answer: &Value, name: &str) -> Vec<String> {
    let list = answer["changes"].as_array().cloned().unwrap_or_default();
    let mine = list.iter().rev().filter(|change| change["workload_name"] == name);
    let word = |change: &Value, field: &str| change[field].as_str().unwrap_or_default().to_owned();
    mine.map(|change| format!("{}: {}", word(change, "kind"), word(change, "words"))).collect()
}

#[test]
fn what_people_changed_is_told_in_their_words() -> Result<()> {
    let Some(mut site) = Site::start("tower", Builder::new("tower"))? else { return Ok(()) };
    let command = "echo begun; echo password=hunter2hunter2 >&2; exec sleep 1000";
    site.docker(&talker("32m", command))?;
    site.instance("talker", SOON, |one| one["state"] == "running")?;
    let path = "/api/hinomi/v1/workload?name=talker";
    let detail = site.hinomi.wait_for(path, SOON, |detail| {
        let lines = detail["instances"][0]["log"]["lines"].as_array().map_or(0, Vec::len);
        (lines == 2).then(|| detail.clone())
    })?;
    let log = detail["instances"][0]["log"].to_string();
    ensure!(log.contains("begun") && !log.contains("hunter2"), "{log}");

    site.docker(&["restart", "-t", "1", "talker"])?;
    site.docker(&["stop", "-t", "1", "talker"])?;
    site.docker(&["start", "talker"])?;
    site.docker(&["pause", "talker"])?;
    site.docker(&["unpause", "talker"])?;
    site.docker(&["update", "--memory", "48m", "--memory-swap", "48m", "talker"])?;
    site.docker(&["rm", "-f", "talker"])?;
    site.docker(&talker("64m", command))?;
    let want = [
        "created: created with image ",
        "intent: restarted",
        "intent: stopped",
        "intent: started",
        "intent: paused",
        "intent: unpaused",
        "configuration: memory limit 32 MiB → 48 MiB",
        "configuration: memory limit 48 MiB → 64 MiB",
    ];
    let fits = |overview: &Value| {
        let got = lines(overview, "talker");
        got.len() == want.len() && got.iter().zip(want).all(|(got, want)| got.starts_with(want))
    };
    let told = site.hinomi.wait_for(OVERVIEW, SOON, |overview| fits(overview).then_some(()));
    let before = site.hinomi.get(OVERVIEW)?;
    ensure!(told.is_ok(), "{:#?}", lines(&before, "talker"));
    ensure!(before["planes"][0]["words"].as_str().is_some_and(|w| w.ends_with("answers")), "{before}");

    site.hinomi.kill9()?;
    site.hinomi.start_again()?;
    let after = site.hinomi.get(OVERVIEW)?;
    ensure!(fits(&after), "after a kill: {:#?}", lines(&after, "talker"));
    site.finish()
}

#[test]
fn a_finding_about_what_still_runs_shows_its_lines_of_now() -> Result<()> {
    let Some(site) = Site::start("lines", Builder::new("lines"))? else { return Ok(()) };
    let words =
        "touch /tmp/ready; echo serving; sleep 3; rm /tmp/ready; echo lost the database >&2; exec sleep 1000";
    let check = ["--health-cmd", "test -e /tmp/ready", "--health-interval", "1s", "--health-retries", "2"];
    let run = [&["run", "-d", "--name", "sick", "--init"][..], &check, &[IMAGE, "sh", "-c", words]].concat();
    site.docker(&run)?;
    let id = site.hinomi.wait_for(OVERVIEW, SOON, |overview| {
        let now = overview["now"].as_array()?;
        let sick = now.iter().find(|row| row["name"] == "sick" && row["stage"] == "health")?;
        sick["id"].as_str().map(str::to_owned)
    })?;
    let path = format!("/api/hinomi/v1/findings/{id}");
    let finding = site.hinomi.wait_for(&path, SOON, |finding| {
        let lines = finding["log_now"]["lines"].as_array().map_or(0, Vec::len);
        (lines == 2).then(|| finding.clone())
    })?;
    let log = finding["log_now"].to_string();
    ensure!(log.contains("lost the database") && finding["evidence"]["log"].is_null(), "{finding}");
    ensure!(
        finding["evidence"]["facts"].to_string().contains(r#"["last health probe","exit 1"]"#),
        "{finding}"
    );
    site.expect_told("sick", SOON, &["firing alert unhealthy/after_healthy"])?;
    site.finish()
}
