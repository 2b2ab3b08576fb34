//! Reading: head and blocks together.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::time::Instant;

use hinomi_model::metrics::{
    Column, ColumnView, ReadError, ReadLimit, Select, Series, SeriesSource, SeriesView, Wanted,
};
use hinomi_series::Labels;

use crate::Error;
use crate::block::ColumnCache;
use crate::db::{Db, Shared};
use crate::postings::Index as _;
use crate::run::weight;

impl From<Error> for ReadError {
    fn from(error: Error) -> Self {
        match error.kind() {
            hinomi_model::ErrorKind::Corrupt => Self::Corrupt(error.to_string()),
            _ => Self::Io(error.to_string()),
        }
    }
}

/// What a series without its samples takes, as many samples.
const SERIES_SAMPLES: usize = 10;

impl Db {
    /// Names of labels, or values of the one that is named, from the indexes alone: where no matcher chooses and nothing
    /// is deleted. As in Prometheus the range chooses blocks then, not samples.
    fn texts(
        &self,
        name: Option<&str>,
        what: &Select,
        limit: &ReadLimit,
    ) -> Result<Option<Vec<String>>, ReadError> {
        let (shared, (from, to)) = (&*self.shared, (what.from_ms, what.to_ms));
        let mut found = BTreeSet::new();
        if let Some(head) = shared.head(&what.tenant.0).filter(|_| what.matchers.is_empty())
            && head.oldest() <= to
            && head.newest() >= from
        {
            head.add_texts(name, &mut found);
        }
        let blocks = shared.blocks();
        let list = blocks.by_tenant.get(&what.tenant.0).map_or(&[][..], Vec::as_slice);
        let mut concerned = list.iter().filter(|block| block.overlaps(from, to));
        if !what.matchers.is_empty() || concerned.clone().any(|block| !blocks.deletions(block).is_empty()) {
            return Ok(None);
        }
        concerned.try_for_each(|block| {
            limit.check(limit.deadline.map(|_| Instant::now()))?;
            block.want(shared.wishes.fetch_add(1, Ordering::Relaxed));
            let index = block.index()?;
            match name {
                Some(name) => index.add_values(name, &mut found),
                None => index.add_names(&mut found),
            }
            Ok::<(), ReadError>(())
        })?;
        shared.trim_indexes();
        Ok(Some(found.into_iter().collect()))
    }

    /// Labels of the series that match and may have a sample in the range.
    fn matching(&self, what: &Select, limit: &ReadLimit) -> Result<BTreeSet<Labels>, ReadError> {
        let shared = &*self.shared;
        let mut found = BTreeSet::new();
        let check = |found: &BTreeSet<Labels>| {
            if found.len() > limit.series_max {
                return Err(ReadError::TooManySeries(limit.series_max));
            }
            limit.draw(found.len().saturating_mul(SERIES_SAMPLES))?;
            limit.check(limit.deadline.map(|_| Instant::now()))
        };
        for series in shared.head(&what.tenant.0).iter().flat_map(|head| head.matching(&what.matchers)) {
            if series.has(what.from_ms, what.to_ms) {
                found.insert(series.labels.clone());
            }
            check(&found)?;
        }
        let blocks = shared.blocks();
        let range = (what.from_ms, what.to_ms);
        for block in blocks.by_tenant.get(&what.tenant.0).into_iter().flatten() {
            if !block.overlaps(range.0, range.1) {
                continue;
            }
            block.want(shared.wishes.fetch_add(1, Ordering::Relaxed));
            let (index, deletions) = (block.index()?, blocks.deletions(block));
            let mut cache = ColumnCache::default();
            for number in block.matching(&index, &what.matchers) {
                check(&found)?;
                let (labels, chunks) = block.series(&index, number)?;
                if found.contains(&labels) {
                    continue;
                }
                let inside = chunks.iter().any(|chunk| {
                    (range.0..=range.1).contains(&chunk.min) || (range.0..=range.1).contains(&chunk.max)
                });
                let known = inside && deletions.is_empty();
                if known
                    || !block
                        .read(&index, &mut cache, &chunks, range)?
                        .without(&deletions.ranges(&labels))
                        .is_empty()
                {
                    found.insert(labels);
                }
            }
        }
        shared.trim_indexes();
        check(&found)?;
        Ok(found)
    }
}

impl Shared {
    /// Lets go of the indexes that were not wanted for longest while all take more than they may.
    pub(crate) fn trim_indexes(&self) {
        let blocks = self.blocks();
        let mut held: Vec<_> = blocks
            .by_tenant
            .values()
            .flatten()
            .map(|block| (block, block.index_bytes()))
            .filter(|(_, b)| *b > 0)
            .collect();
        let mut bytes = held.iter().fold(0, |sum: u64, (_, bytes)| sum.saturating_add(*bytes));
        held.sort_by_key(|(block, _)| block.wanted.load(Ordering::Relaxed));
        for (block, its) in held {
            if bytes <= self.options.index_cache_bytes {
                return;
            }
            block.forget_index();
            bytes = bytes.saturating_sub(its);
        }
    }
}

fn owned(view: &SeriesView<'_>) -> Series {
    let values = match view.values {
        ColumnView::Floats(values) => Column::Floats(values.into()),
        ColumnView::Mixed(values) => Column::Mixed(values.into()),
    };
    let (labels, timestamps) = (view.labels.clone(), view.timestamps.into());
    Series { labels, timestamps, values, starts: view.starts.map(Into::into) }
}

impl SeriesSource for Db {
    fn select(&self, what: &Select, limit: &ReadLimit) -> Result<Vec<Series>, ReadError> {
        let (mut found, mut samples, mut failed) = (Vec::new(), 0_usize, None);
        self.shared.scan(what, Wanted::All, limit, &mut |view| {
            let series = owned(&view);
            let its = match &series.values {
                Column::Floats(values) => values.len(),
                Column::Mixed(values) => values.iter().map(weight).fold(0, usize::saturating_add),
            };
            samples = samples.saturating_add(its);
            let fits = if samples > limit.samples_max {
                Err(ReadError::TooManySamples(limit.samples_max))
            } else {
                limit.draw(samples)
            };
            found.push(series);
            match fits {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        failed.map_or(Ok(found), Err)
    }

    fn scan(
        &self,
        what: &Select,
        wanted: Wanted,
        limit: &ReadLimit,
        each: &mut dyn FnMut(SeriesView<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.shared.scan(what, wanted, limit, each)
    }

    fn label_names(&self, what: &Select, limit: &ReadLimit) -> Result<Vec<String>, ReadError> {
        if let Some(names) = self.texts(None, what, limit)? {
            return Ok(names);
        }
        let found = self.matching(what, limit)?;
        let names: BTreeSet<&str> =
            found.iter().flat_map(|labels| labels.iter().map(|(name, _)| name)).collect();
        Ok(names.into_iter().map(str::to_owned).collect())
    }

    fn label_values(&self, name: &str, what: &Select, limit: &ReadLimit) -> Result<Vec<String>, ReadError> {
        if let Some(values) = self.texts(Some(name), what, limit)? {
            return Ok(values);
        }
        let found = self.matching(what, limit)?;
        let values: BTreeSet<&str> = found.iter().filter_map(|labels| labels.get(name)).collect();
        Ok(values.into_iter().map(str::to_owned).collect())
    }

    fn series(&self, what: &Select, limit: &ReadLimit) -> Result<Vec<Labels>, ReadError> {
        Ok(self.matching(what, limit)?.into_iter().collect())
    }
}
