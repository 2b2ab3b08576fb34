//! The fold: one state change after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use hinomi_model::{
    Exit, Fact, Health, HealthStatus, IntentAction, LogTail, Nanos, Oom, Outcome, Phase, ResourceId,
    ResourceKind, RunState, Source, Stage, StageMark, StateChange, WorkloadKind,
};
use serde::{Deserialize, Serialize};

use crate::happening::{Before, Happenings};
use crate::launch::Attempt;
use crate::revision::Revisions;
use crate::track::{Asked, STABLE, push_bounded};
use crate::words::change_words;
use crate::{
    ATTEMPTS_MAX, Closed, Deviation, DeviationKind, ENDS_MAX, End, GONE_MAX, LEDGER_MAX, OomSeen, Runtime,
    State, Track, Workload, WorkloadKey, restart,
};

/// An end this soon after a kill for memory was caused by it.
const OOM_CAUSES_END: Duration = Duration::from_secs(10);
/// Two reports of a kill for memory within this time are the same kill seen by two witnesses.
const OOM_SAME: Duration = Duration::from_secs(2);
/// A wish is taken for the cause of an end within the stop timeout plus this.
const INTENT_SLACK: Duration = Duration::from_secs(5);
/// A runtime that goes down kills all its containers within this time of each other.
const SHUTDOWN_BURST: Duration = Duration::from_secs(1);
/// … and ends its event stream within this time of the last end.
const SHUTDOWN_EOF: Duration = Duration::from_secs(3);
/// Ends found this soon after the runtime came back belong to its absence.
const RUNTIME_RETURN: Duration = Duration::from_secs(120);

/// Everything Hinomi knows now, folded from all changes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Timeline {
    /// Containers by id.
    pub tracks: BTreeMap<String, Track>,
    /// Workloads.
    #[serde(with = "as_list")]
    pub workloads: BTreeMap<WorkloadKey, Workload>,
    /// Runtimes by cluster.
    pub runtimes: BTreeMap<String, Runtime>,
    /// Last time Hinomi was surely alive (steady time).
    pub alive_at: Nanos,
    /// When this process began to judge (steady time).
    #[serde(default)]
    pub begun_at: Nanos,
    /// What somebody changed, and what concerned everything.
    #[serde(default)]
    pub happenings: Happenings,
    /// Images and configurations that workloads had.
    #[serde(default)]
    pub revisions: Revisions,
}

/// What a change touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Touched {
    /// A workload (and, when a container was renamed, the one that it left).
    Workloads(Vec<WorkloadKey>),
    /// A runtime, and with it everything in its cluster.
    Runtime(String),
    /// Nothing that has a level.
    Nothing,
}

impl Timeline {
    /// Folds one change. `change.observed_at` must not go back (the pipeline sees to it).
    pub fn apply(&mut self, change: &StateChange) -> Touched {
        let at = change.observed_at;
        if change.resource.kind == ResourceKind::Container {
            self.note_alive(&change.resource.cluster, at);
        }
        match (&change.resource.kind, &change.fact) {
            (_, Fact::Runtime(state)) => {
                let was =
                    self.runtimes.get(&change.resource.cluster).and_then(|runtime| runtime.state.as_ref());
                let was_up = was.map(|state| state.up);
                self.note_runtime(change, state, was_up);
                self.apply_runtime(&change.resource.cluster, state, at)
            }
            (_, Fact::Gap(gap)) => {
                self.note_gap(change);
                self.runtimes.entry(change.resource.cluster.clone()).or_default().note_gap(gap);
                Touched::Runtime(change.resource.cluster.clone())
            }
            (ResourceKind::Container, _) => self.apply_container(change),
            _ => Touched::Nothing,
        }
    }

    /// Hinomi begins to run: until a collector has compared what is with what is stored, nothing is seen.
    pub fn begin_blind(&mut self, now: Nanos) {
        self.begun_at = now;
        for runtime in self.runtimes.values_mut() {
            runtime.blind = true;
        }
    }

    /// Hinomi is alive and sees this cluster. While its collector still compares, the time of not seeing goes on: should
    /// Hinomi die now, the next gap must begin where this one did.
    pub fn note_alive(&mut self, cluster: &str, now: Nanos) {
        let comparing = self.runtimes.get(cluster).is_some_and(|runtime| runtime.comparing);
        if !comparing {
            self.alive_at = self.alive_at.max(now);
        }
    }

