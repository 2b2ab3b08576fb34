//! Selectors: which sample of a series counts at each step.

use std::sync::Arc;

use hinomi_model::metrics::{ColumnView, SeriesView, Wanted};
use hinomi_series::{Histogram, ResetHint};

use super::column::{ABSENT, Builder, Column, Grid, Row, absent, places_cost, value_cost};
use super::evaluator::Evaluator;
use super::extended::{between, between_histograms};
use super::notes::Note;
use super::plan::{Inner, Moved, RangeSelector, Selector};
use super::points::{Points, behind_guess};
use super::stream::Streamed;
use super::{QueryError, SampleStream, points_in_order};
use crate::ast::Edges;

impl Evaluator<'_> {
    /// Of each series the newest sample at every step, if it is younger than the lookback and no staleness
    /// marker.
    pub(super) fn each_newest_row(
        &mut self,
        selector: &Selector,
        grid: Grid,
        each: &mut dyn FnMut(&mut Self, Streamed<'_>) -> Result<(), QueryError>,
    ) -> Result<(), QueryError> {
        let lookback = self.options.lookback_ms;
        let mut column = Column::Floats(Vec::new());
        self.scan_at(selector, grid, &mut |evaluator, series| {
            let (at, part) = lived(&series, selector.shift, grid, lookback);
            newest(&series, selector.shift, part, lookback, &mut column);
            if !evaluator.take(&column, at) {
                return Ok(());
            }
            let (labels, column) = (series.labels, &mut column);
            each(evaluator, Streamed { labels, nameless: false, drop_name: false, at, column })
        })
    }

    /// Counts the samples of a column whose first step is that at a place. Whether there is any.
    fn take(&mut self, column: &Column, at: usize) -> bool {
        let cost = |step: usize| match column {
            Column::Floats(values) => usize::from(values.get(step).is_some_and(|value| !absent(*value))),
            Column::Mixed(values) => values.get(step).and_then(Option::as_ref).map_or(0, value_cost),
        };
        let all: usize = match column {
            Column::Floats(values) => values.iter().map(|value| usize::from(!absent(*value))).sum(),
            Column::Mixed(_) => (0..column.len()).map(cost).sum(),
        };
        self.stats.samples += all as u64;
        for (step, looked) in self.steps_from(at).iter_mut().enumerate().take(column.len()) {
            *looked += cost(step) as u64;
        }
        all > 0
    }

    /// Series with the samples that the steps of a grid may look back at.
    fn scan_at(
        &mut self,
        selector: &Selector,
        grid: Grid,
        each: &mut dyn FnMut(&mut Self, SeriesView<'_>) -> Result<(), QueryError>,
    ) -> Result<(), QueryError> {
        let shift = selector.shift;
        let from = shift.from(grid.start).saturating_sub(self.options.lookback_ms).saturating_add(1);
        let once = grid.len == 1 || shift.at.is_some();
        let wanted = if once { Wanted::Newest } else { Wanted::All };
        self.scan_selected(selector, (from, shift.from(grid.end())), wanted, each)
    }

    /// The series of a selector with their samples from one time to another.
    pub(super) fn scan_selected(
        &mut self,
        selector: &Selector,
        (from, to): (i64, i64),
        wanted: Wanted,
        each: &mut dyn FnMut(&mut Self, SeriesView<'_>) -> Result<(), QueryError>,
    ) -> Result<(), QueryError> {
        if !selector.totals_only {
            return self.scan(&selector.matchers, (from, to), wanted, each);
        }
        // One more sample before tells about resets at the first.
        let from = from.saturating_sub(self.options.lookback_ms);
        self.scan(&selector.matchers, (from, to), Wanted::All, &mut |evaluator, series| {
            let ColumnView::Mixed(values) = series.values else { return each(evaluator, series) };
            let hinted = super::totals::hinted(values);
            each(evaluator, SeriesView { values: ColumnView::Mixed(&hinted), ..series })
        })
    }

    /// Of each series a number made of the sample that counts at every step: its time, or when its count
    /// began.
    pub(super) fn stamps(
        &mut self,
        selector: &Selector,
        grid: Grid,
        stamp: impl Fn(&SeriesView<'_>, usize) -> Option<i64>,
    ) -> Result<Vec<Row>, QueryError> {
        let lookback = self.options.lookback_ms;
        let mut rows = Vec::new();
        self.scan_at(selector, grid, &mut |evaluator, series| {
            evaluator.hold(places_cost(grid.len))?;
            let mut values = Vec::with_capacity(grid.len);
            each_newest(series.timestamps, selector.shift, grid, lookback, |place| {
                let place = place.filter(|place| !series.values.is_stale(*place));
                let stamp = place.and_then(|place| stamp(&series, place));
                values.push(stamp.map_or(ABSENT, |stamp| stamp as f64 / 1_000.0));
            });
            let column = Column::Floats(values);
            if !column.is_empty() {
                rows.push(Row { labels: series.labels.clone(), drop_name: false, column });
            }
            Ok(())
        })?;
        Ok(rows)
    }

    /// The samples of a range, as the answer to an instant query.
    pub(super) fn samples_of(
        &mut self,
        selector: &RangeSelector,
        pos: u32,
        time: i64,
    ) -> Result<Vec<SampleStream>, QueryError> {
        let grid = Grid::one(time);
        let to = selector.selector.shift.from(time);
        let from = to.saturating_sub(selector.range);
        let mut streams = Vec::new();
        self.scan_windows(selector, grid, &mut |evaluator, labels, points| {
            let points = match selector.selector.edges {
                Edges::Plain => points_in_order(points, from, to),
                edges => evaluator.edged(labels, points, (from, to), edges, pos),
            };
            if !points.is_empty() {
                evaluator.hold(points.len())?;
                evaluator.looked(0, points.len());
                streams.push(SampleStream { labels: labels.clone(), points });
            }
            Ok(())
        })?;
        Ok(streams)
    }

    /// What a subquery yields at its steps, as the answer to an instant query.
    pub(super) fn samples_of_inner(
        &mut self,
        inner: &Inner,
        time: i64,
    ) -> Result<Vec<SampleStream>, QueryError> {
        let (grid, rows) = self.inner_rows(inner, Grid::one(time))?;
        let rows = super::named(rows, &self.options)?;
        Ok(super::streams(rows, grid))
    }

    /// Interpolates between the samples around each step.
    pub(super) fn smoothed(
        &mut self,
        selector: &Selector,
        pos: u32,
        grid: Grid,
    ) -> Result<Vec<Row>, QueryError> {
        let (shift, lookback) = (selector.shift, self.options.lookback_ms);
        let from = shift.from(grid.start).saturating_sub(lookback).saturating_add(1);
        let to = shift.from(grid.end()).saturating_add(lookback);
        let mut rows = Vec::new();
        self.scan_selected(selector, (from, to), Wanted::All, &mut |evaluator, series| {
            evaluator.hold(places_cost(grid.len))?;
            let points = Points::of_series(&series, false);
            let mut samples = Vec::with_capacity(grid.len);
            for (step, time) in grid.times().enumerate() {
                samples.push(evaluator.smoothed_at(&points, (step, shift.from(time)), &series, pos));
            }
            let column = Column::collect(samples);
            if !column.is_empty() {
                rows.push(Row { labels: series.labels.clone(), drop_name: false, column });
            }
            Ok(())
        })?;
        Ok(rows)
    }

    fn smoothed_at(
        &mut self,
        points: &Points<'_>,
        (step, at): (usize, i64),
        series: &SeriesView<'_>,
        pos: u32,
    ) -> Option<hinomi_series::Value> {
        let lookback = self.options.lookback_ms;
        let (floats, histograms) = points.window(at.saturating_sub(lookback), at.saturating_add(lookback));
        self.looked(step, floats.len() + histograms.len());
        match (floats.is_empty(), histograms.is_empty()) {
            (true, true) => None,
            (false, false) => {
                self.note(Note::Mixed(series.labels.name().to_string()), pos);
                None
            }
            (false, true) => {
                let next = floats.times.partition_point(|time| *time < at);
                match (next.checked_sub(1).and_then(|before| floats.at(before)), floats.at(next)) {
                    (_, Some((time, value))) if time == at => Some((*value).into()),
                    (Some((t1, v1)), Some((t2, v2))) => Some(between((t1, *v1), (t2, *v2), at, false).into()),
                    (Some((_, value)), None) => Some((*value).into()),
                    (None, _) => None,
                }
            }
            (true, false) => {
                let next = histograms.times.partition_point(|time| *time < at);
                match (next.checked_sub(1).and_then(|before| histograms.at(before)), histograms.at(next)) {
                    (_, Some((time, value))) if time == at => {
                        Some(hinomi_series::Value::Histogram(value.clone()))
                    }
                    (Some(a), Some(b)) => {
                        let name = series.labels.name();
                        if a.1.uses_custom_buckets() != b.1.uses_custom_buckets() {
                            self.note(Note::MixedSchemas(name.to_string()), pos);
                            return None;
                        }
                        let counter = is_counter(a.1) && is_counter(b.1);
                        let made =
                            between_histograms(a, b, at, counter, &mut |note| self.note(note, pos), name)?;
                        Some(hinomi_series::Value::Histogram(Arc::new(made)))
                    }
                    (Some((_, value)), None) => Some(hinomi_series::Value::Histogram(value.clone())),
                    (None, _) => None,
                }
            }
        }
    }
}

fn is_counter(histogram: &Histogram) -> bool {
    histogram.reset_hint != ResetHint::Gauge
}

/// The steps at which a series may have a sample.
fn lived(series: &SeriesView<'_>, shift: Moved, grid: Grid, lookback: i64) -> (usize, Grid) {
    match (series.timestamps, shift.at) {
        ([first, .., last], None) | ([first @ last], None) => {
            let behind = last.saturating_add(lookback).saturating_sub(1);
            grid.part(first.saturating_add(shift.offset), behind.saturating_add(shift.offset))
        }
        _ => (0, grid),
    }
}

/// Of a series the newest sample at every step.
fn newest(series: &SeriesView<'_>, shift: Moved, grid: Grid, lookback: i64, into: &mut Column) {
    match &series.values {
        ColumnView::Floats(stored) => {
            let mut values = into.recycle();
            each_newest(series.timestamps, shift, grid, lookback, |place| {
                // A staleness marker is what stands for no sample.
                values.push(place.and_then(|place| stored.get(place)).copied().unwrap_or(ABSENT));
            });
            *into = Column::Floats(values);
        }
        ColumnView::Mixed(stored) => {
            let mut builder = Builder::reusing(into);
            each_newest(series.timestamps, shift, grid, lookback, |place| {
                let value = place.and_then(|place| stored.get(place));
                builder.push(value.filter(|value| !value.is_stale()).cloned());
            });
            *into = builder.build();
        }
    }
}

/// Calls a function for every step with the place of the newest sample that is younger than the lookback.
pub(super) fn each_newest(
    times: &[i64],
    shift: Moved,
    grid: Grid,
    lookback: i64,
    mut found: impl FnMut(Option<usize>),
) {
    let (mut next, mut stride) = (0, 0);
    for time in grid.times() {
        let at = shift.from(time);
        let place = behind_guess(times, next, next + stride, at);
        (next, stride) = (place, place - next);
        let place = next.checked_sub(1);
        let oldest = at.saturating_sub(lookback);
        found(place.filter(|place| times.get(*place).is_some_and(|time| *time > oldest)));
    }
}
