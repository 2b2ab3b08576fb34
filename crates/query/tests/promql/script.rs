//! The language of scripts (promqltest): blocks between `clear` lines, each with `load` and `eval` commands.

use std::collections::BTreeMap;
use std::sync::Arc;

use hinomi_series::{Histogram, Labels, Span, Value};
use regex::Regex;

use crate::source::{Memory, Sample};
use crate::values::{self, Written, duration, metric, number, quoted, stale_histogram, values};

/// A command.
pub(crate) enum Command {
    Load(Load),
    Eval(Box<Eval>),
}

/// Series to write.
pub(crate) struct Load {
    step: i64,
    /// Whether native histograms are made of classic ones too.
    nhcb: bool,
    lines: Vec<String>,
}

/// What is expected of an error, a warning or an info.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wanted {
    Any,
    Message(String),
    Pattern(String),
}

/// A question and its answer.
#[derive(Debug, Default)]
pub(crate) struct Eval {
    pub(crate) line: usize,
    pub(crate) expr: String,
    /// Start, end and step of a range query; all the same of an instant query.
    pub(crate) times: (i64, i64, i64),
    pub(crate) is_range: bool,
    pub(crate) ordered: bool,
    pub(crate) fail: Option<Vec<Wanted>>,
    pub(crate) warn: Vec<Wanted>,
    pub(crate) info: Vec<Wanted>,
    pub(crate) no_warn: bool,
    pub(crate) no_info: bool,
    pub(crate) string: Option<String>,
    pub(crate) scalar: Option<f64>,
    pub(crate) range_vector: Option<(i64, i64, i64)>,
    pub(crate) series: Vec<(Labels, Vec<Written>)>,
}

/// The blocks of a script that ask something.
pub(crate) fn parse(text: &str) -> Vec<Vec<Command>> {
    let lines: Vec<&str> =
        text.lines().map(|line| if line.trim().starts_with('#') { "" } else { line.trim() }).collect();
    let mut blocks = vec![Vec::new()];
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        at += 1;
        let word = line.split_whitespace().next().unwrap_or_default().to_lowercase();
        if line.is_empty() {
            continue;
        }
        if word == "clear" {
            blocks.push(Vec::new());
            continue;
        }
        let number = at;
        let mut body = Vec::new();
        while at < lines.len() && !lines[at].is_empty() {
            body.push(lines[at].to_string());
            at += 1;
        }
        let block = blocks.last_mut().unwrap();
        if word.starts_with("load") {
            let step = line.split_whitespace().nth(1).unwrap();
            block.push(Command::Load(Load {
                step: duration(step).unwrap(),
                nhcb: word.ends_with("nhcb"),
                lines: body,
            }));
        } else if word.starts_with("eval") {
            block.push(Command::Eval(Box::new(eval(line, &body, number))));
        } else {
            panic!("line {number}: unknown command {line}");
        }
    }
    blocks.retain(|block| block.iter().any(|command| matches!(command, Command::Eval(_))));
    blocks
}

fn eval(line: &str, body: &[String], number: usize) -> Eval {
    let instant =
        Regex::new(r"^eval(?:_(fail|warn|ordered|info))?\s+instant\s+(?:at\s+(\S+))?\s+(.+)$").unwrap();
    let range = Regex::new(
        r"^eval(?:_(fail|warn|info))?\s+range\s+from\s+(\S+)\s+to\s+(\S+)\s+step\s+(\S+?)\s+(.+)$",
    )
    .unwrap();
    let mut eval = Eval { line: number, ..Eval::default() };
    let time = |text: &str| duration(text).unwrap();
    let modifier = if let Some(found) = range.captures(line) {
        eval.times = (time(&found[2]), time(&found[3]), time(&found[4]));
        eval.is_range = true;
        eval.expr = found[5].to_string();
        found.get(1).map(|found| found.as_str().to_string())
    } else {
        let found = instant.captures(line).unwrap_or_else(|| panic!("line {number}: {line}"));
        let at = time(&found[2]);
        eval.times = (at, at, 1);
        eval.expr = found[3].to_string();
        found.get(1).map(|found| found.as_str().to_string())
    };
    if let Some(modifier) = modifier {
        expect(&mut eval, &modifier, Wanted::Any);
    }
    for line in body {
        if !expected(&mut eval, line) {
            break;
        }
    }
    eval
}

fn expect(eval: &mut Eval, what: &str, wanted: Wanted) {
    match what {
        "ordered" => eval.ordered = true,
        "fail" => eval.fail.get_or_insert_with(Vec::new).push(wanted),
        "warn" => eval.warn.push(wanted),
        "info" => eval.info.push(wanted),
        "no_warn" => eval.no_warn = true,
        "no_info" => eval.no_info = true,
        other => panic!("line {}: unknown expectation {other}", eval.line),
    }
}

