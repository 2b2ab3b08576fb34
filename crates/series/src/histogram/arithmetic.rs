//! Adding, subtracting, scaling; bringing two histograms to the same resolution and the same zero bucket first.

use std::cmp::Ordering;
use std::iter::Peekable;
use std::sync::Arc;

use super::buckets::{coarser_index, exponential_bound, pack, rows};
use super::{Histogram, HistogramError, Outcome, ResetHint, Span, same_numbers};

/// A count with what rounding has taken from it so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Exact {
    sum: f64,
    lost: f64,
}

impl Exact {
    const fn new(sum: f64) -> Self {
        Self { sum, lost: 0.0 }
    }

    /// Adds with Neumaier's variant of Kahan's summation.
    fn plus(self, more: f64) -> Self {
        let sum = self.sum + more;
        let lost = if sum.is_infinite() {
            0.0
        } else if self.sum.abs() >= more.abs() {
            self.lost + ((self.sum - sum) + more)
        } else {
            self.lost + ((more - sum) + self.sum)
        };
        Self { sum, lost }
    }

    fn join(self, other: Self) -> Self {
        let joined = self.plus(other.sum);
        if other.lost == 0.0 { joined } else { joined.plus(other.lost) }
    }

    fn negated(self) -> Self {
        Self { sum: -self.sum, lost: -self.lost }
    }
}

/// The parts of a histogram that are added up.
#[derive(Clone, Debug, Default)]
struct Parts {
    zero: Exact,
    zero_threshold: f64,
    positive: Vec<(i32, Exact)>,
    negative: Vec<(i32, Exact)>,
    schema: i32,
}

impl Parts {
    fn of(histogram: &Histogram, lost: Option<&Histogram>) -> Self {
        let side = |spans: &[Span], counts: &[f64], lost: Option<&Vec<f64>>| -> Vec<(i32, Exact)> {
            let lost = lost.into_iter().flatten().copied().chain(std::iter::repeat(0.0));
            let with_lost = rows(spans, counts).zip(lost);
            with_lost.map(|((index, sum), lost)| (index, Exact { sum, lost })).collect()
        };
        let (positive, negative) =
            (lost.map(|lost| &lost.positive_buckets), lost.map(|lost| &lost.negative_buckets));
        Self {
            zero: Exact { sum: histogram.zero_count, lost: lost.map_or(0.0, |lost| lost.zero_count) },
            zero_threshold: histogram.zero_threshold,
            positive: side(&histogram.positive_spans, &histogram.positive_buckets, positive),
            negative: side(&histogram.negative_spans, &histogram.negative_buckets, negative),
            schema: histogram.schema,
        }
    }

    /// Merges buckets into those of a coarser schema.
    fn reduce(&mut self, schema: i32) {
        if schema >= self.schema {
            return;
        }
        let from = self.schema;
        for side in [&mut self.positive, &mut self.negative] {
            let coarse = side.drain(..).map(|(index, count)| (coarser_index(index, from, schema), count));
            *side = gather(coarse);
        }
        self.schema = schema;
    }

    /// Widens the zero bucket, to a threshold that lies in no bucket that holds something: at least to the one asked
    /// for. Takes what it swallows from the buckets.
    fn widen(&mut self, threshold: f64) {
        if threshold <= self.zero_threshold {
            return;
        }
        let mut threshold = threshold;
        while let Some(wider) = self.cut_by(threshold) {
            threshold = wider;
        }
        let schema = self.schema;
        let swallowed = |index: i32| exponential_bound(index.saturating_sub(1), schema) < threshold;
        for side in [&mut self.positive, &mut self.negative] {
            side.retain(|(index, count)| {
                let inside = swallowed(*index);
                if inside {
                    self.zero = self.zero.join(*count);
                }
                !inside && *count != Exact::default()
            });
        }
        self.zero_threshold = threshold;
    }

    /// The outer bound of a bucket that holds something and that a threshold would cut in two.
    fn cut_by(&self, threshold: f64) -> Option<f64> {
        let held = self.positive.iter().chain(&self.negative).filter(|(_, count)| count.sum != 0.0);
        let bounds = held.map(|(index, _)| {
            let inner = exponential_bound(index.saturating_sub(1), self.schema);
            (inner, exponential_bound(*index, self.schema))
        });
        bounds.filter(|(inner, outer)| *inner < threshold && *outer > threshold).map(|cut| cut.1).next()
    }

