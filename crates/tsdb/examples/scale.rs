//! Measures many series: appending, bytes, and what a start after a kill takes.
//!
//! `cargo run --release -p hinomi-tsdb --example scale FOLDER SERIES ROUNDS [CHURN]`
//!
//! Writes `ROUNDS` samples of each of `SERIES` series, 15 seconds apart, in requests of 2,000; leaves the engine as a
//! kill would; opens it anew from its log, appends and asks. `CHURN` series of each round go and as many new ones come.
//! With `-` instead of `SERIES` it only opens the folder, for a second look with cold caches.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::mem_forget,
    reason = "a measuring tool"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use hinomi_base::budget::Budget;
use hinomi_base::clock::Clock;
use hinomi_model::Tenant;
use hinomi_model::metrics::{ReadLimit, Select, SeriesSource};
use hinomi_series::{Labels, Matcher};
use hinomi_tsdb::{Batch, Db, Durability, Options, SeriesKey, SeriesRef};

/// Samples of a request.
const REQUEST: usize = 2000;
/// Series of a target.
const TARGET: usize = 500;
/// First time of a sample.
const T0: i64 = 1_700_000_000_000;

fn cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn status_mib(key: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(key)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

fn written_bytes() -> f64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap();
    let line = io.lines().find(|line| line.starts_with("write_bytes:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn folder_bytes(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
    entries
        .map(|e| if e.path().is_dir() { folder_bytes(&e.path()) } else { e.metadata().unwrap().len() })
        .sum()
}

/// Labels as of a container's metrics.
fn labels(series: usize) -> Labels {
    let (target, metric) = (series / TARGET, series % TARGET);
    Labels::from_pairs([
        ("__name__", format!("container_subsystem{}_measure{}_total", metric % 20, metric / 5)),
        ("job", "cadvisor".to_owned()),
        ("instance", format!("10.{}.{}.{}:8080", target >> 16, (target >> 8) & 255, target & 255)),
        ("namespace", format!("namespace-{}", target % 37)),
        (
            "pod",
            format!(
                "workload-{}-7d9f8b6c5d-{:05x}",
                target % 211,
                target.wrapping_mul(2_654_435_761) & 0xf_ffff
            ),
        ),
        ("container", format!("container{}", target % 11)),
        ("device", format!("device{}", metric % 5)),
    ])
}

fn value(series: usize, round: i64) -> f64 {
    match series % 4 {
        0 => (series % 100) as f64,
        1 => (round * i64::try_from(series % 1000).unwrap()) as f64,
        2 => ((series.wrapping_mul(7919) + usize::try_from(round).unwrap() * 104_729) % 10_007) as f64,
        _ => ((series + usize::try_from(round).unwrap()) % 977) as f64 / 100.0,
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let folder = Path::new(&args[1]);
    let mut options = Options::new(folder, Clock::system(), Budget::new(8 << 30));
    options.durability = Durability::Interval;
    options.retention = Duration::from_hours(100_000);
    options.upkeep = None;
    if args[2] != "-" {
        let churn = args.get(4).map_or(0, |churn| churn.parse().unwrap());
        write(&options, args[2].parse().unwrap(), args[3].parse().unwrap(), churn);
    }
    let (start, wall) = (cpu(), Instant::now());
    let (db, recovery) = Db::open(options).unwrap();
    println!(
        "open: {:.3} CPU s, {:.3} s, {} samples and {} series from the log, anonymous memory {:.0} MiB, peak {:.0} MiB",
        cpu() - start,
        wall.elapsed().as_secs_f64(),
        recovery.replayed_samples,
        db.stats().head_series,
        status_mib("RssAnon:"),
        status_mib("VmHWM:"),
    );
    let matchers = vec![Matcher::equal("instance", "10.0.0.1:8080")];
    let what = Select { tenant: Tenant::default(), matchers, from_ms: 0, to_ms: i64::MAX };
    let found = db.select(&what, &ReadLimit::unlimited()).unwrap();
    println!("{} series of one target {:.3} s after the start", found.len(), wall.elapsed().as_secs_f64());
}

fn write(options: &Options, series: usize, rounds: i64, churn: usize) {
    let (db, _) = Db::open(options.clone()).unwrap();
    let all = series + churn * usize::try_from(rounds).unwrap();
    let mut refs: Vec<Option<SeriesRef>> = vec![None; all];
    let (start, wall, before) = (cpu(), Instant::now(), written_bytes());
    let (mut samples, mut upkeep) = (0.0, 0.0);
    for round in 0..rounds {
        let first = churn * usize::try_from(round).unwrap();
        let numbers: Vec<usize> = (first..first + series).collect();
        for request in numbers.chunks(REQUEST) {
            let mut batch = Batch::new();
            for at in request {
                let key = refs[*at].map_or_else(|| SeriesKey::Labels(labels(*at)), SeriesKey::Ref);
                let t = T0 + round * 15_000 + i64::try_from(at / TARGET % 15_000).unwrap();
                batch.push(key, t, value(*at, round));
            }
            let appended = db.append(&Tenant::default(), &batch).unwrap();
            for (at, reference) in request.iter().zip(&appended.refs) {
                refs[*at] = *reference;
            }
            samples += appended.accepted as f64;
        }
        let begin = cpu();
        db.upkeep().unwrap();
        upkeep += cpu() - begin;
        if db.stats().head_series < series {
            refs.iter_mut().for_each(|reference| *reference = None);
        }
        if round == 0 {
            println!("first round: {:.3} CPU s, {:.3} s", cpu() - start, wall.elapsed().as_secs_f64());
        }
    }
    let million = samples / 1e6;
    let (took, stats) = (cpu() - start - upkeep, db.stats());
    println!(
        "{samples} samples of {all} series: {:.3} CPU s a million, blocks {:.3}, {:.1} s; head {:.0} MiB, anonymous \
         memory {:.0} MiB",
        took / million,
        upkeep / million,
        wall.elapsed().as_secs_f64(),
        stats.head_bytes as f64 / 1_048_576.0,
        status_mib("RssAnon:"),
    );
    println!(
        "disk {:.3} B/sample, {:.0} B/series, written {:.3} B/sample; log {:.3} B/sample",
        folder_bytes(&options.folder) as f64 / samples,
        folder_bytes(&options.folder) as f64 / all as f64,
        (written_bytes() - before) / samples,
        stats.wal_bytes as f64 / samples,
    );
    std::mem::forget(db);
}
