//! Functions on histograms, native ones and classic ones beside each other.

use std::collections::HashMap;
use std::sync::Arc;

use hinomi_series::{BUCKET_LABEL, Histogram, Labels, Value};

use super::QueryError;
use super::classic::{UpTo, fraction, quantile};
use super::column::{ABSENT, Column, Grid, Row};
use super::evaluator::Evaluator;
use super::notes::{Forced, Note};
use super::number::{kahan, openmetrics};
use super::plan::Function;

/// The buckets of one classic histogram.
struct Classic {
    /// Of the histogram: without the bound.
    labels: Labels,
    drop_name: bool,
    /// Bound and place of the row, sorted by bound.
    rows: Vec<(f64, usize)>,
    /// Rows of native histograms with the same labels.
    natives: Vec<usize>,
}

/// Rows, told apart.
struct Told {
    classics: Vec<Classic>,
    /// The classic histogram with the very labels that a row has.
    twins: Vec<Option<usize>>,
}

impl Evaluator<'_> {
    /// Evaluates a function on histograms.
    pub(super) fn histogram(&mut self, call: &Function, grid: Grid) -> Result<Vec<Row>, QueryError> {
        match call.name {
            "histogram_count" => self.each_histogram(call, grid, |histogram| histogram.count),
            "histogram_sum" => self.each_histogram(call, grid, |histogram| histogram.sum),
            "histogram_avg" => self.each_histogram(call, grid, |histogram| histogram.sum / histogram.count),
            "histogram_stddev" => self.each_histogram(call, grid, |histogram| variance(histogram).sqrt()),
            "histogram_stdvar" => self.each_histogram(call, grid, variance),
            "histogram_quantile" => self.quantile(call, grid),
            "histogram_quantiles" => self.quantiles(call, grid),
            "histogram_fraction" => self.fraction(call, grid),
            name => Err(QueryError::execution(format!("function {name} cannot be evaluated"))),
        }
    }

    fn each_histogram(
        &mut self,
        call: &Function,
        grid: Grid,
        number: impl Fn(&Histogram) -> f64,
    ) -> Result<Vec<Row>, QueryError> {
        let mut rows = self.rows(Self::arg(call, 0)?, grid)?;
        rows.retain(|row| matches!(row.column, Column::Mixed(_)));
        for row in &mut rows {
            let value = |value: Option<Value>| match value {
                Some(Value::Histogram(histogram)) => number(&histogram),
                _ => ABSENT,
            };
            row.column = Column::Floats(row.column.samples().map(value).collect());
        }
        self.changed(rows)
    }

    fn quantile(&mut self, call: &Function, grid: Grid) -> Result<Vec<Row>, QueryError> {
        let (q_arg, arg) = (Self::arg(call, 0)?, Self::arg(call, 1)?);
        let shares = self.scalars(q_arg, grid)?;
        let rows = self.rows(arg, grid)?;
        self.note_shares(&shares, q_arg.pos);
        let told = self.tell_apart(&rows, arg.pos);
        let found = self.quantiles_of(&rows, &told, &shares, grid, arg.pos)?;
        self.renamed(found, grid)
    }

    fn quantiles(&mut self, call: &Function, grid: Grid) -> Result<Vec<Row>, QueryError> {
        let arg = Self::arg(call, 0)?;
        let label = Self::text(call, 1)?;
        let rows = self.rows(arg, grid)?;
        let told = self.tell_apart(&rows, arg.pos);
        let mut found = Vec::new();
        for q_arg in call.args.iter().skip(2) {
            let shares = self.scalars(q_arg, grid)?;
            self.note_shares(&shares, q_arg.pos);
            for row in self.quantiles_of(&rows, &told, &shares, grid, arg.pos)? {
                found.extend(labelled(&row, label, &shares));
            }
        }
        self.renamed(found, grid)
    }

    fn fraction(&mut self, call: &Function, grid: Grid) -> Result<Vec<Row>, QueryError> {
        let arg = Self::arg(call, 2)?;
        let lows = self.scalars(Self::arg(call, 0)?, grid)?;
        let highs = self.scalars(Self::arg(call, 1)?, grid)?;
        let rows = self.rows(arg, grid)?;
        let told = self.tell_apart(&rows, arg.pos);
        let at = |step: usize| {
            let number = |values: &[f64]| values.get(step).copied().unwrap_or(f64::NAN);
            (number(&lows), number(&highs))
        };
        let mut found = self.each_native(&rows, &told, arg.pos, |evaluator, row, histogram, step| {
            let (low, high) = at(step);
            let estimate = histogram.fraction(low, high);
            if estimate.nan_observations {
                let name = evaluator.name_kept(&row.labels).to_string();
                evaluator.note(Note::FractionNan(name), arg.pos);
            }
            estimate.value
        })?;
        found.extend(self.each_classic(&rows, &told, grid, |_, _, buckets, step| {
            let (low, high) = at(step);
            fraction(low, high, buckets)
        })?);
        self.renamed(found, grid)
    }

    fn note_shares(&mut self, shares: &[f64], pos: u32) {
        for share in shares {
            if !(0.0..=1.0).contains(share) {
                self.note(Note::InvalidQuantile(*share), pos);
            }
        }
    }

    fn renamed(&mut self, mut rows: Vec<Row>, grid: Grid) -> Result<Vec<Row>, QueryError> {
        rows.retain(|row| !row.column.is_empty());
        for row in &mut rows {
            self.unname(row);
        }
        self.relabelled(rows, grid)
    }

    fn quantiles_of(
        &mut self,
        rows: &[Row],
        told: &Told,
        shares: &[f64],
        grid: Grid,
        pos: u32,
    ) -> Result<Vec<Row>, QueryError> {
        let at = |step: usize| shares.get(step).copied().unwrap_or(f64::NAN);
        let mut found = self.each_native(rows, told, pos, |evaluator, row, histogram, step| {
            let estimate = histogram.quantile(at(step));
            if estimate.nan_observations {
                let name = evaluator.name_kept(&row.labels).to_string();
                let nan = estimate.value.is_nan();
                let note = if nan { Note::QuantileNan(name) } else { Note::QuantileSkewed(name) };
                evaluator.note(note, pos);
            }
            estimate.value
        })?;
        found.extend(self.each_classic(rows, told, grid, |evaluator, labels, buckets, step| {
            let (value, raised) = quantile(at(step), buckets);
            if let Some(raised) = raised {
                let time = grid.time(step);
                let forced = Forced {
                    name: evaluator.name_kept(labels).to_string(),
                    bucket_min: raised.bucket_min,
                    bucket_max: raised.bucket_max,
                    diff_max: raised.diff_max,
                    times: (time, time),
                    count: 1,
                };
                evaluator.note(Note::ForcedMonotonic(forced), pos);
            }
            value
        })?);
        Ok(found)
    }

    /// Finds out which rows are buckets of which classic histogram.
    fn tell_apart(&mut self, rows: &[Row], pos: u32) -> Told {
        let mut places: HashMap<Labels, usize> = HashMap::new();
        let mut classics: Vec<Classic> = Vec::new();
        for (at, row) in rows.iter().enumerate() {
            let mut floats = row.column.samples().flatten().filter(|value| value.as_float().is_some());
            if floats.next().is_none() {
                continue;
            }
            let label = row.labels.value(BUCKET_LABEL);
            let Ok(bound) = label.parse::<f64>() else {
                let name = self.name_kept(&row.labels).to_string();
                self.note(Note::BadBucketLabel { name, label: label.to_string() }, pos);
                continue;
            };
            let labels = row.labels.without(&[BUCKET_LABEL]);
            let place = *places.entry(labels.clone()).or_insert(classics.len());
            if classics.len() == place {
                classics.push(Classic {
                    labels,
                    drop_name: row.drop_name,
                    rows: Vec::new(),
                    natives: Vec::new(),
                });
            }
            if let Some(classic) = classics.get_mut(place) {
                classic.rows.push((bound, at));
            }
        }
        for classic in &mut classics {
            classic.rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        }
        let twins: Vec<Option<usize>> = rows.iter().map(|row| places.get(&row.labels).copied()).collect();
        for (at, (row, twin)) in rows.iter().zip(&twins).enumerate() {
            let classic = twin.and_then(|twin| classics.get_mut(twin));
            if let (Column::Mixed(_), Some(classic)) = (&row.column, classic) {
                classic.natives.push(at);
            }
        }
        Told { classics, twins }
    }

    /// A row of numbers for each row that has histograms. A classic histogram of the same labels at the same
    /// step makes both of them worthless.
    fn each_native(
        &mut self,
        rows: &[Row],
        told: &Told,
        pos: u32,
        mut number: impl FnMut(&mut Self, &Row, &Histogram, usize) -> f64,
    ) -> Result<Vec<Row>, QueryError> {
        let mut found = Vec::new();
        for (row, twin) in rows.iter().zip(&told.twins) {
            let Column::Mixed(values) = &row.column else { continue };
            self.check()?;
            let twin = twin.and_then(|twin| told.classics.get(twin));
            let mut numbers = Vec::with_capacity(values.len());
            for (step, value) in values.iter().enumerate() {
                numbers.push(match value {
                    Some(Value::Histogram(_)) if twin.is_some_and(|twin| twin.has(rows, step)) => {
                        let name = self.name_kept(&row.labels).to_string();
                        self.note(Note::MixedClassicNative(name), pos);
                        ABSENT
                    }
                    Some(Value::Histogram(histogram)) => number(self, row, histogram, step),
                    _ => ABSENT,
                });
            }
            let (labels, drop_name) = (row.labels.clone(), row.drop_name);
            found.push(Row { labels, drop_name, column: Column::Floats(numbers) });
        }
        Ok(found)
    }

    /// A row of numbers for each classic histogram.
    fn each_classic(
        &mut self,
        rows: &[Row],
        told: &Told,
        grid: Grid,
        mut number: impl FnMut(&mut Self, &Labels, &mut Vec<UpTo>, usize) -> f64,
    ) -> Result<Vec<Row>, QueryError> {
        let mut found = Vec::with_capacity(told.classics.len());
        let mut buckets = Vec::new();
        for classic in &told.classics {
            self.check()?;
            let natives: Vec<&Row> = classic.natives.iter().filter_map(|at| rows.get(*at)).collect();
            let mut numbers = Vec::with_capacity(grid.len);
            for step in 0..grid.len {
                classic.gather(rows, step, &mut buckets);
                let native = natives.iter().any(|row| is_histogram(row.column.at(step).as_ref()));
                let nothing = buckets.is_empty() || native;
                numbers.push(if nothing {
                    ABSENT
                } else {
                    number(self, &classic.labels, &mut buckets, step)
                });
            }
            let (labels, drop_name) = (classic.labels.clone(), classic.drop_name);
            found.push(Row { labels, drop_name, column: Column::Floats(numbers) });
        }
        Ok(found)
    }
}

