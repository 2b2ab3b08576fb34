//! The same generated queries, asked of Hinomi and of real Prometheus servers over the same samples.
//!
//! Debian's Prometheus is asked what has not changed since: selectors, operators, aggregations, functions of instant
//! vectors. The one that `tests/peers/prometheus/go.mod` pins is asked everything. `HINOMI_DIFF_QUERIES` says how many
//! queries (default 600), `HINOMI_DIFF_SEED` which.

#[path = "promql_differential/compare.rs"]
mod compare;
#[path = "promql_differential/data.rs"]
mod data;
#[path = "promql_differential/queries.rs"]
mod queries;
#[path = "promql_differential/wire.rs"]
mod wire;

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use hinomi_testkit::hinomi::Options;
use hinomi_testkit::{net, process};

use crate::compare::{Answer, difference};
use crate::data::Data;
use crate::queries::{Dialect, Generator};

/// One answer may take so long.
const LIMIT: Duration = Duration::from_secs(20);

/// A Prometheus that takes remote writes.
struct Prometheus {
    child: Child,
    address: SocketAddr,
    folder: tempfile::TempDir,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        process::signal(self.child.id(), rustix::process::Signal::TERM);
        let _ended = self.child.wait();
    }
}

impl Prometheus {
    fn start(program: &Path, features: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("hinomi-peer-").tempdir()?;
        let address = SocketAddr::from(([127, 0, 0, 1], net::free_port(None)?));
        let config = folder.path().join("prometheus.yml");
        std::fs::write(&config, "global: { scrape_interval: 1h }\n")?;
        let log = File::create(folder.path().join("log"))?;
        let child = Command::new(program)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--web.enable-remote-write-receiver")
            .arg(format!("--enable-feature={features}"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| program.display().to_string())?;
        let peer = Self { child, address, folder };
        let begun = Instant::now();
        while !net::request(None, address, "GET", "/-/ready", &[], &[], LIMIT).is_ok_and(|a| a.status == 200)
        {
            ensure!(begun.elapsed() < Duration::from_secs(60), "it is not ready: {}", peer.log());
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(peer)
    }

    fn log(&self) -> String {
        process::tail(&self.folder.path().join("log"), 20)
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Milliseconds at the last full minute.
#[allow(clippy::cast_possible_truncation, reason = "a time of this century")]
fn whole_minute(seconds: f64) -> i64 {
    (seconds / 60.0) as i64 * 60_000
}

/// The pinned Prometheus, built if there is a Go toolchain.
fn pinned() -> Result<Option<PathBuf>> {
    let script = hinomi_testkit::repository().join("scripts/peers");
    let output = Command::new(&script).output().with_context(|| script.display().to_string())?;
    if output.status.success() {
        return Ok(Some(PathBuf::from(String::from_utf8(output.stdout)?.trim())));
    }
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    if process::find_tool("go").is_some() {
        bail!("{words}");
    }
    Ok(None)
}

#[allow(clippy::print_stderr, reason = "whoever runs the test wants to know how much was compared")]
fn compare_with(program: &Path, features: &str, dialect: Dialect, count: u64, seed: u64) -> Result<()> {
    let hinomi = Options::new().without_collectors().arg("--promql-experimental").start()?;
    let peer = Prometheus::start(program, features)?;
    let clock = hinomi.get("/api/v1/query?query=time()")?;
    let now = clock["data"]["result"][0].as_f64().context("no time")?;
    let data = Data::until(whole_minute(now));
    for body in data.writes(dialect == Dialect::Current) {
        for address in [hinomi.address(), peer.address] {
            let answer = net::request(None, address, "POST", "/api/v1/write", &wire::HEADERS, &body, LIMIT)?;
            let words = String::from_utf8_lossy(&answer.body).into_owned();
            ensure!(matches!(answer.status, 200 | 204), "{address} does not take the samples: {words}");
        }
    }
    let mut generator = Generator::new(seed, dialect, data.end_ms);
    let (mut found, mut empty, mut refused) = (Vec::new(), 0, 0);
    for at in 0..count {
        let query = generator.query();
        let path = query.path();
        let ask = |address| -> Result<Answer> {
            let answer = net::request(None, address, "GET", &path, &[], &[], LIMIT)?;
            Answer::of(&answer.json().with_context(|| query.text.clone())?)
        };
        let (ours, theirs) = (ask(hinomi.address())?, ask(peer.address)?);
        empty += u64::from(theirs.is_empty());
        refused += u64::from(theirs.is_error());
        if let Some(what) = difference(&ours, &theirs) {
            found.push(format!("#{at} {path}\n   {}\n   {what}", query.text));
        }
    }
    let told =
        format!("{count} queries, {empty} without a result, {refused} refused, {} differ", found.len());
    eprintln!("promql differential, {dialect:?}, seed {seed}: {told}");
    found.truncate(20);
    ensure!(found.is_empty(), "{told}:\n{}", found.join("\n"));
    ensure!(empty * 2 < count && refused * 4 < count, "the queries ask too little: {told}");
    Ok(())
}

#[test]
fn as_debians_prometheus() -> Result<()> {
    let suite = "promql differential, Debian's Prometheus";
    let Some(program) = process::find_tool("prometheus") else {
        hinomi_testkit::skip_suite(suite, "no prometheus on this machine");
        return Ok(());
    };
    let features = "promql-negative-offset,promql-at-modifier";
    let count = number("HINOMI_DIFF_QUERIES", 600) / 2;
    compare_with(&program, features, Dialect::Old, count, number("HINOMI_DIFF_SEED", 1))
}

#[test]
#[allow(clippy::print_stderr, reason = "the form that scripts/test counts")]
fn as_the_pinned_prometheus() -> Result<()> {
    let Some(program) = pinned()? else {
        // Not a failure in CI: Debian's Prometheus is asked there in any case.
        eprintln!("skipped suite: promql differential, pinned Prometheus (no Go toolchain to build it)");
        return Ok(());
    };
    let count = number("HINOMI_DIFF_QUERIES", 600);
    let features = "promql-experimental-functions,native-histograms";
    compare_with(&program, features, Dialect::Current, count, number("HINOMI_DIFF_SEED", 1))
}
