//! Sealed memory files (memfd_create(2)): what was written can never change.

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use std::ffi::CStr;
use std::io;
use std::os::fd::OwnedFd;

/// An empty memory file, which another process may hold already when [`complete`] fills it.
pub fn for_later(name: &CStr) -> io::Result<OwnedFd> {
    Ok(memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?)
}

/// Writes `bytes` into an empty memory file, which never changes again.
pub fn complete(fd: &OwnedFd, bytes: &[u8]) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let n = rustix::io::write(fd, rest)?;
        rest = &rest[n..];
    }
    fcntl_add_seals(fd, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(())
}

/// A memory file with `bytes` that can be executed. `PermissionDenied` where the host forbids that
/// (vm.memfd_noexec=2).
pub fn sealed_program(name: &CStr, bytes: &[u8]) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let fd = match memfd_create(name, flags | MemfdFlags::EXEC) {
        // Before Linux 6.3 every one can be executed.
        Err(rustix::io::Errno::INVAL) => memfd_create(name, flags)?,
        other => other?,
    };
    complete(&fd, bytes)?;
    Ok(fd)
}
