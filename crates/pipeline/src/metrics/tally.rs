//! Counts what became of samples, whoever sent them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use hinomi_tsdb::Appended;

/// Sums since the start.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    appended: AtomicU64,
    refused: AtomicU64,
    rejected: Mutex<BTreeMap<&'static str, u64>>,
}

impl Tally {
    /// A batch was taken.
    pub(crate) fn count(&self, appended: &Appended) {
        self.appended.fetch_add(appended.accepted, Ordering::Relaxed);
        if appended.rejected.is_empty() {
            return;
        }
        let mut rejected = self.rejected.lock().unwrap_or_else(PoisonError::into_inner);
        for (reason, count) in &appended.rejected {
            let sum = rejected.entry(reason.as_str()).or_default();
            *sum = sum.saturating_add(*count);
        }
    }

    /// A batch was not taken.
    pub(crate) fn refuse(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Samples that were stored.
    pub(crate) fn appended(&self) -> u64 {
        self.appended.load(Ordering::Relaxed)
    }

    /// Batches that were not taken as a whole.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Samples that were not stored, by reason.
    pub(crate) fn rejected(&self) -> BTreeMap<&'static str, u64> {
        self.rejected.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
