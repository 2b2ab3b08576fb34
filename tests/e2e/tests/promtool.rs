//! `promtool query` as Debian has it, against the real binary: what people type who know Prometheus.

use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use hinomi_testkit::hinomi::{Options, Server};
use hinomi_testkit::process::wait_for;
use hinomi_testkit::skip_suite;

/// Hinomi's own numbers come every so often.
const SOON: Duration = Duration::from_secs(30);

fn promtool(arguments: &[&str]) -> Result<Output> {
    Command::new("promtool").args(arguments).output().context("promtool runs")
}

fn query(kind: &str, server: &Server, more: &[&str]) -> Result<String> {
    let url = format!("http://{}", server.address());
    let arguments: Vec<&str> = ["query", kind].into_iter().chain(more.iter().copied()).collect();
    let arguments: Vec<&str> = arguments
        .into_iter()
        .map(|argument| if argument == "URL" { url.as_str() } else { argument })
        .collect();
    let done = promtool(&arguments)?;
    let (said, wrong) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    ensure!(done.status.success(), "promtool {arguments:?}: {said}{wrong}");
    Ok(said.into_owned())
}

#[test]
fn promtool_asks() -> Result<()> {
    if promtool(&["--version"]).is_err() {
        skip_suite("promtool", "promtool is missing; scripts/setup-test gets it");
        return Ok(());
    }
    let server = Options::new().config("docker: { enabled: false }\nmetrics: { interval: 1s }\n").start()?;
    ensure!(query("instant", &server, &["URL", "vector(1) + 1"])?.starts_with("{} => 2 @["));
    let found =
        wait_for("numbers of this host", SOON, || match query("instant", &server, &["URL", "up"]) {
            Ok(found) if found.contains("up{") => Some(Ok(found)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        })??;
    ensure!(found.contains("=> 1 @["), "{found}");
    let range = query("range", &server, &["--step=1s", "URL", "up"])?;
    ensure!(range.contains("up{") && range.contains("1 @["), "{range}");
    let series = query("series", &server, &["--match=up", "URL"])?;
    ensure!(series.contains("__name__=\"up\"") || series.contains("up{"), "{series}");
    let labels = query("labels", &server, &["URL", "__name__"])?;
    ensure!(labels.lines().any(|name| name == "up"), "{labels}");
    match query("instant", &server, &["URL", "up("]) {
        Ok(answer) => bail!("a query that is none was answered: {answer}"),
        Err(error) => ensure!(error.to_string().contains("unclosed left parenthesis"), "{error}"),
    }
    Ok(())
}
