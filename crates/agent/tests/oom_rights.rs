//! Rights as an ordinary user has them: never an error, just off, with what replaces it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may stop, and says why it skips"
)]

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use hinomi_agent::rights::{Options, Right, explain};

const SOCKET: &str = "HINOMI_TEST_RIGHTS_SOCKET";
/// Stands for the group `docker`; nobody is in it.
const GROUP: u32 = 64_999;
const NOBODY: u32 = 65_534;

fn options(folder: &std::path::Path) -> Options {
    Options {
        docker_socket: folder.join("sock"),
        data_dir: folder.join("data/hinomi"),
        oom: Default::default(),
        metrics: Default::default(),
    }
}

fn row<'a>(rows: &'a [Right], feature: &str) -> &'a Right {
    rows.iter().find(|row| row.feature == feature).unwrap()
}

/// Runs in the child below, as another user.
#[test]
#[ignore = "is the child of `an_ordinary_user_in_the_sockets_group`"]
fn child() {
    let Some(folder) = std::env::var_os(SOCKET) else { return };
    for right in explain(&options(folder.as_ref())) {
        println!("ROW {} {} {}", u8::from(right.on), right.feature, right.detail);
    }
}

fn rows_as(user: u32, group: u32, folder: &std::path::Path) -> Vec<String> {
    // The build folder may be closed to others.
    let me = folder.join("me");
    std::fs::copy(std::env::current_exe().unwrap(), &me).unwrap();
    let mut command = Command::new(&me);
    command.args(["--exact", "child", "--ignored", "--nocapture"]).env(SOCKET, folder).current_dir("/");
    let out = command.uid(user).gid(group).output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(out.status.success(), "{text}");
    text.lines().filter_map(|line| Some(line.split_once("ROW ")?.1.to_owned())).collect()
}

#[test]
fn an_ordinary_user_in_the_sockets_group() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: needs root to become somebody else");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let socket = folder.path().join("sock");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    std::os::unix::fs::chown(&socket, Some(0), Some(GROUP)).unwrap();
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o660)).unwrap();
    let on = |rows: &[String], feature: &str| {
        let row = rows.iter().find(|row| row.get(2..).is_some_and(|rest| rest.starts_with(feature))).unwrap();
        (row.starts_with('1'), row.clone())
    };
    let rows = rows_as(NOBODY, GROUP, folder.path());
    assert_eq!(rows.len(), 9, "{rows:#?}");
    assert!(on(&rows, "docker ").0, "{rows:#?}");
    assert!(on(&rows, "container of a process ").0, "{rows:#?}");
    assert!(on(&rows, "listening ports ").0, "{rows:#?}");
    let (tracefs, text) = on(&rows, "oom: victim ");
    assert!(!tracefs && text.contains("the kernel's log replaces it"), "{text}");
    assert!(!on(&rows, "data ").0, "{rows:#?}");
    if std::fs::read_to_string("/proc/sys/kernel/dmesg_restrict").is_ok_and(|text| text.trim() == "1") {
        let (kmsg, text) = on(&rows, "oom: kernel log ");
        assert!(!kmsg && text.contains("CAP_SYSLOG"), "{text}");
    }
    if std::path::Path::new("/sys/fs/cgroup/memory/cgroup.event_control").exists() {
        assert!(!on(&rows, "oom: cgroup ").0, "{rows:#?}");
    }
    // Outside the group the socket is closed, and that is all that changes.
    let others = rows_as(NOBODY, NOBODY, folder.path());
    let (docker, text) = on(&others, "docker ");
    assert!(!docker && text.contains("Permission denied"), "{text}");
    assert_eq!(
        rows.iter().filter(|row| row.starts_with('1')).count() - 1,
        others.iter().filter(|row| row.starts_with('1')).count()
    );
}

#[test]
fn nothing_anywhere_is_all_off() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let oom = hinomi_agent::oom::Options {
        proc_root: missing.clone(),
        cgroup_root: missing.clone(),
        tracefs: Some(missing.clone()),
        kmsg: missing.clone(),
    };
    let metrics = hinomi_agent::metrics::Roots {
        proc: missing.clone(),
        sys: missing.clone(),
        cgroup: missing.clone(),
        root: missing.clone(),
    };
    let data_dir = folder.path().join("data");
    let rows = explain(&Options { docker_socket: missing, data_dir, oom, metrics });
    let on: Vec<&str> = rows.iter().filter(|row| row.on).map(|row| row.feature).collect();
    assert_eq!(on, ["data"]);
    assert!(rows.iter().all(|row| !row.detail.is_empty() && !row.right.is_empty() && !row.reason.is_empty()));
    assert!(row(&rows, "data").detail.contains("can be made below"));
}
