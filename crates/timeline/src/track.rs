//! One container as the timeline knows it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use hinomi_model::{
    Health, HealthStatus, Intent, IntentAction, LogTail, Nanos, Oom, ResourceId, RestartPolicy, Spec,
};
use serde::{Deserialize, Serialize};

use crate::launch::Attempt;
use crate::{Closed, Deviation};

/// Where in its life a container is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Only heard of.
    #[default]
    Unknown,
    /// Created, not started.
    Created,
    /// A run goes on.
    Running,
    /// Frozen by a person.
    Paused,
    /// Its restart policy will start it again.
    Restarting,
    /// Being removed.
    Removing,
    /// Its removal failed.
    Dead,
    /// Ended.
    Exited,
    /// Removed.
    Gone,
}

impl State {
    /// One word, as [`hinomi_model::Phase::word`] says it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Removing => "removing",
            Self::Dead => "dead",
            Self::Exited => "exited",
            Self::Gone => "gone",
        }
    }
}

/// A kill for memory in the current or last run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OomSeen {
    /// First one in this run (steady time).
    pub first_at: Nanos,
    /// Last one.
    pub last_at: Nanos,
    /// How many were reported.
    pub count: u32,
    /// What is known of the last one, merged over its witnesses.
    pub oom: Oom,
}

/// A signal that somebody asked the runtime to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) at: Nanos,
    /// The first signal of the same wish; absent in checkpoints of older versions.
    #[serde(default)]
    first_at: Option<Nanos>,
    pub(crate) signal: Option<i32>,
    pub(crate) by_runtime: bool,
}

impl Asked {
    /// A stop kills what did not heed its first signal, and then is reported itself: all that is one wish, and it began
    /// with the first signal.
    pub(crate) fn after(track: &Track, at: Nanos, intent: &Intent) -> Self {
        let (signal, by_runtime) = (intent.signal, intent.by_runtime);
        let same = |before: &Self| {
            (signal == Some(SIGKILL) || intent.action == IntentAction::Stop)
                && before.by_runtime == by_runtime
                && before.signal.is_none_or(|signal| track.is_stop_signal(signal))
                && at.since(before.begun_at()) <= track.wish_window()
        };
        let first = track.asked.filter(same).map(Self::begun_at);
        Self { at, first_at: Some(first.unwrap_or(at)), signal, by_runtime }
    }

    /// When the wish was first said.
    pub(crate) fn begun_at(self) -> Nanos {
        self.first_at.unwrap_or(self.at)
    }
}

/// The end of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// When Hinomi saw it (steady time).
    pub at: Nanos,
    /// When it happened, by the platform.
    pub occurred_at: Nanos,
    /// Exit code, where it is known.
    pub code: Option<i32>,
    /// The runtime's error text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Somebody asked for it.
    pub intended: bool,
    /// A process was killed for memory just before.
    pub oom: bool,
    /// The runtime says that something in it was killed for memory at some time.
    #[serde(default)]
    pub oom_hint: bool,
    /// It was seen as it happened, not found afterwards.
    #[serde(default)]
    pub seen: bool,
    /// How long the run lasted, where its begin is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ran_for: Option<Duration>,
    /// Last log lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<Arc<LogTail>>,
}

/// A container and what happened to it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Track {
    /// Which.
    pub id: Arc<ResourceId>,
    /// What was declared.
    pub spec: Spec,
    /// Where in its life it is.
    pub state: State,
    /// Since when (steady time).
    pub since: Nanos,
    /// First time Hinomi heard of it.
    pub first_seen_at: Nanos,
    /// Host's number of its first process, 0 if not known.
    pub pid: u32,
    /// Start of the current or last run, platform's stamp.
    pub started_at: Option<Nanos>,
    /// Start of the current or last run, steady time.
    pub run_began_at: Option<Nanos>,
    /// It runs and its health check, if any, passes: since then.
    pub ready_since: Option<Nanos>,
    /// Verdict of the health check.
    pub health: Option<Health>,
    /// Kills for memory in the current or last run.
    pub oom: Option<OomSeen>,
    /// The last kill for memory in an earlier run.
    #[serde(default)]
    pub oom_before: Option<OomSeen>,
    /// Somebody wants it to run.
    pub wanted: bool,
    /// Restarts by policy since a person started it.
    pub restarts: u32,
    /// Runs in a row that were too short to set the back-off back.
    pub(crate) quick: u32,
    pub(crate) asked: Option<Asked>,
    /// It went down together with its runtime.
    pub stopped_with_runtime: bool,
    /// Last ends, newest last.
    pub ends: VecDeque<End>,
    /// Last launches, newest last.
    pub attempts: VecDeque<Attempt>,
    /// What is wrong now.
    pub deviation: Option<Deviation>,
    /// What was wrong, newest last.
    pub ledger: VecDeque<Closed>,
    /// Last state changes in words, newest last.
    pub recent: VecDeque<(Nanos, String)>,
    /// When it was removed.
    pub gone_at: Option<Nanos>,
}

