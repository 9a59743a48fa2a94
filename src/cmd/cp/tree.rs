//! Reading and writing trees by descriptors, one name at a time, no link followed.

use anyhow::{Context, bail};
use rustix::fs::{
    self, AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid,
};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Deepest tree that is copied: each level holds a descriptor.
const MAX_DEPTH: usize = 200;
const DIR: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// What a copy keeps and replaces.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// Owner and group as at the source; else `owner`.
    pub(super) keep_owner: bool,
    /// The ids in P of the target's root; 0 is whoever copies.
    pub(super) owner: (u32, u32),
    /// Files and directories replace each other.
    pub(super) overwrite: bool,
}

impl Rules {
    /// Whose the copy becomes; `None`: it is right as it is made.
    fn owner_of(&self, meta: &Meta) -> Option<(Uid, Gid)> {
        let (uid, gid) = if self.keep_owner { (meta.uid, meta.gid) } else { self.owner };
        let as_made = !self.keep_owner && (uid, gid) == (0, 0);
        (!as_made).then(|| (Uid::from_raw(uid), Gid::from_raw(gid)))
    }
}

/// What is told about one file.
#[derive(Debug, Clone)]
pub(super) struct Meta {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Seconds and nanoseconds since 1970.
    pub(super) mtime: (i64, i64),
    pub(super) size: u64,
}

impl Meta {
    fn of(stat: &Stat) -> Self {
        Meta {
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            mtime: (stat.st_mtime, stat.st_mtime_nsec as i64),
            size: u64::try_from(stat.st_size).unwrap_or(0),
        }
    }
}

/// Takes a tree in order: a directory, what is in it, its end.
pub(super) trait Sink {
    /// Begins a directory; `.` is the place itself.
    fn enter(&mut self, name: &str, meta: &Meta) -> anyhow::Result<()>;
    /// Ends it.
    fn leave(&mut self) -> anyhow::Result<()>;
    /// A regular file of `meta.size` bytes.
    fn file(&mut self, name: &str, meta: &Meta, content: &mut dyn Read) -> anyhow::Result<()>;
    /// A symbolic link.
    fn link(&mut self, name: &str, meta: &Meta, target: &str) -> anyhow::Result<()>;
}

/// Reads a tree.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    shown: &'a str,
    depth: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(shown: &'a str) -> Self {
        Walk { shown, depth: 0 }
    }

    /// Gives what the O_PATH descriptor `from` means to `sink`, under `name`.
    pub(super) fn copy(
        &mut self,
        from: &OwnedFd,
        name: &str,
        sink: &mut dyn Sink,
    ) -> anyhow::Result<()> {
        let stat = fs::fstat(from).with_context(|| format!("look at {}", self.shown))?;
        let meta = Meta::of(&stat);
        // Opened again through the descriptor: exactly what was looked at.
        let path = format!("/proc/self/fd/{}", from.as_raw_fd());
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let dir = fs::openat(CWD, path, flags, Mode::empty())
                    .with_context(|| format!("open {}", self.shown))?;
                self.directory(&dir, name, &meta, sink)
            }
            FileType::RegularFile => {
                let flags = OFlags::RDONLY | OFlags::CLOEXEC;
                let file = fs::openat(CWD, path, flags, Mode::empty())
                    .with_context(|| format!("open {}", self.shown))?;
                sink.file(name, &meta, &mut File::from(file))
            }
            kind => bail!("{} is neither file nor directory ({kind:?})", self.shown),
        }
    }

    fn directory(
        &mut self,
        dir: &OwnedFd,
        name: &str,
        meta: &Meta,
        sink: &mut dyn Sink,
    ) -> anyhow::Result<()> {
        if self.depth == MAX_DEPTH {
            bail!("{} is nested more than {MAX_DEPTH} directories deep", self.shown);
        }
        self.depth += 1;
        sink.enter(name, meta)?;
        for entry in Dir::read_from(dir).with_context(|| format!("list {}", self.shown))? {
            let entry = entry.with_context(|| format!("list {}", self.shown))?;
            let Ok(name) = entry.file_name().to_str() else {
                bail!("{:?} in {} is not UTF-8", entry.file_name(), self.shown);
            };
            if name != "." && name != ".." {
                self.entry(dir, name, sink).with_context(|| format!("copy {name}"))?;
            }
        }
        self.depth -= 1;
        sink.leave()
    }

    fn entry(&mut self, dir: &OwnedFd, name: &str, sink: &mut dyn Sink) -> anyhow::Result<()> {
        let stat = match fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            // Removed since it was listed.
            Err(Errno::NOENT) => return Ok(()),
            other => other?,
        };
        let meta = Meta::of(&stat);
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let child = fs::openat(dir, name, DIR, Mode::empty())?;
                self.directory(&child, name, &meta, sink)
            }
            FileType::RegularFile => {
                // NONBLOCK: a fifo put in its place must not hold us.
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let file = fs::openat(dir, name, flags, Mode::empty())?;
                sink.file(name, &Meta::of(&fs::fstat(&file)?), &mut File::from(file))
            }
            FileType::Symlink => {
                let target = fs::readlinkat(dir, name, Vec::new())?;
                sink.link(name, &meta, target.to_str().context("link target is not UTF-8")?)
            }
            kind => {
                // Sockets, fifos and devices are nothing outside of where they are.
                tracing::warn!(name, ?kind, "not copied");
                Ok(())
            }
        }
    }
}

