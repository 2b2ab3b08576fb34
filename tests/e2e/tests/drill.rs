//! The drill breaks what it made, sees it said, and leaves nothing behind.

use anyhow::{Result, ensure};
use hinomi_e2e::Site;
use hinomi_testkit::docker::{Builder, IMAGE};
use serde_json::Value;

#[test]
fn everything_that_a_drill_breaks_is_said_and_over() -> Result<()> {
    let Some(site) = Site::start("drill", Builder::new("drill"))? else { return Ok(()) };
    let bystander = site.docker(&["run", "-d", "--name", "bystander", IMAGE, "sleep", "1000"])?;
    let host = site.docker(&["info", "--format", "{{.Name}}"])?.trim().to_owned();
    let drill = |more: &[&str]| {
        let args: Vec<&str> = ["drill", "--image", IMAGE].iter().chain(more).copied().collect();
        site.hinomi.cli(&args)
    };

    let unconfirmed = drill(&[])?;
    ensure!(unconfirmed.status.code() == Some(2), "{unconfirmed:?}");
    let another = drill(&["--host", "another-host"])?;
    ensure!(another.status.code() == Some(2), "{another:?}");
    ensure!(site.docker(&["ps", "-aq"])?.split_whitespace().count() == 1, "nothing was touched");

    let output = drill(&["--host", &host, "--output", "json"])?;
    let said: Value = serde_json::from_slice(&output.stdout)?;
    ensure!(output.status.code() == Some(0), "{said:#}\n{output:?}");
    let drills = said["drills"].as_array().map_or(0, Vec::len);
    ensure!(drills >= 8, "{said:#}");
    let left = site.docker(&["ps", "-aq", "--no-trunc"])?;
    ensure!(left.trim() == bystander.trim(), "left behind: {left}");
    Ok(())
}
