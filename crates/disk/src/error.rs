//! What can go wrong with data files, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use hinomi_model::ErrorKind;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Failure of a data file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The disk refused an operation.
    #[error("could not {action} {path}: {source}{remedy}", path = path.display(), remedy = remedy(source))]
    Io {
        /// What was being done, as a verb: "write to", "sync".
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },

    /// Another process works in the folder.
    #[error(
        "data folder {dir} is in use by {holder}: stop that process, or choose another folder",
        dir = dir.display(),
        holder = holder.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
    )]
    FolderInUse {
        /// The folder.
        dir: PathBuf,
        /// The other's process number, where its lock file says so.
        holder: Option<u32>,
    },

    /// A payload is beyond the format's limit.
    #[error("payload of {bytes} bytes is over the journal's limit of {limit} bytes: split it")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },

    /// The file does not hold what its format demands.
    #[error("{path} is damaged at byte {offset}: {reason}; restore it from a copy or remove it", path = path.display())]
    Corrupt {
        /// Which file.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// What is wrong.
        reason: &'static str,
    },

    /// A newer program wrote the file.
    #[error(
        "{path} has format version {found}, this program knows up to {known}: use the newer program or another folder",
        path = path.display()
    )]
    Version {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
}

fn remedy(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; free some space, writing goes on by itself"
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "; remount it writable, and look for disk errors in the kernel's log"
        }
        io::ErrorKind::PermissionDenied => "; give this process's user the right to write there",
        _ => "",
    }
}

impl Error {
    /// What the caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied => ErrorKind::Forbidden,
                io::ErrorKind::NotFound => ErrorKind::NotFound,
                _ => ErrorKind::Unavailable,
            },
            Self::FolderInUse { .. } => ErrorKind::Unavailable,
            Self::TooLarge { .. } => ErrorKind::Limited,
            Self::Corrupt { .. } => ErrorKind::Corrupt,
            Self::Version { .. } => ErrorKind::Invalid,
        }
    }

    /// For `map_err`: an [`Error::Io`] that names the action and the path.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}
