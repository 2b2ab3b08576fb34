//! Labels: what names a series.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock, OnceLock};

use twox_hash::XxHash64;

/// The label that holds a metric's name.
pub const METRIC_NAME: &str = "__name__";
/// The label that holds the upper bound of a classic histogram's bucket.
pub const BUCKET_LABEL: &str = "le";
/// The label that holds a summary's quantile.
pub const QUANTILE_LABEL: &str = "quantile";

/// Pairs of name and value, sorted by name, no name twice, no value empty. Cheap to clone.
#[derive(Clone)]
pub struct Labels(Arc<Inner>);

struct Inner {
    /// Names and values one after another.
    text: Box<str>,
    /// Where each of them ends in `text`, in the same order.
    ends: Box<[u32]>,
    /// Made when first asked for.
    hash: OnceLock<u64>,
}

static EMPTY: LazyLock<Labels> = LazyLock::new(|| Labels::pack(&[]));

impl Labels {
    /// No labels.
    #[must_use]
    pub fn empty() -> Self {
        EMPTY.clone()
    }

    /// Labels from pairs in any order. An empty value means that there is no such label; of a name that comes twice the
    /// last value stays.
    pub fn from_pairs<N: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let pairs: Vec<(N, V)> = pairs.into_iter().collect();
        let mut sorted: Vec<(&str, &str)> = Vec::with_capacity(pairs.len());
        for (name, value) in &pairs {
            sorted.push((name.as_ref(), value.as_ref()));
        }
        sorted.sort_by_key(|(name, _)| *name);
        // Later pairs stand behind earlier ones of the same name: keep the last.
        let mut kept: Vec<(&str, &str)> = Vec::with_capacity(sorted.len());
        for pair in sorted {
            match kept.last_mut() {
                Some(last) if last.0 == pair.0 => *last = pair,
                _ => kept.push(pair),
            }
        }
        kept.retain(|(_, value)| !value.is_empty());
        if kept.is_empty() { Self::empty() } else { Self::pack(&kept) }
    }

    /// Packs pairs that are sorted, distinct and without empty values.
    fn pack(pairs: &[(&str, &str)]) -> Self {
        let bytes = pairs.iter().map(|(name, value)| name.len() + value.len()).sum();
        let mut text = String::with_capacity(bytes);
        let mut ends = Vec::with_capacity(pairs.len() * 2);
        for (name, value) in pairs {
            for part in [name, value] {
                // More than 4 GiB of labels is refused long before; what does not fit is left out.
                let Ok(end) = u32::try_from(text.len() + part.len()) else { continue };
                text.push_str(part);
                ends.push(end);
            }
        }
        Self(Arc::new(Inner { text: text.into(), ends: ends.into(), hash: OnceLock::new() }))
    }

    /// Number of labels.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.ends.len() / 2
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.ends.is_empty()
    }

    /// Bytes of names and values.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        self.0.text.len()
    }

    /// Pairs in order of their names.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter { text: &self.0.text, ends: &self.0.ends, start: 0 }
    }

    /// Value of a label; `None` if there is no such label.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|pair| pair.0 == name).map(|pair| pair.1)
    }

    /// Value of a label, the empty text if there is no such label: what matchers look at.
    #[must_use]
    pub fn value(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// Name of the metric, empty if it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        self.value(METRIC_NAME)
    }

    /// A hash that stays the same for ever, and is the one that Prometheus computes (`limit_ratio` chooses by it):
    /// XXH64 over each name and value behind its length.
    #[must_use]
    pub fn hash(&self) -> u64 {
        *self.0.hash.get_or_init(|| {
            let mut bytes = Vec::with_capacity(self.0.text.len() + self.0.ends.len());
            for (name, value) in self {
                push_sized(&mut bytes, name);
                push_sized(&mut bytes, value);
            }
            XxHash64::oneshot(0, &bytes)
        })
    }

    /// A builder that begins with these labels.
    #[must_use]
    pub fn builder(&self) -> LabelsBuilder {
        LabelsBuilder { base: self.clone(), changes: Vec::new() }
    }

    /// These labels without those named.
    #[must_use]
    pub fn without(&self, names: &[&str]) -> Self {
        self.filter(|name| !names.contains(&name))
    }

    /// Those labels only that are named.
    #[must_use]
    pub fn only(&self, names: &[&str]) -> Self {
        self.filter(|name| names.contains(&name))
    }

    /// These labels with one set; an empty value removes it.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        self.builder().set(name, value).build()
    }

    /// These labels without the metric's name.
    #[must_use]
    pub fn without_name(&self) -> Self {
        self.without(&[METRIC_NAME])
    }

    fn filter(&self, keep: impl Fn(&str) -> bool) -> Self {
        let kept: Vec<(&str, &str)> = self.iter().filter(|pair| keep(pair.0)).collect();
        match kept.len() {
            0 => Self::empty(),
            all if all == self.len() => self.clone(),
            _ => Self::pack(&kept),
        }
    }
}

