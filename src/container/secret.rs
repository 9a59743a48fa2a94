//! Secrets: `secrets/<name>`, one file each, and what a container has of them.
//!
//! A file begins with one line of JSON, the [`Record`]; the value follows, byte for byte. So a
//! secret is there whole or not at all, its name is taken by whoever is first, and lists never
//! read a value.

use super::config::Config;
use super::dir::ContainerDir;
use super::error::{Error, errno, io};
use super::name;
use crate::sys::atomic;
use crate::sys::dirs::Dirs;
use bolt_shim::secret::Secret;
use rustix::fs::{self, AtFlags, CWD, Dir, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// A value is smaller, in bytes (podman-secret-create(1)).
pub const MOST: usize = 512_000;
/// Letters of a name at most.
const LONGEST_NAME: usize = 64;
/// Digits of an id.
const ID: usize = 25;
/// A record is shorter, in bytes; labels are most of it.
const RECORD: u64 = 1 << 20;
/// How long after its last change a half written file is somebody's who was killed.
const GRACE: Duration = Duration::from_secs(60);

/// What is known of a secret besides its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Format version, 1.
    pub version: u32,
    /// 25 hex digits.
    pub id: String,
    /// Unique name.
    pub name: String,
    /// Nanoseconds since 1970.
    pub created: i64,
    /// When it took the place of an older one, nanoseconds since 1970; 0: it never did.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub updated: i64,
    /// Labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Bytes of the value.
    pub size: usize,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl Record {
    /// When its value was given, nanoseconds since 1970.
    pub fn updated(&self) -> i64 {
        if is_zero(&self.updated) { self.created } else { self.updated }
    }
}

/// Whose place a secret may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// Nobody's: the name must be free.
    Nobody,
    /// That of whoever has its name, a damaged one too.
    Anybody,
}

/// Why a secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// There is none.
    #[error("no secret with name or id {0:?}")]
    NotFound(String),
    /// The beginning of several ids.
    #[error("{wanted:?} is the beginning of {count} secrets' ids; give more digits")]
    Ambiguous {
        /// What was typed.
        wanted: String,
        /// How many.
        count: usize,
    },
    /// There is one already.
    #[error(
        "secret name {0:?} is in use; give it the new value with --replace, or remove it ('bolt secret rm {0}')"
    )]
    Exists(String),
    /// A name has a letter that is not allowed.
    #[error(
        "{0:?} is not a secret name: use at most 64 of a-z, A-Z, 0-9, '-', '_' and '.', the first and last one a letter or digit"
    )]
    BadName(String),
    /// Empty or too large.
    #[error("a secret has 1 to {} bytes, not {}", MOST - 1, size(.0))]
    Size(usize),
    /// No file that Bolt wrote.
    #[error(
        "the file of secret {0:?} is damaged; remove it ('bolt secret rm {0}') and create it anew"
    )]
    Damaged(String),
    /// Something else is where secrets are kept.
    #[error(
        "{0} must be a directory of your own, and no link: secrets are kept there; move it away"
    )]
    Place(String),
    /// A container's own copy is gone.
    #[error("container {id} has lost the value of its secret {name:?}; create it anew")]
    Lost {
        /// The container.
        id: String,
        /// The secret.
        name: String,
    },
    /// The system refused.
    #[error(transparent)]
    System(#[from] Error),
}

fn size(bytes: &usize) -> String {
    if *bytes < MOST { bytes.to_string() } else { "more".to_owned() }
}

fn fill(file: &mut File, parts: &[&[u8]]) -> std::io::Result<()> {
    parts.iter().try_for_each(|part| file.write_all(part))?;
    file.sync_all()
}

/// The `secrets` directory of one user.
#[derive(Debug)]
pub struct Secrets {
    fd: OwnedFd,
    path: PathBuf,
}

