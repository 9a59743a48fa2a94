//! `oci-archive:`: a tar of an image layout, read where it lies.
//!
//! One pass over the headers records where each file begins; nothing is unpacked. The tar
//! format is that of POSIX.1-2024 pax, with GNU's long names.

use crate::image::layout::{Files, LayoutError};
use crate::sys::small;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of one tar record.
const BLOCK: u64 = 512;
/// Largest extended header that is read, in bytes: names in a layout are short.
const MAX_EXTENSION: u64 = 64 << 10;
/// Most members an archive may have.
const MAX_MEMBERS: usize = 100_000;

/// Why a tar file cannot be read as an image layout.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file cannot be opened or read.
    #[error("oci-archive:{}", path.display())]
    Io {
        /// The archive.
        path: PathBuf,
        /// Of the disk.
        #[source]
        source: io::Error,
    },
    /// Not a tar file, or a damaged one.
    #[error("oci-archive:{}: {reason} at byte {at}", path.display())]
    Tar {
        /// The archive.
        path: PathBuf,
        /// Offset of the header.
        at: u64,
        /// What is wrong.
        reason: String,
    },
    /// A compressed tar has no random access.
    #[error("oci-archive:{}: the archive is compressed with {with}; uncompress it first", path.display())]
    Compressed {
        /// The archive.
        path: PathBuf,
        /// `gzip` or `zstd`.
        with: &'static str,
    },
}

/// A layout inside a tar file.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    file: Arc<File>,
    /// Where the content of each member begins, and its length; `None` for what is no file.
    members: BTreeMap<String, Option<(u64, u64)>>,
}

/// A stretch of a file, read without moving a shared offset.
struct Section {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Read for Section {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let want = buf.len().min(left);
        let n = self.file.read_at(&mut buf[..want], self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

impl Archive {
    /// Opens the tar file `path` and records its members.
    pub fn open(path: &Path) -> Result<Self, ArchiveError> {
        let io = |source| ArchiveError::Io { path: path.to_owned(), source };
        let file = small::open_regular(path).map_err(io)?;
        let meta = file.metadata().map_err(io)?;
        let mut archive =
            Archive { path: path.to_owned(), file: Arc::new(file), members: BTreeMap::new() };
        archive.scan(meta.len())?;
        Ok(archive)
    }

    fn bad(&self, at: u64, reason: impl Into<String>) -> ArchiveError {
        ArchiveError::Tar { path: self.path.clone(), at, reason: reason.into() }
    }

    fn read_at(&self, at: u64, len: u64) -> Result<Vec<u8>, ArchiveError> {
        let mut bytes = vec![0; len as usize];
        match self.file.read_exact_at(&mut bytes, at) {
            Ok(()) => Ok(bytes),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                Err(self.bad(at, "the archive ends too early"))
            }
            Err(source) => Err(ArchiveError::Io { path: self.path.clone(), source }),
        }
    }

    fn scan(&mut self, len: u64) -> Result<(), ArchiveError> {
        let mut at = 0;
        let mut next = Extension::default();
        while at < len {
            let mut header = tar::Header::new_old();
            header.as_mut_bytes().copy_from_slice(&self.read_at(at, BLOCK)?);
            if header.as_bytes().iter().all(|b| *b == 0) {
                return Ok(());
            }
            self.check_header(&header, at)?;
            let size = match next.size {
                Some(size) => size,
                None => header.entry_size().map_err(|e| self.bad(at, e.to_string()))?,
            };
            let content = at + BLOCK;
            let end = size
                .checked_add(content)
                .filter(|end| *end <= len)
                .ok_or_else(|| self.bad(at, "a member is longer than the archive"))?;
            let kind = header.entry_type();
            if kind.is_gnu_longname() || kind.is_gnu_longlink() || kind.is_pax_local_extensions() {
                if size > MAX_EXTENSION {
                    return Err(self.bad(at, "an extended header is too long"));
                }
                next.take(kind, &self.read_at(content, size)?);
            } else if !kind.is_pax_global_extensions() {
                let name = next.name.take().unwrap_or_else(|| header.path_bytes().into_owned());
                let place = kind.is_file().then_some((content, size));
                // Only layout names are ever asked for; others stay unknown.
                if let Ok(name) = String::from_utf8(name) {
                    self.members.insert(name.trim_start_matches("./").to_owned(), place);
                }
                if self.members.len() > MAX_MEMBERS {
                    return Err(self.bad(at, "the archive has too many members"));
                }
                next = Extension::default();
            }
            at = end.next_multiple_of(BLOCK);
        }
        Ok(())
    }

    /// Compares the checksum, and tells compressed files from damaged ones.
    fn check_header(&self, header: &tar::Header, at: u64) -> Result<(), ArchiveError> {
        let bytes = header.as_bytes();
        // The checksum is that of the header with blanks in the checksum's own place.
        let sum: u32 = bytes
            .iter()
            .enumerate()
            .map(|(i, b)| if (148..156).contains(&i) { 32 } else { u32::from(*b) })
            .sum();
        if header.cksum().ok() == Some(sum) {
            return Ok(());
        }
        let path = self.path.clone();
        match bytes {
            [0x1f, 0x8b, ..] if at == 0 => Err(ArchiveError::Compressed { path, with: "gzip" }),
            [0x28, 0xb5, 0x2f, 0xfd, ..] if at == 0 => {
                Err(ArchiveError::Compressed { path, with: "zstd" })
            }
            _ => Err(self.bad(at, "no valid tar header")),
        }
    }
}

/// What extended headers say of the member behind them.
#[derive(Default)]
struct Extension {
    name: Option<Vec<u8>>,
    size: Option<u64>,
}

impl Extension {
    fn take(&mut self, kind: tar::EntryType, content: &[u8]) {
        if kind.is_gnu_longname() {
            let end = content.iter().position(|b| *b == 0).unwrap_or(content.len());
            self.name = Some(content[..end].to_vec());
        } else if kind.is_pax_local_extensions() {
            for record in tar::PaxExtensions::new(content).flatten() {
                match record.key() {
                    Ok("path") => self.name = Some(record.value_bytes().to_vec()),
                    Ok("size") => self.size = record.value().ok().and_then(|v| v.parse().ok()),
                    _ => {}
                }
            }
        }
    }
}

impl Files for Archive {
    fn place(&self) -> String {
        format!("oci-archive:{}", self.path.display())
    }

    fn open(&self, path: &str) -> Result<(Box<dyn Read + Send>, u64), LayoutError> {
        let (place, file) = (self.place(), path.to_owned());
        match self.members.get(path) {
            None => Err(LayoutError::Missing { place, file }),
            Some(None) => Err(LayoutError::NotAFile { place, file }),
            Some(Some((at, size))) => {
                let section = Section { file: self.file.clone(), at: *at, end: at + size };
                Ok((Box::new(section), *size))
            }
        }
    }
}