/// Appends a text behind its length: one byte below 255, else 255 and three bytes, little endian.
fn push_sized(bytes: &mut Vec<u8>, text: &str) {
    let size = text.len().to_le_bytes();
    match size {
        [low, 0, ..] if low < 255 => bytes.push(low),
        [low, middle, high, ..] => bytes.extend([255, low, middle, high]),
    }
    bytes.extend_from_slice(text.as_bytes());
}

/// Pairs of labels in order of their names.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    text: &'a str,
    ends: &'a [u32],
    start: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let [name_end, value_end, rest @ ..] = self.ends else { return None };
        let (name_end, value_end) = (*name_end as usize, *value_end as usize);
        let name = self.text.get(self.start..name_end)?;
        let value = self.text.get(name_end..value_end)?;
        self.start = value_end;
        self.ends = rest;
        Some((name, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.ends.len() / 2;
        (left, Some(left))
    }
}

impl<'a> IntoIterator for &'a Labels {
    type Item = (&'a str, &'a str);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl Default for Labels {
    fn default() -> Self {
        Self::empty()
    }
}

impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for Labels {
    fn from_iter<T: IntoIterator<Item = (N, V)>>(pairs: T) -> Self {
        Self::from_pairs(pairs)
    }
}

impl PartialEq for Labels {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || (self.0.ends == other.0.ends && self.0.text == other.0.text)
    }
}

impl Eq for Labels {}

impl Hash for Labels {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(Self::hash(self));
    }
}

impl Ord for Labels {
    /// Pair by pair, name before value.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let (a, b) = (&*self.0, &*other.0);
        // As far as names and values have the same lengths, the first byte that differs lies in the same of them.
        let alike = a.ends.iter().zip(&b.ends).take_while(|(a, b)| a == b).count();
        let upto = alike.checked_sub(1).and_then(|last| a.ends.get(last)).map_or(0, |end| *end as usize);
        let parts = |inner: &Inner| inner.ends.get(alike).map(|end| *end as usize);
        let (first, second) = (a.text.as_bytes(), b.text.as_bytes());
        first.get(..upto).cmp(&second.get(..upto)).then_with(|| match (parts(a), parts(b)) {
            (Some(end), Some(other_end)) => first.get(upto..end).cmp(&second.get(upto..other_end)),
            (end, other_end) => end.is_some().cmp(&other_end.is_some()),
        })
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Labels {
    /// As Prometheus prints labels: `{__name__="up", job="a", "utf-8.name"="b"}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (at, (name, value)) in self.iter().enumerate() {
            if at > 0 {
                f.write_str(", ")?;
            }
            if is_legacy_label_name(name) {
                f.write_str(name)?;
            } else {
                f.write_str(&quote(name))?;
            }
            write!(f, "={}", quote(value))?;
        }
        f.write_str("}")
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Changes to labels, applied at once by [`LabelsBuilder::build`].
#[derive(Clone, Debug, Default)]
pub struct LabelsBuilder {
    base: Labels,
    /// The last change of a name counts; an empty value removes it.
    changes: Vec<(String, String)>,
}

impl LabelsBuilder {
    /// A builder without labels.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a label; an empty value removes it.
    #[must_use]
    pub fn set(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.changes.push((name.into(), value.into()));
        self
    }

