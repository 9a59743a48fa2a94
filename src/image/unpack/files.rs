//! Contents of small files: written by a second thread, a batch at a time.
//!
//! Creating a small file costs about as much as filling and closing it, so the two are done side
//! by side. All names are made by the reading thread, in the tar's order; what is left is done to
//! a descriptor. So whatever replaces, links or removes a file meanwhile finds the same tree as
//! if its content were there already.

use super::Stats;
use super::entry::Entry;
use super::error::UnpackError;
use super::flush::Flusher;
use super::meta::Finisher;
use std::fs::File;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

/// Files of up to this many bytes are small.
pub(super) const SMALL: u64 = 64 << 10;
/// Most files of a batch: each holds a descriptor, and three batches are under way. Each wakes a
/// thread: by 64 a pull of small files took 6 % less time than by 16, and eight layers at once would
/// come near to the 1024 descriptors that a process may usually have.
const BATCH_FILES: usize = 32;
/// A batch with this many bytes takes no further file.
const BATCH_BYTES: usize = 256 << 10;

/// A file whose name is made.
struct Waiting {
    file: File,
    entry: Entry,
    /// Bytes of the batch's data that are this file's, behind those of the files before it.
    len: usize,
}

#[derive(Default)]
struct Batch {
    files: Vec<Waiting>,
    data: Vec<u8>,
    /// Bytes of `data` that belong to `files`.
    taken: usize,
}

impl Batch {
    /// Writes and completes all files, and is empty then.
    fn write(&mut self, finisher: &Finisher<'_>, stats: &mut Stats) -> Result<(), UnpackError> {
        let mut rest = self.data.as_slice();
        for Waiting { file, entry, len } in self.files.drain(..) {
            let (own, others) = rest.split_at(len);
            rest = others;
            file.write_all_at(own, 0).map_err(|e| entry.io("write", e))?;
            finisher.finish(&entry, &file, stats)?;
        }
        self.data.clear();
        self.taken = 0;
        Ok(())
    }
}

/// The second thread, from the first full batch on.
struct Helper<'scope> {
    full: SyncSender<Batch>,
    empty: Receiver<Batch>,
    thread: ScopedJoinHandle<'scope, Result<Stats, UnpackError>>,
}

impl<'scope> Helper<'scope> {
    fn start(scope: &'scope Scope<'scope, '_>, finisher: Finisher<'scope>) -> Self {
        let (full, batches) = sync_channel(1);
        let (give_back, empty) = channel();
        let thread = scope.spawn(move || write_all(&finisher, &batches, &give_back));
        Helper { full, empty, thread }
    }

    /// Waits until everything sent is written.
    fn finish(self) -> Result<Stats, UnpackError> {
        drop(self.full);
        self.thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    }
}

fn write_all(
    finisher: &Finisher<'_>,
    batches: &Receiver<Batch>,
    give_back: &Sender<Batch>,
) -> Result<Stats, UnpackError> {
    let mut stats = Stats::default();
    for mut batch in batches {
        batch.write(finisher, &mut stats)?;
        // Nobody takes the last ones.
        let _ = give_back.send(batch);
    }
    Ok(stats)
}

/// The small files of a layer, on their way to the second thread.
pub(super) struct Files<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    finisher: Finisher<'scope>,
    batch: Batch,
    helper: Option<Helper<'scope>>,
    /// Is told of all files, large ones too.
    pub(super) flusher: Flusher<'scope, 'env>,
}

impl<'scope, 'env> Files<'scope, 'env> {
    /// Starts no thread yet: a layer of few files needs none.
    pub(super) fn new(
        scope: &'scope Scope<'scope, 'env>,
        finisher: Finisher<'scope>,
        dir: BorrowedFd<'scope>,
    ) -> Self {
        let flusher = Flusher::new(scope, dir);
        Files { scope, finisher, batch: Batch::default(), helper: None, flusher }
    }

    /// Where the content of the next file goes, behind what is there.
    pub(super) fn data(&mut self) -> &mut Vec<u8> {
        &mut self.batch.data
    }

    /// Takes the file whose content was just added to [`Files::data`].
    ///
    /// Errors: what an earlier file could not be written for.
    pub(super) fn add(&mut self, file: File, entry: Entry) -> Result<(), UnpackError> {
        let batch = &mut self.batch;
        let len = batch.data.len() - batch.taken;
        batch.taken += len;
        batch.files.push(Waiting { file, entry, len });
        if batch.files.len() < BATCH_FILES && batch.taken < BATCH_BYTES {
            return Ok(());
        }
        let (scope, finisher) = (self.scope, self.finisher);
        let helper = self.helper.get_or_insert_with(|| Helper::start(scope, finisher));
        let next = helper.empty.try_recv().unwrap_or_default();
        match helper.full.send(std::mem::replace(&mut self.batch, next)) {
            Ok(()) => Ok(()),
            // It has left on an error.
            Err(_) => self.helper.take().map_or(Ok(()), |helper| helper.finish().map(drop)),
        }
    }

    /// Waits for the other threads; writes what was not sent to the second, when all was `read`
    /// well. How syncing went is told beside what was counted.
    pub(super) fn finish(
        mut self,
        read: bool,
    ) -> Result<(Stats, rustix::io::Result<()>), UnpackError> {
        let mut stats = self.helper.take().map_or(Ok(Stats::default()), Helper::finish)?;
        if read {
            self.batch.write(&self.finisher, &mut stats)?;
        }
        Ok((stats, self.flusher.finish()))
    }
}
