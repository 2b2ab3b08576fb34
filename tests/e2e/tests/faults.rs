//! The fault catalogue against a real Docker Engine: what is found, how loud, who is told, what shows it.
//!
//! One dockerd, one Hinomi; the cases run side by side under names of their own.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use hinomi_e2e::site::{check_form, fact, instances, log_lines, stage};
use hinomi_e2e::{Case, LATE, SOON, Site, run};
use hinomi_testkit::docker::{Builder, IMAGE};
use hinomi_testkit::process;
use rustix::process::Signal;
use serde_json::Value;

/// As many cases wait side by side.
const AT_ONCE: usize = 8;

#[test]
fn faults() -> Result<()> {
    let Some(site) = Site::start("faults", Builder::new("faults"))? else { return Ok(()) };
    let site = &site;
    let case = |name, body: fn(&Site) -> Result<()>| -> Case<'_> { (name, Box::new(move || body(site))) };
    run(
        AT_ONCE,
        &[
            // Slow ones first: they wait for the start grace or for the proof of stability.
            case("OOM with a restart policy", oom_with_policy),
            case("unhealthy after healthy", unhealthy_after_healthy),
            case("crash loop", crash_loop),
            case("listens on loopback only", loopback_only),
            case("OOM of a service that nobody restarts", oom_without_policy),
            case("OOM of a child", oom_of_a_child),
            case("exit 3 of a service", exit_of_a_service),
            case("exit 3 of a job", exit_of_a_job),
            case("on-failure:2 used up", restart_exhausted),
            case("bad command, detached", bad_command_detached),
            case("bad command, --rm", bad_command_removed),
            case("port taken", port_taken),
            case("bind source gone", bind_source_gone),
            case("volume gone", volume_gone),
            case("image gone", image_gone),
            case("never healthy", never_healthy),
            case("killed from outside", killed_from_outside),
            case("removal that fails", dead),
            case("secrets in logs", secrets),
            case("no readable log", unreadable_log),
            case("a port that is served", served),
        ],
    );
    site.finish()
}

/// Runs out of memory in its first life only.
const OOM_ONCE: &str = "if [ -e /tmp/again ]; then exec sleep 1000; fi; touch /tmp/again; echo before the kill; exec tail /dev/zero";

fn oom_with_policy(site: &Site) -> Result<()> {
    let name = "oom-once";
    site.docker(&[
        "run",
        "-d",
        "--name",
        name,
        "--restart",
        "always",
        "-m",
        "24m",
        "--memory-swap",
        "24m",
        IMAGE,
        "sh",
        "-c",
        OOM_ONCE,
    ])?;
    let finding =
        site.finding(name, SOON, |f| f["inspection"] == "oom_kill" && f["healing"]["tries"] == 1)?;
    ensure!(finding["cause_class"] == "main_process" && finding["level"] == "notice", "{finding}");
    ensure!(finding["healing"]["healer"] == "Docker restart policy always", "{finding}");
    ensure!(finding["healing"]["state"] == "working", "{finding}");
    ensure!(finding["level_reason"].as_str().is_some_and(|r| r.contains("can't cure it")), "{finding}");
    ensure!(fact(&finding, "memory limit") == Some("24 MiB"), "{finding}");
    ensure!(fact(&finding, "victim").is_some_and(|victim| victim.starts_with("tail (pid ")), "{finding}");
    ensure!(fact(&finding, "last end").is_some_and(|end| end.contains("killed by SIGKILL")), "{finding}");
    ensure!(log_lines(&finding).contains(&"before the kill"), "{finding}");
    site.expect_why(name, 1, &["24 MiB", "the kernel killed tail", "restarted once"])?;
    let firing = "firing notice oom_kill/main_process";
    let told = site.expect_told(name, LATE, &[firing, "resolved notice oom_kill/main_process"])?;
    let because =
        told.last().and_then(|message| message.body["resolved_because"].as_str()).unwrap_or_default();
    ensure!(because.starts_with("healed by Docker restart policy always in"), "{because}");
    ensure!(site.findings(name)?.len() == 1, "{:?}", site.findings(name)?);
    site.expect_why(name, 0, &["Nothing is wrong with it"])?;
    site.docker(&["rm", "-f", name]).map(drop)
}

