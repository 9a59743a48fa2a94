//! `oci-archive:FILE[:NAME]` as a destination: a tar of an image layout, written as the blobs
//! come, named when it is whole.

use super::folder::{MARKER, add_to_index, copy_verified, empty_index};
use super::{Destination, Outgoing, PushError};
use crate::image::reference::Reference;
use crate::image::registry::OutgoingBlob;
use crate::image::types::{Descriptor, Digest};
use crate::sys::atomic;
use rustix::fs::{self, AtFlags, Mode, OFlags};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc::Receiver;

/// Bytes of one tar record.
const BLOCK: u64 = 512;

/// The archive while it is written. Dropped before its manifest came, it leaves nothing.
#[derive(Debug)]
pub struct Tarball {
    path: PathBuf,
    image: Option<String>,
    dir: OwnedFd,
    name: String,
    temp: String,
    file: File,
    written: RefCell<BTreeSet<Digest>>,
}

impl Tarball {
    /// Begins the archive `path`; an old one is replaced at the end.
    pub fn create(path: &Path, image: Option<String>) -> Result<Self, PushError> {
        let failed = |e: io::Error| PushError::write(path.display().to_string(), e);
        let name = path.file_name().and_then(|n| n.to_str()).map(str::to_owned);
        let name = name.ok_or_else(|| failed(io::ErrorKind::InvalidFilename.into()))?;
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = fs::open(parent.unwrap_or(Path::new(".")), flags, Mode::empty())
            .map_err(|e| failed(e.into()))?;
        let temp = atomic::temp_name(&name);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let fd = fs::openat(&dir, &temp, flags, Mode::from_raw_mode(0o644))
            .map_err(|e| failed(e.into()))?;
        let (path, file) = (path.to_owned(), File::from(fd));
        Ok(Tarball { path, image, dir, name, temp, file, written: RefCell::default() })
    }

    fn failed(&self, error: io::Error) -> PushError {
        PushError::write(self.path.display().to_string(), error)
    }

    /// One member: its header, what `content` writes, and the padding.
    fn member(
        &self,
        name: &str,
        size: u64,
        content: impl FnOnce(&File) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_path(name)?;
        header.set_size(size);
        header.set_mode(0o644);
        header.set_entry_type(tar::EntryType::Regular);
        header.set_cksum();
        let mut file = &self.file;
        file.write_all(header.as_bytes())?;
        content(file)?;
        let padding = size.next_multiple_of(BLOCK) - size;
        file.write_all(&vec![0; padding as usize])
    }

    fn small(&self, name: &str, bytes: &[u8]) -> Result<(), PushError> {
        self.member(name, bytes.len() as u64, |mut file| file.write_all(bytes))
            .map_err(|e| self.failed(e))
    }

    fn is_new(&self, digest: &Digest) -> bool {
        self.written.borrow_mut().insert(digest.clone())
    }
}

impl Destination for Tarball {
    fn name(&self) -> String {
        let name = self.image.as_ref().map(|image| format!(":{image}")).unwrap_or_default();
        format!("oci-archive:{}{name}", self.path.display())
    }

    fn has(&self, blobs: &[&Descriptor]) -> Result<Vec<bool>, PushError> {
        let written = self.written.borrow();
        Ok(blobs.iter().map(|blob| written.contains(&blob.digest)).collect())
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
            let blob = &outgoing.blob;
            if self.is_new(&blob.digest) {
                let name = format!("blobs/{}/{}", blob.digest.algorithm(), blob.digest.hex());
                self.member(&name, blob.size, |file| copy_verified(&outgoing, file))
                    .map_err(|e| self.failed(e))?;
            }
        }
        Ok(())
    }

    fn manifest(&self, manifest: &Outgoing) -> Result<(), PushError> {
        self.instance(manifest)?;
        let mut index = empty_index();
        add_to_index(&mut index, manifest, self.image.as_deref());
        self.small("oci-layout", MARKER)?;
        self.small("index.json", index.to_string().as_bytes())?;
        let finish = || -> io::Result<()> {
            (&self.file).write_all(&[0; 2 * BLOCK as usize])?;
            self.file.sync_all()?;
            fs::renameat(&self.dir, &self.temp, &self.dir, &self.name)?;
            Ok(fs::fsync(&self.dir)?)
        };
        finish().map_err(|e| self.failed(e))
    }

    fn instance(&self, manifest: &Outgoing) -> Result<(), PushError> {
        if !self.is_new(&manifest.digest) {
            return Ok(());
        }
        self.small(&format!("blobs/sha256/{}", manifest.digest.hex()), &manifest.bytes)
    }
}

impl Drop for Tarball {
    fn drop(&mut self) {
        // After the rename there is none.
        let _ = fs::unlinkat(&self.dir, &self.temp, AtFlags::empty());
    }
}
