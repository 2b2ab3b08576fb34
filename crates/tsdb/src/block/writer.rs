//! Writing a block: series in order of their labels, columns first, the index behind them.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::Arc;

use hinomi_disk::file::checksum;
use hinomi_disk::fs::Fs;
use hinomi_disk::stream::NewFile;
use hinomi_model::metrics::Column;
use hinomi_series::{Histogram, Labels, Value};
use roaring::RoaringBitmap;

use super::meta::{Meta, Section};
use super::{FLOATS, FORMAT_VERSION, HISTOGRAMS, MAGIC, STARTED};
use crate::bytes::{as_u64, put_bytes, put_signed, put_varint};
use crate::codec::{COLUMN_MAX, Effort, Encoder, encode_histograms, encode_times, encode_values};
use crate::run::Run;
use crate::{Error, Result};

/// Sections are compressed at this level: they are read whole, and small.
const SECTION_LEVEL: i32 = 6;
/// Sets of at most this many series are written as numbers, larger ones as bitmaps.
pub(super) const LIST_MAX: u64 = 16;

/// Columns of times that are found again; a writer forgets them all at this many.
const KNOWN_TIMES_MAX: usize = 1 << 16;

#[derive(Debug)]
struct Chunk {
    kind: u8,
    count: u64,
    min: i64,
    max: i64,
    times: u64,
    starts: Option<u64>,
    bytes: u64,
}

/// Times of samples and, where any is known, their starts.
#[derive(Clone, Copy, Debug)]
struct Stamps<'a> {
    times: &'a [i64],
    starts: Option<&'a [i64]>,
}

impl<'a> Stamps<'a> {
    /// The first `len`, which are taken out.
    fn take(&mut self, len: usize) -> Self {
        let cut = |list: &mut &'a [i64]| {
            let (head, tail) = list.split_at(len.min(list.len()));
            *list = tail;
            head
        };
        Self { times: cut(&mut self.times), starts: self.starts.as_mut().map(cut) }
    }
}

/// A block that is being written.
#[derive(Debug)]
pub(crate) struct Writer {
    file: NewFile,
    encoder: Encoder,
    meta: Meta,
    symbols: HashMap<Box<str>, u64>,
    /// Texts by number.
    texts: Vec<Box<str>>,
    /// Name and value, by their numbers, and the series that have them.
    postings: HashMap<(u64, u64), RoaringBitmap>,
    entries: Vec<u8>,
    times: Vec<u8>,
    times_count: u64,
    known_times: HashMap<(u64, u64), u64>,
    keys: [RandomState; 2],
    scratch: Vec<u8>,
    last: Option<Labels>,
}

impl Writer {
    /// Begins the block `meta.number` of `meta.tenant` in a folder.
    pub(crate) fn create(fs: Arc<dyn Fs>, dir: &Path, meta: Meta, effort: Effort) -> Result<Self> {
        let mut file = NewFile::create(fs, &dir.join(super::file_name(meta.number)))?;
        file.write(MAGIC)?;
        file.write(&FORMAT_VERSION.to_le_bytes())?;
        file.write(&[0; 4])?;
        let meta = Meta { min_ms: i64::MAX, max_ms: i64::MIN, series: 0, samples: 0, ..meta };
        Ok(Self {
            file,
            encoder: Encoder::new(effort),
            meta,
            symbols: HashMap::new(),
            texts: Vec::new(),
            postings: HashMap::new(),
            entries: Vec::new(),
            times: Vec::new(),
            times_count: 0,
            known_times: HashMap::new(),
            keys: [RandomState::new(), RandomState::new()],
            scratch: Vec::new(),
            last: None,
        })
    }

    /// Adds a series behind all others. One without samples is left out.
    pub(crate) fn add(&mut self, labels: &Labels, run: &Run) -> Result<()> {
        let Some((min, max)) = run.span() else { return Ok(()) };
        if self.last.as_ref().is_some_and(|last| last >= labels) {
            return Err(Error::Invalid(format!("series {labels} out of order")));
        }
        let number = u32::try_from(self.meta.series)
            .map_err(|_| Error::Invalid("a block cannot hold more than 2^32 series".to_owned()))?;
        let mut chunks = Vec::new();
        let stamps = Stamps { times: &run.times, starts: run.starts.as_deref() };
        match &run.values {
            Column::Floats(values) => self.floats(stamps, values, &mut chunks)?,
            Column::Mixed(values) => self.mixed(stamps, values, &mut chunks)?,
        }
        self.enter(number, labels, &chunks);
        self.meta.series = self.meta.series.saturating_add(1);
        self.meta.samples = self.meta.samples.saturating_add(as_u64(run.len()));
        self.meta.min_ms = self.meta.min_ms.min(min);
        self.meta.max_ms = self.meta.max_ms.max(max);
        self.last = Some(labels.clone());
        Ok(())
    }