fn oom_without_policy(site: &Site) -> Result<()> {
    let name = "oom-service";
    let script = "echo serving; sleep 1; exec tail /dev/zero";
    site.docker(&[
        "run",
        "-d",
        "--name",
        name,
        "-p",
        "18001:80",
        "-m",
        "24m",
        "--memory-swap",
        "24m",
        IMAGE,
        "sh",
        "-c",
        script,
    ])?;
    let finding = site.finding(name, SOON, |f| f["cause_class"] == "main_process")?;
    ensure!(finding["inspection"] == "oom_kill" && finding["level"] == "alert", "{finding}");
    ensure!(
        finding["healing"]["healer"] == "nobody" && finding["healing"]["state"] == "stopped",
        "{finding}"
    );
    ensure!(log_lines(&finding) == ["serving"], "{finding}");
    site.expect_told(name, SOON, &["firing alert oom_kill/main_process"])?;
    site.expect_why(name, 1, &["nobody restarts it", "the kernel killed tail"])?;
    site.docker(&["rm", name])?;
    let over = "resolved alert oom_kill/main_process";
    site.expect_told(name, SOON, &["firing alert oom_kill/main_process", over]).map(drop)
}

fn oom_of_a_child(site: &Site) -> Result<()> {
    let name = "oom-child";
    let script = "tail /dev/zero; echo the parent goes on; exec sleep 1000";
    site.docker(&[
        "run",
        "-d",
        "--name",
        name,
        "--init",
        "-m",
        "32m",
        "--memory-swap",
        "32m",
        IMAGE,
        "sh",
        "-c",
        script,
    ])?;
    let finding = site.finding(name, SOON, |f| f["inspection"] == "oom_kill")?;
    ensure!(finding["cause_class"] == "process_inside" && finding["level"] == "notice", "{finding}");
    ensure!(
        finding["cause"].as_str().is_some_and(|cause| cause.contains("the container itself goes on")),
        "{finding}"
    );
    site.expect_told(name, SOON, &["firing notice oom_kill/process_inside"])?;
    site.expect_why(name, 1, &["goes on"])?;
    ensure!(site.docker.inspect(name, "{{.State.Running}}")? == "true");
    site.docker(&["kill", name])?;
    let over = "resolved notice oom_kill/process_inside";
    let told = site.expect_told(name, SOON, &["firing notice oom_kill/process_inside", over])?;
    let because = told.last().map(|message| message.body["resolved_because"].clone());
    ensure!(because == Some(Value::from("it was stopped on request")), "{because:?}");
    // Docker now says OOMKilled and 137: that must not become a finding of its own.
    site.docker(&["rm", name])?;
    site.wait_gone(name)?;
    ensure!(site.findings(name)?.len() == 1, "{:?}", site.findings(name)?);
    Ok(())
}

fn exit_of_a_service(site: &Site) -> Result<()> {
    let name = "exit-service";
    let script = "echo to stdout; echo cannot reach the database >&2; exit 3";
    site.docker(&["run", "-d", "--name", name, "-p", "18002:80", IMAGE, "sh", "-c", script])?;
    let finding = site.finding(name, SOON, |f| f["inspection"] == "abnormal_exit")?;
    ensure!(finding["cause_class"] == "exit_code" && finding["level"] == "alert", "{finding}");
    ensure!(
        finding["healing"]["healer"] == "nobody" && finding["healing"]["state"] == "stopped",
        "{finding}"
    );
    ensure!(fact(&finding, "last end").is_some_and(|end| end.starts_with("exit code 3 at ")), "{finding}");
    let mut lines = log_lines(&finding);
    lines.sort_unstable();
    ensure!(lines == ["cannot reach the database", "to stdout"], "{finding}");
    let stderr =
        finding["evidence"]["log"]["lines"].as_array().into_iter().flatten().find(|l| l["stderr"] == true);
    ensure!(stderr.is_some_and(|line| line["text"] == "cannot reach the database"), "{finding}");
    let told = site.expect_told(name, SOON, &["firing alert abnormal_exit/exit_code"])?;
    let message = told.first().context("a message")?;
    ensure!(message.body["evidence"]["log"]["lines"].as_array().map(Vec::len) == Some(2), "{}", message.body);
    ensure!(message.body["finding"] == finding["id"], "{}", message.body);
    ensure!(stage(&message.body, "start")["outcome"] == "passed", "{}", message.body);
    site.expect_why(name, 1, &["exit code 3", "nobody restarts it", "cannot reach the database"])?;
    // A person starts it again, and it fails again: the same incident, no second page.
    site.docker(&["rm", "-f", name])?;
    let over = "resolved alert abnormal_exit/exit_code";
    site.expect_told(name, SOON, &["firing alert abnormal_exit/exit_code", over]).map(drop)
}

