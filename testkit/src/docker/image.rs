//! The image `bb`: busybox, FROM scratch, without a registry.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::process;

/// A statically linked busybox of this host.
pub(super) fn static_busybox() -> Result<PathBuf> {
    let file = process::find_tool("busybox").context("no busybox; install busybox-static")?;
    let head = std::fs::read(&file).with_context(|| format!("read {}", file.display()))?;
    // The loader's path stands in the first page of a dynamically linked program.
    let dynamic = head.iter().take(4096).copied().collect::<Vec<u8>>();
    if dynamic.windows(4).any(|bytes| bytes == b"/ld-") {
        bail!("{} is not statically linked; install busybox-static", file.display());
    }
    Ok(file)
}

/// Lays out the image's root below `folder`.
pub(super) fn lay_out(folder: &Path) -> Result<()> {
    let bin = folder.join("bin");
    for dir in ["bin", "tmp", "etc", "proc", "sys", "dev"] {
        std::fs::create_dir_all(folder.join(dir))?;
    }
    std::fs::copy(static_busybox()?, bin.join("busybox")).context("copy busybox")?;
    let list = process::checked(Command::new(bin.join("busybox")).arg("--list"))?;
    for applet in String::from_utf8_lossy(&list.stdout).lines().filter(|name| *name != "busybox") {
        std::os::unix::fs::symlink("busybox", bin.join(applet)).with_context(|| format!("link {applet}"))?;
    }
    Ok(())
}

/// Imports the root below `folder` with the `import` command given.
pub(super) fn import(folder: &Path, import: &mut Command) -> Result<()> {
    let mut tar =
        Command::new("tar").arg("-C").arg(folder).args(["-c", "."]).stdout(Stdio::piped()).spawn()?;
    let packed = tar.stdout.take().context("no pipe from tar")?;
    process::checked(import.stdin(packed))?;
    let ended = tar.wait()?;
    if !ended.success() {
        bail!("tar of {} ended with {ended}", folder.display());
    }
    Ok(())
}
