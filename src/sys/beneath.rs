//! Paths that cannot leave a tree (openat2(2)).

use rustix::fs::{self, Mode, OFlags, ResolveFlags};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// Opens `path` below `root` as if `root` were `/`: absolute links and `..` stay inside.
///
/// Errors: those of openat2(2); ELOOP for a magic link, EAGAIN is tried again.
pub fn open_in_root(
    root: impl AsFd,
    path: impl AsRef<Path>,
    flags: OFlags,
    mode: Mode,
) -> io::Result<OwnedFd> {
    resolve(root, path, flags, mode, ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS)
}

/// Opens `path` below `root`; any symbolic link or step out of the tree is an error.
pub fn open_no_links(
    root: impl AsFd,
    path: impl AsRef<Path>,
    flags: OFlags,
    mode: Mode,
) -> io::Result<OwnedFd> {
    resolve(root, path, flags, mode, ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS)
}

fn resolve(
    root: impl AsFd,
    path: impl AsRef<Path>,
    flags: OFlags,
    mode: Mode,
    how: ResolveFlags,
) -> io::Result<OwnedFd> {
    let path = path.as_ref();
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    loop {
        match fs::openat2(root.as_fd(), path, flags | OFlags::CLOEXEC, mode, how) {
            // A rename elsewhere raced with the walk; the kernel asks for a retry.
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            other => return other.map_err(Into::into),
        }
    }
}
