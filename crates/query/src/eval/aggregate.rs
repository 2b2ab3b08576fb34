//! Aggregations: series are put into groups once, then added up column by column.

use std::collections::HashMap;
use std::sync::Arc;

use hinomi_series::number::format_f;
use hinomi_series::{Histogram, Labels, METRIC_NAME, Value};

use super::QueryError;
use super::column::{ABSENT, Column, Grid, Row, absent, places_cost};
use super::evaluator::Evaluator;
use super::notes::Note;
use super::number::{Mean, Sum, quantile};
use super::over_time::{Told, mean_histograms, sum_histograms};
use super::plan::{Group, Node};
use crate::ast::AggregateOp;

/// Groups of rows.
pub(super) struct Grouped {
    /// The group of each row.
    pub(super) of_row: Vec<usize>,
    /// The labels of each group.
    pub(super) labels: Vec<Labels>,
}

impl Evaluator<'_> {
    /// Evaluates an aggregation.
    pub(super) fn aggregate(&mut self, group: &Group, pos: u32, grid: Grid) -> Result<Vec<Row>, QueryError> {
        if group.op == AggregateOp::CountValues {
            return self.count_values(group, grid);
        }
        let param = match &group.param {
            Some(param) => self.scalars(param, grid)?,
            None => Vec::new(),
        };
        let rows = self.rows(&group.plan, grid)?;
        let grouped = grouped(group, &rows);
        if matches!(
            group.op,
            AggregateOp::Topk | AggregateOp::Bottomk | AggregateOp::Limitk | AggregateOp::LimitRatio
        ) {
            return self.some_of(group, &param, &rows, &grouped, pos, grid);
        }
        if group.op == AggregateOp::Quantile {
            self.note_quantiles(&param, group.param.as_ref().map_or(pos, |param| param.pos));
        }
        self.hold(places_cost(grouped.labels.len().saturating_mul(grid.len)))?;
        let mut found = Vec::with_capacity(grouped.labels.len());
        let members = members(&grouped);
        for (labels, members) in grouped.labels.iter().zip(&members) {
            self.check()?;
            let members: Vec<&Row> = members.iter().filter_map(|at| rows.get(*at)).collect();
            let column = self.put_together(group, &param, &members, grid);
            if !column.is_empty() {
                let drop_name = drops_name(&members, grid);
                found.push(Row { labels: labels.clone(), drop_name, column });
            }
        }
        Ok(found)
    }

    fn note_quantiles(&mut self, param: &[f64], pos: u32) {
        if param.iter().any(|q| q.is_nan()) {
            self.note(Note::InvalidQuantile(f64::NAN), pos);
        }
        let most = param.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let least = param.iter().copied().fold(f64::INFINITY, f64::min);
        if most > 1.0 {
            self.note(Note::InvalidQuantile(most), pos);
        }
        if least < 0.0 {
            self.note(Note::InvalidQuantile(least), pos);
        }
    }

    /// One column of the rows of a group.
    fn put_together(&mut self, group: &Group, param: &[f64], members: &[&Row], grid: Grid) -> Column {
        let columns: Option<Vec<&[f64]>> = members
            .iter()
            .map(|row| match &row.column {
                Column::Floats(values) => Some(values.as_slice()),
                Column::Mixed(_) => None,
            })
            .collect();
        if let Some(columns) = columns {
            return Column::Floats(of_floats(group.op, param, &columns, grid.len));
        }
        let mut values = Vec::with_capacity(grid.len);
        for step in 0..grid.len {
            let q = param.get(step).copied().unwrap_or(f64::NAN);
            values.push(self.put_together_at(group, q, members, step));
        }
        Column::collect(values)
    }

    fn put_together_at(&mut self, group: &Group, q: f64, members: &[&Row], step: usize) -> Option<Value> {
        let (mut floats, mut histograms) = (Vec::new(), Vec::new());
        for row in members {
            match row.column.at(step) {
                Some(Value::Float(value)) => floats.push(value),
                Some(Value::Histogram(histogram)) => histograms.push((row.labels.name(), histogram)),
                None => {}
            }
        }
        let pos = group.plan.pos;
        match group.op {
            AggregateOp::Sum | AggregateOp::Avg if !histograms.is_empty() => {
                if !floats.is_empty() {
                    self.note(Note::MixedInAggregation, pos);
                    return None;
                }
                return self.add_up(group.op, &histograms, pos);
            }
            AggregateOp::Count | AggregateOp::Group if floats.is_empty() && histograms.is_empty() => {
                return None;
            }
            AggregateOp::Count => return Some(((floats.len() + histograms.len()) as f64).into()),
            AggregateOp::Group => return Some(1.0.into()),
            _ => {}
        }
        if !histograms.is_empty() {
            self.note(Note::IgnoredInAggregation(group.op.as_str()), pos);
        }
        let columns: Vec<&[f64]> = floats.iter().map(std::slice::from_ref).collect();
        let value = of_floats(group.op, &[q], &columns, 1).first().copied()?;
        (!absent(value)).then_some(Value::Float(value))
    }

    /// The sum or the mean of histograms, each with the name of its metric.
    fn add_up(&mut self, op: AggregateOp, histograms: &[(&str, Arc<Histogram>)], pos: u32) -> Option<Value> {
        let custom = histograms.first()?.1.uses_custom_buckets();
        let other = histograms.iter().find(|(_, histogram)| histogram.uses_custom_buckets() != custom);
        if let Some((name, _)) = other {
            self.note(Note::MixedSchemas((*name).to_string()), pos);
            return None;
        }
        let histograms: Vec<Arc<Histogram>> = histograms.iter().map(|pair| pair.1.clone()).collect();
        let mut told = Told::default();
        let result = match op {
            AggregateOp::Sum => sum_histograms(&histograms, &mut told),
            _ => mean_histograms(&histograms, &mut told),
        };
        // Schemas were compared above: there is nothing else that does not fit.
        let mut sum = result.ok().flatten()?;
        sum.compact(0);
        told.tell(&mut |note| self.notes.add(note, pos));
        Some(Value::Histogram(Arc::new(sum)))
    }

    /// How many series have each value.
    fn count_values(&mut self, group: &Group, grid: Grid) -> Result<Vec<Row>, QueryError> {
        let (label, pos) = match group.param.as_ref().map(|param| (&param.node, param.pos)) {
            Some((Node::Text(label), pos)) => (label.as_str(), pos),
            _ => return Err(QueryError::execution("count_values takes the name of a label")),
        };
        if label.is_empty() || label.contains(char::REPLACEMENT_CHARACTER) {
            return Err(QueryError::execution(format!("invalid label name {}", literal(self.text, pos))));
        }
        let rows = self.rows(&group.plan, grid)?;
        let mut counted = Counted::of(group, label, grid);
        for row in &rows {
            self.check()?;
            // Values repeat from step to step.
            let mut last: Option<(Value, usize)> = None;
            for (step, value) in row.column.samples().enumerate() {
                let Some(value) = value else { continue };
                let place = match &last {
                    Some((known, place)) if alike(known, &value) => *place,
                    _ => counted.place(&row.labels, &value),
                };
                counted.count(place, step);
                last = Some((value, place));
            }
            self.hold(places_cost(std::mem::take(&mut counted.grown)))?;
        }
        Ok(counted.rows)
    }
}

