//! A container's root as one tar archive: names, owners as the container sees them, modes, times,
//! hard and symbolic links, extended attributes.
//!
//! The root is a hostile tree: every directory is opened from the root's descriptor without
//! following a link, and what is mounted over it is not entered.

use super::names;
use crate::sys::beneath;
use crate::userns::map::{IdMap, NOBODY};
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, Statx, StatxAttributes, StatxFlags};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use tar::{Builder, EntryType, Header};

/// Most bytes of one list of attribute names, and of one value (xattr(7)).
const XATTR_MAX: usize = 64 << 10;

/// What could not be archived, or why the archive could not be written.
#[derive(Debug, thiserror::Error)]
#[error("archive {path}", path = .path.display())]
pub struct ExportError {
    /// Path in the container's root.
    pub path: PathBuf,
    /// Why not.
    #[source]
    pub source: io::Error,
}

/// The container's numbers for the ids that files have here.
#[derive(Debug)]
pub struct Ids {
    /// For owners.
    pub users: IdMap,
    /// For groups.
    pub groups: IdMap,
}

/// Writes all of `root` to `out`.
///
/// Inside P. Errors: [`ExportError`] at the first file that cannot be read, or when `out` is
/// full or closed; the archive is then not whole.
pub fn write<W: Write>(root: impl AsFd, ids: &Ids, out: W) -> Result<W, ExportError> {
    let mut export =
        Export { root: root.as_fd(), ids, builder: Builder::new(out), links: HashMap::new() };
    let mut pending = vec![PathBuf::new()];
    while let Some(path) = pending.pop() {
        let mut below = export.directory(&path).map_err(|e| failed(&path, e))?;
        // Taken from the end: the archive has them by name.
        below.reverse();
        pending.append(&mut below);
    }
    let end = |e| failed(Path::new("/"), e);
    let mut out = export.builder.into_inner().map_err(end)?;
    out.flush().map_err(end)?;
    Ok(out)
}

fn failed(path: &Path, source: io::Error) -> ExportError {
    ExportError { path: Path::new("/").join(path), source }
}

struct Export<'a, W: Write> {
    root: BorrowedFd<'a>,
    ids: &'a Ids,
    builder: Builder<W>,
    /// Device and inode of files with several names → the first of them.
    links: HashMap<(u64, u64), PathBuf>,
}

impl<W: Write> Export<'_, W> {
    /// The entries of one directory; its directories are returned, and archived already.
    fn directory(&mut self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let dir = match beneath::open_no_links(self.root, path, flags, Mode::empty()) {
            // Removed, or replaced by a file, since it was listed.
            Err(e) if is_gone(&e) && !path.as_os_str().is_empty() => return Ok(Vec::new()),
            other => other?,
        };
        let mut below = Vec::new();
        let mut names = names(&dir)?;
        names.sort_unstable();
        for name in names {
            let child = path.join(OsStr::from_bytes(name.to_bytes()));
            match self.entry(&dir, &name, &child) {
                Ok(true) => below.push(child),
                Ok(false) => {}
                Err(e) if is_gone(&e) => {}
                Err(e) => {
                    return Err(io::Error::new(e.kind(), format!("{}: {e}", child.display())));
                }
            }
        }
        Ok(below)
    }

    /// `true`: a directory to go on into.
    fn entry(&mut self, dir: &OwnedFd, name: &CStr, path: &Path) -> io::Result<bool> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let stat = fs::statx(dir, name, flags, StatxFlags::BASIC_STATS)?;
        let mounted = stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT);
        let kind = FileType::from_raw_mode(stat.stx_mode.into());
        match kind {
            FileType::Directory => {
                let header = self.header(&stat, EntryType::Directory);
                self.append(header, path, io::empty())?;
                Ok(!mounted)
            }
            // What lies under a file that is mounted is an empty file.
            _ if mounted => {
                let mut header = self.header(&stat, EntryType::Regular);
                header.set_mode(0o644);
                self.append(header, path, io::empty())?;
                Ok(false)
            }
            FileType::RegularFile => self.file(dir, name, path).map(|()| false),
            FileType::Symlink => {
                let target = fs::readlinkat(dir, name, Vec::new())?;
                let mut header = self.header(&stat, EntryType::Symlink);
                let target = OsStr::from_bytes(target.to_bytes());
                self.builder.append_link(&mut header, path, target)?;
                Ok(false)
            }
            FileType::Fifo => {
                let header = self.header(&stat, EntryType::Fifo);
                self.append(header, path, io::empty())?;
                Ok(false)
            }
            // A socket is nothing without its process, and devices are not the container's.
            _ => Ok(false),
        }
    }

    fn file(&mut self, dir: &OwnedFd, name: &CStr, path: &Path) -> io::Result<()> {
        // NONBLOCK: a fifo put in its place must not hold us.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = fs::openat(dir, name, flags, Mode::empty())?;
        let stat = fs::statx(&file, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)?;
        if FileType::from_raw_mode(stat.stx_mode.into()) != FileType::RegularFile {
            return Ok(());
        }
        if stat.stx_nlink > 1 {
            let device = u64::from(stat.stx_dev_major) << 32 | u64::from(stat.stx_dev_minor);
            let key = (device, stat.stx_ino);
            if let Some(first) = self.links.get(&key) {
                let mut header = self.header(&stat, EntryType::Link);
                return self.builder.append_link(&mut header, path, first);
            }
            self.links.insert(key, path.to_owned());
        }
        let attributes = attributes(&file)?;
        if !attributes.is_empty() {
            let pairs = attributes.iter().map(|(key, value)| (key.as_str(), value.as_slice()));
            self.builder.append_pax_extensions(pairs)?;
        }
        let mut header = self.header(&stat, EntryType::Regular);
        header.set_size(stat.stx_size);
        // A file that grows or shrinks meanwhile must not shift what follows.
        let content = File::from(file).take(stat.stx_size);
        self.append(header, path, content.chain(io::repeat(0)).take(stat.stx_size))
    }

    fn append(&mut self, mut header: Header, path: &Path, content: impl Read) -> io::Result<()> {
        self.builder.append_data(&mut header, path, content)
    }

    fn header(&self, stat: &Statx, kind: EntryType) -> Header {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(u32::from(stat.stx_mode) & 0o7777);
        header.set_uid(self.ids.users.get(stat.stx_uid).unwrap_or(NOBODY).into());
        header.set_gid(self.ids.groups.get(stat.stx_gid).unwrap_or(NOBODY).into());
        header.set_mtime(u64::try_from(stat.stx_mtime.tv_sec).unwrap_or(0));
        header.set_size(0);
        header
    }
}

