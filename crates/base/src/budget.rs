//! The one memory budget: every cache, queue and buffer that can grow draws on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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