/// Rows that count values.
struct Counted<'g> {
    label: &'g str,
    /// Labels that are kept, or dropped.
    names: Vec<&'g str>,
    without: bool,
    grid: Grid,
    places: HashMap<Labels, usize>,
    rows: Vec<Row>,
    /// Samples that rows grew by since last asked.
    grown: usize,
}

impl<'g> Counted<'g> {
    fn of(group: &'g Group, label: &'g str, grid: Grid) -> Self {
        let mut names: Vec<&str> = group.labels.iter().map(String::as_str).collect();
        names.push(if group.without { METRIC_NAME } else { label });
        let (places, rows) = (HashMap::new(), Vec::new());
        Self { label, names, without: group.without, grid, places, rows, grown: 0 }
    }

    /// Where the row of a series with a value stands; it is made if there is none.
    fn place(&mut self, labels: &Labels, value: &Value) -> usize {
        let labels = labels.with(self.label, &text_of(value));
        let labels = if self.without { labels.without(&self.names) } else { labels.only(&self.names) };
        let place = *self.places.entry(labels.clone()).or_insert(self.rows.len());
        if self.rows.len() == place {
            self.grown += self.grid.len;
            let column = Column::Floats(vec![ABSENT; self.grid.len]);
            self.rows.push(Row { labels, drop_name: false, column });
        }
        place
    }

