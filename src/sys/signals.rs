//! Signals as something to poll: blocked and read from a signalfd(2).

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// A set of signals that is blocked while this value lives and read from it instead.
#[derive(Debug)]
pub struct Signals {
    fd: OwnedFd,
    before: Mask,
}

#[derive(Clone, Copy)]
struct Mask(libc::sigset_t);

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mask")
    }
}

impl Signals {
    /// Blocks `signals` for this thread (call it before any other is made).
    pub fn block(signals: &[i32]) -> io::Result<Self> {
        let set = mask_of(signals);
        let mut before = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: both sets are valid for the call, which writes the second.
        let rc = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &set, before.as_mut_ptr()) };
        if rc != 0 {
            return Err(io::Error::from_raw_os_error(rc));
        }
        // SAFETY: pthread_sigmask succeeded and wrote it.
        let before = Mask(unsafe { before.assume_init() });
        // SAFETY: the set is valid for the call.
        let raw = unsafe { libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
        if raw < 0 {
            let error = io::Error::last_os_error();
            restore(&before);
            return Err(error);
        }
        // SAFETY: a new descriptor that nobody else owns.
        let fd = unsafe { OwnedFd::from_raw_fd(raw) };
        Ok(Signals { fd, before })
    }

    /// The next signal that came, or `None`.
    pub fn next(&self) -> io::Result<Option<i32>> {
        Ok(self.next_of()?.map(|(signo, _)| signo))
    }

    /// The next signal that came and whether the kernel itself sent it (sigaction(2), SI_KERNEL),
    /// or `None`.
    pub fn next_of(&self) -> io::Result<Option<(i32, bool)>> {
        let mut info = MaybeUninit::<libc::signalfd_siginfo>::uninit();
        let size = size_of::<libc::signalfd_siginfo>();
        // SAFETY: the buffer is `size` bytes long.
        let n = unsafe { libc::read(self.fd.as_raw_fd(), info.as_mut_ptr().cast(), size) };
        if n == size as isize {
            // SAFETY: the kernel filled the whole struct.
            let info = unsafe { info.assume_init() };
            return Ok(Some((info.ssi_signo as i32, info.ssi_code == libc::SI_KERNEL)));
        }
        match io::Error::last_os_error() {
            e if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Ok(None)
            }
            e => Err(e),
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        restore(&self.before);
    }
}

fn restore(before: &Mask) {
    // SAFETY: a mask the kernel gave us.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &before.0, std::ptr::null_mut()) };
}

fn mask_of(signals: &[i32]) -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initialises the set; sigaddset only refuses numbers out of range.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signo in signals {
            libc::sigaddset(set.as_mut_ptr(), *signo);
        }
        set.assume_init()
    }
}

/// Whether this process ignores a signal, as a shell makes its background jobs do.
pub fn is_ignored(signo: i32) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: only asks; where that succeeds the kernel has written the whole struct.
    unsafe {
        libc::sigaction(signo, std::ptr::null(), action.as_mut_ptr()) == 0
            && action.assume_init().sa_sigaction == libc::SIG_IGN
    }
}

/// Sends a signal to this very process.
pub fn raise(signo: i32) -> io::Result<()> {
    // SAFETY: kill(2) touches no memory.
    let rc = unsafe { libc::kill(libc::getpid(), signo) };
    if rc < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Sends a signal through a pidfd (pidfd_send_signal(2)), real-time signals too.
pub fn send(pidfd: impl AsFd, signo: i32) -> io::Result<()> {
    let info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: the descriptor is borrowed for the call; no siginfo is passed.
    let rc = unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_fd().as_raw_fd(), signo, info, 0)
    };
    if rc < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Largest signal number.
pub const MAX: i32 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocked_signal_is_read_and_the_mask_comes_back() {
        // One thread of its own: the mask is per thread, and the signal is sent to it alone.
        std::thread::spawn(|| {
            let signals = Signals::block(&[libc::SIGUSR2]).unwrap();
            assert_eq!(signals.next().unwrap(), None);
            // SAFETY: sends to the calling thread, where it is blocked.
            unsafe { libc::pthread_kill(libc::pthread_self(), libc::SIGUSR2) };
            assert_eq!(signals.next().unwrap(), Some(libc::SIGUSR2));
            drop(signals);
            let mut now = MaybeUninit::<libc::sigset_t>::uninit();
            // SAFETY: reads the mask of this thread.
            let blocked = unsafe {
                libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), now.as_mut_ptr());
                libc::sigismember(now.as_ptr(), libc::SIGUSR2)
            };
            assert_eq!(blocked, 0);
        })
        .join()
        .unwrap();
    }
}
