//! Labels as they stand in a request: known by a key, decoded on demand.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::hash::{BuildHasher as _, RandomState};

use hinomi_series::{Labels, METRIC_NAME};
use twox_hash::XxHash3_128;

use super::proto::{Fields, low32};
use super::{EXEMPLAR_MAX_CHARS, Error, LABELS_MAX, LABELS_MAX_BYTES};

/// Longest part of labels that an error repeats, characters.
const SHOWN_MAX_CHARS: usize = 512;

/// What keys are made with: another one in every process, so that nobody can choose labels that share a key.
#[derive(Clone)]
pub struct Secret(Box<[u8; 192]>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Default for Secret {
    fn default() -> Self {
        Self::new()
    }
}

impl Secret {
    /// A new one, by chance.
    #[must_use]
    pub fn new() -> Self {
        let chance = RandomState::new();
        let mut bytes = [0; 192];
        for (at, chunk) in bytes.chunks_exact_mut(8).enumerate() {
            chunk.copy_from_slice(&chance.hash_one(at).to_le_bytes());
        }
        Self(Box::new(bytes))
    }

    #[inline]
    pub(super) fn hash(&self, bytes: &[u8]) -> u128 {
        // The secret is as long as it has to be, so there is always a hash.
        XxHash3_128::oneshot_with_secret(&self.0[..], bytes).unwrap_or_default()
    }
}

/// Stands for labels: 128 bits of a keyed hash over their encoded bytes. Two keys of a process are the same if the bytes
/// are, and otherwise with a chance of 1 in 2^128 for each pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(pub u128);

/// A text of a 2.0 request and its hash.
#[derive(Clone, Copy, Debug)]
pub(super) struct Symbol<'a> {
    pub(super) text: &'a [u8],
    pub(super) hash: u128,
}

pub(super) type Symbols<'a> = Vec<Symbol<'a>>;

#[derive(Clone, Debug)]
enum Form<'r> {
    /// Labels of 1.0, next to each other as they nearly always are.
    Block(&'r [u8]),
    /// Each label of 1.0.
    Scattered(Vec<&'r [u8]>),
    /// Labels of 2.0.
    Refs(Cow<'r, [u8]>, &'r [Symbol<'r>]),
}

/// The labels of a series, still encoded.
#[derive(Clone, Debug)]
pub struct LabelSet<'r> {
    key: Option<Key>,
    form: Form<'r>,
}

/// Why labels name no series; the words are those of Prometheus.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LabelsError {
    /// Without a name, or not UTF-8, or with a label without a name.
    #[error("invalid metric name or labels, got {0}")]
    Invalid(String),
    /// A name comes twice.
    #[error("invalid labels for series, labels {shown}, duplicated label {name}")]
    Duplicate {
        /// The labels.
        shown: String,
        /// The name.
        name: String,
    },
    /// Too many.
    #[error("series with more than {LABELS_MAX} labels")]
    TooMany,
    /// Too long, all in all. A 2.0 request names one text as often as it likes, so this is known before a text is copied.
    #[error("series with labels of more than {} KiB", LABELS_MAX_BYTES >> 10)]
    TooLong,
    /// References that are no pairs, or to symbols that are not there.
    #[error("parsing labels for series {refs}: {reason}")]
    Refs {
        /// The references.
        refs: String,
        /// What is wrong.
        reason: String,
    },
    /// A label that is no protobuf message.
    #[error(transparent)]
    Proto(#[from] Error),
}

type Pair<'a> = (&'a [u8], &'a [u8]);

impl<'r> LabelSet<'r> {
    pub(super) fn block(secret: &Secret, block: &'r [u8]) -> Self {
        Self { key: Some(Key(secret.hash(block))), form: Form::Block(block) }
    }

    pub(super) fn scattered(labels: Vec<&'r [u8]>) -> Self {
        Self { key: None, form: Form::Scattered(labels) }
    }

    pub(super) fn refs(key: Option<Key>, refs: Cow<'r, [u8]>, symbols: &'r [Symbol<'r>]) -> Self {
        Self { key, form: Form::Refs(refs, symbols) }
    }

    /// What it is known by; `None` where its bytes are put together in a way that no sender repeats, or wrong.
    #[must_use]
    pub fn key(&self) -> Option<Key> {
        self.key
    }

    /// Memory that it holds beside the request's, bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        match &self.form {
            Form::Scattered(labels) => labels.capacity() * size_of::<&[u8]>(),
            Form::Refs(Cow::Owned(refs), _) => refs.capacity(),
            Form::Block(_) | Form::Refs(Cow::Borrowed(_), _) => 0,
        }
    }

    fn pairs(&self) -> Result<Vec<Pair<'_>>, LabelsError> {
        let mut pairs: Vec<Pair<'_>> = Vec::with_capacity(16);
        let mut bytes = 0_usize;
        let mut push = |(name, value)| {
            pairs.push((name, value));
            bytes = bytes.saturating_add(name.len()).saturating_add(value.len());
            match () {
                () if pairs.len() > LABELS_MAX => Err(LabelsError::TooMany),
                () if bytes > LABELS_MAX_BYTES => Err(LabelsError::TooLong),
                () => Ok(()),
            }
        };
        match &self.form {
            Form::Block(block) => {
                let mut fields = Fields(block);
                while let Some((_, value)) = fields.next()? {
                    push(pair(value.bytes()?)?)?;
                }
            }
            Form::Scattered(labels) => {
                labels.iter().try_for_each(|label| push(pair(label)?))?;
            }
            Form::Refs(refs, symbols) => resolve(refs, symbols)?.into_iter().try_for_each(push)?,
        }
        Ok(pairs)
    }

    /// The labels, sorted and checked. Labels without a value are left out.
    ///
    /// # Errors
    ///
    /// [`LabelsError`]: they name no series.
    pub fn labels(&self) -> Result<Labels, LabelsError> {
        let pairs = self.pairs()?;
        let mut texts = Vec::with_capacity(pairs.len());
        for (name, value) in &pairs {
            match (str::from_utf8(name), str::from_utf8(value)) {
                (Ok(name), Ok(value)) if !name.is_empty() => texts.push((name, value)),
                _ => return Err(LabelsError::Invalid(show(&pairs))),
            }
        }
        let sorted = texts.is_sorted_by(|a, b| a.0 < b.0);
        if !sorted {
            texts.sort_unstable();
            if let Some([(name, _), _]) = texts.array_windows().find(|[a, b]| a.0 == b.0) {
                return Err(LabelsError::Duplicate { shown: show(&pairs), name: cut(name) });
            }
        }
        if !texts.iter().any(|(name, value)| *name == METRIC_NAME && !value.is_empty()) {
            return Err(LabelsError::Invalid(show(&pairs)));
        }
        Ok(Labels::from_pairs(texts))
    }

    /// The labels in words, whatever is wrong with them.
    #[must_use]
    pub fn shown(&self) -> String {
        self.pairs().map_or_else(|error| error.to_string(), |pairs| show(&pairs))
    }
}

