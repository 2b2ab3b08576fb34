//! `docker-compose` against a private dockerd.

use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::docker::PrivateDocker;
use crate::process;

/// Whether there is a compose to run, else why not.
#[must_use]
pub fn unavailable() -> Option<String> {
    process::find_tool("docker-compose")
        .is_none()
        .then(|| "no docker-compose; run scripts/setup-test".to_owned())
}

/// Runs `docker-compose -p PROJECT -f FILE ARGS…` and returns its standard output.
///
/// # Errors
///
/// When it ends badly; the message carries what it said.
pub fn compose(docker: &PrivateDocker, project: &str, file: &Path, args: &[&str]) -> Result<String> {
    if let Some(reason) = unavailable() {
        bail!(reason);
    }
    let mut command = docker.command("docker-compose");
    command.args(["--no-ansi", "-p", project, "-f"]).arg(file).args(args);
    let output = process::checked(&mut command).context("docker-compose")?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
