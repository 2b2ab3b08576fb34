//! Exit codes, and how a failure is told.

use std::io::Write as _;
use std::process::ExitCode;

use hinomi_model::ErrorKind;

/// An exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code(u8);

/// All is well.
pub(crate) const OK: Code = Code(0);
/// A finding is open, or the command failed.
pub(crate) const FINDING: Code = Code(1);
/// Wrong usage or configuration.
pub(crate) const USAGE: Code = Code(2);

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code.0)
    }
}

/// A failure that the user mends by calling differently, or by mending the configuration.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// Tells a failure and gives its code.
pub(crate) fn code(result: anyhow::Result<Code>) -> ExitCode {
    let error = match result {
        Ok(code) => return code.into(),
        Err(error) => error,
    };
    let closed = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
    };
    if error.chain().any(closed) {
        // `hinomi timeline | head`: nobody is left to tell.
        return OK.into();
    }
    let _unread = writeln!(std::io::stderr(), "error: {}", words(&error));
    of(&error).into()
}

/// The error and its causes, without those that it repeats already.
fn words(error: &anyhow::Error) -> String {
    let mut words = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !words.contains(&cause) {
            words.push_str(": ");
            words.push_str(&cause);
        }
    }
    words
}

fn of(error: &anyhow::Error) -> Code {
    let pipeline = error.downcast_ref::<hinomi_pipeline::Error>().map(hinomi_pipeline::Error::kind);
    let asked = error.downcast_ref::<crate::client::Error>().map(crate::client::Error::kind);
    let usage = error.downcast_ref::<Usage>().map(|_| ErrorKind::Invalid);
    match usage.or(pipeline).or(asked) {
        Some(ErrorKind::Invalid) => USAGE,
        _ => FINDING,
    }
}