    /// Forgets everything of other clusters than this one.
    pub fn forget_other_clusters(&mut self, mine: &str) {
        self.runtimes.retain(|cluster, _| cluster == mine);
        self.workloads.retain(|key, _| key.cluster == mine);
        self.tracks.retain(|_, track| track.id.cluster == mine);
        self.happenings.forget_other_clusters(mine);
        self.revisions.forget_other_clusters(mine);
    }

    /// Ends the blindness of a runtime whose collector reported no comparison.
    pub fn end_blind(&mut self, cluster: &str) {
        if let Some(runtime) = self.runtimes.get_mut(cluster) {
            runtime.blind = false;
            runtime.comparing = false;
        }
    }

    fn apply_runtime(&mut self, cluster: &str, state: &hinomi_model::RuntimeState, at: Nanos) -> Touched {
        let runtime = self.runtimes.entry(cluster.to_owned()).or_default();
        let went_down_at = runtime.down_at.unwrap_or(self.alive_at);
        let was_up = runtime.is_up();
        runtime.apply(state, at);
        // The very first contact has nothing to compare with.
        if state.up && self.alive_at > Nanos::default() {
            runtime.begin_comparing(at);
        }
        let restarted = state.up && (state.restarted || state.rebooted);
        if (!state.up && was_up) || restarted {
            self.mark_stopped_with_runtime(cluster, if restarted { went_down_at } else { at });
        }
        if restarted {
            let in_cluster = |track: &&mut Track| track.id.cluster == cluster && track.stopped_with_runtime;
            for track in self.tracks.values_mut().filter(in_cluster) {
                if !matches!(track.state, State::Running | State::Gone) && track.deviation.is_none() {
                    track.deviation = Some(Deviation::new(DeviationKind::NotBack, at));
                }
            }
        }
        Touched::Runtime(cluster.to_owned())
    }

    /// Containers whose asked-for end came in the last burst before the runtime went were not stopped by a person.
    fn mark_stopped_with_runtime(&mut self, cluster: &str, down_at: Nanos) {
        let asked_for = |track: &Track| {
            let end = track.last_end().filter(|end| end.intended && track.state == State::Exited)?;
            Some((track.asked?.begun_at(), end.at))
        };
        let here = || self.tracks.values().filter(|track| track.id.cluster == cluster);
        // A runtime that stops its containers stops all of them: where one still runs, a person stopped the others.
        if here().any(|track| track.state == State::Running) {
            return;
        }
        let ends: Vec<(Nanos, Nanos)> = here().filter_map(asked_for).collect();
        let Some(last_asked) = ends.iter().map(|(asked, _)| *asked).max() else { return };
        let last_end =
            ends.iter().filter(|(asked, _)| last_asked.since(*asked) <= SHUTDOWN_BURST).map(|(_, end)| *end);
        if last_end.max().is_none_or(|end| down_at.since(end) > SHUTDOWN_EOF) {
            return;
        }
        for track in self.tracks.values_mut().filter(|track| track.id.cluster == cluster) {
            if asked_for(track).is_some_and(|(asked, _)| last_asked.since(asked) <= SHUTDOWN_BURST) {
                track.stopped_with_runtime = true;
                track.wanted = true;
                let since = track.asked.map_or(last_asked, Asked::begun_at);
                self.happenings.take_back_stops(&track.id.uid, since);
            }
        }
    }

    fn apply_container(&mut self, change: &StateChange) -> Touched {
        let at = change.observed_at;
        let uid = &change.resource.uid;
        let runtime = self.runtimes.get(&change.resource.cluster);
        let returned = runtime.and_then(|runtime| runtime.restarted_at);
        let first_up_at = runtime.and_then(|runtime| runtime.first_up_at);
        let around = Around {
            with_runtime: returned.is_some_and(|back| at.since(back) <= RUNTIME_RETURN),
            history: change.source == Source::Reconcile
                && first_up_at.is_some_and(|first| change.occurred_at < first),
        };
        let was = Before::of(self.tracks.get(uid), change, around.with_runtime, around.history);
        let track =
            self.tracks.entry(uid.clone()).or_insert_with(|| Track::new(Arc::clone(&change.resource), at));
        let before = WorkloadKey::of(&track.id);
        track.id = renamed(&track.id, change);
        if is_worth_a_line(track, &change.fact) {
            track.note(at, change_words(change));
        }
        let was_ready = track.ready_since.is_some();
        fold_fact(track, change, around);
        track.update_ready(at);
        let started = track.run_began_at.filter(|_| !was_ready && track.ready_since.is_some());
        let after = WorkloadKey::of(&track.id);
        let start_took = started.map(|began| at.since(began));
        let gone = track.state == State::Gone;
        let keys = self.update_membership(uid, before, after, at, start_took);
        self.note_happening(change, &was);
        if gone {
            self.forget_oldest_gone();
        }
        Touched::Workloads(keys)
    }

