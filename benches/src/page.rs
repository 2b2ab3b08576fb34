//! What the web page costs a browser, and how quickly it answers: `ui/test/bench` measures, inside the browser.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use hinomi_testkit::hinomi::{Options, Server};
use hinomi_testkit::{page, process};
use serde_json::Value;

use crate::line::Limit;
use crate::{Form, Line, town};

/// As the requirement has it.
const TOWN: town::Size = town::Size { workloads: 500, broken: 50, changes: 10_000 };
/// Longer than any measurement of the short form; a full soak sets its own.
const LIMIT: Duration = Duration::from_secs(240);

/// What the browser measures: name, unit, and the most it may be.
const MEASURED: [(&str, &str, Option<f64>); 14] = [
    ("first_visit", "kB", Some(250.0)),
    ("first_paint.p50", "s", Some(1.0)),
    ("overview_shown.p50", "s", None),
    ("interaction.filter", "ms", Some(100.0)),
    ("interaction.rows", "ms", Some(100.0)),
    ("interaction.open_finding", "ms", Some(100.0)),
    ("interaction.theme", "ms", Some(100.0)),
    ("interaction.palette", "ms", Some(100.0)),
    ("timeline.shown", "s", None),
    ("timeline.interaction", "ms", Some(100.0)),
    ("timeline.frame.p50", "ms", Some(50.0)),
    ("timeline.frame.p95", "ms", Some(100.0)),
    ("heap", "MB", None),
    ("nodes", "", None),
];

/// Measures.
///
/// # Errors
///
/// When the set-up fails; what the page does wrong is in the lines.
pub fn run(form: Form) -> Result<Vec<Line>> {
    if let Some(reason) = page::unavailable() {
        bail!("cannot look at the page here: {reason}");
    }
    let folder = tempfile::Builder::new().prefix("hinomi-town-").tempdir()?;
    let changes = town::write(folder.path(), TOWN)?;
    let server = served(folder.path())?;
    let totals = server.get("/api/hinomi/v1/status")?["totals"].clone();
    let open = server.get("/api/hinomi/v1/overview")?["now_total"].as_u64().unwrap_or(0);
    let wanted = (TOWN.workloads as u64, TOWN.broken as u64);
    ensure!(
        (totals["workloads"].as_u64(), open) == (Some(wanted.0), wanted.1),
        "the town has {totals} and {open} findings, not {wanted:?}"
    );
    let repeat = form.pick("5", "3");
    let env = [("HINOMI_URL", format!("http://{}", server.address())), ("REPEAT", repeat.to_owned())];
    let mut lines = ask_browser("page", &MEASURED, &env, None, LIMIT)?;
    lines.push(
        Line::shown("page.server_pss", crate::rig::mib(server.pss_kib()?), "MiB")
            .noted(format!("{} workloads, {open} findings, {changes} changes", TOWN.workloads)),
    );
    Ok(lines)
}

fn served(data_dir: &Path) -> Result<Server> {
    let config = format!("host: {{ name: {} }}", town::HOST);
    let server = Options::new().without_collectors().data_dir(data_dir).config(&config).start()?;
    ensure!(
        page::is_served(&server)?,
        "this hinomi was built without its page; run scripts/page build first"
    );
    Ok(server)
}

/// Runs `ui/test/bench/NAME.mjs`, which prints a JSON object a line: `name`, `value`, `note`. A measurement that did
/// not come is one that does not hold.
///
/// # Errors
///
/// When it ends badly or prints something else; the message carries its error output.
pub fn ask_browser(
    name: &str,
    measured: &[(&'static str, &'static str, Option<f64>)],
    env: &[(&str, String)],
    netns: Option<&Path>,
    limit: Duration,
) -> Result<Vec<Line>> {
    let errors = tempfile::NamedTempFile::new()?;
    let mut command = page::node(netns)?;
    command.arg(format!("test/bench/{name}.mjs")).envs(env.iter().map(|(key, value)| (key, value)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors.reopen()?);
    let mut node = command.spawn().context("start node")?;
    let output = node.stdout.take().context("no pipe from node")?;
    let read = move || BufReader::new(output).lines().collect::<std::io::Result<Vec<_>>>();
    let reader = std::thread::Builder::new().name("node".into()).spawn(read)?;
    let ended = process::wait_for("end of node", limit, || node.try_wait().ok().flatten());
    if ended.is_err() {
        let _ended = node.kill();
        let _reaped = node.wait();
    }
    let said = reader.join().map_err(|_| anyhow::anyhow!("the reader panicked"))??;
    let status = ended.with_context(|| process::tail(errors.path(), 20))?;
    ensure!(status.success(), "{name}.mjs ended with {status}: {}", process::tail(errors.path(), 20));
    let values = said.iter().map(|line| serde_json::from_str(line).with_context(|| line.clone()));
    let values = values.collect::<Result<Vec<Value>>>()?;
    let all = values.iter().map(|value| value["name"].as_str().unwrap_or_default());
    let unknown: Vec<_> = all.filter(|said| measured.iter().all(|(known, ..)| known != said)).collect();
    ensure!(unknown.is_empty(), "{name}.mjs measured what nobody asked for: {unknown:?}");
    Ok(measured.iter().map(|row| line(name, *row, &values)).collect())
}

fn line(
    bench: &str,
    (name, unit, most): (&'static str, &'static str, Option<f64>),
    values: &[Value],
) -> Line {
    let value = values.iter().find(|value| value["name"] == name);
    let number = value.and_then(|value| value["value"].as_f64()).unwrap_or(f64::NAN);
    let note = value.and_then(|value| value["note"].as_str()).unwrap_or_default();
    let line = Line::shown(&format!("{bench}.{name}"), number, unit).noted(note);
    // What was not measured must not pass for want of a limit.
    Line { limit: most.or(number.is_nan().then_some(0.0)).map(Limit::AtMost), ..line }
}
