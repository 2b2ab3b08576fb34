//! Why an archive or a folder is not taken.

use std::io;
use std::path::{Path, PathBuf};

use hinomi_model::ErrorKind;

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The archive ends too early.
    #[error("the archive ends early, at byte {at}{}: it was cut off; copy it again or make a new one", within(.file))]
    Cut {
        /// Its length, bytes.
        at: u64,
        /// The file in which it ends.
        file: Option<String>,
    },
    /// Some of its bytes are not those that were written.
    #[error("the archive is damaged, found at byte {at}{}: {why}; copy it again or make a new one", within(.file))]
    Damaged {
        /// How far it was read, bytes: the damage is there or a little before.
        at: u64,
        /// In which file.
        file: Option<String>,
        /// What is wrong.
        why: String,
    },
    /// It holds what no archive of Hinomi holds.
    #[error("the archive is refused, at byte {at}: {why}; only what `hinomi backup` wrote is restored")]
    Refused {
        /// How far it was read, bytes.
        at: u64,
        /// What it holds.
        why: String,
    },
    /// A newer Hinomi made it.
    #[error(
        "the archive has format version {found}, written by Hinomi {by}; this program knows version {known}: use the \
         newer program"
    )]
    Version {
        /// Its version.
        found: u32,
        /// Who wrote it.
        by: String,
        /// The version known here.
        known: u32,
    },
    /// The folder is not one to restore into.
    #[error("{0}")]
    Target(String),
    /// There is not enough room.
    #[error(
        "{needed_bytes} bytes are needed in {}, and {free_bytes} are free; free some space or choose another folder",
        folder.display()
    )]
    Room {
        /// Where.
        folder: PathBuf,
        /// What the archive announces, bytes.
        needed_bytes: u64,
        /// What there is, bytes.
        free_bytes: u64,
    },
    /// The system refused.
    #[error("could not {action} {}: {source}", path.display())]
    Io {
        /// What was being done, as a verb.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A data folder that can't be used, most often as another process uses it.
    #[error(transparent)]
    Disk(#[from] hinomi_disk::Error),
}

fn within(file: &Option<String>) -> String {
    file.as_ref().map_or_else(String::new, |file| format!(" (in {file})"))
}

impl RestoreError {
    /// What the caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Cut { .. } | Self::Damaged { .. } | Self::Refused { .. } => ErrorKind::Corrupt,
            Self::Version { .. } | Self::Target(_) => ErrorKind::Invalid,
            Self::Room { .. } | Self::Io { .. } => ErrorKind::Unavailable,
            Self::Disk(error) => error.kind(),
        }
    }

    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
