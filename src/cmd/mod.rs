//! L4: one verb, one file: clap `Args` on top, a short `run` below.

pub mod attach;
pub mod container;
pub mod cp;
pub mod ending;
pub mod exec;
pub mod inspect;
pub mod kill;
pub mod logs;
mod output;
pub mod ps;
pub mod rename;
pub mod restart;
pub mod rm;
pub mod selection;
pub mod start;
pub mod stop;
pub mod unshare;
pub mod volume;
pub mod wait;

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
enum Verb {
    Attach(attach::Args),
    Container(container::Args),
    Cp(cp::Args),
    Exec(exec::Args),
    Inspect(inspect::Args),
    Kill(kill::Args),
    Logs(logs::Args),
    Ps(ps::Args),
    Rename(rename::Args),
    Restart(restart::Args),
    Rm(rm::Args),
    Start(start::Args),
    Stop(stop::Args),
    Unshare(unshare::Args),
    Volume(volume::Args),
    Wait(wait::Args),
}

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

fn dispatch(verb: Verb, settings: &Settings) -> anyhow::Result<u8> {
    match verb {
        Verb::Attach(args) => attach::run(args, settings),
        Verb::Container(args) => container::run(args, settings),
        Verb::Cp(args) => cp::run(args, settings),
        Verb::Exec(args) => exec::run(args, settings),
        Verb::Inspect(args) => inspect::run(args, settings),
        Verb::Kill(args) => kill::run(args, settings),
        Verb::Logs(args) => logs::run(args, settings),
        Verb::Ps(args) => ps::run(args, settings),
        Verb::Rename(args) => rename::run(args, settings),
        Verb::Restart(args) => restart::run(args, settings),
        Verb::Rm(args) => rm::run(args, settings),
        Verb::Start(args) => start::run(args, settings),
        Verb::Stop(args) => stop::run(args, settings),
        Verb::Unshare(args) => unshare::run(args, settings),
        Verb::Volume(args) => volume::run(args, settings),
        Verb::Wait(args) => wait::run(args, settings),
    }
}