    /// Drops what lies within the zero bucket of the sum: it holds nothing, or was swallowed.
    fn drop_within(&mut self, threshold: f64) {
        let schema = self.schema;
        for side in [&mut self.positive, &mut self.negative] {
            side.retain(|(index, _)| exponential_bound(*index, schema) > threshold);
        }
    }
}

/// Joins buckets of the same index; they come in ascending order.
fn gather(rows: impl Iterator<Item = (i32, Exact)>) -> Vec<(i32, Exact)> {
    let mut all: Vec<(i32, Exact)> = Vec::new();
    for (index, count) in rows {
        match all.last_mut() {
            Some(last) if last.0 == index => last.1 = last.1.join(count),
            _ => all.push((index, count)),
        }
    }
    all
}

/// Adds up two ascending rows of buckets.
fn merge(left: Vec<(i32, Exact)>, right: Vec<(i32, Exact)>) -> Vec<(i32, Exact)> {
    let mut all = Vec::with_capacity(left.len().max(right.len()));
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let Some(next) = lower(&mut left, &mut right) {
        all.push(next);
    }
    all
}

type Packed = (Vec<Span>, Vec<Exact>);
type Rows = Peekable<std::vec::IntoIter<(i32, Exact)>>;

fn lower(left: &mut Rows, right: &mut Rows) -> Option<(i32, Exact)> {
    let order = match (left.peek(), right.peek()) {
        (Some(a), Some(b)) => a.0.cmp(&b.0),
        (Some(_), None) => Ordering::Less,
        (None, _) => Ordering::Greater,
    };
    match order {
        Ordering::Less => left.next(),
        Ordering::Greater => right.next(),
        Ordering::Equal => left.next().zip(right.next()).map(|(a, b)| (a.0, a.1.join(b.1))),
    }
}

/// The bounds that two histograms have in common.
#[allow(clippy::float_cmp, reason = "only the very same bound is the same")]
fn common_bounds(left: &[f64], right: &[f64]) -> Arc<[f64]> {
    let mut right = right.iter().peekable();
    let common = left.iter().filter(|bound| {
        while right.next_if(|other| *other < *bound).is_some() {}
        right.next_if(|other| *other == *bound).is_some()
    });
    common.copied().collect()
}

/// Moves custom buckets to those that end at the next of fewer bounds.
fn rebound(rows: Vec<(i32, Exact)>, from: &[f64], to: &[f64]) -> Vec<(i32, Exact)> {
    let last = i32::try_from(to.len()).unwrap_or(i32::MAX);
    gather(rows.into_iter().map(|(index, count)| {
        let bound = usize::try_from(index).ok().and_then(|at| from.get(at));
        let target = bound.map(|bound| to.partition_point(|other| other < bound));
        (target.and_then(|target| i32::try_from(target).ok()).unwrap_or(last), count)
    }))
}

/// Drops empty buckets of one sign, except for up to so many in a row between two that are not.
fn compact(spans: &mut Vec<Span>, counts: &mut Vec<f64>, empty_max: u32) {
    let gaps = || spans.iter().enumerate().skip_while(|(at, _)| *at == 0).map(|(_, span)| span.offset);
    let tidy =
        spans.iter().all(|span| span.length > 0) && gaps().all(|gap| i64::from(gap) > i64::from(empty_max));
    if tidy && counts.iter().all(|count| *count != 0.0) {
        return;
    }
    let mut kept: Vec<(i32, f64)> = Vec::with_capacity(counts.len());
    for (index, count) in rows(spans, counts).filter(|row| row.1 != 0.0) {
        let behind = kept.last().map_or(index, |last| last.0.saturating_add(1));
        if u32::try_from(index.saturating_sub(behind)).is_ok_and(|gap| gap <= empty_max) {
            kept.extend((behind..index).map(|index| (index, 0.0)));
        }
        kept.push((index, count));
    }
    (*spans, *counts) = pack(kept);
}

impl Histogram {
    /// Adds another histogram. The coarser resolution and the wider zero bucket of the two count. Buckets that become
    /// empty stay, see [`Self::compact`].
    ///
    /// # Errors
    ///
    /// [`HistogramError::MixedSchemas`]; nothing is changed then.
    pub fn add(&mut self, other: &Self) -> Result<Outcome, HistogramError> {
        self.combine(other, None, false)
    }

