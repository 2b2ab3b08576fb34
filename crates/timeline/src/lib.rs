//! Pure fold of state changes: what is, how each launch went, who heals what, and how loud to be about it.
//!
//! # In one breath
//!
//! [`Timeline::apply`] folds one [`StateChange`](hinomi_model::StateChange) after the other into [`Track`]s (one a
//! container), [`Workload`]s and [`Runtime`]s. [`Timeline::assess`] tells, for a point in time, every deviation with
//! its healing, its serving and the [`level`](level::level) that follows, and when to look again if nothing happens.
//!
//! # Data in, data out
//!
//! `records` (durable changes, in order) -> **`timeline`** -> `alert` (inspections, incidents) and the API.
//!
//! # Invariants
//!
//! - **T1** No clock and no IO: time is an argument. The same changes give the same state.
//! - **T2** Durations are taken from `observed_at` (steady time), never from the platform's stamps: a stepped wall
//!   clock reorders nothing and fires nothing.
//! - **T3** What somebody asked for is no deviation.
//! - **T4** A start grace runs once: a restart without a stable run in between does not begin it anew, it goes on
//!   with what was left of it.
//! - **T5** Bounded: at most [`ATTEMPTS_MAX`] attempts, [`ENDS_MAX`] ends and [`LEDGER_MAX`] healed deviations a
//!   container, [`GONE_MAX`] containers that are gone, [`HAPPENINGS_MAX`] happenings, [`REVISIONS_MAX`] revisions of
//!   [`REVISED_MAX`] workloads.

mod assess;
mod deviation;
mod fold;
mod happening;
mod interval;
mod launch;
pub mod level;
mod loops;
mod restart;
mod revision;
mod runtime;
mod track;
mod words;
mod workload;

pub use assess::{Assessment, Outlook};
pub use deviation::{Closed, Deviation, DeviationKind};
pub use fold::{Timeline, Touched};
pub use happening::{HAPPENINGS_MAX, Happening, HappeningKind, Happenings};
pub use interval::{Interval, intervals};
pub use launch::Attempt;
pub use loops::Loop;
pub use revision::{Face, REVISED_MAX, REVISIONS_MAX, Revision, Revisions};
pub use runtime::Runtime;
pub use track::{End, OomSeen, State, Track};
pub use words::{bytes_words, change_words, duration_words, end_words, exit_words, signal_name};
pub use workload::{Workload, WorkloadKey};

/// Attempts kept for each container.
pub const ATTEMPTS_MAX: usize = 20;
/// Ends kept for each container.
pub const ENDS_MAX: usize = 20;
/// Healed deviations kept for each container.
pub const LEDGER_MAX: usize = 20;
/// Containers kept after they are gone; the oldest go first.
pub const GONE_MAX: usize = 2_000;
