//! From the tree of a query to what is evaluated: durations calculated, `start()`, `end()`, `range()` and
//! `step()` replaced by their numbers, and what is the same at every step marked to be evaluated once.

use hinomi_series::Matcher;

use super::QueryError;
use super::column::Grid;
use crate::ast::{
    Aggregate, AggregateOp, At, Binary, BinaryOp, Call, DurationContext, DurationError, Edges, Expr,
    Matching, MatrixSelector, Shift, Span, Subquery, VectorSelector,
};

/// A node, the byte of the query at which it begins, and the one behind it.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) pos: u32,
    pub(super) end: u32,
    pub(super) node: Node,
}

impl Plan {
    fn at(span: Span, node: Node) -> Self {
        Self { pos: span.start, end: span.end, node }
    }
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum Node {
    Number(f64),
    Text(String),
    Select(Selector),
    Range(RangeSelector),
    Subquery(Box<Inner>),
    Call(Function),
    Aggregate(Box<Group>),
    Binary(Box<Pair>),
    Negate(Box<Plan>),
    /// The same at every step: evaluated at the first.
    Once(Box<Plan>),
}

/// Which series, and from which point in time.
#[derive(Clone, Debug)]
pub(super) struct Selector {
    pub(super) matchers: Vec<Matcher>,
    pub(super) shift: Moved,
    pub(super) edges: Edges,
    /// Whether nothing but count and sum of its histograms is looked at. Resets are told from each to the
    /// next then, as Prometheus does, which leaves the buckets out of such histograms.
    pub(super) totals_only: bool,
}

/// How the point in time that is looked at lies to the step.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moved {
    /// Milliseconds that it lies before.
    pub(super) offset: i64,
    /// Counts from here instead of from the step.
    pub(super) at: Option<i64>,
}

impl Moved {
    /// The point in time that a step looks at.
    pub(super) const fn from(self, step: i64) -> i64 {
        let point = match self.at {
            Some(at) => at,
            None => step,
        };
        point.saturating_sub(self.offset)
    }
}

/// A selector with the length of its range in milliseconds.
#[derive(Debug)]
pub(super) struct RangeSelector {
    pub(super) selector: Selector,
    pub(super) range: i64,
}

/// An expression that is evaluated at every step of a range.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) plan: Plan,
    pub(super) range: i64,
    pub(super) step: i64,
    pub(super) shift: Moved,
}

/// A call.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) args: Vec<Plan>,
}

/// An aggregation.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) op: AggregateOp,
    pub(super) plan: Plan,
    pub(super) param: Option<Plan>,
    /// Sorted.
    pub(super) labels: Vec<String>,
    pub(super) without: bool,
}

/// An operator with its sides.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) op: BinaryOp,
    pub(super) left: Plan,
    pub(super) right: Plan,
    pub(super) matching: Matching,
    pub(super) return_bool: bool,
}

/// Functions that depend on the step even when their arguments do not.
const STEPWISE: [&str; 11] = [
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "days_in_month",
    "hour",
    "minute",
    "month",
    "predict_linear",
    "time",
    "timestamp",
    "year",
];

/// What the query is asked for, beside its text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    /// Its steps.
    pub(super) grid: Grid,
    /// The end that it names, which may lie behind the last step.
    pub(super) end: i64,
    /// Whether it is asked for one point in time.
    pub(super) instant: bool,
    /// Milliseconds between the steps of a subquery that names none.
    pub(super) subquery_step: i64,
}

impl Frame {
    fn durations(&self) -> DurationContext {
        let step_ms = if self.grid.len <= 1 { 0 } else { self.grid.step };
        DurationContext { step_ms, range_ms: self.range_ms() }
    }

    fn range_ms(&self) -> i64 {
        self.end.saturating_sub(self.grid.start)
    }

    /// The number that a call stands for which depends on nothing but the query's frame.
    fn folded(&self, call: &Call) -> Option<f64> {
        let millis = match call.function.name {
            "start" => self.grid.start,
            "end" => self.end,
            "range" => self.range_ms(),
            "step" => self.durations().step_ms,
            _ => return None,
        };
        Some(millis as f64 / 1_000.0)
    }
}

