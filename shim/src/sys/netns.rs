//! A network namespace made beside the other steps: it takes the kernel half a millisecond,
//! which a second core has to spare. Runs in I.

use nix::errno::Errno;
use rustix::fs::{Mode, OFlags};
use rustix::thread::UnshareFlags;
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};

/// Bytes of the maker's stack; it calls three functions.
#[cfg(target_arch = "x86_64")]
const STACK: usize = 32 * 1024;
/// Who may run now: `bolt`, M, I and the maker.
#[cfg(target_arch = "x86_64")]
const AT_ONCE: usize = 4;
/// Not done yet.
const PENDING: i32 = i32::MIN;

/// Descriptor of the namespace, or an errno below zero. A static, because the maker may still be
/// about to write when its starter has given up.
static RESULT: AtomicI32 = AtomicI32::new(PENDING);

/// A namespace on its way.
#[derive(Debug)]
pub(crate) struct Pending(());

/// Starts the maker: a thread without thread-local storage, which no C library lets one make.
#[cfg(target_arch = "x86_64")]
pub(crate) fn start() -> Result<Pending, Errno> {
    let stack = Box::leak(Box::<[u8]>::new_uninit_slice(STACK));
    let top = stack.as_mut_ptr_range().end as usize & !15;
    let flags = libc::CLONE_VM
        | libc::CLONE_FS
        | libc::CLONE_FILES
        | libc::CLONE_SIGHAND
        | libc::CLONE_THREAD
        | libc::CLONE_SYSVSEM;
    let tid: i64;
    // SAFETY: the new thread starts behind the system call on a leaked stack that nobody else
    // uses, aligned as the ABI wants it at a call; it calls `make`, which never unwinds, and
    // ends itself: it never reaches the code behind the label. The starter goes on there with
    // what a system call clobbers declared.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "call r12",
            "xor edi, edi",
            "mov eax, {exit}",
            "syscall",
            "2:",
            in("r12") make as extern "C" fn(),
            exit = const libc::SYS_exit,
            inlateout("rax") libc::SYS_clone => tid,
            in("rdi") flags,
            in("rsi") top,
            in("rdx") 0,
            in("r10") 0,
            in("r8") 0,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    if tid < 0 {
        return Err(Errno::from_raw(-tid as i32));
    }
    if let Some(maker) = rustix::process::Pid::from_raw(tid as i32)
        && let Ok(own) = rustix::thread::sched_getaffinity(None)
    {
        bolt_shim::processor::give_another(maker, AT_ONCE, &own);
    }
    Ok(Pending(()))
}

/// Elsewhere it is made right here.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn start() -> Result<Pending, Errno> {
    make();
    Ok(Pending(()))
}

/// The thread. It shares errno, the allocator's state and all else with its starter, so it uses
/// none of them: rustix makes bare system calls, its arguments are constants, and the descriptor
/// is forgotten as a number. Its own namespaces and descriptor flags are all that it changes.
extern "C" fn make() {
    // SAFETY: a network namespace of this thread alone; no descriptor or memory depends on it.
    let made = unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) };
    let result = made.and_then(|()| {
        rustix::fs::open(
            c"/proc/thread-self/ns/net",
            OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )
    });
    let value = match result {
        Ok(fd) => std::os::fd::IntoRawFd::into_raw_fd(fd),
        Err(e) => -e.raw_os_error(),
    };
    RESULT.store(value, Ordering::Release);
    let _ = rustix::thread::futex::wake(word(), rustix::thread::futex::Flags::PRIVATE, 1);
}

/// The same word as futex(2) wants it.
fn word() -> &'static std::sync::atomic::AtomicU32 {
    // SAFETY: both types have the size, alignment and bit patterns of a u32, and a static lives
    // for ever; both sides touch it by atomic operations only.
    unsafe { &*(&raw const RESULT).cast() }
}

impl Pending {
    /// Whether [`Self::wait`] would not sleep.
    pub(crate) fn is_there(&self) -> bool {
        RESULT.load(Ordering::Acquire) != PENDING
    }

    /// Waits for the namespace.
    pub(crate) fn wait(self) -> Result<OwnedFd, Errno> {
        loop {
            let value = RESULT.load(Ordering::Acquire);
            if value != PENDING {
                if value < 0 {
                    return Err(Errno::from_raw(-value));
                }
                // SAFETY: the maker has just opened it and forgotten it.
                return Ok(unsafe { OwnedFd::from_raw_fd(value) });
            }
            let flags = rustix::thread::futex::Flags::PRIVATE;
            let _ = rustix::thread::futex::wait(word(), flags, PENDING as u32, None);
        }
    }
}
