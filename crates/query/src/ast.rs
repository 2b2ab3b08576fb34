//! The tree of a PromQL expression. Every node knows which bytes of the text it was made of.

mod duration;

use std::fmt;

use hinomi_series::Matcher;

use crate::function::Function;
pub use duration::{Duration, DurationContext, DurationError, DurationOp};

/// A range of bytes of the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// Byte behind the last.
    pub end: u32,
}

impl Span {
    /// From one byte to behind another.
    #[must_use]
    pub const fn new(start: u32, end: u32) -> Self {
        Self { start, end }
    }

    /// From the begin of this to the end of another.
    #[must_use]
    pub const fn to(self, last: Self) -> Self {
        Self { start: self.start, end: last.end }
    }
}

/// What an expression yields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// One number for each step.
    Scalar,
    /// A text.
    String,
    /// For each step a set of series with one value each.
    Vector,
    /// For each step a set of series with the values of a range.
    Matrix,
    /// Nothing that is known: stands where the text could not be understood.
    None,
}

impl ValueType {
    /// Its word in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::String => "string",
            Self::Vector => "vector",
            Self::Matrix => "matrix",
            Self::None => "none",
        }
    }

    /// Its name in messages for people.
    #[must_use]
    pub const fn documented(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::String => "string",
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
            Self::None => "none",
        }
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// `1.5`, `5m`
    Number(Number),
    /// `"text"`
    String(Text),
    /// `up{job="a"} offset 5m @ end()`
    Vector(VectorSelector),
    /// `up[5m]`
    Matrix(MatrixSelector),
    /// `up[1h:5m]`
    Subquery(Box<Subquery>),
    /// `rate(x[5m])`
    Call(Call),
    /// `sum by (job) (x)`
    Aggregate(Box<Aggregate>),
    /// `a + on (job) b`
    Binary(Box<Binary>),
    /// `-a`
    Unary(Box<Unary>),
    /// `(a)`
    Paren(Box<Paren>),
    /// Text that could not be understood; only in trees that come with errors.
    Error(Span),
}

impl Expr {
    /// The bytes it was made of.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Self::Number(node) => node.span,
            Self::String(node) => node.span,
            Self::Vector(node) => node.span,
            Self::Matrix(node) => node.span,
            Self::Subquery(node) => node.span,
            Self::Call(node) => node.span,
            Self::Aggregate(node) => node.span,
            Self::Binary(node) => node.span,
            Self::Unary(node) => node.span,
            Self::Paren(node) => node.span,
            Self::Error(span) => *span,
        }
    }

    /// What it yields.
    #[must_use]
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::Number(_) => ValueType::Scalar,
            Self::String(_) => ValueType::String,
            Self::Vector(_) | Self::Aggregate(_) => ValueType::Vector,
            Self::Matrix(_) | Self::Subquery(_) => ValueType::Matrix,
            Self::Call(node) => node.function.result,
            Self::Binary(node) => match (node.left.value_type(), node.right.value_type()) {
                (ValueType::Scalar, ValueType::Scalar) => ValueType::Scalar,
                _ => ValueType::Vector,
            },
            Self::Unary(node) => node.expr.value_type(),
            Self::Paren(node) => node.expr.value_type(),
            Self::Error(_) => ValueType::None,
        }
    }

    /// The expression within any number of parentheses.
    #[must_use]
    pub fn unparen(&self) -> &Self {
        let mut expr = self;
        while let Self::Paren(paren) = expr {
            expr = &paren.expr;
        }
        expr
    }

    /// The expressions that it is made of, in the order in which Prometheus walks them: an aggregation's expression
    /// comes before its parameter.
    #[must_use]
    pub fn children(&self) -> Vec<&Self> {
        match self {
            Self::Subquery(node) => vec![&node.expr],
            Self::Call(node) => node.args.iter().collect(),
            Self::Aggregate(node) => std::iter::once(&node.expr).chain(node.param.as_ref()).collect(),
            Self::Binary(node) => vec![&node.left, &node.right],
            Self::Unary(node) => vec![&node.expr],
            Self::Paren(node) => vec![&node.expr],
            Self::Number(_) | Self::String(_) | Self::Vector(_) | Self::Matrix(_) | Self::Error(_) => {
                Vec::new()
            }
        }
    }

    /// Calls a function with every selector in it, ranges' selectors included.
    pub fn for_each_selector<'a>(&'a self, seen: &mut dyn FnMut(&'a VectorSelector)) {
        match self {
            Self::Vector(node) => seen(node),
            Self::Matrix(node) => seen(&node.selector),
            _ => {
                for child in self.children() {
                    child.for_each_selector(seen);
                }
            }
        }
    }
}

