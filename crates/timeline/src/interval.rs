//! Intervals: what a resource was, from when to when. Folded from stored changes for the timeline's readers.

use std::collections::BTreeMap;
use std::sync::Arc;

use hinomi_model::{Fact, Nanos, ResourceId, StateChange};
use serde::Serialize;

use crate::words::change_words;

/// A time in which an attribute of a resource had one value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// Whose.
    pub resource: Arc<ResourceId>,
    /// Which attribute: `phase` or `health`.
    pub attribute: &'static str,
    /// Its value in words.
    pub value: String,
    /// Begin.
    pub from: Nanos,
    /// End; `None` = it still holds.
    pub to: Option<Nanos>,
}

/// Folds changes (oldest first) into intervals of phase and health.
#[must_use]
pub fn intervals(changes: &[StateChange]) -> Vec<Interval> {
    let mut open: BTreeMap<(String, &'static str), usize> = BTreeMap::new();
    let mut out: Vec<Interval> = Vec::new();
    for change in changes {
        let (attribute, value) = match &change.fact {
            Fact::Phase(phase) => ("phase", phase.word().to_owned()),
            Fact::Health(_) => ("health", change_words(change)),
            _ => continue,
        };
        let key = (change.resource.uid.clone(), attribute);
        if let Some(previous) = open.get(&key).and_then(|index| out.get_mut(*index)) {
            if previous.value == value {
                continue;
            }
            previous.to = Some(change.observed_at);
        }
        open.insert(key, out.len());
        let resource = Arc::clone(&change.resource);
        out.push(Interval { resource, attribute, value, from: change.observed_at, to: None });
    }
    out
}
