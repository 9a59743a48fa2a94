//! One repository of one registry, to read and to write: what pushes, artifacts and lists need.

use super::client::{Client, Rights};
use super::{Endpoint, PARALLEL, Patience, Proxies, RegistryError, STOP_CHECK};
use crate::image::island::Island;
use crate::image::progress::Progress;
use crate::image::reference::Reference;
use crate::image::source::{RawDocument, SourceError};
use crate::image::types::{Descriptor, Digest};
use futures_util::StreamExt;
use futures_util::stream::{FuturesUnordered, iter};
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc::Receiver;

pub use super::upload::Stored;

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
        Ok(Repository { reference, client, island })
    }

    /// The name it was opened by.
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// A manifest or index by tag or digest, verified.
    pub fn manifest(&self, reference: &str) -> Result<RawDocument, RegistryError> {
        self.island.run(self.client.manifest(reference))
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
