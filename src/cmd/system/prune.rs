//! `bolt system prune`: removes containers that do not run, images and volumes that nobody needs.

use crate::cmd::image::confirm;
use crate::cmd::image::removal::{Removal, is_alive, pinned};
use crate::container::config::MountKind;
use crate::container::list::Entry;
use crate::image::filter::Filters;
use crate::settings::Settings;
use crate::ui::{human, print};
use anyhow::Context;
use std::collections::BTreeSet;
use std::path::Path;

/// Remove containers that do not run, and what then nobody needs
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Remove all images without a container, not only those without a name
    #[arg(short, long)]
    all: bool,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
    /// Remove volumes that no container uses
    #[arg(long)]
    volumes: bool,
    /// Remove images without a container, the longest unused first, until all images take no more
    /// than this, such as 20g; those that the lock file of bolt:// names pins stay
    #[arg(long, value_name = "SIZE", conflicts_with = "all")]
    keep_size: Option<String>,
}

/// Prints what was removed.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    let limit = args.keep_size.as_deref().map(human::parse_size).transpose();
    let limit = limit.context("--keep-size")?;
    // Before anything goes: a lock file with a fault would unpin everything.
    let pinned = pinned(settings)?;
    if !args.force && !confirm::ask(&question(&args))? {
        return Ok(0);
    }
    let removal = Removal::begin(settings)?;
    // What crashes left may hold layers and names.
    removal.containers.sweep()?;
    let mut text = String::new();
    let stopped: Vec<Entry> =
        removal.entries()?.into_iter().filter(|entry| !is_alive(entry.status)).collect();
    for entry in &stopped {
        removal.container(entry)?;
    }
    section(&mut text, "Containers", stopped.iter().map(|entry| entry.config.id.as_str()));
    let mut gone = removal.prune_images(args.all, &Filters::default(), &pinned)?;
    let mut freed = removal.collect(true)?.bytes;
    if let Some(limit) = limit {
        let shrunk = removal.shrink_to(limit, &pinned)?;
        freed += shrunk.freed;
        gone.extend(shrunk.gone);
        if shrunk.left > limit {
            print::warning(&format!(
                "images take {} still: containers were made from those that are left, or the lock \
                 file pins them",
                human::size(shrunk.left)
            ));
        }
    }
    section(&mut text, "Images", gone.iter().map(|image| image.record.id.hex()));
    if args.volumes {
        let unused = unused_volumes(&settings.dirs.volumes(), &removal.entries()?)?;
        for volume in &unused {
            removal.volume(volume)?;
        }
        section(&mut text, "Volumes", unused.iter().map(String::as_str));
    }
    text.push_str(&format!("Reclaimed from images: {}\n", human::size(freed)));
    print::stdout(&text)?;
    Ok(0)
}

fn question(args: &Args) -> String {
    let images = match &args.keep_size {
        _ if args.all => "all images without at least one container made from them".to_owned(),
        Some(size) => format!(
            "all dangling images, and of the others those longest unused until the rest takes no more than {size}"
        ),
        None => "all dangling images".to_owned(),
    };
    let volumes = if args.volumes { ", all volumes that no container uses" } else { "" };
    format!("This command removes all containers that do not run, {images}{volumes}.")
}

fn section<'a>(text: &mut String, title: &str, items: impl Iterator<Item = &'a str>) {
    let mut items = items.peekable();
    if items.peek().is_some() {
        text.push_str(&format!("Deleted {title}\n"));
    }
    items.for_each(|item| text.push_str(&format!("{item}\n")));
}

/// Volumes that no container mounts, by name.
fn unused_volumes(dir: &Path, entries: &[Entry]) -> anyhow::Result<Vec<String>> {
    let mounts = entries.iter().flat_map(|entry| &entry.config.mounts);
    let used: BTreeSet<&str> = mounts
        .filter(|mount| mount.kind == MountKind::Volume)
        .map(|mount| mount.source.as_str())
        .collect();
    let mut volumes = volumes(dir)?;
    volumes.retain(|volume| !used.contains(volume.as_str()));
    Ok(volumes)
}

/// Names of all volumes, sorted.
pub fn volumes(dir: &Path) -> anyhow::Result<Vec<String>> {
    let entries = match std::fs::read_dir(dir) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        names.extend(name.into_string().ok().filter(|name| !name.starts_with('.')));
    }
    names.sort_unstable();
    Ok(names)
}
