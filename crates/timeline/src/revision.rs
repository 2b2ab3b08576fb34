//! Revisions: the images and configurations that a workload had.
//!
//! They outlive the containers: what a new container is compared with may be long gone.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use hinomi_model::{Nanos, ResourceId, RestartPolicy, Spec};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::track::push_bounded;
use crate::words::bytes_words;
use crate::{HappeningKind, WorkloadKey};

/// Revisions kept for each workload.
pub const REVISIONS_MAX: usize = 10;
/// Workloads whose revisions are kept; those without a container go first, the longest unchanged before others.
pub const REVISED_MAX: usize = 1_000;
/// Workloads that are forgotten at once when there are too many.
const ROOM: usize = 50;
/// Longest part of a command or name that words repeat, characters.
const SHOWN_MAX_CHARS: usize = 80;
/// Characters of an image's digest that tell it from another one.
const DIGEST_CHARS: usize = 12;
/// Host ports from here on are the kernel's choice, not a person's.
const EPHEMERAL_PORTS: u16 = 32_768;

/// What a person declares of a container and may change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Face {
    image: String,
    image_id: String,
    command: String,
    restart: RestartPolicy,
    memory_limit_bytes: u64,
    ports: Vec<String>,
    /// Start period and interval in milliseconds, and retries.
    health: Option<(u64, u64, u32)>,
}

impl Face {
    /// Of a container.
    pub(crate) fn of(spec: &Spec) -> Self {
        let health = || (spec.health_start_period_ms, spec.health_interval_ms, spec.health_retries);
        let mut ports: Vec<String> = spec
            .ports
            .iter()
            .map(|port| match port.host_port {
                0 | EPHEMERAL_PORTS.. => format!("{}/{}", port.container_port, port.protocol),
                host => format!("{host}:{}/{}", port.container_port, port.protocol),
            })
            .collect();
        ports.sort();
        ports.dedup();
        Self {
            image: spec.image.clone(),
            image_id: spec.image_id.clone(),
            command: spec.command.clone(),
            restart: spec.restart,
            memory_limit_bytes: spec.memory_limit_bytes,
            ports,
            health: spec.has_health_check.then(health),
        }
    }

    /// It was gone before anybody could look: only its image is known.
    fn is_stand_in(&self) -> bool {
        self.image_id.is_empty() && self.command.is_empty()
    }

    /// What is different in `new`, in words; `None`: nothing, as far as is known.
    pub(crate) fn difference(&self, new: &Self) -> Option<(HappeningKind, String)> {
        let mut words = Vec::new();
        words.extend(self.other_image(new));
        let is_deploy = !words.is_empty();
        if !self.is_stand_in() && !new.is_stand_in() {
            self.other_configuration(new, &mut words);
        }
        let kind = if is_deploy { HappeningKind::Deploy } else { HappeningKind::Configuration };
        (!words.is_empty()).then(|| (kind, words.join("; ")))
    }

    fn other_image(&self, new: &Self) -> Option<String> {
        if self.image != new.image {
            return Some(format!("image {} → {}", shown(&self.image), shown(&new.image)));
        }
        let known = !self.image_id.is_empty() && !new.image_id.is_empty();
        (known && self.image_id != new.image_id).then(|| {
            let (old, new) = (digest(&self.image_id), digest(&new.image_id));
            format!("image {}: other content, {old} → {new}", shown(&self.image))
        })
    }

    fn other_configuration(&self, new: &Self, words: &mut Vec<String>) {
        let mut differs = |what: &str, old: String, new: String| {
            if old != new {
                words.push(format!("{what} {old} → {new}"));
            }
        };
        // Cut for people, compared as a whole.
        if self.command != new.command {
            let (old, new) = (shown(&self.command), shown(&new.command));
            if old == new {
                differs("command", old, format!("{new} (its end differs)"));
            } else {
                differs("command", old, new);
            }
        }
        differs("memory limit", limit(self.memory_limit_bytes), limit(new.memory_limit_bytes));
        differs("restart policy", self.restart.to_string(), new.restart.to_string());
        differs("ports", list(&self.ports), list(&new.ports));
        differs("health check", check(self.health), check(new.health));
    }
}

fn shown(text: &str) -> String {
    if text.chars().count() <= SHOWN_MAX_CHARS {
        return text.to_owned();
    }
    text.chars().take(SHOWN_MAX_CHARS - 1).chain(['…']).collect()
}

fn digest(id: &str) -> String {
    id.strip_prefix("sha256:").unwrap_or(id).chars().take(DIGEST_CHARS).collect()
}

fn limit(bytes: u64) -> String {
    if bytes == 0 { "none".to_owned() } else { bytes_words(bytes) }
}

fn list(ports: &[String]) -> String {
    if ports.is_empty() { "none".to_owned() } else { shown(&ports.join(", ")) }
}

fn check(health: Option<(u64, u64, u32)>) -> String {
    health.map_or_else(
        || "none".to_owned(),
        |(start_ms, every_ms, retries)| {
            format!("every {every_ms} ms, {retries} retries, start period {start_ms} ms")
        },
    )
}

/// A workload's image and configuration from a point in time on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Revision {
    /// Since when.
    pub at: Nanos,
    /// What it changed.
    pub kind: HappeningKind,
    /// What it changed, in words.
    pub words: String,
    /// The first container that had it.
    pub resource: Arc<ResourceId>,
    pub(crate) face: Face,
}

/// Revisions by workload, oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Revisions(BTreeMap<WorkloadKey, VecDeque<Revision>>);

impl Revisions {
    pub(crate) fn newest(&self, key: &WorkloadKey) -> Option<&Revision> {
        self.0.get(key)?.back()
    }

    pub(crate) fn of(&self, key: &WorkloadKey) -> impl Iterator<Item = &Revision> {
        self.0.get(key).into_iter().flatten()
    }

    /// How many workloads have revisions.
    #[must_use]
    pub fn workloads(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn push(
        &mut self,
        key: WorkloadKey,
        revision: Revision,
        is_there: impl Fn(&WorkloadKey) -> bool,
    ) {
        if self.0.len() >= REVISED_MAX && !self.0.contains_key(&key) {
            self.make_room(is_there);
        }
        push_bounded(self.0.entry(key).or_default(), revision, REVISIONS_MAX);
    }

    /// Many at once: to look for the oldest one costs a look at all.
    fn make_room(&mut self, is_there: impl Fn(&WorkloadKey) -> bool) {
        let age = |(key, list): (&WorkloadKey, &VecDeque<Revision>)| {
            (is_there(key), list.back().map(|revision| revision.at), key.clone())
        };
        let mut oldest: Vec<_> = self.0.iter().map(age).collect();
        oldest.sort();
        for (_, _, key) in oldest.into_iter().take(ROOM) {
            self.0.remove(&key);
        }
    }

    pub(crate) fn forget_other_clusters(&mut self, mine: &str) {
        self.0.retain(|key, _| key.cluster == mine);
    }
}

impl Serialize for Revisions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.0)
    }
}

impl<'de> Deserialize<'de> for Revisions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let list = Vec::<(WorkloadKey, VecDeque<Revision>)>::deserialize(deserializer)?;
        Ok(Self(list.into_iter().collect()))
    }
}
