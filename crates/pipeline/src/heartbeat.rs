//! The sign of life: given only while changes are taken, stored and judged, and at least one receiver can be reached.

use std::sync::{Arc, Mutex, PoisonError};

use hinomi_alert::notify::{Clients, beat};
use hinomi_alert::settings::Heartbeat;
use hinomi_base::task::{self, Shutdown};
use hinomi_model::Nanos;
use serde_json::json;

use crate::{CollectorStatus, Handle};

/// How the last signs went.
#[derive(Clone, Debug, Default)]
struct Beats {
    given: u64,
    last_at: Option<Nanos>,
    /// Since when none was taken, and why.
    missing: Option<(Nanos, String)>,
}

impl Handle {
    /// Gives signs of life until shutdown, if the configuration names somebody who waits for them. Tells of itself
    /// among the collectors.
    pub fn give_signs_of_life(&self, shutdown: Shutdown) {
        let Some(heartbeat) = self.settings().heartbeat.clone() else { return };
        let beats: Arc<Mutex<Beats>> = Arc::default();
        let (seen, host) = (Arc::clone(&beats), heartbeat.target.endpoint().host());
        self.add_collector(move || {
            status(&host, &seen.lock().unwrap_or_else(PoisonError::into_inner).clone())
        });
        task::spawn("heartbeat", run(self.clone(), heartbeat, beats, shutdown));
    }
}

async fn run(handle: Handle, heartbeat: Heartbeat, beats: Arc<Mutex<Beats>>, mut shutdown: Shutdown) {
    let clients = Clients::new();
    let mut every = tokio::time::interval(heartbeat.every);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.wait() => return,
            _ = every.tick() => {}
        }
        let outcome = match handle.unfit().await {
            Some(why) => Err(format!("withheld: {why}")),
            None => {
                let clock = &handle.shared().clock;
                beat(&heartbeat, &handle.settings().host.name, &clients, clock).await
            }
        };
        let mut beats = beats.lock().unwrap_or_else(PoisonError::into_inner);
        note(&mut beats, outcome, handle.now());
    }
}

fn note(beats: &mut Beats, outcome: Result<String, String>, now: Nanos) {
    match outcome {
        Ok(_) => {
            if beats.missing.take().is_some() {
                tracing::info!("the sign of life is given again");
            }
            beats.given = beats.given.saturating_add(1);
            beats.last_at = Some(now);
        }
        Err(why) => {
            if beats.missing.is_none() {
                tracing::warn!(why, "no sign of life is given; whoever waits for it will miss it");
            }
            let since = beats.missing.take().map_or(now, |(since, _)| since);
            beats.missing = Some((since, why));
        }
    }
}

fn status(host: &str, beats: &Beats) -> CollectorStatus {
    let detail = match (&beats.missing, beats.last_at) {
        (Some((since, why)), _) => format!("no sign of life to {host} since {}: {why}", since.rfc3339()),
        (None, Some(at)) => {
            format!("{} signs of life given to {host}, the last at {}", beats.given, at.rfc3339())
        }
        (None, None) => format!("the first sign of life to {host} is on its way"),
    };
    CollectorStatus {
        name: "heartbeat".to_owned(),
        ok: beats.missing.is_none(),
        detail,
        facts: json!({ "given": beats.given, "last_at": beats.last_at.map(Nanos::rfc3339) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_when_it_is_missing_is_kept() {
        let mut beats = Beats::default();
        note(&mut beats, Ok(String::new()), Nanos(1_000_000_000));
        note(&mut beats, Err("withheld: no receiver accepts messages".to_owned()), Nanos(2_000_000_000));
        note(&mut beats, Err("answered 500".to_owned()), Nanos(3_000_000_000));
        let said = status("example.com", &beats);
        assert!(!said.ok);
        assert_eq!(
            said.detail,
            "no sign of life to example.com since 1970-01-01T00:00:02.000Z: answered 500"
        );
        note(&mut beats, Ok(String::new()), Nanos(4_000_000_000));
        let said = status("example.com", &beats);
        assert!(said.ok);
        assert_eq!(said.detail, "2 signs of life given to example.com, the last at 1970-01-01T00:00:04.000Z");
    }
}