/// What stands around an expression.
#[derive(Clone, Copy, Default)]
struct Around {
    /// A function that looks at the totals of histograms only.
    totals: bool,
    /// Something that needs their buckets.
    buckets: bool,
}

impl Around {
    fn with_call(self, name: &str) -> Self {
        match name {
            "histogram_count" | "histogram_sum" | "histogram_avg" => Self { totals: true, ..self },
            "histogram_quantile" | "histogram_quantiles" | "histogram_fraction" => self.with_buckets(),
            _ => self,
        }
    }

    const fn with_buckets(self) -> Self {
        Self { buckets: true, ..self }
    }
}

/// A plan with what its parent has to know.
struct Planned {
    plan: Plan,
    /// Whether it is the same at every step.
    constant: bool,
    /// Whether it pays to evaluate it once.
    once: bool,
}

impl Planned {
    fn varying(span: Span, node: Node) -> Self {
        Self { plan: Plan::at(span, node), constant: false, once: false }
    }

    /// The plan, evaluated once where that pays.
    fn wrapped(self) -> Plan {
        if self.once { once(self.plan) } else { self.plan }
    }
}

fn once(plan: Plan) -> Plan {
    Plan { pos: plan.pos, end: plan.end, node: Node::Once(Box::new(plan)) }
}

/// Plans a query.
///
/// # Errors
///
/// A duration cannot be calculated, or the tree has errors.
pub(super) fn plan(expr: &Expr, frame: &Frame) -> Result<Plan, QueryError> {
    Ok(visit(expr, frame, Around::default())?.wrapped())
}

fn visit(expr: &Expr, frame: &Frame, around: Around) -> Result<Planned, QueryError> {
    let span = expr.span();
    match expr {
        Expr::Number(number) => {
            Ok(Planned { plan: Plan::at(span, Node::Number(number.value)), constant: true, once: false })
        }
        Expr::String(text) => {
            let node = Node::Text(text.value.clone());
            Ok(Planned { plan: Plan::at(span, node), constant: true, once: false })
        }
        Expr::Vector(selector) => {
            let selector = select(selector, frame, around)?;
            let constant = selector.shift.at.is_some();
            Ok(Planned { plan: Plan::at(span, Node::Select(selector)), constant, once: constant })
        }
        Expr::Matrix(matrix) => range(matrix, frame, around),
        Expr::Subquery(inner) => subquery(inner, frame, around),
        Expr::Call(node) => call(node, frame, around),
        Expr::Aggregate(node) => aggregate(node, frame, around),
        Expr::Binary(node) => binary(node, frame, around),
        Expr::Unary(unary) => {
            let inner = visit(&unary.expr, frame, around)?;
            let (constant, once) = (inner.constant, inner.once);
            let node = if unary.minus { Node::Negate(Box::new(inner.plan)) } else { inner.plan.node };
            Ok(Planned { plan: Plan::at(span, node), constant, once })
        }
        Expr::Paren(paren) => visit(&paren.expr, frame, around),
        Expr::Error(_) => Err(QueryError::bad_data("the query could not be understood")),
    }
}

fn select(selector: &VectorSelector, frame: &Frame, around: Around) -> Result<Selector, QueryError> {
    let shift = moved(&selector.shift, frame)?;
    let totals_only = around.totals && !around.buckets;
    Ok(Selector { matchers: selector.matchers.clone(), shift, edges: selector.edges, totals_only })
}

fn moved(shift: &Shift, frame: &Frame) -> Result<Moved, QueryError> {
    let offset = match &shift.offset {
        Some(offset) => offset.offset_ms(frame.durations()).map_err(|error| bad_duration(&error))?,
        None => 0,
    };
    let at = shift.at.map(|at| match at {
        At::Time(time) => time,
        At::Start => frame.grid.start,
        At::End => frame.end,
    });
    Ok(Moved { offset, at })
}

