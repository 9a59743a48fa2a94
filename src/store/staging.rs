//! A layer while it is unpacked: a directory beside its final place, under a lock of its own.

use super::files::lock_named;
use super::layers::{boot_id, fresh_name};
use super::{LayerFacts, Layout, RecordWriter, Result, Store, StoreError};
use crate::image::types::Digest;
use crate::sys::{atomic, tree};
use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

/// An empty directory to unpack one layer into. Dropped without [`Staging::commit`], it is
/// removed with all its files.
#[derive(Debug)]
pub struct Staging {
    /// `layers/<layout>`.
    parent: OwnedFd,
    parent_path: PathBuf,
    /// The staging directory.
    dir: OwnedFd,
    chain: Digest,
    /// Held to the end of the drop.
    _lock: File,
}

impl Store {
    /// Begins a layer; `None` when it is here already.
    ///
    /// Waits while another process or thread unpacks the same layer. What a dead one left is
    /// removed first. Take no second layer, and no `.part`, while this one is held.
    pub fn stage_layer(&self, layout: Layout, chain: &Digest) -> Result<Option<Staging>> {
        if self.has_layer(layout, chain)? {
            return Ok(None);
        }
        let folder = format!("layers/{layout}");
        // A store of an earlier version may lack the folder of a newer layout.
        self.make_folder(&folder)?;
        let parent = self.folder(&folder)?;
        let lock_name = lock_name(chain);
        let lock = lock_named(&parent, &lock_name)
            .map_err(|e| self.io("lock", &format!("{folder}/{lock_name}"), e))?;
        if self.has_layer(layout, chain)? {
            let _ = fs::unlinkat(&parent, &lock_name, AtFlags::empty());
            return Ok(None);
        }
        // A fresh one of an earlier boot cannot be trusted; a staging one has no owner.
        self.drop_tree(&parent, layout, &fresh_name(chain))?;
        self.drop_tree(&parent, layout, &staging_name(chain))?;
        let name = staging_name(chain);
        let make = || -> rustix::io::Result<OwnedFd> {
            fs::mkdirat(&parent, &name, Mode::from_raw_mode(0o700))?;
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let dir = fs::openat(&parent, &name, flags, Mode::empty())?;
            fs::fchmod(&dir, Mode::from_raw_mode(0o755))?;
            Ok(dir)
        };
        let dir = make().map_err(|e| self.io("create", &format!("{folder}/{name}"), e))?;
        let parent_path = self.path().join(folder);
        Ok(Some(Staging { parent, parent_path, dir, chain: chain.clone(), _lock: lock }))
    }
}

impl Staging {
    /// The directory to unpack into. Mode 0755 until the layer says otherwise.
    pub fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// Where the layer's tar record goes; at most one a layer.
    pub fn record_writer(&self) -> Result<RecordWriter> {
        let name = format!("{}.record", staging_name(&self.chain));
        let path = self.parent_path.join(&name);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
        let fd =
            fs::openat(&self.parent, &name, flags | OFlags::NOFOLLOW, Mode::from_raw_mode(0o600))
                .map_err(|e| StoreError::io("create", &path, e))?;
        RecordWriter::new(File::from(fd), path)
    }

    /// Makes the directory a layer: record, facts, then the name. It counts at once in this
    /// boot, and for good after [`Store::settle`] (which `put_image` calls).
    pub fn commit(self, facts: &LayerFacts, record: Option<RecordWriter>) -> Result<()> {
        let committed = self.put(facts, record);
        if committed.is_err() {
            // Beside no layer they would be damage.
            for end in ["json", "tar-record.zst"] {
                let file = format!("{}.{end}", self.chain.hex());
                let _ = fs::unlinkat(&self.parent, file, AtFlags::empty());
            }
        }
        committed
    }

    fn put(&self, facts: &LayerFacts, record: Option<RecordWriter>) -> Result<()> {
        let hex = self.chain.hex();
        let staging = staging_name(&self.chain);
        if let Some(record) = record {
            record.finish()?;
            let from = format!("{staging}.record");
            self.rename(&from, &format!("{hex}.tar-record.zst"))?;
        }
        let facts = LayerFacts { boot: boot_id(), ..facts.clone() };
        let path = self.parent_path.join(format!("{hex}.json"));
        let bytes = serde_json::to_vec(&facts)
            .map_err(|source| StoreError::Damaged { path: path.clone(), source })?;
        atomic::write(&self.parent, &format!("{hex}.json"), &bytes, atomic::Sync::Fast)
            .map_err(|e| StoreError::io("write", path, e))?;
        if facts.boot.is_some() {
            return self.rename(&staging, &fresh_name(&self.chain));
        }
        // Without a boot id nobody could tell later whether to trust it: sync now.
        fs::syncfs(&self.dir).map_err(|e| StoreError::io("sync", &self.parent_path, e))?;
        self.rename(&staging, hex)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        fs::renameat(&self.parent, from, &self.parent, to)
            .map_err(|e| StoreError::io("rename", self.parent_path.join(from), e))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let name = staging_name(&self.chain);
        // After a commit neither is there. What cannot be removed now goes with the next gc.
        if let Err(e) = tree::remove_tree(&self.parent, &name) {
            tracing::warn!("remove {}/{name}: {e}", self.parent_path.display());
        }
        for file in [format!("{name}.record"), lock_name(&self.chain)] {
            match fs::unlinkat(&self.parent, &file, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(e) => tracing::warn!("remove {}/{file}: {e}", self.parent_path.display()),
            }
        }
    }
}

fn staging_name(chain: &Digest) -> String {
    format!(".staging-{}", chain.hex())
}

fn lock_name(chain: &Digest) -> String {
    format!(".lock-{}", chain.hex())
}
