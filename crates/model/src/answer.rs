//! What people answer: acknowledgements, silences, and everything they did about them.

use serde::{Deserialize, Serialize};

use crate::{Level, Nanos};

/// Somebody takes care of an incident: until it ends, no repeats; until something gets worse, no message at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Who: the name of the token, or what the caller says on loopback.
    pub by: String,
    /// When.
    pub at: Nanos,
    /// Until when it holds.
    pub until: Nanos,
    /// Why, in words; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Level of the incident at that time: a higher one is told all the same.
    pub level: Level,
    /// Id of the root finding at that time: another root is told all the same.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub root: String,
    /// Subjects (workloads, runtimes) that the incident held at that time: when it spreads to others, that is told all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subjects: Vec<String>,
}

/// One condition on a label of an incident, as Alertmanager writes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LabelMatcher {
    /// Name of the label.
    pub name: String,
    /// Text, or a regular expression that must match the whole value (RE2 syntax).
    pub value: String,
    /// `value` is a regular expression.
    pub is_regex: bool,
    /// False: the value must not match.
    #[serde(default = "yes")]
    pub is_equal: bool,
}

fn yes() -> bool {
    true
}

/// Where a silence comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SilenceOrigin {
    /// Page, command line or Hinomi's API.
    #[default]
    Person,
    /// Alertmanager's API (`amtool` and others).
    Alertmanager,
    /// A maintenance window of the configuration; never stored.
    Maintenance,
}

/// Nobody is told of incidents whose labels fit all matchers, for a time. They are recorded all the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// UUID.
    pub id: String,
    /// All must fit.
    pub matchers: Vec<LabelMatcher>,
    /// Begin.
    pub starts_at: Nanos,
    /// End; in the past: expired.
    pub ends_at: Nanos,
    /// Who made it, or changed it last.
    pub by: String,
    /// Why.
    pub note: String,
    /// Last change.
    pub updated_at: Nanos,
    /// Where it comes from.
    #[serde(default)]
    pub origin: SilenceOrigin,
}

/// What somebody did about incidents. Stored; never lost by a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum Act {
    /// Acknowledged an incident.
    Acknowledge {
        /// Its key.
        incident: String,
        /// Who, until when, why.
        acknowledgement: Acknowledgement,
    },
    /// Took an acknowledgement back.
    Unacknowledge {
        /// Key of the incident.
        incident: String,
        /// Who.
        by: String,
        /// When.
        at: Nanos,
    },
    /// Made, changed or ended a silence (`ends_at` = now ends it); the newest of an id counts.
    Silence(Silence),
    /// Used a signed link, which works no second time.
    UseLink {
        /// The link's number.
        nonce: String,
        /// When the link would have expired by itself: until then it is remembered.
        until: Nanos,
    },
    /// Forgot what was learned of a workload's healing.
    ForgetHealing {
        /// The workload's subject, `cluster/workload/name`.
        subject: String,
        /// Who.
        by: String,
        /// When.
        at: Nanos,
    },
}