/// What a layer may carry, as GNU tar and the image-spec name it.
fn attributes(file: &OwnedFd) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut list = vec![0; XATTR_MAX];
    let length = match fs::flistxattr(file, &mut list[..]) {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        Err(e) => return Err(e.into()),
    };
    let mut found = Vec::new();
    for name in list[..length].split(|b| *b == 0).filter(|n| !n.is_empty()) {
        let wanted = name.starts_with(b"user.") || name == b"security.capability";
        let ours = name.starts_with(b"user.overlay.") || name.starts_with(b"user.bolt.");
        let Ok(text) = std::str::from_utf8(name) else { continue };
        if wanted && !ours {
            let mut value = vec![0; XATTR_MAX];
            let length = fs::fgetxattr(file, name, &mut value[..])?;
            value.truncate(length);
            found.push((format!("SCHILY.xattr.{text}"), value));
        }
    }
    Ok(found)
}

/// A running container changes its files while they are read.
fn is_gone(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::STALE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn same() -> Ids {
        let map = || IdMap::inward("0 0 4294967295");
        Ids { users: map(), groups: map() }
    }

    #[test]
    fn everything_is_there_once() {
        let scratch = Scratch::new("export");
        let root = scratch.path();
        let odd = OsStr::from_bytes(b"\xff name");
        std::fs::create_dir(root.join("d")).unwrap();
        std::fs::write(root.join("d/f"), "content").unwrap();
        std::fs::set_permissions(root.join("d/f"), PermissionsExt::from_mode(0o4751)).unwrap();
        std::fs::hard_link(root.join("d/f"), root.join("z")).unwrap();
        std::fs::write(root.join(odd), "odd").unwrap();
        symlink("/nowhere", root.join("s")).unwrap();
        let long = "l".repeat(200);
        std::fs::write(root.join(&long), "").unwrap();
        let dir = File::open(root).unwrap();
        let bytes = write(&dir, &same(), Vec::new()).unwrap();
        let mut archive = tar::Archive::new(&bytes[..]);
        let mut seen = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            let link = entry.link_name().unwrap().map(|l| l.into_owned());
            let path = entry.path().unwrap().into_owned();
            seen.push((
                path,
                entry.header().entry_type(),
                entry.header().mode().unwrap(),
                link,
                text,
            ));
        }
        let find = |name: &OsStr| seen.iter().find(|e| e.0.as_os_str() == name).unwrap();
        assert_eq!(seen.len(), 6, "{seen:?}");
        assert_eq!(find("d".as_ref()).1, EntryType::Directory);
        let (first, second) = (find("z".as_ref()), find("d/f".as_ref()));
        let (whole, link) =
            if first.1 == EntryType::Regular { (first, second) } else { (second, first) };
        assert_eq!((whole.1, whole.2, whole.4.as_str()), (EntryType::Regular, 0o4751, "content"));
        assert_eq!((link.1, link.3.as_ref()), (EntryType::Link, Some(&whole.0)));
        assert_eq!(find("s".as_ref()).3.as_deref(), Some(Path::new("/nowhere")));
        assert_eq!(find(odd).4, "odd");
        assert_eq!(find(long.as_ref()).1, EntryType::Regular);
    }
}