    /// Removes a label.
    #[must_use]
    pub fn remove(self, name: impl Into<String>) -> Self {
        self.set(name, String::new())
    }

    /// The value that a label has by now, if it has one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let changed = self.changes.iter().rev().find(|change| change.0 == name);
        let value = changed.map_or_else(|| self.base.value(name), |change| change.1.as_str());
        (!value.is_empty()).then_some(value)
    }

    /// The labels.
    #[must_use]
    pub fn build(self) -> Labels {
        if self.changes.is_empty() {
            return self.base;
        }
        let changed = self.changes.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        Labels::from_pairs(self.base.iter().chain(changed))
    }
}

/// Whether a name needs no quotes as a label: `[a-zA-Z_][a-zA-Z0-9_]*`.
#[must_use]
pub fn is_legacy_label_name(name: &str) -> bool {
    is_word(name, |byte| byte == b'_')
}

/// Whether a name needs no quotes as a metric's name: `[a-zA-Z_:][a-zA-Z0-9_:]*`.
#[must_use]
pub fn is_legacy_metric_name(name: &str) -> bool {
    is_word(name, |byte| byte == b'_' || byte == b':')
}

fn is_word(name: &str, extra: impl Fn(u8) -> bool) -> bool {
    let begins = name.bytes().next().is_some_and(|first| !first.is_ascii_digit());
    begins && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || extra(byte))
}

/// A text in double quotes with Go's escapes, as Prometheus prints label values and strings.
#[must_use]
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            c if c < ' ' || c == '\u{7f}' => push_escape(&mut out, "\\x", 2, c),
            c if is_printable(c) => out.push(c),
            c if u32::from(c) < 0x1_0000 => push_escape(&mut out, "\\u", 4, c),
            c => push_escape(&mut out, "\\U", 8, c),
        }
    }
    out.push('"');
    out
}

/// Letters, marks, numbers, punctuation and symbols, and the ASCII space; not controls, separators or what is not
/// assigned, which Rust's own debug form escapes too.
fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return true;
    }
    // Marks that join the letter before them are escaped by `escape_debug` when they stand alone, by Go they are not.
    let escaped = c.escape_debug();
    escaped.len() == 1 || (!c.is_control() && !c.is_whitespace() && is_mark(c))
}

/// Whether a character only changes the one before it, by the general categories Mn and Me.
fn is_mark(c: char) -> bool {
    let mut text = String::from("a");
    text.push(c);
    // The standard library leaves a joining mark alone unless it comes first.
    text.escape_debug().count() == 2
}

