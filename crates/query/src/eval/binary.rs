//! Operators between two expressions: which series belong together is found out once, for all steps.

use std::collections::HashMap;

use hinomi_series::{Labels, METRIC_NAME, Value};

use super::QueryError;
use super::column::{ABSENT, Column, Grid, METADATA, Row, absent};
use super::element::{Combined, calculation, combine, comparison};
use super::evaluator::{Evaluator, Yield};
use super::notes::Note;
use super::plan::Pair;
use crate::ast::{BinaryOp, Cardinality, Matching};

impl Evaluator<'_> {
    /// Evaluates an operator with its sides.
    pub(super) fn binary(&mut self, pair: &Pair, pos: u32, grid: Grid) -> Result<Yield, QueryError> {
        let left = self.eval(&pair.left, grid)?;
        let right = self.eval(&pair.right, grid)?;
        match (left, right) {
            (Yield::Scalar(left), Yield::Scalar(right)) => scalars(pair.op, left, &right).map(Yield::Scalar),
            (Yield::Rows(rows), Yield::Scalar(scalar)) => {
                self.with_scalar(pair, rows, &scalar, false, pos).map(Yield::Rows)
            }
            (Yield::Scalar(scalar), Yield::Rows(rows)) => {
                self.with_scalar(pair, rows, &scalar, true, pos).map(Yield::Rows)
            }
            (Yield::Rows(left), Yield::Rows(right)) if pair.op.is_set() => {
                self.sets(pair, left, right, grid).map(Yield::Rows)
            }
            (Yield::Rows(left), Yield::Rows(right)) => {
                self.matched(pair, &left, &right, pos, grid).map(Yield::Rows)
            }
            _ => Err(QueryError::execution("an operator stands beside a text")),
        }
    }

    /// An operator between series and a number; `swapped` if the number stands left.
    fn with_scalar(
        &mut self,
        pair: &Pair,
        mut rows: Vec<Row>,
        scalar: &[f64],
        swapped: bool,
        pos: u32,
    ) -> Result<Vec<Row>, QueryError> {
        for row in &mut rows {
            self.check()?;
            let column = std::mem::replace(&mut row.column, Column::Floats(Vec::new()));
            row.column = match column {
                Column::Floats(values) if calculation(pair.op).is_some() || comparison(pair.op).is_some() => {
                    Column::Floats(floats_with_scalar(pair, values, scalar, swapped))
                }
                column => {
                    values_with_scalar(pair, &column, scalar, swapped, &mut |note| self.notes.add(note, pos))
                }
            };
        }
        rows.retain(|row| !row.column.is_empty());
        if changes_meaning(pair.op) || pair.return_bool { self.unnamed(rows) } else { Ok(rows) }
    }

    fn sets(
        &mut self,
        pair: &Pair,
        left: Vec<Row>,
        right: Vec<Row>,
        grid: Grid,
    ) -> Result<Vec<Row>, QueryError> {
        let groups = Groups::of(&left, &right, &pair.matching);
        let (filtered, filter, sides, keep) = match pair.op {
            BinaryOp::Or => (&right, &left, (&groups.right, &groups.left), false),
            op => (&left, &right, (&groups.left, &groups.right), op == BinaryOp::And),
        };
        // At which steps each group has a sample on the side that decides.
        let mut present: Vec<Option<Vec<bool>>> = vec![None; groups.count];
        for (row, group) in filter.iter().zip(sides.1) {
            let Some(steps) = present.get_mut(*group) else { continue };
            let steps = steps.get_or_insert_with(|| vec![false; grid.len]);
            for (step, there) in steps.iter_mut().enumerate() {
                *there |= row.column.has(step);
            }
        }
        let mut rows = Vec::with_capacity(filtered.len());
        for (row, group) in filtered.iter().zip(sides.0) {
            self.check()?;
            let there = present.get(*group).and_then(Option::as_deref);
            if let Some(row) = filter_row(row, there, keep) {
                rows.push(row);
            }
        }
        if pair.op != BinaryOp::Or {
            return Ok(rows);
        }
        let all = left.into_iter().chain(rows).collect();
        self.relabelled(all, grid)
    }

    fn matched(
        &mut self,
        pair: &Pair,
        left: &[Row],
        right: &[Row],
        pos: u32,
        grid: Grid,
    ) -> Result<Vec<Row>, QueryError> {
        let swapped = pair.matching.cardinality == Cardinality::OneToMany;
        let groups = Groups::of(left, right, &pair.matching);
        let (many, one) = if swapped { (right, left) } else { (left, right) };
        let mut members = vec![Members::default(); groups.count];
        let (many_groups, one_groups) =
            if swapped { (&groups.right, &groups.left) } else { (&groups.left, &groups.right) };
        for (at, group) in many_groups.iter().enumerate() {
            if let Some(members) = members.get_mut(*group) {
                members.many.push(at);
            }
        }
        for (at, group) in one_groups.iter().enumerate() {
            if let Some(members) = members.get_mut(*group) {
                members.one.push(at);
            }
        }
        let nameless = pair.return_bool && !self.options.delayed_name_removal;
        let mut joined = Joined { pair, many, one, swapped, nameless, pos, grid, out: Vec::new() };
        let mut idle = None;
        for members in &members {
            self.check()?;
            if let Some((many, one)) = joined.simple(members) {
                joined.column(self, many, one);
                continue;
            }
            let idle = idle.get_or_insert_with(|| joined.idle());
            joined.stepwise(self, members, idle)?;
        }
        let rows = joined.into_rows();
        self.hold(rows.iter().map(|row| row.column.cost()).sum())?;
        self.relabelled(rows, grid)
    }
}