fn exit_of_a_job(site: &Site) -> Result<()> {
    let name = "exit-job";
    let output = site.docker.docker(&["run", "--name", name, IMAGE, "sh", "-c", "echo half done; exit 3"])?;
    ensure!(output.status.code() == Some(3), "{output:?}");
    let finding = site.finding(name, SOON, |f| f["inspection"] == "abnormal_exit")?;
    ensure!(finding["cause_class"] == "exit_code" && finding["level"] == "notice", "{finding}");
    ensure!(finding["level_reason"] == "one-shot work failed for good", "{finding}");
    ensure!(log_lines(&finding) == ["half done"], "{finding}");
    site.expect_told(name, SOON, &["firing notice abnormal_exit/exit_code"])?;
    site.expect_why(name, 1, &["exit code 3", "half done"])?;
    site.docker(&["rm", name])?;
    let over = "resolved notice abnormal_exit/exit_code";
    site.expect_told(name, SOON, &["firing notice abnormal_exit/exit_code", over]).map(drop)
}

fn crash_loop(site: &Site) -> Result<()> {
    let name = "crash-loop";
    site.docker(&[
        "run",
        "-d",
        "--name",
        name,
        "--restart",
        "always",
        IMAGE,
        "sh",
        "-c",
        "echo no config; exit 3",
    ])?;
    // Level None is recorded from the first end on.
    site.finding(name, SOON, |_| true)?;
    let notice = "firing notice crash_loop/in_a_row";
    site.expect_told(name, SOON, &[notice])?;
    let tries = |finding: &Value| finding["healing"]["tries"].as_u64().unwrap_or(0);
    let finding = site.finding(name, SOON, |f| f["inspection"] == "crash_loop")?;
    ensure!(
        tries(&finding) >= 3 && finding["healing"]["healer"] == "Docker restart policy always",
        "{finding}"
    );
    let alert = "firing alert crash_loop/in_a_row";
    site.expect_told(name, LATE, &[notice, alert])?;
    let finding =
        site.finding(name, SOON, |f| f["inspection"] == "crash_loop" && f["incident_level"] == "alert")?;
    ensure!(log_lines(&finding).contains(&"no config"), "{finding}");
    ensure!(fact(&finding, "loop").is_some_and(|looped| looped.contains("ends, every")), "{finding}");
    site.expect_why(name, 1, &["exit code 3", "times, every", "no config"])?;
    ensure!(site.findings(name)?.len() == 1, "{:?}", site.findings(name)?);
    site.docker(&["rm", "-f", name])?;
    site.expect_told(name, SOON, &[notice, alert, "resolved alert crash_loop/in_a_row"]).map(drop)
}

fn restart_exhausted(site: &Site) -> Result<()> {
    let name = "exhausted";
    site.docker(&[
        "run",
        "-d",
        "--name",
        name,
        "--restart",
        "on-failure:2",
        "-p",
        "18003:80",
        IMAGE,
        "sh",
        "-c",
        "echo giving up; exit 4",
    ])?;
    let firing = "firing alert restart_exhausted/used_up";
    site.expect_told(name, SOON, &[firing])?;
    let finding = site.finding(name, SOON, |f| f["inspection"] == "restart_exhausted")?;
    ensure!(finding["healing"]["state"] == "stopped" && finding["healing"]["tries"] == 2, "{finding}");
    let lines = log_lines(&finding);
    ensure!(!lines.is_empty() && lines.iter().all(|line| *line == "giving up"), "{finding}");
    site.expect_why(name, 1, &["exit code 4", "stays down: restart policy on-failure:2 is used up"])?;
    site.docker(&["rm", name])?;
    site.expect_told(name, SOON, &[firing, "resolved alert restart_exhausted/used_up"]).map(drop)
}

