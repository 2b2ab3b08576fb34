//! Functions over ranges: a window slides over the samples of each series.

use std::sync::Arc;
use std::time::Duration;

use hinomi_model::metrics::Wanted;
use hinomi_series::{Histogram, Labels, Value};

use super::QueryError;
use super::column::{Column, Grid, Row, has_twins, nameless};
use super::evaluator::{Evaluator, Yield};
use super::notes::Note;
use super::over_time::OverTime;
use super::plan::{Function, Inner, Moved, Node, Plan, RangeSelector};
use super::points::{Points, Samples};
use super::rate::Rate;
use super::slide::{Sliding, reach};
use super::steady::Steady;
use super::stream::Streamed;
use super::twins::Twins;
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

    /// The function that a call is and where its range stands, if that is one of stored samples, and each row that it
    /// yields comes of one series.
    pub(super) fn of_stored(call: &Function) -> Option<(Self, usize)> {
        let place = call.args.iter().position(|arg| matches!(arg.node, Node::Range(_)))?;
        let function = Self::of(call.name).filter(|function| *function != Self::Absent)?;
        Some((function, place))
    }

    /// Whether its result still is what the metric's name says.
    fn keeps_name(self) -> bool {
        matches!(self, Self::OverTime(OverTime::First | OverTime::Last))
    }

    /// Its result for one window.
    pub(super) fn apply(
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

impl Evaluator<'_> {
    /// Evaluates a call whose argument at a place is a range.
    pub(super) fn over_range(
        &mut self,
        call: &Function,
        place: usize,
        grid: Grid,
    ) -> Result<Yield, QueryError> {
        let function = RangeFunction::of(call.name).ok_or_else(|| unknown(call.name))?;
        let Some(arg) = call.args.get(place) else { return Err(unknown(call.name)) };
        let mut rows = Vec::new();
        match &arg.node {
            Node::Range(_) => self.each_window_row(call, function, place, grid, &mut |evaluator, row| {
                let row = row.into_row(grid.len);
                evaluator.hold(row.column.cost())?;
                rows.push(row);
                Ok(())
            })?,
            Node::Subquery(inner) => rows = self.over_inner(call, function, (arg, inner), grid)?,
            _ => return Err(unknown(call.name)),
        }
        if function == RangeFunction::Absent {
            return Ok(Yield::Rows(super::absent::from_rows(&rows, &arg.node, grid)));
        }
        Ok(Yield::Rows(rows))
    }

    /// The results of a function over ranges of stored samples, series by series.
    pub(super) fn each_window_row(
        &mut self,
        call: &Function,
        function: RangeFunction,
        place: usize,
        grid: Grid,
        each: &mut dyn FnMut(&mut Self, Streamed<'_>) -> Result<(), QueryError>,
    ) -> Result<(), QueryError> {
        let Some(arg) = call.args.get(place) else { return Err(unknown(call.name)) };
        let Node::Range(selector) = &arg.node else { return Err(unknown(call.name)) };
        let args = self.numbers(call, grid)?;
        let edges = selector.selector.edges;
        function.check_edges(call.name, edges)?;
        let mut sliding = self.sliding(call, function, grid, &args);
        (sliding.shift, sliding.range, sliding.edges) = (selector.selector.shift, selector.range, edges);
        sliding.reach = reach(edges, self.options.lookback_ms);
        let (mut twins, mut steady) = (Twins::of(selector), Steady::default());
        let mut column = Column::Floats(Vec::new());
        let (begun, mut read) = (self.begin_node(), 0);
        self.scan_windows(selector, grid, &mut |evaluator, labels, points| {
            read += 1;
            let (at, part) = sliding.lived(points);
            evaluator.slide(labels.name(), points, (&sliding, &mut steady), (at, part), &mut column)?;
            if column.is_empty() {
                return Ok(());
            }
            evaluator.note_gauge(labels, &sliding, &column);
            let nameless = sliding.unnames;
            if nameless && function != RangeFunction::Absent {
                twins.see(labels)?;
            }
            let (drop_name, column) = (!function.keeps_name(), &mut column);
            each(evaluator, Streamed { labels, nameless, drop_name, at, column })
        })?;
        self.end_node(begun, arg, read, Duration::ZERO);
        Ok(())
    }

    /// The results of a function over what a subquery yields.
    fn over_inner(
        &mut self,
        call: &Function,
        function: RangeFunction,
        (arg, inner): (&Plan, &Inner),
        grid: Grid,
    ) -> Result<Vec<Row>, QueryError> {
        let args = self.numbers(call, grid)?;
        let mut sliding = self.sliding(call, function, grid, &args);
        (sliding.shift, sliding.range) = (inner.shift, inner.range);
        let begun = self.begin_node();
        let (steps, inner_rows) = self.inner_rows(inner, grid)?;
        self.end_node(begun, arg, inner_rows.len(), Duration::ZERO);
        let mut rows = Vec::with_capacity(inner_rows.len());
        let mut steady = Steady::default();
        for row in inner_rows {
            self.check()?;
            let points = Points::of_column(&row.column, steps);
            let (at, part) = sliding.lived(&points);
            let mut column = Column::Floats(Vec::new());
            self.slide(row.labels.name(), &points, (&sliding, &mut steady), (at, part), &mut column)?;
            if column.is_empty() {
                continue;
            }
            self.hold(column.cost())?;
            self.note_gauge(&row.labels, &sliding, &column);
            let labels = if sliding.unnames { nameless(&row.labels) } else { row.labels };
            let drop_name = !function.keeps_name() || row.drop_name;
            rows.push(Row { labels, drop_name, column: column.take_spread(at, grid.len) });
        }
        let told_apart = self.options.delayed_name_removal || function == RangeFunction::Absent;
        if !told_apart && has_twins(&rows) {
            return Err(QueryError::same_labels());
        }
        Ok(rows)
    }

    /// Of each argument that is no range its numbers.
    fn numbers(&mut self, call: &Function, grid: Grid) -> Result<Vec<Vec<f64>>, QueryError> {
        let ranged = |plan: &&Plan| matches!(plan.node, Node::Range(_) | Node::Subquery(_));
        call.args.iter().filter(|arg| !ranged(arg)).map(|arg| self.scalars(arg, grid)).collect()
    }

    fn sliding<'s>(
        &self,
        call: &Function,
        function: RangeFunction,
        grid: Grid,
        args: &'s [Vec<f64>],
    ) -> Sliding<'s> {
        Sliding {
            function,
            shift: Moved::default(),
            range: 0,
            edges: Edges::Plain,
            grid,
            args,
            pos: call.args.first().map_or(0, |arg| arg.pos),
            reach: (0, 0),
            unnames: !function.keeps_name() && !self.options.delayed_name_removal,
        }
    }

    /// Series with all samples that the windows of a grid may look at.
    pub(super) fn scan_windows(
        &mut self,
        selector: &RangeSelector,
        grid: Grid,
        each: &mut dyn FnMut(&mut Self, &Labels, &Points<'_>) -> Result<(), QueryError>,
    ) -> Result<(), QueryError> {
        let (shift, lookback) = (selector.selector.shift, self.options.lookback_ms);
        let (before, after) = reach(selector.selector.edges, lookback);
        let from = shift.from(grid.start).saturating_sub(selector.range).saturating_sub(before);
        let to = shift.from(grid.end()).saturating_add(after);
        let with_starts = self.options.start_timestamps;
        let span = (from.saturating_add(1), to);
        self.scan_selected(&selector.selector, span, Wanted::All, &mut |evaluator, series| {
            each(evaluator, series.labels, &Points::of_series(&series, with_starts))
        })
    }

    /// Evaluates the expression of a subquery at its own steps.
    pub(super) fn inner_rows(&mut self, inner: &Inner, grid: Grid) -> Result<(Grid, Vec<Row>), QueryError> {
        let first = inner.shift.from(grid.start).saturating_sub(inner.range);
        // Steps are multiples of the step width, the first lies behind the begin of the range.
        let aligned = first.div_euclid(inner.step).saturating_mul(inner.step).saturating_add(inner.step);
        let steps = Grid::spanning(aligned, inner.shift.from(grid.end()), inner.step);
        let rows = self.uncounted(|evaluator| evaluator.rows(&inner.plan, steps))?;
        Ok((steps, rows))
    }
}

fn unknown(name: &str) -> QueryError {
    QueryError::execution(format!("function {name} cannot be evaluated over a range"))
}
