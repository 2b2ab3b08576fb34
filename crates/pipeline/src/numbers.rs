//! Inspections over numbers: when the metrics engine is asked, and who hears the answers.
//!
//! # Invariants
//!
//! - A round asks on a thread that may block, holds no lock of the judge meanwhile, and has [`ASK_MAX`] in all.
//! - A round that nobody has judged yet holds back the next one: at most one waits.
//! - What can't be asked is not told of; the judge takes that for a gap.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use hinomi_alert::numbers::{Round, Rules};
use hinomi_base::task::Shutdown;
use hinomi_model::Nanos;
use hinomi_timeline::State;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use crate::view::Shared;

mod containers;
pub(crate) mod docker_disk;
mod host;
mod measure;

use measure::{Container, Measure};

/// How long the questions of one round may take together.
const ASK_MAX: Duration = Duration::from_secs(5);

/// What the settings say about it.
pub(crate) fn rules(shared: &Shared) -> Rules {
    let settings = &shared.settings;
    Rules { settings: settings.inspections.clone(), hours: settings.working_hours.hours.clone() }
}

/// Measures at each interval until shutdown, or until nobody listens any more.
pub(crate) async fn run(shared: Arc<Shared>, rounds: mpsc::Sender<Round>, mut shutdown: Shutdown) {
    let every = shared.settings.inspections.interval;
    let (asked, failed) = (
        shared.counters.counter("inspection_rounds_total"),
        shared.counters.counter("inspection_questions_failed_total"),
    );
    let busy_us = shared.counters.counter("inspection_busy_microseconds_total");
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.reset();
    let mut complaint = String::new();
    loop {
        tokio::select! {
            () = shutdown.wait() => return,
            _ = ticks.tick() => {}
        }
        let Ok(place) = rounds.reserve().await else { return };
        // Samples have stamps of the wall clock.
        let at = Nanos(shared.clock.wall());
        let work = Arc::clone(&shared);
        let began = Instant::now();
        let done = tokio::task::spawn_blocking(move || measure(&work, at)).await;
        busy_us.add(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
        // One that died said so.
        let Ok((round, failures)) = done else { continue };
        asked.add(1);
        failed.add(u64::try_from(failures.len()).unwrap_or(u64::MAX));
        let said = failures.join("; ");
        if !said.is_empty() && said != complaint {
            tracing::warn!(
                failures = said,
                "some numbers could not be looked at; what was found stays as it is"
            );
        }
        complaint = said;
        place.send(round);
    }
}

/// Asks everything once. Blocks. Beside the round: what could not be asked, and why.
pub(crate) fn measure(shared: &Shared, at: Nanos) -> (Round, Vec<String>) {
    let containers = containers_of(shared);
    let mut measure = Measure::new(shared, at, containers, ASK_MAX);
    containers::measure(&mut measure);
    host::measure(&mut measure);
    measure.finish()
}

/// The containers that run here.
fn containers_of(shared: &Shared) -> Vec<Container> {
    let judge = shared.judge.read().unwrap_or_else(PoisonError::into_inner);
    let cluster = &shared.settings.host.name;
    let running = judge
        .timeline()
        .tracks
        .values()
        .filter(|track| track.state == State::Running && track.id.cluster == *cluster);
    running.map(|track| Container { resource: Arc::clone(&track.id), began: track.run_began_at }).collect()
}

#[cfg(test)]
mod tests;
