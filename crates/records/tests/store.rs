//! The store on disks that work, refuse, lie and lose power.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hinomi_base::budget::Budget;
use hinomi_base::clock::Clock;
use hinomi_base::counters::Counters;
use hinomi_disk::faulty::Faulty;
use hinomi_model::{
    Evidence, Fact, LogLine, LogTail, Nanos, Phase, ResourceId, ResourceKind, Source, StateChange, Tenant,
};
use hinomi_records::{
    ChangeQuery, Delivered, DeliveryStatus, Options, Record, Recovery, Store, Stored, Ticket,
};
use proptest::prelude::*;

const LONG: Duration = Duration::from_secs(20);

fn change(n: i64) -> StateChange {
    let resource = ResourceId {
        tenant: Tenant::default(),
        cluster: "host".into(),
        kind: ResourceKind::Container,
        uid: format!("uid{}", n % 3),
        name: format!("name{n}"),
        node: String::new(),
        workload: None,
    };
    StateChange {
        resource: Arc::new(resource),
        fact: Fact::Phase(Phase::Paused),
        old: None,
        reason: (n % 10 == 0).then(|| "Out Of Memory".to_owned()),
        occurred_at: Nanos(n),
        observed_at: Nanos(n),
        source: Source::RuntimeEvent,
        evidence: None,
    }
}

fn changes(numbers: impl IntoIterator<Item = i64>) -> Vec<Record> {
    numbers.into_iter().map(|n| Record::Change(change(n))).collect()
}

fn delivered(detail: String) -> Record {
    Record::Delivered(Delivered {
        receiver: "oncall".into(),
        incident: "i".into(),
        sequence: 1,
        at: Nanos(1),
        status: DeliveryStatus::Accepted,
        detail,
        tries: 0,
    })
}

fn options(dir: &Path, fs: &Faulty) -> Options {
    let mut options = Options::new(dir);
    options.segment_bytes = 4000;
    options.retry = Duration::from_millis(5);
    options.fs = Arc::new(fs.clone());
    options
}

fn open_with(options: Options) -> (Store, Recovery, Counters) {
    let counters = Counters::default();
    let (store, recovery) = Store::open(options, Budget::new(64 << 20), &counters, Clock::system()).unwrap();
    (store, recovery, counters)
}

fn open(dir: &Path, fs: &Faulty) -> (Store, Recovery) {
    let (store, recovery, _) = open_with(options(dir, fs));
    (store, recovery)
}

fn all(store: &Store) -> Vec<(u64, Record)> {
    let mut all = Vec::new();
    let replayed = store.replay(0, &mut |seq, record| all.push((seq, record)));
    assert_eq!((replayed.unknown, replayed.damages.places), (0, 0));
    all
}

