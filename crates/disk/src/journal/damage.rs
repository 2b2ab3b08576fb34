//! Reports of damaged places: bounded, but everything is counted.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use hinomi_model::ErrorKind;

/// One place in a segment that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The segment's file.
    pub path: PathBuf,
    /// Where the unreadable bytes begin.
    pub offset: u64,
    /// How many there are; 0 when the file ends too early.
    pub bytes: u64,
    /// Numbers of the frames that are lost; empty when only a header is.
    pub lost: Range<u64>,
    /// What is wrong, in words.
    pub reason: String,
}

impl Damage {
    /// Always [`ErrorKind::Corrupt`].
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Corrupt
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {} ({} bytes): {}", self.path.display(), self.offset, self.bytes, self.reason)?;
        if self.lost.is_empty() {
            f.write_str("; nothing is lost")
        } else {
            write!(f, "; records {} to {} are lost", self.lost.start, self.lost.end.saturating_sub(1))
        }
    }
}

/// All damage of a pass over the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Damages {
    /// The first [`Damages::LISTED_MAX`] places.
    pub listed: Vec<Damage>,
    /// How many places there are.
    pub places: u64,
    /// How many frames are lost in them.
    pub lost: u64,
}

impl Damages {
    /// How many places are described; the rest is only counted.
    pub const LISTED_MAX: usize = 64;

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places == 0
    }

    /// Adds a place.
    pub fn push(&mut self, damage: Damage) {
        self.places = self.places.saturating_add(1);
        self.lost = self.lost.saturating_add(damage.lost.end.saturating_sub(damage.lost.start));
        if self.listed.len() < Self::LISTED_MAX {
            self.listed.push(damage);
        }
    }
}
