//! What every long-running part of Hinomi leans on: time, tasks, shutdown, one memory budget, counters.
//!
//! # Invariants
//!
//! - Knows no domain words: no container, no finding.
//! - [`clock::Clock`] is the only reader of the system's clocks; it never steps back while the process runs.
//! - Memory that can grow is drawn from [`budget::Budget`]; what is refused is counted.

pub mod budget;
pub mod clock;
pub mod counters;
pub mod process;
pub mod task;
