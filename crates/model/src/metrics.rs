//! Where samples are read from: what a query asks of whatever stores series.
//!
//! Calls are synchronous and return whole series at once; callers run them where blocking is allowed, and give every
//! call its limits ([`ReadLimit`]).

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use hinomi_base::budget::Meter;
use hinomi_series::{Labels, Matcher, Value};

use crate::{ErrorKind, Tenant};

/// Which series, and from when to when.
#[derive(Clone, Debug)]
pub struct Select {
    /// Owner of the data.
    pub tenant: Tenant,
    /// All of them have to match. A matcher that matches the empty text also matches series without that label.
    pub matchers: Vec<Matcher>,
    /// First millisecond since the epoch, inclusive.
    pub from_ms: i64,
    /// Last millisecond since the epoch, inclusive.
    pub to_ms: i64,
}

/// The values of a series, as long as its timestamps.
#[derive(Clone, Debug)]
pub enum Column {
    /// Numbers only: what nearly every series is.
    Floats(Arc<[f64]>),
    /// Numbers and native histograms in any order.
    Mixed(Arc<[Value]>),
}

impl Column {
    /// Number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Floats(values) => values.len(),
            Self::Mixed(values) => values.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value at a place; cheap, as histograms are shared.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<Value> {
        match self {
            Self::Floats(values) => values.get(at).copied().map(Value::Float),
            Self::Mixed(values) => values.get(at).cloned(),
        }
    }
}

/// One series with its samples in ascending order of time, no time twice. Staleness markers are kept, as the stale NaN.
#[derive(Clone, Debug)]
pub struct Series {
    /// Its name.
    pub labels: Labels,
    /// Milliseconds since the epoch, strictly ascending; may be shared with the engine and with other series.
    pub timestamps: Arc<[i64]>,
    /// As long as `timestamps`.
    pub values: Column,
    /// When what a sample counts began, milliseconds since the epoch, 0 where unknown; as long as `timestamps`. `None`
    /// if that is known of no sample.
    pub starts: Option<Arc<[i64]>>,
}

impl Series {
    /// The series, lent.
    #[must_use]
    pub fn view(&self) -> SeriesView<'_> {
        let values = match &self.values {
            Column::Floats(values) => ColumnView::Floats(values),
            Column::Mixed(values) => ColumnView::Mixed(values),
        };
        SeriesView {
            labels: &self.labels,
            timestamps: &self.timestamps,
            values,
            starts: self.starts.as_deref(),
        }
    }
}

/// The values of a series that is lent.
#[derive(Clone, Copy, Debug)]
pub enum ColumnView<'a> {
    /// Numbers only.
    Floats(&'a [f64]),
    /// Numbers and native histograms in any order.
    Mixed(&'a [Value]),
}

impl ColumnView<'_> {
    /// Whether the value at a place is a staleness marker, or missing.
    #[must_use]
    pub fn is_stale(&self, at: usize) -> bool {
        match self {
            Self::Floats(values) => values.get(at).is_none_or(|value| hinomi_series::is_stale(*value)),
            Self::Mixed(values) => values.get(at).is_none_or(Value::is_stale),
        }
    }
}

/// A series that is lent for the length of a call: as [`Series`], without owning anything.
#[derive(Clone, Copy, Debug)]
pub struct SeriesView<'a> {
    /// Its name.
    pub labels: &'a Labels,
    /// Milliseconds since the epoch, strictly ascending.
    pub timestamps: &'a [i64],
    /// As long as `timestamps`.
    pub values: ColumnView<'a>,
    /// As [`Series::starts`].
    pub starts: Option<&'a [i64]>,
}

/// Which samples of a range a scan is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of them.
    All,
    /// The newest of each series; others may come before it.
    Newest,
}

/// A single event behind a sample, such as the trace of one request that was counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// What names it, such as `trace_id`; not the labels of its series.
    pub labels: Labels,
    /// When it was seen, milliseconds since the epoch.
    pub t_ms: i64,
    /// The value that was observed.
    pub value: f64,
}

