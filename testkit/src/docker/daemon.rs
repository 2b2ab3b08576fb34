//! dockerd and, where wanted, an own containerd as direct children: so their ends are seen, and no zombie stays.

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;

use super::{OWN_NAMESPACE, PrivateDocker, cleanup, log_end, network};
use crate::process;

/// The daemons of one private Docker.
#[derive(Debug, Default)]
pub(super) struct Daemons {
    dockerd: Option<Child>,
    containerd: Option<Child>,
}

impl Daemons {
    pub(super) fn dockerd_pid(&self) -> Option<u32> {
        self.dockerd.as_ref().map(Child::id)
    }

    /// Starts what is down and waits until dockerd answers.
    pub(super) fn start(&mut self, docker: &PrivateDocker) -> Result<()> {
        if self.dockerd.is_some() {
            bail!("dockerd runs already");
        }
        mount_disk(docker)?;
        if docker.options().own_containerd && self.containerd.is_none() {
            self.start_containerd(docker)?;
        }
        let child = self.dockerd.insert(dockerd_command(docker)?.spawn().context("start dockerd")?);
        let socket = docker.socket();
        let answered = process::wait_for("answer of dockerd", Duration::from_secs(60), || {
            if let Ok(Some(status)) = child.try_wait() {
                return Some(Err(status));
            }
            pings(&socket).then_some(Ok(()))
        });
        match answered {
            Ok(Ok(())) => Ok(()),
            Ok(Err(status)) => {
                self.dockerd = None;
                bail!("dockerd ended with {status}; its log ends:\n{}", log_end(&docker.log()))
            }
            Err(error) => bail!("{error}; its log ends:\n{}", log_end(&docker.log())),
        }
    }

    /// Starts an own containerd and waits for its socket.
    pub(super) fn start_containerd(&mut self, docker: &PrivateDocker) -> Result<()> {
        if self.containerd.is_some() {
            bail!("containerd runs already");
        }
        let folder = docker.base().join("ctr");
        let config = folder.join("config.toml");
        std::fs::write(&config, containerd_config(&folder)).context("write containerd's configuration")?;
        let socket = folder.join("sock");
        let mut command = Command::new(process::find_tool("containerd").context("no containerd")?);
        command.arg("--config").arg(&config);
        self.containerd =
            Some(logged(&mut command, &folder.join("log"))?.spawn().context("start containerd")?);
        process::wait_for("answer of containerd", Duration::from_secs(30), || {
            UnixStream::connect(&socket).ok().map(drop)
        })
    }

    /// Sends a signal to dockerd and waits for its end.
    pub(super) fn end_dockerd(
        &mut self,
        docker: &PrivateDocker,
        signal: Signal,
        limit: Duration,
    ) -> Result<()> {
        let child = self.dockerd.as_mut().context("dockerd does not run")?;
        end(child, signal, limit).context("end dockerd")?;
        self.dockerd = None;
        end_of_managed_containerd(&docker.base())
    }

    /// Kills an own containerd.
    pub(super) fn end_containerd(&mut self) -> Result<()> {
        let child = self.containerd.as_mut().context("no own containerd runs")?;
        end(child, Signal::KILL, Duration::from_secs(5)).context("end containerd")?;
        self.containerd = None;
        Ok(())
    }

    /// Everything ends at once; runtime folders go, as they do on `/run`.
    pub(super) fn power_off(&mut self, docker: &PrivateDocker) {
        for child in [self.dockerd.take(), self.containerd.take()].iter_mut().flatten() {
            let _gone = end(child, Signal::KILL, Duration::from_secs(5));
        }
        cleanup::power_off(&docker.slot);
        for left in ["exec", "ctr/state"] {
            let _none = std::fs::remove_dir_all(docker.base().join(left));
        }
        for left in ["pid", "sock", "ctr/sock", "ctr/sock.ttrpc"] {
            let _none = std::fs::remove_file(docker.base().join(left));
        }
    }
}

/// dockerd's own containerd dies with it, a moment later. A dockerd that is started before that, or that takes the
/// zombie for a living one, waits for it in vain.
fn end_of_managed_containerd(base: &Path) -> Result<()> {
    let file = base.join("exec/containerd/containerd.pid");
    let Ok(text) = std::fs::read_to_string(&file) else { return Ok(()) };
    if let Ok(pid) = text.trim().parse() {
        let gone = || (!process::lives(pid)).then_some(());
        process::wait_for("end of dockerd's containerd", Duration::from_secs(10), gone)?;
    }
    std::fs::remove_file(&file).or_else(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Ok(()),
        _ => Err(error).context("remove containerd's pid file"),
    })
}

fn end(child: &mut Child, signal: Signal, limit: Duration) -> Result<()> {
    process::signal(child.id(), signal);
    process::wait_for("end of the process", limit, || child.try_wait().ok().flatten().map(drop))
}

