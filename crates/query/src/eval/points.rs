//! Samples of a series as functions over ranges see them: numbers and histograms apart, staleness markers
//! left out.

use std::borrow::Cow;
use std::sync::Arc;

use hinomi_model::metrics::{ColumnView, SeriesView};
use hinomi_series::{Histogram, ResetHint, Value, is_stale};

use super::column::{Column, Grid, absent};

/// Samples of one kind, in order of time.
#[derive(Clone, Debug)]
pub(super) struct Track<'a, T: Clone> {
    pub(super) times: Cow<'a, [i64]>,
    pub(super) values: Cow<'a, [T]>,
    /// When what each counts began, 0 where unknown; empty if that is known of none.
    pub(super) starts: Cow<'a, [i64]>,
    /// Whether each number is known to be at least the one before, and no start to be known: then nothing began anew.
    pub(super) rises: bool,
}

impl<T: Clone> Default for Track<'_, T> {
    fn default() -> Self {
        Self { times: Cow::default(), values: Cow::Owned(Vec::new()), starts: Cow::default(), rises: false }
    }
}

impl<T: Clone> Track<'_, T> {
    fn push(&mut self, time: i64, value: T, start: Option<i64>) {
        self.times.to_mut().push(time);
        self.values.to_mut().push(value);
        if let Some(start) = start {
            self.starts.to_mut().push(start);
        }
    }

    /// The samples at places from one to before another.
    pub(super) fn between(&self, from: usize, to: usize) -> Samples<'_, T> {
        Samples {
            times: self.times.get(from..to).unwrap_or_default(),
            values: self.values.get(from..to).unwrap_or_default(),
            starts: self.starts.get(from..to).unwrap_or_default(),
        }
    }
}

impl<'a> Track<'a, f64> {
    /// Numbers without staleness markers; lent if there are none.
    fn without_stale(times: &'a [i64], values: &'a [f64], starts: Option<&'a [i64]>) -> Self {
        let starts = starts.unwrap_or_default();
        let rises = only_rises(values);
        if rises || !any_stale(values) {
            let rises = rises && starts.is_empty();
            return Self { times: times.into(), values: values.into(), starts: starts.into(), rises };
        }
        let kept = |some: &'a [i64]| {
            let some = some.iter().zip(values).filter(|(_, value)| !is_stale(**value));
            Cow::Owned(some.map(|(some, _)| *some).collect())
        };
        let values = values.iter().copied().filter(|value| !is_stale(*value)).collect();
        Self { times: kept(times), values: Cow::Owned(values), starts: kept(starts), rises: false }
    }
}

/// Samples of one kind within a window.
#[derive(Debug)]
pub(super) struct Samples<'a, T> {
    pub(super) times: &'a [i64],
    pub(super) values: &'a [T],
    /// Empty if no start is known.
    pub(super) starts: &'a [i64],
}

impl<T> Clone for Samples<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Samples<'_, T> {}

impl<'a, T> Samples<'a, T> {
    pub(super) const fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The first sample.
    pub(super) fn first(&self) -> Option<(i64, &'a T)> {
        self.times.first().copied().zip(self.values.first())
    }

    /// The last sample.
    pub(super) fn last(&self) -> Option<(i64, &'a T)> {
        self.times.last().copied().zip(self.values.last())
    }

    /// The sample at a place.
    pub(super) fn at(&self, place: usize) -> Option<(i64, &'a T)> {
        self.times.get(place).copied().zip(self.values.get(place))
    }

    /// When what the sample at a place counts began; 0 if unknown.
    pub(super) fn start(&self, place: usize) -> i64 {
        self.starts.get(place).copied().unwrap_or_default()
    }

    /// The samples at places from one to before another.
    pub(super) fn slice(&self, from: usize, to: usize) -> Self {
        Self {
            times: self.times.get(from..to).unwrap_or_default(),
            values: self.values.get(from..to).unwrap_or_default(),
            starts: self.starts.get(from..to).unwrap_or_default(),
        }
    }

    /// All of them with their times.
    pub(super) fn iter(&self) -> impl Iterator<Item = (i64, &'a T)> + use<'a, T> {
        self.times.iter().copied().zip(self.values)
    }
}

/// A series' samples.
#[derive(Clone, Debug, Default)]
pub(super) struct Points<'a> {
    pub(super) floats: Track<'a, f64>,
    pub(super) histograms: Track<'a, Arc<Histogram>>,
}

impl<'a> Points<'a> {
    /// The samples of a stored series, with their starts where wanted; lent by it if it holds numbers without
    /// staleness markers.
    pub(super) fn of_series(series: &SeriesView<'a>, with_starts: bool) -> Self {
        let starts = series.starts.filter(|_| with_starts);
        let mut points = Self::default();
        match series.values {
            ColumnView::Floats(values) => {
                // A series that ended has a marker at its end.
                let end = values.iter().rposition(|value| !is_stale(*value)).map_or(0, |last| last + 1);
                let values = values.get(..end).unwrap_or_default();
                let times = series.timestamps.get(..end).unwrap_or_default();
                let starts = starts.map(|starts| starts.get(..end).unwrap_or_default());
                points.floats = Track::without_stale(times, values, starts);
            }
            ColumnView::Mixed(values) => {
                for (at, (time, value)) in series.timestamps.iter().zip(values).enumerate() {
                    points.push(*time, value.clone(), start_at(starts, at));
                }
            }
        }
        points
    }

