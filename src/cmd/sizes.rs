//! How many bytes a container holds: `ps --size`, `inspect --size`.

use crate::container::config::{Config, Origin};
use crate::image::types::Digest;
use crate::store::Store;
use crate::sys::dirs::Dirs;
use crate::sys::tree;

/// Bytes of a container's regular files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    /// What it wrote itself.
    pub(super) own: u64,
    /// What it has from its image; 0 where it has none (`--rootfs`).
    pub(super) image: u64,
}

/// Measures containers; the images' records are opened once for all.
#[derive(Debug)]
pub(super) struct Sizes<'a> {
    dirs: &'a Dirs,
    store: Option<Store>,
}

impl<'a> Sizes<'a> {
    /// Nothing is read yet.
    pub(super) fn new(dirs: &'a Dirs) -> Self {
        Sizes { dirs, store: None }
    }

    /// Reads the sizes of one container. Errors: its files or the store cannot be read.
    pub(super) fn of(&mut self, config: &Config) -> anyhow::Result<Size> {
        let own = tree::size(&self.dirs.containers().join(&config.id).join("upper"))?;
        let mut image = 0;
        if let Origin::Image { layers, .. } = &config.origin {
            let store = match self.store.take() {
                Some(store) => store,
                None => Store::open(&self.dirs.store())?,
            };
            let store = self.store.insert(store);
            // The layers and not the image's record: it may be removed while they are in use.
            for chain in layers {
                image += store.layer_size(&chain.parse::<Digest>()?)?;
            }
        }
        Ok(Size { own, image })
    }
}
