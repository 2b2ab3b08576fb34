//! Records of the log: which series there are, their samples, deletions. Bytes: `docs/formats/metrics.md`.

use std::cell::RefCell;
use std::sync::Arc;

use hinomi_model::metrics::{Exemplar, Metadata, MetadataKind};
use hinomi_series::{Histogram, Labels, MatchOp, Matcher, Value};

use crate::bytes::{Fault, Reader, as_u64, put_bytes, put_signed, put_varint};
use crate::codec::{put_histogram, put_xor, take_histogram, take_xor, unzstd};

const EPOCH: u8 = 1;
const APPEND: u8 = 2;
const DELETE: u8 = 3;
const PACKED: u8 = 4;

const PART_SERIES: u8 = 1;
const PART_FLOATS: u8 = 2;
const PART_HISTOGRAMS: u8 = 3;
const PART_START: u8 = 4;
const PART_EXEMPLARS: u8 = 5;
const PART_METADATA: u8 = 6;

/// A record is closed when it has this many bytes; one more entry always fits below a frame's limit of 1 MiB.
const RECORD_BYTES: usize = 256 << 10;

/// Most bytes of a record when decompressed: as of one that is not compressed.
const PLAIN_BYTES_MAX: usize = 1 << 20;
/// Records that name series are compressed from this many bytes on: their labels are much alike.
const PACK_BYTES_MIN: usize = 512;

/// Number that stands for a series in the records that follow.
#[derive(Debug, PartialEq)]
pub(crate) struct SeriesEntry {
    pub(crate) id: u32,
    pub(crate) tenant: Arc<str>,
    pub(crate) labels: Labels,
}

/// A sample of a series.
#[derive(Debug, PartialEq)]
pub(crate) struct SampleEntry {
    pub(crate) id: u32,
    pub(crate) t: i64,
    /// From this sample on, what the series counts began then.
    pub(crate) start: Option<i64>,
    pub(crate) value: Value,
}

/// An exemplar of a series.
#[derive(Debug, PartialEq)]
pub(crate) struct ExemplarEntry {
    pub(crate) id: u32,
    pub(crate) exemplar: Exemplar,
}

/// What is said about a family of metrics.
#[derive(Debug, PartialEq)]
pub(crate) struct MetadataEntry {
    pub(crate) tenant: String,
    pub(crate) family: String,
    pub(crate) metadata: Metadata,
}

/// What a record holds; samples and exemplars are each in the order in which they were taken.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Entries {
    pub(crate) series: Vec<SeriesEntry>,
    pub(crate) samples: Vec<SampleEntry>,
    pub(crate) exemplars: Vec<ExemplarEntry>,
    pub(crate) metadata: Vec<MetadataEntry>,
}

/// A deletion.
#[derive(Clone, Debug)]
pub(crate) struct DeleteRecord {
    pub(crate) tenant: String,
    /// It concerns what the head held then and blocks with numbers below this one.
    pub(crate) below_block: u64,
    pub(crate) from_ms: i64,
    pub(crate) to_ms: i64,
    pub(crate) matchers: Vec<Matcher>,
}

/// What a record says.
#[derive(Debug)]
pub(crate) enum Record {
    /// From here on, every series is named again before its first sample.
    Epoch,
    /// What was appended.
    Append(Entries),
    /// A deletion.
    Delete(DeleteRecord),
}

/// Makes records of a batch.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    records: Vec<Vec<u8>>,
    record: Vec<u8>,
    /// Whether the record names a series.
    names: bool,
    part: u8,
    last_id: i64,
    last_t: i64,
}

impl Encoder {
    /// One that expects about so many bytes.
    pub(crate) fn with_room(bytes: usize) -> Self {
        Self { record: Vec::with_capacity(bytes.min(RECORD_BYTES)), ..Self::default() }
    }

    /// Begins a record if there is none, or if the last one is full.
    fn room(&mut self) {
        if self.record.len() >= RECORD_BYTES {
            self.close();
        }
        if self.record.is_empty() {
            self.record.push(APPEND);
            (self.part, self.last_id, self.last_t) = (0, 0, 0);
        }
    }

    fn close(&mut self) {
        let record = std::mem::take(&mut self.record);
        let packed = std::mem::take(&mut self.names).then(|| pack(&record)).flatten();
        self.records.push(packed.unwrap_or(record));
    }

    /// A run of entries of one kind is preceded by the kind, and each of them but the first by a zero.
    fn begin(&mut self, part: u8) {
        if self.part == part {
            self.record.push(0);
        } else {
            self.record.push(part);
            self.part = part;
        }
    }

