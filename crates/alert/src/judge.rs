//! The judge: timeline, inspections and incidents together, without IO and without a clock.

use std::collections::{BTreeMap, BTreeSet};

use hinomi_model::{
    Fact, Finding, GapReason, Incident, IncidentStatus, Level, Message, Nanos, Source, StateChange,
};
use hinomi_timeline::{Timeline, Touched, WorkloadKey};
use serde::{Deserialize, Serialize};

use crate::healed::Endings;
use crate::heat::{Heat, Plane};
use crate::incidents::{Incidents, Subject, Update, has_new_cause, is_back};
use crate::numbers::{Round, Rules, Step, Watches};
use crate::{Routes, inspection, notify, runtime};

/// What the judge wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Store this incident as it is now.
    Store {
        /// The incident.
        incident: Box<Incident>,
        /// It opened, ended, got louder or has another cause: worth a line to whoever reads along.
        news: bool,
    },
    /// Queue this message for its receiver.
    Tell(Box<Message>),
}

/// Everything the judge knows, for a checkpoint.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// The folded state.
    pub timeline: Timeline,
    /// Incidents, open and over, oldest first.
    pub incidents: Vec<Incident>,
    /// The levels of the last day.
    #[serde(default)]
    pub heat: Heat,
    /// What ended within the last day.
    #[serde(default)]
    pub endings: Endings,
}

/// Folds changes, inspects what they touch, and keeps the incidents.
#[derive(Clone, Debug, Default)]
pub struct Judge {
    timeline: Timeline,
    incidents: Incidents,
    routes: Routes,
    url_base: String,
    deadlines: BTreeSet<(Nanos, Subject)>,
    deadline_of: BTreeMap<Subject, Nanos>,
    heat: Heat,
    endings: Endings,
    watches: Watches,
}

impl Judge {
    /// A judge with nothing known. `url_base` begins the links in messages: `http://127.0.0.1:8119`.
    #[must_use]
    pub fn new(routes: Routes, url_base: String) -> Self {
        Self { routes, url_base, ..Self::default() }
    }

    /// What is known.
    #[must_use]
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// The incidents.
    #[must_use]
    pub fn incidents(&self) -> &Incidents {
        &self.incidents
    }

    /// The levels of the last day.
    #[must_use]
    pub fn heat(&self) -> &Heat {
        &self.heat
    }

    /// What ended within the last day.
    #[must_use]
    pub fn endings(&self) -> &Endings {
        &self.endings
    }

