//! Real kills by this machine's kernel, without any runtime. Needs root and cgroup v1 for memory; on version 2 the
//! same stories run in `tests/vm/run`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may stop, and says why it skips"
)]

use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hinomi_agent::oom::{Handle, Options, Service};
use hinomi_base::clock::Clock;
use hinomi_base::counters::Counters;
use hinomi_base::task;
use hinomi_model::{
    Fact, Oom, OomWitness, Rejected, ResourceId, ResourceKind, Sink, Source, StateChange, Tenant,
};

const LIMIT_BYTES: u64 = 16 << 20;
const MEMORY: &str = "/sys/fs/cgroup/memory";
/// One story at a time: they look at the kernel's global places.
static ONE: Mutex<()> = Mutex::new(());

/// Whether the stories can be played here; says so when not.
fn can_run() -> bool {
    let can = rustix::process::geteuid().is_root() && Path::new(MEMORY).join("cgroup.event_control").exists();
    if !can {
        println!("skipped: needs root and cgroup v1 for memory");
    }
    can
}

#[derive(Default)]
struct Collect {
    changes: Mutex<Vec<StateChange>>,
    refusals: AtomicU32,
}

impl Sink for Collect {
    fn push(&self, changes: Vec<StateChange>) -> Result<(), Rejected> {
        if self.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok() {
            return Err(Rejected(changes));
        }
        self.changes.lock().unwrap().extend(changes);
        Ok(())
    }
}

/// A service in its own runtime.
struct Tower {
    sink: Arc<Collect>,
    handle: Handle,
    counters: Counters,
    stop: task::ShutdownTrigger,
    thread: std::thread::JoinHandle<()>,
}

