//! `bolt image …`: the verbs of images under one word.

pub mod annotate;
pub mod confirm;
pub mod exists;
pub mod inspect;
pub mod outdated;
pub mod prune;
pub mod removal;
pub mod uses;

use crate::cmd::{images, pull, push, rmi, tag, untag};
use crate::settings::Settings;
use clap::Subcommand;

/// Manage images
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Annotate(annotate::Args),
    Exists(exists::Args),
    Inspect(inspect::Args),
    #[command(visible_alias = "ls")]
    List(images::Args),
    Prune(prune::Args),
    Pull(pull::Args),
    Push(push::Args),
    #[command(visible_alias = "remove")]
    Rm(rmi::Args),
    Tag(tag::Args),
    Untag(untag::Args),
}

/// Runs the verb behind `image`.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    match args.verb {
        Verb::Annotate(args) => annotate::run(&args, settings),
        Verb::Exists(args) => exists::run(args, settings),
        Verb::Inspect(args) => inspect::run(args, settings),
        Verb::List(args) => images::run(args, settings),
        Verb::Prune(args) => prune::run(args, settings),
        Verb::Pull(args) => pull::run(args, settings),
        Verb::Push(args) => push::run(args, settings),
        Verb::Rm(args) => rmi::run(args, settings),
        Verb::Tag(args) => tag::run(args, settings),
        Verb::Untag(args) => untag::run(args, settings),
    }
}
