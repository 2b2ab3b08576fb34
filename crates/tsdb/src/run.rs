//! Sorted samples of one series, and the merging of several such runs.

use std::sync::Arc;

use hinomi_model::metrics::Column;
use hinomi_series::{Histogram, ResetHint, Value};

/// One sample.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) t: i64,
    /// When what it counts began; 0: not known.
    pub(crate) start: i64,
    pub(crate) value: Value,
}

/// Samples in ascending order of time, no time twice.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) times: Arc<[i64]>,
    pub(crate) values: Column,
    /// As long as `times`, 0 where not known; `None` if none is known.
    pub(crate) starts: Option<Arc<[i64]>>,
}

impl Run {
    pub(crate) fn floats(times: Vec<i64>, values: Vec<f64>) -> Self {
        Self { times: times.into(), values: Column::Floats(values.into()), starts: None }
    }

    /// With starts, which are as long as the times; none, if all of them are 0.
    pub(crate) fn started(self, starts: Vec<i64>) -> Self {
        let known = starts.iter().any(|start| *start != 0);
        Self { starts: known.then(|| starts.into()), ..self }
    }

    /// From samples that are in order.
    pub(crate) fn of(samples: Vec<Sample>) -> Self {
        let times = samples.iter().map(|sample| sample.t).collect();
        let starts = samples.iter().map(|sample| sample.start).collect();
        let floats: Option<Vec<f64>> = samples.iter().map(|sample| sample.value.as_float()).collect();
        let values = match floats {
            Some(floats) => Column::Floats(floats.into()),
            None => Column::Mixed(samples.into_iter().map(|sample| sample.value).collect()),
        };
        Self { times, values, starts: None }.started(starts)
    }

    pub(crate) fn len(&self) -> usize {
        self.times.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// First and last time.
    pub(crate) fn span(&self) -> Option<(i64, i64)> {
        Some((*self.times.first()?, *self.times.last()?))
    }

    /// The part from `from` to `to`, both inclusive; shares everything where that is all.
    pub(crate) fn within(self, from: i64, to: i64) -> Self {
        let begin = self.times.partition_point(|t| *t < from);
        let end = self.times.partition_point(|t| *t <= to).max(begin);
        if begin == 0 && end == self.times.len() {
            return self;
        }
        let range = begin..end;
        let values = match &self.values {
            Column::Floats(values) => Column::Floats(values.get(range.clone()).unwrap_or_default().into()),
            Column::Mixed(values) => Column::Mixed(values.get(range.clone()).unwrap_or_default().into()),
        };
        let starts = self.starts.as_ref().and_then(|starts| starts.get(range.clone()));
        let starts = starts.filter(|starts| starts.iter().any(|start| *start != 0)).map(Into::into);
        Self { times: self.times.get(range).unwrap_or_default().into(), values, starts }
    }

    /// Without the samples that lie in one of the ranges, both ends inclusive.
    pub(crate) fn without(self, ranges: &[(i64, i64)]) -> Self {
        let hit = |t: i64| ranges.iter().any(|(from, to)| (*from..=*to).contains(&t));
        if !self.times.iter().any(|t| hit(*t)) {
            return self;
        }
        Self::of(self.samples().filter(|sample| !hit(sample.t)).collect())
    }

    pub(crate) fn samples(&self) -> impl Iterator<Item = Sample> + '_ {
        self.times
            .iter()
            .enumerate()
            .filter_map(|(at, t)| Some(Sample { t: *t, start: self.start(at), value: self.values.get(at)? }))
    }

    fn start(&self, at: usize) -> i64 {
        self.starts.as_ref().and_then(|starts| starts.get(at)).copied().unwrap_or(0)
    }

    /// What the samples count in a limit: a histogram is the floats that it is made of, over two.
    pub(crate) fn weight(&self) -> usize {
        match &self.values {
            Column::Floats(values) => values.len(),
            Column::Mixed(values) => values.iter().fold(0, |sum, value| sum.saturating_add(weight(value))),
        }
    }
}

