//! `bolt game …`: games that run outside containers.

pub mod wishes;
pub mod wrap;

use clap::Subcommand;

/// Games outside containers
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Wrap(wrap::Args),
}

/// Runs the verb behind `game`.
pub fn run(args: Args) -> anyhow::Result<u8> {
    match args.verb {
        Verb::Wrap(args) => Ok(wrap::run(args)),
    }
}
