//! A child that ends with whoever started it (PR_SET_PDEATHSIG(2const)).

use std::io;
use std::os::unix::process::{CommandExt, parent_id};
use std::process::Command;

/// Makes what `command` starts end by SIGTERM as soon as the calling thread has ended, by
/// whatever. A user namespace that it enters makes the kernel forget that: see [`Wish`].
pub fn ends_with_us(command: &mut Command) {
    let ours = std::process::id();
    let ask = move || {
        set(libc::SIGTERM)?;
        // Between fork(2) and now.
        if parent_id() == ours { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::ESRCH)) }
    };
    // SAFETY: between fork and exec it makes two plain system calls and allocates nothing.
    unsafe { command.pre_exec(ask) };
}

/// What the kernel was asked to do at the parent's end, before other ids made it forget.
#[derive(Debug)]
pub struct Wish {
    signal: libc::c_int,
    parent: u32,
}

impl Wish {
    /// As it is now.
    pub fn now() -> Self {
        let mut signal: libc::c_int = 0;
        // SAFETY: the kernel writes one int, into a valid place.
        unsafe { libc::prctl(libc::PR_GET_PDEATHSIG, &mut signal) };
        Wish { signal, parent: parent_id() }
    }

    /// Asks again. A parent that has ended meanwhile is heard of now.
    pub fn again(self) -> io::Result<()> {
        if self.signal == 0 {
            return Ok(());
        }
        set(self.signal)?;
        if parent_id() == self.parent { Ok(()) } else { super::signals::raise(self.signal) }
    }
}

fn set(signal: libc::c_int) -> io::Result<()> {
    // SAFETY: plain system call.
    let rc = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal as libc::c_ulong, 0, 0, 0) };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
