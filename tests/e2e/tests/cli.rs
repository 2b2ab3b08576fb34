//! What a person sees: the first screen, and the answers of the commands.

use std::process::Output;

use anyhow::{Context as _, Result, ensure};
use hinomi_e2e::{SOON, Site};
use hinomi_testkit::docker::{Builder, IMAGE};
use hinomi_testkit::hinomi::{Options, binary};
use hinomi_testkit::process::wait_for;
use serde_json::Value;

#[test]
fn commands_against_a_running_hinomi() -> Result<()> {
    let Some(site) = Site::start("cli", Builder::new("cli"))? else { return Ok(()) };
    site.docker(&[
        "run", "-d", "--name", "web", "--init", "-p", "18301:80", IMAGE, "httpd", "-f", "-p", "80",
    ])?;
    site.docker.docker(&["run", "--name", "job", IMAGE, "sh", "-c", "echo half done; exit 3"])?;
    site.finding("job", SOON, |f| f["inspection"] == "abnormal_exit")?;
    site.instance("web", SOON, |one| one["state"] == "running")?;
    first_screen(&site)?;
    status(&site)?;
    findings(&site)?;
    why(&site)?;
    timeline(&site)?;
    second_process(&site)
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn says(text: &str, phrases: &[&str]) -> Result<()> {
    for phrase in phrases {
        ensure!(text.contains(phrase), "{phrase:?} is not said in:\n{text}");
    }
    Ok(())
}

fn first_screen(site: &Site) -> Result<()> {
    let address = site.hinomi.address().to_string();
    let data = site.hinomi.data_dir().display().to_string();
    let socket = site.docker.socket().display().to_string();
    let want = [address.as_str(), data.as_str(), socket.as_str(), "oncall"];
    let mut last = String::new();
    let seen = wait_for("first screen", SOON, || {
        last = std::fs::read_to_string(site.hinomi.log()).unwrap_or_default();
        want.iter().all(|phrase| last.contains(phrase)).then_some(())
    });
    seen.with_context(|| format!("with all of {want:?} in:\n{last}"))?;
    ensure!(!last.contains('\u{1b}'), "no colours where no terminal is:\n{last}");
    Ok(())
}

fn status(site: &Site) -> Result<()> {
    let output = site.hinomi.cli(&["status"])?;
    ensure!(output.status.code() == Some(0), "{output:?}");
    says(&text(&output), &["Docker 20.10", "oncall", "e2e-host"])?;
    let output = site.hinomi.cli(&["status", "--output", "json"])?;
    let status: Value = serde_json::from_slice(&output.stdout)?;
    ensure!(status["store"]["ok"] == true && status["totals"]["notice"] == 1, "{status}");
    ensure!(status["totals"]["containers"] == 2 && status["totals"]["running"] == 1, "{status}");
    Ok(())
}

fn findings(site: &Site) -> Result<()> {
    let output = site.hinomi.cli(&["findings", "--output", "json"])?;
    ensure!(output.status.code() == Some(1), "{output:?}");
    let answer: Value = serde_json::from_slice(&output.stdout)?;
    let all = answer["findings"].as_array().context("a list")?;
    let [finding] = all.as_slice() else { anyhow::bail!("one finding, not {answer}") };
    ensure!(finding["resource"]["name"] == "job" && finding["cause_class"] == "exit_code", "{finding}");
    ensure!(finding["level"] == "notice" && finding["status"] == "firing", "{finding}");
    ensure!(finding["told"] == serde_json::json!([["oncall", "notice"]]), "{finding}");
    ensure!(finding["started_at"].as_str().is_some_and(|at| at.ends_with('Z')), "{finding}");
    let output = site.hinomi.cli(&["findings"])?;
    ensure!(output.status.code() == Some(1), "{output:?}");
    says(&text(&output), &["notice", "job", "abnormal_exit", "exit code", "oncall"])
}

fn why(site: &Site) -> Result<()> {
    let output = site.hinomi.cli(&["why", "wbe"])?;
    ensure!(output.status.code() == Some(1) && output.stdout.is_empty(), "{output:?}");
    says(&errors(&output), &["wbe", "known are:", "job", "web"])?;
    site.expect_why("web", 0, &["Nothing is wrong with it"])?;
    let id = site.docker.inspect("job", "{{.Id}}")?;
    let short: String = id.chars().take(12).collect();
    site.expect_why(&short, 1, &["exit code 3", "half done"])?;
    let output = site.hinomi.cli(&["why", "job", "--output", "json"])?;
    let why: Value = serde_json::from_slice(&output.stdout)?;
    ensure!(output.status.code() == Some(1) && why["deviates"] == true, "{why}");
    let output = site.hinomi.cli(&["why"])?;
    ensure!(output.status.code() == Some(2), "{output:?}");
    Ok(())
}

fn timeline(site: &Site) -> Result<()> {
    let output = site.hinomi.cli(&["timeline", "--since", "1h", "job"])?;
    ensure!(output.status.code() == Some(0), "{output:?}");
    let said = text(&output);
    says(&said, &["declared: image bb", "running", "ended: exit code 3"])?;
    ensure!(!said.contains("web"), "only of job: {said}");
    let output = site.hinomi.cli(&["timeline", "--since", "1h", "--output", "json"])?;
    let answer: Value = serde_json::from_slice(&output.stdout)?;
    let changes = answer["changes"].as_array().context("a list")?;
    let stamps: Vec<&str> = changes.iter().filter_map(|change| change["observed_at"].as_str()).collect();
    ensure!(stamps.len() == changes.len() && stamps.is_sorted(), "oldest first: {stamps:?}");
    let output = site.hinomi.cli(&["timeline", "--since", "soon"])?;
    ensure!(output.status.code() == Some(2), "{output:?}");
    says(&errors(&output), &["since", "soon"])
}

fn second_process(site: &Site) -> Result<()> {
    let again = Options::new().docker(&site.docker).data_dir(site.hinomi.data_dir()).start();
    let Err(error) = again else { anyhow::bail!("a second Hinomi runs on the same data folder") };
    let said = format!("{error:#}");
    says(
        &said,
        &["exit status: 1", &site.hinomi.data_dir().display().to_string(), &site.hinomi.pid().to_string()],
    )?;
    site.expect_why("web", 0, &["Nothing is wrong with it"])
}

#[test]
fn five_mistakes_are_told_at_once() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("hinomi.yaml");
    std::fs::write(
        &file,
        "listen: 0.0.0.0:8119\nretention: { state: 400 }\nmemory: 512MiB\nreceivers:\n  - name: oncall\n    \
         webhook: { url: exmaple }\nroutes:\n  - { receiver: onkall, levels: [alert] }\n",
    )?;
    for args in [["config", "check"].as_slice(), &["up"]] {
        let mut command = std::process::Command::new(binary()?);
        let output = command.args(args).arg("--config").arg(&file).output()?;
        ensure!(output.status.code() == Some(2), "{args:?}: {output:?}");
        says(
            &errors(&output),
            &[
                "5 problems",
                "hinomi.yaml:1:9: listen",
                "hinomi.yaml:2:21: retention.state",
                "hinomi.yaml:3:1: memory: unknown key; did you mean \"memory_max\"?",
                "hinomi.yaml:6:21: receivers[0].webhook.url",
                "hinomi.yaml:8:17: routes[0].receiver: no receiver named \"onkall\"",
            ],
        )?;
    }
    Ok(())
}
