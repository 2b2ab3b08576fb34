//! `rate`, `increase`, `delta`, and their instant kin.

use std::sync::Arc;

use hinomi_series::{Histogram, ResetHint, Value};

use super::notes::{Note, Sums};
use super::points::Samples;
use super::range::Window;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rate {
    /// `rate`
    PerSecond,
    Increase,
    Delta,
    Irate,
    Idelta,
}

impl Rate {
    /// Whether its samples only ever rise, but for resets.
    pub(super) const fn counter(self) -> bool {
        matches!(self, Self::PerSecond | Self::Increase | Self::Irate)
    }

    /// Whether the result is per second.
    pub(super) const fn per_second(self) -> bool {
        matches!(self, Self::PerSecond | Self::Irate)
    }
}

/// Calls one of them on a window.
pub(super) fn apply(kind: Rate, window: &Window<'_>, note: &mut dyn FnMut(Note)) -> Option<Value> {
    if matches!(kind, Rate::Irate | Rate::Idelta) {
        return of_last_two(kind, window, note);
    }
    match (window.floats.is_empty(), window.histograms.is_empty()) {
        (false, false) => {
            note(Note::Mixed(window.name.to_string()));
            None
        }
        (false, true) => of_floats(kind, window, note),
        (true, false) => of_histograms(kind, window, note),
        (true, true) => None,
    }
}

/// How a difference between the first and the last sample is stretched to the whole range.
struct Stretch {
    factor: f64,
    /// The counter began at zero within the range: the first sample counts in full.
    from_zero: bool,
}

fn of_floats(kind: Rate, window: &Window<'_>, note: &mut dyn FnMut(Note)) -> Option<Value> {
    let floats = &window.floats;
    let (first, last) = (floats.first()?, floats.last()?);
    let mut change = last.1 - first.1;
    if kind.counter() {
        change += lost(window.resets, window.base, floats.values);
        if overlaps(floats) {
            note(Note::StartOverlap(window.name.to_string()));
        }
    }
    let share = (change > 0.0 && *first.1 >= 0.0).then(|| first.1 / change);
    let stretch = stretch(kind, window, floats, share)?;
    if stretch.from_zero {
        change += first.1;
    }
    Some(Value::Float(change * stretch.factor))
}

/// What a counter had reached before each reset among the values.
pub(super) fn lost(resets: &[usize], base: usize, values: &[f64]) -> f64 {
    let from = resets.partition_point(|place| *place <= base);
    let places = resets.iter().skip(from).take_while(|place| **place < base + values.len());
    places.filter_map(|place| values.get(place - base - 1)).sum()
}

/// Where samples lie in a range: times of the first and the last of `count`, which is not 0, and its ends.
pub(super) struct Between {
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) count: usize,
    pub(super) start: i64,
    pub(super) end: i64,
}

fn stretch<T>(
    kind: Rate,
    window: &Window<'_>,
    samples: &Samples<'_, T>,
    share: Option<f64>,
) -> Option<Stretch> {
    let (first, last) = (*samples.times.first()?, *samples.times.last()?);
    let between = Between { first, last, count: samples.len(), start: window.start, end: window.end };
    let begin = samples.start(0);
    let from_zero = kind.counter() && begin != 0 && begin > window.start && begin < first;
    let reach = Reach::of(kind, &between, from_zero.then_some(begin))?;
    Some(Stretch { factor: reach.factor(share.filter(|_| kind.counter())), from_zero })
}

/// How far samples reach, and how far they are stretched: to the ends of the range, where they lie close enough to
/// them, otherwise by half the mean distance between them. Seconds.
#[derive(Clone, Copy)]
pub(super) struct Reach {
    pub(super) sampled: f64,
    pub(super) to_start: f64,
    to_end: f64,
    /// Length of the range, if the result is per second.
    range: Option<f64>,
    /// The factor, unless a counter would have been below zero at the start.
    pub(super) whole: f64,
}

impl Reach {
    /// `begin` is when the first sample's count began, if that lies within the range. `None` if one sample tells
    /// nothing.
    pub(super) fn of(kind: Rate, between: &Between, begin: Option<i64>) -> Option<Self> {
        let Between { first, last, count, start, end } = *between;
        let seconds = |millis: i64| millis as f64 / 1_000.0;
        let intervals = count - 1;
        let apart = seconds(last - first);
        let distance = if intervals > 0 { apart / intervals as f64 } else { 0.0 };
        let near = |gap: f64| if gap >= distance * 1.1 { distance / 2.0 } else { gap };
        let (sampled, to_start) = match begin {
            Some(begin) => (seconds(last - begin), 0.0),
            None if intervals == 0 => return None,
            None => (apart, near(seconds(first - start))),
        };
        let to_end = near(seconds(end - last));
        let range = kind.per_second().then(|| seconds(end - start));
        let reach = Self { sampled, to_start, to_end, range, whole: 0.0 };
        Some(Self { whole: reach.factor_from(to_start), ..reach })
    }

