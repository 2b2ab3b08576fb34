//! The API over a real socket, in front of a real pipeline.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that meets what it does not expect has failed")]

mod answers;
mod openapi;
mod running;
mod yaml;
