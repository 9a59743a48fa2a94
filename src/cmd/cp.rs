//! `bolt cp`: files between the host and containers, with docker's rules for slashes.
//!
//! A container's root is a hostile tree: every path in it is resolved beneath its descriptor.

mod archive;
mod tree;

use super::ending::CLEANUP;
use super::selection::report;
use crate::container::config::Userns;
use crate::container::dir::{ContainerDir, Containers};
use crate::exit;
use crate::rootfs::{self, RunningRoot, root_of_running};
use crate::settings::Settings;
use crate::sys::beneath;
use crate::userns;
use anyhow::{Context, bail};
use rustix::fs::{self, AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};
use tree::{Rules, TreeSink, Walk};

/// Copy files between a container and the host
#[derive(Debug, clap::Args)]
pub struct Args {
    /// [CONTAINER:]PATH, or - for a tar archive on standard input
    source: String,
    /// [CONTAINER:]PATH, or - for a tar archive on standard output
    target: String,
    /// Files belong to the container's root; =false: keep the owner's number
    #[arg(short, long, num_args = 0..=1, default_value = "true", default_missing_value = "true", require_equals = true)]
    archive: Option<bool>,
    /// Directories replace files and files replace directories
    #[arg(long)]
    overwrite: bool,
}

/// One side of the copy.
#[derive(Debug, PartialEq, Eq)]
enum Side {
    Stream,
    Host(PathBuf),
    Container(String, PathBuf),
}

/// A path below an open root.
struct Place {
    root: OwnedFd,
    path: PathBuf,
    /// `/` at the end: only a directory will do.
    wants_dir: bool,
    /// `/.` at the end: what is in the directory, not it.
    contents: bool,
    shown: String,
}

/// Runs the verb.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    let (source, target) = (side(&args.source)?, side(&args.target)?);
    match (&source, &target) {
        (Side::Host(_), Side::Host(_)) => {
            bail!("one side must be in a container: write CONTAINER:PATH")
        }
        (Side::Stream, Side::Stream | Side::Host(_)) | (Side::Host(_), Side::Stream) => {
            bail!("the other side of an archive must be in a container: write CONTAINER:PATH")
        }
        _ => {}
    }
    let all = Containers::open(&settings.dirs)?;
    // Containers are looked up before P is entered, so that a wrong name changes nothing.
    let containers = [&source, &target].map(|side| match side {
        Side::Container(name, _) => Some(all.find(name)),
        _ => None,
    });
    let [source_dir, target_dir] = containers.map(Option::transpose);
    let (mut source_dir, mut target_dir) = (source_dir?, target_dir?);
    for dir in [&mut source_dir, &mut target_dir].into_iter().flatten() {
        if !dir.status()?.has_processes() {
            // Its layers are mounted here: it must not start meanwhile.
            dir.lock_within(CLEANUP)?;
        }
    }
    // Who has no subordinate ids has a P for each container, from which no other is seen.
    let roots = [&source_dir, &target_dir]
        .map(|dir| dir.as_ref().and_then(|dir| root_of_running(dir).ok()));
    userns::enter(&settings.dirs)?;
    let [source_root, target_root] = roots;
    let owner = match &target_dir {
        Some(dir) => root_in_p(dir.read_config()?.userns),
        None => (0, 0),
    };
    let keep_owner = args.archive == Some(false);
    let rules = Rules { keep_owner, owner, overwrite: args.overwrite };
    let from = || place(settings, &source, (source_dir.as_ref(), source_root), &args.source);
    let to = || place(settings, &target, (target_dir.as_ref(), target_root), &args.target);
    let result = match (&source, &target) {
        (Side::Stream, _) => unpack(&to()?, rules),
        (_, Side::Stream) => pack(&from()?),
        _ => copy(&from()?, &to()?, rules),
    };
    match result {
        Ok(()) => Ok(0),
        Err(e) => {
            report(&e);
            Ok(exit::ENGINE)
        }
    }
}

/// The ids in P whose files are root's in a container without the user.
fn root_in_p(userns: Userns) -> (u32, u32) {
    match userns {
        Userns::Host | Userns::KeepId { .. } => (0, 0),
        Userns::NoMap => (1, 1),
        Userns::Auto { first, .. } => (first, first),
    }
}

/// A path that begins with `/` or `.` is the host's, whatever colons it has.
fn side(text: &str) -> anyhow::Result<Side> {
    if text == "-" {
        return Ok(Side::Stream);
    }
    if text.starts_with(['/', '.']) {
        return Ok(Side::Host(text.into()));
    }
    match text.split_once(':') {
        Some(("", _)) => bail!("{text:?} has no container before the colon"),
        Some((_, "")) => bail!("{text:?} has no path after the colon"),
        Some((name, path)) => Ok(Side::Container(name.to_owned(), path.into())),
        None => Ok(Side::Host(text.into())),
    }
}

