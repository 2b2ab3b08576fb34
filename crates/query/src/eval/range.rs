//! Functions over ranges: a window slides over the samples of each series.

use std::collections::HashSet;
use std::sync::Arc;

use hinomi_model::metrics::Wanted;
use hinomi_series::{Histogram, Labels, METRIC_NAME, MatchOp, Value};

use super::QueryError;
use super::column::{ABSENT, Builder, Column, Grid, METADATA, Row, has_twins, nameless};
use super::evaluator::{Evaluator, Yield};
use super::notes::Note;
use super::over_time::{Extremes, OverTime};
use super::plan::{Function, Inner, Moved, Node, RangeSelector};
use super::points::{Points, Samples, Track, behind_guess};
use super::rate::Rate;
use super::stream::Streamed;
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
    /// How far before and behind its range a window looks, milliseconds.
    reach: (i64, i64),
    /// Whether names that no longer fit are taken away now.
    unnames: bool,
}

impl Sliding<'_> {
    /// The steps whose windows may have one of the samples.
    fn lived(&self, points: &Points<'_>) -> (usize, Grid) {
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
            Node::Subquery(inner) => rows = self.over_inner(call, function, inner, grid)?,
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
        let Some(Node::Range(selector)) = call.args.get(place).map(|arg| &arg.node) else {
            return Err(unknown(call.name));
        };
        let args = self.numbers(call, grid)?;
        let edges = selector.selector.edges;
        function.check_edges(call.name, edges)?;
        let mut sliding = self.sliding(call, function, grid, &args);
        (sliding.shift, sliding.range, sliding.edges) = (selector.selector.shift, selector.range, edges);
        sliding.reach = reach(edges, self.options.lookback_ms);
        let mut twins = Twins::of(selector);
        let mut column = Column::Floats(Vec::new());
        self.scan_windows(selector, grid, &mut |evaluator, labels, points| {
            let (at, part) = sliding.lived(points);
            evaluator.slide(labels.name(), points, &sliding, (at, part), &mut column)?;
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
        })
    }

    /// The results of a function over what a subquery yields.
    fn over_inner(
        &mut self,
        call: &Function,
        function: RangeFunction,
        inner: &Inner,
        grid: Grid,
    ) -> Result<Vec<Row>, QueryError> {
        let args = self.numbers(call, grid)?;
        let mut sliding = self.sliding(call, function, grid, &args);
        (sliding.shift, sliding.range) = (inner.shift, inner.range);
        let (steps, inner_rows) = self.inner_rows(inner, grid)?;
        let mut rows = Vec::with_capacity(inner_rows.len());
        for row in inner_rows {
            self.check()?;
            let points = Points::of_column(&row.column, steps);
            let (at, part) = sliding.lived(&points);
            let mut column = Column::Floats(Vec::new());
            self.slide(row.labels.name(), &points, &sliding, (at, part), &mut column)?;
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
        let ranged = |plan: &&super::plan::Plan| matches!(plan.node, Node::Range(_) | Node::Subquery(_));
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
        let rows = self.rows(&inner.plan, steps)?;
        Ok((steps, rows))
    }

    fn note_gauge(&mut self, labels: &Labels, sliding: &Sliding<'_>, column: &Column) {
        let counter = matches!(sliding.function, RangeFunction::Rate(Rate::PerSecond | Rate::Increase));
        if counter && may_be_gauge(labels.name()) && has_float(column) {
            self.note(Note::PossibleNonCounter(labels.name().to_string()), sliding.pos);
        }
    }

    /// The function's result for each window of one series, of those steps at which it has samples.
    fn slide(
        &mut self,
        name: &str,
        points: &Points<'_>,
        sliding: &Sliding<'_>,
        (at, grid): (usize, Grid),
        into: &mut Column,
    ) -> Result<(), QueryError> {
        let (floats_only, edges) = (points.histograms.times.is_empty(), sliding.edges);
        let resets = match sliding.function {
            RangeFunction::Rate(_) => reset_places(&points.floats),
            _ => Vec::new(),
        };
        if let RangeFunction::Rate(kind @ (Rate::PerSecond | Rate::Increase | Rate::Delta)) = sliding.function
            && floats_only
            && points.floats.starts.is_empty()
            && edges == Edges::Plain
        {
            let looked = rates(kind, points, sliding, grid, &resets, into);
            self.looked(looked);
            return Ok(());
        }
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
        let mut looked = 0;
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
            looked += seen;
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
        self.looked(looked);
        Ok(())
    }
}

