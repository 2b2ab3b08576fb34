//! Rules of the repository as a test: layers, file heads, forbidden words. Lengths are only printed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::Context as _;

/// Layer of each crate: it may use crates of lower layers only, never a sibling.
const LAYERS: [(&str, u8); 16] = [
    ("hinomi", 7),
    ("hinomi-server", 6),
    ("hinomi-pipeline", 5),
    ("hinomi-agent", 4),
    ("hinomi-alert", 4),
    ("hinomi-records", 3),
    ("hinomi-tsdb", 3),
    ("hinomi-query", 2),
    ("hinomi-timeline", 2),
    ("hinomi-wire", 2),
    ("hinomi-disk", 2),
    ("hinomi-model", 1),
    ("hinomi-words", 1),
    ("hinomi-series", 0),
    ("hinomi-config", 0),
    ("hinomi-base", 0),
];
/// A file of more lines than this is printed.
const LONG_FILE: usize = 400;
/// Endings of the files that are looked at.
const TEXT: [&str; 10] = ["rs", "md", "toml", "sh", "yaml", "yml", "json", "test", "service", ""];

pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the repository")?;
    let mut problems = layers(root)?;
    let files = tracked(root)?;
    let mut long = Vec::new();
    for file in &files {
        let Ok(text) = std::fs::read_to_string(root.join(file)) else { continue };
        problems.extend(heads(file, &text));
        problems.extend(words(file, &text));
        let lines = text.lines().count();
        if file.extension().is_some_and(|ext| ext == "rs") && lines > LONG_FILE {
            long.push((lines, file.display().to_string()));
        }
    }
    report(&problems, long);
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[expect(clippy::print_stdout, reason = "a command-line tool")]
fn report(problems: &[String], mut long: Vec<(usize, String)>) {
    long.sort_unstable_by(|a, b| b.cmp(a));
    for (lines, file) in long.iter().take(10) {
        println!("long: {lines} lines {file}");
    }
    for problem in problems {
        println!("tidy: {problem}");
    }
    println!("tidy: {} problem(s)", problems.len());
}

fn layers(root: &Path) -> anyhow::Result<Vec<String>> {
    let out = Command::new("cargo")
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root)
        .output()
        .context("running cargo metadata")?;
    let metadata: serde_json::Value =
        serde_json::from_slice(&out.stdout).context("reading cargo metadata")?;
    let table: BTreeMap<&str, u8> = LAYERS.into_iter().collect();
    let mut problems = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(layer) = table.get(name) else { continue };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let used = dependency["name"].as_str().unwrap_or_default();
            let normal = dependency["kind"].is_null();
            if normal && table.get(used).is_some_and(|lower| lower >= layer) {
                problems.push(format!("{name} (layer {layer}) must not use {used}"));
            }
        }
    }
    Ok(problems)
}

fn tracked(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let out = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("running git ls-files")?;
    let list = String::from_utf8_lossy(&out.stdout).into_owned();
    Ok(list.lines().map(PathBuf::from).collect())
}

/// Every source file begins by saying what it is; module files are `foo.rs`, not `foo/mod.rs`.
fn heads(file: &Path, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let source = file.extension().is_some_and(|ext| ext == "rs");
    if source && !text.starts_with("//!") && !text.starts_with("#!") {
        problems.push(format!("{}: begins without a //! head", file.display()));
    }
    if file.file_name().is_some_and(|name| name == "mod.rs") {
        problems.push(format!("{}: name it after its folder instead", file.display()));
    }
    problems
}

/// Left-overs and places that only exist on somebody's machine.
fn words(file: &Path, text: &str) -> Vec<String> {
    let extension = file.extension().map_or("", |ext| ext.to_str().unwrap_or(""));
    if !TEXT.contains(&extension) || file.ends_with("tidy.rs") || file.ends_with("Cargo.lock") {
        return Vec::new();
    }
    let banned = ["TODO", "FIXME", "XXX", "/work/", ".library", "unimplemented!("];
    let mut problems = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for word in banned.iter().filter(|word| line.contains(**word)) {
            problems.push(format!("{}:{}: {word}", file.display(), number + 1));
        }
    }
    problems
}
