//! `bolt generate`: files for other programs.

pub mod systemd;

use crate::settings::Settings;

/// Generate files for other programs
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Systemd(systemd::Args),
}

/// Runs the verb.
pub fn run(args: &Args, settings: &Settings) -> anyhow::Result<u8> {
    match &args.verb {
        Verb::Systemd(args) => systemd::run(args, settings),
    }
}
