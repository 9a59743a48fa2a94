//! Files outside the container's directory, where the payload may have a hand: a log, or the record
//! of health checks, that the user wants elsewhere. Runs in M.
//!
//! The directory is opened before the payload runs, and held: a link that the payload makes of a
//! directory above leads nowhere, and the next start is refused. The plan has paths without links.

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use std::os::fd::OwnedFd;

/// A name in a directory that is held.
#[derive(Debug)]
pub(crate) struct Outside {
    /// Where the file is.
    pub(crate) dir: OwnedFd,
    /// What it is called there.
    pub(crate) name: String,
}

impl Outside {
    /// Of this absolute path; the file need not be there. ELOOP: a directory has become a link.
    pub(crate) fn open(path: &str) -> Result<Self, Errno> {
        let (dir, name) = path.rsplit_once('/').ok_or(Errno::INVAL)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = if dir.is_empty() { "/" } else { dir };
        let dir = openat2(CWD, dir, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS)?;
        Ok(Outside { dir, name: name.to_owned() })
    }
}

/// Opens a regular file to write at its end. A link is not followed, a pipe not waited for: ENXIO.
pub(crate) fn append_to(dir: &OwnedFd, name: &str, how: OFlags) -> Result<OwnedFd, Errno> {
    let safely = OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = OFlags::WRONLY | OFlags::APPEND | safely | how;
    let file = rustix::fs::openat(dir, name, flags, Mode::from_raw_mode(0o600))?;
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode);
    if kind == FileType::RegularFile { Ok(file) } else { Err(Errno::NXIO) }
}
