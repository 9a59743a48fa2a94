//! A bucket as a place for blobs, and as one that holds an image layout.

use super::S3Error;
use super::client::{Put, S3Client, pour};
use crate::image::hash::digest_like;
use crate::image::island::Island;
use crate::image::layout::{self, LayoutError};
use crate::image::manifest::{self, MAX_DOCUMENT};
use crate::image::reference::LayoutImage;
use crate::image::source::origin::{Origin, Part, Receive, Served, Tier};
use crate::image::source::{Documents, RawDocument, SourceError};
use crate::image::types::{Descriptor, Digest};
use crate::ui::redact::foreign;
use futures_util::future::LocalBoxFuture;

/// A bucket whose keys follow its template.
pub(in crate::image) struct Bucket<'a> {
    pub(super) client: S3Client<'a>,
}

impl<'a> Bucket<'a> {
    pub(in crate::image) fn new(client: S3Client<'a>) -> Self {
        Bucket { client }
    }
}

impl Bucket<'_> {
    /// For messages.
    pub(in crate::image) fn place_name(&self) -> String {
        self.client.place.name()
    }

    /// The key of a blob.
    pub(in crate::image) fn key(&self, digest: &Digest) -> String {
        self.client.place.blob_key(digest)
    }

    /// The length of a blob that is there.
    pub(in crate::image) async fn size(&self, digest: &Digest) -> Result<Option<u64>, S3Error> {
        self.client.size(&self.key(digest)).await
    }

    /// The error about a blob of another length.
    pub(in crate::image) fn wrong_size(&self, digest: &Digest, wanted: u64, got: u64) -> S3Error {
        self.client.wrong_size(&self.key(digest), wanted, got)
    }

    /// Writes a small blob, unless it is there.
    pub(in crate::image) async fn put(
        &self,
        digest: &Digest,
        bytes: &[u8],
        media_type: &str,
    ) -> Result<Put, S3Error> {
        self.client.put(&self.key(digest), bytes, media_type, true).await
    }

    /// A small object by its path below the prefix.
    pub(in crate::image) async fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, S3Error> {
        self.client.small(&self.client.place.key(path), limit).await
    }

    /// Writes a small object by its path below the prefix, whatever is there.
    pub(in crate::image) async fn write(
        &self,
        path: &str,
        bytes: &[u8],
        media_type: &str,
    ) -> Result<Put, S3Error> {
        self.client.put(&self.client.place.key(path), bytes, media_type, false).await
    }
}

impl Origin for Bucket<'_> {
    fn name(&self) -> String {
        self.client.place.name()
    }

    fn tier(&self) -> Tier {
        Tier::Mirror
    }

    fn part<'s>(
        &'s self,
        blob: &'s Descriptor,
        part: Part,
        receive: &'s mut Receive<'s>,
    ) -> LocalBoxFuture<'s, Result<Served, SourceError>> {
        Box::pin(async move {
            let key = self.client.place.blob_key(&blob.digest);
            let end = part.until.unwrap_or(blob.size);
            let (mut answer, skip) =
                self.client.get(&key, part.from, part.until, blob.size).await?;
            let whole = part.range(blob.size).is_some() && answer.status() == 200;
            let wanted = end - part.from;
            let got = pour(&mut answer, skip, wanted, receive).await?;
            if got > wanted {
                return Err(self.client.wrong_size(&key, end, part.from + got).into());
            }
            if got < wanted {
                let (at, place) = (part.from + got, self.client.place.name());
                return Err(S3Error::Cut { place, key, at, end }.into());
            }
            Ok(Served { whole })
        })
    }
}

/// One image of a layout in a bucket.
pub(in crate::image) struct BucketLayout<'a> {
    bucket: std::rc::Rc<Bucket<'a>>,
    image: Option<LayoutImage>,
    island: Island,
}

impl<'a> BucketLayout<'a> {
    pub(in crate::image) fn new(
        bucket: std::rc::Rc<Bucket<'a>>,
        image: Option<LayoutImage>,
        island: &Island,
    ) -> Self {
        BucketLayout { bucket, image, island: island.clone() }
    }

    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, SourceError> {
        Ok(self.island.run(self.bucket.read(path, limit))?)
    }

    /// The error for a prefix without a layout, with what lies there instead.
    fn no_layout(&self) -> SourceError {
        let client = &self.bucket.client;
        let prefix = match client.place.prefix.as_str() {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        let place = Documents::name(self);
        match self.island.run(client.list(&prefix, None)) {
            Ok(list) if !list.objects.is_empty() => {
                let keys: Vec<&str> = list.objects.iter().take(3).map(|o| o.key.as_str()).collect();
                let more = if list.objects.len() > keys.len() { ", …" } else { "" };
                let reason = format!(
                    "there is no OCI image layout, but {}{more}",
                    foreign(&keys.join(", "), 400)
                );
                S3Error::Protocol { place, reason }.into()
            }
            _ => LayoutError::Missing { place, file: layout::MARKER.to_owned() }.into(),
        }
    }
}

impl Documents for BucketLayout<'_> {
    fn name(&self) -> String {
        self.bucket.name()
    }

    fn root(&self) -> Result<RawDocument, SourceError> {
        let place = Documents::name(self);
        let missing = |error: SourceError| match error {
            SourceError::S3(S3Error::NoSuchKey { .. }) => self.no_layout(),
            other => other,
        };
        let marker = self.read(layout::MARKER, layout::MAX_MARKER).map_err(missing)?;
        layout::check_version(&place, &marker)?;
        let index = self.read(layout::INDEX, MAX_DOCUMENT)?;
        let entry = layout::choose(&place, &index, self.image.as_ref())?;
        self.document(&entry)
    }

    fn document(&self, wanted: &Descriptor) -> Result<RawDocument, SourceError> {
        let client = &self.bucket.client;
        let key = client.place.blob_key(&wanted.digest);
        let bytes = self.island.run(client.small(&key, MAX_DOCUMENT))?;
        let got = digest_like(&wanted.digest, &bytes);
        if got != wanted.digest.as_str() {
            let (place, wanted) = (client.place.name(), wanted.digest.clone());
            return Err(S3Error::Digest { place, key, wanted, got }.into());
        }
        let media_type = wanted.media_type.clone();
        let given_name = manifest::ref_name(&wanted.annotations).map(str::to_owned);
        Ok(RawDocument { bytes, media_type, digest: wanted.digest.clone(), given_name })
    }
}
