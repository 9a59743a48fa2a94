//! Where images come from: one trait, with registries, buckets, image layouts and archives behind
//! it.
//!
//! What comes over the network from several places goes through [`pool`]: each place is an
//! [`origin::Origin`]; [`history`] ranks them by what earlier pulls measured; the pool fetches
//! whole blobs, or ranges of a big one, from the best of them and leaves who does wrong, or is slow.

mod fault;
pub mod history;
pub(in crate::image) mod origin;
pub(in crate::image) mod pool;
mod pooled;
mod ranges;
pub(in crate::image) mod speed;
mod watch;
mod whole;

pub(in crate::image) use pooled::{Documents, Pooled};

use crate::image::archive::ArchiveError;
use crate::image::layout::LayoutError;
use crate::image::registry::RegistryError;
use crate::image::s3::S3Error;
use crate::image::types::{Descriptor, Digest};
use std::io::{self, Read};
use std::sync::atomic::AtomicBool;

/// Why a source could not deliver.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A bucket.
    #[error(transparent)]
    S3(#[from] S3Error),
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
    /// Leaves the place that served a blob, because its bytes were wrong, and tells the user.
    /// Errors: there is no other; the name of the place, nothing was told.
    fn pass_over(&self, wrong: &Digest) -> Result<(), String> {
        let _ = wrong;
        Err(self.name())
    }
    /// What is to be kept of the first `have` bytes of a blob that lie on the disk.
    fn kept(&self, blob: &Digest, have: u64) -> Kept {
        let _ = blob;
        Kept::First(have)
    }
    /// All layers are in the store: what was learned about places is kept.
    fn settled(&self) {}
    /// How layers get here.
    fn delivery(&self) -> Delivery<'_>;
}

/// What is kept of a download that was broken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// So many bytes.
    First(u64),
    /// All of them stay on the disk, but some are wrong: the next fetch begins at the first, takes
    /// the right ones ([`Sink::reuse`]) and writes over the others.
    ToBeReplaced,
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
    /// Takes `count` bytes that lie behind [`Sink::len`] from an earlier try ([`Kept::ToBeReplaced`])
    /// as the next ones. Errors: they are not there.
    fn reuse(&mut self, count: u64) -> io::Result<()> {
        let _ = count;
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Whether what lies from `at` on, from an earlier try, differs from `bytes`.
    fn differs(&self, at: u64, bytes: &[u8]) -> io::Result<bool> {
        let _ = (at, bytes);
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Several places served the blob: should it be wrong, its bytes are to stay on the disk.
    fn keep_if_wrong(&mut self) {}
    /// All bytes are here, or no more will come.
    fn end(self: Box<Self>, result: Result<(), SourceError>);
}
