//! What a container changed in its root, told from its upper directory and its layers alone:
//! nothing is mounted, and nothing of the container runs.

use super::{lower, names};
use crate::container::config::{Config, Origin};
use crate::container::dir::ContainerDir;
use crate::container::secret::How;
use crate::store::Layout;
use crate::sys::beneath;
use crate::sys::dirs::Dirs;
use anyhow::{Context, bail};
use rustix::fs::{self, AtFlags, CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Made for a container's mounts, not by it.
const FOR_MOUNTS: [&str; 8] = [
    "/dev",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/localtime",
    "/etc/resolv.conf",
    "/proc",
    "/run/secrets",
    "/sys",
];

/// What happened to one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// It is in the image, and another now; of a directory, that something in it may be.
    Changed,
    /// It is not in the image.
    Added,
    /// It is in the image, and not in the container.
    Deleted,
}

/// Every path that differs, with `/` in front, by path.
///
/// Inside P. Errors: a root that is no overlay keeps no record of its changes.
pub fn list(
    dirs: &Dirs,
    dir: &ContainerDir,
    config: &Config,
) -> anyhow::Result<Vec<(PathBuf, Change)>> {
    let Origin::Image { name, layers, layout, driver, .. } = &config.origin else {
        bail!("container {} has no image: its root is a directory of yours", dir.id());
    };
    if driver == "copy" {
        bail!(
            "the root of container {} is a copy of its layers, which keeps no record of changes; \
             bolt doctor tells why it is no overlay",
            dir.id()
        );
    }
    let layout: Layout = layout.parse().ok().with_context(|| format!("layout {layout:?}"))?;
    let layers = lower(dirs, layers, layout, name)?
        .iter()
        .map(|path| open(path).with_context(|| format!("open layer {path}")))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let upper = dir.path().join("upper");
    let upper = match open(&upper) {
        // Never started.
        Err(Errno::NOENT) => return Ok(Vec::new()),
        other => other.with_context(|| format!("open {}", upper.display()))?,
    };
    let mut found = Vec::new();
    walk(&upper, &Image { layers }, &mut found)?;
    let for_mounts = |path: &Path| FOR_MOUNTS.iter().any(|made| path == Path::new(made));
    found.retain(|(path, change)| *change != Change::Added || !for_mounts(path));
    for secret in &config.secrets {
        if let How::Mount { target, .. } = &secret.how {
            leave_out(&mut found, Path::new(target));
        }
    }
    found.sort();
    Ok(found)
}

/// Leaves a mount point out, and directories that were made for it alone.
fn leave_out(found: &mut Vec<(PathBuf, Change)>, target: &Path) {
    for path in target.ancestors() {
        if found.iter().any(|(other, _)| other != path && other.starts_with(path)) {
            return;
        }
        found.retain(|(other, change)| other != path || *change != Change::Added);
    }
}

fn open(path: impl rustix::path::Arg) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    fs::openat(CWD, path, flags, Mode::empty())
}

fn walk(upper: &OwnedFd, image: &Image, found: &mut Vec<(PathBuf, Change)>) -> anyhow::Result<()> {
    let mut pending = vec![PathBuf::new()];
    while let Some(path) = pending.pop() {
        let shown = || Path::new("/").join(&path).display().to_string();
        let dir = open_dir(upper, &path).with_context(|| format!("open {}", shown()))?;
        let own: BTreeSet<_> =
            names(&dir).with_context(|| format!("list {}", shown()))?.into_iter().collect();
        for name in &own {
            let child = path.join(OsStr::from_bytes(name.to_bytes()));
            let stat = match fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => continue,
                other => other.with_context(|| format!("look at {}", shown()))?,
            };
            let change = match (is_whiteout(&stat), image.has(&child)?) {
                // Made and removed again, over nothing.
                (true, false) => continue,
                (true, true) => Change::Deleted,
                (false, true) => Change::Changed,
                (false, false) => Change::Added,
            };
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                pending.push(child.clone());
            }
            found.push((Path::new("/").join(child), change));
        }
        if is_opaque(&dir) {
            for name in image.names(&path)? {
                let child = path.join(OsStr::from_bytes(&name));
                if !own.iter().any(|o| o.to_bytes() == name) {
                    found.push((Path::new("/").join(child), Change::Deleted));
                }
            }
        }
    }
    Ok(())
}

/// The layers of an image, uppermost first.
struct Image {
    layers: Vec<OwnedFd>,
}

/// What one layer says of a path.
enum Said {
    Nothing,
    Here,
    /// It is hidden, whatever the layers below have.
    Gone,
}

impl Image {
    fn has(&self, path: &Path) -> io::Result<bool> {
        for layer in &self.layers {
            let (said, stop) = look(layer, path)?;
            match said {
                Said::Here => return Ok(true),
                Said::Gone => return Ok(false),
                Said::Nothing if stop => return Ok(false),
                Said::Nothing => {}
            }
        }
        Ok(false)
    }

    /// What is in a directory of the image.
    fn names(&self, path: &Path) -> io::Result<BTreeSet<Vec<u8>>> {
        let (mut found, mut hidden) = (BTreeSet::new(), BTreeSet::new());
        for layer in &self.layers {
            let (said, stop) = look(layer, path)?;
            if let Said::Here = said
                && let Ok(dir) = open_dir(layer, path)
            {
                for name in names(&dir)? {
                    let stat = fs::statat(&dir, &name, AtFlags::SYMLINK_NOFOLLOW)?;
                    let name = name.to_bytes().to_vec();
                    match is_whiteout(&stat) {
                        true => drop(hidden.insert(name)),
                        false if !hidden.contains(&name) => drop(found.insert(name)),
                        false => {}
                    }
                }
                if is_opaque(&dir) {
                    break;
                }
            }
            if stop || matches!(said, Said::Gone) {
                break;
            }
        }
        Ok(found)
    }
}

/// What the layer says of `path`, and whether a directory on the way hides the layers below.
fn look(layer: &OwnedFd, path: &Path) -> io::Result<(Said, bool)> {
    let mut stop = false;
    let mut here = PathBuf::new();
    for part in path.components() {
        let parent = match open_dir(layer, &here) {
            Ok(parent) => parent,
            // No directory there, so nothing below it here, nor below in this place.
            Err(e) if is_missing(&e) => return Ok((Said::Nothing, stop)),
            Err(e) => return Err(e),
        };
        stop |= is_opaque(&parent);
        here.push(part);
        match fs::statat(&parent, part.as_os_str(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if is_whiteout(&stat) => return Ok((Said::Gone, true)),
            Ok(stat) => {
                let is_dir = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
                if here.as_path() == path {
                    return Ok((Said::Here, stop || !is_dir));
                }
                if !is_dir {
                    return Ok((Said::Gone, true));
                }
            }
            Err(Errno::NOENT) => return Ok((Said::Nothing, stop)),
            Err(e) => return Err(e.into()),
        }
    }
    Ok((Said::Here, stop))
}

fn open_dir(root: &OwnedFd, path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
    beneath::open_no_links(root, path, flags, Mode::empty())
}

fn is_missing(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP))
}

/// overlayfs.rst: a character device 0:0.
fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

/// overlayfs.rst, and fuse-overlayfs(1) under its own name.
fn is_opaque(dir: &OwnedFd) -> bool {
    [c"user.overlay.opaque", c"user.fuseoverlayfs.opaque"].into_iter().any(|name| {
        let mut value = [0; 8];
        matches!(fs::fgetxattr(dir, name, &mut value[..]), Ok(length) if value[..length] == *b"y")
    })
}
