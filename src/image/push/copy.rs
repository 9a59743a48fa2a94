//! A manifest of another registry, with all it names, to a destination: the store is not asked,
//! for it has no image of it.

use super::{Destination, Outgoing, PushError};
use crate::image::artifact;
use crate::image::manifest::{self, ManifestError};
use crate::image::registry::{OutgoingBlob, Repository};
use crate::image::source::RawDocument;
use crate::image::types::{Descriptor, Digest};
use crate::store::Store;
use serde::Deserialize;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::sync::mpsc::channel;

/// What a manifest of any kind names.
#[derive(Deserialize)]
struct Named {
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
    #[serde(default)]
    manifests: Vec<Descriptor>,
}

/// Indexes that may lie in one another.
const MAX_DEPTH: usize = 4;

/// Copies the manifest `digest`, images and artifacts alike; an index with all its manifests.
/// What it is called at the destination is its digest.
pub fn copy_instance(
    from: &Repository<'_>,
    digest: &Digest,
    store: &Store,
    to: &dyn Destination,
) -> Result<Outgoing, PushError> {
    copy(from, digest, store, to, MAX_DEPTH)
}

fn copy(
    from: &Repository<'_>,
    digest: &Digest,
    store: &Store,
    to: &dyn Destination,
    depth: usize,
) -> Result<Outgoing, PushError> {
    let RawDocument { bytes, media_type, digest, .. } = from.manifest(digest.as_str())?;
    let named: Named = serde_json::from_slice(&bytes).map_err(ManifestError::from)?;
    if !named.manifests.is_empty() && depth == 0 {
        return Err(PushError::Nesting { digest, limit: MAX_DEPTH });
    }
    for inner in &named.manifests {
        copy(from, &inner.digest, store, to, depth - 1)?;
    }
    let blobs: Vec<&Descriptor> = named.config.iter().chain(&named.layers).collect();
    let there = to.has(&blobs.iter().map(|blob| &blob.digest).collect::<Vec<_>>())?;
    for (blob, there) in blobs.into_iter().zip(there) {
        if !there && !to.mount(&blob.digest, from.reference())? {
            carry(from, blob, store, to)?;
        }
    }
    let media_type = manifest::media_type(&bytes, &media_type);
    let manifest = Outgoing { bytes, media_type, digest };
    to.instance(&manifest)?;
    Ok(manifest)
}

fn carry(
    from: &Repository<'_>,
    blob: &Descriptor,
    store: &Store,
    to: &dyn Destination,
) -> Result<(), PushError> {
    let file = store.unnamed_file()?;
    if blob.digest == artifact::describe("", artifact::EMPTY).digest {
        std::io::Write::write_all(&mut &file, artifact::EMPTY)
            .map_err(|e| PushError::write("a temporary file", e))?;
    } else {
        from.download(blob, &file)?;
    }
    let (sender, queue) = channel(1);
    let outgoing = OutgoingBlob { blob: blob.clone(), file: Arc::new(file), asked: true };
    // There is room for one, and the receiver is here.
    let _ = sender.try_send(outgoing);
    drop(sender);
    to.take(queue, &AtomicBool::new(false))
}