    fn factor_from(&self, to_start: f64) -> f64 {
        let stretched = (self.sampled + to_start + self.to_end) / self.sampled;
        let factor = if self.sampled == 0.0 { 1.0 } else { stretched };
        self.range.map_or(factor, |range| factor / range)
    }

    /// What a change is multiplied with. `share` is what a counter's first sample is of its change: it is never
    /// stretched to before it was zero.
    pub(super) fn factor(&self, share: Option<f64>) -> f64 {
        match share.map(|share| self.sampled * share) {
            Some(to_zero) if to_zero < self.to_start => self.factor_from(to_zero),
            _ => self.whole,
        }
    }
}

fn of_histograms(kind: Rate, window: &Window<'_>, note: &mut dyn FnMut(Note)) -> Option<Value> {
    let histograms = &window.histograms;
    let mut change = if histograms.len() > 1 { Some(difference(kind, window, note)?) } else { None };
    let first = histograms.values.first()?;
    let share = change
        .as_ref()
        .and_then(|change| (change.count > 0.0 && first.count >= 0.0).then(|| first.count / change.count));
    let stretch = stretch(kind, window, histograms, share)?;
    if stretch.from_zero {
        match &mut change {
            None => change = Some((**first).clone()),
            Some(change) => add(change, first, window.name, note)?,
        }
    }
    let mut change = change?;
    change.mul(stretch.factor);
    Some(Value::Histogram(Arc::new(change)))
}

/// The last histogram less the first, and for counters what was lost in resets.
fn difference(kind: Rate, window: &Window<'_>, note: &mut dyn FnMut(Note)) -> Option<Histogram> {
    let histograms = &window.histograms;
    let (first, last) = (histograms.values.first()?, histograms.values.last()?);
    let second = histograms.values.get(1)?;
    let name = || window.name.to_string();
    let gauge = |histogram: &Histogram| histogram.reset_hint == ResetHint::Gauge;
    if kind.counter() && (gauge(first) || gauge(last)) {
        note(Note::NotCounterHistogram(name()));
    }
    // Of what was before a reset nothing counts, so its buckets need not fit.
    let anew = kind.counter() && (began_anew(&histograms.slice(0, 2)) || second.detect_reset(first));
    let base = if anew { empty_like(second) } else { Histogram::clone(first) };
    let custom = base.uses_custom_buckets();
    if last.uses_custom_buckets() != custom {
        note(Note::MixedSchemas(name()));
        return None;
    }
    let inner = histograms.values.get(1..histograms.len() - 1).unwrap_or_default();
    if kind.counter() {
        for histogram in inner {
            if gauge(histogram) {
                note(Note::NotCounterHistogram(name()));
            }
            if histogram.uses_custom_buckets() != custom {
                note(Note::MixedSchemas(name()));
                return None;
            }
        }
    }
    let mut change = Histogram::clone(last);
    if kind.counter() {
        let coarsest =
            inner.iter().map(|histogram| histogram.schema).chain([base.schema, last.schema]).min()?;
        coarsen(&mut change, coarsest);
    }
    subtract(&mut change, &base, window.name, note)?;
    if kind.counter() {
        add_lost(&mut change, base, window, note)?;
    } else if !gauge(first) || !gauge(last) {
        note(Note::NotGaugeHistogram(name()));
    }
    change.reset_hint = ResetHint::Gauge;
    change.compact(0);
    Some(change)
}

/// Adds what the counter had reached before each reset.
fn add_lost(
    change: &mut Histogram,
    base: Histogram,
    window: &Window<'_>,
    note: &mut dyn FnMut(Note),
) -> Option<()> {
    let histograms = &window.histograms;
    if overlaps(histograms) {
        note(Note::StartOverlap(window.name.to_string()));
    }
    let base = Arc::new(base);
    let mut earlier = &base;
    for (place, histogram) in histograms.values.iter().enumerate().skip(1) {
        if began_anew(&histograms.slice(place - 1, place + 1)) || histogram.detect_reset(earlier) {
            add(change, earlier, window.name, note)?;
        }
        earlier = histogram;
    }
    Some(())
}

/// A histogram of the same kind without observations.
fn empty_like(histogram: &Histogram) -> Histogram {
    let custom_values = histogram.custom_values.clone();
    Histogram { schema: histogram.schema, custom_values, ..Histogram::default() }
}

/// Reduces a histogram's resolution, where that is possible.
pub(super) fn coarsen(histogram: &mut Histogram, schema: i32) {
    // A histogram that is as coarse already, or has custom buckets, is left as it is.
    if schema < histogram.schema {
        let _ = histogram.reduce_resolution(schema);
    }
}

