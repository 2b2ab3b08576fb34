//! Happenings: changes that somebody wanted, or that concern everything on a machine.
//!
//! What follows by itself (restarts by policy, ends, health) is no happening. One act of a person is one happening,
//! however many events the runtime makes of it: a stop is a signal, an end and a `stop`; a replaced container is a
//! removal and a creation.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use hinomi_model::{
    Fact, Intent, IntentAction, Nanos, Phase, ResourceId, RuntimeState, Source, Spec, StateChange,
};
use serde::{Deserialize, Serialize};

use crate::revision::{Face, Revision};
use crate::track::{ONE_WISH, push_bounded};
use crate::words::{change_words, signal_name};
use crate::{DeviationKind, State, Timeline, Track, WorkloadKey};

/// Happenings kept.
pub const HAPPENINGS_MAX: usize = 500;
/// A removal and a creation of the same workload within this time are a replacement.
const REPLACED: Duration = Duration::from_secs(120);

/// Creations before the first look that are worth telling.
const HISTORY: Duration = Duration::from_secs(3600);

/// What kind of change it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HappeningKind {
    /// Another image.
    Deploy,
    /// Another command, limit, restart policy, port or health check.
    Configuration,
    /// A new container like the one before, or the first one.
    Created,
    /// A container was removed.
    Removed,
    /// A container got another name.
    Renamed,
    /// Somebody stopped, started, restarted, froze or signalled it.
    Intent,
    /// The runtime went or came.
    Runtime,
    /// Hinomi did not see.
    Gap,
}

/// Which wish it was: later events of the same act take the place of earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Wish {
    Signal,
    Stop,
    Start,
    Restart,
    Freeze,
    Update,
}

/// A change that somebody wanted, or that concerns everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Happening {
    /// When (steady time).
    pub at: Nanos,
    /// What kind.
    pub kind: HappeningKind,
    /// In one line: `image app:1 → app:2`.
    pub words: String,
    /// Whose.
    pub resource: Arc<ResourceId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) wish: Option<Wish>,
}

impl Happening {
    /// The workload it is about.
    #[must_use]
    pub fn workload(&self) -> Option<WorkloadKey> {
        WorkloadKey::of(&self.resource)
    }
}

/// The last happenings, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Happenings(VecDeque<Happening>);

impl Happenings {
    /// All, oldest first by when Hinomi learned of them.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Happening> {
        self.0.iter()
    }

    /// Deploys outlive creations: a machine that runs many jobs must not forget what changed.
    fn push(&mut self, happening: Happening) {
        if self.0.len() >= HAPPENINGS_MAX {
            let common =
                |old: &Happening| matches!(old.kind, HappeningKind::Created | HappeningKind::Removed);
            let oldest = self.0.iter().position(common).unwrap_or(0);
            self.0.remove(oldest);
        }
        push_bounded(&mut self.0, happening, HAPPENINGS_MAX);
    }

    /// Takes back what this one replaces; returns when the first of it was.
    fn take_back(&mut self, since: Nanos, is_part: impl Fn(&Happening) -> bool) -> Option<Nanos> {
        let mut first: Option<Nanos> = None;
        self.0.retain(|old| {
            let part = old.at >= since && is_part(old);
            if part {
                first = Some(first.map_or(old.at, |at| at.min(old.at)));
            }
            !part
        });
        first
    }

    pub(crate) fn forget_other_clusters(&mut self, mine: &str) {
        self.0.retain(|happening| happening.resource.cluster == mine);
    }

    /// What was taken for a person's stop was the runtime's own.
    /// `since` is when the first of its signals was sent: the stop stands at that time.
    pub(crate) fn take_back_stops(&mut self, uid: &str, since: Nanos) {
        self.take_back(since, |old| old.resource.uid == uid && is_wish(old, &[Wish::Signal, Wish::Stop]));
    }
}

fn is_wish(happening: &Happening, wishes: &[Wish]) -> bool {
    happening.wish.is_some_and(|wish| wishes.contains(&wish))
}

/// What a container was before a change.
#[derive(Debug)]
pub(crate) struct Before {
    state: State,
    spec: Option<Spec>,
    name: String,
    /// It went, or came back, with its runtime.
    with_runtime: bool,
    /// It happened before Hinomi's first look at this cluster.
    history: bool,
}

impl Before {
    pub(crate) fn of(track: Option<&Track>, change: &StateChange, with_runtime: bool, history: bool) -> Self {
        let not_back =
            |track: &Track| track.deviation.as_ref().is_some_and(|d| d.kind == DeviationKind::NotBack);
        let is_spec = matches!(change.fact, Fact::Spec(_));
        Self {
            state: track.map_or(State::Unknown, |track| track.state),
            spec: track.filter(|track| is_spec && !track.attempts.is_empty()).map(|track| track.spec.clone()),
            name: track.map(|track| track.id.name.clone()).unwrap_or_default(),
            with_runtime: with_runtime || track.is_some_and(|t| t.stopped_with_runtime || not_back(t)),
            history,
        }
    }
}

