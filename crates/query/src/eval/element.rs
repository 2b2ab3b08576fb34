//! Operators between two values.

use std::sync::Arc;

use hinomi_series::{Histogram, Outcome, ResetHint, Value};

use super::column::{Column, absent};
use super::notes::{Note, Sums};
use super::number::same;
use crate::ast::BinaryOp;

/// The operator between two numbers, if it calculates.
pub(super) fn calculation(op: BinaryOp) -> Option<fn(f64, f64) -> f64> {
    Some(match op {
        BinaryOp::Add => |a, b| a + b,
        BinaryOp::Sub => |a, b| a - b,
        BinaryOp::Mul => |a, b| a * b,
        BinaryOp::Div => |a, b| a / b,
        BinaryOp::Mod => |a, b| a % b,
        BinaryOp::Pow => power,
        BinaryOp::Atan2 => f64::atan2,
        _ => return None,
    })
}

/// The operator between two numbers, if it compares.
pub(super) fn comparison(op: BinaryOp) -> Option<fn(f64, f64) -> bool> {
    Some(match op {
        BinaryOp::Eq => same,
        BinaryOp::Ne => |a, b| !same(a, b),
        BinaryOp::Gt => |a, b| a > b,
        BinaryOp::Lt => |a, b| a < b,
        BinaryOp::Ge => |a, b| a >= b,
        BinaryOp::Le => |a, b| a <= b,
        _ => return None,
    })
}

fn power(base: f64, exponent: f64) -> f64 {
    base.powf(exponent)
}

/// Whether a value is kept, and what it becomes.
pub(super) struct Combined {
    pub(super) value: Value,
    pub(super) keep: bool,
}

/// Applies an operator to two values; `None`, with a note, where it makes no sense.
pub(super) fn combine(
    op: BinaryOp,
    left: &Value,
    right: &Value,
    note: &mut dyn FnMut(Note),
) -> Option<Combined> {
    let made = |histogram: Histogram| Combined { value: super::histogram::made(histogram), keep: true };
    let types = match (left, right) {
        (Value::Float(a), Value::Float(b)) => match (calculation(op), comparison(op)) {
            (Some(calculate), _) => {
                return Some(Combined { value: Value::Float(calculate(*a, *b)), keep: true });
            }
            (_, Some(compare)) => return Some(Combined { value: left.clone(), keep: compare(*a, *b) }),
            (None, None) => ("float", "float"),
        },
        (Value::Float(factor), Value::Histogram(histogram)) => match op {
            BinaryOp::Mul => return Some(made(changed(histogram, |histogram| histogram.mul(*factor)))),
            _ => ("float", "histogram"),
        },
        (Value::Histogram(histogram), Value::Float(number)) => match op {
            BinaryOp::Mul => return Some(made(changed(histogram, |histogram| histogram.mul(*number)))),
            BinaryOp::Div => return Some(made(changed(histogram, |histogram| histogram.div(*number)))),
            BinaryOp::TrimUpper => {
                return Some(made(changed(histogram, |histogram| histogram.trim_above(*number))));
            }
            BinaryOp::TrimLower => {
                return Some(made(changed(histogram, |histogram| histogram.trim_below(*number))));
            }
            _ => ("histogram", "float"),
        },
        (Value::Histogram(a), Value::Histogram(b)) => match op {
            BinaryOp::Add | BinaryOp::Sub => return sum(op, a, b, note).map(made),
            BinaryOp::Eq => return Some(Combined { value: left.clone(), keep: a == b }),
            BinaryOp::Ne => return Some(Combined { value: left.clone(), keep: a != b }),
            _ => ("histogram", "histogram"),
        },
    };
    note(Note::IncompatibleTypes { left: types.0, op: op.as_str(), right: types.1 });
    None
}

fn changed(histogram: &Histogram, change: impl Fn(&mut Histogram)) -> Histogram {
    let mut changed = histogram.clone();
    change(&mut changed);
    changed.compact(0);
    changed
}

fn sum(
    op: BinaryOp,
    left: &Arc<Histogram>,
    right: &Histogram,
    note: &mut dyn FnMut(Note),
) -> Option<Histogram> {
    let mut sum = Histogram::clone(left);
    let (outcome, sums) = match op {
        BinaryOp::Add => (sum.add(right), Sums::Addition),
        _ => (sum.sub(right), Sums::Subtraction),
    };
    let Ok(Outcome { reset_collision, bounds_reconciled }) = outcome else {
        note(Note::IncompatibleBuckets(op.as_str()));
        return None;
    };
    if reset_collision {
        note(Note::ResetCollision(sums));
        return None;
    }
    if bounds_reconciled {
        note(Note::ReconciledBuckets(sums));
    }
    if op == BinaryOp::Sub {
        sum.reset_hint = ResetHint::Gauge;
    }
    sum.compact(0);
    Some(sum)
}

/// Changes the sign of every sample.
pub(super) fn negate(column: &mut Column) {
    match column {
        Column::Floats(values) => {
            for value in values {
                if !absent(*value) {
                    *value = -*value;
                }
            }
        }
        Column::Mixed(values) => {
            for value in values.iter_mut().flatten() {
                *value = match value {
                    Value::Float(number) => Value::Float(-*number),
                    Value::Histogram(histogram) => {
                        let mut negated = Histogram::clone(histogram);
                        negated.mul(-1.0);
                        super::histogram::made(negated)
                    }
                };
            }
        }
    }
}
