//! Named directories that outlive containers: `volumes/<name>/{volume.json, _data}`.

use super::config::MountKind;
use super::error::{Error, errno, io};
use super::list::Entry;
use super::name;
use crate::sys::dirs::Dirs;
use crate::sys::{atomic, small, tree};
use rustix::fs::{self, AtFlags, CWD, Dir, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// Directory of the data in a volume's directory.
pub const DATA: &str = "_data";
const RECORD: &str = "volume.json";
/// Prefixes of directories in the making and on their way out.
const NEW: &str = ".new-";
const GONE: &str = ".gone-";
/// Seconds that a creator may need.
const GRACE: i64 = 60;
const DIR: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// `volume.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Format version, 1.
    pub version: u32,
    /// Unique name.
    pub name: String,
    /// Nanoseconds since 1970.
    pub created: i64,
    /// Labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Made for one container without a name.
    #[serde(default)]
    pub anonymous: bool,
}

/// Why a volume cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// There is none.
    #[error("no volume with name {0:?} found")]
    NotFound(String),
    /// There is one already.
    #[error("volume {0:?} exists already; use --ignore to accept that")]
    Exists(String),
    /// A name has a letter that is not allowed.
    #[error(
        "{0:?} is not a volume name: use letters, digits, '_', '.' and '-', the first one a letter or digit"
    )]
    BadName(String),
    /// Its record cannot be read.
    #[error("volume {name:?}: {RECORD} is damaged")]
    Damaged {
        /// Its name.
        name: String,
        /// Where the text broke off.
        source: serde_json::Error,
    },
    /// The system refused.
    #[error(transparent)]
    System(#[from] Error),
}

/// The `volumes` directory of one user.
#[derive(Debug)]
pub struct Volumes {
    fd: OwnedFd,
    path: PathBuf,
}

impl Volumes {
    /// Opens the directory; makes it (mode 0700) at first use.
    pub fn open(dirs: &Dirs) -> Result<Self, VolumeError> {
        let path = dirs.volumes();
        let shown = path.display().to_string();
        std::fs::create_dir_all(&dirs.data).map_err(io("make", &*shown))?;
        match fs::mkdirat(CWD, &path, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(e) => return Err(errno("make", shown)(e).into()),
        }
        let fd = fs::openat(CWD, &path, DIR, Mode::empty()).map_err(errno("open", shown))?;
        Ok(Volumes { fd, path })
    }

    /// Path of a volume's data.
    pub fn data(&self, name: &str) -> PathBuf {
        self.path.join(name).join(DATA)
    }

    /// Makes a volume, there whole or not at all.
    pub fn create(&self, volume: &Volume) -> Result<PathBuf, VolumeError> {
        check(&volume.name)?;
        let temp = format!("{NEW}{}", name::new_id()?);
        let shown = self.path.join(&volume.name).display().to_string();
        let made = (|| {
            fs::mkdirat(&self.fd, &temp, Mode::RWXU)?;
            let dir = fs::openat(&self.fd, &temp, DIR, Mode::empty())?;
            // Open to all: who may go there is decided one directory above. A program in the
            // container may run as any user.
            fs::mkdirat(&dir, DATA, Mode::from_raw_mode(0o755))?;
            let text = serde_json::to_vec(volume)?;
            atomic::write(&dir, RECORD, &text, atomic::Sync::Durable)?;
            let flags = RenameFlags::NOREPLACE;
            fs::renameat_with(&self.fd, &temp, &self.fd, &volume.name, flags)?;
            Ok::<_, std::io::Error>(())
        })();
        match made {
            Ok(()) => Ok(self.data(&volume.name)),
            Err(e) => {
                let _ = tree::remove_tree(&self.fd, &temp);
                if e.kind() == std::io::ErrorKind::AlreadyExists {
                    return Err(VolumeError::Exists(volume.name.clone()));
                }
                Err(io("make", shown)(e).into())
            }
        }
    }

    /// Makes the named volume when there is none (`run -v name:/dir`). True: there was none.
    pub fn ensure(&self, name: &str, anonymous: bool) -> Result<bool, VolumeError> {
        let volume = Volume {
            version: 1,
            name: name.to_owned(),
            created: super::time::now(),
            labels: BTreeMap::new(),
            anonymous,
        };
        match self.create(&volume) {
            Err(VolumeError::Exists(_)) => Ok(false),
            other => other.map(|_| true),
        }
    }

    /// Reads the record of a volume.
    pub fn find(&self, name: &str) -> Result<Volume, VolumeError> {
        let missing = || VolumeError::NotFound(name.to_owned());
        check(name).map_err(|_| missing())?;
        let file = self.path.join(name).join(RECORD);
        match small::read_regular(&file) {
            Ok(text) => serde_json::from_slice(&text)
                .map_err(|source| VolumeError::Damaged { name: name.to_owned(), source }),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(missing()),
            Err(e) => Err(io("read", file.display().to_string())(e).into()),
        }
    }

