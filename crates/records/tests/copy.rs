//! Copies of the store while it is written, checkpointed and shortened.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hinomi_base::budget::Budget;
use hinomi_base::clock::Clock;
use hinomi_base::counters::Counters;
use hinomi_model::Nanos;
use hinomi_records::{Alive, Options, Record, Recovery, Store, Stored};

const LONG: Duration = Duration::from_secs(60);

fn open(dir: &Path) -> (Store, Recovery) {
    let options = Options { segment_bytes: 2000, disk_max_bytes: 20_000, ..Options::new(dir) };
    Store::open(options, Budget::new(64 << 20), &Counters::default(), Clock::system()).unwrap()
}

fn put(store: &Store, n: i64) -> u64 {
    match store.append(vec![Record::Alive(Alive { at: Nanos(n) })]).wait(LONG) {
        Stored::Ok(seq) => seq,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_copy_has_all_that_was_stored_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(&dir.path().join("store"));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 1.. {
                let seq = put(&store, n);
                // Checkpoints and removals as often as can be.
                if n % 7 == 0 {
                    store.checkpoint(seq, seq.to_le_bytes().to_vec());
                    store.retain(Nanos(n)).unwrap();
                }
                if done.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        for round in 0..30 {
            let to = dir.path().join(format!("copy{round}"));
            let before = store.last_seq();
            let copied = store.copy_to(&to).unwrap();
            assert!(copied.last_seq >= before);
            let (copy, recovery) = open(&to);
            assert_eq!((recovery.damage.clone(), recovery.cut_bytes), (Vec::new(), 0), "round {round}");
            assert!(recovery.last_seq >= before, "round {round}: {} < {before}", recovery.last_seq);
            let (from, state) = recovery.checkpoint.unwrap_or_default();
            assert_eq!(state, if from == 0 { Vec::new() } else { from.to_le_bytes().to_vec() });
            let mut next = from + 1;
            let replayed = copy.replay(next, &mut |seq, record| {
                let Record::Alive(alive) = record else { panic!("{record:?}") };
                assert_eq!((seq, alive.at), (next, Nanos(i64::try_from(next).unwrap())));
                next += 1;
            });
            assert!(replayed.damages.listed.is_empty(), "round {round}");
            assert_eq!(next, recovery.last_seq + 1);
            // The copy goes its own way.
            assert_eq!(put(&copy, 0), next);
            assert!(store.copy_to(&to).is_err(), "nothing is replaced");
        }
        done.store(true, Ordering::Relaxed);
    });
}
