//! With the real engine: what collectors write is measured, judged and told.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::cast_precision_loss, reason = "a test")]

use std::sync::Mutex;

use hinomi_alert::Effect;
use hinomi_alert::settings::Route;
use hinomi_base::budget::Budget;
use hinomi_base::clock::{Clock, Source as ClockSource};
use hinomi_base::counters::Counters;
use hinomi_model::*;
use hinomi_series::{Labels, METRIC_NAME};
use hinomi_tsdb::{Batch, SeriesKey};
use jiff::tz::TimeZone;

use super::*;
use crate::Handle;
use crate::settings::Settings;

/// A clock that shows what it is set to.
#[derive(Default)]
struct Set(Mutex<i64>);

impl ClockSource for Set {
    fn wall(&self) -> i64 {
        *self.0.lock().unwrap()
    }

    fn boot(&self) -> i64 {
        *self.0.lock().unwrap()
    }
}

struct Site {
    handle: Handle,
    clock: Arc<Set>,
    _folder: tempfile::TempDir,
}

/// A value by the seconds that are left until now.
type Value<'a> = &'a dyn Fn(f64) -> f64;

const MIB: f64 = 1_048_576.0;
const GIB: f64 = 1024.0 * MIB;

impl Site {
    fn new(now: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(Set(Mutex::new(Nanos::parse_rfc3339(now).unwrap().0)));
        let mut settings = Settings { data_dir: folder.path().to_owned(), ..Settings::default() };
        settings.host.name = "edo".to_owned();
        settings.working_hours.hours.zone = TimeZone::get("Asia/Tokyo").unwrap();
        settings.routes = vec![Route { receiver: "oncall".to_owned(), levels: None }];
        let (_service, handle, _intake) = crate::open(crate::Options {
            settings,
            clock: Clock::new(clock.clone()),
            budget: Budget::new(512 << 20),
            counters: Counters::default(),
        })
        .unwrap();
        Self { handle, clock, _folder: folder }
    }

    fn now(&self) -> Nanos {
        Nanos(self.clock.wall())
    }

    /// A container that runs since so long.
    fn container(&self, number: usize, since: Duration) -> (String, String) {
        let (name, uid) = (format!("web{number}"), format!("{number:064x}"));
        let workload =
            WorkloadRef { kind: WorkloadKind::LoneContainer, project: String::new(), name: name.clone() };
        let id = Arc::new(ResourceId {
            tenant: Tenant::default(),
            cluster: "edo".to_owned(),
            kind: ResourceKind::Container,
            uid: uid.clone(),
            name: name.clone(),
            node: "edo".to_owned(),
            workload: Some(workload),
        });
        let at = self.now().minus(since);
        let spec = Spec { image: "app:1".to_owned(), ..Spec::default() };
        let run = RunState { pid: 1, started_at: Some(at) };
        for fact in [Fact::Spec(Box::new(spec)), Fact::Phase(Phase::Running(run))] {
            let change = StateChange {
                resource: Arc::clone(&id),
                fact,
                old: None,
                reason: None,
                occurred_at: at,
                observed_at: at,
                source: Source::RuntimeEvent,
                evidence: None,
            };
            let _told = self.judge(|judge| judge.observe(&change, true));
        }
        (name, uid)
    }

    fn judge<T>(&self, act: impl FnOnce(&mut hinomi_alert::Judge) -> T) -> T {
        act(&mut self.handle.shared().judge.write().unwrap())
    }

    /// Appends a sample every 10 s of the time behind now; values by the seconds that are left until now.
    fn append(&self, back: Duration, series: &[(Labels, &dyn Fn(f64) -> f64)]) {
        let now_ms = self.now().0 / 1_000_000;
        for left in (0..=back.as_secs()).rev().step_by(10) {
            let mut batch = Batch::new();
            for (labels, value) in series {
                let at = now_ms - i64::try_from(left).unwrap() * 1000;
                batch.push(SeriesKey::Labels(labels.clone()), at, value(left as f64));
            }
            let appended = self.handle.metrics().append(&Tenant::default(), &batch).unwrap();
            assert!(appended.rejected.is_empty(), "{appended:?}");
        }
    }

