//! When what the samples of one series count began: nearly always the same for many samples.

use crate::bytes::as_u64;

/// Bytes of one entry.
const ENTRY_BYTES: u64 = 16;

/// Starts of samples that come in order of time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Starts {
    /// From this time on, this start, up to the next entry; before the first it is 0, not known.
    runs: Vec<(i64, i64)>,
}

impl Starts {
    /// Notes the start of a sample behind all others. Returns by how many bytes it grew.
    pub(crate) fn push(&mut self, t: i64, start: i64) -> u64 {
        if self.runs.last().map_or(0, |run| run.1) == start {
            return 0;
        }
        self.runs.push((t, start));
        ENTRY_BYTES
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    pub(crate) fn bytes(&self) -> u64 {
        as_u64(self.runs.len()).saturating_mul(ENTRY_BYTES)
    }

    /// The start of the sample at that time.
    pub(crate) fn at(&self, t: i64) -> i64 {
        let behind = self.runs.partition_point(|(from, _)| *from <= t);
        behind.checked_sub(1).and_then(|at| self.runs.get(at)).map_or(0, |run| run.1)
    }

    /// Takes out what concerns samples before `t`; `more` says whether any stay.
    pub(crate) fn split_before(&mut self, t: i64, more: bool) -> Self {
        if !more {
            return std::mem::take(self);
        }
        let rest = self.runs.split_off(self.runs.partition_point(|(from, _)| *from < t));
        let before = Self { runs: std::mem::replace(&mut self.runs, rest) };
        let carried = before.runs.last().map_or(0, |run| run.1);
        if carried != 0 && self.runs.first().is_none_or(|run| run.0 > t) {
            self.runs.insert(0, (t, carried));
        }
        before
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_sample_keeps_its_start(starts in proptest::collection::vec(0_i64..3, 1..60), cut in -2_i64..130) {
            let mut all = Starts::default();
            let times = |at: usize| i64::try_from(at).unwrap() * 2;
            let bytes: u64 = starts.iter().enumerate().map(|(at, start)| all.push(times(at), *start)).sum();
            prop_assert_eq!(bytes, all.bytes());
            let more = !starts.is_empty() && times(starts.len() - 1) >= cut;
            let before = all.split_before(cut, more);
            for (at, start) in starts.iter().enumerate() {
                let t = times(at);
                let side = if t < cut { &before } else { &all };
                prop_assert_eq!(side.at(t), *start);
            }
            all.push(1000, 9);
            prop_assert_eq!(all.at(1000), 9);
        }
    }
}
