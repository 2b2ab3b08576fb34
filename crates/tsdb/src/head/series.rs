//! One series in memory: what may be appended to it, and its samples.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hinomi_series::{Histogram, Labels, Value};

use super::starts::Starts;
use super::stream::{Sealed, Stream};
use crate::append::Reason;
use crate::codec::size_of_histogram;
use crate::run::{Run, Sample, merge};

/// What decides whether a sample is taken; times in milliseconds since the epoch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gate {
    /// Latest time of the tenant when the batch arrived.
    pub(crate) newest: i64,
    /// Samples in order are taken from here on.
    pub(crate) in_order_from: i64,
    /// How far behind `newest` a sample out of order may lie; 0: not at all.
    pub(crate) window_ms: i64,
    /// Nothing after this is taken.
    pub(crate) future_ms: i64,
}

/// What became of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is new; memory grew by so many bytes.
    New(u64),
    /// The same sample was there.
    Known,
}

/// A sample that is offered to a series.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer<'a> {
    pub(crate) t: i64,
    /// 0: not known.
    pub(crate) start: i64,
    pub(crate) value: &'a Value,
}

/// Samples that are together in memory or on their way to a block.
#[derive(Debug, Default)]
struct Samples {
    floats: Stream,
    histograms: Vec<(i64, Arc<Histogram>)>,
    /// Out of order, sorted by time.
    late: Vec<Sample>,
    /// Of floats and histograms; those out of order have their own.
    starts: Starts,
}

#[derive(Debug, Default)]
struct Data {
    live: Samples,
    /// On its way to a block: still read, no longer written. Apart, as most of the time there is none.
    frozen: Option<Box<Samples>>,
    /// The sample with the latest time.
    last: Option<(i64, Value)>,
}

/// A series.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) id: u32,
    pub(crate) labels: Labels,
    data: Mutex<Data>,
}

fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
        (Value::Histogram(a), Value::Histogram(b)) => a == b,
        _ => false,
    }
}

fn size_of_value(value: &Value) -> u64 {
    let histogram = value.as_histogram().map_or(0, |histogram| size_of_histogram(histogram));
    crate::bytes::as_u64(histogram).saturating_add(32)
}

impl Samples {
    fn is_empty(&self) -> bool {
        self.floats.is_empty() && self.histograms.is_empty() && self.late.is_empty()
    }

    fn bytes(&self) -> u64 {
        let histograms = self.histograms.iter().map(|(_, h)| crate::bytes::as_u64(size_of_histogram(h)));
        let late = self.late.iter().map(|sample| size_of_value(&sample.value));
        let floats = self.floats.bytes().saturating_add(self.starts.bytes());
        histograms.chain(late).fold(floats, u64::saturating_add)
    }

    fn push(&mut self, t: i64, start: i64, value: &Value) -> u64 {
        let started = self.starts.push(t, start);
        started.saturating_add(match value {
            Value::Float(value) => self.floats.push(t, *value),
            Value::Histogram(histogram) => {
                self.histograms.push((t, Arc::clone(histogram)));
                size_of_value(value)
            }
        })
    }

    fn at(&self, t: i64) -> Option<Value> {
        if let Ok(at) = self.late.binary_search_by_key(&t, |sample| sample.t) {
            return self.late.get(at).map(|sample| sample.value.clone());
        }
        if let Ok(at) = self.histograms.binary_search_by_key(&t, |(time, _)| *time) {
            return self.histograms.get(at).map(|(_, h)| Value::Histogram(Arc::clone(h)));
        }
        self.floats.at(t).map(Value::Float)
    }

    fn insert_late(&mut self, t: i64, start: i64, value: &Value) -> u64 {
        let at = self.late.partition_point(|sample| sample.t < t);
        self.late.insert(at, Sample { t, start, value: value.clone() });
        size_of_value(value)
    }

