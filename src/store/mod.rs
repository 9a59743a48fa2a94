//! L1: what lies on disk: blobs, unpacked layers, image records and their names.
//!
//! ```text
//! store/meta.json                           format version and features
//!       lock                                shared by pulls and creates, exclusive for gc
//!       blobs/sha256/ab/<hex>               manifests, configs, kept layer blobs
//!       blobs/sha256/ab/<hex>.part          a download under way or broken off
//!       layers/<layout>/<chain hex>/        one unpacked layer for one id layout
//!       layers/<layout>/<chain hex>.json    LayerFacts
//!       layers/<layout>/<chain hex>.tar-record.zst   how to build the layer's tar again
//!       images/<manifest hex>.json          ImageRecord
//!       refs/<encoded full name>            name → manifest
//!       lists/<encoded full name>           an image list under construction
//!       empty/                              lies below the roots of images without layers
//! ```
//! Order of writes: layers, blobs, image record, name. Whoever finds a name finds all behind it;
//! whatever a crash leaves is unreferenced and goes with the next gc. Lock order: `lock`, then one
//! `.part`, then one layer. No database, no daemon, no scan at open.

mod blobs;
mod check;
mod error;
mod files;
mod gc;
mod images;
mod layers;
mod layout;
mod lists;
mod names;
mod partial;
mod record;
mod staging;

pub use check::Problem;
pub use error::{Result, StoreError};
pub use gc::{Freed, LayerKey, LayerUse, Sizes};
pub use images::ListedImage;
pub use layers::{LayerFacts, NOBODY};
pub use layout::{BadLayout, Layout};
pub use lists::ListGuard;
pub use partial::{Partial, PartialReader};
pub use record::{RecordReader, RecordWriter};
pub use staging::Staging;

use crate::sys::{atomic, lock};
use crate::ui::print;
use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Format version of `meta.json`.
const VERSION: u32 = 1;
/// How long the store is waited for without a word.
const QUIET: Duration = Duration::from_secs(1);
/// Features that a program must know to touch the store at all. None so far.
const INCOMPATIBLE: &[&str] = &[];
/// Directories of an empty store.
const FOLDERS: &[&str] = &[
    "blobs",
    "blobs/sha256",
    "blobs/sha512",
    "layers",
    "layers/root-is-user",
    "layers/no-user",
    "layers/user-is-user",
    "layers/single",
    "layers/root",
    "images",
    "refs",
];

/// `meta.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Meta {
    version: u32,
    /// Features an older program may ignore.
    #[serde(default)]
    compatible: Vec<String>,
    /// Features an older program must know, or keep off.
    #[serde(default)]
    incompatible: Vec<String>,
}

/// The local store of one user. Holds one descriptor.
#[derive(Debug)]
pub struct Store {
    root: OwnedFd,
    dir: PathBuf,
}

/// Shared hold of the store: no gc while it lives.
#[derive(Debug)]
pub struct SharedGuard {
    _file: File,
}

/// Exclusive hold of the store: no pull and no create while it lives.
#[derive(Debug)]
pub struct ExclusiveGuard {
    _file: File,
}

impl Store {
    /// Opens the store in `dir`, or makes an empty one. Two opens and one read when it is there.
    ///
    /// Errors: [`StoreError::TooNew`], [`StoreError::Damaged`], [`StoreError::Io`].
    pub fn open(dir: &Path) -> Result<Store> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = match fs::open(dir, flags, Mode::empty()) {
            Err(Errno::NOENT) => {
                make_dir_all(dir)?;
                fs::open(dir, flags, Mode::empty())
            }
            other => other,
        };
        let root = root.map_err(|e| StoreError::io("open", dir, e))?;
        let store = Store { root, dir: dir.to_owned() };
        match store.read_json::<Meta>("meta.json")? {
            Some(meta) => store.accept(&meta)?,
            None => store.make()?,
        }
        Ok(store)
    }

    /// Where the store lies.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Waits for a shared hold: taken by pulls and by container creation.
    pub fn shared_lock(&self) -> Result<SharedGuard> {
        Ok(SharedGuard { _file: self.take_lock(lock::Kind::Shared)? })
    }

    /// Waits until nobody else holds the store: taken by gc, prune and repair.
    pub fn exclusive_lock(&self) -> Result<ExclusiveGuard> {
        Ok(ExclusiveGuard { _file: self.take_lock(lock::Kind::Exclusive)? })
    }

    fn take_lock(&self, kind: lock::Kind) -> Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
        let fd = fs::openat(&self.root, "lock", flags, Mode::from_raw_mode(0o600))
            .map_err(|e| StoreError::io("open", self.dir.join("lock"), e))?;
        self.wait_for(&fd, kind).map_err(|e| StoreError::io("lock", self.dir.join("lock"), e))?;
        Ok(File::from(fd))
    }

    /// A wait that is long enough to be noticed is told.
    fn wait_for(&self, fd: &OwnedFd, kind: lock::Kind) -> std::io::Result<()> {
        let end = Instant::now() + QUIET;
        let mut pause = Duration::from_millis(1);
        while !lock::try_lock(fd, kind)? {
            if Instant::now() >= end {
                let what = match kind {
                    lock::Kind::Exclusive => "pulls, pushes or makes a container",
                    lock::Kind::Shared => "removes or checks images",
                };
                let store = self.dir.display();
                print::note(&format!("waiting for another bolt that {what} in {store}"));
                return lock::lock(fd, kind);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
        Ok(())
    }

    fn accept(&self, meta: &Meta) -> Result<()> {
        let too_new = |what| Err(StoreError::TooNew { path: self.dir.clone(), what });
        if meta.version != VERSION {
            return too_new(format!("format version {}", meta.version));
        }
        match meta.incompatible.iter().find(|f| !INCOMPATIBLE.contains(&f.as_str())) {
            Some(feature) => too_new(format!("feature {feature:?}")),
            None => Ok(()),
        }
    }

    /// [`Store::open`] with a new `meta.json` in the place of a damaged one, which says nothing
    /// that the rest of the store depends on. True: mended.
    pub fn open_mending(dir: &Path) -> Result<(Store, bool)> {
        match Store::open(dir) {
            Err(StoreError::Damaged { .. }) => {}
            other => return Ok((other?, false)),
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root =
            fs::open(dir, flags, Mode::empty()).map_err(|e| StoreError::io("open", dir, e))?;
        let store = Store { root, dir: dir.to_owned() };
        let lock = store.exclusive_lock()?;
        store.make()?;
        drop(lock);
        Ok((store, true))
    }

    /// Fills an empty store; meta.json comes last, so a half-made store is made again.
    fn make(&self) -> Result<()> {
        for folder in FOLDERS {
            self.make_folder(folder)?;
        }
        let meta = Meta {
            version: VERSION,
            compatible: vec!["tar-record".to_owned()],
            incompatible: Vec::new(),
        };
        self.write_json("", "meta.json", &meta, atomic::Sync::Durable)
    }
}

fn make_dir_all(dir: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|e| StoreError::io("create", dir, e))
}

#[cfg(test)]
mod tests;
