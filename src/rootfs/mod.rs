//! L2: where a container's root comes from, as a plan for the supervisor.

pub mod changes;
pub mod copy;
pub mod driver;
pub mod export;
pub mod usage;

use crate::container::config::{Config, Origin};
use crate::container::dir::{ContainerDir, Snapshot};
use crate::container::state::Recorded;
use crate::store::Layout;
use crate::sys::dirs::Dirs;
use crate::sys::mount;
use anyhow::Context;
use bolt_shim::head::Head;
use bolt_shim::launch::{FileId, Root};
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Directory of the store in which there is never anything.
const EMPTY: &str = "empty";

/// Why a root could not be planned.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// `--rootfs`, or a mount source.
    #[error("{path}")]
    Source {
        /// The path.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// `--rootfs` of a file.
    #[error("{0} is not a directory; --rootfs wants the root directory of a file system")]
    NotDirectory(PathBuf),
    /// A path that the contract cannot carry.
    #[error("{0:?} is not valid UTF-8; rename it")]
    NotUtf8(PathBuf),
    /// The layer is gone.
    #[error("layer {chain} of image {image} is not in the store any more; pull the image again")]
    NoLayer {
        /// Chain id.
        chain: String,
        /// Image name.
        image: String,
    },
    /// The record is of another version.
    #[error("container {0} was made with an unknown layout {1:?}; create it again")]
    Layout(String, String),
    /// A path that the options of fuse-overlayfs(1) cannot carry.
    #[error(
        "{0}: fuse-overlayfs(1) takes no path with a comma, colon or backslash; set XDG_DATA_HOME to another directory"
    )]
    FusePath(String),
    /// Directories of the container.
    #[error("make {path}")]
    Make {
        /// The directory.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

/// The root of one container. The supervisor makes its upper and work directories.
pub fn plan(dirs: &Dirs, dir: &ContainerDir, config: &Config) -> Result<Root, RootError> {
    match &config.origin {
        Origin::Directory(path) => {
            let stat = identity(path)?;
            if stat.kind != libc::S_IFDIR {
                return Err(RootError::NotDirectory(path.clone()));
            }
            Ok(Root::Dir { path: text(path)?, stat, read_only: config.read_only })
        }
        Origin::Image { name, layers, layout, driver, .. } => {
            if driver == "copy" {
                let copy = dir.path().join("root");
                return Ok(Root::Dir {
                    stat: identity(&copy)?,
                    path: text(&copy)?,
                    read_only: config.read_only,
                });
            }
            let layout: Layout = layout
                .parse()
                .map_err(|_| RootError::Layout(config.short_id().to_owned(), layout.clone()))?;
            let lower = lower(dirs, layers, layout, name)?;
            let upper = (text(&dir.path().join(Head::UPPER))?, text(&dir.path().join("work"))?);
            if driver == "fuse-overlayfs" {
                let mountpoint = dir.path().join("merged");
                fuse_can_take(lower.iter().chain([&upper.0, &upper.1]))?;
                make(&mountpoint)?;
                return Ok(Root::FuseOverlay {
                    program: crate::net::find("fuse-overlayfs").unwrap_or_default(),
                    lower,
                    upper,
                    mountpoint: text(&mountpoint)?,
                    read_only: config.read_only,
                });
            }
            Ok(Root::Overlay {
                lower,
                upper: Some(upper),
                volatile: config.remove,
                read_only: config.read_only,
            })
        }
    }
}

/// It splits its options at commas and colons, and has no escape for every case.
fn fuse_can_take<'p>(paths: impl IntoIterator<Item = &'p String>) -> Result<(), RootError> {
    let mut paths = paths.into_iter();
    match paths.find(|path| path.contains([',', ':', '\\'])) {
        Some(path) => Err(RootError::FusePath(path.clone())),
        None => Ok(()),
    }
}

/// The root of a container that runs. Whoever may look at its process may open it (proc(5)): its P
/// above all, and mostly its user.
pub fn root_of_running(dir: &ContainerDir) -> anyhow::Result<RunningRoot> {
    use rustix::fs::{CWD, Mode, OFlags, openat};
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let before = dir.snapshot()?;
    anyhow::ensure!(before.status.has_processes(), "container {} does not run", dir.id());
    let Recorded { pid, start, .. } = before.recorded;
    let root = openat(CWD, format!("/proc/{pid}/root"), flags, Mode::empty())
        .with_context(|| format!("open the root file system of container {}", dir.id()))?;
    let opened = RunningRoot { root, pid, start };
    // A pid is soon another's.
    anyhow::ensure!(opened.is_of(&dir.snapshot()?), "container {} has just ended", dir.id());
    Ok(opened)
}

