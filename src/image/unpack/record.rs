//! The tar record: what is needed beside an unpacked layer to write its exact tar again.
//!
//! ```text
//! "bolt-tar-record" 0x01                                   magic and version
//! 0x01 len:u32 bytes                                       bytes of the tar as they are
//! 0x02 len:u16 path count:u32 (offset:u64 length:u64)*     content of a file of the layer
//! 0x03 | 0x04                                              end; 0x04: some content is lost
//! ```
//! Numbers are little-endian.

use crate::sys::beneath;
use rustix::fs::{FileType, Mode, OFlags};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

const MAGIC: &[u8; 16] = b"bolt-tar-record\x01";
const RAW: u8 = 1;
const FILE: u8 = 2;
const END: u8 = 3;
const LOST: u8 = 4;
/// Raw bytes of neighbouring headers are gathered up to this size, and at least so much is handed on
/// at once: there are nine small pieces to a file, and a compressor that is called for each takes as long
/// for the calls as for the bytes.
const GATHER: usize = 64 * 1024;
/// What is gathered at most, but for a long path: nearly as much, kind and length, and a whole piece.
const MOST: usize = 2 * GATHER + 5;
const BUFFER: usize = 256 * 1024;

/// Writes a record.
pub(super) struct Recorder<'a> {
    out: &'a mut dyn Write,
    /// What is not handed on yet.
    ready: Vec<u8>,
    /// Where in `ready` the raw bytes begin that more may follow; their length stands before them.
    open: Option<usize>,
}

impl<'a> Recorder<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> io::Result<Self> {
        out.write_all(MAGIC)?;
        Ok(Recorder { out, ready: Vec::with_capacity(MOST), open: None })
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        for part in bytes.chunks(GATHER) {
            if self.open.is_some_and(|from| self.ready.len() - from + part.len() > GATHER) {
                self.close()?;
            }
            if self.open.is_none() {
                self.ready.push(RAW);
                self.ready.extend_from_slice(&0u32.to_le_bytes());
                self.open = Some(self.ready.len());
            }
            self.ready.extend_from_slice(part);
        }
        Ok(())
    }

    pub(super) fn file(&mut self, path: &[u8], extents: &[(u64, u64)]) -> io::Result<()> {
        if extents.iter().all(|(_, len)| *len == 0) {
            return Ok(());
        }
        self.close()?;
        self.ready.push(FILE);
        self.ready.extend_from_slice(&(path.len() as u16).to_le_bytes());
        self.ready.extend_from_slice(path);
        self.ready.extend_from_slice(&(extents.len() as u32).to_le_bytes());
        for (offset, len) in extents {
            self.ready.extend_from_slice(&offset.to_le_bytes());
            self.ready.extend_from_slice(&len.to_le_bytes());
            if self.ready.len() >= GATHER {
                self.hand_on()?;
            }
        }
        Ok(())
    }

    pub(super) fn finish(mut self, rebuildable: bool) -> io::Result<()> {
        self.close()?;
        self.ready.push(if rebuildable { END } else { LOST });
        self.hand_on()?;
        self.out.flush()
    }

    /// Ends a piece of raw bytes: their length is known now.
    fn close(&mut self) -> io::Result<()> {
        if let Some(from) = self.open.take() {
            let len = (self.ready.len() - from) as u32;
            self.ready[from - size_of_val(&len)..from].copy_from_slice(&len.to_le_bytes());
        }
        if self.ready.len() < GATHER { Ok(()) } else { self.hand_on() }
    }

    fn hand_on(&mut self) -> io::Result<()> {
        self.out.write_all(&self.ready)?;
        self.ready.clear();
        Ok(())
    }
}

