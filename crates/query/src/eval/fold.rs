//! Aggregations that add up series as they come: a cell for each step of a group.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use hinomi_series::{Histogram, Labels, METRIC_NAME, Value};

use super::QueryError;
use super::column::{ABSENT, Column, Grid, METADATA, Row, absent, places_cost};
use super::evaluator::Evaluator;
use super::notes::Note;
use super::number::{Mean, Sum};
use super::plan::Group;
use super::stream::Streamed;
use crate::ast::AggregateOp;

impl Evaluator<'_> {
    /// Evaluates an aggregation that needs to see no series twice; `None` if it is another.
    pub(super) fn folded(&mut self, group: &Group, grid: Grid) -> Result<Option<Vec<Row>>, QueryError> {
        match group.op {
            AggregateOp::Sum => self.fold::<SumCell>(group, grid),
            AggregateOp::Avg => self.fold::<Mean>(group, grid),
            AggregateOp::Count => self.fold::<CountCell>(group, grid),
            AggregateOp::Group => self.fold::<OneCell>(group, grid),
            AggregateOp::Min => self.fold::<MinCell>(group, grid),
            AggregateOp::Max => self.fold::<MaxCell>(group, grid),
            AggregateOp::Stddev => self.fold::<DeviationCell>(group, grid),
            AggregateOp::Stdvar => self.fold::<SpreadCell>(group, grid),
            _ => return Ok(None),
        }
        .map(Some)
    }

    fn fold<C: Cell>(&mut self, group: &Group, grid: Grid) -> Result<Vec<Row>, QueryError> {
        let mut sums = Groups::<C>::of(group, grid.len);
        let pos = group.plan.pos;
        self.stream(&group.plan, grid, &mut |evaluator, row| {
            let place = sums.place(&row);
            if let Some(sum) = sums.sums.get_mut(place) {
                sum.take(&row, group.op, &mut |note| evaluator.note(note, pos));
            }
            evaluator.hold(std::mem::take(&mut sums.grown))
        })?;
        let mut rows = Vec::with_capacity(sums.sums.len());
        for (sum, labels) in sums.sums.iter().zip(sums.labels) {
            self.check()?;
            let drop_name = sum.drops_name();
            let column = self.summed(sum, group);
            if !column.is_empty() {
                rows.push(Row { labels, drop_name, column });
            }
        }
        Ok(rows)
    }

    fn summed<C: Cell>(&mut self, sum: &Total<C>, group: &Group) -> Column {
        let number = |cell: &Option<C>| cell.as_ref().map_or(ABSENT, C::result);
        if sum.histograms.is_empty() {
            return Column::Floats(sum.cells.iter().map(number).collect());
        }
        let mut values = Vec::with_capacity(sum.cells.len());
        for (step, cell) in sum.cells.iter().enumerate() {
            let value = cell.as_ref().map(|cell| Value::Float(cell.result()));
            values.push(match (value, sum.histograms.get(&step)) {
                (value, None) => value,
                (None, Some(histograms)) => self.add_up(group.op, histograms, group.plan.pos),
                (Some(_), Some(_)) => {
                    self.note(Note::MixedInAggregation, group.plan.pos);
                    None
                }
            });
        }
        Column::collect(values)
    }
}

/// Groups, in the order in which they first come.
struct Groups<'g, C> {
    names: Vec<&'g str>,
    without: bool,
    len: usize,
    /// Place of a group by the labels that make it, as bytes.
    places: HashMap<Vec<u8>, usize>,
    labels: Vec<Labels>,
    sums: Vec<Total<C>>,
    /// Samples that they grew by since last asked.
    grown: usize,
    key: Vec<u8>,
}

impl<'g, C: Cell> Groups<'g, C> {
    fn of(group: &'g Group, len: usize) -> Self {
        let mut names: Vec<&str> = group.labels.iter().map(String::as_str).collect();
        if group.without {
            names.push(METRIC_NAME);
        }
        let (places, labels, sums) = (HashMap::new(), Vec::new(), Vec::new());
        Self { names, without: group.without, len, places, labels, sums, grown: 0, key: Vec::new() }
    }

