//! `oci:DIRECTORY[:NAME]` as a destination (image-spec image-layout.md).

use super::{Destination, Outgoing, PushError};
use crate::image::hash::HashingWriter;
use crate::image::manifest::{MAX_DOCUMENT, OCI_INDEX};
use crate::image::reference::Reference;
use crate::image::registry::OutgoingBlob;
use crate::image::types::{Descriptor, Digest};
use crate::sys::{atomic, small};
use rustix::fs::{self, AtFlags, Mode, OFlags};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc::Receiver;

/// What marks a directory as a layout.
pub(super) const MARKER: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// A layout in a directory, new or with images already.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    image: Option<String>,
    blobs: OwnedFd,
    dir: OwnedFd,
    /// Whether the directory was not there before.
    made: bool,
}

impl Drop for Folder {
    /// A directory that was made for nothing does not stay: rmdir(2) leaves what holds anything.
    fn drop(&mut self) {
        if self.made {
            let nested = ["blobs/sha256", "blobs", ""].map(|below| self.path.join(below));
            nested.iter().try_for_each(std::fs::remove_dir).unwrap_or_default();
        }
    }
}

impl Folder {
    /// Makes the directory where it is missing. `image` is the name of the image in it.
    ///
    /// Errors: a directory that holds something else than a layout.
    pub fn open(path: &Path, image: Option<String>) -> Result<Self, PushError> {
        let failed = |e: io::Error| PushError::write(path.display().to_string(), e);
        let made = !path.exists();
        std::fs::create_dir_all(path).map_err(failed)?;
        if !path.join("oci-layout").exists() && std::fs::read_dir(path).map_err(failed)?.count() > 0
        {
            let reason = "the directory is not empty and holds no image layout";
            return Err(failed(io::Error::other(reason)));
        }
        std::fs::create_dir_all(path.join("blobs/sha256")).map_err(failed)?;
        let open = |path: PathBuf| {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            fs::open(&path, flags, Mode::empty())
                .map_err(|e| PushError::write(path.display().to_string(), e))
        };
        let (dir, blobs) = (open(path.to_owned())?, open(path.join("blobs/sha256"))?);
        Ok(Folder { path: path.to_owned(), image, blobs, dir, made })
    }

    fn put(&self, outgoing: &OutgoingBlob) -> Result<(), PushError> {
        let name = outgoing.blob.digest.hex();
        let failed =
            |e: io::Error| PushError::write(self.shown(&format!("blobs/sha256/{name}")), e);
        let temp = atomic::temp_name(name);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let fd = fs::openat(&self.blobs, &temp, flags, Mode::from_raw_mode(0o644))
            .map_err(|e| failed(e.into()))?;
        let run = || -> io::Result<()> {
            let file = File::from(fd);
            copy_verified(outgoing, &file)?;
            file.sync_all()?;
            fs::renameat(&self.blobs, &temp, &self.blobs, name)?;
            Ok(())
        };
        run().map_err(|e| {
            let _ = fs::unlinkat(&self.blobs, &temp, AtFlags::empty());
            failed(e)
        })
    }

    fn shown(&self, file: &str) -> String {
        self.path.join(file).display().to_string()
    }

    fn write(&self, dir: &OwnedFd, name: &str, bytes: &[u8]) -> Result<(), PushError> {
        atomic::write(dir, name, bytes, atomic::Sync::Durable)
            .map_err(|e| PushError::write(self.shown(name), e))
    }

    fn index(&self) -> Result<Value, PushError> {
        let failed = |e: io::Error| PushError::write(self.shown("index.json"), e);
        let mut bytes = Vec::new();
        match small::open_regular(self.path.join("index.json")) {
            Ok(file) => file.take(MAX_DOCUMENT).read_to_end(&mut bytes).map_err(failed)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(empty_index()),
            Err(e) => return Err(failed(e)),
        };
        let value: Value = serde_json::from_slice(&bytes).map_err(|e| failed(e.into()))?;
        match value["manifests"].is_array() {
            true => Ok(value),
            false => Err(failed(io::Error::other("it is no image index"))),
        }
    }
}

