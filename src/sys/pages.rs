//! Pages that a process which only waits does not need.

use rustix::mm::{Advice, madvise};

/// Unmaps the code of this program: what is used again is a page fault for each 64 KiB of it.
///
/// For a process that has done most of its work and waits for another one: its end, which
/// others wait for, has less to take apart then.
pub fn give_code_back() {
    unsafe extern "C" {
        // Both by the linker (ld(1), PROVIDE of the default scripts).
        static __executable_start: u8;
        static etext: u8;
    }
    let start = (&raw const __executable_start) as usize;
    let bytes = ((&raw const etext) as usize).saturating_sub(start);
    // SAFETY: headers and code of this program are a private mapping of a file that nobody
    // writes while it is executed (ETXTBSY), and that is never written to here: they are the
    // file's content again when they are touched.
    let _ = unsafe { madvise(start as *mut _, bytes, Advice::LinuxDontNeed) };
}