fn bad_command_detached(site: &Site) -> Result<()> {
    let name = "bad-command";
    site.docker_fails(&["run", "-d", "--name", name, "-p", "18004:80", IMAGE, "/no/such/program"])?;
    let firing = "firing alert start_failure/bad_command";
    let told = site.expect_told(name, SOON, &[firing])?;
    let message = told.first().context("a message")?;
    ensure!(message.body["stage"] == "start", "{}", message.body);
    ensure!(stage(&message.body, "create")["outcome"] == "passed", "{}", message.body);
    ensure!(stage(&message.body, "start")["outcome"] == "failed", "{}", message.body);
    ensure!(stage(&message.body, "serve")["outcome"] == "pending", "{}", message.body);
    let finding = site.finding(name, SOON, |f| f["inspection"] == "start_failure")?;
    ensure!(finding["cause"].as_str().is_some_and(|cause| cause.contains("/no/such/program")), "{finding}");
    site.expect_why(name, 1, &["failed at stage Start", "does not exist or can't be executed"])?;
    site.docker(&["rm", name])?;
    site.expect_told(name, SOON, &[firing, "resolved alert start_failure/bad_command"]).map(drop)
}

/// Docker removes it within milliseconds of the failure: where that was faster than any look, the cause is `other`.
fn bad_command_removed(site: &Site) -> Result<()> {
    let name = "bad-command-rm";
    site.docker_fails(&["run", "--rm", "--name", name, IMAGE, "/no/such/program"])?;
    let finding = site.finding(name, SOON, |f| f["inspection"] == "start_failure")?;
    ensure!(finding["level"] == "notice" && finding["stage"] == "start", "{finding}");
    let class = finding["cause_class"].as_str().unwrap_or_default();
    ensure!(class == "bad_command" || class == "other", "{finding}");
    // It is gone, what was found stays to be read.
    site.expect_told(name, SOON, &[&format!("firing notice start_failure/{class}")])?;
    site.expect_why(name, 1, &["failed at stage Start"])
}

fn port_taken(site: &Site) -> Result<()> {
    let (holder, name) = ("port-holder", "port-taken");
    site.docker(&["run", "-d", "--name", holder, "--init", "-p", "18005:80", IMAGE, "sleep", "1000"])?;
    let said = site.docker_fails(&["run", "-d", "--name", name, "-p", "18005:80", IMAGE, "sleep", "1000"])?;
    ensure!(said.contains("already allocated"), "{said}");
    let firing = "firing alert start_failure/port_taken";
    site.expect_told(name, SOON, &[firing])?;
    let finding = site.finding(name, SOON, |f| f["inspection"] == "start_failure")?;
    ensure!(finding["stage"] == "start", "{finding}");
    ensure!(finding["cause"].as_str().is_some_and(|cause| cause.contains("18005")), "{finding}");
    site.expect_why(name, 1, &["a port that it publishes is taken"])?;
    site.expect_told(holder, SOON, &[])?;
    site.docker(&["rm", "-f", name, holder])?;
    site.expect_told(name, SOON, &[firing, "resolved alert start_failure/port_taken"]).map(drop)
}

/// Docker looks at the source before it tries to start, and leaves no trace of that refusal: no event, no error, state
/// `created`. Nobody can know; nothing must be made up.
fn bind_source_gone(site: &Site) -> Result<()> {
    let name = "bind-gone";
    let folder = tempfile::tempdir()?;
    let mount = format!("type=bind,source={},target=/config", folder.path().display());
    site.docker(&["create", "--name", name, "-p", "18006:80", "--mount", &mount, IMAGE, "sleep", "1000"])?;
    // Hinomi can only miss what it saw: the source has to be there when it looks first.
    site.instance(name, SOON, |one| one["state"] == "created")?;
    folder.close()?;
    site.docker_fails(&["start", name])?;
    ensure!(
        site.docker.inspect(name, "{{.State.Status}}{{.State.Error}}")? == "created",
        "Docker says more now"
    );
    let firing = "firing alert start_failure/bind_source_missing";
    site.expect_told(name, SOON, &[firing])?;
    site.expect_why(name, 1, &["failed at stage Start", "bind source path does not exist"])?;
    site.docker(&["rm", name])?;
    site.expect_told(name, SOON, &[firing, "resolved alert start_failure/bind_source_missing"]).map(drop)
}

