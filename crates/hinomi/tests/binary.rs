//! The real binary, on a machine without a container runtime.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use hinomi_testkit::net;
use hinomi_testkit::process;
use rustix::process::Signal;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

fn hinomi() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hinomi"));
    for name in [
        "HINOMI_SERVER",
        "HINOMI_TOKEN",
        "HINOMI_CONFIG",
        "HINOMI_DATA_DIR",
        "HINOMI_LOG",
        "RUST_LOG",
        "DOCKER_HOST",
    ] {
        command.env_remove(name);
    }
    command.env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A `hinomi up` whose Docker socket is missing.
struct Up {
    child: Child,
    address: SocketAddr,
    folder: tempfile::TempDir,
}

impl Up {
    fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let socket = folder.path().join("docker.sock");
        let docker = format!("{{ host: \"unix://{}\" }}", socket.display());
        Self::start_in(folder, &docker)
    }

    fn start_in(folder: tempfile::TempDir, docker: &str) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let config = format!("docker: {docker}\nhost: {{ name: box }}\n");
        std::fs::write(folder.path().join("hinomi.yaml"), config)?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let child = Self::command(folder.path(), address)
            .stdout(std::fs::File::create(folder.path().join("out"))?)
            .stderr(std::fs::File::create(folder.path().join("err"))?)
            .spawn()?;
        let up = Self { child, address, folder };
        up.wait_ready()?;
        Ok(up)
    }

    fn command(folder: &Path, address: SocketAddr) -> Command {
        let mut command = hinomi();
        command.arg("up").arg("--config").arg(folder.join("hinomi.yaml"));
        command.arg("--data-dir").arg(folder.join("data")).arg("--listen").arg(address.to_string());
        command
    }

    fn wait_ready(&self) -> Result {
        process::wait_for("ready", Duration::from_secs(20), || {
            self.get("/-/ready", &[]).ok().filter(|answer| answer.status == 200)
        })?;
        // The start screen follows the first look at every collector.
        process::wait_for("start screen", Duration::from_secs(20), || {
            self.read("out").contains("Next").then_some(())
        })?;
        Ok(())
    }

    fn get(&self, path: &str, headers: &[(&str, &str)]) -> Result<net::Answer> {
        Ok(net::request(None, self.address, "GET", path, headers, b"", Duration::from_secs(10))?)
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(file)).unwrap_or_default()
    }

    fn cli(&self, args: &[&str]) -> Result<Output> {
        Ok(hinomi().args(args).arg("--server").arg(format!("http://{}", self.address)).output()?)
    }

    /// Exit code, and how long the end took.
    fn end(&mut self, signal: Signal) -> Result<(Option<i32>, Duration)> {
        let begin = Instant::now();
        process::signal(self.child.id(), signal);
        let ended =
            process::wait_for("end", Duration::from_secs(20), || self.child.try_wait().ok().flatten())?;
        Ok((ended.code(), begin.elapsed()))
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        // Asked first: it takes its tracefs instance along.
        process::signal(self.child.id(), Signal::TERM);
        let ended = || self.child.try_wait().ok().flatten();
        if process::wait_for("end", Duration::from_secs(5), ended).is_err() {
            let _ended_meanwhile = self.child.kill();
        }
        let _status = self.child.wait();
    }
}

#[test]
fn starts_answers_and_ends_without_docker() -> Result {
    let mut up = Up::start()?;
    let screen = up.read("out");
    for part in ["Hinomi 0.1.0 on box", "no docker socket", "no receiver is configured", "hinomi why NAME"] {
        assert!(screen.contains(part), "no \"{part}\" in:\n{screen}");
    }
    assert!(screen.contains(&format!("http://{}", up.address)), "{screen}");

    let status = up.get("/api/hinomi/v1/status", &[])?.json()?;
    let collectors = status["collectors"].as_array().ok_or("no collectors")?;
    let docker = collectors.iter().find(|collector| collector["name"] == "docker").ok_or("no docker")?;
    assert_eq!((&docker["ok"], &docker["facts"]["state"]), (&false.into(), &"missing".into()));
    assert_eq!(status["unheard_levels"], serde_json::json!(["notice", "alert"]));

    let (code, took) = up.end(Signal::TERM)?;
    assert_eq!(code, Some(0), "{}", up.read("err"));
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(!up.read("err").contains("ERROR"), "{}", up.read("err"));
    Ok(())
}

#[test]
fn with_docker_switched_off_it_goes_on() -> Result {
    let mut up = Up::start_in(tempfile::tempdir()?, "{ enabled: false }")?;
    // What ends the process by itself ends it at once.
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(up.child.try_wait()?.and_then(|ended| ended.code()), None, "{}", up.read("err"));
    assert_eq!(up.get("/-/ready", &[])?.status, 200);
    let status = up.get("/api/hinomi/v1/status", &[])?.json()?;
    let collectors = status["collectors"].as_array().ok_or("no collectors")?;
    let docker = collectors.iter().find(|collector| collector["name"] == "docker").ok_or("no docker")?;
    assert_eq!(docker["ok"], true);
    assert!(docker["detail"].as_str().is_some_and(|detail| detail.contains("switched off")), "{docker}");
    let (code, took) = up.end(Signal::TERM)?;
    assert_eq!(code, Some(0), "{}", up.read("err"));
    assert!(took < Duration::from_secs(5), "{took:?}");
    Ok(())
}

