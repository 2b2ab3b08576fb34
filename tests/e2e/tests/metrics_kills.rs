//! Samples that were acknowledged are there after SIGKILL and after a full disk, and none is wrong.

use anyhow::{Result, ensure};
use hinomi_e2e::kills::{self, Outcome, Plan};

#[allow(clippy::print_stderr, reason = "whoever runs the test wants to know how much was looked at")]
fn holds(what: &str, outcome: &Outcome) -> Result<()> {
    eprintln!("{what}: {}", outcome.words());
    ensure!(
        outcome.wrong.is_empty(),
        "{what}: {} wrong, first {:?}",
        outcome.wrong.len(),
        outcome.wrong.first()
    );
    ensure!(outcome.acknowledged > 1000, "{what}: only {} samples were written", outcome.acknowledged);
    Ok(())
}

#[test]
fn every_acknowledged_sample_survives_sigkill() -> Result<()> {
    for (durability, kills, stream) in [("fsync", 20, 1), ("interval", 10, 2)] {
        holds(durability, &kills::again_and_again(&Plan { kills, writers: 4, durability, stream })?)?;
    }
    Ok(())
}

#[test]
fn a_full_disk_refuses_and_loses_nothing() -> Result<()> {
    let plan = Plan { kills: 2, writers: 4, durability: "fsync", stream: 3 };
    holds("full disk", &kills::full_disk(&plan)?)
}