    /// Names a series.
    pub(crate) fn series(&mut self, id: u32, tenant: &str, labels: &Labels) {
        self.room();
        self.names = true;
        self.begin(PART_SERIES);
        put_varint(&mut self.record, u64::from(id));
        put_bytes(&mut self.record, tenant.as_bytes());
        put_labels(&mut self.record, labels);
    }

    /// Adds a sample of a series that was named since the last epoch; `start` where it is another one than that of the
    /// sample before.
    pub(crate) fn sample(&mut self, id: u32, t: i64, start: Option<i64>, value: &Value) {
        self.room();
        if let Some(start) = start {
            self.begin(PART_START);
            put_signed(&mut self.record, start.wrapping_sub(self.last_t));
        }
        let part = if matches!(value, Value::Float(_)) { PART_FLOATS } else { PART_HISTOGRAMS };
        self.begin(part);
        self.place(id, t);
        match value {
            Value::Float(value) => put_xor(&mut self.record, 0, value.to_bits()),
            Value::Histogram(histogram) => put_histogram(&mut self.record, None, histogram),
        }
    }

    /// Adds an exemplar of such a series.
    pub(crate) fn exemplar(&mut self, id: u32, exemplar: &Exemplar) {
        self.room();
        self.begin(PART_EXEMPLARS);
        self.place(id, exemplar.t_ms);
        put_xor(&mut self.record, 0, exemplar.value.to_bits());
        put_labels(&mut self.record, &exemplar.labels);
    }

    /// Says what a family of metrics is.
    pub(crate) fn metadata(&mut self, tenant: &str, family: &str, metadata: &Metadata) {
        self.room();
        self.begin(PART_METADATA);
        put_metadata(&mut self.record, tenant, family, metadata);
    }

    fn place(&mut self, id: u32, t: i64) {
        put_signed(&mut self.record, i64::from(id).wrapping_sub(self.last_id));
        put_signed(&mut self.record, t.wrapping_sub(self.last_t));
        (self.last_id, self.last_t) = (i64::from(id), t);
    }

    /// The records.
    pub(crate) fn finish(mut self) -> Vec<Vec<u8>> {
        if !self.record.is_empty() {
            self.close();
        }
        self.records
    }
}

impl DeleteRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![DELETE];
        self.put(&mut out);
        out
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put_bytes(out, self.tenant.as_bytes());
        put_varint(out, self.below_block);
        put_signed(out, self.from_ms);
        put_signed(out, self.to_ms);
        put_varint(out, as_u64(self.matchers.len()));
        for matcher in &self.matchers {
            out.push(match matcher.op {
                MatchOp::Equal => 0,
                MatchOp::NotEqual => 1,
                MatchOp::Regex => 2,
                MatchOp::NotRegex => 3,
            });
            put_bytes(out, matcher.name.as_bytes());
            put_bytes(out, matcher.value.as_bytes());
        }
    }

    pub(crate) fn take(reader: &mut Reader<'_>) -> Result<Self, Fault> {
        let tenant = reader.text()?.to_owned();
        let below_block = reader.varint()?;
        let (from_ms, to_ms) = (reader.signed()?, reader.signed()?);
        let len = reader.len(reader.0.len())?;
        let mut matchers = Vec::new();
        for _ in 0..len {
            let op = match reader.byte()? {
                0 => MatchOp::Equal,
                1 => MatchOp::NotEqual,
                2 => MatchOp::Regex,
                3 => MatchOp::NotRegex,
                _ => return Err("a matcher of an unknown kind"),
            };
            let (name, value) = (reader.text()?, reader.text()?);
            matchers.push(Matcher::new(op, name, value).map_err(|_| "a matcher that cannot be compiled")?);
        }
        Ok(Self { tenant, below_block, from_ms, to_ms, matchers })
    }
}

/// The record that begins an epoch.
pub(crate) fn epoch() -> Vec<u8> {
    vec![EPOCH]
}

fn put_labels(out: &mut Vec<u8>, labels: &Labels) {
    put_varint(out, as_u64(labels.len()));
    for (name, value) in labels {
        put_bytes(out, name.as_bytes());
        put_bytes(out, value.as_bytes());
    }
}

fn take_labels(reader: &mut Reader<'_>) -> Result<Labels, Fault> {
    let len = reader.len(reader.0.len())?;
    let mut pairs = Vec::with_capacity(len.min(32));
    for _ in 0..len {
        pairs.push((reader.text()?, reader.text()?));
    }
    Ok(Labels::from_pairs(pairs))
}

