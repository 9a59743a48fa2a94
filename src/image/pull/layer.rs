//! One blob on its way to unpacked layers: hashed, decompressed, hashed again, unpacked, checked.

use super::PullError;
use super::ahead::read_ahead;
use super::plan::{Download, Feed, Job};
use super::work::Shop;
use crate::image::decompress::decompress;
use crate::image::hash::HashingReader;
use crate::image::source::{OpenBlob, SourceError};
use crate::image::types::{Descriptor, Digest, LayerRecord};
use crate::image::unpack::unpack_layer;
use crate::store::{LayerFacts, RecordWriter, Staging};
use std::io::{BufReader, Read, Seek};
use std::panic::resume_unwind;

/// Bytes read from a blob at once.
const BUFFER: usize = 128 << 10;

/// What is known of a blob after a layer was wanted from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// Its digest is right, and the layer's record can give the tar again.
    Spare,
    /// Its digest is right, and only the blob itself can give the tar again.
    Needed,
    /// Another pull had the layer ready: the bytes were not looked at.
    NotRead,
}

impl Seen {
    fn keep(self, shop: &Shop<'_>) -> bool {
        self == Seen::Needed || (self == Seen::Spare && shop.keep_blobs)
    }
}

/// Makes all layers of a job.
pub(super) fn process(
    shop: &Shop<'_>,
    job: Job<'_>,
    opener: Option<&dyn OpenBlob>,
) -> Result<(), PullError> {
    let Job { blob, layers, feed } = job;
    match feed {
        Feed::Download(download) => downloaded(shop, blob, &layers, download),
        Feed::Stored(file) => stored(shop, blob, &layers, file),
        Feed::Local => {
            for layer in layers {
                local(shop, blob, layer, opener.ok_or(SourceError::Stopped)?)?;
            }
            Ok(())
        }
    }
}

fn downloaded(
    shop: &Shop<'_>,
    blob: &Descriptor,
    layers: &[&LayerRecord],
    download: Download,
) -> Result<(), PullError> {
    let Download { reader, whole, had, .. } = download;
    let Some((first, others)) = layers.split_first() else { return Ok(()) };
    let mut seen = match one(shop, blob, first, reader, had > 0) {
        Err(wrong @ PullError::BlobDigest { .. }) => {
            if let Ok(arrived) = whole.recv()
                && !arrived.keep_if_wrong
            {
                arrived.partial.remove()?;
            }
            return Err(wrong);
        }
        Err(useless) if useless.blames_the_blob() => {
            if let Ok(arrived) = whole.recv() {
                arrived.partial.remove()?;
            }
            return Err(useless);
        }
        other => other?,
    };
    // The network thread has told its error already when no file comes.
    let partial = whole.recv().map_err(|_| SourceError::Stopped)?.partial;
    for layer in others {
        seen = one(shop, blob, layer, partial.reader(), had > 0)?;
    }
    if seen.keep(shop) {
        partial.keep()?
    } else {
        partial.remove()?
    }
    Ok(())
}

/// Unpacks from a kept blob; one that has gone bad is thrown away, so that it is fetched again.
fn stored(
    shop: &Shop<'_>,
    blob: &Descriptor,
    layers: &[&LayerRecord],
    mut file: std::fs::File,
) -> Result<(), PullError> {
    for layer in layers {
        file.rewind().map_err(|source| read_error(shop, blob, source))?;
        match one(shop, blob, layer, &file, true) {
            Err(wrong @ PullError::BlobDigest { .. }) => {
                shop.store.remove_blob(&blob.digest)?;
                return Err(wrong);
            }
            other => drop(other?),
        }
    }
    Ok(())
}

fn local(
    shop: &Shop<'_>,
    blob: &Descriptor,
    layer: &LayerRecord,
    opener: &dyn OpenBlob,
) -> Result<(), PullError> {
    shop.progress.blob_started(&blob.digest, blob.size, 0);
    let reader = Counted { reader: opener.open(blob)?, shop, blob };
    let seen = one(shop, blob, layer, reader, false)?;
    if seen.keep(shop) {
        copy(shop, blob, opener.open(blob)?)?;
    }
    shop.progress.blob_done(&blob.digest);
    Ok(())
}

