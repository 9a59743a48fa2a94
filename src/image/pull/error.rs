//! Why an image could not be pulled.

use crate::image::config::auth::AuthError;
use crate::image::config::certs::CertsError;
use crate::image::config::policy::PolicyError;
use crate::image::config::registries::RegistriesError;
use crate::image::image_config::ConfigError;
use crate::image::manifest::ManifestError;
use crate::image::platform::PlatformError;
use crate::image::source::SourceError;
use crate::image::types::Digest;
use crate::image::unpack::UnpackError;
use crate::store::StoreError;
use std::error::Error;
use std::io;

/// Why an image could not be pulled. The store is as valid as before, whatever it is.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// Neither a full name nor a layout.
    #[error("{0:?} names no place to pull from: resolve the name first")]
    NoPlace(String),
    /// The policy forbids it.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// registries.conf blocks it or cannot be read.
    #[error(transparent)]
    Registries(#[from] RegistriesError),
    /// An auth file or credential helper.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// A certs.d directory.
    #[error(transparent)]
    Certs(#[from] CertsError),
    /// The place did not deliver.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A manifest that cannot be used.
    #[error("{place}: manifest {digest}")]
    Manifest {
        /// Name of the source.
        place: String,
        /// The manifest.
        digest: Digest,
        /// What is wrong.
        #[source]
        source: ManifestError,
    },
    /// A configuration that cannot be used.
    #[error("{place}: image configuration {digest}")]
    Config {
        /// Name of the source.
        place: String,
        /// The configuration.
        digest: Digest,
        /// What is wrong.
        #[source]
        source: ConfigError,
    },
    /// Nothing for this machine.
    #[error("{place}")]
    Platform {
        /// Name of the source.
        place: String,
        /// What there is instead.
        #[source]
        source: PlatformError,
    },
    /// The index does not list the variant that was chosen.
    #[error("{place}: index {index} does not list the manifest {variant}")]
    NoVariant {
        /// Name of the source.
        place: String,
        /// The index.
        index: Digest,
        /// What was looked for in it.
        variant: Digest,
    },
    /// Indexes in indexes without an end.
    #[error(
        "{place}: index {digest} is nested more than {limit} deep or contains itself; name the image inside it by its own digest"
    )]
    Nesting {
        /// Name of the source.
        place: String,
        /// The index that was one too many.
        digest: Digest,
        /// Levels allowed.
        limit: usize,
    },
    /// Wrong bytes.
    #[error("{place}: blob {wanted} has the wrong content: its digest is {got}")]
    BlobDigest {
        /// Name of the source.
        place: String,
        /// As the manifest says.
        wanted: Digest,
        /// Of the bytes.
        got: String,
        /// Whether some bytes were left from an earlier pull.
        resumed: bool,
    },
    /// The right blob with the wrong content.
    #[error(
        "{place}: layer {blob} unpacks to {got}, the image configuration says {wanted}; \
         the image was built wrongly"
    )]
    DiffId {
        /// Name of the source.
        place: String,
        /// The compressed layer.
        blob: Digest,
        /// `rootfs.diff_ids` entry.
        wanted: Digest,
        /// Of the uncompressed bytes.
        got: String,
    },
    /// The layer's bytes cannot be decompressed or read.
    #[error("{place}: layer {blob}")]
    Read {
        /// Name of the source.
        place: String,
        /// The compressed layer.
        blob: Digest,
        /// What is wrong.
        #[source]
        source: io::Error,
    },
    /// The layer cannot be unpacked.
    #[error("{place}: layer {blob}")]
    Unpack {
        /// Name of the source.
        place: String,
        /// The compressed layer.
        blob: Digest,
        /// What is wrong.
        #[source]
        source: UnpackError,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The disk is full.
    #[error(
        "no space left in {store} while storing blob {blob}; make room (`bolt system df` shows \
         what takes it) and pull again, it goes on where it stopped"
    )]
    NoSpace {
        /// Directory of the store.
        store: String,
        /// What was to be stored.
        blob: Digest,
    },
}

impl PullError {
    /// Names a full disk as such, wherever in the causes it stands.
    pub(super) fn or_no_space(self, store: &std::path::Path, blob: &Digest) -> Self {
        if is_disk_full(&self) {
            return PullError::NoSpace { store: store.display().to_string(), blob: blob.clone() };
        }
        self
    }
}

impl PullError {
    /// The blob has its digest, and no layer can be made of it: to fetch it again is no use, and to
    /// keep it neither.
    pub(super) fn blames_the_blob(&self) -> bool {
        match self {
            PullError::DiffId { .. } => true,
            PullError::Unpack { source, .. } => matches!(
                source,
                UnpackError::Truncated { .. }
                    | UnpackError::Header { .. }
                    | UnpackError::Refused { .. }
                    | UnpackError::Limit { .. }
            ),
            _ => false,
        }
    }
}

/// Whether some cause of `error` is ENOSPC or EDQUOT.
pub(super) fn is_disk_full(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            if matches!(io.raw_os_error(), Some(libc::ENOSPC | libc::EDQUOT)) {
                return true;
            }
            // An io::Error around another error passes over it in `source`.
            if let Some(inner) = io.get_ref()
                && is_disk_full(inner)
            {
                return true;
            }
        }
        next = cause.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named_wherever_it_hides() {
        let digest = Digest::sha256_of(b"x");
        let full = io::Error::from_raw_os_error(libc::ENOSPC);
        let wrapped = io::Error::other(full);
        let source = SourceError::Keep { digest: digest.clone(), source: wrapped };
        let error = PullError::Source(source).or_no_space("/s".as_ref(), &digest);
        assert!(matches!(error, PullError::NoSpace { .. }));
        let other = SourceError::Keep { digest: digest.clone(), source: io::Error::other("x") };
        let error = PullError::Source(other).or_no_space("/s".as_ref(), &digest);
        assert!(matches!(error, PullError::Source(_)));
    }
}
