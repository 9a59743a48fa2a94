//! Copies what the image has at a mount target into a volume or tmpfs. Runs in I.
//!
//! A volume may hold a part of it already, from a start that was cut off: a file is copied anew, a
//! directory completed, and what the image does not have is left alone.

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, SeekFrom};
use rustix::io::Errno;
use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

const OPEN_DIR: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// Deeper trees than this are no default content of a volume.
const MAX_DEPTH: usize = 256;

/// Copies the tree at `from` into `to`, whose own directory keeps what `kept` names of `mode`,
/// `uid` and `gid`. EXDEV: `from` shows the kernel's files.
pub(crate) fn copy(from: impl AsFd, to: impl AsFd, kept: &[(&str, &str)]) -> Result<(), Errno> {
    let to = rustix::fs::openat(to, ".", OPEN_DIR, Mode::empty())?;
    let from = rustix::fs::openat(from, ".", OPEN_DIR, Mode::empty())?;
    // A link of the image may lead there.
    if [libc::PROC_SUPER_MAGIC, libc::SYSFS_MAGIC].contains(&rustix::fs::fstatfs(&from)?.f_type) {
        return Err(Errno::XDEV);
    }
    let stat = rustix::fs::fstat(&from)?;
    let given = rustix::fs::fstat(&to)?;
    let of = |key: &str| if kept.iter().any(|(k, _)| *k == key) { &given } else { &stat };
    let ((uid, _), (_, gid)) = (owner(of("uid")), owner(of("gid")));
    let bits = bits(rustix::fs::fchown(&to, Some(uid), Some(gid)))?;
    rustix::fs::fchmod(&to, Mode::from_raw_mode(of("mode").st_mode & bits))?;
    copy_dir(&from, &to, 0)
}

/// Gives a directory to a user and a group; to whom it cannot be given, it stays as it is.
pub(crate) fn own(dir: impl AsFd, (uid, gid): (u32, u32)) -> Result<(), Errno> {
    let dir = rustix::fs::openat(dir, ".", OPEN_DIR, Mode::empty())?;
    let (uid, gid) = (rustix::fs::Uid::from_raw(uid), rustix::fs::Gid::from_raw(gid));
    bits(rustix::fs::fchown(&dir, Some(uid), Some(gid))).map(drop)
}

fn entries(dir: &OwnedFd) -> Result<impl Iterator<Item = rustix::fs::DirEntry>, Errno> {
    let dots = [c".", c".."];
    Ok(Dir::read_from(dir)?.flatten().filter(move |e| !dots.contains(&e.file_name())))
}

fn copy_dir(from: &OwnedFd, to: &OwnedFd, depth: usize) -> Result<(), Errno> {
    if depth > MAX_DEPTH {
        return Err(Errno::NAMETOOLONG);
    }
    for entry in entries(from)? {
        let name = entry.file_name();
        let stat = rustix::fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let (uid, gid) = owner(&stat);
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                match rustix::fs::mkdirat(to, name, Mode::from_raw_mode(0o700)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(e) => return Err(e),
                }
                let inner = rustix::fs::openat(from, name, OPEN_DIR, Mode::empty())?;
                let made = rustix::fs::openat(to, name, OPEN_DIR, Mode::empty())?;
                copy_dir(&inner, &made, depth + 1)?;
                let bits = bits(rustix::fs::fchown(&made, Some(uid), Some(gid)))?;
                rustix::fs::fchmod(&made, Mode::from_raw_mode(stat.st_mode & bits))?;
            }
            FileType::RegularFile => copy_file(from, to, name, &stat)?,
            FileType::Symlink => {
                let link = rustix::fs::readlinkat(from, name, Vec::new())?;
                anew(to, name, || rustix::fs::symlinkat(&link, to, name))?;
                let flags = AtFlags::SYMLINK_NOFOLLOW;
                bits(rustix::fs::chownat(to, name, Some(uid), Some(gid), flags))?;
            }
            // Sockets, pipes and nodes are nobody's default content.
            _ => {}
        }
    }
    Ok(())
}

/// Makes an entry in the place of what an earlier start left there.
fn anew<T>(to: &OwnedFd, name: &CStr, make: impl Fn() -> Result<T, Errno>) -> Result<T, Errno> {
    match make() {
        Err(Errno::EXIST) => {
            rustix::fs::unlinkat(to, name, AtFlags::empty())?;
            make()
        }
        other => other,
    }
}

fn copy_file(
    from: &OwnedFd,
    to: &OwnedFd,
    name: &CStr,
    stat: &rustix::fs::Stat,
) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let source = rustix::fs::openat(from, name, flags, Mode::empty())?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let target =
        anew(to, name, || rustix::fs::openat(to, name, flags, Mode::from_raw_mode(0o600)))?;
    copy_data(&source, &target, stat.st_size.max(0) as u64)?;
    let (uid, gid) = owner(stat);
    let bits = bits(rustix::fs::fchown(&target, Some(uid), Some(gid)))?;
    rustix::fs::fchmod(&target, Mode::from_raw_mode(stat.st_mode & bits))
}

/// Holes stay holes: a small layer may hold a file of a tebibyte.
fn copy_data(source: &OwnedFd, target: &OwnedFd, size: u64) -> Result<(), Errno> {
    rustix::fs::ftruncate(target, size)?;
    let mut at = 0;
    loop {
        let start = match rustix::fs::seek(source, SeekFrom::Data(at)) {
            Ok(start) => start,
            // Nothing but a hole is left.
            Err(Errno::NXIO) => return Ok(()),
            Err(e) => return Err(e),
        };
        at = rustix::fs::seek(source, SeekFrom::Hole(start))?;
        let mut from = start;
        rustix::fs::seek(target, SeekFrom::Start(start))?;
        while from < at {
            let piece = usize::try_from(at - from).unwrap_or(usize::MAX).min(1 << 20);
            if rustix::fs::sendfile(target, source, Some(&mut from), piece)? == 0 {
                return Ok(());
            }
        }
    }
}

/// What is kept of a mode, by whether the owner could be given. One whom the container's user
/// namespace does not have (EINVAL) stays who it is, and the user is told that the files of others
/// are theirs; a program of somebody else's is not to run as they.
fn bits(given: Result<(), Errno>) -> Result<u32, Errno> {
    match given {
        Ok(()) => Ok(0o7777),
        Err(Errno::INVAL) => Ok(0o1777),
        Err(e) => Err(e),
    }
}

fn owner(stat: &rustix::fs::Stat) -> (rustix::fs::Uid, rustix::fs::Gid) {
    (rustix::fs::Uid::from_raw(stat.st_uid), rustix::fs::Gid::from_raw(stat.st_gid))
}