/// The record compressed; `None` where that does not pay.
fn pack(record: &[u8]) -> Option<Vec<u8>> {
    // A context is dear to make: one stays for each thread.
    thread_local!(static KEPT: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) });
    if record.len() < PACK_BYTES_MIN {
        return None;
    }
    let content = record.get(1..)?;
    let packed = KEPT.with_borrow_mut(|kept| {
        let compressor = match kept {
            Some(kept) => kept,
            None => kept.insert(zstd::bulk::Compressor::new(1).ok()?),
        };
        compressor.compress(content).ok()
    })?;
    let mut out = vec![PACKED];
    put_varint(&mut out, as_u64(content.len()));
    out.extend_from_slice(&packed);
    (out.len() < record.len()).then_some(out)
}

/// Reads a record.
pub(crate) fn decode(payload: &[u8]) -> Result<Record, Fault> {
    let mut reader = Reader(payload);
    match reader.byte()? {
        PACKED => {
            let len = reader.len(PLAIN_BYTES_MAX)?;
            decode_append(&mut Reader(&unzstd(reader.rest(), len)?))
        }
        EPOCH => Ok(Record::Epoch),
        APPEND => decode_append(&mut reader),
        DELETE => Ok(Record::Delete(DeleteRecord::take(&mut reader)?)),
        _ => Err("a record of an unknown kind"),
    }
}

/// Appends what is said about a family of a tenant.
pub(crate) fn put_metadata(out: &mut Vec<u8>, tenant: &str, family: &str, metadata: &Metadata) {
    put_bytes(out, tenant.as_bytes());
    put_bytes(out, family.as_bytes());
    out.push(match metadata.kind {
        MetadataKind::Unknown => 0,
        MetadataKind::Counter => 1,
        MetadataKind::Gauge => 2,
        MetadataKind::Histogram => 3,
        MetadataKind::GaugeHistogram => 4,
        MetadataKind::Summary => 5,
        MetadataKind::Info => 6,
        MetadataKind::StateSet => 7,
    });
    put_bytes(out, metadata.help.as_bytes());
    put_bytes(out, metadata.unit.as_bytes());
}

/// Undoes [`put_metadata`].
pub(crate) fn take_metadata(reader: &mut Reader<'_>) -> Result<MetadataEntry, Fault> {
    let (tenant, family) = (reader.text()?.to_owned(), reader.text()?.to_owned());
    let kind = match reader.byte()? {
        1 => MetadataKind::Counter,
        2 => MetadataKind::Gauge,
        3 => MetadataKind::Histogram,
        4 => MetadataKind::GaugeHistogram,
        5 => MetadataKind::Summary,
        6 => MetadataKind::Info,
        7 => MetadataKind::StateSet,
        _ => MetadataKind::Unknown,
    };
    let (help, unit) = (reader.text()?.into(), reader.text()?.into());
    Ok(MetadataEntry { tenant, family, metadata: Metadata { kind, help, unit } })
}

/// What stands before an entry's own content, as the entries before it left it.
#[derive(Default)]
struct Place {
    last_id: i64,
    last_t: i64,
    start: Option<i64>,
}

impl Place {
    fn take(&mut self, reader: &mut Reader<'_>) -> Result<(u32, i64), Fault> {
        self.last_id = self.last_id.wrapping_add(reader.signed()?);
        self.last_t = self.last_t.wrapping_add(reader.signed()?);
        let id = u32::try_from(self.last_id).map_err(|_| "a series has an impossible number")?;
        Ok((id, self.last_t))
    }

    fn sample(&mut self, reader: &mut Reader<'_>, part: u8) -> Result<SampleEntry, Fault> {
        let (id, t) = self.take(reader)?;
        let value = if part == PART_FLOATS {
            Value::Float(f64::from_bits(take_xor(reader, 0)?))
        } else {
            let histogram: Histogram = take_histogram(reader, None)?;
            Value::Histogram(Arc::new(histogram))
        };
        Ok(SampleEntry { id, t, start: self.start.take(), value })
    }

    fn exemplar(&mut self, reader: &mut Reader<'_>) -> Result<ExemplarEntry, Fault> {
        let (id, t_ms) = self.take(reader)?;
        let value = f64::from_bits(take_xor(reader, 0)?);
        Ok(ExemplarEntry { id, exemplar: Exemplar { labels: take_labels(reader)?, t_ms, value } })
    }
}

