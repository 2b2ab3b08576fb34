//! Reading series one by one, in order of their labels: from head and blocks at once, nothing held but the one.

use std::cmp::Ordering as Order;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use hinomi_model::metrics::{Column, ColumnView, ReadError, ReadLimit, Select, SeriesView, Wanted};
use hinomi_series::{Labels, Matcher};

use crate::block::{Beside, Block, BlockIndex, ColumnCache};
use crate::db::{Blocks, Shared};
use crate::delete::Deletions;
use crate::head::{Series, TenantHead};
use crate::run::{Run, merge, settle_hints};

/// Whoever looks at the series.
type Each<'e> = dyn FnMut(SeriesView<'_>) -> ControlFlow<()> + 'e;

/// A block's series that match, from the next one on.
struct Cursor<'a> {
    block: &'a Block,
    index: &'a BlockIndex,
    deletions: Deletions,
    numbers: roaring::bitmap::IntoIter,
    next: Option<(u32, &'a Labels)>,
    beside: Beside,
}

impl Cursor<'_> {
    fn advance(&mut self, head: Option<&TenantHead>) -> Result<(), ReadError> {
        // The head's copy of the labels, where it has them: then all sources share one.
        let known = |labels: Labels| {
            let series = head.and_then(|head| head.find(&labels));
            series.map_or(labels, |series| series.labels.clone())
        };
        self.next = match self.numbers.next() {
            Some(number) => Some((number, self.block.labels(self.index, number, known)?)),
            None => None,
        };
        Ok(())
    }
}

/// What is read of one series before it is lent; its memory serves the next one too.
#[derive(Default)]
struct Buffers {
    times: Vec<i64>,
    values: Vec<f64>,
    /// Where the times before those of the head come from: they are copied once for all series that share them.
    shared: Vec<(Arc<[i64]>, usize, usize)>,
}

/// Samples of a chunk from one place to before another.
struct Piece {
    run: Run,
    /// Of a time that two have, the value of the one with the lower rank counts.
    rank: usize,
    from: usize,
    to: usize,
}

impl Piece {
    fn times(&self) -> &[i64] {
        self.run.times.get(self.from..self.to).unwrap_or_default()
    }

    fn floats(&self) -> Option<&[f64]> {
        match &self.run.values {
            Column::Floats(values) if self.run.starts.is_none() => values.get(self.from..self.to),
            _ => None,
        }
    }

    fn begin(&self) -> Option<i64> {
        self.times().first().copied()
    }
}

/// One series as all sources have it.
struct Found<'a> {
    labels: Labels,
    /// Of blocks.
    pieces: Vec<Piece>,
    head: Option<Arc<Series>>,
    late: Late<'a>,
    range: (i64, i64),
    limit: &'a ReadLimit,
}

/// Blocks that were written while series were lent: the head forgot what they have.
#[derive(Clone, Copy)]
struct Late<'a> {
    shared: &'a Shared,
    tenant: &'a str,
    seen: &'a Arc<Blocks>,
}

fn order(a: &Labels, b: &Labels) -> Order {
    if a == b { Order::Equal } else { a.cmp(b) }
}

impl Shared {
    /// Lends the series that match and have a sample in the range.
    pub(crate) fn scan(
        &self,
        what: &Select,
        wanted: Wanted,
        limit: &ReadLimit,
        each: &mut Each<'_>,
    ) -> Result<(), ReadError> {
        let head = self.head(&what.tenant.0);
        // The head first: what it gives to a block in between is then seen twice, not never.
        let mut in_head = head.as_ref().map_or_else(Vec::new, |head| head.matching(&what.matchers));
        in_head.sort_by(|a, b| order(&a.labels, &b.labels));
        let blocks = self.blocks();
        let concerned = blocks.by_tenant.get(&what.tenant.0).into_iter().flatten();
        let concerned: Vec<_> = concerned.filter(|block| block.overlaps(what.from_ms, what.to_ms)).collect();
        let mut indexes = Vec::with_capacity(concerned.len());
        for block in &concerned {
            block.want(self.wishes.fetch_add(1, Ordering::Relaxed));
            indexes.push(block.index()?);
        }
        let mut cursors = Vec::with_capacity(concerned.len());
        for (block, index) in concerned.iter().zip(&indexes) {
            let numbers = block.matching(index, &what.matchers).into_iter();
            let deletions = blocks.deletions(block);
            let mut cursor =
                Cursor { block, index, deletions, numbers, next: None, beside: Beside::default() };
            cursor.advance(head.as_deref())?;
            cursors.push(cursor);
        }
        let newest = wanted == Wanted::Newest && cursors.is_empty();
        let mut series = 0_usize;
        let mut buffers = Buffers::default();
        let mut in_head = in_head.into_iter().peekable();
        loop {
            limit.check(limit.deadline.map(|_| Instant::now()))?;
            let of_blocks = cursors.iter().filter_map(|cursor| Some(cursor.next?.1));
            let next =
                of_blocks.chain(in_head.peek().map(|series| &series.labels)).min_by(|a, b| order(a, b));
            let Some(labels) = next.cloned() else { break };
            let range = (what.from_ms, what.to_ms);
            let pieces = self.of_blocks(&labels, &mut cursors, range, head.as_deref())?;
            let head = in_head.next_if(|series| series.labels == labels);
            let late = Late { shared: self, tenant: &what.tenant.0, seen: &blocks };
            let found = Found { labels, pieces, head, late, range, limit };
            let Some(flow) = found.lend(newest, &mut buffers, &mut |view| {
                series = series.saturating_add(1);
                if series > limit.series_max { None } else { Some(each(view)) }
            })?
            else {
                continue;
            };
            match flow {
                Some(ControlFlow::Continue(())) => {}
                Some(ControlFlow::Break(())) => break,
                None => return Err(ReadError::TooManySeries(limit.series_max)),
            }
        }
        self.trim_indexes();
        Ok(())
    }

