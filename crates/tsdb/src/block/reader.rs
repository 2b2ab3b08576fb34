//! Reading a block.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hinomi_disk::file::checksum;
use hinomi_disk::stream::RandomFile;
use hinomi_model::metrics::Column;
use hinomi_series::{Labels, Matcher, Value};
use roaring::RoaringBitmap;

use super::decoded::{Decoded, Key};
use super::index::{BlockIndex, Chunk};
use super::meta::{Meta, Section};
use super::window::Window;
use super::{FORMAT_VERSION, HEADER_BYTES, MAGIC, SECTION_BYTES_MAX, TRAILER_BYTES};
use crate::bytes::{Fault, Reader, as_u64, as_usize};
use crate::codec::{constant_of, decode_histograms, decode_times, decode_values, unzstd};
use crate::run::{Run, merge};
use crate::{Error, Result};

/// Most bytes of a description.
const META_BYTES_MAX: u64 = 1 << 20;

/// A block that is open.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) meta: Meta,
    file: RandomFile,
    index: Mutex<Option<Arc<BlockIndex>>>,
    /// Tells it from every other block that was opened: names its decoded columns.
    opened: u64,
    /// When its index was wanted last: a count of all wishes.
    pub(crate) wanted: AtomicU64,
}

/// What a reader of one block keeps from one column to the next.
#[derive(Debug, Default)]
pub(crate) struct ColumnCache {
    times: Times,
    window: Window,
}

/// What a reader of one block keeps from one series to the next, where others keep the columns.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    /// Series that were scraped together share their times.
    times: Option<(u32, Arc<[i64]>)>,
    window: Window,
}

/// Columns of times of one block that a reader has decoded.
type Times = HashMap<(u32, Order), Arc<[i64]>>;

/// What a column is read as: times are in order, starts need not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Order {
    Ascending,
    Any,
}

impl ColumnCache {
    /// A cache keeps at most this many columns.
    const KEPT: usize = 4096;
}

