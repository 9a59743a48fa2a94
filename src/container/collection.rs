//! All containers of a user: creation, search, names, removal.

use super::cache;
use super::config::Config;
use super::dir::{CONFIG, ContainerDir, LOCK};
use super::error::{Error, errno, io};
use super::files::Files;
use super::name;
use crate::sys::dirs::Dirs;
use crate::sys::{atomic, lock, tree};
use rustix::fs::{self, AtFlags, CWD, Dir, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

mod rename;

pub(super) use rename::Named;

const BY_NAME: &str = "by-name";
/// Lock file of the one who mends names of containers that are no more.
pub(super) const MEND: &str = ".mend";
const NEW: &str = ".new-";
/// Beginning of the name of what is being removed.
pub(super) const GONE: &str = ".gone-";
/// How long a creator may need between mkdir and its lock.
const GRACE: Duration = Duration::from_secs(60);
const DIR: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// The `containers` directory of one user.
#[derive(Debug)]
pub struct Containers {
    fd: OwnedFd,
    names: OwnedFd,
    path: PathBuf,
}

/// What is left of a container that is removed: files of subordinate ids.
#[derive(Debug)]
#[must_use]
pub struct Rest {
    id: String,
    gone: String,
}

impl Containers {
    /// Opens the directory; makes it (mode 0700) at first use.
    pub fn open(dirs: &Dirs) -> Result<Self, Error> {
        let path = dirs.containers();
        let names = path.join(BY_NAME);
        let shown = || path.display().to_string();
        let fd = match fs::openat(CWD, &path, DIR, Mode::empty()) {
            Err(Errno::NOENT) => {
                std::fs::create_dir_all(&dirs.data).map_err(io("make", shown()))?;
                made(fs::mkdirat(CWD, &path, Mode::RWXU)).map_err(errno("make", shown()))?;
                fs::openat(CWD, &path, DIR, Mode::empty())
            }
            other => other,
        }
        .map_err(errno("open", shown()))?;
        let names = match fs::openat(&fd, BY_NAME, DIR, Mode::empty()) {
            Err(Errno::NOENT) => {
                made(fs::mkdirat(&fd, BY_NAME, Mode::RWXU))
                    .map_err(errno("make", names.display().to_string()))?;
                fs::openat(&fd, BY_NAME, DIR, Mode::empty())
            }
            other => other,
        }
        .map_err(errno("open", names.display().to_string()))?;
        Ok(Containers { fd, names, path })
    }

    /// Makes a container directory with its lock held, under `name` or a generated one.
    ///
    /// It counts as garbage (see [`Self::sweep`]) until `config.json` is written. Errors:
    /// [`Error::NameInUse`], [`Error::BadName`], [`Error::BadId`].
    pub fn create(&self, id: Option<&str>, name: Option<&str>) -> Result<ContainerDir, Error> {
        Ok(self.create_named(id, name)?.0)
    }

    /// [`Self::create`], and the name that was taken.
    pub fn create_named(
        &self,
        id: Option<&str>,
        name: Option<&str>,
    ) -> Result<(ContainerDir, String), Error> {
        let id = match id {
            Some(id) if name::is_id(id) => id.to_owned(),
            Some(id) => return Err(Error::BadId(id.to_owned())),
            None => name::new_id()?,
        };
        if let Some(name) = name {
            name::check(name)?;
        }
        let dir = self.make_dir(&id)?;
        let named = match name {
            Some(name) => self.link(name, &id).map(|()| name.to_owned()),
            None => self.link_generated(&id),
        };
        match named {
            Ok(name) => Ok((dir, name)),
            Err(e) => {
                let _ = tree::remove_tree(&self.fd, &id);
                Err(e)
            }
        }
    }

    /// The directory becomes visible only with its lock held, so that no sweep takes it for
    /// what a killed creator left behind.
    fn make_dir(&self, id: &str) -> Result<ContainerDir, Error> {
        let path = self.path.join(id);
        let shown = path.display().to_string();
        let temp = format!("{NEW}{id}");
        fs::mkdirat(&self.fd, &temp, Mode::RWXU).map_err(errno("make", &*shown))?;
        let result = (|| {
            let fd = fs::openat(&self.fd, &temp, DIR | OFlags::NOFOLLOW, Mode::empty())?;
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            let held = fs::openat(&fd, LOCK, flags, Mode::RUSR | Mode::WUSR)?;
            if !lock::try_lock(&held, lock::Kind::Exclusive)? {
                return Err(Errno::BUSY.into());
            }
            fs::renameat_with(&self.fd, &temp, &self.fd, id, RenameFlags::NOREPLACE)?;
            Ok((fd, held))
        })();
        match result {
            Ok((fd, held)) => Ok(ContainerDir::from_parts(fd, id.to_owned(), path, Some(held))),
            Err(source) => {
                let _ = tree::remove_tree(&self.fd, &temp);
                Err(io("make", shown)(source))
            }
        }
    }

    fn link_generated(&self, id: &str) -> Result<String, Error> {
        for attempt in 0..64 {
            let name = name::suggest(attempt)?;
            match self.link(&name, id) {
                Err(Error::NameInUse { .. }) => {}
                Err(e) => return Err(e),
                Ok(()) => return Ok(name),
            }
        }
        Err(Error::NoFreeName)
    }

    /// Takes a name: symlinkat(2) is the test and the act in one.
    fn link(&self, name: &str, id: &str) -> Result<(), Error> {
        let target = name::to_link(id).ok_or_else(|| Error::NotFound(id.to_owned()))?;
        loop {
            match fs::symlinkat(&target, &self.names, name) {
                Ok(()) => return Ok(()),
                Err(Errno::EXIST) => self.free_stale(name)?,
                Err(e) => return Err(errno("make", self.shown_name(name))(e)),
            }
        }
    }

    /// What is no link of ours was put there by somebody, and stays.
    fn is_free(&self, name: &str) -> Result<(), Error> {
        match fs::statat(&self.names, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(()),
            Err(e) => Err(errno("look at", self.shown_name(name))(e)),
            Ok(_) => Err(Error::NameInUse { name: name.to_owned(), id: self.shown_name(name) }),
        }
    }

    /// Ok when the name is free now, or may be: the caller tries again.
    ///
    /// Only one process at a time looks again and unlinks; so no link that another creator made
    /// in between is taken for the old one.
    fn free_stale(&self, name: &str) -> Result<(), Error> {
        let held = self.hold_names()?;
        self.free_stale_held(name, &held)
    }

    /// Waits until nobody else changes what names lead to.
    fn hold_names(&self) -> Result<OwnedFd, Error> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let mend = fs::openat(&self.names, MEND, flags, Mode::RUSR | Mode::WUSR)
            .map_err(errno("open", self.shown_name(MEND)))?;
        lock::lock(&mend, lock::Kind::Exclusive).map_err(io("lock", self.shown_name(MEND)))?;
        Ok(mend)
    }

    fn free_stale_held(&self, name: &str, _held: &OwnedFd) -> Result<(), Error> {
        let Some(id) = self.target(name)? else { return self.is_free(name) };
        match self.open_id(&id) {
            Ok(mut dir) => {
                let whole = exists(&dir, CONFIG)?;
                if whole || !dir.try_lock()? {
                    return Err(Error::NameInUse { name: name.to_owned(), id });
                }
                // Its creator was killed before the config was written, or who removed it after
                // it was gone.
                self.unlink_name(name)?;
                match self.discard(&id) {
                    // Files of subordinate ids: nobody finds them, and a sweep has them.
                    Err(Error::Io { source, .. })
                        if source.kind() == ErrorKind::PermissionDenied =>
                    {
                        Ok(())
                    }
                    other => other,
                }
            }
            Err(Error::NotFound(_)) => self.unlink_name(name),
            Err(e) => Err(e),
        }
    }

    /// Looks a container up by its name, its id, or the start of its id, in this order.
    pub fn find(&self, wanted: &str) -> Result<ContainerDir, Error> {
        if name::check(wanted).is_err() {
            return Err(Error::NotFound(wanted.to_owned()));
        }
        if let Some(id) = self.target(wanted)? {
            match self.open_id(&id) {
                Err(Error::NotFound(_)) => {}
                other => return other,
            }
        }
        if !name::is_hex(wanted) {
            return Err(Error::NotFound(wanted.to_owned()));
        }
        if name::is_id(wanted) {
            return self.open_id(wanted);
        }
        let mut ids = self.ids()?;
        ids.retain(|id| id.starts_with(wanted));
        match ids.as_slice() {
            [] => Err(Error::NotFound(wanted.to_owned())),
            [id] => self.open_id(id),
            many => Err(Error::Ambiguous {
                prefix: wanted.to_owned(),
                ids: many.iter().map(|id| id.chars().take(12).collect()).collect(),
            }),
        }
    }

    /// Opens a container by its whole id.
    pub fn open_id(&self, id: &str) -> Result<ContainerDir, Error> {
        match fs::openat(&self.fd, id, DIR | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(fd) => Ok(ContainerDir::from_parts(fd, id.to_owned(), self.path.join(id), None)),
            Err(Errno::NOENT) => Err(Error::NotFound(id.to_owned())),
            Err(e) => Err(errno("open", self.path.join(id).display().to_string())(e)),
        }
    }

    /// Whether a container has a control socket: one that never had a supervisor, or whose
    /// supervisor has ended, has none. That of one that was killed stays.
    pub fn has_socket(&self, id: &str) -> bool {
        let socket = [id, "/", bolt_shim::control::SOCKET].concat();
        fs::statat(&self.fd, socket, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// The files of a container by its whole id, without opening its directory.
    pub(super) fn files<'a>(&'a self, id: &'a str, below: &'a str) -> Files<'a> {
        Files { at: self.fd.as_fd(), below, id, path: &self.path }
    }

    /// The directory itself.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Its path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Ids of all container directories, half-made ones too, in no order.
    pub fn ids(&self) -> Result<Vec<String>, Error> {
        Ok(self.entries()?.into_iter().filter(|n| name::is_id(n)).collect())
    }

    /// The name that leads to `id`. Slow (reads every link): for a directory whose config is not
    /// written yet or cannot be read.
    pub fn name_of(&self, id: &str) -> Result<Option<String>, Error> {
        for name in read_names(&self.names).map_err(errno("list", self.shown_name("")))? {
            if name != MEND && self.target(&name)?.as_deref() == Some(id) {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    /// Changes what is written of a container; nobody else does so meanwhile. With an error, and
    /// where nothing is another, nothing is written.
    pub fn edit<T, E: From<Error>>(
        &self,
        dir: &ContainerDir,
        change: impl FnOnce(&mut Config) -> Result<T, E>,
    ) -> Result<T, E> {
        let _held = self.hold_names()?;
        let before = dir.read_config()?;
        let mut config = before.clone();
        let result = change(&mut config)?;
        if config != before {
            dir.write_config(&config, atomic::Sync::Durable)?;
        }
        Ok(result)
    }

    /// Removes a container that does not run: its name and its files.
    ///
    /// The files may belong to subordinate ids, so the process must be inside P. The lock is
    /// taken when `dir` does not hold it yet; [`Error::Busy`] when it is held elsewhere.
    pub fn remove(&self, dir: &mut ContainerDir) -> Result<(), Error> {
        let gone = self.take_away(dir)?;
        self.delete(dir.id(), &gone)
    }

    /// [`Self::remove`] by a process that need not be inside P, which takes longer than all of
    /// this where no supervisor holds one. `Some`: nobody finds the container any more, but files
    /// of subordinate ids are left.
    pub fn remove_own(&self, dir: &mut ContainerDir) -> Result<Option<Rest>, Error> {
        let gone = self.take_away(dir)?;
        match self.delete(dir.id(), &gone) {
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::PermissionDenied => {
                Ok(Some(Rest { id: dir.id().to_owned(), gone }))
            }
            other => other.map(|()| None),
        }
    }

    /// Deletes what [`Self::remove_own`] has left. Inside P.
    pub fn remove_rest(&self, rest: &Rest) -> Result<(), Error> {
        self.delete(&rest.id, &rest.gone)
    }

    /// Removes a container of ours that was never written down, under the name it was made with.
    ///
    /// For a process that can open hardly any file more, so it opens none before it has closed
    /// some: nobody else renames or removes what is held and has no config.
    pub fn take_back(&self, dir: ContainerDir, name: &str) -> Result<(), Error> {
        if !dir.has_lock() {
            return Err(Error::Busy(dir.id().to_owned()));
        }
        if self.target(name)?.as_deref() == Some(dir.id()) {
            self.unlink_name(name)?;
        }
        let gone = self.hide(dir.id())?;
        let id = dir.id().to_owned();
        drop(dir);
        self.delete(&id, &gone)
    }

    /// The name that the files have from now on, which no search finds.
    fn take_away(&self, dir: &mut ContainerDir) -> Result<String, Error> {
        if !dir.try_lock()? {
            return Err(Error::Busy(dir.id().to_owned()));
        }
        // Held until nobody can find it: its name may not change meanwhile.
        let held = self.hold_names()?;
        let name = match dir.read_config() {
            Ok(config) => Some(config.name),
            Err(_) => self.name_of(dir.id())?,
        };
        // First: a name of nothing is free, but one who lost his name would be hard to find.
        let gone = self.hide(dir.id())?;
        if let Some(name) = name {
            self.unlink_own(&name, dir.id())?;
        }
        drop(held);
        Ok(gone)
    }

    fn discard(&self, id: &str) -> Result<(), Error> {
        let gone = self.hide(id)?;
        self.delete(id, &gone)
    }

    /// The rename makes it invisible in one step; deletion may take long or be interrupted.
    fn hide(&self, id: &str) -> Result<String, Error> {
        let gone = format!("{GONE}{id}");
        let shown = self.path.join(id).display().to_string();
        fs::renameat(&self.fd, id, &self.fd, &gone).map_err(errno("remove", shown))?;
        Ok(gone)
    }

    fn delete(&self, id: &str, gone: &str) -> Result<(), Error> {
        let shown = self.path.join(id).display().to_string();
        tree::remove_tree(&self.fd, gone).map_err(io("remove", shown))
    }

    /// Removes what killed commands left: directories without config and holder, and the rest
    /// of interrupted removals. Inside P. Returns how many were removed.
    pub fn sweep(&self) -> Result<usize, Error> {
        let mut count = 0;
        for entry in self.entries()? {
            let garbage = if let Some(id) = entry.strip_prefix(GONE) {
                self.free_name_of(id)?;
                true
            } else if entry.starts_with(NEW) || entry.starts_with(cache::TEMP) {
                self.is_old(&entry)
            } else if name::is_id(&entry) {
                count += usize::from(self.sweep_half_made(&entry)?);
                false
            } else {
                false
            };
            if garbage {
                let shown = self.path.join(&entry).display().to_string();
                tree::remove_tree(&self.fd, &entry).map_err(io("remove", shown))?;
                count += 1;
            }
        }
        Ok(count)
    }

    /// Takes the name away that a broken off removal has left.
    fn free_name_of(&self, id: &str) -> Result<(), Error> {
        let _held = self.hold_names()?;
        self.name_of(id)?.map_or(Ok(()), |name| self.unlink_own(&name, id))
    }

    fn sweep_half_made(&self, id: &str) -> Result<bool, Error> {
        let mut dir = match self.open_id(id) {
            Err(Error::NotFound(_)) => return Ok(false),
            other => other?,
        };
        if exists(&dir, CONFIG)? {
            return Ok(false);
        }
        match dir.try_lock() {
            Ok(true) if !exists(&dir, CONFIG)? => {}
            Ok(_) | Err(Error::NotFound(_)) => return Ok(false),
            Err(e) => return Err(e),
        }
        self.remove(&mut dir)?;
        Ok(true)
    }

    fn is_old(&self, entry: &str) -> bool {
        let Ok(stat) = fs::statat(&self.fd, entry, AtFlags::SYMLINK_NOFOLLOW) else { return false };
        let made = SystemTime::UNIX_EPOCH + Duration::from_secs(stat.st_mtime.max(0) as u64);
        SystemTime::now().duration_since(made).is_ok_and(|age| age > GRACE)
    }

    fn entries(&self) -> Result<Vec<String>, Error> {
        read_names(&self.fd).map_err(errno("list", self.path.display().to_string()))
    }

    /// The id a name leads to.
    fn target(&self, name: &str) -> Result<Option<String>, Error> {
        let link = match fs::readlinkat(&self.names, name, Vec::new()) {
            Ok(link) => link,
            // A file that is no link is not ours: it is no container either.
            Err(Errno::NOENT | Errno::INVAL) => return Ok(None),
            Err(e) => return Err(errno("read", self.shown_name(name))(e)),
        };
        Ok(link.to_str().ok().and_then(name::from_link))
    }

    /// Whether a name leads to `id`.
    pub(super) fn leads_to(&self, name: &str, id: &str) -> Result<bool, Error> {
        Ok(name::check(name).is_ok() && self.target(name)?.as_deref() == Some(id))
    }

    fn unlink_name(&self, name: &str) -> Result<(), Error> {
        match fs::unlinkat(&self.names, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(e) => Err(errno("remove", self.shown_name(name))(e)),
        }
    }

    /// [`Self::unlink_name`] where it leads to `id`; names are held.
    fn unlink_own(&self, name: &str, id: &str) -> Result<(), Error> {
        if self.leads_to(name, id)? { self.unlink_name(name) } else { Ok(()) }
    }

    fn shown_name(&self, name: &str) -> String {
        self.path.join(BY_NAME).join(name).display().to_string()
    }
}

fn exists(dir: &ContainerDir, file: &str) -> Result<bool, Error> {
    match fs::statat(dir.fd(), file, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(e) => Err(errno("look at", dir.shown(file))(e)),
    }
}

fn read_names(dir: impl AsFd) -> rustix::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        if let Ok(name) = entry?.file_name().to_str()
            && name != "."
            && name != ".."
        {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

fn made(result: rustix::io::Result<()>) -> rustix::io::Result<()> {
    match result {
        Err(Errno::EXIST) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests;
