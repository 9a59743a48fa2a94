//! `bolt volume`: named directories that outlive containers.

use super::selection::report;
use crate::container::dir::Containers;
use crate::container::events::Event;
use crate::container::list::{self, Entry};
use crate::container::volume::{Volume, VolumeError, Volumes, users};
use crate::container::{name, time};
use crate::exit;
use crate::settings::Settings;
use crate::ui::filter::{Wanted, flag, has_label};
use crate::ui::print;
use crate::userns;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal, Write};

/// Manage volumes
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Create a volume
    Create {
        /// Name; without one: a random one
        name: Option<String>,
        /// Set a label
        #[arg(short, long, value_name = "KEY=VALUE")]
        label: Vec<String>,
        /// An existing volume is no error
        #[arg(long)]
        ignore: bool,
    },
    /// List volumes
    #[command(visible_alias = "list")]
    Ls(Ls),
    /// Show volumes in detail
    Inspect {
        /// Names
        #[arg(required = true)]
        names: Vec<String>,
        /// Go template or json
        #[arg(short, long)]
        format: Option<String>,
    },
    /// Remove volumes
    #[command(visible_alias = "remove")]
    Rm {
        /// Names
        #[arg(required_unless_present = "all")]
        names: Vec<String>,
        /// All volumes
        #[arg(short, long, conflicts_with = "names")]
        all: bool,
        /// Unknown volumes are no error
        #[arg(short, long)]
        force: bool,
    },
    /// Remove all volumes that no container uses
    Prune {
        /// Do not ask
        #[arg(short, long)]
        force: bool,
        /// Only volumes that match
        #[arg(long, value_name = "KEY=VALUE")]
        filter: Vec<String>,
    },
    /// Exit with 0 if the volume exists, else with 1
    Exists {
        /// Name
        name: String,
    },
}

#[derive(Debug, clap::Args)]
struct Ls {
    /// Only names
    #[arg(short, long)]
    quiet: bool,
    /// Only volumes that match: name, label, dangling
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Go template or json
    #[arg(long)]
    format: Option<String>,
    /// No heading
    #[arg(short, long)]
    noheading: bool,
}

/// Runs the verb.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    let volumes = Volumes::open(&settings.dirs)?;
    match args.verb {
        Verb::Create { name, label, ignore } => create(settings, &volumes, name, &label, ignore),
        Verb::Ls(ls) => show(settings, &volumes, &ls),
        Verb::Inspect { names, format } => inspect(&volumes, &names, format.as_deref()),
        Verb::Rm { names, all, force } => rm(settings, &volumes, names, all, force),
        Verb::Prune { force, filter } => prune(settings, &volumes, force, &filter),
        Verb::Exists { name } => match volumes.find(&name) {
            Ok(_) => Ok(0),
            Err(VolumeError::NotFound(_)) => Ok(exit::NO),
            Err(e) => Err(e.into()),
        },
    }
}

fn create(
    settings: &Settings,
    volumes: &Volumes,
    name: Option<String>,
    labels: &[String],
    ignore: bool,
) -> anyhow::Result<u8> {
    let (name, anonymous) = match name {
        Some(name) => (name, false),
        None => (name::new_id()?, true),
    };
    let pair = |word: &String| match word.split_once('=') {
        Some((key, value)) => (key.to_owned(), value.to_owned()),
        None => (word.clone(), String::new()),
    };
    let labels: BTreeMap<_, _> = labels.iter().map(pair).collect();
    let volume = Volume { version: 1, name, created: time::now(), labels, anonymous };
    match volumes.create(&volume) {
        Err(VolumeError::Exists(_)) if ignore => {}
        other => {
            other?;
            settings.event_log().write(&Event::of("volume", "create", &volume.name));
        }
    }
    print::line(&volume.name);
    Ok(0)
}

pub(super) fn row(volumes: &Volumes, volume: &Volume) -> Value {
    json!({
        "Name": volume.name,
        "Driver": "local",
        "Mountpoint": volumes.data(&volume.name),
        "CreatedAt": time::rfc3339(volume.created),
        "Labels": volume.labels,
        "Scope": "local",
        "Options": {},
        "Anonymous": volume.anonymous,
        "MountCount": 0,
        "NeedsCopyUp": false,
        "NeedsChown": false,
        "LockNumber": 0,
    })
}

fn show(settings: &Settings, volumes: &Volumes, ls: &Ls) -> anyhow::Result<u8> {
    let entries = list::read(&Containers::open(&settings.dirs)?)?.entries;
    let found = filtered(volumes.list()?, &ls.filter, &entries)?;
    let rows: Vec<_> = found.iter().map(|v| row(volumes, v)).collect();
    if ls.quiet {
        rows.iter().filter_map(|r| r["Name"].as_str()).for_each(print::line);
        return Ok(0);
    }
    let columns = "{{.Driver}}\t{{.Name}}";
    let headings = [("Name", "VOLUME NAME")];
    let rows = super::output::typed(&rows, ls.format.as_deref());
    super::output::table(&rows, columns, &headings, ls.format.as_deref(), ls.noheading)?;
    Ok(0)
}

