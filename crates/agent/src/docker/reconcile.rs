//! What changed while nobody looked: a container as it was known against a container as inspected.
//!
//! # Invariants
//!
//! - Pure; time and knowledge are arguments.
//! - The same run (same start stamp) is never reported twice; what cannot be reconstructed is named in words.

use hinomi_model::{
    Exit, Fact, Health, HealthStatus, KnownContainer, Nanos, Outcome, Phase, RunState, Source, Stage,
    StageMark,
};

use super::inspect::Inspect;
use super::outlet::Said;
use super::startfail;

/// Where in its life a container is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Life {
    /// Nothing is known.
    #[default]
    New,
    Created,
    Running,
    Paused,
    Restarting,
    Exited,
    Removing,
    Dead,
}

impl Life {
    /// From the engine's or [`Phase::word`]'s word.
    pub(crate) fn from_word(word: &str) -> Self {
        match word {
            "created" => Self::Created,
            "running" | "unpaused" => Self::Running,
            "paused" => Self::Paused,
            "restarting" => Self::Restarting,
            "exited" => Self::Exited,
            "removing" => Self::Removing,
            "dead" => Self::Dead,
            _ => Self::New,
        }
    }

    pub(crate) fn is_alive(self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }

    fn ended_phase(self) -> Phase {
        match self {
            Self::Restarting => Phase::Restarting,
            Self::Removing => Phase::Removing,
            Self::Dead => Phase::Dead,
            _ => Phase::Exited,
        }
    }
}

/// What is known of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) life: Life,
    /// Stamp of the current or last run's start; may be the event's, which is a little later than the engine's.
    pub(crate) started_at: Option<Nanos>,
    pub(crate) finished_at: Option<Nanos>,
    pub(crate) health: Option<HealthStatus>,
    pub(crate) restart_count: Option<u32>,
    pub(crate) pid: u32,
}

impl View {
    pub(crate) fn known(known: &KnownContainer) -> Self {
        Self {
            life: Life::from_word(&known.phase),
            started_at: known.started_at,
            health: known.health,
            ..Self::default()
        }
    }

    pub(crate) fn of(now: &Inspect) -> Self {
        let life = Life::from_word(&now.state.status);
        Self {
            life,
            started_at: now.started_at(),
            finished_at: now.finished_at(),
            health: now.health(),
            restart_count: Some(now.restart_count),
            pid: if life.is_alive() { now.state.pid } else { 0 },
        }
    }

    /// Whether a run that began at `started` is the one that is known.
    pub(crate) fn is_same_run(&self, started: Option<Nanos>) -> bool {
        match (self.started_at, started) {
            (Some(known), Some(now)) => known == now || (known > now && known.since(now).as_millis() <= 1000),
            (None, Some(_)) => !matches!(self.life, Life::New | Life::Created),
            (_, None) => true,
        }
    }
}

/// What a comparison found.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Differences {
    pub(crate) said: Vec<Said>,
    /// What cannot be reconstructed, in words.
    pub(crate) lost: Vec<String>,
}

/// Circumstances of a comparison.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Around<'a> {
    /// Name for people.
    pub(crate) name: &'a str,
    /// Time for changes whose own time is not known.
    pub(crate) now: Nanos,
    /// The host booted meanwhile: exit code 255 is a placeholder.
    pub(crate) rebooted: bool,
}

/// Facts that lead from `was` to `now`.
pub(crate) fn compare(was: &View, now: &Inspect, around: Around<'_>) -> Differences {
    let mut out = Differences::default();
    let is = View::of(now);
    let same_run = was.is_same_run(is.started_at);
    let restarts = is.restart_count.zip(was.restart_count).map_or(0, |(is, was)| is.saturating_sub(was));
    if was.life.is_alive() && !same_run {
        unobserved(restarts.max(1), now, around, &mut out);
        out.lost.push(format!("exit code of {} (restarted {})", around.name, stamp(is.started_at)));
    } else if !was.life.is_alive() && !same_run && restarts > 1 {
        unobserved(restarts - 1, now, around, &mut out);
        out.lost.push(format!("{} exit codes of {}", restarts - 1, around.name));
    }
    let new_run = if same_run { is.life.is_alive() && !was.life.is_alive() } else { is.started_at.is_some() };
    if new_run {
        run_began(now, is.life.is_alive(), around, &mut out);
    }
    let was_alive = was.life.is_alive() || new_run;
    let was_paused = was.life == Life::Paused && !new_run;
    match (was_alive, is.life.is_alive()) {
        (true, false) if is.life != Life::Created => run_ended(now, is.life, around, &mut out),
        (true, true) if was_paused != (is.life == Life::Paused) => {
            let phase = if was_paused { Phase::Unpaused } else { Phase::Paused };
            out.said.push(Said::new(Fact::Phase(phase), around.now, Source::Reconcile));
        }
        (false, false) if is.life != was.life && !matches!(is.life, Life::Created | Life::New) => {
            let phase = Said::new(Fact::Phase(is.life.ended_phase()), around.now, Source::Reconcile);
            out.said.push(phase.because(now.error()));
        }
        _ => {}
    }
    // While paused the engine calls every container unhealthy.
    if is.life == Life::Running && is.health.is_some() && is.health != was.health {
        out.said.extend(health(now, around.now, Source::Reconcile));
    }
    out
}