    /// The samples that an expression has on a grid. What is known about counter resets is forgotten:
    /// samples in between were left out, or came twice.
    pub(super) fn of_column(column: &Column, grid: Grid) -> Self {
        let mut points = Self::default();
        match column {
            Column::Floats(values) => {
                for (time, value) in grid.times().zip(values).filter(|(_, value)| !absent(**value)) {
                    points.floats.push(time, *value, None);
                }
            }
            Column::Mixed(values) => {
                for (time, value) in grid.times().zip(values) {
                    if let Some(value) = value {
                        points.push(time, unhinted(value.clone()), None);
                    }
                }
            }
        }
        points
    }

    fn push(&mut self, time: i64, value: Value, start: Option<i64>) {
        match value {
            value if value.is_stale() => {}
            Value::Float(value) => self.floats.push(time, value, start),
            Value::Histogram(value) => self.histograms.push(time, value, start),
        }
    }

    /// First and last time; `None` without samples.
    pub(super) fn span(&self) -> Option<(i64, i64)> {
        let (floats, histograms) = (&self.floats.times, &self.histograms.times);
        let first = floats.first().into_iter().chain(histograms.first()).min()?;
        let last = floats.last().into_iter().chain(histograms.last()).max()?;
        Some((*first, *last))
    }

    /// The samples behind one point in time, up to and with another.
    pub(super) fn window(&self, from: i64, to: i64) -> (Samples<'_, f64>, Samples<'_, Arc<Histogram>>) {
        let (floats, histograms) = (&self.floats, &self.histograms);
        let ends = |times: &[i64]| (behind(times, 0, from), behind(times, 0, to));
        let (low, high) = ends(&floats.times);
        let (low_histogram, high_histogram) = ends(&histograms.times);
        (floats.between(low, high), histograms.between(low_histogram, high_histogram))
    }
}

fn start_at(starts: Option<&[i64]>, at: usize) -> Option<i64> {
    starts.map(|starts| starts.get(at).copied().unwrap_or_default())
}

/// Whether each number is at least the one before, which no NaN is: the one look that counters take, gauges soon fail it.
fn only_rises(values: &[f64]) -> bool {
    let next = values.get(1..).unwrap_or_default();
    values.len() > 1
        && values
            .chunks(64)
            .zip(next.chunks(64))
            .all(|(values, next)| values.iter().zip(next).fold(true, |all, (a, b)| all & (a <= b)))
}

/// Whether one of the numbers is a staleness marker, which is one of those that are none. Looks at several at once.
fn any_stale(values: &[f64]) -> bool {
    values.chunks(64).any(|some| {
        let odd = some.iter().fold(false, |found, value| found | value.is_nan());
        odd && some.iter().any(|value| is_stale(*value))
    })
}

fn unhinted(value: Value) -> Value {
    match value {
        Value::Histogram(histogram)
            if matches!(histogram.reset_hint, ResetHint::Reset | ResetHint::NotReset) =>
        {
            let mut histogram = (*histogram).clone();
            histogram.reset_hint = ResetHint::Unknown;
            Value::Histogram(Arc::new(histogram))
        }
        value => value,
    }
}

/// As [`behind`], where windows move evenly: `guess` is right most of the time.
pub(super) fn behind_guess(times: &[i64], from: usize, guess: usize, time: i64) -> usize {
    let before = guess.checked_sub(1).and_then(|before| times.get(before));
    if guess >= from
        && before.is_none_or(|before| *before <= time)
        && guess <= times.len()
        && times.get(guess).is_none_or(|next| *next > time)
    {
        return guess;
    }
    behind(times, from, time)
}

/// The first place from `from` on whose time lies behind `time`: looks near `from` first, in steps that
/// double.
pub(super) fn behind(times: &[i64], from: usize, time: i64) -> usize {
    let (mut low, mut width) = (from, 1);
    while times.get(low + width - 1).is_some_and(|found| *found <= time) {
        low += width;
        width *= 2;
    }
    let rest = times.get(low..times.len().min(low + width)).unwrap_or_default();
    low + rest.partition_point(|found| *found <= time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_from_wherever_the_search_begins() {
        let times: Vec<i64> = (0..100).map(|at| at * 10).collect();
        for from in [0, 1, 50] {
            for time in [500, 501, 505, 985, 990, 2_000] {
                let expected = times.partition_point(|found| *found <= time).max(from);
                assert_eq!(behind(&times, from, time), expected, "{from} {time}");
            }
        }
        assert_eq!(behind(&times, 100, 5), 100);
        assert_eq!(behind(&[], 0, 5), 0);
    }
}
