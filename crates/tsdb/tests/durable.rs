//! What is left after a crash, on a disk that fails, and after damage.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::mem_forget,
    reason = "a test fails by panicking, counts small numbers, and kills by forgetting"
)]

mod support;

use std::sync::Arc;

use hinomi_disk::faulty::Faulty;
use hinomi_series::Matcher;
use hinomi_tsdb::{Batch, Db, Durability, Error, SeriesKey};
use support::{HOUR, T0, count, labels, options, tenant};

fn batch(n: i64) -> Batch {
    let mut batch = Batch::new();
    for name in ["a", "b", "c"] {
        batch.push(
            SeriesKey::Labels(labels(&[("__name__", name), ("job", "test")])),
            T0 + n * 15_000,
            n as f64,
        );
    }
    batch
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn what_was_acknowledged_survives_a_loss_of_power() {
    for durability in [Durability::Fsync, Durability::Interval] {
        let dir = tempfile::tempdir().unwrap();
        let faulty = Faulty::default();
        let mut options = options(dir.path());
        options.fs = Arc::new(faulty.clone());
        options.durability = durability;
        let (db, _) = Db::open(options.clone()).unwrap();
        (0..50).for_each(|n| assert_eq!(db.append(&tenant(), &batch(n)).unwrap().accepted, 3));
        db.upkeep().unwrap();
        (50..60).for_each(|n| assert_eq!(db.append(&tenant(), &batch(n)).unwrap().accepted, 3));
        std::mem::forget(db);
        faulty.power_loss();
        let (db, recovery) = Db::open(options).unwrap();
        assert_eq!(recovery.damage, Vec::<String>::new());
        let want = if durability == Durability::Fsync { 180 } else { 150 };
        assert_eq!(count(&db), want, "{durability:?}");
        assert_eq!(db.append(&tenant(), &batch(60)).unwrap().accepted, 3);
    }
}

#[test]
fn a_crash_at_any_byte_of_the_log_loses_only_what_was_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    let (db, _) = Db::open(options(dir.path())).unwrap();
    let log = |dir: &std::path::Path| {
        let mut files: Vec<_> =
            std::fs::read_dir(dir.join("wal")).unwrap().map(|e| e.unwrap().path()).collect();
        files.sort();
        files.pop().unwrap()
    };
    let mut sizes = Vec::new();
    for n in 0..12 {
        db.append(&tenant(), &batch(n)).unwrap();
        sizes.push(std::fs::metadata(log(dir.path())).unwrap().len());
    }
    let whole = *sizes.last().unwrap();
    for cut in (sizes[0]..=whole).step_by(7) {
        let other = tempfile::tempdir().unwrap();
        copy(dir.path(), other.path());
        let file = std::fs::OpenOptions::new().write(true).open(log(other.path())).unwrap();
        file.set_len(cut).unwrap();
        let (db, recovery) = Db::open(options(other.path())).unwrap();
        let batches = sizes.iter().filter(|size| **size <= cut).count();
        assert_eq!(count(&db), batches * 3, "cut at {cut}");
        assert_eq!(recovery.cut_bytes, cut - sizes[batches - 1]);
        assert_eq!(db.append(&tenant(), &batch(20)).unwrap().accepted, 3);
    }
}

#[test]
fn a_full_disk_refuses_and_what_waited_is_written_later() {
    let dir = tempfile::tempdir().unwrap();
    let faulty = Faulty::default();
    let mut options = options(dir.path());
    options.fs = Arc::new(faulty.clone());
    let (db, _) = Db::open(options.clone()).unwrap();
    db.append(&tenant(), &batch(0)).unwrap();
    faulty.set_space(Some(20));
    assert!(matches!(db.append(&tenant(), &batch(1)), Err(Error::Disk(_))));
    assert!(db.stats().last_error.unwrap().contains("free some space"));
    // The same again: known by now, and still not stored.
    assert!(matches!(db.append(&tenant(), &batch(1)), Err(Error::Disk(_))));
    faulty.set_space(None);
    assert_eq!(db.append(&tenant(), &batch(1)).unwrap().accepted, 3);
    assert_eq!(db.stats().last_error, None);
    std::mem::forget(db);
    faulty.power_loss();
    let (db, _) = Db::open(options).unwrap();
    assert_eq!(count(&db), 6);
}

