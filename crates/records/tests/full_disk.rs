//! A real file system of 16 MiB that fills up. Needs root and loop devices; says so when it is skipped.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use hinomi_base::budget::Budget;
use hinomi_base::clock::Clock;
use hinomi_base::counters::Counters;
use hinomi_model::Nanos;
use hinomi_records::{Delivered, DeliveryStatus, Options, Record, Store, Stored};

/// A mounted image; unmounted when dropped.
struct Mounted {
    dir: tempfile::TempDir,
}

impl Mounted {
    fn new() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let (image, mount) = (dir.path().join("image"), dir.path().join("mount"));
        std::fs::File::create(&image).unwrap().set_len(16 << 20).unwrap();
        std::fs::create_dir(&mount).unwrap();
        let done = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
        let mounted = done(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image))
            && done(Command::new("mount").args(["-o", "loop"]).args([&image, &mount]));
        mounted.then_some(Self { dir })
    }

    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("mount")
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _done = Command::new("umount").arg(self.path()).status();
    }
}

fn record(n: u64) -> Record {
    Record::Delivered(Delivered {
        receiver: "oncall".into(),
        incident: format!("incident {n}"),
        sequence: 1,
        at: Nanos(i64::try_from(n).unwrap()),
        status: DeliveryStatus::Accepted,
        detail: "x".repeat(4000),
        tries: 0,
    })
}

fn open(dir: &Path) -> Store {
    let mut options = Options::new(dir.join("records"));
    options.segment_bytes = 1 << 20;
    options.retry = Duration::from_millis(20);
    Store::open(options, Budget::new(64 << 20), &Counters::default(), Clock::system()).unwrap().0
}

#[test]
fn a_full_disk_makes_late_and_freeing_it_makes_stored() {
    let Some(mounted) = Mounted::new() else {
        println!("skipped: 1 test, it needs root, mkfs.ext4 and a loop device");
        return;
    };
    let ballast = mounted.path().join("ballast");
    std::fs::write(&ballast, vec![0; 6 << 20]).unwrap();
    let store = open(&mounted.path());
    let mut n = 1;
    let late = loop {
        let ticket = store.append(vec![record(n)]);
        match ticket.wait(Duration::from_secs(30)) {
            Stored::Ok(last) => assert_eq!(last, n),
            Stored::Late => break ticket,
            refused @ Stored::Refused { .. } => panic!("{refused:?}"),
        }
        n += 1;
    };
    let error = store.health().last_error.unwrap();
    assert!(error.contains("No space left") && error.contains("free some space"), "{error}");
    let more: Vec<_> = (n + 1..n + 100).map(|n| store.append(vec![record(n)])).collect();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(late.outcome(), None);

    std::fs::remove_file(&ballast).unwrap();
    let begin = Instant::now();
    while more.iter().chain([&late]).any(|ticket| ticket.outcome().is_none()) {
        assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", store.health());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(late.outcome(), Some(Stored::Ok(n)));
    assert!(store.health().ok && store.health().dropped == 0);
    drop(store);
    let mut next = 1;
    let store = open(&mounted.path());
    let replayed = store.replay(0, &mut |seq, got| {
        assert_eq!((seq, got), (next, record(next)));
        next += 1;
    });
    assert!(replayed.damages.is_empty());
    assert_eq!(next, n + 100);
    drop(store);
}
