//! What people and policies do every day. Nobody is told of any of it, and nothing of it is found louder than None.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use hinomi_e2e::site::instances;
use hinomi_e2e::{Case, SOON, Site, run};
use hinomi_testkit::compose::compose;
use hinomi_testkit::docker::{Builder, IMAGE};
use hinomi_testkit::process::wait_for;
use serde_json::Value;

/// As many cases wait side by side.
const AT_ONCE: usize = 6;
/// The longest of Hinomi's own times after which silence turns into a finding here: the shortest start grace, and the
/// time after which a removal hangs. A false finding would come by then.
const LATEST_FALSE_FINDING: Duration = Duration::from_secs(32);

#[test]
fn harmless() -> Result<()> {
    let Some(site) = Site::start("harmless", Builder::new("harmless"))? else { return Ok(()) };
    let site = &site;
    let began = Instant::now();
    let case = |name, body: fn(&Site) -> Result<()>| -> Case<'_> { (name, Box::new(move || body(site))) };
    run(
        AT_ONCE,
        &[
            case("created and never started", created_only),
            case("two tries at start", two_tries),
            case("compose up, scale, down", compose_up_scale_down),
            case("stop, start, restart", stop_start_restart),
            case("a stop that needs SIGKILL", stubborn_stop),
            case("kill, rm -f", kill_and_remove),
            case("pause with a health check", pause),
            case("rename", rename),
            case("update", update),
            case("ten jobs", ten_jobs),
            case("create and rm", create_and_remove),
        ],
    );
    std::thread::sleep(LATEST_FALSE_FINDING.saturating_sub(began.elapsed()));
    // All of it was seen …
    let status = site.hinomi.get("/api/hinomi/v1/status")?;
    ensure!(status["totals"]["alert"] == 0 && status["totals"]["notice"] == 0, "{status}");
    // … and nothing of it was loud at any time.
    let all = site.hinomi.get("/api/hinomi/v1/findings?all=true")?;
    let loud = |finding: &&Value| finding["level"] != "none" || finding["incident_level"] != "none";
    let loud: Vec<&Value> = all["findings"].as_array().into_iter().flatten().filter(loud).collect();
    ensure!(loud.is_empty(), "{loud:#?}");
    let output = site.hinomi.cli(&["findings"])?;
    ensure!(output.status.code() == Some(0), "{output:?}");
    let sent = site.receiver.received();
    ensure!(sent.is_empty(), "{sent:#?}");
    site.finish()
}

fn start(site: &Site, name: &str, options: &[&str]) -> Result<()> {
    let mut args = vec!["run", "-d", "--name", name, "--init"];
    args.extend(options);
    args.extend([IMAGE, "sleep", "1000"]);
    site.docker(&args)?;
    site.instance(name, SOON, |one| one["state"] == "running").map(drop)
}

fn becomes(site: &Site, name: &str, state: &str) -> Result<()> {
    site.instance(name, SOON, |one| one["state"] == state).map(drop)
}

fn stop_start_restart(site: &Site) -> Result<()> {
    let name = "stopped";
    start(site, name, &["--restart", "unless-stopped", "-p", "18101:80"])?;
    site.docker(&["restart", "-t", "2", name])?;
    becomes(site, name, "running")?;
    site.docker(&["stop", "-t", "2", name])?;
    becomes(site, name, "exited")?;
    site.expect_why(name, 0, &["was stopped on request"])?;
    site.docker(&["start", name])?;
    becomes(site, name, "running")?;
    site.docker(&["stop", "-t", "2", name])?;
    becomes(site, name, "exited")
}

fn stubborn_stop(site: &Site) -> Result<()> {
    let name = "stubborn";
    site.docker(&["run", "-d", "--name", name, "-p", "18102:80", IMAGE, "sleep", "1000"])?;
    becomes(site, name, "running")?;
    // Process 1 without a handler ignores SIGTERM: 137 after the time-out.
    site.docker(&["stop", "-t", "1", name])?;
    ensure!(site.docker.inspect(name, "{{.State.ExitCode}}")? == "137");
    becomes(site, name, "exited")?;
    site.expect_why(name, 0, &["was stopped on request"])
}

fn kill_and_remove(site: &Site) -> Result<()> {
    start(site, "killed", &["--restart", "always", "-p", "18103:80"])?;
    site.docker(&["kill", "killed"])?;
    becomes(site, "killed", "exited")?;
    start(site, "removed", &["--restart", "always", "-p", "18104:80"])?;
    site.docker(&["rm", "-f", "removed", "killed"])?;
    site.wait_gone("removed")?;
    site.wait_gone("killed")
}

fn pause(site: &Site) -> Result<()> {
    let name = "paused";
    let check =
        ["--health-cmd", "true", "--health-interval", "1s", "--health-retries", "1", "-p", "18105:80"];
    start(site, name, &check)?;
    site.docker(&["pause", name])?;
    becomes(site, name, "paused")?;
    // Long enough for probes to fall due: Docker calls a frozen container unhealthy.
    std::thread::sleep(Duration::from_secs(4));
    site.docker(&["unpause", name])?;
    becomes(site, name, "running")?;
    site.docker(&["rm", "-f", name])?;
    site.wait_gone(name)
}

