//! The metrics engine: samples of series in memory, in a log and in immutable blocks; questions over all of them.
//!
//! # In one breath
//!
//! [`Db::append`] checks a [`Batch`] against the series in memory (the head), adds its samples there, writes them to
//! the log and returns when they are as durable as was asked for; callers that wait share one sync. Every two hours
//! of data the head writes a block per tenant and forgets what is in it, and before that if the log, which a start
//! reads, gets too long; blocks are merged into larger ones and removed when they are too old. Reading ([`SeriesSource`](hinomi_model::metrics::SeriesSource)) merges head and
//! blocks. Beside samples there are exemplars ([`Db::exemplars`]: the newest ones, in memory and in the log) and what is
//! said about families of metrics ([`Db::metadata`]). [`Db::snapshot`] copies all of it while the engine runs.
//!
//! # Invariants
//!
//! - M1: `Ok` from [`Db::append`] means durable as configured. What is in memory and not yet in the log stays queued,
//!   in order, until the disk takes it; nothing later is acknowledged before it.
//! - M2: a file whose sync failed is never written again ([`hinomi_disk::journal`]); where syncs are put off
//!   ([`Durability::Interval`]), a failed one ends all appending until a restart.
//! - M3: a block appears whole under its name or not at all; the log is cut only behind blocks that are there.
//! - M4: readers never wait for the disk writes of others, and writers never for the decoding or the file reads of
//!   readers. They share short locks: the index while matchers are resolved, a series while its pieces are noted.
//! - M5: a time has one value per series: the first that was taken (blocks have a rank, which merges keep).
//! - M6: values come back to the bit: NaN payloads, staleness markers, infinities, -0.0.
//! - M7: memory of head samples and series is drawn from the budget before it is used.
//! - M8: bytes from the disk are checked before they are believed; a damaged block is reported, and the others are
//!   read.
//! - M9: the log holds no more than [`Options::log_samples_max`] and [`Options::log_bytes_max`] allow, and what comes while
//!   blocks are written: a start after a kill is bounded.
//!
//! Bytes: `docs/formats/metrics.md`.
//!
//! # Not here yet
//!
//! Downsampling; exemplars in blocks (after a kill there are those of the log, after a stop none); a shared column of times
//! in the head (blocks have one per target); reading through memory maps; several appends at once (they take turns, and
//! share syncs); appending while the log is read at the start. Forgetting what went into a block holds appends for a moment
//! that grows with the number of series, and so does a deletion.

mod append;
mod block;
mod bytes;
mod catalogue;
mod codec;
mod compact;
mod db;
mod delete;
mod error;
mod exemplars;
mod flush;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod head;
mod ingest;
mod metadata;
mod mix;
mod open;
mod options;
mod postings;
mod replay;
mod retention;
mod room;
mod run;
mod scan;
mod sealed;
mod select;
mod snapshot;
mod upkeep;
mod wal;

pub use append::{Appended, Batch, Reason, SeriesKey, SeriesRef};
pub use db::{Db, Stats};
pub use error::{Error, Result};
pub use open::Recovery;
pub use options::{Durability, Options};
pub use snapshot::SnapshotInfo;
