//! The few ways the store reads and writes its own small files.

use super::{Result, Store, StoreError};
use crate::sys::{atomic, lock};
use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::Errno;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};

/// Largest file of ours that is read into memory.
const MAX_JSON: usize = 16 << 20;

impl Store {
    /// The bytes of `path` below the store; `None` when it is not there.
    pub(super) fn read_file(&self, path: &str) -> Result<Option<Vec<u8>>> {
        // A pipe in its place is not waited for.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let fd = match fs::openat(&self.root, path, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(e) => return Err(self.io("open", path, e)),
        };
        read_small(&File::from(fd)).map(Some).map_err(|e| self.io("read", path, e))
    }

    /// Parses `path`; `None` when it is not there.
    pub(super) fn read_json<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>> {
        self.read_file(path)?.map(|bytes| self.parse(path, &bytes)).transpose()
    }

    /// What the file `path` holds.
    pub(super) fn parse<T: DeserializeOwned>(&self, path: &str, bytes: &[u8]) -> Result<T> {
        serde_json::from_slice(bytes)
            .map_err(|source| StoreError::Damaged { path: self.dir.join(path), source })
    }

    /// Writes `folder/name` in one step.
    pub(super) fn write_json<T: Serialize>(
        &self,
        folder: &str,
        name: &str,
        value: &T,
        sync: atomic::Sync,
    ) -> Result<()> {
        let path = self.dir.join(folder).join(name);
        let bytes = serde_json::to_vec(value)
            .map_err(|source| StoreError::Damaged { path: path.clone(), source })?;
        let dir = self.folder(folder)?;
        atomic::write(&dir, name, &bytes, sync).map_err(|e| StoreError::io("write", path, e))
    }

    /// A new file in the store's file system that has no name, and ends with its last user.
    pub fn unnamed_file(&self) -> Result<File> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o600);
        match fs::openat(&self.root, "blobs", flags | OFlags::TMPFILE, mode) {
            Ok(fd) => return Ok(File::from(fd)),
            // Not every file system knows these.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {}
            Err(e) => return Err(self.io("create a file in", "blobs", e)),
        }
        let path = format!("images/{}", atomic::temp_name("unnamed"));
        let fd = fs::openat(&self.root, &path, flags | OFlags::CREATE | OFlags::EXCL, mode)
            .map_err(|e| self.io("create", &path, e))?;
        self.unlink(&path)?;
        Ok(File::from(fd))
    }

    /// A descriptor of a folder of the store, good for fsync and reading.
    pub(super) fn folder(&self, folder: &str) -> Result<OwnedFd> {
        let path = if folder.is_empty() { "." } else { folder };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        fs::openat(&self.root, path, flags, Mode::empty()).map_err(|e| self.io("open", folder, e))
    }

    /// Makes one folder when it is absent.
    pub(super) fn make_folder(&self, folder: &str) -> Result<()> {
        match fs::mkdirat(&self.root, folder, Mode::from_raw_mode(0o700)) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(e) => Err(self.io("create", folder, e)),
        }
    }

    /// Names in a folder, sorted; empty when it is absent.
    pub(super) fn list(&self, folder: &str) -> Result<Vec<String>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let fd = match fs::openat(&self.root, folder, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(Vec::new()),
            Err(e) => return Err(self.io("open", folder, e)),
        };
        let mut names = Vec::new();
        for entry in fs::Dir::new(fd).map_err(|e| self.io("read", folder, e))? {
            let entry = entry.map_err(|e| self.io("read", folder, e))?;
            // All names of ours are ASCII; anything else is not ours and left alone.
            if let Ok(name) = entry.file_name().to_str()
                && name != "."
                && name != ".."
            {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Whether `path` is there, no link followed.
    pub(super) fn exists(&self, path: &str) -> Result<bool> {
        Ok(self.size_of(path)?.is_some())
    }

    /// `st_size` of `path`, no link followed; `None` when it is not there.
    pub(super) fn size_of(&self, path: &str) -> Result<Option<u64>> {
        match fs::statat(&self.root, path, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat.st_size as u64)),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(self.io("look at", path, e)),
        }
    }

    /// Removes a file; `false` when it was not there.
    pub(super) fn unlink(&self, path: &str) -> Result<bool> {
        match fs::unlinkat(&self.root, path, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(e) => Err(self.io("remove", path, e)),
        }
    }

    /// An error about `path` below the store.
    pub(super) fn io(
        &self,
        doing: &'static str,
        path: &str,
        source: impl Into<std::io::Error>,
    ) -> StoreError {
        StoreError::io(doing, self.dir.join(path), source)
    }
}

/// Whether a name is a temporary file of `sys::atomic`. No name of ours starts with a dot.
pub(super) fn is_temporary(name: &str) -> bool {
    name.starts_with('.')
}

/// Whether a name in `images/` is a record.
pub(super) fn is_record(name: &str) -> bool {
    name.ends_with(".json") && !is_temporary(name)
}

/// Reads a regular file to its end. A short read is the end: most files cost one read(2).
fn read_small(mut file: &File) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; 4096];
    let mut have = 0;
    loop {
        match file.read(&mut bytes[have..]) {
            Ok(got) if have + got < bytes.len() => {
                bytes.truncate(have + got);
                return Ok(bytes);
            }
            Ok(got) => have += got,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        }
        if bytes.len() >= MAX_JSON {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        bytes.resize(bytes.len() * 4, 0);
    }
}

/// Opens or makes `name` in `dir` and waits for its exclusive lock.
///
/// The holder may rename or remove the file before it lets go: then the lock is on a file that
/// has no name any more, and the wait starts again on the new one.
pub(super) fn lock_named(dir: impl AsFd, name: &str) -> std::io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    loop {
        let fd = fs::openat(dir.as_fd(), name, flags, Mode::from_raw_mode(0o600))?;
        lock::lock(&fd, lock::Kind::Exclusive)?;
        let ours = fs::fstat(&fd)?;
        match fs::statat(dir.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(named) if (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino) => {
                return Ok(File::from(fd));
            }
            Ok(_) | Err(Errno::NOENT) => {}
            Err(e) => return Err(e.into()),
        }
    }
}
