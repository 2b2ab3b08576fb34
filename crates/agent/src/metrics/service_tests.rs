//! The scheduler of the collectors: rounds, what is skipped, what is said.

use hinomi_base::task::shutdown;

use super::*;

#[test]
fn rounds_are_at_multiples_of_the_interval() {
    let every = |ms| Timetable::new(Duration::from_millis(ms));
    for (interval, now, due) in [
        (10_000, 1, 10_000),
        (10_000, 10_000, 20_000),
        (1000, 999, 1000),
        (10_000, -1, 0),
        (15_000, 44_999, 45_000),
    ] {
        assert_eq!(every(interval).after(now), due, "{interval} {now}");
    }
    // A little late is on time; later, or after the clock was set, is when it is.
    for (now, stamp) in [
        (10_000, 10_000),
        (10_100, 10_000),
        (10_101, 10_101),
        (9_999, 10_000),
        (9_000, 9_000),
        (13_000, 13_000),
    ] {
        assert_eq!(every(10_000).stamp(10_000, now), stamp, "{now}");
    }
    for (apart_ms, missed) in [(0, 0), (500, 0), (1000, 0), (1400, 0), (1600, 1), (2000, 1), (5100, 4)] {
        assert_eq!(every(1000).missed(Duration::from_millis(apart_ms)), missed, "{apart_ms}");
    }
}

/// Stamps of the rounds, and per target the number of samples and whether it was up.
type Rounds = Arc<Mutex<Vec<(i64, Vec<(Target, usize, bool)>)>>>;

struct Slow {
    rounds: Rounds,
    takes: Duration,
}

impl Taker for Slow {
    fn begin(&mut self, at_ms: i64) {
        self.rounds.lock().expect("no panic inside").push((at_ms, Vec::new()));
    }

    fn take(&mut self, scrape: &Scrape<'_>) {
        let mut rounds = self.rounds.lock().expect("no panic inside");
        let round = rounds.last_mut().expect("it began");
        round.1.push((scrape.target, scrape.families.samples(), scrape.up));
    }

    fn finish(&mut self) {
        std::thread::sleep(self.takes);
    }
}

fn plan(roots: Roots) -> Plan {
    Plan {
        interval: Duration::from_millis(200),
        roots,
        host: Options::default(),
        containers: Some(Options::default()),
    }
}

/// Runs for a time; returns the rounds, the status, and how long the end took.
async fn run(
    roots: Roots,
    takes_ms: u64,
    for_ms: u64,
) -> (Vec<(i64, Vec<(Target, usize, bool)>)>, Status, Duration) {
    let rounds = Rounds::default();
    let taker = Box::new(Slow { rounds: Arc::clone(&rounds), takes: Duration::from_millis(takes_ms) });
    let docker = docker::Handle::default();
    let (service, handle) = Service::new(plan(roots), docker, Clock::system(), &Counters::default(), taker);
    let (trigger, signal) = shutdown();
    let task = tokio::spawn(service.run(signal));
    tokio::time::sleep(Duration::from_millis(for_ms)).await;
    trigger.raise();
    let began = Instant::now();
    task.await.expect("it ends");
    let rounds = rounds.lock().expect("no panic inside").clone();
    (rounds, handle.status(), began.elapsed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_without_docker_is_measured_and_the_end_is_quick() {
    let (rounds, status, ending) = run(Roots::default(), 0, 1100).await;
    assert!(rounds.len() >= 3, "{rounds:?}");
    assert!(rounds.iter().filter(|round| round.0 % 200 == 0).count() * 2 > rounds.len(), "{rounds:?}");
    for (_, targets) in &rounds {
        assert!(matches!(targets.as_slice(), [(Target::Host, 100.., true), (Target::Containers, _, false)]));
    }
    assert!(status.off.is_empty() && status.host_samples > 100, "{status:?}");
    assert!(ending < Duration::from_millis(500), "{ending:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_takes_too_long_skips_rounds_and_counts_them() {
    let (rounds, status, _) = run(Roots::default(), 300, 2000).await;
    let apart: Vec<i64> = rounds.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert!(apart.iter().all(|apart| *apart >= 300), "{apart:?}");
    assert!(status.missed >= 3 && status.missed < status.rounds * 3, "{status:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_procfs_it_is_off_with_its_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let nowhere = folder.path().join("nowhere");
    let roots = Roots { proc: nowhere.clone(), sys: nowhere.clone(), cgroup: nowhere, ..Roots::default() };
    let (rounds, status, _) = run(roots, 0, 700).await;
    let targets = &rounds.first().expect("a round").1;
    assert_eq!(targets.as_slice(), [(Target::Host, 0, false), (Target::Containers, 0, false)]);
    let off: Vec<&str> = status.off.iter().map(|off| off.feature).collect();
    assert_eq!(off, ["host metrics", "container metrics"]);
    assert!(status.off.iter().all(|off| off.reason.contains("/nowhere/")), "{status:?}");
}

#[test]
fn the_root_beside_a_procfs() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(root_beside(Path::new("/proc")), Path::new("/"));
    std::fs::create_dir_all(folder.path().join("proc/1/root/etc")).expect("made");
    let procfs = folder.path().join("proc");
    assert_eq!(root_beside(&procfs), procfs.join("1/root"));
    std::fs::create_dir(folder.path().join("etc")).expect("made");
    assert_eq!(root_beside(&procfs), folder.path());
}