/// Adds a histogram and tells what there is to tell; `None` if they do not fit.
pub(super) fn add(
    sum: &mut Histogram,
    more: &Histogram,
    name: &str,
    note: &mut dyn FnMut(Note),
) -> Option<()> {
    told(sum.add(more), Sums::Addition, name, note)
}

/// Subtracts a histogram and tells what there is to tell; `None` if they do not fit.
pub(super) fn subtract(
    from: &mut Histogram,
    less: &Histogram,
    name: &str,
    note: &mut dyn FnMut(Note),
) -> Option<()> {
    told(from.sub(less), Sums::Subtraction, name, note)
}

fn told(
    outcome: Result<hinomi_series::Outcome, hinomi_series::HistogramError>,
    sums: Sums,
    name: &str,
    note: &mut dyn FnMut(Note),
) -> Option<()> {
    let Ok(outcome) = outcome else {
        note(Note::MixedSchemas(name.to_string()));
        return None;
    };
    if outcome.bounds_reconciled {
        note(Note::ReconciledBuckets(sums));
    }
    Some(())
}

/// Whether the second of two samples counts anew, as its start says.
///
/// A start at the sample before says so of increments only: a counter whose begin is unknown may name that
/// time too, which shows by the sample before having no usable start.
pub(super) fn began_anew<T>(pair: &Samples<'_, T>) -> bool {
    let (&[earlier, time], &[earlier_start, start]) = (pair.times, pair.starts) else { return false };
    if start == 0 || start >= time || start < earlier {
        return false;
    }
    start > earlier || (earlier_start != 0 && earlier_start < earlier)
}

/// Whether a sample counts from before the sample before it, without having the same begin.
fn overlaps<T>(samples: &Samples<'_, T>) -> bool {
    let starts = samples.starts.windows(2);
    let overlaps =
        |earlier: &i64, before: &i64, start: &i64| *start != 0 && start < earlier && start != before;
    let mut pairs = samples.times.iter().zip(starts);
    pairs.any(|(earlier, pair)| matches!(pair, [before, start] if overlaps(earlier, before, start)))
}

/// One of the last two samples.
struct Last {
    time: i64,
    start: i64,
    value: Value,
}

fn of_last_two(kind: Rate, window: &Window<'_>, note: &mut dyn FnMut(Note)) -> Option<Value> {
    let (earlier, last) = last_two(window)?;
    let millis = last.time - earlier.time;
    if millis == 0 {
        return None;
    }
    let seconds = millis as f64 / 1_000.0;
    let (times, starts) = ([earlier.time, last.time], [earlier.start, last.start]);
    let anew = kind.counter() && began_anew::<()>(&Samples { times: &times, values: &[], starts: &starts });
    match (&earlier.value, &last.value) {
        (Value::Float(a), Value::Float(b)) => {
            let reset = kind.counter() && (b < a || anew);
            let change = if reset { *b } else { b - a };
            Some(Value::Float(if kind.per_second() { change / seconds } else { change }))
        }
        (Value::Histogram(a), Value::Histogram(b)) => {
            let gauges = [a, b].map(|histogram| histogram.reset_hint == ResetHint::Gauge);
            let name = || window.name.to_string();
            if kind.counter() && gauges.contains(&true) {
                note(Note::NotCounterHistogram(name()));
            }
            if !kind.counter() && gauges.contains(&false) {
                note(Note::NotGaugeHistogram(name()));
            }
            let mut change = Histogram::clone(b);
            if !kind.counter() || !(anew || b.detect_reset(a)) {
                subtract(&mut change, a, window.name, note)?;
            }
            change.reset_hint = ResetHint::Gauge;
            change.compact(0);
            if kind.per_second() {
                change.div(seconds);
            }
            Some(Value::Histogram(Arc::new(change)))
        }
        _ => {
            note(Note::Mixed(window.name.to_string()));
            None
        }
    }
}

fn last_two(window: &Window<'_>) -> Option<(Last, Last)> {
    let (floats, histograms) = (&window.floats, &window.histograms);
    let tail = |len: usize| len.saturating_sub(2)..len;
    let mut lasts: Vec<Last> = Vec::with_capacity(4);
    for place in tail(floats.len()) {
        let (time, value) = floats.at(place)?;
        lasts.push(Last { time, start: floats.start(place), value: Value::Float(*value) });
    }
    for place in tail(histograms.len()) {
        let (time, value) = histograms.at(place)?;
        lasts.push(Last { time, start: histograms.start(place), value: Value::Histogram(value.clone()) });
    }
    lasts.sort_by_key(|last| last.time);
    let last = lasts.pop()?;
    Some((lasts.pop()?, last))
}
