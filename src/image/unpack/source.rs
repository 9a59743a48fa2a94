//! The tar's bytes: read once through one buffer, counted, and recorded.

use super::entry::Entry;
use super::error::UnpackError;
use super::header::{BLOCK, padding};
use super::limits::Limits;
use super::record::Recorder;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

/// Large enough that a small file costs one write and a large one few.
const BUFFER: usize = 256 * 1024;

/// Reads the layer.
pub(super) struct Source<'a, R> {
    reader: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
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

impl<'a, R: Read> Source<'a, R> {
    pub(super) fn new(reader: R, limits: &Limits, recorder: Option<Recorder<'a>>) -> Self {
        let (max, max_name) = limits.total();
        Source {
            reader,
            buffer: vec![0; BUFFER].into_boxed_slice(),
            start: 0,
            end: 0,
            read: 0,
            max,
            max_name,
            recorder,
            headers: 0,
            entry: 1,
            logical: 0,
        }
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

    /// Makes at least one byte available; `false` at the end.
    fn fill(&mut self) -> Result<bool, UnpackError> {
        if self.start < self.end {
            return Ok(true);
        }
        let got = loop {
            match self.reader.read(&mut self.buffer) {
                Ok(got) => break got,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(UnpackError::Read(e)),
            }
        };
        self.start = 0;
        self.end = got;
        self.read += got as u64;
        if self.read > self.max {
            return Err(self.limit(self.max, self.max_name));
        }
        Ok(got > 0)
    }

    /// The next block of 512 bytes, recorded; `None` when the tar ends exactly here.
    pub(super) fn block(&mut self) -> Result<Option<[u8; BLOCK as usize]>, UnpackError> {
        let mut block = [0; BLOCK as usize];
        let mut have = 0;
        while have < block.len() {
            if !self.fill()? {
                if have == 0 {
                    return Ok(None);
                }
                return Err(self.truncated());
            }
            let take = (self.end - self.start).min(block.len() - have);
            block[have..have + take].copy_from_slice(&self.buffer[self.start..self.start + take]);
            self.start += take;
            have += take;
        }
        self.record_raw(&block)?;
        Ok(Some(block))
    }

    /// `len` bytes in memory, recorded. The caller has bounded `len`.
    pub(super) fn bytes(&mut self, len: u64) -> Result<Vec<u8>, UnpackError> {
        let mut bytes = Vec::new();
        let mut left = len;
        while left > 0 {
            let take = self.chunk(left)?;
            bytes.extend_from_slice(&self.buffer[self.start..self.start + take]);
            self.start += take;
            left -= take as u64;
        }
        self.record_raw(&bytes)?;
        Ok(bytes)
    }

    /// Passes over `len` bytes, recorded.
    pub(super) fn skip(&mut self, len: u64) -> Result<(), UnpackError> {
        let mut left = len;
        while left > 0 {
            let take = self.chunk(left)?;
            self.record_buffer(take)?;
            self.start += take;
            left -= take as u64;
        }
        Ok(())
    }

    /// Passes over what fills `size` bytes of data up to a block. The tar may end before it:
    /// umoci-insert(1) of a single file writes neither padding nor end, and every reader takes it.
    pub(super) fn skip_padding(&mut self, size: u64) -> Result<(), UnpackError> {
        if padding(size) == 0 || !self.fill()? { Ok(()) } else { self.skip(padding(size)) }
    }

    /// Writes the next bytes into the pieces of a file. Not recorded: see [`Source::record_file`].
    pub(super) fn copy_to(
        &mut self,
        file: &File,
        extents: &[(u64, u64)],
        entry: &Entry,
    ) -> Result<(), UnpackError> {
        for (offset, len) in extents {
            let (mut at, mut left) = (*offset, *len);
            while left > 0 {
                let take = self.chunk(left)?;
                file.write_all_at(&self.buffer[self.start..self.start + take], at)
                    .map_err(|e| entry.io("write", e))?;
                self.start += take;
                at += take as u64;
                left -= take as u64;
            }
        }
        Ok(())
    }

    /// Reads to the end: what follows the two zero blocks belongs to the digest.
    pub(super) fn drain(&mut self) -> Result<(), UnpackError> {
        while self.fill()? {
            let take = self.end - self.start;
            self.record_buffer(take)?;
            self.start = self.end;
        }
        Ok(())
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

    /// How many of the `left` bytes wanted are in the buffer now; at least one.
    fn chunk(&mut self, left: u64) -> Result<usize, UnpackError> {
        if !self.fill()? {
            return Err(self.truncated());
        }
        Ok(usize::try_from(left).unwrap_or(usize::MAX).min(self.end - self.start))
    }

    fn record_buffer(&mut self, len: usize) -> Result<(), UnpackError> {
        match &mut self.recorder {
            Some(recorder) => recorder
                .raw(&self.buffer[self.start..self.start + len])
                .map_err(UnpackError::Record),
            None => Ok(()),
        }
    }

    fn record_raw(&mut self, bytes: &[u8]) -> Result<(), UnpackError> {
        match &mut self.recorder {
            Some(recorder) => recorder.raw(bytes).map_err(UnpackError::Record),
            None => Ok(()),
        }
    }
}
