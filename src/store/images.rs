//! Image records and the names that point to them.

use super::files::{is_record, is_temporary};
use super::names::encode;
use super::{Result, Store, StoreError};
use crate::image::types::{Digest, ImageRecord};
use crate::sys::atomic::Sync;
use rustix::fs::{AtFlags, Timespec, Timestamps};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// `refs/<encoded name>`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RefFile {
    pub(super) version: u32,
    /// The full name: the file's own name may be a hash of it.
    pub(super) name: String,
    pub(super) manifest: Digest,
}

/// The part of a record that lookups by id need.
#[derive(Deserialize)]
struct Ids {
    id: Digest,
    manifest: Digest,
    #[serde(default)]
    index: Option<Digest>,
}

/// Seconds within which a second use of an image is not noted anew.
const USE_GRAIN: i64 = 3600;

/// An image with its names, sorted.
#[derive(Debug, Clone)]
pub struct ListedImage {
    /// The record.
    pub record: ImageRecord,
    /// Full names; none for a dangling image.
    pub names: Vec<String>,
}

pub(super) fn image_file(manifest: &Digest) -> String {
    format!("{}.json", manifest.hex())
}

impl Store {
    /// The image a full name points to. Two small files are read.
    pub fn find_ref(&self, full_name: &str) -> Result<Option<ImageRecord>> {
        match self.read_json::<RefFile>(&format!("refs/{}", encode(full_name)))? {
            Some(found) => self.image(&found.manifest),
            None => Ok(None),
        }
    }

    /// The image with this manifest digest.
    pub fn image(&self, manifest: &Digest) -> Result<Option<ImageRecord>> {
        self.read_json(&format!("images/{}", image_file(manifest)))
    }

    /// The image whose id, manifest or index digest starts with `prefix` (hex digits, `sha256:`
    /// before them or not).
    ///
    /// Errors: [`StoreError::Ambiguous`] when it fits images of different ids.
    pub fn find_id(&self, prefix: &str) -> Result<Option<ImageRecord>> {
        let digits = prefix.strip_prefix("sha256:").unwrap_or(prefix);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let mut fits: BTreeMap<Digest, (String, Vec<u8>)> = BTreeMap::new();
        for file in self.list("images")?.into_iter().filter(|f| is_record(f)) {
            let path = format!("images/{file}");
            let Ok(Some(bytes)) = self.read_file(&path) else { continue };
            let Ok(ids) = serde_json::from_slice::<Ids>(&bytes) else { continue };
            let named = [Some(&ids.id), Some(&ids.manifest), ids.index.as_ref()];
            if named.into_iter().flatten().any(|d| d.hex().starts_with(digits)) {
                fits.entry(ids.id).or_insert((path, bytes));
            }
        }
        if fits.len() > 1 {
            let fits = fits.keys().take(5).map(|d| d.hex()[..12].to_owned()).collect();
            return Err(StoreError::Ambiguous { prefix: prefix.to_owned(), fits });
        }
        let Some((path, bytes)) = fits.into_values().next() else { return Ok(None) };
        self.parse(&path, &bytes).map(Some)
    }

    /// Full names of an image, sorted.
    pub fn names_of(&self, manifest: &Digest) -> Result<Vec<String>> {
        Ok(self.names()?.remove(manifest).unwrap_or_default())
    }

    /// All images with their names, by manifest digest. Damaged records are left to `check`.
    pub fn images(&self) -> Result<Vec<ListedImage>> {
        let mut names = self.names()?;
        let mut images = Vec::new();
        for record in self.records()? {
            let names = names.remove(&record.manifest).unwrap_or_default();
            images.push(ListedImage { record, names });
        }
        Ok(images)
    }

    /// Writes an image record, after everything it names has reached the disk.
    ///
    /// Its fresh layers, in every layout, become permanent first (see [`Store::settle`]).
    pub fn put_image(&self, record: &ImageRecord) -> Result<()> {
        let chains: Vec<Digest> = record.layers.iter().map(|l| l.chain_id.clone()).collect();
        for layout in self.layouts()? {
            self.settle(layout, &chains)?;
        }
        self.write_json("images", &image_file(&record.manifest), record, Sync::Durable)
    }

    /// Notes that a container is made from an image, at most once in [`USE_GRAIN`]. What cannot
    /// be noted is let be: it only makes the image look older than it is.
    pub fn note_use(&self, manifest: &Digest) {
        let path = format!("images/{}", image_file(manifest));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64);
        if now - self.last_use(manifest) < USE_GRAIN {
            return;
        }
        let now = Timespec { tv_sec: now, tv_nsec: 0 };
        let times = Timestamps { last_access: now, last_modification: now };
        let _ = rustix::fs::utimensat(&self.root, path, &times, AtFlags::SYMLINK_NOFOLLOW);
    }

    /// When a container was last made from an image, or when it was pulled: seconds since 1970,
    /// 0 where that is not known.
    pub fn last_use(&self, manifest: &Digest) -> i64 {
        let path = format!("images/{}", image_file(manifest));
        let stat = rustix::fs::statat(&self.root, path, AtFlags::SYMLINK_NOFOLLOW);
        stat.map_or(0, |stat| stat.st_mtime)
    }

    /// Lets `full_name` point to an image, away from any other.
    ///
    /// Errors: [`StoreError::NoSuchImage`].
    pub fn tag(&self, full_name: &str, manifest: &Digest) -> Result<()> {
        if !self.exists(&format!("images/{}", image_file(manifest)))? {
            return Err(StoreError::NoSuchImage { manifest: manifest.clone() });
        }
        let entry = RefFile { version: 1, name: full_name.to_owned(), manifest: manifest.clone() };
        self.write_json("refs", &encode(full_name), &entry, Sync::Durable)
    }

    /// Takes a name away; `false` when it was none.
    pub fn untag(&self, full_name: &str) -> Result<bool> {
        self.unlink(&format!("refs/{}", encode(full_name)))
    }

    /// Takes away an image's names and its record. Layers and blobs go with `remove_unused`.
    pub fn remove_image(&self, manifest: &Digest) -> Result<bool> {
        for name in self.names_of(manifest)? {
            self.untag(&name)?;
        }
        self.unlink(&format!("images/{}", image_file(manifest)))
    }

    /// All readable records.
    pub(super) fn records(&self) -> Result<Vec<ImageRecord>> {
        let mut records = Vec::new();
        for file in self.list("images")?.into_iter().filter(|f| is_record(f)) {
            match self.read_json(&format!("images/{file}")) {
                Ok(Some(record)) => records.push(record),
                Ok(None) => {}
                Err(StoreError::Damaged { path, source }) => {
                    tracing::warn!("{} is damaged: {source}", path.display());
                }
                Err(e) => return Err(e),
            }
        }
        Ok(records)
    }

    fn names(&self) -> Result<BTreeMap<Digest, Vec<String>>> {
        let mut names: BTreeMap<Digest, Vec<String>> = BTreeMap::new();
        for file in self.list("refs")?.into_iter().filter(|f| !is_temporary(f)) {
            if let Ok(Some(entry)) = self.read_json::<RefFile>(&format!("refs/{file}")) {
                names.entry(entry.manifest).or_default().push(entry.name);
            }
        }
        names.values_mut().for_each(|n| n.sort_unstable());
        Ok(names)
    }
}
