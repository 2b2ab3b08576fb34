//! What can go wrong with the engine.

use hinomi_model::ErrorKind;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Failure of the engine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A data file.
    #[error(transparent)]
    Disk(#[from] hinomi_disk::Error),

    /// The system gives no thread.
    #[error("could not start the thread {name}: {source}; raise the limit of processes")]
    Thread {
        /// Its name.
        name: &'static str,
        /// Why not.
        source: std::io::Error,
    },

    /// What is kept in memory has reached its limit.
    #[error("the memory budget of {limit_bytes} bytes has no room for more samples: send again later")]
    Memory {
        /// The budget's limit.
        limit_bytes: u64,
    },

    /// There are as many tenants in memory as there may be, and each has series there.
    #[error(
        "there are {limit} tenants already, which is the limit: send again when one of them was silent for some hours, \
         or send for one of those that are there"
    )]
    Tenants {
        /// Most tenants.
        limit: usize,
    },

    /// The disk does not take what was appended, and what waits for it has reached its limit.
    #[error("{waiting_bytes} bytes of samples wait for a disk that refuses them: {why}")]
    Backlog {
        /// Bytes that wait.
        waiting_bytes: u64,
        /// What the disk said last.
        why: String,
    },

    /// A sync failed after the samples of others were acknowledged; nothing more is taken until a restart.
    #[error(
        "the log of samples could not be synced: {why}; nothing more is stored until a restart, look for disk \
         errors in the kernel's log"
    )]
    Poisoned {
        /// What the disk said.
        why: String,
    },

    /// Stored bytes do not follow their format.
    #[error("{path} is damaged: {reason}; restore it from a copy or remove it")]
    Corrupt {
        /// Which file.
        path: String,
        /// What is wrong.
        reason: &'static str,
    },

    /// A tenant's name or a request is impossible.
    #[error("{0}")]
    Invalid(String),
}

impl Error {
    /// What the caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Disk(error) => error.kind(),
            Self::Thread { .. } | Self::Backlog { .. } | Self::Poisoned { .. } => ErrorKind::Unavailable,
            Self::Memory { .. } | Self::Tenants { .. } => ErrorKind::Limited,
            Self::Corrupt { .. } => ErrorKind::Corrupt,
            Self::Invalid(_) => ErrorKind::Invalid,
        }
    }
}
