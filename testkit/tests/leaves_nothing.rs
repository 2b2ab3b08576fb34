//! Whatever happens to a private dockerd, the machine afterwards is as before. One test in a binary of its own, so that
//! no other test makes and removes things meanwhile.
#![allow(clippy::unwrap_used, reason = "helpers of tests too")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use hinomi_testkit::docker::{Builder, IMAGE, marks_in_use, sweep_stale};
use hinomi_testkit::kernel::OomWitness;
use hinomi_testkit::process::wait_for;
use hinomi_testkit::snapshot::Snapshot;

/// Everything counts in CI. On a machine where others start and stop containers too, only what carries our marks, and
/// is not of another test run that is going on.
fn counts(line: &str, others: &[String]) -> bool {
    let ours = ["hinomi-test", "hinomi-witness", "198.18.", "key.json"];
    let alone = others.is_empty() && std::env::var_os("CI").is_some_and(|ci| ci == "true");
    alone || (ours.iter().any(|mark| line.contains(mark)) && !others.iter().any(|mark| line.contains(mark)))
}

fn same(before: &(Snapshot, Vec<String>), after_what: &str) {
    let left = || -> Vec<String> {
        let all = before.0.difference(&Snapshot::take());
        let mut others = marks_in_use().unwrap();
        others.extend(before.1.iter().cloned());
        all.into_iter().filter(|line| counts(line, &others)).collect()
    };
    // What is lazily unmounted and what the kernel removes in the background takes a moment.
    let gone = wait_for("clean machine", Duration::from_secs(5), || left().is_empty().then_some(()));
    assert!(gone.is_ok(), "after {after_what}:\n{}", left().join("\n"));
}

const HOLD: &str = "HINOMI_TEST_HOLD";

/// What a killed test run is: starts this program again, lets it start a dockerd, kills it.
fn a_run_is_killed() {
    let file = std::env::temp_dir().join(format!("hinomi-hold-{}", std::process::id()));
    let mut run = Command::new(std::env::current_exe().unwrap());
    run.args(["the_machine_is_as_before", "--exact"]).env(HOLD, &file).stdout(Stdio::null());
    let mut run = run.spawn().unwrap();
    wait_for("container of the run", Duration::from_secs(30), || file.exists().then_some(())).unwrap();
    run.kill().unwrap();
    run.wait().unwrap();
    std::fs::remove_file(file).unwrap();
}

fn hold(file: &Path) {
    let docker = Builder::new("held").start().unwrap();
    docker.run_ok(&["run", "-d", "-p", "80:80", IMAGE, "sleep", "1000"]).unwrap();
    let _witness = OomWitness::start().unwrap();
    std::fs::write(file, "").unwrap();
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn the_machine_is_as_before() {
    if let Some(file) = std::env::var_os(HOLD) {
        return hold(Path::new(&file));
    }
    if Builder::new("first").start_or_skip("docker").is_none() {
        return;
    }
    let before = (Snapshot::take(), marks_in_use().unwrap());

    {
        let docker = Builder::new("plain").disk_mib(64).start().unwrap();
        let ended = docker.docker(&["run", "--name", "ends3", IMAGE, "sh", "-c", "exit 3"]).unwrap();
        assert_eq!(ended.status.code(), Some(3));
        docker.run_ok(&["network", "create", "inner"]).unwrap();
        docker.run_ok(&["run", "-d", "--network", "inner", "-p", "80:80", IMAGE, "sleep", "1000"]).unwrap();
        docker.kill9().unwrap();
    }
    same(&before, "kill -9 of dockerd");

    {
        let docker = Builder::new("ctr").own_containerd().live_restore().start().unwrap();
        docker.run_ok(&["run", "-d", "--restart", "always", IMAGE, "sleep", "1000"]).unwrap();
        docker.run_ok(&["run", "-d", "--name", "paused", IMAGE, "sleep", "1000"]).unwrap();
        docker.run_ok(&["pause", "paused"]).unwrap();
        docker.kill9_containerd().unwrap();
        docker.sigstop();
    }
    same(&before, "frozen dockerd, dead containerd, paused container");

    let panicked = std::panic::catch_unwind(|| {
        let docker = Builder::new("panics").start().unwrap();
        docker.run_ok(&["run", "-d", IMAGE, "sleep", "1000"]).unwrap();
        panic!("on purpose");
    });
    assert!(panicked.is_err());
    same(&before, "a panic");

    a_run_is_killed();
    assert!(sweep_stale().unwrap() >= 1);
    drop(OomWitness::start().unwrap());
    same(&before, "a killed test run and a sweep");
}