#[test]
fn a_failed_sync_goes_on_in_another_file_or_ends_everything() {
    let dir = tempfile::tempdir().unwrap();
    let faulty = Faulty::default();
    let mut options = options(dir.path());
    options.fs = Arc::new(faulty.clone());
    let (db, _) = Db::open(options.clone()).unwrap();
    db.append(&tenant(), &batch(0)).unwrap();
    faulty.fail_next_syncs(1);
    assert_eq!(db.append(&tenant(), &batch(1)).unwrap().accepted, 3);
    drop(db);
    faulty.power_loss();
    options.durability = Durability::Interval;
    let (db, _) = Db::open(options).unwrap();
    assert_eq!(count(&db), 6);
    db.append(&tenant(), &batch(2)).unwrap();
    faulty.fail_next_syncs(1);
    assert!(matches!(db.upkeep(), Err(Error::Poisoned { .. })));
    assert!(matches!(db.append(&tenant(), &batch(3)), Err(Error::Poisoned { .. })));
}

#[test]
fn a_failed_block_leaves_everything_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let faulty = Faulty::default();
    let mut options = options(dir.path());
    options.fs = Arc::new(faulty.clone());
    let (db, _) = Db::open(options.clone()).unwrap();
    (0..300).for_each(|n| assert_eq!(db.append(&tenant(), &batch(n)).unwrap().accepted, 3));
    // Out of order, so that putting back has both kinds.
    let mut late = Batch::new();
    late.push(SeriesKey::Labels(labels(&[("__name__", "a"), ("job", "test")])), T0 + 299 * 15_000 - 7, 5.0);
    db.append(&tenant(), &late).unwrap();
    for fault in 0..3 {
        match fault {
            0 => faulty.fail_next_syncs(1),
            1 => faulty.fail_next_renames(1),
            _ => faulty.set_space(Some(100)),
        }
        assert!(db.flush().is_err(), "fault {fault}");
        faulty.set_space(None);
        assert_eq!(count(&db), 901, "fault {fault}");
        assert_eq!(db.stats().blocks, 0);
    }
    (300..310).for_each(|n| assert_eq!(db.append(&tenant(), &batch(n)).unwrap().accepted, 3));
    db.flush().unwrap();
    assert_eq!((count(&db), db.stats().head_series), (931, 0));
    std::mem::forget(db);
    faulty.power_loss();
    let (db, recovery) = Db::open(options).unwrap();
    assert_eq!((count(&db), recovery.replayed_samples), (931, 0));
}

/// A file system that stops working after so many steps that change something, as a killed process does.
#[derive(Clone, Debug)]
struct Dying {
    inner: Faulty,
    left: Arc<std::sync::atomic::AtomicI64>,
}

impl Dying {
    fn step(&self) -> std::io::Result<()> {
        let left = self.left.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
        if left > 0 { Ok(()) } else { Err(std::io::Error::from_raw_os_error(5)) }
    }
}

impl hinomi_disk::fs::Fs for Dying {
    fn create(&self, path: &std::path::Path) -> std::io::Result<Box<dyn hinomi_disk::fs::WriteFile>> {
        self.step()?;
        Ok(Box::new(DyingFile(self.clone(), self.inner.create(path)?)))
    }
    fn open(&self, path: &std::path::Path) -> std::io::Result<Box<dyn hinomi_disk::fs::WriteFile>> {
        self.step()?;
        Ok(Box::new(DyingFile(self.clone(), self.inner.open(path)?)))
    }
    fn rename(&self, from: &std::path::Path, to: &std::path::Path) -> std::io::Result<()> {
        self.step()?;
        self.inner.rename(from, to)
    }
    fn remove(&self, path: &std::path::Path) -> std::io::Result<()> {
        self.step()?;
        self.inner.remove(path)
    }
    fn sync_dir(&self, dir: &std::path::Path) -> std::io::Result<()> {
        self.step()?;
        self.inner.sync_dir(dir)
    }
}

