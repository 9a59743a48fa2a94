//! Objects into a bucket: small ones at once, big ones in parts that survive a broken upload.

use super::S3Error;
use super::answers::Part;
use super::bucket::Bucket;
use super::client::Put;
use crate::sys::atomic::{self, Sync};
use crate::sys::small;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Least bytes of a part but the last; S3 wants 5 MiB at least.
const PART: u64 = 8 << 20;
/// Most parts of an object (S3: 10,000).
const MOST_PARTS: u64 = 9_000;
/// Parts on their way at the same time; each lies in memory.
const AT_ONCE: usize = 2;
/// Uploads that are remembered.
const MOST_UPLOADS: usize = 1_000;

/// Which uploads were begun and not ended: the ids by which their parts are found again. A file
/// that may be removed at any time; then those uploads begin anew.
#[derive(Debug, Default)]
pub struct Journal {
    file: Option<PathBuf>,
    uploads: BTreeMap<String, Begun>,
}

/// An upload that was begun.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Begun {
    id: String,
    /// Of the parts that were taken: not every server lists them.
    etags: BTreeMap<u32, String>,
}

#[derive(Default, Serialize, Deserialize)]
struct Contents {
    version: u32,
    uploads: BTreeMap<String, Begun>,
}

impl Journal {
    /// Reads `file`; one that is not there, or not understood, says nothing.
    pub fn read(file: &Path) -> Self {
        let contents = small::read_regular(file).ok();
        let contents = contents.and_then(|b| serde_json::from_slice::<Contents>(&b).ok());
        let uploads = contents.filter(|c| c.version == 1).unwrap_or_default().uploads;
        Journal { file: Some(file.to_owned()), uploads }
    }

    /// Remembers an upload.
    fn begin(&mut self, object: &str, id: &str) {
        if self.uploads.len() < MOST_UPLOADS || self.uploads.contains_key(object) {
            let begun = Begun { id: id.to_owned(), etags: BTreeMap::new() };
            self.uploads.insert(object.to_owned(), begun);
            self.keep();
        }
    }

    /// Remembers a part of it.
    fn part(&mut self, object: &str, number: u32, etag: &str) {
        if let Some(begun) = self.uploads.get_mut(object) {
            begun.etags.insert(number, etag.to_owned());
            self.keep();
        }
    }

    /// Forgets it.
    fn end(&mut self, object: &str) {
        if self.uploads.remove(object).is_some() {
            self.keep();
        }
    }

    /// A journal that cannot be written costs a repeated upload.
    fn keep(&self) {
        if let Err(e) = self.write() {
            tracing::debug!("the journal of uploads is not written: {e}");
        }
    }

    fn write(&self) -> std::io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let (Some(dir), Some(name)) = (file.parent(), file.file_name()) else { return Ok(()) };
        std::fs::create_dir_all(dir)?;
        let bytes = serde_json::to_vec(&Contents { version: 1, uploads: self.uploads.clone() })?;
        atomic::write(File::open(dir)?, &name.to_string_lossy(), &bytes, Sync::Fast)
    }
}

/// Bytes that are to become an object.
pub(in crate::image) struct Upload<'a> {
    pub(in crate::image) key: &'a str,
    pub(in crate::image) media_type: &'a str,
    pub(in crate::image) file: &'a File,
    pub(in crate::image) size: u64,
    /// Called with the bytes that are there, as parts arrive; first with those of an earlier try.
    pub(in crate::image) sent: &'a dyn Fn(u64),
}

