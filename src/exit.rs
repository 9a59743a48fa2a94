//! Exit codes in one table (podman-run(1), "Exit Status").

/// Bolt itself failed: bad flag, no image, name in use, a step of the shim.
pub const ENGINE: u8 = 125;
/// The program was found but cannot be executed.
pub const NOT_EXECUTABLE: u8 = 126;
/// The program was not found.
pub const NOT_FOUND: u8 = 127;
/// `--timeout` ended the container.
pub const TIMED_OUT: u8 = 255;
/// A plain "no" of a verb that asks (`container exists`, `rm` of an unknown name).
pub const NO: u8 = 1;

/// The code of a program that died by signal `signo`: 128 + n.
pub fn signalled(signo: i32) -> u8 {
    128u8.wrapping_add(signo as u8)
}
