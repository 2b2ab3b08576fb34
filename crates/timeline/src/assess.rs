//! What is wrong at a point in time, how its healing goes, how loud that is, and when to look again.

use std::time::Duration;

use hinomi_model::{Healing, HealingState, Nanos, RestartPolicy};

use crate::fold::{close, deviate};
use crate::level::{Case, Serving, Verdict, level};
use crate::track::STABLE;
use crate::{Deviation, DeviationKind, Loop, State, Timeline, Touched, Track, Workload, WorkloadKey, loops};

/// After a kill for memory wait this long for the end that it usually causes.
const OOM_HOLD: Duration = Duration::from_millis(300);
/// … and this long when the victim is its main process, whose end is certain.
const OOM_HOLD_MAIN: Duration = Duration::from_secs(5);
/// A healer that does not act for this long is down.
const HEALER_DOWN: Duration = Duration::from_secs(60);
/// Containers with a restart policy get this long to come back with their runtime, the others this long to be looked at.
const NOT_BACK_HOLD: Duration = Duration::from_secs(5);
/// A removal longer than this is stuck.
const REMOVING_STUCK: Duration = Duration::from_secs(30);
/// A job that removed itself keeps its finding for this long.
const GONE_LINGER: Duration = Duration::from_secs(600);
/// Containers that are gone are forgotten after this time.
const GONE_KEEP: Duration = Duration::from_secs(3600);
/// A slow loop proves its end within this time at most.
const STABLE_MAX: Duration = Duration::from_secs(24 * 3600);

/// A deviation seen at a point in time.
#[derive(Clone, Debug)]
pub struct Assessment<'a> {
    /// Whose.
    pub track: &'a Track,
    /// Its workload.
    pub workload: &'a Workload,
    /// What is wrong.
    pub deviation: &'a Deviation,
    /// How its healing goes.
    pub healing: Healing,
    /// How many instances of the workload serve.
    pub serving: Serving,
    /// How loud, and why.
    pub verdict: Verdict,
    /// The loop it forms, if it does.
    pub looped: Option<Loop>,
}

/// All deviations of a workload, and when to look again if nothing happens.
#[derive(Clone, Debug)]
pub struct Outlook<'a> {
    /// Deviations, oldest first.
    pub assessments: Vec<Assessment<'a>>,
    /// Next point in time at which something changes by itself.
    pub deadline: Option<Nanos>,
}

impl Timeline {
    /// Lets time pass for one workload: closes what proved stable, opens what hangs, forgets what is long gone.
    /// While the runtime is away nothing is seen, so nothing is closed.
    pub fn settle(&mut self, key: &WorkloadKey, now: Nanos) -> Touched {
        if self.runtimes.get(&key.cluster).is_some_and(|runtime| !runtime.sees()) {
            return Touched::Nothing;
        }
        let Some(workload) = self.workloads.get_mut(key) else { return Touched::Nothing };
        let mut healed = Vec::new();
        let mut forgotten = Vec::new();
        for uid in &workload.members {
            let Some(track) = self.tracks.get_mut(uid) else { continue };
            if let Some(took) = settle_track(track, now) {
                healed.push(took);
            }
            if track.deviation.is_none() && track.gone_at.is_some_and(|gone| now.since(gone) >= GONE_KEEP) {
                forgotten.push(uid.clone());
            }
        }
        for took in healed {
            workload.learn_heal(took);
        }
        workload.update_unserved(&self.tracks, now);
        for uid in forgotten {
            self.forget(&uid);
        }
        Touched::Workloads(vec![key.clone()])
    }

    /// All deviations of a workload now.
    #[must_use]
    pub fn assess(&self, key: &WorkloadKey, now: Nanos) -> Outlook<'_> {
        let mut outlook = Outlook { assessments: Vec::new(), deadline: None };
        let Some(workload) = self.workloads.get(key) else { return outlook };
        let mut deadlines: Vec<Nanos> = Vec::new();
        for track in workload.tracks(&self.tracks) {
            deadlines.extend(quiet_deadlines(track, now));
            let Some(deviation) = &track.deviation else { continue };
            let returned = self.runtimes.get(&key.cluster).and_then(|runtime| runtime.restarted_at);
            let look = Look { workload, track, deviation, returned, now };
            deadlines.extend(look.deadlines(self));
            if !look.held() {
                outlook.assessments.push(look.assessment(self));
            }
        }
        outlook.assessments.sort_by_key(|assessment| assessment.deviation.started_at);
        outlook.deadline = deadlines.into_iter().filter(|deadline| *deadline > now).min();
        outlook
    }
}

