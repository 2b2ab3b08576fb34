//! Durations: literals, and what is calculated from them.

use super::DEPTH_MAX;
use super::parser::Parser;
use super::token::{Kind, TimeWord, Token};
use crate::ast::{BinaryOp, Duration, DurationOp, Number, Span};

/// Seconds that fit 63 bits of nanoseconds.
const SECONDS_MAX: f64 = 9_223_372_036.854_775;
/// How tightly signs bind.
const SIGN: u8 = 3;

const fn operator(op: BinaryOp) -> Option<(DurationOp, u8)> {
    match op {
        BinaryOp::Add => Some((DurationOp::Add, 1)),
        BinaryOp::Sub => Some((DurationOp::Sub, 1)),
        BinaryOp::Mul => Some((DurationOp::Mul, 2)),
        BinaryOp::Div => Some((DurationOp::Div, 2)),
        BinaryOp::Mod => Some((DurationOp::Mod, 2)),
        BinaryOp::Pow => Some((DurationOp::Pow, 3)),
        _ => None,
    }
}

impl Parser<'_> {
    /// A duration within brackets; `None` after saying what is wrong.
    pub(super) fn positive_duration(&mut self) -> Option<Duration> {
        let duration = self.duration(0, 0)?;
        if let Duration::Literal(number) = &duration
            && number.value <= 0.0
        {
            let span = number.span;
            self.flush();
            self.error(span, "duration must be greater than 0");
        }
        Some(duration)
    }

    /// A duration behind `offset`. Only parentheses hold what is calculated: `x offset 5m * 2` multiplies `x`.
    pub(super) fn offset_duration(&mut self) -> Option<Duration> {
        if self.token.kind == Kind::LeftParen {
            return self.duration(0, 0);
        }
        let Some(sign) = self.sign() else { return self.bare_duration(0) };
        if matches!(self.token.kind, Kind::Op(BinaryOp::Add | BinaryOp::Sub)) {
            // With two signs it can only be something calculated.
            let inner = self.duration(SIGN, 1)?;
            let left = self.signed(sign, inner);
            return self.operators(left, 0, 0);
        }
        let inner = self.bare_duration(0)?;
        if let ((sign, false), Duration::Step(_) | Duration::Range(_) | Duration::Binary { .. }) =
            (sign, &inner)
        {
            // Only here a plus is kept before what is calculated.
            let span = Span::new(sign.span.start, inner.span().end);
            return Some(Duration::Unary { minus: false, inner: Box::new(inner), span });
        }
        Some(self.signed(sign, inner))
    }

    /// A sign, and whether it is a minus.
    fn sign(&mut self) -> Option<(Token, bool)> {
        let minus = self.token.kind == Kind::Op(BinaryOp::Sub);
        let found = minus || self.token.kind == Kind::Op(BinaryOp::Add);
        found.then(|| (self.take(), minus))
    }

    /// A duration of operators that bind at least so tightly.
    fn duration(&mut self, least: u8, depth: u32) -> Option<Duration> {
        if depth > DEPTH_MAX {
            let text = format!("duration has more than {DEPTH_MAX} levels");
            self.error(self.token.span, text);
            return None;
        }
        let left = match self.sign() {
            Some(sign) => {
                let inner = self.duration(SIGN, depth + 1)?;
                self.signed(sign, inner)
            }
            None => self.bare_duration(depth)?,
        };
        self.operators(left, least, depth)
    }

    /// Operators behind a duration, with what stands right of them.
    fn operators(&mut self, mut left: Duration, least: u8, depth: u32) -> Option<Duration> {
        let mut height = depth;
        while let Kind::Op(op) = self.token.kind {
            let Some((op, binds)) = operator(op) else { break };
            if binds < least {
                break;
            }
            let operator = self.take().span;
            height += 1;
            let right = self.duration(if op == DurationOp::Pow { binds } else { binds + 1 }, height)?;
            left = self.calculated(op, operator, left, right);
        }
        Some(left)
    }

    fn calculated(&mut self, op: DurationOp, operator: Span, left: Duration, right: Duration) -> Duration {
        self.flush();
        let zero = matches!(&right, Duration::Literal(number) if number.value == 0.0);
        match op {
            DurationOp::Div if zero => self.error(operator, "division by zero"),
            DurationOp::Mod if zero => self.error(operator, "modulo by zero"),
            _ => {}
        }
        let span = left.span().to(right.span());
        Duration::Binary { op, left: Box::new(left), right: Box::new(right), span }
    }

    /// A sign before a literal belongs to it; a plus before anything else is nothing.
    fn signed(&mut self, (sign, minus): (Token, bool), inner: Duration) -> Duration {
        match inner {
            Duration::Literal(mut number) => {
                if minus {
                    number.value = -number.value;
                }
                number.span.start = sign.span.start;
                Duration::Literal(number)
            }
            inner if !minus => inner,
            inner => {
                let span = Span::new(sign.span.start, inner.span().end);
                Duration::Unary { minus, inner: Box::new(inner), span }
            }
        }
    }

    /// A duration without sign and operators.
    fn bare_duration(&mut self, depth: u32) -> Option<Duration> {
        let token = self.token;
        match token.kind {
            Kind::Number | Kind::Duration => {
                self.advance();
                self.last_closing = token.span.end;
                Some(Duration::Literal(self.literal(token)))
            }
            Kind::LeftParen => {
                self.advance();
                let inner = Box::new(self.duration(0, depth + 1)?);
                let span = Span::new(token.span.start, self.close_duration()?);
                Some(Duration::Paren { inner, span })
            }
            Kind::Time(word @ (TimeWord::Step | TimeWord::Range)) => {
                self.advance();
                self.open_duration()?;
                let span = Span::new(token.span.start, self.close_duration()?);
                Some(if word == TimeWord::Step { Duration::Step(span) } else { Duration::Range(span) })
            }
            Kind::Time(word @ (TimeWord::MinOf | TimeWord::MaxOf)) => self.extreme(word, token, depth),
            _ => {
                self.unexpected();
                None
            }
        }
    }

    /// `min_of(a, b)` and `max_of(a, b)`.
    fn extreme(&mut self, word: TimeWord, token: Token, depth: u32) -> Option<Duration> {
        self.advance();
        self.open_duration()?;
        let left = Box::new(self.duration(0, depth + 1)?);
        if self.take_if(Kind::Comma).is_none() {
            self.unexpected();
            return None;
        }
        let right = Box::new(self.duration(0, depth + 1)?);
        let span = Span::new(token.span.start, self.close_duration()?);
        let op = if word == TimeWord::MinOf { DurationOp::Min } else { DurationOp::Max };
        Some(Duration::Binary { op, left, right, span })
    }

    fn open_duration(&mut self) -> Option<()> {
        if self.take_if(Kind::LeftParen).is_none() {
            self.unexpected();
            return None;
        }
        Some(())
    }

    /// The closing parenthesis; where it ends.
    fn close_duration(&mut self) -> Option<u32> {
        if self.token.kind != Kind::RightParen {
            self.unexpected();
            return None;
        }
        let end = self.take().span.end;
        self.last_closing = end;
        Some(end)
    }

    fn literal(&mut self, token: Token) -> Number {
        let number = self.number(token);
        if number.value.abs() > SECONDS_MAX {
            self.error(token.span, "duration out of range");
        }
        number
    }
}