    fn split_before(&mut self, t: i64) -> Self {
        let mut before = Self { floats: self.floats.split_before(t), ..Self::default() };
        let rest = self.histograms.split_off(self.histograms.partition_point(|(time, _)| *time < t));
        before.histograms = std::mem::replace(&mut self.histograms, rest);
        let rest = self.late.split_off(self.late.partition_point(|sample| sample.t < t));
        before.late = std::mem::replace(&mut self.late, rest);
        let more = !self.floats.is_empty() || !self.histograms.is_empty();
        before.starts = self.starts.split_before(t, more);
        before
    }

    fn remove(&mut self, from: i64, to: i64) {
        let keep = |t: i64| !(from..=to).contains(&t);
        if self.floats.span().is_some_and(|(first, last)| first <= to && last >= from) {
            self.floats.retain(keep);
        }
        self.histograms.retain(|(t, _)| keep(*t));
        self.late.retain(|sample| keep(sample.t));
        if self.is_empty() {
            self.starts = Starts::default();
        }
    }

    fn first(&self) -> Option<i64> {
        let floats = self.floats.span().map(|(first, _)| first);
        let histograms = self.histograms.first().map(|(t, _)| *t);
        let late = self.late.first().map(|sample| sample.t);
        [floats, histograms, late].into_iter().flatten().min()
    }

    fn snapshot(&self, from: i64, to: i64) -> Snapshot {
        let histograms = self.histograms.iter().filter(|(t, _)| (from..=to).contains(t));
        let histogram = |(t, h): &(i64, Arc<Histogram>)| Sample {
            t: *t,
            start: self.starts.at(*t),
            value: Value::Histogram(Arc::clone(h)),
        };
        Snapshot {
            pieces: self.floats.pieces(from, to),
            histograms: histograms.map(histogram).collect(),
            late: self.late.iter().filter(|sample| (from..=to).contains(&sample.t)).cloned().collect(),
            starts: self.starts.clone(),
        }
    }
}

/// What a reader takes while it holds the series; decoding comes after.
#[derive(Default)]
struct Snapshot {
    pieces: Vec<Sealed>,
    histograms: Vec<Sample>,
    late: Vec<Sample>,
    starts: Starts,
}

impl Snapshot {
    fn runs(self, from: i64, to: i64, runs: &mut Vec<Run>) {
        let (mut times, mut values) = (Vec::new(), Vec::new());
        for piece in &self.pieces {
            piece.decode_into(from, to, &mut times, &mut values);
        }
        let starts: Vec<i64> = match self.starts.is_empty() {
            true => Vec::new(),
            false => times.iter().map(|t| self.starts.at(*t)).collect(),
        };
        runs.push(Run::floats(times, values).started(starts));
        runs.push(Run::of(self.histograms));
        runs.push(Run::of(self.late));
    }
}

impl Series {
    pub(crate) fn new(id: u32, labels: Labels) -> Self {
        Self { id, labels, data: Mutex::default() }
    }

    fn data(&self) -> MutexGuard<'_, Data> {
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a sample, or says why not: the rules of Prometheus (`memSeries.appendable`).
    pub(crate) fn offer(&self, sample: Offer<'_>, gate: Gate) -> Result<Taken, Reason> {
        let Offer { t, value, .. } = sample;
        if t > gate.future_ms {
            return Err(Reason::Future);
        }
        let mut data = self.data();
        if t >= gate.in_order_from {
            match &data.last {
                Some((last, known)) if t == *last => {
                    return if same(known, value) { Ok(Taken::Known) } else { Err(Reason::Duplicate) };
                }
                Some((last, _)) if t < *last => {}
                _ => return Ok(data.append(sample)),
            }
        }
        if gate.window_ms > 0 {
            if t < gate.newest.saturating_sub(gate.window_ms) {
                return Err(Reason::TooOld);
            }
            return data.insert(sample);
        }
        Err(if t < gate.in_order_from { Reason::OutOfBounds } else { Reason::OutOfOrder })
    }