/// Closes a deviation that proved stable; returns how long healing took if its healer healed it.
fn settle_track(track: &mut Track, now: Nanos) -> Option<Duration> {
    if track.state == State::Removing && now.since(track.since) >= REMOVING_STUCK {
        deviate(track, DeviationKind::Stuck, track.since);
    }
    let deviation = track.deviation.as_ref()?;
    let gone_long = track.gone_at.is_some_and(|gone| now.since(gone) >= GONE_LINGER);
    if gone_long {
        close(track, now, now, "it removed itself; nothing is left to heal", false);
        return None;
    }
    let ready_since = track.ready_since?;
    let good_since = ready_since.max(deviation.last_bad_at);
    if now.since(good_since) < stable_time(track, deviation) {
        return None;
    }
    let healed =
        matches!(deviation.kind, DeviationKind::Ended | DeviationKind::NotBack | DeviationKind::Unhealthy)
            && track.spec.restart != RestartPolicy::No;
    let took = good_since.since(deviation.bad_since);
    let by = if healed {
        format!("healed by {}", healer_name(track))
    } else {
        "healthy and stable again".to_owned()
    };
    close(track, good_since, now, &by, healed);
    track.quick = 0;
    healed.then_some(took)
}

/// How long it must be good until it counts as stable.
fn stable_time(track: &Track, deviation: &Deviation) -> Duration {
    match loops::detect(&track.ends, deviation.ends) {
        Some(looped) => (looped.period * 3 / 2).clamp(STABLE, STABLE_MAX),
        None => STABLE,
    }
}

/// Deadlines of a container without a deviation.
fn quiet_deadlines(track: &Track, now: Nanos) -> impl Iterator<Item = Nanos> {
    let removing = (track.state == State::Removing).then(|| track.since.plus(REMOVING_STUCK));
    let keep = track.gone_at.map(|gone| gone.plus(GONE_KEEP));
    // A young run becomes stable: the start grace ends its course then.
    let stable = track.ready_since.map(|since| since.plus(STABLE));
    [removing, keep, stable].into_iter().flatten().filter(move |deadline| *deadline > now)
}

impl Track {
    /// Who heals it: `Docker restart policy always`, or `nobody`.
    #[must_use]
    pub fn healer(&self) -> String {
        healer_name(self)
    }

    /// The loop that its last ends form while something is wrong with it, if they do.
    #[must_use]
    pub fn looped(&self) -> Option<Loop> {
        loops::detect(&self.ends, self.deviation.as_ref()?.ends)
    }
}

fn healer_name(track: &Track) -> String {
    match track.spec.restart {
        RestartPolicy::No => "nobody".to_owned(),
        policy => format!("Docker restart policy {policy}"),
    }
}

/// One look at one deviation.
struct Look<'a> {
    workload: &'a Workload,
    track: &'a Track,
    deviation: &'a Deviation,
    returned: Option<Nanos>,
    now: Nanos,
}

impl<'a> Look<'a> {
    /// Whether it is too early to say anything: the end that an OOM causes, or the return with the runtime, may follow.
    fn held(&self) -> bool {
        self.hold_until().is_some_and(|until| self.now < until)
    }

    fn hold_until(&self) -> Option<Nanos> {
        match self.deviation.kind {
            DeviationKind::OomInside => {
                // The main process was killed: its end follows for sure, on a busy machine late.
                let victim = self.track.oom.as_ref().and_then(|seen| seen.oom.victim_pid);
                let main = self.track.pid != 0 && victim == Some(self.track.pid);
                Some(self.deviation.started_at.plus(if main { OOM_HOLD_MAIN } else { OOM_HOLD }))
            }
            DeviationKind::NotBack => {
                let began = self.deviation.started_at;
                let back = self.returned.filter(|back| began.since(*back) <= HEALER_DOWN);
                // Stopped by a runtime that goes: until it is back there is nothing to say, it just goes.
                Some(back.map_or(began.plus(HEALER_DOWN), |back| back.max(began).plus(NOT_BACK_HOLD)))
            }
            _ => None,
        }
    }