#[derive(Debug)]
struct DyingFile(Dying, Box<dyn hinomi_disk::fs::WriteFile>);

impl hinomi_disk::fs::WriteFile for DyingFile {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> std::io::Result<usize> {
        self.0.step()?;
        self.1.write_at(bytes, offset)
    }
    fn sync(&mut self) -> std::io::Result<()> {
        self.0.step()?;
        self.1.sync()
    }
    fn truncate(&mut self, len: u64) -> std::io::Result<()> {
        self.0.step()?;
        self.1.truncate(len)
    }
}

#[test]
fn death_at_any_step_of_blocks_merges_and_deletions_loses_nothing() {
    let mut steps = 12;
    loop {
        let dir = tempfile::tempdir().unwrap();
        let faulty = Faulty::default();
        let left = Arc::new(std::sync::atomic::AtomicI64::new(steps));
        let mut dying = options(dir.path());
        dying.fs = Arc::new(Dying { inner: faulty.clone(), left: Arc::clone(&left) });
        let Ok((db, _)) = Db::open(dying) else {
            steps += 1;
            continue;
        };
        let mut acknowledged = 0;
        // None of the samples of `gone` is asked for once its deletion was.
        let mut deletion_asked = false;
        let mut deletion_done = false;
        for hour in 0..8 {
            let mut batch = Batch::new();
            for name in ["kept", "gone"] {
                batch.push(SeriesKey::Labels(labels(&[("__name__", name)])), T0 + hour * HOUR, 1.0);
            }
            if db.append(&tenant(), &batch).is_ok() {
                acknowledged = hour + 1;
            }
            let _dead = db.flush();
            if hour == 5 {
                deletion_asked = true;
                deletion_done =
                    db.delete(&tenant(), &[Matcher::equal("__name__", "gone")], i64::MIN, i64::MAX).is_ok();
                let _dead = db.compact();
                let _dead = db.purge_deleted();
            }
        }
        let alive = left.load(std::sync::atomic::Ordering::SeqCst) > 0;
        std::mem::forget(db);
        faulty.power_loss();
        let (db, recovery) = Db::open(options(dir.path())).unwrap();
        assert_eq!(recovery.damage, Vec::<String>::new(), "death after {steps} steps");
        let found = support::read(&db, &support::everything(Vec::new()));
        let of = |name: &str| {
            found.get(&format!("{{__name__=\"{name}\"}}")).map_or(0, |points| points.len() as i64)
        };
        assert!(of("kept") >= acknowledged, "death after {steps} steps: {} of {acknowledged}", of("kept"));
        if deletion_done {
            assert!(of("gone") <= 2, "death after {steps} steps: {} came back", of("gone"));
        }
        if !deletion_asked {
            assert!(of("gone") >= acknowledged);
        }
        if alive {
            assert_eq!((of("kept"), of("gone")), (8, 2));
            break;
        }
        steps += 3;
    }
    assert!(steps > 100, "{steps} steps");
}

/// Counts syncs, each of which takes a while.
#[derive(Clone, Debug)]
struct Slow(Faulty, Arc<std::sync::atomic::AtomicU64>);

