//! Evaluates a query: its plan, node by node, each over all steps at once.
//!
//! A vector is a set of rows, one a series, each with a column that has one place a step ([`column`]).
//! Selectors make rows of stored series, functions over ranges slide a window over their samples, operators
//! and aggregations work column by column; which series belong together is found out once for all steps.

mod absent;
mod aggregate;
mod binary;
mod change;
mod classic;
mod column;
mod count;
mod date;
mod element;
mod error;
mod evaluator;
mod extended;
mod fold;
mod histogram;
mod info;
mod notes;
mod number;
mod over_time;
mod plan;
mod points;
mod range;
mod rate;
mod relabel;
mod select;
mod simple;
mod slide;
mod sort;
mod steady;
mod stream;
mod top;
mod totals;
mod twins;

use hinomi_model::Tenant;
use hinomi_model::metrics::{ReadLimit, SeriesSource};
use hinomi_series::{Labels, Point, Value};

use self::column::{Column, Grid, Row};
use self::count::Counts;
pub use self::count::{Counted, Counting, NodeCost, NodeCounts};
pub use self::error::{QueryError, QueryErrorKind};
use self::evaluator::{Evaluator, Yield};
use self::plan::Frame;
use crate::ast::Expr;

/// How queries are evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long a sample counts for the steps behind it, milliseconds.
    pub lookback_ms: i64,
    /// Milliseconds between the steps of a subquery that names none.
    pub subquery_step_ms: i64,
    /// Most samples that a query may hold at once; 16 bytes each.
    pub samples_max: usize,
    /// Most steps of a query or subquery.
    pub steps_max: usize,
    /// Keep the names of metrics until the whole query is evaluated (experimental).
    pub delayed_name_removal: bool,
    /// Let start timestamps tell where counters began anew (experimental).
    pub start_timestamps: bool,
    /// How closely what it costs is counted.
    pub counting: Counting,
}

impl Default for Options {
    /// As Prometheus has it.
    fn default() -> Self {
        Self {
            lookback_ms: 300_000,
            subquery_step_ms: 60_000,
            samples_max: 50_000_000,
            steps_max: 50_000_000,
            delayed_name_removal: false,
            start_timestamps: false,
            counting: Counting::Totals,
        }
    }
}

/// A query, who asks it, and how much it may take.
#[derive(Clone, Debug)]
pub struct Query<'a> {
    /// Its text, for the places in warnings.
    pub text: &'a str,
    /// Its tree, as parsed from the text.
    pub expr: &'a Expr,
    /// Whose data it is asked of.
    pub tenant: Tenant,
    /// Most series and samples that one selector may read, when to give up, and whether somebody still wants
    /// to know.
    pub limit: ReadLimit,
}

/// A sample of an instant query.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Its series.
    pub labels: Labels,
    /// Time and value.
    pub point: Point,
}

/// A series of an answer with its samples in order of time.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleStream {
    /// Its labels.
    pub labels: Labels,
    /// At least one.
    pub points: Vec<Point>,
}

/// What a query yields.
#[derive(Clone, Debug, PartialEq)]
pub enum Answered {
    /// A number at a time in milliseconds since the epoch.
    Scalar(i64, f64),
    /// A text at a time in milliseconds since the epoch.
    String(i64, String),
    /// Of each series one sample, in the order that the query asks for.
    Vector(Vec<Sample>),
    /// Of each series its samples, sorted by labels.
    Matrix(Vec<SampleStream>),
}

/// What a query cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Series that selectors read.
    pub series: u64,
    /// Samples that selectors read.
    pub samples_read: u64,
    /// Samples that the steps looked at, each as often as it was looked at (Prometheus'
    /// `totalQueryableSamples`).
    pub samples: u64,
    /// Most samples that were held at once.
    pub samples_peak: u64,
}

/// A query's answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// What it yields.
    pub value: Answered,
    /// What may be wrong with it.
    pub warnings: Vec<String>,
    /// What to know about it.
    pub infos: Vec<String>,
    /// What it cost.
    pub stats: Stats,
    /// What was counted beside that; `None` unless [`Options::counting`] asks for it.
    pub counted: Option<Counted>,
}

/// Evaluates a query at one point in time, milliseconds since the epoch.
///
/// # Errors
///
/// It is over a limit, cannot be evaluated on this data, or its samples cannot be read.
pub fn instant(
    source: &dyn SeriesSource,
    query: &Query<'_>,
    options: &Options,
    time_ms: i64,
) -> Result<Answer, QueryError> {
    let grid = Grid::one(time_ms);
    let frame = Frame { grid, end: time_ms, instant: true, subquery_step: options.subquery_step_ms };
    answer(source, query, options, &frame)
}

