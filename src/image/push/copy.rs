//! A manifest of another registry, with all it names, to a destination: the store is not asked,
//! for it has no image of it.

use super::{Destination, Format, Outgoing, PushError};
use crate::image::artifact;
use crate::image::manifest::{self, ManifestError};
use crate::image::registry::{OutgoingBlob, Repository};
use crate::image::source::RawDocument;
use crate::image::types::{Descriptor, Digest};
use crate::store::Store;
use crate::ui::json_fault;
use serde::Deserialize;
use std::collections::BTreeSet;
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

/// Manifests of one index that are copied at most.
const MOST: usize = 10_000;

/// Copies the manifest `digest`, images and artifacts alike; an index with all its manifests.
/// What it is called at the destination is its digest. An image's manifest is written in `format`
/// where one is given; what lies in an index stays as the index names it.
pub fn copy_instance(
    from: &Repository<'_>,
    digest: &Digest,
    store: &Store,
    to: &dyn Destination,
    format: Option<Format>,
) -> Result<Outgoing, PushError> {
    let mut copy = Copy { from, store, to, seen: BTreeSet::new() };
    let manifest = copy.parts(digest, MAX_DEPTH)?;
    let manifest = match format {
        Some(format) => format.convert(manifest)?,
        None => manifest,
    };
    to.instance(&manifest)?;
    Ok(manifest)
}

/// One copy on its way.
struct Copy<'a> {
    from: &'a Repository<'a>,
    store: &'a Store,
    to: &'a dyn Destination,
    /// Manifests that were copied.
    seen: BTreeSet<Digest>,
}

impl Copy<'_> {
    /// Copies all that a manifest names, but not the manifest.
    fn parts(&mut self, digest: &Digest, depth: usize) -> Result<Outgoing, PushError> {
        let RawDocument { bytes, media_type, digest, .. } = self.from.manifest(digest.as_str())?;
        let named: Named = json_fault::read(&bytes).map_err(ManifestError::from)?;
        if !named.manifests.is_empty() && depth == 0 {
            return Err(PushError::Nesting { digest, limit: MAX_DEPTH });
        }
        for inner in &named.manifests {
            if self.seen.contains(&inner.digest) {
                continue;
            }
            if self.seen.len() == MOST {
                return Err(PushError::TooMany { digest, limit: MOST });
            }
            self.seen.insert(inner.digest.clone());
            let manifest = self.parts(&inner.digest, depth - 1)?;
            self.to.instance(&manifest)?;
        }
        let blobs: Vec<&Descriptor> = named.config.iter().chain(&named.layers).collect();
        let there = self.to.has(&blobs)?;
        for (blob, there) in blobs.into_iter().zip(there) {
            if !there && !self.to.mount(&blob.digest, self.from.reference())? {
                carry(self.from, blob, self.store, self.to)?;
            }
        }
        let media_type = manifest::media_type(&bytes, &media_type);
        Ok(Outgoing { bytes, media_type, digest })
    }
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
