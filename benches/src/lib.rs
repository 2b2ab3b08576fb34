//! Measurements of the built `hinomi` against a private dockerd: the lines that must hold.
//!
//! # In one breath
//!
//! A measurement sets up a [`rig::Rig`] (dockerd, webhook receiver, Hinomi), does something to the dockerd through its
//! raw API, and compares what Hinomi recorded and sent with what independent witnesses saw. It yields [`Line`]s; one
//! that has a limit and does not keep it is a failure.
//!
//! # Invariants
//!
//! - No stamp or count of Hinomi's own is taken as the truth: that comes from the kernel, from dockerd's answers and
//!   events, and from the receiver's clock.
//! - Everything random follows from a fixed seed.
//! - The short forms measure the same with fewer repetitions and the same limits.

pub mod ask;
pub mod burst;
pub mod disk;
pub mod endurance;
pub mod engine;
pub mod history;
pub mod ingest;
pub mod kills;
pub mod latency;
pub mod limits;
pub mod line;
pub mod load;
pub mod numbers;
pub mod page;
pub mod record;
pub mod recovery;
pub mod rest;
pub mod rig;
pub mod shortlived;
pub mod soak;
pub mod town;

use anyhow::Result;

pub use line::Line;

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// What the documented numbers are from.
    Full,
    /// For every change: minutes in all.
    Short,
}

impl Form {
    /// One of two values.
    #[must_use]
    pub fn pick<T>(self, full: T, short: T) -> T {
        match self {
            Self::Full => full,
            Self::Short => short,
        }
    }

    /// Its name in results.
    #[must_use]
    pub fn word(self) -> &'static str {
        self.pick("full", "short")
    }
}

/// A measurement.
#[derive(Clone, Copy, Debug)]
pub struct Bench {
    /// Its name on the command line; its lines' names begin with it.
    pub name: &'static str,
    /// What it measures, for people.
    pub what: &'static str,
    /// Does it.
    pub run: fn(Form) -> Result<Vec<Line>>,
}

/// All measurements.
pub const ALL: [Bench; 13] = [
    Bench {
        name: "latency",
        what: "from the kernel's kill for memory to the webhook's arrival, both on CLOCK_MONOTONIC; 200 containers \
               are killed (short: 30), half of them have a restart policy, 50 others run (short: 8)",
        run: latency::run,
    },
    Bench {
        name: "shortlived",
        what: "1,000 containers (short: 120) that live 0.1 s to 5 s: recorded with start, end and the exit code that \
               dockerd returned, read back from the timeline",
        run: shortlived::run,
    },
    Bench {
        name: "burst",
        what: "10,000 events (short: 2,000) as fast as dockerd makes them, Hinomi frozen for some seconds in between \
               so that dockerd drops events: each is recorded, or a gap covers its time",
        run: burst::run,
    },
    Bench {
        name: "rest",
        what: "50 running containers, 10 of them with a health check every 5 s, numbers every 10 s, for 10 min (short: 60 s)",
        run: rest::run,
    },
    Bench {
        name: "endurance",
        what: "100 times (short: 15) SIGKILL to Hinomi at random moments while containers come, fail and go",
        run: endurance::run,
    },
    Bench {
        name: "disk",
        what: "a data folder that fills up, cannot be written or is in use: what is said, sent and stored",
        run: disk::run,
    },
    Bench {
        name: "page",
        what: "the web page in a Chromium, over loopback: a data folder of 500 workloads, 50 findings and 10,000 changes, \
               written by the real pipeline and served by the built binary; 5 cold visits (short: 3), then what a person \
               does, from the key or click to the next frame",
        run: page::run,
    },
    Bench {
        name: "soak",
        what: "an open page while containers come, fail and go beside 50 that run, at least as densely as a day's 50,000 \
               events in two hours, for two hours (short: 40 s): heap, nodes and listeners after a garbage collection, \
               the second half against the first",
        run: soak::run,
    },
    Bench {
        name: "ingest",
        what: "metrics of whole clusters by remote write, a sample every 15 s, as fast as they are taken: 24 pods for 24 h \
               (std), 720 pods for 15 min (wide), 96 pods that live five minutes for 1 h (churn); short: 3 h, 180 pods, 30 min, \
               and no peer",
        run: ingest::run,
    },
    Bench {
        name: "ask",
        what: "34 questions of dashboards, rules and alerts about 24 h of 24 pods (short: 3 h), and the same to Prometheus",
        run: ask::run,
    },
    Bench {
        name: "recovery",
        what: "SIGKILL to a server with a million series in memory (short: 100,000, and limits of 1 s and 2 s), from the start \
               of the process to the first sample taken and the first right answer",
        run: recovery::run,
    },
    Bench {
        name: "kills",
        what: "1,000 times (short: 12) SIGKILL at random moments under four writers of samples, and a disk that fills up under \
               them: every acknowledged sample is looked for after every start",
        run: kills::run,
    },
    Bench {
        name: "limits",
        what: "a million series of one tenant, and questions for all of them, against a memory budget of 128 MiB, while another \
               tenant writes and asks",
        run: limits::run,
    },
];
