//! A root as a copy of all layers, for file systems that no overlay can be mounted on.
//!
//! Layers are applied bottom first, with their whiteouts carried out. Data is shared with the
//! layer where the file system can (FICLONE), else copied in the kernel (copy_file_range). The
//! trees come from images and are hostile: every directory is opened from the root of its tree
//! without following a link.

use super::names;
use crate::sys::{beneath, tree};
use rustix::fs::{
    self, AtFlags, FileType, Mode, OFlags, SeekFrom, Stat, Timespec, Timestamps, UTIME_OMIT,
    XattrFlags,
};
use rustix::io::Errno;
use std::collections::{BTreeMap, HashMap};
use std::ffi::{CStr, OsStr};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Marks a directory that hides what the layers below have in it (kernel, overlayfs.rst).
const OPAQUE: &CStr = c"user.overlay.opaque";
/// Most bytes of one list of attribute names, and of one value (xattr(7)).
const XATTR_MAX: usize = 64 << 10;

/// Why a root could not be copied.
#[derive(Debug, thiserror::Error)]
#[error("{doing} {path}", path = .path.display())]
pub struct CopyError {
    /// What was done.
    pub doing: &'static str,
    /// To which path of the container's root.
    pub path: PathBuf,
    /// Why not.
    #[source]
    pub source: io::Error,
}

/// Puts the layers `lower`, bottom first, together in the empty directory `root`.
///
/// Inside P. Errors: [`CopyError`]; what was copied so far is then left for the caller to remove.
pub fn layers(lower: &[PathBuf], root: impl AsFd) -> Result<(), CopyError> {
    let mut copy = Copy { root: root.as_fd(), times: BTreeMap::new() };
    for path in lower {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let layer = fs::openat(fs::CWD, path, flags, Mode::empty())
            .map_err(|e| failed("open layer", path)(e.into()))?;
        copy.layer(layer.as_fd())?;
    }
    copy.finish()
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CopyError {
    move |source| CopyError { doing, path: path.to_owned(), source }
}

struct Copy<'a> {
    root: BorrowedFd<'a>,
    /// Modification times of directories, set when nothing is written into them any more.
    times: BTreeMap<PathBuf, Timestamps>,
}

/// One entry under way.
struct Entry<'a> {
    from: &'a OwnedFd,
    to: &'a OwnedFd,
    name: &'a CStr,
    stat: Stat,
}

