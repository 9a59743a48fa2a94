//! The road of an image out of the store.
//!
//! ```text
//! manifest → which blobs the destination lacks → which it can mount → the others:
//! worker threads:  kept blob, or tree + tar record ─▶ sha256 ─▶ gzip or zstd ─▶ sha256 ═▶ file
//! calling thread:  file ──▶ destination
//! then: manifest, anew where a layer's digest changed
//! ```
//! The store keeps the exact tar of a layer, not its compressed bytes. So a blob whose bytes are
//! neither at the destination nor in a repository it can be mounted from is compressed anew: the
//! layer stays the same (its diff id, and with it the image id), its blob and the manifest get
//! other digests. Podman does the same.

mod bucket;
mod copy;
mod error;
mod folder;
mod format;
mod layer;
mod manifest;
mod registry;
mod tarball;
mod work;

pub use bucket::BucketPlace;
pub use copy::copy_instance;
pub use error::PushError;
pub use folder::Folder;
pub use format::Format;
pub use registry::RegistryPlace;
pub use tarball::Tarball;

use crate::image::manifest::{Document, MAX_DOCUMENT, parse};
use crate::image::progress::Progress;
use crate::image::reference::Reference;
use crate::image::registry::OutgoingBlob;
use crate::image::types::{Descriptor, Digest, ImageRecord, LayerRecord};
use crate::store::Store;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use tokio::sync::mpsc::Receiver;
use work::{Job, Make};

/// How layers are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// gzip (RFC 1952).
    Gzip,
    /// zstd (RFC 8878).
    Zstd,
}

/// An image to be pushed.
#[derive(Debug)]
pub struct PushRequest<'a> {
    /// Which image of the store.
    pub image: &'a ImageRecord,
    /// Its full names: the repositories its blobs may be mounted from.
    pub names: &'a [String],
    /// How all layers are to be compressed; `None`: as they were, gzip where they must be
    /// compressed anew.
    pub packing: Option<Packing>,
    /// The compressor's own scale; `None` for its default.
    pub level: Option<i32>,
    /// The manifest's format; `None`: as it was, OCI's where layers are compressed with zstd.
    pub format: Option<Format>,
}

impl PushRequest<'_> {
    /// How a blob is to be compressed, where that matters.
    fn packing_of(&self, blob: &Descriptor) -> Option<Packing> {
        let unknown = self.format == Some(Format::Docker) && manifest::is_zstd(&blob.media_type);
        self.packing.or(unknown.then_some(Packing::Gzip))
    }

    /// Whether a blob can be sent as it is.
    fn fits(&self, blob: &Descriptor) -> bool {
        manifest::fits(blob, self.packing_of(blob))
    }
}

/// A manifest or index as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The very bytes.
    pub bytes: Vec<u8>,
    /// Their media type.
    pub media_type: String,
    /// Their digest.
    pub digest: Digest,
}

/// What has been pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The manifest that is there now.
    pub manifest: Outgoing,
    /// Layers whose blob has another digest than in the store's manifest.
    pub repacked: usize,
}

/// Where images are pushed to.
pub trait Destination {
    /// The place, for messages.
    fn name(&self) -> String;
    /// Which of `blobs` are there already.
    fn has(&self, blobs: &[&Descriptor]) -> Result<Vec<bool>, PushError>;
    /// Takes a blob over from a repository that has it, `registry/repository`; `false` when that
    /// is not possible.
    fn mount(&self, blob: &Digest, from: &Reference) -> Result<bool, PushError>;
    /// Takes what comes through `queue` until it ends or `stopped` is true.
    fn take(&self, queue: Receiver<OutgoingBlob>, stopped: &AtomicBool) -> Result<(), PushError>;
    /// Takes the manifest, after all that it names, under the destination's own name.
    fn manifest(&self, manifest: &Outgoing) -> Result<(), PushError>;
    /// Takes a manifest that an index will name, under its digest alone.
    fn instance(&self, manifest: &Outgoing) -> Result<(), PushError>;
}

/// Sends an image with everything it is made of. To be run inside P: it reads all files.
///
/// Blocks until done; threads and temporary files are gone on return.
pub fn push(
    request: &PushRequest<'_>,
    store: &Store,
    destination: &dyn Destination,
    progress: &dyn Progress,
) -> Result<Pushed, PushError> {
    let pushed = send(request, store, destination, progress)?;
    destination.manifest(&pushed.manifest)?;
    Ok(pushed)
}

