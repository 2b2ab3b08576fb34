//! Inspect answers: what is taken, what is never taken.

use super::*;

const FULL: &str = r#"{
  "Id": "c0ffee", "Created": "2026-11-22T10:37:07.1Z", "Path": "/bin/app", "Args": ["--password", "hunter2", "run"],
  "State": {"Status": "running", "Running": true, "OOMKilled": false, "Pid": 77, "ExitCode": 0, "Error": "",
    "StartedAt": "2026-11-22T10:37:08Z", "FinishedAt": "0001-01-01T00:00:00Z",
    "Health": {"Status": "unhealthy", "FailingStreak": 4, "Log": [{"ExitCode": 0, "Output": "ok"},
      {"ExitCode": 1, "Output": "token=abc refused\n"}]}},
  "Image": "sha256:1", "Name": "/hin_web_1", "RestartCount": 2,
  "HostConfig": {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 4}, "AutoRemove": false,
    "LogConfig": {"Type": "json-file"}, "Memory": 25165824, "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": ""}]}},
  "Config": {"Image": "bb:1", "Env": ["DB_PASSWORD=verysecret", "PATH=/bin"], "AttachStdout": true, "StopSignal": "SIGQUIT",
    "Labels": {"com.docker.compose.project": "hin", "com.docker.compose.service": "web", "api_key": "abcdef"},
    "Healthcheck": {"Test": ["CMD-SHELL", "true"], "Interval": 5000000000, "StartPeriod": 2000000000, "Retries": 0}},
  "NetworkSettings": {"Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "32768"}, {"HostIp": "::", "HostPort": "32768"}],
    "53/udp": [{"HostIp": "10.0.0.1", "HostPort": "53"}], "9/tcp": null}}
}"#;

fn full() -> Inspect {
    serde_json::from_str(FULL).expect("an inspection")
}

#[test]
fn whose_network_it_is() {
    for (mode, own) in
        [("default", true), ("shop_net", true), ("none", true), ("host", false), ("container:77", false)]
    {
        let mut inspect = full();
        inspect.host.network = mode.to_owned();
        assert_eq!(inspect.has_own_network(), own, "{mode}");
    }
}

#[test]
fn a_spec_without_secrets() {
    let inspect = full();
    assert!(!format!("{inspect:?}").contains("verysecret"), "the environment is not even decoded");
    let spec = inspect.spec();
    let port = |container_port, host_port, protocol: &str| PortSpec {
        container_port,
        host_port,
        protocol: protocol.to_owned(),
    };
    assert_eq!(spec.ports, [port(53, 53, "udp"), port(80, 32768, "tcp")]);
    assert_eq!(spec.command, "/bin/app --password [redacted] run");
    assert_eq!(spec.restart, RestartPolicy::OnFailure { max_retries: 4 });
    assert_eq!((spec.health_interval_ms, spec.health_start_period_ms, spec.health_retries), (5000, 2000, 3));
    assert_eq!((spec.stop_timeout_ms, spec.stop_signal, spec.memory_limit_bytes), (10_000, 3, 24 << 20));
    assert!(!spec.attached, "compose says so of everything");
    assert_eq!(spec.labels.get("api_key").map(String::as_str), Some("[redacted]"));
    assert_eq!(inspect.published(80), Some(("127.0.0.1".to_owned(), 32768)));
    assert_eq!(inspect.probe(), (4, Some("exit 1: token=[redacted] refused".to_owned())));
    assert_eq!((inspect.health(), inspect.finished_at()), (Some(HealthStatus::Unhealthy), None));
}

#[test]
fn sparse_answers_read_as_defaults() {
    for text in [
        r"{}",
        r#"{"State":{"Health":null},"Config":{"Labels":null,"Healthcheck":null},"HostConfig":null,"Args":null}"#,
    ] {
        let inspect: Inspect = serde_json::from_str(text).expect("defaults");
        assert_eq!(inspect.spec().restart, RestartPolicy::No);
        assert_eq!(inspect.health(), None);
    }
    let none = r#"{"Config":{"Healthcheck":{"Test":["NONE"]}}}"#;
    assert!(!serde_json::from_str::<Inspect>(none).expect("defaults").spec().has_health_check);
    assert!(serde_json::from_str::<Inspect>(r#"{"State":7}"#).is_err());
}

#[test]
fn before_a_start_ports_are_as_asked_for() {
    let mut inspect = full();
    inspect.network.ports.clear();
    let ports = inspect.spec().ports;
    assert_eq!((ports[0].container_port, ports[0].host_port), (80, 0));
}

#[test]
fn workloads() {
    let labels = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let (project, service, oneoff) =
        ("com.docker.compose.project", "com.docker.compose.service", "com.docker.compose.oneoff");
    let table = [
        (labels(&[]), WorkloadKind::LoneContainer, "w"),
        (labels(&[(project, "p"), (service, "web")]), WorkloadKind::ComposeService, "p/web"),
        (
            labels(&[(project, "p"), (service, "web"), (oneoff, "False")]),
            WorkloadKind::ComposeService,
            "p/web",
        ),
        (labels(&[(project, "p"), (service, "web"), (oneoff, "True")]), WorkloadKind::LoneContainer, "w"),
        (labels(&[(project, "p")]), WorkloadKind::LoneContainer, "w"),
    ];
    for (labels, kind, shown) in table {
        let got = workload("w", &labels);
        assert_eq!((got.kind, got.to_string().as_str()), (kind, shown), "{labels:?}");
    }
    assert_eq!(resource("c", "n", "0123456789abcdef", "", &BTreeMap::new()).name, "0123456789ab");
}

#[test]
fn everything_is_bounded() {
    let mut inspect = full();
    inspect.args = vec!["\u{706b}".repeat(5000); 20];
    inspect.config.labels = (0..200).map(|i| (format!("k{i}{}", "x".repeat(500)), "y".repeat(500))).collect();
    let spec = inspect.spec();
    assert!(spec.command.len() <= 1024 && spec.labels.len() == 64);
    assert!(spec.labels.iter().all(|(key, value)| key.len() <= 256 && value.len() <= 256));
}

#[test]
fn listed_words() {
    let listed = |status: &str| Listed {
        names: vec!["/other/alias".to_owned(), "/web".to_owned()],
        status: status.to_owned(),
        ..Listed::default()
    };
    assert_eq!(listed("").name(), "web");
    let table = [
        ("Up 3 minutes (healthy)", Some(HealthStatus::Healthy)),
        ("Up 1 second (health: starting)", Some(HealthStatus::Starting)),
        ("Up 3 minutes (unhealthy)", Some(HealthStatus::Unhealthy)),
        ("Up 3 minutes", None),
        ("Up 3 minutes (Paused)", None),
        ("Exited (3) 2 seconds ago", None),
    ];
    for (status, want) in table {
        assert_eq!(listed(status).health(), want, "{status}");
    }
}

#[test]
fn signals() {
    let table = [
        ("9", Some(9)),
        ("KILL", Some(9)),
        ("SIGTERM", Some(15)),
        ("sigusr1", Some(10)),
        ("RTMIN+3", Some(37)),
        ("x", None),
        ("", None),
    ];
    for (text, want) in table {
        assert_eq!(signal_number(text), want, "{text}");
    }
}
