//! All containers at one moment: one readdir, then probe and read each.

use super::config::{Config, Listed};
use super::dir::Containers;
use super::error::Error;
use super::health::Checks;
use super::state::{Recorded, Status};

/// One container as a list shows it. It holds no descriptor: there may be more containers than
/// a process may open files.
#[derive(Debug, Clone)]
pub struct Entry<C = Config> {
    /// What was decided at creation.
    pub config: C,
    /// What it is doing.
    pub status: Status,
    /// What its supervisor wrote last.
    pub recorded: Recorded,
    /// What its checks have shown, where its health is checked.
    pub checks: Option<Checks>,
}

/// What was found.
#[derive(Debug)]
pub struct List<C = Config> {
    /// Readable containers, the oldest first.
    pub entries: Vec<Entry<C>>,
    /// Why the others could not be read; each names its container.
    pub damaged: Vec<Error>,
}

/// Reads all containers. One that vanishes meanwhile or is not created yet is left out; one that
/// cannot be read hides none of the others.
pub fn read(all: &Containers) -> Result<List, Error> {
    read_as(all)
}

/// [`read`] with as much of each config as `C` holds.
pub fn read_as<C: Listed>(all: &Containers) -> Result<List<C>, Error> {
    let mut list = List { entries: Vec::new(), damaged: Vec::new() };
    for id in all.ids()? {
        match read_one_as(all, &id) {
            Ok(entry) => list.entries.push(entry),
            Err(Error::NotFound(_)) => {}
            Err(e) => list.damaged.push(e),
        }
    }
    let age = |e: &Entry<C>| e.config.created();
    list.entries.sort_by(|a, b| age(a).cmp(&age(b)).then_with(|| a.config.id().cmp(b.config.id())));
    Ok(list)
}

fn read_one_as<C: Listed>(all: &Containers, id: &str) -> Result<Entry<C>, Error> {
    let below = format!("{id}/");
    let files = all.files(id, &below);
    let now = files.snapshot(false)?;
    // Last: a container that is removed meanwhile has none, and is then left out.
    let config: C = files.config()?;
    let checks = if config.is_checked() { Some(files.checks(&now)?) } else { None };
    Ok(Entry { config, status: now.status, recorded: now.recorded, checks })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{config, containers};
    use super::*;
    use crate::sys::atomic::Sync;

    #[test]
    fn damaged_and_half_made_containers_hide_no_others() {
        let (_scratch, all) = containers();
        for (i, name) in ["b", "a", "broken", "half"].iter().enumerate() {
            let dir = all.create(None, Some(name)).unwrap();
            match *name {
                "broken" => std::fs::write(dir.path().join("config.json"), "{").unwrap(),
                "half" => {}
                _ => {
                    let mut config = config(dir.id(), name);
                    config.created += i as i64;
                    dir.write_config(&config, Sync::Fast).unwrap();
                }
            }
        }
        let list = read(&all).unwrap();
        let names: Vec<_> = list.entries.iter().map(|e| e.config.name.as_str()).collect();
        assert_eq!(names, ["b", "a"], "the oldest first");
        assert_eq!(list.damaged.len(), 1);
    }
}