    /// Subtracts another histogram, otherwise as [`Self::add`]. What is left may be negative.
    ///
    /// # Errors
    ///
    /// As [`Self::add`].
    pub fn sub(&mut self, other: &Self) -> Result<Outcome, HistogramError> {
        self.combine(other, None, true)
    }

    /// As [`Self::add`], and keeps what rounding takes away in `lost`, which begins as [`Self::nothing_lost`] and is
    /// added at the end.
    ///
    /// # Errors
    ///
    /// As [`Self::add`].
    pub fn add_exactly(&mut self, other: &Self, lost: &mut Self) -> Result<Outcome, HistogramError> {
        self.combine(other, Some(lost), false)
    }

    /// What [`Self::add_exactly`] begins with: the same buckets, all of them empty.
    #[must_use]
    pub fn nothing_lost(&self) -> Self {
        Self {
            zero_count: 0.0,
            count: 0.0,
            sum: 0.0,
            positive_buckets: vec![0.0; self.positive_buckets.len()],
            negative_buckets: vec![0.0; self.negative_buckets.len()],
            ..self.clone()
        }
    }

    fn combine(
        &mut self,
        other: &Self,
        lost: Option<&mut Self>,
        minus: bool,
    ) -> Result<Outcome, HistogramError> {
        if self.uses_custom_buckets() != other.uses_custom_buckets() {
            return Err(HistogramError::MixedSchemas);
        }
        let mut outcome = Outcome { reset_collision: self.join_hints(other), bounds_reconciled: false };
        let sign = if minus { -1.0 } else { 1.0 };
        match lost {
            None if self.same_shape(other) => self.combine_counts(other, sign),
            Some(lost) if self.same_shape(other) && self.same_shape(lost) => {
                self.combine_exactly(other, lost, sign);
            }
            lost => {
                outcome.bounds_reconciled =
                    self.uses_custom_buckets() && !same_numbers(&self.custom_values, &other.custom_values);
                self.combine_parts(other, lost, minus);
            }
        }
        Ok(outcome)
    }

    /// Whether counts can be added one by one. Not if buckets lie within the zero bucket: those of the other histogram
    /// do not count.
    fn same_shape(&self, other: &Self) -> bool {
        let outside = |spans: &[Span]| {
            let first = spans.first().map_or(i32::MAX, |span| span.offset);
            self.zero_threshold == 0.0 || exponential_bound(first, self.schema) > self.zero_threshold
        };
        self.schema == other.schema
            && outside(&self.positive_spans)
            && outside(&self.negative_spans)
            && same_numbers(&[self.zero_threshold], &[other.zero_threshold])
            && self.positive_spans == other.positive_spans
            && self.negative_spans == other.negative_spans
            && self.positive_buckets.len() == other.positive_buckets.len()
            && self.negative_buckets.len() == other.negative_buckets.len()
            && (Arc::ptr_eq(&self.custom_values, &other.custom_values)
                || same_numbers(&self.custom_values, &other.custom_values))
    }

    fn combine_counts(&mut self, other: &Self, sign: f64) {
        self.count += sign * other.count;
        self.sum += sign * other.sum;
        self.zero_count += sign * other.zero_count;
        let pairs = self.positive_buckets.iter_mut().zip(&other.positive_buckets);
        for (count, more) in pairs.chain(self.negative_buckets.iter_mut().zip(&other.negative_buckets)) {
            *count += sign * more;
        }
    }

    fn combine_exactly(&mut self, other: &Self, lost: &mut Self, sign: f64) {
        let add = |(mine, more, lost): (&mut f64, &f64, &mut f64)| {
            let exact = Exact { sum: *mine, lost: *lost }.plus(sign * more);
            (*mine, *lost) = (exact.sum, exact.lost);
        };
        add((&mut self.count, &other.count, &mut lost.count));
        add((&mut self.sum, &other.sum, &mut lost.sum));
        add((&mut self.zero_count, &other.zero_count, &mut lost.zero_count));
        let sides = [
            (&mut self.positive_buckets, &other.positive_buckets, &mut lost.positive_buckets),
            (&mut self.negative_buckets, &other.negative_buckets, &mut lost.negative_buckets),
        ];
        for (mine, more, lost) in sides {
            mine.iter_mut().zip(more).zip(lost).for_each(|((mine, more), lost)| add((mine, more, lost)));
        }
    }