/// The labels of an exemplar; what is no UTF-8 is replaced. `None`: they have more than [`EXEMPLAR_MAX_CHARS`].
pub(super) fn lossy(pairs: Vec<Pair<'_>>) -> Option<Labels> {
    let bytes = pairs.iter().fold(0_usize, |sum, (name, value)| sum.saturating_add(name.len() + value.len()));
    // No character has more bytes than four, and what is none becomes one of three.
    if bytes > 4 * EXEMPLAR_MAX_CHARS {
        return None;
    }
    let text = |bytes| String::from_utf8_lossy(bytes);
    let labels =
        Labels::from_pairs(pairs.into_iter().take(LABELS_MAX).map(|(name, value)| (text(name), text(value))));
    let chars = |text: &str| text.chars().count();
    let all = labels.iter().map(|(name, value)| chars(name) + chars(value)).sum::<usize>();
    (all <= EXEMPLAR_MAX_CHARS).then_some(labels)
}

/// Name and value of a label of 1.0.
pub(super) fn pair(label: &[u8]) -> Result<Pair<'_>, Error> {
    let mut pair: Pair<'_> = (&[], &[]);
    let mut fields = Fields(label);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => pair.0 = value.bytes()?,
            2 => pair.1 = value.bytes()?,
            _ => {}
        }
    }
    Ok(pair)
}

/// Names and values of references to symbols.
pub(super) fn resolve<'r>(refs: &[u8], symbols: &'r [Symbol<'r>]) -> Result<Vec<Pair<'r>>, LabelsError> {
    let mut fields = Fields(refs);
    let mut numbers = Vec::with_capacity(32);
    while !fields.0.is_empty() {
        numbers.push(low32(fields.varint()?));
        if numbers.len() > 2 * LABELS_MAX {
            return Err(LabelsError::TooMany);
        }
    }
    let wrong = |reason| {
        let all: Vec<String> = numbers.iter().map(ToString::to_string).collect();
        LabelsError::Refs { refs: cut(&format!("[{}]", all.join(" "))), reason }
    };
    if numbers.len() % 2 != 0 {
        return Err(wrong(format!("invalid labelRefs length {}", numbers.len())));
    }
    let symbol = |number: u32| symbols.get(usize::try_from(number).ok()?).map(|symbol| symbol.text);
    let mut pairs = Vec::with_capacity(numbers.len() / 2);
    for (at, [name, value]) in numbers.as_chunks().0.iter().enumerate() {
        let Some(pair) = symbol(*name).zip(symbol(*value)) else {
            return Err(wrong(format!(
                "labelRefs {} (name) = {name} or {} (value) = {value} outside of symbols table (size {})",
                2 * at,
                2 * at + 1,
                symbols.len()
            )));
        };
        pairs.push(pair);
    }
    Ok(pairs)
}

fn cut(text: &str) -> String {
    let mut short: String = text.chars().take(SHOWN_MAX_CHARS).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// As Prometheus prints labels, in order of their names, as far as is shown.
fn show(pairs: &[Pair<'_>]) -> String {
    let mut sorted = pairs.to_vec();
    sorted.sort_unstable();
    // Of no text more than could be shown if nothing stood before it.
    let start = |text| String::from_utf8_lossy(<[u8]>::get(text, ..4 * SHOWN_MAX_CHARS).unwrap_or(text));
    let mut text = String::from("{");
    for (at, (name, value)) in sorted.into_iter().enumerate() {
        // No character has more bytes than four.
        if text.len() > 4 * SHOWN_MAX_CHARS {
            break;
        }
        let (name, value) = (start(name), start(value));
        text.push_str(if at > 0 { ", " } else { "" });
        if hinomi_series::is_legacy_label_name(&name) {
            text.push_str(&name);
        } else {
            text.push_str(&hinomi_series::quote(&name));
        }
        // Writing to a text cannot fail.
        let _written = write!(text, "={}", hinomi_series::quote(&value));
    }
    text.push('}');
    cut(&text)
}
