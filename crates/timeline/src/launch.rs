//! One launch of a container, stage by stage.

use hinomi_model::{Nanos, Outcome, Spec, Stage, StageMark, StageRecord};
use serde::{Deserialize, Serialize};

/// An attempt to bring a container into service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Number since the container was created, from 1.
    pub number: u32,
    /// When it began (steady time).
    pub begun_at: Nanos,
    /// Its begin and stages were seen as they happened; else no times are known.
    #[serde(default)]
    pub seen: bool,
    /// Its stages, in order.
    pub stages: Vec<StageRecord>,
}

impl Attempt {
    /// A first attempt: begins with the creation.
    pub(crate) fn first(spec: &Spec, at: Nanos, seen: bool) -> Self {
        Self { number: 1, begun_at: at, seen, stages: blank(spec, at, Outcome::Unknown, Outcome::Passed) }
    }

    /// A restart: begins at Start, nothing is pulled or created.
    pub(crate) fn restart(spec: &Spec, number: u32, at: Nanos, seen: bool) -> Self {
        let stages = blank(spec, at, Outcome::NotApplicable, Outcome::NotApplicable);
        Self { number, begun_at: at, seen, stages }
    }

    /// The record of one stage.
    #[must_use]
    pub fn stage(&self, stage: Stage) -> Option<&StageRecord> {
        self.stages.iter().find(|record| record.stage == stage)
    }

    /// The first stage that failed.
    #[must_use]
    pub fn failed(&self) -> Option<&StageRecord> {
        self.stages.iter().find(|record| record.outcome == Outcome::Failed)
    }

    /// Notes how a stage went. A stage that does not exist here stays so.
    pub(crate) fn mark(&mut self, mark: &StageMark, at: Nanos) {
        let (begun_at, seen) = (self.begun_at, self.seen);
        let Some(record) = self.stages.iter_mut().find(|record| record.stage == mark.stage) else { return };
        record.outcome = mark.outcome;
        record.at =
            matches!(mark.outcome, Outcome::Passed | Outcome::Failed | Outcome::Running).then_some(at);
        let since_begin = || u64::try_from(at.since(begun_at).as_millis()).unwrap_or(u64::MAX);
        record.took_ms = mark.took_ms.or_else(|| (seen && mark.outcome == Outcome::Passed).then(since_begin));
        record.cause.clone_from(&mark.cause);
    }

    /// Shorthand for [`Attempt::mark`].
    pub(crate) fn set(&mut self, stage: Stage, outcome: Outcome, cause: Option<String>, at: Nanos) {
        self.mark(&StageMark { stage, outcome, cause, took_ms: None }, at);
    }

    /// The run ended: what was still to come will not.
    pub(crate) fn end(&mut self) {
        for record in &mut self.stages {
            if record.outcome == Outcome::Running {
                record.outcome = Outcome::Pending;
                record.at = None;
            }
        }
    }
}

fn blank(spec: &Spec, at: Nanos, pull: Outcome, create: Outcome) -> Vec<StageRecord> {
    let health = if spec.has_health_check { Outcome::Pending } else { Outcome::NotApplicable };
    let has_tcp = spec.ports.iter().any(|port| port.protocol == "tcp");
    let serve = if has_tcp { Outcome::Pending } else { Outcome::NotApplicable };
    let record = |stage, outcome| StageRecord {
        stage,
        outcome,
        at: (outcome == Outcome::Passed).then_some(at),
        took_ms: None,
        cause: None,
    };
    vec![
        record(Stage::Place, Outcome::NotApplicable),
        record(Stage::Pull, pull),
        record(Stage::Create, create),
        record(Stage::Start, Outcome::Pending),
        record(Stage::Health, health),
        record(Stage::Serve, serve),
    ]
}
