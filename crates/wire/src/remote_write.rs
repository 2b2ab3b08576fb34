//! Prometheus remote write, 1.0 and 2.0: bytes to samples.
//!
//! # In one breath
//!
//! [`unpack`] undoes the compression, [`Request::open`] finds the symbols of a 2.0 request, and [`Request::read`] walks
//! once over the request and hands everything to a [`Sink`]. Labels stay encoded: a [`LabelSet`] has a [`Key`] by which
//! a reader that saw it before knows the series, and decodes them only when asked.
//!
//! # Invariants
//!
//! - Nothing is allocated for a float sample or for labels that nobody decodes.
//! - Unknown fields are skipped; what is no protobuf ends the whole request with an error, and never a panic.
//! - Sizes are checked before memory is taken for them; [`Sink`]s say when they have no more room.
//!
//! Source of the formats: `prompb/remote.proto` and `prompb/io/prometheus/write/v2/types.proto` of Prometheus, and
//! <https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/>.

mod encode;
mod histogram;
mod labels;
mod proto;
mod unpack;
mod v1;
mod v2;

#[cfg(test)]
mod tests;

use hinomi_model::metrics::{Exemplar, Metadata, MetadataKind};
use hinomi_series::Histogram;

pub use encode::{Sample, TimeSeries, pack, write_v1, write_v2};
pub use labels::{Key, LabelSet, LabelsError, Secret};
pub use unpack::unpack;

/// Longest compressed request, bytes.
pub const PACKED_MAX_BYTES: usize = 32 << 20;
/// Longest request, bytes.
pub const RAW_MAX_BYTES: usize = 128 << 20;
/// Most symbols of a 2.0 request.
pub const SYMBOLS_MAX: usize = 1 << 20;
/// Most labels of a series or an exemplar.
pub const LABELS_MAX: usize = 512;

/// Most bytes of the names and values of a series together.
pub const LABELS_MAX_BYTES: usize = 64 << 10;
/// Most characters of the labels of an exemplar together, as OpenMetrics says.
pub const EXEMPLAR_MAX_CHARS: usize = 128;
/// Most bytes of what is said about a family: help and unit together.
pub const METADATA_MAX_BYTES: usize = 64 << 10;

/// Which protobuf message a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// `prometheus.WriteRequest`.
    V1,
    /// `io.prometheus.write.v2.Request`.
    V2,
}

/// Why a request cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The compression is damaged; says how.
    #[error("snappy: {0}")]
    Snappy(&'static str),
    /// It is larger than what is taken; the limit in bytes.
    #[error("the request has more than {0} bytes when unpacked: send fewer samples at once")]
    TooLarge(usize),
    /// The bytes are no such protobuf message; says why.
    #[error("proto: {0}")]
    Proto(&'static str),
    /// More symbols than are taken.
    #[error("the request has more than {SYMBOLS_MAX} symbols: send fewer series at once")]
    TooManySymbols,
    /// The sink has no more room.
    #[error("not enough memory to read the request: send again later")]
    Full,
}

/// What is said about a series' family in a 2.0 request.
#[derive(Clone, Copy, Debug)]
pub struct SeriesMetadata<'r> {
    /// What it is.
    pub kind: MetadataKind,
    /// What it means.
    pub help: &'r [u8],
    /// What it is measured in.
    pub unit: &'r [u8],
    /// The same for the same kind, help and unit, and most likely another one for others; never 0.
    pub key: u32,
}

impl SeriesMetadata<'_> {
    /// As it is stored; what is no UTF-8 is replaced. `None`: it has more than [`METADATA_MAX_BYTES`].
    #[must_use]
    pub fn metadata(&self) -> Option<Metadata> {
        metadata(self.kind, self.help, self.unit)
    }
}

