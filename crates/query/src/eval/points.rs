//! Samples of a series as functions over ranges see them: numbers and histograms apart, staleness markers
//! left out.

use std::sync::Arc;

use hinomi_model::metrics::{Column as Stored, Series};
use hinomi_series::{Histogram, ResetHint, Value, is_stale};

use super::column::{Column, Grid, absent};

/// Samples of one kind, in order of time.
#[derive(Clone, Debug)]
pub(super) struct Track<T> {
    pub(super) times: Arc<[i64]>,
    pub(super) values: Arc<[T]>,
    /// When what each counts began, 0 where unknown; empty if that is known of none.
    pub(super) starts: Arc<[i64]>,
}

impl<T> Default for Track<T> {
    fn default() -> Self {
        Self { times: Arc::default(), values: Arc::from(Vec::new()), starts: Arc::default() }
    }
}

impl<T: Clone> Track<T> {
    fn collect(samples: &[(i64, T, i64)], with_starts: bool) -> Self {
        let starts =
            if with_starts { samples.iter().map(|sample| sample.2).collect() } else { Arc::default() };
        Self {
            times: samples.iter().map(|sample| sample.0).collect(),
            values: samples.iter().map(|sample| sample.1.clone()).collect(),
            starts,
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
pub(super) struct Points {
    pub(super) floats: Track<f64>,
    pub(super) histograms: Track<Arc<Histogram>>,
}

impl Points {
    /// The samples of a stored series, with their starts where wanted; shared with it if it holds numbers
    /// without staleness markers.
    pub(super) fn of_series(series: &Series, with_starts: bool) -> Self {
        let starts = series.starts.as_ref().filter(|_| with_starts);
        match &series.values {
            Stored::Floats(values) if !values.iter().any(|value| is_stale(*value)) => {
                let starts = starts.cloned().unwrap_or_default();
                let floats = Track { times: series.timestamps.clone(), values: values.clone(), starts };
                Self { floats, histograms: Track::default() }
            }
            values => {
                let start = |at: usize| starts.and_then(|starts| starts.get(at)).copied().unwrap_or_default();
                let samples = series.timestamps.iter().enumerate();
                let samples = samples.filter_map(|(at, time)| Some((*time, values.get(at)?, start(at))));
                Self::collect(samples, starts.is_some())
            }
        }
    }

    /// The samples that an expression has on a grid. What is known about counter resets is forgotten:
    /// samples in between were left out, or came twice.
    pub(super) fn of_column(column: &Column, grid: Grid) -> Self {
        match column {
            Column::Floats(values) => {
                let samples = grid.times().zip(values).filter(|(_, value)| !absent(**value));
                let samples: Vec<(i64, f64, i64)> = samples.map(|(time, value)| (time, *value, 0)).collect();
                Self { floats: Track::collect(&samples, false), histograms: Track::default() }
            }
            Column::Mixed(values) => {
                let samples =
                    grid.times().zip(values).filter_map(|(time, value)| Some((time, value.clone()?, 0)));
                Self::collect(samples.map(|(time, value, start)| (time, unhinted(value), start)), false)
            }
        }
    }

    /// The samples behind one point in time, up to and with another.
    pub(super) fn window(&self, from: i64, to: i64) -> (Samples<'_, f64>, Samples<'_, Arc<Histogram>>) {
        let (floats, histograms) = (&self.floats, &self.histograms);
        let ends = |times: &[i64]| (behind(times, 0, from), behind(times, 0, to));
        let (low, high) = ends(&floats.times);
        let (low_histogram, high_histogram) = ends(&histograms.times);
        (floats.between(low, high), histograms.between(low_histogram, high_histogram))
    }

    fn collect(samples: impl Iterator<Item = (i64, Value, i64)>, with_starts: bool) -> Self {
        let (mut floats, mut histograms) = (Vec::new(), Vec::new());
        for (time, value, start) in samples {
            if value.is_stale() {
                continue;
            }
            match value {
                Value::Float(value) => floats.push((time, value, start)),
                Value::Histogram(value) => histograms.push((time, value, start)),
            }
        }
        Self {
            floats: Track::collect(&floats, with_starts),
            histograms: Track::collect(&histograms, with_starts),
        }
    }
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
