//! Owner, mode, times and extended attributes of what an entry made.

use super::OWNER_XATTR;
use super::Stats;
use super::entry::Entry;
use super::error::UnpackError;
use super::owners::Owners;
use rustix::fs::{
    self, AtFlags, Gid, Mode, StatVfs, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags,
};
use rustix::io::Errno;
use std::ffi::CStr;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

/// Marks a directory that hides what the layers below have in it (kernel, overlayfs.rst).
pub(super) const OPAQUE_XATTR: &str = "user.overlay.opaque";

/// Completes files whose names are made.
#[derive(Clone, Copy)]
pub(super) struct Finisher<'a> {
    pub(super) owners: &'a Owners,
    /// Bits that creation takes away.
    pub(super) umask: u32,
}

impl Finisher<'_> {
    /// The mode a file is created with. Who has no CAP_DAC_OVERRIDE needs write permission on the
    /// file itself, not only a descriptor, to set attributes.
    pub(super) fn first_mode(&self, entry: &Entry) -> u32 {
        let attributes = !entry.xattrs.is_empty() || keeps_owner(entry, self.owners);
        entry.mode & 0o777 | if attributes { 0o600 } else { 0 }
    }

    /// Owner, mode, attributes, time of a file whose content is written.
    pub(super) fn finish(
        &self,
        entry: &Entry,
        file: &File,
        stats: &mut Stats,
    ) -> Result<(), UnpackError> {
        apply_owner(file.as_fd(), entry, self.owners, stats)?;
        apply_xattrs(file.as_fd(), entry, stats)?;
        if entry.mode & (0o7000 | self.umask) != 0 || entry.mode != self.first_mode(entry) {
            set_mode(file, entry.mode, entry)?;
        }
        fs::futimens(file, &times(entry.mtime)).map_err(|e| entry.io("set the time of", e))
    }
}

/// The owner to apply, when it is not what a new file has anyway.
pub(super) fn owner(entry: &Entry, owners: &Owners) -> Option<(Uid, Gid)> {
    match owners.map(entry.uid, entry.gid) {
        None | Some((0, 0)) => None,
        Some((uid, gid)) => Some((Uid::from_raw(uid), Gid::from_raw(gid))),
    }
}

/// Whether the entry's owner has no id here and is remembered instead.
pub(super) fn keeps_owner(entry: &Entry, owners: &Owners) -> bool {
    owners.map(entry.uid, entry.gid).is_none() && (entry.uid, entry.gid) != (0, 0)
}

/// Owner of a file or directory. chown(2) drops setuid bits and file capabilities, so it comes
/// before mode and attributes.
pub(super) fn apply_owner(
    fd: BorrowedFd<'_>,
    entry: &Entry,
    owners: &Owners,
    stats: &mut Stats,
) -> Result<(), UnpackError> {
    if let Some((uid, gid)) = owner(entry, owners) {
        fs::fchown(fd, Some(uid), Some(gid)).map_err(|e| entry.io("set the owner of", e))?;
    }
    if !keeps_owner(entry, owners) {
        return Ok(());
    }
    let text = format!("{}:{}", entry.uid, entry.gid);
    match fs::fsetxattr(fd, OWNER_XATTR, text.as_bytes(), XattrFlags::empty()) {
        Ok(()) => stats.owners_kept += 1,
        Err(Errno::OPNOTSUPP | Errno::PERM) => stats.owners_lost += 1,
        Err(e) => return Err(entry.io("keep the owner of", e)),
    }
    Ok(())
}

/// Owner of what cannot be opened or carries no user attributes: links, pipes, devices.
pub(super) fn apply_owner_at(
    parent: BorrowedFd<'_>,
    name: &CStr,
    entry: &Entry,
    owners: &Owners,
    stats: &mut Stats,
) -> Result<(), UnpackError> {
    if let Some((uid, gid)) = owner(entry, owners) {
        return fs::chownat(parent, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|e| entry.io("set the owner of", e));
    }
    if keeps_owner(entry, owners) {
        stats.owners_lost += 1;
    }
    Ok(())
}

/// Extended attributes of the entry, those an image may set. Dropped are `trusted.*` and
/// `user.overlay.*`, which would steer the overlay (redirect, metacopy, opaque, whiteout), our
/// own, and labels that mean something on another machine only.
pub(super) fn apply_xattrs(
    fd: BorrowedFd<'_>,
    entry: &Entry,
    stats: &mut Stats,
) -> Result<(), UnpackError> {
    for (name, value) in &entry.xattrs {
        if !is_allowed(name) {
            stats.xattrs_dropped += 1;
            continue;
        }
        match fs::fsetxattr(fd, name.as_slice(), value, XattrFlags::empty()) {
            Ok(()) => {}
            // No support here, or file capabilities without the right to give them.
            Err(Errno::OPNOTSUPP | Errno::PERM | Errno::INVAL) => stats.xattrs_dropped += 1,
            Err(Errno::NOSPC) if fs::fstatvfs(fd).is_ok_and(|disk| has_room(&disk)) => {
                let why = "the store's file system has no room for these extended attributes of \
                           one file";
                return Err(entry.refused(why));
            }
            Err(e) => return Err(entry.io("set an extended attribute of", e)),
        }
    }
    Ok(())
}

/// Whether ENOSPC for an attribute is no full disk: ext4 keeps all attributes of a file in one block
/// (xattr(7)), btrfs each in a node. Clear room, for some file systems ask for much at once.
fn has_room(disk: &StatVfs) -> bool {
    const CLEAR: u64 = 64 << 20;
    disk.f_bavail.saturating_mul(disk.f_frsize) >= CLEAR
}

fn is_allowed(name: &[u8]) -> bool {
    if name == b"security.capability" {
        return true;
    }
    let ours = name.starts_with(b"user.overlay.") || name.starts_with(b"user.bolt.");
    name.starts_with(b"user.") && name.len() > 5 && !ours && !name.contains(&0)
}

/// Modification time; the access time stays as it is.
pub(super) fn times((seconds, nanos): (i64, u32)) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT as _ },
        last_modification: Timespec { tv_sec: seconds, tv_nsec: nanos.into() },
    }
}

/// Sets all twelve mode bits.
fn set_mode(fd: impl AsFd, mode: u32, entry: &Entry) -> Result<(), UnpackError> {
    fs::fchmod(fd, Mode::from_raw_mode(mode)).map_err(|e| entry.io("set the mode of", e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_no_limit_of_attributes() {
        let disk = fs::statvfs("/").unwrap();
        for (f_bavail, f_frsize, wanted) in
            [(0, 4096, false), (100, 4096, false), (1 << 14, 4096, true), (u64::MAX, 4096, true)]
        {
            assert_eq!(has_room(&StatVfs { f_bavail, f_frsize, ..disk }), wanted, "{f_bavail}");
        }
    }
}
