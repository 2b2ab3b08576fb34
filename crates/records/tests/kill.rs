//! `kill -9` in the middle of appending, again and again: what was acknowledged is there.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use hinomi_base::budget::Budget;
use hinomi_base::clock::Clock;
use hinomi_base::counters::Counters;
use hinomi_model::Nanos;
use hinomi_records::{Delivered, DeliveryStatus, Options, Record, Store, Stored};

const CHILD_DIR: &str = "HINOMI_RECORDS_KILL_TEST_DIR";

fn record(n: u64) -> Record {
    Record::Delivered(Delivered {
        receiver: "oncall".into(),
        incident: format!("incident {n}"),
        sequence: 1,
        at: Nanos(i64::try_from(n).unwrap()),
        status: DeliveryStatus::Accepted,
        detail: "x".repeat(usize::try_from(n % 700).unwrap()),
        tries: 0,
    })
}

fn open(dir: &Path) -> Store {
    let mut options = Options::new(dir);
    options.segment_bytes = 64 << 10;
    Store::open(options, Budget::new(64 << 20), &Counters::default(), Clock::system()).unwrap().0
}

/// Not a test: the process that is killed. Says every number once it is stored.
#[test]
fn child_appends_until_killed() {
    let Some(dir) = std::env::var_os(CHILD_DIR) else { return };
    let store = open(Path::new(&dir));
    let mut next = store.last_seq() + 1;
    let mut out = std::io::stdout().lock();
    loop {
        let count = next % 7 + 1;
        let ticket = store.append((next..next + count).map(record).collect());
        if next.is_multiple_of(50) {
            store.checkpoint(store.last_seq(), vec![1; 4000]);
        }
        match ticket.wait(Duration::from_secs(60)) {
            Stored::Ok(last) => assert_eq!(last, next + count - 1),
            other => panic!("{other:?}"),
        }
        next += count;
        writeln!(out, "stored {}", next - 1).unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn fifty_kills_lose_nothing_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for round in 0..50_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_appends_until_killed", "--nocapture"])
            .env(CHILD_DIR, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut numbers =
            lines.map_while(Result::ok).filter_map(|line| line.rsplit_once("stored ")?.1.parse::<u64>().ok());
        acknowledged = numbers.next().unwrap_or(acknowledged);
        std::thread::sleep(Duration::from_micros(round * 613));
        child.kill().unwrap();
        child.wait().unwrap();
        acknowledged = numbers.last().unwrap_or(acknowledged);

        let store = open(dir.path());
        let mut next = 1;
        let replayed = store.replay(0, &mut |seq, got| {
            assert_eq!((seq, got), (next, record(next)), "round {round}");
            next += 1;
        });
        assert!(replayed.damages.is_empty(), "round {round}: {replayed:?}");
        assert!(next > acknowledged, "round {round}: {acknowledged} was acknowledged, {} is last", next - 1);
    }
    assert!(acknowledged > 500, "only {acknowledged} were written: the test shows little");
}
