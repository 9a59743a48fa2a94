//! `bolt image prune`: removes images that nobody needs.

use crate::cmd::image::confirm;
use crate::cmd::image::removal::{Removal, pinned};
use crate::image::filter::Filters;
use crate::settings::Settings;
use crate::ui::{human, print};

/// Remove images without a name that no container was made from
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Remove images with names too
    #[arg(short, long)]
    all: bool,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
    /// Remove images that pass: label=, until=, ...
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
}

/// Prints the id of each removed image.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    let filters = Filters::parse(&args.filter)?;
    let what = if args.all {
        "This command removes all images without at least one container made from them."
    } else {
        "This command removes all dangling images."
    };
    if !args.force && !confirm::ask(what)? {
        return Ok(0);
    }
    let pinned = pinned(settings)?;
    let removal = Removal::begin(settings)?;
    let gone = removal.prune_images(args.all, &filters, &pinned)?;
    let freed = removal.collect(true)?;
    let ids: String = gone.iter().map(|image| format!("{}\n", image.record.id.hex())).collect();
    print::stdout(&ids)?;
    print::stderr_bytes(
        format!("Total reclaimed space: {}\n", human::size(freed.bytes)).as_bytes(),
    );
    Ok(0)
}
