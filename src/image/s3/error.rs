//! What can go wrong with S3, in plain words; never a secret in them.

use super::credentials::CredentialsError;
use super::xml::BadXml;
use crate::image::registry::RegistryError;
use crate::image::registry::error::NO_TLS;
use crate::image::types::Digest;

/// Why a bucket could not serve a request. `place` is `s3://BUCKET at HOST`.
#[derive(Debug, thiserror::Error)]
pub enum S3Error {
    /// The connection, or a redirect.
    #[error(transparent)]
    Transport(RegistryError),
    /// No trusted connection.
    #[error("{url} cannot be trusted: {reason}; {fix}")]
    Untrusted {
        /// Address.
        url: String,
        /// What is wrong with the certificate or the handshake.
        reason: String,
        /// What to do about it.
        fix: &'static str,
    },
    /// No usable credentials on this machine.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The object is not there.
    #[error("{key} does not exist in {place}")]
    NoSuchKey {
        /// Bucket and host.
        place: String,
        /// The object's key.
        key: String,
    },
    /// The bucket is not there.
    #[error("{place}: there is no such bucket; check its name and the endpoint")]
    NoSuchBucket {
        /// Bucket and host.
        place: String,
    },
    /// 403: known, but not allowed; or not signed.
    #[error("{place} refuses access to {key}{detail}; credentials are those of {from}")]
    Denied {
        /// Bucket and host.
        place: String,
        /// The object's key.
        key: String,
        /// Code and message, with their separator.
        detail: String,
        /// Where the credentials were found.
        from: String,
    },
    /// 403: the keys are wrong.
    #[error(
        "{place} does not take the {what} of {from}; check it, or log in with `bolt login {host}`"
    )]
    WrongKeys {
        /// Bucket and host.
        place: String,
        /// Access key or secret.
        what: &'static str,
        /// Where the credentials were found.
        from: String,
        /// For `bolt login`.
        host: String,
    },
    /// 403: their time is over.
    #[error("{place}: the credentials of {from} have expired; get new ones")]
    Expired {
        /// Bucket and host.
        place: String,
        /// Where the credentials were found.
        from: String,
    },
    /// The clocks differ by more than S3 allows (15 minutes).
    #[error(
        "{place}: the clock of this machine is {} min {} that of the server, S3 allows 15; set it \
         (`timedatectl set-ntp true`)",
        seconds.unsigned_abs() / 60,
        if *seconds > 0 { "ahead of" } else { "behind" }
    )]
    Clock {
        /// Bucket and host.
        place: String,
        /// This machine's time less the server's.
        seconds: i64,
    },
    /// The bucket lies in another region.
    #[error(
        "{place} lies in the region {needed:?}, not {configured:?}; set the region of its endpoint, \
         or AWS_REGION"
    )]
    Region {
        /// Bucket and host.
        place: String,
        /// As configured here.
        configured: String,
        /// As the server says.
        needed: String,
    },
    /// The whole object came instead of the part that was asked for.
    #[error("{place} ignores Range and sends all of {key}")]
    RangeIgnored {
        /// Bucket and host.
        place: String,
        /// The object's key.
        key: String,
    },
    /// Another length than the manifest says.
    #[error("{place}: {key} has {got} bytes, {wanted} were expected; remove it from the bucket")]
    Size {
        /// Bucket and host.
        place: String,
        /// The object's key.
        key: String,
        /// By the manifest.
        wanted: u64,
        /// By the server.
        got: u64,
    },
    /// The connection ended early.
    #[error("{place}: {key} ended after {at} of {end} bytes")]
    Cut {
        /// Bucket and host.
        place: String,
        /// The object's key.
        key: String,
        /// Where it ended.
        at: u64,
        /// Where the part that was asked for ends.
        end: u64,
    },
    /// Content and name differ.
    #[error("{place}: {key} has the digest {got}, wanted {wanted}")]
    Digest {
        /// Bucket and host.
        place: String,
        /// The object's key.
        key: String,
        /// As the manifest says.
        wanted: Digest,
        /// Of the bytes.
        got: String,
    },
    /// Any other status.
    #[error("{place} answered {status} for {key}{detail}")]
    Status {
        /// Bucket and host.
        place: String,
        /// The object's key.
        key: String,
        /// HTTP status code.
        status: u16,
        /// Code and message, with their separator.
        detail: String,
    },
    /// An answer that cannot be read.
    #[error("{place}: the answer about {key}")]
    Answer {
        /// Bucket and host.
        place: String,
        /// The object's key.
        key: String,
        /// What is wrong.
        #[source]
        source: BadXml,
    },
    /// The server breaks the protocol.
    #[error("{place}: {reason}")]
    Protocol {
        /// Bucket and host.
        place: String,
        /// How.
        reason: String,
    },
    /// A setting of this side.
    #[error("{place}: {reason}")]
    Setup {
        /// Bucket, or what was typed.
        place: String,
        /// What cannot be used.
        reason: String,
    },
}

/// What a bucket's certificate is trusted by.
const AUTHORITY: &str = "name its CA certificate as `ca =` in the bucket's [[ghostbay]] entry of \
                         registries.toml or in AWS_CA_BUNDLE, or use --tls-verify=false";
/// What helps where the server has no certificate at all.
const PLAIN: &str = "write http:// in its endpoint if that is meant";
/// What a token service's certificate is trusted by: it is in no file of ours.
const SERVICE_AUTHORITY: &str = "name its CA certificate in AWS_CA_BUNDLE";

impl From<RegistryError> for S3Error {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Tls { url, reason, .. } if reason == NO_TLS => {
                Self::Untrusted { url, reason: "it does not speak TLS".to_owned(), fix: PLAIN }
            }
            RegistryError::Tls { url, reason, .. } => {
                Self::Untrusted { url, reason, fix: AUTHORITY }
            }
            other => Self::Transport(other),
        }
    }
}

impl S3Error {
    /// The same error where it is not a bucket that was asked but the token service.
    pub(super) fn of_service(self) -> Self {
        match self {
            Self::Untrusted { url, reason, fix: AUTHORITY } => {
                Self::Untrusted { url, reason, fix: SERVICE_AUTHORITY }
            }
            other => other,
        }
    }

    /// Whether the same request may well succeed a little later.
    pub(in crate::image) fn is_transient(&self) -> bool {
        match self {
            Self::Transport(e) => e.is_transient(),
            Self::Cut { .. } => true,
            // 409: a write of the same object is running.
            Self::Status { status, .. } => {
                matches!(status, 408 | 409 | 429 | 500 | 502 | 503 | 504)
            }
            _ => false,
        }
    }
}
