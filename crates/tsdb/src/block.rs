//! Immutable files of samples: one per tenant and stretch of time. Bytes: `docs/formats/metrics.md`, "Block".

mod decoded;
mod index;
mod meta;
mod reader;
mod window;
mod writer;

pub(crate) use decoded::Decoded;
pub(crate) use index::BlockIndex;
pub(crate) use meta::Meta;
pub(crate) use reader::{Beside, Block, ColumnCache};
pub(crate) use writer::Writer;

/// The first bytes of a block, and the last.
const MAGIC: &[u8; 8] = b"HNMSBLK\n";
/// Version of the format that this program writes, and the greatest that it reads.
pub(crate) const FORMAT_VERSION: u32 = 1;
/// Magic, version, zero.
const HEADER_BYTES: u64 = 16;
/// Offset, length and checksum of the description, and the magic.
const TRAILER_BYTES: u64 = 24;

/// Kind of a chunk.
const FLOATS: u8 = 0;
const HISTOGRAMS: u8 = 1;
/// Bit of the kind: a column of starts is named.
const STARTED: u8 = 2;

/// Most bytes of a section when decompressed.
const SECTION_BYTES_MAX: usize = 1 << 30;
/// Most bytes of a column as stored.
const COLUMN_BYTES_MAX: usize = 32 << 20;

/// Name of a block's file.
pub(crate) fn file_name(number: u64) -> String {
    format!("{number:016x}.block")
}

/// Number in a block's file name.
pub(crate) fn parse_file_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".block")?;
    let ours = digits.len() == 16 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if ours { u64::from_str_radix(digits, 16).ok() } else { None }
}