impl Secrets {
    /// Opens the directory; makes it (mode 0700) at first use.
    pub fn open(dirs: &Dirs) -> Result<Self, SecretError> {
        let path = dirs.secrets();
        let shown = path.display().to_string();
        std::fs::create_dir_all(&dirs.data).map_err(io("make", &*shown))?;
        match fs::mkdirat(CWD, &path, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(e) => return Err(errno("make", shown)(e).into()),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let fd = match fs::openat(CWD, &path, flags, Mode::empty()) {
            Err(Errno::NOTDIR | Errno::LOOP) => return Err(SecretError::Place(shown)),
            other => other.map_err(errno("open", &*shown))?,
        };
        let stat = fs::fstat(&fd).map_err(errno("look at", &*shown))?;
        if stat.st_uid != rustix::process::geteuid().as_raw() {
            return Err(SecretError::Place(shown));
        }
        if stat.st_mode & 0o077 != 0 {
            fs::fchmod(&fd, Mode::RWXU).map_err(errno("close to others", shown))?;
        }
        Ok(Secrets { fd, path })
    }

    /// Path of the directory.
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Refuses a name that cannot be had.
    pub fn is_free(&self, name: &str) -> Result<(), SecretError> {
        check(name)?;
        match fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Err(SecretError::Exists(name.to_owned())),
            // Should it be taken meanwhile, or not be told, the making says so.
            Err(_) => Ok(()),
        }
    }

