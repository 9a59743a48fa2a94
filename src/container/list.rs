//! All containers at one moment: one readdir, then probe and read each.

use super::cache::{Cache, Stamp};
use super::config::{Config, Listed, Summary};
use super::dir::{Containers, Snapshot};
use super::error::Error;
use super::health::Checks;
use super::state::{Recorded, Status};

/// From so many containers on, a second thread and a look at what an earlier list has read are worth
/// what they cost.
pub(super) const MANY: usize = 64;

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
    let ids = all.ids()?;
    let mut list = List { entries: Vec::with_capacity(ids.len()), damaged: Vec::new() };
    list.add(&ids, &|id| read_one_as(all, id));
    list.sort();
    Ok(list)
}

/// What a table shows of all containers, with what an earlier one has read of them, by two threads
/// where there are many: nearly all of it is the kernel's walk to the files of each.
///
/// Not for who enters a user namespace afterwards: that takes a process of one thread (setns(2)),
/// and a thread that was joined may count a moment longer.
pub fn read_summaries(all: &Containers) -> Result<List<Summary>, Error> {
    let ids = all.ids()?;
    if ids.len() < MANY {
        return side_by_side(&ids, &|id| read_one_as(all, id));
    }
    let cache = Cache::open(all);
    let list = side_by_side(&ids, &|id| summary(all, &cache, id))?;
    cache.keep(all, &list);
    Ok(list)
}

/// [`read`] by two threads, as [`read_summaries`].
pub fn read_side_by_side(all: &Containers) -> Result<List, Error> {
    side_by_side(&all.ids()?, &|id| read_one_as(all, id))
}

fn side_by_side<C: Listed + Send>(
    ids: &[String],
    read: &(impl Fn(&str) -> Result<Entry<C>, Error> + Sync),
) -> Result<List<C>, Error> {
    let mut list = List { entries: Vec::with_capacity(ids.len()), damaged: Vec::new() };
    let half = if ids.len() < MANY { 0 } else { ids.len() / 2 };
    let (theirs, ours) = ids.split_at(half);
    std::thread::scope(|scope| {
        let other = (!theirs.is_empty()).then(|| {
            std::thread::Builder::new().spawn_scoped(scope, || {
                let mut list = List { entries: Vec::with_capacity(half), damaged: Vec::new() };
                list.add(theirs, read);
                list
            })
        });
        list.add(ours, read);
        match other {
            Some(Ok(thread)) => match thread.join() {
                Ok(found) => {
                    list.entries.extend(found.entries);
                    list.damaged.extend(found.damaged);
                }
                Err(panic) => std::panic::resume_unwind(panic),
            },
            // There may be no further thread (RLIMIT_NPROC).
            Some(Err(_)) => list.add(theirs, read),
            None => {}
        }
    });
    list.sort();
    Ok(list)
}

impl<C: Listed> List<C> {
    fn add(&mut self, ids: &[String], read: &impl Fn(&str) -> Result<Entry<C>, Error>) {
        for id in ids {
            match read(id) {
                Ok(entry) => self.entries.push(entry),
                Err(Error::NotFound(_)) => {}
                Err(e) => self.damaged.push(e),
            }
        }
    }

    /// The oldest first. An entry is large: each is moved once.
    fn sort(&mut self) {
        self.entries.sort_by_cached_key(|e| (e.config.created(), e.config.id().to_owned()));
    }
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

/// One that is as `cache` knows it is only asked whether it is supervised, and not even that where
/// it has ended: whoever starts it again writes another record, before its program runs.
fn summary(all: &Containers, cache: &Cache, id: &str) -> Result<Entry<Summary>, Error> {
    let below = format!("{id}/");
    let files = all.files(id, &below);
    let mut stamp = Stamp::of(all, id)?;
    let mut known = cache.get(id, stamp);
    let ended = known.as_ref().is_some_and(|(_, recorded)| recorded.status == "exited");
    let supervised = !ended && files.is_locked()?;
    if !ended {
        // Only now: a supervisor that ends meanwhile has then written its last state, and what
        // changes after the stamp was taken gives the directory another one.
        let before = std::mem::replace(&mut stamp, Stamp::of(all, id)?);
        known = known.filter(|_| before == stamp);
    }
    let (now, config) = match known {
        Some((config, recorded)) => (Snapshot::of(supervised, recorded), config),
        None => {
            let now = files.snapshot_with(supervised)?;
            let config: Summary = files.config()?;
            cache.add(id, stamp, &now.recorded);
            (now, config)
        }
    };
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

    #[test]
    fn two_threads_find_what_one_finds() {
        let (_scratch, all) = containers();
        for count in [1, MANY - 2] {
            for n in 0..count {
                let mut dir = all.create(None, None).unwrap();
                let mut config = config(dir.id(), &format!("c{count}-{n}"));
                config.created += (n % 7) as i64;
                dir.write_config(&config, Sync::Fast).unwrap();
                dir.unlock();
            }
            let _held = all.create(None, None).unwrap();
            let broken = all.create(None, None).unwrap();
            std::fs::write(broken.path().join("config.json"), "{").unwrap();
            let shown = |list: List| {
                let entries = list.entries.iter().map(|e| (e.config.name.clone(), e.status));
                let mut damaged: Vec<_> = list.damaged.iter().map(ToString::to_string).collect();
                damaged.sort();
                (entries.collect::<Vec<_>>(), damaged)
            };
            let one = shown(read(&all).unwrap());
            assert_eq!(shown(read_side_by_side(&all).unwrap()), one);
            assert!(one.0.len() >= count && !one.1.is_empty());
        }
        assert!(all.ids().unwrap().len() > MANY, "the second time it is two");
    }
}
