//! The one memory budget: every cache, queue and buffer that can grow draws on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Least that a [`Meter`] takes at once.
const METER_STEP_BYTES: u64 = 256 << 10;

#[derive(Debug)]
struct Inner {
    limit_bytes: u64,
    used_bytes: AtomicU64,
    refused: AtomicU64,
}

/// A number of bytes that its holders share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Inner>);

/// Bytes taken from a [`Budget`]; given back when dropped.
#[derive(Debug)]
pub struct Share {
    budget: Budget,
    bytes: u64,
}

impl Budget {
    /// A budget of `limit_bytes`.
    #[must_use]
    pub fn new(limit_bytes: u64) -> Self {
        Self(Arc::new(Inner { limit_bytes, used_bytes: AtomicU64::new(0), refused: AtomicU64::new(0) }))
    }

    /// Takes `bytes`, or counts the refusal and returns `None`.
    #[must_use]
    pub fn take(&self, bytes: u64) -> Option<Share> {
        let fits = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.0.limit_bytes);
        match self.0.used_bytes.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits) {
            Ok(_) => Some(Share { budget: self.clone(), bytes }),
            Err(_) => {
                self.0.refused.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }

    /// As [`Self::take`], if at least `leave` bytes are free behind it; about, as two that take at once may both pass.
    #[must_use]
    pub fn take_leaving(&self, bytes: u64, leave: u64) -> Option<Share> {
        let free = self.limit_bytes().saturating_sub(self.used_bytes());
        if bytes.checked_add(leave).is_none_or(|sum| sum > free) {
            self.0.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        self.take(bytes)
    }

    /// Limit in bytes.
    #[must_use]
    pub fn limit_bytes(&self) -> u64 {
        self.0.limit_bytes
    }

    /// Bytes in use.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.0.used_bytes.load(Ordering::Acquire)
    }

    /// How often a request was refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }
}

/// What one piece of work takes from a [`Budget`] as it grows; given back as a whole when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Meter(Arc<Metered>);

#[derive(Debug)]
struct Metered {
    budget: Budget,
    /// What others shall find free, about: two meters that grow at once may both pass.
    leave_bytes: u64,
    taken_bytes: AtomicU64,
}

impl Meter {
    /// One that has taken nothing yet, and leaves so many bytes to others.
    #[must_use]
    pub fn leaving(budget: &Budget, leave_bytes: u64) -> Self {
        Self(Arc::new(Metered { budget: budget.clone(), leave_bytes, taken_bytes: AtomicU64::new(0) }))
    }

    /// Makes sure that `bytes` are taken, all in all; false if the budget has no room for them. What was taken once
    /// stays: work that shrinks may grow again.
    #[must_use]
    pub fn reach(&self, bytes: u64) -> bool {
        loop {
            let taken = self.0.taken_bytes.load(Ordering::Acquire);
            let Some(missing) = bytes.checked_sub(taken).filter(|missing| *missing > 0) else { return true };
            // In steps, so that not every sample asks; to the byte where there is room for no more.
            let step = missing.max(METER_STEP_BYTES);
            let take = |bytes| self.0.budget.take_leaving(bytes, self.0.leave_bytes);
            let Some(mut share) = take(step).or_else(|| take(missing)) else { return false };
            let sum = taken.saturating_add(share.bytes);
            if self.0.taken_bytes.compare_exchange(taken, sum, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                // It is the meter's from here on.
                share.bytes = 0;
            }
        }
    }

    /// Bytes that are taken.
    #[must_use]
    pub fn taken_bytes(&self) -> u64 {
        self.0.taken_bytes.load(Ordering::Acquire)
    }

    /// The budget.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.0.budget
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        self.budget.0.used_bytes.fetch_sub(*self.taken_bytes.get_mut(), Ordering::AcqRel);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.0.used_bytes.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

/// Default budget: a quarter of RAM or of the cgroup's limit, whichever is smaller.
#[must_use]
pub fn default_limit_bytes() -> u64 {
    let ram = read_kib("/proc/meminfo", "MemTotal:").map_or(1 << 30, |kib| kib.saturating_mul(1024));
    let cgroup = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok());
    cgroup.map_or(ram, |limit| limit.min(ram)) / 4
}

fn read_kib(path: &str, key: &str) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_grows_and_gives_all_back() {
        let budget = Budget::new(METER_STEP_BYTES + 100);
        let meter = Meter::leaving(&budget, 0);
        assert!(meter.reach(0) && meter.taken_bytes() == 0);
        assert!(meter.reach(10) && meter.reach(METER_STEP_BYTES));
        assert_eq!(budget.used_bytes(), METER_STEP_BYTES, "one step");
        assert!(meter.reach(METER_STEP_BYTES + 100), "to the byte");
        assert!(!meter.reach(METER_STEP_BYTES + 101));
        assert_eq!(meter.taken_bytes(), METER_STEP_BYTES + 100);
        let clone = meter.clone();
        drop(meter);
        assert_eq!(budget.used_bytes(), METER_STEP_BYTES + 100);
        drop(clone);
        assert_eq!(budget.used_bytes(), 0);
        let meter = Meter::leaving(&budget, 101);
        assert!(!meter.reach(METER_STEP_BYTES));
        assert!(meter.reach(METER_STEP_BYTES - 1));
    }

    #[test]
    fn gives_back_on_drop_and_counts_refusals() {
        let budget = Budget::new(10);
        let first = budget.take(7);
        assert!(first.is_some());
        assert!(budget.take(4).is_none());
        assert_eq!((budget.used_bytes(), budget.refused()), (7, 1));
        drop(first);
        assert!(budget.take(10).is_some());
        assert_eq!(budget.used_bytes(), 0);
    }
}
