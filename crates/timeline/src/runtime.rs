//! The runtime of a cluster: what starts and heals containers there.

use hinomi_model::{Gap, GapReason, Nanos, RuntimeState};
use serde::{Deserialize, Serialize};

/// A runtime as the timeline knows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Runtime {
    /// Last state reported.
    pub state: Option<RuntimeState>,
    /// It was up at least once: only then its absence is a deviation.
    pub seen_up: bool,
    /// First time that Hinomi saw it: what ended before is history, not a deviation.
    #[serde(default)]
    pub first_up_at: Option<Nanos>,
    /// Since when the state holds.
    pub since: Nanos,
    /// When it last went down.
    pub down_at: Option<Nanos>,
    /// When it last came up as another process or after a reboot.
    pub restarted_at: Option<Nanos>,
    /// That last restart was a reboot of the host.
    pub rebooted: bool,
    /// Nothing is seen of it: it is away, or what changed meanwhile is not compared yet.
    #[serde(default)]
    pub blind: bool,
    /// Its collector (re)connected and has not reported the end of its comparison: the time of not seeing goes on.
    #[serde(default)]
    pub comparing: bool,
    /// Last gaps, newest last, at most 20.
    pub gaps: Vec<Gap>,
}

/// Gaps kept for each runtime.
const GAPS_MAX: usize = 20;

impl Runtime {
    /// It answers, or never has.
    #[must_use]
    pub fn is_up(&self) -> bool {
        !self.seen_up || self.state.as_ref().is_some_and(|state| state.up)
    }

    /// What is known about its containers is what is: time may fire and resolve.
    #[must_use]
    pub fn sees(&self) -> bool {
        self.is_up() && !self.blind
    }

    /// It answers a collector that has to compare first: blind until it reports the gap.
    pub(crate) fn begin_comparing(&mut self, at: Nanos) {
        self.comparing = true;
        self.blind = true;
        self.since = at;
    }

    pub(crate) fn apply(&mut self, new: &RuntimeState, at: Nanos) {
        let was_up = self.state.as_ref().is_some_and(|state| state.up);
        if !new.up && (was_up || (self.seen_up && self.down_at.is_none())) {
            self.down_at = Some(at);
        }
        if self.state.is_none() || was_up != new.up {
            self.since = at;
        }
        self.blind |= !new.up;
        if new.up {
            self.seen_up = true;
            self.first_up_at.get_or_insert(at);
            self.down_at = None;
        }
        if new.up && (new.restarted || new.rebooted) {
            self.restarted_at = Some(at);
            self.rebooted = new.rebooted;
        }
        self.state = Some(new.clone());
    }

    pub(crate) fn note_gap(&mut self, gap: &Gap) {
        // The collector reports this gap when it has compared what is with what was known.
        if matches!(gap.reason, GapReason::NotRunning | GapReason::RuntimeAway) {
            self.blind = false;
            self.comparing = false;
        }
        if self.gaps.len() >= GAPS_MAX {
            self.gaps.remove(0);
        }
        self.gaps.push(gap.clone());
    }
}