impl Block {
    /// Opens the file and reads its description.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = RandomFile::open(path)?;
        let damaged = |reason: Fault| Error::Corrupt { path: path.display().to_string(), reason };
        let mut bytes = Vec::new();
        file.read_at(&mut bytes, 0, as_usize(HEADER_BYTES))?;
        check_header(path, &bytes)?;
        let trailer_at = file.len().checked_sub(TRAILER_BYTES).ok_or_else(|| damaged("it has no end"))?;
        file.read_at(&mut bytes, trailer_at, as_usize(TRAILER_BYTES))?;
        let (offset, len, crc) = read_trailer(&bytes).map_err(damaged)?;
        if u64::from(len) > META_BYTES_MAX || offset.saturating_add(u64::from(len)) != trailer_at {
            return Err(damaged("its description lies elsewhere than its end says"));
        }
        file.read_at(&mut bytes, offset, as_usize(u64::from(len)))?;
        if checksum(&[&bytes, &offset.to_le_bytes(), &len.to_le_bytes()]) != crc {
            return Err(damaged("the checksum of its description does not match"));
        }
        let meta = Meta::decode(&bytes).map_err(damaged)?;
        static OPENED: AtomicU64 = AtomicU64::new(0);
        let opened = OPENED.fetch_add(1, Ordering::Relaxed);
        Ok(Self { meta, file, index: Mutex::default(), opened, wanted: AtomicU64::new(0) })
    }

    /// Bytes of the file.
    pub(crate) fn bytes(&self) -> u64 {
        self.file.len()
    }

    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }

    fn damaged(&self, reason: Fault) -> Error {
        Error::Corrupt { path: self.file.path().display().to_string(), reason }
    }

    /// Whether it may hold samples from `from` to `to`.
    pub(crate) fn overlaps(&self, from: i64, to: i64) -> bool {
        self.meta.min_ms <= to && self.meta.max_ms >= from
    }

    /// Its index, read when it is not in memory.
    pub(crate) fn index(&self) -> Result<Arc<BlockIndex>> {
        let mut held = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = &*held {
            return Ok(Arc::clone(index));
        }
        let meta = &self.meta;
        let sections = (self.section(&meta.symbols)?, self.section(&meta.times)?);
        let (entries, postings) = (self.section(&meta.entries)?, self.section(&meta.postings)?);
        let index = BlockIndex::new(&sections.0, sections.1, entries, postings);
        let index = Arc::new(index.map_err(|fault| self.damaged(fault))?);
        if as_u64(index.len()) != meta.series {
            return Err(self.damaged("it has another number of series than it says"));
        }
        *held = Some(Arc::clone(&index));
        Ok(index)
    }

    /// Memory that its index takes now.
    pub(crate) fn index_bytes(&self) -> u64 {
        self.index.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map_or(0, |index| index.bytes())
    }

    /// Lets go of the index.
    pub(crate) fn forget_index(&self) {
        *self.index.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Notes that the index is wanted.
    pub(crate) fn want(&self, count: u64) {
        self.wanted.store(count, Ordering::Relaxed);
    }

    fn section(&self, section: &Section) -> Result<Vec<u8>> {
        let plain = as_usize(section.plain_bytes);
        if plain > SECTION_BYTES_MAX {
            return Err(self.damaged("a section is too large"));
        }
        let mut packed = Vec::new();
        self.file.read_at(&mut packed, section.offset, as_usize(section.bytes))?;
        if checksum(&[&packed]) != section.crc {
            return Err(self.damaged("the checksum of a section does not match"));
        }
        unzstd(&packed, plain).map_err(|fault| self.damaged(fault))
    }

    /// Numbers of the series that every matcher accepts, in order of their labels.
    pub(crate) fn matching(&self, index: &BlockIndex, matchers: &[Matcher]) -> RoaringBitmap {
        crate::postings::select(index, matchers)
    }

    /// Labels and chunks of a series.
    pub(crate) fn series(&self, index: &BlockIndex, number: u32) -> Result<(Labels, Vec<Chunk>)> {
        index.series(number).map_err(|fault| self.damaged(fault))
    }

    /// Samples of a series from `from` to `to`.
    pub(crate) fn read(
        &self,
        index: &BlockIndex,
        cache: &mut ColumnCache,
        chunks: &[Chunk],
        (from, to): (i64, i64),
    ) -> Result<Run> {
        let mut runs = Vec::new();
        for chunk in chunks.iter().filter(|chunk| chunk.min <= to && chunk.max >= from) {
            runs.push(self.chunk(index, cache, chunk)?.within(from, to));
        }
        Ok(merge(runs))
    }

    /// Labels of a series; `known` may give its own copy of them instead.
    pub(crate) fn labels<'i>(
        &self,
        index: &'i BlockIndex,
        number: u32,
        known: impl FnOnce(Labels) -> Labels,
    ) -> Result<&'i Labels> {
        index.labels(number, known).map_err(|fault| self.damaged(fault))
    }

    /// Chunks of a series.
    pub(crate) fn chunks(&self, index: &BlockIndex, number: u32) -> Result<Vec<Chunk>> {
        index.chunks(number).map_err(|fault| self.damaged(fault))
    }

    /// All samples of a chunk; columns come from and go to those that were decoded lately.
    pub(crate) fn decoded(
        &self,
        index: &BlockIndex,
        decoded: &Decoded,
        beside: &mut Beside,
        chunk: &Chunk,
    ) -> Result<Run> {
        let times_key = Key::Times(self.opened, chunk.times);
        let values_key = Key::Values(self.opened, chunk.offset);
        let last = beside.times.as_ref().filter(|(number, _)| *number == chunk.times);
        let times = last.map(|(_, times)| Arc::clone(times)).or_else(|| decoded.times(times_key));
        let times = times.filter(|times| times.len() == chunk.count);
        if let Some(times) = &times
            && last.is_none()
        {
            beside.times = Some((chunk.times, Arc::clone(times)));
        }
        let plain = chunk.floats && chunk.starts.is_none();
        if let Some(times) = &times
            && plain
            && let Some(values) = decoded.values(values_key).filter(|values| values.len() == chunk.count)
        {
            return Ok(Run { times: Arc::clone(times), values: Column::Floats(values), starts: None });
        }
        let mut known = Times::default();
        if let Some(times) = &times {
            known.insert((chunk.times, Order::Ascending), Arc::clone(times));
        }
        let run = self.decode(index, &mut known, chunk, &mut beside.window, |column| {
            let same = constant_of(column).map(|value| decoded.same(value, chunk.count));
            same.map_or_else(|| decode_values(column, chunk.count), Ok)
        })?;
        if times.is_none() {
            decoded.put_times(times_key, &run.times);
            beside.times = Some((chunk.times, Arc::clone(&run.times)));
        }
        if let (true, Column::Floats(values)) = (plain, &run.values) {
            decoded.put_values(values_key, values);
        }
        Ok(run)
    }

    fn chunk(&self, index: &BlockIndex, cache: &mut ColumnCache, chunk: &Chunk) -> Result<Run> {
        let floats = |column: &[u8]| decode_values(column, chunk.count);
        self.decode(index, &mut cache.times, chunk, &mut cache.window, floats)
    }

    /// The samples of a chunk, where `floats` reads a column of such.
    fn decode(
        &self,
        index: &BlockIndex,
        known: &mut Times,
        chunk: &Chunk,
        window: &mut Window,
        floats: impl FnOnce(&[u8]) -> std::result::Result<Arc<[f64]>, Fault>,
    ) -> Result<Run> {
        let mut reader = Reader(window.read(&self.file, chunk.offset, chunk.bytes.saturating_add(4))?);
        let crc = reader.u32().map_err(|fault| self.damaged(fault))?;
        let column = reader.rest();
        if checksum(&[column]) != crc {
            return Err(self.damaged("the checksum of a column does not match"));
        }
        let decode = || -> std::result::Result<Run, Fault> {
            let times = times_of(index, known, chunk.times, chunk.count, Order::Ascending)?;
            let starts = chunk.starts.map(|number| times_of(index, known, number, chunk.count, Order::Any));
            let values = if chunk.floats {
                Column::Floats(floats(column)?)
            } else {
                let histograms = decode_histograms(column, chunk.count)?;
                Column::Mixed(histograms.into_iter().map(Value::Histogram).collect())
            };
            Ok(Run { times, values, starts: starts.transpose()? })
        };
        decode().map_err(|fault| self.damaged(fault))
    }
}