impl hinomi_disk::fs::Fs for Slow {
    fn create(&self, path: &std::path::Path) -> std::io::Result<Box<dyn hinomi_disk::fs::WriteFile>> {
        Ok(Box::new(SlowFile(self.1.clone(), self.0.create(path)?)))
    }
    fn open(&self, path: &std::path::Path) -> std::io::Result<Box<dyn hinomi_disk::fs::WriteFile>> {
        Ok(Box::new(SlowFile(self.1.clone(), self.0.open(path)?)))
    }
    fn rename(&self, from: &std::path::Path, to: &std::path::Path) -> std::io::Result<()> {
        self.0.rename(from, to)
    }
    fn remove(&self, path: &std::path::Path) -> std::io::Result<()> {
        self.0.remove(path)
    }
    fn sync_dir(&self, dir: &std::path::Path) -> std::io::Result<()> {
        self.0.sync_dir(dir)
    }
}

#[derive(Debug)]
struct SlowFile(Arc<std::sync::atomic::AtomicU64>, Box<dyn hinomi_disk::fs::WriteFile>);

impl hinomi_disk::fs::WriteFile for SlowFile {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> std::io::Result<usize> {
        self.1.write_at(bytes, offset)
    }
    fn sync(&mut self) -> std::io::Result<()> {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        std::thread::sleep(std::time::Duration::from_millis(5));
        self.1.sync()
    }
    fn truncate(&mut self, len: u64) -> std::io::Result<()> {
        self.1.truncate(len)
    }
}

fn append_ten(db: &Db, thread: i64) {
    for n in 0..10 {
        let mut batch = Batch::new();
        batch.push(SeriesKey::Labels(labels(&[("__name__", "up"), ("n", &thread.to_string())])), T0 + n, 1.0);
        assert_eq!(db.append(&tenant(), &batch).unwrap().accepted, 1);
    }
}

#[test]
fn those_who_wait_share_a_sync() {
    let dir = tempfile::tempdir().unwrap();
    let faulty = Faulty::default();
    let syncs = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let mut options = options(dir.path());
    options.fs = Arc::new(Slow(faulty.clone(), Arc::clone(&syncs)));
    let (db, _) = Db::open(options.clone()).unwrap();
    std::thread::scope(|scope| {
        let db = &db;
        for thread in 0..8 {
            scope.spawn(move || append_ten(db, thread));
        }
    });
    let taken = syncs.load(std::sync::atomic::Ordering::SeqCst);
    assert!(taken < 60, "{taken} syncs for 80 appends of 8 callers");
    std::mem::forget(db);
    faulty.power_loss();
    assert_eq!(count(&Db::open(options).unwrap().0), 80);
}

#[test]
fn a_damaged_block_is_reported_and_never_believed() {
    let dir = tempfile::tempdir().unwrap();
    let (db, _) = Db::open(options(dir.path())).unwrap();
    (0..50).for_each(|n| assert_eq!(db.append(&tenant(), &batch(n)).unwrap().accepted, 3));
    db.flush().unwrap();
    let whole = support::read(&db, &support::everything(Vec::new()));
    drop(db);
    let path = std::fs::read_dir(dir.path().join("blocks")).unwrap().next().unwrap().unwrap().path();
    let good = std::fs::read(&path).unwrap();
    let limit = hinomi_model::metrics::ReadLimit::unlimited();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        std::fs::write(&path, &bad).unwrap();
        let Ok((db, recovery)) = Db::open(options(dir.path())) else {
            assert!((8..12).contains(&at), "only another version stops the start, not byte {at}");
            continue;
        };
        let read = hinomi_model::metrics::SeriesSource::select(&db, &support::everything(Vec::new()), &limit);
        // The four bytes behind the version mean nothing.
        let noticed = !recovery.damage.is_empty() || read.is_err() || (12..16).contains(&at);
        assert!(noticed, "byte {at} of {} was believed", good.len());
    }
    std::fs::write(&path, &good[..good.len() / 2]).unwrap();
    let (db, recovery) = Db::open(options(dir.path())).unwrap();
    assert_eq!((recovery.damage.len(), count(&db)), (1, 0));
    drop(db);
    std::fs::write(&path, &good).unwrap();
    let (db, _) = Db::open(options(dir.path())).unwrap();
    assert_eq!(support::read(&db, &support::everything(Vec::new())), whole);
}
