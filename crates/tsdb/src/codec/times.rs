//! Columns of timestamps.

use super::packed::unpco;
use super::{Encoder, decompress, pco_config};
use crate::bytes::{Fault, Reader, put_signed};

const LINEAR: u8 = 0;
const PLAIN: u8 = 1;
const ZSTD: u8 = 2;
const PCO: u8 = 3;

/// Appends the column: every time is a step after the one before, and steps are alike.
pub(crate) fn encode_times(encoder: &mut Encoder, times: &[i64], out: &mut Vec<u8>) {
    let Some((first, rest)) = times.split_first() else { return };
    let mut last = *first;
    let mut steps = Vec::with_capacity(rest.len());
    for time in rest {
        steps.push(time.wrapping_sub(last));
        last = *time;
    }
    let step = steps.first().copied().unwrap_or(0);
    if steps.iter().all(|other| *other == step) {
        out.push(LINEAR);
        put_signed(out, *first);
        put_signed(out, step);
        return;
    }
    let mut plain = Vec::with_capacity(times.len());
    put_signed(&mut plain, *first);
    let mut last = 0;
    for step in &steps {
        put_signed(&mut plain, step.wrapping_sub(last));
        last = *step;
    }
    let mut best = vec![PLAIN];
    best.extend_from_slice(&plain);
    let mut packed = vec![ZSTD];
    if encoder.compress(&plain, &mut packed) && packed.len() < best.len() {
        best = packed;
    }
    if let Ok(numbers) = pco::standalone::simple_compress(&steps, &pco_config(encoder.effort)) {
        let mut packed = vec![PCO];
        put_signed(&mut packed, *first);
        packed.extend_from_slice(&numbers);
        if packed.len() < best.len() {
            best = packed;
        }
    }
    out.extend_from_slice(&best);
}

/// Reads a column of `count` times, at least one.
pub(crate) fn decode_times(bytes: &[u8], count: usize) -> Result<Vec<i64>, Fault> {
    let mut reader = Reader(bytes);
    if count == 0 {
        return Err("a column without numbers");
    }
    match reader.byte()? {
        LINEAR => {
            let (first, step) = (reader.signed()?, reader.signed()?);
            let mut time = first;
            let mut times = Vec::with_capacity(count);
            for _ in 0..count {
                times.push(time);
                time = time.wrapping_add(step);
            }
            Ok(times)
        }
        PLAIN => from_steps_of_steps(&mut reader, count),
        ZSTD => decompress(&mut reader, |plain| from_steps_of_steps(&mut Reader(plain), count)),
        PCO => {
            let mut time = reader.signed()?;
            let mut times = vec![time; count];
            let steps = times.get_mut(1..).unwrap_or_default();
            unpco::<i64>(reader.rest(), steps)?;
            for step in steps {
                time = time.wrapping_add(*step);
                *step = time;
            }
            Ok(times)
        }
        _ => Err("a column of times in an unknown form"),
    }
}

fn from_steps_of_steps(reader: &mut Reader<'_>, count: usize) -> Result<Vec<i64>, Fault> {
    let mut time = reader.signed()?;
    let mut step = 0_i64;
    let mut times = Vec::with_capacity(count);
    times.push(time);
    for _ in 1..count {
        step = step.wrapping_add(reader.signed()?);
        time = time.wrapping_add(step);
        times.push(time);
    }
    Ok(times)
}
