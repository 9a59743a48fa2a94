//! One repository of one registry, to read and to write: what pushes, artifacts and lists need.

use super::client::{Client, Rights, random_share};
use super::journal::Uploads;
use super::{Endpoint, PARALLEL, Patience, Proxies, RegistryError, STOP_CHECK, wanted};
use crate::image::artifact::{self, Artifact, Referrer};
use crate::image::hash::Hasher;
use crate::image::island::Island;
use crate::image::manifest::{OCI_INDEX, OCI_MANIFEST};
use crate::image::progress::Progress;
use crate::image::reference::Reference;
use crate::image::source::{RawDocument, Sink, SourceError};
use crate::image::types::{Descriptor, Digest};
use crate::sys::memfd;
use futures_util::StreamExt;
use futures_util::stream::{FuturesUnordered, iter};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Receiver;

pub use super::upload::Stored;

/// How often a change to a document that several change is tried.
pub const TRIES: usize = 20;
/// Least time for others to end theirs: a process may be kept waiting for its processor in between.
const LEAST_WAIT: Duration = Duration::from_millis(100);

/// A blob that is ready to be sent.
#[derive(Debug, Clone)]
pub struct OutgoingBlob {
    /// Digest and length of the bytes.
    pub blob: Descriptor,
    /// The bytes, from the file's beginning.
    pub file: Arc<File>,
    /// Whether the destination was asked already and has it not.
    pub asked: bool,
}

/// A conversation with one repository. Calls block; the island ends with it.
pub struct Repository<'a> {
    reference: Reference,
    client: Client<'a>,
    /// When no answer is waited for any more.
    until: Option<Instant>,
    /// Last, so that connections end before it does.
    island: Island,
}

impl std::fmt::Debug for Repository<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repository").field("reference", &self.reference).finish_non_exhaustive()
    }
}

impl<'a> Repository<'a> {
    /// Sets up a client; nothing is sent yet.
    pub fn open(
        endpoint: Endpoint,
        rights: Rights,
        proxies: &Proxies,
        patience: &Patience,
        progress: &'a dyn Progress,
    ) -> Result<Self, RegistryError> {
        let island = Island::new()?;
        let reference = endpoint.reference.clone();
        let client = endpoint.client(proxies, patience.clone(), rights, progress)?;
        Ok(Repository { reference, client, until: None, island })
    }

    /// Uploads that are broken off are noted in `file`, and gone on with by whoever reads it.
    #[must_use]
    pub fn with_journal(mut self, file: &Path) -> Self {
        self.client.uploads = Uploads::at(file);
        self
    }

    /// Documents and lists are waited for until then and no longer, however slowly they come.
    #[must_use]
    pub fn asked_until(mut self, until: Instant) -> Self {
        self.until = Some(until);
        self
    }

    fn ask<T>(
        &self,
        answer: impl Future<Output = Result<T, RegistryError>>,
    ) -> Result<T, RegistryError> {
        let Some(until) = self.until else { return self.island.run(answer) };
        let limit = until.saturating_duration_since(Instant::now());
        let late = RegistryError::Stalled { url: self.reference.name(), after: limit };
        let answer = async { tokio::time::timeout(limit, answer).await };
        self.island.run(answer).unwrap_or(Err(late))
    }

    /// The name it was opened by.
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// A manifest or index by tag or digest, verified.
    pub fn manifest(&self, reference: &str) -> Result<RawDocument, RegistryError> {
        self.ask(self.client.manifest(reference))
    }

    /// The manifest or index that the name stands for which the repository was opened by.
    pub fn named(&self) -> Result<RawDocument, RegistryError> {
        self.manifest(wanted(&self.reference))
    }