    /// The samples that blocks have of a series; cursors that stand at it go on.
    fn of_blocks(
        &self,
        labels: &Labels,
        cursors: &mut [Cursor<'_>],
        (from, to): (i64, i64),
        head: Option<&TenantHead>,
    ) -> Result<Vec<Piece>, ReadError> {
        let mut pieces = Vec::new();
        for cursor in cursors {
            let Some((number, _)) = cursor.next.filter(|(_, its)| *its == labels) else { continue };
            let chunks = cursor.block.chunks(cursor.index, number)?;
            for chunk in chunks.iter().filter(|chunk| chunk.min <= to && chunk.max >= from) {
                let run = cursor.block.decoded(cursor.index, &self.decoded, &mut cursor.beside, chunk)?;
                let run = match cursor.deletions.is_empty() {
                    true => run,
                    false => run.without(&cursor.deletions.ranges(labels)),
                };
                let begin = run.times.partition_point(|t| *t < from);
                let end = run.times.partition_point(|t| *t <= to).max(begin);
                if begin < end {
                    pieces.push(Piece { run, rank: pieces.len(), from: begin, to: end });
                }
            }
            cursor.advance(head)?;
        }
        Ok(pieces)
    }
}

impl Late<'_> {
    fn is_any(self) -> bool {
        !Arc::ptr_eq(&self.shared.blocks(), self.seen)
    }

    /// The samples of a series in blocks that were not there before.
    fn read(self, labels: &Labels, range: (i64, i64)) -> Result<Vec<Run>, ReadError> {
        let now = self.shared.blocks();
        let of = |blocks: &Blocks| blocks.by_tenant.get(self.tenant).cloned().unwrap_or_default();
        let seen = of(self.seen);
        let exact: Vec<Matcher> = labels.iter().map(|(name, value)| Matcher::equal(name, value)).collect();
        let mut runs = Vec::new();
        for block in of(&now).iter().filter(|block| block.overlaps(range.0, range.1)) {
            if seen.iter().any(|known| Arc::ptr_eq(known, block)) {
                continue;
            }
            let (index, deletions) = (block.index()?, now.deletions(block));
            for number in block.matching(&index, &exact) {
                let (its, chunks) = block.series(&index, number)?;
                if its == *labels {
                    let run = block.read(&index, &mut ColumnCache::default(), &chunks, range)?;
                    runs.push(run.without(&deletions.ranges(labels)));
                }
            }
        }
        Ok(runs)
    }
}

