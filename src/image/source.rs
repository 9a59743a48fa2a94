//! Where images come from: one trait, with registries, image layouts and archives behind it.

use crate::image::archive::ArchiveError;
use crate::image::layout::LayoutError;
use crate::image::registry::RegistryError;
use crate::image::types::{Descriptor, Digest};
use std::io::{self, Read};
use std::sync::atomic::AtomicBool;

/// Why a source could not deliver.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A directory with an image layout.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// A tar file with an image layout.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// What arrived could not be kept.
    #[error("blob {digest} cannot be kept")]
    Keep {
        /// The blob.
        digest: Digest,
        /// Of the disk.
        #[source]
        source: io::Error,
    },
    /// The receiver wants no more.
    #[error("the transfer was stopped")]
    Stopped,
}

/// A manifest or index as it was delivered: its bytes have the digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawDocument {
    /// The very bytes.
    pub bytes: Vec<u8>,
    /// Content-Type or descriptor's media type; empty when neither was given.
    pub media_type: String,
    /// Digest of the bytes.
    pub digest: Digest,
    /// The name its place gives it, where places give names: image layouts do.
    pub given_name: Option<String>,
}

/// One named image at one place.
pub trait Source {
    /// The place, for messages.
    fn name(&self) -> String;
    /// The manifest or index that the image's name stands for.
    fn root(&self) -> Result<RawDocument, SourceError>;
    /// A manifest or index that another one lists; bytes and digest agree.
    fn document(&self, wanted: &Descriptor) -> Result<RawDocument, SourceError>;
    /// A whole small blob of at most `limit` bytes, such as a configuration; verified.
    fn blob(&self, wanted: &Descriptor, limit: u64) -> Result<Vec<u8>, SourceError>;
    /// Leaves the place that served last for the next one, because its bytes were wrong; `false`
    /// when there is no other.
    fn pass_over(&self) -> bool {
        false
    }
    /// How layers get here.
    fn delivery(&self) -> Delivery<'_>;
}

/// The two ways a layer's bytes come.
pub enum Delivery<'a> {
    /// They lie on this machine: whoever needs them opens them.
    Open(&'a dyn OpenBlob),
    /// They come over the network: one thread fetches for all.
    Fetch(&'a dyn Fetch),
}

impl std::fmt::Debug for Delivery<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if matches!(self, Delivery::Open(_)) { "Open" } else { "Fetch" })
    }
}

/// Opens blobs, from any thread.
pub trait OpenBlob: Sync {
    /// The bytes of a blob, not verified yet; its size is that of the descriptor.
    fn open(&self, wanted: &Descriptor) -> Result<Box<dyn Read + Send>, SourceError>;
}

/// Fetches blobs, several at a time, on the calling thread.
pub trait Fetch {
    /// Fetches all of `wanted`, the first ones first, and returns when each has ended; or soon
    /// after `stopped` became true: then sinks are dropped without an end.
    fn fetch(&self, wanted: Vec<Wanted<'_>>, stopped: &AtomicBool);
}

/// A blob and where its bytes go.
pub struct Wanted<'a> {
    /// Which blob.
    pub blob: &'a Descriptor,
    /// Who takes it.
    pub sink: Box<dyn Sink + 'a>,
}

impl std::fmt::Debug for Wanted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wanted").field("blob", self.blob).finish_non_exhaustive()
    }
}

/// Takes the bytes of one blob in order, also over several tries.
pub trait Sink {
    /// How many bytes are already here.
    fn len(&self) -> u64;
    /// Whether nothing is here yet.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The next bytes.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// All bytes are here, or no more will come.
    fn end(self: Box<Self>, result: Result<(), SourceError>);
}
