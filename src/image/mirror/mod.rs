//! Images into a bucket: every blob that is missing there, then the manifests, then, where the
//! bucket holds an image layout, its index.

mod documents;
mod spool;

use crate::image::config::drift::KeyTemplate;
use crate::image::island::Island;
use crate::image::progress::Progress;
use crate::image::pull::{self, PullError, PullRequest};
use crate::image::reference::ImageName;
use crate::image::s3::place::Place;
use crate::image::s3::upload::{Journal, Upload};
use crate::image::s3::{Bucket, S3Client, S3Error, layout};
use crate::image::source::{Source, SourceError};
use crate::image::types::{Descriptor, Digest};
use crate::store::{Store, StoreError};
use documents::Documents;
use std::cell::RefCell;
use std::fs::File;
use std::path::Path;

/// Why an image could not be mirrored. What had arrived in the bucket stays there.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// The image itself.
    #[error(transparent)]
    Pull(#[from] PullError),
    /// The place that has the image.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The bucket.
    #[error(transparent)]
    S3(#[from] S3Error),
    /// The store, where blobs lie on their way.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An image of impossible size.
    #[error("{place}: more than {limit} manifests")]
    TooMany {
        /// Name of the source.
        place: String,
        /// Manifests allowed.
        limit: usize,
    },
    /// The same by bytes.
    #[error("{place}: more than {limit} MiB of manifests")]
    TooLarge {
        /// Name of the source.
        place: String,
        /// MiB allowed.
        limit: usize,
    },
}

/// What to mirror, and where.
#[derive(Debug)]
pub struct MirrorRequest<'a> {
    /// The image, and how its place is reached.
    pub image: PullRequest<'a>,
    /// Only the manifests for the request's platform; else all of an index.
    pub one_platform: bool,
    /// The bucket.
    pub place: Place,
    /// The name in the layout; `None` is the image's own.
    pub name: Option<String>,
    /// Where unfinished uploads are remembered.
    pub journal: Option<&'a Path>,
}

/// What became of the blobs and manifests of an image.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Mirrored {
    /// Written now.
    pub uploaded: usize,
    /// Their bytes.
    pub bytes: u64,
    /// There before.
    pub present: usize,
}

/// Brings an image into a bucket. Blocks until done.
///
/// Blobs come from the store where they lie there, else from the image's place, through the store's
/// directory of downloads. A broken call is gone on with by the next one.
pub fn sync(
    request: &MirrorRequest<'_>,
    store: &Store,
    progress: &dyn Progress,
) -> Result<Mirrored, MirrorError> {
    let source = pull::open_source(&request.image, progress)?;
    let platform = request.one_platform.then_some(request.image.platform);
    let documents = Documents::gather(source.as_ref(), platform)?;
    // Only now: nobody has to wait for a registry that does not answer.
    let _held = store.shared_lock()?;
    let (aws, proxies) = (request.image.buckets.aws, request.image.proxies);
    let patience = &request.image.patience;
    let client = S3Client::new(request.place.clone(), aws, proxies, patience, progress)?;
    let mirror = Mirror {
        bucket: Bucket::new(client),
        island: Island::new().map_err(SourceError::from)?,
        journal: RefCell::new(request.journal.map(Journal::read).unwrap_or_default()),
        store,
        source: source.as_ref(),
        progress,
        done: RefCell::default(),
    };
    for blob in &documents.blobs {
        mirror.blob(blob)?;
    }
    for document in documents.manifests.iter().rev() {
        mirror.document(&document.digest, &document.bytes, &document.media_type)?;
    }
    source.settled();
    if request.place.template == KeyTemplate::oci() {
        let root = &documents.manifests[0];
        let own = match &request.image.name {
            ImageName::Docker(reference) => reference.clone().with_default_tag().to_string(),
            _ => root.given_name.clone().unwrap_or_else(|| "latest".to_owned()),
        };
        let name = request.name.clone().unwrap_or(own);
        mirror.island.run(layout::add(&mirror.bucket, root, &name))?;
    }
    Ok(mirror.done.into_inner())
}

/// The state of one call.
struct Mirror<'a> {
    bucket: Bucket<'a>,
    island: Island,
    journal: RefCell<Journal>,
    store: &'a Store,
    source: &'a dyn Source,
    progress: &'a dyn Progress,
    done: RefCell<Mirrored>,
}

impl Mirror<'_> {
    /// Whether the bucket has the object, by its length.
    fn has(&self, digest: &Digest, size: u64) -> Result<bool, MirrorError> {
        let there = self.island.run(self.bucket.size(digest))?;
        match there {
            Some(there) if there == size => {
                self.done.borrow_mut().present += 1;
                self.progress.blob_exists(digest);
                Ok(true)
            }
            Some(there) => Err(self.bucket.wrong_size(digest, size, there).into()),
            None => Ok(false),
        }
    }

    fn count(&self, size: u64) {
        let mut done = self.done.borrow_mut();
        done.uploaded += 1;
        done.bytes += size;
    }

    fn blob(&self, blob: &Descriptor) -> Result<(), MirrorError> {
        if self.has(&blob.digest, blob.size)? {
            return Ok(());
        }
        let kept = self.store.open_blob(&blob.digest)?;
        let kept = kept.filter(|f| f.metadata().is_ok_and(|m| m.len() == blob.size));
        match kept {
            Some(file) if blob.digest.rehash(&file).is_ok_and(|got| got == blob.digest) => {
                self.send(blob, &file)
            }
            _ => {
                let spooled = spool::fetch(self.store, self.source, blob, self.progress)?;
                self.send(blob, &spooled.file)?;
                spooled.partial.remove()?;
                Ok(())
            }
        }
    }

    fn send(&self, blob: &Descriptor, file: &File) -> Result<(), MirrorError> {
        let key = self.bucket.key(&blob.digest);
        self.progress.blob_started(&blob.digest, blob.size, 0);
        let sent = |bytes| self.progress.blob_bytes(&blob.digest, bytes);
        let media_type = "application/octet-stream";
        let upload = Upload { key: &key, media_type, file, size: blob.size, sent: &sent };
        self.island.run(self.bucket.upload(&upload, &self.journal))?;
        self.progress.blob_done(&blob.digest);
        self.progress.layer_unpacked(&blob.digest);
        self.count(blob.size);
        Ok(())
    }

    fn document(&self, digest: &Digest, bytes: &[u8], kind: &str) -> Result<(), MirrorError> {
        let size = bytes.len() as u64;
        if self.has(digest, size)? {
            return Ok(());
        }
        let kind = if kind.is_empty() { "application/json" } else { kind };
        self.island.run(self.bucket.put(digest, bytes, kind))?;
        self.count(size);
        Ok(())
    }
}
