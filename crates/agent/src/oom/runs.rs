//! Watched runs of containers: how one begins, what its cgroup says, how it ends.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use hinomi_model::ResourceId;
use rustix::fs::inotify;

use super::cgroup::{self, Group, Wake};
use super::merge::Arbiter;
use super::parse::Counts;
use super::service::Loop;
use super::{Command, Witness, procfs};

/// When a version 1 count is read again after its wake-up, which comes before the kernel counts.
const READ_AGAIN_NS: [i64; 3] = [10_000_000, 50_000_000, 200_000_000];
/// A first process younger than this makes its cgroup's count all news.
const YOUNG: Duration = Duration::from_secs(5);
/// Commands taken before descriptors get their turn.
const COMMANDS: usize = 64;

/// A watched run.
pub(super) struct Run {
    pub(super) resource: Arc<ResourceId>,
    pub(super) container_id: String,
    pub(super) pid: u32,
    pub(super) group: Option<Group>,
    peak_bytes: Option<u64>,
    /// When its cgroup last woke.
    pub(super) woken_at: Option<i64>,
    /// It ended; it stays known for late victims.
    left: bool,
    /// Next reading of [`READ_AGAIN_NS`].
    pub(super) read_again: usize,
}

impl Run {
    /// Its cgroup woke us. Version 2 wakes once more after the last change; version 1 wakes before it counts.
    pub(super) fn woke(&mut self, now: i64) {
        self.woken_at = Some(now);
        self.read_again =
            if self.group.as_ref().is_some_and(|group| !group.second) { 0 } else { READ_AGAIN_NS.len() };
    }

    /// Highest use, as far as it could be read.
    pub(super) fn peak_bytes(&mut self) -> Option<u64> {
        self.peak_bytes = self.group.as_ref().and_then(Group::peak_bytes).or(self.peak_bytes);
        self.peak_bytes
    }

    /// It did not end.
    pub(super) fn watched(&self) -> bool {
        !self.left
    }

    /// What its cgroup counted; `None` when that can't be read.
    pub(super) fn reading(&mut self) -> Option<Counts> {
        let group = self.group.as_ref()?;
        let counts = group.counts()?;
        // While it can be read: at the end of the first process it is gone within milliseconds.
        self.peak_bytes = group.peak_bytes().or(self.peak_bytes);
        Some(counts)
    }

    /// What the cgroup says about a victim that stands at `path`.
    pub(super) fn arbiter(&mut self, path: Option<&str>) -> Arbiter {
        let below = path.is_some_and(|path| {
            // Version 1 counts where the victim stands, version 2 on all levels.
            path.rsplit('/').next().is_some_and(|last| !last.contains(self.container_id.as_str()))
        });
        if below && self.group.as_ref().is_some_and(|group| !group.second) {
            return Arbiter::Elsewhere;
        }
        self.reading().map_or(Arbiter::Unreadable, Arbiter::Counts)
    }

    /// When its count is due again.
    pub(super) fn read_again_at(&self) -> Option<i64> {
        Some(self.woken_at?.saturating_add(*READ_AGAIN_NS.get(self.read_again)?))
    }
}

impl Loop {
    /// Takes what waits, a bounded number.
    pub(super) fn commands(&mut self, first: Option<Command>) {
        let mut next = first;
        for left in (0..COMMANDS).rev() {
            let Some(command) = next else { return };
            match command {
                Command::Watch { resource, container_id, pid } => self.watch(resource, container_id, pid),
                Command::Unwatch { container_id } => self.unwatch(&container_id),
            }
            next = if left > 0 { self.service.commands.try_recv().ok() } else { None };
        }
    }

    fn watch(&mut self, resource: Arc<ResourceId>, container_id: String, pid: u32) {
        if let Some(key) = self.by_id.get(&container_id) {
            if self.runs.get(key).is_some_and(|run| run.pid == pid && run.watched()) {
                return;
            }
            self.unwatch(&container_id);
        }
        let key = self.next_key;
        self.next_key += 1;
        let group = self.open_group(&container_id, pid);
        if let Some(fd) = group.as_ref().and_then(Group::eventfd)
            && let Err(error) = self.poll.add(fd, key)
        {
            tracing::warn!(container = container_id, %error, "cannot listen to a container's cgroup");
        }
        if let Some(Wake::Inotify(wd)) = group.as_ref().map(|group| &group.wake) {
            self.by_wd.insert(*wd, key);
        }
        let mut run = Run {
            resource,
            container_id: container_id.clone(),
            pid,
            group,
            peak_bytes: None,
            woken_at: None,
            left: false,
            read_again: READ_AGAIN_NS.len(),
        };
        let reading = run.reading();
        let accounted = if self.young(pid) { Counts::default() } else { reading.unwrap_or_default() };
        self.runs.insert(key, run);
        self.by_id.insert(container_id.clone(), key);
        let now = self.now();
        let arbiter = reading.map_or(Arbiter::Unreadable, Arbiter::Counts);
        let incidents = self.merger.watch(now, key, (&container_id, pid), accounted, arbiter);
        self.emit(incidents);
        if let Some(counts) = reading {
            self.merger.counted(now, key, counts);
        }
    }

    /// Whether all that its cgroup counted is news: it began while this service was listening, moments ago.
    fn young(&self, pid: u32) -> bool {
        let proc_root = &self.service.options.proc_root;
        let (Some(started), Some(uptime)) = (procfs::started(proc_root, pid), procfs::uptime(proc_root))
        else {
            return false;
        };
        started >= self.started && uptime.saturating_sub(started) <= YOUNG
    }

    fn open_group(&mut self, container_id: &str, pid: u32) -> Option<Group> {
        let options = &self.service.options;
        let membership = procfs::membership(&options.proc_root, pid)?;
        let (folder, second) = cgroup::locate(&options.cgroup_root, &membership, container_id)?;
        let (group, witness) = match Group::open(&folder, second, self.inotify.as_ref()) {
            Ok((group, None)) => {
                let how = if second { "inotify on memory.events" } else { "eventfd on memory.oom_control" };
                (Some(group), Witness { on: true, reason: how.to_owned() })
            }
            Ok((group, Some(reason))) => (Some(group), Witness { on: false, reason }),
            Err(reason) => (None, Witness { on: false, reason }),
        };
        let mut status = self.service.status.lock().unwrap_or_else(PoisonError::into_inner);
        if !witness.on && status.cgroup.reason != witness.reason {
            tracing::warn!(
                container = container_id,
                reason = witness.reason,
                "a container's cgroup is no witness"
            );
        }
        status.cgroup = witness;
        group
    }

    fn unwatch(&mut self, container_id: &str) {
        let now = self.now();
        let Some(key) = self.by_id.get(container_id).copied() else { return };
        let Some(run) = self.runs.get_mut(&key).filter(|run| run.watched()) else { return };
        let counts = run.reading();
        run.left = true;
        run.woken_at = None;
        if let Some(group) = run.group.take() {
            match &group.wake {
                Wake::Inotify(wd) => {
                    self.by_wd.remove(wd);
                    if let Some(fd) = &self.inotify {
                        // Fails when the kernel dropped it with the cgroup.
                        let _gone = inotify::remove_watch(fd, *wd);
                    }
                }
                Wake::Eventfd(fd) => self.poll.remove(fd),
                Wake::None => {}
            }
        }
        self.merger.leave(now, key, counts);
    }
}
