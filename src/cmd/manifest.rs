//! `bolt manifest`: image lists for several machines, made here and pushed.

pub(in crate::cmd) mod edit;
mod push;

use crate::cmd::output;
use crate::cmd::push::PackingArgs;
use crate::cmd::remote::Way;
use crate::cmd::tag::full_name;
use crate::exit;
use crate::image::list::ImageList;
use crate::image::reference::Reference;
use crate::image::registry::Rights;
use crate::image::types::Digest;
use crate::settings::Settings;
use crate::store::Store;
use crate::ui::progress::Transfer;
use crate::ui::{format, print};
use anyhow::{Context, bail};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Make and push image lists (manifest lists, OCI indexes)
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Add images to a list
    Add(edit::Add),
    /// Change what a list says of an image
    Annotate(edit::Annotate),
    /// Create a list
    Create(edit::Create),
    /// Exit with 0 if the list exists, else with 1
    Exists {
        /// Name of the list
        list: String,
    },
    /// Show a list, or the manifest of an image of a registry
    Inspect {
        /// Name of the list; docker://NAME or an unknown name: of a registry
        list: String,
        #[command(flatten)]
        way: Way,
    },
    /// List the lists
    #[command(visible_alias = "list")]
    Ls {
        /// Print as a table, as "json", or by a Go template for each list
        #[arg(long, value_name = "FORMAT")]
        format: Option<String>,
    },
    /// Push a list with its images
    Push(Push),
    /// Take an image out of a list
    Remove {
        /// Name of the list
        list: String,
        /// Digest of the image's manifest
        digest: String,
    },
    /// Remove lists
    Rm {
        /// Names
        #[arg(required = true)]
        lists: Vec<String>,
    },
}

/// `bolt manifest push`.
#[derive(Debug, clap::Args)]
struct Push {
    /// Name of the list
    list: String,
    /// NAME, docker://NAME, s3://BUCKET/PREFIX[:NAME], oci:DIRECTORY[:NAME] or
    /// oci-archive:FILE[:NAME]; without it the list's own name
    destination: Option<String>,
    /// Push the images of the list too
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", action = clap::ArgAction::Set, value_parser = crate::cmd::flags::boolean())]
    all: bool,
    /// Remove the list from here when it has been pushed
    #[arg(short = 'p', long, visible_alias = "purge")]
    rm: bool,
    #[command(flatten)]
    packing: PackingArgs,
    #[command(flatten)]
    way: Way,
    /// Write the digest of the pushed list to this file
    #[arg(long, value_name = "FILE")]
    digestfile: Option<PathBuf>,
    /// Suppress progress
    #[arg(short, long)]
    quiet: bool,
}

/// Runs the verb behind `manifest`.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    match args.verb {
        Verb::Add(args) => edit::add(&args, settings),
        Verb::Annotate(args) => edit::annotate(&args, settings),
        Verb::Create(args) => edit::create(&args, settings),
        Verb::Exists { list } => {
            let store = Store::open(&settings.dirs.store())?;
            let found = store.list_of::<ImageList>(&full_name(&list)?)?;
            Ok(if found.is_some() { 0 } else { exit::NO })
        }
        Verb::Inspect { list, way } => inspect(&list, &way, settings),
        Verb::Ls { format } => ls(format.as_deref(), settings),
        Verb::Push(args) => push::run(&args, settings),
        Verb::Remove { list, digest } => edit::remove(&list, &digest, settings),
        Verb::Rm { lists } => rm(&lists, settings),
    }
}

/// A list of the store.
pub(in crate::cmd) fn existing(store: &Store, list: &str) -> anyhow::Result<ImageList> {
    let name = full_name(list)?;
    store
        .list_of(&name)?
        .with_context(|| format!("{name}: no such list; `bolt manifest create {list}` makes one"))
}

fn inspect(list: &str, way: &Way, settings: &Settings) -> anyhow::Result<u8> {
    let remote = list.strip_prefix("docker://");
    let store = Store::open(&settings.dirs.store())?;
    if remote.is_none()
        && let Some(found) = store.list_of::<ImageList>(&full_name(list)?)?
    {
        print::stdout(&format::json(found.index()))?;
        return Ok(0);
    }
    let name = remote.unwrap_or(list);
    let Ok(reference) = Reference::parse(name).or_else(|e| match remote {
        Some(name) => Reference::parse_docker(name),
        None => Err(e),
    }) else {
        bail!(
            "{list}: no such list, and no name in a registry; `bolt manifest ls` lists those that \
             are here"
        );
    };
    let sources = crate::cmd::pull::Sources::load(settings, &way.access())?;
    let progress = Transfer::new(false);
    let repository = way.repository(&sources, reference, Rights::Pull, &progress)?;
    let raw = repository.named()?;
    let value: Value = serde_json::from_slice(&raw.bytes)
        .with_context(|| format!("{}: manifest {}", repository.reference(), raw.digest))?;
    print::stdout(&format::json(&value))?;
    Ok(0)
}

fn ls(format: Option<&str>, settings: &Settings) -> anyhow::Result<u8> {
    let store = Store::open(&settings.dirs.store())?;
    let row = |list: ImageList| {
        json!({
            "Name": list.name,
            "Digest": Digest::sha256_of(&list.bytes()),
            "Manifests": list.digests().len(),
        })
    };
    let rows: Vec<Value> = store.lists()?.into_iter().map(row).collect();
    let columns = "{{.Name}}\t{{.Manifests}}\t{{.Digest}}";
    output::table(&rows, columns, &[], format, false)?;
    Ok(0)
}

fn rm(lists: &[String], settings: &Settings) -> anyhow::Result<u8> {
    let store = Store::open(&settings.dirs.store())?;
    let mut code = 0;
    for name in lists {
        let list = match existing(&store, name) {
            Ok(list) => list,
            // As with podman the others go.
            Err(error) => {
                print::error_chain(&error);
                code = exit::NO;
                continue;
            }
        };
        let _guard = store.lock_list(&list.name)?;
        if store.remove_list(&list.name)? {
            print::stdout(&format!("Untagged: {}\n", list.name))?;
        }
    }
    Ok(code)
}
