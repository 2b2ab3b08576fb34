//! The short forms of all measurements: a line that does not hold fails its test. Those of `kills` and `limits` are
//! tests of their own (`tests/e2e/tests/metrics_kills.rs`, `metrics_limits.rs`).

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "the helper is a test too")]

use hinomi_bench::{ALL, Form};

fn holds(name: &str) {
    if let Some(reason) = hinomi_testkit::docker::unavailable() {
        return hinomi_testkit::skip_suite("bench", &reason);
    }
    let bench = ALL.iter().find(|bench| bench.name == name).unwrap();
    let lines = (bench.run)(Form::Short).unwrap_or_else(|error| panic!("{error:#}"));
    for line in &lines {
        println!("{line}");
    }
    let broken: Vec<String> = lines.iter().filter(|line| !line.holds()).map(ToString::to_string).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn latency() {
    holds("latency");
}

#[test]
fn shortlived() {
    holds("shortlived");
}

#[test]
fn burst() {
    holds("burst");
}

#[test]
fn rest() {
    holds("rest");
}

#[test]
fn endurance() {
    holds("endurance");
}

#[test]
fn disk() {
    holds("disk");
}

#[test]
fn page() {
    if let Some(reason) = hinomi_testkit::page::unavailable() {
        return hinomi_testkit::skip_suite("bench of the page", &reason);
    }
    holds("page");
}

#[test]
fn soak() {
    if let Some(reason) = hinomi_testkit::page::unavailable() {
        return hinomi_testkit::skip_suite("soak of the page", &reason);
    }
    holds("soak");
}

#[test]
fn ingest() {
    holds("ingest");
}

#[test]
fn ask() {
    holds("ask");
}

#[test]
fn recovery() {
    holds("recovery");
}
