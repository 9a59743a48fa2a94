//! What this process was given before Rust's start-up changed it: whether SIGPIPE was ignored, and
//! which of the three standard streams were closed. A program that is executed in our place gets
//! both back as they were.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

static PIPE_IGNORED: AtomicBool = AtomicBool::new(false);
/// One bit for each of descriptors 0, 1 and 2.
static CLOSED: AtomicU8 = AtomicU8::new(0);

/// Called by the C library before `main`, and so before Rust ignores SIGPIPE and opens /dev/null in
/// the place of closed streams.
#[used]
// SAFETY: the section holds pointers to functions of this type (System V ABI, "Initialization and
// Termination Functions"); the function uses nothing of std but atomics.
#[unsafe(link_section = ".init_array")]
static NOTE: extern "C" fn() = note;

extern "C" fn note() {
    // SAFETY: sigaction is plain data; all-zero is a valid value.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: only asks; the struct is ours to be written.
    let asked = unsafe { libc::sigaction(libc::SIGPIPE, std::ptr::null(), &mut action) };
    if asked == 0 && action.sa_sigaction == libc::SIG_IGN {
        PIPE_IGNORED.store(true, Ordering::Relaxed);
    }
    let stream = |fd| libc::pollfd { fd, events: 0, revents: 0 };
    let mut streams = [stream(0), stream(1), stream(2)];
    // SAFETY: an array of three, and its length.
    if unsafe { libc::poll(streams.as_mut_ptr(), 3, 0) } > 0 {
        let bit = |s: &libc::pollfd| u8::from(s.revents & libc::POLLNVAL != 0) << s.fd;
        CLOSED.store(streams.iter().map(bit).sum(), Ordering::Relaxed);
    }
}

/// Gives SIGPIPE and closed streams back; nothing can be written to a stream that was closed after
/// this.
pub(super) fn restore() {
    // Named here so that the linker keeps the function above.
    std::hint::black_box(&NOTE);
    let ignored = PIPE_IGNORED.load(Ordering::Relaxed);
    let disposition = if ignored { libc::SIG_IGN } else { libc::SIG_DFL };
    // SAFETY: no handler of ours is involved.
    unsafe { libc::signal(libc::SIGPIPE, disposition) };
    let closed = CLOSED.swap(0, Ordering::Relaxed);
    for fd in (0..3).filter(|fd| closed & (1 << fd) != 0) {
        // SAFETY: it was closed when we started; what is there now is Rust's own /dev/null.
        unsafe { libc::close(fd) };
    }
}
