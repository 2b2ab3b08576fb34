//! The load generator that lies with the recorded cases, and the servers it is aimed at.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use hinomi_testkit::{hinomi, net, process};
use serde_json::Value;

use crate::numbers::wall_ns;

/// The program. It writes data that ends at the last full hour, and asks for the same.
#[derive(Clone, Debug)]
pub struct Load {
    program: PathBuf,
    /// The end of the data, seconds since the epoch.
    pub end_s: i64,
}

impl Load {
    /// Builds it, if it is not there yet.
    ///
    /// # Errors
    ///
    /// When there are no cases, or it cannot be built.
    pub fn find() -> Result<Self> {
        let cases = hinomi_testkit::cases("load generator").context("no load generator: set HINOMI_CASES")?;
        let script = hinomi_testkit::repository().join("scripts/load-generator");
        let output = process::checked(Command::new(&script).env("HINOMI_CASES", cases))?;
        let program = PathBuf::from(String::from_utf8(output.stdout)?.trim());
        Ok(Self { program, end_s: wall_ns() / 1_000_000_000 / 3600 * 3600 })
    }

    /// Runs it against a server; returns what it measured.
    ///
    /// # Errors
    ///
    /// When it fails; the message carries the end of its output.
    pub fn run(&self, command: &str, target: &Target, more: &[&str]) -> Result<Value> {
        let mut args = vec![command.to_owned()];
        args.extend(target.args());
        args.extend(["--end".to_owned(), self.end_s.to_string()]);
        args.extend(more.iter().map(|arg| (*arg).to_owned()));
        let said = self.call(&args)?;
        let line = said.lines().rev().find(|line| line.starts_with('{')).context("it measured nothing")?;
        let whole: Value = serde_json::from_str(line)?;
        Ok(whole["results"].clone())
    }

    /// Runs it with these arguments; returns its output.
    ///
    /// # Errors
    ///
    /// When it fails.
    pub fn call(&self, args: &[String]) -> Result<String> {
        let output = Command::new(&self.program).args(args).stdin(Stdio::null()).output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let end: Vec<&str> = said.lines().rev().take(5).collect();
            bail!("{} {}: {}", self.program.display(), args.join(" "), end.join("; "));
        }
        Ok(String::from_utf8(output.stdout)?)
    }
}

/// A server that the load generator starts and stops. Its folder goes when it is dropped.
#[derive(Debug)]
pub struct Target {
    /// Name and version.
    pub name: String,
    profile: &'static str,
    address: String,
    start: Option<String>,
    folder: tempfile::TempDir,
}

impl Target {
    fn new(
        name: String,
        profile: &'static str,
        start: impl FnOnce(&Path, u16) -> Result<String>,
    ) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("hinomi-load-").tempdir()?;
        let port = net::free_port(None)?;
        let start = Some(start(folder.path(), port)?);
        Ok(Self { name, profile, address: format!("127.0.0.1:{port}"), start, folder })
    }

    /// The built Hinomi, without collectors.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn hinomi() -> Result<Self> {
        let binary = hinomi::binary()?;
        Self::new("hinomi".to_owned(), "hinomi", |folder, port| {
            let data = folder.join("data");
            std::fs::create_dir(&data)?;
            let file = folder.join("hinomi.yaml");
            std::fs::write(&file, format!("listen: 127.0.0.1:{port}\ndata_dir: {}\n", data.display()))?;
            Ok(format!("{} server --config {}", binary.display(), file.display()))
        })
    }

    /// `VM_BIN`, else the system's VictoriaMetrics; `None` without one.
    ///
    /// # Errors
    ///
    /// When it has no port or folder.
    pub fn victoria() -> Result<Option<Self>> {
        let named = std::env::var_os("VM_BIN").map(PathBuf::from);
        let Some(program) = named.or_else(|| process::find_tool("victoria-metrics")) else { return Ok(None) };
        let name = format!("VictoriaMetrics {}", version(&program, "victoria-metrics-"));
        let start = |folder: &Path, port| {
            let data = folder.join("data");
            std::fs::create_dir(&data)?;
            let (program, data) = (program.display(), data.display());
            Ok(format!("{program} -storageDataPath={data} -httpListenAddr=127.0.0.1:{port}"))
        };
        Self::new(name, "victoriametrics", start).map(Some)
    }

    /// A Prometheus.
    ///
    /// # Errors
    ///
    /// When it has no port or folder.
    pub fn prometheus(program: &Path) -> Result<Self> {
        let name = format!("Prometheus {}", version(program, "version "));
        Self::new(name, "prometheus", |folder, port| {
            let (data, file) = (folder.join("data"), folder.join("prometheus.yml"));
            std::fs::create_dir(&data)?;
            File::create(&file)?;
            Ok(format!(
                "{} --config.file={} --storage.tsdb.path={} --web.listen-address=127.0.0.1:{port} \
                 --web.enable-remote-write-receiver --web.enable-admin-api",
                program.display(),
                file.display(),
                data.display()
            ))
        })
    }

    /// A server that runs already; the load generator looks at nothing but its answers.
    ///
    /// # Errors
    ///
    /// When there can be no folder.
    pub fn running(server: &hinomi::Server) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("hinomi-load-").tempdir()?;
        let address = server.address().to_string();
        Ok(Self { name: "hinomi".to_owned(), profile: "hinomi", address, start: None, folder })
    }

    /// A folder of its own for anything.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn args(&self) -> Vec<String> {
        let mut args = vec!["--url".to_owned(), format!("http://{}", self.address)];
        args.extend(["--profile", self.profile, "--name", &self.name].map(str::to_owned));
        if let Some(start) = &self.start {
            let data = self.folder.path().join("data").display().to_string();
            args.extend(["--start".to_owned(), start.clone(), "--data-dir".to_owned(), data]);
        }
        args
    }
}

/// The Prometheus that `tests/peers` pins, if it is built or can be.
#[must_use]
pub fn pinned_prometheus() -> Option<PathBuf> {
    let output = Command::new(hinomi_testkit::repository().join("scripts/peers")).output().ok()?;
    let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    (output.status.success() && path.is_file()).then_some(path)
}

/// The word after `before` in what `--version` says, else what Debian says of the package of that name, else the
/// program's name.
fn version(program: &Path, before: &str) -> String {
    let said = |command: &mut Command| {
        let output =
            command.output().map(|output| [output.stdout, output.stderr].concat()).unwrap_or_default();
        String::from_utf8_lossy(&output).into_owned()
    };
    let own = said(Command::new(program).arg("--version"));
    let word = own.split_once(before).and_then(|(_, rest)| rest.split([' ', ',', '\n']).next());
    if let Some(word) = word.filter(|word| !word.is_empty()) {
        return word.to_owned();
    }
    let name = program.file_name().unwrap_or_default();
    let debian = said(Command::new("dpkg-query").args(["-W", "-f=${Version}"]).arg(name));
    if debian.starts_with(|first: char| first.is_ascii_digit()) { debian } else { name.display().to_string() }
}

/// A number of a result; NaN, which keeps no limit, when it is not there.
#[must_use]
pub fn number(result: &Value, key: &str) -> f64 {
    result[key].as_f64().unwrap_or(f64::NAN)
}
