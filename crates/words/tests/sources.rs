//! Every sentence for people in the sources has a row in the phrasebook.
//!
//! The files below make the texts that reach people. Each of their string literals that looks like words is cut at its
//! holes, and every piece must stand in an English template of the phrasebook.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test")]

use std::path::{Path, PathBuf};

/// Files, and folders with all files in them, that make sentences; below `crates/`.
const MAKERS: [&str; 30] = [
    "timeline/src",
    "alert/src/evidence.rs",
    "alert/src/incidents.rs",
    "alert/src/inspection.rs",
    "alert/src/judge.rs",
    "alert/src/numbers.rs",
    "alert/src/numbers",
    "alert/src/working_hours.rs",
    "alert/src/runtime.rs",
    "alert/src/notify/client.rs",
    "alert/src/notify/http.rs",
    "alert/src/notify/smtp.rs",
    "alert/src/notify/test.rs",
    "alert/src/notify/body.rs",
    "pipeline/src",
    "server/src/error.rs",
    "server/src/query.rs",
    "server/src/language.rs",
    "server/src/receivers.rs",
    "server/src/access/handlers.rs",
    "hinomi/src/up/collectors.rs",
    "hinomi/src/up/numbers.rs",
    "agent/src/rights.rs",
    "agent/src/metrics.rs",
    "agent/src/docker",
    "agent/src/oom",
    "agent/src/docker.rs",
    "agent/src/oom.rs",
    "disk/src/journal/damage.rs",
    "model/src/change.rs",
];
/// Files in these folders that say nothing through the API: what they say is said at the start, in tests, or by `/metrics`
/// and Prometheus' API, whose language is English.
const SILENT: [&str; 8] = [
    "settings.rs",
    "settings/",
    "_tests.rs",
    "/tests.rs",
    "pipeline/src/own.rs",
    "pipeline/src/metrics/ask.rs",
    "pipeline/src/metrics/intake",
    "pipeline/src/backup",
];

/// Words that reach nobody through the API, or are somebody else's words that are looked for.
const NOT_SAID: [&str; 29] = [
    // What others say, looked for.
    "unable to start container process",
    "driver failed programming external connectivity",
    "does not support reading",
    "mark_victim: pid=",
    "No space left",
    "os error 28",
    "Disk quota exceeded",
    "Memory cgroup out of memory",
    "Out of memory",
    "Killed process",
    // Logged, or said at the start, on the terminal.
    "cannot listen on {address}",
    "the API at {address} ended",
    "another program (perhaps another Hinomi)",
    "ports below 1024 are root's",
    "this machine has no such address",
    "choose another address",
    "could not start a thread of Hinomi",
    "a restore into {} was broken off",
    "records that no longer fitted in memory",
    "old records could not be removed",
    "removed a tracefs instance that a dead process left",
    "tracefs instance of another stays",
    // PromQL.
    "{{{of}}}",
    "{{{kinds}}}",
    // Formats and reasons of the code.
    "HttpOnly",
    "\"token\"",
    "Bearer realm=",
    "cannot use certificate",
    "a way is two booleans",
];

#[test]
fn every_sentence_of_the_sources_is_in_the_phrasebook() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned();
    let mut missing = Vec::new();
    let mut pieces_seen = 0;
    for path in MAKERS.iter().flat_map(|maker| sources(&crates.join(maker))) {
        let file = path.strip_prefix(&crates).unwrap().display().to_string();
        if SILENT.iter().any(|silent| file.contains(silent)) {
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
        for (line, literal) in literals(&source) {
            if NOT_SAID.iter().any(|text| literal.contains(text)) {
                continue;
            }
            for piece in pieces(&literal) {
                pieces_seen += 1;
                if !hinomi_words::has_piece(&piece) {
                    missing.push(format!("{file}:{line}: {piece:?}   of   {literal:?}"));
                }
            }
        }
    }
    assert!(pieces_seen > 200, "only {pieces_seen} pieces: the reader of sources is broken");
    assert!(
        missing.is_empty(),
        "{} without a row in crates/words/src/ja.txt:\n{}",
        missing.len(),
        missing.join("\n")
    );
}

/// The source files of a place.
fn sources(place: &Path) -> Vec<PathBuf> {
    if !place.is_dir() {
        return vec![place.to_owned()];
    }
    let entries = std::fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.flat_map(|entry| sources(&entry)).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "rs"));
    files.sort();
    files
}

/// String literals of a source with their lines, without tests, comments, attributes but `error`, and log lines.
fn literals(source: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    // What is open of a statement that says nothing.
    let mut skipped: Vec<char> = Vec::new();
    let mut number = 0;
    let mut lines = source.lines().peekable();
    while let Some(line) = lines.next() {
        number += 1;
        let text = line.trim();
        if text == "#[cfg(test)]" {
            break;
        }
        if !skipped.is_empty() {
            track(text, &mut skipped);
            continue;
        }
        if text.starts_with("//") {
            continue;
        }
        let unsaid =
            ["tracing::", ".contains(", "has(", "has(&", "listens_to:", "#[expect", "#[allow", "#[serde"];
        if unsaid
            .iter()
            .any(|begin| text.starts_with(begin) || text.contains(" has(") || text.contains("if has(&"))
        {
            track(text, &mut skipped);
            continue;
        }
        let begin = number;
        let mut rest = line.to_owned();
        // A literal over several lines: the backslash at the end joins them.
        while rest.matches('"').count() % 2 == 1 && rest.trim_end().ends_with('\\') {
            let Some(next) = lines.next() else { break };
            number += 1;
            let kept = rest.trim_end().trim_end_matches('\\').to_owned();
            rest = kept + next.trim_start();
        }
        let quoted = rest.replace("\\\"", "\u{1}");
        for literal in quoted.split('"').skip(1).step_by(2) {
            found.push((begin, literal.replace('\u{1}', "\"")));
        }
    }
    found
}

/// Brackets that a line opens and closes.
fn track(line: &str, open: &mut Vec<char>) {
    for c in line.chars() {
        match c {
            '(' | '[' => open.push(c),
            ')' | ']' => drop(open.pop()),
            _ => {}
        }
    }
}

/// A literal cut at its holes; only pieces that are words: with a blank inside or between letters and a hole.
fn pieces(literal: &str) -> Vec<String> {
    let whole = literal.replace("{{", "\u{2}").replace("}}", "\u{3}");
    let mut pieces = Vec::new();
    let mut rest = whole.as_str();
    loop {
        let (piece, behind) = match rest.split_once('{') {
            Some((piece, hole)) => (piece, hole.split_once('}').map(|(_, behind)| behind)),
            None => (rest, None),
        };
        // The end of a sentence and what parts sentences are rows of their own in the phrasebook.
        for part in piece.split("; ").flat_map(|part| part.split(". ")) {
            let part = part
                .trim()
                .trim_end_matches(['.', ':', ';', ',', '('])
                .trim_start_matches([')', ',', ';', ':', '.'])
                .trim();
            let words =
                part.split_whitespace().filter(|word| word.chars().any(|c| c.is_ascii_lowercase())).count();
            if words >= 2 || (words == 1 && literal.contains('{') && literal.contains(' ')) {
                pieces.push(part.replace('\u{2}', "{").replace('\u{3}', "}"));
            }
        }
        match behind {
            Some(behind) => rest = behind,
            None => return pieces,
        }
    }
}
