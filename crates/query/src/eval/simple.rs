//! Calls: which function goes where, and those that change each sample by itself.

use hinomi_series::{Labels, Value};

use super::QueryError;
use super::column::{ABSENT, Column, Grid, Row, absent};
use super::date::DatePart;
use super::evaluator::{Evaluator, Yield};
use super::number::whole;
use super::plan::{Function, Node};

impl Evaluator<'_> {
    /// Evaluates a call.
    pub(super) fn call(&mut self, call: &Function, pos: u32, grid: Grid) -> Result<Yield, QueryError> {
        let ranged = call.args.iter().position(|arg| matches!(arg.node, Node::Range(_) | Node::Subquery(_)));
        if let Some(place) = ranged {
            return self.over_range(call, place, grid);
        }
        if let Some(change) = elementwise(call.name) {
            return self.each_float(call, grid, change);
        }
        if let Some(part) = date_part(call.name) {
            return self.dates(call, part, grid);
        }
        match call.name {
            "time" => Ok(Yield::Scalar(grid.times().map(|time| time as f64 / 1_000.0).collect())),
            "pi" => Ok(Yield::Scalar(vec![std::f64::consts::PI; grid.len])),
            "max_of" => self.of_two(call, grid, largest).map(Yield::Scalar),
            "min_of" => self.of_two(call, grid, smallest).map(Yield::Scalar),
            "scalar" => self.scalar(call, grid).map(Yield::Scalar),
            "vector" => self.vector(call, grid).map(Yield::Rows),
            "timestamp" | "start_timestamp" => self.timestamp(call, grid).map(Yield::Rows),
            "round" => self.round(call, grid).map(Yield::Rows),
            "clamp" | "clamp_min" | "clamp_max" => self.clamp(call, grid).map(Yield::Rows),
            "absent" => self.absent(call, grid).map(Yield::Rows),
            "label_replace" => self.label_replace(call, grid).map(Yield::Rows),
            "label_join" => self.label_join(call, grid).map(Yield::Rows),
            "info" => self.info(call, grid).map(Yield::Rows),
            "sort" | "sort_desc" | "sort_by_label" | "sort_by_label_desc" => {
                self.sort(call, pos, grid).map(Yield::Rows)
            }
            name if name.starts_with("histogram_") => self.histogram(call, grid).map(Yield::Rows),
            name => Err(QueryError::execution(format!("function {name} cannot be evaluated"))),
        }
    }

    /// The argument at a place.
    ///
    /// # Errors
    ///
    /// There is none; the parser sees to it that there is.
    pub(super) fn arg(call: &Function, place: usize) -> Result<&super::plan::Plan, QueryError> {
        let missing = || QueryError::execution(format!("an argument of function {} is missing", call.name));
        call.args.get(place).ok_or_else(missing)
    }

    fn each_float(
        &mut self,
        call: &Function,
        grid: Grid,
        change: fn(f64) -> f64,
    ) -> Result<Yield, QueryError> {
        let mut rows = self.rows(Self::arg(call, 0)?, grid)?;
        for row in &mut rows {
            row.column.map_floats(change);
        }
        self.changed(rows).map(Yield::Rows)
    }

    /// Rows whose samples changed: without names, and without those that are empty by now.
    pub(super) fn changed(&self, mut rows: Vec<Row>) -> Result<Vec<Row>, QueryError> {
        rows.retain(|row| !row.column.is_empty());
        self.unnamed(rows)
    }

    fn of_two(
        &mut self,
        call: &Function,
        grid: Grid,
        pick: fn(f64, f64) -> f64,
    ) -> Result<Vec<f64>, QueryError> {
        let left = self.scalars(Self::arg(call, 0)?, grid)?;
        let right = self.scalars(Self::arg(call, 1)?, grid)?;
        Ok(left.into_iter().zip(right).map(|(left, right)| pick(left, right)).collect())
    }

    /// The number of the only series at a step; NaN if there is none, or more than one.
    fn scalar(&mut self, call: &Function, grid: Grid) -> Result<Vec<f64>, QueryError> {
        let rows = self.rows(Self::arg(call, 0)?, grid)?;
        let number = |step: usize| {
            let mut numbers = rows.iter().filter_map(|row| row.column.at(step)?.as_float());
            let first = numbers.next().unwrap_or(f64::NAN);
            if numbers.next().is_some() { f64::NAN } else { first }
        };
        Ok((0..grid.len).map(number).collect())
    }

    fn vector(&mut self, call: &Function, grid: Grid) -> Result<Vec<Row>, QueryError> {
        let values = self.scalars(Self::arg(call, 0)?, grid)?;
        Ok(vec![Row { labels: Labels::empty(), drop_name: false, column: Column::Floats(values) }])
    }

    /// The time of the samples of a selector; of anything else the step. Only selectors' samples have a
    /// start.
    fn timestamp(&mut self, call: &Function, grid: Grid) -> Result<Vec<Row>, QueryError> {
        let arg = Self::arg(call, 0)?;
        let inner = match &arg.node {
            Node::Once(inner) => &inner.node,
            node => node,
        };
        let begins = call.name == "start_timestamp";
        let known = self.options.start_timestamps;
        let rows = match inner {
            Node::Select(selector) if begins => self.stamps(selector, grid, |series, place| {
                series.starts.as_ref().filter(|_| known)?.get(place).copied().or(Some(0))
            })?,
            Node::Select(selector) => {
                self.stamps(selector, grid, |series, place| series.timestamps.get(place).copied())?
            }
            _ if begins => Vec::new(),
            _ => {
                let mut rows = self.rows(arg, grid)?;
                for row in &mut rows {
                    row.column = step_times(&row.column, grid);
                }
                rows
            }
        };
        self.changed(rows)
    }

    fn round(&mut self, call: &Function, grid: Grid) -> Result<Vec<Row>, QueryError> {
        let mut rows = self.rows(Self::arg(call, 0)?, grid)?;
        let nearest = match call.args.get(1) {
            Some(arg) => self.scalars(arg, grid)?,
            None => vec![1.0; grid.len],
        };
        for row in &mut rows {
            with_scalars(&mut row.column, &nearest, |value, nearest| {
                // Less is lost by multiplying with the inverse.
                let inverse = 1.0 / nearest;
                (value * inverse + 0.5).floor() / inverse
            });
        }
        self.changed(rows)
    }

    fn clamp(&mut self, call: &Function, grid: Grid) -> Result<Vec<Row>, QueryError> {
        let mut rows = self.rows(Self::arg(call, 0)?, grid)?;
        let first = self.scalars(Self::arg(call, 1)?, grid)?;
        let (low, high) = match call.name {
            "clamp" => (first, self.scalars(Self::arg(call, 2)?, grid)?),
            "clamp_min" => (first, vec![f64::INFINITY; grid.len]),
            _ => (vec![f64::NEG_INFINITY; grid.len], first),
        };
        for row in &mut rows {
            with_scalars(&mut row.column, &high, |value, high| smallest(high, value));
            with_scalars(&mut row.column, &low, |value, low| largest(low, value));
            // Limits that leave nothing between them leave no sample.
            if let Column::Floats(values) = &mut row.column {
                let limited = values.iter_mut().zip(low.iter().zip(&high));
                limited.filter(|(_, (low, high))| high < low).for_each(|(value, _)| *value = ABSENT);
            }
        }
        self.changed(rows)
    }

    /// A part of the date that each sample is, or of the steps' dates without an argument.
    fn dates(&mut self, call: &Function, part: DatePart, grid: Grid) -> Result<Yield, QueryError> {
        let Some(arg) = call.args.first() else {
            let values = grid.times().map(|time| part.of(time.div_euclid(1_000))).collect();
            let column = Column::Floats(values);
            return Ok(Yield::Rows(vec![Row { labels: Labels::empty(), drop_name: false, column }]));
        };
        let mut rows = self.rows(arg, grid)?;
        for row in &mut rows {
            row.column.map_floats(|seconds| part.of(whole(seconds)));
        }
        self.changed(rows).map(Yield::Rows)
    }
}