    fn update_membership(
        &mut self,
        uid: &str,
        before: Option<WorkloadKey>,
        after: Option<WorkloadKey>,
        at: Nanos,
        start_took: Option<Duration>,
    ) -> Vec<WorkloadKey> {
        let mut keys = BTreeSet::new();
        if let Some(old) = before.filter(|old| Some(old) != after.as_ref()) {
            if let Some(workload) = self.workloads.get_mut(&old) {
                workload.members.remove(uid);
                if workload.members.is_empty() {
                    self.workloads.remove(&old);
                }
            }
            keys.insert(old);
        }
        if let Some(key) = after {
            let workload =
                self.workloads.entry(key.clone()).or_insert_with(|| Workload::new(key.clone(), at));
            workload.members.insert(uid.to_owned());
            if let Some(took) = start_took {
                workload.learn_start(took);
            }
            keys.insert(key);
        }
        for key in &keys {
            if let Some(workload) = self.workloads.get_mut(key) {
                workload.update_unserved(&self.tracks, at);
            }
        }
        keys.into_iter().collect()
    }

    /// Keeps the number of containers that are gone bounded (T5).
    fn forget_oldest_gone(&mut self) {
        let gone = |track: &&Track| track.state == State::Gone && track.deviation.is_none();
        let count = self.tracks.values().filter(gone).count();
        if count <= GONE_MAX {
            return;
        }
        let oldest = self.tracks.values().filter(gone).min_by_key(|track| track.gone_at);
        if let Some(uid) = oldest.map(|track| track.id.uid.clone()) {
            self.forget(&uid);
        }
    }

    /// Forgets a container, and its workload if it was the last one.
    pub(crate) fn forget(&mut self, uid: &str) {
        let Some(track) = self.tracks.remove(uid) else { return };
        let Some(key) = WorkloadKey::of(&track.id) else { return };
        if let Some(workload) = self.workloads.get_mut(&key) {
            workload.members.remove(uid);
            if workload.members.is_empty() {
                self.workloads.remove(&key);
            }
        }
    }
}

/// Whether a change is shown as evidence. A failed start is told by its stage, not by the end of a run that never was.
fn is_worth_a_line(track: &Track, fact: &Fact) -> bool {
    match fact {
        Fact::Spec(_) => false,
        Fact::Stage(mark) => mark.outcome == Outcome::Failed,
        Fact::Exit(_) => track.state != State::Created,
        _ => true,
    }
}

/// The identity after a change: a new name moves a lone container to the workload of that name.
fn renamed(id: &Arc<ResourceId>, change: &StateChange) -> Arc<ResourceId> {
    let Fact::Name(name) = &change.fact else {
        return if change.resource.name == id.name { Arc::clone(id) } else { Arc::clone(&change.resource) };
    };
    let mut new = (**id).clone();
    new.name.clone_from(name);
    if let Some(workload) =
        new.workload.as_mut().filter(|workload| workload.kind == WorkloadKind::LoneContainer)
    {
        workload.name.clone_from(name);
    }
    Arc::new(new)
}

/// What surrounds a change of a container.
#[derive(Clone, Copy)]
struct Around {
    /// The runtime came back just before.
    with_runtime: bool,
    /// It happened before Hinomi's first look at this cluster.
    history: bool,
}

