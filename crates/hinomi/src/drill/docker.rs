//! The `docker` command: what reaches Docker for the user reaches it for the drill.

use std::process::{Command, Output};

use anyhow::{Context as _, bail};

use super::LABEL;

/// The command and what it reaches.
#[derive(Debug)]
pub(crate) struct Docker {
    host: String,
    image: String,
}

impl Docker {
    /// Asks it where it is.
    ///
    /// # Errors
    ///
    /// When there is no such command, or no Docker answers it.
    pub(crate) fn find(image: &str) -> anyhow::Result<Self> {
        let host = said(&docker(&["info", "--format", "{{.Name}}"])?)?;
        if host.is_empty() {
            bail!("Docker does not say the name of its host; is it running? `docker info` says more");
        }
        Ok(Self { host, image: image.to_owned() })
    }

    /// Name of the host that Docker runs on.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Pulls the image if it is not there.
    ///
    /// # Errors
    ///
    /// When that fails.
    pub(crate) fn have_image(&self) -> anyhow::Result<()> {
        if docker(&["image", "inspect", &self.image])?.status.success() {
            return Ok(());
        }
        said(&docker(&["pull", "-q", &self.image])?).with_context(|| {
            format!("pull {}; --image names one that is there and has a shell", self.image)
        })?;
        Ok(())
    }

    /// `docker run -d`.
    ///
    /// # Errors
    ///
    /// What it says when it fails.
    pub(crate) fn run(&self, name: &str, options: &[&str], command: &[&str]) -> anyhow::Result<()> {
        let mut args = vec!["run", "-d", "--name", name, "--label", LABEL];
        args.extend(options);
        args.push(&self.image);
        args.extend(command);
        said(&docker(&args)?).map(drop)
    }

    /// Does something to a container.
    ///
    /// # Errors
    ///
    /// What it says when it fails.
    pub(crate) fn act(&self, action: &[&str], name: &str) -> anyhow::Result<()> {
        let args: Vec<&str> = action.iter().copied().chain([name]).collect();
        said(&docker(&args)?).map(drop)
    }

    /// Removes a container; it may be gone already.
    pub(crate) fn remove(&self, name: &str) {
        let _gone = docker(&["rm", "-f", "-v", name]);
    }

    /// Removes whatever drills left.
    pub(crate) fn remove_all(&self) {
        let Ok(output) = docker(&["ps", "-aq", "--filter", &format!("label={LABEL}")]) else { return };
        for id in String::from_utf8_lossy(&output.stdout).split_whitespace() {
            self.remove(id);
        }
    }
}

fn docker(args: &[&str]) -> anyhow::Result<Output> {
    Command::new("docker").args(args).output().context(
        "run the command docker; a drill needs it on this machine, where it reaches the Docker host \
         that Hinomi watches",
    )
}

fn said(output: &Output) -> anyhow::Result<String> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    bail!("docker: {}", String::from_utf8_lossy(&output.stderr).trim())
}
