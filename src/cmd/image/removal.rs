//! Taking images and stopped containers away: inside P, with the store held alone.

use crate::cmd::image::uses;
use crate::container::dir::Containers;
use crate::container::events::{Event, EventLog};
use crate::container::list::{self, Entry};
use crate::container::state::Status;
use crate::game::lock::Lock;
use crate::image::filter::Filters;
use crate::image::types::{Digest, ImageRecord};
use crate::settings::Settings;
use crate::store::{ExclusiveGuard, Freed, ListedImage, Store};
use crate::sys::tree;
use crate::userns;
use anyhow::Context;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Why an image stays.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// There is none of this name or id.
    #[error("{0}: image not known")]
    NotKnown(String),
    /// A container was made from it.
    #[error(
        "image used by {container}: image is in use by a container: consider removing the container first, or use --force"
    )]
    InUse {
        /// Id of the container.
        container: String,
    },
    /// A container made from it runs.
    #[error(
        "image used by {container}: image is in use by a running container: stop it first, 'bolt stop {short}'",
        short = .container.get(..12).unwrap_or(.container)
    )]
    Running {
        /// Id of the container.
        container: String,
    },
    /// An id says too little when several names would go with it.
    #[error(
        "unable to delete image {id:?} by ID with more than one tag ([{}]): please force removal",
        .names.join(" ")
    )]
    ManyNames {
        /// The id.
        id: String,
        /// Its names.
        names: Vec<String>,
    },
}

/// The store held alone, and what may go.
#[derive(Debug)]
pub struct Removal {
    /// The images.
    pub store: Store,
    /// The containers.
    pub containers: Containers,
    lock: ExclusiveGuard,
    events: EventLog,
    volumes: PathBuf,
}

impl Removal {
    /// Enters P and waits until nobody pulls or creates. The process must have one thread.
    pub fn begin(settings: &Settings) -> anyhow::Result<Self> {
        userns::enter(&settings.dirs)?;
        let store = Store::open(&settings.dirs.store())?;
        let lock = store.exclusive_lock()?;
        let containers = Containers::open(&settings.dirs)?;
        let (events, volumes) = (settings.event_log(), settings.dirs.volumes());
        Ok(Removal { store, containers, lock, events, volumes })
    }

    /// All readable containers.
    pub fn entries(&self) -> anyhow::Result<Vec<Entry>> {
        Ok(list::read(&self.containers)?.entries)
    }

    /// Takes a whole image away, with every name. With `force` the containers made from it that
    /// do not run go first; their ids are returned.
    ///
    /// Errors: [`Refusal::InUse`], [`Refusal::Running`]; nothing was removed then.
    pub fn image(&self, image: &ImageRecord, force: bool) -> anyhow::Result<Vec<String>> {
        let entries = self.entries()?;
        let users: Vec<&Entry> = uses::containers(&entries, image).collect();
        refuse(&users, force)?;
        for user in &users {
            self.container(user)?;
        }
        let names = self.store.names_of(&image.manifest)?;
        self.store.remove_image(&image.manifest)?;
        let first = names.first().map_or("", String::as_str);
        let untagged = names.iter().map(|name| Event::of_image("untag", image.id.hex(), name));
        let mut happened: Vec<_> = untagged.collect();
        happened.push(Event::of_image("remove", image.id.hex(), first));
        self.events.write_all(&happened);
        Ok(users.into_iter().map(|entry| entry.config.id.clone()).collect())
    }

    /// Takes away a container that does not run, with the volumes that have no name.
    pub fn container(&self, entry: &Entry) -> anyhow::Result<()> {
        let mut dir = self.containers.open_id(&entry.config.id)?;
        self.containers.remove(&mut dir)?;
        self.events.write(&Event::of_container(&entry.config, "remove"));
        for volume in &entry.config.anonymous_volumes {
            self.volume(volume)?;
        }
        Ok(())
    }

    /// Takes away a volume with its files.
    pub fn volume(&self, name: &str) -> anyhow::Result<()> {
        let shown = self.volumes.join(name);
        let remove = || -> std::io::Result<()> {
            tree::remove_tree(std::fs::File::open(&self.volumes)?, name)
        };
        remove().with_context(|| format!("remove {}", shown.display()))?;
        self.events.write(&Event::of("volume", "remove", name));
        Ok(())
    }

    /// Removes layers and blobs that neither an image nor a container needs; with `partials`,
    /// downloads that were broken off too.
    pub fn collect(&self, partials: bool) -> anyhow::Result<Freed> {
        let in_use = uses::layers(list::read(&self.containers)?)?;
        Ok(self.store.remove_unused(&self.lock, &in_use, partials)?)
    }

