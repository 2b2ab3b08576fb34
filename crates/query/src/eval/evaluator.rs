//! Walks a plan, counts what it holds, and stops it at its limits.

use std::ops::ControlFlow;
use std::time::Instant;

use hinomi_model::Tenant;
use hinomi_model::metrics::{
    ColumnView, ReadError, ReadLimit, Select, Series, SeriesSource, SeriesView, Wanted,
};
use hinomi_series::{Labels, Matcher};

use super::column::{ABSENT, Column, Grid, Row, merge, nameless, places_cost, value_cost};
use super::count::Counts;
use super::notes::{Note, Notes};
use super::plan::{Node, Plan};
use super::{Options, Query, QueryError, Stats};

/// What a node yields.
#[derive(Clone, Debug)]
pub(super) enum Yield {
    /// One number a step.
    Scalar(Vec<f64>),
    /// Series.
    Rows(Vec<Row>),
    /// A text.
    Text(String),
}

impl Yield {
    fn cost(&self) -> usize {
        match self {
            Self::Scalar(values) => places_cost(values.len()),
            Self::Rows(rows) => rows.iter().map(|row| row.column.cost()).sum(),
            Self::Text(_) => 0,
        }
    }
}

/// Evaluates one query.
pub(super) struct Evaluator<'a> {
    source: &'a dyn SeriesSource,
    /// The query.
    pub(super) text: &'a str,
    tenant: Tenant,
    limit: ReadLimit,
    pub(super) options: Options,
    /// Whether the query asks for one point in time: the order of its series is kept then.
    pub(super) instant: bool,
    pub(super) notes: Notes,
    pub(super) stats: Stats,
    pub(super) counts: Counts,
    /// Samples held now.
    held: usize,
}

impl<'a> Evaluator<'a> {
    pub(super) fn new(
        source: &'a dyn SeriesSource,
        query: &Query<'a>,
        options: &Options,
        instant: bool,
    ) -> Self {
        Self {
            source,
            text: query.text,
            tenant: query.tenant.clone(),
            limit: query.limit.clone(),
            options: *options,
            instant,
            notes: Notes::default(),
            stats: Stats::default(),
            counts: Counts::default(),
            held: 0,
        }
    }

    /// Evaluates a plan at every step of a grid.
    pub(super) fn eval(&mut self, plan: &Plan, grid: Grid) -> Result<Yield, QueryError> {
        if !self.begins(grid)? {
            return Ok(Yield::Rows(Vec::new()));
        }
        let (held, begun) = (self.held, self.begin_node());
        let value = self.eval_node(plan, grid)?;
        self.end_value(begun, plan, &value);
        self.held = held;
        self.hold(value.cost())?;
        Ok(value)
    }

    /// Whether there is something to evaluate on a grid.
    ///
    /// # Errors
    ///
    /// It has too many steps, or nobody wants the answer any more.
    pub(super) fn begins(&self, grid: Grid) -> Result<bool, QueryError> {
        self.check()?;
        if grid.len > self.options.steps_max {
            return Err(QueryError::too_many_samples());
        }
        Ok(grid.len > 0)
    }

    fn eval_node(&mut self, plan: &Plan, grid: Grid) -> Result<Yield, QueryError> {
        match &plan.node {
            Node::Number(number) => {
                self.hold(places_cost(grid.len))?;
                Ok(Yield::Scalar(vec![*number; grid.len]))
            }
            Node::Text(text) => Ok(Yield::Text(text.clone())),
            Node::Select(_) => self.collected(plan, grid).map(Yield::Rows),
            Node::Call(function) => self.call(function, plan.pos, grid),
            Node::Aggregate(group) => self.aggregate(group, plan.pos, grid).map(Yield::Rows),
            Node::Binary(pair) => self.binary(pair, plan.pos, grid),
            Node::Negate(inner) => self.negate(inner, grid),
            Node::Once(inner) => self.once(inner, grid),
            Node::Range(_) | Node::Subquery(_) => {
                Err(QueryError::execution("a range vector stands where none can be evaluated"))
            }
        }
    }

    /// Evaluates what yields rows.
    pub(super) fn rows(&mut self, plan: &Plan, grid: Grid) -> Result<Vec<Row>, QueryError> {
        match self.eval(plan, grid)? {
            Yield::Rows(rows) => Ok(rows),
            Yield::Scalar(_) | Yield::Text(_) => Err(QueryError::execution("an instant vector is missing")),
        }
    }

