//! Errors of the pipeline.

use hinomi_model::ErrorKind;

/// What can go wrong while opening or asking.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The data folder can't be used.
    #[error(transparent)]
    Disk(#[from] hinomi_records::Error),
    /// The metrics engine.
    #[error(transparent)]
    Metrics(#[from] hinomi_tsdb::Error),
    /// The question is wrong.
    #[error("{0}")]
    Invalid(String),
    /// Nothing of that name is known.
    #[error("nothing called \"{name}\" is known; {hint}")]
    NotFound {
        /// What was asked for.
        name: String,
        /// What is there, or where to look.
        hint: String,
    },
    /// Somebody else is at it.
    #[error("{0}")]
    Busy(String),
    /// The machine can't do it now.
    #[error("{0}")]
    Unavailable(String),
    /// A thread could not be started.
    #[error("could not start a thread of Hinomi: {0}")]
    Thread(#[source] std::io::Error),
}

impl Error {
    /// What the caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Disk(error) => error.kind(),
            Self::Metrics(error) => error.kind(),
            Self::Invalid(_) => ErrorKind::Invalid,
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Busy(_) => ErrorKind::Limited,
            Self::Unavailable(_) | Self::Thread(_) => ErrorKind::Unavailable,
        }
    }
}