/// Evaluates a query at every step from `start_ms` to `end_ms`, both inclusive, milliseconds since the epoch.
///
/// # Errors
///
/// As [`instant`]; the step is not above zero, the end lies before the start, there are too many steps, or
/// the query is neither a number nor an instant vector.
pub fn range(
    source: &dyn SeriesSource,
    query: &Query<'_>,
    options: &Options,
    start_ms: i64,
    end_ms: i64,
    step_ms: i64,
) -> Result<Answer, QueryError> {
    use crate::ast::ValueType;
    if step_ms <= 0 {
        return Err(QueryError::bad_data("zero or negative query resolution step widths are not accepted"));
    }
    if end_ms < start_ms {
        return Err(QueryError::bad_data("end timestamp must not be before start time"));
    }
    let kind = query.expr.value_type();
    if !matches!(kind, ValueType::Scalar | ValueType::Vector) {
        let kind = kind.documented();
        return Err(QueryError::bad_data(format!(
            "invalid expression type \"{kind}\" for range query, must be Scalar or instant Vector"
        )));
    }
    let grid = Grid::spanning(start_ms, end_ms, step_ms);
    let frame = Frame { grid, end: end_ms, instant: false, subquery_step: options.subquery_step_ms };
    answer(source, query, options, &frame)
}

fn answer(
    source: &dyn SeriesSource,
    query: &Query<'_>,
    options: &Options,
    frame: &Frame,
) -> Result<Answer, QueryError> {
    let plan = plan::plan(query.expr, frame)?;
    let mut evaluator = Evaluator::new(source, query, options, frame.instant);
    if options.counting != Counting::Totals && evaluator.begins(frame.grid)? {
        evaluator.hold(column::places_cost(frame.grid.len))?;
        evaluator.counts = Counts::of(options.counting, frame.grid);
    }
    let value = match &plan.node {
        plan::Node::Range(selector) if frame.instant => {
            Answered::Matrix(evaluator.samples_of(selector, plan.pos, frame.grid.start)?)
        }
        plan::Node::Subquery(inner) if frame.instant => {
            Answered::Matrix(evaluator.samples_of_inner(inner, frame.grid.start)?)
        }
        _ => {
            let value = evaluator.eval(&plan, frame.grid)?;
            finish(value, frame, options)?
        }
    };
    let (warnings, infos) = evaluator.notes.texts(query.text);
    let counted = evaluator.counts.finish(query.expr, frame.grid);
    Ok(Answer { value, warnings, infos, stats: evaluator.stats, counted })
}

fn finish(value: Yield, frame: &Frame, options: &Options) -> Result<Answered, QueryError> {
    let start = frame.grid.start;
    match value {
        Yield::Text(text) => Ok(Answered::String(start, text)),
        Yield::Scalar(values) if frame.instant => {
            Ok(Answered::Scalar(start, values.first().copied().unwrap_or(f64::NAN)))
        }
        Yield::Scalar(values) => {
            let row = Row { labels: Labels::empty(), drop_name: false, column: Column::Floats(values) };
            Ok(Answered::Matrix(streams(vec![row], frame.grid)))
        }
        Yield::Rows(rows) => {
            let rows = named(rows, options)?;
            if frame.instant {
                let samples = rows.iter().filter_map(|row| {
                    let point = Point { t: start, v: row.column.at(0)? };
                    Some(Sample { labels: row.labels.clone(), point })
                });
                return Ok(Answered::Vector(samples.collect()));
            }
            Ok(Answered::Matrix(streams(rows, frame.grid)))
        }
    }
}

/// Takes the names away whose removal was put off.
fn named(mut rows: Vec<Row>, options: &Options) -> Result<Vec<Row>, QueryError> {
    if options.delayed_name_removal {
        for row in rows.iter_mut().filter(|row| row.drop_name) {
            row.labels = column::nameless(&row.labels);
        }
    }
    column::merge(rows)
}

fn streams(rows: Vec<Row>, grid: Grid) -> Vec<SampleStream> {
    let stream = |row: Row| {
        let points = grid.times().zip(row.column.samples());
        let points: Vec<Point> = points.filter_map(|(t, value)| Some(Point { t, v: value? })).collect();
        SampleStream { labels: row.labels, points }
    };
    let mut streams: Vec<SampleStream> = rows.into_iter().map(stream).collect();
    streams.retain(|stream| !stream.points.is_empty());
    streams.sort_by(|a, b| a.labels.cmp(&b.labels));
    streams
}

/// Points of samples in order of time, of whichever kind.
fn points_in_order(points: &points::Points<'_>, from: i64, to: i64) -> Vec<Point> {
    let window = points.window(from, to);
    let floats = window.0.iter().map(|(t, value)| Point { t, v: Value::Float(*value) });
    let histograms = window.1.iter().map(|(t, value)| Point { t, v: Value::Histogram(value.clone()) });
    let mut points: Vec<Point> = floats.chain(histograms).collect();
    points.sort_by_key(|point| point.t);
    points
}
