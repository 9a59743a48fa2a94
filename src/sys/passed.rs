//! Descriptors that the caller left open for us from number 3 on.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

/// The first of them (sd_listen_fds(3), `SD_LISTEN_FDS_START`).
const FIRST: i32 = 3;

/// The lowest of `count` that is not open.
pub fn missing(count: u32) -> Option<i32> {
    // SAFETY: F_GETFD on a number is harmless when it is not open: EBADF.
    numbers(count).find(|number| unsafe { libc::fcntl(*number, libc::F_GETFD) } < 0)
}

/// Takes them over; close-on-exec from now on.
///
/// Call once, and before this process opens anything that it keeps: a number that the caller did
/// not leave open is EBADF then, and none is anybody else's.
pub fn take(count: u32) -> io::Result<Vec<OwnedFd>> {
    let own = |number: i32| {
        // SAFETY: changes a flag; EBADF where it is not open.
        if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it is open, and nobody else of this program has it, as said above.
        Ok(unsafe { OwnedFd::from_raw_fd(number) })
    };
    numbers(count).map(own).collect()
}

fn numbers(count: u32) -> std::ops::Range<i32> {
    FIRST..FIRST.saturating_add_unsigned(count)
}
