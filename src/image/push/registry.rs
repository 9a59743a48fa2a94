//! A repository of a registry as a destination.

use super::{Destination, Outgoing, PushError};
use crate::image::reference::Reference;
use crate::image::registry::{OutgoingBlob, Repository};
use crate::image::types::{Descriptor, Digest};
use std::sync::atomic::AtomicBool;
use tokio::sync::mpsc::Receiver;

/// The repository, opened to push, with the name that the image gets there.
#[derive(Debug)]
pub struct RegistryPlace<'a> {
    repository: Repository<'a>,
}

impl<'a> RegistryPlace<'a> {
    /// Images get the tag or digest that `repository` was opened by.
    pub fn new(repository: Repository<'a>) -> Self {
        RegistryPlace { repository }
    }

    /// The repository itself.
    pub fn repository(&self) -> &Repository<'a> {
        &self.repository
    }
}

impl Destination for RegistryPlace<'_> {
    fn name(&self) -> String {
        self.repository.reference().to_string()
    }

    fn has(&self, blobs: &[&Descriptor]) -> Result<Vec<bool>, PushError> {
        let digests: Vec<&Digest> = blobs.iter().map(|blob| &blob.digest).collect();
        Ok(self.repository.has(&digests)?)
    }

    fn mount(&self, blob: &Digest, from: &Reference) -> Result<bool, PushError> {
        let own = self.repository.reference();
        if from.registry() != own.registry() || from.repository() == own.repository() {
            return Ok(false);
        }
        Ok(self.repository.mount(blob, from.repository())?)
    }

    fn take(&self, queue: Receiver<OutgoingBlob>, stopped: &AtomicBool) -> Result<(), PushError> {
        Ok(self.repository.upload(queue, stopped)?)
    }

    fn manifest(&self, manifest: &Outgoing) -> Result<(), PushError> {
        let own = self.repository.reference();
        let reference = match own.digest() {
            Some(digest) if *digest != manifest.digest => {
                let (name, got) = (own.to_string(), manifest.digest.clone());
                return Err(PushError::Pinned { name, got });
            }
            Some(digest) => digest.as_str(),
            None => own.tag().unwrap_or("latest"),
        };
        self.repository.put_manifest(reference, &manifest.media_type, &manifest.bytes)?;
        Ok(())
    }

    fn instance(&self, manifest: &Outgoing) -> Result<(), PushError> {
        let reference = manifest.digest.as_str();
        self.repository.put_manifest(reference, &manifest.media_type, &manifest.bytes)?;
        Ok(())
    }
}
