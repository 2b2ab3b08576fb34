//! `hinomi status`: how Hinomi itself is.

use hinomi_model::{GapReason, Level};
use hinomi_timeline::duration_words;

use super::style::{Paint, bad, bytes, good, heading, labelled, level, off, pad, paint};
use super::time;
use crate::terminal::Page;
use crate::view::{Gap, MetricsEngine, Receiver, Right, Status, Store};

/// Gaps shown without `-v`.
const GAPS: usize = 5;
/// Counters whose name has one of these tell of something lost; they are shown when they are not zero.
const LOSSES: [&str; 8] =
    ["dropped", "shed", "rejected", "overflow", "lost", "gave_up", "without_receiver", "missed"];
/// Name under which `up` reports rights among the collectors.
pub(crate) const RIGHTS: &str = "rights";
/// Name under which the API tells of its certificate, among the collectors too.
pub(crate) const TLS: &str = "tls";

/// The whole answer.
pub(crate) fn text(page: &Page, status: &Status, verbose: bool) -> String {
    let mut out = head(page, status);
    out.push_str(&collectors(page, status));
    out.push_str(&receivers(page, status));
    out.push_str(&format!("\n{}", heading(page, "Store")));
    out.push_str(&store(page, &status.store, &status.data_dir));
    if let Some(engine) = &status.metrics {
        out.push_str(&format!("\n{}", heading(page, "Metrics")));
        out.push_str(&metrics(page, engine));
    }
    let (used, limit) = (bytes(status.memory_used_bytes), bytes(status.memory_limit_bytes));
    out.push_str(&format!("\n{}", heading(page, "Memory budget")));
    out.push_str(&format!("    {used} of {limit} in use by queues and caches\n"));
    out.push_str(&gaps(page, &status.gaps, verbose));
    out.push_str(&counters(page, status, verbose));
    out
}

fn head(page: &Page, status: &Status) -> String {
    let up = duration_words(time::between(status.started_at.0, page.now));
    let totals = &status.totals;
    let mut out = heading(page, &format!("Hinomi {} on {}", status.version, status.cluster));
    out.push_str(&labelled(page, "up", 8, &format!("{up}, since {}", time::local(page, status.started_at))));
    let scheme = if status.collectors.iter().any(|one| one.name == TLS) { "https" } else { "http" };
    out.push_str(&labelled(page, "API", 8, &format!("{scheme}://{}", status.listen)));
    let watched = format!(
        "{} containers ({} running) in {} workloads",
        totals.containers, totals.running, totals.workloads
    );
    out.push_str(&labelled(page, "watched", 8, &watched));
    let counted = [(Level::Alert, totals.alert), (Level::Notice, totals.notice), (Level::None, totals.none)];
    let open = counted.map(|(of, count)| format!("{} {count}", level(page, of))).join("   ");
    out.push_str(&format!("  {}  {open}\n", pad("open", 8)));
    out
}

fn collectors(page: &Page, status: &Status) -> String {
    let mut out = format!("\n{}", heading(page, "Collectors"));
    let (rights, others): (Vec<_>, Vec<_>) = status.collectors.iter().partition(|c| c.name == RIGHTS);
    if others.is_empty() {
        out.push_str("    none: this process only shows what is stored (`hinomi up` watches)\n");
    }
    for collector in others {
        let sign = if collector.ok { good(page) } else { bad(page) };
        out.push_str(&labelled(page, &format!("{sign} {}", collector.name), 10, &collector.detail));
    }
    let listed = rights.iter().filter_map(|c| c.facts.get("rights").cloned());
    let missing: Vec<Right> = listed
        .filter_map(|list| serde_json::from_value::<Vec<Right>>(list).ok())
        .flatten()
        // The collector's own line says what is wrong with the socket.
        .filter(|right| !right.on && right.feature != "docker")
        .collect();
    if !missing.is_empty() {
        out.push_str(&format!("\n{}", heading(page, "Features that are off")));
        let width = missing.iter().map(|right| right.feature.len()).max().unwrap_or(0) + 2;
        for right in &missing {
            out.push_str(&labelled(page, &format!("{} {}", off(page), right.feature), width, &right.detail));
        }
    }
    out
}

fn receivers(page: &Page, status: &Status) -> String {
    let mut out = format!("\n{}", heading(page, "Receivers"));
    if status.receivers.is_empty() {
        out.push_str(&labelled(
            page,
            &off(page),
            1,
            "none is configured: findings are shown by `hinomi findings` only",
        ));
        return out;
    }
    out.push_str(&receiver_lines(page, &status.receivers));
    if !status.unheard_levels.is_empty() {
        let levels: Vec<&str> = status.unheard_levels.iter().map(|level| level.as_str()).collect();
        let text = format!("nobody is told of: {}; add a route for it", levels.join(", "));
        out.push_str(&labelled(page, &bad(page), 1, &text));
    }
    out
}

