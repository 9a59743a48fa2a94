//! `bolt bench`: what was measured on this machine, for the choice of variants.

use crate::cmd::{drift, pull};
use crate::game::measured;
use crate::settings::Settings;
use crate::store::Store;
use crate::ui::print;
use anyhow::Context;
use clap::Subcommand;
use std::path::PathBuf;

/// Keep what was measured on this machine
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Record(RecordArgs),
}

/// Record the frames of a game: variants that ran well here are preferred
#[derive(Debug, clap::Args)]
struct RecordArgs {
    /// The image that was measured, by name or id
    #[arg(value_name = "IMAGE")]
    image: String,
    /// Log of MangoHud (CSV)
    #[arg(long, value_name = "FILE")]
    fps_log: PathBuf,
    #[command(flatten)]
    lock: pull::LockArgs,
}

/// Runs the verb behind `bench`.
pub fn run(args: &Args, settings: &Settings) -> anyhow::Result<u8> {
    match &args.verb {
        Verb::Record(args) => record(args, settings),
    }
}

fn record(args: &RecordArgs, settings: &Settings) -> anyhow::Result<u8> {
    let store = Store::open(&settings.dirs.store())?;
    let access = pull::Access::default();
    let wish = pull::Wish {
        image: &args.image,
        policy: "never",
        quiet: true,
        access: &access,
        lock: &args.lock,
    };
    let (found, _held) = pull::local(settings, &store, &wish)?;
    let found = found.with_context(|| {
        let image = &args.image;
        format!("{image}: only an image that is here has results; `bolt pull {image}` fetches it")
    })?;
    let frames = measured::read_log(&args.fps_log)?;
    let manifest = &found.record.manifest;
    measured::record(&settings.dirs.measured(), manifest, &drift::facts(settings)?, frames)?;
    print::stdout(&format!(
        "{}: {} frames, {} fps on the average, {} in the slowest hundredth, {} in the slowest \
         thousandth\n",
        found.name, frames.frames, frames.fps_avg, frames.fps_low1, frames.fps_low01
    ))?;
    Ok(0)
}
