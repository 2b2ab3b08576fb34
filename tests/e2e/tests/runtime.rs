//! The Docker Engine itself stops, dies, hangs, hides; the host reboots; Hinomi was not running.
//!
//! Every case has a dockerd and a Hinomi of its own.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use anyhow::{Result, anyhow, bail, ensure};
use hinomi_e2e::site::{CLUSTER, collector, config, fact, log_lines, words};
use hinomi_e2e::wrapped::Wrapped;
use hinomi_e2e::{Case, LATE, SOON, Site, run};
use hinomi_testkit::docker::{Builder, IMAGE, PrivateDocker, unavailable};
use hinomi_testkit::hinomi::Options;
use hinomi_testkit::process::{self, wait_for};
use hinomi_testkit::webhook::Receiver;
use rustix::process::Signal;
use serde_json::Value;

/// As many cases, each with its dockerd, run side by side.
const AT_ONCE: usize = 4;
/// Name of the runtime in messages.
const RUNTIME: &str = "Docker on e2e-host";
/// Ends with 7 at SIGTERM.
const ENDS_WITH_7: &str = "trap 'echo last words; exit 7' TERM; while :; do sleep 0.1; done";

#[test]
fn runtime() {
    if let Some(reason) = unavailable() {
        hinomi_testkit::skip_suite("runtime", &reason);
        return;
    }
    let case = |name, body: fn() -> Result<()>| -> Case<'_> { (name, Box::new(body)) };
    let on_site = |name, builder: fn() -> Builder, body: fn(&mut Site) -> Result<()>| -> Case<'_> {
        (name, Box::new(move || with_site(builder(), body)))
    };
    run(
        AT_ONCE,
        &[
            on_site("stopped and away", || Builder::new("stopped"), stopped_and_away),
            on_site("killed", || Builder::new("killed"), killed),
            case("reboot", reboot),
            on_site("hung", || Builder::new("hung"), hung),
            on_site("live-restore", || Builder::new("live-restore").live_restore(), live_restore),
            case("no socket at start", no_socket_at_start),
            case("no right to the socket", no_right_to_the_socket),
            on_site("Hinomi was not running", || Builder::new("not-running").live_restore(), not_running),
        ],
    );
}

/// A failure shows the end of the log of the case's own Hinomi.
fn with_site(builder: Builder, body: fn(&mut Site) -> Result<()>) -> Result<()> {
    let mut site = Site::around(builder.start()?)?;
    body(&mut site).map_err(|error| anyhow!("{error:#}\n--- its log ends:\n{}", site.hinomi.log_end()))
}

fn start(docker: &PrivateDocker, name: &str, options: &[&str], command: &[&str]) -> Result<()> {
    let mut args = vec!["run", "-d", "--name", name];
    args.extend(options);
    args.push(IMAGE);
    args.extend(command);
    docker.run_ok(&args).map(drop)
}

fn sleeper(site: &Site, name: &str, options: &[&str]) -> Result<()> {
    let mut all = vec!["--init"];
    all.extend(options);
    start(&site.docker, name, &all, &["sleep", "1000"])?;
    running(site, name)
}

fn running(site: &Site, name: &str) -> Result<()> {
    site.instance(name, SOON, |one| one["state"] == "running").map(drop)
}

/// Sends a signal to process 1 of a container, behind Docker's back, and waits for its end.
fn signal_inside(pid: u32, signal: Signal) -> Result<()> {
    process::signal(pid, signal);
    wait_for("end of the process", SOON, || (!process::lives(pid)).then_some(()))
}

fn pid(docker: &PrivateDocker, name: &str) -> Result<u32> {
    Ok(docker.inspect(name, "{{.State.Pid}}")?.parse()?)
}

fn gaps(status: &Value) -> Vec<Value> {
    status["gaps"].as_array().cloned().unwrap_or_default()
}

fn status(site: &Site) -> Result<Value> {
    site.hinomi.get("/api/hinomi/v1/status")
}

