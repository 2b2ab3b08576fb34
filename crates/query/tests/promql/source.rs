//! Series in memory, as a source for queries.

use std::collections::BTreeMap;

use hinomi_model::metrics::{Column, ReadError, ReadLimit, Select, Series, SeriesSource};
use hinomi_series::{Labels, Matcher, Value};

/// What a store is written: a value, and when what it counts began (0: unknown).
pub(crate) type Sample = (i64, Value, i64);

/// Series in memory. A time that is written twice keeps its first value.
#[derive(Default)]
pub(crate) struct Memory {
    series: BTreeMap<Labels, BTreeMap<i64, (Value, i64)>>,
}

impl Memory {
    pub(crate) fn write(&mut self, labels: Labels, samples: impl IntoIterator<Item = Sample>) {
        let known = self.series.entry(labels).or_default();
        for (time, value, start) in samples {
            known.entry(time).or_insert((value, start));
        }
    }

    fn matching<'a>(&'a self, matchers: &'a [Matcher]) -> impl Iterator<Item = (&'a Labels, Vec<Sample>)> {
        let fits =
            |labels: &Labels| matchers.iter().all(|matcher| matcher.matches(labels.value(&matcher.name)));
        self.series.iter().filter(move |(labels, _)| fits(labels)).map(|(labels, samples)| {
            (labels, samples.iter().map(|(time, (value, start))| (*time, value.clone(), *start)).collect())
        })
    }
}

impl SeriesSource for Memory {
    fn select(&self, what: &Select, limit: &ReadLimit) -> Result<Vec<Series>, ReadError> {
        limit.check(Some(std::time::Instant::now()))?;
        let mut found = Vec::new();
        let mut count = 0;
        for (labels, mut samples) in self.matching(&what.matchers) {
            samples.retain(|sample| (what.from_ms..=what.to_ms).contains(&sample.0));
            if samples.is_empty() {
                continue;
            }
            count += samples.len();
            if count > limit.samples_max {
                return Err(ReadError::TooManySamples(limit.samples_max));
            }
            let floats: Option<Vec<f64>> = samples.iter().map(|sample| sample.1.as_float()).collect();
            let values = match floats {
                Some(floats) => Column::Floats(floats.into()),
                None => Column::Mixed(samples.iter().map(|sample| sample.1.clone()).collect()),
            };
            let with_starts = samples.iter().any(|sample| sample.2 != 0);
            found.push(Series {
                labels: labels.clone(),
                timestamps: samples.iter().map(|sample| sample.0).collect(),
                values,
                starts: with_starts.then(|| samples.iter().map(|sample| sample.2).collect()),
            });
        }
        if found.len() > limit.series_max {
            return Err(ReadError::TooManySeries(limit.series_max));
        }
        Ok(found)
    }

    fn label_names(&self, what: &Select, _: &ReadLimit) -> Result<Vec<String>, ReadError> {
        let mut names: Vec<String> = Vec::new();
        for (labels, _) in self.matching(&what.matchers) {
            names.extend(labels.iter().map(|pair| pair.0.to_string()));
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    fn label_values(&self, name: &str, what: &Select, _: &ReadLimit) -> Result<Vec<String>, ReadError> {
        let found = self.matching(&what.matchers);
        let mut values: Vec<String> =
            found.filter_map(|(labels, _)| labels.get(name).map(str::to_string)).collect();
        values.sort_unstable();
        values.dedup();
        Ok(values)
    }

    fn series(&self, what: &Select, _: &ReadLimit) -> Result<Vec<Labels>, ReadError> {
        Ok(self.matching(&what.matchers).map(|(labels, _)| labels.clone()).collect())
    }
}
