//! Functions over ranges: a window slides over the samples of each series.

use std::sync::Arc;

use hinomi_series::{Histogram, Labels, Value};

use super::QueryError;
use super::column::{Builder, Column, Grid, Row, has_twins, nameless};
use super::evaluator::{Evaluator, Yield};
use super::notes::Note;
use super::over_time::{Extremes, OverTime};
use super::plan::{Function, Inner, Moved, Node, RangeSelector};
use super::points::{Points, Samples, Track, behind};
use super::rate::Rate;
use super::{change, extended, over_time, rate};
use crate::ast::Edges;

/// What one step looks at of one series.
pub(super) struct Window<'a> {
    /// The metric's name, for notes.
    pub(super) name: &'a str,
    pub(super) floats: Samples<'a, f64>,
    pub(super) histograms: Samples<'a, Arc<Histogram>>,
    /// Places of numbers within `floats` at which a counter began anew.
    pub(super) resets: &'a [usize],
    /// Place in the series at which `floats` begins; `resets` counts from the begin of the series.
    pub(super) base: usize,
    /// The range: behind this time, milliseconds since the epoch.
    pub(super) start: i64,
    /// Up to and with this time.
    pub(super) end: i64,
    /// The step.
    pub(super) time: i64,
    pub(super) edges: Edges,
}

impl Window<'_> {
    /// Length of the range in seconds.
    pub(super) fn seconds(&self) -> f64 {
        (self.end - self.start) as f64 / 1_000.0
    }

    /// Tells of histograms that are ignored beside numbers.
    pub(super) fn note_ignored(&self, note: &mut dyn FnMut(Note)) {
        if !self.histograms.is_empty() {
            note(Note::IgnoredInMixedRange(self.name.to_string()));
        }
    }
}

/// A function over a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RangeFunction {
    Rate(Rate),
    OverTime(OverTime),
    Resets,
    Changes,
    Absent,
}

impl RangeFunction {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "rate" => Self::Rate(Rate::PerSecond),
            "increase" => Self::Rate(Rate::Increase),
            "delta" => Self::Rate(Rate::Delta),
            "irate" => Self::Rate(Rate::Irate),
            "idelta" => Self::Rate(Rate::Idelta),
            "resets" => Self::Resets,
            "changes" => Self::Changes,
            "absent_over_time" => Self::Absent,
            _ => Self::OverTime(OverTime::of(name)?),
        })
    }

    /// Whether its result still is what the metric's name says.
    fn keeps_name(self) -> bool {
        matches!(self, Self::OverTime(OverTime::First | OverTime::Last))
    }

    fn apply(
        self,
        window: &Window<'_>,
        args: &[f64],
        note: &mut dyn FnMut(Note),
    ) -> Result<Option<Value>, QueryError> {
        Ok(match self {
            Self::Rate(kind) if window.edges == Edges::Plain => rate::apply(kind, window, note),
            Self::Rate(kind) => extended::apply(kind, window, note),
            Self::OverTime(kind) => return over_time::apply(kind, window, args, note),
            Self::Resets => change::resets(window),
            Self::Changes => change::changes(window),
            Self::Absent => Some(Value::Float(1.0)),
        })
    }

    /// Refuses ranges with made-up ends that the function cannot work with.
    fn check_edges(self, name: &str, edges: Edges) -> Result<(), QueryError> {
        let plain_rate = matches!(self, Self::Rate(Rate::PerSecond | Rate::Increase | Rate::Delta));
        let (modifier, fits, known) = match edges {
            Edges::Plain => return Ok(()),
            Edges::Anchored => {
                let fits = plain_rate || matches!(self, Self::Resets | Self::Changes);
                ("anchored", fits, "changes, delta, increase, rate, resets")
            }
            Edges::Smoothed => ("smoothed", plain_rate, "delta, increase, rate"),
        };
        if fits {
            return Ok(());
        }
        let text = format!("{modifier} modifier can only be used with: {known} - not with {name}");
        Err(QueryError::execution(text))
    }
}

/// A series with the samples that windows slide over.
struct Slid {
    labels: Labels,
    drop_name: bool,
    points: Points,
}

