//! Findings over numbers: a container that leaks towards its limit and a filesystem that fills, for real.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use hinomi_e2e::site::{config, fact};
use hinomi_e2e::{LATE, SOON};
use hinomi_testkit::docker::{Builder, IMAGE, PrivateDocker};
use hinomi_testkit::hinomi::{Options, Server};
use hinomi_testkit::skip_suite;
use hinomi_testkit::webhook::{Receiver, Request};
use serde_json::Value;

const FINDINGS: &str = "/api/hinomi/v1/findings?all=true";
/// A forecast needs samples of more than two minutes before it is a finding.
const FORECAST: Duration = Duration::from_secs(360);

#[test]
fn what_fills_is_told_before_it_is_full() -> Result<()> {
    let Some(docker) = Builder::new("numbers-findings").start_or_skip("numbers findings") else {
        return Ok(());
    };
    let receiver = Receiver::start_in(Some(&docker.netns()))?;
    let settings = format!(
        "{}metrics: {{ interval: 1s }}\ninspections: {{ interval: 5s }}\n\
         working_hours: {{ days: [{}], from: \"09:00\", to: \"17:00\", time_zone: UTC }}\n",
        config(&receiver),
        far_day()?
    );
    let mut hinomi = Options::new().docker(&docker).config(&settings).start()?;
    hinomi.wait_for("/api/hinomi/v1/status", SOON, |status| {
        hinomi_e2e::site::collector(status, "docker").filter(|docker| docker["ok"] == true).map(drop)
    })?;
    leaks(&docker)?;
    let disk = Disk::new()?;
    if disk.is_none() {
        skip_suite("numbers findings: filesystem", "no loop device can be mounted here");
    }
    let filling = disk.as_ref().map(|disk| disk.fill(33, 80 * 1024));
    memory_is_told(&docker, &mut hinomi, &receiver)?;
    if let Some(disk) = &disk {
        disk_is_told(disk, &hinomi, &receiver)?;
    }
    drop(filling);
    Ok(())
}

/// A day on which nobody will be at work for long: it is night now, and for two days more.
#[allow(clippy::disallowed_methods, reason = "the day is that of the machine that is watched")]
fn far_day() -> Result<&'static str> {
    const FROM_THURSDAY: [&str; 7] = ["thu", "fri", "sat", "sun", "mon", "tue", "wed"];
    let days = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs() / 86_400;
    FROM_THURSDAY.get(usize::try_from((days + 3) % 7)?).copied().context("a day")
}

/// 46 MB at once and 60 kB a second from then on, of a limit of 64 MiB. What lies in memory counts as in use.
fn leaks(docker: &PrivateDocker) -> Result<()> {
    let leak = "head -c 46000000 /dev/zero > /dev/shm/leak; \
                while true; do head -c 60000 /dev/zero >> /dev/shm/leak; sleep 1; done";
    let args = ["run", "-d", "--name", "leaky", "-m", "64m", "--shm-size", "128m", IMAGE, "sh", "-c", leak];
    docker.run_ok(&args)?;
    docker.run_ok(&["run", "-d", "--name", "quiet", "-m", "64m", IMAGE, "sleep", "3600"]).map(drop)
}

fn open_finding(hinomi: &Server, limit: Duration, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
    let found = hinomi.wait_for(FINDINGS, limit, |answer| {
        let mut all = answer["findings"].as_array()?.iter();
        all.find(|finding| finding["resolved_at"].is_null() && wanted(finding)).cloned()
    });
    found.with_context(|| format!("{:?}; the log ends:\n{}", hinomi.get(FINDINGS), hinomi.log_end()))
}

fn messages(receiver: &Receiver, inspection: &str) -> Vec<Request> {
    let mut all = receiver.received();
    all.retain(|request| request.body["inspection"] == inspection);
    all
}