    /// Evaluates what yields a number a step; as many as there are steps.
    pub(super) fn scalars(&mut self, plan: &Plan, grid: Grid) -> Result<Vec<f64>, QueryError> {
        match self.eval(plan, grid)? {
            Yield::Scalar(values) => Ok(values),
            // A grid without steps.
            Yield::Rows(_) => Ok(Vec::new()),
            Yield::Text(_) => Err(QueryError::execution("a scalar is missing")),
        }
    }

    /// Evaluates a plan at the first step, and repeats what it yields at every other.
    fn once(&mut self, plan: &Plan, grid: Grid) -> Result<Yield, QueryError> {
        if grid.len == 1 {
            return self.eval(plan, grid);
        }
        let steps = std::mem::take(&mut self.counts.steps);
        let before = self.stats.samples;
        let value = self.eval(plan, Grid { len: 1, ..grid });
        self.counts.steps = steps;
        // Every step counts what the one that was evaluated looked at.
        let looked = self.stats.samples - before;
        self.stats.samples = before.saturating_add(looked.saturating_mul(count(grid.len)));
        self.counts.steps.iter_mut().for_each(|step| *step += looked);
        let value = value?;
        self.hold(value.cost().saturating_mul(grid.len))?;
        Ok(match value {
            Yield::Scalar(values) => {
                Yield::Scalar(vec![values.first().copied().unwrap_or(f64::NAN); grid.len])
            }
            Yield::Rows(rows) => Yield::Rows(rows.into_iter().map(|row| repeated(row, grid.len)).collect()),
            Yield::Text(text) => Yield::Text(text),
        })
    }

    fn negate(&mut self, plan: &Plan, grid: Grid) -> Result<Yield, QueryError> {
        match self.eval(plan, grid)? {
            Yield::Scalar(values) => Ok(Yield::Scalar(values.into_iter().map(|value| -value).collect())),
            Yield::Rows(mut rows) => {
                for row in &mut rows {
                    super::element::negate(&mut row.column);
                }
                self.unnamed(rows).map(Yield::Rows)
            }
            Yield::Text(_) => Err(QueryError::execution("a text has no sign")),
        }
    }

    /// Takes the names of rows that no longer are what their names say, now or when the query is evaluated.
    pub(super) fn unnamed(&self, mut rows: Vec<Row>) -> Result<Vec<Row>, QueryError> {
        for row in &mut rows {
            self.unname(row);
        }
        if self.options.delayed_name_removal { Ok(rows) } else { merge(rows) }
    }

    /// As [`Self::unnamed`], of one row.
    pub(super) fn unname(&self, row: &mut Row) {
        row.drop_name = true;
        if !self.options.delayed_name_removal {
            row.labels = nameless(&row.labels);
        }
    }

    /// Unites rows whose labels changed. In an instant query with names kept, twins are found at the end
    /// only.
    pub(super) fn relabelled(&self, rows: Vec<Row>, grid: Grid) -> Result<Vec<Row>, QueryError> {
        if self.options.delayed_name_removal && grid.len == 1 { Ok(rows) } else { merge(rows) }
    }

