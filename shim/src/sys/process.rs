//! The process itself: a clean start, inherited descriptors, small output.

use bolt_shim::launch::fd;
use nix::sys::signal::{SigSet, SigmaskHow, pthread_sigmask};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Session of our own, no foreign descriptors, all signals blocked, `/` as directory.
///
/// What the caller leaked (CVE-2024-21626) is closed before anything else happens.
pub(crate) fn sanitise() {
    close_from(fd::REPORT as u32 + 1);
    let _ = nix::unistd::setsid();
    let _ = nix::unistd::chdir("/");
    let _ = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None);
    default_actions();
    // Beyond the limit of file sizes a write fails, and is told; so do those of programs of ours.
    // SAFETY: SIG_IGN installs no code.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
}

/// No signal is ignored: what the caller ignores (`nohup`, `&` of a script) a container hears
/// nevertheless, and so do we, whom signalfd(2) would tell nothing of it. Three are set by Rust.
fn default_actions() {
    // The kernel's struct sigaction: action, flags, restorer, mask.
    let default = [0u64; 4];
    let rusts = [libc::SIGPIPE, libc::SIGSEGV, libc::SIGBUS];
    for signal in (1..=64).filter(|signal| !rusts.contains(signal)) {
        // SAFETY: the struct installs no code; SIGKILL and SIGSTOP are refused.
        unsafe {
            let old = std::ptr::null_mut::<u64>();
            libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), old, size_of::<u64>())
        };
    }
}

/// A session keyring of our own (keyrings(7)): whoever inherits the caller's possesses the keys
/// in it, Kerberos tickets for one. A kernel without keys has none to keep.
pub(crate) fn leave_keyring() -> Result<(), nix::errno::Errno> {
    // linux/keyctl.h; not in every C library.
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_int = 1;
    let anonymous = std::ptr::null::<libc::c_char>();
    // SAFETY: a null name asks for an anonymous keyring.
    let rc = unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, anonymous) };
    match nix::errno::Errno::result(rc) {
        Ok(_) | Err(nix::errno::Errno::ENOSYS) => Ok(()),
        Err(e) => Err(e),
    }
}

/// Inode of the pid namespace of the process behind `pidfd`; `None` before Linux 6.11. To find it by
/// /proc takes three times as long.
pub(crate) fn pid_namespace(pidfd: BorrowedFd<'_>) -> Option<u64> {
    // linux/pidfd.h: _IO(0xff, 5).
    const PIDFD_GET_PID_NAMESPACE: libc::Ioctl = 0xff05;
    // SAFETY: the request takes no argument, and what it returns is a descriptor made for us.
    let namespace = unsafe {
        let fd = libc::ioctl(pidfd.as_raw_fd(), PIDFD_GET_PID_NAMESPACE, 0);
        (fd >= 0).then(|| OwnedFd::from_raw_fd(fd))?
    };
    rustix::fs::fstat(namespace).ok().map(|stat| stat.st_ino)
}

/// Lets `command` be killed when this process ends, however that happens: nobody else would. It
/// starts without the signals that we block: one that hangs can be ended.
pub(crate) fn end_with_us(command: &mut std::process::Command) {
    end_with(command, std::process::id() as i32);
}

fn end_with(command: &mut std::process::Command, parent: i32) {
    use std::os::unix::process::CommandExt;
    // SAFETY: between fork and exec of a single-threaded process; three system calls.
    unsafe {
        command.pre_exec(move || {
            let rc = libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong, 0, 0, 0);
            nix::errno::Errno::result(rc)?;
            // Killed between the clone and that call, its parent sends no signal any more.
            if libc::getppid() != parent {
                return Err(nix::errno::Errno::ESRCH.into());
            }
            Ok(pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?)
        })
    };
}

/// Closes every descriptor from `first` on.
pub(crate) fn close_from(first: u32) {
    // SAFETY: called where no OwnedFd of that range is alive (start of the program), or right
    // before execve in a child that uses none of them again.
    unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
}

/// Closes every descriptor but those below `first` and `kept`.
fn close_all_but(first: u32, kept: &OwnedFd) {
    use std::os::fd::AsRawFd;
    let kept = kept.as_raw_fd() as u32;
    if kept > first {
        // SAFETY: as in close_from: the caller becomes another program or ends, and drops none of
        // the OwnedFds whose numbers go here.
        unsafe { libc::syscall(libc::SYS_close_range, first, kept - 1, 0) };
    }
    close_from(kept.max(first - 1) + 1);
}

