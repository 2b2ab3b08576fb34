//! Native histograms as bytes: the layout once as long as it stays, the numbers as differences of bits.

use std::sync::Arc;

use hinomi_series::{Histogram, ResetHint, Span};

use super::xor::{put_xor, take_xor};
use super::{COLUMN_MAX, Encoder, unzstd};
use crate::bytes::{Fault, Reader, as_u64, put_signed, put_varint};

/// A histogram has at most this many buckets and listed bounds, taken together.
pub(crate) const BUCKETS_MAX: usize = 16_384;
/// A column of histograms has at most this many bytes when decompressed.
const PLAIN_BYTES_MAX: usize = 16 << 20;

const SAME_LAYOUT: u8 = 4;
const HINT: u8 = 3;

fn hint_code(hint: ResetHint) -> u8 {
    match hint {
        ResetHint::Unknown => 0,
        ResetHint::Reset => 1,
        ResetHint::NotReset => 2,
        ResetHint::Gauge => 3,
    }
}

fn hint_of(code: u8) -> ResetHint {
    match code & HINT {
        1 => ResetHint::Reset,
        2 => ResetHint::NotReset,
        3 => ResetHint::Gauge,
        _ => ResetHint::Unknown,
    }
}

fn same_layout(a: &Histogram, b: &Histogram) -> bool {
    let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    a.schema == b.schema
        && a.zero_threshold.to_bits() == b.zero_threshold.to_bits()
        && a.positive_spans == b.positive_spans
        && a.negative_spans == b.negative_spans
        && (Arc::ptr_eq(&a.custom_values, &b.custom_values)
            || bits(&a.custom_values) == bits(&b.custom_values))
}

/// Numbers that change from sample to sample, in their order.
fn numbers(histogram: &Histogram) -> impl Iterator<Item = u64> {
    [histogram.zero_count, histogram.count, histogram.sum]
        .into_iter()
        .chain(histogram.positive_buckets.iter().copied())
        .chain(histogram.negative_buckets.iter().copied())
        .map(f64::to_bits)
}

fn buckets_of(spans: &[Span]) -> Option<usize> {
    let sum = spans.iter().try_fold(0_u32, |sum, span| sum.checked_add(span.length))?;
    usize::try_from(sum).ok().filter(|sum| *sum <= BUCKETS_MAX)
}

/// Whether the histogram has as many buckets as its spans say, and not too many. Stale markers pass.
pub(crate) fn is_storable(histogram: &Histogram) -> bool {
    let fits = |spans: &[Span], buckets: &[f64]| {
        spans.len() <= BUCKETS_MAX && buckets_of(spans) == Some(buckets.len())
    };
    let sizes = [
        &histogram.positive_buckets.len(),
        &histogram.negative_buckets.len(),
        &histogram.custom_values.len(),
    ];
    let all = sizes.into_iter().fold(0, |sum: usize, size| sum.saturating_add(*size));
    fits(&histogram.positive_spans, &histogram.positive_buckets)
        && fits(&histogram.negative_spans, &histogram.negative_buckets)
        && all <= BUCKETS_MAX
}

fn put_spans(out: &mut Vec<u8>, spans: &[Span]) {
    put_varint(out, as_u64(spans.len()));
    for span in spans {
        put_signed(out, i64::from(span.offset));
        put_varint(out, u64::from(span.length));
    }
}

/// Appends a histogram, as a difference to the one before if there is one.
pub(crate) fn put_histogram(out: &mut Vec<u8>, last: Option<&Histogram>, histogram: &Histogram) {
    let last = last.filter(|last| same_layout(last, histogram));
    let hint = hint_code(histogram.reset_hint);
    if let Some(last) = last {
        out.push(hint | SAME_LAYOUT);
        for (bits, before) in numbers(histogram).zip(numbers(last)) {
            put_xor(out, before, bits);
        }
        return;
    }
    out.push(hint);
    put_signed(out, i64::from(histogram.schema));
    out.extend_from_slice(&histogram.zero_threshold.to_bits().to_le_bytes());
    put_spans(out, &histogram.positive_spans);
    put_spans(out, &histogram.negative_spans);
    put_varint(out, as_u64(histogram.custom_values.len()));
    for bound in histogram.custom_values.iter() {
        out.extend_from_slice(&bound.to_bits().to_le_bytes());
    }
    let mut before = 0;
    for bits in numbers(histogram) {
        put_xor(out, before, bits);
        before = bits;
    }
}

fn take_spans(reader: &mut Reader<'_>) -> Result<Vec<Span>, Fault> {
    let len = reader.len(BUCKETS_MAX)?;
    let mut spans = Vec::new();
    for _ in 0..len {
        let offset = i32::try_from(reader.signed()?).map_err(|_| "an offset of a span is too great")?;
        spans.push(Span { offset, length: reader.varint32()? });
    }
    Ok(spans)
}