/// A number.
#[derive(Clone, Debug, PartialEq)]
pub struct Number {
    /// Its value; of a duration the seconds.
    pub value: f64,
    /// Whether it was written as a duration.
    pub duration: bool,
    /// Where.
    pub span: Span,
}

/// A text in quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// Without quotes and escapes. Bytes that make no UTF-8 are replaced, see `bytes`.
    pub value: String,
    /// The bytes themselves, of a text that escapes such as `\xff` have made no UTF-8.
    pub bytes: Option<Vec<u8>>,
    /// Where.
    pub span: Span,
}

impl Text {
    /// In double quotes with Go's escapes.
    #[must_use]
    pub fn quoted(&self) -> String {
        let Some(bytes) = &self.bytes else { return hinomi_series::quote(&self.value) };
        let mut out = String::from("\"");
        for chunk in bytes.utf8_chunks() {
            let quoted = hinomi_series::quote(chunk.valid());
            out.push_str(quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default());
            out.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
        }
        out.push('"');
        out
    }
}

/// The point in time that `@` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Milliseconds since the epoch.
    Time(i64),
    /// The first step of the query.
    Start,
    /// The last step of the query.
    End,
}

/// How far a selector looks back from its point in time, and what that point is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shift {
    /// How far back; negative looks ahead. `None`: not at all.
    pub offset: Option<Duration>,
    /// From where; `None`: from the step.
    pub at: Option<At>,
}

/// How the ends of a range are made up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Edges {
    /// They are not: only samples within the range count.
    #[default]
    Plain,
    /// `anchored`: the sample before the range stands at its begin, the last one at its end.
    Anchored,
    /// `smoothed`: values at begin and end are interpolated between the samples around them.
    Smoothed,
}

/// Selects series.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorSelector {
    /// Name of the metric as it stands before the braces; empty if it does not. It is the last of the matchers too.
    pub name: String,
    /// All of them have to match.
    pub matchers: Vec<Matcher>,
    /// `offset` and `@`.
    pub shift: Shift,
    /// `anchored` or `smoothed`.
    pub edges: Edges,
    /// Where.
    pub span: Span,
}

/// Selects the samples of a range.
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixSelector {
    /// Of which series, and how far back.
    pub selector: VectorSelector,
    /// How long.
    pub range: Duration,
    /// Where.
    pub span: Span,
}

/// Evaluates an expression at every step of a range.
#[derive(Clone, Debug, PartialEq)]
pub struct Subquery {
    /// What is evaluated.
    pub expr: Expr,
    /// How long the range is.
    pub range: Duration,
    /// From step to step; `None`: the default.
    pub step: Option<Duration>,
    /// `offset` and `@`.
    pub shift: Shift,
    /// Where.
    pub span: Span,
}

/// A call of a function.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Which.
    pub function: &'static Function,
    /// Its arguments.
    pub args: Vec<Expr>,
    /// Where.
    pub span: Span,
}

/// How series are put together by an aggregation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are the operators")]
pub enum AggregateOp {
    Avg,
    Bottomk,
    Count,
    CountValues,
    Group,
    LimitRatio,
    Limitk,
    Max,
    Min,
    Quantile,
    Stddev,
    Stdvar,
    Sum,
    Topk,
}

