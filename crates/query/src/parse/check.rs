//! Checks a tree that has no syntax errors: types, numbers of arguments, what may be combined.

use std::cell::RefCell;

use hinomi_series::{METRIC_NAME, quote};

use super::{ERRORS_MAX, ParseError};
use crate::ast::{
    Aggregate, AggregateOp, Binary, Call, Cardinality, Expr, Matching, Span, ValueType, VectorSelector,
};
use crate::function::{Function, Repeat};

/// Everything that is wrong with a tree.
pub(super) fn check(text: &str, expr: &Expr) -> Vec<ParseError> {
    let checker = Checker { text, errors: RefCell::default() };
    checker.expr(expr);
    checker.errors.into_inner()
}

/// A tree as it is evaluated: sets are matched many to many, and only vectors are matched at all.
pub(super) fn finished(mut expr: Expr) -> Expr {
    finish(&mut expr);
    expr
}

fn finish(expr: &mut Expr) {
    match expr {
        Expr::Binary(binary) => {
            finish(&mut binary.left);
            finish(&mut binary.right);
            finish_matching(binary);
        }
        Expr::Subquery(subquery) => finish(&mut subquery.expr),
        Expr::Call(call) => call.args.iter_mut().for_each(finish),
        Expr::Aggregate(aggregate) => {
            finish(&mut aggregate.expr);
            aggregate.param.iter_mut().for_each(finish);
        }
        Expr::Unary(unary) => finish(&mut unary.expr),
        Expr::Paren(paren) => finish(&mut paren.expr),
        Expr::Number(_) | Expr::String(_) | Expr::Vector(_) | Expr::Matrix(_) | Expr::Error(_) => {}
    }
}

fn finish_matching(binary: &mut Binary) {
    let vectors =
        binary.left.value_type() == ValueType::Vector && binary.right.value_type() == ValueType::Vector;
    match &mut binary.matching {
        Some(matching) if vectors => {
            if binary.op.is_set() && matching.cardinality == Cardinality::OneToOne {
                matching.cardinality = Cardinality::ManyToMany;
            }
        }
        matching => *matching = None,
    }
}

struct Checker<'a> {
    text: &'a str,
    errors: RefCell<Vec<ParseError>>,
}

