//! Floats as differences of their bits, in whole bytes: fast, and never much larger than the numbers themselves.

use crate::bytes::{Fault, Reader};

/// Appends the difference between the bits of two values: a control byte (low four bits: how many bytes follow; high
/// four bits: how many zero bytes lie below them), then those bytes, the lowest first. Returns nothing but bytes.
pub(crate) fn put_xor(out: &mut Vec<u8>, last: u64, bits: u64) {
    let xor = last ^ bits;
    if xor == 0 {
        out.push(0);
        return;
    }
    let below = xor.trailing_zeros() / 8;
    let len = 8 - xor.leading_zeros() / 8 - below;
    let shifted = (xor >> (8 * below)).to_le_bytes();
    out.push(crate::bytes::low_byte(u64::from(below << 4 | len)));
    out.extend(shifted.iter().take(crate::bytes::as_usize(u64::from(len))));
}

/// The lowest bytes of a number, by how many they are.
const MASKS: [u64; 8] =
    [0, 0xff, 0xffff, 0xff_ffff, 0xffff_ffff, 0xff_ffff_ffff, 0xffff_ffff_ffff, 0xff_ffff_ffff_ffff];

/// Undoes [`put_xor`].
#[inline]
pub(crate) fn take_xor(reader: &mut Reader<'_>, last: u64) -> Result<u64, Fault> {
    let control = reader.byte()?;
    let (len, below) = (usize::from(control & 15), u32::from(control >> 4));
    if len > 8 || below > 7 {
        return Err("a difference of floats has an impossible length");
    }
    let following = reader.0.first_chunk().copied();
    let stored = reader.take(len)?;
    let difference = match following {
        // One load, of which so many bytes are the difference.
        Some(bytes) => u64::from_le_bytes(bytes) & MASKS.get(len).copied().unwrap_or(u64::MAX),
        None => stored.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte)),
    };
    Ok(last ^ (difference << (8 * below)))
}

pub(super) fn encode_xor(values: &[f64], out: &mut Vec<u8>) {
    let mut last = 0;
    for value in values {
        put_xor(out, last, value.to_bits());
        last = value.to_bits();
    }
}

pub(super) fn decode_xor(reader: &mut Reader<'_>, count: usize) -> Result<Vec<f64>, Fault> {
    let mut last = 0;
    let mut values = Vec::with_capacity(count);
    for _ in 0..count {
        last = take_xor(reader, last)?;
        values.push(f64::from_bits(last));
    }
    Ok(values)
}
