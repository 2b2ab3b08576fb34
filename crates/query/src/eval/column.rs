//! What is computed with: one column a series, one place a step.

use std::collections::HashMap;

use hinomi_series::{Labels, Value, is_stale, stale_nan};

use super::QueryError;

/// The times at which an expression is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    /// First of them, milliseconds since the epoch.
    pub(super) start: i64,
    /// Milliseconds between two of them, above zero.
    pub(super) step: i64,
    /// How many there are.
    pub(super) len: usize,
}

impl Grid {
    /// One time only.
    pub(super) const fn one(time: i64) -> Self {
        Self { start: time, step: 1, len: 1 }
    }

    /// From `start` to `end`, both inclusive; empty if `end` lies before `start`.
    pub(super) fn spanning(start: i64, end: i64, step: i64) -> Self {
        let step = step.max(1);
        let steps = end.checked_sub(start).filter(|span| *span >= 0).map_or(0, |span| span / step + 1);
        Self { start, step, len: usize::try_from(steps).unwrap_or(usize::MAX) }
    }

    /// The time at a place.
    pub(super) fn time(&self, at: usize) -> i64 {
        let steps = i64::try_from(at).unwrap_or(i64::MAX);
        self.start.saturating_add(self.step.saturating_mul(steps))
    }

    /// The last of the times; the first if there is none.
    pub(super) fn end(&self) -> i64 {
        self.time(self.len.saturating_sub(1))
    }

    /// The steps from one time to another, both inclusive: place of the first, and the steps as a grid.
    pub(super) fn part(&self, from: i64, to: i64) -> (usize, Self) {
        let steps = |span: i64| usize::try_from(span.div_euclid(self.step)).unwrap_or(0);
        let before = from.saturating_sub(self.start).saturating_add(self.step - 1);
        let first = steps(before).min(self.len);
        let behind = if to < self.start { 0 } else { steps(to.saturating_sub(self.start)).saturating_add(1) };
        let len = behind.min(self.len).saturating_sub(first);
        (first, Self { start: self.time(first), len, ..*self })
    }

    /// All of them.
    pub(super) fn times(&self) -> impl Iterator<Item = i64> + use<> {
        let grid = *self;
        (0..grid.len).map(move |at| grid.time(at))
    }
}

/// Stands in a column of numbers where there is no sample: the staleness marker, which is never a value.
pub(super) const ABSENT: f64 = stale_nan();

/// Whether a place of a column of numbers holds no sample.
pub(super) const fn absent(value: f64) -> bool {
    is_stale(value)
}

/// A series' samples, one place a step.
#[derive(Clone, Debug)]
pub(super) enum Column {
    /// Numbers, [`ABSENT`] where there is none.
    Floats(Vec<f64>),
    /// Numbers and histograms.
    Mixed(Vec<Option<Value>>),
}

impl Column {
    /// Samples in order of the steps.
    pub(super) fn collect(samples: impl IntoIterator<Item = Option<Value>>) -> Self {
        let samples = samples.into_iter();
        let mut builder = Builder::with_capacity(samples.size_hint().0);
        samples.for_each(|sample| builder.push(sample));
        builder.build()
    }

    /// The sample at a step.
    pub(super) fn at(&self, step: usize) -> Option<Value> {
        match self {
            Self::Floats(values) => {
                values.get(step).copied().filter(|value| !absent(*value)).map(Value::Float)
            }
            Self::Mixed(values) => values.get(step).cloned().flatten(),
        }
    }

    /// Number of its steps.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Floats(values) => values.len(),
            Self::Mixed(values) => values.len(),
        }
    }

    /// Whether there is a sample at a step.
    pub(super) fn has(&self, step: usize) -> bool {
        match self {
            Self::Floats(values) => values.get(step).is_some_and(|value| !absent(*value)),
            Self::Mixed(values) => values.get(step).is_some_and(Option::is_some),
        }
    }

    /// A column of `len` steps whose steps from `at` on are those of this one, which is left empty.
    pub(super) fn take_spread(&mut self, at: usize, len: usize) -> Self {
        match self {
            Self::Floats(values) if at == 0 && values.len() == len => Self::Floats(std::mem::take(values)),
            Self::Floats(values) => {
                let mut spread = vec![ABSENT; len];
                spread.iter_mut().skip(at).zip(&*values).for_each(|(to, value)| *to = *value);
                Self::Floats(spread)
            }
            Self::Mixed(values) => {
                let mut spread = vec![None; len];
                let taken = std::mem::take(values);
                spread.iter_mut().skip(at).zip(taken).for_each(|(to, value)| *to = value);
                Self::Mixed(spread)
            }
        }
    }

    /// Its memory, empty, if it is one of numbers.
    pub(super) fn recycle(&mut self) -> Vec<f64> {
        match std::mem::replace(self, Self::Floats(Vec::new())) {
            Self::Floats(mut values) => {
                values.clear();
                values
            }
            Self::Mixed(_) => Vec::new(),
        }
    }

    /// Whether there is no sample at all.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Floats(values) => values.iter().all(|value| absent(*value)),
            Self::Mixed(values) => values.iter().all(Option::is_none),
        }
    }

    /// All samples, one for each step.
    pub(super) fn samples(&self) -> Box<dyn Iterator<Item = Option<Value>> + '_> {
        match self {
            Self::Floats(values) => {
                Box::new(values.iter().map(|value| (!absent(*value)).then_some(Value::Float(*value))))
            }
            Self::Mixed(values) => Box::new(values.iter().cloned()),
        }
    }

    /// What it costs of a query's samples.
    pub(super) fn cost(&self) -> usize {
        match self {
            Self::Floats(values) => places_cost(values.len()),
            Self::Mixed(values) => values.iter().map(|value| value.as_ref().map_or(1, value_cost)).sum(),
        }
    }

    /// Changes every number; histograms are dropped.
    pub(super) fn map_floats(&mut self, change: impl Fn(f64) -> f64) {
        match self {
            Self::Floats(values) => {
                for value in values {
                    if !absent(*value) {
                        *value = change(*value);
                    }
                }
            }
            Self::Mixed(values) => {
                let number = |value: &Option<Value>| value.as_ref().and_then(Value::as_float);
                *self = Self::Floats(values.iter().map(|v| number(v).map_or(ABSENT, &change)).collect());
            }
        }
    }
}

