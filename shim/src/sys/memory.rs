//! Memory that a supervisor does not take, or not for long: the plan is read where it lies, and
//! a sleeping supervisor gives back the pages of its own program and the stack below its frame.

use rustix::event::{PollFd, Timespec, poll};
use rustix::fs::{SealFlags, fcntl_get_seals, fstat};
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munmap};
use std::ffi::{c_int, c_void};
use std::os::fd::OwnedFd;

/// Most ranges of pages that belong to the program's file and are never written: its headers,
/// code and constants, each a segment of its own.
const SEGMENTS: usize = 4;
/// Bytes of stack that are given back at most: what the kernel maps below the first frame of a
/// program (setup_arg_pages() in fs/exec.c). Deeper than that we come at our end only.
#[cfg(target_arch = "x86_64")]
const STACK: usize = 128 * 1024;

/// Ranges of whole pages: address and bytes.
type Segments = [(usize, usize); SEGMENTS];

/// poll(2) for a sleep that may be long: the memory that can be had again goes first.
///
/// Waking costs a fault for every 64 KiB of code that is used again. The last advice and the
/// sleep are one function, for the code that is running cannot go.
#[inline(never)]
pub(crate) fn sleep(fds: &mut [PollFd<'_>], timeout: Option<&Timespec>) -> Result<usize, Errno> {
    let segments = segments();
    give_stack_back();
    for (start, bytes) in segments {
        if bytes > 0 {
            // SAFETY: the pages are a private mapping of our own file that nobody writes, so
            // they are the file's content and are read again when touched; the kernel itself
            // drops them whenever it is short of memory. The file does not change: it is the
            // system's, or a sealed copy (`bolt`'s shim::program), and executed besides.
            let _ = unsafe { madvise(start as *mut c_void, bytes, Advice::LinuxDontNeed) };
        }
    }
    poll(fds, timeout)
}

/// The segments of this program that are mapped without the right to write. Relocated data is
/// not among them: it could not have been relocated.
fn segments() -> Segments {
    let mut found: Segments = [(0, 0); SEGMENTS];
    // SAFETY: `note` gets the address of `found`, which outlives the call, and nobody else has it.
    unsafe { libc::dl_iterate_phdr(Some(note), (&raw mut found).cast()) };
    found
}

/// For dl_iterate_phdr(3): notes what it is told of the first object, the program.
unsafe extern "C" fn note(
    info: *mut libc::dl_phdr_info,
    _size: libc::size_t,
    found: *mut c_void,
) -> c_int {
    // SAFETY: the caller passes the program's headers, which live as long as it, and the pointer
    // that `segments` gave it.
    let (headers, base, found) = unsafe {
        let info = &*info;
        let headers = std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum));
        (headers, info.dlpi_addr as usize, &mut *found.cast::<Segments>())
    };
    // SAFETY: reads a constant of the C library.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
    let fixed = headers.iter().filter(|h| h.p_type == libc::PT_LOAD && h.p_flags & libc::PF_W == 0);
    for (place, header) in found.iter_mut().zip(fixed) {
        let start = base + header.p_vaddr as usize;
        let end = (start + header.p_memsz as usize).next_multiple_of(page);
        let start = start / page * page;
        *place = (start, end - start);
    }
    1
}

/// One system call in one instruction sequence: not a word lies below its stack pointer.
#[cfg(target_arch = "x86_64")]
fn give_stack_back() {
    // SAFETY: what lies more than 128 bytes (the ABI's red zone) below the stack pointer belongs
    // to no living frame, and no signal handler runs here: all signals are blocked for good.
    // Below the stack the kernel maps nothing else for far more than STACK bytes. The system
    // call clobbers what is declared.
    unsafe {
        std::arch::asm!(
            "lea rsi, [rsp - 128]",
            "and rsi, {page}",
            "lea rdi, [rsi - {stack}]",
            "mov esi, {stack}",
            "syscall",
            page = const -4096,
            stack = const STACK,
            inlateout("rax") libc::SYS_madvise => _,
            out("rdi") _,
            out("rsi") _,
            in("rdx") libc::MADV_DONTNEED as i64,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
}

/// Elsewhere it stays: a few pages.
#[cfg(not(target_arch = "x86_64"))]
fn give_stack_back() {}

/// A sealed memory file, read where it lies: none of its bytes costs a page of ours.
#[derive(Debug)]
pub(crate) struct Mapped {
    start: *mut c_void,
    size: usize,
}

impl Mapped {
    /// `EINVAL` for a file that could still change.
    pub(crate) fn of(file: &OwnedFd) -> Result<Self, Errno> {
        let size = fstat(file)?.st_size as usize;
        let last = SealFlags::WRITE | SealFlags::SHRINK;
        if !fcntl_get_seals(file)?.contains(last) {
            return Err(Errno::INVAL);
        }
        // SAFETY: a new mapping at a place that the kernel chooses.
        let start = unsafe {
            mmap(std::ptr::null_mut(), size, ProtFlags::READ, MapFlags::PRIVATE, file, 0)?
        };
        Ok(Mapped { start, size })
    }

    /// The whole content.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: mapped for as long as `self` lives; the seals keep everybody from writing to the
        // file or cutting it.
        unsafe { std::slice::from_raw_parts(self.start.cast(), self.size) }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: mapped in `of`, and `bytes` borrows from us.
        let _ = unsafe { munmap(self.start, self.size) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// KiB of the mapping that holds `address`, from smaps(5).
    fn resident(address: usize) -> u64 {
        let text = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut inside = false;
        for line in text.lines() {
            let range = line.split_once(' ').and_then(|(range, _)| range.split_once('-'));
            if let Some((from, to)) = range {
                let number = |s| usize::from_str_radix(s, 16).unwrap();
                inside = (number(from)..number(to)).contains(&address);
            } else if let (true, Some(rss)) = (inside, line.strip_prefix("Rss:")) {
                return rss.trim().trim_end_matches(" kB").parse().unwrap();
            }
        }
        panic!("nothing is mapped at {address:x}");
    }

    #[test]
    fn only_what_cannot_change_is_mapped() {
        use rustix::fs::{MemfdFlags, fcntl_add_seals, memfd_create};
        let file = memfd_create(c"test", MemfdFlags::ALLOW_SEALING).unwrap();
        rustix::io::write(&file, b"plan").unwrap();
        assert_eq!(Mapped::of(&file).map(drop), Err(Errno::INVAL));
        fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::SHRINK).unwrap();
        assert_eq!(Mapped::of(&file).unwrap().bytes(), b"plan");
    }

    #[test]
    fn segments_are_the_programs_own_and_none_of_them_is_written() {
        let found = segments();
        let inside = |address: usize| found.iter().any(|(s, n)| (*s..s + n).contains(&address));
        static WRITTEN: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(1);
        static CONSTANT: [u8; 64] = [7; 64];
        assert!(inside(sleep as *const () as usize), "{found:x?}");
        assert!(inside(CONSTANT.as_ptr() as usize), "{found:x?}");
        assert!(!inside((&raw const WRITTEN) as usize), "{found:x?}");
    }

    #[test]
    fn the_code_goes_and_everything_works_afterwards() {
        let code = sleep as *const () as usize;
        let constants: Vec<String> = (0..50).map(|n| format!("{n:?} of {:.3}", 0.5)).collect();
        let before = resident(code);
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        assert_eq!(sleep(&mut [], Some(&now)), Ok(0));
        let after = resident(code);
        assert!(after < before, "{before} {after}");
        assert_eq!(constants[7], "7 of 0.500");
    }
}