/// One receiver each: whether it accepts, what it got, what waits.
pub(crate) fn receiver_lines(page: &Page, receivers: &[Receiver]) -> String {
    let names = receivers.iter().map(|receiver| super::style::columns(&receiver.name));
    let width = names.max().unwrap_or(0) + 2;
    let line = |receiver: &Receiver| {
        let sign = if receiver.failing_since.is_none() { good(page) } else { bad(page) };
        labelled(page, &format!("{sign} {}", receiver.name), width, &receiver_words(page, receiver))
    };
    receivers.iter().map(line).collect()
}

fn receiver_words(page: &Page, receiver: &Receiver) -> String {
    let mut words = format!("{} to {}: {} accepted", receiver.kind, receiver.url_host, receiver.sent);
    if let Some(at) = receiver.last_accepted_at {
        words.push_str(&format!(", the last {}", time::ago(page, at)));
    }
    if receiver.waiting > 0 {
        words.push_str(&format!(", {} waiting", receiver.waiting));
    }
    if receiver.gave_up > 0 {
        words.push_str(&format!(", {} given up", receiver.gave_up));
    }
    if let Some(since) = receiver.failing_since {
        let error = receiver.last_error.as_deref().unwrap_or("no error text");
        words.push_str(&format!("; failing since {}: {error}", time::local(page, since)));
    }
    words
}

fn store(page: &Page, store: &Store, data_dir: &str) -> String {
    let sign = if store.ok { good(page) } else { bad(page) };
    let mut words = format!("{data_dir}: {}", bytes(store.disk_bytes));
    if let Some(oldest) = store.oldest_at {
        words.push_str(&format!(", the oldest record is of {}", time::local(page, oldest)));
    }
    if store.queued > 0 {
        words.push_str(&format!(", {} records wait", store.queued));
    }
    if store.dropped > 0 {
        words.push_str(&format!(", {} records are lost", store.dropped));
    }
    if let Some(since) = store.failing_since {
        let error = store.last_error.as_deref().unwrap_or("no error text");
        words.push_str(&format!("; it refuses since {}: {error}", time::local(page, since)));
    }
    labelled(page, &sign, 1, &words)
}

/// What the engine of metrics holds, how busy it is, and what it did not take.
pub(super) fn metrics(page: &Page, engine: &MetricsEngine) -> String {
    let sign = if engine.ok { good(page) } else { bad(page) };
    let mut held = format!(
        "{} series in memory, {} samples stored since the start, {} samples in {} blocks; {} of {} on disk",
        engine.series,
        engine.appended,
        engine.block_samples,
        engine.blocks,
        bytes(engine.disk_bytes),
        bytes(engine.disk_max_bytes)
    );
    if !engine.ok {
        let error = engine.last_error.as_deref().unwrap_or("no error text");
        held.push_str(&format!("; it refuses: {error}"));
    }
    let mut out = labelled(page, &sign, 1, &held);
    let queries = format!("queries: {} at work, {} waiting", engine.queries_running, engine.queries_waiting);
    out.push_str(&labelled(page, "", 1, &queries));
    let rejected: Vec<String> = engine
        .rejected
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(reason, count)| format!("{reason}: {count}"))
        .collect();
    if !rejected.is_empty() {
        let text = format!("samples not stored since the start: {}", rejected.join("; "));
        out.push_str(&labelled(page, &off(page), 1, &text));
    }
    if !engine.damage.is_empty() {
        let text = format!("could not be read at the start: {}", engine.damage.join("; "));
        out.push_str(&labelled(page, &bad(page), 1, &text));
    }
    out
}

fn gaps(page: &Page, gaps: &[Gap], verbose: bool) -> String {
    if gaps.is_empty() {
        return String::new();
    }
    let mut out = format!("\n{}", heading(page, "Gaps: times in which Hinomi did not see everything"));
    let shown = if verbose { usize::MAX } else { GAPS };
    for gap in gaps.iter().take(shown) {
        let why = match gap.reason {
            GapReason::NotRunning => "Hinomi was not running",
            GapReason::RuntimeAway => "the runtime did not answer",
            GapReason::Overflow => "more came than could be taken",
            GapReason::NotStored => "the disk refused",
            GapReason::Inconsistent => "events were missing",
        };
        let took = duration_words(time::between(gap.from.0, gap.to.0));
        let lost =
            if gap.lost.is_empty() { String::new() } else { format!("; lost: {}", gap.lost.join("; ")) };
        out.push_str(&labelled(page, &time::local(page, gap.from), 8, &format!("{took}: {why}{lost}")));
    }
    if gaps.len() > shown {
        out.push_str(&format!("  {} more: -v\n", gaps.len() - shown));
    }
    out
}

fn counters(page: &Page, status: &Status, verbose: bool) -> String {
    let tells =
        |name: &str, value: u64| verbose || (value > 0 && LOSSES.iter().any(|loss| name.contains(loss)));
    let shown: Vec<_> = status.counters.iter().filter(|(name, value)| tells(name, **value)).collect();
    if shown.is_empty() {
        return String::new();
    }
    let title = if verbose { "Counters" } else { "Counters that tell of a loss" };
    let mut out = format!("\n{}", heading(page, title));
    let width = shown.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in shown {
        let value = if verbose { value.to_string() } else { paint(page, Paint::Yellow, &value.to_string()) };
        out.push_str(&format!("  {}  {value}\n", pad(name, width)));
    }
    out
}