    /// For a checkpoint.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let incidents = self.incidents.over().cloned().collect::<Vec<_>>().into_iter().rev();
        Snapshot {
            timeline: self.timeline.clone(),
            incidents: incidents.chain(self.incidents.open().cloned()).collect(),
            heat: self.heat.clone(),
            endings: self.endings.clone(),
        }
    }

    /// From a checkpoint.
    pub fn restore(&mut self, snapshot: Snapshot) {
        self.timeline = snapshot.timeline;
        self.heat = snapshot.heat;
        self.endings = snapshot.endings;
        for incident in snapshot.incidents {
            // A checkpoint of an older version has no levels.
            self.feel_incident(&incident, incident.updated_at);
            self.incidents.restore(incident);
        }
    }

    /// Folds a stored change again, without judging it.
    pub fn replay_change(&mut self, change: &StateChange) {
        self.settle_before(change);
        self.timeline.apply(change);
        self.feel_change(change);
    }

    /// What a change says about the levels of its time.
    fn feel_change(&mut self, change: &StateChange) {
        let at = change.observed_at;
        self.heat.pass(at);
        if let Fact::Gap(gap) = &change.fact {
            let planes: &[Plane] = match gap.reason {
                GapReason::NotRunning => &Plane::ALL,
                GapReason::RuntimeAway | GapReason::Overflow | GapReason::Inconsistent => &[Plane::Container],
                // It was seen, only not stored.
                GapReason::NotStored => &[],
            };
            self.heat.unseen(planes, gap.from, gap.to);
        }
        self.feel_sight(at);
    }

    fn feel_sight(&mut self, now: Nanos) {
        let sees = self.timeline.runtimes.values().all(hinomi_timeline::Runtime::sees);
        self.heat.see(sees, now);
    }

    /// The level of an incident from now on.
    fn feel_incident(&mut self, incident: &Incident, now: Nanos) {
        let open = || incident.findings.iter().filter(|finding| finding.resolved_at.is_none());
        let level = open().map(|finding| finding.level).max();
        let plane = open().next().map(Plane::of);
        let firing = incident.status == IncidentStatus::Firing;
        self.heat.note(&incident.subject, plane.zip(level).filter(|_| firing), now);
    }

    /// Lets time pass for what a change is about to touch, as deadlines did when it was live.
    fn settle_before(&mut self, change: &StateChange) {
        let at = change.observed_at;
        if let Some(key) = WorkloadKey::of(&change.resource) {
            self.timeline.settle(&key, at);
        } else if matches!(change.fact, Fact::Runtime(_)) {
            // Until when it was seen; what lies between is told by the comparison that follows.
            self.settle_all(self.timeline.alive_at);
        }
    }

    fn settle_all(&mut self, at: Nanos) {
        let keys: Vec<WorkloadKey> = self.timeline.workloads.keys().cloned().collect();
        for key in keys {
            self.timeline.settle(&key, at);
        }
    }

    /// Takes over a stored incident.
    pub fn replay_incident(&mut self, incident: Incident) {
        // What time alone closed left no other record than its incident.
        if let Some(key) = incident.findings.first().and_then(|finding| WorkloadKey::of(&finding.resource)) {
            self.timeline.settle(&key, incident.updated_at);
        }
        self.feel_incident(&incident, incident.updated_at);
        self.endings.take(&incident, &self.timeline);
        self.incidents.restore(incident);
    }

    /// Ends a replay: from now on a runtime's workloads are looked at once its collector has compared what is with
    /// what is known, and whatever was missed meanwhile is found then.
    pub fn begin(&mut self, now: Nanos) -> Vec<Effect> {
        self.settle_all(self.timeline.alive_at);
        self.timeline.begin_blind(now);
        self.heat.pass(now);
        self.feel_sight(now);
        let clusters = self.timeline.runtimes.keys();
        let own = |cluster: &String| [Subject::Runtime(cluster.clone()), Subject::Gaps(cluster.clone())];
        let subjects = clusters.flat_map(own).collect();
        self.look(subjects, now, true, true)
    }

    /// Forgets clusters that this process does not watch: the host has another name than before.
    pub fn forget_other_clusters(&mut self, mine: &str, now: Nanos) -> Vec<Effect> {
        self.timeline.forget_other_clusters(mine);
        let foreign = |incident: &&Incident| {
            incident.findings.first().is_some_and(|finding| finding.resource.cluster != mine)
        };
        let subjects: Vec<String> =
            self.incidents.open().filter(foreign).map(|i| i.subject.clone()).collect();
        let mut effects = Vec::new();
        for subject in subjects {
            let because = || format!("it is no longer watched: this host is called {mine} now");
            let update = self.incidents.update(&subject, Vec::new(), true, because, now);
            self.follow(update, now, &mut effects);
        }
        effects
    }

    /// Hinomi is alive and sees: noted for the next start.
    pub fn note_alive(&mut self, now: Nanos) {
        let clusters: Vec<String> = self.timeline.runtimes.keys().cloned().collect();
        for cluster in clusters {
            self.timeline.note_alive(&cluster, now);
        }
        self.heat.pass(now);
    }

    /// Folds a change and judges what it touched. `stored` says whether it is durable.
    pub fn observe(&mut self, change: &StateChange, stored: bool) -> Vec<Effect> {
        let at = change.observed_at;
        self.settle_before(change);
        let touched = self.timeline.apply(change);
        self.feel_change(change);
        let blind = !self.sees(&change.resource.cluster);
        let subjects = match touched {
            Touched::Nothing => return Vec::new(),
            // Looked at when everything is compared; only the kernel's word is certain now.
            Touched::Workloads(_) if blind && change.source != Source::Kernel => return Vec::new(),
            Touched::Runtime(cluster) if blind => {
                vec![Subject::Runtime(cluster.clone()), Subject::Gaps(cluster)]
            }
            Touched::Workloads(keys) => {
                let cluster = change.resource.cluster.clone();
                let mut subjects: Vec<Subject> = keys.into_iter().map(Subject::Workload).collect();
                // Its runtime's incident may rest on this container (it came back, or did not).
                if self.rests_on_runtime(&change.resource.uid) {
                    subjects.push(Subject::Runtime(cluster));
                }
                subjects
            }
            Touched::Runtime(cluster) => self.subjects_of(&cluster),
        };
        self.look(subjects, at, stored, true)
    }

    fn sees(&self, cluster: &str) -> bool {
        self.timeline.runtimes.get(cluster).is_none_or(hinomi_timeline::Runtime::sees)
    }

    /// A runtime and all workloads in its cluster.
    fn subjects_of(&self, cluster: &str) -> Vec<Subject> {
        let here = self.timeline.workloads.keys().filter(|key| key.cluster == cluster).cloned();
        let workloads: Vec<Subject> = here.map(Subject::Workload).collect();
        // A workload that vanished while nobody looked (a rename) may have left an incident.
        let orphan = |incident: &Incident| {
            let key = incident.findings.first().and_then(|finding| WorkloadKey::of(&finding.resource))?;
            let vanished = key.cluster == cluster && !self.timeline.workloads.contains_key(&key);
            vanished.then_some(Subject::Workload(key))
        };
        let orphans: Vec<Subject> = self.incidents.open().filter_map(orphan).collect();
        let own = [Subject::Runtime(cluster.to_owned()), Subject::Gaps(cluster.to_owned())];
        own.into_iter().chain(workloads).chain(orphans).collect()
    }

    fn rests_on_runtime(&self, uid: &str) -> bool {
        use hinomi_timeline::DeviationKind::NotBack;
        let track = self.timeline.tracks.get(uid);
        track.is_some_and(|track| {
            let open = track.deviation.as_ref().is_some_and(|deviation| deviation.kind == NotBack);
            open || track.ledger.back().is_some_and(|closed| closed.deviation.kind == NotBack)
        })
    }

    /// Judges what is due. Call at [`Judge::next_deadline`]; calling early or twice does no harm.
    pub fn tick(&mut self, now: Nanos, stored: bool) -> Vec<Effect> {
        self.heat.pass(now);
        let mut due = Vec::new();
        while let Some((at, subject)) = self.deadlines.first().cloned() {
            if at > now {
                break;
            }
            self.deadlines.remove(&(at, subject.clone()));
            self.deadline_of.remove(&subject);
            due.push(subject);
        }
        self.look(due, now, stored, false)
    }

    /// When something is due by itself.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Nanos> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    fn look(&mut self, subjects: Vec<Subject>, now: Nanos, stored: bool, changed: bool) -> Vec<Effect> {
        let mut effects = Vec::new();
        for subject in subjects {
            match &subject {
                Subject::Workload(key) => {
                    self.look_at_workload(key, &subject, now, stored, changed, &mut effects);
                }
                Subject::Runtime(cluster) => {
                    self.look_at_runtime(cluster, &subject, now, stored, &mut effects);
                }
                Subject::Gaps(cluster) => self.look_at_gaps(cluster, &subject, now, stored, &mut effects),
                // Between two rounds nothing changes; only what came back may have to be told.
                Subject::Numbers(name) => {
                    let found = self.incidents.open_findings(name).cloned().collect();
                    self.show_numbers(&subject, found, "", now, stored, &mut effects);
                }
            }
        }
        effects
    }

    fn look_at_workload(
        &mut self,
        key: &WorkloadKey,
        subject: &Subject,
        now: Nanos,
        stored: bool,
        changed: bool,
        effects: &mut Vec<Effect>,
    ) {
        // While the runtime is away nothing is seen of it: time alone neither fires nor resolves anything.
        let blind = !self.sees(&key.cluster);
        if blind && !changed {
            return;
        }
        self.timeline.settle(key, now);
        let outlook = self.timeline.assess(key, now);
        // Blind: only what the kernel just said is certain; everything else stays as it was found.
        let certain = outlook.assessments.iter().filter(|a| !blind || a.deviation.oom);
        let mut found: Vec<Finding> = certain.filter_map(|a| inspection::find(a, now)).collect();
        let deadline = outlook.deadline;
        if blind && found.is_empty() {
            return;
        }
        if blind {
            let known: Vec<Finding> = self.incidents.open_findings(&subject.to_string()).cloned().collect();
            let kept: Vec<Finding> =
                known.into_iter().filter(|old| found.iter().all(|new| new.id != old.id)).collect();
            found.extend(kept);
        }
        let timeline = &self.timeline;
        let because = || because(timeline, key);
        let update = self.incidents.update(&subject.to_string(), found, stored, because, now);
        let again = self.incidents.tell_again_at(&subject.to_string()).filter(|at| *at > now);
        self.set_deadline(subject, [deadline, again].into_iter().flatten().min());
        self.follow(update, now, effects);
    }

    fn look_at_runtime(
        &mut self,
        cluster: &str,
        subject: &Subject,
        now: Nanos,
        stored: bool,
        effects: &mut Vec<Effect>,
    ) {
        let wait = runtime::blind_until(&self.timeline, cluster);
        if wait.is_some_and(|until| until <= now) {
            self.timeline.end_blind(cluster);
            self.feel_sight(now);
            let all = self.subjects_of(cluster);
            effects.extend(self.look(all, now, stored, true));
            return;
        }
        let (found, deadline) = runtime::find(&self.timeline, cluster, now);
        let deadline = [deadline, wait].into_iter().flatten().min();
        let settling = runtime::settling_until(&self.timeline, cluster, now).filter(|_| found.is_empty());
        let again = self.incidents.tell_again_at(&subject.to_string()).filter(|at| *at > now);
        self.set_deadline(subject, [deadline, settling, again].into_iter().flatten().min());
        // It is up and its collector compares, or it has to prove itself: nothing is over yet.
        if settling.is_some() || wait.is_some() {
            return;
        }
        let because = || "it answers again and is stable".to_owned();
        let update = self.incidents.update(&subject.to_string(), found, stored, because, now);
        self.follow(update, now, effects);
    }

    fn look_at_gaps(
        &mut self,
        cluster: &str,
        subject: &Subject,
        now: Nanos,
        stored: bool,
        effects: &mut Vec<Effect>,
    ) {
        let (found, deadline) = runtime::gaps(&self.timeline, cluster, now);
        self.set_deadline(subject, deadline);
        let because = || "nothing more was missed since".to_owned();
        let update = self.incidents.update(&subject.to_string(), found, stored, because, now);
        self.follow(update, now, effects);
    }

    /// Judges what was measured. What a round does not tell of stays as it is.
    pub fn observe_numbers(&mut self, round: &Round, rules: &Rules, now: Nanos, stored: bool) -> Vec<Effect> {
        let steps = self.watches.take(round, rules, &self.timeline, &self.incidents, now);
        let mut effects = Vec::new();
        for step in steps {
            let (key, found, because) = match step {
                Step::Show(key, finding) => (key, vec![*finding], String::new()),
                Step::Over(key, because) => (key, Vec::new(), because),
            };
            self.show_numbers(&Subject::Numbers(key.subject()), found, &because, now, stored, &mut effects);
        }
        effects
    }

    fn show_numbers(
        &mut self,
        subject: &Subject,
        found: Vec<Finding>,
        because: &str,
        now: Nanos,
        stored: bool,
        effects: &mut Vec<Effect>,
    ) {
        let name = subject.to_string();
        let update = self.incidents.update(&name, found, stored, || because.to_owned(), now);
        let again = self.incidents.tell_again_at(&name).filter(|at| *at > now);
        self.set_deadline(subject, again);
        self.follow(update, now, effects);
    }

    fn set_deadline(&mut self, subject: &Subject, deadline: Option<Nanos>) {
        if let Some(old) = self.deadline_of.remove(subject) {
            self.deadlines.remove(&(old, subject.clone()));
        }
        if let Some(at) = deadline {
            self.deadline_of.insert(subject.clone(), at);
            self.deadlines.insert((at, subject.clone()));
        }
    }

    /// Turns an update into what is to be stored and said.
    fn follow(&mut self, update: Option<Update>, now: Nanos, effects: &mut Vec<Effect>) {
        let Some(Update { incident, material, news, tell }) = update else { return };
        self.feel_incident(&incident, now);
        self.endings.take(&incident, &self.timeline);
        if !tell {
            if material {
                effects.push(Effect::Store { incident: Box::new(incident), news });
            }
            return;
        }
        let receivers: Vec<String> = self.whom_to_tell(&incident, now);
        let sequence = incident.sequence.saturating_add(1);
        let names: Vec<&str> = receivers.iter().map(String::as_str).collect();
        let level = if names.is_empty() { Level::None } else { incident.level };
        let told = if names.is_empty() {
            Some(incident.clone())
        } else {
            self.incidents.told(&incident.key, sequence, &names, level)
        };
        let Some(incident) = told else { return };
        if material || !names.is_empty() {
            effects.push(Effect::Store { incident: Box::new(incident.clone()), news });
        }
        let Some(root) = incident.root_finding() else { return };
        let body = notify::body(&incident, root, sequence, incident.status, &self.url_base);
        for receiver in receivers {
            let (key, body) = (incident.key.clone(), body.clone());
            let message = Message { receiver, incident: key, sequence, queued_at: now, body };
            effects.push(Effect::Tell(Box::new(message)));
        }
    }

    /// Firing: receivers of the level that were not told this level yet. Over: everybody who was told.
    fn whom_to_tell(&self, incident: &Incident, now: Nanos) -> Vec<String> {
        if incident.status == IncidentStatus::Resolved {
            return incident.told.iter().map(|(name, _)| name.clone()).collect();
        }
        let told =
            |name: &str| incident.told.iter().find(|(known, _)| known == name).map(|(_, level)| *level);
        let news = has_new_cause(incident) || is_back(incident, now);
        let names = self.routes.receivers(incident.level).into_iter();
        let untold = |name: &&str| told(name).is_none_or(|level| level < incident.level);
        names.filter(|name| news || untold(name)).map(str::to_owned).collect()
    }
}

/// Why nothing is wrong with a workload any more: the newest line of its healing ledger.
fn because(timeline: &Timeline, key: &WorkloadKey) -> String {
    let workload = timeline.workloads.get(key);
    let closed = workload.into_iter().flat_map(|workload| workload.tracks(&timeline.tracks));
    let newest = closed.filter_map(|track| track.ledger.back()).max_by_key(|closed| closed.closed_at);
    newest.map_or_else(
        || "it is gone".to_owned(),
        |closed| {
            let took = closed.healed_at.since(closed.deviation.bad_since);
            match closed.healed {
                true => format!("{} in {}", closed.because, hinomi_timeline::duration_words(took)),
                false => closed.because.clone(),
            }
        },
    )
}
