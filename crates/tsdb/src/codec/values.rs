//! Columns of floats.

use std::cell::RefCell;
use std::sync::Arc;

use super::decimal::{Decimal, from_decimal, to_decimal};
use super::packed::unpco;
use super::xor::{decode_xor, encode_xor};
use super::{Effort, Encoder, decompress, pco_config};
use crate::bytes::{Fault, Reader, as_u64, put_signed, put_varint};
use crate::room;

const CONSTANT: u8 = 0;
const LINEAR: u8 = 1;
const INTEGERS: u8 = 2;
const FLOATS: u8 = 3;
const STEPS: u8 = 4;
const XOR: u8 = 5;
/// With this bit, patches stand before the form's own bytes.
const PATCHED: u8 = 0x80;

/// Where the other forms take more bytes a number than this, those of decimals are tried as floats too.
const FLOATS_FROM: usize = 2;
/// `pco` does not pay below this many numbers.
const PCO_MIN: usize = 24;

/// Appends the column in the smallest of the forms that were tried.
pub(crate) fn encode_values(encoder: &mut Encoder, values: &[f64], out: &mut Vec<u8>) {
    let Some(first) = values.first() else { return };
    if values.iter().all(|value| value.to_bits() == first.to_bits()) {
        out.push(CONSTANT);
        out.extend_from_slice(&first.to_bits().to_le_bytes());
        return;
    }
    let decimal = to_decimal(values);
    if let Some(decimal) = &decimal
        && let Some(line) = linear(decimal)
    {
        out.extend_from_slice(&line);
        return;
    }
    let mut best = vec![XOR];
    encode_xor(values, &mut best);
    if let Some(decimal) = &decimal {
        offer(&mut best, integers(encoder.effort, decimal));
        offer(&mut best, steps_of_steps(encoder, decimal));
    }
    let dear = best.len() > values.len().saturating_mul(FLOATS_FROM);
    if decimal.is_none() || (encoder.effort == Effort::Thorough && dear) {
        offer(&mut best, floats(encoder.effort, values));
    }
    out.extend_from_slice(&best);
}

fn offer(best: &mut Vec<u8>, candidate: Option<Vec<u8>>) {
    if let Some(candidate) = candidate.filter(|candidate| candidate.len() < best.len()) {
        *best = candidate;
    }
}

fn head(tag: u8, decimal: &Decimal) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    if decimal.patches.is_empty() {
        out.push(tag);
    } else {
        out.push(tag | PATCHED);
        put_varint(&mut out, as_u64(decimal.patches.len()));
        let mut next = 0;
        for (at, bits) in &decimal.patches {
            put_varint(&mut out, as_u64(at.saturating_sub(next)));
            out.extend_from_slice(&bits.to_le_bytes());
            next = at.saturating_add(1);
        }
    }
    out.push(decimal.exponent);
    put_signed(&mut out, decimal.base);
    put_varint(&mut out, decimal.factor);
    out
}

fn linear(decimal: &Decimal) -> Option<Vec<u8>> {
    // Where the stride is not zero the common factor is the stride, so that it is 1, -1 or 0 here.
    let stride = decimal.steps.get(1)?.wrapping_sub(*decimal.steps.first()?);
    let mut pairs = decimal.steps.windows(2);
    let even = pairs.all(|pair| matches!(pair, [a, b] if b.wrapping_sub(*a) == stride));
    even.then(|| {
        let mut out = head(LINEAR, decimal);
        put_signed(&mut out, stride);
        out
    })
}

fn integers(effort: Effort, decimal: &Decimal) -> Option<Vec<u8>> {
    if decimal.steps.len() < PCO_MIN {
        return None;
    }
    let mut out = head(INTEGERS, decimal);
    out.extend(pco::standalone::simple_compress(&decimal.steps, &pco_config(effort)).ok()?);
    Some(out)
}

