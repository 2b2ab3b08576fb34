//! Results: a JSON file that keeps the last of each measurement and form, and the document made from it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::{ALL, Form, Line};

/// Where results are kept, in the repository.
#[must_use]
pub fn results_file() -> PathBuf {
    hinomi_testkit::repository().join("benches/results.json")
}

/// The document made from them.
#[must_use]
pub fn document_file() -> PathBuf {
    hinomi_testkit::repository().join("docs/benchmarks.md")
}

/// A measurement's result as it is kept.
#[must_use]
pub fn result(form: Form, lines: &[Line], load_before: f64, seconds: f64) -> Value {
    let lines = lines.iter().map(|line| {
        json!({
            "name": line.name, "value": line.value, "unit": line.unit, "shown": line.value_text(),
            "limit": line.limit_text(), "ok": line.holds(), "has_limit": line.limit.is_some(), "note": line.note,
        })
    });
    json!({
        "form": form.word(),
        "date": jiff::Timestamp::now().strftime("%Y-%m-%d").to_string(),
        "commit": commit(),
        "machine": machine(),
        "load_before": load_before,
        "seconds": seconds,
        "lines": lines.collect::<Vec<_>>(),
    })
}

/// Puts a result into the file, in the place of the last one of the same measurement and form.
///
/// # Errors
///
/// When the file cannot be read or written.
pub fn keep(file: &Path, name: &str, form: Form, result: Value) -> Result<()> {
    let mut all = read(file)?;
    all.insert(format!("{name}/{}", form.word()), result);
    let text = serde_json::to_string_pretty(&all)? + "\n";
    std::fs::write(file, text).with_context(|| format!("write {}", file.display()))
}

/// All kept results, by `measurement/form`.
///
/// # Errors
///
/// When the file is there and cannot be read.
pub fn read(file: &Path) -> Result<BTreeMap<String, Value>> {
    match std::fs::read(file) {
        Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| format!("read {}", file.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error).with_context(|| format!("read {}", file.display())),
    }
}

/// The document.
#[must_use]
pub fn document(all: &BTreeMap<String, Value>) -> String {
    let mut text = String::from(
        "# Benchmarks\n\n\
         Made by `make bench` from `benches/results.json`; do not edit. `make bench ARGS=\"latency --short\"` runs one \
         measurement in its short form. The short forms run as tests, with the same limits.\n\n\
         Every measurement runs the built binary against a dockerd of its own. Truth comes from independent witnesses: \
         a tracefs instance for kills, dockerd's answers and events, the receiver's monotonic clock. Everything random \
         follows from a fixed seed.\n",
    );
    for bench in &ALL {
        for form in [Form::Full, Form::Short] {
            if let Some(result) = all.get(&format!("{}/{}", bench.name, form.word())) {
                let shown = section(bench.name, bench.what, form, result);
                text.push_str(&shown);
                break;
            }
        }
    }
    text
}

fn section(name: &str, what: &str, form: Form, result: &Value) -> String {
    let word = |key: &str| result[key].as_str().unwrap_or_default().to_owned();
    let number = |key: &str| result[key].as_f64().unwrap_or(f64::NAN);
    let mut text = format!("\n## {name}\n\n{}.\n\n", capital(what));
    let _infallible = writeln!(
        text,
        "{} form, {}, commit {}, {:.0} s, load before {:.2}. {}\n",
        capital(form.word()),
        word("date"),
        word("commit"),
        number("seconds"),
        number("load_before"),
        word("machine"),
    );
    text.push_str("| line | value | limit | | note |\n|---|---|---|---|---|\n");
    for line in result["lines"].as_array().into_iter().flatten() {
        let cell = |key: &str| line[key].as_str().unwrap_or_default().replace('|', "\\|").replace('\n', " ");
        let verdict = match (line["has_limit"] == true, line["ok"] == true) {
            (false, _) => "",
            (true, true) => "ok",
            (true, false) => "**FAIL**",
        };
        let row = [cell("name"), cell("shown"), cell("limit"), verdict.to_owned(), cell("note")];
        let _infallible = writeln!(text, "| {} |", row.join(" | "));
    }
    text
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn said(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).current_dir(hinomi_testkit::repository()).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

/// Short hash; with a mark when the sources are not as committed.
fn commit() -> String {
    let hash = said("git", &["rev-parse", "--short", "HEAD"]);
    let changed = said("git", &["status", "--porcelain", "--", "crates", "Cargo.toml", "Cargo.lock"]);
    let mark = if changed.is_empty() { "" } else { " with changes" };
    if hash.is_empty() { "unknown".to_owned() } else { format!("{hash}{mark}") }
}

fn machine() -> String {
    let field = |file: &str, key: &str| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default().to_owned();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let kib: u64 =
        field("/proc/meminfo", "MemTotal").split(' ').next().and_then(|kib| kib.parse().ok()).unwrap_or(0);
    let cpu = field("/proc/cpuinfo", "model name");
    let docker = said("dockerd", &["--version"]);
    let docker = docker.split(',').next().unwrap_or_default().to_owned();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cgroup = if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() { "v2" } else { "v1" };
    let gib = kib / (1 << 20);
    format!("{cores} cores ({cpu}), {gib} GiB, Linux {}, cgroup {cgroup}, {docker}.", kernel.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_takes_the_place_of_its_like_and_shows() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("results.json");
        let lines = |value| vec![Line::at_most("rest.cpu", value, "%", 1.0).noted("a|b")];
        for value in [0.5, 2.0] {
            keep(&file, "rest", Form::Full, result(Form::Full, &lines(value), 0.1, 9.0)).unwrap();
        }
        keep(&file, "rest", Form::Short, result(Form::Short, &lines(0.7), 0.1, 9.0)).unwrap();
        let all = read(&file).unwrap();
        assert_eq!(all.len(), 2);
        let text = document(&all);
        assert!(text.contains("| rest.cpu | 2 % | ≤ 1 % | **FAIL** | a\\|b |"), "{text}");
        assert!(!text.contains("0.7"), "the full form stands in the document:\n{text}");
    }
}