    fn round(&self) -> Vec<Effect> {
        let (round, failures) = measure(self.handle.shared(), self.now());
        assert!(failures.is_empty(), "{failures:?}");
        let rules = rules(self.handle.shared());
        self.judge(|judge| judge.observe_numbers(&round, &rules, self.now(), true))
    }

    /// Four rounds within a second: nothing that is measured changes meanwhile.
    fn rounds(&self) -> Vec<Effect> {
        (0..4).flat_map(|_| self.round()).collect()
    }
}

fn of_container(metric: &str, name: &str, uid: &str) -> Labels {
    let path = format!("/docker/{uid}");
    Labels::from_pairs([
        (METRIC_NAME, metric),
        ("job", "cadvisor"),
        ("instance", "edo"),
        ("host", "edo"),
        ("id", &*path),
        ("name", name),
    ])
}

fn of_host(metric: &str, more: &[(&str, &str)]) -> Labels {
    let base = [(METRIC_NAME, metric), ("job", "node"), ("instance", "edo")];
    Labels::from_pairs(base.into_iter().chain(more.iter().copied()))
}

fn told(effects: &[Effect]) -> Vec<String> {
    let said = effects.iter().filter_map(|effect| match effect {
        Effect::Tell(message) => Some(&message.body),
        Effect::Store { .. } => None,
    });
    said.map(|body| {
        format!(
            "{} {}: {}",
            body["level"].as_str().unwrap(),
            body["inspection"].as_str().unwrap(),
            body["cause"].as_str().unwrap()
        )
    })
    .collect()
}

#[test]
fn a_leak_is_found_and_its_evidence_is_what_was_stored() {
    let site = Site::new("2026-11-25T03:00:00+09:00");
    let hours = Duration::from_hours(2);
    let (name, uid) = site.container(1, hours);
    let (other, other_uid) = site.container(2, hours);
    let metric = |metric, name: &str, uid: &str| of_container(metric, name, uid);
    site.append(
        hours,
        &[
            (metric("container_memory_working_set_bytes", &name, &uid), &|left| (90.0 - left / 240.0) * MIB),
            (metric("container_spec_memory_limit_bytes", &name, &uid), &|_| 100.0 * MIB),
            (metric("container_memory_working_set_bytes", &other, &other_uid), &|_| 95.0 * MIB),
            (metric("container_spec_memory_limit_bytes", &other, &other_uid), &|_| 100.0 * MIB),
        ],
    );
    let told = told(&site.rounds());
    assert_eq!(
        told,
        [
            "alert memory_limit: web1 uses 90 MiB of its memory limit of 100 MiB and grows by 15 MiB an hour: full in 40 min 5 s"
        ]
    );
    let findings = site.handle.findings(false);
    let finding = &findings[0].finding;
    let numbers = finding.evidence.numbers.as_ref().unwrap();
    assert_eq!(
        numbers.query,
        "container_memory_working_set_bytes{job=\"cadvisor\",host=\"edo\",name=\"web1\"}"
    );
    assert!(numbers.explore.starts_with("/explore?g0.expr=container_memory_working_set_bytes"));
    assert_eq!((numbers.value, numbers.limit), (90.0 * MIB, 100.0 * MIB));
    assert!((numbers.per_second.unwrap() * 3600.0 / MIB - 15.0).abs() < 0.1);
    assert_eq!(numbers.samples.len(), 32);
    assert!(numbers.samples.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1));
    // The workload that it belongs to is as loud.
    let level = |name: &str| site.handle.workloads().iter().find(|one| one.name == name).unwrap().level;
    assert_eq!((level("web1"), level("web2")), (Level::Alert, Level::None));
    assert_eq!(site.handle.workload("web1").unwrap().findings.len(), 1);
    assert!(site.handle.why("web1").unwrap().paragraph.contains("memory_limit"));
}

