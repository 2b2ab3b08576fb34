//! The notation of series in scripts: `metric{a="b"} 1+1x3 _ stale {{schema:0 count:1 sum:1 buckets:[1]}}x2`.

use std::sync::Arc;

use hinomi_series::{Histogram, Labels, ResetHint, Span, Value, stale_nan};
use regex::Regex;

/// A value of a series' line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Written {
    Omitted,
    Stale,
    Value(Value),
}

/// Milliseconds of `5m`, `1h30m`, `10` (seconds).
pub(crate) fn duration(text: &str) -> Option<i64> {
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.trim_start_matches('+')),
    };
    if let Ok(seconds) = digits.parse::<f64>() {
        return Some(sign * (seconds * 1_000.0) as i64);
    }
    let whole = Regex::new(r"^(?:\d+(?:ms|[smhdwy]))+$").unwrap();
    if !whole.is_match(digits) {
        return None;
    }
    let part = Regex::new(r"(\d+)(ms|[smhdwy])").unwrap();
    let unit = |unit: &str| match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 604_800_000,
        _ => 31_536_000_000,
    };
    Some(
        sign * part
            .captures_iter(digits)
            .map(|found| found[1].parse::<i64>().unwrap() * unit(&found[2]))
            .sum::<i64>(),
    )
}

/// A number as PromQL writes it.
pub(crate) fn number(text: &str) -> Option<f64> {
    let lower = text.trim().to_lowercase();
    let (sign, digits) = match lower.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, lower.strip_prefix('+').unwrap_or(&lower)),
    };
    match digits {
        "inf" | "infinity" => return Some(sign * f64::INFINITY),
        "nan" => return Some(f64::NAN),
        _ => {}
    }
    if let Some(hex) = digits.strip_prefix("0x") {
        return i64::from_str_radix(hex, 16).ok().map(|value| sign * value as f64);
    }
    let decimal = Regex::new(r"^(\d[\d_]*(\.\d*)?|\.\d+)(e[+-]?\d+)?$").unwrap();
    if decimal.is_match(digits) {
        return digits.replace('_', "").parse::<f64>().ok().map(|value| sign * value);
    }
    let is_duration = digits.chars().next().is_some_and(|c| c.is_ascii_digit());
    duration(digits).filter(|_| is_duration).map(|millis| sign * millis as f64 / 1_000.0)
}

/// A text in quotes at the begin of another, and what follows it.
pub(crate) fn quoted(text: &str) -> (String, &str) {
    let quote = text.chars().next().unwrap();
    let mut out = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        if c == quote {
            return (out, &text[at + 1..]);
        }
        if c != '\\' || quote == '`' {
            out.push(c);
            continue;
        }
        let (_, escaped) = chars.next().unwrap();
        let mut hex = |digits: usize| {
            let code: String = (0..digits).map(|_| chars.next().unwrap().1).collect();
            char::from_u32(u32::from_str_radix(&code, 16).unwrap()).unwrap()
        };
        out.push(match escaped {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'x' => hex(2),
            'u' => hex(4),
            other => other,
        });
    }
    (out, "")
}

/// The labels at the begin of a line, and what follows them.
pub(crate) fn metric(text: &str) -> (Labels, &str) {
    let text = text.trim_start();
    let word = |text: &str| {
        text.find(|c: char| !(c.is_ascii_alphanumeric() || "_:.".contains(c))).unwrap_or(text.len())
    };
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut rest = text;
    if text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == ':') {
        let end = word(text);
        pairs.push(("__name__".into(), text[..end].into()));
        rest = &text[end..];
    }
    let braces = rest.trim_start_matches([' ', '\t']);
    if !braces.starts_with('{') || braces.starts_with("{{") {
        return (Labels::from_pairs(pairs), rest);
    }
    rest = &braces[1..];
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if let Some(behind) = rest.strip_prefix('}') {
            return (Labels::from_pairs(pairs), behind);
        }
        let name;
        if rest.starts_with(['"', '\'', '`']) {
            (name, rest) = quoted(rest);
        } else {
            let end = word(rest);
            (name, rest) = (rest[..end].to_string(), &rest[end..]);
        }
        rest = rest.trim_start();
        let Some(behind) = rest.strip_prefix('=') else {
            pairs.push(("__name__".into(), name));
            continue;
        };
        let (value, behind) = quoted(behind.trim_start());
        rest = behind;
        pairs.push((name, value));
    }
}

fn spans(offset: i32, buckets: &[f64]) -> Vec<Span> {
    if buckets.is_empty() { Vec::new() } else { vec![Span { offset, length: buckets.len() as u32 }] }
}

