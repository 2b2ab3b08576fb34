//! Functions that make one value of the samples of a range.

use std::collections::VecDeque;
use std::sync::Arc;

use hinomi_series::{Histogram, HistogramError, Outcome, ResetHint, Value};

use super::QueryError;
use super::notes::{Note, Sums};
use super::number::{Mean, Sum, kahan, quantile, regression};
use super::range::Window;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OverTime {
    Avg,
    Count,
    Deriv,
    First,
    Last,
    Mad,
    Max,
    Min,
    PredictLinear,
    Present,
    Quantile,
    Smoothing,
    Stddev,
    Stdvar,
    Sum,
    TimeOfFirst,
    TimeOfLast,
    TimeOfMax,
    TimeOfMin,
}

impl OverTime {
    /// The function of a name.
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "avg_over_time" => Self::Avg,
            "count_over_time" => Self::Count,
            "deriv" => Self::Deriv,
            "first_over_time" => Self::First,
            "last_over_time" => Self::Last,
            "mad_over_time" => Self::Mad,
            "max_over_time" => Self::Max,
            "min_over_time" => Self::Min,
            "predict_linear" => Self::PredictLinear,
            "present_over_time" => Self::Present,
            "quantile_over_time" => Self::Quantile,
            "double_exponential_smoothing" => Self::Smoothing,
            "stddev_over_time" => Self::Stddev,
            "stdvar_over_time" => Self::Stdvar,
            "sum_over_time" => Self::Sum,
            "ts_of_first_over_time" => Self::TimeOfFirst,
            "ts_of_last_over_time" => Self::TimeOfLast,
            "ts_of_max_over_time" => Self::TimeOfMax,
            "ts_of_min_over_time" => Self::TimeOfMin,
            _ => return None,
        })
    }
}

/// Calls one of them on a window that has samples.
pub(super) fn apply(
    kind: OverTime,
    window: &Window<'_>,
    args: &[f64],
    note: &mut dyn FnMut(Note),
) -> Result<Option<Value>, QueryError> {
    let (floats, histograms) = (&window.floats, &window.histograms);
    let value = match kind {
        OverTime::Count => (floats.len() + histograms.len()) as f64,
        OverTime::Present => 1.0,
        OverTime::TimeOfFirst => {
            seconds(floats.times.first().into_iter().chain(histograms.times.first()).min())
        }
        OverTime::TimeOfLast => seconds(floats.times.last().into_iter().chain(histograms.times.last()).max()),
        OverTime::First => return Ok(first(window)),
        OverTime::Last => return Ok(last(window)),
        OverTime::Sum | OverTime::Avg => return Ok(sum_or_avg(kind, window, note)),
        _ => return of_floats(kind, window, args, note).map(|value| value.map(Value::Float)),
    };
    Ok(Some(Value::Float(value)))
}

fn seconds(millis: Option<&i64>) -> f64 {
    millis.map_or(f64::NAN, |millis| *millis as f64 / 1_000.0)
}

fn first(window: &Window<'_>) -> Option<Value> {
    match (window.floats.first(), window.histograms.first()) {
        (Some((time, value)), histogram) if histogram.is_none_or(|first| time < first.0) => {
            Some(Value::Float(*value))
        }
        (_, histogram) => histogram.map(|(_, value)| Value::Histogram(value.clone())),
    }
}

fn last(window: &Window<'_>) -> Option<Value> {
    match (window.floats.last(), window.histograms.last()) {
        (Some((time, value)), histogram) if histogram.is_none_or(|last| time > last.0) => {
            Some(Value::Float(*value))
        }
        (_, histogram) => histogram.map(|(_, value)| Value::Histogram(value.clone())),
    }
}

/// Those that look at numbers only; histograms beside them are ignored with a note.
fn of_floats(
    kind: OverTime,
    window: &Window<'_>,
    args: &[f64],
    note: &mut dyn FnMut(Note),
) -> Result<Option<f64>, QueryError> {
    let values = window.floats.values;
    let arg = args.first().copied().unwrap_or(f64::NAN);
    let needed = match kind {
        OverTime::Deriv | OverTime::PredictLinear | OverTime::Smoothing => 2,
        _ => 1,
    };
    if kind == OverTime::Smoothing {
        check_factors(args)?;
    }
    if !values.is_empty() {
        if kind == OverTime::Quantile && !(0.0..=1.0).contains(&arg) {
            note(Note::InvalidQuantile(arg));
        }
        window.note_ignored(note);
    }
    if values.len() < needed {
        return Ok(None);
    }
    let times = window.floats.times;
    Ok(Some(match kind {
        OverTime::Deriv => regression(times, values, times.first().copied().unwrap_or_default()).0,
        OverTime::PredictLinear => {
            let (slope, value) = regression(times, values, window.time);
            slope * arg + value
        }
        OverTime::Smoothing => smoothed(values, arg, args.get(1).copied().unwrap_or(f64::NAN)),
        OverTime::Quantile => quantile(arg, &mut values.to_vec()),
        OverTime::Mad => deviation(values),
        OverTime::Stddev => variance(values).sqrt(),
        OverTime::Stdvar => variance(values),
        OverTime::Max => extreme(values, |value, best| value > best).1,
        OverTime::Min => extreme(values, |value, best| value < best).1,
        OverTime::TimeOfMax => seconds(times.get(extreme(values, |value, best| value >= best).0)),
        _ => seconds(times.get(extreme(values, |value, best| value <= best).0)),
    }))
}