    fn floats(&mut self, mut stamps: Stamps<'_>, values: &[f64], chunks: &mut Vec<Chunk>) -> Result<()> {
        for values in values.chunks(COLUMN_MAX) {
            self.scratch.clear();
            encode_values(&mut self.encoder, values, &mut self.scratch);
            self.chunk(FLOATS, stamps.take(values.len()), chunks)?;
        }
        Ok(())
    }

    fn mixed(&mut self, mut stamps: Stamps<'_>, mut values: &[Value], chunks: &mut Vec<Chunk>) -> Result<()> {
        while let Some(first) = values.first() {
            let alike = |value: &&Value| value.as_float().is_some() == first.as_float().is_some();
            let len = values.iter().take_while(alike).count();
            let (head, tail) = values.split_at(len);
            let head_stamps = stamps.take(len);
            values = tail;
            let floats: Vec<f64> = head.iter().filter_map(Value::as_float).collect();
            if floats.is_empty() {
                let column: Vec<Arc<Histogram>> =
                    head.iter().filter_map(|v| v.as_histogram().cloned()).collect();
                self.histograms(head_stamps, &column, chunks)?;
            } else {
                self.floats(head_stamps, &floats, chunks)?;
            }
        }
        Ok(())
    }

    fn histograms(
        &mut self,
        mut stamps: Stamps<'_>,
        mut column: &[Arc<Histogram>],
        chunks: &mut Vec<Chunk>,
    ) -> Result<()> {
        while !column.is_empty() {
            self.scratch.clear();
            let taken = encode_histograms(&mut self.encoder, column, &mut self.scratch);
            self.chunk(HISTOGRAMS, stamps.take(taken), chunks)?;
            column = column.get(taken.max(1)..).unwrap_or_default();
        }
        Ok(())
    }

    /// Writes the column in `scratch`, and notes the chunk.
    fn chunk(&mut self, kind: u8, stamps: Stamps<'_>, chunks: &mut Vec<Chunk>) -> Result<()> {
        let times = stamps.times;
        let (Some(min), Some(max)) = (times.first().copied(), times.last().copied()) else { return Ok(()) };
        self.file.write(&checksum(&[&self.scratch]).to_le_bytes())?;
        self.file.write(&self.scratch)?;
        let bytes = as_u64(self.scratch.len());
        let times_number = self.times_number(times);
        let starts = stamps.starts.filter(|starts| starts.iter().any(|start| *start != 0));
        let starts = starts.map(|starts| self.times_number(starts));
        chunks.push(Chunk { kind, count: as_u64(times.len()), min, max, times: times_number, starts, bytes });
        Ok(())
    }

    /// Number of a column of times; those of one target are the same and are written once.
    fn times_number(&mut self, times: &[i64]) -> u64 {
        let [a, b] = &self.keys;
        let key = (a.hash_one(times), b.hash_one(times));
        if let Some(number) = self.known_times.get(&key) {
            return *number;
        }
        let mut column = Vec::new();
        encode_times(&mut self.encoder, times, &mut column);
        put_varint(&mut self.times, as_u64(times.len()));
        put_bytes(&mut self.times, &column);
        let number = self.times_count;
        self.times_count = self.times_count.saturating_add(1);
        if self.known_times.len() >= KNOWN_TIMES_MAX {
            self.known_times.clear();
        }
        self.known_times.insert(key, number);
        number
    }

    fn symbol(&mut self, text: &str) -> u64 {
        if let Some(number) = self.symbols.get(text) {
            return *number;
        }
        let number = as_u64(self.texts.len());
        self.symbols.insert(text.into(), number);
        self.texts.push(text.into());
        number
    }

