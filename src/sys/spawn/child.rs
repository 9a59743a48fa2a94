//! A child in this process's memory, on a stack of its own: clone(2) with CLONE_VM. Cheaper than a
//! copy of the memory, and this process goes on beside it.

use std::io;
use std::mem::MaybeUninit;
use std::ptr;

/// Bytes of the child's stack; it calls two functions.
const STACK: usize = 16 * 1024;

/// Memory for a child's stack, which has to stay while the child lives in it.
pub(super) type Stack = [MaybeUninit<u8>];

/// A new one.
pub(super) fn stack() -> Box<Stack> {
    Box::<[u8]>::new_uninit_slice(STACK)
}

/// Begins a child that calls `main(order)`, with every signal blocked; `flags` (CLONE_NEW…) besides
/// those that make it what it is. `stack` is the child's until it has ended or become a program.
///
/// The child shares all memory with a parent that runs: errno, the allocator's state and the
/// standard library's are the parent's, so `main` makes [`bare`] system calls, reads its order, and
/// writes atomic numbers alone. Descriptors and signal handlers are its own.
pub(super) fn begin<T>(
    flags: libc::c_int,
    main: extern "C" fn(&'static T) -> !,
    order: &'static T,
    stack: &mut Stack,
) -> io::Result<i32> {
    let mask = block_all();
    let pid = clone(flags, main, order, stack);
    set_mask(&mask);
    pid
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

fn clone<T>(
    flags: libc::c_int,
    main: extern "C" fn(&'static T) -> !,
    order: &'static T,
    stack: &mut Stack,
) -> io::Result<i32> {
    let top = stack.as_mut_ptr_range().end as usize & !15;
    let pid: i64;
    // SAFETY: the child starts behind the system call on a stack that nobody else uses, aligned
    // as the ABI wants it at a call; it calls `main`, which does not return, and no signal
    // interrupts it. The parent goes on behind the label with what a system call clobbers declared.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r13",
            "call r12",
            "2:",
            in("r12") main,
            in("r13") ptr::from_ref(order),
            inlateout("rax") libc::SYS_clone => pid,
            in("rdi") (flags | libc::CLONE_VM | libc::SIGCHLD) as usize,
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

/// A system call that touches nothing of this process but what it is for.
///
/// # Safety
///
/// As the call itself wants it.
pub(super) unsafe fn bare(number: libc::c_long, [first, second, third]: [usize; 3]) -> isize {
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
