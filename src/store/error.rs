//! What can go wrong in the store, each with the file or digest it is about.

use crate::image::types::Digest;
use std::io;
use std::path::{Path, PathBuf};

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The kernel refused something.
    #[error("{doing} {}", .path.display())]
    Io {
        /// What was being done, such as `read`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// A file of ours is not what we wrote.
    #[error("{} is damaged; `bolt system check --repair` mends the store", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the text stops making sense.
        #[source]
        source: serde_json::Error,
    },
    /// The store was written by a newer Bolt.
    #[error(
        "the store {} needs {what}, which this version of bolt does not know; use a newer bolt",
        .path.display()
    )]
    TooNew {
        /// The store.
        path: PathBuf,
        /// The format version or the feature.
        what: String,
    },
    /// An id prefix fits several images.
    #[error("image id {prefix} is ambiguous: it fits {}; type more digits", .fits.join(", "))]
    Ambiguous {
        /// What was asked for.
        prefix: String,
        /// Ids that it fits, at most five.
        fits: Vec<String>,
    },
    /// A name cannot be given to an image that is not there.
    #[error("no image with manifest {manifest} in the store")]
    NoSuchImage {
        /// The manifest digest.
        manifest: Digest,
    },
    /// Bytes do not hash to their name.
    #[error("blob {digest} has the content of {found}")]
    WrongDigest {
        /// What it should be.
        digest: Digest,
        /// What it is.
        found: Digest,
    },
    /// A blob is shorter or longer than its descriptor says.
    #[error("blob {digest} has {found} bytes, its descriptor says {expected}")]
    WrongSize {
        /// Which blob.
        digest: Digest,
        /// Bytes of the descriptor.
        expected: u64,
        /// Bytes found.
        found: u64,
    },
    /// A blob is larger than the caller reads into memory.
    #[error("blob {digest} has {size} bytes, more than the {max} allowed here")]
    TooLarge {
        /// Which blob.
        digest: Digest,
        /// Its size.
        size: u64,
        /// The limit.
        max: u64,
    },
    /// The layer an image names is not in the store.
    #[error("layer {chain} ({layout}) is not in the store")]
    NoSuchLayer {
        /// Chain id.
        chain: Digest,
        /// Id layout.
        layout: &'static str,
    },
}

impl StoreError {
    /// Wraps `source` with what was done to which file.
    pub(super) fn io(
        doing: &'static str,
        path: impl AsRef<Path>,
        source: impl Into<io::Error>,
    ) -> Self {
        StoreError::Io { doing, path: path.as_ref().to_owned(), source: source.into() }
    }
}

/// Result of the store.
pub type Result<T> = std::result::Result<T, StoreError>;
