//! Measures appending, bytes and reading on samples from a file.
//!
//! `cargo run --release -p hinomi-tsdb --example ingest DUMP FOLDER [fsync|interval|none] [crash]`
//!
//! With `crash` the engine is left as it stands after the last sample, and opened anew from its log.
//!
//! The file holds, little-endian: byte 0, 4 bytes count of labels, of each name and value 4 bytes length and the text:
//! the next series, numbered from 0; byte 1, 4 bytes series, 8 bytes milliseconds, 8 bytes bits of the value: a sample.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::mem_forget,
    reason = "a measuring tool"
)]

use std::io::{BufReader, Read};
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

fn cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn rss_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
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

struct Dump(BufReader<std::fs::File>);

enum Item {
    Series(Labels),
    Sample(u32, i64, u64),
}

impl Dump {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }

    fn text(&mut self) -> Option<String> {
        let len = u32::from_le_bytes(self.array()?);
        let mut bytes = vec![0; len as usize];
        self.0.read_exact(&mut bytes).ok()?;
        String::from_utf8(bytes).ok()
    }

    fn next(&mut self) -> Option<Item> {
        match self.array::<1>()? {
            [0] => {
                let len = u32::from_le_bytes(self.array()?);
                let pairs = (0..len).map(|_| Some((self.text()?, self.text()?)));
                Some(Item::Series(Labels::from_pairs(pairs.collect::<Option<Vec<_>>>()?)))
            }
            _ => Some(Item::Sample(
                u32::from_le_bytes(self.array()?),
                i64::from_le_bytes(self.array()?),
                u64::from_le_bytes(self.array()?),
            )),
        }
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (dump, folder) = (Path::new(&args[1]), Path::new(&args[2]));
    let mut options = Options::new(folder, Clock::system(), Budget::new(4 << 30));
    options.durability = match args.get(3).map(String::as_str) {
        Some("interval") => Durability::Interval,
        Some("none") => Durability::None,
        _ => Durability::Fsync,
    };
    options.retention = Duration::from_hours(100_000);
    options.future_window = Duration::from_hours(100_000);
    options.upkeep = None;
    let (db, _) = Db::open(options.clone()).unwrap();
    let samples = write(&db, dump);
    if args.get(4).is_some_and(|arg| arg == "crash") {
        std::mem::forget(db);
    } else {
        finish(&db, samples);
        drop(db);
    }
    println!("disk {:.3} B/sample", folder_bytes(folder) as f64 / samples);
    let (start, wall) = (cpu(), Instant::now());
    let (db, recovery) = Db::open(options).unwrap();
    let replayed = recovery.replayed_samples;
    println!(
        "open: {:.3} CPU s, {:.3} s, {replayed} samples from the log",
        cpu() - start,
        wall.elapsed().as_secs_f64()
    );
    read(&db);
}

fn write(db: &Db, dump: &Path) -> f64 {
    let mut dump = Dump(BufReader::with_capacity(1 << 20, std::fs::File::open(dump).unwrap()));
    let (mut series, mut refs): (Vec<Labels>, Vec<Option<SeriesRef>>) = (Vec::new(), Vec::new());
    let (mut batch, mut numbers) = (Batch::new(), Vec::new());
    let (mut samples, mut append, mut upkeep, mut requests) = (0.0, 0.0, 0.0, 0_u64);
    let wall = Instant::now();
    loop {
        let item = dump.next();
        match &item {
            Some(Item::Series(labels)) => {
                series.push(labels.clone());
                refs.push(None);
            }
            Some(Item::Sample(number, t, bits)) => {
                let at = *number as usize;
                let key = refs[at].map_or_else(|| SeriesKey::Labels(series[at].clone()), SeriesKey::Ref);
                batch.push(key, *t, f64::from_bits(*bits));
                numbers.push(at);
            }
            None => {}
        }
        if batch.len() >= REQUEST || item.is_none() {
            let start = cpu();
            let appended = db.append(&Tenant::default(), &batch).unwrap();
            append += cpu() - start;
            assert!(appended.rejected.is_empty(), "{appended:?}");
            samples += appended.accepted as f64;
            for (at, reference) in numbers.drain(..).zip(appended.refs) {
                refs[at] = reference;
            }
            batch.clear();
            requests += 1;
            if requests.is_multiple_of(50) || item.is_none() {
                let start = cpu();
                db.upkeep().unwrap();
                upkeep += cpu() - start;
                if db.stats().head_series < refs.len() {
                    // Some left memory: name all again.
                    refs.iter_mut().for_each(|reference| *reference = None);
                }
            }
        }
        if item.is_none() {
            break;
        }
    }
    let million = samples / 1e6;
    println!("{samples} samples, {} series, {:.1} s", series.len(), wall.elapsed().as_secs_f64());
    println!("append {:.4}, blocks and merges {:.4} CPU s a million", append / million, upkeep / million);
    samples
}

fn finish(db: &Db, samples: f64) {
    println!(
        "anonymous memory {:.1} MiB, head {:.1} MiB",
        rss_mib(),
        db.stats().head_bytes as f64 / 1048576.0
    );
    let start = cpu();
    db.flush().unwrap();
    db.compact().unwrap();
    let stats = db.stats();
    println!("last blocks {:.3} CPU s; written {:.2} B/sample", cpu() - start, written_bytes() / samples);
    println!(
        "{} blocks, {:.4} B/sample",
        stats.blocks,
        stats.block_bytes as f64 / stats.block_samples as f64
    );
}

fn read(db: &Db) {
    let all =
        |matcher| Select { tenant: Tenant::default(), matchers: vec![matcher], from_ms: 0, to_ms: i64::MAX };
    let cases = [
        ("everything", Matcher::new(hinomi_series::MatchOp::Regex, "__name__", ".+").unwrap()),
        ("one name", Matcher::equal("__name__", "container_cpu_usage_seconds_total")),
        ("one name", Matcher::equal("__name__", "container_memory_working_set_bytes")),
    ];
    for (name, matcher) in cases {
        for round in ["cold", "warm"] {
            let start = cpu();
            let found = db.select(&all(matcher.clone()), &ReadLimit::unlimited()).unwrap();
            let samples: usize = found.iter().map(|series| series.timestamps.len()).sum();
            let (took, rate) = (cpu() - start, samples as f64 / (cpu() - start) / 1e6);
            println!(
                "read {name}, {round}: {} series, {samples} samples, {took:.4} CPU s, {rate:.0} M/s",
                found.len()
            );
        }
    }
}
