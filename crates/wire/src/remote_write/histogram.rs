//! Native histograms, which both versions write alike.

use std::sync::Arc;

use hinomi_series::{CUSTOM_BUCKETS_SCHEMA, Histogram, ResetHint, Span};

use super::proto::{Fields, Value, low32, zigzag, zigzag32};
use super::{Checked, Error, room};

/// Most numbers in one list of a histogram.
const LIST_MAX: usize = 65_536;
/// What a byte of a histogram may become while it is read: a count of one byte is a number of eight in a list that
/// doubles, and another one in the list that is made of it.
const GROWTH: usize = 32;

/// What is read before it is known whether counts are whole numbers.
#[derive(Debug, Default)]
struct Parts {
    histogram: Histogram,
    count: u64,
    /// Counts are floats; without any count they are whole numbers, as in Prometheus.
    float: bool,
    zero_count: u64,
    t_ms: i64,
    start_ms: i64,
    positive_deltas: Vec<i64>,
    negative_deltas: Vec<i64>,
    custom_values: Vec<f64>,
}

/// A histogram with its times.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) t_ms: i64,
    pub(super) start_ms: i64,
    pub(super) histogram: Checked,
}

pub(super) fn read(bytes: &[u8], admits: impl FnOnce(usize) -> bool) -> Result<Found, Error> {
    room(admits(bytes.len().saturating_mul(GROWTH)))?;
    let mut parts = Parts::default();
    let mut fields = Fields(bytes);
    while let Some((field, value)) = fields.next()? {
        let histogram = &mut parts.histogram;
        match field {
            1 => (parts.float, parts.count) = (false, value.varint()?),
            2 => (parts.float, histogram.count) = (true, value.double()?),
            3 => histogram.sum = value.double()?,
            4 => histogram.schema = zigzag32(value.varint()?),
            5 => histogram.zero_threshold = value.double()?,
            6 => parts.zero_count = value.varint()?,
            7 => histogram.zero_count = value.double()?,
            8 => span(&mut histogram.negative_spans, value.bytes()?)?,
            9 => deltas(&mut parts.negative_deltas, value)?,
            10 => doubles(&mut histogram.negative_buckets, value)?,
            11 => span(&mut histogram.positive_spans, value.bytes()?)?,
            12 => deltas(&mut parts.positive_deltas, value)?,
            13 => doubles(&mut histogram.positive_buckets, value)?,
            14 => histogram.reset_hint = hint(value.varint()?),
            15 => parts.t_ms = value.int64()?,
            16 => doubles(&mut parts.custom_values, value)?,
            17 => parts.start_ms = value.int64()?,
            _ => {}
        }
    }
    let (t_ms, start_ms) = (parts.t_ms, parts.start_ms);
    Ok(Found { t_ms, start_ms, histogram: finish(parts) })
}

fn hint(number: u64) -> ResetHint {
    match number {
        1 => ResetHint::Reset,
        2 => ResetHint::NotReset,
        3 => ResetHint::Gauge,
        _ => ResetHint::Unknown,
    }
}

fn span(spans: &mut Vec<Span>, bytes: &[u8]) -> Result<(), Error> {
    let mut span = Span::default();
    let mut fields = Fields(bytes);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => span.offset = zigzag32(value.varint()?),
            2 => span.length = low32(value.varint()?),
            _ => {}
        }
    }
    push(spans, span)
}

fn push<T>(list: &mut Vec<T>, item: T) -> Result<(), Error> {
    if list.len() >= LIST_MAX {
        return Err(Error::Proto("a histogram with too many buckets"));
    }
    list.push(item);
    Ok(())
}

/// Numbers of type sint64, one or a packed list.
fn deltas(list: &mut Vec<i64>, value: Value<'_>) -> Result<(), Error> {
    let Value::Bytes(packed) = value else { return push(list, zigzag(value.varint()?)) };
    let mut fields = Fields(packed);
    while !fields.0.is_empty() {
        push(list, zigzag(fields.varint()?))?;
    }
    Ok(())
}

fn doubles(list: &mut Vec<f64>, value: Value<'_>) -> Result<(), Error> {
    let Value::Bytes(packed) = value else { return push(list, value.double()?) };
    let mut fields = Fields(packed);
    while !fields.0.is_empty() {
        push(list, f64::from_bits(fields.fixed()?))?;
    }
    Ok(())
}

/// Counts from the differences between them, and their sum.
fn absolute(deltas: &[i64]) -> (Vec<f64>, i128) {
    let (mut count, mut sum) = (0_i64, 0_i128);
    let counts = deltas.iter().map(|delta| {
        count = count.wrapping_add(*delta);
        sum += i128::from(count);
        count as f64
    });
    (counts.collect(), sum)
}

fn finish(parts: Parts) -> Checked {
    let mut histogram = parts.histogram;
    histogram.custom_values = Arc::from(parts.custom_values);
    histogram.positive_spans.shrink_to_fit();
    histogram.negative_spans.shrink_to_fit();
    histogram.positive_buckets.shrink_to_fit();
    histogram.negative_buckets.shrink_to_fit();
    if parts.float {
        histogram.validate().map_err(|error| error.to_string())?;
        return Ok(histogram);
    }
    let (positive, mut sum) = absolute(&parts.positive_deltas);
    let (negative, more) = absolute(&parts.negative_deltas);
    sum += more + i128::from(parts.zero_count);
    histogram.count = parts.count as f64;
    histogram.zero_count = parts.zero_count as f64;
    histogram.positive_buckets = positive;
    histogram.negative_buckets = negative;
    histogram.validate().map_err(|error| error.to_string())?;
    whole_counts(histogram, parts.count, sum)
}

/// What only histograms of whole numbers have to keep.
fn whole_counts(histogram: Histogram, count: u64, in_buckets: i128) -> Checked {
    let custom = histogram.schema == CUSTOM_BUCKETS_SCHEMA;
    let (right, rule) = if histogram.sum.is_nan() {
        (in_buckets <= i128::from(count), "be at least the number of observations found in the buckets")
    } else {
        (
            in_buckets == i128::from(count),
            "equal the number of observations found in the buckets (in absence of NaN)",
        )
    };
    let prefix = if custom { "custom buckets: " } else { "" };
    if right {
        Ok(histogram)
    } else {
        Err(format!(
            "{prefix}{in_buckets} observations found in buckets, but the Count field is {count}: histogram's \
             observation count should {rule}"
        ))
    }
}
