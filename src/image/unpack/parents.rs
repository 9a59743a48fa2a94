//! From a clean path to the descriptor of its directory, made where it is absent.
//!
//! A parent that is a symbolic link is followed, inside the layer's root only; whatever else is in
//! the way is an error.

use super::entry::Entry;
use super::error::UnpackError;
use super::tree::{Later, Tree, c_string, is_whiteout, set_opaque, stat};
use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::rc::Rc;

/// Mode of directories that the tar has no entry for.
const DEFAULT_DIR: u32 = 0o755;

impl Tree<'_> {
    /// The directory `path`, made with its parents where it is absent.
    pub(super) fn parent(
        &mut self,
        entry: &Entry,
        path: &[u8],
    ) -> Result<Rc<OwnedFd>, UnpackError> {
        if let Some((cached, fd)) = &self.cached
            && cached == path
        {
            return Ok(Rc::clone(fd));
        }
        let fd = match self.open_path(path) {
            Ok(fd) => fd,
            Err(Errno::NOENT | Errno::NOTDIR) => self.make_parents(entry, path)?,
            Err(e) => return Err(entry.io("open the directory of", e)),
        };
        let fd = Rc::new(fd);
        self.cached = Some((path.to_vec(), Rc::clone(&fd)));
        Ok(fd)
    }

    /// Walks down `path` and makes what is absent, owned by root with mode 0755.
    fn make_parents(&mut self, entry: &Entry, path: &[u8]) -> Result<OwnedFd, UnpackError> {
        let mut at = self.open_path(b"").map_err(|e| entry.io("open the directory of", e))?;
        let mut done = 0;
        for part in path.split(|b| *b == b'/') {
            done += part.len() + usize::from(done > 0);
            let here = &path[..done];
            let name = c_string(part);
            let made = match fs::mkdirat(&at, &name, Mode::from_raw_mode(DEFAULT_DIR)) {
                Ok(()) => true,
                Err(Errno::EXIST) => self.clear_whiteout(entry, here, &at, &name)?,
                Err(e) => return Err(entry.io("create the directory of", e)),
            };
            if made {
                self.own_implied(&at, &name).map_err(|e| entry.io("set the owner above", e))?;
                self.implied += 1;
                if self.implied + self.stats.entries > self.limits.entries {
                    let (entry, max) = (entry.number, self.limits.entries);
                    return Err(UnpackError::Limit { entry, max, what: "entries" });
                }
                let mode = (DEFAULT_DIR & self.umask != 0).then_some(DEFAULT_DIR);
                if mode.is_some() {
                    self.remember(entry, here, Later { mode, mtime: None })?;
                }
            }
            // From the root, not from `at`: a link leads to where the whole path means.
            at = self.open_path(here).map_err(|e| match e {
                Errno::NOTDIR | Errno::NOENT | Errno::LOOP => {
                    let here = String::from_utf8_lossy(here).into_owned();
                    entry.refused(format!("{here:?} above it is no directory of this layer"))
                }
                e => entry.io("open the directory of", e),
            })?;
        }
        Ok(at)
    }

    /// Gives a directory without an entry to the image's root.
    fn own_implied(&self, dir: &OwnedFd, name: &CString) -> Result<(), Errno> {
        match self.owners.map(0, 0) {
            None | Some((0, 0)) => Ok(()),
            Some((uid, gid)) => {
                let (uid, gid) = (fs::Uid::from_raw(uid), fs::Gid::from_raw(gid));
                fs::chownat(dir, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
            }
        }
    }

    /// A whiteout that an earlier entry made gives way to an opaque directory. Returns whether
    /// there was one.
    fn clear_whiteout(
        &mut self,
        entry: &Entry,
        path: &[u8],
        dir: &OwnedFd,
        name: &CString,
    ) -> Result<bool, UnpackError> {
        let failed = |e: Errno| entry.io("create the directory of", e);
        let found = stat(dir, name).map_err(failed)?;
        if !is_whiteout(&found) {
            return Ok(false);
        }
        self.remove(entry, path, dir, name, &found)?;
        fs::mkdirat(dir, name, Mode::from_raw_mode(DEFAULT_DIR)).map_err(failed)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = fs::openat(dir, name, flags, Mode::empty()).map_err(failed)?;
        set_opaque(&fd).map_err(failed)?;
        Ok(true)
    }
}