fn bad_duration(error: &DurationError) -> QueryError {
    QueryError::bad_data(error.text)
}

fn range(matrix: &MatrixSelector, frame: &Frame, around: Around) -> Result<Planned, QueryError> {
    let selector = select(&matrix.selector, frame, around)?;
    let range = matrix.range.range_ms(frame.durations()).map_err(|error| bad_duration(&error))?;
    let constant = selector.shift.at.is_some();
    let node = Node::Range(RangeSelector { selector, range });
    Ok(Planned { plan: Plan::at(matrix.span, node), constant, once: false })
}

fn subquery(inner: &Subquery, frame: &Frame, around: Around) -> Result<Planned, QueryError> {
    let evaluated = visit(&inner.expr, frame, around.with_buckets())?;
    let plan = if evaluated.constant { once(evaluated.plan) } else { evaluated.plan };
    let durations = frame.durations();
    let range = inner.range.range_ms(durations).map_err(|error| bad_duration(&error))?;
    let step = match &inner.step {
        Some(step) => step.range_ms(durations).map_err(|error| bad_duration(&error))?,
        None => frame.subquery_step,
    };
    let shift = moved(&inner.shift, frame)?;
    let constant = shift.at.is_some();
    let node = Node::Subquery(Box::new(Inner { plan, range, step: step.max(1), shift }));
    Ok(Planned { plan: Plan::at(inner.span, node), constant, once: false })
}

fn call(node: &Call, frame: &Frame, around: Around) -> Result<Planned, QueryError> {
    let span = node.span;
    if let Some(number) = frame.folded(node) {
        return Ok(Planned { plan: Plan::at(span, Node::Number(number)), constant: true, once: false });
    }
    let name = node.function.name;
    let around = around.with_call(name);
    let args =
        node.args.iter().map(|arg| visit(arg.unparen(), frame, around)).collect::<Result<Vec<_>, _>>()?;
    let constants = args.iter().all(|arg| arg.constant);
    let of_selectors = args.iter().all(|arg| matches!(arg.plan.node, Node::Select(_)));
    let constant = constants && (!STEPWISE.contains(&name) || (name == "timestamp" && of_selectors));
    let args = args.into_iter().map(|arg| if constant { arg.plan } else { arg.wrapped() }).collect();
    let plan = Plan::at(span, Node::Call(Function { name, args }));
    Ok(Planned { plan, constant, once: constant })
}

fn aggregate(node: &Aggregate, frame: &Frame, around: Around) -> Result<Planned, QueryError> {
    let inner = visit(node.expr.unparen(), frame, around)?;
    let (constant, once) = (inner.constant, inner.once);
    // As in Prometheus, the parameter has no say in whether the aggregation is the same at every step.
    let param = match &node.param {
        Some(param) => Some(visit(param.unparen(), frame, around)?.wrapped()),
        None => None,
    };
    let mut labels = node.grouping.clone();
    labels.sort_unstable();
    let group = Group { op: node.op, plan: inner.plan, param, labels, without: node.without };
    let plan = Plan::at(node.span, Node::Aggregate(Box::new(group)));
    Ok(Planned { plan, constant, once })
}

fn binary(node: &Binary, frame: &Frame, around: Around) -> Result<Planned, QueryError> {
    let trims = matches!(node.op, BinaryOp::TrimUpper | BinaryOp::TrimLower);
    let around = if trims { around.with_buckets() } else { around };
    let (left, right) = (visit(&node.left, frame, around)?, visit(&node.right, frame, around)?);
    let constant = left.constant && right.constant;
    let (left, right) = if constant { (left.plan, right.plan) } else { (left.wrapped(), right.wrapped()) };
    let matching = node.matching.clone().unwrap_or_default();
    let pair = Pair { op: node.op, left, right, matching, return_bool: node.return_bool };
    let span = node.span;
    if constant {
        let plan = Plan::at(span, Node::Binary(Box::new(pair)));
        return Ok(Planned { plan, constant, once: true });
    }
    Ok(Planned::varying(span, Node::Binary(Box::new(pair))))
}