    /// All readable volumes by name.
    pub fn list(&self) -> Result<Vec<Volume>, VolumeError> {
        let shown = || self.path.display().to_string();
        let mut found = Vec::new();
        for entry in Dir::read_from(&self.fd).map_err(errno("list", shown()))? {
            let entry = entry.map_err(errno("list", shown()))?;
            if let Ok(name) = entry.file_name().to_str()
                && let Ok(volume) = self.find(name)
            {
                found.push(volume);
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// What killed commands left: volumes half made, unless they may still be in the making, and
    /// removals that were broken off; a supervisor's keeps its name, and may have lost its record.
    pub fn left_overs(&self) -> Result<Vec<String>, VolumeError> {
        let shown = || self.path.display().to_string();
        let mut found = Vec::new();
        for entry in Dir::read_from(&self.fd).map_err(errno("list", shown()))? {
            let entry = entry.map_err(errno("list", shown()))?;
            let name = entry.file_name().to_string_lossy();
            let half_gone = || name::is_id(&name) && !self.path.join(&*name).join(RECORD).exists();
            let half_made = || name.starts_with(NEW) && self.is_old(&name);
            if name.starts_with(GONE) || half_made() || half_gone() {
                found.push(name.into_owned());
            }
        }
        found.sort();
        Ok(found)
    }

    /// Removes what [`Volumes::left_overs`] names. Inside P.
    pub fn sweep(&self) -> Result<(), VolumeError> {
        for name in self.left_overs()? {
            let shown = self.path.join(&name).display().to_string();
            tree::remove_tree(&self.fd, &name).map_err(io("remove", shown))?;
        }
        Ok(())
    }

    fn is_old(&self, entry: &str) -> bool {
        let stat = fs::statat(&self.fd, entry, AtFlags::SYMLINK_NOFOLLOW);
        stat.is_ok_and(|stat| super::time::now() / 1_000_000_000 - stat.st_mtime > GRACE)
    }

    /// Removes a volume with its data. Inside P; the caller has looked for users.
    pub fn remove(&self, name: &str) -> Result<(), VolumeError> {
        check(name).map_err(|_| VolumeError::NotFound(name.to_owned()))?;
        let gone = format!("{GONE}{}", name::new_id()?);
        let shown = self.path.join(name).display().to_string();
        match fs::renameat(&self.fd, name, &self.fd, &gone) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Err(VolumeError::NotFound(name.to_owned())),
            Err(e) => return Err(errno("remove", shown)(e).into()),
        }
        Ok(tree::remove_tree(&self.fd, &gone).map_err(io("remove", shown))?)
    }
}

/// Names of the containers that mount a volume.
pub fn users(name: &str, entries: &[Entry]) -> Vec<String> {
    let mounts = |e: &&Entry| {
        let named = |m: &super::config::Mount| m.kind == MountKind::Volume && m.source == name;
        e.config.mounts.iter().any(named) || e.config.anonymous_volumes.iter().any(|v| v == name)
    };
    entries.iter().filter(mounts).map(|e| e.config.name.clone()).collect()
}

fn check(name: &str) -> Result<(), VolumeError> {
    name::check(name).map_err(|_| VolumeError::BadName(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::dirs;
    use super::*;
    use crate::sys::scratch::Scratch;

    #[test]
    fn volumes_are_made_once_found_and_removed() {
        let scratch = Scratch::new("volumes");
        let all = Volumes::open(&dirs(scratch.path())).unwrap();
        assert!(all.ensure("saves", false).unwrap());
        let data = all.data("saves");
        std::fs::write(data.join("slot1"), b"x").unwrap();
        assert!(!all.ensure("saves", false).unwrap());
        let volume = all.find("saves").unwrap();
        assert!(matches!(all.create(&volume), Err(VolumeError::Exists(_))));
        assert!(matches!(all.ensure("../x", false), Err(VolumeError::BadName(_))));
        assert!(matches!(all.find(".."), Err(VolumeError::NotFound(_))));
        assert_eq!(all.list().unwrap().len(), 1);
        // As killed commands leave them: one may still be in the making.
        for name in [".new-young", ".new-old", ".gone-x"] {
            std::fs::create_dir_all(scratch.path().join("data/volumes").join(name).join(DATA))
                .unwrap();
        }
        let half_gone = "a".repeat(64);
        std::fs::create_dir(scratch.path().join("data/volumes").join(&half_gone)).unwrap();
        let old = std::fs::File::open(scratch.path().join("data/volumes/.new-old")).unwrap();
        old.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(100))
            .unwrap();
        assert_eq!(all.left_overs().unwrap(), [".gone-x", ".new-old", &half_gone]);
        all.sweep().unwrap();
        assert!(all.left_overs().unwrap().is_empty());
        // A pipe for a record is not waited for.
        let record = scratch.path().join("data/volumes/odd");
        std::fs::create_dir(&record).unwrap();
        fs::mkfifoat(CWD, record.join(RECORD), Mode::RUSR).unwrap();
        assert!(matches!(all.find("odd"), Err(VolumeError::System(_))));
        assert_eq!(all.list().unwrap().len(), 1);
        std::fs::remove_dir_all(&record).unwrap();
        std::fs::remove_dir_all(scratch.path().join("data/volumes/.new-young")).unwrap();
        all.remove("saves").unwrap();
        assert!(matches!(all.remove("saves"), Err(VolumeError::NotFound(_))));
        assert!(all.list().unwrap().is_empty());
        assert_eq!(std::fs::read_dir(scratch.path().join("data/volumes")).unwrap().count(), 0);
    }
}
