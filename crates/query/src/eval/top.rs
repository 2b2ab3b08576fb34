//! `topk`, `bottomk`, `limitk` and `limit_ratio`: some of the series of each group, as they are.

use std::cmp::Ordering;

use hinomi_series::number::format_g;
use hinomi_series::{Labels, Value};

use super::QueryError;
use super::aggregate::Grouped;
use super::column::{Column, Grid, Row, places_cost};
use super::evaluator::Evaluator;
use super::notes::Note;
use super::number::index;
use super::plan::Group;
use crate::ast::AggregateOp;

/// A number at which a parameter no longer is a count.
const COUNT_MAX: f64 = 9_223_372_036_854_774_784.0;
/// As [`COUNT_MAX`], below zero.
const COUNT_MIN: f64 = -9_223_372_036_854_775_808.0;

/// One series at a step.
#[derive(Clone, Copy)]
struct Entry {
    value: f64,
    row: usize,
}

impl Evaluator<'_> {
    /// Picks some of the series of each group, at each step anew.
    pub(super) fn some_of(
        &mut self,
        group: &Group,
        param: &[f64],
        rows: &[Row],
        grouped: &Grouped,
        pos: u32,
        grid: Grid,
    ) -> Result<Vec<Row>, QueryError> {
        let param_pos = group.param.as_ref().map_or(pos, |param| param.pos);
        if !self.check_param(group.op, param, param_pos)? {
            return Ok(Vec::new());
        }
        self.hold(places_cost(rows.len().saturating_mul(grid.len)))?;
        let mut picked: Vec<Option<Vec<bool>>> = vec![None; rows.len()];
        let mut order = Vec::new();
        for (step, param) in (0..grid.len).zip(param) {
            self.check()?;
            for row in self.pick(group.op, *param, rows, grouped, step, pos) {
                let steps =
                    picked.get_mut(row).map(|steps| steps.get_or_insert_with(|| vec![false; grid.len]));
                if let Some(taken) = steps.and_then(|steps| steps.get_mut(step)) {
                    *taken = true;
                }
                if grid.len == 1 {
                    order.push(row);
                }
            }
        }
        if grid.len > 1 {
            order = (0..rows.len()).collect();
        }
        let found = order.into_iter().filter_map(|at| {
            let (row, steps) = (rows.get(at)?, picked.get(at)?.as_ref()?);
            let samples = row.column.samples().zip(steps).map(|(value, taken)| value.filter(|_| *taken));
            let column = Column::collect(samples);
            Some(Row { labels: row.labels.clone(), drop_name: row.drop_name, column })
        });
        Ok(found.collect())
    }

    /// Whether there is anything to pick.
    fn check_param(&mut self, op: AggregateOp, param: &[f64], pos: u32) -> Result<bool, QueryError> {
        let most = param.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let least = param.iter().copied().fold(f64::INFINITY, f64::min);
        let has_nan = param.iter().any(|param| param.is_nan());
        if op == AggregateOp::LimitRatio {
            if has_nan {
                return Err(QueryError::execution("Ratio value is NaN"));
            }
            if most > 1.0 {
                self.note(Note::InvalidRatio(most, 1.0), pos);
            }
            if least < -1.0 {
                self.note(Note::InvalidRatio(least, -1.0), pos);
            }
            return Ok(most != 0.0 || least != 0.0);
        }
        if has_nan {
            return Err(QueryError::execution("Parameter value is NaN"));
        }
        if most < 1.0 {
            return Ok(false);
        }
        if least <= COUNT_MIN {
            return Err(QueryError::execution(format!("Scalar value {} underflows int64", format_g(least))));
        }
        if most >= COUNT_MAX {
            return Err(QueryError::execution(format!("Scalar value {} overflows int64", format_g(most))));
        }
        Ok(true)
    }

    /// The rows that are picked at a step, group by group.
    fn pick(
        &mut self,
        op: AggregateOp,
        param: f64,
        rows: &[Row],
        grouped: &Grouped,
        step: usize,
        pos: u32,
    ) -> Vec<usize> {
        let count = index(param).min(rows.len());
        let mut picked: Vec<Vec<Entry>> = vec![Vec::new(); grouped.labels.len()];
        for (at, (row, group)) in rows.iter().zip(&grouped.of_row).enumerate() {
            let Some(entries) = picked.get_mut(*group) else { continue };
            let Some(value) = row.column.at(step) else { continue };
            let number = value.as_float().unwrap_or(f64::NAN);
            let entry = Entry { value: number, row: at };
            match (op, value) {
                (AggregateOp::LimitRatio, _) => {
                    if in_ratio(param, &row.labels) {
                        entries.push(entry);
                    }
                }
                (AggregateOp::Limitk, _) => {
                    if entries.len() < count {
                        entries.push(entry);
                    }
                }
                (_, Value::Histogram(_)) if count > 0 => {
                    self.note(Note::IgnoredInAggregation(op.as_str()), pos);
                }
                (_, Value::Histogram(_)) => {}
                (_, Value::Float(_)) => offer(entries, entry, count, op == AggregateOp::Topk),
            }
        }
        for entries in &mut picked {
            match op {
                AggregateOp::Topk => entries.sort_by(|a, b| nan_last(b.value, a.value, a.value)),
                AggregateOp::Bottomk => entries.sort_by(|a, b| nan_last(a.value, b.value, a.value)),
                _ => {}
            }
        }
        picked.into_iter().flatten().map(|entry| entry.row).collect()
    }
}

