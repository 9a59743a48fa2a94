//! What is unpacked goes to the disk while the rest is unpacked: a pull ends with a sync of all of
//! it, and the disk would be idle before.

use rustix::io::Errno;
use std::os::fd::BorrowedFd;
use std::panic::resume_unwind;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

/// Bytes after which the disk gets something to do: half a second of small files.
const EVERY: u64 = 48 << 20;
/// The least that a file takes.
const BLOCK: u64 = 4096;

/// A thread that syncs, from the first [`EVERY`] bytes on.
struct Helper<'scope> {
    begin: SyncSender<()>,
    thread: ScopedJoinHandle<'scope, Result<(), Errno>>,
}

/// Syncs the file system of a layer's directory beside the unpacking.
pub(super) struct Flusher<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    dir: BorrowedFd<'scope>,
    written: u64,
    helper: Option<Helper<'scope>>,
}

impl<'scope, 'env> Flusher<'scope, 'env> {
    /// Starts no thread yet.
    pub(super) fn new(scope: &'scope Scope<'scope, 'env>, dir: BorrowedFd<'scope>) -> Self {
        Flusher { scope, dir, written: 0, helper: None }
    }

    /// A file of so many bytes is written.
    pub(super) fn wrote(&mut self, bytes: u64) {
        self.written += bytes.max(BLOCK);
        if self.written < EVERY {
            return;
        }
        self.written = 0;
        let (scope, dir) = (self.scope, self.dir);
        let helper = self.helper.get_or_insert_with(|| {
            let (begin, asked) = sync_channel(1);
            let thread =
                scope.spawn(move || asked.iter().try_for_each(|()| rustix::fs::syncfs(dir)));
            Helper { begin, thread }
        });
        // It is at it still, or has met an error that is told at the end.
        let _ = helper.begin.try_send(());
    }

    /// Waits for the thread. The kernel tells an error once: whoever syncs after us hears of it
    /// from us alone.
    pub(super) fn finish(self) -> Result<(), Errno> {
        let Some(Helper { begin, thread }) = self.helper else { return Ok(()) };
        drop(begin);
        thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;
    use std::os::fd::AsFd;

    #[test]
    fn a_thread_is_there_for_much_alone_and_tells_its_error() {
        let scratch = Scratch::new("flush");
        let good = std::fs::File::open(scratch.path()).unwrap();
        let flags = rustix::fs::OFlags::PATH;
        let bad = rustix::fs::open(scratch.path(), flags, rustix::fs::Mode::empty()).unwrap();
        std::thread::scope(|scope| {
            let mut flusher = Flusher::new(scope, good.as_fd());
            (1..EVERY / BLOCK).for_each(|_| flusher.wrote(1));
            assert!(flusher.helper.is_none());
            flusher.wrote(0);
            assert!(flusher.helper.is_some());
            assert_eq!(flusher.finish(), Ok(()));
            let mut flusher = Flusher::new(scope, bad.as_fd());
            flusher.wrote(EVERY);
            assert_eq!(flusher.finish(), Err(Errno::BADF));
        });
    }
}
