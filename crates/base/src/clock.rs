//! A clock that never steps: wall time at the start, carried on by the monotonic clock.
//!
//! When the system's wall clock is stepped (NTP, an operator, a resumed laptop), nothing that Hinomi measures may
//! fire or be reordered. So durations and deadlines use *steady* nanoseconds: they begin at wall time and afterwards
//! slew towards it by at most one tenth of real speed, in either direction.

use std::sync::{Arc, Mutex, PoisonError};

/// Nanoseconds since the Unix epoch.
pub type UnixNanos = i64;

/// Where time comes from: the system's clocks or a test's.
pub trait Source: Send + Sync {
    /// Wall clock, nanoseconds since the epoch; may step.
    fn wall(&self) -> UnixNanos;
    /// Time since boot including suspend, nanoseconds; never steps.
    fn boot(&self) -> i64;
}

/// The system's clocks (`CLOCK_REALTIME`, `CLOCK_BOOTTIME`).
#[derive(Debug, Default)]
pub struct System;

fn nanos(ts: rustix::time::Timespec) -> i64 {
    ts.tv_sec.saturating_mul(1_000_000_000).saturating_add(ts.tv_nsec)
}

impl Source for System {
    fn wall(&self) -> UnixNanos {
        nanos(rustix::time::clock_gettime(rustix::time::ClockId::Realtime))
    }

    fn boot(&self) -> i64 {
        nanos(rustix::time::clock_gettime(rustix::time::ClockId::Boottime))
    }
}

/// A step of the wall clock that [`Clock::now`] noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Steady time at which it was noticed.
    pub at: UnixNanos,
    /// By how much the wall clock jumped ahead (negative: back), nanoseconds.
    pub by_ns: i64,
}

#[derive(Debug)]
struct State {
    last_boot: i64,
    last_steady: UnixNanos,
    /// Wall minus boot at the last look; a jump in it is a step.
    wall_offset: i64,
    step: Option<Step>,
}

/// The steady clock. Cheap to clone; every clone shows the same time.
#[derive(Clone)]
pub struct Clock {
    source: Arc<dyn Source>,
    state: Arc<Mutex<State>>,
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clock").finish_non_exhaustive()
    }
}

/// A difference beyond this between two looks is a step, not drift.
const STEP_NS: i64 = 1_000_000_000;

impl Clock {
    /// A clock on the system's time.
    #[must_use]
    pub fn system() -> Self {
        Self::new(Arc::new(System))
    }

    /// A clock on the given source.
    #[must_use]
    pub fn new(source: Arc<dyn Source>) -> Self {
        let (wall, boot) = (source.wall(), source.boot());
        let state =
            State { last_boot: boot, last_steady: wall, wall_offset: wall.saturating_sub(boot), step: None };
        Self { source, state: Arc::new(Mutex::new(state)) }
    }

    /// Never show a time before `floor`: called once with the newest stored time, so that a wall clock set back
    /// between two runs cannot put new records before old ones.
    pub fn not_before(&self, floor: UnixNanos) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.last_steady = state.last_steady.max(floor);
    }

    /// Steady time now.
    #[must_use]
    pub fn now(&self) -> UnixNanos {
        let (wall, boot) = (self.source.wall(), self.source.boot());
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = boot.saturating_sub(state.last_boot).max(0);
        let offset = wall.saturating_sub(boot);
        let jump = offset.saturating_sub(state.wall_offset);
        let plain = state.last_steady.saturating_add(elapsed);
        if jump.abs() > STEP_NS {
            state.step = Some(Step { at: plain, by_ns: jump });
        }
        let slew = elapsed / 10;
        let steady = plain.saturating_add(wall.saturating_sub(plain).clamp(-slew, slew));
        state.last_boot = boot;
        state.last_steady = steady;
        state.wall_offset = offset;
        steady
    }

    /// The wall clock as it is; only to interpret stamps that others made with it.
    #[must_use]
    pub fn wall(&self) -> UnixNanos {
        self.source.wall()
    }

    /// The last step of the wall clock, once.
    #[must_use]
    pub fn take_step(&self) -> Option<Step> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).step.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicI64, Ordering};

    #[derive(Default)]
    struct Fake {
        wall: AtomicI64,
        boot: AtomicI64,
    }

    impl Source for Fake {
        fn wall(&self) -> UnixNanos {
            self.wall.load(Ordering::SeqCst)
        }
        fn boot(&self) -> i64 {
            self.boot.load(Ordering::SeqCst)
        }
    }

    const S: i64 = 1_000_000_000;

    #[test]
    fn a_step_of_an_hour_moves_steady_time_by_a_tenth_at_most() {
        for by in [3600 * S, -3600 * S] {
            let fake = Arc::new(Fake::default());
            fake.wall.store(1_000_000 * S, Ordering::SeqCst);
            let clock = Clock::new(fake.clone());
            let mut last = clock.now();
            for i in 0..100 {
                fake.boot.fetch_add(S, Ordering::SeqCst);
                fake.wall.fetch_add(if i == 10 { by + S } else { S }, Ordering::SeqCst);
                let now = clock.now();
                let moved = now - last;
                assert!((9 * S / 10..=11 * S / 10).contains(&moved), "second {i} moved {moved}");
                last = now;
            }
            assert_eq!(clock.take_step().map(|s| s.by_ns), Some(by));
            assert_eq!(clock.take_step(), None);
        }
    }

    #[test]
    fn never_before_what_is_stored() {
        let clock = Clock::new(Arc::new(Fake::default()));
        clock.not_before(5 * S);
        assert_eq!(clock.now(), 5 * S);
    }
}