    fn count(&mut self, place: usize, step: usize) {
        let Some(Row { column: Column::Floats(counts), .. }) = self.rows.get_mut(place) else { return };
        if let Some(count) = counts.get_mut(step) {
            *count = if absent(*count) { 1.0 } else { *count + 1.0 };
        }
    }
}

/// A text in quotes as it stands in a query at a byte.
fn literal(query: &str, at: u32) -> &str {
    let rest = query.get(at as usize..).unwrap_or_default();
    let mut escaped = false;
    let end = rest.char_indices().skip(1).find(|(_, c)| {
        let ends = !escaped && rest.starts_with(*c);
        escaped = !escaped && *c == '\\';
        ends
    });
    end.and_then(|(end, quote)| rest.get(..end + quote.len_utf8())).unwrap_or(rest)
}

fn alike(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
        (Value::Histogram(a), Value::Histogram(b)) => Arc::ptr_eq(a, b),
        _ => false,
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::Float(value) => format_f(*value),
        Value::Histogram(histogram) => histogram.to_string(),
    }
}

/// Puts rows into groups, in the order in which groups first come.
fn grouped(group: &Group, rows: &[Row]) -> Grouped {
    let mut names: Vec<&str> = group.labels.iter().map(String::as_str).collect();
    if group.without {
        names.push(METRIC_NAME);
    }
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut labels: Vec<Labels> = Vec::new();
    let mut of_row = Vec::with_capacity(rows.len());
    for row in rows {
        let key = if group.without { row.labels.without(&names) } else { row.labels.only(&names) };
        let place = *places.entry(key).or_insert_with_key(|key| {
            labels.push(key.clone());
            labels.len() - 1
        });
        of_row.push(place);
    }
    Grouped { of_row, labels }
}

/// Whether the name of a group goes: as Prometheus does, by what it is made of at the last step that has something.
fn drops_name(members: &[&Row], grid: Grid) -> bool {
    let dropped = members.iter().filter(|row| row.drop_name).count();
    if dropped == 0 || dropped == members.len() {
        return dropped > 0;
    }
    let last = (0..grid.len).rev().find(|step| members.iter().any(|row| row.column.has(*step)));
    last.is_some_and(|step| members.iter().any(|row| row.drop_name && row.column.has(step)))
}

/// The rows of each group.
fn members(grouped: &Grouped) -> Vec<Vec<usize>> {
    let mut members = vec![Vec::new(); grouped.labels.len()];
    for (row, group) in grouped.of_row.iter().enumerate() {
        if let Some(members) = members.get_mut(*group) {
            members.push(row);
        }
    }
    members
}

/// What one step of a group adds up to.
trait Cell: Copy {
    /// After its first number.
    fn of(first: f64) -> Self;
    /// After another.
    fn add(&mut self, value: f64);
    /// The result.
    fn result(&self) -> f64;
}

fn of_floats(op: AggregateOp, param: &[f64], columns: &[&[f64]], len: usize) -> Vec<f64> {
    match op {
        AggregateOp::Sum => fold::<SumCell>(columns, len),
        AggregateOp::Avg => fold::<Mean>(columns, len),
        AggregateOp::Count => fold::<CountCell>(columns, len),
        AggregateOp::Min => fold::<MinCell>(columns, len),
        AggregateOp::Max => fold::<MaxCell>(columns, len),
        AggregateOp::Stddev => fold::<SpreadCell>(columns, len).into_iter().map(spread_root).collect(),
        AggregateOp::Stdvar => fold::<SpreadCell>(columns, len),
        AggregateOp::Quantile => quantiles(param, columns, len),
        _ => fold::<OneCell>(columns, len),
    }
}

