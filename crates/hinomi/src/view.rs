//! Answers of the API, as far as the terminal shows them. Unknown fields are ignored: a newer server may say more.

use std::collections::BTreeMap;

use hinomi_model::{GapReason, HealingState, Level, Outcome, Stage, WorkloadRef};
use serde::{Deserialize, Deserializer};

/// A point in time, RFC 3339 in the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp(pub(crate) jiff::Timestamp);

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Resource {
    pub(crate) name: String,
    pub(crate) workload: Option<WorkloadRef>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct StageView {
    pub(crate) stage: Stage,
    pub(crate) outcome: Outcome,
    pub(crate) took_ms: Option<u64>,
    pub(crate) cause: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Healing {
    pub(crate) healer: String,
    #[serde(default)]
    pub(crate) action: String,
    pub(crate) state: HealingState,
    #[serde(default)]
    pub(crate) tries: u32,
    pub(crate) next_try_at: Option<Stamp>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct LogLine {
    pub(crate) at: Option<Stamp>,
    #[serde(default)]
    pub(crate) stderr: bool,
    pub(crate) text: String,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Log {
    #[serde(default)]
    pub(crate) lines: Vec<LogLine>,
    pub(crate) note: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Evidence {
    pub(crate) facts: Vec<(String, String)>,
    pub(crate) log: Option<Log>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Finding {
    pub(crate) inspection: String,
    pub(crate) resource: Resource,
    pub(crate) level: Level,
    pub(crate) cause: String,
    pub(crate) healing: Healing,
    pub(crate) started_at: Stamp,
    pub(crate) resolved_at: Option<Stamp>,
    pub(crate) evidence: Evidence,
    /// This and the next only in lists of findings.
    #[serde(default)]
    pub(crate) told: Vec<(String, Level)>,
    #[serde(default = "yes")]
    pub(crate) stored: bool,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Deserialize)]
pub(crate) struct Findings {
    pub(crate) findings: Vec<Finding>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ContainerWhy {
    pub(crate) resource: Resource,
    pub(crate) state: String,
    pub(crate) stages: Vec<StageView>,
    pub(crate) attempt: u32,
    pub(crate) healed_before: Vec<String>,
    pub(crate) changes: Vec<(Stamp, String)>,
    pub(crate) log: Option<Log>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Why {
    pub(crate) name: String,
    pub(crate) paragraph: String,
    pub(crate) deviates: bool,
    pub(crate) findings: Vec<Finding>,
    pub(crate) containers: Vec<ContainerWhy>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Change {
    pub(crate) words: String,
    pub(crate) attribute: String,
    pub(crate) resource: Resource,
    pub(crate) observed_at: Stamp,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Timeline {
    pub(crate) changes: Vec<Change>,
    pub(crate) truncated: bool,
    #[serde(default)]
    pub(crate) damages: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Collector {
    pub(crate) name: String,
    pub(crate) ok: bool,
    pub(crate) detail: String,
    #[serde(default)]
    pub(crate) facts: serde_json::Value,
}

/// As `facts.rights` of the collector `rights` lists it.
#[derive(Debug, Deserialize)]
pub(crate) struct Right {
    pub(crate) feature: String,
    pub(crate) on: bool,
    pub(crate) detail: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Receiver {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) url_host: String,
    pub(crate) waiting: u64,
    pub(crate) last_accepted_at: Option<Stamp>,
    pub(crate) failing_since: Option<Stamp>,
    pub(crate) last_error: Option<String>,
    pub(crate) sent: u64,
    pub(crate) gave_up: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Receivers {
    pub(crate) receivers: Vec<Receiver>,
}

/// What a test of a receiver came to.
#[derive(Debug, Deserialize)]
pub(crate) struct ReceiverTest {
    pub(crate) receiver: String,
    pub(crate) accepted: bool,
    pub(crate) took_ms: u64,
    pub(crate) detail: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Store {
    pub(crate) ok: bool,
    pub(crate) failing_since: Option<Stamp>,
    pub(crate) last_error: Option<String>,
    pub(crate) queued: u64,
    pub(crate) dropped: u64,
    pub(crate) disk_bytes: u64,
    pub(crate) oldest_at: Option<Stamp>,
}

/// The engine of metrics.
#[derive(Debug, Deserialize)]
pub(crate) struct MetricsEngine {
    pub(crate) ok: bool,
    pub(crate) last_error: Option<String>,
    pub(crate) damage: Vec<String>,
    pub(crate) appended: u64,
    pub(crate) rejected: BTreeMap<String, u64>,
    pub(crate) series: u64,
    pub(crate) block_samples: u64,
    pub(crate) blocks: u64,
    pub(crate) disk_bytes: u64,
    pub(crate) disk_max_bytes: u64,
    pub(crate) queries_running: u64,
    pub(crate) queries_waiting: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Totals {
    pub(crate) containers: u64,
    pub(crate) running: u64,
    pub(crate) workloads: u64,
    pub(crate) none: u64,
    pub(crate) notice: u64,
    pub(crate) alert: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Gap {
    pub(crate) from: Stamp,
    pub(crate) to: Stamp,
    pub(crate) reason: GapReason,
    #[serde(default)]
    pub(crate) lost: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Status {
    pub(crate) version: String,
    pub(crate) cluster: String,
    pub(crate) started_at: Stamp,
    pub(crate) data_dir: String,
    pub(crate) listen: String,
    pub(crate) collectors: Vec<Collector>,
    pub(crate) receivers: Vec<Receiver>,
    pub(crate) unheard_levels: Vec<Level>,
    pub(crate) store: Store,
    /// An older Hinomi has none.
    pub(crate) metrics: Option<MetricsEngine>,
    pub(crate) memory_used_bytes: u64,
    pub(crate) memory_limit_bytes: u64,
    pub(crate) totals: Totals,
    pub(crate) gaps: Vec<Gap>,
    pub(crate) counters: BTreeMap<String, u64>,
}
