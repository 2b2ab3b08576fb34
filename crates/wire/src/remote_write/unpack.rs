//! The block format of Snappy.

use super::{Error, RAW_MAX_BYTES};

/// Length of the text, from the header, or what is wrong with it.
fn length(packed: &[u8]) -> Result<usize, Error> {
    if packed.is_empty() {
        return Err(Error::Snappy("corrupt input"));
    }
    let len = snap::raw::decompress_len(packed).map_err(|_| Error::Snappy("corrupt input"))?;
    // A copy of 64 bytes takes three, so nothing honest grows more than that.
    if len / 22 > packed.len() {
        return Err(Error::Snappy("corrupt input"));
    }
    if len > RAW_MAX_BYTES { Err(Error::TooLarge(RAW_MAX_BYTES)) } else { Ok(len) }
}

/// Undoes the compression into `raw`, which keeps its memory between calls, and returns the part that was written.
/// `admit` is asked once, with the length, before any memory is taken for it.
///
/// # Errors
///
/// [`Error::Snappy`], [`Error::TooLarge`], and [`Error::Full`] when `admit` says no.
pub fn unpack<'a>(
    packed: &[u8],
    raw: &'a mut Vec<u8>,
    admit: impl FnOnce(usize) -> bool,
) -> Result<&'a [u8], Error> {
    let len = length(packed)?;
    super::room(admit(len))?;
    if raw.len() < len {
        raw.resize(len, 0);
    }
    let written = raw.get_mut(..len).unwrap_or_default();
    let mut decoder = snap::raw::Decoder::new();
    let count = decoder.decompress(packed, written).map_err(|_| Error::Snappy("corrupt input"))?;
    Ok(raw.get(..count).unwrap_or_default())
}
