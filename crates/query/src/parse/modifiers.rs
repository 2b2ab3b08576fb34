//! What stands behind operands and operators: ranges, `offset`, `@`, `anchored`; `bool`, `on`, `group_left`, `fill`.

use super::parser::{Built, Context, Parser, is_fill};
use super::quoting::unquote;
use super::token::{Keyword, Kind, TimeWord};
use crate::ast::{
    At, BinaryOp, Cardinality, Duration, Edges, Expr, Matching, MatrixSelector, Shift, Span, Subquery,
};

const fn grouping(expected: &'static str) -> Context {
    Context { of: "grouping opts", expected }
}

const RANGE: Context =
    Context { of: "subquery or range selector", expected: "number, duration, step(), or range()" };
const RANGE_END: Context = Context { of: "subquery or range", expected: "\":\" or \"]\"" };
const STEP: Context =
    Context { of: "subquery selector", expected: "number, duration, step(), range(), or \"]\"" };
const STEP_END: Context = Context { of: "subquery selector", expected: "\"]\"" };
const OFFSET: Context = Context { of: "offset", expected: "number, duration, step(), or range()" };
const AT: Context = Context { of: "@", expected: "timestamp" };

impl Parser<'_> {
    /// Modifiers behind an operand, any number of them.
    pub(super) fn modifiers(&mut self, mut operand: Built) -> Built {
        loop {
            operand = match self.token.kind {
                Kind::LeftBracket => self.range(operand),
                Kind::Keyword(Keyword::Offset) => self.offset(operand),
                Kind::At => self.at(operand),
                Kind::Keyword(Keyword::Anchored) => self.edges(operand, Edges::Anchored),
                Kind::Keyword(Keyword::Smoothed) => self.edges(operand, Edges::Smoothed),
                _ => return operand,
            };
        }
    }

    /// `[5m]` or `[1h:5m]`.
    fn range(&mut self, operand: Built) -> Built {
        let open = self.take().span;
        let Some(range) = self.within(RANGE, Self::positive_duration) else {
            return self.broken_range(operand);
        };
        match self.token.kind {
            Kind::RightBracket => {
                let close = self.take().span;
                self.last_closing = close.end;
                self.matrix(operand, range, open.to(close))
            }
            Kind::Colon => {
                self.advance();
                self.subquery(operand, range)
            }
            _ => {
                self.unexpected_in(RANGE_END);
                self.broken_range(operand)
            }
        }
    }

    /// Goes on behind a range that could not be understood.
    fn broken_range(&mut self, operand: Built) -> Built {
        self.skip_to(&[Kind::RightBracket]);
        self.take_if(Kind::RightBracket);
        operand
    }

    fn subquery(&mut self, operand: Built, range: Duration) -> Built {
        let mut step = None;
        if self.token.kind != Kind::RightBracket {
            step = self.within(STEP, Self::positive_duration);
            if step.is_none() {
                return self.broken_range(operand);
            }
        }
        if self.token.kind != Kind::RightBracket {
            self.unexpected_in(STEP_END);
            return self.broken_range(operand);
        }
        let close = self.take().span;
        self.last_closing = close.end;
        let span = operand.expr.span().to(close);
        let subquery = Subquery { expr: operand.expr, range, step, shift: Shift::default(), span };
        self.over(operand.height, Expr::Subquery(Box::new(subquery)))
    }

    fn matrix(&mut self, operand: Built, range: Duration, brackets: Span) -> Built {
        let span = operand.expr.span().to(brackets);
        let problem = match operand.expr {
            Expr::Vector(selector) if selector.shift == Shift::default() => {
                return self.over(operand.height, Expr::Matrix(MatrixSelector { selector, range, span }));
            }
            Expr::Vector(selector) if selector.shift.offset.is_some() => {
                "no offset modifiers allowed before range"
            }
            Expr::Vector(_) => "no @ modifiers allowed before range",
            _ => "ranges only allowed for vector selectors",
        };
        self.error(brackets, problem);
        Built::leaf(Expr::Error(span))
    }

    fn offset(&mut self, mut operand: Built) -> Built {
        self.advance();
        let Some(offset) = self.within(OFFSET, Self::offset_duration) else { return operand };
        let end = self.last_closing;
        let before = operand.expr.span();
        let broken = matches!(operand.expr, Expr::Error(_));
        let problem = match shift_of(&mut operand.expr, end) {
            // An offset of nothing is as good as none.
            Some(shift) if shift.offset.as_ref().is_some_and(|known| !is_zero(known)) => {
                "offset may not be set multiple times"
            }
            Some(shift) => {
                shift.offset = Some(offset);
                return operand;
            }
            None if broken => return operand,
            None => {
                "offset modifier must be preceded by an instant vector selector or range vector selector or a subquery"
            }
        };
        self.error(before, problem);
        operand
    }

    fn at(&mut self, mut operand: Built) -> Built {
        self.advance();
        let before = operand.expr.span();
        let Some(at) = self.at_time(before) else { return operand };
        let end = self.last_closing;
        let broken = matches!(operand.expr, Expr::Error(_));
        let problem = match shift_of(&mut operand.expr, end) {
            Some(Shift { at: Some(_), .. }) => "@ <timestamp> may not be set multiple times",
            Some(shift) => {
                shift.at = Some(at);
                return operand;
            }
            None if broken => return operand,
            None => {
                "@ modifier must be preceded by an instant vector selector or range vector selector or a subquery"
            }
        };
        self.error(before, problem);
        operand
    }

    /// What stands behind `@`.
    fn at_time(&mut self, before: Span) -> Option<At> {
        let word = match self.token.kind {
            Kind::Time(TimeWord::Start) => At::Start,
            Kind::Time(TimeWord::End) => At::End,
            _ => return self.at_number(before),
        };
        self.advance();
        if self.take_if(Kind::LeftParen).is_none() {
            self.unexpected_in(AT);
            return None;
        }
        if self.token.kind != Kind::RightParen {
            self.unexpected_in(AT);
            self.skip_to(&[Kind::RightParen]);
        }
        let end = self.token.span.end;
        self.take_if(Kind::RightParen);
        self.last_closing = end;
        Some(word)
    }

    fn at_number(&mut self, before: Span) -> Option<At> {
        let sign = match self.token.kind {
            Kind::Op(BinaryOp::Sub) => -1.0,
            _ => 1.0,
        };
        if matches!(self.token.kind, Kind::Op(BinaryOp::Sub | BinaryOp::Add)) {
            self.advance();
        }
        if !matches!(self.token.kind, Kind::Number | Kind::Duration) {
            self.unexpected_in(AT);
            return None;
        }
        let token = self.token;
        let seconds = sign * self.number(token).value;
        self.advance();
        self.last_closing = token.span.end;
        #[allow(clippy::cast_precision_loss, reason = "only a bound")]
        let max = i64::MAX as f64;
        if !seconds.is_finite() || seconds.abs() >= max {
            let shown = if seconds.is_finite() {
                format!("{seconds:.6}")
            } else {
                hinomi_series::number::format_f(seconds)
            };
            self.error(before, format!("timestamp out of bounds for @ modifier: {shown}"));
            return None;
        }
        #[allow(clippy::cast_possible_truncation, reason = "saturates")]
        Some(At::Time((seconds * 1_000.0).round() as i64))
    }

    fn edges(&mut self, mut operand: Built, edges: Edges) -> Built {
        self.advance();
        let before = operand.expr.span();
        let word = if edges == Edges::Anchored { "anchored" } else { "smoothed" };
        let known = match &mut operand.expr {
            Expr::Vector(selector) => &mut selector.edges,
            Expr::Matrix(matrix) => &mut matrix.selector.edges,
            Expr::Error(_) => return operand,
            Expr::Subquery(_) => {
                self.error(before, format!("{word} modifier is not supported for subqueries"));
                return operand;
            }
            _ => {
                self.error(before, format!("{word} modifier not implemented"));
                return operand;
            }
        };
        if *known == Edges::Plain || *known == edges {
            *known = edges;
        } else {
            self.error(before, "anchored and smoothed modifiers cannot be used together");
        }
        operand
    }

    /// What stands between an operator and its right side.
    pub(super) fn binary_modifiers(&mut self) -> (bool, Matching) {
        let return_bool = self.take_if(Kind::Keyword(Keyword::Bool)).is_some();
        let mut matching = Matching::default();
        if let Kind::Keyword(word @ (Keyword::On | Keyword::Ignoring)) = self.token.kind {
            self.advance();
            matching.on = word == Keyword::On;
            matching.labels = self.labels();
            self.group_modifier(&mut matching);
        }
        self.fill_modifiers(&mut matching);
        (return_bool, matching)
    }

    fn group_modifier(&mut self, matching: &mut Matching) {
        matching.cardinality = match self.token.kind {
            Kind::Keyword(Keyword::GroupLeft) => Cardinality::ManyToOne,
            Kind::Keyword(Keyword::GroupRight) => Cardinality::OneToMany,
            _ => return,
        };
        self.advance();
        let fill = matches!(self.token.kind, Kind::Keyword(word) if is_fill(word));
        if self.token.kind == Kind::LeftParen {
            matching.include = self.labels();
        } else if !fill && !self.token.kind.begins_expression() {
            self.unexpected_in(grouping("\"(\""));
        }
    }

    fn fill_modifiers(&mut self, matching: &mut Matching) {
        let Kind::Keyword(word) = self.token.kind else { return };
        if !is_fill(word) {
            return;
        }
        self.advance();
        let value = self.fill_value();
        match word {
            Keyword::FillLeft => matching.fill_left = value,
            Keyword::FillRight => matching.fill_right = value,
            _ => {
                (matching.fill_left, matching.fill_right) = (value, value);
                return;
            }
        }
        let other = if word == Keyword::FillLeft { Keyword::FillRight } else { Keyword::FillLeft };
        if self.take_if(Kind::Keyword(other)).is_some() {
            let value = self.fill_value();
            match other {
                Keyword::FillLeft => matching.fill_left = value,
                _ => matching.fill_right = value,
            }
        }
    }

    /// A number with its sign in parentheses.
    fn fill_value(&mut self) -> Option<f64> {
        self.take_if(Kind::LeftParen);
        let minus = self.token.kind == Kind::Op(BinaryOp::Sub);
        if matches!(self.token.kind, Kind::Op(BinaryOp::Sub | BinaryOp::Add)) {
            self.advance();
        }
        let mut value = None;
        if matches!(self.token.kind, Kind::Number | Kind::Duration) {
            let token = self.take();
            let number = self.number(token).value;
            value = Some(if minus { -number } else { number });
        }
        if self.token.kind != Kind::RightParen || value.is_none() {
            self.unexpected();
            self.skip_to(&[Kind::RightParen]);
        }
        self.take_if(Kind::RightParen);
        value
    }

    /// Labels in parentheses.
    pub(super) fn labels(&mut self) -> Vec<String> {
        let mut labels = Vec::new();
        if self.take_if(Kind::LeftParen).is_none() {
            self.unexpected_in(grouping("\"(\""));
            return labels;
        }
        while self.token.kind != Kind::RightParen && self.token.kind != Kind::Eof {
            labels.extend(self.label());
            if !matches!(self.token.kind, Kind::Comma | Kind::RightParen) {
                self.unexpected_in(grouping("\",\" or \")\""));
                self.skip_to(&[Kind::Comma, Kind::RightParen]);
            }
            if self.take_if(Kind::Comma).is_none() {
                break;
            }
        }
        let end = self.token.span.end;
        self.take_if(Kind::RightParen);
        self.last_closing = end;
        labels
    }

    fn label(&mut self) -> Option<String> {
        let token = self.token;
        let name = match token.kind {
            Kind::String => unquote(self.lexeme(token.span)),
            kind if kind.names_label() => self.lexeme(token.span).to_owned(),
            _ => {
                self.unexpected_in(grouping("label"));
                self.skip_to(&[Kind::Comma, Kind::RightParen]);
                return None;
            }
        };
        self.advance();
        if name.is_empty() {
            self.error(token.span, "invalid label name for grouping: \"\"");
        }
        Some(name)
    }
}

/// Where an expression keeps its shift; moves the end of its span to behind the modifier.
fn shift_of(expr: &mut Expr, end: u32) -> Option<&mut Shift> {
    match expr {
        Expr::Vector(selector) => {
            selector.span.end = end;
            Some(&mut selector.shift)
        }
        Expr::Matrix(matrix) => {
            matrix.span.end = end;
            Some(&mut matrix.selector.shift)
        }
        Expr::Subquery(subquery) => {
            subquery.span.end = end;
            Some(&mut subquery.shift)
        }
        _ => None,
    }
}

fn is_zero(offset: &Duration) -> bool {
    matches!(offset, Duration::Literal(number) if number.value == 0.0)
}