/// Reads a line of what is expected; whether there may be more.
fn expected(eval: &mut Eval, line: &str) -> bool {
    if let Some(message) = line.strip_prefix("expected_fail_message") {
        expect(eval, "fail", Wanted::Message(message.trim().into()));
        return false;
    }
    if let Some(pattern) = line.strip_prefix("expected_fail_regexp") {
        expect(eval, "fail", Wanted::Pattern(pattern.trim().into()));
        return false;
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        ["expect", "range", "vector", "from", start, "to", end, "step", step] => {
            eval.range_vector =
                Some((duration(start).unwrap(), duration(end).unwrap(), duration(step).unwrap()));
        }
        ["expect", "string", ..] => eval.string = Some(quoted(line["expect string".len()..].trim()).0),
        ["expect", what, ..] => {
            let rest = line["expect".len()..].trim_start()[what.len()..].trim_start();
            let wanted = if let Some(message) = rest.strip_prefix("msg:") {
                Wanted::Message(message.trim().into())
            } else if let Some(pattern) = rest.strip_prefix("regex:") {
                Wanted::Pattern(pattern.trim().into())
            } else {
                Wanted::Any
            };
            expect(eval, what, wanted);
        }
        _ => {
            if let Some(scalar) = number(line) {
                eval.scalar = Some(scalar);
                return false;
            }
            let (labels, rest) = metric(line);
            eval.series.push((labels, values(rest)));
        }
    }
    true
}

/// Writes what a load says.
pub(crate) fn load(load: &Load, memory: &mut Memory) {
    let mut defined: BTreeMap<Labels, Vec<Sample>> = BTreeMap::new();
    let mut pending: Vec<Option<i64>> = Vec::new();
    for line in &load.lines {
        let head = line.split_whitespace().next().unwrap_or_default();
        let (name, rest) = match line.find("@st") {
            Some(at) if !line[..at].contains(' ') || head.ends_with("@st") => (true, &line[at + 3..]),
            _ => (false, ""),
        };
        if name {
            pending = values::starts(rest);
            continue;
        }
        let (labels, rest) = metric(line);
        let samples = samples_of(&values(rest), &pending, load.step);
        pending.clear();
        defined.insert(labels, samples);
    }
    if load.nhcb {
        for (labels, samples) in nhcb(&defined) {
            memory.write(labels, samples);
        }
    }
    for (labels, samples) in defined {
        memory.write(labels, samples);
    }
}

fn samples_of(written: &[Written], starts: &[Option<i64>], step: i64) -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut histogram = false;
    for (at, written) in written.iter().enumerate() {
        let time = at as i64 * step;
        let value = match written {
            Written::Omitted => continue,
            Written::Stale if histogram => stale_histogram(),
            Written::Stale => Value::Float(hinomi_series::stale_nan()),
            Written::Value(value) => value.clone(),
        };
        histogram = matches!(value, Value::Histogram(_));
        let start = starts.get(at).copied().flatten().map_or(0, |start| time + start);
        samples.push((time, value, start));
    }
    samples
}

/// What is known of a classic histogram at a time.
#[derive(Default)]
struct Classic {
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: f64,
}

/// Native histograms with custom buckets, made of classic ones.
fn nhcb(defined: &BTreeMap<Labels, Vec<Sample>>) -> Vec<(Labels, Vec<Sample>)> {
    let mut groups: BTreeMap<Labels, BTreeMap<i64, Classic>> = BTreeMap::new();
    for (labels, samples) in defined {
        let Some((name, kind)) = labels.name().rsplit_once('_') else { continue };
        if !["bucket", "count", "sum"].contains(&kind) {
            continue;
        }
        let bound = labels.get("le").and_then(number);
        if kind == "bucket" && bound.is_none_or(f64::is_nan) {
            continue;
        }
        let points = groups.entry(labels.without(&["le"]).with("__name__", name)).or_default();
        for (time, value, _) in samples {
            let point = points.entry(*time).or_default();
            let Some(value) = value.as_float().filter(|value| !hinomi_series::is_stale(*value)) else {
                continue;
            };
            match kind {
                "bucket" => point.buckets.push((bound.unwrap(), value)),
                "count" => point.count = Some(value),
                _ => point.sum = value,
            }
        }
    }
    let native = |(time, point): (i64, Classic)| (time, Value::Histogram(Arc::new(point.native())), 0);
    groups.into_iter().map(|(labels, points)| (labels, points.into_iter().map(native).collect())).collect()
}

impl Classic {
    fn native(mut self) -> Histogram {
        self.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        let infinite = self.buckets.iter().find(|bucket| bucket.0.is_infinite()).map(|bucket| bucket.1);
        let last = self.buckets.last().map_or(0.0, |bucket| bucket.1);
        let count = infinite.or(self.count).unwrap_or(last);
        let bounds: Vec<(f64, f64)> =
            self.buckets.into_iter().filter(|bucket| bucket.0.is_finite()).collect();
        let mut before = 0.0;
        let mut buckets = Vec::new();
        for (_, up_to) in bounds.iter().copied().chain([(f64::INFINITY, count)]) {
            buckets.push(up_to - before);
            before = up_to;
        }
        let mut histogram = Histogram {
            schema: hinomi_series::CUSTOM_BUCKETS_SCHEMA,
            sum: self.sum,
            count,
            custom_values: bounds.iter().map(|bucket| bucket.0).collect(),
            positive_spans: vec![Span { offset: 0, length: buckets.len() as u32 }],
            positive_buckets: buckets,
            ..Histogram::default()
        };
        histogram.compact(0);
        histogram
    }
}
