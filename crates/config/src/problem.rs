//! What is wrong, where, and how to mend it.
//!
//! Invariant: a list of problems is bounded ([`PROBLEMS_MAX`]) and sorted by place.

use std::cell::RefCell;
use std::fmt;

use crate::Mark;

/// More problems than this are counted but not kept.
pub const PROBLEMS_MAX: usize = 100;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// File, or what else the value came from.
    pub file: String,
    /// Line, from 1; 0 when there is none (a value from the environment).
    pub line: u32,
    /// Column in characters, from 1; 0 when there is none.
    pub column: u32,
    /// Where in the tree, like `receivers[0].webhook.url`; empty for the whole file.
    pub key_path: String,
    /// What is wrong.
    pub message: String,
    /// What to do; may be empty.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        f.write_str(": ")?;
        if !self.key_path.is_empty() {
            write!(f, "{}: ", self.key_path)?;
        }
        f.write_str(&self.message)?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", self.remedy)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

/// Something worth knowing that does not stop the start; shown like a [`Problem`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note(pub Problem);

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[derive(Debug, Default)]
struct Found {
    problems: Vec<Problem>,
    notes: Vec<Note>,
    more: usize,
}

/// Collects problems while decoding goes on. Shared by reference: every decoder writes into the same list.
#[derive(Debug)]
pub struct Problems {
    file: String,
    found: RefCell<Found>,
}

impl Problems {
    /// An empty list about `file`.
    #[must_use]
    pub fn new(file: &str) -> Self {
        Self { file: file.to_owned(), found: RefCell::default() }
    }

    /// Something is wrong at `mark`.
    pub fn add(&self, mark: Mark, key_path: &str, message: impl Into<String>, remedy: impl Into<String>) {
        self.push(self.problem(mark, key_path, message.into(), remedy.into()));
    }

    /// Something is wrong that does not stand in the file, such as an environment variable.
    pub fn add_outside(&self, origin: &str, message: impl Into<String>, remedy: impl Into<String>) {
        self.push(Problem {
            file: origin.to_owned(),
            line: 0,
            column: 0,
            key_path: String::new(),
            message: message.into(),
            remedy: remedy.into(),
        });
    }

    /// Something is worth knowing about `mark`.
    pub fn note(&self, mark: Mark, key_path: &str, message: impl Into<String>, remedy: impl Into<String>) {
        let note = Note(self.problem(mark, key_path, message.into(), remedy.into()));
        let mut found = self.found.borrow_mut();
        if found.notes.len() < PROBLEMS_MAX {
            found.notes.push(note);
        }
    }

    /// Whether nothing is wrong so far.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.borrow().problems.is_empty()
    }

    /// Problems and notes, each in the order of the file.
    #[must_use]
    pub fn into_sorted(self) -> (Vec<Problem>, Vec<Note>) {
        let Found { mut problems, mut notes, more } = self.found.into_inner();
        problems.sort_by_key(|p| (p.line, p.column));
        notes.sort_by_key(|n| (n.0.line, n.0.column));
        if more > 0 {
            problems.push(Problem {
                file: self.file,
                line: 0,
                column: 0,
                key_path: String::new(),
                message: format!("{more} more problems are not shown"),
                remedy: "mend those above first".to_owned(),
            });
        }
        (problems, notes)
    }

    fn problem(&self, mark: Mark, key_path: &str, message: String, remedy: String) -> Problem {
        Problem {
            file: self.file.clone(),
            line: mark.line,
            column: mark.column,
            key_path: key_path.to_owned(),
            message,
            remedy,
        }
    }

    fn push(&self, problem: Problem) {
        let mut found = self.found.borrow_mut();
        if found.problems.len() < PROBLEMS_MAX {
            found.problems.push(problem);
        } else {
            found.more += 1;
        }
    }
}
