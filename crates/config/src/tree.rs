//! Text to tree.
//!
//! # Invariants
//!
//! - At most [`TEXT_MAX_BYTES`], [`DEPTH_MAX`] and [`NODES_MAX`]; beyond that one problem and no tree.
//! - One way to say a thing: anchors, aliases, merge keys, tags and further documents are refused, with their place.
//! - The keys of a map are unique; of a repeated key the first stands.

use std::collections::BTreeSet;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};

use crate::Problems;

/// Longest text, bytes.
pub const TEXT_MAX_BYTES: usize = 1 << 20;
/// Deepest nesting.
pub const DEPTH_MAX: usize = 32;
/// Most scalars, lists and maps in one text.
pub const NODES_MAX: usize = 1 << 16;

/// A place in a text, both from 1; the column in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// Line.
    pub line: u32,
    /// Column.
    pub column: u32,
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Where it begins.
    pub mark: Mark,
    pub(crate) content: Content,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Nothing, `~` or `null`.
    Null,
    /// `plain` when written without quotes.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) mark: Mark,
    pub(crate) text: String,
}

/// Parses a text of one YAML document. Always gives a tree: what could not be read is missing in it and is told in
/// `problems`. An empty text is an empty map.
#[must_use]
pub fn parse(text: &str, problems: &Problems) -> Node {
    let start = Mark { line: 1, column: 1 };
    let empty = Node { mark: start, content: Content::Map(Vec::new()) };
    if text.len() > TEXT_MAX_BYTES {
        let message = format!("the file has {} bytes, the limit is {TEXT_MAX_BYTES}", text.len());
        problems.add(start, "", message, "is it the right file?");
        return empty;
    }
    if let Some(mark) = odd_character(text) {
        problems.add(mark, "", "a character that YAML does not allow", "write the file as plain UTF-8 text");
        return empty;
    }
    let mut builder = Builder { parser: Parser::new_from_str(text), problems, nodes: 0 };
    match builder.document() {
        Ok(Some(node)) => node,
        Ok(None) => empty,
        Err(Stop) => empty,
    }
}

/// Reading ended early; the problem is told already.
struct Stop;

struct Builder<'a> {
    parser: Parser<'a, StrInput<'a>>,
    problems: &'a Problems,
    nodes: usize,
}

impl<'a> Builder<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Mark), Stop> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, mark_of(span))),
            Some(Err(error)) => {
                let mark = mark_at(error.marker());
                let remedy = "check the indentation, the quotes and the brackets around this place";
                self.problems.add(mark, "", format!("not valid YAML: {}", error.info()), remedy);
                Err(Stop)
            }
            None => Ok((Event::StreamEnd, Mark::default())),
        }
    }

    fn document(&mut self) -> Result<Option<Node>, Stop> {
        let mut root = None;
        let mut documents = 0_usize;
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(root),
                (Event::DocumentStart(_), mark) => {
                    documents += 1;
                    if documents > 1 {
                        self.problems.add(mark, "", "a second document", "write everything in one document");
                        return Err(Stop);
                    }
                    let (event, mark) = self.next()?;
                    root = Some(self.node(event, mark, 0)?);
                }
                _ => {}
            }
        }
    }

    fn node(&mut self, event: Event<'a>, mark: Mark, depth: usize) -> Result<Node, Stop> {
        self.count(mark, depth)?;
        let content = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_extras(mark, anchor, tag.is_some());
                scalar(text.into_owned(), style)
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_extras(mark, anchor, tag.is_some());
                Content::List(self.list(depth)?)
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_extras(mark, anchor, tag.is_some());
                Content::Map(self.map(depth)?)
            }
            Event::Alias(_) => {
                self.problems.add(mark, "", "an alias (`*name`)", "write the value itself");
                Content::Null
            }
            // The parser gives a node here, or an error before.
            _ => Content::Null,
        };
        Ok(Node { mark, content })
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Stop> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd | Event::StreamEnd, _) => return Ok(items),
                (event, mark) => items.push(self.node(event, mark, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Vec<(Key, Node)>, Stop> {
        let mut entries = Vec::new();
        let mut seen = BTreeSet::new();
        loop {
            let (event, mark) = self.next()?;
            if matches!(event, Event::MappingEnd | Event::StreamEnd) {
                return Ok(entries);
            }
            let key = self.node(event, mark, depth + 1)?;
            let (event, mark) = self.next()?;
            let value = self.node(event, mark, depth + 1)?;
            if let Some(key) = self.key(key)
                && self.is_new(&mut seen, &key)
            {
                entries.push((key, value));
            }
        }
    }

    fn key(&self, node: Node) -> Option<Key> {
        match node.content {
            Content::Scalar { text, plain } if text == "<<" && plain => {
                self.problems.add(node.mark, "", "a merge key (`<<`)", "write the keys themselves");
                None
            }
            Content::Scalar { text, .. } => Some(Key { mark: node.mark, text }),
            Content::Null | Content::List(_) | Content::Map(_) => {
                self.problems.add(node.mark, "", "a key must be a word", "write it like `key: value`");
                None
            }
        }
    }

    fn is_new(&self, seen: &mut BTreeSet<String>, key: &Key) -> bool {
        let new = seen.insert(key.text.clone());
        if !new {
            let message = format!("the key {} stands here twice", crate::value::quoted(&key.text));
            self.problems.add(key.mark, "", message, "keep one of them");
        }
        new
    }

    fn refuse_extras(&self, mark: Mark, anchor: usize, tagged: bool) {
        if anchor != 0 {
            self.problems.add(mark, "", "an anchor (`&name`)", "write the value out where it is needed");
        }
        if tagged {
            self.problems.add(mark, "", "a tag (`!name`)", "leave it out");
        }
    }

    fn count(&mut self, mark: Mark, depth: usize) -> Result<(), Stop> {
        self.nodes += 1;
        let message = if depth > DEPTH_MAX {
            format!("nested deeper than {DEPTH_MAX} levels")
        } else if self.nodes > NODES_MAX {
            format!("more than {NODES_MAX} values")
        } else {
            return Ok(());
        };
        self.problems.add(mark, "", message, "is it the right file?");
        Err(Stop)
    }
}

fn scalar(text: String, style: ScalarStyle) -> Content {
    let plain = style == ScalarStyle::Plain;
    if plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL") {
        Content::Null
    } else {
        Content::Scalar { text, plain }
    }
}

/// The first control character, which YAML forbids (section 5.1 of YAML 1.2.2) and which would end the parser early.
fn odd_character(text: &str) -> Option<Mark> {
    let odd = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}');
    text.lines().zip(1..).find_map(|(line, number)| {
        let column = line.chars().position(odd)?;
        Some(Mark { line: number, column: u32::try_from(column).unwrap_or(u32::MAX).saturating_add(1) })
    })
}

fn mark_of(span: Span) -> Mark {
    mark_at(&span.start)
}

fn mark_at(marker: &saphyr_parser::Marker) -> Mark {
    let from = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Mark { line: from(marker.line()), column: from(marker.col()).saturating_add(1) }
}
