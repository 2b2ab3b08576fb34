//! Durations: written down, or calculated from the query's step and range.

use super::{Number, Span};

/// An operator between two durations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are the operators")]
pub enum DurationOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    /// `min_of(a, b)`
    Min,
    /// `max_of(a, b)`
    Max,
}

/// A duration: a literal, or something that is calculated when the query's step and range are known.
#[derive(Clone, Debug, PartialEq)]
pub enum Duration {
    /// `5m`, `300`, `-5m`.
    Literal(Number),
    /// `step()`: the query's step; 0 in an instant query.
    Step(Span),
    /// `range()`: from the query's first step to its last; 0 in an instant query.
    Range(Span),
    /// A sign before a duration.
    Unary {
        /// Whether it is a minus.
        minus: bool,
        /// Before what.
        inner: Box<Self>,
        /// Where.
        span: Span,
    },
    /// Two durations with an operator.
    Binary {
        /// Which.
        op: DurationOp,
        /// Left of it, or the first argument.
        left: Box<Self>,
        /// Right of it, or the second argument.
        right: Box<Self>,
        /// Where.
        span: Span,
    },
    /// A duration in parentheses.
    Paren {
        /// Within them.
        inner: Box<Self>,
        /// Where.
        span: Span,
    },
}

/// What durations of a query are calculated from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DurationContext {
    /// Milliseconds from step to step; 0 in an instant query.
    pub step_ms: i64,
    /// Milliseconds from the first step to the last; 0 in an instant query.
    pub range_ms: i64,
}

/// Why a duration has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}:{}: {text}", .span.start, .span.end)]
pub struct DurationError {
    /// Where.
    pub span: Span,
    /// As Prometheus says it.
    pub text: &'static str,
}

/// Seconds that fit 63 bits of nanoseconds: more is out of range.
const SECONDS_MAX: f64 = 9_223_372_036.854_775;

impl Duration {
    /// The bytes it was made of.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Self::Literal(number) => number.span,
            Self::Step(span)
            | Self::Range(span)
            | Self::Unary { span, .. }
            | Self::Binary { span, .. }
            | Self::Paren { span, .. } => *span,
        }
    }

    /// Whether it is written down as it is, and not calculated.
    #[must_use]
    pub const fn is_literal(&self) -> bool {
        matches!(self, Self::Literal(_))
    }

    /// Milliseconds, as an offset: negative ones are fine.
    ///
    /// # Errors
    ///
    /// [`DurationError`] for a division by zero and what is no number or too long.
    pub fn offset_ms(&self, context: DurationContext) -> Result<i64, DurationError> {
        self.millis(context)
    }

    /// Milliseconds, as the length of a range or a step: greater than 0.
    ///
    /// # Errors
    ///
    /// As [`Self::offset_ms`], and for what is not greater than 0.
    pub fn range_ms(&self, context: DurationContext) -> Result<i64, DurationError> {
        let seconds = self.finite(context)?;
        if seconds <= 0.0 {
            return Err(self.error("duration must be greater than 0"));
        }
        self.millis(context)
    }

    fn millis(&self, context: DurationContext) -> Result<i64, DurationError> {
        let seconds = self.finite(context)?;
        if seconds.abs() > SECONDS_MAX {
            return Err(self.error("duration is out of range"));
        }
        // Prometheus rounds what is written down to nanoseconds, and cuts off what is calculated.
        let millis = match self {
            Self::Literal(_) => (seconds * 1e9).round() / 1e6,
            _ => seconds * 1_000.0,
        };
        #[allow(clippy::cast_possible_truncation, reason = "checked above")]
        Ok(millis as i64)
    }

    fn finite(&self, context: DurationContext) -> Result<f64, DurationError> {
        let seconds = self.seconds(context)?;
        if seconds.is_finite() { Ok(seconds) } else { Err(self.error("duration is NaN or infinite")) }
    }

    /// Points at what is calculated, not at the parentheses around it.
    fn error(&self, text: &'static str) -> DurationError {
        match self {
            Self::Paren { inner, .. } if !inner.is_literal() => inner.error(text),
            _ => DurationError { span: self.span(), text },
        }
    }

    /// Seconds, whatever they are.
    ///
    /// # Errors
    ///
    /// [`DurationError`] for a division by zero.
    pub fn seconds(&self, context: DurationContext) -> Result<f64, DurationError> {
        #[allow(clippy::cast_precision_loss, reason = "exact to 285,000 years")]
        let of_ms = |ms: i64| ms as f64 / 1_000.0;
        match self {
            Self::Literal(number) => Ok(number.value),
            Self::Step(_) => Ok(of_ms(context.step_ms)),
            Self::Range(_) => Ok(of_ms(context.range_ms)),
            Self::Paren { inner, .. } => inner.seconds(context),
            Self::Unary { minus, inner, .. } => {
                let seconds = inner.seconds(context)?;
                Ok(if *minus { -seconds } else { seconds })
            }
            Self::Binary { op, left, right, span } => {
                apply(*op, left.seconds(context)?, right.seconds(context)?)
                    .map_err(|text| DurationError { span: *span, text })
            }
        }
    }
}

fn apply(op: DurationOp, left: f64, right: f64) -> Result<f64, &'static str> {
    match op {
        DurationOp::Add => Ok(left + right),
        DurationOp::Sub => Ok(left - right),
        DurationOp::Mul => Ok(left * right),
        DurationOp::Div if right == 0.0 => Err("division by zero"),
        DurationOp::Div => Ok(left / right),
        DurationOp::Mod if right == 0.0 => Err("modulo by zero"),
        DurationOp::Mod => Ok(left % right),
        DurationOp::Pow => Ok(left.powf(right)),
        DurationOp::Min => Ok(if left.is_nan() { left } else { left.min(right) }),
        DurationOp::Max => Ok(if left.is_nan() { left } else { left.max(right) }),
    }
}
