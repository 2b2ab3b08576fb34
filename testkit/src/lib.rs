//! For tests only: real runtimes and real witnesses, each in its own corner, each removed to the last trace.
//!
//! # Invariants
//!
//! - What a test starts carries its run's name and is removed by exactly that name, after a panic too; what a killed
//!   test run leaves behind is swept by the next one.
//! - Nothing here uses Hinomi's code to judge Hinomi: witnesses are independent.
//! - A suite that cannot run says so through [`skip_suite`]; under `CI=true` that is a failure.

pub mod chance;
pub mod compose;
pub mod docker;
pub mod hinomi;
pub mod kernel;
pub mod mount;
pub mod net;
pub mod page;
pub mod process;
pub mod remote_write;
pub mod smtp;
pub mod snapshot;
pub mod webhook;

use std::io::Write as _;
use std::path::PathBuf;

/// Says that a suite cannot run here, in the form that `scripts/test` counts.
///
/// Written past libtest's capture, so that it shows for a test that passes.
///
/// # Panics
///
/// Where `CI=true`: there every suite has to run.
#[allow(clippy::panic, reason = "fails the test that calls it, which is its purpose")]
pub fn skip_suite(suite: &str, reason: &str) {
    let line = format!("skipped suite: {suite} ({})\n", reason.replace('\n', " "));
    let _unseen = std::io::stderr().write_all(line.as_bytes());
    if std::env::var_os("CI").is_some_and(|ci| ci == "true") {
        panic!("suite {suite} must run where CI=true: {reason}");
    }
}

/// The folder of recorded cases (`recordings/`, `conformance/`): `HINOMI_CASES`, else `shared` beside the
/// repository. `None` after saying that the suite is skipped.
#[must_use]
pub fn cases(suite: &str) -> Option<PathBuf> {
    let beside = repository().parent().map(|parent| parent.join("shared"));
    let folder = std::env::var_os("HINOMI_CASES").map(PathBuf::from).or(beside)?;
    if folder.is_dir() {
        return Some(folder);
    }
    skip_suite(suite, &format!("no folder of cases at {}; set HINOMI_CASES", folder.display()));
    None
}

/// Root of the repository that this crate was built from.
#[must_use]
pub fn repository() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or(here.clone(), PathBuf::from)
}
