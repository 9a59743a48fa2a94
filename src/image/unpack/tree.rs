//! The only place that creates something in a layer's directory.
//!
//! `parents` resolves; everything here works on (parent descriptor, last component).

use super::Stats;
use super::entry::{Entry, Kind};
use super::error::UnpackError;
use super::limits::Limits;
use super::meta::{self, Finisher, OPAQUE_XATTR};
use super::names::{Whiteout, split};
use super::owners::Owners;
use crate::sys::{beneath, tree};
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, Stat, XattrFlags};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::Rc;

/// What is set on a directory when all its children are there.
#[derive(Debug, Default)]
pub(super) struct Later {
    /// `None`: it was created with the right one.
    pub(super) mode: Option<u32>,
    pub(super) mtime: Option<(i64, u32)>,
}

/// The directory being filled.
pub(super) struct Tree<'a> {
    root: BorrowedFd<'a>,
    pub(super) owners: &'a Owners,
    pub(super) limits: &'a Limits,
    /// Bits that creation takes away.
    pub(super) umask: u32,
    /// The parent of the last entry: tars list a directory's files in a row.
    pub(super) cached: Option<(Vec<u8>, Rc<OwnedFd>)>,
    later: BTreeMap<Vec<u8>, Later>,
    /// Bytes of the paths in `later`.
    remembered: usize,
    /// Directories made without an entry.
    pub(super) implied: u64,
    pub(super) stats: Stats,
    /// An entry took the place of an earlier one.
    pub(super) replaced: bool,
}

impl<'a> Tree<'a> {
    pub(super) fn new(root: BorrowedFd<'a>, owners: &'a Owners, limits: &'a Limits) -> Self {
        Tree {
            root,
            owners,
            limits,
            umask: umask(),
            cached: None,
            later: BTreeMap::new(),
            remembered: 0,
            implied: 0,
            stats: Stats::default(),
            replaced: false,
        }
    }

    /// Gives the layer's root to the image's root, unless it is already; an entry may change it.
    pub(super) fn own_root(&self) -> Result<(), UnpackError> {
        let Some((uid, gid)) = self.owners.map(0, 0).filter(|ids| *ids != (0, 0)) else {
            return Ok(());
        };
        fs::fchown(self.root, Some(fs::Uid::from_raw(uid)), Some(fs::Gid::from_raw(gid))).map_err(
            |source| UnpackError::Write {
                entry: 0,
                path: "/".to_owned(),
                doing: "set the owner of",
                source: source.into(),
            },
        )
    }