const FILTERS: &[&str] = &["name", "driver", "label", "label!", "dangling", "anonymous", "until"];

/// The volumes that pass every filter (podman-volume-ls(1)).
fn filtered(
    found: Vec<Volume>,
    words: &[String],
    entries: &[Entry],
) -> anyhow::Result<Vec<Volume>> {
    let now = time::now();
    let wanted = Wanted::parse(words, "volumes", FILTERS, |key, value| match key {
        "dangling" | "anonymous" => flag(value).map(|_| ()),
        "until" => time::parse(value, now).map(|_| ()).map_err(|e| e.to_string()),
        _ => Ok(()),
    })?;
    let passes = |volume: &Volume, key: &str, value: &str| match key {
        "name" => volume.name.contains(value),
        "driver" => value == "local",
        "label" => has_label(&volume.labels, value),
        "label!" => !has_label(&volume.labels, value),
        "dangling" => flag(value) == Ok(users(&volume.name, entries).is_empty()),
        "anonymous" => flag(value) == Ok(volume.anonymous),
        _ => time::parse(value, now).is_ok_and(|at| volume.created < at),
    };
    let all = |volume: &Volume| {
        wanted.iter().all(|(key, values)| values.iter().all(|v| passes(volume, key, v)))
    };
    Ok(found.into_iter().filter(all).collect())
}

fn inspect(volumes: &Volumes, names: &[String], format: Option<&str>) -> anyhow::Result<u8> {
    let mut rows = Vec::new();
    let mut code = 0;
    for name in names {
        match volumes.find(name) {
            Ok(volume) => rows.push(row(volumes, &volume)),
            Err(e) => {
                report(&e.into());
                code = exit::ENGINE;
            }
        }
    }
    super::output::objects(&rows, format)?;
    Ok(code)
}

fn rm(
    settings: &Settings,
    volumes: &Volumes,
    names: Vec<String>,
    all: bool,
    force: bool,
) -> anyhow::Result<u8> {
    let entries = list::read(&Containers::open(&settings.dirs)?)?.entries;
    let names = if all { volumes.list()?.into_iter().map(|v| v.name).collect() } else { names };
    userns::enter(&settings.dirs)?;
    let mut code = 0;
    for name in names {
        match rm_one(volumes, &name, &entries) {
            Ok(()) => {
                settings.event_log().write(&Event::of("volume", "remove", &name));
                print::line(&name);
            }
            Err((_, NO_VOLUME)) if force => {}
            Err((error, failure)) => {
                report(&error);
                code = code.max(failure);
            }
        }
    }
    Ok(code)
}

/// Exit codes of podman-volume-rm(1).
const NO_VOLUME: u8 = exit::NO;
const IN_USE: u8 = 2;

fn rm_one(volumes: &Volumes, name: &str, entries: &[Entry]) -> Result<(), (anyhow::Error, u8)> {
    let users = users(name, entries);
    if !users.is_empty() {
        let list = users.join(", ");
        let error =
            anyhow::anyhow!("volume {name:?} is used by container {list}: remove that first");
        return Err((error, IN_USE));
    }
    match volumes.remove(name) {
        Ok(()) => Ok(()),
        Err(e @ VolumeError::NotFound(_)) => Err((e.into(), NO_VOLUME)),
        Err(e) => Err((e.into(), exit::ENGINE)),
    }
}

fn prune(
    settings: &Settings,
    volumes: &Volumes,
    force: bool,
    filter: &[String],
) -> anyhow::Result<u8> {
    if !force && !confirm("Remove all volumes that no container uses?")? {
        return Ok(0);
    }
    let entries = list::read(&Containers::open(&settings.dirs)?)?.entries;
    let unused = filtered(volumes.list()?, filter, &entries)?
        .into_iter()
        .filter(|v| users(&v.name, &entries).is_empty());
    userns::enter(&settings.dirs)?;
    for volume in unused {
        volumes.remove(&volume.name)?;
        let happened = ["remove", "prune"].map(|what| Event::of("volume", what, &volume.name));
        settings.event_log().write_all(&happened);
        print::line(&volume.name);
    }
    volumes.sweep()?;
    Ok(0)
}

/// Asks on the terminal; without one the answer is no.
pub(super) fn confirm(question: &str) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        anyhow::bail!("this removes data and standard input is no terminal to ask on; use --force");
    }
    eprint!("{question} [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
