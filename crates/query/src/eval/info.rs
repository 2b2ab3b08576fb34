//! `info`: adds labels of info metrics to the series that they are about.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use hinomi_model::metrics::{Column as Stored, Series};
use hinomi_series::{Labels, METRIC_NAME, MatchOp, Matcher, is_stale};

use super::QueryError;
use super::column::{Column, Grid, Row};
use super::evaluator::Evaluator;
use super::plan::{Function, Moved, Node, Plan};
use super::select::each_newest;

/// The labels by which an info metric names what it is about.
const IDENTIFYING: [&str; 2] = ["instance", "job"];

/// What a call asks of info metrics.
struct Asked {
    /// All of them have to match the name of an info metric.
    names: Vec<Matcher>,
    /// Conditions on its other labels; only these labels are taken over, all if there is no condition.
    data: Vec<Matcher>,
}

impl Asked {
    fn of(call: &Function) -> Self {
        let mut asked = Self { names: Vec::new(), data: Vec::new() };
        if let Some(Node::Select(selector)) = call.args.get(1).map(|arg| &arg.node) {
            let (names, data) =
                selector.matchers.iter().cloned().partition(|matcher| &*matcher.name == METRIC_NAME);
            (asked.names, asked.data) = (names, data);
        }
        if asked.names.is_empty() {
            asked.names.push(Matcher::equal(METRIC_NAME, "target_info"));
        } else if asked.names.iter().all(|matcher| matcher.op.is_negative()) {
            // Whoever only says what not to take means info metrics still.
            asked.names.extend(Matcher::new(MatchOp::Regex, METRIC_NAME, ".+_info").ok());
        }
        asked
    }

    /// Whether a series is an info metric itself.
    fn is_info(&self, labels: &Labels) -> bool {
        self.names.iter().all(|matcher| matcher.matches(labels.name()))
    }

    /// Whether a series without info metric is left as it is, or dropped.
    fn keeps_plain(&self) -> bool {
        self.data.iter().all(|matcher| matcher.matches(""))
    }

    fn takes(&self, label: &str) -> bool {
        label != METRIC_NAME
            && (self.data.is_empty() || self.data.iter().any(|matcher| &*matcher.name == label))
    }
}

/// Info series by what they are about and their name; of each the places of its series.
type Known = HashMap<Labels, BTreeMap<String, Vec<usize>>>;

/// What an info series says at each step: the time of its sample.
type Times = Vec<Option<i64>>;

impl Evaluator<'_> {
    /// Evaluates a call.
    pub(super) fn info(&mut self, call: &Function, grid: Grid) -> Result<Vec<Row>, QueryError> {
        let arg = Self::arg(call, 0)?;
        let rows = self.rows(arg, grid)?;
        let asked = Asked::of(call);
        let shift = looked_at(arg).unwrap_or_default();
        let series = self.info_series(&asked, &rows, shift, grid)?;
        let mut times = Vec::with_capacity(series.len());
        for series in &series {
            self.check()?;
            times.push(times_of(series, shift, grid, self.options.lookback_ms)?);
        }
        let mut known = Known::new();
        for (at, series) in series.iter().enumerate() {
            let about = series.labels.only(&IDENTIFYING);
            let of_name = known.entry(about).or_default();
            of_name.entry(series.labels.name().to_string()).or_default().push(at);
        }
        let nothing = BTreeMap::new();
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            self.check()?;
            if asked.is_info(&row.labels) {
                found.push(row);
                continue;
            }
            let about = known.get(&row.labels.only(&IDENTIFYING)).unwrap_or(&nothing);
            found.extend(enriched(&row, about, &series, &times, &asked)?);
        }
        self.relabelled(found, grid)
    }

    /// Info series that may be about one of the rows.
    fn info_series(
        &mut self,
        asked: &Asked,
        rows: &[Row],
        shift: Moved,
        grid: Grid,
    ) -> Result<Vec<Series>, QueryError> {
        let mut matchers: Vec<Matcher> = asked.names.iter().chain(&asked.data).cloned().collect();
        let mut identified = false;
        for label in IDENTIFYING {
            let plain = rows.iter().filter(|row| !asked.is_info(&row.labels));
            let values: BTreeSet<&str> = plain.filter_map(|row| row.labels.get(label)).collect();
            if values.is_empty() {
                continue;
            }
            identified = true;
            let values: Vec<String> = values.into_iter().map(regex::escape).collect();
            // Too many values make no expression: then more series are read than are needed.
            matchers.extend(Matcher::new(MatchOp::Regex, label, values.join("|")).ok());
        }
        if !identified {
            return Ok(Vec::new());
        }
        let from = shift.from(grid.start).saturating_sub(self.options.lookback_ms).saturating_add(1);
        self.read(&matchers, from, shift.from(grid.end()))
    }
}

