//! The allocator of the `bolt` program.
//!
//! musl's own maps and unmaps pages for almost every allocation, which a start of a few
//! milliseconds feels. dlmalloc keeps what it has; its ready-made form takes a pthread mutex for
//! each call, an eighth of all that `bolt run` computes, and takes its pages one fault at a time.

use dlmalloc::{Allocator, Dlmalloc};
use rustix::mm::{MapFlags, MremapFlags, ProtFlags, mmap_anonymous, mremap, munmap};
use std::alloc::{GlobalAlloc, Layout};
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes asked of the kernel at a time: few, since each page that a short verb does not need costs
/// it two microseconds.
const CHUNK: usize = 32 << 10;

/// To be named by `#[global_allocator]`.
#[derive(Debug)]
pub struct Heap;

static STATE: Mutex<Dlmalloc<Pages>> = Mutex::new(
    const {
        let mut state = Dlmalloc::new_with_allocator(Pages);
        assert!(state.set_granularity(CHUNK));
        state
    },
);

fn state() -> MutexGuard<'static, Dlmalloc<Pages>> {
    // Neither lock nor guard allocates. Nothing in here panics between the two.
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

// Not inlined: into thousands of places, that made the program a twelfth larger.
// SAFETY: each call is handed on under one lock with the very layout it came with, so dlmalloc
// gets back what it gave, once, and no two threads are in it.
unsafe impl GlobalAlloc for Heap {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout, as above.
        unsafe { state().malloc(layout.size(), layout.align()) }
    }

    #[inline(never)]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout, as above.
        unsafe { state().calloc(layout.size(), layout.align()) }
    }

    #[inline(never)]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller says that the block is ours and of this layout.
        unsafe { state().free(block, layout.size(), layout.align()) }
    }

    #[inline(never)]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller says that the block is ours and of this layout.
        unsafe { state().realloc(block, layout.size(), layout.align(), size) }
    }
}

/// Private anonymous memory. What is asked in the usual size comes with its pages: each would
/// cost a fault of its own.
struct Pages;

// SAFETY: a region is mapped for dlmalloc alone, readable, writable and zero, at the kernel's
// choice of address, and is given back only at dlmalloc's word.
unsafe impl Allocator for Pages {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        let mut flags = MapFlags::PRIVATE;
        if size <= CHUNK {
            flags |= MapFlags::POPULATE;
        }
        // SAFETY: without MAP_FIXED no mapping that is there is touched.
        let mapped = unsafe {
            mmap_anonymous(ptr::null_mut(), size, ProtFlags::READ | ProtFlags::WRITE, flags)
        };
        mapped.map_or((ptr::null_mut(), 0, 0), |start| (start.cast(), size, 0))
    }

    fn remap(&self, start: *mut u8, old: usize, new: usize, can_move: bool) -> *mut u8 {
        let flags = if can_move { MremapFlags::MAYMOVE } else { MremapFlags::empty() };
        // SAFETY: dlmalloc owns the region and knows no pointer into it but the one it gets here.
        unsafe { mremap(start.cast(), old, new, flags) }.map_or(ptr::null_mut(), <*mut _>::cast)
    }

    fn free_part(&self, start: *mut u8, old: usize, new: usize) -> bool {
        // SAFETY: dlmalloc gives up the end of a region of its own.
        unsafe { munmap(start.add(new).cast(), old - new) }.is_ok()
    }

    fn free(&self, start: *mut u8, size: usize) -> bool {
        // SAFETY: dlmalloc gives up a region of its own.
        unsafe { munmap(start.cast(), size) }.is_ok()
    }

    fn can_release_part(&self, _flags: u32) -> bool {
        true
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        4096
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_keep_what_they_hold() {
        let mut blocks: Vec<(*mut u8, Layout, u8)> = Vec::new();
        for round in 0..2000usize {
            let layout = Layout::from_size_align(1 + round * 37 % 9000, 1 << (round % 8)).unwrap();
            let mark = round as u8;
            // SAFETY: of this layout until it is freed below, once.
            let block = unsafe { Heap.alloc_zeroed(layout) };
            assert_eq!(block as usize % layout.align(), 0);
            // SAFETY: as long as the layout.
            let bytes = unsafe { std::slice::from_raw_parts_mut(block, layout.size()) };
            assert!(bytes.iter().all(|b| *b == 0));
            bytes.fill(mark);
            blocks.push((block, layout, mark));
            if round % 3 == 0 {
                let (block, layout, mark) = blocks.swap_remove(round * 7 % blocks.len());
                // SAFETY: ours, of this layout, and used by its new address alone from here on.
                let block = unsafe { Heap.realloc(block, layout, layout.size() * 2) };
                // SAFETY: the old length was copied.
                let bytes = unsafe { std::slice::from_raw_parts(block, layout.size()) };
                assert!(bytes.iter().all(|b| *b == mark));
                let layout = Layout::from_size_align(layout.size() * 2, layout.align()).unwrap();
                // SAFETY: ours, of this layout, and forgotten here.
                unsafe { Heap.dealloc(block, layout) };
            }
        }
        for (block, layout, mark) in blocks {
            // SAFETY: ours and of this layout; freed once.
            unsafe {
                assert_eq!(*block, mark);
                Heap.dealloc(block, layout);
            }
        }
    }

    #[test]
    fn a_huge_block_comes_and_goes() {
        let layout = Layout::from_size_align(64 << 20, 4096).unwrap();
        // SAFETY: of this layout; written within, freed once.
        unsafe {
            let block = Heap.alloc(layout);
            block.add(layout.size() - 1).write(1);
            Heap.dealloc(block, layout);
        }
    }
}