/// The times of the steps at which a column has samples.
fn step_times(column: &Column, grid: Grid) -> Column {
    let seconds = |(step, time): (usize, i64)| if column.has(step) { time as f64 / 1_000.0 } else { ABSENT };
    Column::Floats(grid.times().enumerate().map(seconds).collect())
}

/// Changes the numbers of a column by a number for each step; histograms are dropped.
fn with_scalars(column: &mut Column, scalars: &[f64], change: impl Fn(f64, f64) -> f64) {
    let number = |value: &Option<Value>| value.as_ref().and_then(Value::as_float).unwrap_or(ABSENT);
    if let Column::Mixed(values) = column {
        *column = Column::Floats(values.iter().map(number).collect());
    }
    if let Column::Floats(values) = column {
        for (value, scalar) in values.iter_mut().zip(scalars) {
            if !absent(*value) {
                *value = change(*value, *scalar);
            }
        }
    }
}

/// The larger of two numbers; NaN if one is, but for infinity.
fn largest(a: f64, b: f64) -> f64 {
    if a == f64::INFINITY || b == f64::INFINITY {
        return f64::INFINITY;
    }
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

/// The smaller of two numbers; NaN if one is, but for minus infinity.
fn smallest(a: f64, b: f64) -> f64 {
    if a == f64::NEG_INFINITY || b == f64::NEG_INFINITY {
        return f64::NEG_INFINITY;
    }
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.min(b) }
}

/// Both rounded once, as Prometheus multiplies with them.
const DEGREES_PER_RADIAN: f64 = 57.295_779_513_082_32;
const RADIANS_PER_DEGREE: f64 = 0.017_453_292_519_943_295;

fn elementwise(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "abs" => f64::abs,
        "acos" => f64::acos,
        "acosh" => f64::acosh,
        "asin" => f64::asin,
        "asinh" => f64::asinh,
        "atan" => f64::atan,
        "atanh" => f64::atanh,
        "ceil" => f64::ceil,
        "cos" => f64::cos,
        "cosh" => f64::cosh,
        "deg" => |value| value * DEGREES_PER_RADIAN,
        "exp" => f64::exp,
        "floor" => f64::floor,
        "ln" => f64::ln,
        "log10" => f64::log10,
        "log2" => f64::log2,
        "rad" => |value| value * RADIANS_PER_DEGREE,
        "sgn" => sign,
        "sin" => f64::sin,
        "sinh" => f64::sinh,
        "sqrt" => f64::sqrt,
        "tan" => f64::tan,
        "tanh" => f64::tanh,
        _ => return None,
    })
}

fn sign(value: f64) -> f64 {
    if value < 0.0 {
        -1.0
    } else if value > 0.0 {
        1.0
    } else {
        value
    }
}

fn date_part(name: &str) -> Option<DatePart> {
    Some(match name {
        "days_in_month" => DatePart::DaysInMonth,
        "day_of_month" => DatePart::DayOfMonth,
        "day_of_week" => DatePart::DayOfWeek,
        "day_of_year" => DatePart::DayOfYear,
        "hour" => DatePart::Hour,
        "minute" => DatePart::Minute,
        "month" => DatePart::Month,
        "year" => DatePart::Year,
        _ => return None,
    })
}