impl AggregateOp {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Avg,
        Self::Bottomk,
        Self::Count,
        Self::CountValues,
        Self::Group,
        Self::LimitRatio,
        Self::Limitk,
        Self::Max,
        Self::Min,
        Self::Quantile,
        Self::Stddev,
        Self::Stdvar,
        Self::Sum,
        Self::Topk,
    ];

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Avg => "avg",
            Self::Bottomk => "bottomk",
            Self::Count => "count",
            Self::CountValues => "count_values",
            Self::Group => "group",
            Self::LimitRatio => "limit_ratio",
            Self::Limitk => "limitk",
            Self::Max => "max",
            Self::Min => "min",
            Self::Quantile => "quantile",
            Self::Stddev => "stddev",
            Self::Stdvar => "stdvar",
            Self::Sum => "sum",
            Self::Topk => "topk",
        }
    }

    /// Whether it takes a parameter before its expression.
    #[must_use]
    pub const fn has_param(self) -> bool {
        matches!(
            self,
            Self::Bottomk | Self::CountValues | Self::LimitRatio | Self::Limitk | Self::Quantile | Self::Topk
        )
    }

    /// Whether it is experimental.
    #[must_use]
    pub const fn experimental(self) -> bool {
        matches!(self, Self::LimitRatio | Self::Limitk)
    }
}

/// An aggregation.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// How.
    pub op: AggregateOp,
    /// Over what.
    pub expr: Expr,
    /// The parameter of those operators that take one.
    pub param: Option<Expr>,
    /// The labels of `by` or `without`.
    pub grouping: Vec<String>,
    /// Whether those labels are dropped rather than kept.
    pub without: bool,
    /// Where.
    pub span: Span,
}

/// An operator between two expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are the operators")]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
    Eq,
    Ne,
    Gt,
    Lt,
    Ge,
    Le,
    /// `</`: drops the buckets of a histogram above a value.
    TrimUpper,
    /// `>/`: drops the buckets of a histogram below a value.
    TrimLower,
    And,
    Or,
    Unless,
}

impl BinaryOp {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Pow => "^",
            Self::Atan2 => "atan2",
            Self::Eq => "==",
            Self::Ne => "!=",
            Self::Gt => ">",
            Self::Lt => "<",
            Self::Ge => ">=",
            Self::Le => "<=",
            Self::TrimUpper => "</",
            Self::TrimLower => ">/",
            Self::And => "and",
            Self::Or => "or",
            Self::Unless => "unless",
        }
    }

    /// Whether it compares, and so filters or takes `bool`.
    #[must_use]
    pub const fn is_comparison(self) -> bool {
        matches!(self, Self::Eq | Self::Ne | Self::Gt | Self::Lt | Self::Ge | Self::Le)
    }

    /// Whether it works on sets of series.
    #[must_use]
    pub const fn is_set(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Unless)
    }
}

/// How many series of one side belong to how many of the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cardinality {
    /// One to one.
    #[default]
    OneToOne,
    /// `group_left`: many on the left.
    ManyToOne,
    /// `group_right`: many on the right.
    OneToMany,
    /// Sets.
    ManyToMany,
}

impl Cardinality {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OneToOne => "one-to-one",
            Self::ManyToOne => "many-to-one",
            Self::OneToMany => "one-to-many",
            Self::ManyToMany => "many-to-many",
        }
    }
}

/// Which series of two vectors belong together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matching {
    /// How many of them.
    pub cardinality: Cardinality,
    /// The labels of `on` or `ignoring`.
    pub labels: Vec<String>,
    /// Whether only those labels count, rather than all others.
    pub on: bool,
    /// Labels that `group_left` or `group_right` take over from the side of one.
    pub include: Vec<String>,
    /// Stands for a series that is missing on the left.
    pub fill_left: Option<f64>,
    /// Stands for a series that is missing on the right.
    pub fill_right: Option<f64>,
}

/// An operator with what stands left and right of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Binary {
    /// The operator.
    pub op: BinaryOp,
    /// Left of it.
    pub left: Expr,
    /// Right of it.
    pub right: Expr,
    /// How series are matched; `None` unless both sides are vectors. Sets are always many to many.
    pub matching: Option<Matching>,
    /// `bool`: 0 or 1 instead of a filter.
    pub return_bool: bool,
    /// Where.
    pub span: Span,
}

/// A sign before an expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Unary {
    /// Whether it is a minus.
    pub minus: bool,
    /// Before what.
    pub expr: Expr,
    /// Where.
    pub span: Span,
}

/// An expression in parentheses.
#[derive(Clone, Debug, PartialEq)]
pub struct Paren {
    /// Within them.
    pub expr: Expr,
    /// Where, with the parentheses.
    pub span: Span,
}
