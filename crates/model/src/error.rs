//! What a caller can do about an error; shared by every crate, mapped to HTTP and exit codes in one place each.

/// Kind of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request is wrong and will stay wrong (400, exit code 2).
    Invalid,
    /// The thing asked for is not there (404).
    NotFound,
    /// A stated limit was hit (429).
    Limited,
    /// The token is missing or wrong (401).
    Unauthorized,
    /// A right is missing (403).
    Forbidden,
    /// Try again later, same bytes (503).
    Unavailable,
    /// Bytes on disk do not match their checksum or format (500).
    Corrupt,
    /// A bug in Hinomi (500).
    Internal,
}
