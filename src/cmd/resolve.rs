//! `bolt resolve`: which variant of a game fits this machine, and why.

use crate::cmd::buckets;
use crate::cmd::drift::{Game, warn_of_bad_metadata};
use crate::cmd::pull::{Access, Sources, about, owners, platform_of, request};
use crate::image::reference::ImageName;
use crate::settings::Settings;
use crate::store::{Layout, Store};
use crate::ui::progress::Transfer;
use crate::ui::{format, print};
use anyhow::bail;
use clap::ValueEnum;

/// Show which variant of a game fits this machine; nothing is pulled
#[derive(Debug, clap::Args)]
pub struct Args {
    /// bolt://NAME or drift://HOST/NAME
    #[arg(value_name = "NAME")]
    name: String,
    /// Show every variant with each reason it was taken or refused
    #[arg(long)]
    explain: bool,
    /// Print as text or as JSON, which has all reasons
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    access: Access,
}

/// How the choice is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Prints the image by digest, or every variant; 125 where none fits.
pub fn run(args: &Args, settings: &Settings) -> anyhow::Result<u8> {
    let ImageName::Drift(name) = ImageName::parse(&args.name)? else {
        bail!(
            "{:?} has no variants to choose from: write bolt://NAME or drift://HOST/NAME",
            args.name
        )
    };
    let sources = Sources::load(settings, &args.access)?;
    let store = Store::open(&settings.dirs.store())?;
    let platform = platform_of(&args.access)?;
    let owners = owners(settings, Layout::Single);
    let ask = |image| {
        let buckets = buckets::of_pull(&sources, &image)?;
        Ok(request(&sources, &args.access, image, &platform, Layout::Single, &owners, buckets))
    };
    let game = Game { settings, store: &store, name: &name, config: &sources.drift };
    let explain = args.explain || args.format == Format::Json;
    let found = game
        .resolve(&args.access, explain, &Transfer::new(false), ask)
        .map_err(|error| about("resolve", &args.name, error))?;
    if !explain {
        warn_of_bad_metadata(&found.choice);
    }
    match (args.format, found.choice.taken()) {
        (Format::Json, _) => print::stdout(&format::json(&found.json()))?,
        (Format::Text, _) if args.explain => {
            let safe = |line: &String| format!("{}\n", print::escaped_cell(line));
            print::stdout(&found.lines().iter().map(safe).collect::<String>())?;
        }
        (Format::Text, Some(taken)) => {
            print::stdout(&format!("{}\n", found.place.at_digest(taken.digest.clone())))?;
        }
        (Format::Text, None) => {}
    }
    match found.choice.taken() {
        Some(_) => Ok(0),
        None => bail!(found.no_fit()),
    }
}