impl Bucket<'_> {
    /// Puts a file there, unless the object exists by the time it is complete.
    pub(in crate::image) async fn upload(
        &self,
        upload: &Upload<'_>,
        journal: &RefCell<Journal>,
    ) -> Result<Put, S3Error> {
        if upload.size <= PART {
            let body = self.bytes(upload, 0, upload.size)?;
            let put = self.client.put(upload.key, &body, upload.media_type, true).await?;
            (upload.sent)(upload.size);
            return Ok(put);
        }
        let object = format!("{} {}", self.client.place.name(), upload.key);
        let known = journal.borrow().uploads.get(&object).cloned();
        if let Some(begun) = known {
            let old = begun.id.clone();
            match self.remembered(upload, begun, &object, journal).await {
                // What is remembered is replaced once the server takes another; the empty one
                // would stay open in the bucket.
                Ok(None) => {
                    if let Err(e) = self.client.abort_upload(upload.key, &old).await {
                        tracing::debug!("an upload without parts stays open: {e}");
                    }
                }
                Err(e) if is_lost(&e) => tracing::debug!("{e}; the upload begins anew"),
                Ok(Some(put)) => return Ok(put),
                Err(e) => return Err(e),
            }
        }
        let id = self.client.begin_upload(upload.key, upload.media_type).await?;
        journal.borrow_mut().begin(&object, &id);
        self.rest(upload, &id, BTreeMap::new(), &object, journal).await
    }

    /// Goes on with an upload that was begun at another time; `None` where the server has no part
    /// of it, and nothing is won.
    async fn remembered(
        &self,
        upload: &Upload<'_>,
        begun: Begun,
        object: &str,
        journal: &RefCell<Journal>,
    ) -> Result<Option<Put>, S3Error> {
        let Begun { id, mut etags } = begun;
        let there = self.client.parts(upload.key, &id).await?;
        let known = |p: Part| Some((p.number, (p.etag.or(etags.remove(&p.number))?, p.size)));
        let there: BTreeMap<_, _> = there.into_iter().filter_map(known).collect();
        if there.is_empty() {
            return Ok(None);
        }
        self.rest(upload, &id, there, object, journal).await.map(Some)
    }

    /// Sends the parts that are not `there`, and makes them all the object.
    async fn rest(
        &self,
        upload: &Upload<'_>,
        id: &str,
        there: BTreeMap<u32, (String, u64)>,
        object: &str,
        journal: &RefCell<Journal>,
    ) -> Result<Put, S3Error> {
        let length = part_length(upload.size);
        let numbers = 1..=u32::try_from(upload.size.div_ceil(length)).unwrap_or(u32::MAX);
        let part = async |number: u32| {
            let from = u64::from(number - 1) * length;
            let size = length.min(upload.size - from);
            let etag = match there.get(&number) {
                Some((etag, there)) if *there == size => etag.clone(),
                _ => {
                    let body = self.bytes(upload, from, size)?;
                    let etag = self.client.put_part(upload.key, id, number, body).await?;
                    journal.borrow_mut().part(object, number, &etag);
                    etag
                }
            };
            (upload.sent)(size);
            Ok::<String, S3Error>(etag)
        };
        let mut parts = futures_util::stream::iter(numbers).map(part).buffered(AT_ONCE);
        let mut etags = Vec::new();
        while let Some(etag) = parts.next().await {
            etags.push(etag?);
        }
        let put = match self.client.end_upload(upload.key, upload.size, id, &etags).await {
            // Putting the parts together may outlast our patience, and is done only once.
            Err(_) if self.client.size(upload.key).await? == Some(upload.size) => Put::Created,
            other => other?,
        };
        journal.borrow_mut().end(object);
        if put == Put::Existed {
            // Somebody else was faster: our parts would be paid for and never seen.
            self.client.abort_upload(upload.key, id).await?;
        }
        Ok(put)
    }

    fn bytes(&self, upload: &Upload<'_>, from: u64, size: u64) -> Result<Vec<u8>, S3Error> {
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        upload.file.read_exact_at(&mut bytes, from).map_err(|e| S3Error::Setup {
            place: self.client.place.name(),
            reason: format!("{} cannot be read for its upload: {e}", upload.key),
        })?;
        Ok(bytes)
    }
}

/// Whether a server's answer may mean that it has ended or forgotten an upload, or never knew how
/// to list parts. Some say only that access is denied; one that has no time now says another thing.
fn is_lost(error: &S3Error) -> bool {
    match error {
        S3Error::NoSuchKey { .. } | S3Error::Denied { .. } | S3Error::Answer { .. } => true,
        S3Error::Status { status, .. } => *status == 500 || !error.is_transient(),
        _ => false,
    }
}

/// The same for every try, else the parts of an earlier one would not fit.
fn part_length(size: u64) -> u64 {
    size.div_ceil(MOST_PARTS).next_multiple_of(1 << 20).max(PART)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;

    #[test]
    fn parts_are_never_too_many() {
        assert_eq!(part_length(PART + 1), PART);
        assert_eq!(part_length(60 << 30), PART);
        let most = 5_u64 << 40;
        let length = part_length(most);
        assert!(most.div_ceil(length) <= 10_000 && length.is_multiple_of(1 << 20), "{length}");
    }

    #[test]
    fn uploads_are_remembered_until_they_end() {
        let dir = Scratch::new("journal");
        let file = dir.path().join("below/uploads.json");
        let mut journal = Journal::read(&file);
        journal.begin("a", "1");
        journal.begin("b", "2");
        journal.part("b", 3, "e");
        journal.part("other", 1, "e");
        journal.end("a");
        let again = Journal::read(&file);
        let etags = BTreeMap::from([(3, "e".to_owned())]);
        let begun = Begun { id: "2".to_owned(), etags };
        assert_eq!(again.uploads, BTreeMap::from([("b".to_owned(), begun)]));
        std::fs::write(&file, "{").unwrap();
        assert!(Journal::read(&file).uploads.is_empty());
    }
}