    fn combine_parts(&mut self, other: &Self, lost: Option<&mut Self>, minus: bool) {
        let mut mine = Parts::of(self, lost.as_deref());
        let mut theirs = Parts::of(other, None);
        if self.uses_custom_buckets() {
            self.agree_on_bounds(other, &mut mine, &mut theirs);
        } else {
            agree(&mut mine, &mut theirs);
        }
        let sign = |exact: Exact| if minus { exact.negated() } else { exact };
        let add = |left: Vec<(i32, Exact)>, right: Vec<(i32, Exact)>| {
            merge(left, right.into_iter().map(|(index, count)| (index, sign(count))).collect())
        };
        let start = |sum: f64, lost: Option<f64>| Exact { sum, lost: lost.unwrap_or_default() };
        let count =
            start(self.count, lost.as_ref().map(|lost| lost.count)).join(sign(Exact::new(other.count)));
        let sum = start(self.sum, lost.as_ref().map(|lost| lost.sum)).join(sign(Exact::new(other.sum)));
        let zero = mine.zero.join(sign(theirs.zero));
        let positive = pack(add(mine.positive, theirs.positive));
        let negative = pack(add(mine.negative, theirs.negative));
        self.schema = mine.schema;
        self.zero_threshold = mine.zero_threshold;
        self.fill(zero, count, sum, (&positive, &negative), |exact| exact.sum);
        if let Some(lost) = lost {
            lost.schema = self.schema;
            lost.zero_threshold = self.zero_threshold;
            lost.custom_values = Arc::clone(&self.custom_values);
            lost.fill(zero, count, sum, (&positive, &negative), |exact| exact.lost);
        }
    }

    fn fill(
        &mut self,
        zero: Exact,
        count: Exact,
        sum: Exact,
        (positive, negative): (&Packed, &Packed),
        part: impl Fn(Exact) -> f64,
    ) {
        (self.zero_count, self.count, self.sum) = (part(zero), part(count), part(sum));
        self.positive_spans.clone_from(&positive.0);
        self.negative_spans.clone_from(&negative.0);
        self.positive_buckets = positive.1.iter().map(|exact| part(*exact)).collect();
        self.negative_buckets = negative.1.iter().map(|exact| part(*exact)).collect();
    }

    fn agree_on_bounds(&mut self, other: &Self, mine: &mut Parts, theirs: &mut Parts) {
        if same_numbers(&self.custom_values, &other.custom_values) {
            return;
        }
        let common = common_bounds(&self.custom_values, &other.custom_values);
        mine.positive = rebound(std::mem::take(&mut mine.positive), &self.custom_values, &common);
        theirs.positive = rebound(std::mem::take(&mut theirs.positive), &other.custom_values, &common);
        self.custom_values = common;
    }

    /// Brings the hint in line with that of what is added. Tells whether they contradict each other.
    fn join_hints(&mut self, other: &Self) -> bool {
        let (hint, collision) = match (self.reset_hint, other.reset_hint) {
            (mine, theirs) if mine == theirs => (mine, false),
            (ResetHint::Gauge, _) | (_, ResetHint::Gauge) => (ResetHint::Gauge, false),
            (ResetHint::Unknown, _) | (_, ResetHint::Unknown) => (ResetHint::Unknown, false),
            _ => (ResetHint::Unknown, true),
        };
        self.reset_hint = hint;
        collision
    }

    /// Multiplies every count and the sum. A negative factor makes it a gauge.
    pub fn mul(&mut self, factor: f64) {
        self.each_count(|count| *count *= factor);
        self.make_gauge_if(factor < 0.0);
    }

    /// Divides every count and the sum. A negative divisor makes it a gauge, dividing by 0 removes all buckets.
    pub fn div(&mut self, divisor: f64) {
        self.each_count(|count| *count /= divisor);
        if divisor == 0.0 {
            self.positive_spans.clear();
            self.negative_spans.clear();
            self.positive_buckets.clear();
            self.negative_buckets.clear();
        }
        self.make_gauge_if(divisor < 0.0);
    }

    fn each_count(&mut self, mut change: impl FnMut(&mut f64)) {
        let parts = [&mut self.count, &mut self.sum, &mut self.zero_count];
        let counts = self.positive_buckets.iter_mut().chain(&mut self.negative_buckets);
        for count in parts.into_iter().chain(counts) {
            change(count);
        }
    }

