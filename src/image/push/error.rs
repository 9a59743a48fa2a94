//! Why an image could not be pushed.

use crate::image::layout::LayoutError;
use crate::image::manifest::ManifestError;
use crate::image::registry::RegistryError;
use crate::image::s3::S3Error;
use crate::image::source::SourceError;
use crate::image::types::Digest;
use crate::image::unpack::RebuildError;
use crate::store::StoreError;
use std::io;

/// Why an image could not be pushed. The store is as it was; the destination may have some blobs
/// more, which the next push finds there.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// A blob that the store must have.
    #[error("blob {0} of the image is not in the store; pull the image again")]
    NotHere(Digest),
    /// No layout of a layer can give its tar again.
    #[error("layer {0} is not here in a form that can be packed again; pull the image again")]
    NoSource(Digest),
    /// The files are not what was unpacked.
    #[error("layer {0} was changed on disk: its tar has another digest; pull the image again")]
    Changed(Digest),
    /// The tar could not be made.
    #[error("rebuild layer {0}")]
    Rebuild(Digest, #[source] RebuildError),
    /// Temporary or final files.
    #[error("write {what}")]
    Write {
        /// File or blob.
        what: String,
        /// The kernel's reason.
        #[source]
        source: io::Error,
    },
    /// The store's manifest makes no sense.
    #[error("the image's manifest")]
    Manifest(#[from] ManifestError),
    /// Larger than registries have to take.
    #[error("the {what} would have {size} bytes; registries take {limit} at most")]
    TooLarge {
        /// Manifest or index.
        what: &'static str,
        /// Bytes.
        size: usize,
        /// Bytes.
        limit: u64,
    },
    /// A name with a digest that the pushed manifest does not have.
    #[error(
        "{name} names a digest, but the manifest has the digest {got} now, because it was written \
         anew for this push; push to a tag"
    )]
    Pinned {
        /// The destination.
        name: String,
        /// Of the manifest.
        got: Digest,
    },
    /// A layer that docker's format has no type for.
    #[error(
        "layer {0} is compressed with zstd, and docker's manifests know no zstd; \
         pull the image and push it from here, or push it with --format oci"
    )]
    Zstd(Digest),
    /// Indexes in indexes without an end.
    #[error("index {digest} is nested more than {limit} deep or contains itself")]
    Nesting {
        /// The index that was one too many.
        digest: Digest,
        /// Levels allowed.
        limit: usize,
    },
    /// An index of impossible size.
    #[error("index {digest}: more than {limit} manifests are not copied")]
    TooMany {
        /// The index that was one too many.
        digest: Digest,
        /// Manifests allowed.
        limit: usize,
    },
    /// A place that an image is copied from.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The bucket.
    #[error(transparent)]
    S3(#[from] S3Error),
    /// An image layout that is there already cannot be read.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// Another thread's error ended it.
    #[error("the push was stopped")]
    Stopped,
}

impl PushError {
    pub(super) fn write(what: impl Into<String>, source: impl Into<io::Error>) -> Self {
        PushError::Write { what: what.into(), source: source.into() }
    }
}
