//! A child that becomes its program while its parent goes on: clone(2) with CLONE_VM as
//! posix_spawn(3) uses it, without CLONE_VFORK.

use super::{Starting, above, c_string};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

/// Bytes of the child's stack; it calls two functions.
const STACK: usize = 16 * 1024;

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
    // First out of the way of the fixed numbers, so that no dup2 tramples on a later source.
    let copies: Vec<OwnedFd> =
        fds.iter().map(|(fd, _)| above(*fd, 64)).collect::<Result<_, _>>()?;
    let fds = copies.iter().zip(fds).map(|(copy, (_, number))| (copy.as_raw_fd(), *number));
    let order =
        Order { path, argv, envp: [ptr::null()], fds: fds.collect(), errno: AtomicI32::new(0) };
    let order: &'static Order = Box::leak(Box::new(order));
    let pid = clone(order)?;
    // The child has its own table of descriptors.
    drop(copies);
    Ok(Starting { pid, errno: &order.errno })
}

fn clone(order: &'static Order) -> io::Result<i32> {
    let stack = Box::leak(Box::<[u8]>::new_uninit_slice(STACK));
    let top = stack.as_mut_ptr_range().end as usize & !15;
    let pid: i64;
    // SAFETY: the child starts behind the system call on a leaked stack that nobody else uses,
    // aligned as the ABI wants it at a call; it calls `become_program`, which does not return.
    // The parent goes on behind the label with what a system call clobbers declared.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r13",
            "call r12",
            "2:",
            in("r12") become_program as extern "C" fn(&'static Order) -> !,
            in("r13") ptr::from_ref(order),
            inlateout("rax") libc::SYS_clone => pid,
            in("rdi") libc::CLONE_VM | libc::SIGCHLD,
            in("rsi") top,
            in("rdx") 0,
            in("r10") 0,
            in("r8") 0,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    match i32::try_from(pid) {
        Ok(pid) if pid > 0 => Ok(pid),
        _ => Err(io::Error::from_raw_os_error(-pid as i32)),
    }
}

/// The child. It shares all memory with a parent that runs: errno, the allocator's state and the
/// standard library's are the parent's, so it makes bare system calls and reads its order.
/// Descriptors and signal handlers are its own.
extern "C" fn become_program(order: &'static Order) -> ! {
    let null = c"/dev/null".as_ptr() as usize;
    // SAFETY: numbers, and pointers to what was leaked for this process; nothing is written
    // through them, and the memory that execve(2) replaces is the child's own view of it.
    unsafe {
        bare(libc::SYS_setsid, [0; 3]);
        let null = bare(libc::SYS_open, [null, libc::O_RDWR as usize, 0]);
        for number in 0..3 {
            bare(libc::SYS_dup2, [null as usize, number, 0]);
        }
        bare(libc::SYS_close, [null as usize, 0, 0]);
        for (from, to) in &order.fds {
            bare(libc::SYS_dup2, [*from as usize, *to as usize, 0]);
        }
        let (path, argv) = (order.path.as_ptr() as usize, order.argv.as_ptr() as usize);
        let error = bare(libc::SYS_execve, [path, argv, order.envp.as_ptr() as usize]);
        order.errno.store(-error as i32, Ordering::Release);
        loop {
            bare(libc::SYS_exit_group, [127, 0, 0]);
        }
    }
}

/// A system call that touches nothing of this process but what it is for.
///
/// # Safety
///
/// As the call itself wants it.
unsafe fn bare(number: libc::c_long, [first, second, third]: [usize; 3]) -> isize {
    let result: isize;
    // SAFETY: the caller's; registers are clobbered as declared.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") first,
            in("rsi") second,
            in("rdx") third,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result
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
        let script =
            "echo $#$1 >&3; readlink /proc/self/fd/0 >&3; test -e /proc/self/fd/64 || env >&3";
        let args = ["sh", "-c", script, "sh", "word"];
        let child = begin(Path::new("/bin/sh"), &args, &[(write.as_fd(), 3)]).unwrap();
        drop(write);
        let mut said = String::new();
        read.read_to_string(&mut said).unwrap();
        assert_eq!((reap(child.pid), child.failure().is_none()), (Some(0), true));
        assert!(said.starts_with("1word\n/dev/null\nPWD="), "{said}");
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
