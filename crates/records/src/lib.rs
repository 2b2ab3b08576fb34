//! The durable, ordered store of state changes and incident records.
//!
//! # In one breath
//!
//! [`Store::append`] encodes records, queues them and returns a [`Ticket`]; the thread `records-writer` writes
//! everything queued as one group, syncs once and settles the tickets. At start, [`Store::replay`] shows what is
//! stored after the newest checkpoint; [`Store::changes`] answers questions about the past from the files.
//!
//! # Invariants
//!
//! - R1: [`Stored::Ok`] means on the disk. Numbers are dense and grow in the order of the appends.
//! - R2: `append` never waits for the disk. The queue has a limit in bytes, drawn from the budget, and in records;
//!   what no longer fits is dropped oldest first, counted, and its ticket says so.
//! - R3: a refusing disk is tried again until it works, without a restart; what is still queued is then written.
//! - R4: a checkpoint never runs ahead of the journal, and the journal after the older of the two kept ones is kept.
//! - R5: memory of replays and questions does not grow with the journal.
//!
//! The folder is `<dir>/checkpoint-*` and `<dir>/journal/`; bytes: `docs/formats/records.md`, `docs/formats/journal.md`.

mod checkpoint;
mod copy;
mod error;
mod query;
mod queue;
mod record;
mod retention;
mod span;
mod store;
mod ticket;
mod writer;

pub use copy::Copied;
pub use error::{Error, Result};
pub use query::{ChangeQuery, Changes};
pub use queue::Health;
pub use record::{Alive, Delivered, DeliveryStatus, FORMAT_VERSION, Record};
pub use retention::{Retained, Stats};
pub use store::{Options, Recovery, Replayed, Store};
pub use ticket::{Stored, Ticket};