fn nan_last(a: f64, b: f64, first: f64) -> Ordering {
    let nan = if first.is_nan() { Ordering::Greater } else { Ordering::Less };
    a.partial_cmp(&b).unwrap_or(if a.is_nan() && b.is_nan() { Ordering::Equal } else { nan })
}

/// Whether a series is among the share that its labels' hash decides; a negative share is the rest of the
/// positive one.
fn in_ratio(ratio: f64, labels: &Labels) -> bool {
    let ratio = ratio.clamp(-1.0, 1.0);
    let offset = labels.hash() as f64 / u64::MAX as f64;
    if ratio >= 0.0 { offset < ratio } else { offset >= 1.0 + ratio }
}

/// Keeps the best entries in a heap whose first is the worst of them. Which of equal ones stay follows from
/// how a binary heap moves them, so it is the one of Go's library.
fn offer(heap: &mut Vec<Entry>, entry: Entry, count: usize, largest: bool) {
    let worse = |a: f64, b: f64| a.is_nan() || if largest { a < b } else { a > b };
    if heap.len() < count {
        heap.push(entry);
        up(heap, &worse);
        return;
    }
    let Some(worst) = heap.first_mut() else { return };
    let better = if largest { worst.value < entry.value } else { worst.value > entry.value };
    if better || (worst.value.is_nan() && !entry.value.is_nan()) {
        *worst = entry;
        down(heap, &worse);
    }
}

fn is_worse(heap: &[Entry], a: usize, b: usize, worse: &impl Fn(f64, f64) -> bool) -> bool {
    match (heap.get(a), heap.get(b)) {
        (Some(a), Some(b)) => worse(a.value, b.value),
        _ => false,
    }
}

fn up(heap: &mut [Entry], worse: &impl Fn(f64, f64) -> bool) {
    let mut at = heap.len().saturating_sub(1);
    while at > 0 {
        let parent = (at - 1) / 2;
        if !is_worse(heap, at, parent, worse) {
            break;
        }
        heap.swap(at, parent);
        at = parent;
    }
}

fn down(heap: &mut [Entry], worse: &impl Fn(f64, f64) -> bool) {
    let mut at = 0;
    loop {
        let mut child = 2 * at + 1;
        if child >= heap.len() {
            break;
        }
        if child + 1 < heap.len() && is_worse(heap, child + 1, child, worse) {
            child += 1;
        }
        if !is_worse(heap, child, at, worse) {
            break;
        }
        heap.swap(at, child);
        at = child;
    }
}
