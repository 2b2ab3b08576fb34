//! `container_*` of real containers whose load is known.

#![allow(clippy::panic, reason = "helpers of a test fail it")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};

use hinomi_agent::metrics::{ContainerRef, Containers, Families, Options, Roots};
use hinomi_base::clock::Clock;
use hinomi_testkit::docker::{Builder, IMAGE, PrivateDocker};
use hinomi_testkit::process::wait_for;

const MIB: f64 = 1_048_576.0;
const SOON: Duration = Duration::from_secs(45);
const DOWNLOAD_BYTES: usize = 4 << 20;

struct Watched {
    docker: PrivateDocker,
    list: Vec<ContainerRef>,
    containers: Containers,
    families: Families,
}

impl Watched {
    fn run(&mut self, name: &str, options: &[&str], command: &str) {
        let mut args = vec!["run", "-d", "--name", name];
        args.extend(options);
        args.extend([IMAGE, "sh", "-c", command]);
        self.docker.run_ok(&args).expect("it runs");
        let own_network = !options.contains(&"host");
        let text = self.docker.run_ok(&["inspect", name]).expect("inspect");
        let all: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let one = all.get(0).expect("one container");
        let text = |path: &str| one.pointer(path).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
        let labels = one.pointer("/Config/Labels").expect("labels").clone();
        let pid = one.pointer("/State/Pid").and_then(serde_json::Value::as_u64).expect("a number");
        self.list.push(ContainerRef {
            id: text("/Id"),
            pid: pid.try_into().expect("a process number"),
            name: name.to_owned(),
            image: text("/Config/Image"),
            labels: serde_json::from_value::<BTreeMap<String, String>>(labels).expect("labels"),
            own_network,
        });
    }

    fn round(&mut self) -> Instant {
        self.families.clear();
        let at = Instant::now();
        self.containers.collect(&self.list, now_ms(), &mut self.families);
        at
    }

    /// A value of a container; the first of several. `None` if there is none.
    fn value(&self, name: &str, family: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let samples = &self.families.get(family)?.samples;
        let is_it = |pair: &(&str, &str), sample: &hinomi_agent::metrics::Sample| {
            sample.labels.get(pair.0) == Some(pair.1)
        };
        let found = samples
            .iter()
            .find(|sample| is_it(&("name", name), sample) && labels.iter().all(|pair| is_it(pair, sample)));
        found.map(|sample| sample.value)
    }

    fn get(&self, name: &str, family: &str) -> f64 {
        self.value(name, family, &[]).unwrap_or_else(|| panic!("no {family} of {name}"))
    }

    /// Rounds until a number is as wanted.
    fn until(&mut self, name: &str, family: &str, wanted: impl Fn(f64) -> bool) -> f64 {
        let mut last = None;
        let found = wait_for(&format!("{family} of {name}"), SOON, || {
            self.round();
            last = self.value(name, family, &[]);
            last.filter(|value| wanted(*value))
        });
        found.unwrap_or_else(|error| panic!("{error:#}; last {last:?}"))
    }
}

/// The block device that the containers' files are on: the runtime has one of its own.
fn disk_of(docker: &PrivateDocker) -> String {
    let device = std::fs::metadata(docker.data_root()).expect("it is there").dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let uevent = std::fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/uevent")).expect("a device");
    let name = uevent.lines().find_map(|line| line.strip_prefix("DEVNAME=")).expect("its name");
    format!("/dev/{name}")
}

fn now_ms() -> i64 {
    Clock::system().wall() / 1_000_000
}

fn near(value: f64, low: f64, high: f64, what: &str) {
    assert!((low..=high).contains(&value), "{what}: {value} is not between {low} and {high}");
}

#[test]
fn numbers_are_those_of_the_load() {
    let Some(docker) = Builder::new("metrics").disk_mib(256).start_or_skip("metrics of containers") else {
        return;
    };
    let options = Options { host: "here".to_owned(), ..Options::default() };
    let containers = Containers::new(Roots::default(), options);
    let mut watched = Watched { docker, list: Vec::new(), containers, families: Families::new() };
    start(&mut watched);
    processor(&mut watched);
    memory(&mut watched);
    disk(&mut watched);
    network(&mut watched);
    names(&mut watched);
    ended(&mut watched);
}