/// Copies the bytes of a blob; wrong ones are an error.
pub(super) fn copy_verified(outgoing: &OutgoingBlob, to: impl io::Write) -> io::Result<()> {
    let blob = &outgoing.blob;
    let mut hashed = HashingWriter::new(to, &blob.digest);
    io::copy(&mut Section { file: &outgoing.file, at: 0 }, &mut hashed)?;
    let (_, digest, size) = hashed.finish();
    if digest != blob.digest || size != blob.size {
        return Err(io::Error::other(format!("the store's blob has the digest {digest}")));
    }
    Ok(())
}

/// Reads a shared file from its beginning.
struct Section<'a> {
    file: &'a File,
    at: u64,
}

impl Read for Section<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = std::os::unix::fs::FileExt::read_at(self.file, buffer, self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

/// An `index.json` without an image.
pub(super) fn empty_index() -> Value {
    json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []})
}

/// Adds a manifest to an `index.json`, in the place of the one with the same name.
pub(super) fn add_to_index(index: &mut Value, manifest: &Outgoing, image: Option<&str>) {
    const NAME: &str = "org.opencontainers.image.ref.name";
    let mut entry = json!({
        "mediaType": manifest.media_type,
        "digest": manifest.digest,
        "size": manifest.bytes.len(),
    });
    if let Some(image) = image {
        entry["annotations"] = json!({ NAME: image });
    }
    if let Some(entries) = index["manifests"].as_array_mut() {
        entries.retain(|old| match (image, old["annotations"][NAME].as_str()) {
            (Some(new), Some(old)) => new != old,
            (None, None) => old["digest"] != entry["digest"],
            _ => true,
        });
        entries.push(entry);
    }
}

impl Destination for Folder {
    fn name(&self) -> String {
        let name = self.image.as_ref().map(|image| format!(":{image}")).unwrap_or_default();
        format!("oci:{}{name}", self.path.display())
    }

    fn has(&self, blobs: &[&Descriptor]) -> Result<Vec<bool>, PushError> {
        let there = |blob: &&Descriptor| {
            let digest = &blob.digest;
            digest.algorithm() == "sha256"
                && fs::statat(&self.blobs, digest.hex(), AtFlags::SYMLINK_NOFOLLOW).is_ok()
        };
        Ok(blobs.iter().map(there).collect())
    }

    fn mount(&self, _blob: &Digest, _from: &Reference) -> Result<bool, PushError> {
        Ok(false)
    }

    fn take(
        &self,
        mut queue: Receiver<OutgoingBlob>,
        stopped: &AtomicBool,
    ) -> Result<(), PushError> {
        while let Some(outgoing) = queue.blocking_recv() {
            if stopped.load(Ordering::Relaxed) {
                break;
            }
            self.put(&outgoing)?;
        }
        Ok(())
    }

    fn manifest(&self, manifest: &Outgoing) -> Result<(), PushError> {
        self.instance(manifest)?;
        let mut index = self.index()?;
        add_to_index(&mut index, manifest, self.image.as_deref());
        self.write(&self.dir, "oci-layout", MARKER)?;
        self.write(&self.dir, "index.json", index.to_string().as_bytes())
    }

    fn instance(&self, manifest: &Outgoing) -> Result<(), PushError> {
        self.write(&self.blobs, manifest.digest.hex(), &manifest.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;

    #[test]
    fn a_directory_that_was_made_for_nothing_does_not_stay() {
        let scratch = Scratch::new("folder");
        let (new, old) = (scratch.path().join("new"), scratch.path().join("old"));
        std::fs::create_dir(&old).unwrap();
        for path in [&new, &old] {
            drop(Folder::open(path, None).unwrap());
        }
        assert!(!new.exists() && old.exists());
        let folder = Folder::open(&new, None).unwrap();
        folder.write(&folder.dir, "oci-layout", MARKER).unwrap();
        drop(folder);
        assert!(new.join("oci-layout").exists());
    }
}
