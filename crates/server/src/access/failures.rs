//! A limit on wrong tokens. It bounds what guessing costs Hinomi and its log, not the guessing: the right one falls under
//! no limit.

/// Wrong tokens within [`WITHIN_SECS`] that are told so; for the rest of it others are refused as too many.
pub(super) const MAX: usize = 10;
/// The time over which they are counted, seconds.
const WITHIN_SECS: u64 = 60;

/// When the last wrong tokens came; at most [`MAX`] of them.
#[derive(Debug, Default)]
pub(super) struct Failures(Vec<u64>);

impl Failures {
    /// Seconds until the next wrong one is told so; `None`: this one.
    pub(super) fn locked_for(&mut self, now: u64) -> Option<u64> {
        // A clock that was set back must not lock anybody out for longer.
        self.0.retain(|at| *at <= now && now - at < WITHIN_SECS);
        let oldest = self.0.first().filter(|_| self.0.len() >= MAX)?;
        Some((oldest + WITHIN_SECS).saturating_sub(now).max(1))
    }

    /// One more.
    pub(super) fn add(&mut self, now: u64) {
        if self.0.len() < MAX {
            self.0.push(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_a_minute() {
        let mut failures = Failures::default();
        for second in 0..10 {
            assert_eq!(failures.locked_for(100 + second), None, "{second}");
            failures.add(100 + second);
        }
        let table = [(110, Some(50)), (159, Some(1)), (160, None)];
        for (now, want) in table {
            assert_eq!(failures.locked_for(now), want, "{now}");
        }
        failures.add(160);
        assert_eq!(failures.locked_for(160), Some(1), "the second one leaves a second later");
        assert_eq!(failures.locked_for(50), None, "the clock was set back");
    }
}
