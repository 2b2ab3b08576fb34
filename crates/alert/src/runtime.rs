//! Findings about a runtime: down, what did not come back with it, gaps.

use std::sync::Arc;
use std::time::Duration;

use hinomi_model::{
    Finding, FindingEvidence, GapReason, Healing, HealingState, Level, Nanos, ResourceId, ResourceKind,
    Tenant,
};
use hinomi_timeline::level::{Case, Serving, level};
use hinomi_timeline::{Assessment, DeviationKind, Runtime, Timeline, change_words, duration_words};

use crate::inspection::finding_id;

/// A runtime that does not answer for longer than this is down.
const DOWN: Duration = Duration::from_secs(60);
/// After it answers again for this long, it is over.
const STABLE: Duration = Duration::from_secs(30);
/// A gap is shown as a finding for this long.
const GAP_SHOWN: Duration = Duration::from_secs(600);

/// Findings about a runtime, and when to look again.
pub(crate) fn find(timeline: &Timeline, cluster: &str, now: Nanos) -> (Vec<Finding>, Option<Nanos>) {
    let Some(runtime) = timeline.runtimes.get(cluster) else { return (Vec::new(), None) };
    let mut findings = Vec::new();
    let mut deadlines = Vec::new();
    let id = Arc::new(resource(cluster));
    if let Some(down_at) = runtime.down_at {
        // Since when it is known to be away: not since before Hinomi began to look.
        let seen_down = down_at.max(timeline.begun_at);
        findings.push(down(&id, runtime, down_at, now.since(seen_down) >= DOWN));
        deadlines.push(seen_down.plus(DOWN));
    }
    let (missing, look_again) =
        if runtime.sees() { not_back(timeline, cluster, now) } else { (Vec::new(), None) };
    deadlines.extend(look_again);
    findings.extend(not_back_finding(&id, runtime, &missing));
    (findings, deadlines.into_iter().filter(|deadline| *deadline > now).min())
}

/// Recent gaps of a cluster as findings, and when to look again.
pub(crate) fn gaps(timeline: &Timeline, cluster: &str, now: Nanos) -> (Vec<Finding>, Option<Nanos>) {
    let Some(runtime) = timeline.runtimes.get(cluster) else { return (Vec::new(), None) };
    let id = Arc::new(resource(cluster));
    let shown = || runtime.gaps.iter().filter(|gap| now.since(gap.to) < GAP_SHOWN);
    (shown().map(|gap| gap_finding(&id, gap)).collect(), shown().map(|gap| gap.to.plus(GAP_SHOWN)).min())
}

/// A collector that came back compares within this time; then what is known counts as what is.
const COMPARE: Duration = Duration::from_secs(60);

/// Until when a runtime that is up again is not looked at because its collector still compares.
pub(crate) fn blind_until(timeline: &Timeline, cluster: &str) -> Option<Nanos> {
    let runtime = timeline.runtimes.get(cluster)?;
    (runtime.blind && runtime.is_up()).then(|| runtime.since.max(timeline.begun_at).plus(COMPARE))
}

/// Whether a runtime came back too recently to call its incident over.
pub(crate) fn settling_until(timeline: &Timeline, cluster: &str, now: Nanos) -> Option<Nanos> {
    let runtime = timeline.runtimes.get(cluster)?;
    let until = runtime.since.plus(STABLE);
    (runtime.is_up() && now < until).then_some(until)
}

/// The resource that a runtime is.
#[must_use]
pub fn resource(cluster: &str) -> ResourceId {
    ResourceId {
        tenant: Tenant::default(),
        cluster: cluster.to_owned(),
        kind: ResourceKind::Cluster,
        uid: cluster.to_owned(),
        name: format!("Docker on {cluster}"),
        node: cluster.to_owned(),
        workload: None,
    }
}

fn down(id: &Arc<ResourceId>, runtime: &Runtime, down_at: Nanos, late: bool) -> Finding {
    let state = if late { HealingState::HealerDown } else { HealingState::Working };
    let case = Case {
        healing: state,
        serving: Serving::Full,
        tries: 0,
        incurable: false,
        slow_loop: false,
        one_shot: false,
    };
    let verdict = level(&case);
    let version = runtime.state.as_ref().map_or("", |state| &state.version);
    let mut facts = vec![("not answering since".to_owned(), down_at.rfc3339())];
    if !version.is_empty() {
        facts.push(("version".to_owned(), version.to_owned()));
    }
    Finding {
        id: finding_id(&id.cluster, "runtime_down", down_at),
        inspection: "runtime_down".to_owned(),
        resource: Arc::clone(id),
        level: verdict.level,
        level_reason: verdict.reason,
        cause: format!(
            "{} does not answer; no container is started, restarted or checked meanwhile",
            id.name
        ),
        cause_class: "no_answer".to_owned(),
        stage: None,
        stages: Vec::new(),
        healing: Healing {
            healer: "the service manager of the host".to_owned(),
            action: "restart".to_owned(),
            state,
            ..Healing::default()
        },
        started_at: down_at,
        resolved_at: None,
        evidence: FindingEvidence { facts, ..FindingEvidence::default() },
    }
}

