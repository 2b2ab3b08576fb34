//! The sign of life: a request that somebody outside misses when it does not come.

use std::time::Duration;

use hinomi_base::clock::Clock;
use hinomi_model::Nanos;
use reqwest::Url;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::Clients;
use super::attempt::Verdict;
use super::http::Post;
use crate::settings::{Endpoint, Heartbeat, HeartbeatTarget};

/// How long one sign may take, from connecting to the end of the answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Alertmanager calls the alert over when so many signs did not come.
const MISSED: u32 = 4;

/// Gives one sign of life. `host` names this Hinomi. Returns what the other side said.
///
/// # Errors
///
/// Why it was not taken, in words without secrets.
pub async fn beat(
    heartbeat: &Heartbeat,
    host: &str,
    clients: &Clients,
    clock: &Clock,
) -> Result<String, String> {
    let verdict = match &heartbeat.target {
        HeartbeatTarget::Url(url) => Post::get(url, TIMEOUT).run(clients, clock).await,
        HeartbeatTarget::Alertmanager(base) => {
            let until = Nanos(clock.wall()).plus(heartbeat.every * MISSED);
            let (url, body) = (alerts_of(base), watchdog(host, until));
            Post::new(&url, TIMEOUT, HeaderMap::new(), &body, Vec::new()).run(clients, clock).await
        }
    };
    match verdict {
        Verdict::Accepted { said } => Ok(said),
        Verdict::Later { why, .. } | Verdict::Refused { why } => Err(why),
    }
}

/// Where an Alertmanager takes alerts (its API v2).
fn alerts_of(base: &Endpoint) -> Endpoint {
    let mut url: Url = base.expose().clone();
    let path = format!("{}/api/v2/alerts", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Endpoint::new(url, base.is_secret())
}

/// The alert that always fires, as rule sets for Prometheus name it; it is over when nobody renews it.
fn watchdog(host: &str, until: Nanos) -> Value {
    json!([{
        "labels": { "alertname": "Watchdog", "severity": "none", "job": "hinomi", "instance": host },
        "annotations": { "summary": "Hinomi sees, judges and can tell. This alert always fires; when it ends, Hinomi is the one to look at." },
        "endsAt": until.rfc3339(),
    }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alertmanager_behind_a_path_is_found() {
        for (base, expected) in [
            ("http://127.0.0.1:9093", "http://127.0.0.1:9093/api/v2/alerts"),
            ("http://127.0.0.1:9093/", "http://127.0.0.1:9093/api/v2/alerts"),
            ("https://example.com/am/", "https://example.com/am/api/v2/alerts"),
        ] {
            let endpoint = Endpoint::new(base.parse().unwrap(), false);
            assert_eq!(alerts_of(&endpoint).expose().as_str(), expected);
        }
    }

    #[test]
    fn the_watchdog_ends_by_itself() {
        let alert = watchdog("web-1", Nanos(240_000_000_000));
        assert_eq!(alert[0]["endsAt"], "1970-01-01T00:04:00.000Z");
        assert_eq!(alert[0]["labels"]["instance"], "web-1");
    }
}