fn fold_fact(track: &mut Track, change: &StateChange, around: Around) {
    let at = change.observed_at;
    match &change.fact {
        Fact::Spec(spec) => fold_spec(track, spec, change),
        Fact::Phase(phase) => fold_phase(track, phase, change),
        Fact::Exit(exit) => fold_exit(track, exit, change, around),
        Fact::Health(health) => fold_health(track, health, change),
        Fact::Oom(oom) => fold_oom(track, oom, at),
        Fact::Intent(intent) => {
            if matches!(intent.action, IntentAction::Signal | IntentAction::Stop | IntentAction::Remove) {
                let keep = track.asked.filter(|asked| at.since(asked.at) < Duration::from_secs(1)).is_some();
                // `stop` follows the `die` it caused: it must not count for the next run.
                if intent.action == IntentAction::Signal || !keep && track.state == State::Running {
                    track.asked = Some(Asked::after(track, at, intent));
                }
            }
        }
        Fact::Stage(mark) => fold_stage(track, mark, at),
        Fact::UnobservedRestarts(n) => fold_unobserved(track, *n, at, around),
        Fact::Name(_) | Fact::Runtime(_) | Fact::Gap(_) | Fact::ClockStep(_) => {}
    }
}

fn fold_spec(track: &mut Track, spec: &hinomi_model::Spec, change: &StateChange) {
    track.spec = spec.clone();
    if track.attempts.is_empty() {
        let seen = change.source != Source::Reconcile;
        push_bounded(&mut track.attempts, Attempt::first(spec, change.observed_at, seen), ATTEMPTS_MAX);
    }
}

fn fold_phase(track: &mut Track, phase: &Phase, change: &StateChange) {
    let at = change.observed_at;
    match phase {
        Phase::Created => track.enter(State::Created, at),
        Phase::Running(run) => begin_run(track, run, change),
        Phase::Paused => track.enter(State::Paused, at),
        Phase::Unpaused => {
            if track.state == State::Paused {
                track.enter(State::Running, at);
            }
        }
        Phase::Restarting => {
            // Its end was not seen: at the first look it was between two tries already.
            if track.deviation.is_none() && track.state != State::Running {
                track.wanted = true;
                let mut deviation = Deviation::new(DeviationKind::Ended, at);
                deviation.ends = track.restarts.saturating_add(1);
                deviation.tries = track.restarts;
                track.deviation = Some(deviation);
            }
            if track.state != State::Running {
                track.enter(State::Restarting, at);
            }
        }
        Phase::Removing => {
            track.wanted = false;
            track.enter(State::Removing, at);
        }
        Phase::Dead => {
            let phantom = track.deviation.as_ref().is_some_and(|d| d.kind == DeviationKind::Phantom);
            if !phantom {
                track.wanted = false;
                deviate(track, DeviationKind::Stuck, at);
            }
            track.enter(State::Dead, at);
        }
        Phase::Exited => fold_exited(track, change),
        Phase::Gone { .. } => fold_gone(track, at),
    }
}

/// `exited` confirms an end; for a container whose policy should have restarted it, it says that the healer gave up.
fn fold_exited(track: &mut Track, change: &StateChange) {
    let at = change.observed_at;
    if track.state == State::Restarting {
        if change.source == Source::RuntimeEvent {
            return;
        }
        if let Some(deviation) = &mut track.deviation {
            let why = change.reason.clone();
            deviation.gave_up = Some(why.unwrap_or_else(|| "the runtime stopped restarting it".to_owned()));
            deviation.next_try_at = None;
        }
    }
    // Its end itself was lost on the way: it is an end all the same.
    if track.state == State::Running && change.source == Source::Reconcile && track.asked.is_none() {
        let lost = Exit::default();
        push_end(track, &lost, change, false, None);
        return fold_unwanted_end(track, &lost, at);
    }
    if !matches!(track.state, State::Gone | State::Created) {
        track.enter(State::Exited, at);
    }
}

fn fold_gone(track: &mut Track, at: Nanos) {
    let removed_itself = track.spec.auto_remove
        && track.deviation.as_ref().is_some_and(|deviation| deviation.kind != DeviationKind::Stuck);
    track.wanted = false;
    track.enter(State::Gone, at);
    track.gone_at = Some(at);
    if !removed_itself {
        close(track, at, at, "it was removed", false);
    }
    if track.deviation.is_none() {
        drop_log(track);
    }
}

