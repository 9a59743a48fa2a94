//! getrlimit(2) by number.

/// Soft and hard limit of this process; `u64::MAX` is unlimited, also for an unknown number.
pub fn get(number: u32) -> (u64, u64) {
    let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: limit is ours to be written; an unknown number is EINVAL and leaves it.
    unsafe { libc::getrlimit(number as _, &mut limit) };
    (limit.rlim_cur, limit.rlim_max)
}
