//! What this process was given before Rust's start-up and this file changed it: whether SIGPIPE,
//! SIGXFSZ and SIGCHLD were ignored, which signals were blocked, and which of the three standard streams were
//! closed. A program that is executed in our place gets all of it back.
//!
//! SIGXFSZ is ignored here: a write beyond the limit of file sizes then fails with EFBIG, which is
//! told, where the signal would end this process without a word (setrlimit(2), RLIMIT_FSIZE).
//! SIGCHLD is not: the kernel would forget how our children ended (wait(2)).

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

/// Signals, and what they do while this program runs.
const OURS: [(libc::c_int, libc::sighandler_t); 3] = [
    (libc::SIGPIPE, libc::SIG_IGN),
    (libc::SIGXFSZ, libc::SIG_IGN),
    (libc::SIGCHLD, libc::SIG_DFL),
];
/// Whether each of [`OURS`] was ignored before.
static IGNORED: [AtomicBool; 3] = [const { AtomicBool::new(false) }; 3];
/// The mask of blocked signals. The C library unblocks those it takes for itself (33 and 34), which
/// another library's programs may have blocked.
static MASK: AtomicU64 = AtomicU64::new(0);
/// One bit for each of descriptors 0, 1 and 2.
static CLOSED: AtomicU8 = AtomicU8::new(0);

/// Called by the C library before `main`, and so before Rust ignores SIGPIPE and opens /dev/null in
/// the place of closed streams. SIGXFSZ Rust leaves alone.
#[used]
// SAFETY: the section holds pointers to functions of this type (System V ABI, "Initialization and
// Termination Functions"); the function uses nothing of std but atomics.
#[unsafe(link_section = ".init_array")]
static NOTE: extern "C" fn() = note;

extern "C" fn note() {
    for ((signal, action), ignored) in OURS.iter().zip(&IGNORED) {
        // SAFETY: neither action installs code.
        let before = unsafe { libc::signal(*signal, *action) };
        ignored.store(before == libc::SIG_IGN, Ordering::Relaxed);
    }
    let mut mask = 0u64;
    set_mask(libc::SIG_BLOCK, std::ptr::null(), &mut mask);
    MASK.store(mask, Ordering::Relaxed);
    let stream = |fd| libc::pollfd { fd, events: 0, revents: 0 };
    let mut streams = [stream(0), stream(1), stream(2)];
    // SAFETY: an array of three, and its length.
    if unsafe { libc::poll(streams.as_mut_ptr(), 3, 0) } > 0 {
        let bit = |s: &libc::pollfd| u8::from(s.revents & libc::POLLNVAL != 0) << s.fd;
        CLOSED.store(streams.iter().map(bit).sum(), Ordering::Relaxed);
    }
}

/// rt_sigprocmask(2) itself: the C library's own leaves its signals out.
fn set_mask(how: libc::c_int, new: *const u64, old: *mut u64) {
    // SAFETY: null, or the place of a kernel's mask, whose size in bytes is the last argument.
    unsafe { libc::syscall(libc::SYS_rt_sigprocmask, how, new, old, size_of::<u64>()) };
}

/// Gives the signals, the mask and closed streams back; nothing can be written to a stream that was closed
/// after this.
pub(super) fn restore() {
    // Named here so that the linker keeps the function above.
    std::hint::black_box(&NOTE);
    for ((signal, _), ignored) in OURS.iter().zip(&IGNORED) {
        let ignored = ignored.load(Ordering::Relaxed);
        let disposition = if ignored { libc::SIG_IGN } else { libc::SIG_DFL };
        // SAFETY: no handler of ours is involved.
        unsafe { libc::signal(*signal, disposition) };
    }
    let mask = MASK.load(Ordering::Relaxed);
    set_mask(libc::SIG_SETMASK, &mask, std::ptr::null_mut());
    let closed = CLOSED.swap(0, Ordering::Relaxed);
    for fd in (0..3).filter(|fd| closed & (1 << fd) != 0) {
        // SAFETY: it was closed when we started; what is there now is Rust's own /dev/null.
        unsafe { libc::close(fd) };
    }
}
