//! Ranges whose ends are made up from samples around them: `anchored` and `smoothed`.

use std::sync::Arc;

use hinomi_series::{Histogram, Labels, Point, ResetHint, Value};

use super::evaluator::Evaluator;
use super::notes::Note;
use super::points::{Points, Samples};
use super::range::Window;
use super::rate::{Rate, add, subtract};
use crate::ast::Edges;

/// Calls a function of the rate family on a window whose ends are made up.
pub(super) fn apply(kind: Rate, window: &Window<'_>, note: &mut dyn FnMut(Note)) -> Option<Value> {
    match (window.floats.is_empty(), window.histograms.is_empty()) {
        (false, false) => {
            note(Note::Mixed(window.name.to_string()));
            None
        }
        (false, true) => of_floats(kind, window),
        (true, false) => of_histograms(kind, window, note),
        (true, true) => None,
    }
}

/// The value on the line between two samples. A counter that fell began at zero with the first of them.
pub(super) fn between(a: (i64, f64), b: (i64, f64), at: i64, counter: bool) -> f64 {
    let from = if counter && b.1 < a.1 { 0.0 } else { a.1 };
    from + (b.1 - from) * (at - a.0) as f64 / (b.0 - a.0) as f64
}

/// As [`between`], of histograms; `None`, with a note, if they do not fit.
pub(super) fn between_histograms(
    a: (i64, &Arc<Histogram>),
    b: (i64, &Arc<Histogram>),
    at: i64,
    counter: bool,
    note: &mut dyn FnMut(Note),
    name: &str,
) -> Option<Histogram> {
    if at == a.0 {
        return Some(Histogram::clone(a.1));
    }
    let mut made = Histogram::clone(b.1);
    if at == b.0 {
        return Some(made);
    }
    let share = (at - a.0) as f64 / (b.0 - a.0) as f64;
    if counter && b.1.detect_reset(a.1) {
        made.mul(share);
        return Some(made);
    }
    subtract(&mut made, a.1, name, note)?;
    made.mul(share);
    add(&mut made, a.1, name, note)?;
    Some(made)
}

/// First and last sample of a window that its ends are made from; `None` if none lies within the range.
fn ends<T>(samples: &Samples<'_, T>, window: &Window<'_>) -> Option<(usize, usize)> {
    let smoothed = window.edges == Edges::Smoothed;
    let all = samples.len().checked_sub(1)?;
    let before_last = samples.times.get(..all).unwrap_or_default();
    let first = before_last.partition_point(|time| *time <= window.start).saturating_sub(1);
    let last = if smoothed { before_last.partition_point(|time| *time < window.end) } else { all };
    let within = samples.times.get(last).is_some_and(|time| *time > window.start);
    let not_after = !smoothed || samples.times.get(first).is_some_and(|time| *time <= window.end);
    (within && not_after).then_some((first, last))
}

/// Values at the begin and the end of the range.
fn float_ends(
    samples: &Samples<'_, f64>,
    window: &Window<'_>,
    (first, last): (usize, usize),
    counter: bool,
) -> Option<(f64, f64)> {
    let smoothed = window.edges == Edges::Smoothed;
    let at = |place: usize| samples.at(place).map(|(time, value)| (time, *value));
    let (begin, end) = (at(first)?, at(last)?);
    let left = if smoothed && begin.0 < window.start {
        between(begin, at(first + 1)?, window.start, counter)
    } else {
        begin.1
    };
    let right = if smoothed && last > 0 && end.0 > window.end {
        between(at(last - 1)?, end, window.end, counter)
    } else {
        end.1
    };
    Some((left, right))
}

/// Places of the samples that lie strictly within the range, among those from first to last.
fn within<T>(samples: &Samples<'_, T>, window: &Window<'_>, (first, last): (usize, usize)) -> (usize, usize) {
    let from =
        if samples.times.get(first).is_some_and(|time| *time <= window.start) { first + 1 } else { first };
    let to = if samples.times.get(last).is_some_and(|time| *time >= window.end) { last } else { last + 1 };
    (from, to.max(from))
}

fn of_floats(kind: Rate, window: &Window<'_>) -> Option<Value> {
    let samples = &window.floats;
    let places = ends(samples, window)?;
    let (left, right) = float_ends(samples, window, places, kind.counter())?;
    let mut change = right - left;
    if kind.counter() {
        let (from, to) = within(samples, window, places);
        let mut earlier = left;
        for value in samples.slice(from, to).values.iter().chain([&right]) {
            if *value < earlier {
                change += earlier;
            }
            earlier = *value;
        }
    }
    Some(Value::Float(if kind.per_second() { change / window.seconds() } else { change }))
}

fn of_histograms(kind: Rate, window: &Window<'_>, note: &mut dyn FnMut(Note)) -> Option<Value> {
    let samples = &window.histograms;
    let places = ends(samples, window)?;
    check(kind, window, samples.slice(places.0, places.1 + 1).values, note)?;
    let (left, right) = histogram_ends(samples, window, places, kind.counter(), note)?;
    let gauge = |histogram: &Histogram| histogram.reset_hint == ResetHint::Gauge;
    if !kind.counter() && (!gauge(&left) || !gauge(&right)) {
        note(Note::NotGaugeHistogram(window.name.to_string()));
    }
    let mut change = right.clone();
    subtract(&mut change, &left, window.name, note)?;
    if kind.counter() {
        add_lost(&mut change, window, places, (left, right), note)?;
    }
    if kind.per_second() {
        change.div(window.seconds());
    }
    change.reset_hint = ResetHint::Gauge;
    change.compact(0);
    Some(Value::Histogram(Arc::new(change)))
}