fn stopped_and_away(site: &mut Site) -> Result<()> {
    let site = &*site;
    sleeper(site, "policy", &["--restart", "always", "-p", "18201:80"])?;
    sleeper(site, "plain", &["-p", "18202:80"])?;
    site.docker.stop()?;
    site.wait_collector(|docker| docker["ok"] == false)?;
    let down = "firing alert runtime_down/no_answer";
    site.expect_told(RUNTIME, LATE, &[down])?;
    let output = site.hinomi.cli(&["findings"])?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.code() == Some(1) && said.contains("does not answer"), "{output:?}");
    site.docker.start_again()?;
    site.wait_connected()?;
    let not_back = "firing alert not_back/after_runtime_restart";
    let told = site.expect_told(RUNTIME, LATE, &[down, not_back])?;
    let cause = told.last().and_then(|message| message.body["cause"].as_str()).unwrap_or_default();
    ensure!(cause.contains("1 container(s) did not come back") && cause.ends_with(": plain"), "{cause}");
    running(site, "policy")?;
    for name in ["policy", "plain"] {
        ensure!(site.findings(name)?.is_empty(), "{:?}", site.findings(name)?);
    }
    let gaps = gaps(&status(site)?);
    ensure!(gaps.iter().any(|gap| gap["reason"] == "runtime_away"), "{gaps:?}");
    site.finish()
}

fn killed(site: &mut Site) -> Result<()> {
    let site = &*site;
    sleeper(site, "policy-a", &["--restart", "always", "-p", "18203:80"])?;
    sleeper(site, "policy-b", &["--restart", "unless-stopped"])?;
    sleeper(site, "plain", &["-p", "18204:80"])?;
    site.docker.kill9()?;
    site.docker.start_again()?;
    let firing = "firing alert not_back/after_runtime_restart";
    let told = site.expect_told(RUNTIME, LATE, &[firing])?;
    let cause = told.first().and_then(|message| message.body["cause"].as_str()).unwrap_or_default();
    // Docker 20.10 takes its own killing of the survivors for a stop by a person, so that `unless-stopped` does not come
    // back either. What Docker itself says is the truth that the message is held against.
    let mut away = Vec::new();
    for name in ["plain", "policy-a", "policy-b"] {
        if site.docker.inspect(name, "{{.State.Running}}")? == "false" {
            away.push(name);
        }
    }
    ensure!(away.contains(&"plain") && !away.contains(&"policy-a"), "{away:?} are away");
    let want = format!("{} container(s) did not come back after the restart of the runtime: ", away.len());
    ensure!(cause.contains("did not come back") && cause.contains("plain"), "{cause}");
    // The message went out at once; who comes back with its policy is known some seconds later.
    let all = format!("{want}{}", away.join(", "));
    site.finding(RUNTIME, LATE, |finding| finding["cause"] == all.as_str())?;
    running(site, "policy-a")?;
    site.expect_why("plain", 1, &["did not come back", "plain"])?;
    // Its exit code is 1 for as long as the runtime's incident still watches whether it is stable.
    ensure!(site.why("policy-a")?.text.contains("policy-a runs for"), "{:?}", site.why("policy-a")?);
    site.docker(&["start", "policy-b"])?;
    site.docker(&["start", "plain"])?;
    let told = site.expect_told(RUNTIME, LATE, &[firing, "resolved alert not_back/after_runtime_restart"])?;
    ensure!(told.last().is_some_and(|message| message.body["resolved_because"].is_string()), "{told:?}");
    for name in ["policy-a", "policy-b", "plain"] {
        ensure!(site.findings(name)?.is_empty(), "{:?}", site.findings(name)?);
    }
    site.finish()
}