    /// Takes a sample from the log, which holds only what was once taken.
    pub(crate) fn restore(&self, sample: Offer<'_>) -> u64 {
        let mut data = self.data();
        let in_order = data.last.as_ref().is_none_or(|(last, _)| sample.t > *last);
        let taken = if in_order { Ok(data.append(sample)) } else { data.insert(sample) };
        match taken {
            Ok(Taken::New(bytes)) => bytes,
            Ok(Taken::Known) | Err(_) => 0,
        }
    }

    /// Sets aside the samples before `t`: they are still read, but no longer change. Returns by how many bytes memory
    /// grew, for what had to be split.
    pub(crate) fn freeze(&self, t: i64) -> i64 {
        let mut data = self.data();
        let before = data.live.bytes();
        let frozen = data.live.split_before(t);
        let grown = data.live.bytes().saturating_add(frozen.bytes()).cast_signed();
        data.frozen = (!frozen.is_empty()).then(|| Box::new(frozen));
        grown.saturating_sub(before.cast_signed())
    }

    /// Adds the beginnings of the stretches of `span` that what was set aside has samples in.
    pub(crate) fn windows(&self, span: i64, into: &mut BTreeSet<i64>) {
        let Some(frozen) = self.snapshot_frozen(i64::MIN, i64::MAX) else { return };
        let window = |t: i64| t.div_euclid(span).saturating_mul(span);
        for piece in &frozen.pieces {
            if window(piece.min) == window(piece.max) {
                into.insert(window(piece.min));
            } else {
                into.extend(piece.decode().map(|(t, _)| window(t)));
            }
        }
        into.extend(frozen.histograms.iter().chain(&frozen.late).map(|sample| window(sample.t)));
    }

    fn snapshot_frozen(&self, from: i64, to: i64) -> Option<Snapshot> {
        self.data().frozen.as_ref().map(|frozen| frozen.snapshot(from, to))
    }

    /// Forgets what was set aside. Returns its bytes.
    pub(crate) fn forget_frozen(&self) -> u64 {
        let frozen = self.data().frozen.take();
        frozen.map_or(0, |frozen| frozen.bytes())
    }

    /// Puts back what was set aside, after a failure. Returns by how many bytes memory grew.
    pub(crate) fn thaw(&self) -> i64 {
        let mut data = self.data();
        let Some(frozen) = data.frozen.take() else { return 0 };
        let live = std::mem::take(&mut data.live);
        let before = frozen.bytes().saturating_add(live.bytes()).cast_signed();
        let mut runs = Vec::new();
        frozen.snapshot(i64::MIN, i64::MAX).runs(i64::MIN, i64::MAX, &mut runs);
        live.snapshot(i64::MIN, i64::MAX).runs(i64::MIN, i64::MAX, &mut runs);
        let (late, mut in_order) = (live.late, Samples::default());
        let known: Vec<i64> = late.iter().map(|sample| sample.t).collect();
        for sample in merge(runs).samples() {
            if known.binary_search(&sample.t).is_err() {
                in_order.push(sample.t, sample.start, &sample.value);
            }
        }
        in_order.late = late;
        data.live = in_order;
        data.live.bytes().cast_signed().saturating_sub(before)
    }

    /// Removes the samples from `from` to `to`.
    pub(crate) fn remove(&self, from: i64, to: i64) -> u64 {
        let mut data = self.data();
        let before = data.live.bytes();
        data.live.remove(from, to);
        before.saturating_sub(data.live.bytes())
    }

    /// Whether it has no samples, and had the last one before that time.
    pub(crate) fn is_idle(&self, before: i64) -> bool {
        let data = self.data();
        let last = data.last.as_ref().is_none_or(|(last, _)| *last < before || before == i64::MAX);
        last && data.live.is_empty() && data.frozen.is_none()
    }

