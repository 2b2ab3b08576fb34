//! `prometheus.WriteRequest`.

use hinomi_model::metrics::{Exemplar, Metadata, MetadataKind};

use super::labels::{LabelSet, Secret, lossy, pair};
use super::proto::Fields;
use super::{Error, LABELS_MAX, METADATA_MAX_BYTES, Sink, histogram, kind, room};

/// First byte of a label in a series: field 1, bytes.
const LABEL: u8 = 0x0a;

pub(super) fn read<'r>(bytes: &'r [u8], secret: &Secret, sink: &mut impl Sink<'r>) -> Result<(), Error> {
    let mut fields = Fields(bytes);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => series(value.bytes()?, secret, sink)?,
            3 => {
                let (name, metadata) = family(value.bytes()?)?;
                let name = str::from_utf8(name).ok().filter(|name| !name.is_empty());
                if let (Some(name), Some(metadata)) = (name, metadata) {
                    room(sink.family(name, metadata))?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn series<'r>(body: &'r [u8], secret: &Secret, sink: &mut impl Sink<'r>) -> Result<(), Error> {
    let mut fields = Fields(body);
    while let [LABEL, rest @ ..] = fields.0 {
        fields.0 = rest;
        fields.bytes()?;
    }
    let block = body.get(..body.len() - fields.0.len()).unwrap_or_default();
    let mut scattered = Vec::new();
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => {
                scattered.push(value.bytes()?);
                if scattered.len() > LABELS_MAX {
                    return Err(Error::Proto("a series with too many labels"));
                }
            }
            2 => {
                let (t_ms, start_ms, value) = sample(value.bytes()?)?;
                room(sink.float(t_ms, start_ms, value))?;
            }
            3 => room(sink.exemplar(exemplar(value.bytes()?)?))?,
            4 => {
                let found = histogram::read(value.bytes()?, |bytes| sink.admits(bytes))?;
                room(sink.histogram(found.t_ms, found.start_ms, found.histogram))?;
            }
            _ => {}
        }
    }
    let labels = if scattered.is_empty() {
        LabelSet::block(secret, block)
    } else {
        let mut all = Vec::new();
        let mut first = Fields(block);
        // One more than there may be says as much as all of them.
        while let Some((_, value)) = first.next()?.filter(|_| all.len() <= LABELS_MAX) {
            all.push(value.bytes()?);
        }
        all.extend(scattered);
        LabelSet::scattered(all)
    };
    room(sink.series(labels, None))
}

/// Time, start and value; both versions write samples alike, but for the start.
#[inline]
pub(super) fn sample(bytes: &[u8]) -> Result<(i64, i64, f64), Error> {
    let (mut t_ms, mut start_ms, mut number) = (0, 0, 0.0);
    let mut fields = Fields(bytes);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => number = value.double()?,
            2 => t_ms = value.int64()?,
            3 => start_ms = value.int64()?,
            _ => {}
        }
    }
    Ok((t_ms, start_ms, number))
}

fn exemplar(bytes: &[u8]) -> Result<Option<Exemplar>, Error> {
    let (mut pairs, mut t_ms, mut number) = (Vec::new(), 0, 0.0);
    let mut fields = Fields(bytes);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 if pairs.len() < LABELS_MAX => pairs.push(pair(value.bytes()?)?),
            2 => number = value.double()?,
            3 => t_ms = value.int64()?,
            _ => {}
        }
    }
    Ok(lossy(pairs).map(|labels| Exemplar { labels, t_ms, value: number }))
}

/// A family's name and what is said about it, unless it is too long.
fn family(bytes: &[u8]) -> Result<(&[u8], Option<Metadata>), Error> {
    let (mut said, mut name, mut help, mut unit) = (MetadataKind::default(), &[][..], &[][..], &[][..]);
    let mut fields = Fields(bytes);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => said = kind(value.varint()?),
            2 => name = value.bytes()?,
            4 => help = value.bytes()?,
            5 => unit = value.bytes()?,
            _ => {}
        }
    }
    // The name is copied as well.
    let fits = name.len() <= METADATA_MAX_BYTES;
    Ok((name, super::metadata(said, help, unit).filter(|_| fits)))
}
