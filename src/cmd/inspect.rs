//! `bolt inspect`: everything about containers, images and volumes.

use super::image::inspect as image_inspect;
use super::image_names::ImageNames;
use super::pull;
use super::selection::report;
use super::sizes::{Size, Sizes};
use crate::container::config::{Config, Origin};
use crate::container::dir::Containers;
use crate::container::error::Error;
use crate::container::inspect::inspect_container;
use crate::container::list;
use crate::container::time::rfc3339;
use crate::container::volume::Volumes;
use crate::exit;
use crate::settings::Settings;
use crate::spec::caps::CapSet;
use crate::store::Store;
use serde_json::{Value, json};

/// Show containers, images or volumes in detail
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names or IDs
    #[arg(value_name = "NAME", required_unless_present = "latest")]
    names: Vec<String>,
    /// The container created last
    #[arg(short, long, conflicts_with = "names")]
    latest: bool,
    /// Go template or json
    #[arg(short, long)]
    format: Option<String>,
    /// Kind of the objects; of all, the first with the name: container, image, volume
    #[arg(short = 't', long = "type", default_value = "all")]
    kind: Kind,
    /// Add the size of the container's files
    #[arg(short, long)]
    size: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    All,
    Container,
    Image,
    Volume,
}

/// Runs the verb.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    let all = Containers::open(&settings.dirs)?;
    let mut names = args.names;
    if args.latest {
        names.extend(list::read(&all)?.entries.pop().map(|e| e.config.id));
    }
    let mut found = Vec::new();
    let mut code = 0;
    for name in names {
        match look(settings, &all, &name, args.kind, args.size) {
            Ok(value) => found.push(value),
            Err(e) => {
                report(&e);
                code = exit::ENGINE;
            }
        }
    }
    super::output::objects(&found, args.format.as_deref())?;
    Ok(code)
}

fn look(
    settings: &Settings,
    all: &Containers,
    name: &str,
    kind: Kind,
    size: bool,
) -> anyhow::Result<Value> {
    match kind {
        Kind::Container => container(settings, all, name, size),
        Kind::Image => image(settings, name)?.ok_or_else(|| image_inspect::unknown(name)),
        Kind::Volume => volume(settings, name),
        Kind::All => match all.find(name) {
            Ok(_) => container(settings, all, name, size),
            Err(e @ (Error::NotFound(_) | Error::BadName(_))) => match image(settings, name) {
                Ok(Some(value)) => Ok(value),
                // What is no name of an image may still be one of a volume.
                _ => volume(settings, name).map_err(|_| e.into()),
            },
            Err(e) => Err(e.into()),
        },
    }
}

fn container(
    settings: &Settings,
    all: &Containers,
    name: &str,
    size: bool,
) -> anyhow::Result<Value> {
    let dir = all.find(name)?;
    let config = dir.read_config()?;
    let mut value = inspect_container(&dir, &settings.dirs.volumes())?;
    complete(settings, &config, &mut value);
    if size {
        let Size { own, image } = Sizes::new(&settings.dirs).of(&config)?;
        value["SizeRw"] = json!(own);
        value["SizeRootFs"] = json!(image);
    }
    Ok(value)
}

fn image(settings: &Settings, name: &str) -> anyhow::Result<Option<Value>> {
    let store = Store::open(&settings.dirs.store())?;
    let Some(found) = pull::find(settings, &store, name)? else { return Ok(None) };
    image_inspect::whole(settings, &store, &found.record).map(Some)
}

/// What is known by other parts of the house: where the layers lie, what a start adds to the
/// environment, and how the capabilities differ from those that a container has by default.
fn complete(settings: &Settings, config: &Config, value: &mut Value) {
    if let Origin::Image { name, layers, layout, .. } = &config.origin {
        let dir = settings.dirs.store().join("layers").join(layout);
        let layer = |chain: &String| {
            dir.join(chain.rsplit(':').next().unwrap_or_default()).display().to_string()
        };
        // The topmost first, as overlayfs is told them.
        let lower: Vec<_> = layers.iter().rev().map(layer).collect();
        value["GraphDriver"]["Data"]["LowerDir"] = json!(lower.join(":"));
        value["ImageName"] = json!(ImageNames::new(settings.dirs.store()).of(name.into()));
    }
    // As inside, from the first start on. HOME may depend on the container's /etc/passwd.
    let started = value["State"]["StartedAt"] != json!(rfc3339(0));
    if started
        && !config.process.env.iter().any(|e| e.starts_with("HOSTNAME="))
        && let Value::Array(env) = &mut value["Config"]["Env"]
    {
        env.push(json!(format!("HOSTNAME={}", config.host_name())));
    }
    let kept = &config.security.caps;
    let usual: Vec<String> = CapSet::container_default().names().map(str::to_owned).collect();
    let without = |all: &[String], those: &[String]| {
        all.iter().filter(|name| !those.contains(name)).cloned().collect::<Vec<_>>()
    };
    value["HostConfig"]["CapAdd"] = json!(without(kept, &usual));
    value["HostConfig"]["CapDrop"] = json!(without(&usual, kept));
}

fn volume(settings: &Settings, name: &str) -> anyhow::Result<Value> {
    let volumes = Volumes::open(&settings.dirs)?;
    let volume = volumes.find(name)?;
    Ok(super::volume::row(&volumes, &volume))
}