fn settled(ticket: &Ticket) -> Stored {
    let begin = Instant::now();
    loop {
        match ticket.outcome() {
            Some(stored) => return stored,
            None => assert!(begin.elapsed() < LONG, "never settled"),
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn stored_records_come_back_in_order_with_checkpoint_and_newest_stamp() {
    let dir = tempfile::tempdir().unwrap();
    let fs = Faulty::default();
    let (store, recovery) = open(dir.path(), &fs);
    assert_eq!(recovery, Recovery::default());
    for n in 0..100 {
        let last = u64::try_from(n * 2 + 2).unwrap();
        assert_eq!(store.append(changes([n * 2, n * 2 + 1])).wait(LONG), Stored::Ok(last));
    }
    store.checkpoint(120, b"state at 120".to_vec());
    store.checkpoint(9999, b"ahead of the journal".to_vec());
    drop(store);
    fs.power_loss();
    let (store, recovery) = open(dir.path(), &fs);
    // The one ahead replaced or followed the good one; it must not be there either way.
    assert!(recovery.checkpoint.as_ref().is_none_or(|(seq, _)| *seq == 120));
    assert_eq!((recovery.last_seq, recovery.newest_observed_at), (200, Some(Nanos(199))));
    let got = all(&store);
    let want: Vec<_> = (1..=200).zip(changes(0..200)).collect();
    assert_eq!(got, want);
    store.checkpoint(150, b"state at 150".to_vec());
    drop(store);
    let (store, recovery) = open(dir.path(), &fs);
    assert_eq!(recovery.checkpoint, Some((150, b"state at 150".to_vec())));
    let mut first = 0;
    let replayed = store.replay(151, &mut |seq, _| first = if first == 0 { seq } else { first });
    assert_eq!((first, replayed.records), (151, 50));
}

#[test]
fn a_refusing_disk_makes_late_then_stored_without_reopening() {
    for fault in ["full", "sync", "slow"] {
        let dir = tempfile::tempdir().unwrap();
        let fs = Faulty::default();
        let (store, _) = open(dir.path(), &fs);
        assert_eq!(store.append(changes([1])).wait(LONG), Stored::Ok(1));
        match fault {
            "full" => fs.set_space(Some(30)),
            "sync" => fs.fail_next_syncs(u32::MAX),
            _ => fs.set_delay(Duration::from_millis(300)),
        }
        let begin = Instant::now();
        let ticket = store.append(changes([2]));
        assert_eq!(ticket.wait(Duration::from_millis(200)), Stored::Late, "{fault}");
        assert!(begin.elapsed() < Duration::from_secs(2), "{fault}");
        let more = store.append(changes([3]));
        if fault != "slow" {
            let health = store.health();
            assert!(!health.ok && health.failing_since.is_some() && health.queued == 2, "{health:?}");
            assert!(health.last_error.unwrap().contains(".log"), "{fault}");
        }
        fs.set_space(None);
        fs.fail_next_syncs(0);
        fs.set_delay(Duration::ZERO);
        assert_eq!(settled(&ticket), Stored::Ok(2), "{fault}");
        assert_eq!(settled(&more), Stored::Ok(3), "{fault}");
        let health = store.health();
        assert!(health.ok && health.queued == 0 && health.last_error.is_none(), "{fault}: {health:?}");
        drop(store);
        fs.power_loss();
        let want: Vec<_> = (1..=3).zip(changes(1..=3)).collect();
        assert_eq!(all(&open(dir.path(), &fs).0), want, "{fault}");
    }
}

#[test]
fn what_does_not_fit_goes_oldest_first_and_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let fs = Faulty::default();
    let mut options = options(dir.path(), &fs);
    options.queue_records = 10;
    let (store, _, counters) = open_with(options);
    fs.set_space(Some(0));
    let tickets: Vec<_> = (0..25).map(|n| store.append(changes([n]))).collect();
    // The group being written at that moment is not in the queue and may be dropped one by one afterwards.
    assert!(
        store.append(changes(0..11)).outcome().is_some_and(|stored| matches!(stored, Stored::Refused { .. }))
    );
    let survivors: Vec<_> = (0..5).map(|n| store.append(changes([100 + n]))).collect();
    assert!(store.health().queued <= 10);
    fs.set_space(None);
    for ticket in &survivors {
        assert!(matches!(settled(ticket), Stored::Ok(_)));
    }
    let lost = tickets.iter().filter(|ticket| matches!(settled(ticket), Stored::Refused { .. })).count();
    assert!(lost >= 15, "{lost}");
    assert_eq!(counters.all()["records_dropped_total"], lost as u64 + 11);
    assert_eq!(all(&store).len(), 25 - lost + 5);
}

#[test]
fn the_budget_bounds_the_queue_and_is_given_back() {
    let dir = tempfile::tempdir().unwrap();
    let fs = Faulty::default();
    let budget = Budget::new(20_000);
    let (store, _) =
        Store::open(options(dir.path(), &fs), budget.clone(), &Counters::default(), Clock::system()).unwrap();
    fs.set_space(Some(0));
    for n in 0..1000 {
        let _ticket = store.append(changes([n]));
        assert!(budget.used_bytes() <= 20_000);
    }
    assert!(store.health().dropped > 800);
    fs.set_space(None);
    let ticket = store.append(changes([5]));
    assert!(matches!(settled(&ticket), Stored::Ok(_)));
    assert!(store.close(LONG));
    assert_eq!(budget.used_bytes(), 0);
    assert!(matches!(store.append(changes([6])).wait(LONG), Stored::Refused { .. }));
}

#[test]
fn a_record_over_the_limit_is_refused_and_the_others_are_stored() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path(), &Faulty::default());
    let ticket =
        store.append(vec![delivered("a".into()), delivered("x".repeat(1 << 20)), delivered("b".into())]);
    assert!(matches!(ticket.wait(LONG), Stored::Refused { why } if why.contains("over 1 MiB")));
    assert_eq!(all(&store).len(), 2);
}

