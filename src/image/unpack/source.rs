//! The tar's bytes: read once, counted, and recorded.

use super::entry::Entry;
use super::error::UnpackError;
use super::header::{BLOCK, Block, padding};
use super::limits::Limits;
use super::record::Recorder;
use std::fs::File;
use std::io::{self, BufRead};
use std::os::unix::fs::FileExt;

/// Reads the layer.
pub(super) struct Source<'a, R> {
    reader: R,
    /// Bytes taken from the reader.
    read: u64,
    max: u64,
    max_name: &'static str,
    recorder: Option<Recorder<'a>>,
    /// Headers read, extensions included.
    pub(super) headers: u64,
    /// Entries begun: the number in errors.
    pub(super) entry: u64,
    /// Logical bytes of files so far, holes included.
    pub(super) logical: u64,
}

impl<'a, R: BufRead> Source<'a, R> {
    pub(super) fn new(reader: R, limits: &Limits, recorder: Option<Recorder<'a>>) -> Self {
        let (max, max_name) = limits.total();
        Source { reader, read: 0, max, max_name, recorder, headers: 0, entry: 1, logical: 0 }
    }

    /// Bytes read so far.
    pub(super) fn total(&self) -> u64 {
        self.read
    }

    /// Counts a file's length with its holes against the limit of bytes.
    pub(super) fn count_logical(&mut self, size: u64, limits: &Limits) -> Result<(), UnpackError> {
        self.logical = self.logical.saturating_add(size);
        if self.logical > limits.bytes {
            return Err(self.limit(limits.bytes, "bytes"));
        }
        Ok(())
    }

    /// An error about the entry being read.
    pub(super) fn limit(&self, max: u64, what: &'static str) -> UnpackError {
        UnpackError::Limit { entry: self.entry, max, what }
    }

    fn truncated(&self) -> UnpackError {
        UnpackError::Truncated { entry: self.entry }
    }

    /// How many bytes can be had without waiting, after waiting for the first; 0 at the end.
    fn fill(&mut self) -> Result<usize, UnpackError> {
        let there = loop {
            match self.reader.fill_buf() {
                Ok(bytes) => break bytes.len(),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(UnpackError::Read(e)),
            }
        };
        let allowed = usize::try_from(self.max - self.read).unwrap_or(usize::MAX);
        if there > 0 && allowed == 0 {
            return Err(self.limit(self.max, self.max_name));
        }
        Ok(there.min(allowed))
    }

    /// The next `len` bytes, which [`Source::fill`] has said are there, go to `to`; then they are
    /// behind us.
    fn pass(
        &mut self,
        len: usize,
        to: impl FnOnce(&[u8], Option<&mut Recorder<'a>>) -> Result<(), UnpackError>,
    ) -> Result<(), UnpackError> {
        let bytes = self.reader.fill_buf().map_err(UnpackError::Read)?;
        to(&bytes[..len], self.recorder.as_mut())?;
        self.reader.consume(len);
        self.read += len as u64;
        Ok(())
    }

    /// Gives the next `len` bytes to `to`, piece by piece.
    fn pass_all(
        &mut self,
        len: u64,
        mut to: impl FnMut(&[u8], Option<&mut Recorder<'a>>) -> Result<(), UnpackError>,
    ) -> Result<(), UnpackError> {
        let mut left = len;
        while left > 0 {
            let there = self.fill()?;
            if there == 0 {
                return Err(self.truncated());
            }
            let take = usize::try_from(left).unwrap_or(usize::MAX).min(there);
            self.pass(take, &mut to)?;
            left -= take as u64;
        }
        Ok(())
    }

    /// Reads the next block, recorded, into a buffer that serves for all; `false` when the tar ends
    /// exactly here. Without `true` nothing is to be read from the buffer.
    pub(super) fn read_block(&mut self, block: &mut Block) -> Result<bool, UnpackError> {
        if self.fill()? == 0 {
            return Ok(false);
        }
        let mut have = 0;
        self.pass_all(BLOCK, |bytes, recorder| {
            block[have..have + bytes.len()].copy_from_slice(bytes);
            have += bytes.len();
            record(bytes, recorder)
        })?;
        Ok(true)
    }

    /// Reads a block that the entry being read cannot be without.
    pub(super) fn must_read_block(&mut self, block: &mut Block) -> Result<(), UnpackError> {
        if self.read_block(block)? { Ok(()) } else { Err(self.truncated()) }
    }

    /// `len` bytes in memory, recorded. The caller has bounded `len`.
    pub(super) fn bytes(&mut self, len: u64) -> Result<Vec<u8>, UnpackError> {
        let mut bytes = Vec::new();
        self.append_to(&mut bytes, len)?;
        self.record_raw(&bytes)?;
        Ok(bytes)
    }

    /// Adds the next `len` bytes to `out`. Not recorded: see [`Source::record_file`].
    pub(super) fn append_to(&mut self, out: &mut Vec<u8>, len: u64) -> Result<(), UnpackError> {
        self.pass_all(len, |bytes, _| {
            out.extend_from_slice(bytes);
            Ok(())
        })
    }

    /// Passes over `len` bytes, recorded.
    pub(super) fn skip(&mut self, len: u64) -> Result<(), UnpackError> {
        self.pass_all(len, record)
    }

    /// Passes over what fills `size` bytes of data up to a block. The tar may end before it:
    /// umoci-insert(1) of a single file writes neither padding nor end, and every reader takes it.
    pub(super) fn skip_padding(&mut self, size: u64) -> Result<(), UnpackError> {
        if padding(size) == 0 || self.fill()? == 0 { Ok(()) } else { self.skip(padding(size)) }
    }

    /// Writes the next bytes into the pieces of a file. Not recorded: see [`Source::record_file`].
    pub(super) fn copy_to(
        &mut self,
        file: &File,
        extents: &[(u64, u64)],
        entry: &Entry,
    ) -> Result<(), UnpackError> {
        for (offset, len) in extents {
            let mut at = *offset;
            self.pass_all(*len, |bytes, _| {
                file.write_all_at(bytes, at).map_err(|e| entry.io("write", e))?;
                at += bytes.len() as u64;
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Reads to the end: what follows the two zero blocks belongs to the digest.
    pub(super) fn drain(&mut self) -> Result<(), UnpackError> {
        loop {
            match self.fill()? {
                0 => return Ok(()),
                there => self.pass(there, record)?,
            }
        }
    }

    /// Notes that the bytes just copied are to be found in a file.
    pub(super) fn record_file(
        &mut self,
        path: &[u8],
        extents: &[(u64, u64)],
    ) -> Result<(), UnpackError> {
        match &mut self.recorder {
            Some(recorder) => recorder.file(path, extents).map_err(UnpackError::Record),
            None => Ok(()),
        }
    }

    /// Writes the record's end.
    pub(super) fn finish_record(self, rebuildable: bool) -> Result<(), UnpackError> {
        match self.recorder {
            Some(recorder) => recorder.finish(rebuildable).map_err(UnpackError::Record),
            None => Ok(()),
        }
    }

    fn record_raw(&mut self, bytes: &[u8]) -> Result<(), UnpackError> {
        record(bytes, self.recorder.as_mut())
    }
}

fn record(bytes: &[u8], recorder: Option<&mut Recorder<'_>>) -> Result<(), UnpackError> {
    match recorder {
        Some(recorder) => recorder.raw(bytes).map_err(UnpackError::Record),
        None => Ok(()),
    }
}
