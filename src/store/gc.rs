//! Taking away what nothing needs, and counting what lies here.

use super::files::{is_record, is_temporary};
use super::layers::layer_path;
use super::{ExclusiveGuard, Layout, Result, Store};
use crate::image::types::{Digest, ImageRecord};
use rustix::fs::AtFlags;
use std::collections::BTreeSet;

/// One unpacked layer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LayerKey {
    /// Id layout.
    pub layout: Layout,
    /// Chain id.
    pub chain: Digest,
}

/// What a gc took away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Freed {
    /// Layers removed.
    pub layers: u64,
    /// Blobs removed, broken-off downloads included.
    pub blobs: u64,
    /// Bytes of both, as the layers' facts and the blobs' lengths say.
    pub bytes: u64,
}

/// One layer in [`Sizes`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerUse {
    /// Which layer.
    pub key: LayerKey,
    /// Bytes of its regular files.
    pub bytes: u64,
    /// How many images name it.
    pub images: u64,
}

/// What the store holds, in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Number of image records.
    pub images: u64,
    /// Every unpacked layer.
    pub layers: Vec<LayerUse>,
    /// Bytes of all layers.
    pub layer_bytes: u64,
    /// Bytes of whole blobs.
    pub blob_bytes: u64,
    /// Bytes of downloads under way or broken off.
    pub partial_bytes: u64,
    /// Bytes that `remove_unused` would free if no container used a layer.
    pub reclaimable: u64,
}

impl Store {
    /// Removes layers and blobs that neither an image nor `in_use` (the containers' layers)
    /// names, and what crashes left. With `partials`, broken-off downloads too.
    ///
    /// Gather `in_use` after the lock was taken: containers are made under the shared one.
    pub fn remove_unused(
        &self,
        _lock: &ExclusiveGuard,
        in_use: &[LayerKey],
        partials: bool,
    ) -> Result<Freed> {
        // A record that cannot be read might name anything: then nothing is unused for sure.
        let records = self.all_records()?;
        let mut freed = Freed::default();
        self.remove_layers(&records, in_use, &mut freed)?;
        self.remove_blobs(&records, partials, &mut freed)?;
        for path in self.temporaries()? {
            self.unlink(&path)?;
        }
        Ok(freed)
    }

    /// Removes images without a name for which `keep` says no. Their layers and blobs go with
    /// the next [`Store::remove_unused`].
    pub fn prune_dangling(
        &self,
        _lock: &ExclusiveGuard,
        keep: impl Fn(&ImageRecord) -> bool,
    ) -> Result<Vec<ImageRecord>> {
        let mut removed = Vec::new();
        for image in self.images()? {
            if image.names.is_empty() && !keep(&image.record) {
                self.remove_image(&image.record.manifest)?;
                removed.push(image.record);
            }
        }
        Ok(removed)
    }

    /// What lies in the store. Reads the small records only.
    pub fn df(&self) -> Result<Sizes> {
        let records = self.records()?;
        let mut sizes = Sizes { images: records.len() as u64, ..Sizes::default() };
        for key in self.layers_on_disk()? {
            let bytes = self.layer_bytes(&key);
            let names = |r: &&ImageRecord| r.layers.iter().any(|l| l.chain_id == key.chain);
            let images = records.iter().filter(names).count() as u64;
            sizes.layer_bytes += bytes;
            sizes.reclaimable += if images == 0 { bytes } else { 0 };
            sizes.layers.push(LayerUse { key, bytes, images });
        }
        let needed = needed_blobs(&records);
        for (digest, bytes, partial) in self.blobs_on_disk()? {
            if partial {
                sizes.partial_bytes += bytes;
            } else {
                sizes.blob_bytes += bytes;
            }
            if partial || !needed.contains(&digest) {
                sizes.reclaimable += bytes;
            }
        }
        Ok(sizes)
    }

    /// Every layer directory, fresh ones included.
    pub(super) fn layers_on_disk(&self) -> Result<Vec<LayerKey>> {
        let mut found = BTreeSet::new();
        for layout in self.layouts()? {
            for name in self.list(&format!("layers/{layout}"))? {
                let hex = name.strip_prefix(".fresh-").unwrap_or(&name);
                if let Some(chain) = digest_of_hex(hex) {
                    found.insert(LayerKey { layout, chain });
                }
            }
        }
        Ok(found.into_iter().collect())
    }