/// A run is stable after this time, healthy or (without a health check) running.
pub(crate) const STABLE: Duration = Duration::from_secs(60);
/// What the runtime says of one wish comes within the stop timeout plus this.
pub(crate) const ONE_WISH: Duration = Duration::from_secs(15);
const SIGKILL: i32 = 9;
/// A job is shorter than this.
const ONE_SHOT_MAX: Duration = Duration::from_secs(60);
/// State changes kept in words as evidence.
const RECENT_MAX: usize = 20;

impl Track {
    pub(crate) fn new(id: Arc<ResourceId>, at: Nanos) -> Self {
        Self {
            id,
            spec: Spec::default(),
            state: State::Unknown,
            since: at,
            first_seen_at: at,
            pid: 0,
            started_at: None,
            run_began_at: None,
            ready_since: None,
            health: None,
            oom: None,
            oom_before: None,
            wanted: false,
            restarts: 0,
            quick: 0,
            asked: None,
            stopped_with_runtime: false,
            ends: VecDeque::new(),
            attempts: VecDeque::new(),
            deviation: None,
            ledger: VecDeque::new(),
            recent: VecDeque::new(),
            gone_at: None,
        }
    }

    /// The last end, if any was seen.
    #[must_use]
    pub fn last_end(&self) -> Option<&End> {
        self.ends.back()
    }

    /// The kill for memory that the open deviation is about: in this run, or in the one that it ended.
    #[must_use]
    pub fn last_oom(&self) -> Option<&OomSeen> {
        let about_it = self.deviation.as_ref().is_some_and(|deviation| deviation.oom);
        self.oom.as_ref().or(self.oom_before.as_ref().filter(|_| about_it))
    }

    /// The current or last launch.
    #[must_use]
    pub fn attempt(&self) -> Option<&Attempt> {
        self.attempts.back()
    }

    /// One-shot work: it serves nobody, so a failure hurts nobody at once. No restart policy, no ports, no health
    /// check, and attached to a terminal or shorter than a minute.
    #[must_use]
    pub fn is_one_shot(&self) -> bool {
        let short = self.last_end().is_none_or(|end| end.ran_for.is_none_or(|ran| ran < ONE_SHOT_MAX));
        self.spec.restart == RestartPolicy::No
            && self.spec.ports.is_empty()
            && !self.spec.has_health_check
            && (self.spec.attached || (short && self.state != State::Running))
    }

    /// It runs, is not frozen, and its health check, if any, passes.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let healthy = match &self.health {
            None => !self.spec.has_health_check,
            Some(health) => health.status == HealthStatus::Healthy,
        };
        let phantom = self.deviation.as_ref().is_some_and(|d| d.kind == crate::DeviationKind::Phantom);
        self.state == State::Running && healthy && !phantom
    }

    /// What the runtime says of one wish comes within this time.
    pub(crate) fn wish_window(&self) -> Duration {
        ONE_WISH.saturating_add(Duration::from_millis(self.spec.stop_timeout_ms.max(10_000)))
    }

    /// It asks a process to end, however little that one heeds it.
    pub(crate) fn is_stop_signal(&self, signal: i32) -> bool {
        matches!(signal, 2 | 3 | SIGKILL | 15) || self.spec.stop_signal == signal
    }

    pub(crate) fn enter(&mut self, state: State, at: Nanos) {
        if self.state != state {
            self.state = state;
            self.since = at;
        }
    }

    pub(crate) fn note(&mut self, at: Nanos, words: String) {
        push_bounded(&mut self.recent, (at, words), RECENT_MAX);
    }

    pub(crate) fn update_ready(&mut self, at: Nanos) {
        match (self.is_ready(), self.ready_since) {
            (true, None) => self.ready_since = Some(at),
            (false, Some(_)) => self.ready_since = None,
            _ => {}
        }
    }
}

pub(crate) fn push_bounded<T>(queue: &mut VecDeque<T>, item: T, max: usize) {
    if queue.len() >= max {
        queue.pop_front();
    }
    queue.push_back(item);
}
