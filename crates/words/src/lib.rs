//! Hinomi's own sentences in the reader's language.
//!
//! # In one breath
//!
//! What Hinomi says is made and stored in English (`docs/decisions/0009-phrasebook.md`). [`translate`] turns a stored
//! text into the reader's language by a phrasebook, `src/ja.txt`: rows of an English template with holes and its
//! translation, in sections. [`translate_json`] does so for every text for people in an answer of the API.
//!
//! # To add a sentence
//!
//! 1. Write the English where it is made.
//! 2. Run `cargo test -p hinomi-words` : it reads the sources and names the sentences that the phrasebook lacks.
//! 3. Add a row to `src/ja.txt`; its head explains holes and sections. Use the terms of `docs/glossary.md`.
//! 4. `cargo test -p hinomi-alert --test words` runs all stories of `tests/scripts` and fails if a piece of English of
//!    ours is left in what they say.
//!
//! # Invariants
//!
//! - **W1** Foreign text (error texts of a runtime, names, images, log lines) passes unchanged.
//! - **W2** A text that is not wholly Hinomi's own, or longer than [`TEXT_MAX_BYTES`], comes back as it is.
//! - **W3** It never panics, and takes time in proportion to the text's length at most.
//! - **W4** English costs nothing: no copy, no search.

mod book;
mod holes;
mod json;
mod language;
mod matching;

use std::borrow::Cow;

pub use json::{Place, translate_json, visit_json};
pub use language::{Language, UnknownLanguage};

/// A longer text is returned as it is: no sentence of Hinomi is so long.
pub const TEXT_MAX_BYTES: usize = 4096;

/// The text in the language; what is not Hinomi's own comes back as it is.
#[must_use]
pub fn translate(text: &str, language: Language) -> Cow<'_, str> {
    in_section(text, language, |book| book.root)
}

/// The label of a fact in the language; a word may mean something else there than in a text.
#[must_use]
pub fn translate_label(label: &str, language: Language) -> Cow<'_, str> {
    in_section(label, language, |book| book.labels)
}

fn in_section(text: &str, language: Language, section: impl Fn(&book::Book) -> usize) -> Cow<'_, str> {
    let book = match language {
        Language::En => return Cow::Borrowed(text),
        Language::Ja => book::japanese(),
    };
    let translated = matching::translated(book, section(book), text);
    translated.map_or(Cow::Borrowed(text), |translated| Cow::Owned(translated.text))
}

/// The passages of a text that no language changes, like names and the runtime's words; `None` if the text is not
/// Hinomi's own. For tests: a piece of Hinomi's English among them is a row that the phrasebook lacks.
#[must_use]
pub fn foreign(text: &str) -> Option<Vec<&str>> {
    let book = book::japanese();
    matching::translated(book, book.root, text).map(|translated| translated.foreign)
}

/// Whether the phrasebook has this piece of an English sentence in a template. For the test that reads the sources.
#[must_use]
pub fn has_piece(piece: &str) -> bool {
    book::japanese().english.iter().any(|template| template.contains(piece))
}