/// Makes a column step by step: one of numbers until a histogram comes.
pub(super) struct Builder(Column);

impl Builder {
    /// A builder for about so many steps.
    pub(super) fn with_capacity(steps: usize) -> Self {
        Self(Column::Floats(Vec::with_capacity(steps)))
    }

    /// A builder that uses the memory of a column.
    pub(super) fn reusing(column: &mut Column) -> Self {
        Self(Column::Floats(column.recycle()))
    }

    /// The sample of the next step.
    pub(super) fn push(&mut self, sample: Option<Value>) {
        if let (Column::Floats(values), Some(Value::Histogram(_))) = (&self.0, &sample) {
            let mut mixed = Vec::with_capacity(values.capacity());
            mixed.extend(values.iter().map(|value| (!absent(*value)).then_some(Value::Float(*value))));
            self.0 = Column::Mixed(mixed);
        }
        match &mut self.0 {
            Column::Floats(values) => {
                values.push(sample.as_ref().and_then(Value::as_float).unwrap_or(ABSENT));
            }
            Column::Mixed(values) => values.push(sample),
        }
    }

    /// The column.
    pub(super) fn build(self) -> Column {
        self.0
    }
}

/// What places of columns of numbers cost of a query's samples, taken or not: 8 bytes each, a sample being
/// 16.
pub(super) const fn places_cost(places: usize) -> usize {
    places.div_ceil(2)
}

/// What a value costs of a query's samples: 1, and for a histogram what it holds, over 16 bytes.
pub(super) fn value_cost(value: &Value) -> usize {
    match value {
        Value::Float(_) => 1,
        Value::Histogram(histogram) => histogram.size_bytes() / 16,
    }
}

/// One series of a result.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Its labels by now.
    pub(super) labels: Labels,
    /// Whether its name goes when the whole query is evaluated.
    pub(super) drop_name: bool,
    /// Its samples.
    pub(super) column: Column,
}

/// The labels that say what a metric is, which go as soon as it is something else.
pub(super) const METADATA: [&str; 3] = ["__name__", "__type__", "__unit__"];

/// Labels without those that say what the metric is.
pub(super) fn nameless(labels: &Labels) -> Labels {
    labels.without(&METADATA)
}

/// Unites series of the same labels that have no sample at the same step.
///
/// # Errors
///
/// Two of them have one at the same step.
pub(super) fn merge(rows: Vec<Row>) -> Result<Vec<Row>, QueryError> {
    if !has_twins(&rows) {
        return Ok(rows);
    }
    let mut places: HashMap<Labels, usize> = HashMap::with_capacity(rows.len());
    let mut merged: Vec<Row> = Vec::with_capacity(rows.len());
    for row in rows {
        let place = *places.entry(row.labels.clone()).or_insert(merged.len());
        match merged.get_mut(place) {
            None => merged.push(row),
            Some(twin) => twin.column = unite(&twin.column, &row.column)?,
        }
    }
    Ok(merged)
}

/// Whether two series have the same labels.
pub(super) fn has_twins(rows: &[Row]) -> bool {
    if let [a, b] = rows {
        return a.labels == b.labels;
    }
    let mut seen = std::collections::HashSet::with_capacity(rows.len());
    !rows.iter().all(|row| seen.insert(&row.labels))
}

fn unite(a: &Column, b: &Column) -> Result<Column, QueryError> {
    let mut samples = Vec::new();
    for (left, right) in a.samples().zip(b.samples()) {
        if left.is_some() && right.is_some() {
            return Err(QueryError::same_labels());
        }
        samples.push(left.or(right));
    }
    Ok(Column::collect(samples))
}
