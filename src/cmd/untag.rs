//! `bolt untag`: takes names away from an image, and keeps the image.

use crate::cmd::pull;
use crate::container::events::Event;
use crate::settings::Settings;
use crate::store::Store;
use anyhow::{Context, bail};

/// Take names away from an image; without NAME, all of them
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name or id of the image
    #[arg(value_name = "IMAGE")]
    image: String,
    /// Names to take away
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

/// All names are looked up before the first is taken away.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    let store = Store::open(&settings.dirs.store())?;
    let _held = store.shared_lock()?;
    let found = pull::find(settings, &store, &args.image)?
        .with_context(|| format!("{}: image not known", args.image))?;
    let there = store.names_of(&found.record.manifest)?;
    let mut wanted = Vec::new();
    for name in &args.names {
        match pull::find(settings, &store, name)? {
            Some(other) if there.contains(&other.name) => wanted.push(other.name),
            _ => bail!("{name}: tag not known; image {} has {}", args.image, there.join(", ")),
        }
    }
    for name in if args.names.is_empty() { there } else { wanted } {
        store.untag(&name)?;
        settings.event_log().write(&Event::of_image("untag", found.record.id.hex(), &name));
    }
    Ok(0)
}
