//! The kernel's name for the processor (uname(2)).

/// `uname -m`: `x86_64`, `armv7l`. A 64-bit kernel says so to 32-bit programs too.
pub fn name() -> String {
    rustix::system::uname().machine().to_string_lossy().into_owned()
}