    /// Keeps a value under this name; its record. It counts as created when the one was whose place
    /// it takes.
    pub fn create(
        &self,
        name: &str,
        value: &Secret,
        labels: BTreeMap<String, String>,
        over: Over,
    ) -> Result<Record, SecretError> {
        check(name)?;
        let size = value.bytes().len();
        if !(1..MOST).contains(&size) {
            return Err(SecretError::Size(size));
        }
        let id = name::new_id()?[..ID].to_owned();
        let now = super::time::now();
        let older = match over {
            Over::Nobody => None,
            Over::Anybody => self.read(name).ok().map(|(older, _)| older.created),
        };
        let (created, updated) = older.map_or((now, 0), |created| (created, now));
        let record =
            Record { version: 1, id, name: name.to_owned(), created, updated, labels, size };
        let mut head =
            serde_json::to_vec(&record).map_err(|_| SecretError::Damaged(name.into()))?;
        head.push(b'\n');
        if head.len() as u64 > RECORD {
            let large = std::io::Error::from(std::io::ErrorKind::FileTooLarge);
            return Err(io("write the labels of", self.shown(name))(large).into());
        }
        self.sweep();
        let parts = [&head, value.bytes()];
        let written = match over {
            Over::Nobody => self.write(name, &parts),
            Over::Anybody => self.write_named(name, &parts, RenameFlags::empty()),
        };
        match written {
            Ok(()) => Ok(record),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                Err(SecretError::Exists(name.to_owned()))
            }
            Err(e) => Err(io("write", self.shown(name))(e).into()),
        }
    }

    /// There whole or not at all, and never in another's place.
    fn write(&self, name: &str, parts: &[&[u8]]) -> std::io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
        let fd = match fs::openat(&self.fd, ".", flags, Mode::RUSR | Mode::WUSR) {
            // As a file system without such files says it, and a kernel that knows none.
            Err(Errno::OPNOTSUPP | Errno::ISDIR) => {
                return self.write_named(name, parts, RenameFlags::NOREPLACE);
            }
            other => other?,
        };
        let mut file = File::from(fd);
        fill(&mut file, parts)?;
        // A killed creator leaves nothing: until here the file has no name.
        let own = format!("/proc/self/fd/{}", file.as_raw_fd());
        fs::linkat(CWD, own, &self.fd, name, AtFlags::SYMLINK_FOLLOW)?;
        Ok(fs::fsync(&self.fd)?)
    }

    /// The same by a file of another name, which [`Self::sweep`] takes when its creator is killed;
    /// `how` says whether one that has the name gives way.
    fn write_named(&self, name: &str, parts: &[&[u8]], how: RenameFlags) -> std::io::Result<()> {
        let temp = atomic::temp_name(name);
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let fd = fs::openat(&self.fd, &temp, flags, Mode::RUSR | Mode::WUSR)?;
        let written = (|| {
            fill(&mut File::from(fd), parts)?;
            fs::renameat_with(&self.fd, &temp, &self.fd, name, how)?;
            fs::fsync(&self.fd)?;
            Ok(())
        })();
        if written.is_err() {
            let _ = fs::unlinkat(&self.fd, &temp, AtFlags::empty());
        }
        written
    }

    /// Removes what creators left behind that were killed.
    fn sweep(&self) {
        for name in self.names().unwrap_or_default() {
            let old = |stat: fs::Stat| {
                let changed = Duration::from_secs(stat.st_mtime.try_into().unwrap_or(0));
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
                now.is_ok_and(|now| now.saturating_sub(changed) > GRACE)
            };
            if name.starts_with('.')
                && name.ends_with(".tmp")
                && fs::statat(&self.fd, &name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(old)
            {
                let _ = fs::unlinkat(&self.fd, &name, AtFlags::empty());
            }
        }
    }

    /// The secret of that name, or with that id, or with the only id that begins so.
    pub fn find(&self, wanted: &str) -> Result<Record, SecretError> {
        let missing = || SecretError::NotFound(wanted.to_owned());
        if check(wanted).is_ok() {
            match self.read(wanted) {
                Err(SecretError::NotFound(_)) => {}
                other => return other.map(|(record, _)| record),
            }
        }
        if !name::is_hex(wanted) || wanted.len() > ID {
            return Err(missing());
        }
        let mut found = self.list()?;
        found.retain(|record| record.id.starts_with(wanted));
        match found.len() {
            0 | 1 => found.pop().ok_or_else(missing),
            count => Err(SecretError::Ambiguous { wanted: wanted.to_owned(), count }),
        }
    }

    /// [`Self::find`] with the value.
    pub fn value(&self, wanted: &str) -> Result<(Record, Secret), SecretError> {
        let found = self.find(wanted)?;
        let (record, mut file) = self.read(&found.name)?;
        let shown = self.shown(&record.name);
        let mut bytes = Vec::with_capacity(record.size + 1);
        let limit = record.size as u64 + 1;
        file.by_ref().take(limit).read_to_end(&mut bytes).map_err(io("read", shown))?;
        let value = Secret::new(bytes);
        match value.bytes().len() == record.size {
            true => Ok((record, value)),
            false => Err(SecretError::Damaged(record.name)),
        }
    }

    /// All whole ones, by name.
    pub fn list(&self) -> Result<Vec<Record>, SecretError> {
        let read = |name: &String| self.read(name).ok().map(|(record, _)| record);
        Ok(self.taken()?.iter().filter_map(read).collect())
    }

    /// Every name that is taken, by a damaged one too.
    pub fn taken(&self) -> Result<Vec<String>, SecretError> {
        let mut names = self.names()?;
        names.retain(|name| check(name).is_ok());
        names.sort();
        Ok(names)
    }

    /// Removes one by its name, a damaged one too.
    pub fn remove(&self, name: &str) -> Result<(), SecretError> {
        check(name).map_err(|_| SecretError::NotFound(name.to_owned()))?;
        self.sweep();
        match fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Err(SecretError::NotFound(name.to_owned())),
            Err(e) => return Err(errno("remove", self.shown(name))(e).into()),
        }
        Ok(fs::fsync(&self.fd).map_err(errno("write", self.path.display().to_string()))?)
    }

    /// The record, and the file from the value on. Nothing but a plain file is waited for or
    /// followed.
    fn read(&self, name: &str) -> Result<(Record, BufReader<File>), SecretError> {
        let damaged = || SecretError::Damaged(name.to_owned());
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = match fs::openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => File::from(fd),
            Err(Errno::NOENT) => return Err(SecretError::NotFound(name.to_owned())),
            Err(Errno::LOOP | Errno::NXIO) => return Err(damaged()),
            Err(e) => return Err(errno("read", self.shown(name))(e).into()),
        };
        if !file.metadata().map_err(io("read", self.shown(name)))?.is_file() {
            return Err(damaged());
        }
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        let read = reader.by_ref().take(RECORD).read_until(b'\n', &mut line);
        read.map_err(io("read", self.shown(name)))?;
        let record: Record = serde_json::from_slice(&line).map_err(|_| damaged())?;
        let whole = record.version == 1
            && record.name == name
            && record.id.len() == ID
            && name::is_hex(&record.id)
            && (1..MOST).contains(&record.size);
        if whole { Ok((record, reader)) } else { Err(damaged()) }
    }

    fn names(&self) -> Result<Vec<String>, SecretError> {
        let shown = || self.path.display().to_string();
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.fd).map_err(errno("list", shown()))? {
            let entry = entry.map_err(errno("list", shown()))?;
            names.extend(entry.file_name().to_str().ok().map(str::to_owned));
        }
        Ok(names)
    }

    fn shown(&self, name: &str) -> String {
        self.path.join(name).display().to_string()
    }
}

