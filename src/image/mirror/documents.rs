//! All manifests that a name reaches, and the blobs that they list.

use super::MirrorError;
use crate::image::manifest::{self, Document};
use crate::image::platform;
use crate::image::pull::PullError;
use crate::image::source::{RawDocument, Source};
use crate::image::types::{Descriptor, Digest, Platform};
use std::collections::BTreeSet;

/// Manifests of one image that are mirrored at most, and their bytes: they lie in memory.
const MOST: usize = 10_000;
const MOST_BYTES: usize = 256 << 20;

/// What is to be mirrored.
#[derive(Debug)]
pub(super) struct Documents {
    /// The outermost first.
    pub(super) manifests: Vec<RawDocument>,
    /// Each once.
    pub(super) blobs: Vec<Descriptor>,
}

impl Documents {
    /// Reads every manifest; of indexes only what fits `only`, when that is given.
    pub(super) fn gather(
        source: &dyn Source,
        only: Option<&Platform>,
    ) -> Result<Self, MirrorError> {
        let mut seen: BTreeSet<Digest> = BTreeSet::new();
        let mut found = Documents { manifests: Vec::new(), blobs: Vec::new() };
        let mut next = Some(source.root()?);
        let mut todo: Vec<Descriptor> = Vec::new();
        let mut bytes = 0;
        while let Some(raw) = next {
            seen.insert(raw.digest.clone());
            if found.manifests.len() == MOST {
                return Err(MirrorError::TooMany { place: source.name(), limit: MOST });
            }
            bytes += raw.bytes.len();
            if bytes > MOST_BYTES {
                return Err(MirrorError::TooLarge {
                    place: source.name(),
                    limit: MOST_BYTES >> 20,
                });
            }
            let parsed = manifest::parse(&raw.bytes, &raw.media_type).map_err(|e| {
                let (place, digest) = (source.name(), raw.digest.clone());
                PullError::Manifest { place, digest, source: e }
            })?;
            match parsed {
                Document::Manifest(manifest) => {
                    for blob in std::iter::once(manifest.config).chain(manifest.layers) {
                        if seen.insert(blob.digest.clone()) {
                            found.blobs.push(blob);
                        }
                    }
                }
                Document::Index(entries) => {
                    let wanted = match only {
                        Some(platform) => {
                            let chosen =
                                platform::choose_or_list(&entries, platform).map_err(|e| {
                                    PullError::Platform { place: source.name(), source: e }
                                })?;
                            &entries[chosen..=chosen]
                        }
                        None => &entries[..],
                    };
                    todo.extend(wanted.iter().filter(|e| !seen.contains(&e.digest)).cloned());
                }
            }
            found.manifests.push(raw);
            let another = std::iter::from_fn(|| todo.pop()).find(|e| !seen.contains(&e.digest));
            next = another.map(|entry| source.document(&entry)).transpose()?;
        }
        Ok(found)
    }
}