/// From where the first selector of an expression looks at its samples.
fn looked_at(plan: &Plan) -> Option<Moved> {
    match &plan.node {
        Node::Select(selector) => Some(selector.shift),
        Node::Range(range) => Some(range.selector.shift),
        Node::Subquery(inner) => {
            let found = looked_at(&inner.plan)?;
            let offset = if found.at.is_some() { 0 } else { inner.shift.offset };
            Some(Moved { offset: found.offset.saturating_add(offset), at: found.at.or(inner.shift.at) })
        }
        Node::Once(inner) | Node::Negate(inner) => looked_at(inner),
        Node::Call(call) => call.args.iter().find_map(looked_at),
        Node::Aggregate(group) => looked_at(&group.plan).or_else(|| looked_at(group.param.as_ref()?)),
        Node::Binary(pair) => looked_at(&pair.left).or_else(|| looked_at(&pair.right)),
        Node::Number(_) | Node::Text(_) => None,
    }
}

/// The times of an info series' samples at each step.
fn times_of(series: &Series, shift: Moved, grid: Grid, lookback: i64) -> Result<Times, QueryError> {
    let mut times = Vec::with_capacity(grid.len);
    let mut histogram = false;
    each_newest(&series.timestamps, shift, grid, lookback, |place| {
        let time = place.and_then(|place| {
            let stale = match &series.values {
                Stored::Floats(values) => values.get(place).is_none_or(|value| is_stale(*value)),
                Stored::Mixed(values) => {
                    let value = values.get(place);
                    histogram |=
                        value.is_some_and(|value| value.as_histogram().is_some() && !value.is_stale());
                    value.is_none_or(hinomi_series::Value::is_stale)
                }
            };
            series.timestamps.get(place).copied().filter(|_| !stale)
        });
        times.push(time);
    });
    if histogram {
        let text = format!("this should be an info metric, with float samples: {}", series.labels);
        return Err(QueryError::execution(text));
    }
    Ok(times)
}

/// A row with the labels of info series, one for each set of labels that it has in the course of time.
fn enriched(
    row: &Row,
    about: &BTreeMap<String, Vec<usize>>,
    series: &[Series],
    times: &[Times],
    asked: &Asked,
) -> Result<Vec<Row>, QueryError> {
    let mut known: HashMap<Vec<usize>, Option<usize>> = HashMap::new();
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut found: Vec<(Labels, Vec<Option<hinomi_series::Value>>)> = Vec::new();
    let samples: Vec<_> = row.column.samples().collect();
    let steps = samples.len();
    for (step, sample) in samples.into_iter().enumerate() {
        let Some(sample) = sample else { continue };
        let matched = newest_of_each(about, series, times, step)?;
        let place = match known.get(&matched) {
            Some(place) => *place,
            None => {
                let place = with_labels(row, &matched, series, asked)?.map(|labels| {
                    *places.entry(labels.clone()).or_insert_with(|| {
                        found.push((labels, vec![None; steps]));
                        found.len() - 1
                    })
                });
                known.insert(matched, place);
                place
            }
        };
        let values = place.and_then(|place| found.get_mut(place));
        if let Some(slot) = values.and_then(|(_, values)| values.get_mut(step)) {
            *slot = Some(sample);
        }
    }
    let rows = found.into_iter().map(|(labels, values)| Row {
        labels,
        drop_name: row.drop_name,
        column: Column::collect(values),
    });
    Ok(rows.collect())
}

/// Of each info metric the series with the newest sample.
fn newest_of_each(
    about: &BTreeMap<String, Vec<usize>>,
    series: &[Series],
    times: &[Times],
    step: usize,
) -> Result<Vec<usize>, QueryError> {
    let mut matched = Vec::with_capacity(about.len());
    for places in about.values() {
        let mut newest: Option<(usize, i64)> = None;
        for at in places {
            let Some(time) = times.get(*at).and_then(|times| times.get(step).copied().flatten()) else {
                continue;
            };
            match newest {
                Some((other, known)) if known == time => return Err(conflict(series, other, *at, time)),
                Some((_, known)) if known > time => {}
                _ => newest = Some((*at, time)),
            }
        }
        matched.extend(newest.map(|newest| newest.0));
    }
    Ok(matched)
}

fn conflict(series: &[Series], existing: usize, new: usize, time: i64) -> QueryError {
    let labels = |at: usize| series.get(at).map(|series| series.labels.to_string()).unwrap_or_default();
    let (existing, new) = (labels(existing), labels(new));
    QueryError::execution(format!(
        "found duplicate series for info metric: existing {existing} @ {time}, new {new} @ {time}"
    ))
}

/// The labels of a row with those of info series; `None` if the row is dropped.
fn with_labels(
    row: &Row,
    matched: &[usize],
    series: &[Series],
    asked: &Asked,
) -> Result<Option<Labels>, QueryError> {
    if matched.is_empty() && !asked.keeps_plain() {
        return Ok(None);
    }
    let mut added: BTreeMap<&str, &str> = BTreeMap::new();
    for series in matched.iter().filter_map(|at| series.get(*at)) {
        for (name, value) in &series.labels {
            if !asked.takes(name) {
                continue;
            }
            if added.get(name).is_some_and(|known| *known != value) {
                return Err(QueryError::execution(format!("conflicting label: {name}")));
            }
            if row.labels.get(name).is_none() {
                added.insert(name, value);
            }
        }
    }
    let mut builder = row.labels.builder();
    for (name, value) in added {
        builder = builder.set(name, value);
    }
    Ok(Some(builder.build()))
}
