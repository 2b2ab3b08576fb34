//! `hinomi drill`: breaks demo containers of its own on a Docker host, one after the other, and reports what was said.
//!
//! # Invariants
//!
//! - Only containers that it made itself, with the label [`LABEL`], are touched; all are removed at the end, also after
//!   Ctrl-C.
//! - Nothing is broken before the user named the host.

mod case;
mod docker;
mod report;
mod run;

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use serde_json::Value;

use crate::cli::{Drill, Global, Output};
use crate::exit::{self, Code, Usage};
use crate::terminal::{self, Page};
use crate::{client, config};
use case::Case;
use docker::Docker;

/// Marks the containers of a drill.
pub(crate) const LABEL: &str = "hinomi.drill=1";

/// `hinomi drill`.
pub(crate) fn drill(global: &Global, asked: &Drill) -> anyhow::Result<Code> {
    let cases = chosen(&asked.only)?;
    if asked.list {
        terminal::print(&report::plan(&Page::stdout(), &cases))?;
        return Ok(exit::OK);
    }
    let server = config::server(global)?;
    let status = client::get(&server, "status", &[])?;
    let docker = Docker::find(&asked.image)?;
    let watched = status.get("cluster").and_then(Value::as_str).unwrap_or_default().to_owned();
    confirm(asked, &cases, &docker, &watched, &receivers(&status))?;
    docker.have_image()?;
    let stop = stop_at_a_signal()?;
    let show = global.output == Output::Text;
    let mut results = Vec::new();
    for case in cases {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let result = run::run(case, &docker, &server, &stop);
        if show {
            terminal::print(&report::line(&Page::stdout(), &result))?;
        }
        results.push(result);
    }
    docker.remove_all();
    if show {
        terminal::print(&report::end(&Page::stdout(), &results))?;
    } else {
        terminal::print_json(&report::json(&results))?;
    }
    let good = results.iter().all(run::Outcome::is_as_expected) && !stop.load(Ordering::Relaxed);
    Ok(if good { exit::OK } else { exit::FINDING })
}

fn chosen(only: &[String]) -> anyhow::Result<Vec<&'static Case>> {
    if let Some(unknown) = only.iter().find(|name| case::ALL.iter().all(|case| case.name != name.as_str())) {
        let known: Vec<&str> = case::ALL.iter().map(|case| case.name).collect();
        return Err(Usage(format!("there is no drill {unknown}; there are {}", known.join(", "))).into());
    }
    let wanted = |case: &&Case| only.is_empty() || only.iter().any(|name| name == case.name);
    Ok(case::ALL.iter().filter(wanted).collect())
}

fn receivers(status: &Value) -> Vec<String> {
    let all = status.get("receivers").and_then(Value::as_array).into_iter().flatten();
    all.filter_map(|one| one.get("name")?.as_str().map(str::to_owned)).collect()
}

/// The user names the Docker host: on the command line, or when asked.
fn confirm(
    asked: &Drill,
    cases: &[&Case],
    docker: &Docker,
    watched: &str,
    receivers: &[String],
) -> anyhow::Result<()> {
    let host = docker.host();
    if let Some(named) = &asked.host {
        if named == host {
            return Ok(());
        }
        return Err(Usage(format!("--host {named}: Docker says that it runs on {host}")).into());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Usage(format!("say which host may be disturbed: --host {host}")).into());
    }
    let told = match receivers {
        [] => "no receiver is configured, so nobody is told".to_owned(),
        names => format!("these receivers get real messages: {}", names.join(", ")),
    };
    let other = if watched == host {
        String::new()
    } else {
        format!("\nHinomi watches a host that it calls {watched}.")
    };
    terminal::say(&format!(
        "{} demo containers will be made and broken on {host}; {told}.{other}\nType the host's name to go on: ",
        cases.len()
    ));
    std::io::stderr().flush().context("write to the terminal")?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("read from the terminal")?;
    if line.trim() == host {
        return Ok(());
    }
    Err(Usage("not confirmed; nothing was touched".to_owned()).into())
}

/// Set by Ctrl-C or SIGTERM: the case under way is undone, no other begins.
fn stop_at_a_signal() -> anyhow::Result<Arc<AtomicBool>> {
    use tokio::signal::unix::{SignalKind, signal};
    let stop = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&stop);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("start a runtime")?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                let term = signal(SignalKind::terminate());
                let int = signal(SignalKind::interrupt());
                if let (Ok(mut term), Ok(mut int)) = (term, int) {
                    tokio::select! {
                        _ = term.recv() => {}
                        _ = int.recv() => {}
                    }
                    raised.store(true, Ordering::Relaxed);
                }
            });
        })
        .context("start a thread")?;
    Ok(stop)
}