    fn enter(&mut self, number: u32, labels: &Labels, chunks: &[Chunk]) {
        put_varint(&mut self.entries, as_u64(labels.len()));
        for (name, value) in labels {
            let pair = (self.symbol(name), self.symbol(value));
            put_varint(&mut self.entries, pair.0);
            put_varint(&mut self.entries, pair.1);
            self.postings.entry(pair).or_default().insert(number);
        }
        put_varint(&mut self.entries, as_u64(chunks.len()));
        let mut last = 0_i64;
        for chunk in chunks {
            self.entries.push(chunk.kind | if chunk.starts.is_some() { STARTED } else { 0 });
            put_varint(&mut self.entries, chunk.count);
            put_signed(&mut self.entries, chunk.min.wrapping_sub(last));
            put_varint(&mut self.entries, chunk.max.wrapping_sub(chunk.min).cast_unsigned());
            put_varint(&mut self.entries, chunk.times);
            if let Some(starts) = chunk.starts {
                put_varint(&mut self.entries, starts);
            }
            put_varint(&mut self.entries, chunk.bytes);
            last = chunk.min;
        }
    }

    /// Writes the index, syncs the file and gives it its name. `None`: there are no samples, and no file.
    pub(crate) fn commit(mut self) -> Result<Option<Meta>> {
        if self.meta.series == 0 {
            return Ok(None);
        }
        let mut symbols = Vec::new();
        for text in &self.texts {
            put_bytes(&mut symbols, text.as_bytes());
        }
        let postings = self.encode_postings();
        let (times, entries) = (std::mem::take(&mut self.times), std::mem::take(&mut self.entries));
        self.meta.symbols = self.section(&symbols)?;
        self.meta.times = self.section(&times)?;
        self.meta.entries = self.section(&entries)?;
        self.meta.postings = self.section(&postings)?;
        let meta = self.meta.encode();
        let offset = self.file.offset();
        self.file.write(&meta)?;
        self.file.write(&offset.to_le_bytes())?;
        let len = u32::try_from(meta.len()).unwrap_or(u32::MAX);
        self.file.write(&len.to_le_bytes())?;
        self.file.write(&checksum(&[&meta, &offset.to_le_bytes(), &len.to_le_bytes()]).to_le_bytes())?;
        self.file.write(MAGIC)?;
        self.file.commit()?;
        Ok(Some(self.meta))
    }

    fn section(&mut self, plain: &[u8]) -> Result<Section> {
        if plain.len() > super::SECTION_BYTES_MAX {
            return Err(Error::Invalid("the index of a block would have more than 1 GiB".to_owned()));
        }
        let packed = zstd::bulk::compress(plain, SECTION_LEVEL)
            .map_err(|error| Error::Invalid(format!("compressing an index: {error}")))?;
        let section = Section {
            offset: self.file.offset(),
            bytes: as_u64(packed.len()),
            plain_bytes: as_u64(plain.len()),
            crc: checksum(&[&packed]),
        };
        self.file.write(&packed)?;
        Ok(section)
    }

    /// Sorted by the texts of name and value.
    fn encode_postings(&mut self) -> Vec<u8> {
        let mut postings: Vec<_> = std::mem::take(&mut self.postings).into_iter().collect();
        let text = |number: u64| self.texts.get(crate::bytes::as_usize(number)).map_or("", |text| &**text);
        postings.sort_by(|((a, b), _), ((c, d), _)| (text(*a), text(*b)).cmp(&(text(*c), text(*d))));
        let names: BTreeSet<&str> = postings.iter().map(|((name, _), _)| text(*name)).collect();
        let mut out = Vec::new();
        put_varint(&mut out, as_u64(names.len()));
        for group in postings.chunk_by_mut(|(a, _), (b, _)| a.0 == b.0) {
            put_varint(&mut out, group.first().map_or(0, |(pair, _)| pair.0));
            put_varint(&mut out, as_u64(group.len()));
            for ((_, value), found) in group {
                put_varint(&mut out, *value);
                put_set(&mut out, found);
            }
        }
        out
    }
}

fn put_set(out: &mut Vec<u8>, found: &mut RoaringBitmap) {
    put_varint(out, found.len());
    if found.len() <= LIST_MAX {
        let mut last = 0;
        for number in found.iter() {
            put_varint(out, u64::from(number).saturating_sub(last));
            last = u64::from(number);
        }
        return;
    }
    found.optimize();
    let mut bytes = Vec::with_capacity(found.serialized_size());
    // Writing to memory does not fail; if it did, the set would be seen to be damaged.
    let _infallible = found.serialize_into(&mut bytes);
    put_bytes(out, &bytes);
}
