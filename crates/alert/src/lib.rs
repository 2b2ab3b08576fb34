//! Inspections, incidents, routes and notifiers: from a deviation to a person.
//!
//! # In one breath
//!
//! [`Judge`] owns the timeline and the incidents. [`Judge::observe`] folds one state change, runs the inspections of
//! what it touched, and returns [`Effect`]s: incidents to store, messages to queue. [`Judge::tick`] does the same at
//! the deadlines that the inspections set, and [`Judge::observe_numbers`] does for what somebody measured ([`numbers`]).
//! [`notify`] brings messages to receivers. How loud a forecast is follows from the [`working_hours`].
//!
//! # Invariants
//!
//! - **A1** A finding names its cause, its level with the reason, its healer and its evidence.
//! - **A2** Inspections are functions of state and time, not of events: looking twice finds the same thing, so a
//!   restart of Hinomi neither loses nor repeats a finding.
//! - **A3** The key of an incident follows from its subject and begin: the same after a crash.
//! - **A4** Storage and time come in as arguments; only [`notify`] does IO.

mod evidence;
mod healed;
mod heat;
mod incidents;
pub mod inspection;
mod judge;
pub mod notify;
pub mod numbers;
mod routes;
mod runtime;
pub mod settings;
pub mod working_hours;

pub use healed::{ENDED_KEEP, ENDED_MAX, Ended, Endings};
pub use heat::{CELLS_MAX, Cell, Heat, Plane, STEP};
pub use incidents::{Incidents, Subject};
pub use judge::{Effect, Judge, Snapshot};
pub use routes::Routes;
pub use runtime::resource as runtime_resource;