fn begin_run(track: &mut Track, run: &RunState, change: &StateChange) {
    let at = change.observed_at;
    let same =
        track.state == State::Running && (run.started_at.is_none() || run.started_at == track.started_at);
    if run.pid != 0 {
        track.pid = run.pid;
    }
    if same {
        return;
    }
    let began =
        run.started_at.filter(|_| change.source == Source::Reconcile).map_or(at, |started| started.min(at));
    let by_policy = track.state == State::Restarting;
    if by_policy {
        track.restarts = track.restarts.saturating_add(1);
    } else {
        track.restarts = 0;
    }
    if let Some(deviation) = &mut track.deviation {
        deviation.tries = deviation.tries.saturating_add(u32::from(by_policy));
        deviation.next_try_at = None;
        deviation.gave_up = None;
        deviation.last_bad_at = at;
    }
    let first = track.attempts.back().is_some_and(|attempt| {
        attempt.number == 1 && attempt.stage(Stage::Start).is_some_and(|s| s.outcome == Outcome::Pending)
    });
    if !first {
        let number = track.attempts.back().map_or(1, |attempt| attempt.number.saturating_add(1));
        let seen = change.source != Source::Reconcile;
        push_bounded(&mut track.attempts, Attempt::restart(&track.spec, number, at, seen), ATTEMPTS_MAX);
    }
    if let Some(attempt) = track.attempts.back_mut() {
        attempt.set(Stage::Start, Outcome::Passed, None, at);
    }
    track.started_at = run.started_at.or(Some(change.occurred_at));
    track.run_began_at = Some(began);
    track.ready_since = None;
    track.oom_before = track.oom.take().or(track.oom_before.take());
    track.asked = None;
    track.stopped_with_runtime = false;
    track.wanted = true;
    let starting = Health { status: HealthStatus::Starting, failing_streak: 0, last_probe: None };
    track.health = track.spec.has_health_check.then_some(starting);
    track.enter(State::Running, at);
    if change.source == Source::Reconcile && track.is_ready() {
        track.ready_since = Some(began);
    }
}

fn fold_exit(track: &mut Track, exit: &Exit, change: &StateChange, around: Around) {
    let at = change.observed_at;
    let log = change.evidence.as_ref().and_then(|evidence| evidence.log.clone());
    if change.source == Source::Probe {
        deviate(track, DeviationKind::Phantom, at);
        push_end(track, exit, change, false, log);
        return;
    }
    let ran = matches!(track.state, State::Running | State::Paused | State::Removing);
    let intended = ran && was_asked_for(track, exit, at);
    let by_runtime = track.asked.is_some_and(|asked| asked.by_runtime);
    push_end(track, exit, change, intended, log);
    if let Some(attempt) = track.attempts.back_mut() {
        attempt.end();
    }
    if !ran {
        return fold_end_of_no_run(track, exit, at);
    }
    if around.history {
        track.wanted = false;
        return track.enter(State::Exited, at);
    }
    let cut_off = change.source == Source::Reconcile && matches!(exit.code, None | Some(137 | 143 | 255));
    if (intended && by_runtime) || (around.with_runtime && cut_off) {
        track.enter(State::Exited, at);
        track.stopped_with_runtime = true;
        return deviate(track, DeviationKind::NotBack, at);
    }
    if intended {
        track.wanted = false;
        track.enter(State::Exited, at);
        return close(track, at, at, "it was stopped on request", false);
    }
    fold_unwanted_end(track, exit, at);
}

/// An end without a run before it: the start itself failed, or it is history from before Hinomi's first look.
fn fold_end_of_no_run(track: &mut Track, exit: &Exit, at: Nanos) {
    let Some(error) = exit.error.clone().filter(|_| track.state == State::Created) else { return };
    let failed = track.attempts.back().and_then(Attempt::failed).map(|record| record.stage);
    if failed.is_none()
        && let Some(attempt) = track.attempts.back_mut()
    {
        attempt.set(Stage::Start, Outcome::Failed, Some(error.clone()), at);
    }
    track.wanted = true;
    deviate(track, DeviationKind::LaunchFailed { stage: failed.unwrap_or(Stage::Start), cause: error }, at);
}

fn fold_unwanted_end(track: &mut Track, exit: &Exit, at: Nanos) {
    let policy = track.spec.restart;
    let again = restart::restarts(policy, exit.code, track.restarts);
    let clean = exit.code == Some(0) && !track.ends.back().is_some_and(|end| end.oom);
    if clean && !again {
        track.wanted = false;
        track.enter(State::Exited, at);
        return close(track, at, at, "a later run ended with success", true);
    }
    let long = track.run_began_at.is_some_and(|began| at.since(began) > restart::BACK_OFF_RESET);
    track.quick = if long { 0 } else { track.quick };
    let wait = restart::back_off(track.quick);
    track.quick = track.quick.saturating_add(1);
    let oom = track.ends.back().is_some_and(|end| end.oom);
    let was_stable = track.ready_since.is_some_and(|since| at.since(since) >= STABLE);
    if let Some(deviation) = track.deviation.as_mut().filter(|_| was_stable) {
        deviation.begin_row(at);
    }
    let exhausted = !again && policy != hinomi_model::RestartPolicy::No;
    deviate(track, DeviationKind::Ended, at);
    if let Some(deviation) = &mut track.deviation {
        deviation.ends = deviation.ends.saturating_add(1);
        deviation.oom |= oom;
        deviation.next_try_at = again.then(|| at.plus(wait));
        deviation.gave_up = exhausted.then(|| format!("restart policy {policy} is used up"));
    }
    track.enter(if again { State::Restarting } else { State::Exited }, at);
}