/// `rate` and its kin over numbers alone, which nearly every query asks for. Returns how many samples were looked at.
fn rates(
    kind: Rate,
    points: &Points<'_>,
    sliding: &Sliding<'_>,
    grid: Grid,
    resets: &[usize],
    into: &mut Column,
) -> usize {
    let (times, values) = (&*points.floats.times, &*points.floats.values);
    let mut column = into.recycle();
    let mut cursor = Cursor::default();
    let mut looked = 0;
    for time in grid.times() {
        let end = sliding.shift.from(time);
        let start = end.saturating_sub(sliding.range);
        cursor.advance(times, start, end);
        let window = cursor.low..cursor.high;
        looked += window.len();
        let samples = (times.get(window.clone()).unwrap_or_default(), values.get(window).unwrap_or_default());
        column.push(rate::plain(kind, samples, (start, end), cursor.low, resets).unwrap_or(ABSENT));
    }
    *into = Column::Floats(column);
    looked
}

/// Sees to it that no two series have the same labels once their names are gone.
struct Twins {
    /// Whether all have the same name: then only metadata may tell two of them apart.
    one_name: bool,
    /// Series that were let pass without a look, while none had metadata.
    passed: Vec<Labels>,
    seen: HashSet<Labels>,
}

impl Twins {
    fn of(selector: &RangeSelector) -> Self {
        let named = |matcher: &hinomi_series::Matcher| {
            &*matcher.name == METRIC_NAME && matcher.op == MatchOp::Equal && !matcher.value.is_empty()
        };
        let one_name = selector.selector.matchers.iter().any(named);
        Self { one_name, passed: Vec::new(), seen: HashSet::new() }
    }

    fn see(&mut self, labels: &Labels) -> Result<(), QueryError> {
        let plain = || labels.iter().all(|(name, _)| name == METRIC_NAME || !METADATA.contains(&name));
        if self.one_name && self.seen.is_empty() && plain() {
            self.passed.push(labels.clone());
            return Ok(());
        }
        self.seen.extend(self.passed.drain(..).map(|labels| nameless(&labels)));
        if self.seen.insert(nameless(labels)) { Ok(()) } else { Err(QueryError::same_labels()) }
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
    /// By how much it moved last.
    stride: usize,
}

impl Cursor {
    fn advance(&mut self, times: &[i64], from: i64, to: i64) {
        let low = behind_guess(times, self.low, self.low + self.stride, from);
        let high = behind_guess(times, self.high.max(low), (self.high + self.stride).max(low), to);
        *self = Self { low, high, stride: low - self.low };
    }
}

/// Places at which a counter began anew: it fell, or its start says so.
fn reset_places(track: &Track<'_, f64>) -> Vec<usize> {
    /// So many are looked at together.
    const SOME: usize = 64;
    let mut places: Vec<usize> = Vec::new();
    if !track.starts.is_empty() {
        for (at, pair) in track.values.windows(2).enumerate() {
            if matches!(pair, [a, b] if b < a) || rate::began_anew(&track.between(at, at + 2)) {
                places.push(at + 1);
            }
        }
        return places;
    }
    let (values, next) = (&*track.values, track.values.get(1..).unwrap_or_default());
    for (at, (values, next)) in values.chunks(SOME).zip(next.chunks(SOME)).enumerate() {
        let fell = values.iter().zip(next).map(|(a, b)| b < a);
        if fell.clone().fold(false, |any, fell| any | fell) {
            places.extend(fell.enumerate().filter(|(_, fell)| *fell).map(|(place, _)| at * SOME + place + 1));
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
