//! What the questions of dashboards, rules and alerts cost, and whether the answers are those of Prometheus.

use std::path::Path;

use anyhow::{Context as _, Result};
use hinomi_testkit::hinomi::{Options, Server};
use serde_json::Value;

use crate::line::count;
use crate::load::{Load, Target, number, pinned_prometheus};
use crate::numbers::percentile;
use crate::{Form, Line};

/// Questions of a round.
const ROUND: usize = 34;
/// What the names of instant questions that rules ask again and again begin with, and nothing else has in its name.
const RULES: &str = "i0";

/// Measures.
///
/// # Errors
///
/// When a server does not start or the load generator cannot be had.
pub fn run(form: Form) -> Result<Vec<Line>> {
    let load = Load::find()?;
    let mut server = Options::new().without_collectors().start()?;
    let target = Target::running(&server)?;
    let fleet = ["--nodes", "2", "--pods", "12", "--hours", form.pick("24", "3")];
    load.run("metrics-ingest", &target, &[&fleet[..], &["--settle", "20"]].concat())?;

    let pid = server.pid().to_string();
    let dump = target.folder().join("answers");
    let kept = dump.display().to_string();
    let runs = form.pick("15", "5");
    let settle = form.pick("30", "2");
    let warm = load.run(
        "metrics-query",
        &target,
        &["--pid", &pid, "--runs", runs, "--settle", settle, "--dump", &kept],
    )?;
    let warm_ms = number(&warm["total"], "cpu_ms");
    // They take so little that it needs many to tell how much.
    let asked = ["--pid", &pid, "--runs", "300", "--settle", "1", "--only", RULES];
    let rules = load.run("metrics-query", &target, &asked)?;
    let cold = (0..form.pick(5, 2))
        .map(|_| cold(&load, &target, &mut server, warm_ms))
        .collect::<Result<Vec<_>>>()?;
    drop(server);

    let mut lines = vec![
        Line::at_most("ask.cold", percentile(&cold, 50), "ms", 110.0).noted(format!(
            "processor time of a round of {ROUND} after a start, the median of {}",
            cold.len()
        )),
        Line::at_most("ask.warm", warm_ms, "ms", 35.0).noted(most(&warm)),
        each_rule(&rules),
    ];
    lines.extend(beside(&load, &fleet, &dump, warm_ms)?);
    Ok(lines)
}

/// Processor time of the first round after a start, milliseconds: the load generator asks everything twice, and the
/// second round is a warm one.
fn cold(load: &Load, target: &Target, server: &mut Server, warm_ms: f64) -> Result<f64> {
    server.stop()?;
    server.start_again()?;
    // What a start does besides is done by then.
    std::thread::sleep(std::time::Duration::from_secs(2));
    let before = server.cpu_seconds()?;
    load.run("metrics-query", target, &["--runs", "1"])?;
    Ok((server.cpu_seconds()? - before) * 1e3 - warm_ms)
}

/// The questions that take the most.
fn most(round: &Value) -> String {
    let questions = round.as_object().into_iter().flatten().filter(|(name, _)| *name != "total");
    let mut all: Vec<(f64, &str)> =
        questions.map(|(name, result)| (number(result, "cpu_ms"), name.as_str())).collect();
    all.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let shown: Vec<String> = all.iter().take(6).map(|(ms, name)| format!("{name} {ms:.1}")).collect();
    format!("processor time of a round of {}, most in {}", all.len(), shown.join(", "))
}

fn each_rule(round: &Value) -> Line {
    let questions = round.as_object().into_iter().flatten();
    let rules = questions.filter(|(name, _)| name.starts_with(RULES));
    let each: Vec<(f64, &str)> =
        rules.map(|(name, result)| (number(result, "cpu_ms"), name.as_str())).collect();
    let most = each.iter().map(|(ms, _)| *ms).fold(f64::NAN, f64::max);
    let shown: Vec<String> = each.iter().map(|(ms, name)| format!("{name} {ms:.2}")).collect();
    Line::at_most("ask.rule", most, "ms", 0.3).noted(format!("processor time of each: {}", shown.join(", ")))
}

/// The same data and questions to Prometheus: are the answers the same, and what do they cost there?
fn beside(load: &Load, fleet: &[&str], ours: &Path, warm_ms: f64) -> Result<Vec<Line>> {
    let Some(program) = pinned_prometheus() else {
        let note = "the Prometheus of tests/peers cannot be built here";
        return Ok(vec![Line::shown("ask.other_answers", f64::NAN, "").noted(note)]);
    };
    let peer = Target::prometheus(&program)?;
    load.run("metrics-ingest", &peer, &[fleet, &["--settle", "0"]].concat())?;
    let theirs = peer.folder().join("answers");
    let kept = theirs.display().to_string();
    let round = load.run("metrics-query", &peer, &["--runs", "3", "--settle", "5", "--dump", &kept])?;
    let paths = [ours, &theirs].map(|folder| folder.display().to_string());
    let said = load.call(&[&["diff".to_owned()], &paths[..]].concat())?;
    let wrong: Vec<String> = said
        .lines()
        .filter(|line| line.split_whitespace().nth(1) != Some("SAME"))
        .map(str::to_owned)
        .collect();
    let compared = said.lines().count();
    (compared > 0).then_some(()).context("no answers were compared")?;
    let mut same = Line::none_of("ask.other_answers", &wrong);
    if wrong.is_empty() {
        same = same.noted(format!("{compared} answers are those of {} within 1e-6", peer.name));
    }
    let cpu = number(&round["total"], "cpu_ms");
    Ok(vec![
        same,
        Line::at_least("ask.compared", count(compared), "", count(ROUND)),
        Line::shown("ask.peer_warm", cpu, "ms").noted(format!(
            "{}; Hinomi takes {:.2} of that",
            peer.name,
            warm_ms / cpu
        )),
    ])
}
