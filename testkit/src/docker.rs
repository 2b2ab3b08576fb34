//! A private dockerd: own data-root, exec-root, socket, network namespace and cgroup parent.
//!
//! # Invariants
//!
//! - Every name and address follows from the slot (`docker/slot.rs`); dropping removes exactly these.
//! - The dockerd of the machine, its iptables, links and containers are never touched.
//! - Everything made through [`PrivateDocker::docker`] carries the label `hinomi.test=<run>`.

mod builder;
mod cleanup;
mod daemon;
mod image;
mod network;
mod slot;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;

use crate::process;
pub use builder::Builder;
use daemon::Daemons;
use slot::Slot;

/// containerd's namespace when it is not dockerd's own child.
const OWN_NAMESPACE: &str = "hin";
/// The image that every private dockerd has from the start.
pub const IMAGE: &str = "bb";

/// A running private dockerd; dropping it removes all of it.
#[derive(Debug)]
pub struct PrivateDocker {
    run: String,
    options: Builder,
    daemons: Mutex<Daemons>,
    // Last: its lock must outlive the removal of the rest.
    slot: Slot,
}

/// Why there can be no private dockerd here, if so.
#[must_use]
pub fn unavailable() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("needs root".to_owned());
    }
    let tools = ["dockerd", "docker", "containerd", "runc", "ip", "nsenter", "iptables", "tar", "sha256sum"];
    if let Some(tool) = tools.into_iter().find(|tool| process::find_tool(tool).is_none()) {
        return Some(format!("no {tool}; run scripts/setup-test"));
    }
    image::static_busybox().err().map(|error| error.to_string())
}

/// Removes what test runs left behind that were killed.
///
/// # Errors
///
/// When the folder of the slots cannot be read.
pub fn sweep_stale() -> Result<usize> {
    let stale = Slot::take_stale()?;
    for slot in &stale {
        cleanup::remove(slot);
    }
    Ok(stale.len())
}

/// By what to know, in a [`crate::snapshot::Snapshot`], things of the private dockerds that run at this moment.
///
/// # Errors
///
/// When the folder of the slots cannot be read.
pub fn marks_in_use() -> Result<Vec<String>> {
    slot::marks_in_use()
}

impl PrivateDocker {
    /// A plain one; see [`Builder`] for others.
    ///
    /// # Errors
    ///
    /// As [`Builder::start`].
    pub fn start(name: &str) -> Result<Self> {
        Builder::new(name).start()
    }

    fn set_up(&self) -> Result<()> {
        let base = self.base();
        for folder in ["data", "exec", "client", "ctr"] {
            std::fs::create_dir_all(base.join(folder))?;
        }
        network::up(&self.slot)?;
        self.start_again()?;
        let root = base.join("image");
        image::lay_out(&root)?;
        let mut import = self.command("docker");
        import.args(["import", "-c", "ENV PATH=/bin", "-c", r#"CMD ["sh"]"#]);
        import.args(["-c", &format!("LABEL {}", self.label()), "-", IMAGE]);
        image::import(&root, &mut import)
    }

    /// Base folder.
    #[must_use]
    pub fn base(&self) -> PathBuf {
        self.slot.base()
    }

    /// The data-root.
    #[must_use]
    pub fn data_root(&self) -> PathBuf {
        self.base().join("data")
    }

    /// Its socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.base().join("sock")
    }

    /// Its address in the form of `DOCKER_HOST`.
    #[must_use]
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// The label on everything it makes, `key=value`.
    #[must_use]
    pub fn label(&self) -> String {
        format!("hinomi.test={}", self.run)
    }

    /// Its cgroup parent, with a leading slash.
    #[must_use]
    pub fn cgroup_parent(&self) -> String {
        format!("/{}", self.slot.name())
    }

    /// File of its network namespace, for [`crate::net`] and `nsenter --net=`.
    #[must_use]
    pub fn netns(&self) -> PathBuf {
        network::file(&self.slot)
    }

    /// Where containers reach a service of the test: bind it to this address.
    #[must_use]
    pub fn address_of_host(&self) -> String {
        self.slot.address(1)
    }

    /// Where the test reaches published ports (inside the namespace also at 127.0.0.1).
    #[must_use]
    pub fn address_of_ports(&self) -> String {
        self.slot.address(2)
    }

    /// A command with `DOCKER_HOST` set and nothing of the user's Docker configuration.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(process::find_tool(program).unwrap_or_else(|| program.into()));
        for name in ["DOCKER_CONTEXT", "DOCKER_API_VERSION", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"] {
            command.env_remove(name);
        }
        command.env("DOCKER_HOST", self.host()).env("DOCKER_CONFIG", self.base().join("client"));
        command
    }

    /// Runs the `docker` CLI; puts the run's label on what it makes.
    ///
    /// # Errors
    ///
    /// When the CLI cannot be started. How it ended is in the output.
    pub fn docker<S: AsRef<str>>(&self, args: &[S]) -> Result<Output> {
        let args: Vec<&str> = args.iter().map(AsRef::as_ref).collect();
        let made_at = match args.as_slice() {
            ["run" | "create", ..] => 1,
            ["container", "run" | "create", ..] | ["network" | "volume", "create", ..] => 2,
            _ => 0,
        };
        let mut command = self.command("docker");
        command.args(args.iter().take(made_at));
        if made_at > 0 {
            command.args(["--label", &self.label()]);
        }
        command.args(args.iter().skip(made_at));
        command.output().context("start the docker CLI")
    }