fn rename(site: &Site) -> Result<()> {
    start(site, "old-name", &["--restart", "always", "-p", "18106:80"])?;
    site.docker(&["rename", "old-name", "new-name"])?;
    becomes(site, "new-name", "running")?;
    site.wait_gone("old-name")?;
    site.expect_why("new-name", 0, &["new-name runs for"])
}

fn update(site: &Site) -> Result<()> {
    let name = "updated";
    start(site, name, &["-m", "64m", "--memory-swap", "64m"])?;
    site.docker(&["update", "--restart", "always", name])?;
    site.docker(&["update", "-m", "96m", "--memory-swap", "96m", name])?;
    site.change(SOON, |change| change["resource"]["name"] == name && words(change).contains("update"))
        .map(drop)
}

fn words(change: &Value) -> &str {
    change["words"].as_str().unwrap_or_default()
}

fn ten_jobs(site: &Site) -> Result<()> {
    for number in 0..10 {
        let name = format!("job-{number}");
        site.docker(&["run", "--rm", "--name", &name, IMAGE, "echo", "done"])?;
    }
    for number in 0..10 {
        let name = format!("job-{number}");
        let ended =
            |change: &Value| change["resource"]["name"] == name.as_str() && words(change).contains("success");
        site.change(SOON, ended)?;
        site.wait_gone(&name)?;
    }
    Ok(())
}

/// Fails twice, then serves: its policy heals it within the start grace.
fn two_tries(site: &Site) -> Result<()> {
    let name = "two-tries";
    let script = "echo x >> /tmp/tries; [ $(wc -l < /tmp/tries) -gt 2 ] || exit 1; exec sleep 1000";
    site.docker(&[
        "run",
        "-d",
        "--name",
        name,
        "--init",
        "--restart",
        "on-failure",
        "-p",
        "18107:80",
        IMAGE,
        "sh",
        "-c",
        script,
    ])?;
    let finding = site.finding(name, SOON, |f| f["healing"]["tries"] == 2)?;
    ensure!(finding["level"] == "none" && finding["incident_level"] == "none", "{finding}");
    ensure!(finding["healing"]["healer"] == "Docker restart policy on-failure", "{finding}");
    becomes(site, name, "running")
}

fn created_only(site: &Site) -> Result<()> {
    site.docker(&[
        "create",
        "--name",
        "only-created",
        "-p",
        "18108:80",
        "--restart",
        "always",
        IMAGE,
        "sleep",
        "9",
    ])?;
    becomes(site, "only-created", "created")?;
    site.expect_why("only-created", 0, &["only-created is created"])
}

fn create_and_remove(site: &Site) -> Result<()> {
    site.docker(&["create", "--name", "never-started", "-p", "18109:80", IMAGE, "sleep", "9"])?;
    becomes(site, "never-started", "created")?;
    site.docker(&["rm", "never-started"])?;
    site.wait_gone("never-started")
}

const COMPOSE: &str = "\
version: '2.4'
services:
  web:
    image: bb
    init: true
    command: ['sleep', '1000']
    restart: always
  worker:
    image: bb
    init: true
    command: ['sleep', '1000']
";

fn compose_up_scale_down(site: &Site) -> Result<()> {
    if let Some(reason) = hinomi_testkit::compose::unavailable() {
        hinomi_testkit::skip_suite("harmless: compose", &reason);
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("docker-compose.yml");
    std::fs::write(&file, COMPOSE)?;
    let compose = |args: &[&str]| compose(&site.docker, "shop", &file, args);
    compose(&["up", "-d"])?;
    replicas(site, "shop/web", 1)?;
    replicas(site, "shop/worker", 1)?;
    compose(&["up", "-d", "--scale", "web=3"])?;
    replicas(site, "shop/web", 3)?;
    let workloads = site.hinomi.get("/api/hinomi/v1/workloads")?;
    let web = workloads["workloads"].as_array().into_iter().flatten().find(|one| one["name"] == "shop/web");
    ensure!(web.is_some_and(|web| web["kind"] == "compose_service"), "{workloads}");
    site.expect_why("shop/web", 0, &["3 of 3 instances serve"])?;
    compose(&["up", "-d", "--scale", "web=1"])?;
    replicas(site, "shop/web", 1)?;
    compose(&["restart", "-t", "2"])?;
    replicas(site, "shop/web", 1)?;
    compose(&["down", "-t", "2"])?;
    let gone = wait_for("end of the project", SOON, || {
        let workloads = site.hinomi.get("/api/hinomi/v1/workloads").ok()?;
        let of_shop = |one: &Value| one["resource"]["workload"]["project"] == "shop";
        instances(&workloads).all(|one| !of_shop(one)).then_some(())
    });
    gone.map(drop)
}

fn replicas(site: &Site, workload: &str, want: u64) -> Result<()> {
    let path = "/api/hinomi/v1/workloads";
    site.hinomi.wait_for(path, SOON, |answer| {
        let found = answer["workloads"].as_array()?.iter().find(|one| one["name"] == workload)?;
        let instances = found["instances"].as_array()?.len();
        let all =
            found["desired"] == want && found["ready"] == want && instances == usize::try_from(want).ok()?;
        all.then_some(())
    })
}