fn scalars(op: BinaryOp, mut left: Vec<f64>, right: &[f64]) -> Result<Vec<f64>, QueryError> {
    let compare = comparison(op);
    let calculate = calculation(op);
    for (value, right) in left.iter_mut().zip(right) {
        *value = match (calculate, compare) {
            (Some(calculate), _) => calculate(*value, *right),
            (_, Some(compare)) => f64::from(u8::from(compare(*value, *right))),
            (None, None) => {
                let text = format!("operator {} is not allowed between scalars", op.as_str());
                return Err(QueryError::execution(text));
            }
        };
    }
    Ok(left)
}

fn floats_with_scalar(pair: &Pair, mut values: Vec<f64>, scalar: &[f64], swapped: bool) -> Vec<f64> {
    let order = |value: f64, scalar: f64| if swapped { (scalar, value) } else { (value, scalar) };
    let pairs = values.iter_mut().zip(scalar).filter(|(value, _)| !absent(**value));
    if let Some(calculate) = calculation(pair.op) {
        for (value, scalar) in pairs {
            let (left, right) = order(*value, *scalar);
            *value = calculate(left, right);
        }
    } else if let Some(compare) = comparison(pair.op) {
        for (value, scalar) in pairs {
            let (left, right) = order(*value, *scalar);
            let keep = compare(left, right);
            if pair.return_bool {
                *value = f64::from(u8::from(keep));
            } else if !keep {
                *value = ABSENT;
            }
        }
    }
    values
}

fn values_with_scalar(
    pair: &Pair,
    column: &Column,
    scalar: &[f64],
    swapped: bool,
    note: &mut dyn FnMut(Note),
) -> Column {
    let values = column.samples().zip(scalar).map(|(value, scalar)| {
        let (value, scalar) = (value?, Value::Float(*scalar));
        let (left, right) = if swapped { (&scalar, &value) } else { (&value, &scalar) };
        let combined = combine(pair.op, left, right, note)?;
        kept(pair, combined, swapped.then_some(&value))
    });
    Column::collect(values)
}

/// What becomes of a combined value: 0 or 1, or the value of the series where a number stands left of a
/// comparison.
fn kept(pair: &Pair, combined: Combined, series: Option<&Value>) -> Option<Value> {
    if pair.return_bool {
        return Some(Value::Float(f64::from(u8::from(combined.keep))));
    }
    if !combined.keep {
        return None;
    }
    match series {
        Some(series) if pair.op.is_comparison() => Some(series.clone()),
        _ => Some(combined.value),
    }
}

