//! CSV as RFC 4180 has it: a column for each label, times in UTC.

use std::collections::BTreeSet;

use hinomi_series::METRIC_NAME;
use jiff::{SignedDuration, Timestamp};

use crate::query::{Answered, Histogram, Labels};

/// All of an answer.
pub(crate) fn text(answered: &Answered) -> String {
    let mut out = String::new();
    match answered {
        Answered::Scalar((at, value)) | Answered::String((at, value)) => {
            line(&mut out, ["time", "value"].map(str::to_owned));
            line(&mut out, [time(*at), value.clone()]);
        }
        Answered::Vector(samples) => {
            let names = head(&mut out, samples.iter().map(|sample| &sample.metric));
            for sample in samples {
                let value = sample.value.as_ref().map(|(at, value)| (*at, value.clone()));
                let histogram = sample.histogram.as_ref().map(|(at, histogram)| (*at, told(histogram)));
                row(&mut out, &names, &sample.metric, value.or(histogram));
            }
        }
        Answered::Matrix(streams) => {
            let names = head(&mut out, streams.iter().map(|stream| &stream.metric));
            for stream in streams {
                for (at, value) in &stream.values {
                    row(&mut out, &names, &stream.metric, Some((*at, value.clone())));
                }
                for (at, histogram) in &stream.histograms {
                    row(&mut out, &names, &stream.metric, Some((*at, told(histogram))));
                }
            }
        }
    }
    out
}

/// Writes the titles; gives back the labels, the name first.
fn head<'a>(out: &mut String, series: impl Iterator<Item = &'a Labels>) -> Vec<&'a str> {
    let names: BTreeSet<&str> = series.flat_map(|labels| labels.keys().map(String::as_str)).collect();
    let mut names: Vec<&str> = names.into_iter().collect();
    names.sort_by_key(|name| *name != METRIC_NAME);
    line(out, std::iter::once("time").chain(names.iter().copied()).chain(["value"]).map(str::to_owned));
    names
}

fn row(out: &mut String, names: &[&str], labels: &Labels, point: Option<(f64, String)>) {
    let (at, value) = point.map_or_else(Default::default, |(at, value)| (time(at), value));
    let cells = names.iter().map(|name| labels.get(*name).cloned().unwrap_or_default());
    line(out, std::iter::once(at).chain(cells).chain([value]));
}

fn told(histogram: &Histogram) -> String {
    let bounds = |rule: u8| match rule {
        0 => ('(', ']'),
        1 => ('[', ')'),
        2 => ('(', ')'),
        _ => ('[', ']'),
    };
    let bucket = |(rule, lower, upper, count): &(u8, String, String, String)| {
        let (open, close) = bounds(*rule);
        format!(", {open}{lower},{upper}{close}:{count}")
    };
    let buckets: String = histogram.buckets.iter().map(bucket).collect();
    format!("{{count:{}, sum:{}{buckets}}}", histogram.count, histogram.sum)
}

/// RFC 3339 with milliseconds; empty if it is none.
pub(crate) fn time(seconds: f64) -> String {
    at(seconds).map(|at| format!("{at:.3}")).unwrap_or_default()
}

/// The point in time of seconds since the epoch, to the millisecond.
pub(crate) fn at(seconds: f64) -> Option<Timestamp> {
    let since = SignedDuration::try_from_secs_f64((seconds * 1e3).round() / 1e3).ok()?;
    Timestamp::from_duration(since).ok()
}

fn line(out: &mut String, cells: impl IntoIterator<Item = String>) {
    let cells: Vec<String> = cells.into_iter().map(|cell| quoted(&cell)).collect();
    out.push_str(&cells.join(","));
    out.push_str("\r\n");
}

/// Quoted where the format asks for it. A text that a spreadsheet would compute is told to be one: labels come from anybody.
fn quoted(cell: &str) -> String {
    let number = cell.parse::<f64>().is_ok();
    let computed = !number && cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let cell = if computed { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains([',', '"', '\r', '\n']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}
