//! Host paths as detached trees. Runs in M; I only moves them (design: who opens checks).

use crate::at::{At, Res, failure};
use crate::enter;
use crate::step::ids;
use crate::step::root::identity;
use crate::sys::mount as attr;
use bolt_shim::launch::{FileId, IdMap, Launch, Mount, MountFlags, MountKind, Net, Propagation};
use bolt_shim::report::Step;
use rustix::fs::{CWD, Dir, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};
use std::os::fd::OwnedFd;

/// Propagation values of mount_setattr(2).
const MS_SHARED: u64 = 1 << 20;
const MS_SLAVE: u64 = 1 << 19;
const MS_PRIVATE: u64 = 1 << 18;

/// The trees of all mounts that come from outside, in the order of `launch.mounts`.
pub(crate) fn trees(launch: &Launch, dir: &str) -> Res<Vec<OwnedFd>> {
    let mut trees = Vec::new();
    if launch.mounts.iter().any(|mount| is_outside(launch, mount)) {
        enter::own_mounts()?;
    }
    for mount in &launch.mounts {
        match &mount.what {
            MountKind::Bind { source, stat, propagation, copy_up, adopt: own } => {
                if let Some(shape) = launch.id_map
                    && *own
                {
                    adopt(source, *stat, shape)?;
                }
                // I makes what it may have to fill read-only, once that is done.
                let read_only = mount.flags.read_only && !copy_up;
                let flags = MountFlags { read_only, ..mount.flags };
                trees.push(tree(source, *stat, flags, *propagation)?);
            }
            MountKind::File { name } => trees.push(small_file(dir, name, mount)?),
            MountKind::Sys if is_outside(launch, mount) => trees.push(recursive("/sys")?),
            _ => {}
        }
    }
    Ok(trees)
}

fn is_outside(launch: &Launch, mount: &Mount) -> bool {
    match mount.what {
        MountKind::Bind { .. } | MountKind::File { .. } => true,
        MountKind::Sys => launch.net == Net::Host,
        _ => false,
    }
}

/// A volume is made by P's root. Where a container has a range of ids without that one, its root
/// could neither fill the volume nor write to it. One with content keeps its owner.
fn adopt(source: &str, stat: FileId, shape: IdMap) -> Res<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = rustix::fs::open(source, flags, Mode::empty()).at(Step::Mount, source)?;
    if identity(&dir).at(Step::Mount, source)? != stat {
        return Err(failure(Step::Mount, source, libc::ESTALE));
    }
    let now = rustix::fs::fstat(&dir).at(Step::Mount, source)?;
    if ids::maps(shape, (now.st_uid, now.st_gid)) || !is_empty(&dir).at(Step::Mount, source)? {
        return Ok(());
    }
    let (uid, gid) = ids::root_in_p(Some(shape));
    rustix::fs::fchown(&dir, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
        .at(Step::Mount, source)
}

/// Whether a directory has no entries.
pub(crate) fn is_empty(dir: &OwnedFd) -> Result<bool, Errno> {
    for entry in Dir::read_from(dir)? {
        if ![c".", c".."].contains(&entry?.file_name()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// One host path. The inode must be the one that was planned: a path swapped since is refused.
pub(crate) fn tree(
    source: &str,
    stat: FileId,
    flags: MountFlags,
    propagation: Propagation,
) -> Res<OwnedFd> {
    let tree = recursive(source)?;
    if identity(&tree).at(Step::Mount, source)? != stat {
        return Err(failure(Step::Mount, source, libc::ESTALE));
    }
    let propagation = match propagation {
        Propagation::Private => MS_PRIVATE,
        Propagation::Slave => MS_SLAVE,
        Propagation::Shared => MS_SHARED,
    };
    attr::setattr(&tree, bits(flags), propagation, true).at(Step::Mount, source)?;
    Ok(tree)
}

/// Always with submounts: locked ones may not be left behind (EINVAL).
fn recursive(source: &str) -> Res<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    open_tree(CWD, source, flags).at(Step::Mount, source)
}

fn small_file(dir: &str, name: &str, mount: &Mount) -> Res<OwnedFd> {
    let path = format!("{dir}/{name}");
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = open_tree(CWD, path.as_str(), flags).at(Step::Mount, &path)?;
    attr::setattr(&tree, bits(mount.flags), MS_PRIVATE, false).at(Step::Mount, &path)?;
    Ok(tree)
}

/// Mount flags as mount_setattr(2) wants them.
pub(crate) fn bits(flags: MountFlags) -> u64 {
    let mut bits = 0;
    if flags.read_only {
        bits |= attr::RDONLY;
    }
    if flags.nosuid {
        bits |= attr::NOSUID;
    }
    if flags.nodev {
        bits |= attr::NODEV;
    }
    if flags.noexec {
        bits |= attr::NOEXEC;
    }
    bits
}
