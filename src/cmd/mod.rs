//! L4: one verb, one file: clap `Args` on top, a short `run` below.

use crate::exit;
use crate::settings::Settings;
use clap::{CommandFactory, Parser, Subcommand};
use std::process::ExitCode;

/// A daemonless, rootless container runtime for games.
#[derive(Debug, Parser)]
#[command(name = "bolt", version, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {}

/// The whole command line as data: man pages and completions are made from it.
pub fn cli() -> clap::Command {
    Cli::command()
}

/// Parses argv, runs the verb, returns its exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            let _ = e.print();
            return ExitCode::from(if e.use_stderr() { exit::ENGINE } else { 0 });
        }
    };
    let result =
        Settings::from_env().map_err(anyhow::Error::from).and_then(|s| dispatch(cli.verb, &s));
    match result {
        Ok(code) => ExitCode::from(code),
        Err(_error) => ExitCode::from(exit::ENGINE),
    }
}

fn dispatch(verb: Verb, _settings: &Settings) -> anyhow::Result<u8> {
    match verb {}
}
