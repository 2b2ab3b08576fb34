//! Finding the row that a text was made by.
//!
//! A hole that does not end by itself ends where the literal behind it stands; of several places the first fits at
//! which all of the row fits. Rows with the longest literals go first. All of it draws on one supply of steps, in
//! proportion to the length of the text: a text that uses it up is foreign.

use crate::TEXT_MAX_BYTES;
use crate::book::{Book, Out, Part, Row};
use crate::holes::{Hole, Kind};

/// Steps for any text, and for each of its bytes. The sentences of the stories use less than a tenth.
const STEPS: usize = 20_000;
const STEPS_PER_BYTE: usize = 64;
/// Bytes looked over in a step.
const BYTES_PER_STEP: usize = 16;
/// Phrases within phrases; the phrasebook needs about seven.
const DEPTH_MAX: u32 = 16;
/// Parts of a list between.
const SEPARATOR: &str = "; ";

/// A text in another language.
#[derive(Debug, Default)]
pub(crate) struct Translated<'t> {
    pub(crate) text: String,
    /// What stands in it unchanged.
    pub(crate) foreign: Vec<&'t str>,
}

/// The text by a section of the phrasebook; `None` if it is not wholly made by it.
pub(crate) fn translated<'t>(book: &Book, section: usize, text: &'t str) -> Option<Translated<'t>> {
    if text.len() > TEXT_MAX_BYTES {
        return None;
    }
    let text = text.trim_end();
    let mut search = Search { book, steps: STEPS + text.len() * STEPS_PER_BYTE, depth: 0, tired: false };
    search.phrase(section, text).filter(|_| !search.tired)
}

struct Search<'b> {
    book: &'b Book,
    steps: usize,
    depth: u32,
    /// The steps are used up.
    tired: bool,
}

impl<'b> Search<'b> {
    fn spend(&mut self, steps: usize) -> Option<()> {
        let left = self.steps.checked_sub(steps);
        self.tired |= left.is_none();
        self.steps = left.unwrap_or_default();
        left.map(|_| ())
    }

