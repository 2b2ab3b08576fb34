//! HTTP: the API, which reads from the pipeline and answers JSON, and the web page that shows it.
//!
//! # In one breath
//!
//! [`Service::bind`] takes the address, [`Service::run`] answers until shutdown. Every request passes the guard
//! (method, size, `Host`, `Origin`, token or session, a place among those that run at once, a deadline), the translation
//! of what comes back, then one of the handlers of [`paths`]: decode the question, ask the [`hinomi_pipeline::Handle`], encode with [`json`]. Every other path
//! is the web page.
//!
//! # Data in, data out
//!
//! CLI, UI, programs -> **`server`** -> `pipeline::Handle` -> JSON (`docs/openapi.yaml`).
//!
//! # Invariants
//!
//! - **S1** What is watched can't be changed through it: `GET` and `HEAD`, but for the login and test messages.
//! - **S2** No page of another site reads from it: `Host` names this machine, `Origin` is absent or the same,
//!   `Sec-Fetch-Site` is absent or our own, and no answer carries a CORS header.
//! - **S3** Connections, requests at once, size and time of a request are bounded; and callers from elsewhere leave
//!   places for this machine in each.
//! - **S4** A point in time leaves as RFC 3339, everywhere.
//! - **S5** With a token, no answer of [`paths`] goes to whoever does not know it, but for the probes and the login; and
//!   none to a session that is over.
//! - **S6** One place maps kinds of errors to status codes: `error`.

mod access;
mod assets;
mod backup;
mod body;
mod connection;
mod error;
mod guard;
pub mod json;
mod language;
mod prometheus;
mod query;
mod receivers;
mod routes;
mod service;
mod stream;
mod tls;

pub use error::Error;
pub use routes::{OPENAPI, paths};
pub use service::{Options, Ready, Service, ready};
