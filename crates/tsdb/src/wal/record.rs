//! Records of the log: which series there are, their samples, deletions. Bytes: `docs/formats/metrics.md`.

use std::sync::Arc;

use hinomi_series::{Histogram, Labels, MatchOp, Matcher, Value};

use crate::bytes::{Fault, Reader, as_u64, put_bytes, put_signed, put_varint};
use crate::codec::{put_histogram, put_xor, take_histogram, take_xor};

const EPOCH: u8 = 1;
const APPEND: u8 = 2;
const DELETE: u8 = 3;

const PART_SERIES: u8 = 1;
const PART_FLOATS: u8 = 2;
const PART_HISTOGRAMS: u8 = 3;

/// A record is closed when it has this many bytes; one more entry always fits below a frame's limit of 1 MiB.
const RECORD_BYTES: usize = 256 << 10;

/// Number that stands for a series in the records that follow.
#[derive(Debug, PartialEq)]
pub(crate) struct SeriesEntry {
    pub(crate) id: u32,
    pub(crate) tenant: String,
    pub(crate) labels: Labels,
}

/// A sample of a series.
#[derive(Debug, PartialEq)]
pub(crate) struct SampleEntry {
    pub(crate) id: u32,
    pub(crate) t: i64,
    pub(crate) value: Value,
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
    /// Series and samples, in the order in which they were taken.
    Append(Vec<SeriesEntry>, Vec<SampleEntry>),
    /// A deletion.
    Delete(DeleteRecord),
}

/// Makes records of a batch.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    records: Vec<Vec<u8>>,
    record: Vec<u8>,
    part: u8,
    last_id: i64,
    last_t: i64,
}

impl Encoder {
    fn begin(&mut self, part: u8) {
        if self.record.len() >= RECORD_BYTES {
            self.records.push(std::mem::take(&mut self.record));
        }
        if self.record.is_empty() {
            self.record.push(APPEND);
            (self.part, self.last_id, self.last_t) = (0, 0, 0);
        }
        // A run of entries of one kind is preceded by the kind, and each of them but the first by a zero.
        if self.part == part {
            self.record.push(0);
        } else {
            self.record.push(part);
            self.part = part;
        }
    }

    /// Names a series.
    pub(crate) fn series(&mut self, id: u32, tenant: &str, labels: &Labels) {
        self.begin(PART_SERIES);
        put_varint(&mut self.record, u64::from(id));
        put_bytes(&mut self.record, tenant.as_bytes());
        put_labels(&mut self.record, labels);
    }

    /// Adds a sample of a series that was named since the last epoch.
    pub(crate) fn sample(&mut self, id: u32, t: i64, value: &Value) {
        let part = if matches!(value, Value::Float(_)) { PART_FLOATS } else { PART_HISTOGRAMS };
        self.begin(part);
        put_signed(&mut self.record, i64::from(id).wrapping_sub(self.last_id));
        put_signed(&mut self.record, t.wrapping_sub(self.last_t));
        (self.last_id, self.last_t) = (i64::from(id), t);
        match value {
            Value::Float(value) => put_xor(&mut self.record, 0, value.to_bits()),
            Value::Histogram(histogram) => put_histogram(&mut self.record, None, histogram),
        }
    }

    /// The records.
    pub(crate) fn finish(mut self) -> Vec<Vec<u8>> {
        if !self.record.is_empty() {
            self.records.push(self.record);
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
    let mut pairs = Vec::new();
    for _ in 0..len {
        pairs.push((reader.text()?, reader.text()?));
    }
    Ok(Labels::from_pairs(pairs))
}

/// Reads a record.
pub(crate) fn decode(payload: &[u8]) -> Result<Record, Fault> {
    let mut reader = Reader(payload);
    match reader.byte()? {
        EPOCH => Ok(Record::Epoch),
        APPEND => decode_append(&mut reader),
        DELETE => Ok(Record::Delete(DeleteRecord::take(&mut reader)?)),
        _ => Err("a record of an unknown kind"),
    }
}

fn decode_append(reader: &mut Reader<'_>) -> Result<Record, Fault> {
    let (mut series, mut samples) = (Vec::new(), Vec::new());
    let (mut part, mut last_id, mut last_t) = (0, 0_i64, 0_i64);
    while !reader.is_empty() {
        let byte = reader.byte()?;
        if byte != 0 {
            part = byte;
        }
        if part == PART_SERIES {
            let id = reader.varint32()?;
            let tenant = reader.text()?.to_owned();
            series.push(SeriesEntry { id, tenant, labels: take_labels(reader)? });
            continue;
        }
        last_id = last_id.wrapping_add(reader.signed()?);
        last_t = last_t.wrapping_add(reader.signed()?);
        let id = u32::try_from(last_id).map_err(|_| "a series has an impossible number")?;
        let value = match part {
            PART_FLOATS => Value::Float(f64::from_bits(take_xor(reader, 0)?)),
            PART_HISTOGRAMS => {
                let histogram: Histogram = take_histogram(reader, None)?;
                Value::Histogram(Arc::new(histogram))
            }
            _ => return Err("entries of an unknown kind"),
        };
        samples.push(SampleEntry { id, t: last_t, value });
    }
    Ok(Record::Append(series, samples))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_comes_back_in_order() {
        let labels = Labels::from_pairs([("__name__", "up"), ("job", "a")]);
        let histogram = Histogram { count: 3.0, sum: 1.5, schema: 3, ..Histogram::default() };
        let values = [Value::Float(1.0), Value::Histogram(Arc::new(histogram)), Value::Float(f64::NAN)];
        let mut encoder = Encoder::default();
        encoder.series(7, "default", &labels);
        for (n, value) in values.iter().enumerate() {
            encoder.sample(7, 1_700_000_000_000 + i64::try_from(n).unwrap(), value);
            encoder.sample(9, -5, value);
        }
        let records = encoder.finish();
        let Ok(Record::Append(series, samples)) = decode(&records[0]) else { panic!("an append") };
        assert_eq!(series, [SeriesEntry { id: 7, tenant: "default".to_owned(), labels }]);
        let seen: Vec<_> = samples.iter().map(|s| (s.id, s.t)).collect();
        let t = 1_700_000_000_000;
        assert_eq!(seen, [(7, t), (9, -5), (7, t + 1), (9, -5), (7, t + 2), (9, -5)]);
        assert_eq!(samples[2].value, values[1]);
        assert_eq!(samples[5].value.as_float().unwrap().to_bits(), f64::NAN.to_bits());
    }

    #[test]
    fn a_large_batch_becomes_several_records() {
        let labels = Labels::from_pairs([("a", "b".repeat(60_000))]);
        let mut encoder = Encoder::default();
        for id in 0..20 {
            encoder.series(id, "default", &labels);
            encoder.sample(id, 5, &Value::Float(1.0));
        }
        let records = encoder.finish();
        assert!(records.len() > 2 && records.iter().all(|record| record.len() < 1 << 20));
        let samples = records.iter().map(|record| match decode(record) {
            Ok(Record::Append(_, samples)) => samples.len(),
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