impl Timeline {
    /// Enters a change of a container among the happenings, if it is one. The change is folded already.
    pub(crate) fn note_happening(&mut self, change: &StateChange, before: &Before) {
        let Some(track) = self.tracks.get(&change.resource.uid) else { return };
        let (id, at) = (Arc::clone(&track.id), change.observed_at);
        let since = at.minus(track.wish_window());
        // What was asked of an earlier run is another story.
        let of_run = track.run_began_at.map_or(since, |began| began.max(since));
        let of_wish = track.asked.map_or(of_run, |asked| asked.begun_at().max(of_run));
        match &change.fact {
            Fact::Spec(spec) => self.note_spec(&id, spec, change, before),
            Fact::Name(name) => self.note_name(&id, name, before, at),
            Fact::Phase(Phase::Gone { unseen }) if before.state != State::Gone => {
                self.note_gone(&id, *unseen, of_run, at);
            }
            Fact::Phase(Phase::Paused) if before.state == State::Running => {
                self.wish(&id, Wish::Freeze, "paused", at);
            }
            Fact::Phase(Phase::Unpaused) if before.state == State::Paused => {
                self.wish(&id, Wish::Freeze, "unpaused", at);
            }
            Fact::Phase(Phase::Running(_)) if is_started_by_somebody(change, before) => {
                self.wish(&id, Wish::Start, "started", at);
            }
            Fact::Intent(intent) if !intent.by_runtime => {
                let since = if intent.action == IntentAction::Restart { since } else { of_wish };
                self.note_intent(&id, intent, since, at);
            }
            _ => {}
        }
    }

    fn happen(&mut self, id: &Arc<ResourceId>, kind: HappeningKind, words: String, at: Nanos) {
        self.happenings.push(Happening { at, kind, words, resource: Arc::clone(id), wish: None });
    }

    fn wish(&mut self, id: &Arc<ResourceId>, wish: Wish, words: &str, at: Nanos) {
        let (kind, words) = (HappeningKind::Intent, words.to_owned());
        self.happenings.push(Happening { at, kind, words, resource: Arc::clone(id), wish: Some(wish) });
    }

    fn note_intent(&mut self, id: &Arc<ResourceId>, intent: &Intent, since: Nanos, at: Nanos) {
        let mine = |old: &Happening| old.resource.uid == id.uid;
        match intent.action {
            IntentAction::Signal => {
                let words = intent.signal.map_or_else(
                    || "signal sent".to_owned(),
                    |signal| format!("{} sent", signal_name(signal)),
                );
                self.wish(id, Wish::Signal, &words, at);
            }
            IntentAction::Stop => {
                let part = |old: &Happening| mine(old) && is_wish(old, &[Wish::Signal]);
                let first = self.happenings.take_back(since, part);
                self.wish(id, Wish::Stop, "stopped", first.unwrap_or(at));
            }
            IntentAction::Restart => {
                let part =
                    |old: &Happening| mine(old) && is_wish(old, &[Wish::Signal, Wish::Stop, Wish::Start]);
                let first = self.happenings.take_back(since, part);
                self.wish(id, Wish::Restart, "restarted", first.unwrap_or(at));
            }
            IntentAction::Update => self.wish(id, Wish::Update, "updated", at),
            // That it is gone tells it.
            IntentAction::Remove => {}
        }
    }

    /// A removal takes the stop before it in; of a container that was replaced its successor tells.
    fn note_gone(&mut self, id: &Arc<ResourceId>, unseen: bool, since: Nanos, at: Nanos) {
        let stop = |old: &Happening| old.resource.uid == id.uid && is_wish(old, &[Wish::Signal, Wish::Stop]);
        let by_itself = self.tracks.get(&id.uid).is_some_and(|track| track.spec.auto_remove);
        if by_itself {
            return;
        }
        let first = self.happenings.take_back(since, stop);
        let successor = |old: &Happening| {
            old.at >= at.minus(REPLACED)
                && old.resource.uid != id.uid
                && same_workload(&old.resource, id)
                && is_new_container(old.kind)
        };
        if !self.happenings.iter().any(successor) {
            let words = if unseen { "removed while nobody looked" } else { "removed" };
            self.happen(id, HappeningKind::Removed, words.to_owned(), first.unwrap_or(at));
        }
    }

    fn note_name(&mut self, id: &Arc<ResourceId>, name: &str, before: &Before, at: Nanos) {
        if *name == before.name || before.name.is_empty() {
            return;
        }
        // Compose names a container anew while it replaces another: nobody asked for that.
        if is_makeshift(name, &before.name) || is_makeshift(&before.name, name) {
            return;
        }
        self.happen(id, HappeningKind::Renamed, format!("name {} → {name}", before.name), at);
        let spec = self.tracks.get(&id.uid).map(|track| track.spec.clone());
        let Some((spec, key)) = spec.zip(WorkloadKey::of(id)) else { return };
        let Some(newest) = self.revisions.newest(&key) else {
            return self.revise(id, key, &spec, HappeningKind::Created, String::new(), at);
        };
        if let Some((kind, words)) = newest.face.difference(&Face::of(&spec)) {
            self.revise(id, key, &spec, kind, words.clone(), at);
            self.happen(id, kind, words, at);
        }
    }