/// The exemplars of one series, in ascending order of time; several may have the same.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesExemplars {
    /// Name of the series.
    pub series: Labels,
    /// At least one.
    pub exemplars: Vec<Exemplar>,
}

/// What a family of metrics is, in the words of OpenMetrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MetadataKind {
    /// Grows until it begins anew.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts of observations by size.
    Histogram,
    /// Counts by size that go up and down.
    GaugeHistogram,
    /// Quantiles of observations.
    Summary,
    /// Texts that belong to what is measured.
    Info,
    /// Which of several states holds.
    StateSet,
    /// Nobody said.
    #[default]
    Unknown,
}

impl MetadataKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Counter,
        Self::Gauge,
        Self::Histogram,
        Self::GaugeHistogram,
        Self::Summary,
        Self::Info,
        Self::StateSet,
        Self::Unknown,
    ];

    /// Its name, as Prometheus writes it in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Summary => "summary",
            Self::Info => "info",
            Self::StateSet => "stateset",
            Self::Unknown => "unknown",
        }
    }
}

/// What is said about a family of metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// What it is.
    pub kind: MetadataKind,
    /// What it means, in words; may be empty.
    pub help: Arc<str>,
    /// What it is measured in, such as `seconds`; may be empty.
    pub unit: Arc<str>,
}

/// How much a call may read, and how long it may take.
#[derive(Clone, Debug)]
pub struct ReadLimit {
    /// Most samples that one call returns; a native histogram may count as one for every 16 bytes that it takes.
    pub samples_max: usize,
    /// Most series that one call returns.
    pub series_max: usize,
    /// When to give up.
    pub deadline: Option<Instant>,
    /// Set by whoever no longer wants the answer.
    pub cancelled: Arc<AtomicBool>,
    /// What the samples' memory is drawn from; `None`: from nothing.
    pub memory: Option<Meter>,
    /// Samples that the caller holds beside those that the call returns.
    pub held: usize,
}

/// What a sample takes while a query is answered, about: time and value as they were read, and as they are merged.
const SAMPLE_BYTES: u64 = 32;

impl ReadLimit {
    /// No limit but the caller's memory: for tests and for reads whose size is known.
    #[must_use]
    pub fn unlimited() -> Self {
        Self {
            samples_max: usize::MAX,
            series_max: usize::MAX,
            deadline: None,
            cancelled: Arc::default(),
            memory: None,
            held: 0,
        }
    }

    /// Draws the memory of so many samples, beside those that are held already.
    ///
    /// # Errors
    ///
    /// [`ReadError::Memory`].
    pub fn draw(&self, samples: usize) -> Result<(), ReadError> {
        let Some(memory) = &self.memory else { return Ok(()) };
        let all = self.held.saturating_add(samples);
        let bytes = u64::try_from(all).unwrap_or(u64::MAX).saturating_mul(SAMPLE_BYTES);
        if memory.reach(bytes) {
            return Ok(());
        }
        let (used, limit) = (memory.budget().used_bytes(), memory.budget().limit_bytes());
        Err(ReadError::Memory(format!(
            "it holds {all} by now, and of the budget of {limit} bytes {used} are in use; ask for less at once, or \
             raise `memory_max`"
        )))
    }

    /// Whether to go on; to be asked every few thousand samples. `now` is read by the caller, as nothing here reads a
    /// clock; `None` looks at the cancellation only.
    ///
    /// # Errors
    ///
    /// [`ReadError::Cancelled`] and [`ReadError::Deadline`].
    pub fn check(&self, now: Option<Instant>) -> Result<(), ReadError> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(ReadError::Cancelled);
        }
        match (self.deadline, now) {
            (Some(deadline), Some(now)) if now >= deadline => Err(ReadError::Deadline),
            _ => Ok(()),
        }
    }
}

