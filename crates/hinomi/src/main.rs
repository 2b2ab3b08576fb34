//! The binary: command line, wiring of roles, exit codes.
//!
//! # In one breath
//!
//! `up` and `server` open the pipeline, put the API in front of it and (only `up`) the collectors behind it ([`up`]).
//! Every other command asks a running Hinomi over its API ([`client`]) and prints the answer ([`render`]: pure functions
//! from view to text).
//!
//! # Invariants
//!
//! - The only place with `anyhow`, environment variables and process-wide state.
//! - Exit codes: 0 all is well, 1 a finding is open or the command failed, 2 wrong usage or configuration.
//! - What comes from containers is printed without control characters.

mod ask;
mod backup;
mod cli;
mod client;
mod config;
mod drill;
mod exit;
mod query;
mod receivers;
mod render;
mod restore;
mod terminal;
mod up;
mod view;

use std::process::ExitCode;

use clap::Parser as _;

use cli::{Agent, Cli, Command, Config};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let wrong = error.use_stderr();
            // A closed pipe is the reader's wish.
            let _unread = error.print();
            return if wrong { exit::USAGE.into() } else { exit::OK.into() };
        }
    };
    exit::code(run(&cli))
}

fn run(cli: &Cli) -> anyhow::Result<exit::Code> {
    let global = &cli.global;
    if global.output == cli::Output::Csv && !matches!(cli.command, Command::Query(_)) {
        return Err(
            exit::Usage("--output csv: only `hinomi query` has rows; use text or json".to_owned()).into()
        );
    }
    match &cli.command {
        Command::Up(run) => up::up(global, run, up::Role::Up),
        Command::Server(run) => up::up(global, run, up::Role::Server),
        Command::Why(why) => ask::why(global, why),
        Command::Findings(findings) => ask::findings(global, findings),
        Command::Timeline(timeline) => ask::timeline(global, timeline),
        Command::Status(status) => ask::status(global, status),
        Command::Query(asked) => query::query(global, asked),
        Command::Receivers(asked) => receivers::receivers(global, asked),
        Command::Drill(asked) => drill::drill(global, asked),
        Command::Backup(asked) => backup::backup(global, asked),
        Command::Restore(asked) => restore::restore(global, asked),
        Command::Config(Config::Check(file)) => config::check(global, file),
        Command::Config(Config::Show(file)) => config::show(global, file),
        Command::Agent(Agent::ExplainPrivileges(file)) => ask::privileges(global, file),
        Command::Version => ask::version(global),
    }
}