fn start(watched: &mut Watched) {
    watched.run("burner", &["--cpus", "0.2", "--pids-limit", "50"], "while :; do :; done");
    // A shell variable of 8 MB; then a child that meets the limit and is killed.
    let eat = "x=$(head -c 8000000 /dev/zero | tr '\\0' x); head -c 200000000 /dev/zero | tail > /dev/null; sleep 1000; :";
    watched.run("eater", &["-m", "64m"], eat);
    // Version 1 of newer kernels counts only for devices that some limit was set for.
    let limit = format!("--device-write-bps={}:1gb", disk_of(&watched.docker));
    watched.run("writer", &[&limit], "dd if=/dev/zero of=/file bs=1M count=16 conv=fsync; sleep 1000");
    let compose = ["--label", "com.docker.compose.project=shop", "--label", "com.docker.compose.service=web"];
    let serve = "while [ ! -e /go ]; do sleep 0.1; done; wget -q -O /dev/null $(cat /go); sleep 1000";
    watched.run("loader", &compose, serve);
    watched.run("guest", &["--network", "host"], "sleep 1000");
}

fn processor(watched: &mut Watched) {
    watched.until("burner", "container_cpu_usage_seconds_total", |seconds| seconds > 0.1);
    let (began, before) = (watched.round(), watched.get("burner", "container_cpu_usage_seconds_total"));
    let throttled = watched.get("burner", "container_cpu_cfs_throttled_periods_total");
    std::thread::sleep(Duration::from_secs(4));
    let (ended, after) = (watched.round(), watched.get("burner", "container_cpu_usage_seconds_total"));
    let elapsed = ended.duration_since(began).as_secs_f64();
    near((after - before) / elapsed, 0.08, 0.24, "share of a CPU");
    let more = watched.get("burner", "container_cpu_cfs_throttled_periods_total") - throttled;
    near(more, 1.0, elapsed * 10.0 + 2.0, "throttled periods of 0.1 s");
    let user = watched.get("burner", "container_cpu_user_seconds_total");
    let system = watched.get("burner", "container_cpu_system_seconds_total");
    near(user + system, after * 0.7 - 0.05, after * 1.3 + 0.05, "user and system time");
    assert!(watched.get("burner", "container_cpu_cfs_throttled_seconds_total") > 0.0);
    let spec =
        ["period", "quota", "shares"].map(|key| watched.get("burner", &format!("container_spec_cpu_{key}")));
    assert_eq!(spec.map(|number| number.to_string()), ["100000", "20000", "1024"]);
    assert_eq!(watched.get("burner", "container_threads_max").to_string(), "50");
    assert_eq!(watched.value("eater", "container_spec_cpu_quota", &[]), None);
    assert_eq!(watched.value("eater", "container_cpu_cfs_periods_total", &[]), None);
}

fn memory(watched: &mut Watched) {
    watched.until("eater", "container_oom_events_total", |kills| kills >= 1.0);
    // The shell and its `sleep`; what met the limit has ended.
    watched.until("eater", "container_threads", |threads| threads < 2.5);
    let get = |key: &str| watched.get("eater", &format!("container_{key}"));
    near(get("memory_rss"), 7.5 * MIB, 64.0 * MIB, "rss");
    near(get("memory_usage_bytes"), get("memory_rss"), 64.0 * MIB, "usage");
    near(get("memory_working_set_bytes"), get("memory_rss"), get("memory_usage_bytes"), "working set");
    near(get("memory_max_usage_bytes"), 60.0 * MIB, 64.0 * MIB, "peak");
    near(get("memory_failcnt"), 1.0, 1e9, "hits of the limit");
    assert_eq!(get("spec_memory_limit_bytes").to_string(), (64 << 20).to_string());
    assert_eq!(watched.get("burner", "container_spec_memory_limit_bytes").to_string(), "0");
    let stats =
        watched.docker.run_ok(&["stats", "--no-stream", "--format", "{{.PIDs}}", "eater"]).expect("stats");
    assert_eq!(get("threads").to_string(), stats);
    assert_eq!(get("processes").to_string(), stats);
}

