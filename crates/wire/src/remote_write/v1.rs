//! `prometheus.WriteRequest`.

use hinomi_model::metrics::{Exemplar, Metadata};

use super::labels::{LabelSet, Secret, lossy, pair};
use super::proto::Fields;
use super::{Error, LABELS_MAX, Sink, histogram, kind, room};

/// First byte of a label in a series: field 1, bytes.
const LABEL: u8 = 0x0a;

pub(super) fn read<'r>(bytes: &'r [u8], secret: &Secret, sink: &mut impl Sink<'r>) -> Result<(), Error> {
    let mut fields = Fields(bytes);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => series(value.bytes()?, secret, sink)?,
            3 => {
                let (name, metadata) = family(value.bytes()?)?;
                if let Some(name) = str::from_utf8(name).ok().filter(|name| !name.is_empty()) {
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
                let found = histogram::read(value.bytes()?)?;
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
        while let Some((_, value)) = first.next()? {
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

fn exemplar(bytes: &[u8]) -> Result<Exemplar, Error> {
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
    Ok(Exemplar { labels: lossy(pairs), t_ms, value: number })
}

/// A family's name and what is said about it.
fn family(bytes: &[u8]) -> Result<(&[u8], Metadata), Error> {
    let mut metadata = Metadata::default();
    let mut name = &[][..];
    let text = |bytes| String::from_utf8_lossy(bytes).as_ref().into();
    let mut fields = Fields(bytes);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => metadata.kind = kind(value.varint()?),
            2 => name = value.bytes()?,
            4 => metadata.help = text(value.bytes()?),
            5 => metadata.unit = text(value.bytes()?),
            _ => {}
        }
    }
    Ok((name, metadata))
}
