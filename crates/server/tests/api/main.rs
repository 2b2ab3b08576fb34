//! The API over a real socket, in front of a real pipeline.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that meets what it does not expect has failed")]

mod access;
mod answers;
mod language;
mod openapi;
mod past;
mod receivers;
mod running;
mod stream;
mod tls;
mod tower;
mod yaml;
