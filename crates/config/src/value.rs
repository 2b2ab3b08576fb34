//! A value together with its place, and maps that know which of their keys are known.

use crate::suggest::closest;
use crate::tree::{Content, Key};
use crate::{Mark, Node, Problems};

/// Longest part of a value that a problem repeats, characters.
const QUOTED_MAX_CHARS: usize = 60;

/// A value, where it stands in the tree, and where its problems go. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Value<'a> {
    node: &'a Node,
    path: String,
    problems: &'a Problems,
}

impl<'a> Value<'a> {
    /// The whole tree.
    #[must_use]
    pub fn root(node: &'a Node, problems: &'a Problems) -> Self {
        Self { node, path: String::new(), problems }
    }

    /// Where it begins.
    #[must_use]
    pub fn mark(&self) -> Mark {
        self.node.mark
    }

    /// Where in the tree, like `routes[1].receiver`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Tells that this value is wrong.
    pub fn problem(&self, message: impl Into<String>, remedy: impl Into<String>) {
        self.problems.add(self.node.mark, &self.path, message, remedy);
    }

    /// Tells something about this value that stops nothing.
    pub fn note(&self, message: impl Into<String>, remedy: impl Into<String>) {
        self.problems.note(self.node.mark, &self.path, message, remedy);
    }

    /// Text of a scalar and whether it stands without quotes; `None` without a problem for anything else.
    #[must_use]
    pub fn scalar(&self) -> Option<(&'a str, bool)> {
        match &self.node.content {
            Content::Scalar { text, plain } => Some((text, *plain)),
            Content::Null | Content::List(_) | Content::Map(_) => None,
        }
    }

    /// Whether it is a map.
    #[must_use]
    pub fn is_map(&self) -> bool {
        matches!(self.node.content, Content::Map(_))
    }

    /// As a map; nothing written is an empty one.
    #[must_use]
    pub fn map(&self) -> Option<Map<'a>> {
        let entries: &[(Key, Node)] = match &self.node.content {
            Content::Map(entries) => entries,
            Content::Null => &[],
            Content::Scalar { .. } | Content::List(_) => {
                self.expected("a map", "write it like `key: value`");
                return None;
            }
        };
        Some(Map { value: self.clone(), entries, known: Vec::new() })
    }

    /// As a list; nothing written is an empty one.
    #[must_use]
    pub fn list(&self) -> Option<Vec<Self>> {
        match &self.node.content {
            Content::List(items) => {
                Some(items.iter().enumerate().map(|(i, item)| self.item(i, item)).collect())
            }
            Content::Null => Some(Vec::new()),
            Content::Scalar { .. } | Content::Map(_) => {
                self.expected("a list", "write it like `[a, b]`, or each item on its own line after `- `");
                None
            }
        }
    }

    /// Tells that something else was expected here.
    pub fn expected(&self, what: &str, remedy: &str) {
        self.problem(format!("expected {what}, found {}", self.describe()), remedy);
    }

    fn describe(&self) -> String {
        match &self.node.content {
            Content::Null => "nothing".to_owned(),
            Content::Scalar { text, .. } => quoted(text),
            Content::List(_) => "a list".to_owned(),
            Content::Map(_) => "a map".to_owned(),
        }
    }

    fn item(&self, index: usize, node: &'a Node) -> Self {
        Self { node, path: format!("{}[{index}]", self.path), problems: self.problems }
    }

    fn child(&self, key: &Key, node: &'a Node) -> Self {
        Self { node, path: joined(&self.path, &key.text), problems: self.problems }
    }
}

/// A map being decoded. Every key that was asked for is known; [`Map::finish`] tells the others.
#[derive(Debug)]
pub struct Map<'a> {
    value: Value<'a>,
    entries: &'a [(Key, Node)],
    known: Vec<&'static str>,
}

impl<'a> Map<'a> {
    /// The map itself as a value, to tell problems about it.
    #[must_use]
    pub fn value(&self) -> &Value<'a> {
        &self.value
    }

    /// The value of `key`, decoded. `None` when it is absent, empty, or wrong; what is wrong is told.
    pub fn take<T>(&mut self, key: &'static str, decode: impl FnOnce(&Value<'a>) -> Option<T>) -> Option<T> {
        self.known.push(key);
        self.get(key).as_ref().and_then(decode)
    }

    /// As [`Map::take`], and tells when the key is missing. `example` shows how to write it.
    pub fn require<T>(
        &mut self,
        key: &'static str,
        example: &str,
        decode: impl FnOnce(&Value<'a>) -> Option<T>,
    ) -> Option<T> {
        self.known.push(key);
        match self.get(key) {
            Some(value) => decode(&value),
            None => {
                self.value.problem(format!("the key `{key}` is missing"), format!("add `{key}: {example}`"));
                None
            }
        }
    }

    /// The items of the list `key`, each decoded; what is wrong is told and left out.
    pub fn take_list<T>(
        &mut self,
        key: &'static str,
        mut decode: impl FnMut(&Value<'a>) -> Option<T>,
    ) -> Option<Vec<T>> {
        self.take(key, |value| Some(value.list()?.iter().filter_map(&mut decode).collect()))
    }

    /// All entries, for maps whose keys are the user's own words.
    #[must_use]
    pub fn entries(self) -> Vec<(&'a str, Value<'a>)> {
        self.entries.iter().map(|(key, node)| (key.text.as_str(), self.value.child(key, node))).collect()
    }

    /// Tells every key that was never asked for.
    pub fn finish(self) {
        for (key, _) in self.entries.iter().filter(|(key, _)| !self.known.contains(&key.text.as_str())) {
            let remedy = match closest(&key.text, self.known.iter().copied()) {
                Some(meant) => format!("did you mean \"{meant}\"?"),
                None => format!("known here: {}", self.known.join(", ")),
            };
            let path = joined(&self.value.path, &key.text);
            self.value.problems.add(key.mark, &path, "unknown key", remedy);
        }
    }

    fn get(&self, key: &str) -> Option<Value<'a>> {
        let (key, node) = self.entries.iter().find(|(k, _)| k.text == key)?;
        (node.content != Content::Null).then(|| self.value.child(key, node))
    }
}

fn joined(path: &str, key: &str) -> String {
    let key = printable(key);
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// A value as a problem repeats it: quoted, escaped, bounded.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", printable(text))
}

fn printable(text: &str) -> String {
    let mut shown: String = text.chars().take(QUOTED_MAX_CHARS).collect::<String>().escape_debug().collect();
    if text.chars().nth(QUOTED_MAX_CHARS).is_some() {
        shown.push('…');
    }
    shown
}