/// Its length is looked at before it is copied.
fn metadata(kind: MetadataKind, help: &[u8], unit: &[u8]) -> Option<Metadata> {
    if help.len().saturating_add(unit.len()) > METADATA_MAX_BYTES {
        return None;
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).as_ref().into();
    Some(Metadata { kind, help: text(help), unit: text(unit) })
}

/// A histogram, or what is wrong with it.
pub type Checked = Result<Histogram, String>;

/// What takes the parts of a request: for each series first its samples, then its name. Each call returns whether there
/// is room for more; `false` ends the reading with [`Error::Full`].
pub trait Sink<'r> {
    /// So many bytes are about to be taken, beside all that was handed on, until the next call.
    #[must_use]
    fn admits(&mut self, bytes: usize) -> bool;
    /// A number at `t_ms`; `start_ms` is when what it counts began, 0 where unknown.
    #[must_use]
    fn float(&mut self, t_ms: i64, start_ms: i64, value: f64) -> bool;
    /// A native histogram.
    #[must_use]
    fn histogram(&mut self, t_ms: i64, start_ms: i64, histogram: Checked) -> bool;
    /// An exemplar; `None`: one with labels of more than [`EXEMPLAR_MAX_CHARS`].
    #[must_use]
    fn exemplar(&mut self, exemplar: Option<Exemplar>) -> bool;
    /// The end of a series: everything since the one before is of these labels.
    #[must_use]
    fn series(&mut self, labels: LabelSet<'r>, metadata: Option<SeriesMetadata<'r>>) -> bool;
    /// What is said about a family in a 1.0 request, unless it has more than [`METADATA_MAX_BYTES`].
    #[must_use]
    fn family(&mut self, name: &str, metadata: Metadata) -> bool;
}

/// A request whose bytes are unpacked.
#[derive(Debug)]
pub struct Request<'a> {
    version: Version,
    bytes: &'a [u8],
    secret: &'a Secret,
    symbols: labels::Symbols<'a>,
}

impl<'a> Request<'a> {
    /// Looks over a request. `admit` is asked once, with the bytes that its symbols take, before they are taken.
    ///
    /// # Errors
    ///
    /// [`Error::Proto`], [`Error::TooManySymbols`], and [`Error::Full`] when `admit` says no.
    pub fn open(
        version: Version,
        bytes: &'a [u8],
        secret: &'a Secret,
        admit: impl FnOnce(usize) -> bool,
    ) -> Result<Self, Error> {
        let symbols = match version {
            Version::V1 => labels::Symbols::default(),
            Version::V2 => v2::symbols(bytes, secret, admit)?,
        };
        Ok(Self { version, bytes, secret, symbols })
    }

    /// Memory that it holds beside the request's, bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.symbols.capacity() * size_of::<labels::Symbol<'_>>()
    }

    /// Hands all of it to a sink.
    ///
    /// # Errors
    ///
    /// [`Error::Proto`] at the first byte that is wrong, and [`Error::Full`]; the sink may have got a part by then.
    pub fn read<'r>(&'r self, sink: &mut impl Sink<'r>) -> Result<(), Error> {
        match self.version {
            Version::V1 => v1::read(self.bytes, self.secret, sink),
            Version::V2 => v2::read(self.bytes, self.secret, &self.symbols, sink),
        }
    }

    /// Which message it is.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }
}

/// Whether to go on.
fn room(left: bool) -> Result<(), Error> {
    if left { Ok(()) } else { Err(Error::Full) }
}

/// The numbers of kinds are those of both protobuf enums.
const KINDS: [MetadataKind; 8] = [
    MetadataKind::Unknown,
    MetadataKind::Counter,
    MetadataKind::Gauge,
    MetadataKind::Histogram,
    MetadataKind::GaugeHistogram,
    MetadataKind::Summary,
    MetadataKind::Info,
    MetadataKind::StateSet,
];

fn kind(number: u64) -> MetadataKind {
    usize::try_from(number).ok().and_then(|at| KINDS.get(at)).copied().unwrap_or_default()
}