    /// Time of the first sample.
    pub(crate) fn first(&self) -> Option<i64> {
        let data = self.data();
        let frozen = data.frozen.as_ref().and_then(|frozen| frozen.first());
        [frozen, data.live.first()].into_iter().flatten().min()
    }

    /// Appends the samples from `from` to `to`, if they are floats in order whose starts are not known; false, if they
    /// are of another kind: then nothing is appended.
    pub(crate) fn read_plain(
        &self,
        (from, to): (i64, i64),
        times: &mut Vec<i64>,
        values: &mut Vec<f64>,
    ) -> bool {
        let data = self.data();
        let live = &data.live;
        if data.frozen.is_some()
            || !live.histograms.is_empty()
            || !live.late.is_empty()
            || !live.starts.is_empty()
        {
            return false;
        }
        let pieces = live.floats.pieces(from, to);
        drop(data);
        pieces.iter().for_each(|piece| piece.decode_into(from, to, times, values));
        true
    }

    /// The newest sample, if it is a float that was taken in order; `None` also where that takes a closer look.
    pub(crate) fn newest(&self) -> Option<(i64, f64)> {
        let data = self.data();
        let (t, value) = data.last.as_ref()?;
        // What was deleted is still known as the last one.
        let there = data.live.floats.span().is_some_and(|(_, last)| last == *t);
        value.as_float().filter(|_| there).map(|value| (*t, value))
    }

    /// The samples from `from` to `to`.
    pub(crate) fn read(&self, from: i64, to: i64) -> Run {
        let data = self.data();
        let frozen = data.frozen.as_ref().map(|frozen| frozen.snapshot(from, to));
        let live = data.live.snapshot(from, to);
        drop(data);
        let mut runs = Vec::with_capacity(6);
        frozen.unwrap_or_default().runs(from, to, &mut runs);
        live.runs(from, to, &mut runs);
        merge(runs)
    }

    /// Whether it has a sample from `from` to `to`.
    pub(crate) fn has(&self, from: i64, to: i64) -> bool {
        let data = self.data();
        data.frozen.as_deref().into_iter().chain([&data.live]).any(|samples| {
            let within = |t: i64| (from..=to).contains(&t);
            samples.histograms.iter().any(|(t, _)| within(*t))
                || samples.late.iter().any(|sample| within(sample.t))
                || samples.floats.pieces(from, to).iter().flat_map(Sealed::decode).any(|(t, _)| within(t))
        })
    }

    /// What was set aside, from `from` to `to`.
    pub(crate) fn read_frozen(&self, from: i64, to: i64) -> Run {
        let mut runs = Vec::with_capacity(3);
        self.snapshot_frozen(from, to).unwrap_or_default().runs(from, to, &mut runs);
        merge(runs)
    }
}

impl Data {
    #[inline]
    fn append(&mut self, sample: Offer<'_>) -> Taken {
        match (&mut self.last, sample.value) {
            // Nearly always: nothing to count and nothing to drop.
            (Some((last, Value::Float(known))), Value::Float(value)) => (*last, *known) = (sample.t, *value),
            (last, value) => *last = Some((sample.t, value.clone())),
        }
        Taken::New(self.live.push(sample.t, sample.start, sample.value))
    }

    /// Takes a sample that is not behind all others.
    fn insert(&mut self, sample: Offer<'_>) -> Result<Taken, Reason> {
        let Offer { t, start, value } = sample;
        let frozen = || self.frozen.as_ref().and_then(|frozen| frozen.at(t));
        if let Some(known) = self.live.at(t).or_else(frozen) {
            return if same(&known, value) { Ok(Taken::Known) } else { Err(Reason::Duplicate) };
        }
        // Keeps the order of the rule "later than the last one is in order" for series that begin out of order.
        if self.last.is_none() {
            self.last = Some((t, value.clone()));
        }
        Ok(Taken::New(self.live.insert_late(t, start, value)))
    }
}