/// Place and value of the best number; a NaN gives way to any.
fn extreme(values: &[f64], better: impl Fn(f64, f64) -> bool) -> (usize, f64) {
    let mut best = (0, f64::NAN);
    for (at, value) in values.iter().enumerate() {
        if at == 0 || better(*value, best.1) || best.1.is_nan() {
            best = (at, *value);
        }
    }
    best
}

/// The greatest or the least number of windows that move forwards: each number is looked at once, however many
/// windows it lies in.
pub(super) struct Extremes<'a> {
    values: &'a [f64],
    greatest: bool,
    /// Places whose number may still be the best of a window, best first.
    queue: VecDeque<usize>,
    /// The first place that was not looked at.
    next: usize,
}

impl<'a> Extremes<'a> {
    /// For a function, if it is one of them.
    pub(super) fn of(kind: OverTime, values: &'a [f64]) -> Option<Self> {
        let greatest = match kind {
            OverTime::Max => true,
            OverTime::Min => false,
            _ => return None,
        };
        Some(Self { values, greatest, queue: VecDeque::new(), next: 0 })
    }

    /// The best number from one place to before another; NaN if there is no other. Neither may lie before what it was
    /// the last time.
    pub(super) fn between(&mut self, from: usize, to: usize) -> f64 {
        let value = |place: usize| self.values.get(place).copied().unwrap_or(f64::NAN);
        for place in self.next.max(from)..to {
            let new = value(place);
            if new.is_nan() {
                continue;
            }
            let beats = |old: f64| if self.greatest { new > old } else { new < old };
            while self.queue.back().is_some_and(|back| beats(value(*back))) {
                self.queue.pop_back();
            }
            self.queue.push_back(place);
        }
        self.next = self.next.max(to);
        while self.queue.front().is_some_and(|front| *front < from) {
            self.queue.pop_front();
        }
        self.queue.front().map_or(f64::NAN, |front| value(*front))
    }
}

/// The median of the distances from the median.
fn deviation(values: &[f64]) -> f64 {
    if values.iter().any(|value| value.is_nan()) {
        return f64::NAN;
    }
    let mut values = values.to_vec();
    let median = quantile(0.5, &mut values);
    for value in &mut values {
        *value = (*value - median).abs();
    }
    quantile(0.5, &mut values)
}

/// The variance, after Welford.
fn variance(values: &[f64]) -> f64 {
    let (mut count, mut mean, mut mean_lost, mut squares, mut squares_lost) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for value in values {
        count += 1.0;
        let delta = value - (mean + mean_lost);
        (mean, mean_lost) = kahan(delta / count, mean, mean_lost);
        (squares, squares_lost) = kahan(delta * (value - (mean + mean_lost)), squares, squares_lost);
    }
    (squares + squares_lost) / count
}

fn check_factors(args: &[f64]) -> Result<(), QueryError> {
    for (arg, (name, sign)) in args.iter().zip([("smoothing", "sf"), ("trend", "tf")]) {
        if *arg <= 0.0 || *arg >= 1.0 {
            let text = format!("invalid {name} factor. Expected: 0 < {sign} < 1, got: {arg:.6}");
            return Err(QueryError::execution(text));
        }
    }
    Ok(())
}

/// Double exponential smoothing (Holt).
fn smoothed(values: &[f64], smoothing: f64, trend: f64) -> f64 {
    let (Some(first), Some(second)) = (values.first(), values.get(1)) else { return f64::NAN };
    let (mut before, mut level, mut slope) = (0.0, *first, second - first);
    for (at, value) in values.iter().enumerate().skip(1) {
        if at > 1 {
            slope = trend * (level - before) + (1.0 - trend) * slope;
        }
        let next = smoothing * value + (1.0 - smoothing) * (level + slope);
        (before, level) = (level, next);
    }
    level
}