    /// Removes images that no container was made from and that pass: those without a name that
    /// are not `pinned`, or with `all` every one.
    pub fn prune_images(
        &self,
        all: bool,
        filters: &Filters,
        pinned: &BTreeSet<Digest>,
    ) -> anyhow::Result<Vec<ListedImage>> {
        let used = uses::manifests(&self.entries()?);
        let mut gone = filters.apply(self.store.images()?, &used)?;
        let dangling = |i: &ListedImage| i.names.is_empty() && !pinned.contains(&i.record.manifest);
        gone.retain(|i| (all || dangling(i)) && !used.contains(&i.record.manifest));
        for image in &gone {
            self.pruned(image)?;
        }
        Ok(gone)
    }

    /// Removes images that no container was made from, the longest unused first, until layers and
    /// blobs take `limit` bytes at most, or nothing is left that may go. Those that are `pinned`
    /// stay.
    pub fn shrink_to(&self, limit: u64, pinned: &BTreeSet<Digest>) -> anyhow::Result<Shrunk> {
        let used = uses::manifests(&self.entries()?);
        let mut images = self.store.images()?;
        images.retain(|image| {
            !used.contains(&image.record.manifest) && !pinned.contains(&image.record.manifest)
        });
        images.sort_by_cached_key(|image| self.store.last_use(&image.record.manifest));
        let mut shrunk = Shrunk { left: self.bytes()?, ..Shrunk::default() };
        for image in images {
            if shrunk.left <= limit {
                break;
            }
            self.pruned(&image)?;
            // Layers are shared: only what is gone tells what an image took.
            shrunk.freed += self.collect(false)?.bytes;
            shrunk.gone.push(image);
            shrunk.left = self.bytes()?;
        }
        Ok(shrunk)
    }

    fn pruned(&self, image: &ListedImage) -> anyhow::Result<()> {
        self.store.remove_image(&image.record.manifest)?;
        let name = image.names.first().map_or("", String::as_str);
        let happened =
            ["remove", "prune"].map(|what| Event::of_image(what, image.record.id.hex(), name));
        self.events.write_all(&happened);
        Ok(())
    }

    fn bytes(&self) -> anyhow::Result<u64> {
        let sizes = self.store.df()?;
        Ok(sizes.layer_bytes + sizes.blob_bytes + sizes.partial_bytes)
    }
}

/// Manifests that the user's lock file names: a game starts tomorrow as it did today.
///
/// Errors: a lock file with a fault, which might name any.
pub fn pinned(settings: &Settings) -> anyhow::Result<BTreeSet<Digest>> {
    let lock = Lock::load(&settings.dirs.lock_file())?;
    Ok(lock.entries().map(|(_, entry)| entry.manifest.clone()).collect())
}

/// What [`Removal::shrink_to`] did.
#[derive(Debug, Default)]
pub struct Shrunk {
    /// Images that are gone.
    pub gone: Vec<ListedImage>,
    /// Bytes that they alone took.
    pub freed: u64,
    /// Bytes of the layers and blobs that are left.
    pub left: u64,
}

/// Whether a container must be stopped before it can go.
pub fn is_alive(status: Status) -> bool {
    status.is_active()
}

fn refuse(users: &[&Entry], force: bool) -> Result<(), Refusal> {
    let id = |entry: &&Entry| entry.config.id.clone();
    // No force helps against one that runs: it is named first.
    if let Some(alive) = users.iter().find(|entry| is_alive(entry.status)) {
        return Err(Refusal::Running { container: id(alive) });
    }
    match users.first() {
        Some(user) if !force => Err(Refusal::InUse { container: id(user) }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::state::Recorded;
    use crate::container::testing::config;

    #[test]
    fn force_takes_what_does_not_run() {
        let entry = |status| Entry {
            config: config(&"a".repeat(64), "c"),
            status,
            recorded: Recorded::default(),
            checks: None,
        };
        for (status, force, works) in [
            (Status::Exited, false, false),
            (Status::Exited, true, true),
            (Status::Created, true, true),
            (Status::Running, true, false),
            (Status::Running, false, false),
            (Status::Starting, true, false),
            (Status::Orphaned, true, false),
            (Status::Paused, true, false),
        ] {
            assert_eq!(refuse(&[&entry(status)], force).is_ok(), works, "{status:?} {force}");
        }
        assert!(refuse(&[], false).is_ok());
        // No advice to force what no force can do.
        let refusal = refuse(&[&entry(Status::Exited), &entry(Status::Running)], false);
        assert!(matches!(refusal, Err(Refusal::Running { .. })), "{refusal:?}");
    }
}
