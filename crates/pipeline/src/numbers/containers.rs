//! What is measured of containers: memory, CPU time, processes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use hinomi_alert::numbers::Check;
use hinomi_model::NumberUnit;

use super::measure::{Draft, Measure, quoted};

/// A container is not judged by its CPU time before it ran this long: starting takes more than running.
const STARTED: Duration = Duration::from_mins(5);
/// Seconds of waiting a second below which nobody notices.
const WAITING_LEAST: f64 = 0.05;

pub(super) fn measure(measure: &mut Measure<'_>) {
    if measure.looks_at(Check::MemoryLimit) {
        memory(measure);
    }
    if measure.looks_at(Check::CpuThrottled) {
        throttled(measure);
    }
    if measure.looks_at(Check::Pids) {
        pids(measure);
    }
}

fn memory(measure: &mut Measure<'_>) {
    let of = measure.of_containers();
    let Some(used) = measure.by_container(&format!("container_memory_working_set_bytes{{{of}}}")) else {
        return;
    };
    let Some(limits) = measure.by_container(&format!("container_spec_memory_limit_bytes{{{of}}}")) else {
        return;
    };
    let mut drafts = Vec::new();
    for (id, value) in used {
        let Some(limit) = limits.get(&id).copied().map(or_none) else { continue };
        let Some(container) = measure.container(&id) else { continue };
        let name = quoted(&container.resource.name);
        let query = format!("container_memory_working_set_bytes{{{of},name={name}}}");
        let about = (NumberUnit::Bytes, value, limit);
        let reading = Measure::reading(Check::MemoryLimit, &container.resource, "", about, query);
        drafts.push(Draft { reading });
    }
    measure.add_with_past(Check::MemoryLimit, drafts);
}

/// A limit as the kernel's files tell it, 0 for none.
fn or_none(limit: f64) -> f64 {
    if limit > 0.0 { limit } else { f64::INFINITY }
}

/// Those whose CPU time is counted and not limited: nothing holds them back any more.
fn never_throttled(measure: &mut Measure<'_>) -> BTreeSet<String> {
    let of = measure.of_containers();
    let query = format!("container_spec_cpu_period{{{of}}} unless on (id) container_spec_cpu_quota{{{of}}}");
    let free: BTreeSet<String> = measure.by_container(&query).unwrap_or_default().into_keys().collect();
    for id in &free {
        let Some(resource) = measure.container(id).map(|container| Arc::clone(&container.resource)) else {
            continue;
        };
        let about = (NumberUnit::Share, 0.0, f64::INFINITY);
        measure.add(Measure::reading(Check::CpuThrottled, &resource, "", about, query.clone()));
    }
    free
}

/// Held back over 5 and over 15 minutes.
fn throttled(measure: &mut Measure<'_>) {
    let free = never_throttled(measure);
    let of = measure.of_containers();
    let share = |of: &str, span: &str| {
        format!(
            "rate(container_cpu_cfs_throttled_periods_total{{{of}}}[{span}]) / rate(container_cpu_cfs_periods_total{{{of}}}[{span}])"
        )
    };
    let Some(short) = measure.by_container(&share(&of, "5m")) else { return };
    if short.is_empty() {
        return;
    }
    let Some(long) = measure.by_container(&share(&of, "15m")) else { return };
    let waiting = format!("rate(container_cpu_cfs_throttled_seconds_total{{{of}}}[5m])");
    let Some(waiting) = measure.by_container(&waiting) else { return };
    let cpus = format!("container_spec_cpu_quota{{{of}}} / container_spec_cpu_period{{{of}}}");
    let cpus = measure.by_container(&cpus).unwrap_or_default();
    let mark = measure.settings().mark(Check::CpuThrottled).from_percent;
    for (id, short) in short {
        let Some(container) = measure.container(&id) else { continue };
        if free.contains(&id) || container.began.is_some_and(|began| measure.at.since(began) < STARTED) {
            continue;
        }
        // Nothing divided by nothing: it was idle.
        let number = |value: f64| if value.is_finite() { value } else { 0.0 };
        let (short, long) = (number(short), number(long.get(&id).copied().unwrap_or(0.0)));
        let waited = number(waiting.get(&id).copied().unwrap_or(0.0));
        let value = if waited < WAITING_LEAST { 0.0 } else { short.min(long) };
        let name = quoted(&container.resource.name);
        let query = share(&format!("{of},name={name}"), "5m");
        let about = (NumberUnit::Share, value, f64::from(mark) / 100.0);
        let mut reading = Measure::reading(Check::CpuThrottled, &container.resource, "", about, query);
        let percent = |share: f64| format!("{:.0} %", share * 100.0);
        reading.facts = vec![
            ("over 5 min".to_owned(), percent(short)),
            ("over 15 min".to_owned(), percent(long)),
            ("time waited".to_owned(), format!("{waited:.2} s each second")),
        ];
        if let Some(cpus) = cpus.get(&id).filter(|cpus| cpus.is_finite()) {
            reading.facts.push(("CPU limit".to_owned(), format!("{cpus:.2} CPUs")));
        }
        measure.add(reading);
    }
}

fn pids(measure: &mut Measure<'_>) {
    let of = measure.of_containers();
    let Some(most) = measure.by_container(&format!("container_threads_max{{{of}}}")) else { return };
    if most.is_empty() {
        return;
    }
    let Some(used) = measure.by_container(&format!("container_threads{{{of}}}")) else { return };
    for (id, value) in used {
        let Some(limit) = most.get(&id).copied().map(or_none) else { continue };
        let Some(container) = measure.container(&id) else { continue };
        let name = quoted(&container.resource.name);
        let query = format!("container_threads{{{of},name={name}}}");
        let about = (NumberUnit::Count, value, limit);
        let reading = Measure::reading(Check::Pids, &container.resource, "", about, query);
        measure.add(reading);
    }
}
