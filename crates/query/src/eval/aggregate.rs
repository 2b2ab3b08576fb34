//! Aggregations: series are put into groups once, then added up column by column.

use std::collections::HashMap;
use std::sync::Arc;

use hinomi_series::number::format_f;
use hinomi_series::{Histogram, Labels, METRIC_NAME, Value};

use super::QueryError;
use super::column::{ABSENT, Column, Grid, Row, absent, places_cost};
use super::evaluator::Evaluator;
use super::notes::Note;
use super::number::quantile;
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
        if group.op != AggregateOp::Quantile
            && let Some(rows) = self.folded(group, grid)?
        {
            return Ok(rows);
        }
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
            let column = self.quantiles_of_group(&param, &members, group.plan.pos, grid);
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

    /// The quantiles of the numbers of a group.
    fn quantiles_of_group(&mut self, param: &[f64], members: &[&Row], pos: u32, grid: Grid) -> Column {
        let mut numbers = Vec::with_capacity(members.len());
        let mut found = Vec::with_capacity(grid.len);
        for step in 0..grid.len {
            numbers.clear();
            for row in members {
                match row.column.at(step) {
                    Some(Value::Float(value)) => numbers.push(value),
                    Some(Value::Histogram(_)) => {
                        self.note(Note::IgnoredInAggregation(AggregateOp::Quantile.as_str()), pos);
                    }
                    None => {}
                }
            }
            let q = param.get(step).copied().unwrap_or(f64::NAN);
            found.push(if numbers.is_empty() { ABSENT } else { quantile(q, &mut numbers) });
        }
        Column::Floats(found)
    }

    /// The sum or the mean of histograms, each with the name of its metric.
    pub(super) fn add_up(
        &mut self,
        op: AggregateOp,
        histograms: &[(String, Arc<Histogram>)],
        pos: u32,
    ) -> Option<Value> {
        let custom = histograms.first()?.1.uses_custom_buckets();
        let other = histograms.iter().find(|(_, histogram)| histogram.uses_custom_buckets() != custom);
        if let Some((name, _)) = other {
            self.note(Note::MixedSchemas(name.clone()), pos);
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
