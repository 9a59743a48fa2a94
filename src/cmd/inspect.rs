//! `bolt inspect`: everything about containers.

use super::selection::report;
use crate::container::config::{Config, Origin};
use crate::container::dir::Containers;
use crate::container::inspect::inspect_container;
use crate::container::list;
use crate::container::volume::Volumes;
use crate::exit;
use crate::settings::Settings;
use crate::spec::caps::CapSet;
use serde_json::{Value, json};

/// Show containers or volumes in detail
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
    /// Kind of the objects
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
    if kind == Kind::Volume {
        return volume(settings, name);
    }
    match all.find(name) {
        Ok(dir) => {
            let mut value = inspect_container(&dir, &settings.dirs.volumes())?;
            complete(settings, &dir.read_config()?, &mut value);
            if size {
                value["SizeRw"] = json!(crate::sys::tree::size(&dir.path().join("upper"))?);
            }
            Ok(value)
        }
        Err(e) if kind == Kind::Container => Err(e.into()),
        Err(e) => volume(settings, name).map_err(|_| e.into()),
    }
}

/// What is known by other parts of the house: where the layers lie, and how the capabilities
/// differ from those that a container has by default.
fn complete(settings: &Settings, config: &Config, value: &mut Value) {
    if let Origin::Image { layers, layout, .. } = &config.origin {
        let dir = settings.dirs.store().join("layers").join(layout);
        let layer = |chain: &String| {
            dir.join(chain.rsplit(':').next().unwrap_or_default()).display().to_string()
        };
        // The topmost first, as overlayfs is told them.
        let lower: Vec<_> = layers.iter().rev().map(layer).collect();
        value["GraphDriver"]["Data"]["LowerDir"] = json!(lower.join(":"));
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
