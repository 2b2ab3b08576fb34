//! The HTTP API: reads from the pipeline, answers JSON.
//!
//! # In one breath
//!
//! [`Service::bind`] takes the address, [`Service::run`] answers until shutdown. Every request passes the guard
//! (method, size, `Host`, `Origin`, a place among those that run at once, a deadline), then one of the handlers of
//! [`paths`]: decode the question, ask the [`hinomi_pipeline::Handle`], encode with [`json`].
//!
//! # Data in, data out
//!
//! CLI, UI, programs -> **`server`** -> `pipeline::Handle` -> JSON (`docs/openapi.yaml`).
//!
//! # Invariants
//!
//! - **S1** Nothing can be changed through it: `GET` and `HEAD` only.
//! - **S2** No page of another site reads from it: `Host` names this machine, `Origin` is absent or the same, and no
//!   answer carries a CORS header.
//! - **S3** Connections, requests at once, size and time of a request are bounded.
//! - **S4** A point in time leaves as RFC 3339, everywhere.
//! - **S5** One place maps kinds of errors to status codes: `error`.

mod connection;
mod error;
mod guard;
pub mod json;
mod query;
mod routes;
mod service;

pub use error::Error;
pub use routes::{OPENAPI, paths};
pub use service::{Options, Ready, Service, ready};
