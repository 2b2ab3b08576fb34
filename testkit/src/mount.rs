//! Small file systems of their own, which fill up or cannot be written.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::process;

/// A file system of its own; gone when dropped.
#[derive(Debug)]
pub struct Mount {
    folder: tempfile::TempDir,
}

impl Mount {
    /// ext4 of that size (as `truncate` takes it: `32M`) on a loop device.
    ///
    /// # Errors
    ///
    /// Without root, or when a tool is missing.
    pub fn small_disk(size: &str) -> Result<Self> {
        let (folder, mount) = place()?;
        let image = folder.path().join("image");
        process::run("truncate", &["-s".as_ref(), size.as_ref(), image.as_os_str()])?;
        let quiet = ["-q", "-F", "-m", "0"].map(OsStr::new);
        process::run("mkfs.ext4", &[&quiet[..], &[image.as_os_str()]].concat())?;
        process::run("mount", &["-o".as_ref(), "loop".as_ref(), image.as_os_str(), mount.as_os_str()])?;
        Ok(Self { folder })
    }

    /// Not writable even for root.
    ///
    /// # Errors
    ///
    /// Without root.
    pub fn read_only() -> Result<Self> {
        let (folder, mount) = place()?;
        let options = ["-t", "tmpfs", "-o", "ro", "none"].map(OsStr::new);
        process::run("mount", &[&options[..], &[mount.as_os_str()]].concat())?;
        Ok(Self { folder })
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("mount")
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _gone = rustix::mount::unmount(self.path(), rustix::mount::UnmountFlags::DETACH);
    }
}

fn place() -> Result<(tempfile::TempDir, PathBuf)> {
    let folder = tempfile::Builder::new().prefix("hinomi-disk-").tempdir()?;
    let mount = folder.path().join("mount");
    std::fs::create_dir(&mount)?;
    Ok((folder, mount))
}

/// Fills the file system of `file`, which is made anew, to its last byte.
///
/// # Errors
///
/// When the file cannot be made.
pub fn fill(file: &Path) -> Result<()> {
    let mut filler = File::create(file).with_context(|| format!("create {}", file.display()))?;
    for chunk in [vec![1_u8; 64 << 10], vec![1_u8; 512]] {
        while filler.write_all(&chunk).is_ok() {}
        let _full = filler.sync_all();
    }
    Ok(())
}
