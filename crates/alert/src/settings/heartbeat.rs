//! Where the sign of life goes, as the user writes it.

use std::time::Duration;

use hinomi_config::emit::Emitter;
use hinomi_config::{Value, decode};

use super::{Endpoint, endpoint};

/// Time between two signs when nothing else is written.
const EVERY_DEFAULT: Duration = Duration::from_secs(60);
const EVERY_LEAST: Duration = Duration::from_secs(1);
const EVERY_MOST: Duration = Duration::from_secs(3600);

/// A sign of life that somebody outside waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Where to, and in which form.
    pub target: HeartbeatTarget,
    /// Time between two signs.
    pub every: Duration,
}

/// Who waits for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeartbeatTarget {
    /// A GET, as dead man's switches and uptime services take it.
    Url(Endpoint),
    /// Base URL of an Alertmanager, whose alert `Watchdog` it keeps alive.
    Alertmanager(Endpoint),
}

impl HeartbeatTarget {
    /// Where to.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        match self {
            Self::Url(endpoint) | Self::Alertmanager(endpoint) => endpoint,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Url(_) => "url",
            Self::Alertmanager(_) => "alertmanager",
        }
    }
}

impl Heartbeat {
    /// The key `heartbeat`. What is wrong is told.
    #[must_use]
    pub fn take(value: &Value<'_>, env: &dyn Fn(&str) -> Option<String>) -> Option<Self> {
        let mut map = value.map()?;
        let url = map.take("url", |value| endpoint(value, env));
        let alertmanager = map.take("alertmanager", |value| endpoint(value, env));
        let every = map.take("every", decode::duration_within(EVERY_LEAST..=EVERY_MOST));
        map.finish();
        let target = match (url, alertmanager) {
            (Some(url), None) => HeartbeatTarget::Url(url),
            (None, Some(url)) => HeartbeatTarget::Alertmanager(url),
            _ => {
                value
                    .problem("a heartbeat goes to exactly one place", "write either `url` or `alertmanager`");
                return None;
            }
        };
        Some(Self { target, every: every.unwrap_or(EVERY_DEFAULT) })
    }

    /// Writes the key's entries with their effective values, secrets hidden.
    pub fn emit(&self, emitter: &mut Emitter) {
        emitter.entry(self.target.kind(), self.target.endpoint());
        emitter.entry("every", decode::duration_text(self.every));
    }
}