fn check(name: &str) -> Result<(), SecretError> {
    let bytes = name.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    let good = bytes.len() <= LONGEST_NAME
        && ends.iter().all(|end| end.is_some_and(u8::is_ascii_alphanumeric))
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b));
    if good { Ok(()) } else { Err(SecretError::BadName(name.to_owned())) }
}

/// One secret of a container, without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// Its name when the container was created.
    pub name: String,
    /// Its id then.
    pub id: String,
    /// How the container gets it.
    #[serde(rename = "as")]
    pub how: How,
}

/// How a container gets a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// As a file in memory.
    Mount {
        /// Absolute path in the container.
        target: String,
        /// uid and gid in the container, where they were typed.
        owner: Option<(u32, u32)>,
        /// Permission bits.
        mode: u32,
    },
    /// As a variable of the environment.
    Env {
        /// The variable.
        name: String,
    },
}

impl Given {
    /// As `inspect` shows it; podman leaves those of the environment out.
    pub fn shown(&self) -> Option<Value> {
        let How::Mount { owner, mode, .. } = &self.how else { return None };
        let (uid, gid) = owner.unwrap_or((0, 0));
        Some(json!({ "Name": self.name, "ID": self.id, "UID": uid, "GID": gid, "Mode": mode }))
    }
}

/// Keeps the values that a container is created with: it has them at every start, whatever
/// becomes of the secrets.
pub fn keep(
    dir: &ContainerDir,
    config: &Config,
    secrets: &[(Given, Secret)],
) -> Result<(), SecretError> {
    let sync = if config.remove { atomic::Sync::Fast } else { atomic::Sync::Durable };
    let values: Vec<&[u8]> = secrets.iter().map(|(_, value)| value.bytes()).collect();
    write(dir, &values, sync)
}

/// Writes a container's values, in the order of its secrets.
pub fn write<V: AsRef<[u8]>>(
    dir: &ContainerDir,
    values: &[V],
    sync: atomic::Sync,
) -> Result<(), SecretError> {
    for (n, value) in values.iter().enumerate() {
        let file = file(n);
        atomic::write_mode(dir.fd().as_fd(), &file, value.as_ref(), sync, 0o600)
            .map_err(io("write", dir.shown(&file)))?;
    }
    Ok(())
}

/// The value of a container's secret number `n`.
pub fn kept(dir: &ContainerDir, n: usize, secret: &Given) -> Result<Secret, SecretError> {
    let lost = || SecretError::Lost { id: dir.id().to_owned(), name: secret.name.clone() };
    let name = file(n);
    let opened = dir.open_file(&name)?.ok_or_else(lost)?;
    let mut bytes = Vec::with_capacity(4096);
    opened.take(MOST as u64).read_to_end(&mut bytes).map_err(io("read", dir.shown(&name)))?;
    Ok(Secret::new(bytes))
}

/// Name in the container's directory.
fn file(n: usize) -> String {
    format!("secret-{n}")
}

#[cfg(test)]
mod tests;
