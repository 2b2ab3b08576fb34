//! What a finding over numbers says: cause, level, evidence.

use std::sync::Arc;

use hinomi_model::{
    Finding, FindingEvidence, Healing, Level, Nanos, NumberEvidence, NumberUnit, RestartPolicy,
};
use hinomi_timeline::level::Verdict;
use hinomi_timeline::{Timeline, bytes_words, duration_words};

use super::check::Harm;
use super::trend::{Trend, shown};
use super::{Check, Key, Reading, Rules};
use crate::inspection::finding_id;
use crate::working_hours::forecast_level;

/// Samples that a finding keeps.
const SAMPLES_MAX: usize = 32;
/// Facts beside its own.
const FACTS_MAX: usize = 16;
/// Longest query that a finding keeps, bytes.
const QUERY_MAX_BYTES: usize = 4096;

pub(super) fn of(
    key: &Key,
    reading: &Reading,
    (class, trend, harm): (&'static str, Option<Trend>, Harm),
    started_at: Nanos,
    rules: &Rules,
    timeline: &Timeline,
    now: Nanos,
) -> Finding {
    let verdict = verdict(reading, harm, rules, timeline, now);
    Finding {
        id: finding_id(&key.cluster, &key.subject(), started_at),
        inspection: key.check.id().to_owned(),
        resource: Arc::clone(&reading.resource),
        level: verdict.level,
        level_reason: verdict.reason,
        cause: cause(reading, class, trend),
        cause_class: class.to_owned(),
        stage: None,
        stages: Vec::new(),
        healing: Healing { healer: "nobody".to_owned(), ..Healing::default() },
        started_at,
        resolved_at: None,
        evidence: evidence(reading, trend, now),
    }
}

fn verdict(reading: &Reading, harm: Harm, rules: &Rules, timeline: &Timeline, now: Nanos) -> Verdict {
    let notice = |reason: &str| Verdict { level: Level::Notice, reason: reason.to_owned() };
    match harm {
        Harm::Now => forecast_level(now, now, &rules.hours),
        // What would come is a kill, and that is healed at once: as loud as the kill itself would be.
        Harm::In(_) if reading.check == Check::MemoryLimit && is_restarted(reading, timeline) => {
            notice("its restart policy heals what would come")
        }
        Harm::In(time) => forecast_level(now, now.plus(time), &rules.hours),
        Harm::Risk => notice("a risk: nothing is broken yet"),
    }
}

fn is_restarted(reading: &Reading, timeline: &Timeline) -> bool {
    let track = timeline.tracks.get(&reading.resource.uid);
    track.is_some_and(|track| match track.spec.restart {
        RestartPolicy::No => false,
        // Its tries may be used up.
        RestartPolicy::OnFailure { max_retries } => max_retries == 0 || track.restarts < max_retries,
        RestartPolicy::Always | RestartPolicy::UnlessStopped => true,
    })
}

/// Why it is over.
pub(super) fn over(reading: &Reading) -> String {
    match reading.check {
        _ if reading.is_unlimited() => "it has no limit any more".to_owned(),
        Check::CpuThrottled | Check::HostPressure => "it has been well below its mark for a while".to_owned(),
        _ => format!("{} % in use for a while, and not near its limit any more", percent(reading.share())),
    }
}

fn cause(reading: &Reading, class: &str, trend: Option<Trend>) -> String {
    let (name, part) = (&reading.resource.name, &reading.part);
    let used = percent(reading.share());
    let (value, limit) = (whole(reading.value), whole(reading.limit));
    let left = limit.saturating_sub(value);
    let full_in = trend.map(|trend| duration_words(trend.full_in)).unwrap_or_default();
    let an_hour = whole(trend.map_or(0.0, |trend| trend.per_second * 3600.0));
    match (reading.check, class) {
        (Check::MemoryLimit, _) => format!(
            "{name} uses {} of its memory limit of {} and grows by {} an hour: full in {full_in}",
            bytes_words(value),
            bytes_words(limit),
            bytes_words(an_hour)
        ),
        (Check::CpuThrottled, _) => {
            format!(
                "{name} is held back by its CPU limit: it had to wait in {} % of its periods",
                percent(reading.value)
            )
        }
        (Check::Filesystem, "full") => format!("the filesystem {part} is full"),
        (Check::Filesystem, "filling") => format!(
            "the filesystem {part} is {used} % full and fills by {} an hour: full in {full_in}",
            bytes_words(an_hour)
        ),
        (Check::Filesystem, _) => {
            format!("the filesystem {part} is {used} % full: {} left", bytes_words(left))
        }
        (Check::Inodes, "full") => format!("the filesystem {part} has no inode left: no file can be made"),
        (Check::Inodes, "filling") => format!(
            "the filesystem {part} has {used} % of its inodes in use and takes {an_hour} more an hour: none left in {full_in}"
        ),
        (Check::Inodes, _) => format!("the filesystem {part} has {used} % of its inodes in use: {left} left"),
        (Check::HostPressure, _) => pressure(reading, class),
        (Check::OpenFiles, "reached") => {
            format!("{name} has {value} of at most {limit} files open: no more can be opened")
        }
        (Check::OpenFiles, _) => format!("{name} has {value} of at most {limit} files open"),
        (Check::Pids, "reached") => {
            format!("{name} has {value} of at most {limit} processes and threads: no more can be started")
        }
        (Check::Pids, _) => format!("{name} has {value} of at most {limit} processes and threads"),
    }
}

fn pressure(reading: &Reading, class: &str) -> String {
    let name = &reading.resource.name;
    let share = percent(reading.value);
    match class {
        "memory" => format!("{name} is short of memory: some process waited for it {share} % of the time"),
        "memory_stalled" => {
            format!("{name} is out of memory: all processes waited for it {share} % of the time")
        }
        "io" => format!("{name} is short of disk time: some process waited for a disk {share} % of the time"),
        "cpu" => format!("{name} is short of CPU time: some process waited for a CPU {share} % of the time"),
        "load" => format!("{name} has a load of {:.1} for each CPU", reading.value),
        "swap" => format!("{name} swaps {} pages a second", whole(reading.value)),
        _ => format!("{name} reads {} pages a second back from disk", whole(reading.value)),
    }
}

fn evidence(reading: &Reading, trend: Option<Trend>, now: Nanos) -> FindingEvidence {
    let unit = reading.unit;
    let mut facts: Vec<(String, String)> = Vec::new();
    let mut fact = |label: &str, value: String| facts.push((label.to_owned(), value));
    match reading.check {
        Check::CpuThrottled | Check::HostPressure => {
            fact("measured", amount(reading.value, unit));
            fact("worth a finding from", amount(reading.limit, unit));
        }
        _ => {
            fact("in use", format!("{} ({} %)", amount(reading.value, unit), percent(reading.share())));
            fact("limit", amount(reading.limit, unit));
        }
    }
    if let Some(trend) = trend {
        fact("growth", format!("{} an hour", amount(trend.per_second * 3600.0, unit)));
        fact("full at", now.plus(trend.full_in).rfc3339());
    }
    facts.extend(reading.facts.iter().take(FACTS_MAX).cloned());
    let query = reading.query.get(..QUERY_MAX_BYTES).unwrap_or(&reading.query).to_owned();
    facts.push(("query".to_owned(), query.clone()));
    let samples = match reading.samples.as_slice() {
        [] => vec![(now, reading.value)],
        samples => shown(samples, SAMPLES_MAX),
    };
    let numbers = NumberEvidence {
        explore: explore(&query),
        query,
        unit,
        at: now,
        value: reading.value,
        limit: reading.limit,
        per_second: trend.map(|trend| trend.per_second),
        full_at: trend.map(|trend| now.plus(trend.full_in)),
        samples,
    };
    FindingEvidence { facts, numbers: Some(Arc::new(numbers)), ..FindingEvidence::default() }
}

/// The page that asks this.
fn explore(query: &str) -> String {
    let mut parameters = url::form_urlencoded::Serializer::new(String::new());
    parameters.append_pair("g0.expr", query);
    format!("/explore?{}", parameters.finish())
}

fn amount(value: f64, unit: NumberUnit) -> String {
    match unit {
        NumberUnit::Bytes => bytes_words(whole(value)),
        NumberUnit::Count if value < 100.0 && value.fract() != 0.0 => format!("{value:.1}"),
        NumberUnit::Count => whole(value).to_string(),
        NumberUnit::Share => format!("{} %", percent(value)),
    }
}

/// Whole percent; what is not quite full is not called full.
fn percent(share: f64) -> u64 {
    let rounded = whole(share * 100.0);
    if share < 1.0 { rounded.min(99) } else { rounded }
}

/// The nearest whole number of what is finite and not negative; else 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded just before")]
fn whole(value: f64) -> u64 {
    const MOST: f64 = 9.0e18;
    if value.is_finite() { value.round().clamp(0.0, MOST) as u64 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_words() {
        let table = [
            (amount(1_073_741_823.9, NumberUnit::Bytes), "1 GiB"),
            (amount(1.5, NumberUnit::Count), "1.5"),
            (amount(2.0, NumberUnit::Count), "2"),
            (amount(1234.6, NumberUnit::Count), "1235"),
            (amount(67_108_864.0, NumberUnit::Bytes), "64 MiB"),
            (amount(0.999, NumberUnit::Share), "99 %"),
            (amount(1.0, NumberUnit::Share), "100 %"),
            (amount(f64::NAN, NumberUnit::Bytes), "0 B"),
            (amount(-1.0, NumberUnit::Bytes), "0 B"),
        ];
        for (got, want) in table {
            assert_eq!(got, want);
        }
        assert_eq!(explore("a{b=\"c d\"} / 2"), "/explore?g0.expr=a%7Bb%3D%22c+d%22%7D+%2F+2");
    }
}
