//! `bolt system …`: what lies on disk, whether it is whole, and what can go.

pub mod check;
pub mod df;
pub mod prune;

use crate::settings::Settings;
use clap::Subcommand;

/// Look after what bolt keeps on disk
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Check(check::Args),
    Df(df::Args),
    Events(crate::cmd::events::Args),
    Info(crate::cmd::info::Args),
    Prune(prune::Args),
}

/// Runs the verb behind `system`.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    match args.verb {
        Verb::Check(args) => check::run(args, settings),
        Verb::Df(args) => df::run(args, settings),
        Verb::Events(args) => crate::cmd::events::run(args, settings),
        Verb::Info(args) => crate::cmd::info::run(args, settings),
        Verb::Prune(args) => prune::run(args, settings),
    }
}
