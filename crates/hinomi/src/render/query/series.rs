//! Series and values as texts.

use std::collections::BTreeSet;

use hinomi_series::{METRIC_NAME, is_legacy_label_name, is_legacy_metric_name, quote};

use crate::query::{Histogram, Labels};

/// `up{job="a"}`, without some labels.
pub(crate) fn name(labels: &Labels, without: &[&str]) -> String {
    let metric = labels.get(METRIC_NAME).filter(|_| !without.contains(&METRIC_NAME));
    let plain = metric.filter(|name| is_legacy_metric_name(name));
    let pair = |(key, value): (&String, &String)| {
        let key = if is_legacy_label_name(key) { key.clone() } else { quote(key) };
        format!("{key}={}", quote(value))
    };
    let mut pairs: Vec<String> = labels
        .iter()
        .filter(|(key, _)| key.as_str() != METRIC_NAME && !without.contains(&key.as_str()))
        .map(pair)
        .collect();
    if let (Some(metric), None) = (metric, plain) {
        pairs.insert(0, quote(metric));
    }
    match (plain, pairs.is_empty()) {
        (Some(plain), true) => plain.clone(),
        (plain, _) => format!("{}{{{}}}", plain.map_or("", String::as_str), pairs.join(", ")),
    }
}

/// The labels in which series differ; the name first.
pub(crate) fn differing<'a>(series: &[&'a Labels]) -> Vec<&'a str> {
    let keys: BTreeSet<&str> = series.iter().flat_map(|labels| labels.keys().map(String::as_str)).collect();
    let first = series.first();
    let differ = |key: &&str| {
        series.iter().any(|labels| labels.get(*key) != first.and_then(|labels| labels.get(*key)))
    };
    let mut keys: Vec<&str> = keys.into_iter().filter(differ).collect();
    keys.sort_by_key(|key| *key != METRIC_NAME);
    keys
}

/// A histogram in a few words and its shape.
pub(crate) fn histogram(histogram: &Histogram) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    const BARS_MAX: usize = 40;
    let number = |text: &str| text.parse::<f64>().unwrap_or(f64::NAN);
    let counts: Vec<f64> = histogram.buckets.iter().map(|bucket| number(&bucket.3)).collect();
    let most = counts.iter().copied().fold(0.0, f64::max);
    let bar = |count: &f64| {
        let part = if most > 0.0 { count / most } else { 0.0 };
        BARS.get(super::chart::cell(part * 7.0, 7)).copied().unwrap_or(' ')
    };
    let shape: String = counts.iter().take(BARS_MAX).map(bar).collect();
    let mean = number(&histogram.sum) / number(&histogram.count);
    let mean = if mean.is_finite() { format!(", mean {}", short(mean)) } else { String::new() };
    let range = match (histogram.buckets.first(), histogram.buckets.last()) {
        (Some(first), Some(last)) => format!(" {} {shape} {}", first.1, last.2),
        _ => String::new(),
    };
    format!("{} observations{mean}{range}", histogram.count)
}

/// Four digits that count.
pub(crate) fn short(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        return if value.is_nan() {
            "NaN"
        } else if value > 0.0 {
            "+Inf"
        } else {
            "-Inf"
        }
        .to_owned();
    }
    if size == 0.0 {
        return "0".to_owned();
    }
    if !(1e-4..1e15).contains(&size) {
        return format!("{value:.2e}");
    }
    let (scale, unit) = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")]
        .into_iter()
        .find(|(scale, _)| size >= scale * 10.0)
        .unwrap_or((1.0, ""));
    let scaled = value / scale;
    let digits = if scaled.abs() >= 1000.0 {
        0
    } else if scaled.abs() >= 100.0 {
        1
    } else if scaled.abs() >= 1.0 {
        2
    } else {
        4
    };
    let text = format!("{scaled:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{unit}")
}
