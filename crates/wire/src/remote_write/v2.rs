//! `io.prometheus.write.v2.Request`.

use std::borrow::Cow;

use hinomi_model::metrics::Exemplar;

use super::labels::{Key, LabelSet, Secret, Symbol, Symbols, lossy, resolve};
use super::proto::{Fields, Value, low32};
use super::{Error, LABELS_MAX, SYMBOLS_MAX, SeriesMetadata, Sink, histogram, kind, room, v1};

/// Hashes of so many names and values make a key without memory taken for it.
const REFS_MAX: usize = 128;

/// Bytes of references beyond which there are too many of them, whatever they are: ten is the most that one takes.
const REFS_MAX_BYTES: usize = 10 * 2 * LABELS_MAX;

pub(super) fn symbols<'a>(
    bytes: &'a [u8],
    secret: &Secret,
    admit: impl FnOnce(usize) -> bool,
) -> Result<Symbols<'a>, Error> {
    let mut count = 0;
    let mut fields = Fields(bytes);
    while let Some((field, _)) = fields.next()? {
        count += usize::from(field == 4);
    }
    if count > SYMBOLS_MAX {
        return Err(Error::TooManySymbols);
    }
    room(admit(count * size_of::<Symbol<'_>>()))?;
    let mut symbols = Vec::with_capacity(count);
    let mut fields = Fields(bytes);
    while let Some((field, value)) = fields.next()? {
        if field == 4 {
            let text = value.bytes()?;
            symbols.push(Symbol { text, hash: secret.hash(text) });
        }
    }
    Ok(symbols)
}

pub(super) fn read<'r>(
    bytes: &'r [u8],
    secret: &Secret,
    symbols: &'r [Symbol<'r>],
    sink: &mut impl Sink<'r>,
) -> Result<(), Error> {
    let mut fields = Fields(bytes);
    while let Some((field, value)) = fields.next()? {
        if field == 5 {
            series(value.bytes()?, secret, symbols, sink)?;
        }
    }
    Ok(())
}

/// What has to be known of a series before its samples: fields may come in any order.
struct Head<'r> {
    refs: Cow<'r, [u8]>,
    metadata: Option<SeriesMetadata<'r>>,
    /// Of all samples that say nothing of it themselves.
    start_ms: i64,
}

fn head<'r>(body: &'r [u8], symbols: &'r [Symbol<'r>]) -> Result<Head<'r>, Error> {
    let mut head = Head { refs: Cow::Borrowed(&[]), metadata: None, start_ms: 0 };
    let mut fields = Fields(body);
    while let Some((field, value)) = fields.next()? {
        match (field, value) {
            (1, value) => add_refs(&mut head.refs, value)?,
            (5, value) => head.metadata = metadata(value.bytes()?, symbols)?,
            (6, value) => head.start_ms = value.int64()?,
            _ => {}
        }
    }
    Ok(head)
}

/// References come as one packed list, or one by one.
fn add_refs<'r>(refs: &mut Cow<'r, [u8]>, value: Value<'r>) -> Result<(), Error> {
    match value {
        Value::Bytes(packed) if refs.is_empty() => *refs = Cow::Borrowed(packed),
        // What is beyond too many of them is of no interest.
        _ if refs.len() > REFS_MAX_BYTES => {}
        Value::Bytes(packed) => {
            let packed = packed.get(..=REFS_MAX_BYTES).unwrap_or(packed);
            refs.to_mut().extend_from_slice(packed);
        }
        single => {
            let mut rest = single.varint()?;
            let refs = refs.to_mut();
            while rest >= 0x80 {
                let [low, ..] = rest.to_le_bytes();
                refs.push(low | 0x80);
                rest >>= 7;
            }
            let [low, ..] = rest.to_le_bytes();
            refs.push(low);
        }
    }
    Ok(())
}

fn series<'r>(
    body: &'r [u8],
    secret: &Secret,
    symbols: &'r [Symbol<'r>],
    sink: &mut impl Sink<'r>,
) -> Result<(), Error> {
    let head = head(body, symbols)?;
    let start = |own: i64| if own == 0 { head.start_ms } else { own };
    let mut fields = Fields(body);
    while let Some((field, value)) = fields.next()? {
        match field {
            2 => {
                let (t_ms, start_ms, value) = v1::sample(value.bytes()?)?;
                room(sink.float(t_ms, start(start_ms), value))?;
            }
            3 => {
                let found = histogram::read(value.bytes()?, |bytes| sink.admits(bytes))?;
                room(sink.histogram(found.t_ms, start(found.start_ms), found.histogram))?;
            }
            4 => room(sink.exemplar(exemplar(value.bytes()?, symbols)?))?,
            _ => {}
        }
    }
    let key = key(&head.refs, secret, symbols);
    room(sink.series(LabelSet::refs(key, head.refs, symbols), head.metadata))
}

/// The key of labels: a hash over the hashes of their texts, as references differ from request to request.
fn key(refs: &[u8], secret: &Secret, symbols: &[Symbol<'_>]) -> Option<Key> {
    let mut hashes = [0_u8; 16 * REFS_MAX];
    let mut used = 0;
    let mut fields = Fields(refs);
    let mut slots = hashes.as_chunks_mut::<16>().0.iter_mut();
    while !fields.0.is_empty() {
        let number = usize::try_from(low32(fields.varint().ok()?)).ok()?;
        *slots.next()? = symbols.get(number)?.hash.to_le_bytes();
        used += 16;
    }
    (used % 32 == 0).then(|| Key(secret.hash(hashes.get(..used).unwrap_or_default())))
}

fn exemplar(bytes: &[u8], symbols: &[Symbol<'_>]) -> Result<Option<Exemplar>, Error> {
    let (mut refs, mut t_ms, mut number) = (Cow::Borrowed(&[][..]), 0, 0.0);
    let mut fields = Fields(bytes);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => add_refs(&mut refs, value)?,
            2 => number = value.double()?,
            3 => t_ms = value.int64()?,
            _ => {}
        }
        if refs.len() > REFS_MAX_BYTES {
            return Err(Error::Proto("an exemplar with too many labels"));
        }
    }
    // References to nothing name nothing; the exemplar is worth keeping without them.
    let labels = lossy(resolve(&refs, symbols).unwrap_or_default());
    Ok(labels.map(|labels| Exemplar { labels, t_ms, value: number }))
}

fn metadata<'r>(bytes: &[u8], symbols: &'r [Symbol<'r>]) -> Result<Option<SeriesMetadata<'r>>, Error> {
    let (mut number, mut help, mut unit) = (0, 0, 0);
    let mut fields = Fields(bytes);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => number = value.varint()?,
            3 => help = low32(value.varint()?),
            4 => unit = low32(value.varint()?),
            _ => {}
        }
    }
    if number == 0 && help == 0 && unit == 0 {
        return Ok(None);
    }
    const NONE: Symbol<'static> = Symbol { text: &[], hash: 0 };
    let symbol = |number: u32| {
        usize::try_from(number).ok().and_then(|number| symbols.get(number)).copied().unwrap_or(NONE)
    };
    let (help, unit) = (symbol(help), symbol(unit));
    let mixed = help.hash ^ unit.hash.rotate_left(17) ^ u128::from(number);
    let [a, b, c, d, ..] = mixed.to_le_bytes();
    let key = u32::from_le_bytes([a, b, c, d]).max(1);
    Ok(Some(SeriesMetadata { kind: kind(number), help: help.text, unit: unit.text, key }))
}
