//! One layer tar → one directory, and back to the exact tar.
//!
//! ```text
//! source (bytes, limits) → header, pax, sparse → entry (what one entry means)
//!     → names (is its path sane) → tree (create it beneath the root) → record (how to rebuild)
//!                                         └ files (a second thread: content of small files)
//!                                             flush (a third, of big layers: to the disk)
//! ```
//! The tar is hostile. Nothing is ever opened by a whole path: a parent directory is resolved
//! beneath the layer's root with openat2(RESOLVE_IN_ROOT), as containers/storage does it, so a
//! link that an earlier entry made leads somewhere *inside* the layer at most; the last component
//! is created with O_EXCL or O_NOFOLLOW and never followed. Where tar dialects differ, Go's
//! `archive/tar` is followed, because every other engine reads layers with it and two readings of
//! one digest are an attack: extension headers of one kind replace each other, global headers
//! apply to nothing, links, directories and devices have no data.

mod entry;
mod error;
mod files;
mod flush;
mod header;
mod limits;
mod meta;
mod names;
mod owners;
mod parents;
mod pax;
mod record;
mod source;
mod sparse;
mod tree;

pub use error::UnpackError;
pub use limits::Limits;
pub use owners::{Extent, Owners};
pub use record::{RebuildError, rebuild};

use crate::store::NOBODY;
use entry::{Entry, Kind};
use files::Files;
use record::Recorder;
use source::Source;
use std::io::{BufRead, Write};
use std::os::fd::BorrowedFd;
use tree::Tree;

/// The extended attribute that keeps `uid:gid` where the owner could not be applied.
pub const OWNER_XATTR: &str = "user.bolt.owner";

/// What unpacking one layer did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Entries of the tar, extension headers not counted.
    pub entries: u64,
    /// Bytes of regular files, holes not counted.
    pub bytes: u64,
    /// Bytes of the whole tar.
    pub tar_bytes: u64,
    /// Device nodes left out, because they may not be made here.
    pub devices_skipped: u64,
    /// Extended attributes left out: not an image's to set, or refused by the file system.
    pub xattrs_dropped: u64,
    /// Files whose owner is kept in [`OWNER_XATTR`] only.
    pub owners_kept: u64,
    /// Files whose owner could be neither applied nor kept (links, devices).
    pub owners_lost: u64,
    /// Highest uid or gid of an entry, 65534 not counted.
    pub highest: u32,
    /// The layer hides everything below it.
    pub opaque_root: bool,
    /// Whether the record gives the exact tar again: no entry replaced an earlier one.
    pub rebuildable: bool,
}

impl Stats {
    /// Adds what another thread counted.
    fn add(&mut self, other: &Stats) {
        self.xattrs_dropped += other.xattrs_dropped;
        self.owners_kept += other.owners_kept;
        self.owners_lost += other.owners_lost;
    }
}

/// Unpacks an uncompressed layer tar into the empty directory `dir`, to the reader's last byte.
///
/// Whiteouts become overlay's: a 0:0 character device, and `user.overlay.opaque` on directories
/// (the overlay is mounted with `userxattr`). `record` receives what [`rebuild`] needs.
/// Two more threads, ended on return, write small files and sync a big layer. On error the directory holds what was
/// unpacked so far; the caller throws it away.
///
/// Errors: [`UnpackError`], which names the entry by number and path.
pub fn unpack_layer(
    reader: impl BufRead,
    dir: BorrowedFd<'_>,
    owners: &Owners,
    limits: &Limits,
    record: Option<&mut dyn Write>,
) -> Result<Stats, UnpackError> {
    let recorder = record.map(Recorder::new).transpose().map_err(UnpackError::Record)?;
    let mut source = Source::new(reader, limits, recorder);
    let mut tree = Tree::new(dir, owners, limits);
    tree.own_root()?;
    std::thread::scope(|scope| {
        let mut files = Files::new(scope, tree.finisher(), dir, limits);
        let read = unpack_entries(&mut source, &mut tree, &mut files, limits);
        // What those threads could not write came before what stopped this one.
        let (stats, synced) = files.finish(read.is_ok())?;
        tree.stats.add(&stats);
        synced.map_err(|source| UnpackError::Write {
            entry: tree.stats.entries,
            path: "/".to_owned(),
            doing: "sync",
            source: source.into(),
        })?;
        read
    })?;
    tree.finish()?;
    let mut stats = tree.stats;
    stats.tar_bytes = source.total();
    stats.rebuildable = !tree.replaced;
    source.finish_record(stats.rebuildable)?;
    Ok(stats)
}