/// First facts of a container that nobody knew; `pulled`: its image was fetched for it.
pub(crate) fn introduce(now: &Inspect, pulled: bool, source: Source, fallback: Nanos) -> Vec<Said> {
    let spec = now.spec();
    let at = spec.created_at.unwrap_or(fallback);
    let has_tcp = spec.ports.iter().any(|port| port.protocol == "tcp");
    let has_check = spec.has_health_check;
    let pull = if pulled { Outcome::Passed } else { Outcome::Unknown };
    let mut said = vec![
        Said::new(Fact::Spec(Box::new(spec)), at, source),
        Said::new(Fact::Phase(Phase::Created), at, source),
        Said::stage(Stage::Place, Outcome::NotApplicable, at, source),
        Said::stage(Stage::Pull, pull, at, source),
        Said::stage(Stage::Create, Outcome::Passed, at, source),
    ];
    if !has_check {
        said.push(Said::stage(Stage::Health, Outcome::NotApplicable, at, source));
    }
    if !has_tcp {
        said.push(Said::stage(Stage::Serve, Outcome::NotApplicable, at, source));
    }
    said
}

/// Facts of a start that failed, when that is what the inspection shows.
pub(crate) fn start_failed(now: &Inspect, at: Nanos) -> Option<Vec<Said>> {
    let error = now.error()?;
    let words = startfail::reason(&now.state.error).to_owned();
    let mark = StageMark {
        stage: Stage::Start,
        outcome: Outcome::Failed,
        cause: Some(error.clone()),
        took_ms: None,
    };
    let exit = Exit { code: Some(now.state.exit_code), error: Some(error), oom_hint: false };
    Some(vec![
        Said::new(Fact::Stage(mark), at, Source::Inspect).because(Some(words.clone())),
        Said::new(Fact::Exit(exit), at, Source::Inspect).because(Some(words)),
    ])
}

/// The health fact that an inspection shows.
pub(crate) fn health(now: &Inspect, at: Nanos, source: Source) -> Option<Said> {
    let (failing_streak, last_probe) = now.probe();
    let health = Health { status: now.health()?, failing_streak, last_probe };
    Some(Said::new(Fact::Health(health), at, source))
}

fn unobserved(count: u32, now: &Inspect, around: Around<'_>, out: &mut Differences) {
    let at = now.started_at().unwrap_or(around.now);
    out.said.push(Said::new(Fact::UnobservedRestarts(count), at, Source::Reconcile));
}

fn run_began(now: &Inspect, alive: bool, around: Around<'_>, out: &mut Differences) {
    let started_at = now.started_at();
    let at = started_at.unwrap_or(around.now);
    let run = RunState { pid: if alive { now.state.pid } else { 0 }, started_at };
    out.said.push(Said::new(Fact::Phase(Phase::Running(run)), at, Source::Reconcile));
    out.said.push(Said::stage(Stage::Start, Outcome::Passed, at, Source::Reconcile));
}

fn run_ended(now: &Inspect, life: Life, around: Around<'_>, out: &mut Differences) {
    let at = now.finished_at().unwrap_or(around.now);
    let exit = Exit { code: Some(now.state.exit_code), error: now.error(), oom_hint: now.state.oom_killed };
    let placeholder = around.rebooted && now.state.exit_code == 255;
    let reason = placeholder.then(|| "the host rebooted; 255 stands for a lost exit code".to_owned());
    out.said.push(Said::new(Fact::Exit(exit), at, Source::Reconcile).because(reason));
    out.said.push(Said::new(Fact::Phase(life.ended_phase()), at, Source::Reconcile).because(now.error()));
}

fn stamp(at: Option<Nanos>) -> String {
    at.map_or_else(|| "at an unknown time".to_owned(), Nanos::rfc3339)
}

#[cfg(test)]
#[path = "reconcile_tests.rs"]
mod tests;