#[test]
fn questions_find_by_time_resource_and_text() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path(), &Faulty::default());
    for n in 0..30 {
        assert!(matches!(store.append(changes(n * 10..n * 10 + 10)).wait(LONG), Stored::Ok(_)));
    }
    let mut with_log = change(300);
    let lines = vec![LogLine { at: None, stderr: true, text: "FATAL: role \"x\" is missing".into() }];
    let log = Some(Arc::new(LogTail { lines, note: None }));
    with_log.evidence = Some(Evidence { log, ..Evidence::default() });
    assert_eq!(
        store.append(vec![delivered("no change".into()), Record::Change(with_log)]).wait(LONG),
        Stored::Ok(302)
    );
    assert!(store.stats().segments > 5);

    let ask = |query: &ChangeQuery| {
        let answer = store.changes(query);
        assert!(answer.damages.is_empty());
        (answer.changes.iter().map(|(_, change)| change.observed_at.0).collect::<Vec<_>>(), answer.complete)
    };
    let base = ChangeQuery { from: Nanos(95), to: Nanos(105), ..ChangeQuery::default() };
    assert_eq!(ask(&base), ((95..105).collect(), true));
    assert_eq!(ask(&ChangeQuery { newest_first: true, ..base.clone() }), ((95..105).rev().collect(), true));
    assert_eq!(ask(&ChangeQuery { limit: 3, ..base.clone() }), (vec![95, 96, 97], false));
    let newest = ChangeQuery { limit: 12, newest_first: true, ..ChangeQuery::default() };
    assert_eq!(ask(&newest), ((289..=300).rev().collect(), false));
    let uids = Some(BTreeSet::from(["uid1".to_owned()]));
    assert_eq!(ask(&ChangeQuery { resource_uids: uids, ..base.clone() }), (vec![97, 100, 103], true));
    let attributes = |name: &str| Some(BTreeSet::from([name.to_owned()]));
    let two = ChangeQuery { limit: 2, newest_first: true, ..base.clone() };
    assert_eq!(ask(&ChangeQuery { attributes: attributes("phase"), ..two.clone() }), (vec![104, 103], false));
    assert_eq!(ask(&ChangeQuery { attributes: attributes("spec"), ..two }), (vec![], true));
    // Numbers begin at 1, stamps here at 0.
    let after = |seq| ChangeQuery { after: Some(seq), ..base.clone() };
    assert_eq!(ask(&after(100)), ((100..105).collect(), true));
    assert_eq!(ask(&ChangeQuery { newest_first: true, ..after(103) }), (vec![104, 103], true));
    assert_eq!(ask(&after(u64::MAX)), (vec![], true));
    let text = |text: &str| ChangeQuery { text: Some(text.to_owned()), ..base.clone() };
    assert_eq!(ask(&text("out of MEMORY")), (vec![100], true));
    assert_eq!(ask(&text("name104")), (vec![104], true));
    let fatal = ChangeQuery { text: Some("role \"x\"".into()), ..ChangeQuery::default() };
    assert_eq!(ask(&fatal), (vec![300], true));
    let hurried = ChangeQuery { deadline: Duration::ZERO, ..ChangeQuery::default() };
    assert!(!ask(&hurried).1);
}

#[test]
fn retention_by_time_and_size_spares_what_the_older_checkpoint_needs() {
    let dir = tempfile::tempdir().unwrap();
    let fs = Faulty::default();
    let mut options = options(dir.path(), &fs);
    options.retention = Duration::from_nanos(100);
    let (store, _, _) = open_with(options.clone());
    for n in 0..300 {
        assert!(matches!(store.append(changes([n])).wait(LONG), Stored::Ok(_)));
    }
    assert_eq!(store.append(changes([300])).wait(LONG), Stored::Ok(301));
    let before = store.stats();
    assert_eq!((before.oldest, before.newest, before.last_seq), (Some(Nanos(0)), Some(Nanos(300)), 301));
    assert_eq!(store.retain(Nanos(10_000)).unwrap().segments, 0, "no checkpoint: everything is needed");
    let wait_for_checkpoint = |seq: u64| {
        store.checkpoint(seq, vec![1]);
        let path = dir.path().join(format!("checkpoint-{seq:016x}"));
        let begin = Instant::now();
        while !path.exists() || store.append(changes([300])).wait(LONG) == Stored::Late {
            assert!(begin.elapsed() < LONG);
        }
    };
    wait_for_checkpoint(100);
    wait_for_checkpoint(200);
    assert!(store.retain(Nanos(0)).unwrap().segments == 0, "nothing is old yet");
    let removed = store.retain(Nanos(150)).unwrap();
    let after = store.stats();
    assert!(removed.segments > 0 && after.bytes < before.bytes);
    assert!(after.oldest.unwrap() <= Nanos(50), "only what is older than 100 ns at 150: {after:?}");
    store.retain(Nanos(10_000)).unwrap();
    let mut first = u64::MAX;
    store.replay(0, &mut |seq, _| first = first.min(seq));
    assert!(first <= 101, "the older checkpoint needs 101 and what follows, got {first}");
    drop(store);
    options.disk_max_bytes = 1;
    options.retention = Duration::from_secs(3600);
    let (store, recovery, _) = open_with(options);
    assert_eq!(recovery.damage, Vec::<String>::new());
    let begin = Instant::now();
    store.checkpoint(250, vec![2]);
    while store.retain(Nanos(0)).unwrap().segments == 0 {
        assert!(begin.elapsed() < LONG, "the older checkpoint is 200 now: more may go for the size's sake");
    }
    assert!(store.retain(Nanos(0)).unwrap().over_limit, "one byte is less than the last segment");
    let mut first = u64::MAX;
    store.replay(0, &mut |seq, _| first = first.min(seq));
    assert!((102..=201).contains(&first), "{first}");
    drop(store);
    let (store, _) = open(dir.path(), &fs);
    assert_eq!(store.stats().segments, std::fs::read_dir(dir.path().join("journal")).unwrap().count());
}