    fn note_spec(&mut self, id: &Arc<ResourceId>, spec: &Spec, change: &StateChange, before: &Before) {
        let at = change.observed_at;
        let Some(key) = WorkloadKey::of(id) else { return };
        let face = Face::of(spec);
        if let Some(old) = &before.spec {
            // The same container: what was changed on it.
            let Some((kind, words)) = Face::of(old).difference(&face) else { return };
            let update = |old: &Happening| old.resource.uid == id.uid && is_wish(old, &[Wish::Update]);
            self.happenings.take_back(at.minus(ONE_WISH), update);
            self.revise(id, key, spec, kind, words.clone(), at);
            return self.happen(id, kind, words, at);
        }
        let newest = self.revisions.newest(&key);
        let is_known = newest.is_some();
        let difference = newest.and_then(|revision| revision.face.difference(&face));
        let (kind, words) = difference
            .filter(|_| !self.has_twin(id, &key, &face))
            .unwrap_or_else(|| (HappeningKind::Created, format!("created with image {}", spec.image)));
        if kind != HappeningKind::Created || !is_known {
            let when = if before.history { spec.created_at.map_or(at, |made| made.min(at)) } else { at };
            self.revise(id, key.clone(), spec, kind, words.clone(), when);
        }
        if before.history {
            // The platform's stamp is all that is known of it; long ago it is no news.
            let young = spec.created_at.filter(|made| *made <= at && at.since(*made) <= HISTORY);
            return young.map_or((), |made| self.happen(id, kind, words, made));
        }
        let removed =
            |old: &Happening| old.kind == HappeningKind::Removed && same_workload(&old.resource, id);
        self.happenings.take_back(at.minus(REPLACED), removed);
        self.happen(id, kind, words, at);
    }

    /// Whether another container of the workload is made the same way: then nothing was changed, only added.
    fn has_twin(&self, id: &ResourceId, key: &WorkloadKey, face: &Face) -> bool {
        let workload = self.workloads.get(key);
        let mut others = workload.into_iter().flat_map(|workload| workload.tracks(&self.tracks));
        others.any(|track| {
            track.id.uid != id.uid
                && track.state != State::Gone
                && Face::of(&track.spec).difference(face).is_none()
        })
    }

    fn revise(
        &mut self,
        id: &Arc<ResourceId>,
        key: WorkloadKey,
        spec: &Spec,
        kind: HappeningKind,
        words: String,
        at: Nanos,
    ) {
        let words = if words.is_empty() { format!("created with image {}", spec.image) } else { words };
        let revision = Revision { at, kind, words, resource: Arc::clone(id), face: Face::of(spec) };
        let workloads = &self.workloads;
        self.revisions.push(key, revision, |key| workloads.contains_key(key));
    }

    /// The runtime went or came.
    pub(crate) fn note_runtime(&mut self, change: &StateChange, state: &RuntimeState, was: Option<bool>) {
        // The first contact is no news, nor is the same word again.
        let news = was.is_some_and(|was_up| was_up != state.up) || state.restarted || state.rebooted;
        if news && was.is_some() {
            self.happen(&change.resource, HappeningKind::Runtime, change_words(change), change.observed_at);
        }
    }

    /// Hinomi did not see.
    pub(crate) fn note_gap(&mut self, change: &StateChange) {
        self.happen(&change.resource, HappeningKind::Gap, change_words(change), change.observed_at);
    }

    /// What is known of the images and configurations of a workload, oldest first.
    pub fn revisions(&self, key: &WorkloadKey) -> impl Iterator<Item = &Revision> {
        self.revisions.of(key)
    }
}

/// Not by its policy, not with its runtime, not as the end of its creation.
fn is_started_by_somebody(change: &StateChange, before: &Before) -> bool {
    before.state == State::Exited && !before.with_runtime && change.source == Source::RuntimeEvent
}

fn is_new_container(kind: HappeningKind) -> bool {
    matches!(kind, HappeningKind::Created | HappeningKind::Deploy | HappeningKind::Configuration)
}

fn same_workload(one: &ResourceId, other: &ResourceId) -> bool {
    one.workload.is_some()
        && (&one.workload, &one.cluster, &one.tenant) == (&other.workload, &other.cluster, &other.tenant)
}

/// `0123456789ab_web`, as Compose calls what it replaces `web` with.
fn is_makeshift(name: &str, real: &str) -> bool {
    name.strip_suffix(real)
        .and_then(|front| front.strip_suffix('_'))
        .is_some_and(|id| id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
#[path = "happening_tests.rs"]
mod tests;