/// [`push`] of one image of an index: its manifest gets no name.
pub fn push_instance(
    request: &PushRequest<'_>,
    store: &Store,
    destination: &dyn Destination,
    progress: &dyn Progress,
) -> Result<Pushed, PushError> {
    let pushed = send(request, store, destination, progress)?;
    destination.instance(&pushed.manifest)?;
    Ok(pushed)
}

/// Everything but the manifest.
fn send(
    request: &PushRequest<'_>,
    store: &Store,
    destination: &dyn Destination,
    progress: &dyn Progress,
) -> Result<Pushed, PushError> {
    let _held = store.shared_lock()?;
    let image = request.image;
    let raw = store
        .read_blob(&image.manifest, MAX_DOCUMENT)?
        .ok_or_else(|| PushError::NotHere(image.manifest.clone()))?;
    let Document::Manifest(parsed) = parse(&raw, "")? else {
        return Err(PushError::NotHere(image.manifest.clone()));
    };
    let mut blobs: BTreeMap<&Digest, (&Descriptor, Option<&LayerRecord>)> = BTreeMap::new();
    blobs.insert(&parsed.config.digest, (&parsed.config, None));
    for layer in &image.layers {
        blobs.insert(&layer.blob.digest, (&layer.blob, Some(layer)));
    }
    let missing = missing(request, destination, &blobs, progress)?;
    let jobs = plan(request, store, missing)?;
    let changed = work::run(request, store, jobs, destination, progress)?;
    let manifest = manifest::outgoing(&raw, image, &changed, request.format)?;
    Ok(Pushed { manifest, repacked: changed.len() })
}

type Blobs<'a> = BTreeMap<&'a Digest, (&'a Descriptor, Option<&'a LayerRecord>)>;

/// What must be sent: not there, not to be mounted, or wanted with another compression.
fn missing<'a>(
    request: &PushRequest<'_>,
    destination: &dyn Destination,
    blobs: &Blobs<'a>,
    progress: &dyn Progress,
) -> Result<Vec<(&'a Descriptor, Option<&'a LayerRecord>)>, PushError> {
    let as_they_are: Vec<&Descriptor> =
        blobs.values().map(|(blob, _)| *blob).filter(|blob| request.fits(blob)).collect();
    let there = destination.has(&as_they_are)?;
    let there: BTreeMap<&Digest, bool> =
        as_they_are.into_iter().map(|blob| &blob.digest).zip(there).collect();
    let mut left = Vec::new();
    for (digest, (blob, layer)) in blobs {
        if there.get(digest) == Some(&true) {
            progress.blob_exists(digest);
        } else if request.fits(blob) && layer.is_some() && mounted(request, destination, digest)? {
            progress.note(&format!("blob {digest} was mounted from a repository beside it"));
        } else {
            left.push((*blob, *layer));
        }
    }
    Ok(left)
}

/// Tries all repositories that the image is named after.
fn mounted(
    request: &PushRequest<'_>,
    destination: &dyn Destination,
    blob: &Digest,
) -> Result<bool, PushError> {
    for name in request.names {
        if let Ok(from) = Reference::parse(name)
            && destination.mount(blob, &from)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Decides where the bytes of each blob come from.
fn plan<'a>(
    request: &PushRequest<'_>,
    store: &Store,
    missing: Vec<(&'a Descriptor, Option<&'a LayerRecord>)>,
) -> Result<Vec<Job<'a>>, PushError> {
    let mut jobs = Vec::new();
    for (blob, layer) in missing {
        let kept = store.open_blob(&blob.digest)?;
        let kept = kept.filter(|f| f.metadata().is_ok_and(|m| m.len() == blob.size));
        let make = match (kept, layer) {
            (Some(file), None) => Make::Kept(file),
            (Some(file), Some(_)) if request.fits(blob) => Make::Kept(file),
            (_, None) => return Err(PushError::NotHere(blob.digest.clone())),
            (_, Some(layer)) => match request.packing_of(blob) {
                None if blob.digest == layer.diff_id => Make::Tar(layer),
                None if manifest::is_zstd(&blob.media_type) => Make::Packed(layer, Packing::Zstd),
                None => Make::Packed(layer, Packing::Gzip),
                Some(packing) => Make::Packed(layer, packing),
            },
        };
        jobs.push(Job { blob, make });
    }
    jobs.sort_by_key(|job| std::cmp::Reverse(job.blob.size));
    Ok(jobs)
}
