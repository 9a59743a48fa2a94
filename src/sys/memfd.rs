//! Sealed memory files (memfd_create(2)): what was written can never change.

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// Neither content nor size can change, nor can this.
const FINAL: SealFlags =
    SealFlags::WRITE.union(SealFlags::GROW).union(SealFlags::SHRINK).union(SealFlags::SEAL);

/// An empty memory file, which another process may hold already when [`complete`] fills it.
pub fn for_later(name: &CStr) -> io::Result<OwnedFd> {
    Ok(memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?)
}

/// Writes `bytes` into an empty memory file, which never changes again.
pub fn complete(fd: &OwnedFd, bytes: &[u8]) -> io::Result<()> {
    fill(fd, bytes)?;
    Ok(fcntl_add_seals(fd, FINAL)?)
}

/// A sealed memory file with `bytes` that can be executed, which its owner cannot take back.
/// `PermissionDenied` where the host forbids that
/// (vm.memfd_noexec=2).
pub fn sealed_program(name: &CStr, bytes: &[u8]) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let fd = match memfd_create(name, flags | MemfdFlags::EXEC) {
        // Before Linux 6.3 every one can be executed.
        Err(rustix::io::Errno::INVAL) => memfd_create(name, flags)?,
        other => other?,
    };
    fill(&fd, bytes)?;
    match fcntl_add_seals(&fd, FINAL | SealFlags::EXEC) {
        // Before Linux 6.3 the mode cannot be sealed.
        Err(rustix::io::Errno::INVAL) => fcntl_add_seals(&fd, FINAL)?,
        other => other?,
    }
    Ok(fd)
}

/// Whether `fd` is a memory file that was sealed here: its content is what it always was.
pub fn is_sealed(fd: impl AsFd) -> bool {
    fcntl_get_seals(fd).is_ok_and(|seals| seals.contains(FINAL))
}

fn fill(fd: &OwnedFd, bytes: &[u8]) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let n = rustix::io::write(fd, rest)?;
        rest = &rest[n..];
    }
    Ok(())
}
