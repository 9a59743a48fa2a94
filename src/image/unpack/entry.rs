//! From headers to one entry: extensions gathered, fields decoded, dialects levelled.

use super::error::UnpackError;
use super::header::{self, Block};
use super::limits::Limits;
use super::pax::{self, MapPlace, Pax};
use super::source::Source;
use super::sparse::{self, SparseMap};
use std::io::{self, BufRead};
use tar::Header;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    HardLink,
    Symlink,
    Char,
    Block,
    Dir,
    Fifo,
    /// A volume label (GNU `V`): no file.
    Label,
}

/// One entry, before its path was looked at.
#[derive(Debug)]
pub(super) struct Entry {
    /// From 1 on.
    pub(super) number: u64,
    pub(super) kind: Kind,
    pub(super) path: Vec<u8>,
    pub(super) link: Vec<u8>,
    /// Permission bits with setuid, setgid and sticky.
    pub(super) mode: u32,
    pub(super) uid: u64,
    pub(super) gid: u64,
    /// Seconds and nanoseconds.
    pub(super) mtime: (i64, u32),
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Major and minor number of a device.
    pub(super) device: (u64, u64),
    pub(super) sparse: Option<SparseMap>,
    /// Bytes between the header and the padding, the map of pax 1.0 included.
    pub(super) stored: u64,
    /// Bytes of content still to be read.
    pub(super) data: u64,
}

impl Entry {
    pub(super) fn refused(&self, reason: impl Into<String>) -> UnpackError {
        let (entry, path) = (self.number, self.lossy_path());
        UnpackError::Refused { entry, path, reason: reason.into() }
    }

    pub(super) fn io(&self, doing: &'static str, source: impl Into<io::Error>) -> UnpackError {
        let (entry, path) = (self.number, self.lossy_path());
        UnpackError::Write { entry, path, doing, source: source.into() }
    }

    /// Bytes of memory behind it.
    pub(super) fn held(&self) -> usize {
        let attributes = self.xattrs.iter().map(|(name, value)| {
            name.len() + value.len() + std::mem::size_of::<(Vec<u8>, Vec<u8>)>()
        });
        self.path.len() + self.link.len() + attributes.sum::<usize>()
    }

    fn lossy_path(&self) -> String {
        String::from_utf8_lossy(&self.path).chars().take(200).collect()
    }
}

/// Extensions waiting for their entry. A later one of a kind replaces an earlier one, as in Go.
#[derive(Default)]
struct Extensions {
    pax: Option<Pax>,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
}

impl Extensions {
    fn any(&self) -> bool {
        self.pax.is_some() || self.long_name.is_some() || self.long_link.is_some()
    }
}

/// The next entry; `None` after the last.
pub(super) fn next<R: BufRead>(
    source: &mut Source<'_, R>,
    limits: &Limits,
) -> Result<Option<Entry>, UnpackError> {
    let mut extensions = Extensions::default();
    let mut block: Block = [0; _];
    loop {
        if !next_block(source, &mut block, extensions.any())? {
            return Ok(None);
        }
        source.headers += 1;
        if source.headers > limits.entries {
            return Err(source.limit(limits.entries, "entries"));
        }
        let header = Header::from_byte_slice(&block);
        let damaged = damaged_at(source);
        if !header::checksum_fits(header) {
            return Err(damaged("its checksum does not fit".to_owned()));
        }
        let size = header::number(&header.as_old().size).map_err(damaged)?;
        match header.as_old().linkflag[0] {
            b'x' => {
                let body = extension(source, size, limits.extension, "bytes of a pax header")?;
                extensions.pax = Some(pax::parse(&body, limits).map_err(damaged)?);
            }
            // It is read, applies to nothing, and as an entry of its own ends what waited for one.
            b'g' => {
                let body = extension(source, size, limits.extension, "bytes of a pax header")?;
                pax::parse(&body, limits).map_err(damaged)?;
                extensions = Extensions::default();
            }
            kind @ (b'L' | b'K') => {
                let max = limits.path as u64;
                let mut name = extension(source, size, max, "bytes of a path")?;
                let end = name.iter().position(|b| *b == 0).unwrap_or(name.len());
                name.truncate(end);
                match kind {
                    b'L' => extensions.long_name = Some(name),
                    _ => extensions.long_link = Some(name),
                }
            }
            _ => return assemble(source, header, size, extensions, limits).map(Some),
        }
    }
}

/// An error of the header being read.
fn damaged_at<R>(source: &Source<'_, R>) -> impl Fn(String) -> UnpackError + Copy + use<R> {
    let entry = source.entry;
    move |reason| UnpackError::Header { entry, reason }
}

/// Reads the next header; `false` at the end. Two zero blocks, or the end of the bytes, end the
/// tar; they must not come between an extension and its entry.
fn next_block<R: BufRead>(
    source: &mut Source<'_, R>,
    block: &mut Block,
    pending: bool,
) -> Result<bool, UnpackError> {
    let entry = source.entry;
    let zero = |block: &Block| block.iter().all(|b| *b == 0);
    let there = source.read_block(block)?;
    if there && !zero(block) {
        return Ok(true);
    }
    if pending {
        return Err(UnpackError::Truncated { entry });
    }
    if there && source.read_block(block)? && !zero(block) {
        let reason = "a single zero block comes before it".to_owned();
        return Err(UnpackError::Header { entry, reason });
    }
    Ok(false)
}