/// What does not change from window to window.
struct Sliding<'a> {
    function: RangeFunction,
    shift: Moved,
    range: i64,
    edges: Edges,
    grid: Grid,
    /// Of each argument beside the range its numbers.
    args: &'a [Vec<f64>],
    /// Where the notes point to.
    pos: u32,
}

impl Evaluator<'_> {
    /// Evaluates a call whose argument at a place is a range.
    pub(super) fn over_range(
        &mut self,
        call: &Function,
        place: usize,
        grid: Grid,
    ) -> Result<Yield, QueryError> {
        let function = RangeFunction::of(call.name).ok_or_else(|| unknown(call.name))?;
        let pos = call.args.first().map_or(0, |arg| arg.pos);
        let mut args = Vec::new();
        for (at, arg) in call.args.iter().enumerate() {
            if at != place {
                args.push(self.scalars(arg, grid)?);
            }
        }
        let Some(arg) = call.args.get(place) else { return Err(unknown(call.name)) };
        let mut sliding = Sliding {
            function,
            shift: Moved::default(),
            range: 0,
            edges: Edges::Plain,
            grid,
            args: &args,
            pos,
        };
        let slid = match &arg.node {
            Node::Range(selector) => {
                (sliding.shift, sliding.range) = (selector.selector.shift, selector.range);
                sliding.edges = selector.selector.edges;
                function.check_edges(call.name, sliding.edges)?;
                let windows = self.windows_of(selector, grid)?;
                let slid = |(labels, points)| Slid { labels, drop_name: false, points };
                windows.into_iter().map(slid).collect()
            }
            Node::Subquery(inner) => {
                (sliding.shift, sliding.range) = (inner.shift, inner.range);
                self.slid_inner(inner, grid)?
            }
            _ => return Err(unknown(call.name)),
        };
        let rows = self.slide_all(slid, &sliding)?;
        if function == RangeFunction::Absent {
            return Ok(Yield::Rows(super::absent::from_rows(&rows, &arg.node, grid)));
        }
        if !self.options.delayed_name_removal && has_twins(&rows) {
            return Err(QueryError::same_labels());
        }
        Ok(Yield::Rows(rows))
    }

    /// Series with all samples that the windows of a grid may look at.
    pub(super) fn windows_of(
        &mut self,
        selector: &RangeSelector,
        grid: Grid,
    ) -> Result<Vec<(Labels, Points)>, QueryError> {
        let (shift, lookback) = (selector.selector.shift, self.options.lookback_ms);
        let (before, after) = reach(selector.selector.edges, lookback);
        let from = shift.from(grid.start).saturating_sub(selector.range).saturating_sub(before);
        let to = shift.from(grid.end()).saturating_add(after);
        let series = self.read_selected(&selector.selector, from.saturating_add(1), to)?;
        let with_starts = self.options.start_timestamps;
        let points =
            series.iter().map(|series| (series.labels.clone(), Points::of_series(series, with_starts)));
        Ok(points.collect())
    }

    /// Evaluates the expression of a subquery at its own steps.
    pub(super) fn inner_rows(&mut self, inner: &Inner, grid: Grid) -> Result<(Grid, Vec<Row>), QueryError> {
        let first = inner.shift.from(grid.start).saturating_sub(inner.range);
        // Steps are multiples of the step width, the first lies behind the begin of the range.
        let aligned = first.div_euclid(inner.step).saturating_mul(inner.step).saturating_add(inner.step);
        let steps = Grid::spanning(aligned, inner.shift.from(grid.end()), inner.step);
        let rows = self.rows(&inner.plan, steps)?;
        Ok((steps, rows))
    }

    fn slid_inner(&mut self, inner: &Inner, grid: Grid) -> Result<Vec<Slid>, QueryError> {
        let (steps, rows) = self.inner_rows(inner, grid)?;
        let slid = rows.into_iter().map(|row| {
            let points = Points::of_column(&row.column, steps);
            Slid { labels: row.labels, drop_name: row.drop_name, points }
        });
        Ok(slid.collect())
    }

    fn slide_all(&mut self, slid: Vec<Slid>, sliding: &Sliding<'_>) -> Result<Vec<Row>, QueryError> {
        let keeps_name = sliding.function.keeps_name();
        let counter = matches!(sliding.function, RangeFunction::Rate(Rate::PerSecond | Rate::Increase));
        let mut rows = Vec::with_capacity(slid.len());
        for series in slid {
            self.check()?;
            let column = self.slide(&series, sliding)?;
            if column.is_empty() {
                continue;
            }
            self.hold(column.cost())?;
            if counter && may_be_gauge(series.labels.name()) && has_float(&column) {
                self.note(Note::PossibleNonCounter(series.labels.name().to_string()), sliding.pos);
            }
            let drop_name = !keeps_name || series.drop_name;
            let now = !keeps_name && !self.options.delayed_name_removal;
            let labels = if now { nameless(&series.labels) } else { series.labels };
            rows.push(Row { labels, drop_name, column });
        }
        Ok(rows)
    }

    /// The function's result for each window of one series.
    fn slide(&mut self, series: &Slid, sliding: &Sliding<'_>) -> Result<Column, QueryError> {
        let points = &series.points;
        let (before, after) = reach(sliding.edges, self.options.lookback_ms);
        let resets = match sliding.function {
            RangeFunction::Rate(_) => reset_places(&points.floats),
            _ => Vec::new(),
        };
        let mut extremes = match sliding.function {
            RangeFunction::OverTime(kind) if points.histograms.times.is_empty() => {
                Extremes::of(kind, &points.floats.values)
            }
            _ => None,
        };
        let (mut floats, mut histograms) = (Cursor::default(), Cursor::default());
        let mut args = vec![0.0; sliding.args.len()];
        let mut column = Builder::with_capacity(sliding.grid.len);
        let mut looked = 0;
        for (step, time) in sliding.grid.times().enumerate() {
            let end = sliding.shift.from(time);
            let start = end.saturating_sub(sliding.range);
            let (from, to) = (start.saturating_sub(before), end.saturating_add(after));
            floats.advance(&points.floats.times, from, to);
            histograms.advance(&points.histograms.times, from, to);
            let window = Window {
                name: series.labels.name(),
                floats: points.floats.between(floats.low, floats.high),
                histograms: points.histograms.between(histograms.low, histograms.high),
                resets: &resets,
                base: floats.low,
                start,
                end,
                time,
                edges: sliding.edges,
            };
            let seen = window.floats.len() + window.histograms.len();
            looked += seen;
            for (arg, values) in args.iter_mut().zip(sliding.args) {
                *arg = values.get(step).copied().unwrap_or(f64::NAN);
            }
            let mut note = |note| self.notes.add(note, sliding.pos);
            let value = match &mut extremes {
                _ if seen == 0 => None,
                Some(extremes) => Some(Value::Float(extremes.between(floats.low, floats.high))),
                None => sliding.function.apply(&window, &args, &mut note)?,
            };
            column.push(value);
        }
        self.looked(looked);
        Ok(column.build())
    }
}

/// How far before and behind its range a window looks, milliseconds.
const fn reach(edges: Edges, lookback: i64) -> (i64, i64) {
    match edges {
        Edges::Plain => (0, 0),
        Edges::Anchored => (lookback, 0),
        Edges::Smoothed => (lookback, lookback),
    }
}

/// Where a window lies in a series.
#[derive(Clone, Copy, Default)]
struct Cursor {
    low: usize,
    high: usize,
}

impl Cursor {
    fn advance(&mut self, times: &[i64], from: i64, to: i64) {
        self.low = behind(times, self.low, from);
        self.high = behind(times, self.high.max(self.low), to);
    }
}

/// Places at which a counter began anew: it fell, or its start says so.
fn reset_places(track: &Track<f64>) -> Vec<usize> {
    let fell = |pair: &[f64]| matches!(pair, [a, b] if b < a);
    let mut places: Vec<usize> = Vec::new();
    for (at, pair) in track.values.windows(2).enumerate() {
        if fell(pair) || (!track.starts.is_empty() && rate::began_anew(&track.between(at, at + 2))) {
            places.push(at + 1);
        }
    }
    places
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

fn unknown(name: &str) -> QueryError {
    QueryError::execution(format!("function {name} cannot be evaluated over a range"))
}
