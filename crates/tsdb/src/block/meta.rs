//! The description at the end of a block.

use crate::bytes::{Fault, Reader, as_u64, put_bytes, put_signed, put_varint};

/// Where a section lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    pub(crate) plain_bytes: u64,
    pub(crate) crc: u32,
}

/// What a block holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Meta {
    /// Whose it is.
    pub(crate) tenant: String,
    /// Its number; grows with every block that is written.
    pub(crate) number: u64,
    /// Smallest number of the blocks that are in it: of one time, the value of the block with the smallest rank counts.
    pub(crate) rank: u64,
    /// First and last time of a sample.
    pub(crate) min_ms: i64,
    pub(crate) max_ms: i64,
    pub(crate) series: u64,
    pub(crate) samples: u64,
    /// Blocks whose place it takes.
    pub(crate) replaces: Vec<u64>,
    /// Texts of the labels.
    pub(crate) symbols: Section,
    /// Columns of times.
    pub(crate) times: Section,
    /// Labels and chunks of the series.
    pub(crate) entries: Section,
    /// Series by label.
    pub(crate) postings: Section,
}

fn put_section(out: &mut Vec<u8>, section: &Section) {
    put_varint(out, section.offset);
    put_varint(out, section.bytes);
    put_varint(out, section.plain_bytes);
    out.extend_from_slice(&section.crc.to_le_bytes());
}

fn take_section(reader: &mut Reader<'_>) -> Result<Section, Fault> {
    Ok(Section {
        offset: reader.varint()?,
        bytes: reader.varint()?,
        plain_bytes: reader.varint()?,
        crc: reader.u32()?,
    })
}

impl Meta {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_bytes(&mut out, self.tenant.as_bytes());
        put_varint(&mut out, self.number);
        put_varint(&mut out, self.rank);
        put_signed(&mut out, self.min_ms);
        put_signed(&mut out, self.max_ms);
        put_varint(&mut out, self.series);
        put_varint(&mut out, self.samples);
        put_varint(&mut out, as_u64(self.replaces.len()));
        for number in &self.replaces {
            put_varint(&mut out, *number);
        }
        for section in [&self.symbols, &self.times, &self.entries, &self.postings] {
            put_section(&mut out, section);
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        let mut reader = Reader(bytes);
        let mut meta = Self {
            tenant: reader.text()?.to_owned(),
            number: reader.varint()?,
            rank: reader.varint()?,
            min_ms: reader.signed()?,
            max_ms: reader.signed()?,
            series: reader.varint()?,
            samples: reader.varint()?,
            ..Self::default()
        };
        for _ in 0..reader.len(bytes.len())? {
            meta.replaces.push(reader.varint()?);
        }
        meta.symbols = take_section(&mut reader)?;
        meta.times = take_section(&mut reader)?;
        meta.entries = take_section(&mut reader)?;
        meta.postings = take_section(&mut reader)?;
        if reader.is_empty() { Ok(meta) } else { Err("a description is longer than it should be") }
    }
}
