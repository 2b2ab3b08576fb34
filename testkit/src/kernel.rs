//! An independent witness of the kernel's kills for memory, to measure Hinomi against.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::OFlags;
use rustix::time::ClockId;

use crate::process;
use crate::webhook::now_ns;

const TRACEFS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];
const PREFIX: &str = "hinomi-witness-";
const VICTIMS_MAX: usize = 100_000;
const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// A process that the kernel killed for memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Victim {
    /// When, `CLOCK_MONOTONIC`, nanoseconds: with tracefs the kernel's own stamp (to the microsecond), with kmsg the
    /// time of reading, which is later.
    pub monotonic_ns: i64,
    /// The host's process number.
    pub pid: u32,
    /// Its name; empty on kernels that do not say it.
    pub comm: String,
}

/// Watches until dropped.
#[derive(Debug)]
pub struct OomWitness {
    victims: Arc<Mutex<Vec<Victim>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    instance: Option<PathBuf>,
}

impl OomWitness {
    /// Begins to watch: by a tracefs instance of its own, else by `/dev/kmsg`.
    ///
    /// # Errors
    ///
    /// When this machine allows neither.
    pub fn start() -> Result<Self> {
        sweep_stale();
        let (source, instance, parse): (File, _, fn(&str) -> Option<Victim>) = match open_tracefs() {
            Ok((pipe, instance)) => (pipe, Some(instance), parse_trace),
            Err(_) => (open_kmsg()?, None, parse_kmsg),
        };
        let (victims, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (to, until) = (victims.clone(), stop.clone());
        let body = move || {
            watch(source, &until, |line| {
                let mut victims = to.lock().unwrap_or_else(PoisonError::into_inner);
                if victims.len() < VICTIMS_MAX {
                    victims.extend(parse(line));
                }
            });
        };
        let thread = std::thread::Builder::new().name("oom-witness".into()).spawn(body)?;
        Ok(Self { victims, stop, thread: Some(thread), instance })
    }

    /// All victims so far.
    #[must_use]
    pub fn victims(&self) -> Vec<Victim> {
        self.lock().clone()
    }

    /// The first victim, past or to come, that `wanted` accepts.
    ///
    /// # Errors
    ///
    /// When there is none within `limit`.
    pub fn wait_for(&self, limit: Duration, wanted: impl Fn(&Victim) -> bool) -> Result<Victim> {
        process::wait_for("such victim", limit, || self.lock().iter().find(|victim| wanted(victim)).cloned())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Victim>> {
        self.victims.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OomWitness {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
        if let Some(instance) = &self.instance {
            remove_instance(instance);
        }
    }
}

fn watch(mut source: File, stop: &AtomicBool, mut take: impl FnMut(&str)) {
    let mut chunk = vec![0_u8; 64 << 10];
    let mut rest = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let mut ready = [PollFd::from_borrowed_fd(source.as_fd(), PollFlags::IN)];
        let _interrupted = rustix::event::poll(&mut ready, Some(&TICK));
        // Read in any case: EAGAIN is cheap, EPIPE (kmsg overwritten) is passed over by the next read.
        while let Ok(n @ 1..) = source.read(&mut chunk) {
            rest.extend(chunk.iter().take(n));
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                take(&String::from_utf8_lossy(&line));
            }
        }
    }
}

fn open_tracefs() -> Result<(File, PathBuf)> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let root = TRACEFS.iter().map(Path::new).find(|root| root.join("events/oom").is_dir());
    let root = root.context("no tracefs with events/oom")?;
    let name = format!("{PREFIX}{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::SeqCst));
    let instance = root.join("instances").join(name);
    std::fs::create_dir(&instance).with_context(|| format!("make {}", instance.display()))?;
    let opened = prepare(&instance);
    if opened.is_err() {
        remove_instance(&instance);
    }
    Ok((opened?, instance))
}

fn prepare(instance: &Path) -> Result<File> {
    std::fs::write(instance.join("trace_clock"), "mono")?;
    // Wake readers at the first event; absent on old kernels, which do so anyway.
    let _absent = std::fs::write(instance.join("buffer_percent"), "0");
    std::fs::write(instance.join("events/oom/mark_victim/enable"), "1")?;
    Ok(open_nonblocking(&instance.join("trace_pipe"))?)
}

fn open_kmsg() -> Result<File> {
    let file = open_nonblocking(Path::new("/dev/kmsg")).context("open /dev/kmsg")?;
    rustix::fs::seek(&file, rustix::fs::SeekFrom::End(0)).context("go to the end of /dev/kmsg")?;
    Ok(file)
}

fn open_nonblocking(path: &Path) -> std::io::Result<File> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

fn remove_instance(instance: &Path) {
    let _gone = std::fs::write(instance.join("events/oom/mark_victim/enable"), "0");
    let _still = process::wait_for("removal of the tracefs instance", Duration::from_secs(2), || {
        std::fs::remove_dir(instance).ok()
    });
}

/// Removes instances of test runs that were killed.
fn sweep_stale() {
    let roots = TRACEFS.iter().filter_map(|root| std::fs::read_dir(Path::new(root).join("instances")).ok());
    for entry in roots.flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        if owner.is_some_and(|pid| !process::lives(pid)) {
            remove_instance(&entry.path());
        }
    }
}

/// `tail-23850 [001] ...1. 6965.691703: mark_victim: pid=23850 comm=tail total-vm=…`
fn parse_trace(line: &str) -> Option<Victim> {
    let (before, fields) = line.split_once(": mark_victim: ")?;
    let (seconds, micros) = before.rsplit(' ').next()?.split_once('.')?;
    let seconds: i64 = seconds.parse().ok()?;
    let micros: i64 = micros.parse().ok()?;
    let pid = fields.split_once("pid=")?.1.split_whitespace().next()?.parse().ok()?;
    // A name may hold blanks; the field after it is known.
    let comm =
        fields.split_once("comm=").map_or("", |(_, rest)| rest.split(" total-vm=").next().unwrap_or(""));
    Some(Victim { monotonic_ns: seconds * 1_000_000_000 + micros * 1000, pid, comm: comm.to_owned() })
}

/// `3,5784,6965692327,-;Memory cgroup out of memory: Killed process 23850 (tail) total-vm:…`
fn parse_kmsg(line: &str) -> Option<Victim> {
    let (_, text) = line.split_once("ut of memory: Killed process ")?;
    let (pid, rest) = text.split_once(" (")?;
    let comm = rest.split(") total-vm:").next().unwrap_or("").to_owned();
    Some(Victim { monotonic_ns: now_ns(ClockId::Monotonic), pid: pid.parse().ok()?, comm })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_forms() {
        let trace =
            "  tail-23850   [001] ...1.  6965.691703: mark_victim: pid=23850 comm=my tail total-vm=22216kB\n";
        let victim = Victim { monotonic_ns: 6_965_691_703_000, pid: 23850, comm: "my tail".into() };
        assert_eq!(parse_trace(trace), Some(victim));
        let old = " a-1 [000] .... 1.000001: mark_victim: pid=7\n";
        assert_eq!(parse_trace(old).map(|v| (v.pid, v.comm)), Some((7, String::new())));
        let kmsg =
            "3,5784,6965692327,-;Memory cgroup out of memory: Killed process 23850 (tail) total-vm:22216kB\n";
        assert_eq!(parse_kmsg(kmsg).map(|v| (v.pid, v.comm)), Some((23850, "tail".to_owned())));
        assert_eq!(parse_kmsg("6,1,2,-;tail invoked oom-killer: gfp_mask=0xcc0\n"), None);
    }
}