#[test]
fn a_lost_journal_is_said_and_numbers_go_on_behind_the_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let fs = Faulty::default();
    let (store, _) = open(dir.path(), &fs);
    let _ticket = store.append(changes(0..50));
    assert_eq!(store.append(changes([50])).wait(LONG), Stored::Ok(51));
    store.checkpoint(40, b"forty".to_vec());
    drop(store);
    std::fs::remove_dir_all(dir.path().join("journal")).unwrap();
    let (store, recovery) = open(dir.path(), &fs);
    assert_eq!(recovery.checkpoint, Some((40, b"forty".to_vec())));
    assert_eq!(store.append(changes([60])).wait(LONG), Stored::Ok(41));
    drop(store);
    // Older records gone, the checkpoint gone too: the hole has a name.
    std::fs::remove_file(dir.path().join(format!("checkpoint-{:016x}", 40))).unwrap();
    let (_, recovery) = open(dir.path(), &fs);
    assert_eq!(recovery.damage, ["records 1 to 40 are missing from the journal"]);
}

#[test]
fn damage_is_skipped_named_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let fs = Faulty::default();
    let (store, _) = open(dir.path(), &fs);
    for n in 0..100 {
        let _ticket = store.append(changes([n]));
    }
    drop(store);
    let path = dir.path().join("journal").join("0000000000000001.log");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100] ^= 0x10;
    std::fs::write(&path, bytes).unwrap();
    let (store, recovery) = open(dir.path(), &fs);
    assert_eq!(recovery.last_seq, 100);
    let replayed = store.replay(0, &mut |_, _| {});
    assert_eq!((replayed.records, replayed.damages.lost), (99, 1));
    assert!(replayed.damages.listed[0].to_string().contains("0000000000000001.log"));
}

#[derive(Clone, Debug)]
enum Op {
    Append(u8),
    Fault(u8),
    Heal,
    Checkpoint,
    Reopen { power_loss: bool },
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (1..9_u8).prop_map(Op::Append),
        2 => (0..3_u8).prop_map(Op::Fault),
        2 => Just(Op::Heal),
        1 => Just(Op::Checkpoint),
        1 => any::<bool>().prop_map(|power_loss| Op::Reopen { power_loss }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// Every ticket that said stored is there under its number after any crash, and numbers are dense.
    #[test]
    fn acknowledged_is_there(ops in proptest::collection::vec(op(), 1..30)) {
        let dir = tempfile::tempdir().unwrap();
        let fs = Faulty::default();
        let mut store = open(dir.path(), &fs).0;
        let mut n = 0;
        let mut tickets: Vec<(Ticket, i64)> = Vec::new();
        let mut acknowledged: Vec<(u64, i64)> = Vec::new();
        for op in ops {
            match op {
                Op::Append(count) => {
                    let next = n + i64::from(count);
                    tickets.push((store.append(changes(n..next)), next - 1));
                    n = next;
                }
                Op::Fault(0) => fs.set_space(Some(500)),
                Op::Fault(1) => fs.fail_next_syncs(3),
                Op::Fault(_) => fs.fail_next_truncates(1),
                Op::Heal => fs.set_space(None),
                Op::Checkpoint => store.checkpoint(store.last_seq(), vec![7; 100]),
                Op::Reopen { power_loss } => {
                    drop(store);
                    for (ticket, last) in tickets.drain(..) {
                        match ticket.outcome() {
                            Some(Stored::Ok(seq)) => acknowledged.push((seq, last)),
                            Some(Stored::Refused { .. }) => {}
                            other => prop_assert!(false, "closed, yet {other:?}"),
                        }
                    }
                    if power_loss {
                        fs.power_loss();
                    }
                    fs.fail_next_syncs(0);
                    fs.fail_next_truncates(0);
                    store = open(dir.path(), &fs).0;
                    let stored = all(&store);
                    prop_assert!(stored.iter().map(|(seq, _)| *seq).eq(1..=stored.len() as u64));
                    for (seq, last) in &acknowledged {
                        let want = (*seq, Record::Change(change(*last)));
                        prop_assert_eq!(stored.get(usize::try_from(*seq).unwrap() - 1), Some(&want));
                    }
                }
            }
        }
    }
}
