//! User namespaces: entering one, and finding the parent of one (ioctl_ns(2)).

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

/// `_IO(0xb7, 0x2)` of linux/nsfs.h.
const NS_GET_PARENT: libc::c_ulong = 0xb702;

/// Joins the user namespace `ns`. The caller must have one thread (EINVAL otherwise).
pub fn join(ns: impl AsFd) -> io::Result<()> {
    // SAFETY: plain system call on a borrowed descriptor.
    let rc = unsafe { libc::setns(ns.as_fd().as_raw_fd(), libc::CLONE_NEWUSER) };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Makes a user namespace for this process. The caller must have one thread.
pub fn unshare() -> io::Result<()> {
    // SAFETY: plain system call.
    let rc = unsafe { libc::unshare(libc::CLONE_NEWUSER) };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Becomes uid 0 and gid 0 of the namespace just entered, and stays dumpable there.
pub fn become_root() -> io::Result<()> {
    // SAFETY: plain system calls; the raw ones act on this thread, which is the only one.
    let rc = unsafe {
        if libc::syscall(libc::SYS_setresgid, 0, 0, 0) == 0 {
            libc::syscall(libc::SYS_setresuid, 0, 0, 0)
        } else {
            -1
        }
    };
    if rc != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: plain prctl.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1 as libc::c_ulong, 0, 0, 0) };
    Ok(())
}

/// The parent of the user namespace `ns`; EPERM when it lies outside the caller's own.
pub fn parent(ns: &File) -> io::Result<OwnedFd> {
    // SAFETY: the descriptor is borrowed; the ioctl takes no argument.
    let fd = unsafe { libc::ioctl(ns.as_raw_fd(), NS_GET_PARENT as _) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