#[test]
fn commands_ask_the_running_one() -> Result {
    let up = Up::start()?;
    let status = up.cli(&["status"])?;
    assert_eq!(status.status.code(), Some(0), "{}", text(&status.stderr));
    assert!(text(&status.stdout).contains("Features") || text(&status.stdout).contains("Receivers"));
    let json = up.cli(&["status", "--output", "json"])?;
    let value: serde_json::Value = serde_json::from_slice(&json.stdout)?;
    assert_eq!(value["cluster"], "box");

    let findings = up.cli(&["findings", "--output", "json"])?;
    let value: serde_json::Value = serde_json::from_slice(&findings.stdout)?;
    let open = value["findings"].as_array().ok_or("no list")?.len();
    assert_eq!(findings.status.code(), Some(i32::from(open > 0)));

    let timeline = up.cli(&["timeline", "--since", "5m"])?;
    assert!(text(&timeline.stdout).contains("runtime down"), "{}", text(&timeline.stdout));
    let wrong = up.cli(&["timeline", "--since", "soon"])?;
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).contains("write it with a unit"), "{}", text(&wrong.stderr));

    let why = up.cli(&["why", "nothing"])?;
    assert_eq!(why.status.code(), Some(1));
    assert!(text(&why.stderr).contains("nothing called \"nothing\" is known"), "{}", text(&why.stderr));
    Ok(())
}

#[test]
fn a_foreign_host_is_refused_and_a_second_process_too() -> Result {
    let mut up = Up::start()?;
    // After the request's own Host: two of them are as foreign as a wrong one.
    let refused = up.get("/api/hinomi/v1/status", &[("Host", "evil.example")])?;
    assert_eq!(refused.status, 403, "{}", refused.head);
    assert_eq!(refused.json()?["error"]["kind"], "forbidden");

    let other = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let second = Up::command(up.folder.path(), other).output()?;
    assert_eq!(second.status.code(), Some(1));
    let said = text(&second.stderr);
    assert!(said.contains("is in use by process") && said.contains(&up.child.id().to_string()), "{said}");

    let elsewhere = tempfile::tempdir()?;
    let same_port = hinomi()
        .args(["up", "--listen", &up.address.to_string(), "--data-dir"])
        .arg(elsewhere.path().join("data"))
        .output()?;
    assert_eq!(same_port.status.code(), Some(1));
    let said = text(&same_port.stderr);
    assert!(said.contains(&format!("cannot listen on {}", up.address)) && said.contains("stop it"), "{said}");

    assert_eq!(up.end(Signal::INT)?.0, Some(0));
    Ok(())
}

#[test]
fn a_server_shows_what_an_up_has_stored() -> Result {
    let mut up = Up::start()?;
    assert_eq!(up.end(Signal::TERM)?.0, Some(0));
    let mut command = hinomi();
    command.arg("server").arg("--config").arg(up.folder.path().join("hinomi.yaml"));
    command.arg("--data-dir").arg(up.folder.path().join("data")).arg("--listen").arg(up.address.to_string());
    up.child =
        command.stdout(std::fs::File::create(up.folder.path().join("out"))?).stderr(Stdio::null()).spawn()?;
    up.wait_ready()?;
    assert!(up.read("out").contains("this process only shows what is stored"), "{}", up.read("out"));
    let timeline = up.get("/api/hinomi/v1/timeline", &[])?.json()?;
    let changes = timeline["changes"].as_array().ok_or("no changes")?;
    assert!(changes.iter().any(|change| change["attribute"] == "runtime"), "{timeline}");
    assert_eq!(up.get("/api/hinomi/v1/status", &[])?.json()?["collectors"], serde_json::json!([]));
    assert_eq!(up.end(Signal::TERM)?.0, Some(0));
    Ok(())
}

#[test]
fn five_mistakes_in_the_configuration_end_with_two() -> Result {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("hinomi.yaml");
    std::fs::write(
        &file,
        "listen: 0.0.0.0:8119\nretention: { state: 400 }\nmemory: 512MiB\nreceivers:\n  - name: oncall\n    webhook: { \
         url: exmaple }\nroutes:\n  - { receiver: onkall }\n",
    )?;
    for args in [&["up"] as &[&str], &["server"], &["config", "check"], &["config", "show"]] {
        let output = hinomi().args(args).arg("--config").arg(&file).output()?;
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        for place in [":1:9: listen:", ":2:21: retention.state:", ":3:1: memory:", ":6:", ":8:"] {
            assert!(said.contains(&format!("hinomi.yaml{place}")), "{args:?}: no {place} in {said}");
        }
    }
    let json = hinomi().args(["config", "check", "--output", "json", "--config"]).arg(&file).output()?;
    let value: serde_json::Value = serde_json::from_slice(&json.stdout)?;
    assert_eq!((json.status.code(), value["problems"].as_array().map(Vec::len)), (Some(2), Some(5)));
    Ok(())
}

#[test]
fn what_needs_no_server() -> Result {
    let version = hinomi().arg("version").output()?;
    assert_eq!(text(&version.stdout), format!("hinomi {}\n", env!("CARGO_PKG_VERSION")));
    let wrong = hinomi().arg("watch").output()?;
    assert_eq!(wrong.status.code(), Some(2));
    let away = hinomi().args(["status", "--server", "http://127.0.0.1:9"]).output()?;
    assert_eq!(away.status.code(), Some(1));
    assert!(text(&away.stderr).contains("start it with `hinomi up`"), "{}", text(&away.stderr));
    let rights = hinomi().args(["agent", "explain-privileges", "--output", "json"]).output()?;
    let value: serde_json::Value = serde_json::from_slice(&rights.stdout)?;
    assert!(value["rights"].as_array().is_some_and(|rights| rights.len() > 4), "{value}");
    let show = hinomi().args(["config", "show"]).output()?;
    assert!(text(&show.stdout).contains("listen: 127.0.0.1:8119\n"), "{}", text(&show.stdout));
    Ok(())
}