impl Tower {
    fn start(options: Options) -> Self {
        let (sink, counters) = (Arc::new(Collect::default()), Counters::default());
        let (service, handle) = Service::new(options, sink.clone(), Clock::system(), counters.clone());
        let (stop, shutdown) = task::shutdown();
        let body = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(service.run(shutdown));
        };
        let thread = task::spawn_thread("tower", body).unwrap();
        let tower = Self { sink, handle, counters, stop, thread };
        tower.wait("listening", || tower.handle.status().cgroup_version.as_str() != "none");
        tower
    }

    fn wait(&self, what: &str, mut done: impl FnMut() -> bool) {
        let end = Instant::now() + Duration::from_secs(10);
        while !done() {
            assert!(
                Instant::now() < end,
                "not {what} within 10 s: {:?} {:?}",
                self.handle.status(),
                self.counters.all()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn watch(&self, cell: &Cell, pid: u32) {
        let resource = ResourceId {
            tenant: Tenant::default(),
            cluster: "test".to_owned(),
            kind: ResourceKind::Container,
            uid: cell.id.clone(),
            name: "cell".to_owned(),
            node: String::new(),
            workload: None,
        };
        let before = self.handle.status().watched;
        self.handle.watch(Arc::new(resource), &cell.id, pid);
        self.wait("watched", || self.handle.status().watched > before);
    }

    fn facts(&self) -> Vec<(StateChange, Oom)> {
        let changes = self.sink.changes.lock().unwrap();
        let oom = |change: &StateChange| match &change.fact {
            Fact::Oom(oom) => oom.clone(),
            other => panic!("{other:?}"),
        };
        changes.iter().map(|change| (change.clone(), oom(change))).collect()
    }

    /// The facts once there are `n`, and that no more come in the time in which a double would.
    fn exactly(&self, n: usize) -> Vec<(StateChange, Oom)> {
        self.wait(&format!("{n} facts"), || self.facts().len() >= n);
        std::thread::sleep(Duration::from_millis(450));
        let facts = self.facts();
        assert_eq!(facts.len(), n, "{facts:#?} {:?}", self.counters.all());
        facts
    }

    fn end(self) {
        self.stop.raise();
        self.thread.join().unwrap();
    }
}

/// A memory cgroup as a runtime makes it.
struct Cell {
    parent: PathBuf,
    id: String,
}

impl Cell {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::SeqCst);
        let parent = Path::new(MEMORY).join(format!("hinomi-test-{}-{n}", std::process::id()));
        let cell = Self {
            parent,
            id: format!("{:064x}", 0xabc0_0000 + u64::from(std::process::id()) * 16 + u64::from(n)),
        };
        cell.make();
        cell
    }

    fn make(&self) {
        std::fs::create_dir_all(self.folder()).unwrap();
        std::fs::write(self.folder().join("memory.limit_in_bytes"), LIMIT_BYTES.to_string()).unwrap();
        if std::fs::read_to_string("/proc/swaps").is_ok_and(|swaps| swaps.lines().count() > 1) {
            std::fs::write(self.folder().join("memory.memsw.limit_in_bytes"), LIMIT_BYTES.to_string())
                .unwrap();
        }
    }

    fn folder(&self) -> PathBuf {
        self.parent.join(&self.id)
    }

    /// Runs a script in it; it waits for a line before its first command.
    fn run(&self, script: &str) -> Child {
        let script = format!("echo $$ > {}/cgroup.procs; read go; {script}", self.folder().display());
        let mut command = Command::new("sh");
        command.args(["-c", &script]).stdin(Stdio::piped()).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        let procs = self.folder().join("cgroup.procs");
        while !std::fs::read_to_string(&procs).unwrap().lines().any(|pid| pid == child.id().to_string()) {
            std::thread::sleep(Duration::from_millis(1));
        }
        child
    }

    fn remove(&self) {
        for pid in std::fs::read_to_string(self.folder().join("cgroup.procs")).unwrap_or_default().lines() {
            let pid = rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap();
            let _gone = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        for _ in 0..200 {
            if std::fs::remove_dir(self.folder()).is_ok() || !self.folder().exists() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        self.remove();
        let _busy = std::fs::remove_dir(&self.parent);
    }
}

fn go(child: &mut Child) {
    child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
}

fn finish(mut child: Child) {
    let _over = child.kill();
    child.wait().unwrap();
}

fn without(path: &str) -> PathBuf {
    Path::new("/nonexistent").join(path)
}

/// Every set of witnesses that this process can be left with.
fn sets() -> [(Options, OomWitness); 4] {
    let all = Options::default();
    [
        (all.clone(), OomWitness::Tracefs),
        (Options { kmsg: without("kmsg"), ..all.clone() }, OomWitness::Tracefs),
        (Options { tracefs: Some(without("tracefs")), ..all.clone() }, OomWitness::Kmsg),
        (Options { tracefs: Some(without("tracefs")), kmsg: without("kmsg"), ..all }, OomWitness::Cgroup),
    ]
}

fn check(oom: &Oom, witness: OomWitness, pid: Option<u32>) {
    assert_eq!(oom.witness, witness);
    assert_eq!(oom.victim_pid.is_some(), witness != OomWitness::Cgroup);
    if let Some(pid) = pid.filter(|_| oom.victim_pid.is_some()) {
        assert_eq!(oom.victim_pid, Some(pid));
    }
    if witness != OomWitness::Cgroup {
        assert_eq!(oom.victim_comm.as_deref(), Some("busybox"));
        let rss = oom.victim_rss_kib.unwrap() * 1024;
        assert!((LIMIT_BYTES / 2..LIMIT_BYTES * 2).contains(&rss), "{rss}");
    }
    assert!(oom.peak_bytes.is_some_and(|peak| (LIMIT_BYTES / 2..=LIMIT_BYTES).contains(&peak)), "{oom:?}");
}

#[test]
fn the_first_process_is_killed() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    if !can_run() {
        return;
    }
    for (options, witness) in sets() {
        let (tower, cell) = (Tower::start(options), Cell::new());
        let mut child = cell.run("exec busybox tail /dev/zero");
        tower.watch(&cell, child.id());
        let before = Clock::system().now();
        go(&mut child);
        child.wait().unwrap();
        let facts = tower.exactly(1);
        let (change, oom) = &facts[0];
        check(oom, witness, Some(child.id()));
        assert_eq!(oom.kills, Some(1));
        assert_eq!((change.source, change.resource.uid.as_str()), (Source::Kernel, cell.id.as_str()));
        assert!((before..=Clock::system().now()).contains(&change.occurred_at.0));
        println!(
            "{witness:?}: seen {} us after the kernel's stamp",
            tower.counters.all()["oom_latency_max_us"]
        );
        tower.end();
    }
}

#[test]
fn a_child_is_killed_and_the_parent_lives_on() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    if !can_run() {
        return;
    }
    for (options, witness) in sets() {
        let (tower, cell) = (Tower::start(options), Cell::new());
        let mut child = cell.run("busybox tail /dev/zero; busybox tail /dev/zero; read end");
        tower.watch(&cell, child.id());
        go(&mut child);
        let facts = tower.exactly(2);
        for (n, (_, oom)) in facts.iter().enumerate() {
            check(oom, witness, None);
            assert_ne!(oom.victim_pid, Some(child.id()));
            assert_eq!(oom.kills, Some(n as u64 + 1));
        }
        assert!(child.try_wait().unwrap().is_none(), "the parent lives");
        finish(child);
        tower.end();
    }
}

#[test]
fn a_storm_of_sixty_is_sixty() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    if !can_run() {
        return;
    }
    for (options, witness) in sets() {
        let (tower, cell) = (Tower::start(options), Cell::new());
        let mut child =
            cell.run("n=0; while [ $n -lt 60 ]; do busybox tail /dev/zero; n=$((n+1)); done; read end");
        tower.watch(&cell, child.id());
        go(&mut child);
        let facts = tower.exactly(60);
        let kills: Vec<_> = facts.iter().filter_map(|(_, oom)| oom.kills).collect();
        assert_eq!(kills, (1..=60).collect::<Vec<_>>());
        let victims: std::collections::BTreeSet<_> =
            facts.iter().filter_map(|(_, oom)| oom.victim_pid).collect();
        // The kernel's own marks lose nothing; its log is rate-limited, but not in the lines that name victims.
        assert_eq!(victims.len(), if witness == OomWitness::Cgroup { 0 } else { 60 });
        println!("{witness:?}: slowest {} us", tower.counters.all()["oom_latency_max_us"]);
        finish(child);
        tower.end();
    }
}

