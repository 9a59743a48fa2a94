//! Open-file-description locks (fcntl(2), `F_OFD_*`): held by every copy of a descriptor,
//! gone when the last copy closes; a probe takes nothing.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Shared or exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `F_RDLCK`; the descriptor must be open for reading.
    Shared,
    /// `F_WRLCK`; the descriptor must be open for writing.
    Exclusive,
}

fn flock(kind: libc::c_int) -> libc::flock {
    // SAFETY: flock is plain data; all-zero is a valid value (l_pid must be 0 for OFD locks).
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = kind as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    lock
}

fn raw(kind: Kind) -> libc::c_int {
    match kind {
        Kind::Shared => libc::F_RDLCK as libc::c_int,
        Kind::Exclusive => libc::F_WRLCK as libc::c_int,
    }
}

fn set(fd: impl AsFd, cmd: libc::c_int, kind: libc::c_int) -> io::Result<()> {
    let lock = flock(kind);
    // SAFETY: the descriptor is borrowed for the call, the struct outlives it.
    let rc = unsafe { libc::fcntl(fd.as_fd().as_raw_fd(), cmd, &lock) };
    if rc < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Takes the lock now: `Ok(false)` when somebody else holds a conflicting one.
pub fn try_lock(fd: impl AsFd, kind: Kind) -> io::Result<bool> {
    match set(fd, libc::F_OFD_SETLK, raw(kind)) {
        Ok(()) => Ok(true),
        Err(e) if matches!(e.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Waits until the lock is ours.
pub fn lock(fd: impl AsFd, kind: Kind) -> io::Result<()> {
    loop {
        match set(&fd, libc::F_OFD_SETLKW, raw(kind)) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Lets the lock go before the descriptor is closed.
pub fn unlock(fd: impl AsFd) -> io::Result<()> {
    set(fd, libc::F_OFD_SETLK, libc::F_UNLCK as libc::c_int)
}

/// Whether another open file description holds an exclusive lock. Takes nothing itself.
pub fn is_held(fd: impl AsFd) -> io::Result<bool> {
    let mut lock = flock(libc::F_RDLCK as libc::c_int);
    // SAFETY: the descriptor is borrowed for the call, the struct is ours to be written.
    let rc = unsafe { libc::fcntl(fd.as_fd().as_raw_fd(), libc::F_OFD_GETLK, &mut lock) };
    if rc < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(lock.l_type != libc::F_UNLCK as libc::c_short)
}