impl Found<'_> {
    /// Lends the series, if it has a sample.
    fn lend<T>(
        mut self,
        newest: bool,
        buffers: &mut Buffers,
        each: &mut dyn FnMut(SeriesView<'_>) -> T,
    ) -> Result<Option<T>, ReadError> {
        if newest
            && let Some((t, value)) = self.head.as_ref().and_then(|head| head.newest())
            && t <= self.range.1
        {
            let (timestamps, values) = (&[t], ColumnView::Floats(std::slice::from_ref(&value)));
            let view = SeriesView { labels: &self.labels, timestamps, values, starts: None };
            return Ok((t >= self.range.0).then(|| each(view)));
        }
        let plain = self.plain(buffers);
        if self.head.is_some() && self.late.is_any() {
            return self.lend_late(each);
        }
        if plain {
            let (timestamps, values) = match self.pieces.as_slice() {
                [piece] if buffers.times.is_empty() => (piece.times(), piece.floats().unwrap_or_default()),
                _ => (buffers.times.as_slice(), buffers.values.as_slice()),
            };
            let (labels, values) = (&self.labels, ColumnView::Floats(values));
            return self.checked(
                SeriesView { labels, timestamps, values, starts: None },
                timestamps.len(),
                each,
            );
        }
        let (from, to) = self.range;
        self.pieces.sort_by_key(|piece| piece.rank);
        let mut runs: Vec<Run> = self.pieces.drain(..).map(|piece| piece.run.within(from, to)).collect();
        // Of a time that both have, the block's value counts: it was taken earlier.
        runs.extend(self.head.take().map(|head| head.read(from, to)));
        self.lend_merged(runs, each)
    }

    fn lend_merged<T>(
        &self,
        runs: Vec<Run>,
        each: &mut dyn FnMut(SeriesView<'_>) -> T,
    ) -> Result<Option<T>, ReadError> {
        let run = settle_hints(merge(runs));
        let values = match &run.values {
            Column::Floats(values) => ColumnView::Floats(values),
            Column::Mixed(values) => ColumnView::Mixed(values),
        };
        let (labels, timestamps, starts) = (&self.labels, &*run.times, run.starts.as_deref());
        self.checked(SeriesView { labels, timestamps, values, starts }, run.weight(), each)
    }

    /// The head is read before the list of blocks: what it gives to a block is seen twice, not never.
    fn lend_late<T>(mut self, each: &mut dyn FnMut(SeriesView<'_>) -> T) -> Result<Option<T>, ReadError> {
        let (from, to) = self.range;
        let of_head = self.head.take().map(|head| head.read(from, to));
        self.pieces.sort_by_key(|piece| piece.rank);
        let mut runs: Vec<Run> = self.pieces.drain(..).map(|piece| piece.run.within(from, to)).collect();
        runs.extend(self.late.read(&self.labels, self.range)?);
        runs.extend(of_head);
        self.lend_merged(runs, each)
    }

    fn checked<T>(
        &self,
        view: SeriesView<'_>,
        weight: usize,
        each: &mut dyn FnMut(SeriesView<'_>) -> T,
    ) -> Result<Option<T>, ReadError> {
        if weight > self.limit.samples_max {
            return Err(ReadError::TooManySamples(self.limit.samples_max));
        }
        self.limit.draw(weight)?;
        Ok((!view.timestamps.is_empty()).then(|| each(view)))
    }

    /// Puts the samples into the buffers, unless they all are in one chunk. False, if they are not plain floats, each
    /// source's behind those of the one before.
    fn plain(&mut self, buffers: &mut Buffers) -> bool {
        if self.pieces.iter().any(|piece| piece.floats().is_none()) {
            return false;
        }
        self.pieces.sort_by_key(Piece::begin);
        let apart = |pair: &[Piece]| match pair {
            [a, b] => a.times().last() < b.times().first(),
            _ => true,
        };
        if !self.pieces.windows(2).all(apart) {
            return false;
        }
        let behind = self.pieces.last().and_then(|piece| piece.times().last().copied());
        buffers.values.clear();
        let Some(head) = &self.head else {
            if self.pieces.len() < 2 {
                buffers.forget();
            } else {
                buffers.copy(&self.pieces);
            }
            return true;
        };
        buffers.copy(&self.pieces);
        let begin = buffers.times.len();
        if !head.read_plain(self.range, &mut buffers.times, &mut buffers.values) {
            buffers.forget();
            return false;
        }
        let first = buffers.times.get(begin);
        let apart = first.is_none_or(|first| behind.is_none_or(|behind| behind < *first));
        if !apart {
            buffers.forget();
        }
        apart
    }
}

impl Buffers {
    fn forget(&mut self) {
        self.times.clear();
        self.values.clear();
        self.shared.clear();
    }

    /// Copies the pieces; times that are there from the series before stay.
    fn copy(&mut self, pieces: &[Piece]) {
        let known = self.shared.len() == pieces.len()
            && self.shared.iter().zip(pieces).all(|((times, from, to), piece)| {
                Arc::ptr_eq(times, &piece.run.times) && (*from, *to) == (piece.from, piece.to)
            });
        if known {
            self.times
                .truncate(pieces.iter().fold(0, |sum: usize, piece| sum.saturating_add(piece.times().len())));
        } else {
            self.times.clear();
            self.shared.clear();
            for piece in pieces {
                self.times.extend_from_slice(piece.times());
                self.shared.push((Arc::clone(&piece.run.times), piece.from, piece.to));
            }
        }
        self.values.clear();
        for piece in pieces {
            self.values.extend_from_slice(piece.floats().unwrap_or_default());
        }
    }
}
