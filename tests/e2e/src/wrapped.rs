//! A Hinomi behind another program: as another user, with another boot id.

use std::fs::{OpenOptions, Permissions};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use hinomi_testkit::{hinomi, net, process};
use rustix::process::Signal;
use serde_json::Value;

/// `PREFIX… hinomi up`, in the network namespace of the test itself. Dropping it ends it.
#[derive(Debug)]
pub struct Wrapped {
    folder: tempfile::TempDir,
    docker_host: String,
    port: u16,
    child: Option<Child>,
}

impl Wrapped {
    /// Prepares a folder that everybody may use: binary, configuration, data. Starts nothing.
    ///
    /// # Errors
    ///
    /// When there is no binary or no port.
    pub fn new(docker_host: &str, config: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("hinomi-run-").tempdir()?;
        let port = net::free_port(None)?;
        let data = folder.path().join("data");
        std::fs::create_dir(&data)?;
        let yaml = format!("listen: 127.0.0.1:{port}\ndata_dir: {}\n{config}", data.display());
        std::fs::write(folder.path().join("hinomi.yaml"), yaml)?;
        // The build folder may lie where others may not look.
        std::fs::copy(hinomi::binary()?, folder.path().join("hinomi")).context("copy hinomi")?;
        for (path, mode) in [(folder.path(), 0o755), (&data, 0o777), (&folder.path().join("hinomi"), 0o755)] {
            std::fs::set_permissions(path, Permissions::from_mode(mode))?;
        }
        Ok(Self { folder, docker_host: docker_host.to_owned(), port, child: None })
    }

    /// `PREFIX… hinomi`, ready for arguments.
    #[must_use]
    pub fn command(&self, prefix: &[&str]) -> Command {
        let binary = self.folder.path().join("hinomi");
        let mut command = match prefix.split_first() {
            None => Command::new(binary),
            Some((first, rest)) => {
                let mut command =
                    Command::new(process::find_tool(first).unwrap_or_else(|| PathBuf::from(first)));
                command.args(rest).arg(binary);
                command
            }
        };
        command
            .env("DOCKER_HOST", &self.docker_host)
            .env("HINOMI_CONFIG", self.config())
            .stdin(Stdio::null());
        command
    }

    /// Runs `PREFIX… hinomi ARGS…` to its end.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn cli(&self, prefix: &[&str], args: &[&str]) -> Result<Output> {
        self.command(prefix).args(args).output().context("start hinomi")
    }

    /// Starts `PREFIX… hinomi up` and waits for nothing.
    ///
    /// # Errors
    ///
    /// When it runs already or cannot be started.
    pub fn up(&mut self, prefix: &[&str]) -> Result<()> {
        if self.child.is_some() {
            bail!("hinomi runs already");
        }
        let log = OpenOptions::new().create(true).append(true).open(self.log())?;
        let mut command = self.command(prefix);
        command.arg("up").stdout(log.try_clone()?).stderr(log);
        self.child = Some(command.spawn().context("start hinomi")?);
        Ok(())
    }

    /// The configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("hinomi.yaml")
    }

    /// Its output of all runs.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// GET until `wanted` returns something for the answer.
    ///
    /// # Errors
    ///
    /// When it did not within `limit`; the message carries the last answer and the end of the log.
    pub fn wait_for<T>(
        &self,
        path: &str,
        limit: Duration,
        wanted: impl Fn(&Value) -> Option<T>,
    ) -> Result<T> {
        let mut last = String::from("no answer");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let found = process::wait_for("such answer", limit, || {
            let answer = net::request(None, address, "GET", path, &[], b"", Duration::from_secs(10));
            match answer.and_then(|answer| answer.json()) {
                Ok(value) => {
                    last = value.to_string();
                    wanted(&value)
                }
                Err(error) => {
                    last = format!("{error:#}");
                    None
                }
            }
        });
        found.with_context(|| {
            format!("GET {path}, last: {last}; log ends:\n{}", process::tail(&self.log(), 30))
        })
    }

    /// Sends a signal and waits for the end.
    ///
    /// # Errors
    ///
    /// When it does not run or does not end within 20 s.
    pub fn end(&mut self, signal: Signal) -> Result<Option<i32>> {
        let child = self.child.as_mut().context("hinomi does not run")?;
        process::signal(child.id(), signal);
        let status =
            process::wait_for("end of hinomi", Duration::from_secs(20), || child.try_wait().ok().flatten())?;
        self.child = None;
        Ok(status.code())
    }
}

impl Drop for Wrapped {
    fn drop(&mut self) {
        if self.child.is_some() {
            let _gone = self.end(Signal::KILL);
        }
    }
}