/// All containers of the cluster that did not come back.
fn not_back<'a>(timeline: &'a Timeline, cluster: &str, now: Nanos) -> (Vec<Assessment<'a>>, Option<Nanos>) {
    let mut missing = Vec::new();
    let mut deadline: Option<Nanos> = None;
    for key in timeline.workloads.keys().filter(|key| key.cluster == cluster) {
        let outlook = timeline.assess(key, now);
        let here = outlook.assessments.into_iter().filter(|a| a.deviation.kind == DeviationKind::NotBack);
        missing.extend(here);
        if timeline.workloads.get(key).is_some_and(|w| {
            w.tracks(&timeline.tracks)
                .any(|t| t.deviation.as_ref().is_some_and(|d| d.kind == DeviationKind::NotBack))
        }) {
            deadline = [deadline, outlook.deadline].into_iter().flatten().min();
        }
    }
    (missing, deadline)
}

fn not_back_finding(id: &Arc<ResourceId>, runtime: &Runtime, missing: &[Assessment<'_>]) -> Option<Finding> {
    let loudest = missing.iter().max_by_key(|a| a.verdict.level)?;
    let started_at = runtime.restarted_at.unwrap_or(loudest.deviation.started_at);
    let away: Vec<&Assessment<'_>> =
        missing.iter().filter(|a| a.track.state != hinomi_timeline::State::Running).collect();
    let names: Vec<&str> = away.iter().take(10).map(|a| a.track.id.name.as_str()).collect();
    let more = away.len().saturating_sub(names.len());
    let event = if runtime.rebooted { "the reboot of the host" } else { "the restart of the runtime" };
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    let cause = if names.is_empty() {
        format!("containers came back after {event}; waiting until all are stable")
    } else if loudest.verdict.level == Level::None {
        format!("{} container(s) are still coming back after {event}: {}{rest}", away.len(), names.join(", "))
    } else {
        format!("{} container(s) did not come back after {event}: {}{rest}", away.len(), names.join(", "))
    };
    let facts = missing.iter().take(50).map(|a| {
        let policy = a.track.spec.restart;
        (
            a.track.id.name.clone(),
            format!("{}, restart policy {policy}, {}", a.track.state.word(), a.verdict.reason),
        )
    });
    Some(Finding {
        id: finding_id(&id.cluster, "not_back", started_at),
        inspection: "not_back".to_owned(),
        resource: Arc::clone(id),
        level: loudest.verdict.level,
        level_reason: loudest.verdict.reason.clone(),
        cause,
        cause_class: if runtime.rebooted { "after_reboot" } else { "after_runtime_restart" }.to_owned(),
        stage: None,
        stages: Vec::new(),
        healing: loudest.healing.clone(),
        started_at,
        resolved_at: None,
        evidence: FindingEvidence { facts: facts.collect(), ..FindingEvidence::default() },
    })
}

/// A gap is a Notice where something was lost by Hinomi's own limits; else it is only recorded.
fn gap_finding(id: &Arc<ResourceId>, gap: &hinomi_model::Gap) -> Finding {
    let own = matches!(gap.reason, GapReason::Overflow | GapReason::Inconsistent);
    let loud = own && !gap.lost.is_empty();
    let class = match gap.reason {
        GapReason::NotRunning => "not_running",
        GapReason::RuntimeAway => "runtime_away",
        GapReason::Overflow => "overflow",
        GapReason::NotStored => "not_stored",
        GapReason::Inconsistent => "inconsistent",
    };
    let change = hinomi_model::StateChange {
        resource: Arc::clone(id),
        fact: hinomi_model::Fact::Gap(gap.clone()),
        old: None,
        reason: None,
        occurred_at: gap.to,
        observed_at: gap.to,
        source: hinomi_model::Source::Hinomi,
        evidence: None,
    };
    let facts = vec![
        ("from".to_owned(), gap.from.rfc3339()),
        ("to".to_owned(), gap.to.rfc3339()),
        ("length".to_owned(), duration_words(gap.to.since(gap.from))),
    ];
    let lost = gap.lost.iter().take(20).map(|what| ("lost".to_owned(), what.clone()));
    Finding {
        id: finding_id(&id.cluster, "gap", gap.from),
        inspection: "gap".to_owned(),
        resource: Arc::clone(id),
        level: if loud { Level::Notice } else { Level::None },
        level_reason: if loud {
            "something happened that Hinomi did not see".to_owned()
        } else {
            "everything that still exists was reconstructed".to_owned()
        },
        cause: change_words(&change),
        cause_class: class.to_owned(),
        stage: None,
        stages: Vec::new(),
        healing: Healing { healer: "Hinomi".to_owned(), state: HealingState::Done, ..Healing::default() },
        started_at: gap.from,
        resolved_at: None,
        evidence: FindingEvidence {
            facts: facts.into_iter().chain(lost).collect(),
            ..FindingEvidence::default()
        },
    }
}