fn spread_root(variance: f64) -> f64 {
    if absent(variance) { variance } else { variance.sqrt() }
}

fn fold<C: Cell>(columns: &[&[f64]], len: usize) -> Vec<f64> {
    let mut cells: Vec<Option<C>> = vec![None; len];
    for column in columns {
        for (cell, value) in cells.iter_mut().zip(*column) {
            if absent(*value) {
                continue;
            }
            match cell {
                Some(cell) => cell.add(*value),
                None => *cell = Some(C::of(*value)),
            }
        }
    }
    cells.iter().map(|cell| cell.as_ref().map_or(ABSENT, C::result)).collect()
}

fn quantiles(param: &[f64], columns: &[&[f64]], len: usize) -> Vec<f64> {
    let mut numbers = Vec::with_capacity(columns.len());
    let mut found = Vec::with_capacity(len);
    for step in 0..len {
        numbers.clear();
        let values = columns.iter().filter_map(|column| column.get(step).copied());
        numbers.extend(values.filter(|value| !absent(*value)));
        let q = param.get(step).copied().unwrap_or(f64::NAN);
        found.push(if numbers.is_empty() { ABSENT } else { quantile(q, &mut numbers) });
    }
    found
}

#[derive(Clone, Copy)]
struct SumCell(Sum);

impl Cell for SumCell {
    fn of(first: f64) -> Self {
        let mut sum = Sum::default();
        sum.add(first);
        Self(sum)
    }

    fn add(&mut self, value: f64) {
        self.0.add(value);
    }

    fn result(&self) -> f64 {
        self.0.total()
    }
}

impl Cell for Mean {
    fn of(first: f64) -> Self {
        Self::of(first)
    }

    fn add(&mut self, value: f64) {
        self.add(value);
    }

    fn result(&self) -> f64 {
        self.value()
    }
}

#[derive(Clone, Copy)]
struct CountCell(f64);

impl Cell for CountCell {
    fn of(_: f64) -> Self {
        Self(1.0)
    }

    fn add(&mut self, _: f64) {
        self.0 += 1.0;
    }

    fn result(&self) -> f64 {
        self.0
    }
}

#[derive(Clone, Copy)]
struct OneCell;

impl Cell for OneCell {
    fn of(_: f64) -> Self {
        Self
    }

    fn add(&mut self, _: f64) {}

    fn result(&self) -> f64 {
        1.0
    }
}

#[derive(Clone, Copy)]
struct MinCell(f64);

impl Cell for MinCell {
    fn of(first: f64) -> Self {
        Self(first)
    }

    fn add(&mut self, value: f64) {
        if self.0 > value || self.0.is_nan() {
            self.0 = value;
        }
    }

    fn result(&self) -> f64 {
        self.0
    }
}

#[derive(Clone, Copy)]
struct MaxCell(f64);

impl Cell for MaxCell {
    fn of(first: f64) -> Self {
        Self(first)
    }

    fn add(&mut self, value: f64) {
        if self.0 < value || self.0.is_nan() {
            self.0 = value;
        }
    }

    fn result(&self) -> f64 {
        self.0
    }
}

/// The variance, after Welford.
#[derive(Clone, Copy)]
struct SpreadCell {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Cell for SpreadCell {
    fn of(first: f64) -> Self {
        Self { count: 1.0, mean: first, squares: if first.is_finite() { 0.0 } else { f64::NAN } }
    }

    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let delta = value - self.mean;
        self.mean += delta / self.count;
        self.squares += delta * (value - self.mean);
    }

    fn result(&self) -> f64 {
        self.squares / self.count
    }
}