fn live_restore(site: &mut Site) -> Result<()> {
    let site = &*site;
    sleeper(site, "policy", &["--restart", "always", "-p", "18205:80"])?;
    sleeper(site, "plain", &["-p", "18206:80"])?;
    start(&site.docker, "dies", &["-p", "18207:80"], &["sh", "-c", ENDS_WITH_7])?;
    start(&site.docker, "dies-always", &["--restart", "always"], &["sh", "-c", ENDS_WITH_7])?;
    running(site, "dies")?;
    running(site, "dies-always")?;

    // A restart of dockerd that nobody else notices.
    site.docker.stop()?;
    site.wait_collector(|docker| docker["ok"] == false)?;
    site.docker.start_again()?;
    site.wait_connected()?;
    let restarts = |status: &Value| gaps(status).iter().filter(|gap| gap["reason"] == "runtime_away").count();
    site.hinomi.wait_for("/api/hinomi/v1/status", SOON, |status| (restarts(status) == 1).then_some(()))?;

    // And one during which two containers end.
    let pids = (pid(&site.docker, "dies")?, pid(&site.docker, "dies-always")?);
    site.docker.kill9()?;
    signal_inside(pids.0, Signal::TERM)?;
    signal_inside(pids.1, Signal::TERM)?;
    site.docker.start_again()?;
    site.expect_told("dies", SOON, &["firing alert abnormal_exit/exit_code"])?;
    // What a container writes while dockerd is down is in no log; its exit code is known.
    let finding = site.finding("dies", SOON, |f| f["inspection"] == "abnormal_exit")?;
    ensure!(fact(&finding, "last end").is_some_and(|end| end.starts_with("exit code 7 ")), "{finding}");
    running(site, "dies-always")?;
    let status = site
        .hinomi
        .wait_for("/api/hinomi/v1/status", SOON, |status| (restarts(status) == 2).then(|| status.clone()))?;
    let lost: Vec<String> = gaps(&status).iter().map(|gap| gap["lost"].to_string()).collect();
    ensure!(lost.iter().any(|lost| lost.contains("exit code of dies-always")), "{lost:?}");
    ensure!(!lost.iter().any(|lost| lost.contains("of dies ")), "the exit code of dies is known: {lost:?}");
    for name in ["policy", "plain", "dies-always"] {
        running(site, name)?;
        ensure!(site.findings(name)?.is_empty(), "{:?}", site.findings(name)?);
    }
    // Containers without a policy that did not come back would be named after five seconds.
    std::thread::sleep(Duration::from_secs(7));
    site.finish()
}

fn hung(site: &mut Site) -> Result<()> {
    let site = &*site;
    sleeper(site, "stays", &["--restart", "always", "-p", "18208:80"])?;
    start(&site.docker, "victim", &["-p", "18209:80"], &["sleep", "1000"])?;
    running(site, "victim")?;
    let victim = pid(&site.docker, "victim")?;
    site.docker.sigstop();
    let seen = site.wait_collector(|docker| docker["ok"] == false && docker["facts"]["state"] == "hung");
    let said = site.hinomi.cli(&["status"])?;
    signal_inside(victim, Signal::KILL)?;
    site.docker.sigcont();
    seen?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    ensure!(said.contains("did not answer"), "{said}");
    site.wait_connected()?;
    site.expect_told("victim", SOON, &["firing alert abnormal_exit/killed_from_outside"])?;
    let gaps = gaps(&status(site)?);
    ensure!(gaps.iter().all(|gap| gap["lost"].as_array().is_none_or(Vec::is_empty)), "{gaps:?}");
    ensure!(site.findings("stays")?.is_empty());
    site.finish()
}

fn no_socket_at_start() -> Result<()> {
    let docker = Builder::new("no-socket").start()?;
    start(&docker, "before", &["--init", "--restart", "always", "-p", "18210:80"], &["sleep", "1000"])?;
    docker.stop()?;
    if docker.socket().exists() {
        std::fs::remove_file(docker.socket())?;
    }
    let receiver = Receiver::start_in(Some(&docker.netns()))?;
    let hinomi = Options::new().docker(&docker).config(&config(&receiver)).start()?;
    let detail = hinomi.wait_for("/api/hinomi/v1/status", SOON, |status| {
        let docker = collector(status, "docker")?;
        (docker["facts"]["state"] == "missing").then(|| docker["detail"].as_str().map(str::to_owned))?
    })?;
    ensure!(detail.contains("no docker socket at") && detail.contains("start docker"), "{detail}");
    let said = || std::fs::read_to_string(hinomi.log()).ok()?.contains("no docker socket at").then_some(());
    wait_for("line in the log", SOON, said)?;
    docker.start_again()?;
    hinomi.wait_for("/api/hinomi/v1/status", SOON, |status| {
        (collector(status, "docker")?["ok"] == true).then_some(())
    })?;
    hinomi.wait_for("/api/hinomi/v1/workloads", SOON, |answer| {
        let workload = answer["workloads"].as_array()?.iter().find(|one| one["name"] == "before")?;
        (workload["ready"] == 1).then_some(())
    })?;
    ensure!(receiver.received().is_empty(), "{:?}", receiver.received());
    Ok(())
}

