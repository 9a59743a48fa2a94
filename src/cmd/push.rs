//! `bolt push`: an image of the store to a registry, a bucket, an OCI layout or an OCI archive.

use crate::cmd::pull::{self, Sources};
use crate::cmd::remote::{self, Way};
use crate::cmd::tag::full_name;
use crate::container::events::Event;
use crate::image::list::ImageList;
use crate::image::push::{Destination, Format, Packing, PushRequest, Pushed, push};
use crate::image::reference::{ImageName, Reference};
use crate::settings::Settings;
use crate::store::Store;
use crate::ui::print;
use crate::ui::progress::Transfer;
use crate::userns;
use anyhow::{Context, bail};
use clap::builder::PossibleValue;
use std::path::PathBuf;

/// Push an image to a registry, a bucket, an OCI layout or an OCI archive
///
/// Layers are compressed anew where their blobs are neither kept here nor in a repository beside
/// the destination; the manifest then has another digest, the image id stays.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name or id of a local image
    #[arg(value_name = "IMAGE")]
    image: String,
    /// NAME, docker://NAME, s3://BUCKET/PREFIX[:NAME], oci:DIRECTORY[:NAME] or
    /// oci-archive:FILE[:NAME]; without it the image's own name
    #[arg(value_name = "DESTINATION")]
    destination: Option<String>,
    #[command(flatten)]
    packing: PackingArgs,
    #[command(flatten)]
    way: Way,
    /// Write the digest of the pushed manifest to this file
    #[arg(long, value_name = "FILE")]
    digestfile: Option<PathBuf>,
    /// Suppress progress
    #[arg(short, long)]
    quiet: bool,
}

/// How layers and manifest are written for a push.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct PackingArgs {
    /// Compress all layers with gzip or zstd, also those that are compressed otherwise
    #[arg(long, value_name = "FORMAT", value_parser = ["gzip", "zstd"])]
    compression_format: Option<String>,
    /// Level of the compressor: gzip 0 to 9, zstd 1 to 20
    #[arg(long, value_name = "LEVEL", allow_negative_numbers = true)]
    compression_level: Option<i32>,
    /// Write the manifest as "oci" or "v2s2" (docker's schema 2); without it as it is
    #[arg(short, long, value_name = "TYPE", value_parser = [
        PossibleValue::new("oci"), PossibleValue::new("v2s2").alias("docker")])]
    format: Option<String>,
}

/// What [`PackingArgs`] mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// How layers are compressed.
    pub packing: Option<Packing>,
    /// The compressor's level.
    pub level: Option<i32>,
    /// The format of the manifest.
    pub format: Option<Format>,
}

impl PackingArgs {
    /// What was asked for.
    ///
    /// Errors: a level that the compression does not have, and zstd in docker's format.
    pub fn read(&self) -> anyhow::Result<Written> {
        let format = match self.format.as_deref() {
            Some("oci") => Some(Format::Oci),
            Some(_) => Some(Format::Docker),
            None => None,
        };
        let packing = match self.compression_format.as_deref() {
            Some("zstd") => Some(Packing::Zstd),
            Some(_) => Some(Packing::Gzip),
            None => None,
        };
        let (name, levels) = match packing {
            Some(Packing::Zstd) => ("zstd", 1..=20),
            _ => ("gzip", 0..=9),
        };
        if let Some(level) = self.compression_level.filter(|level| !levels.contains(level)) {
            let (first, last) = levels.into_inner();
            bail!("--compression-level {level}: {name} has levels from {first} to {last}");
        }
        if format == Some(Format::Docker) && packing == Some(Packing::Zstd) {
            bail!("--format v2s2: docker's manifests know no zstd; leave one of the two away");
        }
        Ok(Written { packing, level: self.compression_level, format })
    }
}

