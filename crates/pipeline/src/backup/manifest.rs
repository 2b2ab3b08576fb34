//! What an archive says about itself: shortly at its begin, file by file at its end.

use serde::{Deserialize, Serialize};

/// Version of the archive's format that is written and read.
pub const FORMAT_VERSION: u32 = 1;
/// Longest head, bytes.
pub(super) const HEAD_BYTES_MAX: u64 = 64 << 10;
/// Longest manifest, bytes.
pub(super) const MANIFEST_BYTES_MAX: u64 = 64 << 20;
/// Files at most.
pub(super) const FILES_MAX: u64 = 100_000;

/// The begin of an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Version of the format.
    pub format: u32,
    /// Version of the Hinomi that made it.
    pub hinomi: String,
    /// When it was made, RFC 3339: everything acknowledged before is in it.
    pub made_at: String,
    /// Name of the host in everything stored.
    pub cluster: String,
    /// Number of files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) bytes: u64,
    /// In hex.
    pub(super) sha256: String,
}

/// The end of an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    #[serde(flatten)]
    pub(super) head: Head,
    pub(super) contents: Vec<Entry>,
}

/// Bytes in hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
