//! What goes into the engine, and what it says about it.

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

/// Samples of a tenant that are appended together.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub(crate) series: Vec<SeriesKey>,
    pub(crate) samples: Vec<(u32, i64, Value)>,
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
        self.samples.push((series, t_ms, value.into()));
    }

    /// Adds a series with one sample.
    pub fn push(&mut self, key: SeriesKey, t_ms: i64, value: impl Into<Value>) {
        let series = self.series(key);
        self.sample(series, t_ms, value);
    }

    /// Number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether there is no sample.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.series.clear();
        self.samples.clear();
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
        }
    }
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Samples that are stored now, those included that already were.
    pub accepted: u64,
    /// Samples that are not, by reason.
    pub rejected: Vec<(Reason, u64)>,
    /// The first sample that is not, by its place in the batch, and why.
    pub first_rejected: Option<(usize, Reason)>,
    /// Names of the batch's series, in order; `None` where the series was not taken.
    pub refs: Vec<Option<SeriesRef>>,
}

impl Appended {
    pub(crate) fn reject(&mut self, at: usize, reason: Reason) {
        self.first_rejected.get_or_insert((at, reason));
        match self.rejected.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => self.rejected.push((reason, 1)),
        }
    }

    /// How many samples were rejected for a reason.
    #[must_use]
    pub fn rejected_for(&self, reason: Reason) -> u64 {
        self.rejected.iter().find(|(known, _)| *known == reason).map_or(0, |(_, count)| *count)
    }
}
