//! What goes into the engine, and what it says about it.

use hinomi_model::metrics::{Exemplar, Metadata};
use hinomi_series::{Labels, Value};

/// Names a series for as long as it is in memory; saves the lookup by labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SeriesRef {
    pub(crate) id: u32,
    pub(crate) generation: u32,
}

/// How a batch names a series.
#[derive(Clone, Debug, PartialEq)]
pub enum SeriesKey {
    /// By its labels.
    Labels(Labels),
    /// By what an earlier [`Appended::refs`] said; unknown once the series left memory.
    Ref(SeriesRef),
}

/// One sample of a batch.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) series: u32,
    pub(crate) t: i64,
    /// 0: not known.
    pub(crate) start: i64,
    pub(crate) value: Value,
}

/// Samples of a tenant that are appended together, with their exemplars and what is said about their metrics.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub(crate) series: Vec<SeriesKey>,
    pub(crate) samples: Vec<Entry>,
    pub(crate) exemplars: Vec<(u32, Exemplar)>,
    pub(crate) metadata: Vec<(Box<str>, Metadata)>,
}

impl Batch {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a series; what it returns names it in [`Self::sample`].
    pub fn series(&mut self, key: SeriesKey) -> u32 {
        self.series.push(key);
        u32::try_from(self.series.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }

    /// Adds a sample at `t_ms` milliseconds since the epoch.
    pub fn sample(&mut self, series: u32, t_ms: i64, value: impl Into<Value>) {
        self.sample_started(series, t_ms, 0, value);
    }

    /// Adds a sample of which it is known when that which it counts began: `start_ms` milliseconds since the epoch, 0
    /// where it is not known.
    pub fn sample_started(&mut self, series: u32, t_ms: i64, start_ms: i64, value: impl Into<Value>) {
        self.samples.push(Entry { series, t: t_ms, start: start_ms, value: value.into() });
    }

    /// Adds an exemplar of a series. Those of one series are to come in order of time.
    pub fn exemplar(&mut self, series: u32, exemplar: Exemplar) {
        self.exemplars.push((series, exemplar));
    }

    /// Says what a family of metrics is; the last word counts.
    pub fn metadata(&mut self, family: &str, metadata: Metadata) {
        self.metadata.push((family.into(), metadata));
    }

    /// Adds a series with one sample.
    pub fn push(&mut self, key: SeriesKey, t_ms: i64, value: impl Into<Value>) {
        let series = self.series(key);
        self.sample(series, t_ms, value);
    }

    /// The series of a sample, both by their places in the batch.
    #[must_use]
    pub fn series_of(&self, sample: usize) -> Option<usize> {
        self.samples.get(sample).and_then(|entry| usize::try_from(entry.series).ok())
    }

    /// Number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether there is nothing in it: no sample, no exemplar, no metadata.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty() && self.exemplars.is_empty() && self.metadata.is_empty()
    }

    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.series.clear();
        self.samples.clear();
        self.exemplars.clear();
        self.metadata.clear();
    }
}

/// Why a sample was not taken; the words are those of Prometheus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// Before the last sample of its series, and nothing out of order is taken.
    OutOfOrder,
    /// Before the time from which samples are taken at all.
    OutOfBounds,
    /// Further behind than the window for samples out of order.
    TooOld,
    /// Its series has another value at that time.
    Duplicate,
    /// Too far ahead of the clock.
    Future,
    /// Its series is not in memory: name it by its labels.
    UnknownSeries,
    /// Its series has no labels, or too long ones.
    InvalidSeries,
    /// Its histogram has other buckets than its spans say, or too many.
    InvalidHistogram,
    /// There are as many series in memory as there may be.
    TooManySeries,
    /// The memory budget has no room for another series.
    NoMemory,
    /// An exemplar before the last one of its series.
    ExemplarOutOfOrder,
    /// The labels of an exemplar have more than 128 characters.
    ExemplarTooLong,
    /// Exemplars are not kept, or memory has no room for one.
    ExemplarsFull,
}

impl Reason {
    /// In words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OutOfOrder => "out of order sample",
            Self::OutOfBounds => "out of bounds",
            Self::TooOld => "too old sample",
            Self::Duplicate => "duplicate sample for timestamp",
            Self::Future => "timestamp is too far in the future",
            Self::UnknownSeries => "unknown series reference",
            Self::InvalidSeries => "series without labels or with labels of more than 64 KiB",
            Self::InvalidHistogram => "histogram with buckets that do not fit its spans, or too many",
            Self::TooManySeries => "limit of series in memory reached",
            Self::NoMemory => "the memory budget has no room for another series",
            Self::ExemplarOutOfOrder => "out of order exemplar",
            Self::ExemplarsFull => "exemplar storage is disabled or has no memory",
            Self::ExemplarTooLong => "label length for exemplar exceeds maximum of 128 UTF-8 characters",
        }
    }
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Samples that are stored now, those included that already were.
    pub accepted: u64,
    /// How many of them are native histograms.
    pub histograms: u64,
    /// Exemplars that are kept now, those included that already were.
    pub exemplars: u64,
    /// Exemplars that are not, by reason.
    pub exemplars_rejected: Vec<(Reason, u64)>,
    /// Families whose metadata is kept now; what is beyond the limits of [`Options`](crate::Options) is not.
    pub metadata: u64,
    /// Families whose metadata is not kept.
    pub metadata_rejected: u64,
    /// Samples that are not, by reason.
    pub rejected: Vec<(Reason, u64)>,
    /// The first sample that is not, by its place in the batch, and why; but for [`Reason::UnknownSeries`], which a sender
    /// mends by naming the series by its labels.
    pub first_rejected: Option<(usize, Reason)>,
    /// The first sample of a series that is not in memory.
    pub first_unknown: Option<usize>,
    /// Names of the batch's series, in order; `None` where the series was not taken.
    pub refs: Vec<Option<SeriesRef>>,
}

impl Appended {
    pub(crate) fn reject(&mut self, at: usize, reason: Reason) {
        match reason {
            Reason::UnknownSeries => _ = self.first_unknown.get_or_insert(at),
            reason => _ = self.first_rejected.get_or_insert((at, reason)),
        }
        count(&mut self.rejected, reason);
    }

    pub(crate) fn reject_exemplar(&mut self, reason: Reason) {
        count(&mut self.exemplars_rejected, reason);
    }

    /// How many samples were rejected for a reason.
    #[must_use]
    pub fn rejected_for(&self, reason: Reason) -> u64 {
        self.rejected.iter().find(|(known, _)| *known == reason).map_or(0, |(_, count)| *count)
    }
}

fn count(counts: &mut Vec<(Reason, u64)>, reason: Reason) {
    match counts.iter_mut().find(|(known, _)| *known == reason) {
        Some((_, count)) => *count = count.saturating_add(1),
        None => counts.push((reason, 1)),
    }
}
