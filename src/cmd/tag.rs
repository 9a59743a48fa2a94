//! `bolt tag`: further names for an image.

use crate::cmd::pull;
use crate::container::events::Event;
use crate::image::reference::{ImageName, Reference};
use crate::settings::Settings;
use crate::store::Store;
use anyhow::{Context, bail};

/// Give an image further names
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name or id of the image
    #[arg(value_name = "IMAGE")]
    image: String,
    /// New names; without a registry they are on localhost
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

/// All names are read before the first is given.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    let names = args.names.iter().map(|name| full_name(name)).collect::<Result<Vec<_>, _>>()?;
    let store = Store::open(&settings.dirs.store())?;
    let _held = store.shared_lock()?;
    let found = pull::find(settings, &store, &args.image)?
        .with_context(|| format!("{}: image not known", args.image))?;
    for name in names {
        store.tag(&name, &found.record.manifest)?;
        settings.event_log().write(&Event::of_image("tag", found.record.id.hex(), &name));
    }
    Ok(0)
}

/// A name as it is kept: with registry and tag.
///
/// Errors: a digest, which cannot be given, and what is no name.
pub fn full_name(text: &str) -> anyhow::Result<String> {
    let reference: Reference = match ImageName::parse(text)? {
        ImageName::Docker(reference) => reference,
        ImageName::Short(short) => short.on("localhost")?,
        ImageName::Drift(_)
        | ImageName::Id(_)
        | ImageName::OciLayout { .. }
        | ImageName::OciArchive { .. }
        | ImageName::S3(_) => {
            bail!("{text:?} is not a name that an image can be given; write [HOST/]NAME[:TAG]")
        }
    };
    if reference.digest().is_some() {
        bail!("{text:?} has a digest; an image's digest is not given but computed");
    }
    Ok(reference.with_default_tag().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed() {
        for (text, wanted) in [
            ("game", "localhost/game:latest"),
            ("team/game:1", "localhost/team/game:1"),
            ("docker.io/game", "docker.io/library/game:latest"),
            ("localhost:5000/game:v1", "localhost:5000/game:v1"),
        ] {
            assert_eq!(full_name(text).unwrap(), wanted);
        }
        let digest = format!("quay.io/a@sha256:{}", "0".repeat(64));
        for text in ["", "Game", "oci:/tmp/x", &digest, &"0".repeat(64)] {
            assert!(full_name(text).is_err(), "{text}");
        }
    }
}
