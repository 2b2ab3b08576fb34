//! A running `hinomi`: the built binary with its own configuration, data folder and port.

use std::fs::OpenOptions;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;
use serde_json::Value;

use crate::docker::PrivateDocker;
use crate::net::{self, Answer};
use crate::process;

/// Ticks per second of the times in `/proc/PID/stat`: fixed by the kernel's interface.
const TICKS_PER_SECOND: f64 = 100.0;

/// How Hinomi shall run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    config: String,
    netns: Option<PathBuf>,
    data_dir: Option<PathBuf>,
    envs: Vec<(String, String)>,
    args: Vec<String>,
    binary: Option<PathBuf>,
    without_collectors: bool,
}

impl Options {
    /// `hinomi up` with nothing but its port and data folder configured.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Watches a private dockerd, from inside its network namespace: published ports are at 127.0.0.1 there, and so
    /// must receivers be ([`crate::webhook::Receiver::start_in`] with [`PrivateDocker::netns`]).
    #[must_use]
    pub fn docker(mut self, docker: &PrivateDocker) -> Self {
        self.netns = Some(docker.netns());
        self.env("DOCKER_HOST", &docker.host())
    }

    /// Further lines of the configuration (YAML).
    #[must_use]
    pub fn config(mut self, yaml: &str) -> Self {
        self.config.push_str(yaml);
        self.config.push('\n');
        self
    }

    /// Another data folder than a temporary one; it is not removed.
    #[must_use]
    pub fn data_dir(mut self, folder: &Path) -> Self {
        self.data_dir = Some(folder.to_path_buf());
        self
    }

    /// An environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.envs.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Another program than [`binary`] finds.
    #[must_use]
    pub fn binary(mut self, file: &Path) -> Self {
        self.binary = Some(file.to_path_buf());
        self
    }

    /// One more argument for `hinomi up`.
    #[must_use]
    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    /// `hinomi server` instead of `hinomi up`: shows what is stored and watches nothing.
    #[must_use]
    pub fn without_collectors(mut self) -> Self {
        self.without_collectors = true;
        self
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    ///
    /// When it is not ready within 30 s; the message carries the end of its log.
    pub fn start(self) -> Result<Server> {
        let folder = tempfile::Builder::new().prefix("hinomi-run-").tempdir()?;
        let port = net::free_port(self.netns.as_deref())?;
        let data_dir = self.data_dir.clone().unwrap_or_else(|| folder.path().join("data"));
        let config = format!("listen: 127.0.0.1:{port}\ndata_dir: {}\n{}", data_dir.display(), self.config);
        std::fs::write(folder.path().join("hinomi.yaml"), config)?;
        let binary = self.binary.clone().map_or_else(binary, Ok)?;
        let mut server = Server { options: self, binary, folder, data_dir, port, child: None };
        server.start_again()?;
        Ok(server)
    }
}

/// A running Hinomi; dropping it ends it and removes its folder.
#[derive(Debug)]
pub struct Server {
    options: Options,
    binary: PathBuf,
    folder: tempfile::TempDir,
    data_dir: PathBuf,
    port: u16,
    child: Option<Child>,
}

/// The built binary: `HINOMI_BIN`, else what cargo built last of release and debug.
///
/// # Errors
///
/// When there is none.
pub fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("HINOMI_BIN").map(PathBuf::from) {
        return path.is_file().then_some(path).context("HINOMI_BIN names no file");
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    // A test's own program is at TARGET/PROFILE/deps/NAME.
    let own = std::env::current_exe().ok().and_then(|exe| Some(exe.ancestors().nth(3)?.to_path_buf()));
    let targets = target.into_iter().chain(own).chain([crate::repository().join("target")]);
    let files = targets.flat_map(|dir| [dir.join("release/hinomi"), dir.join("debug/hinomi")]);
    let built = files.filter_map(|file| Some((file.metadata().ok()?.modified().ok()?, file)));
    let (_, newest) =
        built.max().context("no hinomi binary; run `cargo build -p hinomi` or set HINOMI_BIN")?;
    Ok(newest)
}

impl Server {
    /// Starts it after [`Self::stop`] or [`Self::kill9`], with the same folder and port.
    ///
    /// # Errors
    ///
    /// As [`Options::start`].
    pub fn start_again(&mut self) -> Result<()> {
        self.spawn()?;
        let ready = process::wait_for("200 from /-/ready", Duration::from_secs(30), || {
            if let Some(Ok(Some(status))) = self.child.as_mut().map(Child::try_wait) {
                return Some(Err(status));
            }
            let answer = self.request("GET", "/-/ready", b"", Duration::from_secs(2)).ok()?;
            (answer.status == 200).then_some(Ok(()))
        });
        match ready {
            Ok(Ok(())) => Ok(()),
            Ok(Err(status)) => bail!("hinomi ended with {status}; its log ends:\n{}", self.log_end()),
            Err(error) => bail!("{error}; its log ends:\n{}", self.log_end()),
        }
    }

