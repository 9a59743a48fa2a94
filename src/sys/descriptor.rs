//! A descriptor that a caller names by number.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::FromRawFd;

/// Writes `bytes` to descriptor `number`, which was open when this process started, and closes it.
///
/// Errors: `InvalidInput` for the three standard streams, which are not ours to close.
pub fn write_and_close(number: i32, bytes: &[u8]) -> io::Result<()> {
    if number < 3 {
        let why = "0, 1 and 2 are the program's own input and output; open another descriptor";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    // SAFETY: only asks whether the number is open.
    if unsafe { libc::fcntl(number, libc::F_GETFD) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: open, and handed to us by the user for this one use.
    unsafe { File::from_raw_fd(number) }.write_all(bytes)
}
