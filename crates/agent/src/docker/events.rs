//! The engine's event stream: what is asked for, how a line is read, how repeats are told.
//!
//! # Invariants
//!
//! - `exec_*` noise of health checks is filtered by the engine: a filter that names `health_status` makes it compare
//!   beginnings instead of whole actions.
//! - A line that is no event, or longer than [`MAX_LINE`], is counted and skipped; it never ends the stream.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use hinomi_model::{HealthStatus, Nanos};

/// Longest event line that is read; labels of a container travel in its events.
pub(crate) const MAX_LINE: usize = 256 * 1024;

/// Value of the `filters` parameter.
pub(crate) const FILTERS: &str = concat!(
    r#"{"type":["container","network","image"],"event":["create","start","die","kill","oom","stop","restart","#,
    r#""destroy","pause","unpause","rename","update","health_status","connect","disconnect","pull"]}"#
);

/// What happened to a container or image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Create,
    Start,
    Die {
        code: Option<i32>,
    },
    Kill {
        signal: Option<i32>,
    },
    Oom,
    Stop,
    Restart,
    Destroy,
    Pause,
    Unpause,
    Rename,
    Update,
    Health(HealthStatus),
    NetworkConnect,
    NetworkDisconnect,
    /// The subject is an image.
    Pull,
}

/// An event, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) at: Nanos,
    pub(crate) what: What,
    /// The container's full id; for [`What::Pull`] the image as written.
    pub(crate) subject: String,
    /// Container's name without slash; empty for network events.
    pub(crate) name: String,
    pub(crate) image: String,
    /// Labels, only with [`What::Create`], [`What::Start`] and [`What::Destroy`]: they stand in where an inspect
    /// comes too late.
    pub(crate) labels: BTreeMap<String, String>,
    /// Tells repeats of the same event.
    pub(crate) fingerprint: u64,
}

#[derive(serde::Deserialize)]
struct Raw {
    #[serde(rename = "Type", default)]
    kind: String,
    #[serde(rename = "Action", default)]
    action: String,
    #[serde(rename = "Actor", default)]
    actor: Actor,
    #[serde(rename = "timeNano", default)]
    time_nano: i64,
}

#[derive(Default, serde::Deserialize)]
struct Actor {
    #[serde(rename = "ID", default)]
    id: String,
    #[serde(rename = "Attributes", default)]
    attributes: BTreeMap<String, String>,
}

/// Attributes of the engine itself; every other attribute of a container event is a label.
const OWN_ATTRIBUTES: [&str; 8] =
    ["name", "image", "exitCode", "signal", "execDuration", "oldName", "execID", "container"];

/// Reads one line. `None`: no event of interest.
pub(crate) fn decode(line: &[u8]) -> Option<Event> {
    let mut raw: Raw = serde_json::from_slice(line).ok()?;
    let fingerprint = {
        let mut hasher = DefaultHasher::new();
        let container = raw.actor.attributes.get("container");
        (raw.time_nano, &raw.kind, &raw.actor.id, &raw.action, container).hash(&mut hasher);
        hasher.finish()
    };
    let attributes = &mut raw.actor.attributes;
    let (what, subject) = match raw.kind.as_str() {
        "container" => (container_action(&raw.action, attributes)?, raw.actor.id),
        "network" => (network_action(&raw.action)?, attributes.remove("container")?),
        "image" if raw.action == "pull" => (What::Pull, raw.actor.id),
        _ => return None,
    };
    if subject.is_empty() {
        return None;
    }
    let is_container = raw.kind == "container";
    let name = if is_container { attributes.remove("name").unwrap_or_default() } else { String::new() };
    let image = attributes.remove("image").unwrap_or_default();
    let keep_labels = is_container && matches!(what, What::Create | What::Start | What::Destroy);
    let labels = if keep_labels {
        attributes.retain(|key, _| !OWN_ATTRIBUTES.contains(&key.as_str()));
        super::inspect::bound_labels(std::mem::take(attributes))
    } else {
        BTreeMap::new()
    };
    Some(Event { at: Nanos(raw.time_nano), what, subject, name, image, labels, fingerprint })
}

fn container_action(action: &str, attributes: &BTreeMap<String, String>) -> Option<What> {
    let number = |key: &str| attributes.get(key).and_then(|value| value.parse().ok());
    Some(match action {
        "create" => What::Create,
        "start" => What::Start,
        "die" => What::Die { code: number("exitCode") },
        "kill" => What::Kill {
            signal: attributes.get("signal").and_then(|text| super::inspect::signal_number(text)),
        },
        "oom" => What::Oom,
        "stop" => What::Stop,
        "restart" => What::Restart,
        "destroy" => What::Destroy,
        "pause" => What::Pause,
        "unpause" => What::Unpause,
        "rename" => What::Rename,
        "update" => What::Update,
        _ => match action.strip_prefix("health_status:")?.trim() {
            "healthy" => What::Health(HealthStatus::Healthy),
            "unhealthy" => What::Health(HealthStatus::Unhealthy),
            "starting" => What::Health(HealthStatus::Starting),
            _ => return None,
        },
    })
}

fn network_action(action: &str) -> Option<What> {
    match action {
        "connect" => Some(What::NetworkConnect),
        "disconnect" => Some(What::NetworkDisconnect),
        _ => None,
    }
}

/// Cuts a byte stream into lines.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    rest: Vec<u8>,
    skipping: bool,
    /// Lines that were too long.
    pub(crate) too_long: u64,
}

impl Lines {
    /// Calls `each` with every whole line in what came so far.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut each: impl FnMut(&[u8])) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            bytes = rest.get(1..).unwrap_or_default();
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            if self.rest.len() + line.len() > MAX_LINE {
                self.too_long += 1;
                self.rest.clear();
            } else if self.rest.is_empty() {
                each(line);
            } else {
                self.rest.extend_from_slice(line);
                each(&self.rest);
                self.rest.clear();
                self.rest.shrink_to(4096);
            }
        }
        if self.skipping {
            return;
        }
        if self.rest.len() + bytes.len() > MAX_LINE {
            self.too_long += 1;
            self.skipping = true;
            self.rest = Vec::new();
        } else {
            self.rest.extend_from_slice(bytes);
        }
    }
}

/// Remembers the last events by fingerprint, so that what an engine sends again is told from news.
#[derive(Debug)]
pub(crate) struct Seen {
    set: HashSet<u64>,
    order: VecDeque<u64>,
    limit: usize,
}

impl Seen {
    pub(crate) fn new(limit: usize) -> Self {
        Self { set: HashSet::new(), order: VecDeque::new(), limit }
    }

    /// Whether it is new; remembers it.
    pub(crate) fn is_new(&mut self, fingerprint: u64) -> bool {
        if !self.set.insert(fingerprint) {
            return false;
        }
        self.order.push_back(fingerprint);
        if self.order.len() > self.limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.set.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