/// Why nothing was read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Whoever asked went away.
    #[error("the query was cancelled")]
    Cancelled,
    /// The time allowed for it is over.
    #[error("the query timed out while reading samples")]
    Deadline,
    /// More series match than a call may return; holds the limit.
    #[error("the query matches more than {0} series: narrow its selectors")]
    TooManySeries(usize),
    /// More samples lie in the range than a call may return; holds the limit.
    #[error("the query would read more than {0} samples: narrow its selectors or its time range")]
    TooManySamples(usize),
    /// No memory left in the budget.
    #[error("not enough memory for the query's samples: {0}")]
    Memory(String),
    /// Stored bytes do not match their checksum or format; says which.
    #[error("stored samples are damaged: {0}")]
    Corrupt(String),
    /// The system refused to read; says what and why.
    #[error("reading samples: {0}")]
    Io(String),
}

impl ReadError {
    /// What the caller can do about it.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::TooManySeries(_) | Self::TooManySamples(_) | Self::Memory(_) => ErrorKind::Limited,
            Self::Cancelled | Self::Deadline => ErrorKind::Unavailable,
            Self::Corrupt(_) => ErrorKind::Corrupt,
            Self::Io(_) => ErrorKind::Unavailable,
        }
    }
}

/// Something that series can be read from.
pub trait SeriesSource: Send + Sync {
    /// Series that match and have a sample in the range, sorted by their labels. The samples are those within the range,
    /// and only those.
    ///
    /// # Errors
    ///
    /// A limit was hit, or the samples cannot be read.
    fn select(&self, what: &Select, limit: &ReadLimit) -> Result<Vec<Series>, ReadError>;

    /// As [`Self::select`], but lends the series one by one, in the same order, so that nobody has to hold them all.
    /// `each` says whether it wants more. [`ReadLimit::samples_max`] counts the samples of one series at a time here.
    ///
    /// # Errors
    ///
    /// As [`Self::select`].
    fn scan(
        &self,
        what: &Select,
        wanted: Wanted,
        limit: &ReadLimit,
        each: &mut dyn FnMut(SeriesView<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let _hint = wanted;
        for series in self.select(what, limit)? {
            if each(series.view()).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Names of the labels of the series that match, sorted, none twice.
    ///
    /// # Errors
    ///
    /// As [`Self::select`].
    fn label_names(&self, what: &Select, limit: &ReadLimit) -> Result<Vec<String>, ReadError>;

    /// Values that a label has in the series that match, sorted, none twice.
    ///
    /// # Errors
    ///
    /// As [`Self::select`].
    fn label_values(&self, name: &str, what: &Select, limit: &ReadLimit) -> Result<Vec<String>, ReadError>;

    /// Labels of the series that match, sorted, none twice; without their samples.
    ///
    /// # Errors
    ///
    /// As [`Self::select`].
    fn series(&self, what: &Select, limit: &ReadLimit) -> Result<Vec<Labels>, ReadError>;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_read_stops_when_it_is_cancelled_or_late() {
        let now = Instant::now();
        let late = now + Duration::from_secs(2);
        let limit = ReadLimit { deadline: Some(now + Duration::from_secs(1)), ..ReadLimit::unlimited() };
        assert_eq!((limit.check(Some(now)), limit.check(None)), (Ok(()), Ok(())));
        assert_eq!(limit.check(Some(late)), Err(ReadError::Deadline));
        limit.cancelled.store(true, Ordering::Relaxed);
        assert_eq!(limit.check(Some(late)), Err(ReadError::Cancelled));
        assert_eq!(ReadLimit::unlimited().check(Some(late)), Ok(()));
    }

    #[test]
    fn columns_are_read_by_place() {
        let floats = Column::Floats([1.0, 2.0].into());
        let mixed = Column::Mixed([Value::Float(3.0), Value::Histogram(Arc::default())].into());
        assert_eq!((floats.len(), floats.get(1), floats.get(2)), (2, Some(Value::Float(2.0)), None));
        assert_eq!((mixed.len(), mixed.get(0), mixed.is_empty()), (2, Some(Value::Float(3.0)), false));
    }
}
