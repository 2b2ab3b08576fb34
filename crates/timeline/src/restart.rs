//! Docker's restart policies as a healer: will it try again, and when.
//!
//! Measured on Docker 20.10: the first restart comes 100 ms after the end, each further one after twice the time, at
//! most 60 s; a run of more than 10 s sets the back-off back to its begin. `on-failure:N` counts restarts since the
//! last start by a person.

use std::time::Duration;

use hinomi_model::RestartPolicy;

/// Back-off before the first try.
const BACK_OFF_FIRST: Duration = Duration::from_millis(100);
/// Longest back-off.
const BACK_OFF_MAX: Duration = Duration::from_secs(60);
/// A run longer than this sets the back-off back.
pub(crate) const BACK_OFF_RESET: Duration = Duration::from_secs(10);

/// Whether the policy restarts a container that ended with `code` after `restarts` restarts.
pub(crate) fn restarts(policy: RestartPolicy, code: Option<i32>, restarts: u32) -> bool {
    match policy {
        RestartPolicy::No => false,
        RestartPolicy::Always | RestartPolicy::UnlessStopped => true,
        RestartPolicy::OnFailure { max_retries } => {
            code != Some(0) && (max_retries == 0 || restarts < max_retries)
        }
    }
}

/// Back-off before the next try, after `in_a_row` tries whose runs were all shorter than the reset time.
pub(crate) fn back_off(in_a_row: u32) -> Duration {
    let factor = 2u32.saturating_pow(in_a_row.min(16));
    BACK_OFF_FIRST.saturating_mul(factor).min(BACK_OFF_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_and_back_off() {
        let twice = RestartPolicy::OnFailure { max_retries: 2 };
        assert!(restarts(RestartPolicy::Always, Some(0), 99));
        assert!(!restarts(RestartPolicy::No, Some(1), 0));
        assert!(restarts(twice, Some(1), 1) && !restarts(twice, Some(1), 2) && !restarts(twice, Some(0), 0));
        assert_eq!(back_off(0), Duration::from_millis(100));
        assert_eq!(back_off(3), Duration::from_millis(800));
        assert_eq!(back_off(40), Duration::from_secs(60));
    }
}