    /// The metric's name in notes: it is known only where names are kept.
    pub(super) fn name_kept<'l>(&self, labels: &'l Labels) -> &'l str {
        if self.options.delayed_name_removal { labels.name() } else { "" }
    }

    /// Adds a note about what stands at a byte of the query.
    pub(super) fn note(&mut self, note: Note, pos: u32) {
        self.notes.add(note, pos);
    }

    /// Reads series with the samples between two points in time, both inclusive.
    pub(super) fn read(
        &mut self,
        matchers: &[Matcher],
        from: i64,
        to: i64,
    ) -> Result<Vec<Series>, QueryError> {
        if from > to {
            return Ok(Vec::new());
        }
        let (what, limit) = self.asked(matchers, from, to);
        let series = self.source.select(&what, &limit).map_err(|error| self.refused(error, &limit))?;
        let samples = series.iter().map(|series| series_cost(&series.view())).sum();
        self.stats.series += count(series.len());
        self.stats.samples_read += count(samples);
        self.hold(samples)?;
        Ok(series)
    }

    /// As [`Self::read`], one series at a time: each is held only while it is looked at.
    pub(super) fn scan(
        &mut self,
        matchers: &[Matcher],
        (from, to): (i64, i64),
        wanted: Wanted,
        each: &mut dyn FnMut(&mut Self, SeriesView<'_>) -> Result<(), QueryError>,
    ) -> Result<(), QueryError> {
        if from > to {
            return Ok(());
        }
        let (what, limit) = self.asked(matchers, from, to);
        let mut failed = None;
        let source = self.source;
        let outcome = source.scan(&what, wanted, &limit, &mut |series| match self.lent(series, each) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        });
        failed.map_or(Ok(()), Err)?;
        outcome.map_err(|error| self.refused(error, &limit))
    }

    fn lent(
        &mut self,
        series: SeriesView<'_>,
        each: &mut dyn FnMut(&mut Self, SeriesView<'_>) -> Result<(), QueryError>,
    ) -> Result<(), QueryError> {
        self.check()?;
        let samples = series_cost(&series);
        self.stats.series += 1;
        self.stats.samples_read += count(samples);
        self.hold(samples)?;
        each(self, series)?;
        self.held = self.held.saturating_sub(samples);
        Ok(())
    }

    /// Where the query's own limit was the narrower one, it is that which was hit.
    fn refused(&self, error: ReadError, limit: &ReadLimit) -> QueryError {
        match error {
            ReadError::TooManySamples(_) if limit.samples_max < self.limit.samples_max => {
                QueryError::too_many_samples()
            }
            error => error.into(),
        }
    }

    fn asked(&self, matchers: &[Matcher], from: i64, to: i64) -> (Select, ReadLimit) {
        let what =
            Select { tenant: self.tenant.clone(), matchers: matchers.to_vec(), from_ms: from, to_ms: to };
        let left = self.options.samples_max.saturating_sub(self.held);
        let samples_max = self.limit.samples_max.min(left);
        (what, ReadLimit { samples_max, held: self.held, ..self.limit.clone() })
    }

    /// Counts samples that are held until the node is done.
    pub(super) fn hold(&mut self, samples: usize) -> Result<(), QueryError> {
        self.held = self.held.saturating_add(samples);
        self.stats.samples_peak = self.stats.samples_peak.max(count(self.held));
        if self.held > self.options.samples_max {
            return Err(QueryError::too_many_samples());
        }
        Ok(self.limit.draw(self.held)?)
    }

    /// Counts what a step looks at.
    pub(super) fn looked(&mut self, step: usize, samples: usize) {
        self.stats.samples += count(samples);
        if let Some(looked) = self.counts.steps.get_mut(step) {
            *looked += count(samples);
        }
    }

    /// What the steps from one on looked at so far; empty if nobody wants to know.
    pub(super) fn steps_from(&mut self, step: usize) -> &mut [u64] {
        self.counts.steps.get_mut(step..).unwrap_or_default()
    }

    /// Evaluates at steps that are not those of the query: what they look at is not what the query looks at.
    pub(super) fn uncounted<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, QueryError>,
    ) -> Result<T, QueryError> {
        let (samples, steps) = (self.stats.samples, std::mem::take(&mut self.counts.steps));
        let done = work(self);
        (self.stats.samples, self.counts.steps) = (samples, steps);
        done
    }

    /// Whether to go on; asked for every row.
    pub(super) fn check(&self) -> Result<(), QueryError> {
        Ok(self.limit.check(self.limit.deadline.map(|_| Instant::now()))?)
    }
}

fn series_cost(series: &SeriesView<'_>) -> usize {
    match &series.values {
        ColumnView::Floats(values) => values.len(),
        ColumnView::Mixed(values) => values.iter().map(value_cost).sum(),
    }
}

fn count(samples: usize) -> u64 {
    u64::try_from(samples).unwrap_or(u64::MAX)
}

fn repeated(row: Row, len: usize) -> Row {
    let column = match &row.column {
        Column::Floats(values) => Column::Floats(vec![values.first().copied().unwrap_or(ABSENT); len]),
        Column::Mixed(values) => Column::Mixed(vec![values.first().cloned().flatten(); len]),
    };
    Row { column, ..row }
}
