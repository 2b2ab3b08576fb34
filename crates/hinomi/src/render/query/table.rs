//! Answers and costs as tables.

use std::time::Duration;

use hinomi_timeline::duration_words;

use super::super::style::{self, Paint};
use super::{csv, series};
use crate::query::{Answered, Cost, Labels, Node, Sample, Stats, Stream, When};
use crate::terminal::Page;
use crate::view::Stamp;

/// With more labels each series is a name instead.
const COLUMNS_MAX: usize = 6;

/// An answer as a table.
pub(crate) fn text(page: &Page, answered: &Answered) -> String {
    match answered {
        Answered::Scalar((_, value)) | Answered::String((_, value)) => format!("{value}\n"),
        Answered::Vector(samples) if samples.is_empty() => none(),
        Answered::Matrix(streams) if streams.is_empty() => none(),
        Answered::Vector(samples) => vector(page, samples),
        Answered::Matrix(streams) => matrix(page, streams),
    }
}

fn none() -> String {
    "No series match.\n".to_owned()
}

/// A column for each label in which they differ; what they have in common stands above.
fn vector(page: &Page, samples: &[Sample]) -> String {
    let labels: Vec<&Labels> = samples.iter().map(|sample| &sample.metric).collect();
    let keys = series::differing(&labels);
    let value = |sample: &Sample| match (&sample.value, &sample.histogram) {
        (Some((_, value)), _) => value.clone(),
        (None, Some((_, histogram))) => series::histogram(histogram),
        (None, None) => String::new(),
    };
    let values = aligned(samples.iter().map(value).collect());
    if keys.is_empty() || keys.len() > COLUMNS_MAX {
        let row = |(labels, value): (&&Labels, String)| vec![series::name(labels, &[]), value];
        let rows: Vec<_> = labels.iter().zip(values).map(row).collect();
        return style::table(page, &["SERIES", "VALUE"], &rows, &[0]);
    }
    let titles: Vec<&str> = keys
        .iter()
        .map(|key| if *key == hinomi_series::METRIC_NAME { "metric" } else { key })
        .chain(["VALUE"])
        .collect();
    let row = |(labels, value): (&&Labels, String)| {
        keys.iter().map(|key| labels.get(*key).cloned().unwrap_or_default()).chain([value]).collect()
    };
    let rows: Vec<Vec<String>> = labels.iter().zip(values).map(row).collect();
    let flexible: Vec<usize> = (0..keys.len()).collect();
    format!("{}{}", common(page, &labels, &keys), style::table(page, &titles, &rows, &flexible))
}

/// The labels that all have, in a line.
pub(crate) fn common(page: &Page, labels: &[&Labels], keys: &[&str]) -> String {
    let Some(first) = labels.first() else { return String::new() };
    let shared = series::name(first, keys);
    if shared == "{}" {
        String::new()
    } else {
        format!("{}\n", style::paint(page, Paint::Dim, &format!("all: {shared}")))
    }
}

/// Right-aligned, unless there is a histogram among them.
fn aligned(values: Vec<String>) -> Vec<String> {
    if values.iter().any(|value| value.contains("observations")) {
        return values;
    }
    let width = values.iter().map(|value| style::columns(value)).max().unwrap_or(0);
    values.into_iter().map(|value| format!("{}{value}", " ".repeat(width - style::columns(&value)))).collect()
}

/// A row for each point.
fn matrix(page: &Page, streams: &[Stream]) -> String {
    let stamp = |seconds: f64| {
        csv::at(seconds).map(|at| super::super::time::local(page, Stamp(at))).unwrap_or_default()
    };
    let mut rows = Vec::new();
    for stream in streams {
        let name = series::name(&stream.metric, &[]);
        let values = stream.values.iter().map(|(at, value)| (*at, value.clone()));
        let histograms = stream.histograms.iter().map(|(at, one)| (*at, series::histogram(one)));
        rows.extend(values.chain(histograms).map(|(at, value)| vec![stamp(at), value, name.clone()]));
    }
    let values = aligned(rows.iter().filter_map(|row| row.get(1).cloned()).collect());
    for (row, value) in rows.iter_mut().zip(values) {
        if let Some(cell) = row.get_mut(1) {
            *cell = value;
        }
    }
    style::table(page, &["TIME", "VALUE", "SERIES"], &rows, &[2])
}

/// The plan with the cost of each node, and the totals.
pub(crate) fn explained(page: &Page, nodes: &[Node], stats: Option<&Stats>, when: When) -> String {
    let mut out = String::new();
    let steps = when.steps();
    if !nodes.is_empty() {
        let rows: Vec<Vec<String>> = nodes.iter().map(|node| planned(node, steps)).collect();
        let titles = ["PLAN", "TYPE", "READ", "SERIES", "SAMPLES", "A STEP", "TOOK"];
        out.push_str(&style::table(page, &titles, &rows, &[0]));
        out.push_str("\nREAD: series that were read for it, SERIES: what it yields. A part’s cost includes those below it.\n");
    }
    match stats {
        Some(stats) => out.push_str(&format!(
            "Whole query: {} samples looked at over {} ({} at once at most), {}{}.\n",
            grouped(stats.samples.total_queryable_samples),
            if steps == 1 { "1 step".to_owned() } else { format!("{} steps", grouped(steps.unsigned_abs())) },
            grouped(stats.samples.peak_samples),
            took(stats.timings.exec_total_time),
            queued(stats.timings.exec_queue_time),
        )),
        None => out.push_str("The server does not say what the query cost.\n"),
    }
    out
}

fn planned(node: &Node, steps: i64) -> Vec<String> {
    let expr = format!("{}{}", "· ".repeat(node.depth), node.expr);
    let cells = match node.cost {
        Some(Cost { series, series_read, samples, seconds, .. }) => [
            grouped(series_read),
            grouped(series),
            grouped(samples),
            grouped(samples / steps.max(1).unsigned_abs()),
            took(seconds),
        ],
        None => ["–"; 5].map(str::to_owned),
    };
    [expr, node.kind.clone()].into_iter().chain(cells).collect()
}

fn queued(seconds: f64) -> String {
    if seconds < 0.001 { String::new() } else { format!(", {} of it waiting", took(seconds)) }
}

fn took(seconds: f64) -> String {
    if seconds < 1.0 {
        return format!("{:.1} ms", seconds.max(0.0) * 1e3);
    }
    duration_words(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

/// `1,234,567`
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
