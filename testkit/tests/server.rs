//! The fixture of a running Hinomi, tried with a stand-in that serves files: what is tested here is the fixture.
#![allow(clippy::unwrap_used, reason = "helpers of tests too")]

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use hinomi_testkit::docker::Builder;
use hinomi_testkit::hinomi::Options;
use hinomi_testkit::process::lives;

const STAND_IN: &str = r#"#!/bin/sh
[ "$1" = up ] || { echo "asked: $*"; exit 1; }
echo "watching $DOCKER_HOST"
folder=$(sed -n 's/^data_dir: //p' "$3"); port=$(sed -n 's/^listen: //p' "$3")
grep -q '^broken' "$3" && exit 7
mkdir -p "$folder/-" && echo ready > "$folder/-/ready" && echo '{"a":1}' > "$folder/state"
exec busybox httpd -f -p "$port" -h "$folder"
"#;

#[test]
fn starts_asks_measures_kills_and_starts_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stand-in");
    std::fs::write(&file, STAND_IN).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    let options = || Options::new().binary(&file);

    let broken = options().config("broken: true").start().unwrap_err().to_string();
    assert!(broken.contains("exit status: 7") && broken.contains("watching"), "{broken}");

    let Some(docker) = Builder::new("server").start_or_skip("docker") else { return };
    let mut server = options().docker(&docker).start().unwrap();
    assert_eq!(server.get("/state").unwrap()["a"], 1);
    assert!(server.get("/none").is_err());
    assert_eq!(server.wait_for("/state", Duration::from_secs(1), |state| state["a"].as_i64()).unwrap(), 1);
    assert!(server.pss_kib().unwrap() > 0 && server.cpu_seconds().unwrap() >= 0.0);
    assert!(server.log_end().contains(&docker.host()));

    let asked = server.cli(&["status"]).unwrap();
    let said = String::from_utf8_lossy(&asked.stdout).into_owned();
    assert!(
        asked.status.code() == Some(1) && said.contains(&format!("--server http://{}", server.address()))
    );

    let pid = server.pid();
    server.kill9().unwrap();
    assert!(server.pid() == 0 && !lives(pid) && server.get("/state").is_err());
    server.start_again().unwrap();
    server.get("/state").unwrap();
    let pid = server.pid();
    drop(server);
    assert!(!lives(pid));
}