    /// Names in a layout's folder that belong to no whole layer: what crashes and waits leave.
    pub(super) fn leftovers(&self, layout: Layout) -> Result<Vec<String>> {
        let names = self.list(&format!("layers/{layout}"))?;
        let layers: BTreeSet<String> = names
            .iter()
            .filter_map(|n| digest_of_hex(n.strip_prefix(".fresh-").unwrap_or(n)))
            .map(|d| d.hex().to_owned())
            .collect();
        let is_leftover = |name: &String| match name.split_once('.') {
            Some(("", rest)) => !rest.starts_with("fresh-"),
            Some((hex, _)) => !layers.contains(hex),
            None => digest_of_hex(name).is_none(),
        };
        Ok(names.into_iter().filter(is_leftover).collect())
    }

    /// Temporary files of processes that died while they wrote, outside of `layers/`.
    pub(super) fn temporaries(&self) -> Result<Vec<String>> {
        let mut folders = vec!["images".to_owned(), "refs".to_owned()];
        for algorithm in ["blobs/sha256", "blobs/sha512"] {
            let shards = self.list(algorithm)?;
            folders.extend(shards.into_iter().map(|shard| format!("{algorithm}/{shard}")));
        }
        let mut found = Vec::new();
        for folder in folders {
            let names = self.list(&folder)?.into_iter().filter(|name| is_temporary(name));
            found.extend(names.map(|name| format!("{folder}/{name}")));
        }
        Ok(found)
    }

    fn remove_layers(
        &self,
        records: &[ImageRecord],
        in_use: &[LayerKey],
        freed: &mut Freed,
    ) -> Result<()> {
        let named: BTreeSet<&Digest> =
            records.iter().flat_map(|r| &r.layers).map(|l| &l.chain_id).collect();
        let in_use: BTreeSet<&LayerKey> = in_use.iter().collect();
        for key in self.layers_on_disk()? {
            let kept = named.contains(&key.chain) && !key.layout.is_passing();
            if kept || in_use.contains(&key) {
                continue;
            }
            let bytes = self.layer_bytes(&key);
            if self.drop_layer(key.layout, &key.chain)? {
                freed.layers += 1;
                freed.bytes += bytes;
            }
        }
        for layout in self.layouts()? {
            self.remove_leftovers(layout)?;
            if layout.is_passing() {
                // Not empty where a layer is in use.
                let _ = rustix::fs::unlinkat(
                    &self.root,
                    format!("layers/{layout}"),
                    AtFlags::REMOVEDIR,
                );
            }
        }
        Ok(())
    }

    pub(super) fn remove_leftovers(&self, layout: Layout) -> Result<()> {
        let leftovers = self.leftovers(layout)?;
        if leftovers.is_empty() {
            return Ok(());
        }
        let dir = self.folder(&format!("layers/{layout}"))?;
        for name in leftovers {
            self.drop_tree(&dir, layout, &name)?;
        }
        Ok(())
    }

    fn remove_blobs(
        &self,
        records: &[ImageRecord],
        partials: bool,
        freed: &mut Freed,
    ) -> Result<()> {
        let needed = needed_blobs(records);
        for (digest, bytes, partial) in self.blobs_on_disk()? {
            let path = super::blobs::blob_path(&digest);
            let removed = match partial {
                true => partials && self.drop_partial(&digest)?,
                false => !needed.contains(&digest) && self.unlink(&path)?,
            };
            if removed {
                freed.blobs += 1;
                freed.bytes += bytes;
            }
        }
        Ok(())
    }

    /// All records, or an error when one cannot be read.
    fn all_records(&self) -> Result<Vec<ImageRecord>> {
        let mut records = Vec::new();
        for file in self.list("images")?.into_iter().filter(|f| is_record(f)) {
            records.extend(self.read_json(&format!("images/{file}"))?);
        }
        Ok(records)
    }

    fn layer_bytes(&self, key: &LayerKey) -> u64 {
        // The size is only shown: a layer whose facts are damaged counts as empty.
        self.layer_facts(key.layout, &key.chain).ok().flatten().map_or(0, |f| f.size)
    }
}

/// Blobs that images name: index, manifest, config, layers.
pub(super) fn needed_blobs(records: &[ImageRecord]) -> BTreeSet<Digest> {
    let mut needed = BTreeSet::new();
    for record in records {
        needed.insert(record.id.clone());
        needed.insert(record.manifest.clone());
        needed.extend(record.index.clone());
        needed.extend(record.layers.iter().map(|l| l.blob.digest.clone()));
    }
    needed
}

/// The digest whose hex digits are a directory's name.
fn digest_of_hex(hex: &str) -> Option<Digest> {
    let algorithm = if hex.len() == 128 { "sha512" } else { "sha256" };
    format!("{algorithm}:{hex}").parse().ok()
}

/// Used by `check` to name a layer.
pub(super) fn describe(key: &LayerKey) -> String {
    layer_path(key.layout, &key.chain)
}
