//! What a request holds, as a batch.

use hinomi_base::budget::Meter;
use hinomi_model::metrics::{Exemplar, Metadata, MetadataKind};
use hinomi_series::{Labels, Value};
use hinomi_tsdb::{Batch, Reason};
use hinomi_wire::remote_write::{Checked, LabelSet, SeriesMetadata, Sink, Version};

/// Memory that one number, and one series, takes in a batch, about.
const FLOAT_BYTES: u64 = 40;
const SERIES_BYTES: u64 = 256;
/// What a decoded label takes beside its text, about.
const LABEL_BYTES: usize = 8;
/// Memory is drawn from the budget in steps of this.
const STEP_BYTES: u64 = 256 << 10;

/// A series of a request, the number of which is its place among those that have something to store.
#[derive(Debug)]
pub(super) struct Item<'r> {
    /// Its place in the request.
    pub(super) ordinal: u32,
    pub(super) labels: LabelSet<'r>,
    pub(super) metadata: Option<SeriesMetadata<'r>>,
    version: Version,
}

/// What a request draws from the budget.
#[derive(Debug)]
pub(super) struct Draw {
    meter: Meter,
    used: u64,
    drawn: u64,
}

impl Draw {
    /// For a request that has `held` bytes of memory already.
    pub(super) fn new(meter: &Meter, held: u64) -> Self {
        Self { meter: meter.clone(), used: held, drawn: held }
    }

    /// Whether there is room for so many bytes more.
    pub(super) fn use_bytes(&mut self, bytes: u64) -> bool {
        self.used = self.used.saturating_add(bytes);
        if self.used <= self.drawn {
            return true;
        }
        self.drawn = self.used.saturating_add(STEP_BYTES);
        self.meter.reach(self.drawn)
    }

    /// Whether there is room for so many bytes for a moment.
    fn admits(&self, bytes: usize) -> bool {
        let sum = self.used.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        sum <= self.drawn || self.meter.reach(sum)
    }

    /// Whether there is room for labels that are decoded.
    pub(super) fn labels(&mut self, labels: &Labels) -> bool {
        let bytes = labels.text_bytes().saturating_add(labels.len().saturating_mul(LABEL_BYTES));
        self.use_bytes(u64::try_from(bytes).unwrap_or(u64::MAX))
    }

    /// Whether there is room for what is said about a family.
    pub(super) fn family(&mut self, name: &str, metadata: &Metadata) -> bool {
        let bytes = name.len() + metadata.help.len() + metadata.unit.len();
        self.use_bytes(u64::try_from(bytes).unwrap_or(u64::MAX).saturating_add(SERIES_BYTES))
    }
}

/// Fills a batch.
#[derive(Debug)]
pub(super) struct Gather<'w, 'r> {
    version: Version,
    batch: &'w mut Batch,
    items: Vec<Item<'r>>,
    /// Places of the series that are wanted, ascending; `None`: all.
    only: Option<&'w [u32]>,
    ordinal: u32,
    skip: bool,
    /// Since the last series.
    samples: usize,
    exemplars: usize,
    /// What is wrong with a histogram of this series.
    bad: Option<String>,
    wrong: Option<(u32, String)>,
    draw: Draw,
}

impl<'w> Gather<'w, '_> {
    /// For a request that has most likely so many series.
    pub(super) fn new(
        version: Version,
        batch: &'w mut Batch,
        draw: Draw,
        only: Option<&'w [u32]>,
        expected: usize,
    ) -> Self {
        let mut gather = Self {
            version,
            batch,
            items: Vec::with_capacity(expected),
            only,
            ordinal: 0,
            skip: false,
            samples: 0,
            exemplars: 0,
            bad: None,
            wrong: None,
            draw,
        };
        gather.skip = gather.skips();
        gather
    }

    fn skips(&self) -> bool {
        self.only.is_some_and(|only| only.binary_search(&self.ordinal).is_err())
    }

    fn series_number(&self) -> u32 {
        u32::try_from(self.items.len()).unwrap_or(u32::MAX)
    }

    fn use_bytes(&mut self, bytes: u64) -> bool {
        self.draw.use_bytes(bytes)
    }
}