fn disk(watched: &mut Watched) {
    watched.until("writer", "container_fs_writes_bytes_total", |bytes| bytes >= 15.0 * MIB);
    let write = [("operation", "Write")];
    let usage =
        watched.value("writer", "container_blkio_device_usage_total", &write).expect("bytes by operation");
    assert_eq!(usage.to_string(), watched.get("writer", "container_fs_writes_bytes_total").to_string());
    near(usage, 15.0 * MIB, 40.0 * MIB, "bytes written");
    near(watched.get("writer", "container_fs_writes_total"), 1.0, 20_000.0, "writes");
    let disk = disk_of(&watched.docker);
    assert!(watched.value("writer", "container_fs_writes_total", &[("device", &disk)]).is_some(), "{disk}");
}

fn network(watched: &mut Watched) {
    let listener = TcpListener::bind((watched.docker.address_of_host().as_str(), 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    watched.round();
    let before = watched.get("loader", "container_network_receive_bytes_total");
    let go = format!("echo http://{address}/ > /new && mv /new /go");
    watched.docker.run_ok(&["exec", "loader", "sh", "-c", &go]).expect("it goes");
    let (mut stream, _) = listener.accept().expect("it asks");
    let _request = stream.read(&mut [0; 1024]).expect("a request");
    let head = format!("HTTP/1.0 200 OK\r\nContent-Length: {DOWNLOAD_BYTES}\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("a head");
    stream.write_all(&vec![b'x'; DOWNLOAD_BYTES]).expect("a body");
    let wanted = before + DOWNLOAD_BYTES as f64;
    let after = watched.until("loader", "container_network_receive_bytes_total", |bytes| bytes >= wanted);
    near(after - before, DOWNLOAD_BYTES as f64, DOWNLOAD_BYTES as f64 * 1.2, "bytes received");
    near(watched.get("loader", "container_network_transmit_bytes_total"), 100.0, MIB, "bytes sent");
    let eth0 = [("interface", "eth0")];
    assert!(watched.value("loader", "container_network_receive_packets_total", &eth0).is_some());
    assert_eq!(
        watched.value("guest", "container_network_receive_bytes_total", &[]),
        None,
        "the host's is not its own"
    );
}

fn names(watched: &mut Watched) {
    watched.round();
    let names: BTreeSet<&str> = watched
        .families
        .iter()
        .map(|family| &*family.name)
        .filter(|name| name.starts_with("container_"))
        .collect();
    assert!(names.len() >= 35, "{} families: {names:?}", names.len());
    let family = watched.families.get("container_cpu_usage_seconds_total").expect("CPU time");
    let of_loader = |sample: &&hinomi_agent::metrics::Sample| sample.labels.get("name") == Some("loader");
    let labels = &family.samples.iter().find(of_loader).expect("of the container").labels;
    let one = watched.list.iter().find(|one| one.name == "loader").expect("the container");
    let expected = [
        ("id", format!("{}/{}", watched.docker.cgroup_parent(), one.id)),
        ("image", IMAGE.to_owned()),
        ("cpu", "total".to_owned()),
        ("host", "here".to_owned()),
        ("container", "loader".to_owned()),
        ("compose_project", "shop".to_owned()),
        ("compose_service", "web".to_owned()),
        ("container_label_com_docker_compose_project", "shop".to_owned()),
    ];
    for (name, value) in expected {
        assert_eq!(labels.get(name), Some(value.as_str()), "{labels}");
    }
    let age = now_ms() as f64 / 1000.0 - watched.get("loader", "container_start_time_seconds");
    near(age, 0.0, 600.0, "age");
    let scrape = watched.families.get("container_scrape_error").expect("it is always there");
    assert!(scrape.samples.iter().all(|sample| sample.value == 0.0), "{:?}", watched.containers.off());
    // No series twice.
    for family in watched.families.iter() {
        let all: BTreeSet<_> = family.samples.iter().map(|sample| sample.labels.to_string()).collect();
        assert_eq!(all.len(), family.samples.len(), "{}", family.name);
    }
    let off = format!("container metrics: {} families; off: {:?}\n", names.len(), watched.containers.off());
    let _unseen = std::io::stderr().write_all(off.as_bytes());
}

/// What has ended has no numbers, though the list still names it; what is started again has new ones.
fn ended(watched: &mut Watched) {
    watched.docker.run_ok(&["kill", "burner"]).expect("it ends");
    watched.round();
    assert_eq!(watched.value("burner", "container_last_seen", &[]), None);
    assert!(watched.value("eater", "container_last_seen", &[]).is_some());
}
