//! What a choice among variants wants to know besides their index: metadata artifacts, and the
//! bytes that a pull would fetch. What came once is kept by its digest, and nobody is asked again.

use super::{PullError, PullRequest, check_policy, registry};
use crate::image::island::Island;
use crate::image::manifest::{self, Document, MAX_DOCUMENT};
use crate::image::progress::Progress;
use crate::image::reference::Reference;
use crate::image::registry::{Sought, Which, read_artifact};
use crate::image::source::{RawDocument, SourceError};
use crate::image::types::{Descriptor, Digest};
use crate::store::Store;
use std::collections::{BTreeMap, BTreeSet};

/// The documents of metadata artifacts by the manifest they are about, or in words why there is
/// none; nothing about a manifest that nobody said had one. `kind` is their type, `limit` the most bytes of one.
///
/// Errors: what cannot be asked at all; a single artifact that is missing or wrong is no error.
pub fn artifacts(
    request: &PullRequest<'_>,
    reference: &Reference,
    store: &Store,
    wanted: &[Sought],
    (kind, limit): (&str, u64),
    progress: &dyn Progress,
) -> Result<BTreeMap<Digest, Result<Vec<u8>, String>>, PullError> {
    let mut found = BTreeMap::new();
    let mut missing = Vec::new();
    for sought in wanted {
        match kept(store, sought, kind, limit) {
            Some(content) => {
                found.insert(sought.subject.clone(), Ok(content));
            }
            None => missing.push(sought.clone()),
        }
    }
    if missing.is_empty() {
        return Ok(found);
    }
    check_policy(request)?;
    let island = Island::new().map_err(SourceError::from)?;
    let source = registry(request, reference, progress, &island)?;
    let answers = source.artifacts(&missing, kind, limit);
    let _held = store.shared_lock()?;
    for (sought, answer) in missing.into_iter().zip(answers) {
        let content = match answer {
            Ok(None) => continue,
            Ok(Some(whole)) => {
                store.put_blob(&whole.manifest.digest, &whole.manifest.bytes)?;
                store.put_blob(&whole.part, &whole.content)?;
                Ok(whole.content)
            }
            Err(reason) => Err(reason),
        };
        found.insert(sought.subject, content);
    }
    Ok(found)
}

/// An artifact that was fetched before; one that is looked for by its subject alone may be
/// another by now.
fn kept(store: &Store, sought: &Sought, kind: &str, limit: u64) -> Option<Vec<u8>> {
    let Which::Named(digest) = sought.which.clone() else { return None };
    let bytes = store.read_blob(&digest, MAX_DOCUMENT).ok()??;
    let manifest = RawDocument { bytes, media_type: String::new(), digest, given_name: None };
    let part = read_artifact(&manifest, &sought.subject, kind, limit).ok()?;
    store.read_blob(&part.digest, limit).ok()?
}

/// The bytes that a pull of each of `wanted` would fetch; those whose manifest cannot be had are
/// left out.
pub fn missing_bytes(
    request: &PullRequest<'_>,
    reference: &Reference,
    store: &Store,
    wanted: &[&Digest],
    progress: &dyn Progress,
) -> Result<BTreeMap<Digest, u64>, PullError> {
    let mut documents = BTreeMap::new();
    let mut ask = Vec::new();
    for &digest in wanted {
        match store.read_blob(digest, MAX_DOCUMENT) {
            Ok(Some(bytes)) => {
                documents.insert(digest, bytes);
            }
            _ => ask.push(digest),
        }
    }
    if !ask.is_empty() {
        check_policy(request)?;
        let island = Island::new().map_err(SourceError::from)?;
        let answers = registry(request, reference, progress, &island)?.manifests(&ask);
        let _held = store.shared_lock()?;
        for (&digest, answer) in ask.iter().zip(answers) {
            if let Some(Ok(document)) = answer {
                store.put_blob(digest, &document.bytes)?;
                documents.insert(digest, document.bytes);
            }
        }
    }
    let stacks = stacks(store)?;
    let mut bytes = BTreeMap::new();
    for (digest, document) in documents {
        let Ok(Document::Manifest(manifest)) = manifest::parse(&document, "") else { continue };
        let layers: Vec<&Descriptor> = manifest.layers.iter().collect();
        let mut sum: u64 = blob_missing(store, &manifest.config)?;
        let mut counted = BTreeSet::new();
        for layer in &layers[known_below(&stacks, &layers)..] {
            if counted.insert(&layer.digest) {
                sum = sum.saturating_add(blob_missing(store, layer)?);
            }
        }
        bytes.insert(digest.clone(), sum);
    }
    Ok(bytes)
}

fn blob_missing(store: &Store, blob: &Descriptor) -> Result<u64, PullError> {
    Ok(if store.has_blob(&blob.digest)? { 0 } else { blob.size })
}

/// The blobs of each image that is here, from the bottom.
fn stacks(store: &Store) -> Result<Vec<Vec<Digest>>, PullError> {
    let blobs = |layers: Vec<crate::image::types::LayerRecord>| {
        layers.into_iter().map(|layer| layer.blob.digest).collect()
    };
    Ok(store.images()?.into_iter().map(|image| blobs(image.record.layers)).collect())
}

/// How many of the lowest layers are unpacked here, as the lowest of another image: a layer is
/// that layer only with the same ones below it.
fn known_below(stacks: &[Vec<Digest>], layers: &[&Descriptor]) -> usize {
    let shared = |stack: &Vec<Digest>| {
        stack.iter().zip(layers).take_while(|(have, want)| **have == want.digest).count()
    };
    stacks.iter().map(shared).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::artifact::describe;

    #[test]
    fn layers_are_shared_from_the_bottom() {
        let blob = |name: &[u8]| describe("layer", name);
        let (a, b, c) = (blob(b"a"), blob(b"b"), blob(b"c"));
        let stacks = vec![vec![a.digest.clone(), c.digest.clone()], vec![b.digest.clone()]];
        assert_eq!(known_below(&stacks, &[&a, &b]), 1);
        assert_eq!(known_below(&stacks, &[&a, &c, &b]), 2);
        assert_eq!(known_below(&stacks, &[&c, &a]), 0);
        assert_eq!(known_below(&[], &[&a]), 0);
    }
}