fn sum_or_avg(kind: OverTime, window: &Window<'_>, note: &mut dyn FnMut(Note)) -> Option<Value> {
    let (floats, histograms) = (&window.floats, &window.histograms);
    match (floats.is_empty(), histograms.is_empty()) {
        (false, false) => {
            note(Note::Mixed(window.name.to_string()));
            None
        }
        (false, true) if kind == OverTime::Sum => {
            let mut sum = Sum::default();
            floats.values.iter().for_each(|value| sum.add(*value));
            Some(Value::Float(sum.total()))
        }
        (false, true) => {
            let mut mean = Mean::of(*floats.values.first()?);
            floats.values.iter().skip(1).for_each(|value| mean.add(*value));
            Some(Value::Float(mean.value()))
        }
        (true, _) => {
            let mut told = Told::default();
            let result = if kind == OverTime::Sum {
                sum_histograms(histograms.values, &mut told)
            } else {
                mean_histograms(histograms.values, &mut told)
            };
            let Ok(result) = result else {
                note(Note::MixedSchemas(window.name.to_string()));
                return None;
            };
            told.tell(note);
            result.map(|histogram| Value::Histogram(Arc::new(histogram)))
        }
    }
}

/// What there is to tell about a sum of histograms.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    reset: bool,
    not_reset: bool,
    reconciled: bool,
}

impl Told {
    /// Looks at one of the histograms.
    pub(super) fn see(&mut self, histogram: &Histogram) {
        match histogram.reset_hint {
            ResetHint::Reset => self.reset = true,
            ResetHint::NotReset => self.not_reset = true,
            ResetHint::Unknown | ResetHint::Gauge => {}
        }
    }

    /// Looks at an addition.
    pub(super) fn seen(&mut self, outcome: Outcome) {
        self.reconciled |= outcome.bounds_reconciled;
    }

    /// Tells it.
    pub(super) fn tell(self, note: &mut dyn FnMut(Note)) {
        if self.reset && self.not_reset {
            note(Note::ResetCollision(Sums::Aggregation));
        }
        if self.reconciled {
            note(Note::ReconciledBuckets(Sums::Aggregation));
        }
    }
}

pub(super) fn sum_histograms(
    histograms: &[Arc<Histogram>],
    told: &mut Told,
) -> Result<Option<Histogram>, HistogramError> {
    let Some((first, rest)) = histograms.split_first() else { return Ok(None) };
    let mut sum = Histogram::clone(first);
    let mut lost = sum.nothing_lost();
    told.see(first);
    for histogram in rest {
        told.see(histogram);
        told.seen(sum.add_exactly(histogram, &mut lost)?);
    }
    if !rest.is_empty() {
        sum.add(&lost)?;
    }
    Ok(Some(sum))
}

/// The mean: of the sum, and step by step once the sum would overflow.
pub(super) fn mean_histograms(
    histograms: &[Arc<Histogram>],
    told: &mut Told,
) -> Result<Option<Histogram>, HistogramError> {
    let Some((first, rest)) = histograms.split_first() else { return Ok(None) };
    let mut sum = Histogram::clone(first);
    let mut lost = sum.nothing_lost();
    told.see(first);
    let mut stepwise = false;
    let mut count = 1.0;
    for histogram in rest {
        told.see(histogram);
        count += 1.0;
        if !stepwise {
            let (mut next, mut next_lost) = (sum.clone(), lost.clone());
            told.seen(next.add_exactly(histogram, &mut next_lost)?);
            if !overflows(&next) {
                (sum, lost) = (next, next_lost);
                continue;
            }
            stepwise = true;
            sum.div(count - 1.0);
            lost.div(count - 1.0);
        }
        let kept = (count - 1.0) / count;
        let mut share = Histogram::clone(histogram);
        share.div(count);
        sum.mul(kept);
        lost.mul(kept);
        told.seen(sum.add_exactly(&share, &mut lost)?);
    }
    if !stepwise {
        sum.div(count);
        lost.div(count);
    }
    if !rest.is_empty() {
        sum.add(&lost)?;
    }
    Ok(Some(sum))
}

fn overflows(histogram: &Histogram) -> bool {
    let totals = [histogram.zero_count, histogram.count, histogram.sum];
    let buckets = histogram.positive_buckets.iter().chain(&histogram.negative_buckets);
    totals.iter().chain(buckets).any(|count| count.is_infinite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extremes_of_moving_windows_are_those_of_each_window() {
        let values: Vec<f64> =
            (0_u32..200).map(|at| if at % 7 < 2 { f64::NAN } else { f64::from(at * 37 % 101) }).collect();
        for (kind, better) in [(OverTime::Max, f64::max as fn(f64, f64) -> f64), (OverTime::Min, f64::min)] {
            for (width, stride) in [(1, 1), (2, 1), (5, 3), (30, 1), (30, 40)] {
                let mut extremes = Extremes::of(kind, &values).expect("one of them");
                for from in (0..values.len() - width).step_by(stride) {
                    let window = &values[from..from + width];
                    let expected = window.iter().copied().fold(f64::NAN, better);
                    let found = extremes.between(from, from + width);
                    assert_eq!(found.to_bits(), expected.to_bits(), "{kind:?} {from} {width}");
                }
            }
        }
    }
}