#[test]
fn filesystems_that_can_fill() {
    let site = Site::new("2026-11-25T03:00:00+09:00");
    let hours = Duration::from_hours(1);
    let mount = |metric: &str, device: &str, kind: &str, point: &str| {
        of_host(metric, &[("device", device), ("fstype", kind), ("mountpoint", point)])
    };
    let full = |left: f64| (10.0 + left / 360.0) * GIB;
    let little = |_: f64| GIB;
    let mut series: Vec<(Labels, &dyn Fn(f64) -> f64)> = Vec::new();
    let mounts: [(&str, &str, &str, Value<'_>, bool); 6] = [
        ("/dev/sda1", "ext4", "/", &full, false),
        ("/dev/sda1", "ext4", "/var/lib/docker/x", &full, false),
        ("tmpfs", "tmpfs", "/run", &little, false),
        ("overlay", "overlay", "/merged", &little, false),
        ("/dev/sdb1", "ext4", "/cdrom", &little, true),
        ("/dev/sdc1", "xfs", "/srv", &|_| 90.0 * GIB, false),
    ];
    for (device, kind, point, left, read_only) in &mounts {
        series.push((mount("node_filesystem_avail_bytes", device, kind, point), *left));
        series.push((mount("node_filesystem_free_bytes", device, kind, point), *left));
        series.push((mount("node_filesystem_size_bytes", device, kind, point), &|_| 100.0 * GIB));
        series.push((
            mount("node_filesystem_readonly", device, kind, point),
            if *read_only { &|_| 1.0 } else { &|_| 0.0 },
        ));
        series.push((mount("node_filesystem_files", device, kind, point), &|_| 1000.0));
        series.push((mount("node_filesystem_files_free", device, kind, point), &|_| 999.0));
    }
    site.append(hours, &series);
    let uses = [crate::DockerDiskUse { kind: "images", bytes: 3 << 30, unused_bytes: 1 << 30 }];
    site.handle.note_docker_disk(&uses, "/var/lib/docker".into()).unwrap();
    let told = told(&site.rounds());
    assert_eq!(
        told,
        ["alert filesystem: the filesystem / is 90 % full and fills by 10 GiB an hour: full in 1 h 0 min"]
    );
    let findings = site.handle.findings(false);
    let facts = &findings[0].finding.evidence.facts;
    let fact = |label: &str| facts.iter().find(|(known, _)| known == label).map(|(_, value)| value.as_str());
    assert_eq!(fact("device"), Some("/dev/sda1"));
    assert_eq!(fact("Docker images"), Some("3 GiB, of it unused 1 GiB"));
    assert_eq!(findings[0].finding.resource.kind, ResourceKind::Node);
}

#[test]
fn pressure_processes_and_what_others_sent() {
    let site = Site::new("2026-11-25T03:00:00+09:00");
    let hours = Duration::from_hours(1);
    let (name, uid) = site.container(1, hours);
    let counter = |share: f64| move |left: f64| (3600.0 - left) * share;
    let (periods, throttled, waited) = (counter(10.0), counter(6.0), counter(0.3));
    let (stalled, idle) = (counter(0.25), counter(0.0));
    let elsewhere =
        |metric| Labels::from_pairs([(METRIC_NAME, metric), ("job", "node"), ("instance", "other:9100")]);
    site.append(
        hours,
        &[
            (of_host("node_pressure_memory_waiting_seconds_total", &[]), &stalled),
            (of_host("node_pressure_memory_stalled_seconds_total", &[]), &idle),
            (of_host("node_pressure_io_waiting_seconds_total", &[]), &idle),
            (of_host("node_pressure_cpu_waiting_seconds_total", &[]), &idle),
            (of_host("node_filefd_allocated", &[]), &|_| 950.0),
            (of_host("node_filefd_maximum", &[]), &|_| 1000.0),
            (of_host("node_processes_threads", &[]), &|_| 500.0),
            (of_host("node_processes_max_threads", &[]), &|_| 120_000.0),
            (of_host("node_processes_max_processes", &[]), &|_| 4_194_304.0),
            (elsewhere("node_filefd_allocated"), &|_| 1000.0),
            (elsewhere("node_filefd_maximum"), &|_| 1000.0),
            (of_container("container_cpu_cfs_periods_total", &name, &uid), &periods),
            (of_container("container_cpu_cfs_throttled_periods_total", &name, &uid), &throttled),
            (of_container("container_cpu_cfs_throttled_seconds_total", &name, &uid), &waited),
            (of_container("container_spec_cpu_quota", &name, &uid), &|_| 50_000.0),
            (of_container("container_spec_cpu_period", &name, &uid), &|_| 100_000.0),
            (of_container("container_threads", &name, &uid), &|_| 98.0),
            (of_container("container_threads_max", &name, &uid), &|_| 100.0),
        ],
    );
    let mut told = told(&site.rounds());
    told.sort();
    assert_eq!(
        told,
        [
            "notice cpu_throttled: web1 is held back by its CPU limit: it had to wait in 60 % of its periods",
            "notice host_pressure: edo is short of memory: some process waited for it 25 % of the time",
            "notice open_files: edo has 950 of at most 1000 files open",
            "notice pids: web1 has 98 of at most 100 processes and threads",
        ]
    );
}

#[test]
fn old_numbers_are_a_gap() {
    let site = Site::new("2026-11-25T03:00:00+09:00");
    site.append(
        Duration::from_mins(10),
        &[
            (of_host("node_filefd_allocated", &[]), &|_| 950.0),
            (of_host("node_filefd_maximum", &[]), &|_| 1000.0),
        ],
    );
    assert_eq!(told(&site.rounds()).len(), 1);
    // The collector is gone; two hours later nothing has changed.
    for _ in 0..240 {
        *site.clock.0.lock().unwrap() += 30_000_000_000;
        assert_eq!(site.round(), []);
    }
    assert_eq!(site.handle.findings(false).len(), 1);
}

#[test]
fn docker_is_asked_once_an_hour_and_sooner_while_it_is_full() {
    let site = Site::new("2026-11-25T03:00:00+09:00");
    let later = |minutes: i64| *site.clock.0.lock().unwrap() += minutes * 60_000_000_000;
    assert!(site.handle.docker_disk_is_due());
    later(59);
    assert!(!site.handle.docker_disk_is_due());
    later(1);
    assert!(site.handle.docker_disk_is_due());
    let host = Arc::new(hinomi_alert::numbers::host_resource("edo"));
    let about = (NumberUnit::Bytes, 85.0, 100.0);
    let check = hinomi_alert::numbers::Check::Filesystem;
    let reading = Measure::reading(check, &host, "/", about, String::new());
    docker_disk::note_round(site.handle.shared(), &Round { readings: vec![reading] });
    later(9);
    assert!(!site.handle.docker_disk_is_due());
    later(1);
    assert!(site.handle.docker_disk_is_due());
}

/// What a round costs: `cargo test --release -p hinomi-pipeline --lib -- --ignored --nocapture cost_of_a_round`.
#[test]
#[ignore = "a measurement"]
fn cost_of_a_round() {
    for near_limit in [0, 5, 50] {
        let site = Site::new("2026-11-25T03:00:00+09:00");
        let hours = Duration::from_hours(2);
        let rise = |left: f64| (95.0 - left / 720.0) * MIB;
        let counter = |left: f64| 7200.0 - left;
        let mut series: Vec<(Labels, &dyn Fn(f64) -> f64)> = Vec::new();
        for number in 0..50 {
            let (name, uid) = site.container(number, hours);
            let of = |metric| of_container(metric, &name, &uid);
            let used: &dyn Fn(f64) -> f64 = if number < near_limit { &rise } else { &|_| MIB };
            series.push((of("container_memory_working_set_bytes"), used));
            series.push((of("container_spec_memory_limit_bytes"), &|_| 100.0 * MIB));
            for metric in [
                "container_cpu_cfs_periods_total",
                "container_cpu_cfs_throttled_periods_total",
                "container_cpu_cfs_throttled_seconds_total",
            ] {
                series.push((of(metric), &counter));
            }
            for metric in [
                "container_threads",
                "container_threads_max",
                "container_spec_cpu_quota",
                "container_spec_cpu_period",
            ] {
                series.push((of(metric), &|_| 100.0));
            }
        }
        for part in ["memory_waiting", "memory_stalled", "io_waiting", "cpu_waiting"] {
            series.push((of_host(&format!("node_pressure_{part}_seconds_total"), &[]), &counter));
        }
        site.append(hours, &series);
        let _warm = site.round();
        let cpu = || cpu_time();
        let (began, cpu_before) = (Instant::now(), cpu());
        for _ in 0..10 {
            let _told = site.round();
        }
        let (wall, cpu) = (began.elapsed() / 10, (cpu() - cpu_before) / 10);
        println!("50 containers, {near_limit} near their limit: {wall:?} a round, {cpu:?} of CPU");
    }
}

/// CPU time of this thread.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}
