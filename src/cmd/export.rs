//! `bolt export`: a container's root as a tar archive.

use super::ending::CLEANUP;
use crate::container::dir::{ContainerDir, Containers};
use crate::container::events::Event;
use crate::rootfs::{self, RunningRoot, export, root_of_running};
use crate::settings::Settings;
use crate::sys::atomic;
use crate::userns;
use crate::userns::map::{IdMap, Kind};
use anyhow::{Context, bail};
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Write the root file system of a container as a tar archive
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name or ID
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Runs the verb.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    if args.output.is_none() && io::stdout().is_terminal() {
        bail!("an archive is not written to a terminal; name a file with --output, or redirect");
    }
    let mut dir = Containers::open(&settings.dirs)?.find(&args.container)?;
    if !dir.status()?.has_processes() {
        // Its layers are mounted here: it must not start meanwhile.
        dir.lock_within(CLEANUP)?;
    }
    // Opened before P is entered: the file is the user's.
    let file = args.output.as_deref().map(Output::open).transpose()?;
    // Who has no subordinate ids has a P for each container, from which no other is seen.
    let seen = root_of_running(&dir).ok();
    userns::enter(&settings.dirs)?;
    let (root, ids) = root(settings, &dir, seen)?;
    match file {
        None => {
            export::write(&root, &ids, BufWriter::new(io::stdout().lock()))?;
        }
        Some(file) => file.fill(|out| {
            export::write(&root, &ids, BufWriter::new(out))?;
            Ok(())
        })?,
    }
    settings.event_log().write(&Event::of_container(&dir.read_config()?, "export"));
    Ok(0)
}

/// The root to read, and how the container numbers its owners.
fn root(
    settings: &Settings,
    dir: &ContainerDir,
    seen: Option<RunningRoot>,
) -> anyhow::Result<(OwnedFd, export::Ids)> {
    let now = dir.snapshot()?;
    if !now.status.has_processes() {
        let userns = dir.read_config()?.userns;
        let map = |kind| IdMap::of_container(userns, kind);
        let ids = export::Ids { users: map(Kind::User), groups: map(Kind::Group) };
        return Ok((rootfs::mount_for_read_write(&settings.dirs, dir)?, ids));
    }
    let pid = now.recorded.pid;
    let map = |file: &str| {
        let path = format!("/proc/{pid}/{file}");
        std::fs::read_to_string(&path)
            .with_context(|| format!("read {path}"))
            .map(|text| IdMap::inward(&text))
    };
    let ids = export::Ids { users: map("uid_map")?, groups: map("gid_map")? };
    let root = seen.map_or_else(|| root_of_running(dir), Ok)?;
    Ok((root.or_next(dir, &now)?, ids))
}

/// Where the archive goes.
enum Output {
    /// A pipe or a device, written to as it is.
    There { file: File, shown: String },
    /// A file that appears under its name when it is whole.
    New(New),
}

impl Output {
    fn open(path: &Path) -> anyhow::Result<Output> {
        match std::fs::metadata(path) {
            Ok(data) if !data.is_file() && !data.is_dir() => {
                let shown = path.display().to_string();
                let file = File::options().write(true).open(path);
                let file = file.with_context(|| format!("open {shown}"))?;
                Ok(Output::There { file, shown })
            }
            _ => New::create(path).map(Output::New),
        }
    }

    fn fill(self, fill: impl FnOnce(&File) -> anyhow::Result<()>) -> anyhow::Result<()> {
        match self {
            Output::There { file, shown } => fill(&file).with_context(|| format!("write {shown}")),
            Output::New(new) => new.fill(fill),
        }
    }
}

/// A file without a name where the file system has such: nothing is left of it when this program
/// is killed.
struct New {
    parent: File,
    name: String,
    temp: String,
    is_named: bool,
    file: File,
    shown: String,
}

impl New {
    fn create(path: &Path) -> anyhow::Result<New> {
        let shown = path.display().to_string();
        let name = path.file_name().and_then(|n| n.to_str());
        let name = name.with_context(|| format!("{shown} has no file name"))?.to_owned();
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let parent = File::open(parent).with_context(|| format!("open {}", parent.display()))?;
        let temp = atomic::temp_name(&name);
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o644);
        let (is_named, file) = match rustix::fs::openat(&parent, ".", flags | OFlags::TMPFILE, mode)
        {
            Err(Errno::OPNOTSUPP | Errno::ISDIR) => {
                let flags = flags | OFlags::CREATE | OFlags::EXCL;
                (true, rustix::fs::openat(&parent, &*temp, flags, mode))
            }
            other => (false, other),
        };
        let file = file.with_context(|| format!("make {shown}"))?.into();
        Ok(New { parent, name, temp, is_named, file, shown })
    }

    fn fill(mut self, fill: impl FnOnce(&File) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let result = fill(&self.file).and_then(|()| self.put());
        if result.is_err() && self.is_named {
            let _ = rustix::fs::unlinkat(&self.parent, &*self.temp, AtFlags::empty());
        }
        result.with_context(|| format!("write {}", self.shown))
    }

    /// A link replaces nothing, so it gets another name first.
    fn put(&mut self) -> anyhow::Result<()> {
        self.file.sync_all()?;
        if !self.is_named {
            let whole = format!("/proc/self/fd/{}", self.file.as_raw_fd());
            let follow = AtFlags::SYMLINK_FOLLOW;
            rustix::fs::linkat(CWD, whole, &self.parent, &*self.temp, follow)?;
            self.is_named = true;
        }
        Ok(rustix::fs::renameat(&self.parent, &*self.temp, &self.parent, &*self.name)?)
    }
}
