//! A blob while it is downloaded: grows on disk, is read by another thread at once, survives a
//! broken connection.

use super::{Result, StoreError};
use crate::image::types::Digest;
use rustix::fs::{self, AtFlags};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// How far the writer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// More may come.
    Open,
    /// The blob is whole.
    Finished,
    /// The writer gave up.
    Failed,
}

#[derive(Debug)]
struct Progress {
    len: u64,
    end: End,
}

#[derive(Debug)]
struct Shared {
    file: File,
    progress: Mutex<Progress>,
    changed: Condvar,
}

impl Shared {
    /// The numbers stay true even if a thread panicked while it held them.
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, end: End) {
        let mut progress = self.progress();
        if progress.end == End::Open {
            progress.end = end;
        }
        self.changed.notify_all();
    }
}

/// A download under an exclusive lock. Dropped before [`Partial::finish`], its readers fail and
/// its bytes stay on disk for the next attempt.
#[derive(Debug)]
pub struct Partial {
    dir: OwnedFd,
    path: PathBuf,
    digest: Digest,
    shared: Arc<Shared>,
}

/// Reads a [`Partial`] from its first byte and waits for more at its end.
///
/// A read fails with `ErrorKind::ConnectionAborted` when the writer gave up. The lock on the
/// download is shared with it: drop it before somebody else is to take over.
#[derive(Debug)]
pub struct PartialReader {
    shared: Arc<Shared>,
    at: u64,
}

impl Partial {
    pub(super) fn new(dir: OwnedFd, file: File, path: PathBuf, digest: Digest) -> Result<Partial> {
        let len = file.metadata().map_err(|e| StoreError::io("look at", &path, e))?.len();
        let shared = Shared {
            file,
            progress: Mutex::new(Progress { len, end: End::Open }),
            changed: Condvar::new(),
        };
        Ok(Partial { dir, path, digest, shared: Arc::new(shared) })
    }

    /// The blob this is to become.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Bytes here so far: where a Range request goes on.
    pub fn len(&self) -> u64 {
        self.shared.progress().len
    }

    /// Whether nothing is here yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds bytes at the end and wakes the readers.
    ///
    /// On error (ENOSPC) the bytes that did reach the disk are right and stay.
    pub fn append(&self, bytes: &[u8]) -> Result<()> {
        let at = self.len();
        self.shared
            .file
            .write_all_at(bytes, at)
            .map_err(|e| StoreError::io("write", &self.path, e))?;
        self.shared.progress().len = at + bytes.len() as u64;
        self.shared.changed.notify_all();
        Ok(())
    }

    /// Throws all bytes away: the server ignored the Range, or they hashed wrongly. Only before
    /// a reader has started.
    pub fn restart(&self) -> Result<()> {
        self.cut(0)
    }

    /// Throws the bytes behind the first `len` away. Only before a reader has started.
    pub fn cut(&self, len: u64) -> Result<()> {
        self.shared.file.set_len(len).map_err(|e| StoreError::io("truncate", &self.path, e))?;
        self.shared.progress().len = len;
        Ok(())
    }

    /// Begins anew over the bytes that are here: they stay on the disk until they are written over
    /// or [taken](Partial::reuse). Only before a reader has started.
    pub fn rewind(&self) {
        self.shared.progress().len = 0;
    }

    /// Takes the next `count` bytes that lie on the disk from before a [`Partial::rewind`].
    ///
    /// Errors: there are not so many.
    pub fn reuse(&self, count: u64) -> Result<()> {
        let look = |e| StoreError::io("look at", &self.path, e);
        let there = self.shared.file.metadata().map_err(look)?.len();
        let mut progress = self.shared.progress();
        if progress.len + count > there {
            let digest = self.digest.clone();
            return Err(StoreError::WrongSize {
                digest,
                expected: progress.len + count,
                found: there,
            });
        }
        progress.len += count;
        drop(progress);
        self.shared.changed.notify_all();
        Ok(())
    }

    /// Whether what lies on the disk from `at` on, also from before a [`Partial::rewind`], is
    /// something else than `bytes`, or less.
    pub fn differs(&self, at: u64, bytes: &[u8]) -> Result<bool> {
        let mut there = vec![0; bytes.len()];
        match self.shared.file.read_exact_at(&mut there, at) {
            Ok(()) => Ok(there != bytes),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(true),
            Err(e) => Err(StoreError::io("read", &self.path, e)),
        }
    }

    /// The file itself, from its first byte: for a download that is whole.
    pub fn file(&self) -> Result<File> {
        let path = format!("/proc/self/fd/{}", self.shared.file.as_raw_fd());
        // Opened anew: a duplicate would share the offset with every other one.
        File::open(path).map_err(|e| StoreError::io("open", &self.path, e))
    }

    /// A reader that follows the growing file, for another thread.
    pub fn reader(&self) -> PartialReader {
        PartialReader { shared: Arc::clone(&self.shared), at: 0 }
    }

    /// No more bytes come: readers end after the last one.
    ///
    /// Errors: [`StoreError::WrongSize`] when it is not `expected` bytes long; readers fail then.
    /// The digest is the reader's business.
    pub fn finish(&self, expected: u64) -> Result<()> {
        let found = self.len();
        if found != expected {
            self.shared.end(End::Failed);
            return Err(StoreError::WrongSize { digest: self.digest.clone(), expected, found });
        }
        self.shared.end(End::Finished);
        Ok(())
    }

    /// Gives up: readers fail, the bytes stay. Dropping does the same.
    pub fn fail(&self) {
        self.shared.end(End::Failed);
    }

    /// Makes the file the blob. Only for a finished download whose digest was verified.
    pub fn keep(self) -> Result<()> {
        let run = || -> io::Result<()> {
            self.shared.file.sync_all()?;
            fs::renameat(&self.dir, self.part_name(), &self.dir, self.digest.hex())?;
            fs::fsync(&self.dir)?;
            Ok(())
        };
        run().map_err(|e| StoreError::io("keep", &self.path, e))
    }

    /// Removes the file: the layer is unpacked, or the bytes were wrong.
    pub fn remove(self) -> Result<()> {
        fs::unlinkat(&self.dir, self.part_name(), AtFlags::empty())
            .map_err(|e| StoreError::io("remove", &self.path, e))
    }

    fn part_name(&self) -> String {
        format!("{}.part", self.digest.hex())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        self.shared.end(End::Failed);
    }
}

impl PartialReader {
    /// Waits until there is something at `self.at`: how much, 0 for the end.
    fn wait(&self) -> io::Result<u64> {
        let mut progress = self.shared.progress();
        loop {
            if progress.len > self.at {
                return Ok(progress.len - self.at);
            }
            match progress.end {
                End::Finished => return Ok(0),
                End::Failed => {
                    let text = "the download broke off";
                    return Err(io::Error::new(io::ErrorKind::ConnectionAborted, text));
                }
                End::Open => {
                    progress =
                        self.shared.changed.wait(progress).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}

impl Read for PartialReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let ready = self.wait()?;
        let want = usize::try_from(ready).unwrap_or(usize::MAX).min(buffer.len());
        if want == 0 {
            return Ok(0);
        }
        let got = self.shared.file.read_at(&mut buffer[..want], self.at)?;
        if got == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the download was cut short"));
        }
        self.at += got as u64;
        Ok(got)
    }
}
