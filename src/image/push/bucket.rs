//! `s3://BUCKET/PREFIX[:NAME]` as a destination: an image layout in a bucket.

use super::folder::copy_verified;
use super::{Destination, Outgoing, PushError};
use crate::image::island::Island;
use crate::image::progress::Progress;
use crate::image::reference::Reference;
use crate::image::registry::{OutgoingBlob, Patience, Proxies};
use crate::image::s3::credentials::AwsPlaces;
use crate::image::s3::place::Place;
use crate::image::s3::upload::{Journal, Upload};
use crate::image::s3::{Bucket, S3Client, S3Error, layout};
use crate::image::source::{RawDocument, SourceError};
use crate::image::types::{Descriptor, Digest};
use std::cell::RefCell;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc::Receiver;

/// A prefix of a bucket, and the name that the image gets there.
pub struct BucketPlace<'a> {
    bucket: Bucket<'a>,
    island: Island,
    journal: RefCell<Journal>,
    image: String,
    progress: &'a dyn Progress,
}

impl std::fmt::Debug for BucketPlace<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BucketPlace").field("image", &self.image).finish_non_exhaustive()
    }
}

impl<'a> BucketPlace<'a> {
    /// Nothing is sent yet. `journal` is where uploads that were broken off are remembered.
    pub fn new(
        place: Place,
        image: String,
        (aws, proxies, patience): (&AwsPlaces, &Proxies, &Patience),
        journal: &Path,
        progress: &'a dyn Progress,
    ) -> Result<Self, PushError> {
        let client = S3Client::new(place, aws, proxies, patience, progress)?;
        Ok(BucketPlace {
            bucket: Bucket::new(client),
            island: Island::new().map_err(SourceError::from)?,
            journal: RefCell::new(Journal::read(journal)),
            image,
            progress,
        })
    }

    /// Whether the bucket has the object; one of another length is an error.
    fn there(&self, digest: &Digest, size: u64) -> Result<bool, S3Error> {
        match self.island.run(self.bucket.size(digest))? {
            Some(there) if there != size => Err(self.bucket.wrong_size(digest, size, there)),
            there => Ok(there.is_some()),
        }
    }

    fn put(&self, outgoing: &OutgoingBlob) -> Result<(), PushError> {
        let blob = &outgoing.blob;
        if !outgoing.asked && self.there(&blob.digest, blob.size)? {
            self.progress.blob_exists(&blob.digest);
            return Ok(());
        }
        // Nobody at the other end looks whether the bytes are those of the key.
        copy_verified(outgoing, io::sink())
            .map_err(|e| PushError::write(format!("blob {}", blob.digest), e))?;
        self.progress.blob_started(&blob.digest, blob.size, 0);
        let sent = |bytes| self.progress.blob_bytes(&blob.digest, bytes);
        let upload = Upload {
            key: &self.bucket.key(&blob.digest),
            media_type: "application/octet-stream",
            file: &outgoing.file,
            size: blob.size,
            sent: &sent,
        };
        self.island.run(self.bucket.upload(&upload, &self.journal))?;
        self.progress.blob_done(&blob.digest);
        Ok(())
    }
}

impl Destination for BucketPlace<'_> {
    fn name(&self) -> String {
        format!("{}, as {}", self.bucket.place_name(), self.image)
    }

    fn has(&self, blobs: &[&Descriptor]) -> Result<Vec<bool>, PushError> {
        blobs.iter().map(|blob| Ok(self.there(&blob.digest, blob.size)?)).collect()
    }

    fn mount(&self, _blob: &Digest, _from: &Reference) -> Result<bool, PushError> {
        Ok(false)
    }

    fn take(
        &self,
        mut queue: Receiver<OutgoingBlob>,
        stopped: &AtomicBool,
    ) -> Result<(), PushError> {
        while let Some(outgoing) = queue.blocking_recv() {
            if stopped.load(Ordering::Relaxed) {
                break;
            }
            self.put(&outgoing)?;
        }
        Ok(())
    }

    fn manifest(&self, manifest: &Outgoing) -> Result<(), PushError> {
        self.instance(manifest)?;
        let Outgoing { bytes, media_type, digest } = manifest.clone();
        let root = RawDocument { bytes, media_type, digest, given_name: None };
        Ok(self.island.run(layout::add(&self.bucket, &root, &self.image))?)
    }

    fn instance(&self, manifest: &Outgoing) -> Result<(), PushError> {
        let Outgoing { bytes, media_type, digest } = manifest;
        if !self.there(digest, bytes.len() as u64)? {
            self.island.run(self.bucket.put(digest, bytes, media_type))?;
        }
        Ok(())
    }
}