impl Copy<'_> {
    fn layer(&mut self, layer: BorrowedFd<'_>) -> Result<(), CopyError> {
        // Inode → first name in the copy, for files with several names within the layer.
        let mut links: HashMap<u64, PathBuf> = HashMap::new();
        let mut pending = vec![PathBuf::new()];
        while let Some(path) = pending.pop() {
            let from = open_dir(layer, &path).map_err(failed("read", &path))?;
            let to = open_dir(self.root, &path).map_err(failed("open", &path))?;
            if is_opaque(&from) {
                clear(&to).map_err(failed("empty", &path))?;
            }
            let stat = fs::fstat(&from).map_err(|e| failed("look at", &path)(e.into()))?;
            dress(&from, &to, &stat).map_err(failed("set the attributes of", &path))?;
            self.times.insert(path.clone(), times(&stat));
            for name in names(&from).map_err(failed("read", &path))? {
                let child = path.join(OsStr::from_bytes(name.to_bytes()));
                let stat = fs::statat(&from, &name, AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(|e| failed("look at", &child)(e.into()))?;
                let entry = Entry { from: &from, to: &to, name: &name, stat };
                let is_dir =
                    self.entry(&entry, &child, &mut links).map_err(failed("copy", &child))?;
                if is_dir {
                    pending.push(child);
                }
            }
        }
        Ok(())
    }

    /// Places one entry; `true` for a directory, which is there then and still to be filled.
    fn entry(
        &self,
        entry: &Entry<'_>,
        path: &Path,
        links: &mut HashMap<u64, PathBuf>,
    ) -> io::Result<bool> {
        let kind = FileType::from_raw_mode(entry.stat.st_mode);
        if kind == FileType::Directory {
            return make_dir(entry).map(|()| true);
        }
        tree::remove_tree_c(entry.to, entry.name)?;
        if kind == FileType::CharacterDevice && entry.stat.st_rdev == 0 {
            return Ok(false);
        }
        if entry.stat.st_nlink > 1 {
            if let Some(first) = links.get(&entry.stat.st_ino) {
                return self.link(entry, first).map(|()| false);
            }
            links.insert(entry.stat.st_ino, path.to_owned());
        }
        match kind {
            FileType::RegularFile => copy_file(entry)?,
            FileType::Symlink => {
                let target = fs::readlinkat(entry.from, entry.name, Vec::new())?;
                fs::symlinkat(&target, entry.to, entry.name)?;
                own(entry)?;
            }
            _ => {
                let mode = Mode::from_raw_mode(entry.stat.st_mode & 0o7777);
                fs::mknodat(entry.to, entry.name, kind, mode, entry.stat.st_rdev)?;
                own(entry)?;
                fs::chmodat(entry.to, entry.name, mode, AtFlags::empty())?;
            }
        }
        fs::utimensat(entry.to, entry.name, &times(&entry.stat), AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(false)
    }

    fn link(&self, entry: &Entry<'_>, first: &Path) -> io::Result<()> {
        let parent = open_dir(self.root, first.parent().unwrap_or(Path::new("")))?;
        let name = first.file_name().unwrap_or_default();
        Ok(fs::linkat(&parent, name, entry.to, entry.name, AtFlags::empty())?)
    }

    /// Times of directories, the deepest first; those that a later layer took away are passed.
    fn finish(self) -> Result<(), CopyError> {
        for (path, times) in self.times.iter().rev() {
            match open_dir(self.root, path) {
                Ok(dir) => fs::futimens(&dir, times)
                    .map_err(|e| failed("set the time of", path)(e.into()))?,
                Err(e) if is_gone(&e) => {}
                Err(e) => return Err(failed("open", path)(e)),
            }
        }
        Ok(())
    }
}

fn is_gone(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP))
}

fn open_dir(root: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
    beneath::open_no_links(root, path, flags, Mode::empty())
}

fn clear(dir: &OwnedFd) -> io::Result<()> {
    names(dir)?.iter().try_for_each(|name| tree::remove_tree_c(dir, name))
}

/// A directory of the layer takes the place of everything but a directory.
fn make_dir(entry: &Entry<'_>) -> io::Result<()> {
    match fs::statat(entry.to, entry.name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(there) if FileType::from_raw_mode(there.st_mode) == FileType::Directory => return Ok(()),
        Ok(_) => tree::remove_tree_c(entry.to, entry.name)?,
        Err(Errno::NOENT) => {}
        Err(e) => return Err(e.into()),
    }
    Ok(fs::mkdirat(entry.to, entry.name, Mode::RWXU)?)
}

fn copy_file(entry: &Entry<'_>) -> io::Result<()> {
    let read = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let from = fs::openat(entry.from, entry.name, read, Mode::empty())?;
    let write = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let to = fs::openat(entry.to, entry.name, write, Mode::RUSR | Mode::WUSR)?;
    if fs::ioctl_ficlone(&to, &from).is_err() {
        copy_data(&from, &to, entry.stat.st_size.max(0) as u64)?;
    }
    dress(&from, &to, &entry.stat)
}

/// Holes stay holes: a small layer may hold a file of a tebibyte.
fn copy_data(from: &OwnedFd, to: &OwnedFd, size: u64) -> io::Result<()> {
    fs::ftruncate(to, size)?;
    let mut at = 0;
    loop {
        let start = match fs::seek(from, SeekFrom::Data(at)) {
            Ok(start) => start,
            // Nothing but a hole is left.
            Err(Errno::NXIO) => return Ok(()),
            Err(e) => return Err(e.into()),
        };
        at = fs::seek(from, SeekFrom::Hole(start))?;
        copy_range(from, to, start, at)?;
    }
}