/// Leaves the standard descriptors, `passed` from number 3 on, and `socket` open, which lies
/// elsewhere afterwards. The caller becomes another program or ends: nobody drops what is closed.
pub(crate) fn keep_only(
    socket: &OwnedFd,
    passed: Vec<OwnedFd>,
) -> Result<std::mem::ManuallyDrop<OwnedFd>, nix::errno::Errno> {
    use std::os::fd::AsRawFd;
    let first = 3 + passed.len() as i32;
    let above = |fd: &OwnedFd| {
        // SAFETY: the source is borrowed; the result is new and ours.
        let copy = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, first) };
        nix::errno::Errno::result(copy).map(own)
    };
    // First all out of the way of the numbers that they are to have.
    let copies: Vec<OwnedFd> = passed.iter().map(above).collect::<Result<_, _>>()?;
    let socket = above(socket)?;
    for (copy, number) in copies.iter().zip(3..) {
        // SAFETY: what lay at that number belongs to a process that uses it no more.
        nix::errno::Errno::result(unsafe { libc::dup2(copy.as_raw_fd(), number) })?;
    }
    close_all_but(first as u32, &socket);
    std::mem::forget((passed, copies));
    Ok(std::mem::ManuallyDrop::new(socket))
}

/// Marks every descriptor from `first` on close-on-exec.
pub(crate) fn cloexec_from(first: u32) {
    // SAFETY: changes flags only.
    unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
}

/// Takes over a descriptor that `bolt` placed at a number of the contract; close-on-exec.
///
/// Call once per number.
pub(crate) fn inherit(number: i32) -> Result<OwnedFd, nix::errno::Errno> {
    // SAFETY: F_SETFD on a number is harmless when it is not open: EBADF.
    let rc = unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
    nix::errno::Errno::result(rc)?;
    // SAFETY: the number is open, and the contract gives it to us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Makes this process (un)dumpable (prctl(2), PR_SET_DUMPABLE).
pub(crate) fn set_dumpable(on: bool) {
    // SAFETY: plain prctl without pointers.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, libc::c_ulong::from(on), 0, 0, 0) };
}

/// Shows `name` in ps(1); cut at 15 bytes.
pub(crate) fn set_name(name: &std::ffi::CStr) {
    // SAFETY: PR_SET_NAME reads at most 16 bytes of a terminated string.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
}

/// No capability can be gained by execve from here on.
pub(crate) fn no_new_privs() -> Result<(), nix::errno::Errno> {
    // SAFETY: plain prctl without pointers.
    let rc = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1 as libc::c_ulong, 0, 0, 0) };
    nix::errno::Errno::result(rc).map(drop)
}

/// Keeps permitted capabilities over the change to a non-root uid.
pub(crate) fn keep_caps(on: bool) {
    // SAFETY: plain prctl without pointers.
    unsafe { libc::prctl(libc::PR_SET_KEEPCAPS, libc::c_ulong::from(on), 0, 0, 0) };
}

/// Closes our copy of the lock's descriptor in a clone that must not hold it.
///
/// The owner's copy of the value stays behind in a process that never drops it: it becomes
/// another program or ends.
pub(crate) fn close_lock(lock: &OwnedFd) {
    use std::os::fd::AsRawFd;
    // SAFETY: the clone has its own descriptor table, and uses this number for nothing else.
    unsafe { libc::close(lock.as_raw_fd()) };
}

/// Closes report line, lock and directory in a clone of M that has nothing else of M but the plan.
///
/// The owners' values stay behind in a process that never drops them: it becomes another program
/// or ends.
pub(crate) fn close_inherited() {
    // SAFETY: the clone has its own descriptor table; these numbers are open in M, so no
    // descriptor of its own has one of them.
    unsafe {
        libc::close(fd::REPORT);
        libc::syscall(libc::SYS_close_range, fd::LOCK, fd::DIR, 0)
    };
}

/// Moves a descriptor to a number of the contract, where [`inherit`] finds it.
pub(crate) fn put(file: OwnedFd, number: i32) -> Result<(), nix::errno::Errno> {
    use std::os::fd::AsRawFd;
    debug_assert!(file.as_raw_fd() < number);
    // SAFETY: nothing of ours lies at the numbers of the contract before it is put there.
    let rc = unsafe { libc::dup3(file.as_raw_fd(), number, libc::O_CLOEXEC) };
    nix::errno::Errno::result(rc).map(drop)
}

/// Wraps a descriptor that a call has just made for us.
pub(crate) fn own(raw: i32) -> OwnedFd {
    // SAFETY: callers pass the fresh result of accept4(2), which nobody else holds.
    unsafe { OwnedFd::from_raw_fd(raw) }
}

/// pidfd_send_signal(2) with any number, real-time signals too.
pub(crate) fn pidfd_signal(
    pidfd: std::os::fd::BorrowedFd<'_>,
    signo: i32,
) -> Result<(), nix::errno::Errno> {
    use std::os::fd::AsRawFd;
    let info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a null siginfo means "as kill(2)".
    let rc =
        unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signo, info, 0) };
    nix::errno::Errno::result(rc).map(drop)
}