fn dockerd_command(docker: &PrivateDocker) -> Result<Command> {
    let base = docker.base();
    let slot = &docker.slot;
    std::fs::create_dir_all(base.join("exec"))?;
    std::fs::write(base.join("daemon.json"), configuration(&base)?)?;
    let mut command = Command::new(process::find_tool("nsenter").context("no nsenter")?);
    // Not `ip netns exec`: that mounts another /sys, without the cgroups.
    command.arg(format!("--net={}", network::file(slot).display()));
    command.arg(process::find_tool("dockerd").context("no dockerd")?);
    for (flag, file) in
        [("data-root", "data"), ("exec-root", "exec"), ("pidfile", "pid"), ("config-file", "daemon.json")]
    {
        command.arg(format!("--{flag}={}", base.join(file).display()));
    }
    command.arg("-H").arg(docker.host());
    command.args(["--storage-driver=overlay2", "--exec-opt=native.cgroupdriver=cgroupfs"]);
    command.arg(format!("--bip={}/26", slot.address(65)));
    command.arg(format!("--default-address-pool=base={},size=28", network::user_range(slot)));
    command.arg(format!("--cgroup-parent={}", docker.cgroup_parent()));
    command.arg(format!("--label={}", docker.label()));
    if docker.options().live_restore {
        command.arg("--live-restore");
    }
    if docker.options().own_containerd {
        command.arg(format!("--containerd={}", base.join("ctr/sock").display()));
        command.arg(format!("--containerd-namespace={OWN_NAMESPACE}"));
        command.arg(format!("--containerd-plugins-namespace={OWN_NAMESPACE}-plugins"));
    }
    command.args(&docker.options().args);
    logged(&mut command, &docker.log())?;
    Ok(command)
}

/// dockerd's configuration file: its own, so that the machine's /etc/docker/daemon.json does not speak here. Up to
/// version 23 dockerd writes /etc/docker/key.json unless told another place; later ones refuse the setting.
fn configuration(base: &Path) -> Result<String> {
    static MAJOR: OnceLock<u32> = OnceLock::new();
    let said = process::run("dockerd", &["--version"])?.stdout;
    let ask = || {
        let text = String::from_utf8_lossy(&said).into_owned();
        let version = text.split_once("version ").and_then(|(_, rest)| rest.split('.').next()?.parse().ok());
        version.unwrap_or(u32::MAX)
    };
    if *MAJOR.get_or_init(ask) >= 24 {
        return Ok("{}".to_owned());
    }
    Ok(serde_json::json!({ "deprecated-key-path": base.join("key.json") }).to_string())
}

/// Output to a file, own process group: an interrupt of the test does not reach it before the sweeper does.
fn logged<'a>(command: &'a mut Command, log: &Path) -> Result<&'a mut Command> {
    let out = OpenOptions::new().create(true).append(true).open(log)?;
    let error = out.try_clone()?;
    Ok(command.stdin(Stdio::null()).stdout(out).stderr(error).process_group(0))
}

fn containerd_config(folder: &Path) -> String {
    let folder = folder.display();
    let snapshotters =
        ["btrfs", "zfs", "aufs", "devmapper"].map(|name| format!("\"io.containerd.snapshotter.v1.{name}\""));
    format!(
        "version = 2\nroot = \"{folder}/root\"\nstate = \"{folder}/state\"\n\
         disabled_plugins = [\"io.containerd.grpc.v1.cri\", {}]\n[grpc]\naddress = \"{folder}/sock\"\n",
        snapshotters.join(", ")
    )
}

/// Mounts the data-root's own disk, made on first use.
fn mount_disk(docker: &PrivateDocker) -> Result<()> {
    let Some(mib) = docker.options().disk_mib else { return Ok(()) };
    let (image, data) = (docker.disk_image(), docker.data_root());
    let target = data.to_string_lossy().into_owned();
    let table = std::fs::read_to_string("/proc/self/mounts")?;
    if table.lines().any(|line| line.split(' ').nth(1) == Some(&target)) {
        return Ok(());
    }
    let file = image.to_string_lossy().into_owned();
    if !image.exists() {
        process::run("truncate", &["-s", &format!("{mib}M"), &file])?;
        process::run("mkfs.ext4", &["-q", "-F", "-m", "0", &file])?;
    }
    process::run("mount", &["-o", "loop", &file, &target]).map(drop)
}

fn pings(socket: &Path) -> bool {
    let Ok(mut stream) = UnixStream::connect(socket) else { return false };
    let limit = Some(Duration::from_secs(2));
    let asked = stream
        .set_read_timeout(limit)
        .and_then(|()| stream.write_all(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n"));
    let mut answer = [0_u8; 64];
    asked.is_ok()
        && stream.read(&mut answer).is_ok_and(|n| {
            answer.get(..n).is_some_and(|a| a.starts_with(b"HTTP/1.0 200") || a.starts_with(b"HTTP/1.1 200"))
        })
}
