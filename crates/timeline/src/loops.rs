//! Loops: the same container ends again and again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::track::End;

/// An instance restarted again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loop {
    /// Ends in it.
    pub count: u32,
    /// Mean time from end to end.
    pub period: Duration,
    /// There were stable runs in between: it comes back with a period.
    pub slow: bool,
}

/// Unwanted ends within this time count for a slow loop.
const SLOW_WINDOW: Duration = Duration::from_secs(24 * 3600);
/// Ends from which on it is a loop.
const LOOP_ENDS: usize = 3;

/// The loop that the last ends form, if any. `in_a_row` is the number of ends since the last stable run.
pub(crate) fn detect(ends: &std::collections::VecDeque<End>, in_a_row: u32) -> Option<Loop> {
    let mut newest_first = ends.iter().rev().filter(|end| !end.intended);
    let newest = newest_first.next()?;
    let mut oldest = newest;
    let mut count = 1usize;
    let fast = in_a_row as usize >= LOOP_ENDS;
    for end in newest_first {
        let belongs = if fast { count < in_a_row as usize } else { newest.at.since(end.at) <= SLOW_WINDOW };
        if !belongs {
            break;
        }
        oldest = end;
        count += 1;
    }
    if count < LOOP_ENDS {
        return None;
    }
    let gaps = u32::try_from(count - 1).unwrap_or(u32::MAX);
    let period = newest.at.since(oldest.at) / gaps;
    Some(Loop { count: u32::try_from(count).unwrap_or(u32::MAX).max(in_a_row), period, slow: !fast })
}