/// What a value counts in a limit.
pub(crate) fn weight(value: &Value) -> usize {
    match value {
        Value::Float(_) => 1,
        Value::Histogram(histogram) => crate::codec::size_of_histogram(histogram) / 16,
    }
}

/// One run of several; of samples at the same time that of the earliest run counts. Runs are given in order of
/// precedence, not of time.
pub(crate) fn merge(mut runs: Vec<Run>) -> Run {
    runs.retain(|run| !run.is_empty());
    if runs.len() < 2 {
        return runs.pop().unwrap_or_else(|| Run::floats(Vec::new(), Vec::new()));
    }
    let mut order: Vec<&Run> = runs.iter().collect();
    order.sort_by_key(|run| run.span());
    let disjoint = order.windows(2).all(|pair| match pair {
        [a, b] => a.span().zip(b.span()).is_some_and(|(a, b)| a.1 < b.0),
        _ => true,
    });
    if disjoint { concatenate(&order) } else { interleave(&runs) }
}

fn concatenate(runs: &[&Run]) -> Run {
    let len = runs.iter().fold(0, |sum: usize, run| sum.saturating_add(run.len()));
    let mut times = Vec::with_capacity(len);
    let mut floats = Vec::with_capacity(len);
    for run in runs {
        times.extend_from_slice(&run.times);
        match &run.values {
            Column::Floats(values) => floats.extend_from_slice(values),
            Column::Mixed(_) => return Run::of(runs.iter().flat_map(|run| run.samples()).collect()),
        }
    }
    let run = Run::floats(times, floats);
    if runs.iter().all(|run| run.starts.is_none()) {
        return run;
    }
    run.started(runs.iter().flat_map(|run| (0..run.len()).map(|at| run.start(at))).collect())
}

fn interleave(runs: &[Run]) -> Run {
    let mut samples: Vec<Sample> = runs.iter().flat_map(Run::samples).collect();
    // Stable: of equal times the one of the earlier run stays first.
    samples.sort_by_key(|sample| sample.t);
    samples.dedup_by_key(|sample| sample.t);
    Run::of(samples)
}

/// Says for each histogram what is known about a reset before it, which stored hints do not tell once samples were
/// reordered, deleted or merged. Gauges stay gauges; of the first one, and of one after a float or a gauge, nothing is
/// known. A reset is left to be found by whoever compares: as from Prometheus, no histogram comes with the hint that
/// there was one, on which aggregations would warn of hints that contradict each other.
pub(crate) fn settle_hints(run: Run) -> Run {
    let Column::Mixed(values) = &run.values else { return run };
    let mut settled = Vec::with_capacity(values.len());
    let mut last: Option<Arc<Histogram>> = None;
    for value in values.iter() {
        let Value::Histogram(histogram) = value else {
            last = None;
            settled.push(value.clone());
            continue;
        };
        let histogram = &open_hint(histogram);
        let hint = match (&last, histogram.reset_hint) {
            (_, ResetHint::Gauge) => ResetHint::Gauge,
            _ if value.is_stale() => ResetHint::Unknown,
            (Some(last), _) if last.reset_hint != ResetHint::Gauge && !histogram.detect_reset(last) => {
                ResetHint::NotReset
            }
            _ => ResetHint::Unknown,
        };
        let histogram = if hint == histogram.reset_hint {
            Arc::clone(histogram)
        } else {
            Arc::new(Histogram { reset_hint: hint, ..(**histogram).clone() })
        };
        last = (!value.is_stale()).then(|| Arc::clone(&histogram));
        settled.push(Value::Histogram(histogram));
    }
    Run { values: Column::Mixed(settled.into()), ..run }
}

/// The histogram without what it says about a reset, so that it is compared.
fn open_hint(histogram: &Arc<Histogram>) -> Arc<Histogram> {
    match histogram.reset_hint {
        ResetHint::Gauge | ResetHint::Unknown => Arc::clone(histogram),
        ResetHint::Reset | ResetHint::NotReset => {
            Arc::new(Histogram { reset_hint: ResetHint::Unknown, ..(**histogram).clone() })
        }
    }
}

