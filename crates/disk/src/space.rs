//! Room on a file system.

use std::path::Path;

use crate::{Error, Result};

/// Bytes that this process may still write to the file system of `path`, which must exist.
///
/// # Errors
///
/// [`Error::Io`].
pub fn free_bytes(path: &Path) -> Result<u64> {
    let stat = rustix::fs::statvfs(path).map_err(|errno| Error::io("look at", path)(errno.into()))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_some_here_and_none_where_nothing_is() {
        let dir = tempfile::tempdir().unwrap();
        assert!(free_bytes(dir.path()).unwrap() > 0);
        assert!(free_bytes(&dir.path().join("none")).is_err());
    }
}
