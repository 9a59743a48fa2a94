//! The allocator of the `bolt` program.
//!
//! musl's own maps and unmaps pages for almost every allocation, which a start of a few
//! milliseconds feels. dlmalloc keeps what it has; its ready-made form takes a pthread mutex for
//! each call, an eighth of all that `bolt run` computes, and takes its pages one fault at a time.
//! Before it lies a list of free blocks for each small size: dlmalloc searches, splits and joins,
//! which was a quarter of what `bolt run` computes.

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

/// Sizes of small blocks are multiples of this; so is their place.
const STEP: usize = 16;
/// The largest small block.
const LARGEST: usize = 512;
/// What small blocks are cut from.
const SLAB: usize = 4 << 10;

static STATE: Mutex<Blocks> = Mutex::new(
    const {
        let mut large = Dlmalloc::new_with_allocator(Pages);
        assert!(large.set_granularity(CHUNK));
        Blocks {
            large,
            free: [ptr::null_mut(); LARGEST / STEP + 1],
            slab: ptr::null_mut(),
            left: 0,
        }
    },
);

struct Blocks {
    large: Dlmalloc<Pages>,
    /// By size in steps: the first free block, which holds the address of the next.
    free: [*mut u8; LARGEST / STEP + 1],
    /// What is left of the last slab.
    slab: *mut u8,
    left: usize,
}

// SAFETY: the pointers lead to memory of this allocator alone, which no thread owns.
unsafe impl Send for Blocks {}

/// The size in steps of a small block.
const fn steps(layout: Layout) -> Option<usize> {
    let small = layout.size() <= LARGEST && layout.align() <= STEP;
    if small { Some(layout.size().div_ceil(STEP)) } else { None }
}

impl Blocks {
    fn take(&mut self, layout: Layout) -> *mut u8 {
        let Some(steps) = steps(layout) else {
            // SAFETY: whatever size and alignment.
            return unsafe { self.large.malloc(layout.size(), layout.align()) };
        };
        let first = self.free[steps];
        if first.is_null() {
            return self.cut(steps * STEP);
        }
        // SAFETY: a free block is at least a step long, lies at one, and was given the next one's
        // address by `give`.
        self.free[steps] = unsafe { first.cast::<*mut u8>().read() };
        first
    }

    fn cut(&mut self, size: usize) -> *mut u8 {
        if self.left < size {
            // SAFETY: whatever size and alignment.
            let slab = unsafe { self.large.malloc(SLAB, STEP) };
            if slab.is_null() {
                return slab;
            }
            (self.slab, self.left) = (slab, SLAB);
        }
        let block = self.slab;
        self.left -= size;
        // SAFETY: so much was left.
        self.slab = unsafe { block.add(size) };
        block
    }

    /// # Safety
    ///
    /// `block` was taken with this layout, and nobody uses it any more.
    unsafe fn give(&mut self, block: *mut u8, layout: Layout) {
        let Some(steps) = steps(layout) else {
            // SAFETY: dlmalloc gave it; by the caller's word.
            return unsafe { self.large.free(block, layout.size(), layout.align()) };
        };
        // SAFETY: it is ours again, at least a step long, and lies at one.
        unsafe { block.cast::<*mut u8>().write(self.free[steps]) };
        self.free[steps] = block;
    }

    /// # Safety
    ///
    /// As for `give`; the result has its place from then on, unless it is null.
    unsafe fn resize(&mut self, block: *mut u8, old: Layout, size: usize) -> *mut u8 {
        // SAFETY: the alignment is one already, and the caller of realloc says that the size fits.
        let new = unsafe { Layout::from_size_align_unchecked(size, old.align()) };
        match (steps(old), steps(new)) {
            // SAFETY: dlmalloc gave it; by the caller's word.
            (None, None) => unsafe { self.large.realloc(block, old.size(), old.align(), size) },
            (old, new) if old == new => block,
            _ => {
                let other = self.take(new);
                if !other.is_null() {
                    // SAFETY: two blocks, each as long as its layout.
                    unsafe { block.copy_to_nonoverlapping(other, old.size().min(size)) };
                    // SAFETY: by the caller's word.
                    unsafe { self.give(block, old) };
                }
                other
            }
        }
    }
}

fn blocks() -> MutexGuard<'static, Blocks> {
    // Neither lock nor guard allocates. Nothing in here panics between the two.
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

// Not inlined: into thousands of places, that made the program a twelfth larger.
// SAFETY: each call is handed on under one lock with the very layout it came with, so each block
// comes back to where it was taken from, once, and no two threads are in there.
unsafe impl GlobalAlloc for Heap {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        blocks().take(layout)
    }

    #[inline(never)]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if steps(layout).is_none() {
            // SAFETY: whatever size and alignment.
            return unsafe { blocks().large.calloc(layout.size(), layout.align()) };
        }
        let block = blocks().take(layout);
        if !block.is_null() {
            // SAFETY: ours alone, and as long as its layout.
            unsafe { block.write_bytes(0, layout.size()) };
        }
        block
    }

    #[inline(never)]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller says that the block is ours and of this layout.
        unsafe { blocks().give(block, layout) }
    }

    #[inline(never)]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller says that the block is ours and of this layout.
        unsafe { blocks().resize(block, layout, size) }
    }
}

/// Most bytes that come with their pages: what is asked at a time is used soon, and each page would
/// cost a fault of its own.
const POPULATED: usize = 4 * CHUNK;

/// Private anonymous memory.
struct Pages;

// SAFETY: a region is mapped for dlmalloc alone, readable, writable and zero, at the kernel's
// choice of address, and is given back only at dlmalloc's word.
unsafe impl Allocator for Pages {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        let mut flags = MapFlags::PRIVATE;
        if size <= POPULATED {
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
            let size = 1 + round * 37 % if round % 2 == 0 { 600 } else { 9000 };
            let layout = Layout::from_size_align(size, 1 << (round % 8)).unwrap();
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
                let size = if round % 2 == 0 { layout.size() * 2 } else { 1 + layout.size() / 2 };
                // SAFETY: ours, of this layout, and used by its new address alone from here on.
                let block = unsafe { Heap.realloc(block, layout, size) };
                // SAFETY: the shorter of both lengths was copied.
                let bytes = unsafe { std::slice::from_raw_parts(block, size.min(layout.size())) };
                assert!(bytes.iter().all(|b| *b == mark));
                let layout = Layout::from_size_align(size, layout.align()).unwrap();
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