/// A terminating signal by the API within the stop timeout before the end.
fn was_asked_for(track: &Track, exit: &Exit, at: Nanos) -> bool {
    let Some(asked) = track.asked else { return track.state == State::Removing };
    let timeout = Duration::from_millis(track.spec.stop_timeout_ms.max(10_000)).saturating_add(INTENT_SLACK);
    // SIGHUP, SIGUSR1 and the like ask for something else; they count only if the process died of them.
    let terminates = match asked.signal {
        None => true,
        Some(signal) => track.is_stop_signal(signal) || exit.code == Some(128 + signal),
    };
    terminates && at.since(asked.at) <= timeout
}

fn push_end(track: &mut Track, exit: &Exit, change: &StateChange, intended: bool, log: Option<Arc<LogTail>>) {
    let at = change.observed_at;
    let oom = track.oom.as_ref().is_some_and(|oom| at.since(oom.last_at) <= OOM_CAUSES_END) && !intended;
    let ran_for = track.run_began_at.filter(|_| track.state == State::Running).map(|began| at.since(began));
    let end = End {
        at,
        occurred_at: change.occurred_at,
        code: exit.code,
        error: exit.error.clone(),
        intended,
        oom: oom && exit.code != Some(0),
        oom_hint: exit.oom_hint,
        seen: change.source != Source::Reconcile,
        ran_for,
        log,
    };
    // Log lines are the heaviest thing kept: only the last end has them here, the store has all.
    if let Some(previous) = track.ends.back_mut() {
        previous.log = None;
    }
    push_bounded(&mut track.ends, end, ENDS_MAX);
}

fn fold_health(track: &mut Track, health: &Health, change: &StateChange) {
    let at = change.observed_at;
    // A frozen container is reported unhealthy; that says nothing.
    if track.state == State::Paused {
        return;
    }
    if let Some(attempt) = track.attempts.back_mut() {
        let pending = attempt.stage(Stage::Health).is_some_and(|stage| stage.outcome != Outcome::Passed);
        match health.status {
            HealthStatus::Healthy if pending => attempt.set(Stage::Health, Outcome::Passed, None, at),
            // Found so at the first look: whether it ever passed is not known.
            HealthStatus::Unhealthy if pending && change.source == Source::Reconcile => {
                attempt.set(Stage::Health, Outcome::Unknown, health.last_probe.clone(), at);
            }
            HealthStatus::Unhealthy if pending => {
                attempt.set(Stage::Health, Outcome::Failed, health.last_probe.clone(), at);
            }
            _ => {}
        }
    }
    let unhealthy = health.status == HealthStatus::Unhealthy;
    track.health = Some(health.clone());
    if unhealthy && track.state == State::Running {
        deviate(track, DeviationKind::Unhealthy, at);
    }
}

fn fold_oom(track: &mut Track, oom: &Oom, at: Nanos) {
    match &mut track.oom {
        Some(seen) => {
            let same = at.since(seen.last_at) <= OOM_SAME
                && (seen.oom.victim_pid.is_none()
                    || oom.victim_pid.is_none()
                    || seen.oom.victim_pid == oom.victim_pid);
            seen.count = seen.count.saturating_add(u32::from(!same));
            seen.last_at = at;
            merge_oom(&mut seen.oom, oom);
        }
        None => track.oom = Some(OomSeen { first_at: at, last_at: at, count: 1, oom: oom.clone() }),
    }
    if track.state == State::Running {
        if let Some(deviation) = track.deviation.as_mut().filter(|d| d.kind == DeviationKind::OomInside) {
            deviation.last_bad_at = at;
        } else if track.deviation.is_none() {
            let mut deviation = Deviation::new(DeviationKind::OomInside, at);
            deviation.oom = true;
            track.deviation = Some(deviation);
        }
        return;
    }
    // The witness came after the end it caused.
    let late = track
        .ends
        .back_mut()
        .filter(|end| !end.intended && at.since(end.at) <= OOM_SAME && end.code != Some(0));
    if let Some(end) = late {
        end.oom = true;
        if let Some(deviation) = &mut track.deviation {
            deviation.oom = true;
        }
    }
}