    /// [`Repository::manifest`]; `None` when there is none.
    pub fn find_manifest(&self, reference: &str) -> Result<Option<RawDocument>, RegistryError> {
        match self.manifest(reference) {
            Ok(found) => Ok(Some(found)),
            Err(RegistryError::NotFound { .. }) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// A whole blob of at most `limit` bytes, verified.
    pub fn blob(&self, wanted: &Descriptor, limit: u64) -> Result<Vec<u8>, SourceError> {
        self.island.run(self.client.small_blob(wanted, limit))
    }

    /// Which of `blobs` the repository has, asked several at a time.
    pub fn has(&self, blobs: &[&Digest]) -> Result<Vec<bool>, RegistryError> {
        self.island.run(async {
            let asked = iter(blobs).map(|digest| self.client.has_blob(digest));
            let answers: Vec<_> = asked.buffered(PARALLEL).collect().await;
            answers.into_iter().collect()
        })
    }

    /// Takes a blob over from another repository of the same registry; `false`: it is not given.
    pub fn mount(&self, blob: &Digest, from: &str) -> Result<bool, RegistryError> {
        self.island.run(self.client.mount(blob, from))
    }

    /// Sends what comes through `queue`, several at a time, until it ends or `stopped` is true.
    pub fn upload(
        &self,
        mut queue: Receiver<OutgoingBlob>,
        stopped: &AtomicBool,
    ) -> Result<(), RegistryError> {
        self.island.run(async {
            let mut running = FuturesUnordered::new();
            let mut open = true;
            while (open || !running.is_empty()) && !stopped.load(Ordering::Relaxed) {
                tokio::select! {
                    blob = queue.recv(), if open && running.len() < PARALLEL => match blob {
                        Some(blob) => running.push(self.upload_one(blob)),
                        None => open = false,
                    },
                    Some(done) = running.next() => done?,
                    () = tokio::time::sleep(STOP_CHECK) => {}
                }
            }
            Ok(())
        })
    }

    async fn upload_one(&self, outgoing: OutgoingBlob) -> Result<(), RegistryError> {
        let OutgoingBlob { blob, file, asked } = outgoing;
        let progress = self.client.progress;
        if !asked && self.client.has_blob(&blob.digest).await? {
            progress.blob_exists(&blob.digest);
            return Ok(());
        }
        progress.blob_started(&blob.digest, blob.size, 0);
        self.client.upload(&blob, &file).await?;
        progress.blob_sent(&blob.digest);
        Ok(())
    }

    /// Fetches a blob into an empty file, going on where it broke.
    ///
    /// Errors: wrong bytes too.
    pub fn download(&self, wanted: &Descriptor, file: &File) -> Result<(), SourceError> {
        let progress = self.client.progress;
        progress.blob_started(&wanted.digest, wanted.size, 0);
        let mut sink = Downloaded { file, len: 0, hasher: Hasher::like(&wanted.digest) };
        self.island.run(self.client.blob(wanted, &mut sink))?;
        let got = sink.hasher.finish();
        if got != wanted.digest.as_str() {
            let (url, wanted) = (self.client.name(), wanted.digest.to_string());
            return Err(RegistryError::Digest { url, wanted, got }.into());
        }
        progress.blob_done(&wanted.digest);
        Ok(())
    }

    /// Sends a small blob, where it is not there yet.
    pub fn put_blob(&self, blob: &Descriptor, bytes: &[u8]) -> Result<(), RegistryError> {
        let failed = |e: std::io::Error| RegistryError::Setup {
            host: self.client.registry.clone(),
            reason: format!("a memory file: {e}"),
        };
        let file = memfd::for_later(c"blob").map_err(failed)?;
        memfd::complete(&file, bytes).map_err(failed)?;
        let file = Arc::new(File::from(file));
        let outgoing = OutgoingBlob { blob: blob.clone(), file, asked: false };
        self.island.run(self.upload_one(outgoing))
    }

    /// All tags, sorted.
    pub fn tags(&self) -> Result<Vec<String>, RegistryError> {
        self.ask(self.client.tags())
    }

    /// Manifests that refer to `subject`: by the referrers API, or by the tag schema where the
    /// registry has none.
    pub fn referrers(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Referrer>, RegistryError> {
        self.ask(self.client.referrers(subject, artifact_type))
    }

    /// Pushes an artifact with its one part; `tag` names it, without one its digest does. With
    /// a subject it is found among the subject's referrers, in registries that keep none too.
    pub fn put_artifact(
        &self,
        artifact: &Artifact,
        content: &[u8],
        tag: Option<&str>,
        subject: Option<&Descriptor>,
    ) -> Result<Digest, RegistryError> {
        self.put_blob(
            &artifact::describe(artifact::EMPTY_CONFIG, artifact::EMPTY),
            artifact::EMPTY,
        )?;
        self.put_blob(&artifact.part, content)?;
        let bytes = artifact.manifest(subject);
        let manifest = artifact::describe(OCI_MANIFEST, &bytes);
        let reference = tag.unwrap_or(manifest.digest.as_str());
        let stored = self.put_manifest(reference, OCI_MANIFEST, &bytes)?;
        if let Some(subject) = subject.filter(|_| !stored.refers) {
            self.add_to_fallback(&subject.digest, &manifest, artifact)?;
        }
        Ok(stored.digest)
    }

    /// Puts the referrer into the index that stands for a list of the registry's own.
    fn add_to_fallback(
        &self,
        subject: &Digest,
        manifest: &Descriptor,
        artifact: &Artifact,
    ) -> Result<(), RegistryError> {
        let tag = artifact::fallback_tag(subject);
        let fault = |reason: String| {
            let url = format!("{}:{tag}", self.client.name());
            RegistryError::Protocol { url, reason: format!("index of referrers: {reason}") }
        };
        for _ in 0..TRIES {
            let began = Instant::now();
            let there = self.find_manifest(&tag)?;
            let index = there.as_ref().map(|raw| raw.bytes.as_slice());
            let grown = artifact::with_referrer(index, manifest, artifact).map_err(fault)?;
            let Some(bytes) = grown else { return Ok(()) };
            self.put_manifest(&tag, OCI_INDEX, &bytes)?;
            // Then the next look finds it there, unless another has replaced it.
            self.let_others_end(began);
        }
        Err(fault("others change it all the time; try again when they are done".to_owned()))
    }

    /// Waits so long after a document was replaced that another who has read it before, as `began`
    /// says we have, will have replaced ours: registries compare nothing before they move a tag,
    /// so that who does not look again may be lost.
    pub fn let_others_end(&self, began: Instant) {
        let took = began.elapsed();
        std::thread::sleep(LEAST_WAIT + took.mul_f64(1.0 + random_share()));
    }

    /// Puts a manifest or index under a tag or its digest.
    pub fn put_manifest(
        &self,
        reference: &str,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<Stored, RegistryError> {
        self.island.run(self.client.put_manifest(reference, media_type, bytes))
    }
}

/// Puts the bytes of a download into a file.
struct Downloaded<'a> {
    file: &'a File,
    len: u64,
    hasher: Hasher,
}

impl Sink for Downloaded<'_> {
    fn len(&self) -> u64 {
        self.len
    }
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.len += bytes.len() as u64;
        Ok(())
    }
    fn end(self: Box<Self>, _result: Result<(), SourceError>) {}
}
