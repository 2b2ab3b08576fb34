//! The launch pipeline: the stages of every start, the same on every platform.

use serde::{Deserialize, Serialize};

use crate::Nanos;

/// A stage of a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// A machine is found.
    Place,
    /// The image is fetched.
    Pull,
    /// The container is created.
    Create,
    /// Its process starts.
    Start,
    /// Its health check passes for the first time.
    Health,
    /// A published port accepts.
    Serve,
}

impl Stage {
    /// All stages, in order.
    pub const ALL: [Self; 6] =
        [Self::Place, Self::Pull, Self::Create, Self::Start, Self::Health, Self::Serve];

    /// Name with a capital, as people read it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Place => "Place",
            Self::Pull => "Pull",
            Self::Create => "Create",
            Self::Start => "Start",
            Self::Health => "Health",
            Self::Serve => "Serve",
        }
    }
}

/// How a stage went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Not reached yet.
    #[default]
    Pending,
    /// Going on.
    Running,
    /// Done.
    Passed,
    /// Failed; the cause says why.
    Failed,
    /// Nobody saw it.
    Unknown,
    /// Does not exist here; not the same as passed.
    NotApplicable,
}

/// A collector's word on one stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageMark {
    /// Which stage.
    pub stage: Stage,
    /// How it went.
    pub outcome: Outcome,
    /// Why it failed, in the platform's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// How long it took, where the platform says so, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
}

/// One stage of one attempt, as the timeline keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageRecord {
    /// Which stage.
    pub stage: Stage,
    /// How it went.
    pub outcome: Outcome,
    /// When it ended (or began, while running).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Nanos>,
    /// How long it took, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}
