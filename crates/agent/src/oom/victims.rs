//! From a process that the kernel chose to the container it belonged to.
//!
//! In this order: the container id on its cgroup's path (of the process while it exists, else of the kernel's log), the
//! first process of a watched container, the only container whose count rose beside it, a container watched soon after.

use std::time::Duration;

use hinomi_model::{Nanos, OomWitness};

use super::merge::{Arbiter, Seen};
use super::parse::{self, Victim};
use super::procfs;
use super::service::Loop;

/// A container that woke this recently is asked for its count when a victim has no path.
const WOKEN_NS: i64 = 250_000_000;
/// Cgroup paths kept by victim, from the kernel's log.
const HINTS: usize = 128;
/// An older stamp than this is from another clock.
const STALE_US: u64 = 60_000_000;

impl Loop {
    /// The log named a victim's cgroup.
    pub(super) fn hint(&mut self, pid: u32, path: String) {
        if let Some(seen) = self.merger.take_held(pid) {
            self.attribute(seen, Some(&path));
            return;
        }
        if self.hints.len() >= HINTS {
            self.hints.pop_front();
        }
        self.hints.push_back((pid, path));
    }

    /// The kernel chose a victim: find its container while the process still exists.
    pub(super) fn victim(&mut self, mut victim: Victim, witness: OomWitness) {
        let proc_root = &self.service.options.proc_root;
        let membership = procfs::membership(proc_root, victim.pid);
        // On version 1 a process that is ending is shown in the root cgroup.
        let mut path = membership.map(|m| m.path().to_owned()).filter(|path| path != "/");
        if let Some(at) = self.hints.iter().rposition(|(pid, _)| *pid == victim.pid) {
            path = path.or(self.hints.remove(at).map(|(_, path)| path));
        }
        if victim.comm.is_none() {
            victim.comm = procfs::comm(proc_root, victim.pid);
        }
        victim.pid = procfs::process_of(proc_root, victim.pid).unwrap_or(victim.pid);
        let at = self.occurred_at(victim.stamp_us);
        self.attribute(Seen { at, witness, victim }, path.as_deref());
    }

    fn attribute(&mut self, seen: Seen, path: Option<&str>) {
        let by_path = path.and_then(|path| {
            parse::container_ids(path)
                .iter()
                .find_map(|id| self.by_id.get(*id))
                .copied()
                .map(|key| (key, path))
        });
        let by_pid = || {
            self.runs
                .iter()
                .rev()
                .find(|(_, run)| run.pid != 0 && run.pid == seen.victim.pid)
                .map(|(key, _)| *key)
        };
        let key = by_path.map(|(key, _)| key).or_else(by_pid);
        let Some(key) = key else {
            let ids = path.map(|path| parse::container_ids(path).into_iter().map(str::to_owned).collect());
            let pathless = ids.is_none();
            self.merger.stranger(seen, ids);
            if pathless {
                self.ask_woken();
            }
            return;
        };
        let arbiter = self.runs.get_mut(&key).map_or(Arbiter::Unreadable, |run| run.arbiter(path));
        let now = self.now();
        let incident = self.merger.victim(now, key, seen, arbiter);
        self.emit(incident);
    }

    /// A victim without a path: whoever woke just now may have counted it.
    fn ask_woken(&mut self) {
        let now = self.now();
        let woken = self
            .runs
            .iter()
            .filter(|(_, run)| run.group.is_some() && run.woken_at.is_some_and(|at| now - at <= WOKEN_NS));
        for key in woken.map(|(key, _)| *key).collect::<Vec<_>>() {
            self.count(key, false);
        }
    }

    /// When the kernel's stamp was, by our clock.
    fn occurred_at(&self, stamp_us: Option<u64>) -> i64 {
        let now = self.now();
        let mono = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let mono_us =
            u64::try_from(mono.tv_sec.saturating_mul(1_000_000).saturating_add(mono.tv_nsec / 1000));
        let age = mono_us.ok().zip(stamp_us).map(|(mono, stamp)| mono.saturating_sub(stamp));
        let Some(age_us) = age.filter(|age| *age < STALE_US) else { return now };
        self.tallies.latency_us.set(age_us);
        self.tallies.latency_max_us.set(age_us.max(self.tallies.latency_max_us.get()));
        Nanos(now).minus(Duration::from_micros(age_us)).0
    }
}