    /// Runs the `docker` CLI and returns its trimmed output.
    ///
    /// # Errors
    ///
    /// When it ends badly; the message carries what it said.
    pub fn run_ok<S: AsRef<str>>(&self, args: &[S]) -> Result<String> {
        let output = self.docker(args)?;
        if !output.status.success() {
            let words: Vec<&str> = args.iter().map(AsRef::as_ref).collect();
            bail!("docker {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// One field of `docker inspect`, by Go template: `{{.State.Pid}}`.
    ///
    /// # Errors
    ///
    /// As [`Self::run_ok`].
    pub fn inspect(&self, container: &str, template: &str) -> Result<String> {
        self.run_ok(&["inspect", "--type", "container", "--format", template, container])
    }

    /// Address of a container, reachable from the test.
    ///
    /// # Errors
    ///
    /// As [`Self::run_ok`], or when it has none.
    pub fn container_address(&self, container: &str) -> Result<String> {
        let template = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}";
        let all = self.inspect(container, template)?;
        all.split_whitespace()
            .next()
            .map(str::to_owned)
            .with_context(|| format!("{container} has no address"))
    }

    /// Process number of the shim that serves a container (full id or a beginning of it).
    #[must_use]
    pub fn shim_pid(&self, id: &str) -> Option<u32> {
        process::pids().into_iter().find(|pid| {
            let args = process::cmdline(*pid);
            args.first().is_some_and(|program| program.contains("containerd-shim"))
                && args.iter().skip_while(|arg| *arg != "-id").nth(1).is_some_and(|full| full.starts_with(id))
        })
    }

    /// Process number of dockerd; 0 while it is down.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.daemons().dockerd_pid().unwrap_or(0)
    }

    /// SIGKILL; returns when it has ended. Containers live on.
    ///
    /// # Errors
    ///
    /// When it is not running or does not end.
    pub fn kill9(&self) -> Result<()> {
        self.daemons().end_dockerd(self, Signal::KILL, Duration::from_secs(5))
    }

    /// Sends SIGTERM and does not wait.
    pub fn sigterm(&self) {
        process::signal(self.pid(), Signal::TERM);
    }

    /// SIGTERM, as `systemctl stop`; returns when it has ended.
    ///
    /// # Errors
    ///
    /// When it is not running or does not end within 40 s.
    pub fn stop(&self) -> Result<()> {
        self.daemons().end_dockerd(self, Signal::TERM, Duration::from_secs(40))
    }

    /// Freezes dockerd: connecting works, every request hangs.
    pub fn sigstop(&self) {
        process::signal(self.pid(), Signal::STOP);
    }

    /// Lets a frozen dockerd go on.
    pub fn sigcont(&self) {
        process::signal(self.pid(), Signal::CONT);
    }

    /// Starts dockerd (and an own containerd) that is down; returns when it answers.
    ///
    /// # Errors
    ///
    /// When it does not become ready within 60 s; the message carries the end of its log.
    pub fn start_again(&self) -> Result<()> {
        self.daemons().start(self)
    }

    /// SIGKILL to an own containerd.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn kill9_containerd(&self) -> Result<()> {
        self.daemons().end_containerd()
    }

    /// Starts an own containerd that is down.
    ///
    /// # Errors
    ///
    /// When it does not become ready within 30 s.
    pub fn start_containerd(&self) -> Result<()> {
        self.daemons().start_containerd(self)
    }

    /// A power cut: every process of it ends at once, mounts and runtime folders are gone, the disk stays.
    ///
    /// # Errors
    ///
    /// When the network namespace cannot be made anew.
    pub fn power_off(&self) -> Result<()> {
        self.daemons().power_off(self);
        network::down(&self.slot);
        network::up(&self.slot)
    }

    /// [`Self::power_off`] and start again: what dockerd does after a reboot of the host. The boot id of the kernel
    /// stays; whoever looks at it needs a fixture.
    ///
    /// # Errors
    ///
    /// As [`Self::start_again`].
    pub fn reboot_imitation(&self) -> Result<()> {
        self.power_off()?;
        self.start_again()
    }

    /// dockerd's log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.base().join("log")
    }

    fn daemons(&self) -> MutexGuard<'_, Daemons> {
        self.daemons.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn options(&self) -> &Builder {
        &self.options
    }

    fn disk_image(&self) -> PathBuf {
        self.base().join("disk")
    }
}

impl Drop for PrivateDocker {
    #[allow(
        clippy::print_stderr,
        reason = "so that libtest shows it with the test that failed, and only then"
    )]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- end of dockerd's log ({})\n{}", self.run, log_end(&self.log()));
        }
        self.daemons().power_off(self);
        cleanup::remove(&self.slot);
    }
}

fn log_end(log: &Path) -> String {
    process::tail(log, 15)
}
