//! What a person is told about.

use serde::{Deserialize, Serialize};

use crate::{Acknowledgement, Finding, Level, Nanos};

/// Open or over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentStatus {
    /// Going on.
    Firing,
    /// Healthy and stable again.
    Resolved,
}

impl IncidentStatus {
    /// Lower-case name as messages write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// One cause, its findings, and what was said about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Key: stays the same through updates, reopening and restarts of Hinomi.
    pub key: String,
    /// What it is about: workload or runtime, as `cluster/kind/name`.
    pub subject: String,
    /// Open or over.
    pub status: IncidentStatus,
    /// Loudest level it had since it opened.
    pub level: Level,
    /// Id of the finding that is the root cause.
    pub root: String,
    /// Its findings; the root first.
    pub findings: Vec<Finding>,
    /// When it opened.
    pub opened_at: Nanos,
    /// Last change.
    pub updated_at: Nanos,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<Nanos>,
    /// Why it was over, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_because: Option<String>,
    /// Number of the last message about it.
    pub sequence: u32,
    /// How often it came back within the reopening time.
    #[serde(default)]
    pub reopened: u32,
    /// It came back, and nobody was told of that yet: receivers think that it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reopened_at: Option<Nanos>,
    /// False while its changes are only in memory because the disk refuses.
    pub stored: bool,
    /// Receivers that were told that it fires, with the loudest level each was told.
    #[serde(default)]
    pub told: Vec<(String, Level)>,
    /// Inspections that a message named as the root cause: each is news once.
    #[serde(default)]
    pub told_causes: Vec<String>,
    /// Who takes care of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledgement>,
    /// What still has to be said about it, and when: batches, digests, repeats.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<Waiting>,
    /// Incidents whose cause this is: their findings are here, and they are closed in its favour.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adopted: Vec<String>,
    /// Key of the incident that adopted this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopted_by: Option<String>,
}

/// Something about an incident that is said later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// To whom.
    pub receiver: String,
    /// What it waits for.
    pub kind: WaitingKind,
    /// When it is said at the latest.
    pub due_at: Nanos,
}

/// Why something is said later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitingKind {
    /// Collected with others for five minutes of working hours.
    Batch,
    /// Collected outside of working hours for the morning.
    Digest,
    /// Said again because nobody acknowledged it.
    Repeat,
}

impl Incident {
    /// The finding that is the root cause.
    #[must_use]
    pub fn root_finding(&self) -> Option<&Finding> {
        self.findings.iter().find(|f| f.id == self.root).or_else(|| self.findings.first())
    }
}

/// One message to one receiver, as it is queued.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Name of the receiver.
    pub receiver: String,
    /// Incident's key.
    pub incident: String,
    /// Number within the incident.
    pub sequence: u32,
    /// When it was queued.
    pub queued_at: Nanos,
    /// The JSON body (`docs/formats/webhook.md`).
    pub body: serde_json::Value,
}

impl Message {
    /// The key under which a receiver may drop repeats.
    #[must_use]
    pub fn idempotency_key(&self) -> String {
        format!("{}:{}", self.incident, self.sequence)
    }
}
