//! Writes trees as Prometheus does: on one line, or over several where a line would be too long.

use std::fmt::{self, Write as _};

use hinomi_series::number::format_f;
use hinomi_series::{METRIC_NAME, MatchOp, duration::format_ms, is_legacy_label_name, quote};

use crate::ast::{
    Aggregate, At, Binary, Call, Cardinality, Duration, DurationContext, DurationOp, Edges, Expr, Matching,
    MatrixSelector, Number, Shift, Subquery, VectorSelector,
};

/// Characters that fit on a line of [`pretty`].
const LINE_MAX: usize = 100;

impl fmt::Display for Expr {
    /// On one line, as Prometheus prints it. Parsing it again yields the same tree, but for places.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => f.write_str(&number_text(number)),
            Self::String(text) => f.write_str(&text.quoted()),
            Self::Vector(selector) => write!(f, "{selector}"),
            Self::Matrix(matrix) => write!(f, "{matrix}"),
            Self::Subquery(subquery) => write!(f, "{}{}", subquery.expr, subquery_suffix(subquery)),
            Self::Call(call) => write!(f, "{}({})", call.function.name, joined(call)),
            Self::Aggregate(aggregate) => write!(f, "{aggregate}"),
            Self::Binary(binary) => {
                write!(f, "{} {} {}", binary.left, operator(binary), binary.right)
            }
            Self::Unary(unary) => write!(f, "{}{}", sign(unary.minus), unary.expr),
            Self::Paren(paren) => write!(f, "({})", paren.expr),
            Self::Error(_) => Ok(()),
        }
    }
}

const fn sign(minus: bool) -> &'static str {
    if minus { "-" } else { "+" }
}

fn joined(call: &Call) -> String {
    call.args.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn number_text(number: &Number) -> String {
    if !number.duration {
        return format_f(number.value);
    }
    #[allow(clippy::cast_possible_truncation, reason = "literals are whole milliseconds")]
    format_ms((number.value * 1_000.0).round() as i64)
}

/// Labels between commas, in quotes where they need them.
fn labels(names: &[String]) -> String {
    let quoted = names.iter().map(|name| if is_legacy_label_name(name) { name.clone() } else { quote(name) });
    quoted.collect::<Vec<_>>().join(", ")
}

impl fmt::Display for VectorSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&series(self))?;
        let (at, offset) = shift(&self.shift);
        write!(f, "{at}{}{offset}", edges(self.edges))
    }
}

/// Name and matchers; these are sorted.
fn series(selector: &VectorSelector) -> String {
    let shown = selector.matchers.iter().filter(|matcher| {
        let is_name = &*matcher.name == METRIC_NAME && matcher.op == MatchOp::Equal;
        !(is_name && *matcher.value == *selector.name && !matcher.value.is_empty())
    });
    let mut texts: Vec<String> = shown.map(ToString::to_string).collect();
    texts.sort_unstable();
    if texts.is_empty() && !selector.name.is_empty() {
        return selector.name.clone();
    }
    format!("{}{{{}}}", selector.name, texts.join(","))
}

const fn edges(edges: Edges) -> &'static str {
    match edges {
        Edges::Plain => "",
        Edges::Anchored => " anchored",
        Edges::Smoothed => " smoothed",
    }
}

/// `@` and `offset`, each with a space before it.
fn shift(shift: &Shift) -> (String, String) {
    let at = match shift.at {
        None => String::new(),
        Some(At::Start) => " @ start()".to_owned(),
        Some(At::End) => " @ end()".to_owned(),
        #[allow(clippy::cast_precision_loss, reason = "Prometheus divides as a float too")]
        Some(At::Time(ms)) => format!(" @ {:.3}", ms as f64 / 1_000.0),
    };
    let offset = match &shift.offset {
        None => String::new(),
        Some(literal @ Duration::Literal(_)) => match literal_ms(literal) {
            0 => String::new(),
            ms => format!(" offset {}", format_ms(ms)),
        },
        Some(other) => format!(" offset {other}"),
    };
    (at, offset)
}

/// Milliseconds of a literal; 0 for what has to be calculated.
pub(crate) fn literal_ms(duration: &Duration) -> i64 {
    match duration {
        Duration::Literal(_) => duration.offset_ms(DurationContext::default()).unwrap_or_default(),
        _ => 0,
    }
}

/// The length of a range or a step.
fn range_text(duration: &Duration) -> String {
    match duration {
        Duration::Literal(_) => format_ms(literal_ms(duration)),
        other => other.to_string(),
    }
}

impl fmt::Display for MatrixSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, offset) = shift(&self.selector.shift);
        let edges = edges(self.selector.edges);
        write!(f, "{}[{}]{edges}{at}{offset}", series(&self.selector), range_text(&self.range))
    }
}

