//! One layer of the store as a file: its tar, rebuilt and verified, compressed or not.

use super::{Packing, PushError};
use crate::image::hash::HashingWriter;
use crate::image::relayout;
use crate::image::types::{Descriptor, Digest, LayerRecord};
use crate::image::unpack::{RebuildError, rebuild};
use crate::store::Store;
use rustix::fs::{CWD, Mode, OFlags, openat};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes gathered before they are compressed or written.
const BUFFER: usize = 256 << 10;

/// A file with no name in any directory, and what its bytes are.
pub(super) struct Made {
    pub(super) file: Arc<File>,
    pub(super) digest: Digest,
    pub(super) size: u64,
}

/// Writes the layer's tar into a file, through `packing` where one is given.
pub(super) fn make(
    store: &Store,
    layer: &LayerRecord,
    packing: Option<Packing>,
    level: Option<i32>,
    stopped: &AtomicBool,
) -> Result<Made, PushError> {
    let file = store.unnamed_file()?;
    let failed = |source| PushError::write(format!("the blob of layer {}", layer.diff_id), source);
    let out = HashingWriter::new(BufWriter::with_capacity(BUFFER, &file), &layer.blob.digest);
    let out = match packing {
        None => tar(store, layer, out, stopped)?,
        Some(Packing::Gzip) => {
            let level = level.map_or(flate2::Compression::default(), |l| {
                flate2::Compression::new(u32::try_from(l).unwrap_or(0).min(9))
            });
            let packed = tar(store, layer, flate2::write::GzEncoder::new(out, level), stopped)?;
            packed.finish().map_err(failed)?
        }
        Some(Packing::Zstd) => {
            let level = level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL);
            let packed = zstd::stream::write::Encoder::new(out, level).map_err(failed)?;
            let packed = tar(store, layer, packed, stopped)?;
            packed.finish().map_err(failed)?
        }
    };
    let (mut out, digest, size) = out.finish();
    out.flush().map_err(failed)?;
    drop(out);
    Ok(Made { file: Arc::new(file), digest, size })
}

/// Writes the exact tar of the layer, and gives `out` back when its digest is right.
fn tar<W: Write>(
    store: &Store,
    layer: &LayerRecord,
    out: W,
    stopped: &AtomicBool,
) -> Result<W, PushError> {
    let chain = &layer.chain_id;
    let missing = || PushError::NoSource(layer.diff_id.clone());
    let layout = relayout::rebuildable(store, chain, None)?.ok_or_else(missing)?;
    let record = store.read_record(layout, chain)?.ok_or_else(missing)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let tree = openat(CWD, store.layer_path(layout, chain), flags, Mode::empty())
        .map_err(|e| PushError::Rebuild(layer.diff_id.clone(), RebuildError::Read(e.into())))?;
    let mut hashed = HashingWriter::new(Stoppable { out, stopped }, &layer.diff_id);
    rebuild(record, tree.as_fd(), BufWriter::with_capacity(BUFFER, &mut hashed)).map_err(|e| {
        match stopped.load(Ordering::Relaxed) {
            true => PushError::Stopped,
            false => PushError::Rebuild(layer.diff_id.clone(), e),
        }
    })?;
    let (Stoppable { out, .. }, digest, _) = hashed.finish();
    if digest != layer.diff_id {
        return Err(PushError::Changed(layer.diff_id.clone()));
    }
    Ok(out)
}

/// Fails once the push has ended elsewhere.
struct Stoppable<'a, W> {
    out: W,
    stopped: &'a AtomicBool,
}

impl<W: Write> Write for Stoppable<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.stopped.load(Ordering::Relaxed) {
            true => Err(io::ErrorKind::ConnectionAborted.into()),
            false => self.out.write(bytes),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Made {
    /// Its descriptor, in the place of another one of the same layer.
    pub(super) fn descriptor(&self, was: &Descriptor) -> Descriptor {
        Descriptor { digest: self.digest.clone(), size: self.size, ..was.clone() }
    }
}
