//! Repository chores. `cargo run -p xtask -- tidy` checks what no lint can check.

mod tidy;

use std::process::ExitCode;

fn main() -> anyhow::Result<ExitCode> {
    match std::env::args().nth(1).as_deref() {
        Some("tidy") => tidy::run(),
        _ => {
            #[expect(clippy::print_stderr, reason = "a command-line tool")]
            {
                eprintln!("usage: cargo run -p xtask -- tidy");
            }
            Ok(ExitCode::from(2))
        }
    }
}
