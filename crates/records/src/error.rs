//! What can go wrong with the store.

use hinomi_model::ErrorKind;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Failure of the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A data file.
    #[error(transparent)]
    Disk(#[from] hinomi_disk::Error),

    /// The system gives no thread.
    #[error("could not start the thread records-writer: {0}; raise the limit of processes")]
    Thread(#[source] std::io::Error),
}

impl Error {
    /// What the caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Disk(error) => error.kind(),
            Self::Thread(_) => ErrorKind::Unavailable,
        }
    }
}
