//! Requests from samples: for agents that send, and for tests.

use std::collections::HashMap;

use hinomi_series::Labels;

/// A number at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Milliseconds since the epoch.
    pub t_ms: i64,
    /// When what it counts began, 0 where unknown; 1.0 has no place for it.
    pub start_ms: i64,
    /// The number.
    pub value: f64,
}

/// Samples of one series.
#[derive(Clone, Debug)]
pub struct TimeSeries<'a> {
    /// Its name.
    pub labels: &'a Labels,
    /// In order of time.
    pub samples: &'a [Sample],
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        let [low, ..] = value.to_le_bytes();
        out.push(low | 0x80);
        value >>= 7;
    }
    let [low, ..] = value.to_le_bytes();
    out.push(low);
}

fn bytes(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    varint(out, u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    out.extend_from_slice(bytes);
}

fn put_sample(out: &mut Vec<u8>, sample: &Sample, with_start: bool) {
    let mut body = vec![0x09];
    body.extend_from_slice(&sample.value.to_bits().to_le_bytes());
    body.push(0x10);
    varint(&mut body, sample.t_ms.cast_unsigned());
    if with_start && sample.start_ms != 0 {
        body.push(0x18);
        varint(&mut body, sample.start_ms.cast_unsigned());
    }
    bytes(out, 0x12, &body);
}

/// A `prometheus.WriteRequest`, not compressed.
#[must_use]
pub fn write_v1(series: &[TimeSeries<'_>]) -> Vec<u8> {
    let (mut out, mut body, mut label) = (Vec::new(), Vec::new(), Vec::new());
    for one in series {
        body.clear();
        for (name, value) in one.labels {
            label.clear();
            bytes(&mut label, 0x0a, name.as_bytes());
            bytes(&mut label, 0x12, value.as_bytes());
            bytes(&mut body, 0x0a, &label);
        }
        one.samples.iter().for_each(|sample| put_sample(&mut body, sample, false));
        bytes(&mut out, 0x0a, &body);
    }
    out
}

/// An `io.prometheus.write.v2.Request`, not compressed.
#[must_use]
pub fn write_v2(series: &[TimeSeries<'_>]) -> Vec<u8> {
    let mut symbols: HashMap<&str, u64> = HashMap::from([("", 0)]);
    let (mut out, mut rest, mut body, mut refs) = (vec![0x22, 0], Vec::new(), Vec::new(), Vec::new());
    for one in series {
        body.clear();
        refs.clear();
        for text in one.labels.iter().flat_map(|(name, value)| [name, value]) {
            let next = u64::try_from(symbols.len()).unwrap_or(u64::MAX);
            let number = *symbols.entry(text).or_insert_with(|| {
                bytes(&mut out, 0x22, text.as_bytes());
                next
            });
            varint(&mut refs, number);
        }
        bytes(&mut body, 0x0a, &refs);
        one.samples.iter().for_each(|sample| put_sample(&mut body, sample, true));
        bytes(&mut rest, 0x2a, &body);
    }
    out.extend(rest);
    out
}

/// Compresses a request as it travels: the block format of Snappy. `None` beyond 4 GiB.
#[must_use]
pub fn pack(raw: &[u8]) -> Option<Vec<u8>> {
    snap::raw::Encoder::new().compress_vec(raw).ok()
}