    fn make_gauge_if(&mut self, gauge: bool) {
        if gauge {
            self.reset_hint = ResetHint::Gauge;
        }
    }

    /// Merges buckets into those of a coarser exponential schema.
    ///
    /// # Errors
    ///
    /// [`HistogramError::Invalid`] for custom buckets, and for a schema that is not coarser.
    pub fn reduce_resolution(&mut self, schema: i32) -> Result<(), HistogramError> {
        if self.uses_custom_buckets() || schema >= self.schema || schema < super::SCHEMA_MIN {
            let text = format!("cannot reduce resolution from schema {} to {schema}", self.schema);
            return Err(HistogramError::Invalid(text));
        }
        let mut parts = Parts::of(self, None);
        parts.reduce(schema);
        let sums = |rows: Vec<(i32, Exact)>| pack(rows.into_iter().map(|(index, count)| (index, count.sum)));
        (self.positive_spans, self.positive_buckets) = sums(parts.positive);
        (self.negative_spans, self.negative_buckets) = sums(parts.negative);
        self.schema = schema;
        Ok(())
    }

    /// Drops empty buckets, except for up to so many in a row between two that are not: they cost less than a gap.
    pub fn compact(&mut self, empty_max: u32) {
        compact(&mut self.positive_spans, &mut self.positive_buckets, empty_max);
        compact(&mut self.negative_spans, &mut self.negative_buckets, empty_max);
    }

    /// Whether a counter was reset between an earlier histogram and this one: something became less, or the resolution
    /// became finer, or a bucket is gone. The hint decides where it knows.
    #[must_use]
    pub fn detect_reset(&self, earlier: &Self) -> bool {
        match self.reset_hint {
            ResetHint::Reset => return true,
            ResetHint::NotReset => return false,
            ResetHint::Unknown | ResetHint::Gauge => {}
        }
        if self.count < earlier.count {
            return true;
        }
        let (mut now, mut before) = (Parts::of(self, None), Parts::of(earlier, None));
        match (self.uses_custom_buckets(), earlier.uses_custom_buckets()) {
            (true, true) => {
                let common = common_bounds(&self.custom_values, &earlier.custom_values);
                now.positive = rebound(now.positive, &self.custom_values, &common);
                before.positive = rebound(before.positive, &earlier.custom_values, &common);
            }
            (false, false) => {
                if self.schema > earlier.schema || self.zero_threshold < earlier.zero_threshold {
                    return true;
                }
                let mut widened = before.clone();
                widened.widen(self.zero_threshold);
                if widened.zero_threshold > self.zero_threshold || self.zero_count < widened.zero.sum {
                    return true;
                }
                before.reduce(self.schema);
                before.drop_within(self.zero_threshold);
            }
            _ => return true,
        }
        fell(&now.positive, &before.positive) || fell(&now.negative, &before.negative)
    }
}

/// Brings two histograms to the coarser schema and to a zero bucket that cuts no bucket of either.
///
/// A bucket of the other histogram that the zero bucket swallowed, but whose coarser one reaches beyond it, counts in
/// both: as Prometheus has it.
fn agree(mine: &mut Parts, theirs: &mut Parts) {
    let mut wide = theirs.clone();
    // Every round widens one of them to a bound of one of its buckets or to the other's threshold, so it ends.
    loop {
        match mine.zero_threshold.partial_cmp(&wide.zero_threshold) {
            Some(Ordering::Greater) => wide.widen(mine.zero_threshold),
            Some(Ordering::Less) => mine.widen(wide.zero_threshold),
            Some(Ordering::Equal) | None => break,
        }
    }
    theirs.zero = wide.zero;
    let schema = mine.schema.min(theirs.schema);
    mine.reduce(schema);
    theirs.reduce(schema);
    theirs.drop_within(mine.zero_threshold);
}

/// Whether a bucket holds less than before, or is gone although it held something.
fn fell(now: &[(i32, Exact)], before: &[(i32, Exact)]) -> bool {
    let mut now = now.iter().peekable();
    before.iter().any(|(index, count)| {
        while now.next_if(|row| row.0 < *index).is_some() {}
        match now.next_if(|row| row.0 == *index) {
            Some(row) => row.1.sum < count.sum,
            None => count.sum != 0.0,
        }
    })
}