    fn phrase<'t>(&mut self, section: usize, text: &'t str) -> Option<Translated<'t>> {
        let rows = self.book.sections.get(section)?;
        if self.depth >= DEPTH_MAX {
            return None;
        }
        self.depth += 1;
        let found = rows.iter().find_map(|row| {
            let mut holes = Vec::new();
            self.fit(row, &row.parts, text, &mut holes)
        });
        self.depth -= 1;
        found
    }

    /// Fits the parts to all of the text; `holes` holds what stands in the holes before.
    fn fit<'t>(
        &mut self,
        row: &'b Row,
        parts: &'b [Part],
        text: &'t str,
        holes: &mut Vec<(Kind, &'t str)>,
    ) -> Option<Translated<'t>> {
        self.spend(1)?;
        match parts.split_first() {
            None if text.is_empty() => self.render(row, holes),
            None => None,
            Some((Part::Literal(literal), behind)) => {
                self.fit(row, behind, text.strip_prefix(literal)?, holes)
            }
            Some((Part::Hole(kind @ Kind::Typed(hole)), behind)) if kind.has_own_end() => {
                let (inside, rest) = text.split_at_checked(hole.length(text)?)?;
                self.fit_hole(row, *kind, inside, behind, rest, holes)
            }
            Some((Part::Hole(kind), behind)) => match behind.first() {
                None => self.fit_hole(row, *kind, text, behind, "", holes),
                Some(Part::Literal(literal)) => self.fit_until(row, *kind, literal, behind, text, holes),
                Some(Part::Hole(next)) => self.fit_before(row, *kind, *next, behind, text, holes),
            },
        }
    }

    /// The hole ends at one of the places where the literal stands.
    fn fit_until<'t>(
        &mut self,
        row: &'b Row,
        kind: Kind,
        literal: &str,
        behind: &'b [Part],
        text: &'t str,
        holes: &mut Vec<(Kind, &'t str)>,
    ) -> Option<Translated<'t>> {
        self.spend(text.len() / BYTES_PER_STEP)?;
        let end = if kind.is_word() { text.find(char::is_whitespace) } else { None };
        for (place, _) in text.match_indices(literal) {
            let (inside, rest) = text.split_at_checked(place)?;
            if end.is_some_and(|end| place > end) {
                return None;
            }
            if let Some(found) = self.fit_hole(row, kind, inside, behind, rest, holes) {
                return Some(found);
            }
        }
        None
    }

    /// The hole ends at one of the places where a hole that ends by itself can begin: at a digit.
    fn fit_before<'t>(
        &mut self,
        row: &'b Row,
        kind: Kind,
        next: Kind,
        behind: &'b [Part],
        text: &'t str,
        holes: &mut Vec<(Kind, &'t str)>,
    ) -> Option<Translated<'t>> {
        let Kind::Typed(next) = next else { return None };
        self.spend(text.len() / BYTES_PER_STEP)?;
        for (place, _) in text.match_indices(|c: char| c.is_ascii_digit()) {
            let (inside, rest) = text.split_at_checked(place)?;
            if next.length(rest).is_some()
                && let Some(found) = self.fit_hole(row, kind, inside, behind, rest, holes)
            {
                return Some(found);
            }
        }
        None
    }

    fn fit_hole<'t>(
        &mut self,
        row: &'b Row,
        kind: Kind,
        inside: &'t str,
        behind: &'b [Part],
        rest: &'t str,
        holes: &mut Vec<(Kind, &'t str)>,
    ) -> Option<Translated<'t>> {
        self.spend(inside.len() / BYTES_PER_STEP)?;
        if inside.is_empty() || (kind.is_word() && inside.contains(char::is_whitespace)) {
            return None;
        }
        holes.push((kind, inside));
        let found = self.fit(row, behind, rest, holes);
        holes.pop();
        found
    }

    /// What stands in the holes, each in the other language.
    fn render<'t>(&mut self, row: &Row, holes: &[(Kind, &'t str)]) -> Option<Translated<'t>> {
        let mut inside = Vec::with_capacity(holes.len());
        for (kind, text) in holes {
            inside.push(self.hole(*kind, text)?);
        }
        let mut whole = Translated::default();
        for part in &row.out {
            match part {
                Out::Literal(literal) => join(&mut whole.text, literal),
                Out::Hole(place) => {
                    let hole = inside.get_mut(*place)?;
                    join(&mut whole.text, &hole.text);
                    whole.foreign.append(&mut hole.foreign);
                }
            }
        }
        Some(whole)
    }

    fn hole<'t>(&mut self, kind: Kind, text: &'t str) -> Option<Translated<'t>> {
        self.spend(text.len() / BYTES_PER_STEP)?;
        match kind {
            Kind::Typed(hole) => Some(match hole.japanese(text) {
                Some(text) => Translated { text, foreign: Vec::new() },
                None if matches!(hole, Hole::Word | Hole::Text) => as_it_is(text),
                None => Translated { text: text.to_owned(), foreign: Vec::new() },
            }),
            Kind::Phrase(section) => self.phrase(section, text),
            Kind::Perhaps(section) => Some(self.phrase(section, text).unwrap_or_else(|| as_it_is(text))),
            Kind::List(section) => {
                let mut list = Translated::default();
                for (number, item) in text.split(SEPARATOR).enumerate() {
                    if number > 0 {
                        list.text.push_str(SEPARATOR);
                    }
                    let mut item = self.phrase(section, item).unwrap_or_else(|| as_it_is(item));
                    list.text.push_str(&item.text);
                    list.foreign.append(&mut item.foreign);
                }
                Some(list)
            }
        }
    }
}

impl Kind {
    fn is_word(self) -> bool {
        matches!(self, Self::Typed(Hole::Word))
    }
}

fn as_it_is(text: &str) -> Translated<'_> {
    Translated { text: text.to_owned(), foreign: vec![text] }
}

/// Appends, with a blank between Latin and Japanese letters.
fn join(text: &mut String, next: &str) {
    let japanese = |c: char| matches!(c, 'ぁ'..='ゖ' | 'ァ'..='ヺ' | 'ー' | '一'..='鿿');
    let (last, first) = (text.chars().next_back(), next.chars().next());
    if let (Some(last), Some(first)) = (last, first)
        && ((last.is_ascii_graphic() && japanese(first)) || (japanese(last) && first.is_ascii_alphanumeric()))
    {
        text.push(' ');
    }
    text.push_str(next);
}
