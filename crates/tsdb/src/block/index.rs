//! The index of a block, in memory.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use hinomi_series::Labels;
use roaring::RoaringBitmap;

use super::writer::LIST_MAX;
use super::{COLUMN_BYTES_MAX, FLOATS, HEADER_BYTES, HISTOGRAMS, STARTED};
use crate::bytes::{Fault, Reader, as_u64, as_usize};
use crate::codec::count_of;
use crate::head::add_text;
use crate::postings::Index;

/// What labels cost in memory beside their texts.
const LABELS_BYTES: usize = 80;

/// One chunk of a series.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunk {
    pub(crate) floats: bool,
    pub(crate) count: usize,
    pub(crate) min: i64,
    pub(crate) max: i64,
    /// Number of its column of times.
    pub(crate) times: u32,
    /// Number of its column of starts, among those of times; `None` where none is known.
    pub(crate) starts: Option<u32>,
    /// Where its values lie, the checksum before them included.
    pub(crate) offset: u64,
    pub(crate) bytes: usize,
}

#[derive(Debug)]
struct Values {
    name: u32,
    /// Value and where its set lies, sorted by the value's text.
    sets: Vec<(u32, Range<u32>)>,
}

/// The index.
#[derive(Debug)]
pub(crate) struct BlockIndex {
    symbols: Texts,
    times: Vec<u8>,
    /// Count and place of each column of times.
    time_columns: Vec<(u32, Range<u32>)>,
    entries: Vec<u8>,
    /// Where each series begins in `entries`, and where its columns begin in the file.
    series: Vec<(u32, u64)>,
    postings: Vec<u8>,
    names: Vec<Values>,
    /// Labels of the series that were asked for.
    labels: Vec<OnceLock<Labels>>,
    labels_bytes: AtomicU64,
}

#[derive(Debug, Default)]
struct Texts {
    text: String,
    ends: Vec<u32>,
}

impl Texts {
    fn get(&self, number: u32) -> Option<&str> {
        let at = usize::try_from(number).ok()?;
        let end = *self.ends.get(at)?;
        let begin = at.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.text.get(as_usize(u64::from(begin))..as_usize(u64::from(end)))
    }
}

fn as_u32(number: usize) -> Result<u32, Fault> {
    u32::try_from(number).map_err(|_| "an index has more than 4 GiB")
}

/// Place of the next `len` bytes of `reader` within `whole`.
fn place(whole: &[u8], reader: &mut Reader<'_>, len: usize) -> Result<Range<u32>, Fault> {
    let begin = whole.len().saturating_sub(reader.0.len());
    reader.take(len)?;
    Ok(as_u32(begin)?..as_u32(begin.saturating_add(len))?)
}

fn slice<'a>(bytes: &'a [u8], range: &Range<u32>) -> &'a [u8] {
    bytes.get(as_usize(u64::from(range.start))..as_usize(u64::from(range.end))).unwrap_or_default()
}

impl BlockIndex {
    /// Reads the four sections.
    pub(crate) fn new(
        symbols: &[u8],
        times: Vec<u8>,
        entries: Vec<u8>,
        postings: Vec<u8>,
    ) -> Result<Self, Fault> {
        let mut index = Self {
            symbols: read_symbols(symbols)?,
            time_columns: read_times(&times)?,
            times,
            series: Vec::new(),
            entries,
            names: Vec::new(),
            postings,
            labels: Vec::new(),
            labels_bytes: AtomicU64::new(0),
        };
        index.series = index.read_series()?;
        index.names = index.read_postings()?;
        index.labels.resize_with(index.series.len(), OnceLock::new);
        Ok(index)
    }

    fn read_series(&self) -> Result<Vec<(u32, u64)>, Fault> {
        let mut series = Vec::new();
        let mut reader = Reader(&self.entries);
        let mut offset = HEADER_BYTES;
        while !reader.is_empty() {
            series.push((as_u32(self.entries.len().saturating_sub(reader.0.len()))?, offset));
            skip_labels(&mut reader)?;
            for chunk in read_chunks(&mut reader, offset)? {
                offset = offset.saturating_add(as_u64(chunk.bytes)).saturating_add(4);
            }
        }
        Ok(series)
    }

