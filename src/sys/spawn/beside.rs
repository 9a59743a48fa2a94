//! A child that becomes its program while its parent goes on: clone(2) with CLONE_VM as
//! posix_spawn(3) uses it, without CLONE_VFORK.

use super::child::{self, bare};
use super::{Starting, c_string, out_of_the_way};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

/// All that the child reads. Leaked: the parent does not know when it has been read.
struct Order {
    path: CString,
    /// Ends with null, as does `envp`; the strings are leaked as well.
    argv: Vec<*const libc::c_char>,
    envp: [*const libc::c_char; 1],
    /// (descriptor, the number it gets).
    fds: Vec<(i32, i32)>,
    errno: AtomicI32,
}

/// See [`super::begin`].
pub(super) fn begin(
    program: &Path,
    args: &[&str],
    fds: &[(BorrowedFd<'_>, i32)],
) -> io::Result<Starting> {
    let path = c_string(program.as_os_str().as_encoded_bytes())?;
    let mut argv = Vec::with_capacity(args.len() + 1);
    for arg in args {
        argv.push(c_string(arg.as_bytes())?.into_raw().cast_const());
    }
    argv.push(ptr::null());
    let copies = out_of_the_way(fds)?;
    let fds = copies.iter().zip(fds).map(|(copy, (_, number))| (copy.as_raw_fd(), *number));
    let order =
        Order { path, argv, envp: [ptr::null()], fds: fds.collect(), errno: AtomicI32::new(0) };
    let order: &'static Order = Box::leak(Box::new(order));
    let pid = child::begin(0, become_program, order, Box::leak(child::stack()));
    // The child has its own table of descriptors.
    drop(copies);
    let pid = pid?;
    Ok(Starting { pid, errno: &order.errno })
}

/// The child, under the rules of [`child::begin`].
extern "C" fn become_program(order: &'static Order) -> ! {
    let error = match arrange(order) {
        Ok(()) => {
            let (path, argv) = (order.path.as_ptr() as usize, order.argv.as_ptr() as usize);
            // SAFETY: terminated arrays of terminated strings that were leaked for this process;
            // the memory that goes with success is the child's own view of it.
            unsafe { bare(libc::SYS_execve, [path, argv, order.envp.as_ptr() as usize]) }
        }
        Err(error) => error,
    };
    order.errno.store(-error as i32, Ordering::Release);
    loop {
        // SAFETY: a number; it does not come back.
        unsafe { bare(libc::SYS_exit_group, [127, 0, 0]) };
    }
}

/// A session of its own, `/dev/null` as standard streams, the descriptors at their numbers. The
/// error is a negative errno.
fn arrange(order: &Order) -> Result<(), isize> {
    let call = |number, args| {
        // SAFETY: numbers, and a path that lives for ever; the descriptors are the child's own.
        let result = unsafe { bare(number, args) };
        if result < 0 { Err(result) } else { Ok(result as usize) }
    };
    call(libc::SYS_setsid, [0; 3])?;
    let path = c"/dev/null".as_ptr() as usize;
    let null = call(libc::SYS_open, [path, libc::O_RDWR as usize, 0])?;
    for number in 0..3 {
        call(libc::SYS_dup2, [null, number, 0])?;
    }
    if null > 2 {
        call(libc::SYS_close, [null, 0, 0])?;
    }
    for (from, to) in &order.fds {
        call(libc::SYS_dup2, [*from as usize, *to as usize, 0])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Pid, WaitOptions, waitpid};
    use std::io::Read;
    use std::os::fd::AsFd;

    fn reap(pid: i32) -> Option<i32> {
        let status = waitpid(Pid::from_raw(pid), WaitOptions::empty()).unwrap();
        status.and_then(|(_, status)| status.exit_status())
    }

    #[test]
    fn the_program_has_its_words_and_descriptors_and_no_environment() {
        let (mut read, write) = std::io::pipe().unwrap();
        let script = "exec 4>&1 >&3; echo $#$1; readlink /proc/$$/fd/0 /proc/$$/fd/2 /proc/$$/fd/4; \
                      test $(cut -d' ' -f6 /proc/$$/stat) = $$ && echo leads; \
                      test -e /proc/$$/fd/64 || env";
        let args = ["sh", "-c", script, "sh", "word"];
        let child = begin(Path::new("/bin/sh"), &args, &[(write.as_fd(), 3)]).unwrap();
        drop(write);
        let mut said = String::new();
        read.read_to_string(&mut said).unwrap();
        assert_eq!((reap(child.pid), child.failure().is_none()), (Some(0), true));
        let want = "1word\n/dev/null\n/dev/null\n/dev/null\nleads\nPWD=";
        assert!(said.starts_with(want), "{said}");
        assert!(!said.contains("HOME="), "{said}");
    }

    #[test]
    fn a_file_that_is_no_program_is_told() {
        let child = begin(Path::new("/etc/passwd"), &["passwd"], &[]).unwrap();
        assert_eq!(reap(child.pid), Some(127));
        let why = child.failure().unwrap();
        assert_eq!(why.kind(), std::io::ErrorKind::PermissionDenied);
    }
}