/// The bytes from `start` to `end`, in the kernel where it can.
fn copy_range(from: &OwnedFd, to: &OwnedFd, start: u64, end: u64) -> io::Result<()> {
    let (mut here, mut there) = (start, start);
    while here < end {
        let piece = usize::try_from(end - here).unwrap_or(usize::MAX).min(1 << 30);
        match fs::copy_file_range(from, Some(&mut here), to, Some(&mut there), piece) {
            Ok(0) => return Ok(()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) if here == start => {
                fs::seek(from, SeekFrom::Start(start))?;
                fs::seek(to, SeekFrom::Start(start))?;
                let mut part = io_file(from)?.take(end - start);
                return io::copy(&mut part, &mut io_file(to)?).map(|_| ());
            }
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}

fn io_file(fd: &OwnedFd) -> io::Result<std::fs::File> {
    Ok(std::fs::File::from(fd.try_clone()?))
}

/// Owner, attributes and mode, in this order: chown(2) drops setuid bits and capabilities.
fn dress(from: &OwnedFd, to: &OwnedFd, stat: &Stat) -> io::Result<()> {
    fs::fchown(to, Some(fs::Uid::from_raw(stat.st_uid)), Some(fs::Gid::from_raw(stat.st_gid)))?;
    copy_xattrs(from, to)?;
    fs::fchmod(to, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        fs::futimens(to, &times(stat))?;
    }
    Ok(())
}

/// Everything that unpacking may have set, but for overlay's own marks.
fn copy_xattrs(from: &OwnedFd, to: &OwnedFd) -> io::Result<()> {
    let mut list = vec![0; XATTR_MAX];
    let length = match fs::flistxattr(from, &mut list[..]) {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP) => return Ok(()),
        Err(e) => return Err(e.into()),
    };
    let mut value = Vec::new();
    for name in list[..length].split(|b| *b == 0).filter(|n| !n.is_empty()) {
        let wanted = name.starts_with(b"user.") || name == b"security.capability";
        if !wanted || name.starts_with(b"user.overlay.") {
            continue;
        }
        value.resize(XATTR_MAX, 0);
        let length = fs::fgetxattr(from, name, &mut value[..])?;
        match fs::fsetxattr(to, name, &value[..length], XattrFlags::empty()) {
            Ok(()) => {}
            // The file system of the containers may keep fewer kinds than that of the store.
            Err(Errno::OPNOTSUPP | Errno::PERM | Errno::INVAL) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}

fn own(entry: &Entry<'_>) -> io::Result<()> {
    let (uid, gid) = (fs::Uid::from_raw(entry.stat.st_uid), fs::Gid::from_raw(entry.stat.st_gid));
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    Ok(fs::chownat(entry.to, entry.name, Some(uid), Some(gid), flags)?)
}

fn is_opaque(dir: &OwnedFd) -> bool {
    let mut value = [0; 8];
    matches!(fs::fgetxattr(dir, OPAQUE, &mut value[..]), Ok(length) if value[..length] == *b"y")
}

fn times(stat: &Stat) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT as _ },
        last_modification: Timespec { tv_sec: stat.st_mtime, tv_nsec: stat.st_mtime_nsec as _ },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;
    use std::fs as stdfs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    fn layer(scratch: &Scratch, name: &str) -> PathBuf {
        let path = scratch.path().join(name);
        stdfs::create_dir(&path).unwrap();
        path
    }

    /// `None` where a user cannot make the 0:0 device (a container without mknod).
    fn whiteout(path: &Path) -> Option<()> {
        fs::mknodat(fs::CWD, path, FileType::CharacterDevice, Mode::empty(), 0).ok()
    }

    fn copied(scratch: &Scratch, lower: &[PathBuf]) -> PathBuf {
        let root = layer(scratch, "root");
        layers(lower, stdfs::File::open(&root).unwrap()).unwrap();
        root
    }

    #[test]
    fn layers_are_merged_as_overlay_would() {
        let scratch = Scratch::new("copy");
        let (a, b) = (layer(&scratch, "a"), layer(&scratch, "b"));
        for dir in ["keep", "opaque", "filed"] {
            stdfs::create_dir(a.join(dir)).unwrap();
            stdfs::write(a.join(dir).join("old"), dir).unwrap();
        }
        stdfs::write(a.join("gone"), "x").unwrap();
        symlink("/etc", a.join("link")).unwrap();
        stdfs::write(a.join("one"), "1").unwrap();
        stdfs::hard_link(a.join("one"), a.join("two")).unwrap();
        stdfs::set_permissions(a.join("one"), stdfs::Permissions::from_mode(0o4751)).unwrap();

        stdfs::create_dir(b.join("keep")).unwrap();
        stdfs::write(b.join("keep/new"), "new").unwrap();
        stdfs::create_dir(b.join("opaque")).unwrap();
        let opaque = stdfs::File::open(b.join("opaque")).unwrap();
        fs::fsetxattr(&opaque, OPAQUE, b"y", XattrFlags::empty()).unwrap();
        stdfs::write(b.join("filed"), "now a file").unwrap();
        stdfs::create_dir(b.join("link")).unwrap();
        stdfs::write(b.join("link/inside"), "x").unwrap();
        let devices = whiteout(&b.join("gone")).is_some();

        let root = copied(&scratch, &[a.clone(), b]);
        assert_eq!(stdfs::read(root.join("keep/old")).unwrap(), b"keep");
        assert_eq!(stdfs::read(root.join("keep/new")).unwrap(), b"new");
        assert_eq!(stdfs::read_dir(root.join("opaque")).unwrap().count(), 0);
        assert_eq!(stdfs::read(root.join("filed")).unwrap(), b"now a file");
        assert!(root.join("link").symlink_metadata().unwrap().is_dir());
        assert!(!devices || !root.join("gone").exists());
        let (one, two) =
            (root.join("one").metadata().unwrap(), root.join("two").metadata().unwrap());
        assert_eq!(one.ino(), two.ino());
        assert_eq!(one.mode() & 0o7777, 0o4751);
        let there = a.join("one").metadata().unwrap();
        assert_ne!(one.ino(), there.ino());
        assert_eq!(one.mtime_nsec(), there.mtime_nsec());
        assert_eq!(
            root.join("keep").metadata().unwrap().mtime(),
            scratch.path().join("b/keep").metadata().unwrap().mtime()
        );
    }

    /// Bytes free on the file system of `dir`, when all is written.
    fn free(dir: &Path) -> u64 {
        let file = stdfs::File::open(dir).unwrap();
        fs::syncfs(&file).unwrap();
        let stat = fs::fstatvfs(&file).unwrap();
        stat.f_bfree * stat.f_frsize
    }

    /// In the directory for temporary files. A plain copy shows that the measure sees one.
    #[test]
    #[ignore = "needs a file system with reflinks: tests/lab/run"]
    fn lab_reflink() {
        const SIZE: usize = 32 << 20;
        let scratch = Scratch::new("reflink");
        let a = layer(&scratch, "a");
        let mut data = vec![0; SIZE];
        stdfs::File::open("/dev/urandom").unwrap().read_exact(&mut data).unwrap();
        stdfs::write(a.join("game"), &data).unwrap();
        let before = free(scratch.path());
        let root = copied(&scratch, std::slice::from_ref(&a));
        let shared = before.saturating_sub(free(scratch.path()));
        assert!(stdfs::read(root.join("game")).unwrap() == data);
        stdfs::write(scratch.path().join("plain"), &data).unwrap();
        let plain = before.saturating_sub(free(scratch.path()));
        assert!(shared < SIZE as u64 / 8 && plain > SIZE as u64 / 2, "{shared} {plain}");

        stdfs::write(root.join("game"), "written").unwrap();
        assert!(stdfs::read(a.join("game")).unwrap() == data);
    }

    #[test]
    fn a_broken_layer_is_named() {
        let scratch = Scratch::new("copy");
        let root = layer(&scratch, "root");
        let error = layers(&[scratch.path().join("none")], stdfs::File::open(root).unwrap());
        assert!(error.unwrap_err().to_string().ends_with("none"));
    }
}
