//! The memory of the head, as the budget sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hinomi_base::budget::{Budget, Share};

use crate::bytes::as_u64;

/// Memory is drawn from the budget in steps of this.
const STEP_BYTES: u64 = 1 << 20;
/// Parts of the budget's limit, eighths, that are left to others. What is about to be stored of containers takes all; samples of
/// known series leave one, questions two, new series three: whoever makes too many of them stops nobody else.
const LEFT_BY_SAMPLES: u64 = 1;
const LEFT_BY_SERIES: u64 = 3;

/// Memory that the head uses, drawn from the budget before it is used.
#[derive(Debug)]
pub(crate) struct Ledger {
    budget: Budget,
    shares: Vec<Share>,
    used: u64,
    /// The same, for those who only look.
    shown: Arc<AtomicU64>,
}

impl Ledger {
    pub(crate) fn new(budget: Budget) -> Self {
        Self { budget, shares: Vec::new(), used: 0, shown: Arc::default() }
    }

    fn held(&self) -> u64 {
        as_u64(self.shares.len()).saturating_mul(STEP_BYTES)
    }

    /// Draws what is needed so that `more` bytes can be used. False: the budget has no room.
    pub(crate) fn prepare(&mut self, more: u64) -> bool {
        self.draw(more, LEFT_BY_SAMPLES)
    }

    /// The same for a new series.
    pub(crate) fn prepare_series(&mut self, more: u64) -> bool {
        // What was drawn for samples and is not used yet is no room for series.
        let slack = self.held().saturating_sub(self.used);
        let used = self.budget.used_bytes().saturating_sub(slack);
        let most = self.budget.limit_bytes().saturating_sub(self.part(LEFT_BY_SERIES));
        used.saturating_add(more) <= most && self.draw(more, LEFT_BY_SAMPLES)
    }

    fn draw(&mut self, more: u64, left: u64) -> bool {
        let leave = self.part(left);
        while self.held() < self.used.saturating_add(more) {
            match self.budget.take_leaving(STEP_BYTES, leave) {
                Some(share) => self.shares.push(share),
                None => return false,
            }
        }
        true
    }

    fn part(&self, eighths: u64) -> u64 {
        (self.budget.limit_bytes() / 8).saturating_mul(eighths)
    }

    /// Notes by how much what is used changed.
    pub(crate) fn change(&mut self, bytes: i64) {
        if bytes < 0 { self.free(bytes.unsigned_abs()) } else { self.add(bytes.unsigned_abs()) }
    }

    /// Notes that so many bytes are used now.
    pub(crate) fn add(&mut self, bytes: u64) {
        self.used = self.used.saturating_add(bytes);
        self.shown.store(self.used, Ordering::Relaxed);
    }

    /// Notes that bytes are free again, and gives back what is not needed.
    pub(crate) fn free(&mut self, bytes: u64) {
        self.used = self.used.saturating_sub(bytes);
        self.shown.store(self.used, Ordering::Relaxed);
        let needed = usize::try_from(self.used.div_ceil(STEP_BYTES)).unwrap_or(usize::MAX);
        self.shares.truncate(needed);
    }

    pub(crate) fn used(&self) -> u64 {
        self.used
    }

    /// What is used, also while somebody else has the ledger.
    pub(crate) fn shown(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.shown)
    }

    pub(crate) fn limit(&self) -> u64 {
        self.budget.limit_bytes()
    }
}