fn decode_append(reader: &mut Reader<'_>) -> Result<Record, Fault> {
    let mut entries = Entries::default();
    let (mut part, mut place) = (0, Place::default());
    while !reader.is_empty() {
        let byte = reader.byte()?;
        if byte != 0 {
            part = byte;
        }
        match part {
            PART_SERIES => {
                let (id, tenant) = (reader.varint32()?, reader.text()?);
                let last = entries.series.last().filter(|last| *last.tenant == *tenant);
                let tenant = last.map_or_else(|| tenant.into(), |last| Arc::clone(&last.tenant));
                entries.series.push(SeriesEntry { id, tenant, labels: take_labels(reader)? });
            }
            PART_START => place.start = Some(place.last_t.wrapping_add(reader.signed()?)),
            PART_FLOATS | PART_HISTOGRAMS => entries.samples.push(place.sample(reader, part)?),
            PART_EXEMPLARS => entries.exemplars.push(place.exemplar(reader)?),
            PART_METADATA => entries.metadata.push(take_metadata(reader)?),
            _ => return Err("entries of an unknown kind"),
        }
    }
    Ok(Record::Append(entries))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_comes_back_in_order() {
        let labels = Labels::from_pairs([("__name__", "up"), ("job", "a")]);
        let histogram = Histogram { count: 3.0, sum: 1.5, schema: 3, ..Histogram::default() };
        let values = [Value::Float(1.0), Value::Histogram(Arc::new(histogram)), Value::Float(f64::NAN)];
        let exemplar = |t_ms| Exemplar { labels: labels.clone(), t_ms, value: -0.5 };
        let metadata = Metadata { kind: MetadataKind::StateSet, help: "what".into(), unit: "seconds".into() };
        let mut encoder = Encoder::default();
        encoder.series(7, "default", &labels);
        for (n, value) in values.iter().enumerate() {
            let t = 1_700_000_000_000 + i64::try_from(n).unwrap();
            encoder.sample(7, t, (n > 0).then_some(t - 60_000), value);
            encoder.exemplar(7, &exemplar(t + 5));
            encoder.sample(9, -5, None, value);
        }
        encoder.metadata("default", "up", &metadata);
        let records = encoder.finish();
        let Ok(Record::Append(entries)) = decode(&records[0]) else { panic!("an append") };
        let family = |family: &str| MetadataEntry {
            tenant: "default".to_owned(),
            family: family.to_owned(),
            metadata: metadata.clone(),
        };
        assert_eq!(entries.metadata, [family("up")]);
        let t = 1_700_000_000_000;
        let of = |t_ms| ExemplarEntry { id: 7, exemplar: exemplar(t_ms) };
        assert_eq!(entries.exemplars, [of(t + 5), of(t + 6), of(t + 7)]);
        assert_eq!(entries.series, [SeriesEntry { id: 7, tenant: "default".into(), labels }]);
        let samples = entries.samples;
        let seen: Vec<_> = samples.iter().map(|s| (s.id, s.t)).collect();
        assert_eq!(seen, [(7, t), (9, -5), (7, t + 1), (9, -5), (7, t + 2), (9, -5)]);
        let starts: Vec<_> = samples.iter().map(|s| s.start).collect();
        assert_eq!(starts, [None, None, Some(t + 1 - 60_000), None, Some(t + 2 - 60_000), None]);
        assert_eq!(samples[2].value, values[1]);
        assert_eq!(samples[5].value.as_float().unwrap().to_bits(), f64::NAN.to_bits());
        for kind in MetadataKind::ALL {
            let mut bytes = Vec::new();
            put_metadata(&mut bytes, "", "", &Metadata { kind, ..Metadata::default() });
            assert_eq!(take_metadata(&mut Reader(&bytes)).unwrap().metadata.kind, kind);
        }
    }

    #[test]
    fn a_large_batch_becomes_several_records() {
        let mut seed = 1_u64;
        let mut byte = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(32 + u8::try_from(seed >> 58).unwrap())
        };
        let labels = Labels::from_pairs([("a", (0..60_000).map(|_| byte()).collect::<String>())]);
        let mut encoder = Encoder::default();
        for id in 0..20 {
            encoder.series(id, "default", &labels);
            encoder.sample(id, 5, Some(3), &Value::Float(1.0));
        }
        let records = encoder.finish();
        assert!(records.len() > 2 && records.iter().all(|record| record.len() < 400 << 10));
        assert!(records[0].len() < 100_000 && records[0][0] == PACKED, "the same labels over and over");
        let samples = records.iter().map(|record| match decode(record) {
            Ok(Record::Append(entries)) => entries.samples.len(),
            other => panic!("{other:?}"),
        });
        assert_eq!(samples.sum::<usize>(), 20);
    }

    #[test]
    fn a_deletion_comes_back() {
        let matchers = vec![Matcher::equal("a", "b"), Matcher::new(MatchOp::NotRegex, "c", "d|e").unwrap()];
        let record =
            DeleteRecord { tenant: "t".to_owned(), below_block: 9, from_ms: i64::MIN, to_ms: 7, matchers };
        let Ok(Record::Delete(back)) = decode(&record.encode()) else { panic!("a deletion") };
        assert_eq!((back.from_ms, back.to_ms, back.below_block), (i64::MIN, 7, 9));
        assert_eq!(back.encode(), record.encode());
    }
}
