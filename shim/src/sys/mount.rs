//! mount_setattr(2), which rustix does not have, and the probes of the new mount API.

use rustix::io::Errno;
use std::os::fd::{AsFd, AsRawFd};

/// Flags of `struct mount_attr` (linux/mount.h).
pub(crate) const RDONLY: u64 = 0x1;
/// No set-user-ID.
pub(crate) const NOSUID: u64 = 0x2;
/// No devices.
pub(crate) const NODEV: u64 = 0x4;
/// No execution.
pub(crate) const NOEXEC: u64 = 0x8;

#[repr(C)]
struct MountAttr {
    attr_set: u64,
    attr_clr: u64,
    propagation: u64,
    userns_fd: u64,
}

/// Adds `set` to the mount at `tree` (and all below it); `propagation` 0 leaves that alone.
pub(crate) fn setattr(
    tree: impl AsFd,
    set: u64,
    propagation: u64,
    recursive: bool,
) -> Result<(), Errno> {
    if (set, propagation) == (0, 0) {
        return Ok(());
    }
    let attr = MountAttr { attr_set: set, attr_clr: 0, propagation, userns_fd: 0 };
    let mut flags = libc::AT_EMPTY_PATH;
    if recursive {
        flags |= libc::AT_RECURSIVE;
    }
    // SAFETY: the descriptor is borrowed for the call; attr is a valid mount_attr of its size.
    let rc = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_fd().as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attr,
            size_of::<MountAttr>(),
        )
    };
    if rc < 0 { Err(last()) } else { Ok(()) }
}

fn last() -> Errno {
    Errno::from_raw_os_error(nix::errno::Errno::last_raw())
}
