//! Tar records on disk: zstd around what `image::unpack` writes and reads.

use super::{Result, Store, StoreError};
use crate::image::types::Digest;
use crate::store::Layout;
use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::PathBuf;

/// Headers and padding compress well at any level: those of 40,000 files to 258 kB by level 1, and
/// to 205 kB by level 3, which takes nearly twice the time of the thread that makes the files.
const LEVEL: i32 = 1;

/// Takes the tar record of a layer under way. Handed back to [`super::Staging::commit`].
pub struct RecordWriter {
    encoder: zstd::stream::write::Encoder<'static, File>,
    path: PathBuf,
}

impl RecordWriter {
    pub(super) fn new(file: File, path: PathBuf) -> Result<Self> {
        let encoder = zstd::stream::write::Encoder::new(file, LEVEL)
            .map_err(|e| StoreError::io("compress", &path, e))?;
        Ok(RecordWriter { encoder, path })
    }

    /// Writes the end of the compressed stream.
    pub(super) fn finish(self) -> Result<()> {
        self.encoder.finish().map_err(|e| StoreError::io("write", &self.path, e))?;
        Ok(())
    }
}

impl Write for RecordWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.encoder.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.encoder.flush()
    }
}

impl fmt::Debug for RecordWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordWriter").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Reads the tar record of a layer, decompressed.
pub struct RecordReader {
    decoder: zstd::stream::read::Decoder<'static, BufReader<File>>,
}

impl Read for RecordReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.decoder.read(buffer)
    }
}

impl fmt::Debug for RecordReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordReader").finish_non_exhaustive()
    }
}

impl Store {
    /// The record from which a layer's exact tar can be rebuilt; `None` when there is none.
    pub fn read_record(&self, layout: Layout, chain: &Digest) -> Result<Option<RecordReader>> {
        let path = format!("layers/{layout}/{}.tar-record.zst", chain.hex());
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let fd = match fs::openat(&self.root, &path, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(e) => return Err(self.io("open", &path, e)),
        };
        let decoder = zstd::stream::read::Decoder::new(File::from(fd))
            .map_err(|e| self.io("decompress", &path, e))?;
        Ok(Some(RecordReader { decoder }))
    }
}