fn subquery_suffix(subquery: &Subquery) -> String {
    let (at, offset) = shift(&subquery.shift);
    let step = subquery.step.as_ref().map(range_text).unwrap_or_default();
    format!("[{}:{step}]{at}{offset}", range_text(&subquery.range))
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(number) => f.write_str(&number_text(number)),
            Self::Step(_) => f.write_str("step()"),
            Self::Range(_) => f.write_str("range()"),
            Self::Paren { inner, .. } => write!(f, "({inner})"),
            Self::Unary { minus: true, inner, .. } => write!(f, "-{inner}"),
            Self::Unary { minus: false, inner, .. } => write!(f, "{inner}"),
            Self::Binary { op: DurationOp::Min, left, right, .. } => write!(f, "min_of({left}, {right})"),
            Self::Binary { op: DurationOp::Max, left, right, .. } => write!(f, "max_of({left}, {right})"),
            Self::Binary { op, left, right, .. } => write!(f, "{left} {} {right}", op.as_str()),
        }
    }
}

impl DurationOp {
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
            Self::Min => "min_of",
            Self::Max => "max_of",
        }
    }
}

/// An aggregation without its arguments: `sum by (job) `.
fn aggregate_head(aggregate: &Aggregate) -> String {
    let labels = labels(&aggregate.grouping);
    let op = aggregate.op.as_str();
    match (aggregate.without, labels.is_empty()) {
        (true, _) => format!("{op} without ({labels}) "),
        (false, true) => op.to_owned(),
        (false, false) => format!("{op} by ({labels}) "),
    }
}

impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", aggregate_head(self))?;
        if let Some(param) = &self.param {
            write!(f, "{param}, ")?;
        }
        write!(f, "{})", self.expr)
    }
}

/// An operator with everything that modifies it.
fn operator(binary: &Binary) -> String {
    let mut out = binary.op.as_str().to_owned();
    if binary.return_bool {
        out.push_str(" bool");
    }
    if let Some(matching) = &binary.matching {
        out.push_str(&matching_text(matching));
    }
    out
}

fn matching_text(matching: &Matching) -> String {
    let mut out = String::new();
    let group = match matching.cardinality {
        Cardinality::ManyToOne => Some("left"),
        Cardinality::OneToMany => Some("right"),
        Cardinality::OneToOne | Cardinality::ManyToMany => None,
    };
    if matching.on || group.is_some() || !matching.labels.is_empty() {
        let word = if matching.on { "on" } else { "ignoring" };
        _ = write!(out, " {word} ({})", labels(&matching.labels));
    }
    if let Some(side) = group {
        _ = write!(out, " group_{side} ({})", labels(&matching.include));
    }
    let value = hinomi_series::number::format_g;
    #[allow(clippy::float_cmp, reason = "whether one word says both")]
    match (matching.fill_left, matching.fill_right) {
        (Some(left), Some(right)) if left == right => _ = write!(out, " fill ({})", value(left)),
        (left, right) => {
            for (side, fill) in [("left", left), ("right", right)] {
                if let Some(fill) = fill {
                    _ = write!(out, " fill_{side} ({})", value(fill));
                }
            }
        }
    }
    out
}

/// Writes an expression over as many lines as needed for each to have at most 100 characters, where that can be done:
/// Prometheus' `format_query`.
#[must_use]
pub fn pretty(expr: &Expr) -> String {
    pretty_at(expr, 0)
}

fn indent(level: usize) -> String {
    "  ".repeat(level)
}

fn pretty_at(expr: &Expr, level: usize) -> String {
    let lead = indent(level);
    // Unary operators and selectors are never divided, whatever stands in them.
    match expr {
        Expr::Unary(unary) => {
            let inner = pretty_at(&unary.expr, level);
            return format!("{lead}{}{}", sign(unary.minus), inner.trim());
        }
        Expr::Number(_) | Expr::String(_) | Expr::Vector(_) | Expr::Matrix(_) | Expr::Error(_) => {
            return format!("{lead}{expr}");
        }
        _ => {}
    }
    let line = expr.to_string();
    if line.len() <= LINE_MAX {
        // Prometheus leaves out the indent of a short subquery.
        return if matches!(expr, Expr::Subquery(_)) { line } else { lead + &line };
    }
    divided(expr, level)
}

fn divided(expr: &Expr, level: usize) -> String {
    let lead = indent(level);
    match expr {
        Expr::Aggregate(aggregate) => {
            let mut out = format!("{lead}{}(\n", aggregate_head(aggregate));
            if let Some(param) = &aggregate.param {
                out.push_str(&pretty_at(param, level + 1));
                out.push_str(",\n");
            }
            out + &pretty_at(&aggregate.expr, level + 1) + "\n" + &lead + ")"
        }
        Expr::Binary(binary) => {
            let (left, right) = (pretty_at(&binary.left, level + 1), pretty_at(&binary.right, level + 1));
            format!("{left}\n{lead}{}\n{right}", operator(binary))
        }
        Expr::Call(call) => {
            let args: Vec<String> = call.args.iter().map(|arg| pretty_at(arg, level + 1)).collect();
            format!("{lead}{}(\n{}\n{lead})", call.function.name, args.join(",\n"))
        }
        Expr::Paren(paren) => format!("{lead}(\n{}\n{lead})", pretty_at(&paren.expr, level + 1)),
        Expr::Subquery(subquery) => pretty_at(&subquery.expr, level) + &subquery_suffix(subquery),
        other => format!("{lead}{other}"),
    }
}
