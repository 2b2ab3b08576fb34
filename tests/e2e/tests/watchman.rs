//! Who watches the watchman: the sign of life comes while Hinomi can see, store and tell, and only then.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hinomi_e2e::site::config;
use hinomi_e2e::{LATE, SOON};
use hinomi_testkit::docker::{Builder, IMAGE};
use hinomi_testkit::hinomi::{Options, Server};
use hinomi_testkit::mount::{Mount, fill};
use hinomi_testkit::process::wait_for;
use hinomi_testkit::webhook::{Mode, Receiver};

/// Size of the disk that fills up.
const DISK: &str = "64M";
/// Longer than the time between two signs, with room for a busy machine.
const SOME_SIGNS: Duration = Duration::from_secs(4);

fn says(hinomi: &Server, expected: &str) -> Result<()> {
    let mut last = String::new();
    let found = wait_for(expected, LATE, || {
        let answer = hinomi.request("GET", "/-/healthy", b"", SOON).ok()?;
        last = format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body));
        (last == expected).then_some(())
    });
    found.with_context(|| format!("last: {last:?}"))
}

fn status_says(hinomi: &Server, words: &str) -> Result<()> {
    let mut last = String::new();
    let found = wait_for(words, LATE, || {
        last = String::from_utf8_lossy(&hinomi.cli(&["status"]).ok()?.stdout).into_owned();
        last.split_whitespace().collect::<Vec<_>>().join(" ").contains(words).then_some(())
    });
    found.with_context(|| last)
}

/// Signs come, at least two more.
fn comes(beats: &Receiver) -> Result<()> {
    beats.clear();
    wait_for("signs of life", LATE, || (beats.received().len() >= 2).then_some(()))
}

fn stays_away(beats: &Receiver) -> Result<()> {
    beats.clear();
    std::thread::sleep(SOME_SIGNS);
    ensure!(beats.received().is_empty(), "{:?}", beats.received());
    Ok(())
}

#[test]
fn the_sign_of_life_rests_on_all_that_matters() -> Result<()> {
    let Some(docker) = Builder::new("watchman").start_or_skip("watchman") else { return Ok(()) };
    let netns = docker.netns();
    let (receiver, beats) = (Receiver::start_in(Some(&netns))?, Receiver::start_in(Some(&netns))?);
    let disk = Mount::small_disk(DISK)?;
    let heartbeat = format!("heartbeat: {{ url: \"{}\", every: 1s }}\n", beats.url());
    let options = Options::new().docker(&docker).data_dir(&disk.path().join("data"));
    let hinomi = options.config(&config(&receiver)).config(&heartbeat).start()?;
    comes(&beats)?;
    says(&hinomi, "200 healthy\n")?;
    status_says(&hinomi, "signs of life given to")?;

    // Nobody can be told.
    receiver.set_mode(Mode::Status(500));
    docker.docker(&["run", "--name", "job", IMAGE, "sh", "-c", "exit 3"])?;
    says(&hinomi, "200 degraded: heartbeat, receivers\n")?;
    stays_away(&beats)?;
    status_says(&hinomi, "withheld: no receiver accepts messages")?;
    receiver.set_mode(Mode::Ok);
    comes(&beats)?;

    // Nothing can be stored.
    let filler = disk.path().join("filler");
    fill(&filler)?;
    docker.docker(&["run", "--name", "another", IMAGE, "sh", "-c", "exit 3"])?;
    says(&hinomi, "200 out of disk\n")?;
    stays_away(&beats)?;
    std::fs::remove_file(filler)?;
    comes(&beats)?;
    says(&hinomi, "200 healthy\n")
}