    fn read_postings(&self) -> Result<Vec<Values>, Fault> {
        let mut reader = Reader(&self.postings);
        let mut names = Vec::new();
        for _ in 0..reader.len(self.postings.len())? {
            let name = reader.varint32()?;
            let mut sets = Vec::new();
            for _ in 0..reader.len(self.postings.len())? {
                let value = reader.varint32()?;
                let mut ahead = reader;
                skip_set(&mut ahead)?;
                let len = reader.0.len().saturating_sub(ahead.0.len());
                sets.push((value, place(&self.postings, &mut reader, len)?));
            }
            names.push(Values { name, sets });
        }
        Ok(names)
    }

    /// Memory that it takes, about.
    pub(crate) fn bytes(&self) -> u64 {
        let texts = self.symbols.text.len().saturating_add(self.symbols.ends.len().saturating_mul(4));
        let raw = self.times.len().saturating_add(self.entries.len()).saturating_add(self.postings.len());
        let sets = self.names.iter().fold(0, |sum: usize, values| sum.saturating_add(values.sets.len()));
        let lists = [self.time_columns.len(), self.series.len(), sets];
        let lists = lists.iter().fold(0, |sum: usize, len| sum.saturating_add(len.saturating_mul(16)));
        let labels = self.labels_bytes.load(Ordering::Relaxed);
        as_u64(texts.saturating_add(raw).saturating_add(lists)).saturating_add(labels)
    }

    /// Number of series.
    pub(crate) fn len(&self) -> usize {
        self.series.len()
    }

    /// Labels and chunks of a series.
    pub(crate) fn series(&self, number: u32) -> Result<(Labels, Vec<Chunk>), Fault> {
        let missing = "a set names a series that is not there";
        let (begin, offset) = *self.series.get(as_usize(u64::from(number))).ok_or(missing)?;
        let mut reader = Reader(self.entries.get(as_usize(u64::from(begin))..).unwrap_or_default());
        let len = reader.len(reader.0.len())?;
        let mut pairs = Vec::with_capacity(len);
        for _ in 0..len {
            let (name, value) = (reader.varint32()?, reader.varint32()?);
            let text = |number| self.symbols.get(number).ok_or("a label's text is not there");
            pairs.push((text(name)?, text(value)?));
        }
        Ok((Labels::from_pairs(pairs), read_chunks(&mut reader, offset)?))
    }

    /// Labels of a series, made when first asked for; `known` may give its own copy of them instead.
    pub(crate) fn labels(&self, number: u32, known: impl FnOnce(Labels) -> Labels) -> Result<&Labels, Fault> {
        let missing = "a set names a series that is not there";
        let slot = self.labels.get(as_usize(u64::from(number))).ok_or(missing)?;
        if let Some(labels) = slot.get() {
            return Ok(labels);
        }
        let labels = known(self.series(number)?.0);
        let bytes =
            labels.text_bytes().saturating_add(labels.len().saturating_mul(8)).saturating_add(LABELS_BYTES);
        self.labels_bytes.fetch_add(as_u64(bytes), Ordering::Relaxed);
        Ok(slot.get_or_init(|| labels))
    }

    /// Chunks of a series.
    pub(crate) fn chunks(&self, number: u32) -> Result<Vec<Chunk>, Fault> {
        let missing = "a set names a series that is not there";
        let (begin, offset) = *self.series.get(as_usize(u64::from(number))).ok_or(missing)?;
        let mut reader = Reader(self.entries.get(as_usize(u64::from(begin))..).unwrap_or_default());
        skip_labels(&mut reader)?;
        read_chunks(&mut reader, offset)
    }

    /// A column of times: how many, and its bytes.
    pub(crate) fn times(&self, number: u32) -> Result<(usize, &[u8]), Fault> {
        let column = self.time_columns.get(as_usize(u64::from(number)));
        let (count, range) = column.ok_or("a chunk names a column of times that is not there")?;
        Ok((as_usize(u64::from(*count)), slice(&self.times, range)))
    }

    fn values_of(&self, name: &str) -> Option<&Values> {
        let found =
            self.names.binary_search_by(|values| self.symbols.get(values.name).unwrap_or("").cmp(name));
        self.names.get(found.ok()?)
    }

    fn set(&self, range: &Range<u32>, into: &mut RoaringBitmap) {
        // `new` walked over every set; a bitmap that is damaged in itself holds nothing.
        let _damaged = read_set(&mut Reader(slice(&self.postings, range)), into);
    }
}

