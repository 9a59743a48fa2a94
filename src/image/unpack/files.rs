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
use super::limits::Limits;
use super::meta::Finisher;
use std::fs::File;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

/// Files of up to this many bytes are small.
pub(super) const SMALL: u64 = 64 << 10;
/// Most files of a batch, where descriptors allow so many. Each batch wakes a thread: by 64 a pull
/// of small files takes up to 3 % less time than by 32, by 128 no less.
const BATCH_FILES: usize = 64;
/// Batches whose files are open: one is gathered, one waits, one is written.
const UNDER_WAY: usize = 3;
/// What full batches hold.
pub(super) const MOST_DESCRIPTORS: usize = UNDER_WAY * BATCH_FILES;
/// A batch that holds this many bytes takes no further file.
const BATCH_BYTES: usize = 256 << 10;

/// How many files a batch may have, where so many descriptors may be held.
fn files_of_a_batch(descriptors: usize) -> usize {
    (descriptors / UNDER_WAY).clamp(1, BATCH_FILES)
}

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
    /// Bytes that the entries hold beside it: an empty file may have a megabyte of attributes.
    entries: usize,
}

impl Batch {
    /// Takes no further file, when `most` are allowed.
    fn is_full(&self, most: usize) -> bool {
        self.files.len() >= most || self.taken + self.entries >= BATCH_BYTES
    }

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
        self.entries = 0;
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
    /// Most files of a batch here.
    most: usize,
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
        limits: &Limits,
    ) -> Self {
        let flusher = Flusher::new(scope, dir);
        let most = files_of_a_batch(limits.descriptors);
        Files { scope, finisher, most, batch: Batch::default(), helper: None, flusher }
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
        batch.entries += entry.held();
        batch.files.push(Waiting { file, entry, len });
        if !batch.is_full(self.most) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_fill_a_batch_as_content_does() {
        for (taken, entries, full) in [
            (0, 0, false),
            (BATCH_BYTES - 1, 0, false),
            (BATCH_BYTES, 0, true),
            (0, BATCH_BYTES, true),
            (1, BATCH_BYTES - 1, true),
        ] {
            let batch = Batch { taken, entries, ..Batch::default() };
            assert_eq!(batch.is_full(BATCH_FILES), full, "{taken} {entries}");
        }
        assert!(Batch::default().is_full(0));
    }

    #[test]
    fn three_batches_hold_no_more_than_is_allowed_but_one_file_each() {
        for (descriptors, files) in [(0, 1), (3, 1), (7, 2), (96, 32), (192, 64), (10_000, 64)] {
            assert_eq!(files_of_a_batch(descriptors), files, "{descriptors}");
        }
    }
}