/// The body of an extension header.
fn extension<R: BufRead>(
    source: &mut Source<'_, R>,
    size: u64,
    max: u64,
    what: &'static str,
) -> Result<Vec<u8>, UnpackError> {
    if size > max {
        return Err(source.limit(max, what));
    }
    let body = source.bytes(size)?;
    source.skip_padding(size)?;
    Ok(body)
}

/// Puts header and extensions together.
fn assemble<R: BufRead>(
    source: &mut Source<'_, R>,
    header: &Header,
    size: u64,
    extensions: Extensions,
    limits: &Limits,
) -> Result<Entry, UnpackError> {
    let number = source.entry;
    let damaged = |reason| UnpackError::Header { entry: number, reason };
    let old = header.as_old();
    let mut pax = extensions.pax.unwrap_or_default();
    let mut path =
        extensions.long_name.or_else(|| pax.path.take()).unwrap_or_else(|| header::name(header));
    let link = extensions
        .long_link
        .or_else(|| pax.linkpath.take())
        .unwrap_or_else(|| header.link_name_bytes().unwrap_or_default().into_owned());
    let kind = kind_of(old.linkflag[0], path.ends_with(b"/")).map_err(damaged)?;
    // The name of a sparse file comes last, and counts for a sparse file alone.
    if old.linkflag[0] != b'S' && pax.sparse.map().map_err(damaged)? != MapPlace::None {
        path = pax.sparse.name.take().filter(|name| !name.is_empty()).unwrap_or(path);
        if kind != Kind::File {
            return Err(damaged("it is sparse and no file".to_owned()));
        }
    }
    // Go: what has no content has no data, whatever the size field says (RUSTSEC-2026-0068: all
    // readers must agree where the next header is; pax `size` counts for this entry only).
    let has_data = matches!(kind, Kind::File | Kind::Label);
    let stored = if has_data { pax.size.unwrap_or(size) } else { 0 };
    let mut entry = Entry {
        number,
        kind,
        path,
        link,
        mode: (header::number(&old.mode).map_err(damaged)? & 0o7777) as u32,
        uid: match pax.uid {
            Some(uid) => uid,
            None => header::number(&old.uid).map_err(damaged)?,
        },
        gid: match pax.gid {
            Some(gid) => gid,
            None => header::number(&old.gid).map_err(damaged)?,
        },
        mtime: match pax.mtime {
            Some(mtime) => mtime,
            None => (header::signed_number(&old.mtime).map_err(damaged)?, 0),
        },
        xattrs: std::mem::take(&mut pax.xattrs),
        device: device(header, kind).map_err(damaged)?,
        sparse: None,
        stored,
        data: stored,
    };
    if kind == Kind::File {
        read_sparse(source, header, &pax, &mut entry, limits)?;
        let size = entry.sparse.as_ref().map_or(entry.data, |map| map.size);
        source.count_logical(size, limits)?;
    }
    source.entry += 1;
    Ok(entry)
}

/// Finds the sparse map, in whichever of the four ways it was stored.
fn read_sparse<R: BufRead>(
    source: &mut Source<'_, R>,
    header: &Header,
    pax: &Pax,
    entry: &mut Entry,
    limits: &Limits,
) -> Result<(), UnpackError> {
    let number = entry.number;
    let damaged = |reason: String| UnpackError::Header { entry: number, reason };
    let missing = || damaged("its sparse map has no size".to_owned());
    let (extents, size) = if header.as_old().linkflag[0] == b'S' {
        let gnu = header.as_gnu().ok_or_else(|| damaged("it is sparse but not GNU's".into()))?;
        sparse::old_gnu(source, gnu, limits, number)?
    } else {
        match pax.sparse.map().map_err(damaged)? {
            MapPlace::None => return Ok(()),
            MapPlace::Header(extents) => (extents, pax.sparse.size().ok_or_else(missing)?),
            MapPlace::Data => {
                let size = pax.sparse.size().ok_or_else(missing)?;
                let (extents, read) = sparse::pax_1_0(source, entry.stored, limits, number)?;
                entry.data = entry.stored - read;
                (extents, size)
            }
        }
    };
    let map = SparseMap::checked(extents, size, entry.data).map_err(damaged)?;
    entry.sparse = Some(map);
    Ok(())
}

fn kind_of(flag: u8, slash: bool) -> Result<Kind, String> {
    Ok(match flag {
        // Before ustar, which names the type of a file, a directory was one whose name ends in a
        // slash.
        0 if slash => Kind::Dir,
        0 | b'0' | b'7' | b'S' => Kind::File,
        b'1' => Kind::HardLink,
        b'2' => Kind::Symlink,
        b'3' => Kind::Char,
        b'4' => Kind::Block,
        b'5' => Kind::Dir,
        b'6' => Kind::Fifo,
        b'V' => Kind::Label,
        other => return Err(format!("type {:?} is not known", other as char)),
    })
}

fn device(header: &Header, kind: Kind) -> Result<(u64, u64), String> {
    match kind {
        Kind::Char | Kind::Block => header::device(header),
        _ => Ok((0, 0)),
    }
}