/// Reads what [`put_histogram`] wrote, given the same histogram before it.
pub(crate) fn take_histogram(reader: &mut Reader<'_>, last: Option<&Histogram>) -> Result<Histogram, Fault> {
    let flags = reader.byte()?;
    let reset_hint = hint_of(flags);
    if flags & SAME_LAYOUT != 0 {
        let last = last.ok_or("a histogram refers to none before it")?;
        let mut before = numbers(last);
        let mut next =
            || -> Result<f64, Fault> { Ok(f64::from_bits(take_xor(reader, before.next().unwrap_or(0))?)) };
        let (zero_count, count, sum) = (next()?, next()?, next()?);
        let positive = (0..last.positive_buckets.len()).map(|_| next()).collect::<Result<Vec<_>, _>>()?;
        let negative = (0..last.negative_buckets.len()).map(|_| next()).collect::<Result<Vec<_>, _>>()?;
        let layout = Histogram {
            schema: last.schema,
            zero_threshold: last.zero_threshold,
            positive_spans: last.positive_spans.clone(),
            negative_spans: last.negative_spans.clone(),
            custom_values: Arc::clone(&last.custom_values),
            ..Histogram::default()
        };
        return Ok(Histogram {
            reset_hint,
            zero_count,
            count,
            sum,
            positive_buckets: positive,
            negative_buckets: negative,
            ..layout
        });
    }
    let schema = i32::try_from(reader.signed()?).map_err(|_| "a schema is too great")?;
    let zero_threshold = f64::from_bits(reader.u64()?);
    let (positive_spans, negative_spans) = (take_spans(reader)?, take_spans(reader)?);
    let bounds = reader.len(BUCKETS_MAX)?;
    let custom: Vec<f64> =
        (0..bounds).map(|_| Ok(f64::from_bits(reader.u64()?))).collect::<Result<_, Fault>>()?;
    let mut before = 0;
    let mut next = || -> Result<f64, Fault> {
        before = take_xor(reader, before)?;
        Ok(f64::from_bits(before))
    };
    let (zero_count, count, sum) = (next()?, next()?, next()?);
    let too_many = "a histogram has too many buckets";
    let positive = buckets_of(&positive_spans).ok_or(too_many)?;
    let negative = buckets_of(&negative_spans).ok_or(too_many)?;
    Ok(Histogram {
        reset_hint,
        schema,
        zero_threshold,
        zero_count,
        count,
        sum,
        positive_buckets: (0..positive).map(|_| next()).collect::<Result<_, _>>()?,
        negative_buckets: (0..negative).map(|_| next()).collect::<Result<_, _>>()?,
        positive_spans,
        negative_spans,
        custom_values: custom.into(),
    })
}

/// Bytes of a histogram in memory, about.
pub(crate) fn memory_of(histogram: &Histogram) -> usize {
    let numbers = histogram.positive_buckets.len().saturating_add(histogram.negative_buckets.len());
    let spans = histogram.positive_spans.len().saturating_add(histogram.negative_spans.len());
    numbers.saturating_add(spans).saturating_mul(8).saturating_add(size_of_one())
}

const fn size_of_one() -> usize {
    size_of::<Histogram>().saturating_add(32)
}

/// Appends a column; takes as many histograms from the front as one column may hold, and returns how many.
pub(crate) fn encode_histograms(
    encoder: &mut Encoder,
    column: &[Arc<Histogram>],
    out: &mut Vec<u8>,
) -> usize {
    let mut plain = Vec::new();
    let mut last: Option<&Histogram> = None;
    let mut taken = 0_usize;
    for histogram in column.iter().take(COLUMN_MAX) {
        let before = plain.len();
        put_histogram(&mut plain, last, histogram);
        if plain.len() > PLAIN_BYTES_MAX && taken > 0 {
            plain.truncate(before);
            break;
        }
        last = Some(histogram);
        taken = taken.saturating_add(1);
    }
    let mut packed = Vec::new();
    if encoder.compress(&plain, &mut packed) {
        out.push(1);
        out.extend_from_slice(&packed);
    } else {
        out.push(0);
        out.extend_from_slice(&plain);
    }
    taken
}

/// Reads a column of `count` histograms.
pub(crate) fn decode_histograms(bytes: &[u8], count: usize) -> Result<Vec<Arc<Histogram>>, Fault> {
    let mut reader = Reader(bytes);
    let plain;
    let mut inner = match reader.byte()? {
        0 => reader,
        1 => {
            let len = reader.len(PLAIN_BYTES_MAX)?;
            plain = unzstd(reader.rest(), len)?;
            Reader(&plain)
        }
        _ => return Err("a column of histograms in an unknown form"),
    };
    let mut column: Vec<Arc<Histogram>> = Vec::new();
    for _ in 0..count {
        let histogram = take_histogram(&mut inner, column.last().map(|last| &**last))?;
        column.push(Arc::new(histogram));
    }
    Ok(column)
}
