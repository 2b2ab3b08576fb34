//! The private dockerd against the real thing: what tests of Hinomi rely on.
#![allow(clippy::unwrap_used, reason = "helpers of tests too")]

use std::time::Duration;

use hinomi_testkit::compose;
use hinomi_testkit::docker::{Builder, IMAGE, PrivateDocker};
use hinomi_testkit::kernel::OomWitness;
use hinomi_testkit::net;
use hinomi_testkit::process::{lives, wait_for};

const SUITE: &str = "docker";

fn pid_of(docker: &PrivateDocker, container: &str) -> u32 {
    docker.inspect(container, "{{.State.Pid}}").unwrap().parse().unwrap()
}

#[test]
fn two_at_once_with_networks_ports_and_labels() {
    let Some(one) = Builder::new("one").start_or_skip(SUITE) else { return };
    let Some(two) = Builder::new("two").start_or_skip(SUITE) else { return };
    assert_ne!(one.socket(), two.socket());
    for docker in [&one, &two] {
        let serve = "echo hello > /tmp/index.html; exec httpd -f -p 80 -h /tmp";
        docker.run_ok(&["network", "create", "inner"]).unwrap();
        let run =
            ["run", "-d", "--name", "web", "--network", "inner", "-p", "8080:80", IMAGE, "sh", "-c", serve];
        docker.run_ok(&run).unwrap();
        let fetch =
            ["run", "--rm", "--network", "inner", IMAGE, "sh", "-c", "sleep 0.3; wget -qO- http://web/"];
        assert_eq!(docker.run_ok(&fetch).unwrap(), "hello", "by name, on a user network");

        let get = |netns: Option<&std::path::Path>, to: String| {
            net::request(netns, to.parse().unwrap(), "GET", "/", &[], b"", Duration::from_secs(2))
                .unwrap()
                .body
        };
        assert_eq!(get(None, format!("{}:8080", docker.address_of_ports())), b"hello\n", "published port");
        assert_eq!(get(Some(&docker.netns()), "127.0.0.1:8080".into()), b"hello\n", "loopback inside");
        let direct = docker.container_address("web").unwrap();
        assert_eq!(get(None, format!("{direct}:80")), b"hello\n", "the container's own address");

        let label = format!("label={}", docker.label());
        assert_eq!(docker.run_ok(&["ps", "-q", "--filter", &label]).unwrap().lines().count(), 1);
    }
}

#[test]
fn live_restore_survives_a_kill_and_a_reboot_does_not() {
    let Some(docker) = Builder::new("live").live_restore().start_or_skip(SUITE) else { return };
    let run = ["run", "-d", "--init", "--restart", "always", "--name", "lives", IMAGE, "sleep", "1000"];
    docker.run_ok(&run).unwrap();
    let pid = pid_of(&docker, "lives");
    docker.kill9().unwrap();
    assert!(docker.pid() == 0 && docker.docker(&["ps"]).unwrap().status.code() == Some(1));
    assert!(lives(pid));
    docker.start_again().unwrap();
    assert_eq!(pid_of(&docker, "lives"), pid);

    docker.reboot_imitation().unwrap();
    assert!(!lives(pid));
    let again = wait_for("restart by its policy", Duration::from_secs(10), || {
        Some(pid_of(&docker, "lives")).filter(|pid| *pid != 0)
    });
    assert_ne!(again.unwrap(), pid);
}

#[test]
fn a_frozen_dockerd_hangs_and_goes_on() {
    let Some(docker) = Builder::new("frozen").start_or_skip(SUITE) else { return };
    docker.sigstop();
    let ask = || {
        let mut ps = docker.command("timeout");
        ps.args(["1", "docker", "ps"]).output().unwrap().status.code()
    };
    assert_eq!(ask(), Some(124));
    docker.sigcont();
    assert_eq!(ask(), Some(0));
    docker.stop().unwrap();
    docker.start_again().unwrap();
}

#[test]
fn with_its_own_containerd_a_dead_container_stays_up_in_name() {
    let Some(docker) = Builder::new("ctr").own_containerd().start_or_skip(SUITE) else { return };
    let id = docker.run_ok(&["run", "-d", "--name", "ph", IMAGE, "sleep", "1"]).unwrap();
    assert!(docker.shim_pid(&id).is_some());
    let pid = pid_of(&docker, "ph");
    docker.kill9_containerd().unwrap();
    wait_for("its end", Duration::from_secs(5), || (!lives(pid)).then_some(())).unwrap();
    docker.start_containerd().unwrap();
    assert_eq!(docker.inspect("ph", "{{.State.Status}}").unwrap(), "running");
}

#[test]
fn a_small_disk_fills() {
    let Some(docker) = Builder::new("disk").disk_mib(64).start_or_skip(SUITE) else { return };
    let fill = docker.docker(&["run", "--name", "fill", IMAGE, "dd", "if=/dev/zero", "of=/tmp/x", "bs=64k"]);
    let said = String::from_utf8_lossy(&fill.unwrap().stderr).into_owned();
    assert!(said.contains("No space left on device"), "{said}");
    docker.reboot_imitation().unwrap();
    assert_eq!(docker.inspect("fill", "{{.State.ExitCode}}").unwrap(), "1", "the disk outlives a power cut");
}

#[test]
fn the_witness_sees_a_kill_for_memory() {
    let Some(docker) = Builder::new("oom").start_or_skip(SUITE) else { return };
    let witness = OomWitness::start().unwrap();
    let limit = ["-m", "20m", "--memory-swap", "20m"];
    let run: Vec<&str> = ["run", "-d", "--name", "eats"]
        .into_iter()
        .chain(limit)
        .chain([IMAGE, "tail", "/dev/zero"])
        .collect();
    docker.run_ok(&run).unwrap();
    let victim = witness.wait_for(Duration::from_secs(10), |victim| victim.comm == "tail").unwrap();
    assert!(victim.pid > 0 && victim.monotonic_ns > 0);
    assert_eq!(docker.run_ok(&["wait", "eats"]).unwrap(), "137");
}

#[test]
fn compose_up_scale_down() {
    if let Some(reason) = compose::unavailable() {
        return hinomi_testkit::skip_suite("compose", &reason);
    }
    let Some(docker) = Builder::new("compose").start_or_skip("compose") else { return };
    let file = docker.base().join("compose.yaml");
    let text =
        format!("version: '3'\nservices:\n  web: {{ image: {IMAGE}, command: sleep 1000, init: true }}\n");
    std::fs::write(&file, text).unwrap();
    compose::compose(&docker, "hin", &file, &["up", "-d", "--scale", "web=2"]).unwrap();
    let filter = "label=com.docker.compose.service=web";
    assert_eq!(docker.run_ok(&["ps", "-q", "--filter", filter]).unwrap().lines().count(), 2);
    compose::compose(&docker, "hin", &file, &["down", "-t", "1"]).unwrap();
    assert_eq!(docker.run_ok(&["ps", "-aq"]).unwrap(), "");
}