/// A histogram as it stands between double braces.
fn histogram(text: &str) -> Histogram {
    let mut histogram = Histogram::default();
    let (mut offset, mut negative_offset) = (0, 0);
    let field = Regex::new(r"([a-z_]+):\s*(\[[^\]]*\]|[^\s]+)").unwrap();
    for found in field.captures_iter(text) {
        let value = &found[2];
        let numbers =
            || value.trim_matches(['[', ']']).split_whitespace().map(|text| number(text).unwrap()).collect();
        match &found[1] {
            "buckets" => histogram.positive_buckets = numbers(),
            "n_buckets" => histogram.negative_buckets = numbers(),
            "custom_values" => histogram.custom_values = numbers().into(),
            "offset" => offset = value.parse().unwrap(),
            "n_offset" => negative_offset = value.parse().unwrap(),
            "schema" => histogram.schema = value.parse().unwrap(),
            "sum" => histogram.sum = number(value).unwrap(),
            "count" => histogram.count = number(value).unwrap(),
            "z_bucket" => histogram.zero_count = number(value).unwrap(),
            "z_bucket_w" => histogram.zero_threshold = number(value).unwrap(),
            "counter_reset_hint" => {
                histogram.reset_hint = match value {
                    "reset" => ResetHint::Reset,
                    "not_reset" => ResetHint::NotReset,
                    "gauge" => ResetHint::Gauge,
                    _ => ResetHint::Unknown,
                };
            }
            other => panic!("unknown field {other} of a histogram"),
        }
    }
    histogram.positive_spans = spans(offset, &histogram.positive_buckets);
    histogram.negative_spans = spans(negative_offset, &histogram.negative_buckets);
    histogram
}

/// All values of a line.
pub(crate) fn values(text: &str) -> Vec<Written> {
    let mut out = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        rest = if rest.starts_with("{{") { histograms(rest, &mut out) } else { plain(rest, &mut out) }
            .trim_start();
    }
    out
}

fn histograms<'a>(text: &'a str, out: &mut Vec<Written>) -> &'a str {
    let made = |histogram: Histogram| Written::Value(Value::Histogram(Arc::new(histogram)));
    let end = text.find("}}").unwrap();
    let first = histogram(&text[2..end]);
    let rest = &text[end + 2..];
    let steps = Regex::new(r"^([+-])\{\{(.*?)\}\}x(\d+)").unwrap();
    if let Some(found) = steps.captures(rest) {
        let step = histogram(&found[2]);
        let mut current = first;
        out.push(made(current.clone()));
        for _ in 0..found[3].parse::<usize>().unwrap() {
            let hint = current.reset_hint;
            if &found[1] == "+" { current.add(&step) } else { current.sub(&step) }.unwrap();
            current.reset_hint = hint;
            out.push(made(current.clone()));
        }
        return &rest[found[0].len()..];
    }
    let times = Regex::new(r"^x(\d+)").unwrap();
    match times.captures(rest) {
        Some(found) => {
            out.extend(vec![made(first); found[1].parse::<usize>().unwrap() + 1]);
            &rest[found[0].len()..]
        }
        None => {
            out.push(made(first));
            rest
        }
    }
}

fn plain<'a>(text: &'a str, out: &mut Vec<Written>) -> &'a str {
    let end = text.find([' ', '\t']).unwrap_or(text.len());
    let (token, rest) = text.split_at(end);
    let made = |value: f64| Written::Value(Value::Float(value));
    match token {
        "_" => out.push(Written::Omitted),
        "stale" => out.push(Written::Stale),
        _ => match token.rsplit_once('x').filter(|parts| parts.1.parse::<usize>().is_ok()) {
            None => out.push(made(number(token).unwrap_or_else(|| panic!("bad value {token}")))),
            Some((body, times)) => {
                let times = times.parse::<usize>().unwrap();
                repeated(body, times, out);
            }
        },
    }
    rest
}

fn repeated(body: &str, times: usize, out: &mut Vec<Written>) {
    let made = |value: f64| Written::Value(Value::Float(value));
    if body == "_" {
        return out.extend(vec![Written::Omitted; times]);
    }
    if body == "stale" {
        return out.extend(vec![Written::Stale; times + 1]);
    }
    if let Some(value) = number(body) {
        return out.extend(vec![made(value); times + 1]);
    }
    for at in 1..body.len() {
        let sign = body.as_bytes()[at] == b'+' || body.as_bytes()[at] == b'-';
        if !sign || b"eE".contains(&body.as_bytes()[at - 1]) {
            continue;
        }
        let (Some(mut value), Some(step)) = (number(&body[..at]), number(&body[at..])) else { continue };
        for _ in 0..=times {
            out.push(made(value));
            value += step;
        }
        return;
    }
    panic!("bad value {body}x{times}");
}

/// The staleness marker of a series of histograms.
pub(crate) fn stale_histogram() -> Value {
    Value::Histogram(Arc::new(Histogram { sum: stale_nan(), ..Histogram::default() }))
}

/// Start timestamps of a line: milliseconds from each sample to the start of its count.
pub(crate) fn starts(text: &str) -> Vec<Option<i64>> {
    let mut out = Vec::new();
    let form = Regex::new(r"^([+-]?(?:\d+[a-z]+|0))(?:([+-](?:\d+[a-z]+|0)))?(?:x(\d+))?$").unwrap();
    for token in text.split_whitespace() {
        if token == "_" {
            out.push(None);
            continue;
        }
        if let Some(times) = token.strip_prefix("_x") {
            out.extend(vec![None; times.parse().unwrap()]);
            continue;
        }
        // `-1mx2`: the unit ends before the `x`.
        let (body, times) = match token.rsplit_once('x').filter(|parts| parts.1.parse::<usize>().is_ok()) {
            Some((body, times)) => (body, times.parse::<usize>().unwrap()),
            None => (token, 0),
        };
        let found = form.captures(body).unwrap_or_else(|| panic!("bad start {token}"));
        let mut value = duration(&found[1]).unwrap();
        let step = found.get(2).map_or(0, |step| duration(step.as_str()).unwrap());
        for _ in 0..=times {
            out.push(Some(value));
            value += step;
        }
    }
    out
}
