//! A child that becomes its program while its parent goes on: clone(2) with CLONE_VM as
//! posix_spawn(3) uses it, without CLONE_VFORK.

use super::{Starting, c_string, out_of_the_way};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
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
    let copies = out_of_the_way(fds)?;
    let fds = copies.iter().zip(fds).map(|(copy, (_, number))| (copy.as_raw_fd(), *number));
    let order =
        Order { path, argv, envp: [ptr::null()], fds: fds.collect(), errno: AtomicI32::new(0) };
    let order: &'static Order = Box::leak(Box::new(order));
    let mask = block_all();
    let pid = clone(order);
    set_mask(&mask);
    // The child has its own table of descriptors.
    drop(copies);
    let pid = pid?;
    Ok(Starting { pid, errno: &order.errno })
}

/// Blocks every signal; the mask before. A handler of ours that ran in the child would use our
/// thread's memory on the child's little stack.
fn block_all() -> libc::sigset_t {
    // SAFETY: plain data that sigfillset and pthread_sigmask fill.
    let (mut all, mut before) = unsafe { std::mem::zeroed::<(libc::sigset_t, libc::sigset_t)>() };
    // SAFETY: valid places for both; the call cannot fail with SIG_SETMASK.
    unsafe {
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
    }
    before
}

fn set_mask(mask: &libc::sigset_t) {
    // SAFETY: a mask that the kernel gave.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, mask, ptr::null_mut()) };
}

fn clone(order: &'static Order) -> io::Result<i32> {
    let stack = Box::leak(Box::<[u8]>::new_uninit_slice(STACK));
    let top = stack.as_mut_ptr_range().end as usize & !15;
    let pid: i64;
    // SAFETY: the child starts behind the system call on a leaked stack that nobody else uses,
    // aligned as the ABI wants it at a call; it calls `become_program`, which does not return, and
    // no signal interrupts it. The parent goes on behind the label with what a system call
    // clobbers declared.
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
            in("rdi") (libc::CLONE_VM | libc::SIGCHLD) as usize,
            in("rsi") top,
            in("rdx") 0usize,
            in("r10") 0usize,
            in("r8") 0usize,
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
/// standard library's are the parent's, so it makes bare system calls, reads its order, and writes
/// one atomic number. Descriptors and signal handlers are its own.
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