/// Refuses exponential beside custom buckets, and tells of gauges where counters are wanted.
fn check(
    kind: Rate,
    window: &Window<'_>,
    histograms: &[Arc<Histogram>],
    note: &mut dyn FnMut(Note),
) -> Option<()> {
    let custom = histograms.first()?.uses_custom_buckets();
    for histogram in histograms {
        if histogram.uses_custom_buckets() != custom {
            note(Note::MixedSchemas(window.name.to_string()));
            return None;
        }
        if kind.counter() && histogram.reset_hint == ResetHint::Gauge {
            note(Note::NotCounterHistogram(window.name.to_string()));
        }
    }
    Some(())
}

fn histogram_ends(
    samples: &Samples<'_, Arc<Histogram>>,
    window: &Window<'_>,
    (first, last): (usize, usize),
    counter: bool,
    note: &mut dyn FnMut(Note),
) -> Option<(Histogram, Histogram)> {
    let smoothed = window.edges == Edges::Smoothed;
    let (begin, end) = (samples.at(first)?, samples.at(last)?);
    let left = if smoothed && begin.0 < window.start {
        between_histograms(begin, samples.at(first + 1)?, window.start, counter, note, window.name)?
    } else {
        Histogram::clone(begin.1)
    };
    let right = if smoothed && last > 0 && end.0 > window.end {
        between_histograms(samples.at(last - 1)?, end, window.end, counter, note, window.name)?
    } else {
        Histogram::clone(end.1)
    };
    Some((left, right))
}

/// Adds what the counter had reached before each reset between the ends. A reset that an end was
/// interpolated across is in that end already.
fn add_lost(
    change: &mut Histogram,
    window: &Window<'_>,
    (first, last): (usize, usize),
    (left, right): (Histogram, Histogram),
    note: &mut dyn FnMut(Note),
) -> Option<()> {
    let samples = &window.histograms;
    let mut from = first + 1;
    let mut earlier = Arc::new(left);
    let (begin, next) = (samples.at(first)?, samples.values.get(first + 1));
    let made_up = window.edges == Edges::Smoothed && begin.0 < window.start;
    if let Some(next) = next.filter(|next| made_up && next.detect_reset(begin.1)) {
        earlier = next.clone();
        from += 1;
    }
    // The last sample is what the right end is made of.
    if from > last {
        return Some(());
    }
    for histogram in samples.slice(from, last).values {
        if histogram.detect_reset(&earlier) {
            add(change, &earlier, window.name, note)?;
        }
        earlier = histogram.clone();
    }
    if right.detect_reset(&earlier) {
        add(change, &earlier, window.name, note)?;
    }
    Some(())
}

impl Evaluator<'_> {
    /// The samples of a range with its ends made up, as the answer to an instant query.
    pub(super) fn edged(
        &mut self,
        labels: &Labels,
        points: &Points<'_>,
        (start, end): (i64, i64),
        edges: Edges,
        pos: u32,
    ) -> Vec<Point> {
        let lookback = self.options.lookback_ms;
        let after = if edges == Edges::Smoothed { lookback } else { 0 };
        let (floats, histograms) = points.window(start.saturating_sub(lookback), end.saturating_add(after));
        let window = Window {
            name: labels.name(),
            floats,
            histograms,
            resets: &[],
            base: 0,
            start,
            end,
            time: end,
            edges,
        };
        if !floats.is_empty() && !histograms.is_empty() {
            self.note(Note::Mixed(labels.name().to_string()), pos);
            return Vec::new();
        }
        let mut note = |note| self.notes.add(note, pos);
        float_points(&window).or_else(|| histogram_points(&window, &mut note)).unwrap_or_default()
    }
}

fn float_points(window: &Window<'_>) -> Option<Vec<Point>> {
    let samples = &window.floats;
    let places = ends(samples, window)?;
    let (left, right) = float_ends(samples, window, places, false)?;
    let (from, to) = within(samples, window, places);
    let inner = samples.slice(from, to);
    let inner = inner.iter().map(|(t, value)| Point { t, v: Value::Float(*value) });
    let (left, right) = (Value::Float(left), Value::Float(right));
    Some(framed(window, left, inner.collect(), right))
}

fn histogram_points(window: &Window<'_>, note: &mut dyn FnMut(Note)) -> Option<Vec<Point>> {
    let samples = &window.histograms;
    let places = ends(samples, window)?;
    let (left, right) = histogram_ends(samples, window, places, false, note)?;
    let (from, to) = within(samples, window, places);
    let inner = samples.slice(from, to);
    let inner = inner.iter().map(|(t, value)| Point { t, v: Value::Histogram(value.clone()) });
    let (left, right) = (Value::Histogram(Arc::new(left)), Value::Histogram(Arc::new(right)));
    Some(framed(window, left, inner.collect(), right))
}

fn framed(window: &Window<'_>, left: Value, inner: Vec<Point>, right: Value) -> Vec<Point> {
    let mut points = vec![Point { t: window.start, v: left }];
    points.extend(inner);
    points.push(Point { t: window.end, v: right });
    points
}
