//! Pages that a process which only waits does not need.

use rustix::mm::{Advice, madvise};

/// What the kernel maps around a fault in a file's pages, where it is aligned so (mm/memory.c,
/// fault_around_bytes).
const WINDOW: usize = 64 << 10;

/// Unmaps the code of this program: what is used again is a page fault for each 64 KiB of it.
///
/// For a process that has done most of its work and waits for another one: its end, which
/// others wait for, has less to take apart then. What lies near this function stays: contrib/order
/// puts there what runs afterwards, and looks for this one by its name.
#[inline(never)]
pub fn give_code_back() {
    unsafe extern "C" {
        // Both by the linker (ld(1), PROVIDE of the default scripts).
        static __executable_start: u8;
        static etext: u8;
    }
    let start = (&raw const __executable_start) as usize;
    let end = (&raw const etext) as usize;
    let own = give_code_back as fn() as usize / WINDOW * WINDOW;
    let (low, high) = (own.saturating_sub(WINDOW).max(start), (own + 2 * WINDOW).min(end));
    for (from, to) in [(start, low), (high, end)] {
        // SAFETY: headers and code of this program are a private mapping of a file that nobody
        // writes while it is executed (ETXTBSY), and that is never written to here: they are the
        // file's content again when they are touched.
        let _ = unsafe { madvise(from as *mut _, to - from, Advice::LinuxDontNeed) };
    }
}