fn steps_of_steps(encoder: &mut Encoder, decimal: &Decimal) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(decimal.steps.len().saturating_mul(2));
    let (mut last, mut last_step) = (0_i64, 0_i64);
    for number in &decimal.steps {
        let step = number.wrapping_sub(last);
        put_signed(&mut plain, step.wrapping_sub(last_step));
        (last, last_step) = (*number, step);
    }
    let mut out = head(STEPS, decimal);
    encoder.compress(&plain, &mut out).then_some(out)
}

fn floats(effort: Effort, values: &[f64]) -> Option<Vec<u8>> {
    if values.len() < PCO_MIN {
        return None;
    }
    let config = match effort {
        Effort::Quick | Effort::Careful => pco_config(effort).with_delta_spec(pco::DeltaSpec::NoOp),
        Effort::Thorough => pco_config(effort),
    };
    let mut out = vec![FLOATS];
    out.extend(pco::standalone::simple_compress(values, &config).ok()?);
    Some(out)
}

/// The value that all of a column have, if its form says so.
pub(crate) fn constant_of(bytes: &[u8]) -> Option<f64> {
    let mut reader = Reader(bytes);
    (reader.byte() == Ok(CONSTANT)).then(|| reader.u64().ok().map(f64::from_bits))?
}

/// Reads a column of `count` values. Where they end up is all that is allocated: the memory of what is on the way stays
/// with the thread.
pub(crate) fn decode_values(bytes: &[u8], count: usize) -> Result<Arc<[f64]>, Fault> {
    let mut reader = Reader(bytes);
    let tag = reader.byte()?;
    let patches = if tag & PATCHED == 0 { Vec::new() } else { read_patches(&mut reader, count)? };
    room::announce(count.saturating_mul(8));
    let mut values = match tag & !PATCHED {
        CONSTANT => same(f64::from_bits(reader.u64()?), count),
        FLOATS => {
            let mut values = same(0.0, count);
            unpco(reader.rest(), Arc::get_mut(&mut values).unwrap_or_default())?;
            values
        }
        XOR => decode_xor(&mut reader, count)?.into(),
        form => decode_decimal(form, &mut reader, count)?,
    };
    for (at, bits) in patches {
        if let Some(value) = Arc::get_mut(&mut values).and_then(|values| values.get_mut(at)) {
            *value = f64::from_bits(bits);
        }
    }
    Ok(values)
}

fn same(value: f64, count: usize) -> Arc<[f64]> {
    std::iter::repeat_n(value, count).collect()
}

fn read_patches(reader: &mut Reader<'_>, count: usize) -> Result<Vec<(usize, u64)>, Fault> {
    let len = reader.len(count)?;
    let mut patches = Vec::with_capacity(len);
    let mut next = 0_usize;
    for _ in 0..len {
        let at = next.saturating_add(reader.len(count)?);
        patches.push((at, reader.u64()?));
        next = at.saturating_add(1);
    }
    Ok(patches)
}

fn decode_decimal(form: u8, reader: &mut Reader<'_>, count: usize) -> Result<Arc<[f64]>, Fault> {
    thread_local!(static KEPT: RefCell<Vec<i64>> = const { RefCell::new(Vec::new()) });
    let (exponent, base, factor) = (reader.byte()?, reader.signed()?, reader.varint()?);
    KEPT.with_borrow_mut(|steps| {
        steps.clear();
        steps.resize(count, 0);
        match form {
            LINEAR => line(reader.signed()?, steps),
            INTEGERS => unpco(reader.rest(), steps)?,
            STEPS => decompress(reader, |plain| sums(plain, steps))?,
            _ => return Err("a column of values in an unknown form"),
        }
        from_decimal(exponent, base, factor, steps).ok_or("an exponent of ten is over 12")
    })
}

fn line(stride: i64, steps: &mut [i64]) {
    let mut next = 0_i64;
    for step in steps {
        *step = next;
        next = next.wrapping_add(stride);
    }
}