    /// What files are completed with.
    pub(super) fn finisher(&self) -> Finisher<'a> {
        Finisher { owners: self.owners, umask: self.umask }
    }

    /// Creates an empty file in the place of whatever is there.
    pub(super) fn create_file(&mut self, entry: &Entry, path: &[u8]) -> Result<File, UnpackError> {
        let (parent, name) = self.place(entry, path)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(self.finisher().first_mode(entry));
        let fd =
            self.instead(entry, path, &parent, &name, || fs::openat(&*parent, &name, flags, mode))?;
        Ok(File::from(fd))
    }

    /// A directory: made, or given the entry's owner and mode when it is there.
    pub(super) fn directory(&mut self, entry: &Entry, path: &[u8]) -> Result<(), UnpackError> {
        let fd = if path.is_empty() {
            self.open_dir(b"").map_err(|e| entry.io("open", e))?
        } else {
            self.make_dir(entry, path)?
        };
        if path.is_empty() && self.owners.map(entry.uid, entry.gid) == Some((0, 0)) {
            // The root was made by somebody else: its group may be inherited.
            fs::fchown(&fd, Some(fs::Uid::ROOT), Some(fs::Gid::ROOT))
                .map_err(|e| entry.io("set the owner of", e))?;
        }
        meta::apply_owner(fd.as_fd(), entry, self.owners, &mut self.stats)?;
        meta::apply_xattrs(fd.as_fd(), entry, &mut self.stats)?;
        let later = Later { mode: Some(entry.mode), mtime: Some(entry.mtime) };
        self.remember(entry, path, later)
    }

    /// Makes or finds the directory of an entry and opens it.
    fn make_dir(&mut self, entry: &Entry, path: &[u8]) -> Result<OwnedFd, UnpackError> {
        let (parent, name) = self.place(entry, path)?;
        let mode = Mode::from_raw_mode(entry.mode & 0o777 | 0o700);
        let mut opaque = false;
        match fs::mkdirat(&*parent, &name, mode) {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                let found = stat(&parent, &name).map_err(|e| entry.io("look at", e))?;
                if file_type(&found) != FileType::Directory {
                    opaque = is_whiteout(&found);
                    self.remove(entry, path, &parent, &name, &found)?;
                    fs::mkdirat(&*parent, &name, mode).map_err(|e| entry.io("create", e))?;
                }
            }
            Err(e) => return Err(entry.io("create", e)),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd =
            fs::openat(&*parent, &name, flags, Mode::empty()).map_err(|e| entry.io("open", e))?;
        if opaque {
            set_opaque(&fd).map_err(|e| entry.io("hide the layers below", e))?;
        }
        Ok(fd)
    }

    /// A symbolic link. Its target is text, never looked at.
    pub(super) fn symlink(&mut self, entry: &Entry, path: &[u8]) -> Result<(), UnpackError> {
        let target = CString::new(entry.link.as_slice())
            .map_err(|_| entry.refused("its link target has a NUL byte"))?;
        if target.is_empty() || entry.link.len() >= self.limits.path {
            return Err(entry.refused("its link target is empty or too long"));
        }
        let (parent, name) = self.place(entry, path)?;
        self.instead(entry, path, &parent, &name, || fs::symlinkat(&target, &*parent, &name))?;
        let own = self.owners;
        meta::apply_owner_at(parent.as_fd(), &name, entry, own, &mut self.stats)?;
        self.stats.xattrs_dropped += entry.xattrs.len() as u64;
        self.set_times_at(entry, &parent, &name)
    }

    /// A hard link to something that is in this layer already. A symbolic link is not followed:
    /// the link itself gets a second name. Owner, mode and times are its target's.
    pub(super) fn hard_link(
        &mut self,
        entry: &Entry,
        path: &[u8],
        target: &[u8],
    ) -> Result<(), UnpackError> {
        let (target_dir, target_name) = split(target);
        let no_target = |e: Errno| match e {
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP => {
                let target = String::from_utf8_lossy(target).into_owned();
                entry.refused(format!("its link target {target:?} is not in the layer"))
            }
            e => entry.io("look at the link target of", e),
        };
        if target_name.is_empty() {
            return Err(entry.refused("its link target is a directory"));
        }
        let from = self.open_path(target_dir).map_err(no_target)?;
        let from_name = c_string(target_name);
        let found = stat(&from, &from_name).map_err(no_target)?;
        if file_type(&found) == FileType::Directory || is_whiteout(&found) {
            return Err(entry.refused("its link target is a directory or a whiteout"));
        }
        let (parent, name) = self.place(entry, path)?;
        if let Ok(there) = stat(&parent, &name)
            && (there.st_dev, there.st_ino) == (found.st_dev, found.st_ino)
        {
            return Ok(());
        }
        self.instead(entry, path, &parent, &name, || {
            fs::linkat(&from, &from_name, &*parent, &name, AtFlags::empty())
        })
    }

    /// A pipe, or a device where those can be made. A 0:0 character device never: it would be a
    /// whiteout that no reader of the layer sees.
    pub(super) fn node(&mut self, entry: &Entry, path: &[u8]) -> Result<(), UnpackError> {
        let (kind, device) = match entry.kind {
            Kind::Fifo => (FileType::Fifo, 0),
            Kind::Char | Kind::Block => {
                if !self.owners.can_mknod || (entry.kind, entry.device) == (Kind::Char, (0, 0)) {
                    self.stats.devices_skipped += 1;
                    return Ok(());
                }
                let number = |n: u64| u32::try_from(n).map_err(|_| entry.refused("no such device"));
                let device = fs::makedev(number(entry.device.0)?, number(entry.device.1)?);
                let char = entry.kind == Kind::Char;
                (if char { FileType::CharacterDevice } else { FileType::BlockDevice }, device)
            }
            _ => return Ok(()),
        };
        let (parent, name) = self.place(entry, path)?;
        let mode = Mode::from_raw_mode(entry.mode & 0o777);
        self.instead(entry, path, &parent, &name, || {
            fs::mknodat(&*parent, &name, kind, mode, device)
        })?;
        let own = self.owners;
        meta::apply_owner_at(parent.as_fd(), &name, entry, own, &mut self.stats)?;
        if entry.mode & (0o7000 | self.umask) != 0 {
            // Nobody else writes into this directory: the name is still what was made above.
            fs::chmodat(&*parent, &name, Mode::from_raw_mode(entry.mode), AtFlags::empty())
                .map_err(|e| entry.io("set the mode of", e))?;
        }
        self.stats.xattrs_dropped += entry.xattrs.len() as u64;
        self.set_times_at(entry, &parent, &name)
    }

    /// Hides something of the layers below. What this layer itself has stays visible.
    pub(super) fn whiteout(
        &mut self,
        entry: &Entry,
        path: &[u8],
        whiteout: Whiteout<'_>,
    ) -> Result<(), UnpackError> {
        let hide = "hide what the layers below have at";
        let (parent, _) = split(path);
        let target = match whiteout {
            Whiteout::Ignored => return Ok(()),
            Whiteout::Opaque => {
                let dir = self.parent(entry, parent)?;
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let dir =
                    fs::openat(&*dir, ".", flags, Mode::empty()).map_err(|e| entry.io(hide, e))?;
                self.stats.opaque_root |= parent.is_empty();
                return set_opaque(&dir).map_err(|e| entry.io(hide, e));
            }
            Whiteout::Name(name) => name,
        };
        let dir = self.parent(entry, parent)?;
        let name = c_string(target);
        match fs::mknodat(&*dir, &name, FileType::CharacterDevice, Mode::empty(), 0) {
            Ok(()) => Ok(()),
            Err(Errno::EXIST) => {
                let found = stat(&dir, &name).map_err(|e| entry.io(hide, e))?;
                if file_type(&found) != FileType::Directory {
                    return Ok(());
                }
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
                let fd = fs::openat(&*dir, &name, flags | OFlags::CLOEXEC, Mode::empty())
                    .map_err(|e| entry.io(hide, e))?;
                set_opaque(&fd).map_err(|e| entry.io(hide, e))
            }
            Err(e) => Err(entry.io(hide, e)),
        }
    }

    /// Sets modes and times of directories, the deepest first.
    pub(super) fn finish(&mut self) -> Result<(), UnpackError> {
        for (path, later) in std::mem::take(&mut self.later).into_iter().rev() {
            let failed = |doing: &'static str| {
                let path = String::from_utf8_lossy(&path).into_owned();
                let entry = self.stats.entries;
                move |source: Errno| UnpackError::Write {
                    entry,
                    path,
                    doing,
                    source: source.into(),
                }
            };
            let dir = match self.open_dir(&path) {
                Ok(dir) => dir,
                // A later entry took its place.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => continue,
                Err(e) => return Err(failed("open")(e)),
            };
            if let Some(mode) = later.mode {
                fs::fchmod(&dir, Mode::from_raw_mode(mode)).map_err(failed("set the mode of"))?;
            }
            if let Some(mtime) = later.mtime {
                fs::futimens(&dir, &meta::times(mtime)).map_err(failed("set the time of"))?;
            }
        }
        Ok(())
    }

    /// Parent and last component of a path that is not the root.
    fn place(&mut self, entry: &Entry, path: &[u8]) -> Result<(Rc<OwnedFd>, CString), UnpackError> {
        let (parent, name) = split(path);
        if name.is_empty() {
            return Err(entry.refused("the layer's root can only be a directory"));
        }
        Ok((self.parent(entry, parent)?, c_string(name)))
    }

    /// Runs `create`; when the name is taken, removes what has it and runs it again.
    fn instead<T>(
        &mut self,
        entry: &Entry,
        path: &[u8],
        parent: &OwnedFd,
        name: &CString,
        create: impl Fn() -> Result<T, Errno>,
    ) -> Result<T, UnpackError> {
        match create() {
            Ok(made) => Ok(made),
            Err(Errno::EXIST) => {
                let found = stat(parent, name).map_err(|e| entry.io("look at", e))?;
                self.remove(entry, path, parent, name, &found)?;
                create().map_err(|e| entry.io("create", e))
            }
            Err(e) => Err(entry.io("create", e)),
        }
    }

    /// Removes what an earlier entry made; directories with everything in them.
    pub(super) fn remove(
        &mut self,
        entry: &Entry,
        path: &[u8],
        parent: &OwnedFd,
        name: &CString,
        found: &Stat,
    ) -> Result<(), UnpackError> {
        self.cached = None;
        self.replaced |= !is_whiteout(found);
        if file_type(found) != FileType::Directory {
            return fs::unlinkat(parent, name, AtFlags::empty())
                .map_err(|e| entry.io("replace", e));
        }
        tree::remove_tree_c(parent, name).map_err(|e| entry.io("replace", e))?;
        self.forget(path);
        Ok(())
    }

    pub(super) fn remember(
        &mut self,
        entry: &Entry,
        path: &[u8],
        later: Later,
    ) -> Result<(), UnpackError> {
        if self.later.insert(path.to_vec(), later).is_none() {
            self.remembered += path.len() + std::mem::size_of::<(Vec<u8>, Later)>();
        }
        if self.remembered > self.limits.remembered {
            let max = self.limits.remembered as u64;
            let what = "bytes of directory names";
            return Err(UnpackError::Limit { entry: entry.number, max, what });
        }
        Ok(())
    }

    /// Drops what was to be done later at and below `path`.
    fn forget(&mut self, path: &[u8]) {
        self.later.remove(path);
        let below = [path, b"/"].concat();
        let gone: Vec<Vec<u8>> = self
            .later
            .range(below.clone()..)
            .take_while(|(p, _)| p.starts_with(&below))
            .map(|(p, _)| p.clone())
            .collect();
        for path in gone {
            self.later.remove(&path);
        }
    }

    /// Opens a directory for passing through, links resolved inside the layer.
    pub(super) fn open_path(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        self.open(path, OFlags::PATH | OFlags::DIRECTORY)
    }

    /// Opens a directory itself, for fsetxattr and fchmod.
    pub(super) fn open_dir(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        self.open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW)
    }

    fn open(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let path = Path::new(OsStr::from_bytes(path));
        beneath::open_in_root(self.root, path, flags, Mode::empty())
            .map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))
    }

    fn set_times_at(
        &self,
        entry: &Entry,
        parent: &OwnedFd,
        name: &CString,
    ) -> Result<(), UnpackError> {
        fs::utimensat(parent, name, &meta::times(entry.mtime), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|e| entry.io("set the time of", e))
    }
}

pub(super) fn stat(dir: &OwnedFd, name: &CString) -> Result<Stat, Errno> {
    fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
}

fn file_type(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

pub(super) fn is_whiteout(stat: &Stat) -> bool {
    file_type(stat) == FileType::CharacterDevice && stat.st_rdev == 0
}

pub(super) fn set_opaque(dir: &OwnedFd) -> Result<(), Errno> {
    fs::fsetxattr(dir, OPAQUE_XATTR, b"y", XattrFlags::empty())
}

/// Clean paths have no NUL: the fallback is never used, and names nothing that exists.
pub(super) fn c_string(name: &[u8]) -> CString {
    CString::new(name).unwrap_or_default()
}

/// The process' umask, read without changing it for other threads (proc(5), status). Where it
/// cannot be known, every mode is set explicitly.
fn umask() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    field.and_then(|text| u32::from_str_radix(text.trim(), 8).ok()).unwrap_or(0o777)
}