/// Waits for the next of all (blocked) signals: its number.
pub(crate) fn next_signal() -> i32 {
    let mut set = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    let mut signo = 0;
    // SAFETY: sigfillset initialises the set, which sigwait reads; it writes one int.
    unsafe {
        libc::sigfillset(set.as_mut_ptr());
        libc::sigwait(set.as_ptr(), &raw mut signo);
    }
    signo
}

/// kill(2) with any number. The process may be gone: nobody is left to be told.
pub(crate) fn kill(pid: i32, signo: i32) {
    // SAFETY: kill(2) touches no memory.
    unsafe { libc::kill(pid, signo) };
}

/// kill(2) of everybody in our pid namespace but ourselves; false: nobody is there. 0 only asks.
pub(crate) fn signal_all(signo: i32) -> bool {
    // SAFETY: kill(2) touches no memory.
    unsafe { libc::kill(-1, signo) == 0 }
}

/// Gives the signals that were ignored here, or that Rust may have left ignored, their default
/// action back. One that waits because it is
/// blocked is forgotten.
pub(crate) fn default_signals() {
    for signal in [libc::SIGPIPE, libc::SIGXFSZ, libc::SIGSEGV, libc::SIGBUS] {
        // SAFETY: neither installs code.
        unsafe {
            libc::signal(signal, libc::SIG_IGN);
            libc::signal(signal, libc::SIG_DFL)
        };
    }
}

/// Ends this process at once: no atexit handlers, nothing flushed twice after a fork.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: _exit(2) never returns.
    unsafe { libc::_exit(code) }
}

/// Lets the terminal on `fd` be our controlling one (ioctl_tty(2), TIOCSCTTY).
pub(crate) fn controlling_terminal(fd: impl std::os::fd::AsFd) -> Result<(), nix::errno::Errno> {
    use std::os::fd::AsRawFd;
    // SAFETY: the descriptor is borrowed; the argument is an int.
    let rc = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), libc::TIOCSCTTY as _, 0) };
    nix::errno::Errno::result(rc).map(drop)
}

/// Writes to standard output.
pub(crate) fn say(text: &str) {
    let _ = rustix::io::write(rustix::stdio::stdout(), text.as_bytes());
}

/// Writes to standard error.
pub(crate) fn complain(text: &str) {
    let _ = rustix::io::write(rustix::stdio::stderr(), text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::clone::{Cloned, clone3};
    use std::os::fd::AsRawFd;

    #[test]
    fn the_pid_namespace_behind_a_pidfd_is_the_one_that_proc_shows() {
        use rustix::process::{Pid, PidfdFlags, pidfd_open};
        let us = Pid::from_raw(std::process::id() as i32).unwrap();
        let pidfd = pidfd_open(us, PidfdFlags::empty()).unwrap();
        let shown = rustix::fs::stat("/proc/self/ns/pid").unwrap().st_ino;
        let found = pid_namespace(std::os::fd::AsFd::as_fd(&pidfd));
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        let mut numbers =
            release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
        let version: (u32, u32) = (numbers.next().unwrap(), numbers.next().unwrap());
        let want = (version >= (6, 11)).then_some(shown);
        assert!(found == want || found == Some(shown), "{found:?} {shown} {version:?}");
    }

    #[test]
    fn a_program_whose_parent_is_gone_is_not_started() {
        let mut command = std::process::Command::new("true");
        end_with(&mut command, std::process::id() as i32 + 1);
        assert_eq!(command.spawn().unwrap_err().raw_os_error(), Some(libc::ESRCH));
    }

    #[test]
    fn a_program_of_ours_hears_signals_that_we_block() {
        // Of this thread alone.
        let old = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK).unwrap();
        let mut command = std::process::Command::new("cat");
        end_with_us(command.arg("/proc/self/status"));
        let out = String::from_utf8(command.output().unwrap().stdout).unwrap();
        old.thread_set_mask().unwrap();
        assert!(out.contains("SigBlk:\t0000000000000000"), "{out}");
    }

    #[test]
    fn cve_2024_21626_no_directory_of_the_host_outlives_the_close() {
        let (dir, (socket, other)) =
            (std::fs::File::open("/").unwrap(), crate::sys::socket::pair().unwrap());
        // SAFETY: F_GETFD on a number is harmless when it is not open.
        let is_open = |raw: i32| unsafe { libc::fcntl(raw, libc::F_GETFD) } >= 0;
        let (dir, other, kept) = (dir.as_raw_fd(), other.as_raw_fd(), socket.as_raw_fd());
        assert!(is_open(dir) && is_open(other));
        let Cloned::Parent { pid, .. } = clone3(0, None).unwrap() else {
            close_all_but(3, &socket);
            exit_now(i32::from(is_open(dir) || is_open(other) || !is_open(kept)))
        };
        let end = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(pid), None).unwrap();
        assert!(matches!(end, nix::sys::wait::WaitStatus::Exited(_, 0)), "{end:?}");
    }
}