fn sums(plain: &[u8], numbers: &mut [i64]) -> Result<(), Fault> {
    let mut reader = Reader(plain);
    let (mut number, mut step) = (0_i64, 0_i64);
    for into in numbers {
        step = step.wrapping_add(reader.signed()?);
        number = number.wrapping_add(step);
        *into = number;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::{decode_times, encode_times};

    fn round_trip(values: &[f64], effort: Effort) -> Vec<u8> {
        let mut out = Vec::new();
        encode_values(&mut Encoder::new(effort), values, &mut out);
        let back = decode_values(&out, values.len()).unwrap();
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&back), bits(values), "form {}", out[0]);
        out
    }

    #[test]
    fn each_kind_of_series_takes_its_form() {
        let up = |n: i32| f64::from(n);
        let noise = |sum: &mut f64, n: i32| {
            *sum += ((f64::from(n) * 12.9898).sin() * 43_758.545).fract().abs() * 1e6;
            *sum = sum.floor();
            Some(*sum)
        };
        let wild = |n: i32| (f64::from(n) * 0.7331).sin();
        let stale = f64::from_bits(0x7ff0_0000_0000_0002);
        let mut ending: Vec<f64> = (0..100).map(|n| up(n * 15)).collect();
        ending.push(stale);
        let cases: [(Vec<f64>, u8, usize); 7] = [
            (vec![1.0; 500], CONSTANT, 9),
            ((0..500).map(|n| up(n) * 15.0).collect(), LINEAR, 8),
            ((0..500).scan(0.0, noise).collect(), INTEGERS, 1400),
            ((0..500).map(|n| up(n % 3) / 100.0).collect(), STEPS, 120),
            ((0..500).map(wild).collect(), FLOATS, 3900),
            (vec![1.5, stale, -0.0, f64::INFINITY], XOR, 40),
            (ending, STEPS | PATCHED, 40),
        ];
        for (values, form, len) in cases {
            let out = round_trip(&values, Effort::Quick);
            assert_eq!(out[0], form, "{} bytes", out.len());
            assert!(out.len() <= len, "form {form} took {} bytes", out.len());
            round_trip(&values, Effort::Thorough);
        }
    }

    fn float() -> impl Strategy<Value = f64> {
        prop_oneof![
            4 => (-1_000_000_i32..1_000_000, 0_u8..4).prop_map(|(n, e)| f64::from(n) / 10_f64.powi(i32::from(e))),
            2 => any::<u64>().prop_map(f64::from_bits),
            1 => prop_oneof![Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(-0.0), Just(f64::MIN_POSITIVE)],
            1 => Just(f64::from_bits(0x7ff0_0000_0000_0002)),
        ]
    }

    fn times() -> impl Strategy<Value = Vec<i64>> {
        proptest::collection::vec(any::<i64>(), 1..200)
    }

    fn jitter() -> impl Strategy<Value = Vec<i64>> {
        proptest::collection::vec(0_i64..20, 1..200)
    }

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(any::<u8>(), 0..80)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn every_value_comes_back_to_the_bit(values in proptest::collection::vec(float(), 1..300)) {
            round_trip(&values, Effort::Quick);
            round_trip(&values, Effort::Thorough);
        }

        #[test]
        fn counters_come_back(steps in proptest::collection::vec(0_u32..5000, 1..300), e in 0_u8..4) {
            let mut sum = 0.0;
            let unit = 10_f64.powi(i32::from(e));
            let mut next = |step: &u32| {
                sum += f64::from(*step);
                sum / unit
            };
            let values: Vec<f64> = steps.iter().map(&mut next).collect();
            round_trip(&values, Effort::Quick);
            round_trip(&values, Effort::Thorough);
        }

        #[test]
        fn every_time_comes_back(times in times(), jitter in jitter()) {
            let even = jitter.iter().enumerate().map(|(n, jitter)| i64::try_from(n).unwrap() * 15_000 + jitter).collect();
            for times in [times, even] {
                let mut out = Vec::new();
                encode_times(&mut Encoder::new(Effort::Quick), &times, &mut out);
                prop_assert_eq!(decode_times(&out, times.len()).unwrap(), times);
            }
        }

        #[test]
        fn strange_bytes_do_no_harm(bytes in bytes(), form in 0_u8..8, count in 1_usize..200) {
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut() { *first = form | (*first & PATCHED); }
            let _values = decode_values(&bytes, count);
            let _times = decode_times(&bytes, count);
        }
    }
}
