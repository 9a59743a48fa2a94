//! What the kernel says of the machine: its processor (uname(2)), how long it has run.

/// `uname -m`: `x86_64`, `armv7l`. A 64-bit kernel says so to 32-bit programs too.
pub fn name() -> String {
    rustix::system::uname().machine().to_string_lossy().into_owned()
}

/// Nanoseconds since boot, sleep included: the clock that starts of processes are counted by
/// (proc_pid_stat(5), field 22).
pub fn boot_clock() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