const NOBODY: &str = "65534";
const GROUP: u32 = 64_123;

fn no_right_to_the_socket() -> Result<()> {
    let docker = Builder::new("forbidden").start()?;
    let receiver = Receiver::start()?;
    let mut hinomi = Wrapped::new(&docker.host(), &config(&receiver))?;
    let alone = ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"];
    hinomi.up(&alone)?;
    let detail = hinomi.wait_for("/api/hinomi/v1/status", SOON, |status| {
        let docker = collector(status, "docker")?;
        (docker["facts"]["state"] == "forbidden").then(|| docker["detail"].as_str().map(str::to_owned))?
    })?;
    ensure!(
        detail.contains("no permission to use") && detail.contains("member of the socket's group"),
        "{detail}"
    );
    ensure!(hinomi.end(Signal::TERM)? == Some(0), "ends well");

    std::os::unix::fs::chown(docker.socket(), None, Some(GROUP))?;
    std::fs::set_permissions(docker.socket(), std::fs::Permissions::from_mode(0o660))?;
    let group = GROUP.to_string();
    let member = ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--groups", &group];
    hinomi.up(&member)?;
    hinomi.wait_for("/api/hinomi/v1/status", SOON, |status| {
        (collector(status, "docker")?["ok"] == true).then_some(())
    })?;
    let output = hinomi.cli(&member, &["agent", "explain-privileges", "--output", "json"])?;
    ensure!(output.status.success(), "{output:?}");
    let rights: Value = serde_json::from_slice(&output.stdout)?;
    let on = |feature: &str| {
        let all = rights["rights"].as_array().into_iter().flatten();
        all.filter(|right| right["feature"] == feature).map(|right| right["on"] == true).next()
    };
    ensure!(on("docker") == Some(true) && on("oom: victim") == Some(false), "{rights}");
    ensure!(on("container of a process") == Some(true), "{rights}");

    // Fewer features, the same word: Docker's own `oom` event is witness enough.
    start(&docker, "oom", &["-p", "18211:80", "-m", "24m", "--memory-swap", "24m"], &["tail", "/dev/zero"])?;
    let request = receiver.wait_for(SOON, |request| request.body["resource"]["name"] == "oom")?;
    ensure!(words(&request.body) == "firing alert oom_kill/main_process", "{}", request.body);
    let all: Vec<String> = receiver.received().iter().map(|request| words(&request.body)).collect();
    ensure!(all.len() == 1, "{all:?}");
    Ok(())
}

