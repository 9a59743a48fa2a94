//! `bolt rmi`: takes names away from images, and images away.

use crate::cmd::image::removal::{Refusal, Removal};
use crate::cmd::pull::{self, Found};
use crate::container::events::Event;
use crate::exit;
use crate::image::types::ImageRecord;
use crate::settings::Settings;
use crate::ui::print;
use anyhow::bail;

/// Exit code when a container needs the image (podman-rmi(1), "Exit Status").
const IN_USE: u8 = 2;

/// Remove images from the local store
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name or id
    #[arg(value_name = "IMAGE", required_unless_present = "all", conflicts_with = "all")]
    images: Vec<String>,
    /// Remove all images
    #[arg(short, long)]
    all: bool,
    /// Remove all names with an id, and containers made from the image that do not run
    #[arg(short, long)]
    force: bool,
    /// No error for an image that is not there
    #[arg(short, long)]
    ignore: bool,
}

/// Removes each image that can be; prints what was done.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    let removal = Removal::begin(settings)?;
    let mut codes = Vec::new();
    let mut tell = |result: anyhow::Result<String>| -> anyhow::Result<()> {
        match result {
            Ok(lines) => print::stdout(&lines)?,
            Err(error) => codes.extend(code(&args, &error)),
        }
        Ok(())
    };
    if args.all {
        for image in removal.store.images()? {
            tell(remove(&removal, args.force, &image.record, &image.names))?;
        }
    }
    for word in &args.images {
        tell(one(settings, &removal, args.force, word))?;
    }
    removal.collect(false)?;
    Ok(summary(&codes))
}

/// Tells the error; its exit code, `None` when it was to be ignored.
fn code(args: &Args, error: &anyhow::Error) -> Option<u8> {
    let code = match error.downcast_ref::<Refusal>() {
        Some(Refusal::NotKnown(_)) if args.ignore => return None,
        Some(Refusal::NotKnown(_)) => exit::NO,
        Some(Refusal::InUse { .. } | Refusal::Running { .. }) => IN_USE,
        Some(Refusal::ManyNames { .. }) | None => exit::ENGINE,
    };
    print::error_chain(error);
    Some(code)
}

/// One code for all errors; errors of different kinds are 125.
fn summary(codes: &[u8]) -> u8 {
    match codes {
        [] => 0,
        [first, rest @ ..] if rest.iter().all(|code| code == first) => *first,
        _ => exit::ENGINE,
    }
}

/// One name or id of the command line.
fn one(settings: &Settings, removal: &Removal, force: bool, word: &str) -> anyhow::Result<String> {
    let Some(Found { record, name }) = pull::find(settings, &removal.store, word)? else {
        bail!(Refusal::NotKnown(word.to_owned()));
    };
    let names = removal.store.names_of(&record.manifest)?;
    if names.len() > 1 {
        if names.contains(&name) {
            removal.store.untag(&name)?;
            settings.event_log().write(&Event::of_image("untag", record.id.hex(), &name));
            return Ok(format!("Untagged: {name}\n"));
        }
        if !force {
            bail!(Refusal::ManyNames { id: record.id.hex().to_owned(), names });
        }
    }
    remove(removal, force, &record, &names)
}

/// A whole image.
fn remove(
    removal: &Removal,
    force: bool,
    record: &ImageRecord,
    names: &[String],
) -> anyhow::Result<String> {
    let id = record.id.hex();
    for container in removal.image(record, force)? {
        print::warning(&format!("removed container {container}, which was made from image {id}"));
    }
    let mut lines: String = names.iter().map(|name| format!("Untagged: {name}\n")).collect();
    lines.push_str(&format!("Deleted: {id}\n"));
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_one_kind_keep_their_code() {
        for (codes, wanted) in [
            (&[][..], 0),
            (&[1, 1], exit::NO),
            (&[2], IN_USE),
            (&[1, 2], exit::ENGINE),
            (&[125], exit::ENGINE),
        ] {
            assert_eq!(summary(codes), wanted, "{codes:?}");
        }
    }
}
