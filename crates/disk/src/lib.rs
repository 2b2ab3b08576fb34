//! Data files: a journal that survives crashes, atomic files, the folder lock.
//!
//! # Invariants
//!
//! - The only crate that opens data files; knows bytes and sequence numbers, no domain words.
//! - What was acknowledged is on the disk: file and folder are synced before `Ok`.
//! - A failed `fsync` is never retried on the same file: the kernel may have dropped the pages and say `Ok` next time.
//! - One damaged place is reported and counted, never a reason not to start.

pub mod copy;
mod error;
#[cfg(any(test, feature = "faulty"))]
pub mod faulty;
pub mod file;
pub mod fs;
pub mod journal;
pub mod lock;
pub mod space;
pub mod stream;

pub use error::{Error, Result};
