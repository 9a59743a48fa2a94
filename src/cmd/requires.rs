//! `--requires`: containers that others cannot do without.

use super::starting;
use crate::container::config::Config;
use crate::container::dir::{ContainerDir, Containers};
use crate::container::error::Error;
use crate::container::state::Status;
use crate::settings::Settings;
use crate::shim::Again;
use crate::sys::atomic;
use anyhow::{Context, bail};

/// Ids of the containers that were named.
pub fn resolve(all: &Containers, names: &[String]) -> anyhow::Result<Vec<String>> {
    let mut ids = Vec::new();
    for name in names {
        let dir = all.find(name).with_context(|| {
            format!("--requires {name:?} is not a container that can be required")
        })?;
        if !ids.iter().any(|id| id == dir.id()) {
            ids.push(dir.id().to_owned());
        }
    }
    Ok(ids)
}

/// Writes down at each required container that `id` needs it, so that nobody has to look through
/// all others when one is removed.
pub fn note(all: &Containers, required: &[String], id: &str) -> anyhow::Result<()> {
    for other in required {
        let dir = all.open_id(other)?.path().join(DEPENDENTS);
        std::fs::create_dir_all(&dir)
            .and_then(|()| std::fs::File::open(&dir))
            .and_then(|folder| atomic::write(folder, id, b"", atomic::Sync::Durable))
            .with_context(|| format!("write {}", dir.join(id).display()))?;
    }
    Ok(())
}

/// Directory of a container whose files name the containers that need it.
const DEPENDENTS: &str = "dependents";

/// Ids of the containers that need the one in `dir`, those that are no more left out.
pub fn dependents(all: &Containers, dir: &ContainerDir) -> anyhow::Result<Vec<String>> {
    let path = dir.path().join(DEPENDENTS);
    let entries = match std::fs::read_dir(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.with_context(|| format!("list {}", path.display()))?,
    };
    let mut ids = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| format!("list {}", path.display()))?;
        let Ok(id) = entry.file_name().into_string() else { continue };
        let config = all.open_id(&id).and_then(|other| other.read_config());
        match config {
            Ok(config) if config.unit.requires.iter().any(|r| r == dir.id()) => ids.push(id),
            Ok(_) | Err(Error::NotFound(_) | Error::BadId(_)) => {}
            Err(e) => return Err(e.into()),
        }
    }
    ids.sort();
    Ok(ids)
}

/// Starts what `config` requires, and what that requires before it, where it does not run.
pub fn start(settings: &Settings, config: &Config) -> anyhow::Result<()> {
    if config.unit.requires.is_empty() {
        return Ok(());
    }
    let all = Containers::open(&settings.dirs)?;
    start_all(settings, &all, &config.unit.requires, &mut vec![config.id.clone()])
}

/// The same for a container that is made afterwards.
pub fn start_named(settings: &Settings, names: &[String]) -> anyhow::Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let all = Containers::open(&settings.dirs)?;
    let ids = resolve(&all, names)?;
    start_all(settings, &all, &ids, &mut Vec::new())
}

/// `way`: who required whom, down to who requires `ids`.
fn start_all(
    settings: &Settings,
    all: &Containers,
    ids: &[String],
    way: &mut Vec<String>,
) -> anyhow::Result<()> {
    for id in ids {
        if way.contains(id) {
            bail!("containers require each other: {} → {id}", way.join(" → "));
        }
        let dir = match all.open_id(id) {
            Err(Error::NotFound(_)) => bail!(
                "container {} requires container {id}, which is no more; create it anew",
                way.last().map_or("", String::as_str)
            ),
            other => other?,
        };
        let config = dir.read_config()?;
        way.push(id.clone());
        start_all(settings, all, &config.unit.requires, way)?;
        way.pop();
        let status = dir.status()?;
        if status == Status::Paused {
            return Err(super::pause::refusal("start", &dir));
        }
        if status != Status::Running {
            let started = starting::start(settings, &dir, &Again::default())
                .with_context(|| format!("start {}, which is required", config.name))?;
            started.map(super::run::tell);
        }
    }
    Ok(())
}