/// The same with a volume whose folder is gone: that only the OCI runtime sees, and it says so.
fn volume_gone(site: &Site) -> Result<()> {
    let name = "volume-gone";
    site.docker(&["volume", "create", "soon-gone"])?;
    let folder = site.docker(&["volume", "inspect", "--format", "{{.Mountpoint}}", "soon-gone"])?;
    site.docker(&[
        "create",
        "--name",
        name,
        "-p",
        "18016:80",
        "-v",
        "soon-gone:/config",
        IMAGE,
        "sleep",
        "1000",
    ])?;
    std::fs::remove_dir_all(&folder)?;
    site.docker_fails(&["start", name])?;
    let firing = "firing alert start_failure/bind_source_missing";
    site.expect_told(name, SOON, &[firing])?;
    site.expect_why(name, 1, &["failed at stage Start", "no such file or directory"])?;
    site.docker(&["rm", name])?;
    site.expect_told(name, SOON, &[firing, "resolved alert start_failure/bind_source_missing"]).map(drop)
}

/// Docker 20.10 starts a container whose image was removed by force: its layers live on with it. Nothing is wrong then,
/// and nothing must be said.
fn image_gone(site: &Site) -> Result<()> {
    let (name, image) = ("image-gone", "soon-gone");
    site.docker(&["run", "--name", "image-maker", IMAGE, "touch", "/tmp/layer"])?;
    site.docker(&["commit", "image-maker", image])?;
    site.docker(&["create", "--name", name, "--init", "-p", "18007:80", image, "sleep", "1000"])?;
    site.docker(&["rmi", "-f", image])?;
    let started = site.docker.docker(&["start", name])?;
    if started.status.success() {
        site.instance(name, SOON, |one| one["state"] == "running")?;
        site.expect_told(name, SOON, &[])?;
        site.expect_why(name, 0, &["Nothing is wrong with it"])?;
        return site.docker(&["rm", "-f", name, "image-maker"]).map(drop);
    }
    let firing = "firing alert start_failure/image_gone";
    site.expect_told(name, SOON, &[firing])?;
    site.expect_why(name, 1, &["its image is gone"])?;
    site.docker(&["rm", "-f", name, "image-maker"])?;
    site.expect_told(name, SOON, &[firing, "resolved alert start_failure/image_gone"]).map(drop)
}

fn unhealthy_after_healthy(site: &Site) -> Result<()> {
    let name = "sick";
    site.docker(&[
        "run",
        "-d",
        "--name",
        name,
        "--init",
        "-p",
        "18008:80",
        "--health-cmd",
        "test ! -e /tmp/sick || { echo database is away; exit 1; }",
        "--health-interval",
        "1s",
        "--health-retries",
        "2",
        IMAGE,
        "sleep",
        "1000",
    ])?;
    site.instance(name, SOON, |one| stage(one, "health")["outcome"] == "passed")?;
    site.docker(&["exec", name, "touch", "/tmp/sick"])?;
    let firing = "firing alert unhealthy/after_healthy";
    site.expect_told(name, SOON, &[firing])?;
    let finding = site.finding(name, SOON, |f| f["inspection"] == "unhealthy")?;
    ensure!(finding["healing"]["healer"] == "nobody" && finding["stage"] == "health", "{finding}");
    ensure!(
        fact(&finding, "last health probe").is_some_and(|probe| probe.contains("database is away")),
        "{finding}"
    );
    site.expect_why(name, 1, &["became unhealthy", "Docker does not restart unhealthy containers"])?;
    site.docker(&["exec", name, "rm", "/tmp/sick"])?;
    let told = site.expect_told(name, LATE, &[firing, "resolved alert unhealthy/after_healthy"])?;
    let because = told.last().map(|message| message.body["resolved_because"].clone());
    ensure!(because == Some(Value::from("healthy and stable again")), "{because:?}");
    site.expect_why(name, 0, &["its health check passes"])?;
    site.docker(&["rm", "-f", name]).map(drop)
}

fn never_healthy(site: &Site) -> Result<()> {
    let name = "never-healthy";
    site.docker(&[
        "run",
        "-d",
        "--name",
        name,
        "--init",
        "-p",
        "18009:80",
        "--health-cmd",
        "echo not there; exit 1",
        "--health-interval",
        "1s",
        "--health-retries",
        "2",
        IMAGE,
        "sleep",
        "1000",
    ])?;
    let firing = "firing alert unhealthy/never_healthy";
    let told = site.expect_told(name, SOON, &[firing])?;
    let message = told.first().context("a message")?;
    ensure!(message.body["stage"] == "health", "{}", message.body);
    ensure!(stage(&message.body, "start")["outcome"] == "passed", "{}", message.body);
    ensure!(stage(&message.body, "health")["outcome"] == "failed", "{}", message.body);
    site.expect_why(name, 1, &["never became healthy"])?;
    site.docker(&["rm", "-f", name])?;
    site.expect_told(name, SOON, &[firing, "resolved alert unhealthy/never_healthy"]).map(drop)
}