impl Classic {
    fn has(&self, rows: &[Row], step: usize) -> bool {
        let mut buckets = Vec::new();
        self.gather(rows, step, &mut buckets);
        !buckets.is_empty()
    }

    /// The buckets that there are at a step.
    fn gather(&self, rows: &[Row], step: usize, buckets: &mut Vec<UpTo>) {
        buckets.clear();
        for (bound, row) in &self.rows {
            let count = rows.get(*row).and_then(|row| match &row.column {
                Column::Floats(values) => {
                    values.get(step).copied().filter(|value| !super::column::absent(*value))
                }
                column @ Column::Mixed(_) => column.at(step)?.as_float(),
            });
            if let Some(count) = count {
                buckets.push(UpTo { bound: *bound, count });
            }
        }
    }
}

const fn is_histogram(value: Option<&Value>) -> bool {
    matches!(value, Some(Value::Histogram(_)))
}

/// A row with a label for the quantile; one for each that the steps ask for.
fn labelled(row: &Row, label: &str, shares: &[f64]) -> Vec<Row> {
    let mut texts: Vec<String> = shares.iter().map(|share| openmetrics(*share)).collect();
    let all = texts.clone();
    texts.sort_unstable();
    texts.dedup();
    let mut found = Vec::with_capacity(texts.len());
    for text in texts {
        let mine = row.column.samples().zip(&all).map(|(value, other)| value.filter(|_| *other == text));
        let column = Column::collect(mine);
        found.push(Row { labels: row.labels.with(label, &text), drop_name: row.drop_name, column });
    }
    found
}

/// The variance of the observations, as far as buckets tell.
fn variance(histogram: &Histogram) -> f64 {
    let mean = histogram.sum / histogram.count;
    let (mut squares, mut lost) = (0.0, 0.0);
    for bucket in histogram.buckets() {
        if bucket.count == 0.0 {
            continue;
        }
        let middle = if histogram.uses_custom_buckets() {
            f64::midpoint(bucket.upper, bucket.lower)
        } else if bucket.lower <= 0.0 && bucket.upper >= 0.0 {
            0.0
        } else {
            (bucket.upper * bucket.lower).sqrt().copysign(bucket.upper)
        };
        let delta = middle - mean;
        (squares, lost) = kahan(bucket.count * delta * delta, squares, lost);
    }
    (squares + lost) / histogram.count
}

/// A value of a histogram that was made.
pub(super) fn made(histogram: Histogram) -> Value {
    Value::Histogram(Arc::new(histogram))
}