fn push_escape(out: &mut String, prefix: &str, digits: usize, c: char) {
    out.push_str(prefix);
    out.push_str(&format!("{:0digits$x}", u32::from(c)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_sorted_distinct_and_not_empty() {
        let labels = Labels::from_pairs([("b", "1"), ("a", "x"), ("b", "2"), ("c", "")]);
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("a", "x"), ("b", "2")]);
        assert_eq!(
            (labels.len(), labels.get("b"), labels.get("c"), labels.value("c")),
            (2, Some("2"), None, "")
        );
        assert_eq!(Labels::from_pairs([("a", "")]), Labels::empty());
        assert!(Labels::empty().is_empty());
    }

    #[test]
    fn labels_are_changed() {
        let labels = Labels::from_pairs([(METRIC_NAME, "up"), ("job", "a"), ("zone", "z")]);
        assert_eq!(labels.name(), "up");
        let table = [
            (labels.without_name(), r#"{job="a", zone="z"}"#),
            (labels.without(&["job", "none"]), r#"{__name__="up", zone="z"}"#),
            (labels.without(&["none"]), r#"{__name__="up", job="a", zone="z"}"#),
            (labels.only(&["zone", "job"]), r#"{job="a", zone="z"}"#),
            (labels.only(&["none"]), "{}"),
            (labels.with("job", "b"), r#"{__name__="up", job="b", zone="z"}"#),
            (labels.with("job", ""), r#"{__name__="up", zone="z"}"#),
            (
                labels.builder().remove("zone").set("a", "1").set("a", "2").build(),
                r#"{__name__="up", a="2", job="a"}"#,
            ),
        ];
        for (changed, text) in table {
            assert_eq!(changed.to_string(), text);
        }
        let builder = labels.builder().set("job", "b").remove("zone");
        assert_eq!(
            (builder.get("job"), builder.get("zone"), builder.get(METRIC_NAME)),
            (Some("b"), None, Some("up"))
        );
    }

    #[test]
    fn labels_are_printed_as_prometheus_does() {
        let labels = Labels::from_pairs([("a.b", "x"), ("c", "\"\\\n\u{e4}\u{7f}")]);
        assert_eq!(labels.to_string(), "{\"a.b\"=\"x\", c=\"\\\"\\\\\\n\u{e4}\\x7f\"}");
    }

    #[test]
    fn labels_are_ordered_pair_by_pair() {
        let sorted = [
            Labels::empty(),
            Labels::from_pairs([("a", "1")]),
            Labels::from_pairs([("a", "1"), ("b", "1")]),
            Labels::from_pairs([("a", "2")]),
            Labels::from_pairs([("ab", "1")]),
            Labels::from_pairs([("b", "0")]),
        ];
        assert!(sorted.is_sorted());
        assert!(sorted.windows(2).all(|pair| pair[0] != pair[1]));
        let texts = ["", "1", "12", "2", "\u{e4}"];
        let labels = |at: usize| {
            Labels::from_pairs([("a", texts[at % 5]), ("aa", texts[at / 5 % 5]), ("b", texts[at / 25])])
        };
        for (a, b) in (0..125).flat_map(|a| (0..125).map(move |b| (labels(a), labels(b)))) {
            assert_eq!(a.cmp(&b), a.iter().cmp(b.iter()), "{a} {b}");
        }
    }

    #[test]
    fn hashes_are_those_of_prometheus() {
        // Computed by Prometheus 3.
        let table: [(&[(&str, &str)], u64); 3] = [
            (&[], 17_241_709_254_077_376_921),
            (&[("a", "1")], 15_965_555_808_289_329_452),
            (
                &[("__name__", "up"), ("instance", "localhost:9090"), ("job", "prometheus")],
                8_136_075_434_600_514_341,
            ),
        ];
        for (pairs, hash) in table {
            assert_eq!(Labels::from_pairs(pairs.iter().copied()).hash(), hash, "{pairs:?}");
        }
        let long = "x".repeat(300);
        assert_eq!(Labels::from_pairs([("a", long.as_str())]).hash(), 8_301_386_041_670_035_979);
    }

    #[test]
    fn names_that_need_no_quotes() {
        for (name, label, metric) in [
            ("a_1", true, true),
            ("a:b", false, true),
            ("1a", false, false),
            ("", false, false),
            ("\u{e4}", false, false),
        ] {
            assert_eq!((is_legacy_label_name(name), is_legacy_metric_name(name)), (label, metric), "{name}");
        }
    }

    #[test]
    fn texts_are_quoted_as_go_does() {
        let table = [
            ("\u{7}\u{8}\u{c}\n\r\t\u{b}\u{0}", r#""\a\b\f\n\r\t\v\x00""#),
            ("\u{a0}\u{200b}\u{fffd}", "\"\\u00a0\\u200b\u{fffd}\""),
            ("e\u{301}\u{1f600}", "\"e\u{301}\u{1f600}\""),
            ("\u{301}", "\"\u{301}\""),
            ("\u{e0001}", r#""\U000e0001""#),
        ];
        for (text, quoted) in table {
            assert_eq!(quote(text), quoted);
        }
    }
}
