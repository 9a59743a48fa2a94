//! `bolt generate …`: lines and files for programs that start Bolt.

pub mod steam;
pub mod systemd;

use crate::settings::Settings;
use clap::Subcommand;

/// Write what other programs need to start bolt
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Steam(steam::Args),
    Systemd(Box<systemd::Args>),
}

/// Runs the verb behind `generate`.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    match args.verb {
        Verb::Steam(args) => steam::run(&args, settings),
        Verb::Systemd(args) => systemd::run(&args, settings),
    }
}