fn killed_from_outside(site: &Site) -> Result<()> {
    let name = "host-kill";
    site.docker(&["run", "-d", "--name", name, "-p", "18010:80", IMAGE, "sleep", "1000"])?;
    site.instance(name, SOON, |one| one["state"] == "running")?;
    process::signal(site.docker.inspect(name, "{{.State.Pid}}")?.parse()?, Signal::KILL);
    let firing = "firing alert abnormal_exit/killed_from_outside";
    site.expect_told(name, SOON, &[firing])?;
    site.expect_why(name, 1, &["was killed by SIGKILL from outside (no API call, no OOM kill seen)"])?;
    site.docker(&["rm", name])?;
    site.expect_told(name, SOON, &[firing, "resolved alert abnormal_exit/killed_from_outside"]).map(drop)
}

/// A file that nobody can remove while this lives.
struct Immovable(PathBuf);

impl Immovable {
    fn new(file: &Path) -> Result<Self> {
        process::run("chattr", &[Path::new("+i"), file])?;
        Ok(Self(file.to_path_buf()))
    }
}

impl Drop for Immovable {
    fn drop(&mut self) {
        let _gone = process::run("chattr", &[Path::new("-i"), &self.0]);
    }
}

fn dead(site: &Site) -> Result<()> {
    let name = "dead";
    site.docker(&[
        "run",
        "-d",
        "--name",
        name,
        "--init",
        "-p",
        "18011:80",
        IMAGE,
        "sh",
        "-c",
        "touch /tmp/pin; exec sleep 1000",
    ])?;
    let upper = PathBuf::from(site.docker.inspect(name, "{{.GraphDriver.Data.UpperDir}}")?);
    let pin = upper.join("tmp/pin");
    process::wait_for("the file", SOON, || pin.exists().then_some(()))?;
    let immovable = match Immovable::new(&pin) {
        Ok(immovable) => immovable,
        Err(error) => {
            hinomi_testkit::skip_suite("faults: removal that fails", &format!("{error:#}"));
            return site.docker(&["rm", "-f", name]).map(drop);
        }
    };
    site.docker_fails(&["rm", "-f", name])?;
    let firing = "firing notice stuck/dead";
    site.expect_told(name, SOON, &[firing])?;
    site.expect_why(name, 1, &["its removal failed"])?;
    drop(immovable);
    site.docker(&["rm", "-f", name])?;
    site.expect_told(name, SOON, &[firing, "resolved notice stuck/dead"]).map(drop)
}

/// None of these may be anywhere; parts, so that the words of this file's own case do not count.
const SECRETS: [&str; 4] =
    ["hunter2", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJl", "env-value-7731", "flag-value-9931"];

fn secrets(site: &Site) -> Result<()> {
    let [password, jwt, from_env, from_flag] = SECRETS;
    let name = "secrets";
    let script =
        format!("echo password={password} kept-word; echo got {jwt} >&2; exit 5; : --token {from_flag}");
    let env = format!("INNOCENT={from_env}");
    site.docker(&["run", "-d", "--name", name, "-p", "18012:80", "-e", &env, IMAGE, "sh", "-c", &script])?;
    let firing = "firing alert abnormal_exit/exit_code";
    let told = site.expect_told(name, SOON, &[firing])?;
    let finding = site.finding(name, SOON, |f| f["inspection"] == "abnormal_exit")?;
    let lines = log_lines(&finding).join("\n");
    ensure!(lines.contains("kept-word") && lines.contains("[redacted]") && lines.contains("got "), "{lines}");
    site.expect_why(name, 1, &["kept-word"])?;

    let uid = finding["resource"]["uid"].as_str().context("uid")?.to_owned();
    let id = finding["id"].as_str().context("id")?;
    let incident = finding["incident"].as_str().context("incident")?;
    let mut places: Vec<(String, String)> = Vec::new();
    for path in [
        "/api/hinomi/v1/status".to_owned(),
        "/api/hinomi/v1/findings?all=true".to_owned(),
        format!("/api/hinomi/v1/findings/{id}"),
        "/api/hinomi/v1/incidents?all=true".to_owned(),
        format!("/api/hinomi/v1/incidents/{incident}"),
        format!("/api/hinomi/v1/timeline?since=1h&limit=10000&resource={uid}"),
        "/api/hinomi/v1/workloads".to_owned(),
        format!("/api/hinomi/v1/why?name={name}"),
        "/api/hinomi/v1/receivers".to_owned(),
    ] {
        places.push((path.clone(), site.hinomi.get(&path)?.to_string()));
    }
    let timeline = places.iter().find(|(path, _)| path.contains("timeline")).map(|(_, text)| text);
    ensure!(timeline.is_some_and(|text| text.contains("exit code 5")), "the timeline knows the container");
    let bodies: Vec<String> = told.iter().map(|message| message.body.to_string()).collect();
    places.push(("webhook".into(), bodies.join("\n")));
    places.push(("why".into(), format!("{:?}", site.why(name)?)));
    places.push(("log".into(), lossy(&site.hinomi.log())?));
    let mut stored = String::new();
    for file in files(site.hinomi.data_dir())? {
        let text = lossy(&file)?;
        stored.push_str(&text);
        places.push((file.display().to_string(), text));
    }
    ensure!(stored.contains("kept-word"), "what is stored can be searched as text");
    for (place, text) in &places {
        for secret in SECRETS {
            ensure!(!text.contains(secret), "{secret} stands in {place}");
        }
    }
    site.docker(&["rm", name])?;
    site.expect_told(name, SOON, &[firing, "resolved alert abnormal_exit/exit_code"]).map(drop)
}

fn lossy(file: &Path) -> Result<String> {
    let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { all.extend(files(&path)?) } else { all.push(path) }
    }
    Ok(all)
}

