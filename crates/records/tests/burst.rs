//! Bursts and long replays: bounded memory, group commit, and the numbers for `docs/formats/records.md`.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hinomi_base::budget::Budget;
use hinomi_base::clock::Clock;
use hinomi_base::counters::Counters;
use hinomi_model::{Fact, Nanos, Phase, ResourceId, ResourceKind, RunState, Source, StateChange, Tenant};
use hinomi_records::{ChangeQuery, Options, Record, Store, Stored};

fn change(n: i64) -> Record {
    let resource = ResourceId {
        tenant: Tenant::default(),
        cluster: "host".into(),
        kind: ResourceKind::Container,
        uid: format!("{:064x}", n % 200),
        name: format!("shop-web-{}", n % 200),
        node: "host".into(),
        workload: None,
    };
    Record::Change(StateChange {
        resource: Arc::new(resource),
        fact: Fact::Phase(Phase::Running(RunState { pid: 4711, started_at: Some(Nanos(n)) })),
        old: Some("restarting".into()),
        reason: None,
        occurred_at: Nanos(n),
        observed_at: Nanos(n),
        source: Source::RuntimeEvent,
        evidence: None,
    })
}

fn open(dir: &Path) -> (Store, Counters) {
    let counters = Counters::default();
    let store = Store::open(Options::new(dir), Budget::new(64 << 20), &counters, Clock::system()).unwrap().0;
    (store, counters)
}

#[test]
fn ten_thousand_changes_in_a_burst_are_all_stored_in_few_groups() {
    let dir = tempfile::tempdir().unwrap();
    let (store, counters) = open(dir.path());
    let begin = Instant::now();
    let tickets: Vec<_> = (0..10_000).map(|n| store.append(vec![change(n)])).collect();
    let queued = begin.elapsed();
    for (ticket, seq) in tickets.iter().zip(1..) {
        assert_eq!(ticket.wait(Duration::from_secs(60)), Stored::Ok(seq));
    }
    let all = counters.all();
    println!("10,000 appends: queued in {queued:?}, stored in {:?}, {all:?}", begin.elapsed());
    assert_eq!(all["records_dropped_total"], 0);
    assert!(all["records_groups_total"] < 2_000, "{all:?}");
}

#[test]
#[ignore = "takes a while; prints numbers"]
fn a_million_records() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    let begin = Instant::now();
    for batch in 0..1000 {
        let ticket = store.append((batch * 1000..(batch + 1) * 1000).map(change).collect());
        assert!(matches!(ticket.wait(Duration::from_secs(60)), Stored::Ok(_)));
    }
    println!("written in {:?}, {} bytes", begin.elapsed(), store.stats().bytes);
    drop(store);
    let begin = Instant::now();
    let (store, _) = open(dir.path());
    println!("opened in {:?}", begin.elapsed());
    let begin = Instant::now();
    assert_eq!(store.replay(0, &mut |_, _| {}).records, 1_000_000);
    println!("replayed in {:?}", begin.elapsed());
    let begin = Instant::now();
    let query = ChangeQuery { from: Nanos(500_000), to: Nanos(500_100), ..ChangeQuery::default() };
    assert_eq!(store.changes(&query).changes.len(), 100);
    println!("100 of the middle in {:?}", begin.elapsed());
    let begin = Instant::now();
    let uids = Some([format!("{:064x}", 7)].into());
    let query =
        ChangeQuery { resource_uids: uids, newest_first: true, limit: 10_000, ..ChangeQuery::default() };
    assert_eq!(store.changes(&query).changes.len(), 5_000);
    println!("5,000 of one resource from all in {:?}", begin.elapsed());
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    println!("{}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap());
}
