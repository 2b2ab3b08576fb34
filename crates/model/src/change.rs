//! State changes: Hinomi's primary data.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Nanos, ResourceId, StageMark};

/// One change of one attribute of one resource. Never sampled, never dropped silently.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StateChange {
    /// Whose.
    pub resource: Arc<ResourceId>,
    /// Attribute and new value.
    #[serde(flatten)]
    pub fact: Fact,
    /// The value before, in words; filled in by the pipeline where it knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// The platform's reason or error text, redacted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it happened, by the clock of who saw it first.
    pub occurred_at: Nanos,
    /// When Hinomi saw it, steady time: orders all changes. Zero until the pipeline stamps it.
    #[serde(default)]
    pub observed_at: Nanos,
    /// Who says so.
    pub source: Source,
    /// What shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

/// Who said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The runtime's event stream.
    RuntimeEvent,
    /// A comparison of what is with what was known, after a time of not seeing.
    Reconcile,
    /// An inspect call made because of an event.
    Inspect,
    /// The kernel.
    Kernel,
    /// Hinomi's own probe (a listening port, a live process).
    Probe,
    /// Hinomi about itself (a gap, a stepped clock).
    Hinomi,
}

/// Attribute and its new value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "attribute", content = "value", rename_all = "snake_case")]
pub enum Fact {
    /// What was declared for a container. Comes first for every container.
    Spec(Box<Spec>),
    /// Where in its life it is. `Running` begins a run; see [`Fact::Exit`] for its end.
    Phase(Phase),
    /// The run ended.
    Exit(Exit),
    /// The health check's verdict changed.
    Health(Health),
    /// The kernel killed a process of it for memory.
    Oom(Oom),
    /// Somebody asked for what follows: it is no fault.
    Intent(Intent),
    /// A stage of the launch went somehow.
    Stage(StageMark),
    /// It has a new name.
    Name(String),
    /// It ran again without Hinomi seeing the end of the run before: `n` ends were not observed.
    UnobservedRestarts(u32),
    /// The runtime (kind `Cluster`) came or went.
    Runtime(RuntimeState),
    /// Hinomi saw nothing, or not everything, for a while.
    Gap(Gap),
    /// The wall clock was stepped by this many nanoseconds.
    ClockStep(i64),
}

impl Fact {
    /// The names of all attributes as stored.
    pub const ATTRIBUTES: [&'static str; 12] = [
        "spec",
        "phase",
        "exit",
        "health",
        "oom",
        "intent",
        "stage",
        "name",
        "unobserved_restarts",
        "runtime",
        "gap",
        "clock_step",
    ];

    /// The attribute's name as stored.
    #[must_use]
    pub fn attribute(&self) -> &'static str {
        match self {
            Self::Spec(_) => "spec",
            Self::Phase(_) => "phase",
            Self::Exit(_) => "exit",
            Self::Health(_) => "health",
            Self::Oom(_) => "oom",
            Self::Intent(_) => "intent",
            Self::Stage(_) => "stage",
            Self::Name(_) => "name",
            Self::UnobservedRestarts(_) => "unobserved_restarts",
            Self::Runtime(_) => "runtime",
            Self::Gap(_) => "gap",
            Self::ClockStep(_) => "clock_step",
        }
    }
}

/// What was declared for a container. Holds no environment values, ever.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// Image as written by the user.
    pub image: String,
    /// Digest or id of the image.
    #[serde(default)]
    pub image_id: String,
    /// Entrypoint and arguments, redacted, ≤ 1 KiB.
    #[serde(default)]
    pub command: String,
    /// When it was created, platform's clock.
    pub created_at: Option<Nanos>,
    /// What the platform does when it ends.
    #[serde(default)]
    pub restart: RestartPolicy,
    /// It removes itself at its end (`--rm`).
    #[serde(default)]
    pub auto_remove: bool,
    /// Somebody's terminal or pipe is attached (`docker run` without `-d`).
    #[serde(default)]
    pub attached: bool,
    /// It has a health check.
    #[serde(default)]
    pub has_health_check: bool,
    /// Health check: time in which failures do not count, milliseconds.
    #[serde(default)]
    pub health_start_period_ms: u64,
    /// Health check: time between probes, milliseconds.
    #[serde(default)]
    pub health_interval_ms: u64,
    /// Health check: failures until unhealthy.
    #[serde(default)]
    pub health_retries: u32,
    /// Ports it publishes.
    #[serde(default)]
    pub ports: Vec<PortSpec>,
    /// Memory limit, bytes; 0 = none.
    #[serde(default)]
    pub memory_limit_bytes: u64,
    /// How long a stop waits before it kills, milliseconds.
    #[serde(default)]
    pub stop_timeout_ms: u64,
    /// Signal that a stop begins with; 0 = SIGTERM.
    #[serde(default)]
    pub stop_signal: i32,
    /// Log driver.
    #[serde(default)]
    pub log_driver: String,
    /// Labels, at most 64 of at most 256 bytes each.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// A published port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortSpec {
    /// In the container.
    pub container_port: u16,
    /// On the host, 0 if not known yet.
    pub host_port: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
}

/// Docker's restart policies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum RestartPolicy {
    /// Never restarted.
    #[default]
    No,
    /// Always, also when the runtime starts.
    Always,
    /// Always, unless somebody stopped it.
    UnlessStopped,
    /// After a non-zero exit; `max_retries` 0 = for ever.
    OnFailure {
        /// Highest number of tries.
        max_retries: u32,
    },
}

