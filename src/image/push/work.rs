//! The threads of a push: workers make files of blobs, the caller's thread sends them.

use super::layer;
use super::{Destination, Packing, PushError, PushRequest};
use crate::image::progress::Progress;
use crate::image::registry::OutgoingBlob;
use crate::image::types::{Descriptor, Digest, LayerRecord};
use crate::store::Store;
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc::{Sender, channel};

/// Most layers compressed at once.
const MOST_WORKERS: usize = 8;
/// Files that may wait to be sent: with those being made and sent they bound the disk that a push
/// takes.
const READY: usize = 1;

/// A blob to be sent, and where its bytes come from.
pub(super) struct Job<'a> {
    pub(super) blob: &'a Descriptor,
    pub(super) make: Make<'a>,
}

pub(super) enum Make<'a> {
    /// The store has it.
    Kept(File),
    /// It is the layer's plain tar.
    Tar(&'a LayerRecord),
    /// The layer is compressed anew: the blob gets another digest.
    Packed(&'a LayerRecord, Packing),
}

/// What stands for a blob of the store's manifest at the destination.
#[derive(Debug, Clone)]
pub(super) struct Changed {
    pub(super) blob: Descriptor,
    pub(super) packing: Packing,
}

/// What the threads of one push share.
struct Shop<'a> {
    store: &'a Store,
    level: Option<i32>,
    queue: Mutex<VecDeque<Job<'a>>>,
    changed: Mutex<BTreeMap<Digest, Changed>>,
    error: Mutex<Option<PushError>>,
    stopped: AtomicBool,
}

impl Shop<'_> {
    fn fail(&self, error: PushError) {
        let mut first = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(error);
        self.stopped.store(true, Ordering::Relaxed);
    }
}

/// Does all jobs; returns what got another digest, by the old one.
pub(super) fn run(
    request: &PushRequest<'_>,
    store: &Store,
    jobs: Vec<Job<'_>>,
    destination: &dyn Destination,
    progress: &dyn Progress,
) -> Result<BTreeMap<Digest, Changed>, PushError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = cores.min(MOST_WORKERS).min(jobs.len());
    let shop = Shop {
        store,
        level: request.level,
        queue: Mutex::new(VecDeque::from(jobs)),
        changed: Mutex::default(),
        error: Mutex::default(),
        stopped: AtomicBool::new(false),
    };
    let (sender, receiver) = channel(READY);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let sender = sender.clone();
            scope.spawn(|| worker(&shop, sender, progress));
        }
        drop(sender);
        // With the queue gone no worker waits to send.
        if let Err(e) = destination.take(receiver, &shop.stopped) {
            shop.fail(e);
        }
    });
    match shop.error.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(shop.changed.into_inner().unwrap_or_else(PoisonError::into_inner)),
    }
}

fn worker(shop: &Shop<'_>, sender: Sender<OutgoingBlob>, progress: &dyn Progress) {
    while !shop.stopped.load(Ordering::Relaxed) {
        let job = shop.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(job) = job else { return };
        match outgoing(shop, job, progress) {
            // Nobody takes it any more: the destination has told why.
            Ok(blob) => drop(sender.blocking_send(blob)),
            Err(e) => shop.fail(e),
        }
    }
}

fn outgoing(
    shop: &Shop<'_>,
    job: Job<'_>,
    progress: &dyn Progress,
) -> Result<OutgoingBlob, PushError> {
    let Job { blob, make } = job;
    let (layer, packing) = match make {
        Make::Kept(file) => {
            return Ok(OutgoingBlob { blob: blob.clone(), file: Arc::new(file), asked: true });
        }
        Make::Tar(layer) => (layer, None),
        Make::Packed(layer, packing) => (layer, Some(packing)),
    };
    let made = layer::make(shop.store, layer, packing, shop.level, &shop.stopped)?;
    let new = made.descriptor(blob);
    let asked = new.digest == blob.digest;
    if let Some(packing) = packing.filter(|_| !asked) {
        progress.note(&format!("layer {} is compressed anew: {}", layer.diff_id, new.digest));
        let mut changed = shop.changed.lock().unwrap_or_else(PoisonError::into_inner);
        changed.insert(blob.digest.clone(), Changed { blob: new.clone(), packing });
    }
    Ok(OutgoingBlob { blob: new, file: made.file, asked })
}
