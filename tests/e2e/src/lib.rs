//! What the end-to-end tests share: a private dockerd, a webhook receiver and a Hinomi between them.
//!
//! # Invariants
//!
//! - Cases of one [`Site`] use names of containers that no other case uses; everything is told apart by them.
//! - Nothing is asserted about how long something takes: conditions are waited for with generous deadlines.
//! - What a case says was told ([`Site::expect_told`]) is compared again at the end ([`Site::finish`]): no message more,
//!   none less, none about anything else.

pub mod cases;
pub mod kills;
pub mod limits;
pub mod site;
pub mod wrapped;
pub mod writers;

use std::time::Duration;

/// Deadline of conditions that are usually met within a second or two.
pub const SOON: Duration = Duration::from_secs(45);
/// Deadline of conditions that wait for one of Hinomi's own times (start grace, proof of stability).
pub const LATE: Duration = Duration::from_secs(150);

pub use cases::{Case, run};
pub use site::{Site, Why};
