//! A data folder that fills up, cannot be written, or is in use.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use hinomi_testkit::mount::{Mount, fill};
use hinomi_testkit::process;
use hinomi_testkit::webhook::Request;

use crate::engine::container;
use crate::history;
use crate::line::count;
use crate::numbers::wall_ns;
use crate::rig::{self, Rig};
use crate::{Form, Line};

const DISK: &str = "32M";
/// Failing containers while the disk is full: the first records may fit into the last block of an open file.
const FAILING: usize = 6;
const PATIENCE: Duration = Duration::from_secs(20);

/// Measures.
///
/// # Errors
///
/// When the set-up fails; what Hinomi does wrong is in the lines.
pub fn run(_same: Form) -> Result<Vec<Line>> {
    let disk = Mount::small_disk(DISK)?;
    let rig = Rig::start_at("disk", Some(&disk.path().join("data")))?;
    let mut lines = full(&rig, &disk)?;
    lines.push(refused(&rig, "disk.second_process", &disk.path().join("data"), "in use"));
    let read_only = Mount::read_only()?;
    lines.push(refused(&rig, "disk.not_writable", &read_only.path().join("data"), "ead-only"));
    drop(rig);
    Ok(lines)
}

/// Runs a container that fails and waits for the message about it.
fn fails(rig: &Rig, name: &str) -> Result<Option<Request>> {
    let id = rig.engine.create(name, container(&["sh", "-c", "exit 3"]))?;
    rig.engine.run_to_end(&id)?;
    let is_it =
        |request: &Request| request.body["resource"]["name"] == name && request.body["status"] == "firing";
    Ok(rig.receiver.wait_for(PATIENCE, is_it).ok())
}

fn full(rig: &Rig, disk: &Mount) -> Result<Vec<Line>> {
    let since = wall_ns();
    let pid = rig.server.pid();
    let before = fails(rig, "before")?;
    let filler = disk.path().join("filler");
    fill(&filler)?;
    let full_at = wall_ns();
    let during = (0..FAILING).map(|n| fails(rig, &format!("during-{n}"))).collect::<Result<Vec<_>>>()?;
    std::fs::remove_file(&filler)?;
    let freed_at = wall_ns();
    let covers =
        |gap: &history::Gap| gap.reason == "not_stored" && gap.from_ns >= full_at && gap.to_ns >= freed_at;
    let gap_comes =
        rig::comes(PATIENCE, || history::gaps(&rig.server).is_ok_and(|gaps| gaps.iter().any(covers)));
    let after = fails(rig, "after")?;

    let told = during.iter().flatten().count();
    let unstored = during.iter().flatten().filter(|request| request.body["stored"] == false).count();
    let stored =
        |request: &Option<Request>| request.as_ref().is_some_and(|request| request.body["stored"] == true);
    let changes = history::by_container(history::changes(&rig.server, since)?);
    let ends = changes.values().flatten().filter(|change| change.exit_code() == Some(3)).count();
    let yes = |name: &str, holds: bool| Line::at_least(name, f64::from(u8::from(holds)), "", 1.0);
    Ok(vec![
        Line::at_least("disk.told_while_full", count(told), "", count(FAILING)),
        Line::at_least("disk.said_not_stored", count(unstored), "", count(FAILING - 1))
            .noted(format!("`\"stored\": false` in {unstored} of {told} messages")),
        yes("disk.gap_not_stored", gap_comes),
        yes("disk.stored_before_and_after", stored(&before) && stored(&after)),
        Line::at_least("disk.ends_in_the_timeline", count(ends), "", count(FAILING + 2))
            .noted("those from while it was full are stored later"),
        yes("disk.without_restart", pid == rig.server.pid() && process::lives(pid)),
    ])
}

/// Another Hinomi there has to end by itself, badly, with a message that says why and where.
fn refused(rig: &Rig, name: &str, folder: &Path, why: &str) -> Line {
    let started = rig::options(&rig.docker, &rig.receiver).data_dir(folder).start();
    let said = match started {
        Ok(_) => "it started".to_owned(),
        Err(error) => format!("{error:#}"),
    };
    let place = folder.parent().unwrap_or(folder).display().to_string();
    let clear = said.contains("exit status: 1") && said.contains(why) && said.contains(&place);
    let line = Line::at_least(name, f64::from(u8::from(clear)), "", 1.0);
    line.noted(said.split_whitespace().collect::<Vec<_>>().join(" "))
}
