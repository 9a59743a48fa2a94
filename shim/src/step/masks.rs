//! Masked and read-only paths, and the covered second procfs. Runs in I, before pivot_root.

use crate::at::{At, Res};
use crate::step::mounts::{attach, fresh};
use crate::step::root::{fresh_tmpfs, identity};
use crate::step::target;
use crate::sys::mount as attr;
use bolt_shim::report::Step;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};
use std::os::fd::{BorrowedFd, OwnedFd};

const CLONE: OpenTreeFlags = OpenTreeFlags::OPEN_TREE_CLONE.union(OpenTreeFlags::OPEN_TREE_CLOEXEC);

/// Covers each path that exists: a file by `/dev/null`, a directory by an empty tmpfs.
///
/// `empty`: that tmpfs, which may cover something already.
pub(crate) fn cover(root: BorrowedFd<'_>, paths: &[String], mut empty: Empty) -> Res<()> {
    for path in paths {
        let Some(target) = to_cover(root, path)? else { continue };
        let is_dir = identity(&target).at(Step::Mask, path)?.kind == libc::S_IFDIR;
        if is_dir {
            empty.cover(target, path)?;
        } else {
            let null = open_tree(CWD, "/dev/null", CLONE).at(Step::Mask, path)?;
            attach(null, target, path)?;
        }
    }
    Ok(())
}

/// An empty tmpfs that covers directories: one serves all, the first time itself, then as a clone.
#[derive(Debug)]
pub(crate) enum Empty {
    /// It has no place yet, if it is made already.
    Detached(Option<OwnedFd>),
    /// It has one, and can be cloned (open_tree(2)).
    Attached(OwnedFd),
}

impl Empty {
    fn cover(&mut self, target: OwnedFd, path: &str) -> Res<()> {
        match self {
            Empty::Attached(first) => {
                let flags = CLONE | OpenTreeFlags::AT_EMPTY_PATH;
                attach(open_tree(first, "", flags).at(Step::Mask, path)?, target, path)
            }
            Empty::Detached(made) => {
                let tmpfs = made.take().map_or_else(empty_tmpfs, Ok).at(Step::Mask, path)?;
                attach(&tmpfs, target, path)?;
                *self = Empty::Attached(tmpfs);
                Ok(())
            }
        }
    }
}

/// Makes each path that exists read-only.
pub(crate) fn read_only(root: BorrowedFd<'_>, paths: &[String]) -> Res<()> {
    for path in paths {
        let Some(target) = existing(root, path)? else { continue };
        let flags = CLONE | OpenTreeFlags::AT_EMPTY_PATH | OpenTreeFlags::AT_RECURSIVE;
        let tree = open_tree(&target, "", flags).at(Step::Mask, path)?;
        let set = attr::RDONLY | attr::NOSUID | attr::NODEV | attr::NOEXEC;
        attr::setattr(&tree, set, 0, true).at(Step::Mask, path)?;
        attach(tree, target, path)?;
    }
    Ok(())
}

/// A nested sandbox may mount procfs only where one is fully visible in its namespace. This one
/// is, to the kernel; a cover on the directory *above* keeps it from everybody's eyes.
///
/// `usual`: that procfs, if it is made already; `empty`: the cover.
pub(crate) fn covered_proc(
    root: BorrowedFd<'_>,
    usual: Option<OwnedFd>,
    empty: &mut Empty,
) -> Res<()> {
    const AT: &str = "/dev/.p/p";
    for dir in ["dev/.p", "dev/.p/p"] {
        rustix::fs::mkdirat(root, dir, Mode::from_raw_mode(0o700)).at(Step::Mask, AT)?;
    }
    let proc = usual.map_or_else(second_proc, Ok).at(Step::Mask, AT)?;
    if let Some(target) = existing(root, AT)? {
        attach(proc, target, AT)?;
    }
    if let Some(above) = existing(root, "/dev/.p")? {
        empty.cover(above, AT)?;
    }
    Ok(())
}

/// A detached procfs for it.
pub(crate) fn second_proc() -> Result<OwnedFd, Errno> {
    let proc = fresh("proc", &[])?;
    attr::setattr(&proc, attr::NOSUID | attr::NODEV | attr::NOEXEC, 0, false)?;
    Ok(proc)
}

/// What covers a directory.
pub(crate) fn empty_tmpfs() -> Result<OwnedFd, Errno> {
    let tmpfs = fresh_tmpfs(&[("mode", "555"), ("size", "4k"), ("nr_inodes", "2")])?;
    attr::setattr(&tmpfs, attr::RDONLY | attr::NOSUID | attr::NODEV | attr::NOEXEC, 0, false)?;
    Ok(tmpfs)
}

/// What is to be covered. A path that the user has chosen may lead through links: they end within
/// the container's root, and what is covered is what was opened.
fn to_cover(root: BorrowedFd<'_>, path: &str) -> Res<Option<OwnedFd>> {
    let is_kernels = ["/proc/", "/sys/"].iter().any(|above| path.starts_with(above));
    match open(root, path) {
        Err(Errno::LOOP) if !is_kernels => if_there(target::lookup(root, path, OFlags::PATH), path),
        other => if_there(other, path),
    }
}

/// The path below our own mounts; no links: a link there is not ours (CVE-2025-31133).
fn existing(root: BorrowedFd<'_>, path: &str) -> Res<Option<OwnedFd>> {
    if_there(open(root, path), path)
}

fn open(root: BorrowedFd<'_>, path: &str) -> Result<OwnedFd, Errno> {
    let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    openat2(root, path.trim_start_matches('/'), flags, Mode::empty(), how)
}

fn if_there(opened: Result<OwnedFd, Errno>, path: &str) -> Res<Option<OwnedFd>> {
    match opened {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS) => Ok(None),
        other => other.at(Step::Mask, path).map(Some),
    }
}