/// The root of one run of a container.
#[derive(Debug)]
pub struct RunningRoot {
    root: OwnedFd,
    pid: i32,
    start: u64,
}

impl RunningRoot {
    /// Whether it is still that run.
    fn is_of(&self, now: &Snapshot) -> bool {
        let recorded = &now.recorded;
        now.status.has_processes() && (recorded.pid, recorded.start) == (self.pid, self.start)
    }

    /// The root, or the one of the run that has followed.
    pub fn or_next(self, dir: &ContainerDir, now: &Snapshot) -> anyhow::Result<OwnedFd> {
        if self.is_of(now) { Ok(self.root) } else { root_of_running(dir).map(|next| next.root) }
    }
}

/// The root of a container that does not run, as a detached mount to read and write.
///
/// The process is inside P, or is root, has one thread, and gets a mount namespace of its own.
pub fn mount_for_read_write(dirs: &Dirs, dir: &ContainerDir) -> anyhow::Result<OwnedFd> {
    let config = dir.read_config()?;
    mount::isolate().context("make a mount namespace")?;
    match plan(dirs, dir, &config)? {
        Root::Dir { path, .. } => mount::clone_tree(&path).with_context(|| format!("open {path}")),
        Root::Overlay { lower, upper, .. } => {
            make_upper(dir)?;
            let place = text(dir.path())?;
            mount::overlay(&lower, upper.as_ref(), &place).context("mount the container's overlay")
        }
        Root::FuseOverlay { program, lower, upper, mountpoint, .. } => {
            anyhow::ensure!(
                !program.is_empty(),
                "the container's root is put together by fuse-overlayfs, which is not here; install the package 'fuse-overlayfs'"
            );
            make_upper(dir)?;
            mount::fuse_overlay(&program, &lower, &upper, &mountpoint)
        }
    }
}

/// What is in a directory, but for itself and its parent.
fn names(dir: &OwnedFd) -> std::io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// Layer directories, uppermost first; of an image without layers an empty one, since an overlay
/// needs something to lie over.
fn lower(
    dirs: &Dirs,
    layers: &[String],
    layout: Layout,
    image: &str,
) -> Result<Vec<String>, RootError> {
    if layers.is_empty() {
        return Ok(vec![text(&empty(dirs)?)?]);
    }
    let base = dirs.store().join("layers").join(layout.to_string());
    layers
        .iter()
        .rev()
        .map(|chain| {
            let hex = chain.split_once(':').map_or(chain.as_str(), |(_, hex)| hex);
            text(&base.join(hex))
                .map_err(|_| RootError::NoLayer { chain: chain.clone(), image: image.to_owned() })
        })
        .collect()
}

/// The directory that is always empty. Its mode is that of the `/` above it, open to all users.
fn empty(dirs: &Dirs) -> Result<PathBuf, RootError> {
    let path = dirs.store().join(EMPTY);
    make(&path)?;
    let open = std::fs::Permissions::from_mode(0o755);
    match std::fs::set_permissions(&path, open) {
        Ok(()) => Ok(path),
        Err(source) => Err(RootError::Make { path, source }),
    }
}

/// Where the container's files go; made here for who mounts it without a supervisor.
fn make_upper(dir: &ContainerDir) -> Result<(), RootError> {
    make(&dir.path().join("upper"))?;
    make(&dir.path().join("work"))
}

fn make(path: &Path) -> Result<(), RootError> {
    match std::fs::create_dir(path) {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        other => other.map_err(|source| RootError::Make { path: path.to_owned(), source }),
    }
}

/// What stands at `path` now; the supervisor compares when it opens it.
pub fn identity(path: &Path) -> Result<FileId, RootError> {
    let stat = std::fs::metadata(path)
        .map_err(|source| RootError::Source { path: path.to_owned(), source })?;
    Ok(FileId { dev: stat.dev(), ino: stat.ino(), kind: stat.mode() & libc::S_IFMT })
}

/// A path as the contract carries it.
pub fn text(path: &Path) -> Result<String, RootError> {
    path.to_str().map(str::to_owned).ok_or_else(|| RootError::NotUtf8(path.to_owned()))
}
