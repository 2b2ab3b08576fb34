//! Where collectors put what they see.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{Nanos, ResourceId, StateChange};

/// Changes that were not taken because there is no room; the caller keeps them and tries again.
#[derive(Debug)]
pub struct Rejected(pub Vec<StateChange>);

/// Takes state changes. In `hinomi up` it is a direct call into the pipeline.
pub trait Sink: Send + Sync {
    /// Takes a batch, in order. Returns at once; taking is not storing.
    ///
    /// # Errors
    ///
    /// [`Rejected`] with the batch when the queue is full.
    fn push(&self, changes: Vec<StateChange>) -> Result<(), Rejected>;
}

/// What is already known about containers when a collector starts, so that it can tell what changed meanwhile.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// When the last change was observed, by the steady clock; `None` on the first start.
    pub last_observed_at: Option<Nanos>,
    /// Identity of the host's boot at that time.
    pub boot_id: String,
    /// Process number of the runtime's daemon at that time, 0 if not known.
    pub daemon_pid: u32,
    /// Containers that were not gone: by id.
    pub containers: BTreeMap<String, KnownContainer>,
}

/// A container as the timeline last saw it.
#[derive(Clone, Debug)]
pub struct KnownContainer {
    /// Which.
    pub resource: Arc<ResourceId>,
    /// Its phase's word, see [`crate::Phase::word`].
    pub phase: String,
    /// Platform's stamp of the current or last run's start.
    pub started_at: Option<Nanos>,
    /// Health verdict, if any.
    pub health: Option<crate::HealthStatus>,
}
