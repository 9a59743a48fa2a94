//! Mount targets beneath the root. Runs in I, on a tree that a hostile image made.

use crate::at::{At, Res, failure};
use bolt_shim::report::Step;
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// What must stand at the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A directory.
    Dir,
    /// Anything else.
    File,
}

const IN_ROOT: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS);

/// Opens (O_PATH) `path` as if `root` were `/`, making what is missing on the way.
pub(crate) fn open(root: BorrowedFd<'_>, path: &str, kind: Kind) -> Res<OwnedFd> {
    match lookup(root, path, OFlags::PATH) {
        Err(Errno::NOENT) => {}
        other => return other.at(Step::Mount, path),
    }
    let (parent, name) = split(path).ok_or_else(|| failure(Step::Mount, path, libc::EINVAL))?;
    let dir = make_dirs(root, parent)?;
    match kind {
        Kind::Dir => {
            make_dir(dir.as_fd(), name).at(Step::Mount, path)?;
        }
        Kind::File => make_file(root, dir.as_fd(), path, name)?,
    }
    lookup(root, path, OFlags::PATH).at(Step::Mount, path)
}

/// A target of our own file systems: no link on the way, not even at its end.
///
/// An image whose `/dev`, `/proc` or `/sys` is a link would send them elsewhere
/// (CVE-2026-41579, CVE-2026-47766): ENOTDIR.
pub(crate) fn open_plain_dir(root: BorrowedFd<'_>, path: &str) -> Res<OwnedFd> {
    let relative = path.trim_start_matches('/');
    let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match openat2(root, relative, flags, Mode::empty(), how) {
        Err(Errno::NOENT) => open(root, path, Kind::Dir),
        Err(Errno::LOOP) => Err(failure(Step::Mount, path, libc::ENOTDIR)),
        other => other.at(Step::Mount, path),
    }
}

/// Makes `path` and its parents, 0755, and opens it (O_PATH).
pub(crate) fn make_dirs(root: BorrowedFd<'_>, path: &str) -> Res<OwnedFd> {
    let mut done = String::from("/");
    let mut dir = lookup(root, "/", OFlags::PATH | OFlags::DIRECTORY).at(Step::Mount, path)?;
    for name in path.split('/').filter(|n| !n.is_empty() && *n != ".") {
        if name == ".." {
            return Err(failure(Step::Mount, path, libc::EINVAL));
        }
        done.push_str(name);
        dir = match lookup(root, &done, OFlags::PATH | OFlags::DIRECTORY) {
            Err(Errno::NOENT) => {
                make_dir(dir.as_fd(), name).at(Step::Mount, &done)?;
                lookup(root, &done, OFlags::PATH | OFlags::DIRECTORY).at(Step::Mount, &done)?
            }
            other => other.at(Step::Mount, &done)?,
        };
        done.push('/');
    }
    Ok(dir)
}

fn make_dir(dir: BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
    match rustix::fs::mkdirat(dir, name, Mode::from_raw_mode(0o755)) {
        Err(Errno::EXIST) | Ok(()) => Ok(()),
        Err(e) => Err(e),
    }
}

/// A dangling link is followed inside the root; where its parent is missing too, it gives way.
fn make_file(root: BorrowedFd<'_>, dir: BorrowedFd<'_>, path: &str, name: &str) -> Res<()> {
    let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let mode = Mode::from_raw_mode(0o644);
    match openat2(root, path, flags, mode, IN_ROOT) {
        Ok(_) => Ok(()),
        Err(Errno::NOENT) => {
            rustix::fs::unlinkat(dir, name, rustix::fs::AtFlags::empty()).at(Step::Mount, path)?;
            let exclusive = flags | OFlags::EXCL | OFlags::NOFOLLOW;
            rustix::fs::openat(dir, name, exclusive, mode).at(Step::Mount, path).map(drop)
        }
        Err(e) => Err(e).at(Step::Mount, path),
    }
}

/// openat2(2) inside the root; EAGAIN means that something was renamed meanwhile.
pub(crate) fn lookup(root: BorrowedFd<'_>, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    resolve(root, path, flags, IN_ROOT)
}

/// The same within the root's own file system: no link leads into a directory of the host that is
/// mounted in the container. EXDEV: it would.
pub(crate) fn lookup_own(
    root: BorrowedFd<'_>,
    path: &str,
    flags: OFlags,
) -> Result<OwnedFd, Errno> {
    resolve(root, path, flags, IN_ROOT | ResolveFlags::NO_XDEV)
}

fn resolve(
    root: BorrowedFd<'_>,
    path: &str,
    flags: OFlags,
    how: ResolveFlags,
) -> Result<OwnedFd, Errno> {
    loop {
        match openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), how) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            other => return other,
        }
    }
}

fn split(path: &str) -> Option<(&str, &str)> {
    let path = path.trim_end_matches('/');
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    (!name.is_empty() && name != "." && name != "..").then_some((parent, name))
}
