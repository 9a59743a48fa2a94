//! A process that is there to hold a user namespace: id maps are written to a process.

#[cfg(target_arch = "x86_64")]
use super::child;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicI32, Ordering};

/// Pid of this process, for its children.
static PARENT: AtomicI32 = AtomicI32::new(0);

/// Such a process, in a new user namespace whose owner is the caller. It ends with this, or with its
/// parent; the namespace stays while anybody else is in it or has it open.
#[derive(Debug)]
pub struct Holder {
    pid: i32,
    #[cfg(target_arch = "x86_64")]
    _stack: Box<child::Stack>,
}

impl Holder {
    /// Makes it. This process must have one thread.
    ///
    /// Errors: those of clone(2) with CLONE_NEWUSER; EPERM where user namespaces are forbidden,
    /// ENOSPC where there may be no more.
    pub fn new() -> io::Result<Self> {
        PARENT.store(std::process::id() as i32, Ordering::Release);
        #[cfg(target_arch = "x86_64")]
        {
            let mut stack = child::stack();
            let pid = child::begin(libc::CLONE_NEWUSER, hold, &PARENT, &mut stack)?;
            Ok(Holder { pid, _stack: stack })
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            let flags = libc::CLONE_NEWUSER | libc::SIGCHLD;
            // SAFETY: one thread, and no memory is shared: the child is a whole copy. The order of
            // the other arguments, all zero, does not matter.
            match unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) } {
                0 => hold(&PARENT),
                pid if pid > 0 => Ok(Holder { pid: pid as i32 }),
                _ => Err(io::Error::last_os_error()),
            }
        }
    }

    /// The process whose `uid_map` and `gid_map` are the namespace's.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// The namespace.
    pub fn namespace(&self) -> io::Result<OwnedFd> {
        File::open(format!("/proc/{}/ns/user", self.pid)).map(OwnedFd::from)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // SAFETY: numbers. It is a child of ours that nobody else waits for: its pid is its own
        // until it is reaped here, and afterwards nobody uses its stack.
        unsafe {
            libc::kill(self.pid, libc::SIGKILL);
            while libc::waitpid(self.pid, std::ptr::null_mut(), 0) < 0
                && *libc::__errno_location() == libc::EINTR
            {}
        }
    }
}

/// The child: ends when its parent does, else it waits to be killed.
extern "C" fn hold(parent: &'static AtomicI32) -> ! {
    let call = |number, args: [usize; 3]| {
        // SAFETY: numbers and the address of a mask; what they change is this process's own.
        #[cfg(target_arch = "x86_64")]
        return unsafe { child::bare(number, args) };
        // SAFETY: the same.
        #[cfg(not(target_arch = "x86_64"))]
        return unsafe { libc::syscall(number, args[0], args[1], args[2]) as isize };
    };
    // Nobody is to wait for the end of a pipe because of it.
    call(libc::SYS_close_range, [0, u32::MAX as usize, 0]);
    let signal = libc::SIGKILL as usize;
    call(libc::SYS_prctl, [libc::PR_SET_PDEATHSIG as usize, signal, 0]);
    // It may have ended before that.
    while call(libc::SYS_getppid, [0; 3]) == parent.load(Ordering::Acquire) as isize {
        // No signal but SIGKILL wakes it: the others are blocked.
        call(libc::SYS_rt_sigsuspend, [&raw const ALL as usize, size_of_val(&ALL), 0]);
    }
    loop {
        call(libc::SYS_exit_group, [0; 3]);
    }
}

/// A kernel's mask of all signals (rt_sigsuspend(2)).
static ALL: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_namespace_is_another_and_the_process_ends_with_its_holder() {
        let inode = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/user")).ok();
        let Ok(holder) = Holder::new() else {
            println!("skipped: no user namespace may be made here");
            return;
        };
        let pid = holder.pid().to_string();
        assert_ne!(inode(&pid), inode("self"));
        let namespace = holder.namespace().unwrap();
        std::fs::write(
            format!("/proc/{pid}/uid_map"),
            format!("0 {} 1", rustix::process::getuid().as_raw()),
        )
        .unwrap();
        drop(holder);
        assert_eq!(inode(&pid), None);
        assert!(rustix::fs::fstat(namespace).is_ok());
    }
}