/// Whether the result no longer is what the metric's name says.
fn changes_meaning(op: BinaryOp) -> bool {
    calculation(op).is_some()
}

/// The samples of a row at the steps at which there is something, or nothing, on the other side.
fn filter_row(row: &Row, there: Option<&[bool]>, keep: bool) -> Option<Row> {
    let Some(there) = there else { return (!keep).then(|| row.clone()) };
    let column = match &row.column {
        Column::Floats(values) => {
            let pairs = values.iter().zip(there);
            Column::Floats(pairs.map(|(value, there)| if *there == keep { *value } else { ABSENT }).collect())
        }
        Column::Mixed(values) => {
            let pairs = values.iter().zip(there);
            Column::collect(pairs.map(|(value, there)| value.clone().filter(|_| *there == keep)))
        }
    };
    (!column.is_empty()).then(|| Row { labels: row.labels.clone(), drop_name: row.drop_name, column })
}

/// Which series belong together.
struct Groups {
    /// The group of each row on the left.
    left: Vec<usize>,
    /// The group of each row on the right.
    right: Vec<usize>,
    count: usize,
}

impl Groups {
    fn of(left: &[Row], right: &[Row], matching: &Matching) -> Self {
        let mut known: HashMap<Labels, usize> = HashMap::with_capacity(left.len());
        let mut group = |row: &Row| {
            let next = known.len();
            *known.entry(match_labels(&row.labels, matching)).or_insert(next)
        };
        let left = left.iter().map(&mut group).collect();
        let right = right.iter().map(&mut group).collect();
        Self { left, right, count: known.len() }
    }
}

/// The labels by which series are matched.
fn match_labels(labels: &Labels, matching: &Matching) -> Labels {
    let mut names: Vec<&str> = matching.labels.iter().map(String::as_str).collect();
    if matching.on {
        return labels.only(&names);
    }
    names.push(METRIC_NAME);
    labels.without(&names)
}

/// The rows of a group.
#[derive(Clone, Default)]
struct Members {
    many: Vec<usize>,
    one: Vec<usize>,
}

/// A pair of rows; a side that is filled has none.
type Sides = (Option<usize>, Option<usize>);

/// Rows that are made of pairs.
struct Joined<'p> {
    pair: &'p Pair,
    many: &'p [Row],
    one: &'p [Row],
    /// Whether the side of many is the right one.
    swapped: bool,
    /// Whether names go at once although the operator compares.
    nameless: bool,
    pos: u32,
    grid: Grid,
    out: Vec<(Sides, Row)>,
}

/// Steps at which a side of the operator has no sample at all: nothing is matched there, nothing is wrong.
struct Idle {
    many: Vec<bool>,
    one: Vec<bool>,
}