fn merge_oom(known: &mut Oom, new: &Oom) {
    if new.victim_comm.is_some() {
        known.witness = new.witness;
        known.victim_pid = new.victim_pid;
        known.victim_comm.clone_from(&new.victim_comm);
        known.victim_rss_kib = new.victim_rss_kib;
    }
    known.peak_bytes = new.peak_bytes.or(known.peak_bytes);
    known.kills = new.kills.or(known.kills);
}

fn fold_stage(track: &mut Track, mark: &StageMark, at: Nanos) {
    let launch =
        mark.outcome == Outcome::Failed && matches!(mark.stage, Stage::Pull | Stage::Create | Stage::Start);
    if launch && track.state == State::Restarting {
        let number = track.attempts.back().map_or(1, |attempt| attempt.number.saturating_add(1));
        push_bounded(&mut track.attempts, Attempt::restart(&track.spec, number, at, true), ATTEMPTS_MAX);
    }
    if let Some(attempt) = track.attempts.back_mut() {
        attempt.mark(mark, at);
    }
    if launch && track.state != State::Gone {
        track.wanted = true;
        let cause = mark.cause.clone().unwrap_or_else(|| "the runtime gave no reason".to_owned());
        deviate(track, DeviationKind::LaunchFailed { stage: mark.stage, cause }, at);
    }
}

/// Ends that nobody saw. After an absence of the runtime they are part of it, not faults of the container.
fn fold_unobserved(track: &mut Track, n: u32, at: Nanos, around: Around) {
    if let Some(attempt) = track.attempts.back_mut() {
        attempt.end();
    }
    track.enter(State::Restarting, at);
    if around.history {
        track.restarts = n.saturating_sub(1);
        return;
    }
    if around.with_runtime {
        return;
    }
    track.restarts = track.restarts.saturating_add(n.saturating_sub(1));
    deviate(track, DeviationKind::Ended, at);
    if let Some(deviation) = &mut track.deviation {
        deviation.ends = deviation.ends.saturating_add(n);
        deviation.tries = deviation.tries.saturating_add(n.saturating_sub(1));
    }
}

/// Opens a deviation, or says that the open one goes on, perhaps as another kind.
pub(crate) fn deviate(track: &mut Track, kind: DeviationKind, at: Nanos) {
    match &mut track.deviation {
        None => track.deviation = Some(Deviation::new(kind, at)),
        Some(open) => {
            open.last_bad_at = at;
            // What ended is worse than what ails: unhealthy or an OOM inside become the end they led to.
            let keeps = matches!(kind, DeviationKind::Unhealthy | DeviationKind::OomInside);
            if !keeps {
                open.kind = kind;
            }
        }
    }
}

/// Closes the open deviation and enters it in the ledger.
pub(crate) fn close(track: &mut Track, healed_at: Nanos, at: Nanos, because: &str, healed: bool) {
    let Some(deviation) = track.deviation.take() else { return };
    let closed = Closed { deviation, healed_at, closed_at: at, because: because.to_owned(), healed };
    push_bounded(&mut track.ledger, closed, LEDGER_MAX);
    if track.state == State::Gone {
        drop_log(track);
    }
}

/// What is gone and was no fault, or is over, needs its log lines no longer.
fn drop_log(track: &mut Track) {
    if let Some(end) = track.ends.back_mut() {
        end.log = None;
    }
}

/// Workload keys are no JSON object keys: the map is stored as a list.
mod as_list {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::{Workload, WorkloadKey};

    pub(super) fn serialize<S: Serializer>(
        map: &BTreeMap<WorkloadKey, Workload>,
        s: S,
    ) -> Result<S::Ok, S::Error> {
        map.values().collect::<Vec<_>>().serialize(s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        d: D,
    ) -> Result<BTreeMap<WorkloadKey, Workload>, D::Error> {
        let list = Vec::<Workload>::deserialize(d)?;
        Ok(list.into_iter().map(|workload| (workload.key.clone(), workload)).collect())
    }
}
