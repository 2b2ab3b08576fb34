//! What an inspection found.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Level, LogTail, Nanos, ResourceId, Stage, StageRecord};

/// A named check's verdict on one resource, with its evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Unique: inspection, resource and begin of the deviation make it.
    pub id: String,
    /// Inspection that found it.
    pub inspection: String,
    /// On what.
    pub resource: Arc<ResourceId>,
    /// How loud.
    pub level: Level,
    /// Why this level: the cell of the table, or the rule beside it.
    pub level_reason: String,
    /// Cause in words, one line.
    pub cause: String,
    /// Class of the cause from the inspection's closed list.
    pub cause_class: String,
    /// The stage that failed, if a launch failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// The launch this is about, stage by stage.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageRecord>,
    /// Who heals it, and how that goes.
    pub healing: Healing,
    /// Begin of the deviation.
    pub started_at: Nanos,
    /// End, once healthy and stable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<Nanos>,
    /// What shows it.
    pub evidence: FindingEvidence,
}

/// How the healing goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealingState {
    /// The healer acts in its usual time.
    Working,
    /// It takes longer than usual.
    Overdue,
    /// It gave up, or there is none.
    #[default]
    Stopped,
    /// The healer itself does not answer or act.
    HealerDown,
    /// It is whole again and stays so.
    Done,
}

/// What the orchestrator does about a deviation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Healing {
    /// Who: "Docker restart policy always", or "nobody".
    pub healer: String,
    /// What it does: "restart".
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub action: String,
    /// How it goes.
    pub state: HealingState,
    /// Number of tries in a row so far.
    #[serde(default)]
    pub tries: u32,
    /// When it tries again, as far as known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try_at: Option<Nanos>,
}

/// Evidence of a finding.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FindingEvidence {
    /// Facts as label and value, in the order to show them.
    pub facts: Vec<(String, String)>,
    /// The state changes it rests on: stamp and words, oldest first, at most 20.
    pub changes: Vec<(Nanos, String)>,
    /// Last log lines before the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<Arc<LogTail>>,
    /// What was measured, for a finding over numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numbers: Option<Arc<NumberEvidence>>,
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberUnit {
    /// Bytes.
    Bytes,
    /// Things: files, processes, pages a second.
    Count,
    /// A share of the whole, from 0 to 1.
    Share,
}

/// What was measured. All numbers are finite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NumberEvidence {
    /// PromQL that yields `value`.
    pub query: String,
    /// The same on the page: path and parameters, without scheme and host.
    pub explore: String,
    /// Of `value`, `limit` and `samples`.
    pub unit: NumberUnit,
    /// When it was measured.
    pub at: Nanos,
    /// How much it was then.
    pub value: f64,
    /// How much it may be, or from where on it is worth a finding.
    pub limit: f64,
    /// How much it grows in a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_second: Option<f64>,
    /// When it reaches its limit if it goes on like this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_at: Option<Nanos>,
    /// Samples that it rests on, thinned out: time and value, oldest first, at most 32.
    pub samples: Vec<(Nanos, f64)>,
}
