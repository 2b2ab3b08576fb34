//! Columns of numbers as bytes: timestamps and floats, each in the form that turns out smallest.
//!
//! Bytes: `docs/formats/metrics.md`, "Columns". Everything is lossless to the bit: NaN payloads, infinities and -0.0
//! come back as they were.

mod decimal;
mod histograms;
mod times;
mod values;
mod xor;

use std::cell::RefCell;

use crate::bytes::{Fault, Reader, as_usize, put_varint};

pub(crate) use histograms::{
    decode_histograms, encode_histograms, is_storable, memory_of as size_of_histogram, put_histogram,
    take_histogram,
};
pub(crate) use times::{decode_times, encode_times};
pub(crate) use values::{decode_values, encode_values};
pub(crate) use xor::{put_xor, take_xor};

/// A column has at most this many numbers.
pub(crate) const COLUMN_MAX: usize = 8192;
/// A column has at most this many bytes when decompressed: ten per number, and room for what stands before them.
const PLAIN_BYTES_MAX: usize = COLUMN_MAX * 10 + 64;

/// Levels of `pco`, the logarithm of how many classes of numbers it tells apart.
const QUICK_LEVEL: usize = 3;
const CAREFUL_LEVEL: usize = 6;

/// How long to look for the smallest form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// For a block that is merged within hours: what usually wins, in small steps.
    Quick,
    /// For one that is merged within a day: the same, as small as it gets.
    Careful,
    /// For one that stays: `pco` searches its modes as well.
    Thorough,
}

/// Buffers and compressor state that one writer reuses.
pub(crate) struct Encoder {
    pub(crate) effort: Effort,
    zstd: zstd::bulk::Compressor<'static>,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").field("effort", &self.effort).finish_non_exhaustive()
    }
}

impl Encoder {
    pub(crate) fn new(effort: Effort) -> Self {
        let level = if effort == Effort::Thorough { 5 } else { 1 };
        let mut zstd = zstd::bulk::Compressor::default();
        // A level that zstd does not know would leave its default, which is right as well.
        let _default = zstd.set_compression_level(level);
        Self { effort, zstd }
    }

    /// Appends the length of `plain` and its compressed bytes to `out`. False: it does not get smaller.
    fn compress(&mut self, plain: &[u8], out: &mut Vec<u8>) -> bool {
        let Ok(packed) = self.zstd.compress(plain) else { return false };
        put_varint(out, crate::bytes::as_u64(plain.len()));
        out.extend_from_slice(&packed);
        packed.len() < plain.len()
    }
}

/// Undoes [`Encoder::compress`].
fn decompress(reader: &mut Reader<'_>) -> Result<Vec<u8>, Fault> {
    let len = reader.len(PLAIN_BYTES_MAX)?;
    unzstd(reader.rest(), len)
}

/// Decompresses to exactly `len` bytes; the caller has bounded `len`.
pub(crate) fn unzstd(packed: &[u8], len: usize) -> Result<Vec<u8>, Fault> {
    // A context is dear to make: one stays for each thread.
    thread_local!(static KEPT: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) });
    let plain = KEPT.with_borrow_mut(|kept| {
        let decompressor = match kept {
            Some(kept) => kept,
            None => kept.insert(zstd::bulk::Decompressor::new()?),
        };
        decompressor.decompress(packed, len)
    });
    let plain = plain.map_err(|_| "compressed bytes are damaged")?;
    if plain.len() == len { Ok(plain) } else { Err("compressed bytes have another length than stated") }
}

/// How `pco` is to compress.
fn pco_config(effort: Effort) -> pco::ChunkConfig {
    let plain = |level| {
        let config = pco::ChunkConfig::default().with_compression_level(level);
        config.with_mode_spec(pco::ModeSpec::Classic).with_delta_spec(pco::DeltaSpec::TryConsecutive(1))
    };
    match effort {
        Effort::Quick => plain(QUICK_LEVEL),
        Effort::Careful => plain(CAREFUL_LEVEL),
        Effort::Thorough => pco::ChunkConfig::default().with_compression_level(8),
    }
}

/// Decompresses `count` numbers with `pco`.
fn unpco<T: pco::data_types::Number>(packed: &[u8], count: usize) -> Result<Vec<T>, Fault> {
    let mut numbers = vec![T::default(); count];
    let progress =
        pco::standalone::simple_decompress_into(packed, &mut numbers).map_err(|_| "pco bytes are damaged")?;
    if progress.n_processed == count && progress.finished {
        Ok(numbers)
    } else {
        Err("pco bytes have another count")
    }
}

/// A stated number of elements that is used to allocate.
pub(crate) fn count_of(number: u64) -> Result<usize, Fault> {
    let count = as_usize(number);
    if count == 0 || count > COLUMN_MAX { Err("a column has no or too many numbers") } else { Ok(count) }
}
