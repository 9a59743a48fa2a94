//! Pushing to one endpoint (distribution-spec 1.1, "Push"): blobs in chunks that go on where they
//! broke, mounts across repositories, manifests.

use super::blobs::HEADWAY;
use super::client::{Call, Client, To};
use super::error::RegistryError;
use super::http::{Answer, same_origin};
use super::payload::Payload;
use crate::image::types::{Descriptor, Digest};
use crate::ui::redact::foreign;
use reqwest::{Method, Url};
use std::fs::File;
use std::sync::Arc;

/// Bytes of one request; what a broken one costs at most where the registry can resume.
const CHUNK: u64 = 16 << 20;
/// What is tried where a registry says that a request is too large.
const SMALL_CHUNK: u64 = 1 << 20;

/// An upload that the registry has opened.
struct Session {
    location: Url,
    /// Bytes that the registry has.
    have: u64,
    /// Whether the registry forgot it, or holds something else than we think.
    lost: bool,
}

/// What a registry did with a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its digest.
    pub digest: Digest,
    /// Whether the registry lists it among the referrers of its subject by itself.
    pub refers: bool,
}

impl Client<'_> {
    /// Whether the repository has a blob.
    pub(super) async fn has_blob(&self, digest: &Digest) -> Result<bool, RegistryError> {
        let path = format!("{}/blobs/{digest}", self.repository);
        let what = format!("blob {digest}");
        let asked = self
            .retried(async || {
                match self.exchange(&Call::new(Method::HEAD, To::Path(&path), &what)).await {
                    // Drift before S3 says 500 for what is not there.
                    Err(RegistryError::Status { status: 405 | 500, .. }) => Ok(false),
                    Err(RegistryError::NotFound { .. }) => Ok(false),
                    other => other.map(|_| true),
                }
            })
            .await?;
        Ok(asked)
    }

    /// Asks for a blob of the repository `from` of this registry; `false` when it is not given.
    pub(super) async fn mount(&self, digest: &Digest, from: &str) -> Result<bool, RegistryError> {
        let path = format!("{}/blobs/uploads/", self.repository);
        let what = format!("blob {digest} of {from}");
        let query = [("mount", digest.as_str()), ("from", from)];
        let call = Call { query: &query, ..Call::new(Method::POST, To::Path(&path), &what) };
        let answer = match self.retried(async || self.exchange(&call).await).await {
            Ok(answer) => answer,
            // Not to be read, not there, or no mounts at all: then it is uploaded.
            Err(RegistryError::Unauthorized { .. } | RegistryError::NotFound { .. }) => {
                return Ok(false);
            }
            Err(RegistryError::Status { status: 400..=499, .. }) => return Ok(false),
            Err(e) => return Err(e),
        };
        if answer.status() == 201 {
            return Ok(true);
        }
        // An upload was opened instead. It may not be the one we will want, so it is closed; a
        // registry that does not know how forgets it after a while.
        if let Ok(location) = self.location(&answer) {
            let _ = self.exchange(&Call::new(Method::DELETE, To::Url(&location), &what)).await;
        }
        Ok(false)
    }

    /// Sends a blob, whose bytes are `file`.
    pub(super) async fn upload(
        &self,
        blob: &Descriptor,
        file: &Arc<File>,
    ) -> Result<(), RegistryError> {
        let (mut session, mut chunk) = (self.begun(blob).await, CHUNK);
        let mut resumed = session.is_some();
        let (mut failures, mut furthest) = (0, 0);
        loop {
            let Err(error) = self.upload_on(&mut session, blob, file, chunk).await else {
                self.uploads.end(&self.noted(blob));
                return Ok(());
            };
            if matches!(error, RegistryError::Status { status: 413, .. }) && chunk > SMALL_CHUNK {
                (chunk, session) = (SMALL_CHUNK, None);
                continue;
            }
            let lost = session.as_ref().is_some_and(|s| s.lost);
            if !error.is_transient() && !lost {
                if !resumed {
                    return Err(error);
                }
                // What an earlier process sent may be the reason.
                (resumed, session) = (false, None);
                self.uploads.end(&self.noted(blob));
                continue;
            }
            let have = session.as_ref().map_or(0, |s| s.have);
            failures = if have >= furthest + HEADWAY { 1 } else { failures + 1 };
            furthest = furthest.max(have);
            if failures > self.patience.retries {
                return Err(error);
            }
            self.pause(&error, failures).await;
            // What got lost may have been no more than the answer.
            if self.has_blob(&blob.digest).await? {
                return Ok(());
            }
            if let Some(open) = session.take_if(|s| !s.lost) {
                session = self.status(open).await;
            } else {
                session = None;
            }
        }
    }

    /// The upload that an earlier process began and did not end, if the registry still has it.
    async fn begun(&self, blob: &Descriptor) -> Option<Session> {
        let noted = self.noted(blob);
        let location: Url = self.uploads.find(&noted)?.parse().ok()?;
        let ours = same_origin(&location, &self.base().ok()?);
        let session = match ours {
            true => self.status(Session { location, have: 0, lost: false }).await,
            false => None,
        };
        let session = session.filter(|s| s.have > 0 && s.have <= blob.size);
        match &session {
            Some(session) => self.progress.blob_bytes(&blob.digest, session.have),
            None => self.uploads.end(&noted),
        }
        session
    }

    /// By what the journal knows an upload.
    fn noted(&self, blob: &Descriptor) -> String {
        format!("{} {}", self.name(), blob.digest)
    }

    /// Addresses of others are not noted: they may be signed for this moment.
    fn note(&self, blob: &Descriptor, location: &Url) {
        if self.base().is_ok_and(|base| same_origin(location, &base)) {
            self.uploads.note(&self.noted(blob), location.as_str());
        }
    }

    /// Goes on with an upload, or opens one, to its end or first error.
    async fn upload_on(
        &self,
        session: &mut Option<Session>,
        blob: &Descriptor,
        file: &Arc<File>,
        chunk: u64,
    ) -> Result<(), RegistryError> {
        let what = format!("upload of blob {}", blob.digest);
        let (open, chunk) = match session.take() {
            Some(open) => (open, chunk),
            None => self.open(&what, chunk).await?,
        };
        let open = session.insert(open);
        let sent = |n| self.progress.blob_bytes(&blob.digest, n);
        let mut went = 0;
        while blob.size > chunk && open.have < blob.size {
            self.note(blob, &open.location);
            let len = chunk.min(blob.size - open.have);
            let mut payload = Payload::file(file, open.have, len);
            payload.range = Some((open.have, open.have + len - 1));
            let call = Call {
                payload: Some(payload),
                sent: &sent,
                ..Call::new(Method::PATCH, To::Url(&open.location), &what)
            };
            let answer = self.exchange(&call).await;
            let answer = answer.inspect_err(|e| open.lost = is_lost(e))?;
            open.location = self.location(&answer)?;
            went += len;
            if went > 2 * blob.size + chunk {
                let reason = "takes less of an upload than is sent to it, again and again";
                let (url, reason) = (answer.address(), reason.to_owned());
                return Err(RegistryError::Protocol { url, reason });
            }
            // One that says it took nothing is not believed, else this would have no end; what it
            // really has is told by the digest, or by its refusal of the next chunk.
            let next = open.have + 1..=open.have + len;
            open.have = taken(&answer).filter(|n| next.contains(n)).unwrap_or(open.have + len);
        }
        let mut payload = Payload::file(file, open.have, blob.size - open.have);
        payload.ends = true;
        let call = Call {
            query: &[("digest", blob.digest.as_str())],
            payload: Some(payload),
            sent: &sent,
            ..Call::new(Method::PUT, To::Url(&open.location), &what)
        };
        let answer = self.exchange(&call).await;
        answer.inspect_err(|e| open.lost = is_lost(e))?;
        Ok(())
    }

    /// Opens an upload; the length of its chunks is at least what the registry wants.
    async fn open(&self, what: &str, chunk: u64) -> Result<(Session, u64), RegistryError> {
        let path = format!("{}/blobs/uploads/", self.repository);
        let answer = self.exchange(&Call::new(Method::POST, To::Path(&path), what)).await?;
        let least = answer.header("oci-chunk-min-length").and_then(|v| v.parse().ok());
        let location = self.location(&answer)?;
        Ok((Session { location, have: 0, lost: false }, chunk.max(least.unwrap_or(0))))
    }

    /// Asks how far an upload has come; `None` when it must be begun anew.
    async fn status(&self, session: Session) -> Option<Session> {
        let call = Call::new(Method::GET, To::Url(&session.location), "the upload");
        let answer = self.exchange(&call).await.ok()?;
        let have = taken(&answer)?;
        // Some answer the status without a new address; the old one is right then.
        let location = self.location(&answer).unwrap_or(session.location);
        Some(Session { location, have, lost: false })
    }

    /// Where an upload goes on: relative or absolute, with a query or without.
    fn location(&self, answer: &Answer) -> Result<Url, RegistryError> {
        let protocol =
            |reason: &str| RegistryError::Protocol { url: answer.address(), reason: reason.into() };
        let text =
            answer.header("location").ok_or_else(|| protocol("upload without a Location"))?;
        let asked = answer.response.url();
        let mut url = asked.join(text).map_err(|_| protocol("upload to an invalid Location"))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(protocol("upload to something else than http or https"));
        }
        // A registry behind a TLS proxy may not know that it is: bytes are not sent in clear.
        let base = self.base()?;
        if url.scheme() == "http" && base.scheme() == "https" && url.host_str() == base.host_str() {
            let _ = url.set_scheme("https");
            let _ = url.set_port(base.port());
        }
        if !same_origin(&url, &base) && url.scheme() == "http" && base.scheme() == "https" {
            return Err(protocol("upload to an address without TLS"));
        }
        let _ = url.set_username("");
        let _ = url.set_password(None);
        Ok(url)
    }

    /// Puts a manifest or index under a tag or its digest.
    pub(super) async fn put_manifest(
        &self,
        reference: &str,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<Stored, RegistryError> {
        let path = format!("{}/manifests/{reference}", self.repository);
        let what = format!("manifest {reference}");
        let digest = Digest::sha256_of(bytes);
        let put = async || {
            let mut payload = Payload::memory(media_type, bytes.to_vec());
            payload.ends = true;
            let call = Call::new(Method::PUT, To::Path(&path), &what);
            self.exchange(&Call { payload: Some(payload), ..call }).await
        };
        let mut misses = 0;
        let answer = loop {
            match self.retried(&put).await {
                Err(e) if e.misses_blob() && misses < self.patience.retries => {
                    misses += 1;
                    self.pause(&e, misses).await;
                }
                other => break other?,
            }
        };
        if let Some(got) = answer.header("docker-content-digest")
            && got != digest.as_str()
        {
            let (url, wanted, got) = (answer.address(), digest.to_string(), got.to_owned());
            return Err(RegistryError::Digest { url, wanted, got: foreign(&got, 200) });
        }
        Ok(Stored { digest, refers: answer.header("oci-subject").is_some() })
    }
}

/// Whether the upload cannot go on where it was: unknown, or with other bytes than we think.
fn is_lost(error: &RegistryError) -> bool {
    matches!(error, RegistryError::NotFound { .. } | RegistryError::Status { status: 416, .. })
}

/// Bytes that the registry has, by `Range: 0-LAST`. One byte and none look alike; chunks are
/// longer than that.
fn taken(answer: &Answer) -> Option<u64> {
    let range = answer.header("range")?;
    let last: u64 = range.trim().trim_start_matches("bytes=").strip_prefix("0-")?.parse().ok()?;
    Some(if last == 0 { 0 } else { last + 1 })
}