/// Reads the tar to its end and places all entries.
fn unpack_entries<R: BufRead>(
    source: &mut Source<'_, R>,
    tree: &mut Tree<'_>,
    files: &mut Files<'_, '_>,
    limits: &Limits,
) -> Result<(), UnpackError> {
    while let Some(entry) = entry::next(source, limits)? {
        tree.stats.entries += 1;
        for id in [entry.uid, entry.gid].map(|id| u32::try_from(id).unwrap_or(u32::MAX)) {
            if id != NOBODY {
                tree.stats.highest = tree.stats.highest.max(id);
            }
        }
        unpack_entry(source, tree, files, entry, limits)?;
    }
    source.drain()
}

/// Places one entry and consumes its data and padding.
fn unpack_entry<R: BufRead>(
    source: &mut Source<'_, R>,
    tree: &mut Tree<'_>,
    files: &mut Files<'_, '_>,
    entry: Entry,
    limits: &Limits,
) -> Result<(), UnpackError> {
    let path = names::clean(&entry.path, limits).map_err(|why| entry.refused(why))?;
    let whiteout = names::whiteout(&path).map_err(|why| entry.refused(why))?;
    if let Some(whiteout) = whiteout {
        tree.whiteout(&entry, &path, whiteout)?;
    } else {
        match entry.kind {
            Kind::File => return unpack_file(source, tree, files, entry, &path),
            Kind::Dir => tree.directory(&entry, &path)?,
            Kind::Symlink => tree.symlink(&entry, &path)?,
            Kind::HardLink => {
                let target = names::clean(&entry.link, limits)
                    .map_err(|why| entry.refused(format!("its link target: {why}")))?;
                tree.hard_link(&entry, &path, &target)?;
            }
            Kind::Fifo | Kind::Char | Kind::Block => tree.node(&entry, &path)?,
            Kind::Label => {}
        }
    }
    source.skip(entry.data).map_err(|e| e.at(&entry))?;
    source.skip_padding(entry.stored).map_err(|e| e.at(&entry))
}

/// A regular file: made here, in the tar's order. A small one is then left to the other thread;
/// the data of a large one goes straight from the reader's buffer to the disk.
fn unpack_file<R: BufRead>(
    source: &mut Source<'_, R>,
    tree: &mut Tree<'_>,
    files: &mut Files<'_, '_>,
    entry: Entry,
    path: &[u8],
) -> Result<(), UnpackError> {
    let file = tree.create_file(&entry, path)?;
    tree.stats.bytes += entry.data;
    files.flusher.wrote(entry.data);
    let whole = [(0, entry.data)];
    let extents = entry.sparse.as_ref().map_or(whole.as_slice(), |map| map.extents.as_slice());
    if entry.sparse.is_none() && entry.data <= files::SMALL {
        source.append_to(files.data(), entry.data)?;
        source.record_file(path, extents)?;
        source.skip_padding(entry.stored).map_err(|e| e.at(&entry))?;
        return files.add(file, entry);
    }
    source.copy_to(&file, extents, &entry)?;
    if let Some(map) = &entry.sparse {
        rustix::fs::ftruncate(&file, map.size).map_err(|e| entry.io("size", e))?;
    }
    tree.finisher().finish(&entry, &file, &mut tree.stats)?;
    source.record_file(path, extents)?;
    source.skip_padding(entry.stored).map_err(|e| e.at(&entry))
}

#[cfg(test)]
mod tests;