/// Writes a tree.
#[derive(Debug)]
pub(super) struct TreeSink<'a> {
    base: BorrowedFd<'a>,
    open: Vec<(OwnedFd, Meta)>,
    rules: Rules,
}

impl<'a> TreeSink<'a> {
    pub(super) fn new(base: BorrowedFd<'a>, rules: Rules) -> Self {
        TreeSink { base, open: Vec::new(), rules }
    }

    fn at(&self) -> BorrowedFd<'_> {
        self.open.last().map_or(self.base, |(fd, _)| fd.as_fd())
    }

    /// Makes room for something that is no directory.
    fn clear(&self, name: &str) -> anyhow::Result<()> {
        match fs::unlinkat(self.at(), name, AtFlags::empty()) {
            Ok(()) => Ok(()),
            Err(e) if super::is_missing(e) => Ok(()),
            Err(Errno::ISDIR) if self.rules.overwrite => {
                Ok(crate::sys::tree::remove_tree(self.at(), name)?)
            }
            Err(Errno::ISDIR) => {
                bail!("{name} is a directory: a file cannot be copied over it without --overwrite")
            }
            Err(e) => Err(e).with_context(|| format!("replace {name}")),
        }
    }

    fn finish(&self, fd: impl AsFd, meta: &Meta) -> anyhow::Result<()> {
        if let Some((uid, gid)) = self.rules.owner_of(meta) {
            fs::fchown(&fd, Some(uid), Some(gid)).context("set the owner")?;
        }
        // After chown, which takes the set-id bits away.
        fs::fchmod(&fd, Mode::from_raw_mode(meta.mode)).context("set the mode")?;
        fs::futimens(&fd, &times(meta)).context("set the time")?;
        Ok(())
    }
}

/// What is nothing but zeros is left out: an archive, or a layer, may hold a file of a tebibyte.
fn copy_sparse(content: &mut dyn Read, file: &mut File) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    let mut len = 0;
    loop {
        let got = match content.read(&mut buffer) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if got == 0 {
            return file.set_len(len);
        }
        len += got as u64;
        match buffer[..got].iter().all(|byte| *byte == 0) {
            true => drop(file.seek(SeekFrom::Start(len))?),
            false => file.write_all(&buffer[..got])?,
        }
    }
}

fn times(meta: &Meta) -> Timestamps {
    let (seconds, nanoseconds) = meta.mtime;
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: fs::UTIME_OMIT },
        last_modification: Timespec { tv_sec: seconds, tv_nsec: nanoseconds },
    }
}

impl Sink for TreeSink<'_> {
    fn enter(&mut self, name: &str, meta: &Meta) -> anyhow::Result<()> {
        let mut made = name != ".";
        if made {
            match fs::mkdirat(self.at(), name, Mode::RWXU) {
                Ok(()) => {}
                Err(Errno::EXIST) => made = false,
                Err(e) => return Err(e).with_context(|| format!("make directory {name}")),
            }
        }
        let child = match fs::openat(self.at(), name, DIR, Mode::empty()) {
            Err(Errno::NOTDIR | Errno::LOOP) if self.rules.overwrite => {
                self.clear(name)?;
                fs::mkdirat(self.at(), name, Mode::RWXU)
                    .and_then(|()| fs::openat(self.at(), name, DIR, Mode::empty()))
                    .with_context(|| format!("make directory {name}"))?
            }
            other => other.with_context(|| {
                format!("{name} is there and no directory; --overwrite replaces it")
            })?,
        };
        let mut meta = meta.clone();
        if !made {
            // A directory that was there keeps what it is.
            meta = Meta::of(&fs::fstat(&child)?);
        }
        self.open.push((child, meta));
        Ok(())
    }

    fn leave(&mut self) -> anyhow::Result<()> {
        match self.open.pop() {
            Some((fd, meta)) => self.finish(fd, &meta),
            None => Ok(()),
        }
    }

    fn file(&mut self, name: &str, meta: &Meta, content: &mut dyn Read) -> anyhow::Result<()> {
        self.clear(name)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let mode = Mode::RUSR | Mode::WUSR;
        let fd = fs::openat(self.at(), name, flags | OFlags::CLOEXEC, mode)
            .with_context(|| format!("make file {name}"))?;
        let mut file = File::from(fd);
        copy_sparse(content, &mut file).with_context(|| format!("write {name}"))?;
        self.finish(&file, meta)
    }

    fn link(&mut self, name: &str, meta: &Meta, target: &str) -> anyhow::Result<()> {
        self.clear(name)?;
        fs::symlinkat(target, self.at(), name).with_context(|| format!("make link {name}"))?;
        if let Some((uid, gid)) = self.rules.owner_of(meta) {
            fs::chownat(self.at(), name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
                .context("set the owner")?;
        }
        Ok(())
    }
}