    fn assessment(&self, timeline: &Timeline) -> Assessment<'a> {
        let state = self.healing_state();
        let serving = self.workload.serving(&timeline.tracks, self.now);
        let looped = loops::detect(&self.track.ends, self.deviation.ends);
        let dead_end = matches!(self.deviation.kind, DeviationKind::LaunchFailed { .. });
        let case = Case {
            healing: state,
            serving,
            tries: self.deviation.tries,
            incurable: self.deviation.oom || dead_end,
            slow_loop: looped.as_ref().is_some_and(|looped| looped.slow),
            one_shot: self.track.is_one_shot() && self.deviation.kind != DeviationKind::Stuck,
        };
        Assessment {
            track: self.track,
            workload: self.workload,
            deviation: self.deviation,
            healing: self.healing(state),
            serving,
            verdict: level(&case),
            looped,
        }
    }

    fn healing(&self, state: HealingState) -> Healing {
        let heals = matches!(
            self.deviation.kind,
            DeviationKind::Ended | DeviationKind::LaunchFailed { .. } | DeviationKind::NotBack
        );
        let never_started =
            self.track.run_began_at.is_none() && !matches!(self.deviation.kind, DeviationKind::Ended);
        let healer = if heals && !never_started { healer_name(self.track) } else { "nobody".to_owned() };
        let action = if healer == "nobody" { "" } else { "restart" };
        Healing {
            healer,
            action: action.to_owned(),
            state,
            tries: self.deviation.tries,
            next_try_at: self.deviation.next_try_at,
        }
    }

    fn healing_state(&self) -> HealingState {
        match &self.deviation.kind {
            DeviationKind::Phantom => HealingState::HealerDown,
            DeviationKind::Stuck => HealingState::Stopped,
            DeviationKind::OomInside | DeviationKind::Unhealthy => self.ailing(),
            DeviationKind::NotBack => self.returning(),
            DeviationKind::Ended | DeviationKind::LaunchFailed { .. } => self.restarting(),
        }
    }

    /// Docker heals neither; once it is good again only the proof of stability is missing.
    fn ailing(&self) -> HealingState {
        let healthy_again = self.deviation.kind == DeviationKind::Unhealthy && self.track.is_ready();
        if healthy_again { HealingState::Working } else { HealingState::Stopped }
    }

    fn returning(&self) -> HealingState {
        if self.track.state == State::Running {
            return HealingState::Working;
        }
        if self.track.spec.restart == RestartPolicy::No {
            return HealingState::Stopped;
        }
        let since = self.returned.unwrap_or(self.deviation.started_at);
        if self.now.since(since) < HEALER_DOWN { HealingState::Working } else { HealingState::HealerDown }
    }

    fn restarting(&self) -> HealingState {
        if self.deviation.gave_up.is_some() {
            return HealingState::Stopped;
        }
        if !matches!(self.track.state, State::Running | State::Restarting) {
            return HealingState::Stopped;
        }
        let silent = self.deviation.next_try_at.is_some_and(|next| self.now.since(next) >= HEALER_DOWN);
        if silent && self.track.state == State::Restarting {
            return HealingState::HealerDown;
        }
        let long = self.now.since(self.deviation.bad_since) >= self.workload.overdue_after();
        // A run that proves itself is not overdue: it is good already.
        if long && !self.track.is_ready() { HealingState::Overdue } else { HealingState::Working }
    }

    fn deadlines(&self, timeline: &Timeline) -> Vec<Nanos> {
        let grace = self.workload.grace_ends_at(&timeline.tracks);
        let overdue = Some(self.deviation.bad_since.plus(self.workload.overdue_after()));
        let silent = self.deviation.next_try_at.map(|next| next.plus(HEALER_DOWN));
        let stable = self
            .track
            .ready_since
            .map(|since| since.max(self.deviation.last_bad_at).plus(stable_time(self.track, self.deviation)));
        let linger = self.track.gone_at.map(|gone| gone.plus(GONE_LINGER));
        let back = (self.deviation.kind == DeviationKind::NotBack)
            .then(|| self.returned.unwrap_or(self.deviation.started_at).plus(HEALER_DOWN));
        [self.hold_until(), grace, overdue, silent, stable, linger, back].into_iter().flatten().collect()
    }
}