fn times_of(
    index: &BlockIndex,
    known: &mut Times,
    number: u32,
    wanted: usize,
    order: Order,
) -> std::result::Result<Arc<[i64]>, Fault> {
    if let Some(times) = known.get(&(number, order)).filter(|times| times.len() == wanted) {
        return Ok(Arc::clone(times));
    }
    let (count, column) = index.times(number)?;
    if count != wanted {
        return Err("a chunk has another number of times than values");
    }
    let times = decode_times(column, count)?;
    if order == Order::Ascending && !times.is_sorted_by(|a, b| a < b) {
        return Err("times are not in order");
    }
    let times: Arc<[i64]> = times.into();
    if known.len() >= ColumnCache::KEPT {
        known.clear();
    }
    known.insert((number, order), Arc::clone(&times));
    Ok(times)
}

fn check_header(path: &Path, bytes: &[u8]) -> Result<()> {
    let damaged = |reason: Fault| Error::Corrupt { path: path.display().to_string(), reason };
    let mut reader = Reader(bytes);
    if reader.array::<8>().map_err(damaged)? != *MAGIC {
        return Err(damaged("it is no block"));
    }
    let found = reader.u32().map_err(damaged)?;
    if found != FORMAT_VERSION {
        let known = FORMAT_VERSION;
        return Err(hinomi_disk::Error::Version { path: path.to_owned(), found, known }.into());
    }
    Ok(())
}

fn read_trailer(bytes: &[u8]) -> std::result::Result<(u64, u32, u32), Fault> {
    let mut reader = Reader(bytes);
    let trailer = (reader.u64()?, reader.u32()?, reader.u32()?);
    if reader.array::<8>()? == *MAGIC { Ok(trailer) } else { Err("its end is missing") }
}
