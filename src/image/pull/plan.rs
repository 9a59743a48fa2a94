//! Which blobs must come, and what is made of each.

use super::PullError;
use crate::image::progress::Progress;
use crate::image::source::{Delivery, Kept, Source};
use crate::image::types::{Descriptor, LayerRecord};
use crate::store::{Layout, Partial, PartialReader, Store};
use std::collections::BTreeMap;
use std::fs::File;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// One blob and the layers to unpack from it.
#[derive(Debug)]
pub(super) struct Job<'a> {
    pub(super) blob: &'a Descriptor,
    /// One layer as a rule; more when a manifest lists the blob several times.
    pub(super) layers: Vec<&'a LayerRecord>,
    pub(super) feed: Feed,
}

/// Where a blob's bytes come from.
#[derive(Debug)]
pub(super) enum Feed {
    /// A download.
    Download(Download),
    /// The store has it from an earlier pull that kept blobs.
    Stored(File),
    /// The source has it on this machine.
    Local,
}

/// A download as the worker sees it.
#[derive(Debug)]
pub(super) struct Download {
    /// Follows the bytes as they come.
    pub(super) reader: PartialReader,
    /// Hands over the file when all bytes are there; breaks when they will never be.
    pub(super) whole: Receiver<Arrived>,
    /// Given to the network thread.
    pub(super) arriving: Option<Arriving>,
    /// Bytes that lay here before.
    pub(super) had: u64,
}

/// A download as the network thread sees it.
#[derive(Debug)]
pub(super) struct Arriving {
    pub(super) partial: Partial,
    pub(super) whole: SyncSender<Arrived>,
}

/// A download whose bytes are all there.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) partial: Partial,
    /// Should they be wrong, they are needed to find out whose they are.
    pub(super) keep_if_wrong: bool,
}

/// Lists what is missing, the biggest blob first, and takes hold of its downloads.
pub(super) fn plan<'a>(
    store: &Store,
    layout: Layout,
    layers: &'a [LayerRecord],
    source: &dyn Source,
    progress: &dyn Progress,
) -> Result<Vec<Job<'a>>, PullError> {
    // In the order of digests: two pulls that wait for each other's downloads would never end.
    let mut blobs: BTreeMap<_, (&Descriptor, Vec<&LayerRecord>)> = BTreeMap::new();
    for layer in layers {
        let entry = blobs.entry(&layer.blob.digest).or_insert((&layer.blob, Vec::new()));
        entry.1.push(layer);
    }
    let remote = matches!(source.delivery(), Delivery::Fetch(_));
    let mut jobs = Vec::new();
    for (blob, layers) in blobs.into_values() {
        let layers = missing(store, layout, layers)?;
        let feed = if layers.is_empty() {
            None
        } else if let Some(file) = stored(store, blob)? {
            Some(Feed::Stored(file))
        } else if remote {
            download(store, layout, blob, &layers, source)?.map(Feed::Download)
        } else {
            Some(Feed::Local)
        };
        match feed {
            Some(feed) => jobs.push(Job { blob, layers, feed }),
            None => progress.blob_exists(&blob.digest),
        }
    }
    jobs.sort_by_key(|job| std::cmp::Reverse(job.blob.size));
    Ok(jobs)
}

fn missing<'a>(
    store: &Store,
    layout: Layout,
    layers: Vec<&'a LayerRecord>,
) -> Result<Vec<&'a LayerRecord>, PullError> {
    let mut missing = Vec::new();
    for layer in layers {
        if !store.has_layer(layout, &layer.chain_id)? {
            missing.push(layer);
        }
    }
    Ok(missing)
}

/// A kept blob of the right length.
fn stored(store: &Store, blob: &Descriptor) -> Result<Option<File>, PullError> {
    let file = store.open_blob(&blob.digest)?;
    Ok(file.filter(|f| f.metadata().is_ok_and(|m| m.len() == blob.size)))
}

/// Takes hold of a download; `None` when another pull has made all its layers meanwhile.
fn download(
    store: &Store,
    layout: Layout,
    blob: &Descriptor,
    layers: &[&LayerRecord],
    source: &dyn Source,
) -> Result<Option<Download>, PullError> {
    let partial = store.partial(&blob.digest)?;
    if missing(store, layout, layers.to_vec())?.is_empty() {
        partial.remove()?;
        return Ok(None);
    }
    match source.kept(&blob.digest, partial.len()) {
        Kept::ToBeReplaced => partial.rewind(),
        Kept::First(_) if partial.len() > blob.size => partial.restart()?,
        Kept::First(bytes) if bytes < partial.len() => partial.cut(bytes)?,
        Kept::First(_) => {}
    }
    let (reader, had) = (partial.reader(), partial.len());
    let (sender, whole) = sync_channel(1);
    let arriving = Some(Arriving { partial, whole: sender });
    Ok(Some(Download { reader, whole, arriving, had }))
}
