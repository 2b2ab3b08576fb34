//! Windows that slide over the samples of one series.

use hinomi_series::{Labels, Value};

use super::QueryError;
use super::column::{Builder, Column, Grid};
use super::evaluator::Evaluator;
use super::notes::Note;
use super::over_time::Extremes;
use super::plan::Moved;
use super::points::{Points, behind_guess};
use super::range::{RangeFunction, Window};
use super::rate::Rate;
use super::steady::{Steady, reset_places};
use crate::ast::Edges;

/// What does not change from window to window.
pub(super) struct Sliding<'a> {
    pub(super) function: RangeFunction,
    pub(super) shift: Moved,
    pub(super) range: i64,
    pub(super) edges: Edges,
    pub(super) grid: Grid,
    /// Of each argument beside the range its numbers.
    pub(super) args: &'a [Vec<f64>],
    /// Where the notes point to.
    pub(super) pos: u32,
    /// How far before and behind its range a window looks, milliseconds.
    pub(super) reach: (i64, i64),
    /// Whether names that no longer fit are taken away now.
    pub(super) unnames: bool,
}

impl Sliding<'_> {
    /// The steps whose windows may have one of the samples.
    pub(super) fn lived(&self, points: &Points<'_>) -> (usize, Grid) {
        if self.shift.at.is_some() {
            return (0, self.grid);
        }
        let Some((first, last)) = points.span() else { return (0, Grid { len: 0, ..self.grid }) };
        let moved = |time: i64, by: i64| time.saturating_add(self.shift.offset).saturating_add(by);
        let behind = self.range.saturating_add(self.reach.0).saturating_sub(1);
        self.grid.part(moved(first, -self.reach.1), moved(last, behind))
    }
}

impl Evaluator<'_> {
    pub(super) fn note_gauge(&mut self, labels: &Labels, sliding: &Sliding<'_>, column: &Column) {
        let counter = matches!(sliding.function, RangeFunction::Rate(Rate::PerSecond | Rate::Increase));
        if counter && may_be_gauge(labels.name()) && has_float(column) {
            self.note(Note::PossibleNonCounter(labels.name().to_string()), sliding.pos);
        }
    }

    /// The function's result for each window of one series, of those steps at which it has samples.
    pub(super) fn slide(
        &mut self,
        name: &str,
        points: &Points<'_>,
        (sliding, steady): (&Sliding<'_>, &mut Steady),
        (at, grid): (usize, Grid),
        into: &mut Column,
    ) -> Result<(), QueryError> {
        let (floats_only, edges) = (points.histograms.times.is_empty(), sliding.edges);
        if let RangeFunction::Rate(kind @ (Rate::PerSecond | Rate::Increase | Rate::Delta)) = sliding.function
            && floats_only
            && points.floats.starts.is_empty()
            && edges == Edges::Plain
        {
            let looked = steady.rates(kind, points, sliding, (at, grid), into, self.steps_from(at));
            self.stats.samples += looked;
            return Ok(());
        }
        let resets = match sliding.function {
            RangeFunction::Rate(kind) if kind.counter() => reset_places(&points.floats),
            _ => Vec::new(),
        };
        let mut extremes = match sliding.function {
            // Where windows overlap little, it is quicker to look at each of their samples.
            RangeFunction::OverTime(kind) if floats_only && sliding.range / grid.step > 4 => {
                Extremes::of(kind, &points.floats.values)
            }
            _ => None,
        };
        let (mut floats, mut histograms) = (Cursor::default(), Cursor::default());
        let mut args = vec![0.0; sliding.args.len()];
        let mut column = Builder::reusing(into);
        for (step, time) in grid.times().enumerate() {
            let end = sliding.shift.from(time);
            let start = end.saturating_sub(sliding.range);
            let (from, to) = (start.saturating_sub(sliding.reach.0), end.saturating_add(sliding.reach.1));
            floats.advance(&points.floats.times, from, to);
            histograms.advance(&points.histograms.times, from, to);
            let window = Window {
                name,
                floats: points.floats.between(floats.low, floats.high),
                histograms: points.histograms.between(histograms.low, histograms.high),
                resets: &resets,
                base: floats.low,
                start,
                end,
                time,
                edges,
            };
            let seen = window.floats.len() + window.histograms.len();
            self.looked(at + step, seen);
            for (arg, values) in args.iter_mut().zip(sliding.args) {
                *arg = values.get(at + step).copied().unwrap_or(f64::NAN);
            }
            let mut note = |note| self.notes.add(note, sliding.pos);
            let value = match &mut extremes {
                _ if seen == 0 => None,
                Some(extremes) => Some(Value::Float(extremes.between(floats.low, floats.high))),
                None => sliding.function.apply(&window, &args, &mut note)?,
            };
            column.push(value);
        }
        *into = column.build();
        Ok(())
    }
}

/// How far before and behind its range a window looks, milliseconds.
pub(super) const fn reach(edges: Edges, lookback: i64) -> (i64, i64) {
    match edges {
        Edges::Plain => (0, 0),
        Edges::Anchored => (lookback, 0),
        Edges::Smoothed => (lookback, lookback),
    }
}

/// Where a window lies in a series.
#[derive(Clone, Copy, Default)]
pub(super) struct Cursor {
    pub(super) low: usize,
    pub(super) high: usize,
    /// By how much it moved last.
    stride: usize,
}

impl Cursor {
    pub(super) fn advance(&mut self, times: &[i64], from: i64, to: i64) {
        let low = behind_guess(times, self.low, self.low + self.stride, from);
        let high = behind_guess(times, self.high.max(low), (self.high + self.stride).max(low), to);
        *self = Self { low, high, stride: low - self.low };
    }
}

fn may_be_gauge(name: &str) -> bool {
    !name.is_empty() && !["_total", "_sum", "_count", "_bucket"].iter().any(|suffix| name.ends_with(suffix))
}

fn has_float(column: &Column) -> bool {
    match column {
        Column::Floats(_) => true,
        Column::Mixed(values) => values.iter().flatten().any(|value| matches!(value, Value::Float(_))),
    }
}
