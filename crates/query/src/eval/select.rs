//! Selectors: which sample of a series counts at each step.

use std::sync::Arc;

use hinomi_model::metrics::{Column as Stored, Series};
use hinomi_series::{Histogram, ResetHint, is_stale};

use super::column::{ABSENT, Column, Grid, Row, places_cost, value_cost};
use super::evaluator::Evaluator;
use super::extended::{between, between_histograms};
use super::notes::Note;
use super::plan::{Inner, Moved, RangeSelector, Selector};
use super::points::{Points, behind};
use super::{QueryError, SampleStream, points_in_order};
use crate::ast::Edges;

impl Evaluator<'_> {
    /// Of each series the newest sample at every step, if it is younger than the lookback and no staleness
    /// marker.
    pub(super) fn select(
        &mut self,
        selector: &Selector,
        pos: u32,
        grid: Grid,
    ) -> Result<Vec<Row>, QueryError> {
        if selector.edges == Edges::Smoothed {
            return self.smoothed(selector, pos, grid);
        }
        let series = self.series_at(selector, selector.shift, grid)?;
        let mut rows = Vec::with_capacity(series.len());
        self.hold(places_cost(series.len().saturating_mul(grid.len)))?;
        for series in &series {
            self.check()?;
            let column = newest(series, selector.shift, grid, self.options.lookback_ms);
            let looked = column.samples().flatten().map(|value| value_cost(&value)).sum();
            self.looked(looked);
            if looked > 0 {
                rows.push(Row { labels: series.labels.clone(), drop_name: false, column });
            }
        }
        Ok(rows)
    }

    /// Series with all samples that the steps of a grid may look back at.
    pub(super) fn series_at(
        &mut self,
        selector: &Selector,
        shift: Moved,
        grid: Grid,
    ) -> Result<Vec<Series>, QueryError> {
        let from = shift.from(grid.start).saturating_sub(self.options.lookback_ms).saturating_add(1);
        self.read_selected(selector, from, shift.from(grid.end()))
    }

    /// Reads the series of a selector.
    pub(super) fn read_selected(
        &mut self,
        selector: &Selector,
        from: i64,
        to: i64,
    ) -> Result<Vec<Series>, QueryError> {
        if !selector.totals_only {
            return self.read(&selector.matchers, from, to);
        }
        // One more sample before tells about resets at the first.
        let from = from.saturating_sub(self.options.lookback_ms);
        let series = self.read(&selector.matchers, from, to)?;
        Ok(series.into_iter().map(super::totals::hinted).collect())
    }

    /// Of each series a number made of the sample that counts at every step: its time, or when its count
    /// began.
    pub(super) fn stamps(
        &mut self,
        selector: &Selector,
        grid: Grid,
        stamp: impl Fn(&Series, usize) -> Option<i64>,
    ) -> Result<Vec<Row>, QueryError> {
        let series = self.series_at(selector, selector.shift, grid)?;
        self.hold(places_cost(series.len().saturating_mul(grid.len)))?;
        let mut rows = Vec::with_capacity(series.len());
        for series in &series {
            self.check()?;
            let mut values = Vec::with_capacity(grid.len);
            each_newest(series, selector.shift, grid, self.options.lookback_ms, |place| {
                let stamp =
                    place.filter(|place| !stale(series, *place)).and_then(|place| stamp(series, place));
                values.push(stamp.map_or(ABSENT, |stamp| stamp as f64 / 1_000.0));
            });
            let column = Column::Floats(values);
            if !column.is_empty() {
                rows.push(Row { labels: series.labels.clone(), drop_name: false, column });
            }
        }
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
        for (labels, points) in self.windows_of(selector, grid)? {
            let points = match selector.selector.edges {
                Edges::Plain => points_in_order(&points, from, to),
                edges => self.edged(&labels, &points, (from, to), edges, pos),
            };
            if !points.is_empty() {
                streams.push(SampleStream { labels, points });
            }
        }
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
    fn smoothed(&mut self, selector: &Selector, pos: u32, grid: Grid) -> Result<Vec<Row>, QueryError> {
        let (shift, lookback) = (selector.shift, self.options.lookback_ms);
        let from = shift.from(grid.start).saturating_sub(lookback).saturating_add(1);
        let to = shift.from(grid.end()).saturating_add(lookback);
        let series = self.read_selected(selector, from, to)?;
        self.hold(places_cost(series.len().saturating_mul(grid.len)))?;
        let mut rows = Vec::with_capacity(series.len());
        for series in &series {
            self.check()?;
            let points = Points::of_series(series, false);
            let mut samples = Vec::with_capacity(grid.len);
            for time in grid.times() {
                samples.push(self.smoothed_at(&points, shift.from(time), series, pos));
            }
            let column = Column::collect(samples);
            if !column.is_empty() {
                rows.push(Row { labels: series.labels.clone(), drop_name: false, column });
            }
        }
        Ok(rows)
    }

    fn smoothed_at(
        &mut self,
        points: &Points,
        at: i64,
        series: &Series,
        pos: u32,
    ) -> Option<hinomi_series::Value> {
        let lookback = self.options.lookback_ms;
        let (floats, histograms) = points.window(at.saturating_sub(lookback), at.saturating_add(lookback));
        self.looked(floats.len() + histograms.len());
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

fn stale(series: &Series, place: usize) -> bool {
    match &series.values {
        Stored::Floats(values) => values.get(place).is_none_or(|value| is_stale(*value)),
        Stored::Mixed(values) => values.get(place).is_none_or(hinomi_series::Value::is_stale),
    }
}

/// Of a series the newest sample at every step.
fn newest(series: &Series, shift: Moved, grid: Grid, lookback: i64) -> Column {
    match &series.values {
        Stored::Floats(stored) => {
            let mut values = Vec::with_capacity(grid.len);
            each_newest(series, shift, grid, lookback, |place| {
                // A staleness marker is what stands for no sample.
                values.push(place.and_then(|place| stored.get(place)).copied().unwrap_or(ABSENT));
            });
            Column::Floats(values)
        }
        Stored::Mixed(stored) => {
            let mut values = Vec::with_capacity(grid.len);
            each_newest(series, shift, grid, lookback, |place| {
                let value = place.and_then(|place| stored.get(place));
                values.push(value.filter(|value| !value.is_stale()).cloned());
            });
            Column::collect(values)
        }
    }
}

/// Calls a function for every step with the place of the newest sample that is younger than the lookback.
pub(super) fn each_newest(
    series: &Series,
    shift: Moved,
    grid: Grid,
    lookback: i64,
    mut found: impl FnMut(Option<usize>),
) {
    let times = &*series.timestamps;
    let mut next = 0;
    for time in grid.times() {
        let at = shift.from(time);
        next = behind(times, next, at);
        let place = next.checked_sub(1);
        let oldest = at.saturating_sub(lookback);
        found(place.filter(|place| times.get(*place).is_some_and(|time| *time > oldest)));
    }
}
