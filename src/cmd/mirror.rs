//! `bolt mirror sync`: images into a bucket.

use crate::cmd::buckets;
use crate::cmd::drift;
use crate::cmd::pull::{self, Access, Sources};
use crate::image::mirror::{self, MirrorRequest, Mirrored};
use crate::image::reference::{BucketName, ImageName, LayoutImage};
use crate::settings::Settings;
use crate::store::Store;
use crate::ui::progress::Transfer;
use crate::ui::{human, print};
use crate::userns;
use anyhow::{Context, bail};

/// Fill buckets with images
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Copy images into a bucket: only what it lacks, and going on where a broken copy stopped
    Sync(Sync),
}

#[derive(Debug, clap::Args)]
#[command(override_usage = "bolt mirror sync [OPTIONS] <IMAGE>... <s3://BUCKET/PREFIX[:NAME]>")]
struct Sync {
    /// Images, and behind them s3://BUCKET/PREFIX[:NAME]
    #[arg(required = true, num_args = 2.., value_name = "NAME")]
    names: Vec<String>,
    /// Suppress progress
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    access: Access,
}

/// Runs the verb behind `mirror`.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    match args.verb {
        Verb::Sync(args) => sync(&args, settings),
    }
}

fn sync(args: &Sync, settings: &Settings) -> anyhow::Result<u8> {
    let Some((target, images)) = args.names.split_last() else { return Ok(0) };
    let target = match ImageName::parse(target)? {
        ImageName::S3(name) => name,
        _ => bail!("{target} is no bucket; the last name is s3://BUCKET/PREFIX"),
    };
    let name = match target.image() {
        None => None,
        Some(LayoutImage::Name(_)) if images.len() > 1 => {
            bail!("{target} names one image, but {} are given; leave the name out", images.len())
        }
        Some(LayoutImage::Name(name)) => Some(name.clone()),
        Some(_) => bail!("{target}: an image is given a name, not a number or a digest"),
    };
    userns::enter(&settings.dirs)?;
    let store = Store::open(&settings.dirs.store())?;
    let progress = Transfer::new(args.quiet);
    for image in images {
        let done = one(args, settings, &store, image, &target, name.clone(), &progress)
            .map_err(|error| pull::about("mirror", image, error))?;
        print::stdout(&line(image, &target, done))?;
    }
    Ok(0)
}

fn one(
    args: &Sync,
    settings: &Settings,
    store: &Store,
    image: &str,
    target: &BucketName,
    name: Option<String>,
    progress: &Transfer,
) -> anyhow::Result<Mirrored> {
    let access = &args.access;
    let sources = Sources::load(settings, access)?;
    let platform = pull::platform_of(access)?;
    let layout = pull::default_layout(settings, false);
    let owners = pull::owners(settings, layout);
    let ask = |name| {
        let buckets = buckets::of_pull(&sources, &name)?;
        Ok(pull::request(&sources, access, name, &platform, layout, &owners, buckets))
    };
    let from = match ImageName::parse(image)? {
        ImageName::Drift(name) => {
            let game = drift::Game { settings, store, name: &name, config: &sources.drift };
            ImageName::Docker(game.remote(progress, ask)?)
        }
        _ => {
            let first = pull::remote_names(image, &sources.registries)?.into_iter().next();
            first.context("no registry is configured for short names; write HOST/NAME")?
        }
    };
    let request = MirrorRequest {
        image: ask(from)?,
        one_platform: access.platform.is_some(),
        place: buckets::of(&sources, target, true)?,
        name,
        journal: Some(&sources.uploads),
    };
    Ok(mirror::sync(&request, store, progress)?)
}

fn line(image: &str, target: &BucketName, done: Mirrored) -> String {
    let Mirrored { uploaded, bytes, present } = done;
    let image = print::escaped_cell(image);
    format!(
        "{image}: {uploaded} objects ({}) uploaded to s3://{}, {present} were there\n",
        human::size(bytes),
        target.policy_scope()
    )
}