/// Why a tar could not be rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The record is damaged or was written by a newer Bolt.
    #[error("the tar record is damaged or of a newer format")]
    Record,
    /// The record could not be read.
    #[error("read the tar record")]
    Read(#[source] io::Error),
    /// The layer's tar replaced a file it had brought itself: its first content is gone.
    #[error("the layer's tar holds content that its tree does not; pull the image again to push")]
    Lost,
    /// A file of the layer is not as it was unpacked.
    #[error("read {path:?} of the layer")]
    File {
        /// The path in the layer.
        path: String,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// The tar could not be written.
    #[error("write the layer's tar")]
    Write(#[source] io::Error),
}

/// Writes the exact tar of the layer unpacked in `dir`. The caller compares its digest with the
/// diff id: the files may have been changed behind our back.
pub fn rebuild(
    mut record: impl Read,
    dir: BorrowedFd<'_>,
    mut out: impl Write,
) -> Result<(), RebuildError> {
    let magic: [u8; 16] = array(&mut record)?;
    if &magic != MAGIC {
        return Err(RebuildError::Record);
    }
    let mut buffer = vec![0; BUFFER];
    loop {
        let [tag] = array(&mut record)?;
        match tag {
            RAW => {
                let len = u32::from_le_bytes(array(&mut record)?) as usize;
                let bytes = buffer.get_mut(..len).ok_or(RebuildError::Record)?;
                record.read_exact(bytes).map_err(RebuildError::Read)?;
                out.write_all(bytes).map_err(RebuildError::Write)?;
            }
            FILE => copy_file(&mut record, dir, &mut out, &mut buffer)?,
            END => return out.flush().map_err(RebuildError::Write),
            LOST => return Err(RebuildError::Lost),
            _ => return Err(RebuildError::Record),
        }
    }
}

fn copy_file(
    record: &mut impl Read,
    dir: BorrowedFd<'_>,
    out: &mut impl Write,
    buffer: &mut [u8],
) -> Result<(), RebuildError> {
    let len = u16::from_le_bytes(array(record)?) as usize;
    let mut path = vec![0; len];
    record.read_exact(&mut path).map_err(RebuildError::Read)?;
    let damaged =
        |source| RebuildError::File { path: String::from_utf8_lossy(&path).into_owned(), source };
    let file = open(dir, &path).map_err(damaged)?;
    let count = u32::from_le_bytes(array(record)?);
    for _ in 0..count {
        let mut at = u64::from_le_bytes(array(record)?);
        let mut left = u64::from_le_bytes(array(record)?);
        while left > 0 {
            let take = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            file.read_exact_at(&mut buffer[..take], at).map_err(damaged)?;
            out.write_all(&buffer[..take]).map_err(RebuildError::Write)?;
            at += take as u64;
            left -= take as u64;
        }
    }
    Ok(())
}

/// Opens a regular file of the layer; a pipe or a device is not waited for.
fn open(dir: BorrowedFd<'_>, path: &[u8]) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let path = Path::new(std::ffi::OsStr::from_bytes(path));
    let fd = beneath::open_in_root(dir, path, flags, Mode::empty())?;
    let mode = rustix::fs::fstat(&fd)?.st_mode;
    if FileType::from_raw_mode(mode) != FileType::RegularFile {
        return Err(io::Error::from(io::ErrorKind::InvalidData));
    }
    Ok(File::from(fd))
}

fn array<const N: usize>(record: &mut impl Read) -> Result<[u8; N], RebuildError> {
    let mut bytes = [0; N];
    record.read_exact(&mut bytes).map_err(RebuildError::Read)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `N` bytes off the front.
    fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
        let (bytes, others) = rest.split_first_chunk().unwrap();
        *rest = others;
        *bytes
    }

    #[test]
    fn long_pieces_and_many_extents_are_written_as_the_format_has_it() {
        let raw: Vec<u8> = (0..5 * GATHER + 7).map(|n| (n % 251) as u8).collect();
        let extents: Vec<(u64, u64)> = (0..20_000).map(|n| (n * 3, 1)).collect();
        let mut out = Vec::new();
        let mut recorder = Recorder::new(&mut out).unwrap();
        let (first, second) = raw.split_at(3 * GATHER - 5);
        first.chunks(700).for_each(|part| recorder.raw(part).unwrap());
        recorder.file(b"empty", &[(0, 0)]).unwrap();
        recorder.file(b"sparse", &extents).unwrap();
        recorder.raw(second).unwrap();
        recorder.finish(true).unwrap();
        let mut rest = out.strip_prefix(MAGIC).unwrap();
        let (mut found, mut before_file) = (Vec::new(), 0);
        loop {
            match take::<1>(&mut rest)[0] {
                RAW => {
                    let len = u32::from_le_bytes(take(&mut rest)) as usize;
                    assert!(0 < len && len <= GATHER, "{len}");
                    found.extend_from_slice(&rest[..len]);
                    rest = &rest[len..];
                }
                FILE => {
                    before_file = found.len();
                    assert_eq!(u16::from_le_bytes(take(&mut rest)), 6);
                    assert_eq!(&take::<6>(&mut rest), b"sparse");
                    let count = u32::from_le_bytes(take(&mut rest));
                    let number = |rest: &mut &[u8]| u64::from_le_bytes(take(rest));
                    let read = (0..count).map(|_| (number(&mut rest), number(&mut rest)));
                    assert_eq!(read.collect::<Vec<_>>(), extents);
                }
                kind => break assert_eq!(kind, END),
            }
        }
        assert_eq!((before_file, rest.len()), (first.len(), 0));
        assert_eq!(found, raw);
    }
}
