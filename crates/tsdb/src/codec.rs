//! Columns of numbers as bytes: timestamps and floats, each in the form that turns out smallest.
//!
//! Bytes: `docs/formats/metrics.md`, "Columns". Everything is lossless to the bit: NaN payloads, infinities and -0.0
//! come back as they were.

mod decimal;
mod histograms;
mod packed;
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
pub(crate) use values::{constant_of, decode_values, encode_values};
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

/// Undoes [`Encoder::compress`], in memory that stays with the thread, and lends what comes out.
fn decompress<T>(reader: &mut Reader<'_>, read: impl FnOnce(&[u8]) -> Result<T, Fault>) -> Result<T, Fault> {
    thread_local!(static KEPT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) });
    let len = reader.len(PLAIN_BYTES_MAX)?;
    KEPT.with_borrow_mut(|plain| {
        unzstd_into(reader.rest(), len, plain)?;
        read(plain)
    })
}

/// Decompresses to exactly `len` bytes; the caller has bounded `len`.
pub(crate) fn unzstd(packed: &[u8], len: usize) -> Result<Vec<u8>, Fault> {
    let mut plain = Vec::new();
    unzstd_into(packed, len, &mut plain)?;
    Ok(plain)
}

fn unzstd_into(packed: &[u8], len: usize, plain: &mut Vec<u8>) -> Result<(), Fault> {
    // A context is dear to make: one stays for each thread.
    thread_local!(static KEPT: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) });
    plain.clear();
    plain.reserve(len);
    let written = KEPT.with_borrow_mut(|kept| {
        let decompressor = match kept {
            Some(kept) => kept,
            None => kept.insert(zstd::bulk::Decompressor::new()?),
        };
        decompressor.decompress_to_buffer(packed, plain)
    });
    let written = written.map_err(|_| "compressed bytes are damaged")?;
    if written == len { Ok(()) } else { Err("compressed bytes have another length than stated") }
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

/// A stated number of elements that is used to allocate.
pub(crate) fn count_of(number: u64) -> Result<usize, Fault> {
    let count = as_usize(number);
    if count == 0 || count > COLUMN_MAX { Err("a column has no or too many numbers") } else { Ok(count) }
}
