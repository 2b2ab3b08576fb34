//! Deviations: desired ≠ observed, from the first sign to a stable end. Together they are the healing ledger.

use hinomi_model::{Nanos, Stage};
use serde::{Deserialize, Serialize};

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum DeviationKind {
    /// A run ended that nobody asked to end.
    Ended,
    /// A process in it was killed for memory and it lives on.
    OomInside,
    /// A launch failed before its process ran.
    LaunchFailed {
        /// The stage that failed.
        stage: Stage,
        /// In the platform's words.
        cause: String,
    },
    /// The health check says unhealthy.
    Unhealthy,
    /// Neither alive nor gone: the removal failed or hangs.
    Stuck,
    /// The runtime says running, the process is gone.
    Phantom,
    /// It ran before the runtime or host went away, and did not come back.
    NotBack,
}

impl DeviationKind {
    /// In one line, without its resource.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Ended => "ended, and nobody asked for it".to_owned(),
            Self::OomInside => "a process in it was killed for memory".to_owned(),
            Self::LaunchFailed { stage, cause } => format!("{} failed: {cause}", stage.title()),
            Self::Unhealthy => "its health check failed".to_owned(),
            Self::Stuck => "neither alive nor gone".to_owned(),
            Self::Phantom => "its process was gone while the runtime said running".to_owned(),
            Self::NotBack => "did not come back with its runtime".to_owned(),
        }
    }
}

/// One deviation of one container, still open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deviation {
    /// What is wrong now; may change while it is open (an exit that becomes an exhausted loop stays `Ended`).
    #[serde(flatten)]
    pub kind: DeviationKind,
    /// First sign (steady time).
    pub started_at: Nanos,
    /// Begin of the last row of signs without a stable run in between: later than the first sign for a slow loop.
    #[serde(default)]
    pub bad_since: Nanos,
    /// Last sign that it is still wrong: stability counts from here.
    pub last_bad_at: Nanos,
    /// Restarts by the healer since the first sign, without a stable run in between.
    pub tries: u32,
    /// Ends since the first sign.
    pub ends: u32,
    /// When the healer should try again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try_at: Option<Nanos>,
    /// The healer said that it will not try again, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gave_up: Option<String>,
    /// A process was killed for memory in it.
    #[serde(default)]
    pub oom: bool,
}

impl Deviation {
    /// A stable run lies behind: a new row begins.
    pub(crate) fn begin_row(&mut self, at: Nanos) {
        self.bad_since = at;
        self.tries = 0;
        self.ends = 0;
    }

    pub(crate) fn new(kind: DeviationKind, at: Nanos) -> Self {
        let (tries, ends) = (0, 0);
        Self {
            kind,
            started_at: at,
            bad_since: at,
            last_bad_at: at,
            tries,
            ends,
            next_try_at: None,
            gave_up: None,
            oom: false,
        }
    }
}

/// A deviation that is over: one line of the healing ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Closed {
    /// What it was.
    pub deviation: Deviation,
    /// When it was whole again (before the time of proving stability).
    pub healed_at: Nanos,
    /// When it was closed.
    pub closed_at: Nanos,
    /// Who healed it, or what ended it.
    pub because: String,
    /// It was healed by its healer, not ended by a person.
    pub healed: bool,
}