#[cfg(test)]
mod tests {
    use hinomi_series::Span;

    use super::*;

    fn run(points: &[(i64, f64)]) -> Run {
        Run::floats(points.iter().map(|p| p.0).collect(), points.iter().map(|p| p.1).collect())
    }

    fn seen(run: &Run) -> Vec<(i64, f64)> {
        run.samples().map(|sample| (sample.t, sample.value.as_float().unwrap())).collect()
    }

    fn starts(run: &Run) -> Vec<i64> {
        run.samples().map(|sample| sample.start).collect()
    }

    #[test]
    fn the_earlier_run_wins_and_order_is_by_time() {
        let merged = merge(vec![run(&[(5, 1.0), (6, 2.0)]), run(&[(1, 3.0), (5, 9.0), (7, 4.0)])]);
        assert_eq!(seen(&merged), [(1, 3.0), (5, 1.0), (6, 2.0), (7, 4.0)]);
        let apart = merge(vec![run(&[(5, 1.0)]), run(&[]), run(&[(1, 3.0)])]);
        assert_eq!(seen(&apart), [(1, 3.0), (5, 1.0)]);
        assert_eq!(seen(&apart.clone().within(2, 5)), [(5, 1.0)]);
        assert!(apart.clone().within(2, 4).is_empty());
        assert_eq!(seen(&apart.without(&[(4, 9)])), [(1, 3.0)]);
    }

    #[test]
    fn hints_say_what_is_known_of_a_reset() {
        use ResetHint::{Gauge, NotReset, Reset, Unknown};
        let histogram = |count: f64, reset_hint| {
            let (positive_spans, positive_buckets) = (vec![Span { offset: 0, length: 1 }], vec![count]);
            let histogram =
                Histogram { count, positive_spans, positive_buckets, reset_hint, ..Histogram::default() };
            Value::Histogram(Arc::new(histogram))
        };
        // What was stored, and what is read.
        let table = [
            (Some((1.0, Reset)), Some(Unknown)),
            (Some((2.0, Unknown)), Some(NotReset)),
            (Some((3.0, Reset)), Some(NotReset)),
            (Some((2.0, NotReset)), Some(Unknown)),
            (Some((4.0, Unknown)), Some(NotReset)),
            (Some((5.0, Gauge)), Some(Gauge)),
            (Some((6.0, NotReset)), Some(Unknown)),
            (Some((7.0, Unknown)), Some(NotReset)),
            (None, None),
            (Some((8.0, NotReset)), Some(Unknown)),
        ];
        let value = |stored: Option<(f64, _)>| {
            stored.map_or(Value::Float(1.0), |(count, hint)| histogram(count, hint))
        };
        let sample = |(t, (stored, _))| Sample { t, start: 0, value: value(stored) };
        let settled = settle_hints(Run::of((0..).zip(table).map(sample).collect()));
        let hints = settled.samples().map(|sample| sample.value.as_histogram().map(|found| found.reset_hint));
        assert_eq!(hints.collect::<Vec<_>>(), table.map(|(_, read)| read));
    }

    #[test]
    fn starts_stay_with_their_samples() {
        let a = run(&[(5, 1.0), (6, 2.0)]).started(vec![3, 4]);
        let mixed = merge(vec![a.clone(), run(&[(1, 3.0), (5, 9.0)]).started(vec![7, 8])]);
        assert_eq!(starts(&mixed), [7, 3, 4]);
        let apart = merge(vec![a.clone(), run(&[(8, 1.0), (9, 1.0)])]);
        assert_eq!(starts(&apart), [3, 4, 0, 0]);
        assert_eq!(starts(&apart.clone().within(6, 8)), [4, 0]);
        assert_eq!(starts(&apart.clone().without(&[(6, 6)])), [3, 0, 0]);
        assert!(apart.within(8, 9).starts.is_none() && a.started(vec![0, 0]).starts.is_none());
    }
}
