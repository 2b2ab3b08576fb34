//! `make demo` does what it says, and `make demo-down` removes that and nothing else.
#![allow(clippy::unwrap_used, reason = "helpers of tests too")]

use std::time::Duration;

use hinomi_testkit::docker::{Builder, IMAGE, PrivateDocker};
use hinomi_testkit::process::{checked, wait_for};

fn demo(docker: &PrivateDocker, verb: &str) {
    let script = hinomi_testkit::repository().join("scripts/demo");
    checked(docker.command("env").arg(script).arg(verb)).unwrap();
}

fn becomes(docker: &PrivateDocker, container: &str, template: &str, wanted: impl Fn(&str) -> bool) {
    let mut last = String::new();
    let seen = wait_for(container, Duration::from_secs(45), || {
        last = docker.inspect(container, template).unwrap();
        wanted(&last).then_some(())
    });
    assert!(seen.is_ok(), "{container}: {template} stayed {last}");
}

#[test]
fn every_workload_shows_its_trouble_and_down_removes_them_only() {
    let Some(docker) = Builder::new("demo").start_or_skip("demo") else { return };
    let foreign =
        docker.run_ok(&["run", "-d", "--name", "foreign", "--init", IMAGE, "sleep", "1000"]).unwrap();
    let everything = ["ps", "-aq", "--no-trunc"];
    for _again in 0..2 {
        demo(&docker, "up");
        assert_eq!(
            docker.run_ok(&everything).unwrap().lines().count(),
            9,
            "eight of the demo and a foreign one"
        );
    }

    becomes(&docker, "demo-web", "{{.State.Health.Status}}", |status| status == "healthy");
    becomes(&docker, "demo-load", "{{.State.Status}}", |status| status == "running");
    becomes(&docker, "demo-oom", "{{.State.OOMKilled}} {{.RestartCount}}", |text| {
        text.split(' ').next_back().is_some_and(|count| count != "0")
    });
    becomes(&docker, "demo-crash", "{{.State.ExitCode}}", |code| code == "3");
    becomes(&docker, "demo-unhealthy", "{{.State.Health.Status}}", |status| status == "unhealthy");
    becomes(&docker, "demo-badcmd", "{{.State.Status}} {{.State.ExitCode}}", |text| text == "created 127");
    becomes(&docker, "demo-port", "{{.State.Status}} {{.State.Error}}", |text| {
        text.starts_with("created") && text.contains("already")
    });
    becomes(&docker, "demo-leak", "{{.State.Status}}", |status| status == "running");

    demo(&docker, "down");
    assert_eq!(docker.run_ok(&everything).unwrap(), foreign);
    assert_eq!(docker.run_ok(&["images", "--format", "{{.Repository}}"]).unwrap(), IMAGE);
    let networks = docker.run_ok(&["network", "ls", "--format", "{{.Name}}"]).unwrap();
    assert!(!networks.contains("demo"), "{networks}");
}
