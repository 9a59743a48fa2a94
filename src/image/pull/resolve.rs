//! From the name's manifest to one image for one machine: documents and configuration, verified.

use super::PullError;
use crate::image::image_config::{self, ImageConfig, MAX_CONFIG};
use crate::image::manifest::{self, Document, Manifest};
use crate::image::platform;
use crate::image::source::{RawDocument, Source};
use crate::image::types::{Digest, Platform};
use crate::store::{Store, StoreError};

/// Indexes that may lie in one another.
const MAX_DEPTH: usize = 4;

/// All that is known of an image before its layers come.
#[derive(Debug)]
pub(super) struct Resolved {
    /// Digest and bytes of the outermost index, when there is one, and of those inside it.
    pub(super) indexes: Vec<RawDocument>,
    /// The manifest's bytes.
    pub(super) raw: RawDocument,
    pub(super) manifest: Manifest,
    /// The configuration's bytes.
    pub(super) config_bytes: Vec<u8>,
    pub(super) config: ImageConfig,
    /// The name that the place gives the image.
    pub(super) given_name: Option<String>,
}

/// Finds the image for `wanted`, or the `variant` that was chosen before, and reads its configuration, from the store where it is there.
pub(super) fn resolve(
    source: &dyn Source,
    store: &Store,
    wanted: &Platform,
    variant: Option<&Digest>,
) -> Result<Resolved, PullError> {
    let place = || source.name();
    let mut raw = source.root()?;
    let given_name = raw.given_name.take();
    let mut indexes: Vec<RawDocument> = Vec::new();
    let manifest = loop {
        let parsed = manifest::parse(&raw.bytes, &raw.media_type).map_err(|source| {
            PullError::Manifest { place: place(), digest: raw.digest.clone(), source }
        })?;
        let entries = match parsed {
            Document::Manifest(manifest) => break manifest,
            Document::Index(entries) => entries,
        };
        let again = indexes.iter().any(|index| index.digest == raw.digest);
        if again || indexes.len() == MAX_DEPTH {
            let (digest, limit) = (raw.digest, MAX_DEPTH);
            return Err(PullError::Nesting { place: place(), digest, limit });
        }
        let named = variant.and_then(|digest| entries.iter().position(|e| e.digest == *digest));
        let chosen = match (named, variant) {
            (Some(named), _) => named,
            (None, Some(variant)) if indexes.is_empty() => {
                let (index, variant) = (raw.digest, variant.clone());
                return Err(PullError::NoVariant { place: place(), index, variant });
            }
            _ => platform::choose_or_list(&entries, wanted)
                .map_err(|source| PullError::Platform { place: place(), source })?,
        };
        indexes.push(raw);
        raw = source.document(&entries[chosen])?;
    };
    let digest = &manifest.config.digest;
    let config_bytes = match known(store, digest, manifest.config.size)? {
        Some(bytes) => bytes,
        None => source.blob(&manifest.config, MAX_CONFIG)?,
    };
    let config = image_config::parse(&config_bytes, manifest.layers.len())
        .map_err(|source| PullError::Config { place: place(), digest: digest.clone(), source })?;
    Ok(Resolved { indexes, raw, manifest, config_bytes, config, given_name })
}

/// A small blob of the store; one whose bytes have gone bad is thrown away and fetched again.
fn known(store: &Store, digest: &Digest, size: u64) -> Result<Option<Vec<u8>>, PullError> {
    if size > MAX_CONFIG {
        return Ok(None);
    }
    match store.read_blob(digest, MAX_CONFIG) {
        Ok(found) => Ok(found),
        Err(StoreError::WrongDigest { .. } | StoreError::TooLarge { .. }) => {
            store.remove_blob(digest)?;
            Ok(None)
        }
        Err(e) => Err(e.into()),
    }
}