/// Pushes one image; its name and digest are told on standard error.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    let Written { packing, level, format } = args.packing.read()?;
    userns::enter(&settings.dirs)?;
    let store = Store::open(&settings.dirs.store())?;
    let Some(found) = pull::find(settings, &store, &args.image)? else {
        let list = full_name(&args.image).map(|name| store.list_of::<ImageList>(&name));
        if let Ok(Ok(Some(list))) = list {
            bail!("{} is a list; `bolt manifest push` pushes it", list.name);
        }
        bail!("{}: image not known; `bolt images` lists what can be pushed", args.image);
    };
    let name = destination_name(args.destination.as_deref(), &found.name)?;
    let sources = Sources::load(settings, &args.way.access())?;
    let progress = Transfer::new(args.quiet);
    let names = store.names_of(&found.record.manifest)?;
    let request = PushRequest { image: &found.record, names: &names, packing, level, format };
    let destination = args.way.destination(&sources, name, &found.name, &progress)?;
    let pushed = push(&request, &store, destination.as_ref(), &progress)
        .with_context(|| format!("push {} to {}", args.image, destination.name()))?;
    tell(&pushed, destination.as_ref(), args.quiet);
    let event = Event::of_image("push", found.record.id.hex(), &destination.name());
    settings.event_log().write(&event);
    remote::write_digest(args.digestfile.as_deref(), &pushed.manifest.digest)?;
    Ok(0)
}

fn tell(pushed: &Pushed, destination: &dyn Destination, quiet: bool) {
    if quiet {
        return;
    }
    let digest = &pushed.manifest.digest;
    print::stderr_bytes(format!("{}: pushed as {digest}\n", destination.name()).as_bytes());
    if pushed.repacked > 0 {
        print::warning(&format!(
            "{} layers were compressed anew: the manifest's digest differs from the local one",
            pushed.repacked
        ));
    }
}

/// Where the image goes: what was typed, else its own name.
pub fn destination_name(typed: Option<&str>, found: &str) -> anyhow::Result<ImageName> {
    let Some(text) = typed else {
        let reference = Reference::parse(found)
            .with_context(|| format!("{found} is no name to push to; give a destination"))?;
        return Ok(ImageName::Docker(reference));
    };
    Ok(match ImageName::parse(text)? {
        ImageName::Short(_) => ImageName::Docker(Reference::parse_docker(text)?),
        ImageName::Id(id) => bail!("{id} is an image id, not a place to push to"),
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_as_podman_takes_them() {
        for (typed, found, wanted) in [
            (None, "quay.io/a:1", "quay.io/a:1"),
            (Some("quay.io/b"), "quay.io/a:1", "quay.io/b"),
            (Some("team/b:2"), "quay.io/a:1", "docker.io/team/b:2"),
            (Some("docker://localhost:5000/b"), "localhost/a:1", "localhost:5000/b"),
        ] {
            match destination_name(typed, found).unwrap() {
                ImageName::Docker(reference) => assert_eq!(reference.to_string(), wanted),
                other => panic!("{other:?}"),
            }
        }
        assert!(matches!(
            destination_name(Some("oci:/x:1"), "a").unwrap(),
            ImageName::OciLayout { .. }
        ));
        assert!(destination_name(None, &"0".repeat(64)).is_err());
        assert!(destination_name(Some("docker-daemon:x"), "quay.io/a").is_err());
    }

    #[test]
    fn levels_are_those_of_the_compression() {
        let read = |packing: Option<&str>, level, format: Option<&str>| {
            let (compression_format, format) =
                (packing.map(str::to_owned), format.map(str::to_owned));
            PackingArgs { compression_format, compression_level: level, format }.read()
        };
        let none = Written { packing: None, level: None, format: None };
        assert_eq!(read(None, None, None).unwrap(), none);
        let zstd = Written { packing: Some(Packing::Zstd), level: Some(19), format: None };
        assert_eq!(read(Some("zstd"), Some(19), None).unwrap(), zstd);
        assert!(read(Some("gzip"), Some(19), None).is_err());
        assert!(read(None, Some(-1), None).is_err());
        let docker = Written { format: Some(Format::Docker), ..none };
        assert_eq!(read(None, None, Some("v2s2")).unwrap(), docker);
        assert!(read(Some("zstd"), None, Some("v2s2")).is_err());
        assert!(read(Some("zstd"), None, Some("oci")).is_ok());
    }
}
