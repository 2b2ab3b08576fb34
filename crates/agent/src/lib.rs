//! What runs beside containers: collectors of state changes.
//!
//! # In one breath
//!
//! [`docker`] watches a Docker Engine, [`oom`] watches the kernel; both say what changed to a
//! [`hinomi_model::Sink`]. [`metrics`] reads the numbers of the host and of containers, whenever it is asked. Texts that come from containers pass [`redact`] first. [`rights`] says which feature needs
//! which right, and whether this process has it.
//!
//! # Invariants
//!
//! - Knows no engine, no level and no finding: it reports facts.
//! - A missing right switches one feature off, with one clear line.
//! - Environment values of containers never leave the inspect decoder.

pub mod docker;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod metrics;
pub mod oom;
pub mod redact;
pub mod rights;