fn place(
    settings: &Settings,
    side: &Side,
    (dir, root): (Option<&ContainerDir>, Option<RunningRoot>),
    shown: &str,
) -> anyhow::Result<Place> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let (root, path) = match (side, dir) {
        (Side::Container(_, path), Some(dir)) => {
            let now = dir.snapshot()?;
            let root = match now.status.has_processes() {
                true => root.map_or_else(|| root_of_running(dir), Ok)?.or_next(dir, &now)?,
                false => {
                    drop(root);
                    rootfs::mount_for_read_write(&settings.dirs, dir)?
                }
            };
            (root, Path::new("/").join(path))
        }
        (Side::Host(path), _) => {
            let root = fs::openat(CWD, "/", flags, Mode::empty()).context("open /")?;
            (root, std::path::absolute(path).with_context(|| format!("find {shown}"))?)
        }
        _ => bail!("{shown} is no place for files"),
    };
    let contents = shown.ends_with("/.") || shown == "." || shown.ends_with(":.");
    let wants_dir = contents || shown.ends_with('/');
    Ok(Place { root, path, wants_dir, contents, shown: shown.to_owned() })
}

impl Place {
    /// Opens the path, links inside the root followed. `None`: nothing there.
    fn look(&self) -> anyhow::Result<Option<(OwnedFd, FileType)>> {
        match beneath::open_in_root(&self.root, &self.path, OFlags::PATH, Mode::empty()) {
            Ok(fd) => {
                let stat = fs::fstat(&fd).with_context(|| format!("look at {}", self.shown))?;
                Ok(Some((fd, FileType::from_raw_mode(stat.st_mode))))
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e).with_context(|| format!("look at {}", self.shown)),
        }
    }

    fn open_dir(&self, path: &Path) -> anyhow::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        beneath::open_in_root(&self.root, path, flags, Mode::empty())
            .with_context(|| format!("open directory {} for {}", path.display(), self.shown))
    }

    /// The directory that holds the path, and the last name of it.
    fn parent(&self) -> anyhow::Result<(OwnedFd, String)> {
        let last = self.path.components().next_back();
        let Some(Component::Normal(name)) = last else {
            bail!("{} has no file name at its end", self.shown);
        };
        let name = name.to_str().with_context(|| format!("{} is not UTF-8", self.shown))?;
        let parent = self.path.parent().unwrap_or(Path::new("/"));
        Ok((self.open_dir(parent)?, name.to_owned()))
    }

    /// Name of the copy in a directory.
    fn name(&self) -> anyhow::Result<String> {
        match self.path.components().next_back() {
            Some(Component::Normal(name)) => Ok(name.to_string_lossy().into_owned()),
            Some(Component::RootDir) => Ok(".".to_owned()),
            _ => bail!("{} has no file name at its end", self.shown),
        }
    }
}

fn copy(source: &Place, target: &Place, rules: Rules) -> anyhow::Result<()> {
    let Some((from, kind)) = source.look()? else {
        bail!("{} does not exist", source.shown);
    };
    let is_dir = kind == FileType::Directory;
    if source.wants_dir && !is_dir {
        bail!("{} is not a directory", source.shown);
    }
    let (dir, name) = match target.look()? {
        Some((_, FileType::Directory)) => {
            let dir = target.open_dir(&target.path)?;
            let name = if is_dir && source.contents { ".".to_owned() } else { source.name()? };
            (dir, name)
        }
        Some(_) if target.wants_dir => bail!("{} is not a directory", target.shown),
        Some(_) if is_dir && !rules.overwrite => {
            bail!("{} is a file: a directory cannot be copied over it", target.shown)
        }
        Some((file, _)) => beside(target, &file)?,
        None if target.wants_dir && !is_dir => {
            bail!("directory {} does not exist", target.shown)
        }
        None => target.parent()?,
    };
    let mut sink = TreeSink::new(dir.as_fd(), rules);
    Walk::new(&source.shown).copy(&from, &name, &mut sink)?;
    Ok(())
}

/// An existing file is replaced in its own directory: the link that leads to it stays.
fn beside(target: &Place, file: &OwnedFd) -> anyhow::Result<(OwnedFd, String)> {
    let (dir, name) = target.parent()?;
    let here = fs::statat(&dir, &*name, AtFlags::SYMLINK_NOFOLLOW)
        .with_context(|| format!("look at {}", target.shown))?;
    let there = fs::fstat(file).with_context(|| format!("look at {}", target.shown))?;
    if (here.st_dev, here.st_ino) != (there.st_dev, there.st_ino) {
        bail!("{} is a symbolic link to a file; name the file itself", target.shown);
    }
    Ok((dir, name))
}

fn pack(source: &Place) -> anyhow::Result<()> {
    let Some((from, kind)) = source.look()? else {
        bail!("{} does not exist", source.shown);
    };
    if source.wants_dir && kind != FileType::Directory {
        bail!("{} is not a directory", source.shown);
    }
    let name = if source.contents { ".".to_owned() } else { source.name()? };
    let mut sink = archive::TarSink::new(io::stdout().lock());
    Walk::new(&source.shown).copy(&from, &name, &mut sink)?;
    sink.finish()
}

fn unpack(target: &Place, rules: Rules) -> anyhow::Result<()> {
    match target.look()? {
        Some((_, FileType::Directory)) => {}
        Some(_) => bail!("{} is not a directory: an archive needs one", target.shown),
        None => bail!("directory {} does not exist", target.shown),
    }
    let dir = target.open_dir(&target.path)?;
    archive::unpack(io::stdin().lock(), &mut TreeSink::new(dir.as_fd(), rules))
}

/// Whether a system error means that there is nothing.
fn is_missing(e: Errno) -> bool {
    matches!(e, Errno::NOENT | Errno::NOTDIR)
}

#[cfg(test)]
mod tests;
