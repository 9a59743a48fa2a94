//! ioprio_get(2) and ioprio_set(2): the I/O class of this process.

use std::io;

/// `IOPRIO_WHO_PROCESS`
const PROCESS: libc::c_int = 1;

/// The I/O priority of this process as the kernel keeps it: class << 13 | level.
pub fn get() -> io::Result<u16> {
    // SAFETY: touches no memory.
    let value = unsafe { libc::syscall(libc::SYS_ioprio_get, PROCESS, 0) };
    if value < 0 { Err(io::Error::last_os_error()) } else { Ok(value as u16) }
}

/// Sets it; children inherit it.
pub fn set(value: u16) -> io::Result<()> {
    // SAFETY: touches no memory.
    let rc = unsafe { libc::syscall(libc::SYS_ioprio_set, PROCESS, 0, libc::c_int::from(value)) };
    if rc < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
