//! The phrasebook as data: rows of an English template and its translation, in sections.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::holes::{Hole, Kind};

/// The Japanese phrasebook; its head explains the format.
const JAPANESE: &str = include_str!("ja.txt");
/// The section that a text is looked up in first.
const ROOT: &str = "text";
/// The section of labels.
const LABELS: &str = "label";

/// A phrasebook that is read.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// Rows of each section, the one with the longest literals first.
    pub(crate) sections: Vec<Vec<Row>>,
    /// The section of whole texts.
    pub(crate) root: usize,
    /// The section of labels.
    pub(crate) labels: usize,
    /// English templates, every hole as `\0`.
    pub(crate) english: Vec<String>,
    /// What is wrong with the file; a test holds it empty.
    pub(crate) problems: Vec<String>,
}

/// A row.
#[derive(Debug)]
pub(crate) struct Row {
    /// English: literals and holes in turn.
    pub(crate) parts: Vec<Part>,
    /// Translation: literals, and holes by their place in the English.
    pub(crate) out: Vec<Out>,
    literal_bytes: usize,
}

/// A part of an English template.
#[derive(Debug)]
pub(crate) enum Part {
    Literal(&'static str),
    Hole(Kind),
}

/// A part of a translation.
#[derive(Debug)]
pub(crate) enum Out {
    Literal(&'static str),
    Hole(usize),
}

pub(crate) fn japanese() -> &'static Book {
    static BOOK: LazyLock<Book> = LazyLock::new(|| read(JAPANESE));
    &BOOK
}

pub(crate) fn read(text: &'static str) -> Book {
    let names: BTreeMap<&str, usize> =
        text.lines().filter_map(section).enumerate().map(|(number, name)| (name, number)).collect();
    let mut book = Book { sections: names.iter().map(|_| Vec::new()).collect(), ..Book::default() };
    let mut current = None;
    for (number, line) in text.lines().enumerate().map(|(number, line)| (number + 1, line.trim())) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = section(line) {
            current = names.get(name).copied();
            continue;
        }
        let rows = current.and_then(|section| book.sections.get_mut(section));
        match (row(line, &names), rows) {
            (Ok((row, english)), Some(rows)) => {
                rows.push(row);
                book.english.push(english);
            }
            (Err(problem), _) => book.problems.push(format!("line {number}: {problem}")),
            (Ok(_), None) => book.problems.push(format!("line {number}: stands in no section")),
        }
    }
    for (name, place) in [(ROOT, &mut book.root), (LABELS, &mut book.labels)] {
        match names.get(name) {
            Some(section) => *place = *section,
            None => book.problems.push(format!("no section [{name}]")),
        }
    }
    for rows in &mut book.sections {
        rows.sort_by_key(|row| std::cmp::Reverse(row.literal_bytes));
    }
    book
}

fn section(line: &str) -> Option<&str> {
    line.strip_prefix('[')?.strip_suffix(']')
}

fn row(line: &'static str, names: &BTreeMap<&str, usize>) -> Result<(Row, String), String> {
    let (english, translation) = line.split_once(" => ").ok_or("a row is: English => translation")?;
    let mut holes: Vec<&str> = Vec::new();
    let mut parts: Vec<Part> = Vec::new();
    let (mut literal_bytes, mut plain) = (0, String::new());
    for (literal, name) in pieces(english.trim_end())? {
        if !literal.is_empty() {
            literal_bytes += literal.len();
            plain.push_str(literal);
            parts.push(Part::Literal(literal));
        }
        let Some(name) = name else { continue };
        let kind = kind(name, names)?;
        if holes.contains(&name) {
            return Err(format!("{{{name}}} stands twice: number them"));
        }
        if !kind.has_own_end() && matches!(parts.last(), Some(Part::Hole(before)) if !before.has_own_end()) {
            return Err(format!("nothing parts {{{name}}} from the hole before it"));
        }
        holes.push(name);
        plain.push('\0');
        parts.push(Part::Hole(kind));
    }
    let mut out = Vec::new();
    let mut used = Vec::new();
    for (literal, name) in pieces(translation.trim())? {
        if !literal.is_empty() {
            out.push(Out::Literal(literal));
        }
        let Some(name) = name else { continue };
        let place = holes.iter().position(|hole| *hole == name);
        let place = place.ok_or_else(|| format!("{{{name}}} is not in the English"))?;
        used.push(place);
        out.push(Out::Hole(place));
    }
    if used.len() != holes.len() {
        return Err("a hole of the English is not in the translation, or twice".to_owned());
    }
    Ok((Row { parts, out, literal_bytes }, plain))
}

/// A template cut at its holes: a literal, and the name of the hole behind it. A hole begins with a small letter: other
/// braces are text.
fn pieces(template: &'static str) -> Result<Vec<(&'static str, Option<&'static str>)>, String> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some((place, after)) = rest.match_indices('{').find_map(|(place, brace)| {
        let after = rest.get(place + brace.len()..)?;
        after.starts_with(|c: char| c.is_ascii_lowercase()).then_some((place, after))
    }) {
        let (name, behind) = after.split_once('}').ok_or("a hole without its end")?;
        pieces.push((rest.get(..place).unwrap_or_default(), Some(name)));
        rest = behind;
    }
    pieces.push((rest, None));
    Ok(pieces)
}

fn kind(name: &str, names: &BTreeMap<&str, usize>) -> Result<Kind, String> {
    let bare = name.trim_end_matches(['?', '*']).trim_end_matches(|c: char| c.is_ascii_digit());
    if let Some(hole) = Hole::named(bare) {
        return Ok(Kind::Typed(hole));
    }
    let section = *names.get(bare).ok_or_else(|| format!("{{{name}}}: no such kind or section"))?;
    Ok(match name.chars().last() {
        Some('?') => Kind::Perhaps(section),
        Some('*') => Kind::List(section),
        _ => Kind::Phrase(section),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_phrasebook_has_no_mistakes() {
        let book = japanese();
        assert!(book.problems.is_empty(), "{:#?}", book.problems);
        assert!(book.english.len() > 200, "{} rows", book.english.len());
        let mut seen = std::collections::BTreeSet::new();
        let mut current = "";
        let mut twice = Vec::new();
        for line in JAPANESE.lines().filter(|line| !line.starts_with('#')) {
            current = section(line).unwrap_or(current);
            if let Some((english, _)) = line.split_once(" => ")
                && !seen.insert((current, english.trim()))
            {
                twice.push(line);
            }
        }
        assert!(twice.is_empty(), "rows that are there twice: {twice:#?}");
    }

    #[test]
    fn mistakes_are_named() {
        let book = read(
            "a => b\n[label]\n[text]\nno arrow\n{x} => y\n{n}{n} => {n}\na {text} => b\n{word}{text} => {word}{text}",
        );
        assert_eq!(
            book.problems,
            [
                "line 1: stands in no section",
                "line 4: a row is: English => translation",
                "line 5: {x}: no such kind or section",
                "line 6: {n} stands twice: number them",
                "line 7: a hole of the English is not in the translation, or twice",
                "line 8: nothing parts {text} from the hole before it",
            ]
        );
    }
}
