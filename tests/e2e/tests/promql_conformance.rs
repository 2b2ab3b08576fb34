//! The conformance kit of PromQL against the real binary over HTTP: samples by remote write, questions by the API.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use hinomi_testkit::hinomi::binary;

/// What the kit starts for every block of cases.
const SERVER: &str = "server --data-dir {dir} --listen 127.0.0.1:{port} --metrics-retention 100y \
                      --out-of-order-window 100y --promql-experimental";
/// Evals that must pass: all of them.
const PASSED_MIN: u64 = 1328;

#[test]
fn promql_over_http() -> Result<()> {
    let suite = "promql over http";
    let Some(cases) = hinomi_testkit::cases(suite) else { return Ok(()) };
    let kit = cases.join("conformance/promql/promql_conformance.py");
    if !kit.is_file() {
        hinomi_testkit::skip_suite(suite, &format!("no kit at {}", kit.display()));
        return Ok(());
    }
    let verdicts = tempfile::Builder::new().prefix("hinomi-kit-").suffix(".json").tempfile()?;
    let start = format!("exec '{}' {SERVER}", binary()?.display());
    let done = Command::new("python3")
        .arg(&kit)
        .args(["--start-cmd", &start, "--jobs", "2", "--show", "10", "--json"])
        .arg(verdicts.path())
        .stdin(Stdio::null())
        .output()
        .context("python3 runs the kit")?;
    let told = String::from_utf8_lossy(&done.stdout);
    let last = told.lines().last().unwrap_or_default();
    let passed = last.split(' ').next().and_then(|number| number.parse::<u64>().ok());
    let passed = passed.with_context(|| format!("{told}{}", String::from_utf8_lossy(&done.stderr)))?;
    ensure!(passed >= PASSED_MIN, "{passed} passed, at least {PASSED_MIN} must:\n{told}");
    Ok(())
}
