//! Content-addressed blobs.

use super::files::lock_named;
use super::{Partial, Result, Store, StoreError};
use crate::image::types::Digest;
use crate::sys::atomic::{self, Sync};
use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

impl Store {
    /// Whether the whole blob is here.
    pub fn has_blob(&self, digest: &Digest) -> Result<bool> {
        self.exists(&blob_path(digest))
    }

    /// Opens a blob for reading; `None` when it is not here. Its bytes are not verified.
    pub fn open_blob(&self, digest: &Digest) -> Result<Option<File>> {
        let path = blob_path(digest);
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        match fs::openat(&self.root, &path, flags, Mode::empty()) {
            Ok(fd) => Ok(Some(File::from(fd))),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(self.io("open", &path, e)),
        }
    }

    /// A whole blob of at most `max` bytes, verified; `None` when it is not here.
    ///
    /// Errors: [`StoreError::TooLarge`], [`StoreError::WrongDigest`].
    pub fn read_blob(&self, digest: &Digest, max: u64) -> Result<Option<Vec<u8>>> {
        let Some(file) = self.open_blob(digest)? else { return Ok(None) };
        let path = blob_path(digest);
        let size = file.metadata().map_err(|e| self.io("look at", &path, e))?.len();
        if size > max {
            return Err(StoreError::TooLarge { digest: digest.clone(), size, max });
        }
        let mut bytes = Vec::with_capacity(size as usize);
        file.take(max).read_to_end(&mut bytes).map_err(|e| self.io("read", &path, e))?;
        verify(digest, &bytes)?;
        Ok(Some(bytes))
    }

    /// Keeps a small blob: manifests and configs. Nothing is written when it is here already.
    ///
    /// Errors: [`StoreError::WrongDigest`].
    pub fn put_blob(&self, digest: &Digest, bytes: &[u8]) -> Result<()> {
        verify(digest, bytes)?;
        if self.size_of(&blob_path(digest))? == Some(bytes.len() as u64) {
            return Ok(());
        }
        let folder = self.blob_folder(digest)?;
        let dir = self.folder(&folder)?;
        atomic::write(&dir, digest.hex(), bytes, Sync::Durable)
            .map_err(|e| self.io("write", &blob_path(digest), e))
    }

    /// Removes a blob; `false` when it was not here.
    pub fn remove_blob(&self, digest: &Digest) -> Result<bool> {
        self.unlink(&blob_path(digest))
    }

    /// Opens the download of a blob, new or broken off, and waits for its exclusive lock.
    ///
    /// Who waited may find that the other one finished: look again for the blob or the layer.
    pub fn partial(&self, digest: &Digest) -> Result<Partial> {
        let folder = self.blob_folder(digest)?;
        let dir = self.folder(&folder)?;
        let name = format!("{}.part", digest.hex());
        let path = self.dir.join(&folder).join(&name);
        let file = lock_named(&dir, &name).map_err(|e| StoreError::io("lock", &path, e))?;
        Partial::new(dir, file, path, digest.clone())
    }

    /// Removes a download that was broken off; `false` when there is none. Under the exclusive lock
    /// of the store: who downloads holds the shared one.
    pub(super) fn drop_partial(&self, digest: &Digest) -> Result<bool> {
        self.unlink(&format!("{}.part", blob_path(digest)))
    }

    /// Blobs on disk as (digest, bytes, is a partial download).
    pub(super) fn blobs_on_disk(&self) -> Result<Vec<(Digest, u64, bool)>> {
        let mut found = Vec::new();
        for algorithm in ["sha256", "sha512"] {
            for shard in self.list(&format!("blobs/{algorithm}"))? {
                let folder = format!("blobs/{algorithm}/{shard}");
                for name in self.list(&folder)? {
                    let hex = name.strip_suffix(".part").unwrap_or(&name);
                    let Ok(digest) = format!("{algorithm}:{hex}").parse() else { continue };
                    let size = self.size_of(&format!("{folder}/{name}"))?.unwrap_or(0);
                    found.push((digest, size, hex.len() != name.len()));
                }
            }
        }
        Ok(found)
    }

    fn blob_folder(&self, digest: &Digest) -> Result<String> {
        let folder = format!("blobs/{}/{}", digest.algorithm(), &digest.hex()[..2]);
        self.make_folder(&folder)?;
        Ok(folder)
    }

    /// Where a blob lies or would lie.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.dir.join(blob_path(digest))
    }
}

/// The blob's path below the store.
pub(super) fn blob_path(digest: &Digest) -> String {
    format!("blobs/{}/{}/{}", digest.algorithm(), &digest.hex()[..2], digest.hex())
}

fn verify(digest: &Digest, bytes: &[u8]) -> Result<()> {
    let found = digest.rehash(bytes).map_err(|e| StoreError::io("hash", digest.as_str(), e))?;
    if &found == digest {
        Ok(())
    } else {
        Err(StoreError::WrongDigest { digest: digest.clone(), found })
    }
}
