//! All manifests that a name reaches, and the blobs that they list.

use super::MirrorError;
use crate::image::manifest::{self, Document};
use crate::image::platform;
use crate::image::pull::PullError;
use crate::image::source::{RawDocument, Source};
use crate::image::types::{Descriptor, Digest, Platform};
use std::collections::BTreeSet;

/// Manifests of one image that are mirrored at most.
const MOST: usize = 10_000;

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
        let mut todo = vec![source.root()?];
        while let Some(raw) = todo.pop() {
            if !seen.insert(raw.digest.clone()) {
                continue;
            }
            if found.manifests.len() == MOST {
                return Err(MirrorError::TooMany { place: source.name(), limit: MOST });
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
                    for entry in wanted.iter().filter(|e| !seen.contains(&e.digest)) {
                        todo.push(source.document(entry)?);
                    }
                }
            }
            found.manifests.push(raw);
        }
        Ok(found)
    }
}
