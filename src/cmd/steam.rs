//! `bolt steam …`: Bolt within Steam.

pub mod install_tool;
pub mod tool;

use crate::settings::Settings;
use clap::Subcommand;
use std::ffi::OsString;

/// Bolt within Steam
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    InstallTool(install_tool::Args),
    /// What Steam calls
    #[command(hide = true)]
    Tool {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<OsString>,
    },
}

/// Runs the verb behind `steam`.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    match args.verb {
        Verb::InstallTool(args) => install_tool::run(&args, settings),
        Verb::Tool { words } => Ok(tool::main(words)),
    }
}
