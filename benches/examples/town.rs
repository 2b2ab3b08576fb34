//! Writes a data folder with many workloads, findings and changes, to look at the page with:
//! `town FOLDER [WORKLOADS BROKEN CHANGES]`, then `hinomi server --data-dir FOLDER` with `host: { name: bench-town }`.

use std::io::Write as _;

use anyhow::{Context as _, Result};
use hinomi_bench::town;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let folder = args.next().context("usage: town FOLDER [WORKLOADS BROKEN CHANGES]")?;
    let mut number = |or: usize| args.next().map_or(Ok(or), |arg| arg.parse());
    let size = town::Size { workloads: number(500)?, broken: number(50)?, changes: number(10_000)? };
    let written = town::write(folder.as_ref(), size)?;
    writeln!(std::io::stdout(), "{written} changes of {} on host {}", size.workloads, town::HOST)?;
    Ok(())
}
