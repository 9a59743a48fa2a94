//! `bolt __probe`, hidden: one trial in a process of its own, for `bolt doctor`.

use crate::sys::probe;
use std::path::PathBuf;

/// Try what the kernel allows
#[derive(Debug, clap::Args)]
pub struct ProbeArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Mount an overlay in a user namespace
    Overlay {
        /// Empty directory on the file system of the store
        dir: PathBuf,
    },
}

/// Carries out the trial; the error is the answer.
pub fn run(args: &ProbeArgs) -> anyhow::Result<()> {
    match &args.what {
        What::Overlay { dir } => Ok(probe::probe_overlay(dir)?),
    }
}
