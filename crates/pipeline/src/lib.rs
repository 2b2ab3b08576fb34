//! Opens the engines, owns current state, runs the flow from state change to message.
//!
//! # In one breath
//!
//! Collectors push state changes through [`Intake`] (the [`Sink`](hinomi_model::Sink) of this process); [`Service`]
//! stamps them, makes them durable, lets the judge fold and inspect them, stores the incidents and queues the messages
//! that follow, and hands each message to its receiver's notifier. Readers ask through [`Handle`].
//!
//! # Data in, data out
//!
//! `agent` -> [`Intake`] -> **`core`** -> `records` (durable) -> `alert::Judge` -> `outbox` -> `alert::notify`.
//!
//! # Invariants
//!
//! - **P1** A change is judged when it is durable, or 200 ms after it came, marked *not stored*: a disk that refuses
//!   never silences an alert.
//! - **P2** A message is queued durably; it leaves the queue when its receiver accepted it or can never accept it.
//! - **P3** After `kill -9` the state is the newest checkpoint and the records behind it, and everything is looked at
//!   once: what was not said is said, under the same key.
//! - **P4** Knows no HTTP; everything that grows draws on one memory budget.

pub mod backup;
mod core;
mod deliveries;
mod error;
mod feed;
mod finding;
mod heartbeat;
mod intake;
mod metrics;
mod now;
mod numbers;
mod open;
mod outbox;
mod overview;
mod own;
mod receivers;
pub mod settings;
mod view;
mod vitals;
pub mod why;
mod workload;

pub use core::Service;
pub use deliveries::{DeliveryState, DeliveryView};
pub use error::Error;
pub use feed::{Behind, Mark, StreamedChange};
pub use finding::FindingDetail;
pub use hinomi_query::parse::STACK_BYTES;
pub use intake::Intake;
pub use metrics::{
    Asked, Collected, Metrics, MetricsView, Question, Refused, Scrape, Unanswered, Unwritten, WRITES_AT_ONCE,
    Written,
};
pub use now::{HappeningView, LoopView, NowRow};
pub use numbers::docker_disk::DockerDiskUse;
pub use open::{Options, open};
pub use overview::{HealedView, HeatView, Overview, PlaneView, Recent};
pub use own::{CONTAINERS_JOB, HOST_JOB, JOB};
pub use receivers::ReceiverTest;
pub use view::{
    ChangeView, CollectorStatus, Collectors, FindingView, Handle, PastFinding, ReceiverView, Status,
    StoreView, TimelineQuery, TimelineView, Totals, WorkloadView,
};
pub use vitals::Vitals;
pub use workload::{EndView, InstanceDetail, LedgerView, WorkloadDetail};
