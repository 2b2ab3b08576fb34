//! The evidence of a finding: facts, state changes, log lines.

use std::time::Duration;

use hinomi_model::{FindingEvidence, HealingState, Nanos};
use hinomi_timeline::{Assessment, bytes_words, duration_words, exit_words};

/// A container created within this time is a change worth naming.
const RECENT_CHANGE: Duration = Duration::from_secs(3600);

/// Everything that shows a container's deviation.
pub(crate) fn of(a: &Assessment<'_>, now: Nanos) -> FindingEvidence {
    let mut facts: Vec<(String, String)> = Vec::new();
    let mut fact = |label: &str, value: String| facts.push((label.to_owned(), value));
    let track = a.track;
    let serving = format!("{} ({})", a.serving.words(), replicas(a));
    fact("serving", serving);
    if let Some(end) = track.last_end() {
        fact("last end", format!("{} at {}", exit_words(end.code), end.occurred_at.rfc3339()));
        if let Some(ran) = end.ran_for {
            fact("ran for", duration_words(ran));
        }
    }
    if let Some(seen) = track.last_oom() {
        oom_facts(seen, track.spec.memory_limit_bytes, &mut fact);
    }
    fact("restart policy", healer_line(a));
    if let Some(looped) = &a.looped {
        fact("loop", format!("{} ends, every {} on average", looped.count, duration_words(looped.period)));
    }
    if let Some(probe) = track.health.as_ref().and_then(|health| health.last_probe.clone()) {
        fact("last health probe", probe);
    }
    fact("image", track.spec.image.clone());
    if !track.spec.command.is_empty() {
        fact("command", track.spec.command.clone());
    }
    let young = now.since(track.first_seen_at) <= RECENT_CHANGE && track.spec.created_at.is_some();
    if let Some(created) = track.spec.created_at.filter(|_| young) {
        fact("changed before", format!("created {} with image {}", created.rfc3339(), track.spec.image));
    }
    let log = track.last_end().and_then(|end| end.log.clone());
    FindingEvidence { facts, changes: track.recent.iter().cloned().collect(), log, numbers: None }
}

fn replicas(a: &Assessment<'_>) -> String {
    let members = a.workload.members.len();
    if members == 1 { "1 instance".to_owned() } else { format!("{members} instances known") }
}

fn oom_facts(seen: &hinomi_timeline::OomSeen, limit_bytes: u64, fact: &mut impl FnMut(&str, String)) {
    if limit_bytes > 0 {
        fact("memory limit", bytes_words(limit_bytes));
    }
    if let Some(peak) = seen.oom.peak_bytes {
        fact("peak memory", bytes_words(peak));
    }
    if let Some((comm, pid)) = seen.oom.victim_comm.as_ref().zip(seen.oom.victim_pid) {
        let rss = seen
            .oom
            .victim_rss_kib
            .map_or_else(String::new, |kib| format!(", resident {}", bytes_words(kib.saturating_mul(1024))));
        fact("victim", format!("{comm} (pid {pid}{rss})"));
    }
    let witness = match seen.oom.witness {
        hinomi_model::OomWitness::Tracefs => "kernel tracepoint oom/mark_victim",
        hinomi_model::OomWitness::Kmsg => "kernel log",
        hinomi_model::OomWitness::Cgroup => "cgroup counter",
        hinomi_model::OomWitness::Runtime => "runtime event",
    };
    fact("witness", witness.to_owned());
}

fn healer_line(a: &Assessment<'_>) -> String {
    let policy = a.track.spec.restart;
    let state = match a.healing.state {
        HealingState::Working => "working",
        HealingState::Overdue => "overdue",
        HealingState::Stopped => "stopped",
        HealingState::HealerDown => "not acting",
        HealingState::Done => "done",
    };
    let tries = match a.healing.tries {
        0 => String::new(),
        1 => ", 1 try".to_owned(),
        many => format!(", {many} tries in a row"),
    };
    format!("{policy} ({state}{tries})")
}
