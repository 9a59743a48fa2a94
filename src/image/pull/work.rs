//! The threads of a pull: the caller's fetches, the workers unpack.

use super::PullError;
use super::layer;
use super::plan::{Arrived, Arriving, Feed, Job};
use crate::image::progress::Progress;
use crate::image::share::Share;
use crate::image::source::{Delivery, OpenBlob, Sink, Source, SourceError, Wanted};
use crate::image::types::Descriptor;
use crate::image::unpack::Owners;
use crate::store::{Layout, Store};
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// What all jobs of one pull share.
#[derive(Clone, Copy)]
pub(super) struct Shop<'a> {
    pub(super) store: &'a Store,
    pub(super) layout: Layout,
    pub(super) owners: &'a Owners,
    pub(super) keep_blobs: bool,
    pub(super) share: Share,
    /// Name of the source, for messages.
    pub(super) place: &'a str,
    pub(super) progress: &'a dyn Progress,
}

/// The first error, which stops everybody.
#[derive(Default)]
pub(super) struct Outcome {
    error: Mutex<Option<PullError>>,
    stopped: AtomicBool,
}

impl Outcome {
    fn fail(&self, error: PullError) {
        let mut first = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(error);
        self.stopped.store(true, Ordering::Relaxed);
    }
}

/// Does all jobs; on the first error the others are left, with their downloads kept.
pub(super) fn run(
    shop: &Shop<'_>,
    mut jobs: Vec<Job<'_>>,
    source: &dyn Source,
) -> Result<(), PullError> {
    let outcome = Outcome::default();
    let wanted = arrivals(shop, &mut jobs, &outcome);
    let queue = Mutex::new(VecDeque::from(jobs));
    // Only what opens local blobs may be used from several threads, not the source itself.
    let (opener, fetch) = match source.delivery() {
        Delivery::Open(opener) => (Some(opener), None),
        Delivery::Fetch(fetch) => (None, Some(fetch)),
    };
    std::thread::scope(|scope| {
        for _ in 0..shop.share.workers {
            scope.spawn(|| worker(shop, &queue, opener, &outcome));
        }
        if let Some(fetch) = fetch {
            fetch.fetch(wanted, &outcome.stopped);
        }
    });
    match outcome.error.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// The downloads in the order of the jobs.
fn arrivals<'a, 'j: 'a>(
    shop: &'a Shop<'_>,
    jobs: &mut [Job<'j>],
    outcome: &'a Outcome,
) -> Vec<Wanted<'a>> {
    let mut wanted = Vec::new();
    for job in jobs {
        let Feed::Download(download) = &mut job.feed else { continue };
        let Some(arriving) = download.arriving.take() else { continue };
        let blob = job.blob;
        let store = shop.store;
        let sink = Box::new(Arrival { arriving, blob, store, outcome, keep_if_wrong: false });
        wanted.push(Wanted { blob, sink });
    }
    wanted
}

fn worker(
    shop: &Shop<'_>,
    queue: &Mutex<VecDeque<Job<'_>>>,
    opener: Option<&dyn OpenBlob>,
    outcome: &Outcome,
) {
    while !outcome.stopped.load(Ordering::Relaxed) {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(job) = job else { return };
        let blob = job.blob;
        match layer::process(shop, job, opener) {
            Ok(()) => shop.progress.layer_unpacked(&blob.digest),
            Err(e) => outcome.fail(e.or_no_space(shop.store.path(), &blob.digest)),
        }
    }
}

/// Puts the bytes of a download on the disk and hands the file to the worker at their end.
struct Arrival<'a> {
    arriving: Arriving,
    blob: &'a Descriptor,
    store: &'a Store,
    outcome: &'a Outcome,
    keep_if_wrong: bool,
}

impl Sink for Arrival<'_> {
    fn len(&self) -> u64 {
        self.arriving.partial.len()
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.arriving.partial.append(bytes).map_err(io::Error::other)
    }

    fn reuse(&mut self, count: u64) -> io::Result<()> {
        self.arriving.partial.reuse(count).map_err(io::Error::other)
    }

    fn differs(&self, at: u64, bytes: &[u8]) -> io::Result<bool> {
        self.arriving.partial.differs(at, bytes).map_err(io::Error::other)
    }

    fn keep_if_wrong(&mut self) {
        self.keep_if_wrong = true;
    }

    fn end(self: Box<Self>, result: Result<(), SourceError>) {
        let Arriving { partial, whole } = self.arriving;
        let keep_if_wrong = self.keep_if_wrong;
        let finished = result
            .map_err(PullError::from)
            .and_then(|()| partial.finish(self.blob.size).map_err(PullError::from));
        match finished {
            // A worker that has left on its own error takes nothing more; the file stays.
            Ok(()) => drop(whole.send(Arrived { partial, keep_if_wrong })),
            // The cause is told before the worker sees its reader fail.
            Err(e) => self.outcome.fail(e.or_no_space(self.store.path(), &self.blob.digest)),
        }
    }
}
