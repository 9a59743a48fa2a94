//! Unpacked layers: where they lie, what is known of them, when they count.
//!
//! A layer just unpacked is *fresh*: it is whole, but a power cut could still take its files'
//! contents. It is called `.fresh-<hex>`, and its facts name the boot it was made in. One
//! syncfs(2) for a whole pull makes all its layers permanent ([`Store::settle`]); a fresh layer of
//! an earlier boot is thrown away.

use super::{Layout, Result, Store, StoreError};
use crate::image::types::Digest;
use crate::sys::tree;
use rustix::fs::{self, AtFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// The id that has no owner: a file of it shows the same where the id does not exist.
pub const NOBODY: u32 = 65534;

/// What is known of an unpacked layer. The file format of `layers/<layout>/<hex>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerFacts {
    /// Format version, 1.
    pub version: u32,
    /// Digest of the uncompressed tar.
    pub diff_id: Digest,
    /// Bytes of its regular files.
    pub size: u64,
    /// Entries of its tar.
    pub entries: u64,
    /// The layer hides everything below it (`.wh..wh..opq` at the root). Overlay does not look
    /// at the mark on a layer's own root: leave the layers below out of the mount.
    #[serde(default)]
    pub opaque_root: bool,
    /// Whether the tar record gives the exact tar again; else the blob must be kept to push.
    #[serde(default)]
    pub rebuildable: bool,
    /// Highest uid or gid of its files, [`NOBODY`] not counted; `None`: not noted.
    #[serde(default)]
    pub highest: Option<u32>,
    /// Boot in which it was unpacked: counts while the layer is fresh. Set by the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
}

impl LayerFacts {
    /// Facts of a layer with this diff id; the other fields are the caller's to fill.
    pub fn new(diff_id: Digest) -> Self {
        LayerFacts {
            version: 1,
            diff_id,
            size: 0,
            entries: 0,
            opaque_root: false,
            rebuildable: false,
            highest: None,
            boot: None,
        }
    }
}

impl Store {
    /// The id layouts that something was unpacked in.
    pub fn layouts(&self) -> Result<Vec<Layout>> {
        Ok(self.list("layers")?.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// Whether a layer is unpacked. One stat for a permanent one.
    pub fn has_layer(&self, layout: Layout, chain: &Digest) -> Result<bool> {
        let path = layer_path(layout, chain);
        // The second look: a fresh one may have become permanent between the first two.
        Ok(self.exists(&path)? || self.is_fresh(layout, chain)? || self.exists(&path)?)
    }

    /// Whether a layer is unpacked and permanent, so that it can be mounted.
    pub fn has_settled_layer(&self, layout: Layout, chain: &Digest) -> Result<bool> {
        self.exists(&layer_path(layout, chain))
    }

    /// Where a permanent layer lies, or would lie.
    pub fn layer_path(&self, layout: Layout, chain: &Digest) -> PathBuf {
        self.dir.join(layer_path(layout, chain))
    }

    /// What is known of a layer; `None` when it is not here.
    pub fn layer_facts(&self, layout: Layout, chain: &Digest) -> Result<Option<LayerFacts>> {
        self.read_json(&format!("layers/{layout}/{}.json", chain.hex()))
    }

    /// Bytes of a layer's regular files, from any layout that has it; 0 where none is known.
    pub fn layer_size(&self, chain: &Digest) -> Result<u64> {
        for layout in self.layouts()? {
            if let Some(facts) = self.layer_facts(layout, chain)? {
                return Ok(facts.size);
            }
        }
        Ok(0)
    }

    /// Makes fresh layers permanent: one syncfs(2) for all, then a rename each. Chains that are
    /// not here or permanent already are passed over.
    pub fn settle(&self, layout: Layout, chains: &[Digest]) -> Result<()> {
        let mut fresh = Vec::new();
        for chain in chains {
            if self.is_fresh(layout, chain)? {
                fresh.push(chain);
            }
        }
        if fresh.is_empty() {
            return Ok(());
        }
        let folder = format!("layers/{layout}");
        let dir = self.folder(&folder)?;
        fs::syncfs(&dir).map_err(|e| self.io("sync", &folder, e))?;
        for chain in fresh {
            match fs::renameat(&dir, fresh_name(chain), &dir, chain.hex()) {
                // Another pull settled it first.
                Ok(()) | Err(Errno::NOENT) => {}
                // Another pull settled one while this was unpacked: they are equal.
                Err(Errno::NOTEMPTY | Errno::EXIST) => {
                    self.drop_tree(&dir, layout, &fresh_name(chain))?;
                }
                Err(e) => return Err(self.io("settle", &layer_path(layout, chain), e)),
            }
        }
        fs::fsync(&dir).map_err(|e| self.io("sync", &folder, e))
    }

    /// Whether the layer was unpacked in this boot and is not permanent yet.
    pub(super) fn is_fresh(&self, layout: Layout, chain: &Digest) -> Result<bool> {
        if !self.exists(&format!("layers/{layout}/{}", fresh_name(chain)))? {
            return Ok(false);
        }
        match self.layer_facts(layout, chain) {
            Ok(facts) => Ok(facts.is_some_and(|f| f.boot.is_some() && f.boot == boot_id())),
            Err(StoreError::Damaged { .. }) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Removes a layer: its directory loses its name in one step, then everything else goes.
    /// `false` when it was not here. Only under the exclusive lock.
    pub(super) fn drop_layer(&self, layout: Layout, chain: &Digest) -> Result<bool> {
        let dir = self.folder(&format!("layers/{layout}"))?;
        let mut found = false;
        for name in [chain.hex().to_owned(), fresh_name(chain)] {
            let gone = format!(".gone-{name}");
            match fs::renameat(&dir, &name, &dir, &gone) {
                Ok(()) => found = true,
                Err(Errno::NOENT) => {}
                // Left by a removal that was killed: finish that one first.
                Err(Errno::NOTEMPTY | Errno::EXIST) => {
                    self.drop_tree(&dir, layout, &gone)?;
                    fs::renameat(&dir, &name, &dir, &gone)
                        .map_err(|e| self.io("remove", &layer_path(layout, chain), e))?;
                    found = true;
                }
                Err(e) => return Err(self.io("remove", &layer_path(layout, chain), e)),
            }
        }
        for end in ["json", "tar-record.zst"] {
            match fs::unlinkat(&dir, format!("{}.{end}", chain.hex()), AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(e) => return Err(self.io("remove", &layer_path(layout, chain), e)),
            }
        }
        for name in [chain.hex().to_owned(), fresh_name(chain)] {
            self.drop_tree(&dir, layout, &format!(".gone-{name}"))?;
        }
        Ok(found)
    }

    /// Removes a tree in a layout's folder.
    pub(super) fn drop_tree(&self, dir: &OwnedFd, layout: Layout, name: &str) -> Result<()> {
        tree::remove_tree(dir, name)
            .map_err(|e| self.io("remove", &format!("layers/{layout}/{name}"), e))
    }
}

/// The layer's path below the store.
pub(super) fn layer_path(layout: Layout, chain: &Digest) -> String {
    format!("layers/{layout}/{}", chain.hex())
}

/// The name of a layer that is whole and not yet safe from a power cut.
pub(super) fn fresh_name(chain: &Digest) -> String {
    format!(".fresh-{}", chain.hex())
}

/// The kernel's id of this boot (proc(5), /proc/sys/kernel/random/boot_id); `None` without /proc.
pub(super) fn boot_id() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned())
}