impl Joined<'_> {
    /// The pair that a group is, if it is one.
    fn simple(&self, members: &Members) -> Option<(usize, usize)> {
        let matching = &self.pair.matching;
        let fills = matching.fill_left.is_some() || matching.fill_right.is_some();
        match (&*members.many, &*members.one) {
            ([many], [one]) if !fills => Some((*many, *one)),
            _ => None,
        }
    }

    /// Combines two rows, all steps at once.
    fn column(&mut self, evaluator: &mut Evaluator<'_>, many: usize, one: usize) {
        let (Some(a), Some(b)) = (self.many.get(many), self.one.get(one)) else { return };
        let (left, right) = if self.swapped { (b, a) } else { (a, b) };
        let column = match (&left.column, &right.column) {
            (Column::Floats(left), Column::Floats(right)) => floats(self.pair, left, right),
            _ => None,
        };
        let column = column.unwrap_or_else(|| {
            let mut note = |note| evaluator.notes.add(note, self.pos);
            let pairs = left.column.samples().zip(right.column.samples());
            let values = pairs.map(|(left, right)| {
                let combined = combine(self.pair.op, &left?, &right?, &mut note)?;
                kept(self.pair, combined, None)
            });
            Column::collect(values)
        });
        let labels = self.labels(&a.labels, &b.labels);
        let row = Row { labels, drop_name: self.pair.return_bool, column };
        self.out.push(((Some(many), Some(one)), row));
    }

    fn idle(&self) -> Idle {
        let none = |rows: &[Row]| {
            (0..self.grid.len).map(|step| !rows.iter().any(|row| row.column.has(step))).collect()
        };
        Idle { many: none(self.many), one: none(self.one) }
    }

    /// Matches the rows of a group step by step.
    fn stepwise(
        &mut self,
        evaluator: &mut Evaluator<'_>,
        members: &Members,
        idle: &Idle,
    ) -> Result<(), QueryError> {
        let matching = &self.pair.matching;
        // Named after the sides of the operator, they stand for the side of many and that of one in this
        // order.
        let (fill_many, fill_one) = (matching.fill_left, matching.fill_right);
        let fills = fill_many.is_some() || fill_one.is_some();
        let mut places: HashMap<Sides, usize> = HashMap::new();
        for step in 0..self.grid.len {
            let nobody = |idle: &[bool]| idle.get(step).copied().unwrap_or(true);
            if !fills && (nobody(&idle.many) || nobody(&idle.one)) {
                continue;
            }
            let one = self.only_one(&members.one, step)?;
            let mut matched: Vec<Labels> = Vec::new();
            for many in &members.many {
                let Some(value) = self.many.get(*many).and_then(|row| row.column.at(step)) else { continue };
                let sides = (Some(*many), one.as_ref().map(|one| one.0));
                let other = one.as_ref().map(|one| one.1.clone());
                let Some(other) = other.or_else(|| fill_one.map(Value::Float)) else { continue };
                let place = self.place(&mut places, sides);
                self.check_unique(place, &mut matched)?;
                self.put(evaluator, place, step, (&value, &other));
            }
            if let (true, Some(fill), Some((one, value))) = (matched.is_empty(), fill_many, one) {
                let place = self.place(&mut places, (None, Some(one)));
                self.put(evaluator, place, step, (&Value::Float(fill), &value));
            }
        }
        Ok(())
    }

    /// The row of the side of one that has a sample at a step.
    fn only_one(&self, rows: &[usize], step: usize) -> Result<Option<(usize, Value)>, QueryError> {
        let mut found: Option<(usize, Value)> = None;
        for at in rows {
            let Some(value) = self.one.get(*at).and_then(|row| row.column.at(step)) else { continue };
            if let Some((first, _)) = found {
                return Err(self.duplicate(first, *at));
            }
            found = Some((*at, value));
        }
        Ok(found)
    }

    fn duplicate(&self, first: usize, second: usize) -> QueryError {
        let labels = |at: usize| self.one.get(at).map(|row| row.labels.clone()).unwrap_or_default();
        let (first, second) = (labels(first), labels(second));
        let group = match_labels(&second, &self.pair.matching);
        let side = if self.swapped { "left" } else { "right" };
        QueryError::execution(format!(
            "found duplicate series for the match group {group} on the {side} hand-side of the operation: \
             [{second}, {first}];many-to-many matching not allowed: \
             matching labels must be unique on one side"
        ))
    }

    fn check_unique(&self, place: usize, matched: &mut Vec<Labels>) -> Result<(), QueryError> {
        if self.pair.matching.cardinality == Cardinality::OneToOne && !matched.is_empty() {
            return Err(QueryError::execution(
                "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
            ));
        }
        let labels = self.out.get(place).map(|out| out.1.labels.clone()).unwrap_or_default();
        if matched.contains(&labels) {
            return Err(QueryError::execution(
                "multiple matches for labels: grouping labels must ensure unique matches",
            ));
        }
        matched.push(labels);
        Ok(())
    }

    /// Where the row of a pair stands; it is made if there is none.
    fn place(&mut self, places: &mut HashMap<Sides, usize>, sides: Sides) -> usize {
        if let Some(place) = places.get(&sides) {
            return *place;
        }
        let row =
            |rows: &[Row], at: Option<usize>| at.and_then(|at| rows.get(at)).map(|row| row.labels.clone());
        let (many, one) = (row(self.many, sides.0), row(self.one, sides.1));
        // What is filled has the labels that are matched only.
        let filled = |other: &Option<Labels>| {
            other.as_ref().map(|labels| match_labels(labels, &self.pair.matching)).unwrap_or_default()
        };
        let labels = match (&many, &one) {
            (Some(many), Some(one)) => self.labels(many, one),
            _ => self.labels(many.as_ref().unwrap_or(&filled(&one)), one.as_ref().unwrap_or(&filled(&many))),
        };
        let column = Column::Mixed(vec![None; self.grid.len]);
        let place = self.out.len();
        self.out.push((sides, Row { labels, drop_name: self.pair.return_bool, column }));
        places.insert(sides, place);
        place
    }

    /// Puts the result of two values, that of the side of many first, into a row.
    fn put(
        &mut self,
        evaluator: &mut Evaluator<'_>,
        place: usize,
        step: usize,
        (many, one): (&Value, &Value),
    ) {
        let (left, right) = if self.swapped { (one, many) } else { (many, one) };
        let pos = self.pos;
        let mut note = |note| evaluator.notes.add(note, pos);
        let value = combine(self.pair.op, left, right, &mut note)
            .and_then(|combined| kept(self.pair, combined, None));
        let Some((_, Row { column: Column::Mixed(values), .. })) = self.out.get_mut(place) else { return };
        if let Some(slot) = values.get_mut(step) {
            *slot = value;
        }
    }

    /// The labels of the result of two series.
    fn labels(&self, many: &Labels, one: &Labels) -> Labels {
        let matching = &self.pair.matching;
        let mut labels = many.clone();
        if self.nameless || changes_meaning(self.pair.op) {
            labels = labels.without(&METADATA);
        }
        if matching.cardinality == Cardinality::OneToOne {
            let names: Vec<&str> = matching.labels.iter().map(String::as_str).collect();
            labels = if matching.on { labels.only(&names) } else { labels.without(&names) };
        }
        if matching.include.is_empty() {
            return labels;
        }
        let mut builder = labels.builder();
        for name in &matching.include {
            builder = builder.set(name.as_str(), one.value(name));
        }
        builder.build()
    }

    /// The rows that were made, those of the side of many first in its order.
    fn into_rows(mut self) -> Vec<Row> {
        self.out.sort_by_key(|((many, one), _)| (many.unwrap_or(usize::MAX), one.unwrap_or(usize::MAX)));
        let mut rows: Vec<Row> = self.out.into_iter().map(|out| out.1).collect();
        for row in &mut rows {
            if let Column::Mixed(values) = &mut row.column {
                row.column = Column::collect(std::mem::take(values));
            }
        }
        rows.retain(|row| !row.column.is_empty());
        rows
    }
}

/// Two columns of numbers, combined; `None` if the operator is not for numbers.
fn floats(pair: &Pair, left: &[f64], right: &[f64]) -> Option<Column> {
    let pairs = left.iter().zip(right);
    if let Some(calculate) = calculation(pair.op) {
        let values =
            pairs.map(
                |(left, right)| {
                    if absent(*left) || absent(*right) { ABSENT } else { calculate(*left, *right) }
                },
            );
        return Some(Column::Floats(values.collect()));
    }
    let compare = comparison(pair.op)?;
    let values = pairs.map(|(left, right)| {
        if absent(*left) || absent(*right) {
            return ABSENT;
        }
        match (compare(*left, *right), pair.return_bool) {
            (keep, true) => f64::from(u8::from(keep)),
            (true, false) => *left,
            (false, false) => ABSENT,
        }
    });
    Some(Column::Floats(values.collect()))
}