fn unreadable_log(site: &Site) -> Result<()> {
    let name = "no-log";
    site.docker(&[
        "run",
        "-d",
        "--name",
        name,
        "--log-driver",
        "none",
        "-p",
        "18013:80",
        IMAGE,
        "sh",
        "-c",
        "exit 6",
    ])?;
    let firing = "firing alert abnormal_exit/exit_code";
    let told = site.expect_told(name, SOON, &[firing])?;
    let log = told.first().map(|message| message.body["evidence"]["log"].clone()).unwrap_or_default();
    ensure!(log["lines"].as_array().is_some_and(Vec::is_empty), "{log}");
    ensure!(log["note"].as_str().is_some_and(|note| note.contains("log driver `none`")), "{log}");
    site.expect_why(name, 1, &["log driver `none`"])?;
    site.docker(&["rm", name])?;
    let told = site.expect_told(name, SOON, &[firing, "resolved alert abnormal_exit/exit_code"])?;
    check_form(&told)
}

fn served(site: &Site) -> Result<()> {
    let name = "served";
    site.docker(&[
        "run", "-d", "--name", name, "--init", "-p", "18014:80", IMAGE, "httpd", "-f", "-p", "80",
    ])?;
    let instance = site.instance(name, SOON, |one| stage(one, "serve")["outcome"] == "passed")?;
    for (name, outcome) in [("create", "passed"), ("start", "passed"), ("health", "not_applicable")] {
        ensure!(stage(&instance, name)["outcome"] == outcome, "{instance}");
    }
    site.expect_why(name, 0, &["Nothing is wrong with it"])?;
    site.expect_told(name, SOON, &[])?;
    site.docker(&["rm", "-f", name]).map(drop)
}

fn loopback_only(site: &Site) -> Result<()> {
    let name = "loopback";
    site.docker(&[
        "run",
        "-d",
        "--name",
        name,
        "--init",
        "-p",
        "18015:80",
        IMAGE,
        "httpd",
        "-f",
        "-p",
        "127.0.0.1:80",
    ])?;
    let instance = site.instance(name, LATE, |one| stage(one, "serve")["outcome"] == "failed")?;
    let cause = stage(&instance, "serve")["cause"].as_str().unwrap_or_default();
    ensure!(cause.contains("listens on 127.0.0.1 only"), "{instance}");
    let why = site.why(name)?;
    let flat = why.text.split_whitespace().collect::<Vec<_>>().join(" ");
    ensure!(flat.contains("127.0.0.1 only"), "{}", why.text);
    site.expect_told(name, SOON, &[])?;
    ensure!(instances(&site.hinomi.get("/api/hinomi/v1/workloads")?).count() > 0);
    site.docker(&["rm", "-f", name]).map(drop)
}