fn memory_is_told(docker: &PrivateDocker, hinomi: &mut Server, receiver: &Receiver) -> Result<()> {
    let finding = open_finding(hinomi, FORECAST, |finding| finding["inspection"] == "memory_limit")?;
    show("found", &finding);
    ensure!(finding["level"] == "alert" && finding["resource"]["name"] == "leaky", "{finding}");
    ensure!(fact(&finding, "limit") == Some("64 MiB"), "{finding}");
    let numbers = &finding["evidence"]["numbers"];
    let used = numbers["value"].as_f64().context("a value")?;
    ensure!((50e6..68e6).contains(&used) && numbers["limit"] == 67_108_864.0, "{numbers}");
    let rate = numbers["per_second"].as_f64().context("a rate")?;
    ensure!((20_000.0..200_000.0).contains(&rate), "it grows by some 60 kB a second, not {rate}");
    ensure!(numbers["samples"].as_array().is_some_and(|samples| samples.len() >= 6), "{numbers}");
    // The query of the evidence yields what was found.
    let query = numbers["query"].as_str().context("a query")?;
    let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let answer = hinomi.get(&format!("/api/v1/query?query={encoded}"))?;
    ensure!(answer["data"]["result"].as_array().is_some_and(|all| all.len() == 1), "{query}: {answer}");
    receiver.wait_for(SOON, |request| request.body["inspection"] == "memory_limit")?;
    for (args, words) in
        [(&["findings"][..], "memory_limit"), (&["why", "leaky"][..], "of its memory limit of 64 MiB")]
    {
        let output = hinomi.cli(args)?;
        let text = String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
        ensure!(text.contains(words), "`hinomi {}` does not say {words:?}:\n{text}", args.join(" "));
        show(&format!("hinomi {}", args.join(" ")), &Value::from(text));
    }
    // Killed and started again: it is still open, begins when it began, and nobody is told again.
    hinomi.kill9()?;
    hinomi.start_again()?;
    let again = open_finding(hinomi, SOON, |finding| finding["inspection"] == "memory_limit")?;
    ensure!(again["id"] == finding["id"] && again["started_at"] == finding["started_at"], "{again}");
    std::thread::sleep(Duration::from_secs(25));
    ensure!(messages(receiver, "memory_limit").len() == 1, "{:?}", messages(receiver, "memory_limit"));
    // With its container it is over.
    docker.run_ok(&["rm", "-f", "leaky"])?;
    let over = receiver.wait_for(SOON, |request| {
        request.body["inspection"] == "memory_limit" && request.body["status"] == "resolved"
    })?;
    show("over", &over.body["resolved_because"]);
    Ok(())
}

fn disk_is_told(disk: &Disk, hinomi: &Server, receiver: &Receiver) -> Result<()> {
    let mount = disk.mount.display().to_string();
    let about = |finding: &Value| {
        finding["inspection"] == "filesystem"
            && finding["cause"].as_str().is_some_and(|cause| cause.contains(&mount))
    };
    let filling =
        open_finding(hinomi, FORECAST, |finding| about(finding) && finding["cause_class"] == "filling")?;
    show("found", &filling);
    ensure!(filling["level"] == "alert" && filling["resource"]["kind"] == "node", "{filling}");
    ensure!(filling["evidence"]["numbers"]["full_at"].is_string(), "{filling}");
    disk.fill_up();
    let full = open_finding(hinomi, LATE, |finding| about(finding) && finding["cause_class"] == "full")?;
    show("found", &full);
    ensure!(full["id"] == filling["id"] && full["level"] == "alert", "{full}");
    let told = messages(receiver, "filesystem");
    ensure!(told.len() == 1, "one Alert is one message: {told:?}");
    Ok(())
}

/// Shown with `--nocapture`.
#[allow(clippy::print_stdout, reason = "a test")]
fn show(what: &str, value: &Value) {
    let text = value["cause"].as_str().or(value.as_str()).unwrap_or_default();
    println!(
        "{what}: {} {text} {}",
        value["level"].as_str().unwrap_or(""),
        value["level_reason"].as_str().unwrap_or("")
    );
}

/// A filesystem of 64 MB in a file.
struct Disk {
    folder: tempfile::TempDir,
    mount: PathBuf,
}

/// What fills it; ends when it is dropped.
struct Filling(std::process::Child);

impl Drop for Filling {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

impl Disk {
    fn new() -> Result<Option<Self>> {
        let folder = tempfile::tempdir()?;
        let (image, mount) = (folder.path().join("image"), folder.path().join("filling"));
        std::fs::File::create(&image)?.set_len(64 << 20)?;
        std::fs::create_dir(&mount)?;
        let run = |program: &str, args: &[&Path]| {
            Command::new(program).args(args).output().is_ok_and(|output| output.status.success())
        };
        let (quiet, force, options, looped) = ("-q".as_ref(), "-F".as_ref(), "-o".as_ref(), "loop".as_ref());
        let is_there =
            run("mkfs.ext4", &[quiet, force, &image]) && run("mount", &[options, looped, &image, &mount]);
        Ok(is_there.then_some(Self { folder, mount }))
    }

    /// So many MB at once, and so many bytes a second from then on.
    fn fill(&self, megabytes: usize, bytes_a_second: usize) -> Result<Filling> {
        std::fs::write(self.mount.join("begin"), vec![1; megabytes * 1_000_000])?;
        let more = format!(
            "while sleep 1; do head -c {bytes_a_second} /dev/zero >> '{}/more' || exit; done",
            self.mount.display()
        );
        Ok(Filling(Command::new("sh").args(["-c", &more]).spawn()?))
    }

    fn fill_up(&self) {
        let Ok(mut file) = std::fs::File::create(self.mount.join("rest")) else { return };
        while file.write_all(&[0; 65_536]).is_ok() {}
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Whoever writes into it ends with the test; lazily, should it not have ended yet.
        let _unmounted = Command::new("umount").arg("-l").arg(&self.mount).status();
        let _kept = self.folder.path();
    }
}
