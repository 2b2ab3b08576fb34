//! Small files that are written and read as a whole: magic, version, checksum, and what they say.

use std::path::Path;

use hinomi_disk::file::{checksum, read_bounded};

use crate::bytes::{Fault, Reader};
use crate::{Error, Result};

/// What such a file looks like.
pub(crate) struct Sealed {
    pub(crate) magic: &'static [u8; 8],
    pub(crate) version: u32,
    pub(crate) bytes_max: u64,
    /// What is wrong with one that begins with other bytes.
    pub(crate) stranger: Fault,
}

impl Sealed {
    /// Reads the file and hands on what it says; `None` where there is none.
    pub(crate) fn read<T>(
        &self,
        path: &Path,
        decode: impl FnOnce(&mut Reader<'_>) -> std::result::Result<T, Fault>,
    ) -> Result<Option<T>> {
        if !path.exists() {
            return Ok(None);
        }
        let bytes = read_bounded(path, self.bytes_max)?;
        let damaged = |reason: Fault| Error::Corrupt { path: path.display().to_string(), reason };
        let mut reader = Reader(&bytes);
        if reader.array::<8>().map_err(damaged)? != *self.magic {
            return Err(damaged(self.stranger));
        }
        let (found, known) = (reader.u32().map_err(damaged)?, self.version);
        if found != known {
            return Err(hinomi_disk::Error::Version { path: path.to_owned(), found, known }.into());
        }
        let crc = reader.u32().map_err(damaged)?;
        if checksum(&[reader.0]) != crc {
            return Err(damaged("its checksum does not match"));
        }
        decode(&mut reader).map(Some).map_err(damaged)
    }

    /// The bytes of a file that says this.
    pub(crate) fn seal(&self, body: &[u8]) -> Vec<u8> {
        [&self.magic[..], &self.version.to_le_bytes(), &checksum(&[body]).to_le_bytes(), body].concat()
    }
}