impl<'r> Gather<'_, 'r> {
    /// The series, the first thing that is wrong with one of them, and what is drawn.
    pub(super) fn finish(self) -> (Vec<Item<'r>>, Option<(u32, String)>, Draw) {
        (self.items, self.wrong, self.draw)
    }

    fn complain(&mut self, reason: impl FnOnce() -> String) {
        if self.wrong.is_none() {
            self.wrong = Some((self.ordinal, reason()));
        }
    }
}

impl<'r> Sink<'r> for Gather<'_, 'r> {
    fn admits(&mut self, bytes: usize) -> bool {
        self.draw.admits(bytes)
    }

    #[inline]
    fn float(&mut self, t_ms: i64, start_ms: i64, value: f64) -> bool {
        self.samples += 1;
        if self.skip {
            return true;
        }
        self.batch.sample_started(self.series_number(), t_ms, start_ms, value);
        self.use_bytes(FLOAT_BYTES)
    }

    fn histogram(&mut self, t_ms: i64, start_ms: i64, histogram: Checked) -> bool {
        self.samples += 1;
        if self.skip {
            return true;
        }
        match histogram {
            Ok(histogram) => {
                let bytes = u64::try_from(histogram.size_bytes()).unwrap_or(u64::MAX);
                let value = Value::Histogram(histogram.into());
                self.batch.sample_started(self.series_number(), t_ms, start_ms, value);
                self.use_bytes(bytes.saturating_add(FLOAT_BYTES))
            }
            Err(reason) => {
                self.bad.get_or_insert(reason);
                true
            }
        }
    }

    fn exemplar(&mut self, exemplar: Option<Exemplar>) -> bool {
        self.exemplars += 1;
        // One that is too long is not kept, as the engine would not keep it.
        let Some(exemplar) = exemplar.filter(|_| !self.skip) else { return true };
        let bytes = u64::try_from(exemplar.labels.text_bytes()).unwrap_or(u64::MAX);
        self.batch.exemplar(self.series_number(), exemplar);
        self.use_bytes(bytes.saturating_add(SERIES_BYTES))
    }

    #[inline]
    fn series(&mut self, labels: LabelSet<'r>, metadata: Option<SeriesMetadata<'r>>) -> bool {
        if let Some(reason) = self.bad.take() {
            let version = self.version;
            self.complain(|| of_series(reason, &labels, version));
        }
        let empty = self.samples == 0 && (self.version == Version::V2 || self.exemplars == 0);
        if empty && self.version == Version::V2 && !self.skip {
            self.complain(|| {
                format!(
                    "TimeSeries must contain at least one sample or histogram for series {}",
                    labels.shown()
                )
            });
        }
        let mut room = true;
        // An exemplar of a series without samples takes a number as well, and is refused with it.
        if !self.skip && (!empty || self.exemplars > 0) {
            let held = u64::try_from(labels.memory_bytes()).unwrap_or(u64::MAX);
            self.items.push(Item { ordinal: self.ordinal, labels, metadata, version: self.version });
            room = self.use_bytes(held.saturating_add(SERIES_BYTES));
        }
        self.ordinal = self.ordinal.saturating_add(1);
        (self.samples, self.exemplars) = (0, 0);
        self.skip = self.skips();
        room
    }

    fn family(&mut self, name: &str, metadata: Metadata) -> bool {
        if self.only.is_some() {
            return true;
        }
        let room = self.draw.family(name, &metadata);
        self.batch.metadata(name, metadata);
        room
    }
}

fn of_series(reason: String, labels: &LabelSet<'_>, version: Version) -> String {
    match version {
        Version::V1 => reason,
        Version::V2 => format!("{reason} for series {}", labels.shown()),
    }
}

/// Why a sample of a series was rejected, as Prometheus answers it.
pub(super) fn reason(reason: Reason, item: &Item<'_>) -> String {
    let text = match reason {
        Reason::Future => "out of bounds: timestamp is too far in the future",
        other => other.as_str(),
    };
    of_series(text.to_owned(), &item.labels, item.version)
}

/// The family of a metric: its name without what histograms and summaries put behind theirs.
pub(super) fn family(name: &str, kind: MetadataKind) -> &str {
    let endings: &[&str] = match kind {
        MetadataKind::Histogram | MetadataKind::GaugeHistogram => {
            &["_bucket", "_count", "_sum", "_gcount", "_gsum"]
        }
        MetadataKind::Summary => &["_count", "_sum"],
        _ => &[],
    };
    endings.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name)
}
