//! What the images of containers are called that were made from an image's id.

use crate::store::Store;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Names by image id, each looked up once.
#[derive(Debug)]
pub(super) struct ImageNames {
    store: PathBuf,
    found: BTreeMap<String, Option<String>>,
}

impl ImageNames {
    /// `store`: its directory.
    pub(super) fn new(store: PathBuf) -> Self {
        ImageNames { store, found: BTreeMap::new() }
    }

    /// The name itself, or, where that is an image's whole id, the first of the names that the
    /// image has, as podman shows it. A start does not read the names of all images to note one.
    pub(super) fn of<'n>(&mut self, name: Cow<'n, str>) -> Cow<'n, str> {
        let is_id = name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit());
        if !is_id {
            return name;
        }
        let found = self.found.entry(name.clone().into_owned());
        found.or_insert_with(|| look(&self.store, &name)).clone().map_or(name, Cow::Owned)
    }
}

/// An image that is gone, or a store that cannot be read, has none.
fn look(store: &Path, id: &str) -> Option<String> {
    let store = Store::open(store).ok()?;
    let image = store.find_id(id).ok()??;
    store.names_of(&image.manifest).ok()?.into_iter().next()
}