    /// Starts the process and does not wait for anything.
    ///
    /// # Errors
    ///
    /// When it runs already or cannot be started.
    pub fn spawn(&mut self) -> Result<()> {
        if self.child.is_some() {
            bail!("hinomi runs already");
        }
        let log = OpenOptions::new().create(true).append(true).open(self.log())?;
        let mut command = self.command();
        command
            .arg(if self.options.without_collectors { "server" } else { "up" })
            .arg("--config")
            .arg(self.folder.path().join("hinomi.yaml"))
            .args(&self.options.args);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
        self.child = Some(command.spawn().context("start hinomi")?);
        Ok(())
    }

    /// Where it listens, in its network namespace.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Its data folder.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// File with its output of all runs.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// GET of a path, as JSON.
    ///
    /// # Errors
    ///
    /// When it does not answer within 10 s, not with 200, or not with JSON.
    pub fn get(&self, path: &str) -> Result<Value> {
        let answer = self.request("GET", path, b"", Duration::from_secs(10))?;
        let value = answer.json().with_context(|| format!("GET {path}"))?;
        if answer.status != 200 {
            bail!("GET {path}: status {}: {value}", answer.status);
        }
        Ok(value)
    }

    /// Any request with a JSON body (or an empty one).
    ///
    /// # Errors
    ///
    /// When it does not answer within `limit`. A bad status is no error.
    pub fn request(&self, method: &str, path: &str, body: &[u8], limit: Duration) -> Result<Answer> {
        let headers = [("Content-Type", "application/json")];
        net::request(self.options.netns.as_deref(), self.address(), method, path, &headers, body, limit)
    }

    /// Asks until `wanted` returns something for the answer to GET `path`.
    ///
    /// # Errors
    ///
    /// When it did not within `limit`; the message carries the last answer.
    pub fn wait_for<T>(
        &self,
        path: &str,
        limit: Duration,
        wanted: impl Fn(&Value) -> Option<T>,
    ) -> Result<T> {
        let mut last = String::from("no answer");
        let found = process::wait_for("such answer", limit, || match self.get(path) {
            Ok(value) => {
                last = value.to_string();
                wanted(&value)
            }
            Err(error) => {
                last = format!("{error:#}");
                None
            }
        });
        found.with_context(|| format!("GET {path}, last: {last}"))
    }

    /// Runs `hinomi ARGS… --server http://…` to its end.
    ///
    /// # Errors
    ///
    /// When it cannot be started. How it ended is in the output.
    pub fn cli(&self, args: &[&str]) -> Result<Output> {
        let mut command = self.command();
        command.args(args).arg("--server").arg(format!("http://{}", self.address()));
        command.stdin(Stdio::null()).output().context("start hinomi")
    }

    /// Process number; 0 while it is down.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// SIGKILL; returns when it has ended.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub fn kill9(&mut self) -> Result<()> {
        self.end(Signal::KILL, Duration::from_secs(5)).map(drop)
    }

    /// SIGTERM; returns its exit code (`None`: died by a signal).
    ///
    /// # Errors
    ///
    /// When it does not run or does not end within 20 s.
    pub fn stop(&mut self) -> Result<Option<i32>> {
        self.end(Signal::TERM, Duration::from_secs(20))
    }

    fn end(&mut self, signal: Signal, limit: Duration) -> Result<Option<i32>> {
        let child = self.child.as_mut().context("hinomi does not run")?;
        process::signal(child.id(), signal);
        let status = process::wait_for("end of hinomi", limit, || child.try_wait().ok().flatten())?;
        self.child = None;
        Ok(status.code())
    }

    /// Proportional share of memory that it holds, KiB.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub fn pss_kib(&self) -> Result<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid()))?;
        let line =
            text.lines().find_map(|line| line.strip_prefix("Pss:")).context("no Pss in smaps_rollup")?;
        Ok(line.split_whitespace().next().unwrap_or_default().parse()?)
    }

    /// CPU time it has used, user and system, seconds.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub fn cpu_seconds(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid()))?;
        let (_, fields) = stat.rsplit_once(") ").context("no name in /proc/PID/stat")?;
        let ticks = fields.split(' ').skip(11).take(2).map(|field| field.parse::<f64>().unwrap_or(0.0));
        Ok(ticks.sum::<f64>() / TICKS_PER_SECOND)
    }

    /// Last lines of its log.
    #[must_use]
    pub fn log_end(&self) -> String {
        process::tail(&self.log(), 40)
    }

    fn command(&self) -> Command {
        let mut command = match &self.options.netns {
            None => Command::new(&self.binary),
            Some(netns) => {
                let mut inside =
                    Command::new(process::find_tool("nsenter").unwrap_or_else(|| "nsenter".into()));
                inside.arg(format!("--net={}", netns.display())).arg(&self.binary);
                inside
            }
        };
        command.envs(self.options.envs.iter().map(|(name, value)| (name, value)));
        command
    }
}

impl Drop for Server {
    #[allow(
        clippy::print_stderr,
        reason = "so that libtest shows it with the test that failed, and only then"
    )]
    fn drop(&mut self) {
        if self.child.is_some() {
            let _gone = self.end(Signal::KILL, Duration::from_secs(5));
        }
        if std::thread::panicking() {
            eprintln!("--- end of hinomi's log\n{}", self.log_end());
        }
    }
}