impl std::fmt::Display for RestartPolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::No => f.write_str("no"),
            Self::Always => f.write_str("always"),
            Self::UnlessStopped => f.write_str("unless-stopped"),
            Self::OnFailure { max_retries: 0 } => f.write_str("on-failure"),
            Self::OnFailure { max_retries } => write!(f, "on-failure:{max_retries}"),
        }
    }
}

/// Where in its life a container is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Phase {
    /// Created, not started.
    Created,
    /// A run began.
    Running(RunState),
    /// Frozen by a person.
    Paused,
    /// No longer frozen.
    Unpaused,
    /// The platform waits to start it again.
    Restarting,
    /// Being removed.
    Removing,
    /// Removal failed; neither alive nor gone.
    Dead,
    /// Ended; where an end was seen a [`Fact::Exit`] stands before it.
    Exited,
    /// Removed.
    Gone {
        /// Nobody saw how: it was missing after a time of not seeing.
        unseen: bool,
    },
}

impl Phase {
    /// One word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running(_) => "running",
            Self::Paused => "paused",
            Self::Unpaused => "unpaused",
            Self::Restarting => "restarting",
            Self::Removing => "removing",
            Self::Dead => "dead",
            Self::Exited => "exited",
            Self::Gone { .. } => "gone",
        }
    }
}

/// A run of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunState {
    /// Host's number of its first process; 0 = not known.
    #[serde(default)]
    pub pid: u32,
    /// When it started, platform's clock.
    #[serde(default)]
    pub started_at: Option<Nanos>,
}

/// End of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Exit {
    /// Exit code; `None` = lost (the runtime no longer knows it).
    pub code: Option<i32>,
    /// The runtime's error text (a start that failed), redacted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The runtime says that something in it was killed for memory *at some time*: a hint, no proof.
    #[serde(default)]
    pub oom_hint: bool,
}

/// Verdict of the health check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// Not judged yet.
    Starting,
    /// Passes.
    Healthy,
    /// Failed `retries` times in a row.
    Unhealthy,
}

/// Health.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Verdict.
    pub status: HealthStatus,
    /// Failed probes in a row.
    #[serde(default)]
    pub failing_streak: u32,
    /// Exit code and output of the last probe, redacted, ≤ 1 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_probe: Option<String>,
}

/// Who saw the kernel kill for memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OomWitness {
    /// `oom/mark_victim` in a private tracefs instance.
    Tracefs,
    /// `/dev/kmsg`.
    Kmsg,
    /// The container's own cgroup counter rose.
    Cgroup,
    /// The runtime's `oom` event.
    Runtime,
}

/// The kernel killed a process for memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Oom {
    /// Who saw it.
    pub witness: OomWitness,
    /// Host's process number of the victim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub victim_pid: Option<u32>,
    /// Its name (comm, ≤ 16 bytes).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub victim_comm: Option<String>,
    /// Its resident memory, KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub victim_rss_kib: Option<u64>,
    /// Highest memory use of the container, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_bytes: Option<u64>,
    /// Kills counted by the cgroup since its start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kills: Option<u64>,
}

/// What somebody asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntentAction {
    /// A signal by the API: kill, stop and restart begin with it.
    Signal,
    /// A restart was asked for.
    Restart,
    /// It was stopped.
    Stop,
    /// Its removal was asked for.
    Remove,
    /// Its configuration was changed.
    Update,
}

/// Somebody's wish, by the API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Which.
    pub action: IntentAction,
    /// Signal number, for [`IntentAction::Signal`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// The runtime itself did it while stopping or starting, nobody else.
    #[serde(default)]
    pub by_runtime: bool,
}

/// State of a runtime as a collector sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuntimeState {
    /// It answers.
    pub up: bool,
    /// Its name and version, once known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Identity of this boot of the host.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub boot_id: String,
    /// Changes whenever the daemon is another process than before; 0 = not known.
    #[serde(default)]
    pub daemon_pid: u32,
    /// It is another boot than before.
    #[serde(default)]
    pub rebooted: bool,
    /// It is another daemon process than before.
    #[serde(default)]
    pub restarted: bool,
}

/// Why Hinomi did not see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// Hinomi was not running.
    NotRunning,
    /// The runtime did not answer.
    RuntimeAway,
    /// More came than could be taken.
    Overflow,
    /// The disk refused; what happened is known but was not stored in time.
    NotStored,
    /// Events came that presuppose others that never came.
    Inconsistent,
}

/// A time in which Hinomi saw nothing or not everything. It neither fires nor resolves anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Begin.
    pub from: Nanos,
    /// End.
    pub to: Nanos,
    /// Why.
    pub reason: GapReason,
    /// What could not be reconstructed afterwards, in words; empty: everything that still exists was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<String>,
}

/// What shows a state change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Last log lines before it, redacted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<Arc<LogTail>>,
    /// Further facts by name (`peak_bytes`, `memory.events`), redacted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
}

/// The end of a container's log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogTail {
    /// At most 50 lines, at most 32 KiB in all.
    #[serde(default)]
    pub lines: Vec<LogLine>,
    /// Why there are none or not all: an unreadable log driver, a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A line of a container's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When, by the runtime's stamp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Nanos>,
    /// `true` for standard error.
    #[serde(default)]
    pub stderr: bool,
    /// Its text, redacted, without line end.
    pub text: String,
}
