//! The words of Hinomi, as types, and the contracts between its parts.
//!
//! # In one breath
//!
//! Collectors say what changed as [`StateChange`]s; they go through a [`Sink`]; the timeline folds them; inspections
//! make [`Finding`]s of them; findings belong to [`Incident`]s; people are told about incidents, and answer ([`Act`]).
//!
//! # Invariants
//!
//! - No IO, no async, no clock.
//! - Every stored thing names its [`Tenant`].
//! - What is serialised here is a stored or published format: fields are only ever added
//!   (`docs/formats/records.md`, `docs/formats/webhook.md`).

mod answer;
mod change;
mod error;
mod finding;
mod incident;
mod level;
pub mod metrics;
mod resource;
mod sink;
mod stage;
mod time;

pub use answer::{Acknowledgement, Act, LabelMatcher, Silence, SilenceOrigin};
pub use change::{
    Evidence, Exit, Fact, Gap, GapReason, Health, HealthStatus, Intent, IntentAction, LogLine, LogTail, Oom,
    OomWitness, Phase, PortSpec, RestartPolicy, RunState, RuntimeState, Source, Spec, StateChange,
};
pub use error::ErrorKind;
pub use finding::{Finding, FindingEvidence, Healing, HealingState, NumberEvidence, NumberUnit};
pub use incident::{Incident, IncidentStatus, Message, Waiting, WaitingKind};
pub use level::Level;
pub use resource::{ResourceId, ResourceKind, Tenant, WorkloadKind, WorkloadRef};
pub use sink::{Known, KnownContainer, Rejected, Sink};
pub use stage::{Outcome, Stage, StageMark, StageRecord};
pub use time::Nanos;