fn reboot() -> Result<()> {
    let docker = Builder::new("reboot").start()?;
    let receiver = Receiver::start()?;
    let mut hinomi = Wrapped::new(&docker.host(), &config(&receiver))?;
    let folder = tempfile::tempdir()?;
    let boot_id = folder.path().join("boot_id");
    std::fs::write(&boot_id, "6a7d5c1e-0000-4000-8000-000000000001\n")?;
    // A mount of its own over the kernel's boot id.
    let script =
        format!("mount --bind {} /proc/sys/kernel/random/boot_id && exec \"$0\" \"$@\"", boot_id.display());
    let prefix = ["unshare", "--mount", "sh", "-c", &script];
    hinomi.up(&prefix)?;
    start(&docker, "db", &["--init", "-p", "18212:80"], &["sleep", "1000"])?;
    start(&docker, "web", &["--init", "--restart", "unless-stopped", "-p", "18213:80"], &["sleep", "1000"])?;
    start(&docker, "off", &["--init", "--restart", "unless-stopped", "-p", "18214:80"], &["sleep", "1000"])?;
    let ready = |answer: &Value, name: &str| {
        answer["workloads"].as_array()?.iter().find(|one| one["name"] == name && one["ready"] == 1).map(drop)
    };
    hinomi
        .wait_for("/api/hinomi/v1/workloads", SOON, |answer| ready(answer, "db").and(ready(answer, "web")))?;
    docker.run_ok(&["stop", "-t", "2", "off"])?;
    hinomi.wait_for("/api/hinomi/v1/workloads", SOON, |answer| {
        let off = answer["workloads"].as_array()?.iter().find(|one| one["name"] == "off")?;
        (off["instances"][0]["state"] == "exited").then_some(())
    })?;

    hinomi.end(Signal::KILL)?;
    docker.reboot_imitation()?;
    std::fs::write(&boot_id, "6a7d5c1e-0000-4000-8000-000000000002\n")?;
    hinomi.up(&prefix)?;
    let request = receiver.wait_for(LATE, |_| true)?;
    ensure!(words(&request.body) == "firing alert not_back/after_reboot", "{}", request.body);
    ensure!(request.body["resource"]["name"] == RUNTIME && request.body["resource"]["cluster"] == CLUSTER);
    let cause = request.body["cause"].as_str().unwrap_or_default();
    ensure!(cause == "1 container(s) did not come back after the reboot of the host: db", "{cause}");
    hinomi.wait_for("/api/hinomi/v1/workloads", SOON, |answer| ready(answer, "web"))?;
    hinomi.wait_for("/api/hinomi/v1/status", SOON, |status| {
        gaps(status).iter().any(|gap| gap["reason"] == "not_running").then_some(())
    })?;
    std::thread::sleep(Duration::from_secs(7));
    let all: Vec<String> = receiver.received().iter().map(|request| words(&request.body)).collect();
    ensure!(all.len() == 1, "{all:?}");
    Ok(())
}

fn not_running(site: &mut Site) -> Result<()> {
    start(&site.docker, "dies", &["-p", "18215:80"], &["sh", "-c", ENDS_WITH_7])?;
    sleeper(site, "removed", &["-p", "18216:80"])?;
    sleeper(site, "stays", &["-p", "18217:80"])?;
    running(site, "dies")?;
    let code = site.hinomi.stop()?;
    ensure!(code == Some(0), "SIGTERM: exit code {code:?}");
    signal_inside(pid(&site.docker, "dies")?, Signal::TERM)?;
    site.docker(&["rm", "-f", "removed"])?;
    start(&site.docker, "new", &["--init", "-p", "18218:80"], &["sleep", "1000"])?;
    // Another dockerd remembers no events: what happened follows from what is.
    site.docker.stop()?;
    site.docker.start_again()?;
    site.hinomi.start_again()?;

    site.expect_told("dies", SOON, &["firing alert abnormal_exit/exit_code"])?;
    let finding = site.finding("dies", SOON, |f| f["inspection"] == "abnormal_exit")?;
    ensure!(fact(&finding, "last end").is_some_and(|end| end.starts_with("exit code 7 ")), "{finding}");
    ensure!(log_lines(&finding) == ["last words"], "{finding}");
    running(site, "new")?;
    running(site, "stays")?;
    site.wait_gone("removed")?;
    let gone =
        |change: &Value| change["resource"]["name"] == "removed" && change["words"].as_str() == Some("gone");
    let change = site.change(SOON, gone)?;
    ensure!(change["source"] == "reconcile", "{change}");
    site.hinomi.wait_for("/api/hinomi/v1/status", SOON, |status| {
        gaps(status).iter().any(|gap| gap["reason"] == "not_running").then_some(())
    })?;
    let output = site.hinomi.cli(&["timeline", "--since", "1h"])?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success() && text.contains("Hinomi was not running"), "{output:?}");
    for name in ["removed", "stays", "new"] {
        ensure!(site.findings(name)?.is_empty(), "{:?}", site.findings(name)?);
    }

    // What is open stays open through a kill, and nobody is told again.
    site.hinomi.kill9()?;
    site.hinomi.start_again()?;
    site.wait_connected()?;
    let again = site.finding("dies", SOON, |f| f["inspection"] == "abnormal_exit")?;
    if again["incident"] != finding["incident"] || again["id"] != finding["id"] {
        bail!("another incident after kill -9: {again} instead of {finding}");
    }
    std::thread::sleep(Duration::from_secs(3));
    site.finish()
}
