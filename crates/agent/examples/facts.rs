//! Prints what the Docker collector and the kernel's witnesses see, one JSON line a state change:
//!
//! ```sh
//! cargo run -p hinomi-agent --example facts -- unix:///var/run/docker.sock
//! ```
//!
//! With a second argument it also prints the collector's status to standard error each so many seconds.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "printing is its purpose")]

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use hinomi_agent::{docker, oom};
use hinomi_base::budget::{Budget, default_limit_bytes};
use hinomi_base::clock::Clock;
use hinomi_base::counters::Counters;
use hinomi_base::task::shutdown;
use hinomi_model::{Known, Rejected, Sink, StateChange};

struct Print(Clock);

impl Sink for Print {
    fn push(&self, changes: Vec<StateChange>) -> Result<(), Rejected> {
        let mut out = std::io::stdout().lock();
        for mut change in changes {
            change.observed_at = hinomi_model::Nanos(self.0.now());
            let line =
                serde_json::to_string(&change).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"));
            if writeln!(out, "{line}").is_err() {
                std::process::abort();
            }
        }
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut args = std::env::args().skip(1);
    let host = args.next().unwrap_or_else(|| docker::Options::default().host);
    let every = args.next().and_then(|text| text.parse().ok()).map(Duration::from_secs);
    let (clock, counters) = (Clock::system(), Counters::default());
    let sink = Arc::new(Print(clock.clone()));
    let (kernel, oom) =
        oom::Service::new(oom::Options::default(), sink.clone(), clock.clone(), counters.clone());
    let options = docker::Options { host, ..docker::Options::default() };
    let budget = Budget::new(default_limit_bytes());
    let (service, handle) =
        docker::Service::new(options, Known::default(), sink, clock, budget, counters.clone(), oom);
    let (trigger, signal) = shutdown();
    let tasks = [
        hinomi_base::task::spawn("docker", service.run(signal.clone())),
        hinomi_base::task::spawn("oom", kernel.run(signal)),
    ];
    let status = async {
        let Some(every) = every else { return std::future::pending().await };
        loop {
            tokio::time::sleep(every).await;
            eprintln!("{} {:?}", serde_json::to_string(&handle.status()).unwrap_or_default(), counters.all());
        }
    };
    let Ok(mut term) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) else {
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = term.recv() => {}
        () = status => {}
    }
    trigger.raise();
    for task in tasks {
        task.await.ok();
    }
}
