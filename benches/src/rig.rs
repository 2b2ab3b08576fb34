//! What a measurement stands on: a private dockerd, a webhook receiver, a running Hinomi.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use hinomi_testkit::docker::{Builder, PrivateDocker};
use hinomi_testkit::hinomi::{Options, Server};
use hinomi_testkit::process;
use hinomi_testkit::webhook::Receiver;

use crate::engine::Engine;

/// Dropped in this order: Hinomi ends before the dockerd it watches.
#[derive(Debug)]
pub struct Rig {
    /// Hinomi; tells the receiver of every Notice and Alert.
    pub server: Server,
    /// The receiver, in the dockerd's network namespace.
    pub receiver: Receiver,
    /// dockerd's API.
    pub engine: Engine,
    /// dockerd.
    pub docker: PrivateDocker,
}

impl Rig {
    /// Sets all up.
    ///
    /// # Errors
    ///
    /// When something of it does not start.
    pub fn start(name: &str) -> Result<Self> {
        Self::start_at(name, None)
    }

    /// Sets all up, Hinomi's data folder given.
    ///
    /// # Errors
    ///
    /// When something of it does not start.
    pub fn start_at(name: &str, data_dir: Option<&Path>) -> Result<Self> {
        let docker = Builder::new(name).start()?;
        let receiver = Receiver::start_in(Some(&docker.netns()))?;
        let options = options(&docker, &receiver);
        let options = data_dir.map_or(options.clone(), |folder| options.data_dir(folder));
        let server = options.start()?;
        Ok(Self { server, receiver, engine: Engine::new(&docker), docker })
    }

    /// Where `HINOMI_BENCH_LOG` says: Hinomi's log and last status, for whoever looks for the cause of a line that does not hold.
    fn keep_log(&self) {
        if let Some(to) = std::env::var_os("HINOMI_BENCH_LOG") {
            let log = std::fs::read_to_string(self.server.log()).unwrap_or_default();
            let status = self
                .server
                .get("/api/hinomi/v1/status")
                .map_or_else(|error| format!("{error:#}"), |status| format!("{status:#}"));
            let _only_for_people = std::fs::write(to, format!("{log}\nstatus: {status}\n"));
        }
    }

    /// Waits until Hinomi counts so many running containers.
    ///
    /// # Errors
    ///
    /// When that does not come within 60 s.
    pub fn wait_for_running(&self, containers: usize) -> Result<()> {
        let counted = |status: &serde_json::Value| {
            (status["totals"]["running"].as_u64() == u64::try_from(containers).ok()).then_some(())
        };
        self.server.wait_for("/api/hinomi/v1/status", Duration::from_secs(60), counted)
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.keep_log();
        // Not killed: it takes its tracefs instance with it.
        let _ended = self.server.stop();
    }
}

/// How Hinomi runs beside a dockerd and a receiver.
#[must_use]
pub fn options(docker: &PrivateDocker, receiver: &Receiver) -> Options {
    let yaml = format!(
        "host: {{ name: bench }}\nreceivers:\n  - {{ name: bench, webhook: {{ url: \"{}\" }} }}\n\
         routes:\n  - {{ receiver: bench }}",
        receiver.url()
    );
    Options::new().docker(docker).config(&yaml)
}

/// Calls `work` with each of `0..total` from so many threads; the first error ends all of them.
///
/// # Errors
///
/// The first one.
pub fn parallel<T: Send>(
    threads: usize,
    total: usize,
    work: impl Fn(usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, T)>> = Mutex::default();
    let body = || -> Result<()> {
        loop {
            let index = next.fetch_add(1, Ordering::SeqCst);
            if index >= total {
                return Ok(());
            }
            let value = work(index).inspect_err(|_| next.store(total, Ordering::SeqCst))?;
            done.lock().unwrap_or_else(PoisonError::into_inner).push((index, value));
        }
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(body)).collect();
        running.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a worker panicked"))?)
    })?;
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, value)| value).collect())
}

/// Watches how much memory a process holds, until dropped.
#[derive(Debug)]
pub struct PssWatch {
    peak_kib: Arc<Mutex<u64>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl PssWatch {
    /// Looks every `pause`.
    ///
    /// # Errors
    ///
    /// When there can be no thread.
    pub fn start(pid: u32, pause: Duration) -> Result<Self> {
        let (peak_kib, stop) = (Arc::new(Mutex::new(0)), Arc::new(AtomicBool::new(false)));
        let (peak, until) = (Arc::clone(&peak_kib), Arc::clone(&stop));
        let body = move || {
            while !until.load(Ordering::SeqCst) {
                let now = rollup(pid, "Pss:").unwrap_or(0);
                let mut peak = peak.lock().unwrap_or_else(PoisonError::into_inner);
                *peak = now.max(*peak);
                drop(peak);
                std::thread::sleep(pause);
            }
        };
        let thread = std::thread::Builder::new().name("pss".into()).spawn(body)?;
        Ok(Self { peak_kib, stop, thread: Some(thread) })
    }

    /// Highest value so far, MiB.
    #[must_use]
    pub fn peak_mib(&self) -> f64 {
        mib(*self.peak_kib.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for PssWatch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

/// A value of `smaps_rollup`, KiB.
///
/// # Errors
///
/// When the process is gone or the kernel does not say it.
pub fn rollup(pid: u32, name: &str) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let value = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    value.with_context(|| format!("no {name} in smaps_rollup"))
}

/// KiB as MiB.
#[must_use]
pub fn mib(kib: u64) -> f64 {
    u32::try_from(kib).map_or(f64::INFINITY, f64::from) / 1024.0
}

/// Where a process's memory is: kinds of pages, threads, its greatest mappings.
#[must_use]
pub fn memory_words(pid: u32) -> String {
    let kinds = ["Pss_Anon:", "Pss_File:", "Private_Dirty:"];
    let kinds = kinds.map(|name| format!("{name} {:.1} MiB", mib(rollup(pid, name).unwrap_or(0))));
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    let mut maps = mappings(pid);
    maps.sort_by_key(|(kib, _)| std::cmp::Reverse(*kib));
    let maps: Vec<String> =
        maps.iter().take(4).map(|(kib, name)| format!("{name} {:.1} MiB", mib(*kib))).collect();
    format!("{}, {threads} threads, most in {}", kinds.join(" "), maps.join(", "))
}

/// Pss of each mapping, same names summed up.
fn mappings(pid: u32) -> Vec<(u64, String)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap_or_default();
    let mut sums: std::collections::BTreeMap<String, u64> = std::collections::BTreeMap::new();
    let mut name = String::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        if first.contains('-') && !first.ends_with(':') {
            let file = words.nth(4).unwrap_or("anonymous").rsplit('/').next().unwrap_or_default();
            file.clone_into(&mut name);
        } else if first == "Pss:" {
            *sums.entry(name.clone()).or_default() +=
                words.next().and_then(|kib| kib.parse().ok()).unwrap_or(0);
        }
    }
    sums.into_iter().map(|(name, kib)| (kib, name)).collect()
}

/// The load of the last minute.
#[must_use]
pub fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(f64::NAN)
}

/// Waits for a condition, asking ten times a second; false when it did not come.
pub fn comes(limit: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let ask = || {
        let so = is_so();
        if !so {
            std::thread::sleep(Duration::from_millis(90));
        }
        so.then_some(())
    };
    process::wait_for("it", limit, ask).is_ok()
}
