//! Foreign formats: bytes to the words of this project and back.
//!
//! # In one breath
//!
//! [`families`] holds the metrics of one round of collecting; [`exposition`] writes them as Prometheus and others scrape
//! them. [`remote_write`] reads what Prometheus and others send, [`alertmanager`] the alerts that they post.
//!
//! # Invariants
//!
//! - Pure: no clock, no file, no socket.
//! - What is written can be read back by the reference parsers, whatever stands in names, help and label values.
//!
//! # Not here yet
//!
//! Reading exposition formats, Prometheus' protobuf format, quoted UTF-8 names in what is written, timestamps and
//! exemplars of samples, native histograms in exposition formats; OTLP, and the formats of logs.

pub mod alertmanager;
pub mod exposition;
pub mod families;
pub mod remote_write;

pub use exposition::Format;
pub use families::{Families, Family, Head, Kind, Sample};
