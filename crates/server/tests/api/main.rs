//! The API over a real socket, in front of a real pipeline.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that meets what it does not expect has failed")]

mod access;
mod answers;
mod backup;
mod language;
mod openapi;
mod own;
mod past;
mod prometheus;
mod prometheus_grafana;
mod receivers;
mod running;
mod stream;
mod tls;
mod tower;
mod write;
mod yaml;