#[test]
fn two_at_once_are_told_apart() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    if !can_run() {
        return;
    }
    let (tower, cells) = (Tower::start(Options::default()), [Cell::new(), Cell::new()]);
    let mut children = cells.each_ref().map(|cell| cell.run("exec busybox tail /dev/zero"));
    for (cell, child) in cells.iter().zip(&children) {
        tower.watch(cell, child.id());
    }
    children.iter_mut().for_each(go);
    for (change, oom) in tower.exactly(2) {
        let n = cells.iter().position(|cell| cell.id == change.resource.uid).unwrap();
        assert_eq!(oom.victim_pid, Some(children[n].id()));
    }
    children.into_iter().for_each(finish);
    tower.end();
}

#[test]
fn what_is_no_kill_is_no_fact() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    if !can_run() {
        return;
    }
    for (options, _) in sets() {
        let tower = Tower::start(options);
        // The page cache runs into the limit: failcnt rises, nobody dies.
        let (cell, folder) = (Cell::new(), tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
        let file = folder.path().join("file");
        let mut child =
            cell.run(&format!("busybox dd if=/dev/zero of={} bs=1M count=48; read end", file.display()));
        tower.watch(&cell, child.id());
        go(&mut child);
        let failcnt = || std::fs::read_to_string(cell.folder().join("memory.failcnt")).unwrap().trim() != "0";
        tower.wait("failing", failcnt);
        tower.wait("written", || file.metadata().is_ok_and(|data| data.len() == 48 << 20));
        // Killed by a person, and the cgroup removed: the kernel wakes its listeners once more.
        finish(child);
        cell.remove();
        assert!(!cell.folder().exists());
        tower.exactly(0);
        tower.handle.unwatch(&cell.id);
        tower.exactly(0);
        assert_eq!(tower.handle.status().watched, 0);
        tower.end();
    }
}

#[test]
fn a_kill_before_its_watch_and_a_new_run_under_the_same_path() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    if !can_run() {
        return;
    }
    let (tower, cell) = (Tower::start(Options::default()), Cell::new());
    let mut child = cell.run("exec busybox tail /dev/zero");
    go(&mut child);
    child.wait().unwrap();
    std::thread::sleep(Duration::from_millis(100));
    tower.watch(&cell, child.id());
    assert_eq!(tower.exactly(1)[0].1.victim_pid, Some(child.id()));
    tower.handle.unwatch(&cell.id);
    cell.remove();
    cell.make();
    let mut second = cell.run("busybox tail /dev/zero; read end");
    tower.watch(&cell, second.id());
    go(&mut second);
    let facts = tower.exactly(2);
    assert_eq!(facts[1].1.kills, Some(1), "another cgroup, another count");
    // Kills that an earlier Hinomi reported are not news to the next.
    let next = Tower::start(Options {
        tracefs: Some(without("tracefs")),
        kmsg: without("kmsg"),
        ..Options::default()
    });
    next.watch(&cell, second.id());
    next.exactly(0);
    next.end();
    finish(second);
    tower.end();
}

#[test]
fn a_sink_without_room_gets_it_later() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    if !can_run() {
        return;
    }
    let (tower, cell) = (Tower::start(Options::default()), Cell::new());
    tower.sink.refusals.store(3, Ordering::SeqCst);
    let mut child = cell.run("exec busybox tail /dev/zero");
    tower.watch(&cell, child.id());
    go(&mut child);
    child.wait().unwrap();
    tower.exactly(1);
    assert_eq!(tower.sink.refusals.load(Ordering::SeqCst), 0);
    tower.end();
}

/// A mount of tracefs that is attached nowhere.
fn tracefs() -> OwnedFd {
    use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};
    let context = fsopen("tracefs", FsOpenFlags::FSOPEN_CLOEXEC).unwrap();
    fsconfig_create(&context).unwrap();
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty()).unwrap()
}

fn instances(root: &OwnedFd) -> Vec<String> {
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY;
    let folder = rustix::fs::openat(root, "instances", flags, rustix::fs::Mode::empty()).unwrap();
    let entries = rustix::fs::Dir::read_from(&folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn its_instance_is_removed_at_the_end_and_a_dead_ones_at_the_start() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    if !can_run() {
        return;
    }
    let root = tracefs();
    let stale = "hinomi-4194999";
    rustix::fs::mkdirat(&root, format!("instances/{stale}"), rustix::fs::Mode::RWXU).unwrap();
    let mine = format!("hinomi-{}", std::process::id());
    let tower = Tower::start(Options::default());
    let during = instances(&root);
    assert!(during.contains(&mine) && !during.iter().any(|name| name == stale), "{during:?}");
    // A second service of this process, and a killed neighbour's, do not meet.
    let second = Tower::start(Options::default());
    assert!(instances(&root).contains(&format!("{mine}-1")));
    second.end();
    tower.end();
    assert!(!instances(&root).iter().any(|name| name.starts_with(&mine)));
}
