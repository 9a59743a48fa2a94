//! A helper that is nobody's child of ours: in a session of its own, reaped by init or a subreaper.
//! A program that is executed in our place never meets it.

use super::spawn;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

/// Starts `program` as [`spawn::spawn`] does, but as a child of the nearest subreaper. Returns its
/// pid. This process must have no other thread.
///
/// The child in between is cloned without a signal, so that no SIGCHLD is left pending for the
/// program that comes in our place.
pub fn spawn(program: &Path, args: &[&str], fds: &[(BorrowedFd<'_>, i32)]) -> io::Result<i32> {
    let (ours, theirs) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    // SAFETY: one thread, so the copy is whole; it shares no memory with us. Without flags the
    // order of the other arguments, all zero, does not matter.
    let middle = unsafe { libc::syscall(libc::SYS_clone, 0, 0, 0, 0, 0) };
    if middle == 0 {
        let answer = match spawn::spawn(program, args, fds) {
            Ok(pid) => pid,
            Err(error) => -error.raw_os_error().unwrap_or(libc::EINVAL),
        };
        let _ = rustix::io::write(theirs.as_fd(), &answer.to_ne_bytes());
        // SAFETY: ends this copy without running anything of ours.
        unsafe { libc::_exit(0) };
    }
    if middle < 0 {
        return Err(io::Error::last_os_error());
    }
    drop(theirs);
    let mut answer = [0u8; 4];
    let read = rustix::io::retry_on_intr(|| rustix::io::read(&ours, &mut answer));
    // SAFETY: our own child; __WALL, since it ends without a signal.
    while unsafe { libc::waitpid(middle as i32, std::ptr::null_mut(), libc::__WALL) } < 0 {
        if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            break;
        }
    }
    match (read?, i32::from_ne_bytes(answer)) {
        (4, pid) if pid > 0 => Ok(pid),
        (4, errno) => Err(io::Error::from_raw_os_error(-errno)),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// For a helper's start: what asks a program to end does not end this one, and nothing but the
/// three standard streams stays open. Call it before anything is opened.
pub fn settle() {
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGPIPE] {
        // SAFETY: no handler is involved.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    // SAFETY: descriptors that a stranger left to us by inheritance; nothing here owns one.
    unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) };
}