impl Checker<'_> {
    fn error(&self, span: Span, text: impl Into<String>) {
        let mut errors = self.errors.borrow_mut();
        if errors.len() < ERRORS_MAX {
            errors.push(ParseError { span, text: text.into() });
        }
    }

    /// Where an operator stands: what is between its sides, without the blanks around it.
    fn between(&self, left: Span, right: Span) -> Span {
        let gap = self.text.get(left.end as usize..right.start as usize).unwrap_or_default();
        let blank = |text: &str| u32::try_from(text.len()).unwrap_or_default();
        let start = left.end + blank(gap) - blank(gap.trim_start());
        Span::new(start, (right.start + blank(gap.trim_end())).saturating_sub(blank(gap)).max(start))
    }

    /// Checks an expression and says what it yields.
    fn expr(&self, expr: &Expr) -> ValueType {
        match expr {
            Expr::Binary(binary) => self.binary(binary),
            Expr::Call(call) => self.call(call),
            Expr::Aggregate(aggregate) => self.aggregate(aggregate),
            Expr::Vector(selector) => self.selector(selector, false),
            Expr::Matrix(matrix) => self.selector(&matrix.selector, false),
            Expr::Paren(paren) => {
                self.expr(&paren.expr);
            }
            Expr::Unary(unary) => {
                let found = self.expr(&unary.expr);
                if !matches!(found, ValueType::Scalar | ValueType::Vector) {
                    self.error(
                        unary.span,
                        format!(
                            "unary expression only allowed on expressions of type scalar or instant vector, got \"{}\"",
                            found.documented()
                        ),
                    );
                }
            }
            Expr::Subquery(subquery) => {
                let found = self.expr(&subquery.expr);
                if found != ValueType::Vector {
                    let text = format!("subquery is only allowed on instant vector, got {found} instead");
                    self.error(subquery.span, text);
                }
            }
            Expr::Number(_) | Expr::String(_) | Expr::Error(_) => {}
        }
        expr.value_type()
    }

    fn expect(&self, expr: &Expr, wanted: ValueType, context: &str) {
        let found = self.expr(expr);
        if found != wanted {
            let (wanted, found) = (wanted.documented(), found.documented());
            self.error(expr.span(), format!("expected type {wanted} in {context}, got {found}"));
        }
    }

    fn aggregate(&self, aggregate: &Aggregate) {
        self.expect(&aggregate.expr, ValueType::Vector, "aggregation expression");
        let wanted = match aggregate.op {
            AggregateOp::CountValues => ValueType::String,
            _ => ValueType::Scalar,
        };
        if let Some(param) = &aggregate.param {
            self.expect(param, wanted, "aggregation parameter");
        }
    }

    fn binary(&self, binary: &Binary) {
        let (left, right) = (self.expr(&binary.left), self.expr(&binary.right));
        let default = Matching::default();
        let matching = binary.matching.as_ref().unwrap_or(&default);
        let op = binary.op;
        let place = self.between(binary.left.span(), binary.right.span());
        if binary.return_bool && !op.is_comparison() {
            self.error(place, "bool modifier can only be used on comparison operators");
        }
        let scalars = left == ValueType::Scalar && right == ValueType::Scalar;
        if op.is_comparison() && !binary.return_bool && scalars {
            self.error(place, "comparisons between scalars must use BOOL modifier");
        }
        if matching.on {
            for label in matching.labels.iter().filter(|label| matching.include.contains(label)) {
                let text = format!("label {} must not occur in ON and GROUP clause at once", quote(label));
                self.error(place, text);
            }
        }
        for (side, found) in [(&binary.left, left), (&binary.right, right)] {
            if !matches!(found, ValueType::Scalar | ValueType::Vector) {
                self.error(
                    side.span(),
                    "binary expression must contain only scalar and instant vector types",
                );
            }
        }
        self.matching(binary, matching, left == ValueType::Vector && right == ValueType::Vector);
        if op.is_set() && (left == ValueType::Scalar || right == ValueType::Scalar) {
            let text = format!("set operator \"{}\" not allowed in binary scalar expression", op.as_str());
            self.error(binary.span, text);
        }
    }

    fn matching(&self, binary: &Binary, matching: &Matching, vectors: bool) {
        let fills = matching.fill_left.is_some() || matching.fill_right.is_some();
        if !vectors {
            if !matching.labels.is_empty() {
                self.error(binary.span, "vector matching only allowed between instant vectors");
            }
            if fills {
                self.error(binary.span, "filling in missing series only allowed between instant vectors");
            }
        } else if binary.op.is_set() {
            if matches!(matching.cardinality, Cardinality::ManyToOne | Cardinality::OneToMany) {
                let text = format!("no grouping allowed for \"{}\" operation", binary.op.as_str());
                self.error(binary.span, text);
                self.error(binary.span, "set operations must always be many-to-many");
            }
            if fills {
                self.error(binary.span, "filling in missing series not allowed for set operators");
            }
        }
    }

    fn call(&self, call: &Call) {
        let function = call.function;
        self.count(call, function);
        if function.name == "info" {
            self.info(call);
        }
        for (at, arg) in call.args.iter().enumerate() {
            if at >= function.args.len() && function.repeat == Repeat::Once {
                break;
            }
            let Some(wanted) = function.arg(at) else { break };
            match arg {
                // The second argument of info() selects labels of whatever there is.
                Expr::Vector(selector) if function.name == "info" && at > 0 => self.selector(selector, true),
                arg => self.expect(arg, wanted, &format!("call to function {}", quote(function.name))),
            }
        }
    }

    fn count(&self, call: &Call, function: &Function) {
        let (least, got) = (function.args_min(), call.args.len());
        let name = quote(function.name);
        let text = match (function.repeat, function.args_max()) {
            (Repeat::Once, _) if least != got => {
                format!("expected {least} argument(s) in call to {name}, got {got}")
            }
            (Repeat::AtMost(_) | Repeat::Any, _) if got < least => {
                format!("expected at least {least} argument(s) in call to {name}, got {got}")
            }
            (Repeat::AtMost(_), Some(most)) if got > most => {
                format!("expected at most {most} argument(s) in call to {name}, got {got}")
            }
            _ => return,
        };
        self.error(call.span, text);
    }

    fn info(&self, call: &Call) {
        let Some(labels) = call.args.get(1) else { return };
        let found = labels.value_type();
        if found != ValueType::Vector {
            let text = format!(
                "expected type instant vector in call to function \"info\", got {}",
                found.documented()
            );
            self.error(call.span, text);
        }
        match labels {
            Expr::Vector(selector) if selector.name.is_empty() => {}
            Expr::Vector(selector) => {
                self.error(selector.span, "expected label selectors only, got vector selector instead");
            }
            other => self.error(other.span(), "expected label selectors only"),
        }
    }

    fn selector(&self, selector: &VectorSelector, may_match_all: bool) {
        if selector.name.is_empty() {
            let all = selector.matchers.iter().all(hinomi_series::Matcher::matches_empty);
            if all && !may_match_all {
                self.error(selector.span, "vector selector must contain at least one non-empty matcher");
            }
            return;
        }
        // The last matcher is the one of the name before the braces.
        let others = selector.matchers.split_last().map_or(&[][..], |(_, others)| others);
        for twice in others.iter().filter(|matcher| &*matcher.name == METRIC_NAME) {
            let (name, value) = (quote(&selector.name), quote(&twice.value));
            self.error(selector.span, format!("metric name must not be set twice: {name} or {value}"));
        }
    }
}