fn read_symbols(bytes: &[u8]) -> Result<Texts, Fault> {
    let mut texts = Texts::default();
    let mut reader = Reader(bytes);
    while !reader.is_empty() {
        texts.text.push_str(reader.text()?);
        texts.ends.push(as_u32(texts.text.len())?);
    }
    Ok(texts)
}

fn read_times(bytes: &[u8]) -> Result<Vec<(u32, Range<u32>)>, Fault> {
    let mut columns = Vec::new();
    let mut reader = Reader(bytes);
    while !reader.is_empty() {
        let count = as_u32(count_of(reader.varint()?)?)?;
        let len = reader.len(bytes.len())?;
        columns.push((count, place(bytes, &mut reader, len)?));
    }
    Ok(columns)
}

fn skip_labels(reader: &mut Reader<'_>) -> Result<(), Fault> {
    for _ in 0..reader.len(reader.0.len())? {
        reader.varint()?;
        reader.varint()?;
    }
    Ok(())
}

fn read_chunks(reader: &mut Reader<'_>, mut offset: u64) -> Result<Vec<Chunk>, Fault> {
    let len = reader.len(reader.0.len())?;
    let mut chunks = Vec::new();
    let mut last = 0_i64;
    for _ in 0..len {
        let kind = reader.byte()?;
        let floats = match kind & !STARTED {
            FLOATS => true,
            HISTOGRAMS => false,
            _ => return Err("a chunk of an unknown kind"),
        };
        let count = count_of(reader.varint()?)?;
        let min = last.wrapping_add(reader.signed()?);
        let max = min.wrapping_add(reader.varint()?.cast_signed());
        let times = reader.varint32()?;
        let starts = if kind & STARTED == 0 { None } else { Some(reader.varint32()?) };
        let bytes = reader.len(COLUMN_BYTES_MAX)?;
        chunks.push(Chunk { floats, count, min, max, times, starts, offset, bytes });
        offset = offset.saturating_add(as_u64(bytes)).saturating_add(4);
        last = min;
    }
    Ok(chunks)
}

fn skip_set(reader: &mut Reader<'_>) -> Result<(), Fault> {
    let len = reader.varint()?;
    if len > LIST_MAX {
        reader.bytes()?;
        return Ok(());
    }
    for _ in 0..len {
        reader.varint()?;
    }
    Ok(())
}

fn read_set(reader: &mut Reader<'_>, into: &mut RoaringBitmap) -> Result<(), Fault> {
    let len = reader.varint()?;
    if len > LIST_MAX {
        *into |=
            RoaringBitmap::deserialize_from(reader.bytes()?).map_err(|_| "a set of series is damaged")?;
        return Ok(());
    }
    let mut number = 0_u32;
    for _ in 0..len {
        number = number.wrapping_add(reader.varint32()?);
        into.insert(number);
    }
    Ok(())
}

impl Index for BlockIndex {
    fn all(&self) -> RoaringBitmap {
        let mut all = RoaringBitmap::new();
        all.insert_range(0..u32::try_from(self.series.len()).unwrap_or(u32::MAX));
        all
    }

    fn add(&self, name: &str, value: &str, into: &mut RoaringBitmap) {
        let Some(values) = self.values_of(name) else { return };
        let found =
            values.sets.binary_search_by(|(symbol, _)| self.symbols.get(*symbol).unwrap_or("").cmp(value));
        if let Some((_, range)) = found.ok().and_then(|at| values.sets.get(at)) {
            self.set(range, into);
        }
    }

    fn add_where(&self, name: &str, accept: &dyn Fn(&str) -> bool, into: &mut RoaringBitmap) {
        let Some(values) = self.values_of(name) else { return };
        for (symbol, range) in &values.sets {
            if self.symbols.get(*symbol).is_some_and(accept) {
                self.set(range, into);
            }
        }
    }

    fn add_names(&self, into: &mut BTreeSet<String>) {
        let names = self.names.iter().filter_map(|values| self.symbols.get(values.name));
        names.for_each(|name| add_text(into, name));
    }

    fn add_values(&self, name: &str, into: &mut BTreeSet<String>) {
        let sets = self.values_of(name).into_iter().flat_map(|values| &values.sets);
        sets.filter_map(|(symbol, _)| self.symbols.get(*symbol)).for_each(|value| add_text(into, value));
    }
}