/// Keeps a local blob in the store.
fn copy(shop: &Shop<'_>, blob: &Descriptor, reader: impl Read) -> Result<(), PullError> {
    let partial = shop.store.partial(&blob.digest)?;
    partial.restart()?;
    let mut reader = HashingReader::new(reader, &blob.digest);
    let mut buffer = vec![0; BUFFER];
    loop {
        match reader.read(&mut buffer).map_err(|source| read_error(shop, blob, source))? {
            0 => break,
            n => partial.append(&buffer[..n])?,
        }
    }
    let got = reader.finish().map_err(|source| read_error(shop, blob, source))?;
    if got != blob.digest.as_str() {
        partial.remove()?;
        return Err(wrong_digest(shop, blob, got, false));
    }
    partial.finish(blob.size)?;
    Ok(partial.keep()?)
}

/// Reports what is read of a local blob.
struct Counted<'a> {
    reader: Box<dyn Read + Send>,
    shop: &'a Shop<'a>,
    blob: &'a Descriptor,
}

impl Read for Counted<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let n = self.reader.read(buf)?;
        self.shop.progress.blob_bytes(&self.blob.digest, n as u64);
        Ok(n)
    }
}

fn wrong_digest(shop: &Shop<'_>, blob: &Descriptor, got: String, resumed: bool) -> PullError {
    let (place, wanted) = (shop.place.to_owned(), blob.digest.clone());
    PullError::BlobDigest { place, wanted, got, resumed }
}

fn read_error(shop: &Shop<'_>, blob: &Descriptor, source: std::io::Error) -> PullError {
    PullError::Read { place: shop.place.to_owned(), blob: blob.digest.clone(), source }
}

/// Unpacks one layer from the blob's bytes and commits it when both digests are right.
fn one(
    shop: &Shop<'_>,
    blob: &Descriptor,
    layer: &LayerRecord,
    raw: impl Read + Send,
    resumed: bool,
) -> Result<Seen, PullError> {
    let Some(staging) = shop.store.stage_layer(shop.layout, &layer.chain_id)? else {
        return Ok(Seen::NotRead);
    };
    let mut packed = HashingReader::new(raw, &blob.digest);
    let unpacked = unpack(shop, blob, layer, &staging, &mut packed);
    if let Err(e) = &unpacked
        && super::error::is_disk_full(e)
    {
        return unpacked.map(|_| Seen::NotRead);
    }
    // Wrong bytes explain every other error, so the rest is read even after one.
    let got = packed.finish();
    if let Ok(got) = &got
        && got != blob.digest.as_str()
    {
        return Err(wrong_digest(shop, blob, got.clone(), resumed));
    }
    let (facts, record) = unpacked?;
    got.map_err(|source| read_error(shop, blob, source))?;
    staging.commit(&facts, facts.rebuildable.then_some(record))?;
    Ok(if facts.rebuildable { Seen::Spare } else { Seen::Needed })
}

fn unpack(
    shop: &Shop<'_>,
    blob: &Descriptor,
    layer: &LayerRecord,
    staging: &Staging,
    packed: impl Read + Send,
) -> Result<(LayerFacts, RecordWriter), PullError> {
    let tar = decompress(BufReader::with_capacity(BUFFER, packed))
        .map_err(|source| read_error(shop, blob, source))?;
    let tar = HashingReader::new(tar, &layer.diff_id);
    let limits = shop.share.limits(Some(blob.size));
    let mut record = staging.record_writer()?;
    let (stats, tar) = std::thread::scope(|scope| {
        let (tar, thread) = read_ahead(scope, tar);
        let stats = unpack_layer(tar, staging.dir(), shop.owners, &limits, Some(&mut record));
        (stats, thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
    });
    let stats = stats.map_err(|source| PullError::Unpack {
        place: shop.place.to_owned(),
        blob: blob.digest.clone(),
        source,
    })?;
    let got = tar.finish().map_err(|source| read_error(shop, blob, source))?;
    check_diff_id(shop, &blob.digest, &layer.diff_id, got)?;
    let facts = LayerFacts {
        size: stats.bytes,
        entries: stats.entries,
        opaque_root: stats.opaque_root,
        rebuildable: stats.rebuildable,
        highest: Some(stats.highest),
        ..LayerFacts::new(layer.diff_id.clone())
    };
    Ok((facts, record))
}

fn check_diff_id(
    shop: &Shop<'_>,
    blob: &Digest,
    wanted: &Digest,
    got: String,
) -> Result<(), PullError> {
    if got == wanted.as_str() {
        return Ok(());
    }
    let (place, blob, wanted) = (shop.place.to_owned(), blob.clone(), wanted.clone());
    Err(PullError::DiffId { place, blob, wanted, got })
}