    /// Where the group of a row stands; it is made if there is none.
    fn place(&mut self, row: &Streamed<'_>) -> usize {
        let (names, without) = (&self.names, self.without);
        let kept =
            |name: &str| names.contains(&name) != without && !(row.nameless && METADATA.contains(&name));
        self.key.clear();
        for (name, value) in row.labels.iter().filter(|(name, _)| kept(name)) {
            for text in [name, value] {
                self.key.extend_from_slice(&text.len().to_le_bytes());
                self.key.extend_from_slice(text.as_bytes());
            }
        }
        if let Some(place) = self.places.get(&self.key) {
            return *place;
        }
        self.labels.push(Labels::from_pairs(row.labels.iter().filter(|(name, _)| kept(name))));
        self.grown += places_cost(self.len.saturating_mul(size_of::<Option<C>>() / 8));
        let place = self.sums.len();
        self.sums.push(Total::of(self.len));
        self.places.insert(std::mem::take(&mut self.key), place);
        place
    }
}

/// What a group adds up to by now.
struct Total<C> {
    cells: Vec<Option<C>>,
    /// By step, each with the name of its metric.
    histograms: BTreeMap<usize, Vec<(String, Arc<Histogram>)>>,
    rows: usize,
    /// Rows that lost their name.
    dropped: usize,
    /// The last step at which any row has something, and one that lost its name.
    last: Option<usize>,
    last_dropped: Option<usize>,
}

impl<C: Cell> Total<C> {
    fn of(len: usize) -> Self {
        let (cells, histograms) = (vec![None; len], BTreeMap::new());
        Self { cells, histograms, rows: 0, dropped: 0, last: None, last_dropped: None }
    }

    fn take(&mut self, row: &Streamed<'_>, op: AggregateOp, note: &mut dyn FnMut(Note)) {
        self.rows += 1;
        self.dropped += usize::from(row.drop_name);
        match &*row.column {
            Column::Floats(values) => {
                for (cell, value) in self.cells.iter_mut().skip(row.at).zip(values) {
                    if !absent(*value) {
                        add(cell, *value);
                    }
                }
            }
            Column::Mixed(values) => {
                for (step, value) in values.iter().enumerate() {
                    if let Some(value) = value {
                        self.take_value(row.at + step, value, row.labels, op, note);
                    }
                }
            }
        }
        let column = &*row.column;
        let last = (0..column.len()).rev().find(|step| column.has(*step)).map(|step| row.at + step);
        self.last = self.last.max(last);
        if row.drop_name {
            self.last_dropped = self.last_dropped.max(last);
        }
    }

    fn take_value(
        &mut self,
        step: usize,
        value: &Value,
        labels: &Labels,
        op: AggregateOp,
        note: &mut dyn FnMut(Note),
    ) {
        let Some(cell) = self.cells.get_mut(step) else { return };
        match (value, op) {
            (Value::Float(value), _) => add(cell, *value),
            (Value::Histogram(_), AggregateOp::Count | AggregateOp::Group) => add(cell, 0.0),
            (Value::Histogram(histogram), AggregateOp::Sum | AggregateOp::Avg) => {
                let histograms = self.histograms.entry(step).or_default();
                histograms.push((labels.name().to_string(), Arc::clone(histogram)));
            }
            (Value::Histogram(_), op) => note(Note::IgnoredInAggregation(op.as_str())),
        }
    }

    /// Whether the name of the group goes: as Prometheus does, by what it is made of at the last step that has
    /// something.
    fn drops_name(&self) -> bool {
        if self.dropped == 0 || self.dropped == self.rows {
            return self.dropped > 0;
        }
        self.last_dropped.is_some() && self.last_dropped >= self.last
    }
}

fn add<C: Cell>(cell: &mut Option<C>, value: f64) {
    match cell {
        Some(cell) => cell.add(value),
        None => *cell = Some(C::of(value)),
    }
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

/// As [`SpreadCell`], of which the root is taken.
#[derive(Clone, Copy)]
struct DeviationCell(SpreadCell);

impl Cell for DeviationCell {
    fn of(first: f64) -> Self {
        Self(SpreadCell::of(first))
    }

    fn add(&mut self, value: f64) {
        self.0.add(value);
    }

    fn result(&self) -> f64 {
        self.0.result().sqrt()
    }
}
